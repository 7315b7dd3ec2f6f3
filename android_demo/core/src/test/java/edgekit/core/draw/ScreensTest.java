package edgekit.core.draw;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;

import edgekit.core.Fields;
import edgekit.core.JsonReader;
import edgekit.core.Results;
import edgekit.core.picture.Picture;
import edgekit.core.play.Adaptation;
import edgekit.core.play.Agents;
import edgekit.core.play.Noise;
import edgekit.core.task.Classify;
import edgekit.core.task.Corrections;
import edgekit.core.task.Detect;
import edgekit.core.task.Genotypes;
import edgekit.core.task.Phylogeny;
import edgekit.core.task.Regress;
import edgekit.core.task.Segment;
import edgekit.core.task.Tasks;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.util.List;
import org.junit.Test;

/** The screens' drawings on Java2D. */
public final class ScreensTest {
    private static final int WIDTH = Screens.WIDTH;
    private static final int HEIGHT = Screens.HEIGHT;
    private static final float UNIT = Screens.UNIT;

    /** Grey, with a bright square from (60, 40) to (120, 100). */
    private static Picture picture() {
        Picture found = new Picture(150, 200, 3);
        for (int y = 0; y < found.height; y++) {
            for (int x = 0; x < found.width; x++) {
                boolean inside = x >= 60 && x < 120 && y >= 40 && y < 100;
                for (int c = 0; c < 3; c++) {
                    found.pixels[3 * (y * found.width + x) + c] =
                            (byte) (inside ? 230 - 40 * c : 60 + (x + y) / 4);
                }
            }
        }
        return found;
    }

    @Test
    public void labelsStandAtTheFoot() throws IOException {
        Classify task = (Classify) Tasks.of(params("{\"name\": \"classify\", \"labels\": [\"tench\","
                + " \"great grey owl\", \"goldfish\"]}"));
        List<Classify.Guess> guesses =
                task.decode(Results.of("scores", new int[] {1, 3}, 0.07f, 0.9f, 0.03f), null);
        BufferedImage image = Screens.shown("classify", PictureDrawing.ofGuesses(picture(), guesses));
        int above = image.getRGB(WIDTH / 2, HEIGHT / 2 + 200 * WIDTH / 200 / 4);
        assertTrue("the picture is shown", (above & 0xff) > 40);
        assertTrue("the foot is shaded", (image.getRGB(WIDTH - 3, HEIGHT - 3) & 0xff) < 40);
        assertTrue("something is written", whitest(image, HEIGHT - 110, HEIGHT) > 200);
    }

    @Test
    public void boxesLieWhereTheyAre() throws IOException {
        Detect task = (Detect) Tasks.of(params("{\"name\": \"detect\", \"answer\": \"boxes\","
                + " \"fit\": \"stretch\", \"labels\": [\"cup\", \"dog\"]}"));
        List<Detect.Box> boxes = task.decode(Results.boxes(
                new float[] {40 / 150f, 60 / 200f, 100 / 150f, 120 / 200f, 0.1f, 0.7f, 0.5f, 0.95f},
                new float[] {1, 0}, new float[] {0.93f, 0.41f}), picture());
        assertEquals(60, boxes.get(0).edges[1], 1e-4);
        BufferedImage image = Screens.shown("detect", PictureDrawing.ofBoxes(picture(), boxes));
        float scale = WIDTH / 200f;
        float top = (HEIGHT - 150 * scale) / 2;
        // The left edge of the first box, half way down, in the colour of class 1.
        assertEquals(Palette.of(2), image.getRGB(Math.round(60 * scale), Math.round(top + 70 * scale)));
    }

