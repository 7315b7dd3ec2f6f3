package edgekit.core.picture;

import edgekit.core.InputError;

/** Pixels [height, width, channels], 0 to 255, row by row. */
public final class Picture {
    /** Beyond this a file is taken for a decompression bomb, as Pillow takes it. */
    public static final long MOST_PIXELS = 89478485;

    public final int height;
    public final int width;
    public final int channels;
    public final byte[] pixels;

    public Picture(int height, int width, int channels, byte[] pixels) {
        this.height = height;
        this.width = width;
        this.channels = channels;
        this.pixels = pixels;
    }

    public Picture(int height, int width, int channels) {
        this(height, width, channels, new byte[height * width * channels]);
    }

    /** Refuses what no picture may be, before it is decoded. */
    public static void check(String where, int height, int width) {
        if (height < 1 || width < 1) {
            throw new InputError(where + ": cannot be read as a picture").todo("choose another");
        }
        if ((long) height * width > MOST_PIXELS) {
            throw new InputError(where + ": too large a picture").got(width + " x " + height + " pixels")
                    .expected("at most " + MOST_PIXELS + " pixels");
        }
    }

    /** Returns by how much, a power of 2, each side must be divided to leave so many pixels. */
    public static int divisor(int height, int width, long most) {
        int found = 1;
        while ((long) (height / found) * (width / found) > most) {
            found *= 2;
        }
        return found;
    }

    /** Takes over the pixels of an Android bitmap, alpha left out. */
    public void fromArgb(int[] argb) {
        for (int i = 0, o = 0; o < pixels.length; i++) {
            int colour = argb[i];
            pixels[o++] = (byte) (colour >> 16);
            pixels[o++] = (byte) (colour >> 8);
            pixels[o++] = (byte) colour;
        }
    }

    /** Returns the pixels as Android's bitmaps have them, opaque. */
    public int[] toArgb() {
        int[] argb = new int[height * width];
        for (int i = 0; i < argb.length; i++) {
            int o = i * channels;
            int last = channels - 1;
            argb[i] = 0xff000000 | (pixels[o] & 0xff) << 16
                    | (pixels[o + Math.min(1, last)] & 0xff) << 8 | pixels[o + last] & 0xff;
        }
        return argb;
    }

    /** Returns a picture of so many channels: grey is repeated, colour becomes luma (BT.601). */
    public Picture withChannels(int wanted) {
        if (wanted == channels) {
            return this;
        }
        Picture found = new Picture(height, width, wanted);
        if (channels == 1) {
            for (int i = 0; i < found.pixels.length; i++) {
                found.pixels[i] = pixels[i / wanted];
            }
        } else if (channels == 3 && wanted == 1) {
            for (int i = 0, o = 0; i < found.pixels.length; i++) {
                double red = 0.299 * (pixels[o++] & 0xff);
                double green = 0.587 * (pixels[o++] & 0xff);
                found.pixels[i] = (byte) Math.rint(red + green + 0.114 * (pixels[o++] & 0xff));
            }
        } else {
            throw new InputError("picture: channels").got(channels).expected("" + wanted);
        }
        return found;
    }

    /** Returns the picture upright, by what its EXIF orientation (1 to 8) says. */
    public Picture upright(int orientation) {
        if (orientation <= 1 || orientation > 8) {
            return this;
        }
        boolean turned = orientation >= 5; // rows are shown as columns
        boolean upsideDown = "3467".indexOf('0' + orientation) >= 0; // the last row comes first
        boolean mirrored = "2378".indexOf('0' + orientation) >= 0; // the last column comes first
        Picture found = new Picture(turned ? width : height, turned ? height : width, channels);
        for (int y = 0; y < found.height; y++) {
            for (int x = 0; x < found.width; x++) {
                int row = turned ? x : y;
                int column = turned ? y : x;
                row = upsideDown ? height - 1 - row : row;
                column = mirrored ? width - 1 - column : column;
                System.arraycopy(pixels, (row * width + column) * channels, found.pixels,
                        (y * found.width + x) * channels, channels);
            }
        }
        return found;
    }
}
