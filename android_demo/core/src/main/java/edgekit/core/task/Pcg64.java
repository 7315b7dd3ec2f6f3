package edgekit.core.task;

import java.math.BigInteger;

/**
 * NumPy's default generator, begun with seed 0: a linear congruence in 128 bits whose halves are
 * folded and rotated (O'Neill, HMC-CS-2014-0905, PCG XSL RR 128/64).
 */
final class Pcg64 {
    private static final BigInteger MULTIPLIER =
            new BigInteger("2360ed051fc65da44385df649fccf645", 16);
    // What numpy.random.default_rng(0).bit_generator.state says.
    private static final BigInteger INCREMENT =
            new BigInteger("87136372517582989555478159403783844777");
    private static final BigInteger SEEDED = new BigInteger("35399562948360463058890781895381311971");
    private static final BigInteger MASK = BigInteger.ONE.shiftLeft(128).subtract(BigInteger.ONE);

    private BigInteger state = SEEDED;

    /** Returns the next double of `random()`, from 0 to 1. */
    double nextDouble() {
        state = state.multiply(MULTIPLIER).add(INCREMENT).and(MASK);
        long high = state.shiftRight(64).longValue();
        long bits = Long.rotateRight(high ^ state.longValue(), (int) (high >>> 58));
        return (bits >>> 11) * 0x1p-53;
    }
}
