package edgekit.core.picture;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;

import edgekit.core.Results;
import edgekit.core.Tensor;
import org.junit.Test;

/** Two pixels, (10, 20, 30) and (250, 0, 128), through inputs of every kind, by hand. */
public final class PictureEncoderTest {
    private static final byte[] PIXELS = {10, 20, 30, (byte) 250, 0, (byte) 128};

    @Test
    public void bytesWithoutMeanAreTakenAsTheyAre() {
        Tensor input = encoded("\"shape\": [1, 1, 2, 3], \"dtype\": \"uint8\", \"layout\": \"NHWC\"");
        byte[] found = new byte[6];
        input.bytes.get(found);
        assertArrayEquals(PIXELS, found);
    }

    @Test
    public void channelsFirstHaveAMeanEach() {
        Tensor input = encoded("\"shape\": [1, 3, 1, 2], \"dtype\": \"float32\", \"layout\": \"NCHW\","
                + " \"mean\": [10, 0, 28], \"std\": [2, 10, 100]");
        assertArrayEquals(new float[] {0, 120, 2, 0, 0.02f, 1}, input.real(), 0);
    }

    @Test
    public void integersAreRoundedHalfToEvenAndClipped() {
        // (p - 0) / 1 / 4: 2.5 is 2, 5, 7.5 is 8, 62.5 is 62, 0, 32; less 100, and clipped below.
        Tensor input = encoded("\"shape\": [1, 1, 2, 3], \"dtype\": \"int8\", \"layout\": \"NHWC\","
                + " \"mean\": [0], \"std\": [1], \"scale\": 4, \"zero_point\": -127");
        for (int i = 0; i < 6; i++) {
            assertEquals(new int[] {-125, -122, -119, -65, -127, -95}[i], input.raw(i));
        }
        Tensor wide = encoded("\"shape\": [1, 1, 2, 3], \"dtype\": \"int16\", \"layout\": \"NHWC\","
                + " \"mean\": [0], \"std\": [1], \"scale\": 0.0078125");
        assertEquals(1280, wide.raw(0));
        assertEquals(32000, wide.raw(3));
        Tensor clipped = encoded("\"shape\": [1, 1, 2, 3], \"dtype\": \"uint8\", \"layout\": \"NHWC\","
                + " \"mean\": [0], \"std\": [1], \"scale\": 0.5, \"zero_point\": 0");
        assertEquals(255, clipped.raw(3));
    }

    @Test
    public void greyInputsGetLuma() {
        Tensor input = encoded("\"shape\": [1, 1, 2, 1], \"dtype\": \"uint8\", \"layout\": \"NHWC\"");
        assertEquals(18, input.raw(0)); // 2.99 + 11.74 + 3.42
        assertEquals(89, input.raw(1)); // 74.75 + 0 + 14.592
    }

    private static Tensor encoded(String spec) {
        Tensor input = Results.input("{\"name\": \"image\", " + spec + "}");
        new PictureEncoder(input, PictureEncoder.Fit.STRETCH).encode(new Picture(1, 2, 3, PIXELS));
        return input;
    }
}
