package edgekit.core.picture;

import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;

/**
 * The orientation that a JPEG's EXIF data tell (tag 0x0112, CIPA DC-008 4.6.4).
 *
 * <p>Android's own reader takes streams only from API 24 on.
 */
public final class Exif {
    private static final int ORIENTATION = 0x0112;
    private static final int[] QUARTERS = {1, 6, 3, 8}; // by turns clockwise

    private Exif() {}

    /** Returns 1 to 8; 1, upright, where nothing is told or the file is none or damaged. */
    public static int orientation(InputStream stream) throws IOException {
        DataInputStream data = new DataInputStream(stream);
        try {
            if (data.readUnsignedShort() != 0xffd8) {
                return 1;
            }
            while (true) {
                int marker = data.readUnsignedShort();
                int length = data.readUnsignedShort() - 2;
                if (marker >> 8 != 0xff || marker == 0xffda || length < 0) {
                    return 1;
                }
                byte[] segment = new byte[length];
                data.readFully(segment);
                boolean exif = length > 14 && segment[0] == 'E' && segment[1] == 'x'
                        && segment[2] == 'i' && segment[3] == 'f';
                if (marker == 0xffe1 && exif) {
                    return inTiff(segment, 6);
                }
            }
        } catch (EOFException end) {
            return 1;
        }
    }

    /**
     * Returns the orientation of a camera's frames.
     *
     * @param sensorDegrees by which the sensor's pictures must be turned clockwise on an upright phone
     * @param displayDegrees by which what is shown is turned, as the phone is held
     */
    public static int ofCamera(int sensorDegrees, int displayDegrees) {
        return QUARTERS[(sensorDegrees - displayDegrees + 360) % 360 / 90];
    }

    private static int inTiff(byte[] bytes, int start) {
        boolean little = bytes[start] == 'I';
        long directory = start + number(bytes, start + 4, 4, little);
        int entries = (int) number(bytes, directory, 2, little);
        for (int i = 0; i < entries; i++) {
            long entry = directory + 2 + 12 * i;
            if (number(bytes, entry, 2, little) == ORIENTATION) {
                int value = (int) number(bytes, entry + 8, 2, little);
                return value >= 1 && value <= 8 ? value : 1;
            }
        }
        return 1;
    }

    /** Returns an unsigned number, 0 where the bytes end before it. */
    private static long number(byte[] bytes, long at, int size, boolean little) {
        long found = 0;
        for (int i = 0; i < size; i++) {
            long place = at + (little ? size - 1 - i : i);
            if (place < 0 || place >= bytes.length) {
                return 0;
            }
            found = found << 8 | bytes[(int) place] & 0xff;
        }
        return found;
    }
}
