package edgekit.core;

import edgekit.core.play.Adaptation;
import edgekit.core.play.Agent;
import edgekit.core.play.Noise;
import edgekit.core.play.PointRobot;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Whole adaptations that Python made: edgekit/parity/golden_adaptation.py says how. */
public final class GoldenAdaptation {
    private final Artifact artifact;
    private final Golden golden;

    public GoldenAdaptation(Artifact artifact) {
        this.artifact = artifact;
        golden = new Golden(artifact.folder);
    }

    /** How many tasks were adapted to. */
    public int examples() {
        return golden.examples();
    }

    /** Returns the adaptation to a task with Python's noise, played to where that ends. */
    public Adaptation played(int number, Agent agent) {
        final Npz.Array noise = golden.array(number + "/noise");
        Adaptation found = new Adaptation(agent, artifact.manifest.task, new Noise() {
            private int draws;

            @Override
            public float[] draw() {
                return noise.row(draws++).floats();
            }
        }, golden.array(number + "/thing").floats());
        for (int i = 0; i < noise.shape[0] * PointRobot.STEPS; i++) {
            found.step();
        }
        return found;
    }

    /** Returns how an adaptation differs from Python's by a file and its like; null if not. */
    public String compare(int number, ModelFile file, Adaptation played, double tolerance) {
        for (ModelFile one : artifact.manifest.files(file.format)) {
            String key = number + "/" + one.path + "/answer.json";
            if (one.scheme.equals(file.scheme) && golden.has(key)) {
                return Golden.difference("adaptation", golden.json(key), played.describe(), tolerance);
            }
        }
        throw new InputError("golden: no answers of " + file.path).todo("deploy the artifact again");
    }

    /** Returns what answers as Python's session of an entry point did. */
    public Replay replay(int number, ModelFile file, Signature entry) {
        return new Replay(entry, calls(number, file, entry, "input", entry.inputs),
                calls(number, file, entry, "output", entry.outputs));
    }

    /** Asks a session what Python's was asked, and returns all that it answers, by name. */
    public Map<String, Tensor> answers(int number, ModelFile file, Signature entry, Session session) {
        Map<String, Npz.Array> inputs = calls(number, file, entry, "input", entry.inputs);
        Map<String, Tensor> found = expected(number, file, entry);
        int calls = inputs.values().iterator().next().shape[0];
        for (int i = 0; i < calls; i++) {
            for (Tensor input : session.inputs().values()) {
                Golden.copy(inputs.get(input.spec.name).row(i), input);
            }
            Map<String, Tensor> outputs = session.run();
            for (Map.Entry<String, Tensor> one : found.entrySet()) {
                java.nio.ByteBuffer from = outputs.get(one.getKey()).bytes.duplicate();
                from.rewind();
                one.getValue().bytes.position(i * from.capacity());
                one.getValue().bytes.put(from);
            }
        }
        return found;
    }

    /** Returns all that Python's session of an entry point answered, by name. */
    public Map<String, Tensor> expected(int number, ModelFile file, Signature entry) {
        Map<String, Tensor> found = new LinkedHashMap<String, Tensor>();
        Map<String, Npz.Array> calls = calls(number, file, entry, "output", entry.outputs);
        for (TensorSpec spec : entry.outputs) {
            Tensor tensor = new Tensor(spec, calls.get(spec.name).shape);
            Golden.copy(calls.get(spec.name), tensor);
            found.put(spec.name, tensor);
        }
        return found;
    }

    /** Returns what is wrong with answers, by the gate of the file's scheme; null if nothing is. */
    public String judge(int number, ModelFile file, Signature entry, Map<String, Tensor> answers) {
        String wrong = golden.judge(file, expected(number, file, entry), answers);
        return wrong == null ? null : entry.name + ", " + wrong;
    }

    private Map<String, Npz.Array> calls(int number, ModelFile file, Signature entry, String side,
            List<TensorSpec> specs) {
        Map<String, Npz.Array> found = new LinkedHashMap<String, Npz.Array>();
        for (TensorSpec spec : specs) {
            String key = number + "/" + file.path + "/" + entry.name + "/" + side + "/" + spec.name;
            found.put(spec.name, golden.array(key));
        }
        return found;
    }
}
