package edgekit.core.play;

import java.util.Random;

/**
 * Noise that misses nothing for long, as edgekit/play/spread.py: quantiles of an additive recurrence
 * in every dimension, by the golden ratio from a random start.
 */
final class Spread implements Noise {
    private static final double STEP = (Math.sqrt(5) - 1) / 2;
    private static final double EDGE = 1e-6; // quantiles keep so far from 0 and 1

    private final double[] at;

    /** Begins at places from 0 to 1. */
    Spread(double[] start) {
        at = start.clone();
    }

    static Spread begin(int size, Random random) {
        double[] start = new double[size];
        for (int i = 0; i < size; i++) {
            start[i] = random.nextDouble();
        }
        return new Spread(start);
    }

    @Override
    public float[] draw() {
        float[] noise = new float[at.length];
        for (int i = 0; i < at.length; i++) {
            at[i] = (at[i] + STEP) % 1;
            noise[i] = (float) NormalQuantile.of(Math.max(EDGE, Math.min(1 - EDGE, at[i])));
        }
        return noise;
    }
}
