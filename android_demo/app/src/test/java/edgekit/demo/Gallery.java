package edgekit.demo;

import static org.junit.Assert.assertTrue;

import android.graphics.Bitmap;
import android.graphics.Canvas;
import android.graphics.Paint;
import android.net.Uri;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.function.Supplier;
import java.util.zip.CRC32;
import org.robolectric.RuntimeEnvironment;
import org.robolectric.shadow.api.Shadow;
import org.robolectric.shadows.ShadowContentResolver;

/** Files that another app gives, and pictures to be given. */
final class Gallery {
    static final int RED = 0xffd02020;
    static final int BLUE = 0xff2040d0;

    private Gallery() {}

    /** Returns the address of a file with this content. */
    static Uri gives(String name, byte[] content) {
        return givesAt(Uri.parse("content://gallery/" + name), content);
    }

    static Uri givesAt(Uri uri, final byte[] content) {
        return register(uri, new Supplier<InputStream>() {
            @Override
            public InputStream get() {
                return new ByteArrayInputStream(content);
            }
        });
    }

    /** Returns the address of a file that the other app fails to give. */
    static Uri throwsAt(String name, RuntimeException error) {
        return throwsFor(Uri.parse("content://gallery/" + name), error);
    }

    static Uri throwsFor(Uri uri, final RuntimeException error) {
        return register(uri, new Supplier<InputStream>() {
            @Override
            public InputStream get() {
                throw error;
            }
        });
    }

    private static Uri register(Uri uri, Supplier<InputStream> supplier) {
        ShadowContentResolver resolver =
                Shadow.extract(RuntimeEnvironment.getApplication().getContentResolver());
        resolver.registerInputStreamSupplier(uri, supplier);
        return uri;
    }

    static Uri givesText(String name, String text) {
        return gives(name, text.getBytes(StandardCharsets.UTF_8));
    }

    /** Returns a picture with a red left half and a blue right one. */
    static Bitmap halves(int width, int height) {
        Bitmap bitmap = Bitmap.createBitmap(width, height, Bitmap.Config.ARGB_8888);
        Canvas canvas = new Canvas(bitmap);
        canvas.drawColor(BLUE);
        Paint paint = new Paint();
        paint.setColor(RED);
        canvas.drawRect(0, 0, width / 2f, height, paint);
        return bitmap;
    }

    /** Returns a picture of a hill, the sun, and a house. */
    static Bitmap landscape() {
        Bitmap bitmap = Bitmap.createBitmap(640, 480, Bitmap.Config.ARGB_8888);
        Canvas canvas = new Canvas(bitmap);
        canvas.drawColor(0xff9fc8ea);
        Paint paint = new Paint(Paint.ANTI_ALIAS_FLAG);
        paint.setColor(0xfff6d55c);
        canvas.drawCircle(500, 110, 50, paint);
        paint.setColor(0xff5b8c4a);
        canvas.drawCircle(320, 900, 620, paint);
        paint.setColor(0xffb5523b);
        canvas.drawRect(180, 210, 330, 330, paint);
        paint.setColor(0xfff4efe6);
        canvas.drawRect(210, 240, 250, 280, paint);
        canvas.drawRect(275, 250, 310, 330, paint);
        return bitmap;
    }

    static byte[] png(Bitmap bitmap) {
        return compressed(bitmap, Bitmap.CompressFormat.PNG);
    }

    /** Returns a JPEG whose EXIF data tell an orientation. */
    static byte[] jpeg(Bitmap bitmap, int orientation) throws IOException {
        byte[] plain = compressed(bitmap, Bitmap.CompressFormat.JPEG);
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        DataOutputStream out = new DataOutputStream(bytes);
        out.writeShort(0xffd8);
        out.writeShort(0xffe1);
        out.writeShort(2 + 6 + 8 + 2 + 12 + 4);
        out.writeBytes("Exif\0\0MM\0*");
        out.writeInt(8); // where the directory begins
        out.writeShort(1);
        out.writeInt(0x0112 << 16 | 3); // orientation, a short
        out.writeInt(1);
        out.writeInt(orientation << 16);
        out.writeInt(0);
        out.write(plain, 2, plain.length - 2);
        return bytes.toByteArray();
    }

    private static byte[] compressed(Bitmap bitmap, Bitmap.CompressFormat format) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        assertTrue(bitmap.compress(format, 95, bytes));
        return bytes.toByteArray();
    }

    /** Returns a PNG that says it has this size, and has next to no pixels. */
    static byte[] hollow(int width, int height) throws IOException {
        ByteArrayOutputStream head = new ByteArrayOutputStream();
        DataOutputStream out = new DataOutputStream(head);
        out.writeInt(width);
        out.writeInt(height);
        out.write(new byte[] {8, 2, 0, 0, 0});
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        bytes.write(new byte[] {(byte) 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'});
        chunk(bytes, "IHDR", head.toByteArray());
        chunk(bytes, "IDAT", new byte[] {0x78, (byte) 0x9c});
        chunk(bytes, "IEND", new byte[0]);
        return bytes.toByteArray();
    }

    private static void chunk(ByteArrayOutputStream to, String name, byte[] content)
            throws IOException {
        DataOutputStream out = new DataOutputStream(to);
        CRC32 sum = new CRC32();
        sum.update(name.getBytes(StandardCharsets.US_ASCII));
        sum.update(content);
        out.writeInt(content.length);
        out.writeBytes(name);
        out.write(content);
        out.writeInt((int) sum.getValue());
    }
}