    @Test
    public void aMaskShadesItsClassAlone() throws IOException {
        Segment task = (Segment) Tasks.of(params("{\"name\": \"segment\", \"answer\": \"labels\","
                + " \"resolution\": 200, \"labels\": [\"background\", \"square\"]}"));
        float[] map = new float[200 * 200];
        for (int y = 40; y < 100; y++) {
            java.util.Arrays.fill(map, 200 * y + 60, 200 * y + 120, 1);
        }
        Segment.Mask mask = task.decode(Results.labels("mask", new int[] {1, 200, 200}, map), picture());
        assertEquals(60 * 60, mask.counts()[1]);
        BufferedImage image = Screens.shown("segment", PictureDrawing.ofMask(picture(), mask));
        float scale = WIDTH / 200f;
        int inside = image.getRGB(Math.round(90 * scale), Math.round(HEIGHT / 2f - 5 * scale));
        // 230, 190, 150 under 45% and 128, 0, 0 over it
        assertEquals(0.45 * 230 + 0.55 * 128, inside >> 16 & 0xff, 3);
        assertEquals(0.45 * 190, inside >> 8 & 0xff, 3);
    }

    @Test
    public void theBandSurroundsTheMean() throws IOException {
        double[] inputs = new double[61];
        Regress.Normal[] answers = new Regress.Normal[61];
        for (int i = 0; i < inputs.length; i++) {
            inputs[i] = 1960 + i;
            answers[i] = Results.normal(Math.sin(i / 8.0), 0.1 + i / 120.0);
        }
        BandDrawing drawing = new BandDrawing(inputs, answers, "year", "CO2 (ppm)");
        assertEquals(1960, drawing.inputAt(0), 1e-9);
        assertEquals(1990, drawing.inputAt(0.52), 1e-9);
        drawing.addTap(1990, answers[30]);
        BufferedImage image = Screens.shown("regress", drawing);
        int red = 0;
        for (int y = 60; y < HEIGHT - 60; y++) {
            int colour = image.getRGB((int) (0.52f * WIDTH), y);
            red += (colour >> 16 & 0xff) > (colour & 0xff) ? 1 : 0; // else it is the band's blue
        }
        assertTrue("the tapped band is drawn: " + red, red > 50);
    }

    @Test
    public void columnsInConflictAreRed() throws IOException {
        Genotypes matrix = Genotypes.read("cells", "cell,TP53,KRAS,PIK3CA\na,1,1,0\nb,1,0,0\nc,0,1,1\n"
                + "d,0,0,?\n");
        Phylogeny task = (Phylogeny) Tasks.of(params("{\"name\": \"phylogeny\", \"problem\": \"noise\"}"));
        java.util.Map<String, edgekit.core.Tensor> outputs =
                Results.of("conflict", new int[] {1, 1}, 1);
        outputs.putAll(Results.of("pairs", new int[] {1, 3, 3}, 0, 1, 0, 1, 0, 0, 0, 0, 0));
        Phylogeny.Verdict verdict = task.decode(outputs, matrix);
        List<String> lines = task.lines(verdict);
        assertEquals("TP53 and KRAS: 11, 10 and 01 all occur", lines.get(1));
        BufferedImage image = Screens.shown("phylogeny", MatrixDrawing.of(matrix, verdict, lines));
        float cell = 24 * UNIT;
        float size = 14 * UNIT;
        assertEquals(Palette.RED, image.getRGB(Math.round(size + cell / 2), Math.round(size + cell / 2)));
        assertEquals(Palette.BLUE,
                image.getRGB(Math.round(size + 2.5f * cell), Math.round(size + 2.5f * cell)));
    }

