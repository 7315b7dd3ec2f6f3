package edgekit.core;

/** What may lie between a file's answers here and there; numbers from edgekit/parity. */
final class Gate {
    private final double[] tolerance; // rtol; atol in units of the largest |value|; or null
    private final double minSqnrDb;
    private final double minCosine;
    private final double minAgreement; // of labels

    Gate(Fields from) {
        from.only("tolerance", "min_sqnr_db", "min_cosine", "min_agreement");
        tolerance = from.numbers("tolerance");
        minSqnrDb = from.has("min_sqnr_db") ? from.number("min_sqnr_db") : -999;
        minCosine = from.has("min_cosine") ? from.number("min_cosine") : -1;
        minAgreement = from.has("min_agreement") ? from.number("min_agreement") : 0;
    }

    /** Returns what is wrong, null if nothing is. */
    String judge(Tensor expected, Tensor got) {
        float[] one = expected.real();
        float[] other = got.real();
        if (one.length != other.length) {
            return other.length + " values, expected " + one.length;
        }
        boolean labels = !expected.spec.dtype.equals("float32") && !expected.spec.quantized();
        return labels ? judgeLabels(one, other) : judgeValues(one, other);
    }

    private String judgeLabels(float[] one, float[] other) {
        int same = 0;
        for (int i = 0; i < one.length; i++) {
            same += one[i] == other[i] ? 1 : 0;
        }
        double share = (double) same / one.length;
        return share >= minAgreement ? null : "only " + share + " of the labels agree";
    }

    private String judgeValues(float[] one, float[] other) {
        double largest = 0;
        for (float value : one) {
            largest = Math.max(largest, Math.abs(value));
        }
        double signal = 0;
        double noise = 0;
        double power = 0;
        double product = 0;
        for (int i = 0; i < one.length; i++) {
            double error = (double) other[i] - one[i];
            if (Double.isNaN(error) || Double.isInfinite(error)) {
                return "NaN or infinity";
            }
            if (tolerance != null
                    && Math.abs(error) > tolerance[0] * Math.abs(one[i]) + tolerance[1] * largest) {
                return other[i] + ", expected " + one[i];
            }
            signal += (double) one[i] * one[i];
            power += (double) other[i] * other[i];
            product += (double) one[i] * other[i];
            noise += error * error;
        }
        double cosine = signal == 0 || power == 0 ? (signal == power ? 1 : 0)
                : product / Math.sqrt(signal * power);
        double sqnr = noise == 0 ? 999 : signal > 0 ? 10 * Math.log10(signal / noise) : -999;
        return cosine < minCosine ? "cosine " + cosine : sqnr < minSqnrDb ? "SQNR " + sqnr + " dB" : null;
    }
}
