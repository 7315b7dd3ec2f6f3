package edgekit.core;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertTrue;

import edgekit.core.play.Agent;
import edgekit.core.task.Segment;
import edgekit.core.task.Task;
import edgekit.core.task.Tasks;
import java.io.File;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.Assume;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.junit.runners.Parameterized;

/** Every file of the artifacts under -Dgolden=FOLDER answers here what it answers in Python. */
@RunWith(Parameterized.class)
public final class GoldenTest {
    private static final double FLOAT = 1e-6;
    // Of an answer, between versions of ONNX Runtime; a step of 8 bits is 0.004 of a score.
    private static final double FLOAT_ANSWER = 1e-4;
    private static final double INTEGER_ANSWER = 0.01;

    @Parameterized.Parameters(name = "{0}")
    public static List<Object[]> files() {
        return files(false);
    }

    /** Returns name, folder and file of each policy that adapts, or of each other file. */
    static List<Object[]> files(boolean agents) {
        List<Object[]> found = new ArrayList<Object[]>();
        boolean any = false;
        File[] folders = new File(System.getProperty("golden")).listFiles();
        Arrays.sort(folders);
        for (File folder : folders) {
            if (new File(folder, Golden.NAME).isFile()) {
                for (ModelFile file : Artifact.open(new DiskFolder(folder)).manifest.files) {
                    any = true;
                    if (Agent.plays(file) == agents) {
                        found.add(new Object[] {file.path, folder, file});
                    }
                }
            }
        }
        assertTrue("golden vectors", any); // of one family alone they may be of one kind
        return found;
    }

    private final Artifact artifact;
    private final ModelFile file;
    private final Golden golden;
    private final Task<Object, Object> task;
    private final String name;

    @SuppressWarnings("unchecked")
    public GoldenTest(String path, File folder, ModelFile file) {
        this.artifact = Artifact.open(new DiskFolder(folder));
        this.file = file;
        this.golden = new Golden(new DiskFolder(folder));
        this.task = (Task<Object, Object>) Tasks.of(artifact.manifest.task);
        this.name = artifact.manifest.task.string("name");
    }

    @Test
    public void thingsBecomeTheSameTensors() {
        Tensor input = new Tensor(file.main().input(), file.main().input().single());
        task.bind(input);
        double allowed = input.spec.dtype.equals("float32") ? FLOAT : 0;
        for (int i = 0; i < golden.examples(); i++) {
            task.encode(golden.thing(i, name));
            assertEquals(0, golden.inputError(i, file, input), allowed);
        }
    }

    @Test
    public void outputsBecomeTheSameAnswers() {
        for (int i = 0; i < golden.examples(); i++) {
            Object answer = task.decode(golden.outputs(i, file), golden.thing(i, name));
            assertNull(golden.compareAnswer(i, file, task.describe(answer), FLOAT));
            if (answer instanceof Segment.Mask) {
                assertEquals(1, golden.maskAgreement(i, file, (Segment.Mask) answer), 0);
            }
            assertTrue(!task.lines(answer).isEmpty());
        }
    }

    @Test
    public void onnxRuntimeAnswersTheSameFromEndToEnd() {
        Assume.assumeTrue("TFLite has no JVM runtime", file.format.equals("onnx"));
        // With exact sums it makes one initializer twice where learned zero points are shared.
        Assume.assumeFalse("ONNX Runtime 1.26 cannot open some", file.scheme.startsWith("qat-"));
        try (Model model = new Model(artifact.manifest, file, new OrtSession(artifact, file, 1))) {
            Parity parity = Parity.check(artifact, model);
            assertTrue(parity.line, parity.passed);
            for (int i = 0; i < golden.examples(); i++) {
                Object answer = model.answer(golden.thing(i, name));
                if (answer instanceof Segment.Mask) {
                    assertEquals(1, golden.maskAgreement(i, file, (Segment.Mask) answer), 1 - leastAgreement());
                } else {
                    double allowed = file.scheme.equals("f32") ? FLOAT_ANSWER : INTEGER_ANSWER;
                    assertNull(golden.compareAnswer(i, file, task.describe(answer), allowed));
                }
            }
        }
    }

    /** Rounding to integers may turn a pixel on the edge of two classes. */
    private double leastAgreement() {
        return file.scheme.equals("f32") ? 0.999 : 0.95;
    }
}
