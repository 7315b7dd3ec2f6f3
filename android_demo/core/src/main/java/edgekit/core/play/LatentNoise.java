package edgekit.core.play;

import edgekit.core.Fields;
import java.util.Random;

/** Noise of latents as a manifest asks for it: "spread" evenly or independent, "widen"ed. */
public final class LatentNoise implements Noise {
    private final Noise standard;
    private final float widen;

    public LatentNoise(Fields params, final int size, final Random random) {
        widen = params.has("widen") ? (float) params.number("widen") : 1;
        boolean spread = params.has("spread") && params.flag("spread");
        standard = spread ? Spread.begin(size, random) : new Noise() {
            @Override
            public float[] draw() {
                float[] noise = new float[size];
                for (int i = 0; i < size; i++) {
                    noise[i] = (float) random.nextGaussian();
                }
                return noise;
            }
        };
    }

    @Override
    public float[] draw() {
        float[] noise = standard.draw();
        for (int i = 0; i < noise.length; i++) {
            noise[i] *= widen;
        }
        return noise;
    }
}
