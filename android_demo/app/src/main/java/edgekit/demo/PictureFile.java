package edgekit.demo;

import android.content.Context;
import android.graphics.Bitmap;
import android.graphics.BitmapFactory;
import android.net.Uri;
import edgekit.core.InputError;
import edgekit.core.picture.Exif;
import edgekit.core.picture.Picture;
import java.io.IOException;
import java.io.InputStream;

/** Reads a picture of the gallery, upright. */
final class PictureFile {
    /** More are divided before decoding: what a screen shows, and a network looks at, is less. */
    private static final long MOST_PIXELS = 4000000;

    private PictureFile() {}

    static Picture read(Context context, Uri uri) {
        String where = String.valueOf(uri.getLastPathSegment());
        try {
            BitmapFactory.Options options = new BitmapFactory.Options();
            options.inJustDecodeBounds = true;
            decode(context, uri, options);
            Picture.check(where, options.outHeight, options.outWidth);
            options.inJustDecodeBounds = false;
            options.inSampleSize =
                    Picture.divisor(options.outHeight, options.outWidth, MOST_PIXELS);
            options.inPreferredConfig = Bitmap.Config.ARGB_8888;
            Bitmap bitmap = decode(context, uri, options);
            if (bitmap == null) {
                throw new InputError(where + ": cannot be read as a picture").todo("choose another");
            }
            int[] argb = new int[bitmap.getWidth() * bitmap.getHeight()];
            bitmap.getPixels(argb, 0, bitmap.getWidth(), 0, 0, bitmap.getWidth(), bitmap.getHeight());
            Picture picture = new Picture(bitmap.getHeight(), bitmap.getWidth(), 3);
            bitmap.recycle();
            picture.fromArgb(argb);
            try (InputStream stream = OtherApp.open(context, uri)) {
                return picture.upright(Exif.orientation(stream));
            }
        } catch (IOException | SecurityException error) {
            throw new InputError(where + ": cannot be read").got(error.getMessage());
        }
    }

    private static Bitmap decode(Context context, Uri uri, BitmapFactory.Options options)
            throws IOException {
        try (InputStream stream = OtherApp.open(context, uri)) {
            return BitmapFactory.decodeStream(stream, null, options);
        }
    }
}
