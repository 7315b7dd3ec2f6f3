package edgekit.core.picture;

/**
 * Resizes bilinearly and antialiased, to the bit as Pillow does, which Python's tasks use.
 *
 * <p>Each output pixel is a sum over those inputs that lie within one output pixel (of the input,
 * where it grows) of its centre, weighted by a triangle. Weights are rounded to 22 bits behind the
 * point; rows are done first, and their sums rounded to bytes. Buffers and weights are kept: frames
 * of one size cost no allocation.
 */
public final class Resizer {
    private static final int BITS = 22;
    private static final int HALF = 1 << BITS - 1;

    private Axis across;
    private Axis down;
    private Picture narrow;
    private Picture result;

    /** Returns the picture at another size; it is valid until the next call. */
    public Picture resize(Picture picture, int height, int width) {
        if (picture.height == height && picture.width == width) {
            return picture;
        }
        int channels = picture.channels;
        Picture rows = picture;
        if (picture.width != width) {
            across = across != null && across.is(picture.width, width)
                    ? across : new Axis(picture.width, width);
            narrow = sized(narrow, picture.height, width, channels);
            alongRows(picture, narrow);
            rows = narrow;
        }
        if (picture.height == height) {
            return rows;
        }
        down = down != null && down.is(picture.height, height)
                ? down : new Axis(picture.height, height);
        result = sized(result, height, width, channels);
        alongColumns(rows, result);
        return result;
    }

    private void alongRows(Picture from, Picture to) {
        int channels = from.channels;
        for (int y = 0, o = 0; y < to.height; y++) {
            int line = y * from.width * channels;
            for (int x = 0; x < to.width; x++) {
                int first = across.first[x];
                int count = across.count[x];
                for (int c = 0; c < channels; c++) {
                    int sum = HALF;
                    int i = line + first * channels + c;
                    for (int k = x * across.most, end = k + count; k < end; k++) {
                        sum += (from.pixels[i] & 0xff) * across.weights[k];
                        i += channels;
                    }
                    to.pixels[o++] = toByte(sum);
                }
            }
        }
    }

    private void alongColumns(Picture from, Picture to) {
        int stride = to.width * to.channels;
        int[] sums = new int[stride];
        for (int y = 0; y < to.height; y++) {
            java.util.Arrays.fill(sums, HALF);
            for (int k = 0; k < down.count[y]; k++) {
                int weight = down.weights[y * down.most + k];
                int i = (down.first[y] + k) * stride;
                for (int x = 0; x < stride; x++) {
                    sums[x] += (from.pixels[i + x] & 0xff) * weight;
                }
            }
            for (int x = 0; x < stride; x++) {
                to.pixels[y * stride + x] = toByte(sums[x]);
            }
        }
    }

    private static byte toByte(int sum) {
        return (byte) Math.max(0, Math.min(255, sum >> BITS));
    }

    private static Picture sized(Picture old, int height, int width, int channels) {
        boolean fits = old != null && old.height == height && old.width == width
                && old.channels == channels;
        return fits ? old : new Picture(height, width, channels);
    }

    /** The weights along one side. */
    private static final class Axis {
        final int from;
        final int to;
        final int most; // inputs of one output
        final int[] first;
        final int[] count;
        final int[] weights;

        Axis(int from, int to) {
            this.from = from;
            this.to = to;
            double scale = (double) from / to;
            double reach = Math.max(scale, 1);
            most = (int) Math.ceil(reach) * 2 + 1;
            first = new int[to];
            count = new int[to];
            weights = new int[to * most];
            double[] row = new double[most];
            for (int x = 0; x < to; x++) {
                double centre = (x + 0.5) * scale;
                first[x] = Math.max(0, (int) (centre - reach + 0.5));
                count[x] = Math.min(from, (int) (centre + reach + 0.5)) - first[x];
                double sum = 0;
                for (int k = 0; k < count[x]; k++) {
                    double distance = Math.abs((k + first[x] - centre + 0.5) * (1 / reach));
                    row[k] = distance < 1 ? 1 - distance : 0;
                    sum += row[k];
                }
                for (int k = 0; k < count[x]; k++) {
                    weights[x * most + k] = (int) (0.5 + row[k] / sum * (1 << BITS));
                }
            }
        }

        boolean is(int itsFrom, int itsTo) {
            return from == itsFrom && to == itsTo;
        }
    }
}
