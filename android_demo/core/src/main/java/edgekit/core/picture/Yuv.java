package edgekit.core.picture;

import java.nio.ByteBuffer;

/** A camera's frame, YUV 4:2:0 in three planes (BT.601, full range, as JFIF), to pixels. */
public final class Yuv {
    private byte[] lumas = new byte[0];
    private byte[] blues = new byte[0];
    private byte[] reds = new byte[0];

    /** Fills the picture, whose size is the frame's. Planes are copied whole, not byte by byte. */
    public void toPicture(ByteBuffer y, int yStride, ByteBuffer u, ByteBuffer v, int uvStride,
            int uvStep, Picture picture) {
        lumas = bulk(y, lumas);
        blues = bulk(u, blues);
        reds = bulk(v, reds);
        byte[] out = picture.pixels;
        for (int row = 0, o = 0; row < picture.height; row++) {
            int chroma = row / 2 * uvStride;
            for (int column = 0; column < picture.width; column++) {
                int luma = (lumas[row * yStride + column] & 0xff) << 16;
                int at = chroma + column / 2 * uvStep;
                int blue = (blues[at] & 0xff) - 128;
                int red = (reds[at] & 0xff) - 128;
                // 1.402, 0.344136, 0.714136 and 1.772 in 65536ths
                out[o++] = clip(luma + 91881 * red);
                out[o++] = clip(luma - 22554 * blue - 46802 * red);
                out[o++] = clip(luma + 116130 * blue);
            }
        }
    }

    private static byte[] bulk(ByteBuffer from, byte[] into) {
        ByteBuffer plane = from.duplicate();
        byte[] found = into.length >= plane.remaining() ? into : new byte[plane.remaining()];
        plane.get(found, 0, plane.remaining());
        return found;
    }

    private static byte clip(int value) {
        return (byte) Math.max(0, Math.min(255, value + 32768 >> 16));
    }
}
