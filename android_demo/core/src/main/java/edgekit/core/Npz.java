package edgekit.core;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.ZipEntry;
import java.util.zip.ZipInputStream;

/** Arrays by name, as numpy.savez_compressed writes them: C order, little-endian; and texts. */
public final class Npz {
    private static final int LARGEST = 256 << 20;
    private static final Pattern HEADER = Pattern.compile(
            "\\{'descr': '[<|]([a-z]\\d)', 'fortran_order': False, 'shape': \\(([0-9, ]*)\\), \\}\\s*");

    /** One array. */
    public static final class Array {
        public final String dtype; // as "f4" or "u1"
        public final int[] shape;
        public final ByteBuffer bytes; // little-endian

        Array(String dtype, int[] shape, ByteBuffer bytes) {
            this.dtype = dtype;
            this.shape = shape;
            this.bytes = bytes;
        }

        public int size() {
            int size = 1;
            for (int n : shape) {
                size *= n;
            }
            return size;
        }

        /** Returns one entry of the first dimension, as an array with a first dimension of 1. */
        Array row(int i) {
            if (i >= shape[0]) {
                throw new InputError("array: row " + i).expected("less than " + shape[0]);
            }
            int[] one = shape.clone();
            one[0] = 1;
            int size = bytes.capacity() / shape[0];
            ByteBuffer part = bytes.duplicate();
            part.position(i * size).limit((i + 1) * size);
            return new Array(dtype, one, part.slice().order(ByteOrder.LITTLE_ENDIAN));
        }

        /** Returns all elements as 32-bit numbers. */
        float[] floats() {
            float[] found = new float[size()];
            for (int i = 0; i < found.length; i++) {
                found[i] = (float) get(i);
            }
            return found;
        }

        /** Returns an element as a number. */
        public double get(int i) {
            switch (dtype) {
                case "f4":
                    return bytes.getFloat(4 * i);
                case "f8":
                    return bytes.getDouble(8 * i);
                case "u1":
                    return bytes.get(i) & 0xff;
                case "i1":
                case "b1":
                    return bytes.get(i);
                case "i2":
                    return bytes.getShort(2 * i);
                case "i4":
                    return bytes.getInt(4 * i);
                case "i8":
                    return bytes.getLong(8 * i);
                default:
                    throw new InputError("array of " + dtype).expected("a known type");
            }
        }
    }

    public final Map<String, Array> arrays = new LinkedHashMap<String, Array>();
    public final Map<String, String> texts = new LinkedHashMap<String, String>();

    /** Reads all; the stream is closed. */
    public Npz(String where, InputStream stream) {
        try (ZipInputStream zip = new ZipInputStream(stream)) {
            for (ZipEntry entry = zip.getNextEntry(); entry != null; entry = zip.getNextEntry()) {
                byte[] content = content(zip, where);
                String name = entry.getName();
                if (name.endsWith(".npy")) {
                    arrays.put(name.substring(0, name.length() - 4), array(where + ": " + name, content));
                } else {
                    texts.put(name, new String(content, StandardCharsets.UTF_8));
                }
            }
        } catch (IOException | IllegalArgumentException error) {
            throw new InputError(where + ": cannot be read").got(error.getMessage());
        }
    }

    private static byte[] content(InputStream stream, String where) throws IOException {
        ByteArrayOutputStream found = new ByteArrayOutputStream();
        byte[] part = new byte[1 << 16];
        for (int n = stream.read(part); n >= 0; n = stream.read(part)) {
            found.write(part, 0, n);
            if (found.size() > LARGEST) {
                throw new InputError(where + ": too large");
            }
        }
        return found.toByteArray();
    }

    private static Array array(String where, byte[] content) {
        int start = content.length > 10 ? 10 + (content[8] & 0xff) + 256 * (content[9] & 0xff) : 0;
        if (start == 0 || start > content.length || content[1] != 'N' || content[6] != 1) {
            throw new InputError(where + ": not an array");
        }
        String header = new String(content, 10, start - 10, StandardCharsets.ISO_8859_1);
        Matcher match = HEADER.matcher(header);
        if (!match.matches()) {
            throw new InputError(where + ": another array than expected").got(header.trim());
        }
        String[] sizes = match.group(2).trim().isEmpty() ? new String[0] : match.group(2).split(",");
        int count = sizes.length > 0 && sizes[sizes.length - 1].trim().isEmpty()
                ? sizes.length - 1 : sizes.length;
        int[] shape = new int[count];
        long bytes = match.group(1).charAt(1) - '0';
        for (int i = 0; i < count; i++) {
            shape[i] = Integer.parseInt(sizes[i].trim());
            bytes *= shape[i];
        }
        if (bytes != content.length - start) {
            throw new InputError(where + ": ends early");
        }
        return new Array(match.group(1), shape, ByteBuffer.wrap(content, start, content.length - start)
                .slice().order(ByteOrder.LITTLE_ENDIAN));
    }
}
