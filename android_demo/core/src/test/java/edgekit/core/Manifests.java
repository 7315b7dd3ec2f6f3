package edgekit.core;

import java.io.ByteArrayInputStream;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;

/** A small artifact in memory, for tests that damage it. */
public final class Manifests {
    static final String GOOD = "{\"schema\": 1, \"name\": \"digits\", \"family\": \"mobilenet_v2\","
            + " \"task\": {\"name\": \"classify\", \"labels\": [\"zero\", \"one\"]},"
            + " \"files\": [{\"path\": \"m.onnx\", \"format\": \"onnx\", \"scheme\": \"w8a8\","
            + " \"sha256\": \"SHA\", \"size_bytes\": 7, \"madds\": 12, \"params\": 3,"
            + " \"signatures\": {\"serving_default\": {\"inputs\": [{\"name\": \"image\","
            + " \"shape\": [1, 4, 4, 3], \"dtype\": \"uint8\", \"scale\": 0.5, \"zero_point\": 128,"
            + " \"layout\": \"NHWC\", \"mean\": [127.5], \"std\": [2.0]}],"
            + " \"outputs\": [{\"name\": \"scores\", \"shape\": [1, 2], \"dtype\": \"float32\"}]}}}],"
            + " \"reference\": {\"path\": \"reference.npz\", \"sha256\": \"SHA\"},"
            + " \"provenance\": {\"seed\": 1}}";
    public static final byte[] CONTENT = "a model".getBytes(StandardCharsets.UTF_8);

    private Manifests() {}

    public static String good() {
        return GOOD.replace("SHA", Artifact.sha256(CONTENT));
    }

    /** Returns a folder with this manifest and the model's content. */
    public static Artifact.Folder folder(String manifest, byte[] content) {
        final Map<String, byte[]> files = new HashMap<String, byte[]>();
        files.put("m.onnx", content);
        if (manifest != null) {
            files.put(Manifest.NAME, manifest.getBytes(StandardCharsets.UTF_8));
        }
        return new Artifact.Folder() {
            @Override
            public InputStream open(String name) throws IOException {
                if (!files.containsKey(name)) {
                    throw new FileNotFoundException(name);
                }
                return new ByteArrayInputStream(files.get(name));
            }

            @Override
            public String where() {
                return "digits";
            }
        };
    }

    static Manifest read(String text) {
        return Manifest.read("manifest.json", text);
    }
}
