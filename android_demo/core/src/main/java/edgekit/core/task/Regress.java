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

    /** A distribution of what is observed at one place: normal, or log-normal above some value. */
    public static final class Normal {
        public final double mean;
        public final double stdF; // of the function
        public final double stdY; // of an observation
        private final Double above; // null where it is normal

        Normal(double mean, double stdF, double stdY, Double above) {
            this.mean = mean;
            this.stdF = stdF;
            this.stdY = stdY;
            this.above = above;
        }

        public double low() {
            return at(-Z95);
        }

        public double high() {
            return at(Z95);
        }

        /** Returns the value so many deviations from the centre, of a log-normal's logarithm. */
        private double at(double deviations) {
            if (above == null) {
                return mean + deviations * stdY;
            }
            double level = mean - above;
            double variance = Math.log1p(stdY / level * (stdY / level));
            return above + level * Math.exp(deviations * Math.sqrt(variance) - 0.5 * variance);
        }
    }

    public final List<String> inputs; // names, in order
    public final String target;
    public final String unit; // may be empty
    private final Double above; // where the target's distribution begins if it is log-normal
    private Tensor tensor;

    Regress(Fields params) {
        inputs = params.strings("inputs");
        target = params.string("target", "y");
        unit = params.string("unit", "");
        above = params.has("log_normal_above") ? params.number("log_normal_above") : null;
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
        double mean = first(outputs, "mean");
        if (above != null && mean <= above) {
            throw new InputError("regress: mean").got(mean)
                    .expected("above " + above + ", where the log-normal distribution begins");
        }
        return new Normal(mean, first(outputs, "std_f"), first(outputs, "std_y"), above);
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
