package edgekit.core.picture;

/**
 * How a picture lies in a network's input: scaled to fit, at the top left, padded behind, or
 * stretched. Positions are those of pixels' centres; the centre of the first is 0.
 */
public final class Frame {
    private final int[] picture; // height and width
    private final int[] input;
    private final int[] content = new int[2]; // what of the input the picture takes

    public Frame(int[] picture, int[] input, boolean stretched) {
        this.picture = picture;
        this.input = input;
        double scale = Math.min((double) input[0] / picture[0], (double) input[1] / picture[1]);
        for (int i = 0; i < 2; i++) {
            int fitting = Math.max(1, (int) Math.rint(picture[i] * scale)); // half to even
            content[i] = stretched ? input[i] : Math.min(input[i], fitting);
        }
    }

    /** Puts the picture, scaled, and `fill` behind it, into a picture of the input's size. */
    public void fill(Picture from, byte[] fill, Resizer resizer, Picture into) {
        Picture scaled = resizer.resize(from, content[0], content[1]);
        int channels = into.channels;
        if (content[0] < input[0] || content[1] < input[1]) {
            for (int i = 0; i < into.pixels.length; i++) {
                into.pixels[i] = fill[fill.length == 1 ? 0 : i % channels];
            }
        }
        int line = content[1] * channels;
        for (int y = 0; y < content[0]; y++) {
            System.arraycopy(scaled.pixels, y * line, into.pixels, y * input[1] * channels, line);
        }
    }

    /** Takes a box (top, left, bottom, right) in shares of the input to pixels, in place. */
    public void toPicture(double[] box) {
        for (int i = 0; i < 4; i++) {
            int side = i % 2;
            double share = (double) content[side] / picture[side] / input[side];
            box[i] = Math.max(0, Math.min(picture[side], box[i] / share));
        }
    }

    /**
     * Returns where the picture's rows (axis 0) or columns (1) lie on a grid over the input.
     *
     * @param alignCorners whether the grid's ends are the input's first and last pixel centres; if
     *     not, they are half a cell inside its edges
     */
    public double[] places(int axis, int grid, boolean alignCorners) {
        double[] found = new double[picture[axis]];
        for (int i = 0; i < found.length; i++) {
            double there = (i + 0.5) * content[axis] / picture[axis] - 0.5;
            double place = alignCorners ? there * (grid - 1) / Math.max(input[axis] - 1, 1)
                    : (there + 0.5) * grid / input[axis] - 0.5;
            found[i] = Math.max(0, Math.min(grid - 1, place));
        }
        return found;
    }
}
