package edgekit.core;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/** Answers what Python's session answered, call by call, and compares what it is asked with. */
public final class Replay implements Session {
    private final Map<String, Tensor> inputs;
    private final Map<String, Tensor> outputs = new LinkedHashMap<String, Tensor>();
    private final Map<String, Npz.Array> expected = new LinkedHashMap<String, Npz.Array>();
    private final Map<String, Npz.Array> answers = new LinkedHashMap<String, Npz.Array>();
    private int calls;
    private double worst;

    Replay(Signature entry, Map<String, Npz.Array> expected, Map<String, Npz.Array> answers) {
        inputs = entry.newInputs();
        for (TensorSpec spec : entry.outputs) {
            outputs.put(spec.name, new Tensor(spec, spec.single()));
        }
        this.expected.putAll(expected);
        this.answers.putAll(answers);
    }

    /** The largest difference from what Python's session was asked: raw where integers. */
    public double inputError() {
        return worst;
    }

    @Override
    public Map<String, Tensor> inputs() {
        return inputs;
    }

    @Override
    public Map<String, Tensor> run() {
        for (Tensor input : inputs.values()) {
            Npz.Array call = expected.get(input.spec.name).row(calls);
            worst = Math.max(worst, Golden.worst(call, input));
        }
        for (Tensor output : outputs.values()) {
            Golden.copy(answers.get(output.spec.name).row(calls), output);
        }
        calls++;
        return outputs;
    }

    @Override
    public Map<String, Object> facts() {
        return Collections.emptyMap();
    }

    @Override
    public void close() {}
}
