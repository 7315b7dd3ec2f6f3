package edgekit.core.bench;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;
import static org.junit.Assert.fail;

import edgekit.core.Artifact;
import edgekit.core.DiskFolder;
import edgekit.core.InputError;
import edgekit.core.JsonWriter;
import edgekit.core.Manifests;
import edgekit.core.Model;
import edgekit.core.ModelFile;
import edgekit.core.Opener;
import edgekit.core.OrtSession;
import edgekit.core.Parity;
import edgekit.core.Session;
import edgekit.core.Signature;
import edgekit.core.Tensor;
import java.io.File;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Date;
import java.util.List;
import java.util.Map;
import org.junit.Assume;
import org.junit.Test;

/** The benchmark and the parity badge on a real model: the artifact in -Dartifact=FOLDER. */
public final class BenchTest {
    private static final Opener ONNX = new Opener() {
        @Override
        public Session open(Artifact artifact, ModelFile file, Signature entry) {
            return new OrtSession(artifact, file, 1);
        }
    };
    private static final List<String> ALL = Collections.emptyList();

    /** Goes on, and keeps what it is told. */
    private static final class Told implements Bench.Listener {
        final List<String> lines = new ArrayList<String>();

        @Override
        public boolean goesOn(String what) {
            return true;
        }

        @Override
        public void done(String line) {
            lines.add(line);
        }
    }

    @Test
    public void aResultIsWrittenInTheSchemaOfBench() throws Exception {
        Artifact artifact = artifact();
        Options options = new Options();
        options.minSeconds = 0.2;
        BenchResult result = new BenchResult("app:JVM", options, new Machine());
        Told told = new Told();
        new Bench(result, options, new Machine(), ONNX, told).run(artifact, "onnx", ALL);
        assertTrue(told.lines.get(0), told.lines.get(0).matches("(?s)noise-exact.f32.onnx\n  first .*"
                + "p50 .* a second\n  of an answer: pre .* ms\n  delegated nodes unknown; the .* MB"));
        result.fail(artifact.manifest.files("onnx").get(0), new InputError("a \"line\""));
        Map<?, ?> row = (Map<?, ?>) ((List<?>) result.json(new Date(0), "0").get("rows")).get(0);
        Map<?, ?> latency = (Map<?, ?>) row.get("latency_ms");
        assertTrue((Integer) latency.get("n") >= 100);
        assertTrue((Double) latency.get("p50") <= (Double) latency.get("p99"));
        Map<?, ?> parts = (Map<?, ?>) row.get("profile");
        assertTrue((Double) parts.get("pre_ms") > 0 && (Double) parts.get("post_ms") > 0);
        String text = JsonWriter.write(result.json(new Date(0), "0.1.0"));
        assertTrue(text.contains("\"date\": \"1970-01-01T00:00:00+00:00\""));
        if (System.getProperty("bench") != null) {
            Files.write(new File(System.getProperty("bench")).toPath(),
                    text.getBytes(StandardCharsets.UTF_8));
        }
    }

    /** Two entry points, of which one cannot be opened. */
    @Test
    public void everyEntryPointHasARowOrSaysWhyNot() {
        String one = "{\"inputs\": [{\"name\": \"x\", \"shape\": [1, 2], \"dtype\": \"float32\"}],"
                + " \"outputs\": []}";
        Artifact artifact = Artifact.open(Manifests.folder(Manifests.good().replace(
                "\"serving_default\"", "\"encode\": " + one + ", \"act\": " + one + ", \"broken\""),
                Manifests.CONTENT));
        Options options = new Options();
        options.minSeconds = 0;
        options.warmupRuns = 0;
        BenchResult result = new BenchResult("app:JVM", options, new Machine());
        Told told = new Told();
        Bench bench = new Bench(result, options, new Machine(), new Opener() {
            @Override
            public Session open(Artifact artifact, ModelFile file, Signature entry) {
                if (entry.name.equals("broken")) {
                    throw new InputError(file.path + ": cannot be loaded");
                }
                return new Idle(entry);
            }
        }, told);
        bench.run(artifact, "onnx", Collections.singletonList("w8a8"));
        Map<String, Object> json = result.json(new Date(0), "0");
        List<String> found = new ArrayList<String>();
        for (Object row : (List<?>) json.get("rows")) {
            Map<?, ?> fields = (Map<?, ?>) row;
            found.add(fields.get("file") + ", " + fields.get("signature") + ", " + fields.get("madds"));
            assertEquals(null, fields.get("profile")); // an entry point has no thing and no answer
        }
        assertEquals(Arrays.asList("m.onnx encode, encode, null", "m.onnx act, act, null"), found);
        assertEquals("m.onnx: cannot be loaded", told.lines.get(2));
        assertEquals(false, json.get("finished"));
        try {
            bench.run(artifact, "onnx", Collections.singletonList("f32"));
            fail();
        } catch (InputError error) {
            assertEquals("digits: no file to benchmark: got [f32], expected a scheme of its onnx files",
                    error.getMessage());
        }
    }

    /** Does nothing. */
    private static final class Idle implements Session {
        private final Map<String, Tensor> inputs;

        Idle(Signature entry) {
            inputs = entry.newInputs();
        }

        @Override
        public Map<String, Tensor> inputs() {
            return inputs;
        }

        @Override
        public Map<String, Tensor> run() {
            return Collections.emptyMap();
        }

        @Override
        public Map<String, Object> facts() {
            return Collections.emptyMap();
        }

        @Override
        public void close() {}
    }

    @Test
    public void theBadgeSaysWhetherPythonIsFollowed() {
        Artifact artifact = artifact();
        ModelFile file = artifact.manifest.files("onnx").get(0);
        try (Model model = new Model(artifact.manifest, file, new OrtSession(artifact, file, 1))) {
            Parity parity = Parity.check(artifact, model);
            assertTrue(parity.line, parity.passed && parity.line.contains("as in Python"));
        }
    }

    @Test
    public void whatMakesNoBenchmarkIsRefused() {
        Options options = new Options();
        options.runs = 0;
        try {
            options.check();
            fail();
        } catch (InputError error) {
            assertEquals("bench: runs: got 0, expected 1 to 1000000", error.getMessage());
        }
    }

    private static Artifact artifact() {
        Assume.assumeTrue(System.getProperty("artifact") != null);
        return Artifact.open(new DiskFolder(new File(System.getProperty("artifact"))));
    }
}
