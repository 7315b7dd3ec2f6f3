package edgekit.core.task;

import edgekit.core.Fields;
import edgekit.core.InputError;
import edgekit.core.Tensor;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeSet;

/** The inputs of one place to a mean with its deviation and a 95% band. */
public final class Regress implements Task<double[], Regress.Normal> {
    private static final double Z95 = 1.959963984540054; // the normal distribution's 97.5% point

    /** A normal distribution of what is observed at one place. */
    public static final class Normal {
        public final double mean;
        public final double stdF; // of the function
        public final double stdY; // of an observation

        Normal(double mean, double stdF, double stdY) {
            this.mean = mean;
            this.stdF = stdF;
            this.stdY = stdY;
        }

        public double low() {
            return mean - Z95 * stdY;
        }

        public double high() {
            return mean + Z95 * stdY;
        }
    }

    public final List<String> inputs; // names, in order
    public final String target;
    public final String unit; // may be empty
    private Tensor tensor;

    Regress(Fields params) {
        inputs = params.strings("inputs");
        target = params.string("target", "y");
        unit = params.string("unit", "");
    }

    @Override
    public void bind(Tensor input) {
        tensor = input;
        for (double[] values : new double[][] {input.spec.mean, input.spec.std}) {
            if (values != null && values.length != 1 && values.length != input.size()) {
                throw new InputError("input " + input.spec.name + ": mean and std")
                        .got(Arrays.toString(values)).expected("one number or " + input.size());
            }
        }
    }

    @Override
    public void encode(double[] place) {
        if (place.length != tensor.size()) {
            throw new InputError("regress: inputs").got(place.length).expected("" + tensor.size());
        }
        double[] mean = tensor.spec.mean;
        double[] std = tensor.spec.std;
        for (int i = 0; i < place.length; i++) {
            double value = place[i];
            if (Double.isNaN(value) || Double.isInfinite(value)) {
                throw new InputError("regress: input " + (i + 1)).got(value).expected("a finite number");
            }
            if (mean != null && std != null) {
                value = (value - mean[mean.length == 1 ? 0 : i]) / std[std.length == 1 ? 0 : i];
            }
            tensor.put(i, (float) value);
        }
    }

    @Override
    public Normal decode(Map<String, Tensor> outputs, double[] place) {
        if (!new TreeSet<String>(outputs.keySet()).toString().equals("[mean, std_f, std_y]")) {
            throw new InputError("regress: outputs").got(outputs.keySet())
                    .expected("mean, std_f, std_y");
        }
        return new Normal(first(outputs, "mean"), first(outputs, "std_f"), first(outputs, "std_y"));
    }

    private static double first(Map<String, Tensor> outputs, String name) {
        float[] values = outputs.get(name).finite("regress");
        if (values.length != 1) {
            throw new InputError("regress: " + name).got(values.length + " values").expected("1");
        }
        return values[0];
    }

    @Override
    public List<Map<String, Object>> describe(Normal answer) {
        Map<String, Object> row = new LinkedHashMap<String, Object>();
        row.put("mean", answer.mean);
        row.put("std_f", answer.stdF);
        row.put("std_y", answer.stdY);
        row.put("low", answer.low());
        row.put("high", answer.high());
        return Collections.singletonList(row);
    }

    @Override
    public List<String> lines(Normal answer) {
        return Collections.singletonList(String.format(Locale.ROOT, "%s %.5g%s, 95%% band %.5g to %.5g",
                target, answer.mean, unit.isEmpty() ? "" : " " + unit, answer.low(), answer.high()));
    }
}
