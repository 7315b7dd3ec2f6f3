package edgekit.core;

import edgekit.core.picture.Picture;
import edgekit.core.task.Genotypes;
import edgekit.core.task.Segment;
import java.io.ByteArrayInputStream;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Golden vectors that Python made (edgekit/parity/golden.py says how), and comparison with them. */
public final class Golden {
    public static final String NAME = "golden.npz";
    private static final int LARGEST = 64 << 20;

    private final Npz npz;

    public Golden(Artifact.Folder folder) {
        byte[] bytes = Artifact.bytes(folder, NAME, LARGEST);
        npz = new Npz(folder.where() + "/" + NAME, new ByteArrayInputStream(bytes));
    }

    /** How many things there are. */
    public int examples() {
        int count = 0;
        while (npz.arrays.containsKey(count + "/thing") || npz.texts.containsKey(count + "/thing.csv")) {
            count++;
        }
        return count;
    }

    /** Returns a thing as its task takes it. */
    public Object thing(int number, String task) {
        String table = npz.texts.get(number + "/thing.csv");
        if (table != null) {
            return Genotypes.read("golden", table);
        }
        Npz.Array array = array(number + "/thing");
        if (array.shape.length == 3) {
            Picture picture = new Picture(array.shape[0], array.shape[1], array.shape[2]);
            array.bytes.duplicate().get(picture.pixels);
            return picture;
        }
        double[] numbers = new double[array.size()];
        float[] floats = new float[numbers.length];
        for (int i = 0; i < numbers.length; i++) {
            numbers[i] = array.get(i);
            floats[i] = (float) numbers[i];
        }
        return task.equals("control") ? floats : numbers;
    }

    /** Returns the largest difference of the input that the task made: raw where integers. */
    public double inputError(int number, ModelFile file, Tensor input) {
        return worst(array(key(number, file) + "input"), input);
    }

    /** Copies Python's input into the tensor. */
    public void giveInput(int number, ModelFile file, Tensor input) {
        copy(array(key(number, file) + "input"), input);
    }

    /** Returns Python's outputs as a session would. */
    public Map<String, Tensor> outputs(int number, ModelFile file) {
        Map<String, Tensor> found = new LinkedHashMap<String, Tensor>();
        for (TensorSpec spec : file.main().outputs) {
            Npz.Array array = array(key(number, file) + "output/" + spec.name);
            Tensor tensor = new Tensor(spec, array.shape);
            copy(array, tensor);
            found.put(spec.name, tensor);
        }
        return found;
    }

    /** Returns what is wrong with outputs, by the gate of the file's scheme; null if nothing is. */
    public String judge(int number, ModelFile file, Map<String, Tensor> outputs) {
        return judge(file, outputs(number, file), outputs);
    }

    String judge(ModelFile file, Map<String, Tensor> expected, Map<String, Tensor> outputs) {
        Gate gate = new Gate(new Fields("gate", json(file.path + "/gate.json")));
        for (Map.Entry<String, Tensor> one : expected.entrySet()) {
            String wrong = gate.judge(one.getValue(), outputs.get(one.getKey()));
            if (wrong != null) {
                return one.getKey() + ": " + wrong;
            }
        }
        return null;
    }

    /** Returns the largest difference of any output, in its own units. */
    public double outputError(int number, ModelFile file, Map<String, Tensor> outputs) {
        double worst = 0;
        for (Map.Entry<String, Tensor> output : outputs.entrySet()) {
            Npz.Array expected = array(key(number, file) + "output/" + output.getKey());
            worst = Math.max(worst, worst(expected, output.getValue()));
        }
        return worst;
    }

    /** Returns how an answer differs from Python's: the path of the first field; null if not. */
    public String compareAnswer(int number, ModelFile file, Object described, double tolerance) {
        return difference("answer", json(key(number, file) + "answer.json"), described, tolerance);
    }

    /** Returns how unlikely Python's corrections are. */
    public double nll(int number, ModelFile file) {
        List<?> rows = (List<?>) json(key(number, file) + "answer.json");
        return new Fields("answer", rows.get(0)).number("nll");
    }

    /** Returns the share of a mask's pixels whose class is Python's. */
    public double maskAgreement(int number, ModelFile file, Segment.Mask mask) {
        Npz.Array expected = array(key(number, file) + "mask");
        int same = 0;
        for (int i = 0; i < mask.classes.length; i++) {
            same += expected.get(i) == (mask.classes[i] & 0xff) ? 1 : 0;
        }
        return (double) same / expected.size();
    }

    static String difference(String where, Object expected, Object got, double tolerance) {
        if (expected instanceof Number && got instanceof Number) {
            double one = ((Number) expected).doubleValue();
            double other = ((Number) got).doubleValue();
            boolean near = Math.abs(one - other) <= tolerance * Math.max(1, Math.abs(one));
            return near ? null : where + " is " + other + ", expected " + one;
        }
        if (expected instanceof List && got instanceof List) {
            List<?> one = (List<?>) expected;
            List<?> other = (List<?>) got;
            if (one.size() != other.size()) {
                return where + " has " + other.size() + " entries, expected " + one.size();
            }
            for (int i = 0; i < one.size(); i++) {
                String found = difference(where + "[" + i + "]", one.get(i), other.get(i), tolerance);
                if (found != null) {
                    return found;
                }
            }
            return null;
        }
        if (expected instanceof Map && got instanceof Map) {
            List<Object> keys = new ArrayList<Object>(((Map<?, ?>) expected).keySet());
            if (!keys.equals(new ArrayList<Object>(((Map<?, ?>) got).keySet()))) {
                return where + " has other fields";
            }
            for (Object key : keys) {
                String found = difference(where + "." + key, ((Map<?, ?>) expected).get(key),
                        ((Map<?, ?>) got).get(key), tolerance);
                if (found != null) {
                    return found;
                }
            }
            return null;
        }
        boolean same = expected == null ? got == null : expected.equals(got);
        return same ? null : where + " is " + got + ", expected " + expected;
    }

    static double worst(Npz.Array expected, Tensor got) {
        if (expected.size() != got.size()) {
            return Double.POSITIVE_INFINITY;
        }
        double worst = 0;
        float[] real = got.spec.dtype.equals("float32") ? got.real() : null;
        for (int i = 0; i < got.size(); i++) {
            double error = Math.abs(expected.get(i) - (real != null ? real[i] : got.raw(i)));
            worst = Double.isNaN(error) ? Double.POSITIVE_INFINITY : Math.max(worst, error);
        }
        return worst;
    }

    static void copy(Npz.Array from, Tensor to) {
        if (from.bytes.capacity() != to.bytes.capacity()) {
            throw new InputError("golden: " + to.spec.name).got(from.bytes.capacity() + " bytes")
                    .expected("" + to.bytes.capacity());
        }
        // Every machine that Android runs on is little-endian, as the file.
        to.bytes.rewind();
        to.bytes.put(from.bytes.duplicate()).rewind();
    }

    boolean has(String text) {
        return npz.texts.containsKey(text);
    }

    Object json(String key) {
        return JsonReader.read(there(npz.texts, key));
    }

    Npz.Array array(String key) {
        return there(npz.arrays, key);
    }

    private static <T> T there(Map<String, T> map, String key) {
        T found = map.get(key);
        if (found == null) {
            throw new InputError("golden: no " + key).todo("deploy the artifact again");
        }
        return found;
    }

    private static String key(int number, ModelFile file) {
        return number + "/" + file.path + "/";
    }
}
