package edgekit.core.picture;

import static org.junit.Assert.assertArrayEquals;

import java.nio.ByteBuffer;
import org.junit.Test;

public final class YuvTest {
    /** Grey, JFIF's red (76, 85, 255) and blue (29, 255, 107); planes with strides and steps. */
    @Test
    public void knownColoursComeOut() {
        byte[] luma = {100, 101, 76, 76, 0, 100, 100, 76, 76, 0, 29, 29, 0, 0, 0, 29, 29, 0, 0};
        byte[] blue = {(byte) 128, 0, 85, 0, 0, (byte) 255, 0, (byte) 128};
        byte[] red = {(byte) 128, 0, (byte) 255, 0, 0, 107, 0, (byte) 128};
        Picture picture = new Picture(4, 4, 3);
        new Yuv().toPicture(ByteBuffer.wrap(luma), 5, ByteBuffer.wrap(blue), ByteBuffer.wrap(red), 5, 2,
                picture);
        assertArrayEquals(new byte[] {100, 100, 100, 101, 101, 101}, part(picture, 0, 2));
        assertArrayEquals(new byte[] {(byte) 254, 0, 0}, part(picture, 2, 1));
        assertArrayEquals(new byte[] {0, 0, (byte) 254}, part(picture, 8, 1));
        assertArrayEquals(new byte[] {0, 0, 0}, part(picture, 15, 1));
    }

    private static byte[] part(Picture picture, int first, int count) {
        return java.util.Arrays.copyOfRange(picture.pixels, 3 * first, 3 * (first + count));
    }
}
