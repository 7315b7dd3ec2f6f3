package edgekit.core.task;

import static org.junit.Assert.assertArrayEquals;

import org.junit.Test;

public final class SuppressionTest {
    @Test
    public void theBestComeFirstAndEqualOnesInOrder() {
        float[] scores = {-1, 3, -0f, 3, 0f, -2, 5, Float.NEGATIVE_INFINITY};
        assertArrayEquals(new int[] {6, 1, 3, 2, 4, 0}, Suppression.best(scores, -1.5f));
        assertArrayEquals(new int[] {6, 1, 3}, Suppression.best(scores, 0f));
        assertArrayEquals(new int[] {}, Suppression.best(scores, 5f));
    }

    @Test
    public void noMoreThanCandidates() {
        float[] scores = new float[1000];
        for (int i = 0; i < scores.length; i++) {
            scores[i] = i;
        }
        int[] best = Suppression.best(scores, -1);
        assertArrayEquals(new int[] {400, 999, 600}, new int[] {best.length, best[0], best[399]});
    }

    @Test
    public void boxesThatOverlapABetterOneOfTheirClassGo() {
        float[][] boxes = {{0, 0, 2, 2}, {0, 1, 2, 3}, {0, 0, 2, 2}, {0, 1.5f, 2, 3.5f}, {1, 1, 1, 1}};
        int[] classes = {0, 0, 1, 0, 0};
        // The second shares a third with the first; the fourth a seventh with it, 3/5 with the second.
        assertArrayEquals(new int[] {0, 2, 3, 4}, Suppression.stay(boxes, classes, 0.3, 10));
        assertArrayEquals(new int[] {0, 1, 2, 4}, Suppression.stay(boxes, classes, 0.5, 10));
        assertArrayEquals(new int[] {0, 1}, Suppression.stay(boxes, classes, 0.5, 2));
    }
}
