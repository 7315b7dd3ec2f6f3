package edgekit.core.play;

/** The inverse of the standard normal distribution: Wichura, Applied Statistics 37 (1988), AS241. */
final class NormalQuantile {
    private static final double MIDDLE = 0.425; // from 0.5, within which the first fraction holds
    // Coefficients from the highest power to the constant.
    private static final double[] MIDDLE_ABOVE = {2.5090809287301226727e3,
        3.3430575583588128105e4, 6.7265770927008700853e4, 4.5921953931549871457e4,
        1.3731693765509461125e4, 1.9715909503065514427e3, 1.3314166789178437745e2,
        3.3871328727963666080};
    private static final double[] MIDDLE_BELOW = {5.2264952788528545610e3,
        2.8729085735721942674e4, 3.9307895800092710610e4, 2.1213794301586595867e4,
        5.3941960214247511077e3, 6.8718700749205790830e2, 4.2313330701600911252e1, 1};
    private static final double[] TAIL_ABOVE = {7.74545014278341407640e-4,
        2.27238449892691845833e-2, 2.41780725177450611770e-1, 1.27045825245236838258,
        3.64784832476320460504, 5.76949722146069140550, 4.63033784615654529590,
        1.42343711074968357734};
    private static final double[] TAIL_BELOW = {1.05075007164441684324e-9,
        5.47593808499534494600e-4, 1.51986665636164571966e-2, 1.48103976427480074590e-1,
        6.89767334985100004550e-1, 1.67638483018380384940, 2.05319162663775882187, 1};

    private NormalQuantile() {}

    /** Returns what lies above a share p of the distribution, from e^-25 to 1 - e^-25. */
    static double of(double p) {
        double q = p - 0.5;
        if (Math.abs(q) <= MIDDLE) {
            double r = MIDDLE * MIDDLE - q * q;
            return q * polynomial(MIDDLE_ABOVE, r) / polynomial(MIDDLE_BELOW, r);
        }
        double r = Math.sqrt(-Math.log(q < 0 ? p : 1 - p)) - 1.6;
        double found = polynomial(TAIL_ABOVE, r) / polynomial(TAIL_BELOW, r);
        return q < 0 ? -found : found;
    }

    private static double polynomial(double[] coefficients, double x) {
        double sum = 0;
        for (double coefficient : coefficients) {
            sum = sum * x + coefficient;
        }
        return sum;
    }
}
