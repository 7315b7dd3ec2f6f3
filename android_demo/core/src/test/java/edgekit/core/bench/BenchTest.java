package edgekit.core.bench;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;
import static org.junit.Assert.fail;

import edgekit.core.Artifact;
import edgekit.core.DiskFolder;
import edgekit.core.Golden;
import edgekit.core.InputError;
import edgekit.core.JsonWriter;
import edgekit.core.Model;
import edgekit.core.ModelFile;
import edgekit.core.OrtSession;
import edgekit.core.Parity;
import edgekit.core.Session;
import java.io.File;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.Date;
import org.junit.Assume;
import org.junit.Test;

/** The benchmark and the parity badge on a real model: the artifact in -Dartifact=FOLDER. */
public final class BenchTest {
    private static final Benchmark.Watcher ON = new Benchmark.Watcher() {
        @Override
        public boolean goesOn(String what) {
            return true;
        }
    };

    @Test
    public void aResultIsWrittenInTheSchemaOfBench() throws Exception {
        Artifact artifact = artifact();
        ModelFile file = artifact.manifest.files("onnx").get(0);
        Machine machine = new Machine();
        Options options = new Options();
        options.minSeconds = 0.2;
        BenchResult result = new BenchResult("app:JVM", options, machine);
        long began = System.nanoTime();
        Session session = new OrtSession(artifact, file, 1);
        double loadMs = (System.nanoTime() - began) / 1e6;
        try (Model model = new Model(artifact.manifest, file, session)) {
            Benchmark run = new Benchmark();
            Object thing = new Golden(artifact.folder)
                    .thing(0, artifact.manifest.task.string("name"));
            run.run(session, options, machine, ON);
            run.split(model, thing);
            assertTrue(run.samplesMs.length >= 100 && !run.truncated && run.firstMs > 0);
            assertTrue(run.preMs > 0 && run.invokeMs > 0 && run.postMs > 0);
            Statistics latency = result.add("noise", file, file.main(), session, run, loadMs, 1L);
            assertTrue(latency.p50 <= latency.p90 && latency.p90 <= latency.p99);
        }
        result.fail(file, new InputError("a \"line\""));
        String text = JsonWriter.write(result.json(new Date(0), "0.1.0"));
        assertTrue(text.contains("\"date\": \"1970-01-01T00:00:00+00:00\""));
        if (System.getProperty("bench") != null) {
            Files.write(new File(System.getProperty("bench")).toPath(),
                    text.getBytes(StandardCharsets.UTF_8));
        }
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