    @Test
    public void changesAreOrangeAndRed() throws IOException {
        Genotypes matrix = Genotypes.read("cells", "cell,TP53,KRAS,PIK3CA,APC\na,1,1,0,0\nb,1,1,0,0\n"
                + "c,1,0,0,0\nd,0,1,0,0\ne,0,0,1,1\nf,0,0,1,0\ng,1,0,0,0\nh,1,0,0,0\n");
        Corrections task = (Corrections) Tasks.of(params("{\"name\": \"phylogeny\","
                + " \"problem\": \"elimination\", \"alpha\": 0.001, \"beta\": 0.1}"));
        Corrections.Corrected answer =
                task.decode(Results.of("scores", new int[] {1, 8, 4}, new float[32]), matrix);
        List<String> lines = task.lines(answer);
        assertEquals("tree: ((f,(e)APC)PIK3CA,(c,g,h,(a,b,d)KRAS)TP53);", lines.get(2));
        BufferedImage image = Screens.shown("corrections", MatrixDrawing.of(answer, lines));
        float cell = 24 * UNIT;
        float size = 14 * UNIT;
        int orange = 0;
        int blue = 0;
        for (int i = 0; i < 8; i++) {
            for (int j = 0; j < 4; j++) {
                int colour = image.getRGB(Math.round(size + (j + 0.5f) * cell),
                        Math.round(size + (i + 0.5f) * cell));
                orange += colour == Palette.ORANGE ? 1 : 0;
                blue += colour == Palette.BLUE ? 1 : 0;
            }
        }
        assertEquals("d has TP53", 1, orange);
        assertEquals(11, blue);
        // The largest clade is the first column, its rows the first.
        assertEquals(Palette.BLUE, image.getRGB(Math.round(size + cell / 2), Math.round(size + cell / 2)));
    }

    @Test
    public void thePendulumHangsWhereItIs() throws IOException {
        BufferedImage image = Screens.shown("policy", new PendulumDrawing(Math.PI / 2, -0.5, 57, -123.4));
        float length = 0.36f * WIDTH;
        // A quarter turn anticlockwise from upright: to the left.
        assertEquals(Palette.RED, image.getRGB(Math.round(WIDTH / 2 - length / 2), HEIGHT / 2));
        assertEquals(Palette.PAPER, image.getRGB(Math.round(WIDTH / 2 + length / 2), HEIGHT / 2));
    }

    @Test
    public void theRobotLooksForWhatWasTapped() throws IOException {
        float[] goal = AdaptationDrawing.goalAt(WIDTH * 0.9f, HEIGHT * 0.2f, WIDTH, HEIGHT);
        assertEquals(1, Math.hypot(goal[0], goal[1]), 1e-6);
        assertTrue(goal[0] > 0 && goal[1] > 0);
        final float[][] draws = {{-1, 0.4f}, {0.2f, 1}, {1, 0.8f}};
        Adaptation played = Agents.adaptation(new Noise() {
            private int count;

            @Override
            public float[] draw() {
                return draws[count++];
            }
        }, new float[] {0.6f, 0.8f});
        Screens.shown("adapt-before", new AdaptationDrawing(played));
        for (int i = 0; i < 52; i++) {
            played.step();
        }
        BufferedImage image = Screens.shown("adapt", new AdaptationDrawing(played));
        // One unit of the plane is 200 pixels here: 540 / 2.7. Its foot, y = -.35, is at 530.
        assertEquals(Palette.GREEN, image.getRGB(270 + 120, 530 - Math.round(1.15f * 200)));
        float[] at = played.played().get(2).path.get(12);
        assertEquals(Palette.RED,
                image.getRGB(270 + Math.round(at[0] * 200), 530 - Math.round((at[1] + 0.35f) * 200)));
        int written = 0;
        for (int x = 0; x < WIDTH; x++) {
            written += (image.getRGB(x, 30) & 0xff) < 100 ? 1 : 0;
        }
        assertTrue("letters stand at the top: " + written, written > 30);
    }

    private static Fields params(String json) {
        return new Fields("task", JsonReader.read(json));
    }

    private static int whitest(BufferedImage image, int first, int last) {
        int found = 0;
        for (int y = first; y < last; y++) {
            for (int x = 0; x < image.getWidth(); x++) {
                found = Math.max(found, image.getRGB(x, y) & 0xff);
            }
        }
        return found;
    }
}
