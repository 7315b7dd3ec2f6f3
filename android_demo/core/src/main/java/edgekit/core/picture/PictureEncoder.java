package edgekit.core.picture;

import edgekit.core.InputError;
import edgekit.core.Tensor;
import edgekit.core.TensorSpec;
import java.util.Arrays;

/**
 * Turns pictures into the tensor that a spec describes: channels, size, (pixel - mean) / std,
 * quantization. What a byte becomes is looked up, one table a channel; buffers are made once.
 */
public final class PictureEncoder {
    /** How a picture comes into the input's shape. */
    public enum Fit { STRETCH, LETTERBOX }

    private static final byte[] GREY = {(byte) 128}; // behind a picture whose input has no mean

    public final int height;
    public final int width;
    private final int channels;
    private final Fit fit;
    private final Tensor input;
    private final Resizer resizer = new Resizer();
    private final Picture framed;
    private final byte[] fill;
    private final byte[][] bytes; // by channel: what each pixel value becomes
    private final float[][] floats;
    private final byte[] lineOfBytes;
    private final float[] lineOfFloats;

    public PictureEncoder(Tensor input, Fit fit) {
        TensorSpec spec = input.spec;
        boolean first = "NCHW".equals(spec.layout);
        if (spec.shape.length != 4 || spec.layout == null || input.shape[0] != 1) {
            throw new InputError("input " + spec.name + ": not one picture")
                    .got(Arrays.toString(spec.shape) + ", layout " + spec.layout)
                    .expected("[1, H, W, C] with layout NHWC or [1, C, H, W] with NCHW");
        }
        this.input = input;
        this.fit = fit;
        height = input.shape[first ? 2 : 1];
        width = input.shape[first ? 3 : 2];
        channels = input.shape[first ? 1 : 3];
        framed = new Picture(height, width, channels);
        fill = fill(spec);
        boolean real = spec.dtype.equals("float32");
        floats = real ? new float[channels][] : null;
        bytes = real ? null : new byte[channels][];
        lineOfFloats = real ? new float[input.size()] : null;
        lineOfBytes = real ? null : new byte[input.size()];
        makeTables(spec);
    }

    /** Fills the input. */
    public void encode(Picture picture) {
        Picture own = picture.withChannels(channels);
        Frame frame = new Frame(new int[] {own.height, own.width}, new int[] {height, width},
                fit == Fit.STRETCH);
        frame.fill(own, fill, resizer, framed);
        boolean planes = "NCHW".equals(input.spec.layout);
        int step = planes ? 1 : channels;
        for (int c = 0; c < channels; c++) {
            int o = planes ? c * height * width : c;
            for (int i = c; i < framed.pixels.length; i += channels) {
                int pixel = framed.pixels[i] & 0xff;
                if (floats != null) {
                    lineOfFloats[o] = floats[c][pixel];
                } else {
                    lineOfBytes[o] = bytes[c][pixel];
                }
                o += step;
            }
        }
        input.bytes.rewind();
        if (floats != null) {
            input.bytes.asFloatBuffer().put(lineOfFloats);
        } else {
            input.bytes.put(lineOfBytes);
        }
        input.bytes.rewind();
    }

    private void makeTables(TensorSpec spec) {
        boolean asTheyAre = spec.mean == null || spec.std == null;
        if (asTheyAre && !spec.dtype.equals("uint8")) {
            throw new InputError("input " + spec.name + ": how pixels become " + spec.dtype
                    + " is not known").expected("mean and std, (pixel - mean) / std");
        }
        if (spec.elementBytes() > 1 && floats == null || !asTheyAre && floats == null
                && !spec.quantized()) {
            throw new InputError("input " + spec.name).got(spec.dtype)
                    .expected("float32, or uint8 or int8 with a scale");
        }
        for (int c = 0; c < channels; c++) {
            float mean = asTheyAre ? 0 : ofChannel(spec, spec.mean, c);
            float std = asTheyAre ? 1 : ofChannel(spec, spec.std, c);
            float[] real = new float[256];
            byte[] raw = new byte[256];
            for (int pixel = 0; pixel < 256; pixel++) {
                real[pixel] = (pixel - mean) / std;
                raw[pixel] = (byte) (asTheyAre || floats != null ? pixel : spec.quantize(real[pixel]));
            }
            if (floats != null) {
                floats[c] = real;
            } else {
                bytes[c] = raw;
            }
        }
    }

    private float ofChannel(TensorSpec spec, double[] values, int channel) {
        if (values.length != 1 && values.length != channels) {
            throw new InputError("input " + spec.name + ": mean and std")
                    .got(Arrays.toString(values)).expected("one number or " + channels);
        }
        return (float) values[values.length == 1 ? 0 : channel];
    }

    private static byte[] fill(TensorSpec spec) {
        if (spec.mean == null) {
            return GREY;
        }
        byte[] found = new byte[spec.mean.length];
        for (int i = 0; i < found.length; i++) {
            found[i] = (byte) Math.rint(spec.mean[i]);
        }
        return found;
    }
}
