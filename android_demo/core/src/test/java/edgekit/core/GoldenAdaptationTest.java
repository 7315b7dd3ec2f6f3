package edgekit.core;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertTrue;

import edgekit.core.draw.AdaptationDrawing;
import edgekit.core.draw.Screens;
import edgekit.core.play.Adaptation;
import edgekit.core.play.Agent;
import java.io.File;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.junit.Assume;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.junit.runners.Parameterized;

/** Policies that adapt, under -Dgolden=FOLDER, find here what they find in Python. */
@RunWith(Parameterized.class)
public final class GoldenAdaptationTest {
    private static final double FLOAT_INPUT = 1e-6;
    private static final double FLOAT = 1e-4; // of paths and latents, between versions of a runtime
    private static final double INTEGER = 0.05;

    @Parameterized.Parameters(name = "{0}")
    public static List<Object[]> files() {
        return GoldenTest.files(true);
    }

    private static final Opener ONNX = new Opener() {
        @Override
        public Session open(Artifact artifact, ModelFile file, Signature entry) {
            return new OrtSession(artifact, file, 1);
        }
    };

    private final Artifact artifact;
    private final ModelFile file;
    private final GoldenAdaptation golden;

    public GoldenAdaptationTest(String path, File folder, ModelFile file) {
        this.artifact = Artifact.open(new DiskFolder(folder));
        this.file = file;
        golden = new GoldenAdaptation(artifact);
    }

    @Test
    public void pythonsAnswersLeadToTheSameQuestionsAndPaths() {
        assertEquals(2, golden.examples());
        for (int i = 0; i < golden.examples(); i++) {
            final int number = i;
            final List<Replay> replays = new ArrayList<Replay>();
            Adaptation played = golden.played(i, Agent.open(artifact, file, new Opener() {
                @Override
                public Session open(Artifact artifact, ModelFile file, Signature entry) {
                    replays.add(golden.replay(number, file, entry));
                    return replays.get(replays.size() - 1);
                }
            }));
            assertEquals(3, replays.size());
            for (Replay replay : replays) {
                assertEquals(0, replay.inputError(), FLOAT_INPUT);
            }
            assertNull(golden.compare(i, file, played, FLOAT_INPUT));
        }
    }

    @Test
    public void onnxRuntimeAdaptsAsInPython() throws IOException {
        Assume.assumeTrue("TFLite has no JVM runtime", file.format.equals("onnx"));
        for (int i = 0; i < golden.examples(); i++) {
            try (Agent agent = Agent.open(artifact, file, ONNX)) {
                Adaptation played = golden.played(i, agent);
                double allowed = file.scheme.equals("f32") ? FLOAT : INTEGER;
                assertNull(golden.compare(i, file, played, allowed));
                Screens.shown(file.path + "-" + i, new AdaptationDrawing(played));
            }
        }
        Parity parity = Parity.check(artifact, file, ONNX);
        assertTrue(parity.line, parity.passed && parity.line.contains("2 adaptations, as in Python"));
    }
}
