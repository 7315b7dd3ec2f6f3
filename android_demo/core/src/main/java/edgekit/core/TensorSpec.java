package edgekit.core;

import java.util.Arrays;
import java.util.List;

/**
 * One input or output of a model file, as its manifest describes it.
 *
 * <p>Quantization is affine, real = scale * (raw - zeroPoint); mean and std take pixels (0 to 255)
 * to the real values that the network was trained on, (pixel - mean) / std.
 */
public final class TensorSpec {
    static final List<String> DTYPES =
            Arrays.asList("float32", "uint8", "int8", "int16", "int32", "int64", "bool");
    private static final int[] BYTES = {4, 1, 1, 2, 4, 8, 1};

    public final String name;
    public final int[] shape; // -1 where the size is free
    public final String dtype; // as NumPy spells it
    public final double scale; // 0 where it is not quantized
    public final int zeroPoint;
    public final String layout; // "NHWC" or "NCHW" of pictures, else null
    public final double[] mean; // per channel or one for all, in pixel units; null if not known
    public final double[] std;

    TensorSpec(Fields from) {
        from.only("name", "shape", "dtype", "scale", "zero_point", "layout", "mean", "std");
        name = from.string("name");
        shape = from.sizes("shape");
        dtype = from.string("dtype");
        if (!DTYPES.contains(dtype)) {
            throw new InputError(from.path("dtype")).got(dtype).expected("one of " + DTYPES);
        }
        scale = from.has("scale") ? from.number("scale") : 0;
        if (from.has("scale") && !(scale > 0)) {
            throw new InputError(from.path("scale")).got(scale).expected("more than 0");
        }
        zeroPoint = from.has("zero_point")
                ? (int) from.integer("zero_point", Integer.MIN_VALUE, Integer.MAX_VALUE) : 0;
        layout = from.string("layout", null, "NHWC", "NCHW");
        mean = from.numbers("mean");
        std = from.numbers("std");
        for (int i = 0; std != null && i < std.length; i++) {
            if (!(std[i] > 0)) {
                throw new InputError(from.path("std")).got(std[i]).expected("more than 0");
            }
        }
    }

    public boolean quantized() {
        return scale > 0;
    }

    /** Bytes of one element. */
    public int elementBytes() {
        return BYTES[DTYPES.indexOf(dtype)];
    }

    /**
     * Returns the shape of one inference: a free batch is 1.
     *
     * <p>Any other free size would be a guess; outputs of which there are some get theirs from the
     * runtime.
     */
    public int[] single() {
        int[] found = shape.clone();
        for (int i = 0; i < found.length; i++) {
            if (found[i] < 0 && i > 0) {
                throw new InputError("tensor " + name + ": a free size")
                        .got(Arrays.toString(shape)).expected("fixed sizes behind the batch")
                        .todo("convert with --shape");
            }
            found[i] = found[i] < 0 ? 1 : found[i];
        }
        return found;
    }

    /** Returns the value of this tensor's type, rounded half to even and clipped. */
    public int quantize(float real) {
        float raw = (float) Math.rint(real / (float) scale) + zeroPoint;
        int least = dtype.equals("uint8") ? 0 : dtype.equals("int8") ? -128 : -32768;
        int most = dtype.equals("uint8") ? 255 : dtype.equals("int8") ? 127 : 32767;
        return (int) Math.max(least, Math.min(most, raw));
    }

    /** Finds out whether a runtime's tensor is the one described. */
    public void check(String file, String itsDtype, int[] itsShape) {
        boolean same = itsDtype.equals(dtype) && itsShape.length == shape.length;
        for (int i = 0; same && i < shape.length; i++) {
            same = shape[i] < 0 || itsShape[i] < 0 || itsShape[i] == shape[i];
        }
        if (!same) {
            throw new InputError(file + ": tensor " + name + " is not as the manifest says")
                    .got(itsDtype + " " + Arrays.toString(itsShape))
                    .expected(dtype + " " + Arrays.toString(shape))
                    .todo("convert the model again");
        }
    }
}
