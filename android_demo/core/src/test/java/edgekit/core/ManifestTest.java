package edgekit.core;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;
import static org.junit.Assert.fail;

import edgekit.core.task.Tasks;
import java.io.File;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.Assume;
import org.junit.Test;

public final class ManifestTest {
    @Test
    public void fieldsAreRead() {
        Manifest manifest = Manifests.read(Manifests.good());
        ModelFile file = manifest.files("onnx").get(0);
        TensorSpec input = file.main().input();
        assertEquals("digits w8a8 7 12", manifest.name + " " + file.scheme + " " + file.sizeBytes + " "
                + file.madds);
        assertEquals(128, input.zeroPoint);
        assertEquals(0.5, input.scale, 0);
        assertEquals(0, manifest.files("tflite").size());
    }

    @Test
    public void aWrongManifestSaysWhereAndWhat() {
        refused("\"schema\": 1", "\"schema\": 2", "unknown manifest schema: got 2, expected 1");
        refused("\"w8a8\"", "\"w4\"", "files[0].scheme: got w4");
        refused("\"m.onnx\"", "\"../m.onnx\"", "files[0].path: file outside the artifact");
        refused("\"madds\": 12", "\"speed\": 12", "files[0]: unknown field speed");
        refused("[127.5]", "[\"grey\"]", "inputs[0].mean: got grey, expected numbers");
        refused("[2.0]", "[0]", "inputs[0].std: got 0.0, expected more than 0");
        refused("\"NHWC\"", "\"HWC\"", "layout: got HWC");
        refused("\"uint8\"", "\"float16\"", "dtype: got float16");
        refused("[1, 2]", "[1, 2.5]", "outputs[0].shape: got 2.5");
        refused("\"size_bytes\": 7", "\"size_bytes\": 0", "files[0].size_bytes: got 0");
        refused("\"serving_default\": {", "\"serving_default\": 3, \"more\": {", "got a number");
        refused("\"name\": \"digits\",", "", "name: missing");
    }

    @Test
    public void aFileOfSeveralEntryPointsHasNoMainOne() {
        ModelFile file = Manifests.read(Manifests.good().replace("\"serving_default\"",
                "\"encode\": {\"inputs\": [], \"outputs\": []}, \"act\"")).files.get(0);
        assertEquals(new HashSet<String>(Arrays.asList("encode", "act")), file.entries.keySet());
        try {
            file.main();
            fail();
        } catch (InputError error) {
            assertEquals("m.onnx: signatures: got [encode, act], expected serving_default",
                    error.getMessage());
        }
    }

    @Test
    public void anUnknownTaskIsNamed() {
        try {
            Tasks.of(Manifests.read(Manifests.good().replace("\"classify\"", "\"sing\"")).task);
            fail();
        } catch (InputError error) {
            assertTrue(error.getMessage(), error.getMessage().startsWith("task sing: unknown"));
        }
    }

    /** Whatever bytes are changed, the manifest is read or one line says why not. */
    @Test
    public void damageNeverCrashes() {
        Random random = new Random(0);
        int read = 0;
        for (int n = 0; n < 5000; n++) {
            StringBuilder text = new StringBuilder(Manifests.good());
            for (int i = 0; i <= n % 3; i++) {
                int at = random.nextInt(text.length());
                int end = Math.min(text.length(), at + random.nextInt(12));
                String other = random.nextBoolean() ? "" : "\"{}[]:,0-9e.nt\\ \u0000".substring(
                        random.nextInt(15));
                text.replace(at, end, other);
            }
            try {
                Tasks.of(Manifests.read(text.toString()).task);
                read++;
            } catch (InputError error) {
                assertTrue(error.getMessage().indexOf('\n') < 0);
            }
        }
        assertTrue("" + read, read > 25 && read < 2500);
    }

    /** Python's jsonschema says of each text in -Dmanifests=FILE whether the schema allows it. */
    @Test
    public void whatTheSchemaRefusesIsRefused() throws Exception {
        Assume.assumeTrue(System.getProperty("manifests") != null);
        File file = new File(System.getProperty("manifests"));
        String all = new String(Files.readAllBytes(file.toPath()), StandardCharsets.UTF_8);
        List<?> cases = (List<?>) JsonReader.read(all);
        assertTrue(cases.size() > 100);
        List<String> otherwise = new ArrayList<String>();
        for (Object one : cases) {
            Map<?, ?> entry = (Map<?, ?>) one;
            String wrong = null;
            try {
                Manifests.read((String) entry.get("text"));
            } catch (InputError error) {
                wrong = error.getMessage();
            }
            if (!entry.get("valid").equals(wrong == null)) {
                otherwise.add(entry.get("change") + ": " + wrong);
            }
        }
        assertEquals(Collections.emptyList(), otherwise);
    }

    private static void refused(String what, String by, String line) {
        String text = Manifests.good().replace(what, by);
        try {
            Manifests.read(text);
            fail(by + " was read");
        } catch (InputError error) {
            assertTrue(error.getMessage(), error.getMessage().contains(line));
        }
    }
}
