package edgekit.core.picture;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.util.Random;
import org.junit.Test;

public final class PictureTest {
    /** Two rows of three: as stored, and as the eight orientations of EXIF show them. */
    private static final byte[] STORED = {1, 2, 3, 4, 5, 6};
    private static final byte[][] SHOWN = {
        {1, 2, 3, 4, 5, 6}, {3, 2, 1, 6, 5, 4}, {6, 5, 4, 3, 2, 1}, {4, 5, 6, 1, 2, 3},
        {1, 4, 2, 5, 3, 6}, {4, 1, 5, 2, 6, 3}, {6, 3, 5, 2, 4, 1}, {3, 6, 2, 5, 1, 4}
    };

    @Test
    public void picturesAreTurnedUpright() {
        for (int orientation = 1; orientation <= 8; orientation++) {
            Picture found = new Picture(2, 3, 1, STORED).upright(orientation);
            assertEquals(orientation < 5 ? 2 : 3, found.height);
            assertArrayEquals("" + orientation, SHOWN[orientation - 1], found.pixels);
        }
    }

    @Test
    public void theOrientationOfAJpegIsRead() throws IOException {
        int[] little = {0xff, 0xd8, 0xff, 0xe0, 0, 4, 9, 9, 0xff, 0xe1, 0, 34, 'E', 'x', 'i', 'f', 0, 0,
            'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0};
        int[] big = {0xff, 0xd8, 0xff, 0xe1, 0, 34, 'E', 'x', 'i', 'f', 0, 0,
            'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, 8, 0, 0, 0, 0, 0, 0};
        assertEquals(6, orientation(bytes(little)));
        assertEquals(8, orientation(bytes(big)));
        assertEquals(1, orientation(new byte[] {'B', 'M', 0, 0}));
        for (int end = 0; end < big.length; end++) {
            orientation(java.util.Arrays.copyOf(bytes(big), end)); // cut short: no crash
        }
        Random random = new Random(0);
        for (int n = 0; n < 5000; n++) {
            byte[] damaged = bytes(little);
            damaged[random.nextInt(damaged.length)] = (byte) random.nextInt();
            damaged[random.nextInt(damaged.length)] = (byte) random.nextInt();
            int found = orientation(damaged);
            assertEquals(true, found >= 1 && found <= 8);
        }
    }

    /** The usual sensor lies across: held upright its pictures are turned right, held left not at all. */
    @Test
    public void theCamerasFramesAreTurnedAsThePhoneIsHeld() {
        int[] found = new int[4];
        for (int quarter = 0; quarter < 4; quarter++) {
            found[quarter] = Exif.ofCamera(90, 90 * quarter);
        }
        assertArrayEquals(new int[] {6, 1, 8, 3}, found);
        assertEquals(8, Exif.ofCamera(270, 0)); // as many front cameras
        Picture turned = new Picture(2, 3, 1, STORED).upright(Exif.ofCamera(90, 0));
        assertEquals("3 x 2", turned.height + " x " + turned.width);
        assertEquals(STORED[3], turned.pixels[0]); // the lower left corner comes to the upper left
    }

    @Test
    public void lumaIsRounded() {
        byte[] colours = {(byte) 255, 0, 0, 0, (byte) 255, 0, 0, 0, (byte) 255, 10, 20, 30};
        // 76.245, 149.685, 29.07 and 2.99 + 11.74 + 3.42
        assertArrayEquals(new byte[] {76, (byte) 150, 29, 18},
                new Picture(2, 2, 3, colours).withChannels(1).pixels);
    }

    @Test
    public void halvingAveragesWithTheNeighbours() {
        // Triangle of reach 2 around 1, 3: weights 3, 3, 1 of 7 at the edge by pixels at .5, .5, 1.5.
        Picture found = new Resizer().resize(new Picture(1, 4, 1, new byte[] {0, 70, 7, 14}), 1, 2);
        assertArrayEquals(new byte[] {31, 19}, found.pixels); // (210+7)/7 = 31, (70+21+42)/7 = 19
    }

    @Test
    public void hugePicturesAreDecodedSmaller() {
        assertEquals(1, Picture.divisor(3000, 4000, 12000000));
        assertEquals(2, Picture.divisor(3001, 4001, 12000000));
        assertEquals(4, Picture.divisor(9000, 9000, 6000000));
    }

    @Test
    public void aFrameKeepsTheShape() {
        Frame frame = new Frame(new int[] {100, 200}, new int[] {50, 50}, false);
        double[] box = {0.0, 0.25, 0.5, 2.0};
        frame.toPicture(box); // 200 pixels are the whole side, and 100 pixels half of it
        assertArrayEquals(new double[] {0, 50, 100, 200}, box, 1e-12);
        Picture into = new Picture(50, 50, 1);
        frame.fill(new Picture(100, 200, 1), new byte[] {9}, new Resizer(), into);
        assertEquals(0, into.pixels[24 * 50 + 49]);
        assertEquals(9, into.pixels[25 * 50]);
    }

    private static int orientation(byte[] bytes) throws IOException {
        return Exif.orientation(new ByteArrayInputStream(bytes));
    }

    private static byte[] bytes(int[] values) {
        byte[] found = new byte[values.length];
        for (int i = 0; i < found.length; i++) {
            found[i] = (byte) values[i];
        }
        return found;
    }
}
