package edgekit.core.task;

import java.util.Arrays;

/** Which boxes of a detector's raw answer stay. */
final class Suppression {
    static final int CANDIDATES = 400; // pairs of anchor and class that are looked at, the best

    private Suppression() {}

    /**
     * Returns the places (anchor * classes + class) of the best scores above `least`, best first; of
     * equal ones the lower place.
     */
    static int[] best(float[] scores, float least) {
        long[] found = new long[scores.length];
        int count = 0;
        for (int i = 0; i < scores.length; i++) {
            if (scores[i] > least) {
                found[count++] = (long) ordered(scores[i]) << 32 | (Integer.MAX_VALUE - i);
            }
        }
        Arrays.sort(found, 0, count);
        int[] places = new int[Math.min(count, CANDIDATES)];
        for (int k = 0; k < places.length; k++) {
            places[k] = Integer.MAX_VALUE - (int) (found[count - 1 - k] & 0xffffffffL);
        }
        return places;
    }

    /** Returns an integer that is larger where the float is; 0 and -0 are the same. */
    private static int ordered(float value) {
        int bits = Float.floatToIntBits(value + 0.0f);
        return bits < 0 ? ~bits ^ Integer.MIN_VALUE : bits;
    }

    /**
     * Returns which of the boxes, best first, stay: greedily, each class by itself. One goes that
     * overlaps a better one of its class that stays by more than `limit` (intersection over union).
     */
    static int[] stay(float[][] boxes, int[] classes, double limit, int most) {
        int[] kept = new int[Math.min(most, boxes.length)];
        int count = 0;
        for (int i = 0; i < boxes.length && count < kept.length; i++) {
            boolean stays = true;
            for (int k = 0; stays && k < count; k++) {
                stays = classes[kept[k]] != classes[i] || !overlap(boxes[i], boxes[kept[k]], limit);
            }
            if (stays) {
                kept[count++] = i;
            }
        }
        return Arrays.copyOf(kept, count);
    }

    private static boolean overlap(float[] one, float[] other, double limit) {
        double high = Math.min((double) one[2], other[2]) - Math.max((double) one[0], other[0]);
        double wide = Math.min((double) one[3], other[3]) - Math.max((double) one[1], other[1]);
        double both = Math.max(high, 0) * Math.max(wide, 0);
        return both > limit * ((double) (area(one) + area(other)) - both);
    }

    private static float area(float[] box) {
        return Math.max(box[2] - box[0], 0) * Math.max(box[3] - box[1], 0);
    }
}
