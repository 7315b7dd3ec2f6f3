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
    private final float[][] tables; // by channel: what each pixel value becomes, as it is stored
    private final float[] floats; // one of these three is the whole input
    private final short[] shorts;
    private final byte[] bytes;

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
        tables = tables(spec, channels);
        int size = spec.elementBytes();
        floats = size == 4 ? new float[input.size()] : null;
        shorts = size == 2 ? new short[input.size()] : null;
        bytes = size == 1 ? new byte[input.size()] : null;
    }

    /** Fills the input. */
    public void encode(Picture picture) {
        Picture own = picture.withChannels(channels);
        Frame frame = new Frame(new int[] {own.height, own.width}, new int[] {height, width},
                fit == Fit.STRETCH);
        frame.fill(own, fill, resizer, framed);
        boolean planes = "NCHW".equals(input.spec.layout);
        for (int c = 0; c < channels; c++) {
            store(c, planes ? c * height * width : c, planes ? 1 : channels);
        }
        input.bytes.rewind();
        if (floats != null) {
            input.bytes.asFloatBuffer().put(floats);
        } else if (shorts != null) {
            input.bytes.asShortBuffer().put(shorts);
        } else {
            input.bytes.put(bytes);
        }
        input.bytes.rewind();
    }

    /** Stores one channel, from a place on and so far apart. */
    private void store(int channel, int first, int step) {
        float[] table = tables[channel];
        byte[] pixels = framed.pixels;
        for (int i = channel, o = first; i < pixels.length; i += channels, o += step) {
            float value = table[pixels[i] & 0xff];
            if (floats != null) {
                floats[o] = value;
            } else if (shorts != null) {
                shorts[o] = (short) value;
            } else {
                bytes[o] = (byte) (int) value;
            }
        }
    }

    private static float[][] tables(TensorSpec spec, int channels) {
        boolean asTheyAre = spec.mean == null || spec.std == null;
        boolean real = spec.dtype.equals("float32");
        if (asTheyAre && !spec.dtype.equals("uint8")) {
            throw new InputError("input " + spec.name + ": how pixels become " + spec.dtype
                    + " is not known").expected("mean and std, (pixel - mean) / std");
        }
        if (!asTheyAre && !real && (!spec.quantized() || spec.elementBytes() > 2)) {
            throw new InputError("input " + spec.name).got(spec.dtype)
                    .expected("float32, or uint8, int8 or int16 with a scale");
        }
        float[][] found = new float[channels][256];
        for (int c = 0; c < channels; c++) {
            float mean = asTheyAre ? 0 : ofChannel(spec, spec.mean, c, channels);
            float std = asTheyAre ? 1 : ofChannel(spec, spec.std, c, channels);
            for (int pixel = 0; pixel < 256; pixel++) {
                float value = (pixel - mean) / std;
                found[c][pixel] = asTheyAre || real ? value : spec.quantize(value);
            }
        }
        return found;
    }

    private static float ofChannel(TensorSpec spec, double[] values, int channel, int channels) {
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
