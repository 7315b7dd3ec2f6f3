package edgekit.core.task;

import edgekit.core.Fields;
import edgekit.core.InputError;
import edgekit.core.Tensor;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** What is observed to an action, both in the environment's units. */
public final class Control implements Task<float[], float[]> {
    public final String environment;
    private Tensor tensor;

    Control(Fields params) {
        environment = params.string("environment", "");
    }

    @Override
    public void bind(Tensor input) {
        tensor = input;
    }

    @Override
    public void encode(float[] observation) {
        if (tensor.shape.length != 2 || observation.length != tensor.size()) {
            throw new InputError("control: observation").got(observation.length + " numbers")
                    .expected(tensor.size() + ": what " + environment + " shows");
        }
        for (int i = 0; i < observation.length; i++) {
            tensor.put(i, observation[i]);
        }
    }

    @Override
    public float[] decode(Map<String, Tensor> outputs, float[] observation) {
        if (!outputs.keySet().equals(Collections.singleton("action"))) {
            throw new InputError("control: outputs").got(outputs.keySet()).expected("action");
        }
        return outputs.get("action").finite("control");
    }

    @Override
    public List<Map<String, Object>> describe(float[] action) {
        List<Double> values = new ArrayList<Double>();
        for (float value : action) {
            values.add((double) value);
        }
        return Collections.singletonList(Collections.<String, Object>singletonMap("action", values));
    }

    @Override
    public List<String> lines(float[] action) {
        StringBuilder line = new StringBuilder("action: ");
        for (int i = 0; i < action.length; i++) {
            line.append(i > 0 ? ", " : "").append(String.format(Locale.ROOT, "%.4g", action[i]));
        }
        return Collections.singletonList(line.toString());
    }
}
