package edgekit.core.play;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;

import edgekit.core.Fields;
import edgekit.core.JsonReader;
import java.util.Random;
import org.junit.Test;

public final class NoiseTest {
    /** From scipy.stats.norm.ppf. */
    @Test
    public void quantilesAreTheNormalDistributions() {
        double[][] pairs = {{1e-6, -4.753424308822899}, {0.001, -3.090232306167813},
            {0.07, -1.4757910281791706}, {0.0751, -1.4388253927525403}, {0.3, -0.5244005127080409},
            {0.5, 0}, {0.93, 1.475791028179171}, {0.999999, 4.753424308817087}};
        for (double[] pair : pairs) {
            assertEquals(pair[1], NormalQuantile.of(pair[0]), 1e-12);
        }
    }

    /** From edgekit.play.spread with the same start. */
    @Test
    public void spreadNoiseIsPythons() {
        Spread spread = new Spread(new double[] {0.05, 0.5, 0.999});
        float[][] draws = {{0.43449086f, -1.1848722f, 0.29770017f}, {-0.5649086f, 0.63126993f, -0.72225785f},
            {1.3052843f, -0.37426934f, 1.0498304f}};
        for (float[] draw : draws) {
            assertArrayEquals(draw, spread.draw(), 1e-7f);
        }
    }

    @Test
    public void bothKindsAreNormalAndWidened() {
        for (String spread : new String[] {"true", "false"}) {
            Fields params = new Fields("task",
                    JsonReader.read("{\"spread\": " + spread + ", \"widen\": 1.5}"));
            LatentNoise noise = new LatentNoise(params, 2, new Random(0));
            double sum = 0;
            double squares = 0;
            int n = 20000;
            for (int i = 0; i < n; i++) {
                for (float value : noise.draw()) {
                    sum += value;
                    squares += value * value;
                }
            }
            assertEquals(0, sum / (2 * n), 0.03);
            assertEquals(1.5, Math.sqrt(squares / (2 * n)), 0.03);
        }
    }
}
