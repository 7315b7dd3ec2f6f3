package edgekit.demo;

import static org.junit.Assert.assertTrue;

import android.content.res.AssetManager;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.robolectric.RuntimeEnvironment;
import org.robolectric.util.ReflectionHelpers;
import org.robolectric.util.ReflectionHelpers.ClassParameter;

/** Files that are laid over the app's assets, for one test. */
final class Laid {
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private final ZipOutputStream zip = new ZipOutputStream(bytes);

    static AssetManager assets() {
        return RuntimeEnvironment.getApplication().getAssets();
    }

    /** Returns a file among the models. */
    static byte[] read(String path) throws IOException {
        try (InputStream stream = assets().open("models/" + path)) {
            ByteArrayOutputStream found = new ByteArrayOutputStream();
            for (int b = stream.read(); b >= 0; b = stream.read()) {
                found.write(b);
            }
            return found.toByteArray();
        }
    }

    /** Lays what is no model in the place of one, with a manifest that says it must be so. */
    static Laid corrupt(String model, String name) throws IOException {
        byte[] nonsense = "no model".getBytes(StandardCharsets.UTF_8);
        return new Laid().file(model + "/" + name, nonsense).changed(model + "/manifest.json",
                sha256(read(model + "/" + name)), sha256(nonsense));
    }

    private static String sha256(byte[] bytes) {
        try {
            byte[] digest = MessageDigest.getInstance("SHA-256").digest(bytes);
            return String.format("%064x", new BigInteger(1, digest));
        } catch (NoSuchAlgorithmException never) {
            throw new IllegalStateException(never);
        }
    }

    /** Lays text in the place of a file among the models. */
    Laid text(String path, String text) throws IOException {
        return file(path, text.getBytes(StandardCharsets.UTF_8));
    }

    Laid file(String path, byte[] content) throws IOException {
        zip.putNextEntry(new ZipEntry("assets/models/" + path));
        zip.write(content);
        zip.closeEntry();
        return this;
    }

    /** Lays a manifest with something else in the place of a part of it. */
    Laid changed(String path, String part, String other) throws IOException {
        String text = new String(read(path), StandardCharsets.UTF_8);
        assertTrue(path + " has " + part, text.contains(part));
        return text(path, text.replace(part, other));
    }

    /** From now on the app sees them. */
    void over() throws IOException {
        zip.close();
        File file = File.createTempFile("laid", ".zip");
        file.deleteOnExit();
        try (FileOutputStream stream = new FileOutputStream(file)) {
            bytes.writeTo(stream);
        }
        Object cookie = ReflectionHelpers.callInstanceMethod(assets(), "addAssetPath",
                ClassParameter.from(String.class, file.getPath()));
        assertTrue("laid over", (Integer) cookie > 0);
    }
}
