package edgekit.core;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;

/** The values of one input or output: a direct buffer that is made once and used again. */
public final class Tensor {
    public final TensorSpec spec;
    public final int[] shape; // of this inference
    public final ByteBuffer bytes; // direct, native order

    public Tensor(TensorSpec spec, int[] shape) {
        this.spec = spec;
        this.shape = shape.clone();
        long size = spec.elementBytes();
        for (int n : shape) {
            size *= n;
        }
        if (size < 0 || size > Integer.MAX_VALUE) {
            throw new InputError("tensor " + spec.name + ": too large")
                    .got(Arrays.toString(shape)).expected("less than 2 GiB");
        }
        bytes = ByteBuffer.allocateDirect((int) size).order(ByteOrder.nativeOrder());
    }

    public int size() {
        return bytes.capacity() / spec.elementBytes();
    }

    /** Returns the real values: float32 arithmetic where it is quantized, else the value itself. */
    public float[] real() {
        float[] found = new float[size()];
        float scale = spec.quantized() ? (float) spec.scale : 1;
        float zero = spec.quantized() ? spec.zeroPoint : 0;
        if (spec.dtype.equals("float32")) {
            ((ByteBuffer) bytes.duplicate().order(ByteOrder.nativeOrder()).rewind())
                    .asFloatBuffer().get(found);
            return found;
        }
        for (int i = 0; i < found.length; i++) {
            found[i] = (raw(i) - zero) * scale;
        }
        return found;
    }

    /** Returns the real values, which must all be finite. */
    public float[] finite(String task) {
        float[] found = real();
        int wrong = 0;
        for (float value : found) {
            wrong += Float.isNaN(value) || Float.isInfinite(value) ? 1 : 0;
        }
        if (wrong > 0) {
            throw new InputError(task + ": NaN or infinity in " + spec.name)
                    .got(wrong + " of " + found.length);
        }
        return found;
    }

    /** Returns an integer element as it is stored. */
    public long raw(int i) {
        switch (spec.dtype) {
            case "uint8":
                return bytes.get(i) & 0xff;
            case "int8":
            case "bool":
                return bytes.get(i);
            case "int16":
                return bytes.getShort(2 * i);
            case "int32":
                return bytes.getInt(4 * i);
            case "int64":
                return bytes.getLong(8 * i);
            default:
                throw new IllegalStateException(spec.dtype + " is no integer");
        }
    }

    /** Stores real values, quantized as NumPy's float32 would. */
    public void put(double[] real) {
        float[] narrow = new float[real.length];
        for (int i = 0; i < real.length; i++) {
            narrow[i] = (float) real[i];
        }
        put(narrow);
    }

    /** Stores as many real values as there are elements. */
    public void put(float[] real) {
        if (real.length != size()) {
            throw new InputError("input " + spec.name).got(real.length + " numbers")
                    .expected("" + size());
        }
        for (int i = 0; i < real.length; i++) {
            put(i, real[i]);
        }
    }

    /** Stores one real value. */
    public void put(int i, float real) {
        if (spec.dtype.equals("float32")) {
            bytes.putFloat(4 * i, real);
        } else if (!spec.quantized()) {
            throw new InputError("input " + spec.name + ": how numbers become " + spec.dtype
                    + " is not known").expected("a scale in the manifest");
        } else if (spec.dtype.equals("int16")) {
            bytes.putShort(2 * i, (short) spec.quantize(real));
        } else {
            bytes.put(i, (byte) spec.quantize(real));
        }
    }
}
