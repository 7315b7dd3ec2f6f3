package edgekit.core;

import java.io.ByteArrayOutputStream;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/** A folder of model files with its manifest: among the app's assets, or opened from storage. */
public final class Artifact {
    private static final int LARGEST_MANIFEST = 16 << 20;

    /** Where files come from. */
    public interface Folder {
        /** Opens a file; a FileNotFoundException where there is none. */
        InputStream open(String name) throws IOException;

        /** What to call the folder in an error. */
        String where();
    }

    public final Folder folder;
    public final Manifest manifest;

    private Artifact(Folder folder, Manifest manifest) {
        this.folder = folder;
        this.manifest = manifest;
    }

    public static Artifact open(Folder folder) {
        String where = folder.where() + "/" + Manifest.NAME;
        byte[] bytes = bytes(folder, Manifest.NAME, LARGEST_MANIFEST);
        try {
            String text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
            return new Artifact(folder, Manifest.read(where, text));
        } catch (CharacterCodingException error) {
            throw new InputError(where + ": cannot be read").got("other bytes than UTF-8");
        }
    }

    /** Returns a model file's content, compared with its SHA-256, as a runtime takes it. */
    public ByteBuffer content(ModelFile file) {
        String where = folder.where() + "/" + file.path;
        byte[] bytes = bytes(folder, file.path, (int) file.sizeBytes);
        String got = sha256(bytes);
        if (!got.equals(file.sha256)) {
            throw new InputError(where + ": changed since it was written")
                    .got("SHA-256 " + got.substring(0, 12) + "...")
                    .expected(file.sha256.substring(0, 12) + "...")
                    .todo("copy the artifact again");
        }
        ByteBuffer direct = ByteBuffer.allocateDirect(bytes.length).order(ByteOrder.nativeOrder());
        direct.put(bytes).rewind();
        return direct;
    }

    /** Returns a file whole; larger than `most` is an error. */
    public static byte[] bytes(Folder folder, String name, int most) {
        String where = folder.where() + "/" + name;
        try (InputStream stream = folder.open(name)) {
            ByteArrayOutputStream found = new ByteArrayOutputStream();
            byte[] part = new byte[1 << 16];
            for (int n = stream.read(part); n >= 0; n = stream.read(part)) {
                if (n > most - found.size()) {
                    throw new InputError(where + ": too large").expected("at most " + most + " bytes");
                }
                found.write(part, 0, n);
            }
            return found.toByteArray();
        } catch (FileNotFoundException error) {
            throw new InputError(where + ": missing").todo("copy the artifact again");
        } catch (IOException error) {
            throw new InputError(where + ": cannot be read").got(error.getMessage());
        } catch (SecurityException error) {
            throw new InputError(where + ": cannot be read").got("no permission");
        }
    }

    static String sha256(byte[] bytes) {
        try {
            StringBuilder text = new StringBuilder();
            for (byte b : MessageDigest.getInstance("SHA-256").digest(bytes)) {
                text.append(String.format("%02x", b));
            }
            return text.toString();
        } catch (NoSuchAlgorithmException never) {
            throw new IllegalStateException(never);
        }
    }
}
