package edgekit.core;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The named inputs and outputs of a model file's entry point. */
public final class Signature {
    public static final String DEFAULT = "serving_default";

    public final String name;
    public final List<TensorSpec> inputs;
    public final List<TensorSpec> outputs;

    Signature(String name, Fields from) {
        from.only("inputs", "outputs");
        this.name = name;
        inputs = specs(from, "inputs");
        outputs = specs(from, "outputs");
    }

    /** The only input. */
    public TensorSpec input() {
        if (inputs.size() != 1) {
            throw new InputError("signature " + name).got(inputs.size() + " inputs").expected("one");
        }
        return inputs.get(0);
    }

    /** Makes the tensors that are filled before an inference, by name. */
    public Map<String, Tensor> newInputs() {
        Map<String, Tensor> found = new LinkedHashMap<String, Tensor>();
        for (TensorSpec spec : inputs) {
            found.put(spec.name, new Tensor(spec, spec.single()));
        }
        return found;
    }

    private static List<TensorSpec> specs(Fields from, String side) {
        List<TensorSpec> found = new ArrayList<TensorSpec>();
        for (Object item : from.list(side)) {
            found.add(new TensorSpec(new Fields(from.path(side) + "[" + found.size() + "]", item)));
        }
        return found;
    }
}
