package edgekit.core.task;

import edgekit.core.Fields;
import edgekit.core.InputError;

/**
 * The anchors of a single-shot detector, and the boxes that codes against them mean; the layout is
 * that of edgekit/tasks/anchors.py.
 */
final class Anchors {
    private static final double[] RATIOS = {1, 2, 1 / 2.0, 3, 1 / 3.0}; // width over height
    private static final float[] CODE_SCALES = {10, 10, 5, 5};
    private static final float LARGEST = 20f / 5; // exponent: beyond, exp would mean nothing
    private static final int MOST = 1 << 20; // anchors

    private final float[] values; // [A, 4]: centre down, centre across, height, width
    private int filled;

    Anchors(Fields layout) {
        int[] maps = layout.sizes("maps");
        double least = layout.number("min_scale");
        double most = layout.number("max_scale");
        boolean reduced = !layout.has("reduce_lowest") || layout.flag("reduce_lowest");
        long count = 0;
        for (int number = 0; number < maps.length; number++) {
            count += maps[number] < 1 ? MOST + 1 : (long) maps[number] * maps[number]
                    * (number == 0 && reduced ? 3 : 6);
            if (count > MOST) {
                throw new InputError(layout.path("maps")).got(maps[number]).expected("sides of maps");
            }
        }
        if (maps.length == 0) {
            throw new InputError(layout.path("maps") + ": empty");
        }
        values = new float[4 * (int) count];
        double[] scales = new double[maps.length + 1];
        for (int i = 0; i < maps.length; i++) {
            scales[i] = maps.length == 1 ? least : least + (most - least) / (maps.length - 1) * i;
        }
        scales[Math.max(maps.length - 1, 0)] = maps.length > 1 ? most : least;
        scales[maps.length] = 1;
        for (int number = 0; number < maps.length; number++) {
            add(maps[number], number == 0 && reduced ? reduced(least) : shapes(scales, number));
        }
    }

    int count() {
        return values.length / 4;
    }

    /** Writes the box (top, left, bottom, right, in shares of the input) that a code means. */
    void decode(float[] codes, int anchor, float[] box) {
        int i = 4 * anchor;
        for (int side = 0; side < 2; side++) {
            float size = values[i + 2 + side];
            float centre = codes[i + side] / CODE_SCALES[side] * size + values[i + side];
            float power = Math.min(codes[i + 2 + side] / CODE_SCALES[2 + side], LARGEST);
            float half = (float) Math.exp(power) * size / 2;
            box[side] = Math.max(-1, Math.min(2, centre - half));
            box[2 + side] = Math.max(-1, Math.min(2, centre + half));
        }
    }

    private static double[][] reduced(double scale) {
        return new double[][] {shape(0.1, 1), shape(scale, 2), shape(scale, 1 / 2.0)};
    }

    /** Returns height and width of a map's anchors. */
    private static double[][] shapes(double[] scales, int number) {
        double scale = scales[number];
        double[][] found = new double[RATIOS.length + 1][];
        for (int i = 0; i < RATIOS.length; i++) {
            found[i] = shape(scale, RATIOS[i]);
        }
        found[RATIOS.length] = shape(Math.sqrt(scale * scales[number + 1]), 1);
        return found;
    }

    private static double[] shape(double scale, double ratio) {
        return new double[] {scale / Math.sqrt(ratio), scale * Math.sqrt(ratio)};
    }

    private void add(int side, double[][] shapes) {
        for (int y = 0; y < side; y++) {
            for (int x = 0; x < side; x++) {
                for (double[] shape : shapes) {
                    values[filled++] = (float) ((y + 0.5) / side);
                    values[filled++] = (float) ((x + 0.5) / side);
                    values[filled++] = (float) shape[0];
                    values[filled++] = (float) shape[1];
                }
            }
        }
    }
}
