package edgekit.core;

import edgekit.core.task.Regress;
import edgekit.core.task.Tasks;
import java.util.LinkedHashMap;
import java.util.Map;

/** Outputs as a session would give them, for tests. */
public final class Results {
    private Results() {}

    /** Returns an input as a manifest would describe it. */
    public static Tensor input(String json) {
        TensorSpec spec = new TensorSpec(new Fields("input", JsonReader.read(json)));
        return new Tensor(spec, spec.single());
    }

    /** Returns one float output. */
    public static Map<String, Tensor> of(String name, int[] shape, float... values) {
        return one(name, "float32", shape, values);
    }

    /** Returns one output of int32 labels. */
    public static Map<String, Tensor> labels(String name, int[] shape, float... values) {
        return one(name, "int32", shape, values);
    }

    /** Returns what a file answers with that chooses boxes itself. */
    public static Map<String, Tensor> boxes(float[] boxes, float[] classes, float[] scores) {
        int n = scores.length;
        Map<String, Tensor> found = of("boxes", new int[] {1, n, 4}, boxes);
        found.putAll(of("classes", new int[] {1, n}, classes));
        found.putAll(of("scores", new int[] {1, n}, scores));
        found.putAll(of("count", new int[] {1}, n));
        return found;
    }

    /** Returns an answer of regression. */
    public static Regress.Normal normal(double mean, double std) {
        return regression("{\"name\": \"regress\"}", mean, std);
    }

    /** Returns an answer of regression by a task of these params, as JSON. */
    public static Regress.Normal regression(String params, double mean, double std) {
        Regress task = (Regress) Tasks.of(new Fields("task", JsonReader.read(params)));
        Map<String, Tensor> outputs = of("mean", new int[] {1}, (float) mean);
        outputs.putAll(of("std_f", new int[] {1}, (float) std));
        outputs.putAll(of("std_y", new int[] {1}, (float) std));
        return task.decode(outputs, null);
    }

    private static Map<String, Tensor> one(String name, String dtype, int[] shape, float[] values) {
        String json = "{\"name\": \"" + name + "\", \"shape\": [-1], \"dtype\": \"" + dtype + "\"}";
        Tensor tensor = new Tensor(new TensorSpec(new Fields(name, JsonReader.read(json))), shape);
        for (int i = 0; i < values.length; i++) {
            if (dtype.equals("int32")) {
                tensor.bytes.putInt(4 * i, (int) values[i]);
            } else {
                tensor.bytes.putFloat(4 * i, values[i]);
            }
        }
        Map<String, Tensor> found = new LinkedHashMap<String, Tensor>();
        found.put(name, tensor);
        return found;
    }
}
