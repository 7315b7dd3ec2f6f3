package edgekit.core.task;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertTrue;

import edgekit.core.Fields;
import edgekit.core.JsonReader;
import edgekit.core.Npz;
import edgekit.core.Results;
import java.io.FileInputStream;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.Assume;
import org.junit.Test;

public final class EliminationTest {
    /** From numpy.random.default_rng(0).random(6). */
    @Test
    public void drawsAreNumPys() {
        Pcg64 random = new Pcg64();
        for (double draw : new double[] {0.6369616873214543, 0.2697867137638703, 0.04097352393619469,
            0.016527635528529094, 0.8132702392002724, 0.9127555772777217}) {
            assertEquals(draw, random.nextDouble(), 0);
        }
    }

    /**
     * Python's own searches in -Delimination=FILE, with weights whose sums are exact in 32 bits in
     * any order: every step is the same, so the matrices are.
     */
    @Test
    public void searchesAreFollowedToTheBit() throws Exception {
        Assume.assumeTrue(System.getProperty("elimination") != null);
        Npz npz = new Npz("searches", new FileInputStream(System.getProperty("elimination")));
        int count = 0;
        for (; npz.arrays.containsKey(count + "/weights"); count++) {
            int kicks = (int) npz.arrays.get(count + "/kicks").get(0);
            boolean[][] found = Elimination.eliminate(floats(npz.arrays.get(count + "/weights")),
                    floats(npz.arrays.get(count + "/scores")), kicks);
            float[][] expected = floats(npz.arrays.get(count + "/found"));
            for (int i = 0; i < found.length; i++) {
                for (int j = 0; j < found[i].length; j++) {
                    assertEquals("matrix " + count, expected[i][j] == 1, found[i][j]);
                }
            }
        }
        assertTrue("" + count, count >= 10);
    }

    @Test
    public void whatIsFoundHasNoConflictAndCostsNoMoreThanTheTruth() {
        Random random = new Random(1);
        for (int n = 0; n < 20; n++) {
            boolean[][] truth = chainsAndBranches(12, 8, random);
            byte[][] seen = new byte[12][8];
            for (int i = 0; i < 12; i++) {
                for (int j = 0; j < 8; j++) {
                    boolean flipped = random.nextDouble() < (truth[i][j] ? 0.1 : 0.01);
                    seen[i][j] = (byte) (truth[i][j] ^ flipped ? 1 : 0);
                }
            }
            float[][] odds = Elimination.logOdds(seen, 0.01, 0.1);
            boolean[][] found = Elimination.eliminate(odds, odds, 40);
            assertFalse(conflict(found));
            assertTrue(gain(odds, found) >= gain(odds, truth) - 1e-3);
        }
    }

    /** By hand: of TP53 and KRAS one must hold the other, and one change makes TP53 the larger. */
    @Test
    public void correctionsAreListedWithTheirTree() {
        Genotypes matrix = Genotypes.read("m", "cell,TP53,KRAS,it's\na,1,1,0\nb,1,1,0\nc,1,0,0\n"
                + "d,0,1,0\ne,0,0,1\nf,0,0,?\ng,1,0,0\n");
        Corrections task = (Corrections) Tasks.of(new Fields("task", JsonReader.read("{\"name\": "
                + "\"phylogeny\", \"problem\": \"elimination\", \"alpha\": 0.001, \"beta\": 0.1}")));
        float[] scores = new float[8 * 4]; // the network takes larger matrices
        Corrections.Corrected answer = task.decode(Results.of("scores", new int[] {1, 8, 4}, scores), matrix);
        assertEquals(1, answer.flips.size());
        assertEquals("d TP53 1", answer.flips.get(0).row + " " + answer.flips.get(0).column + " "
                + answer.flips.get(0).to);
        assertEquals("(f,(e)'it''s',(c,g,(a,b,d)KRAS)TP53);", answer.newick);
        // Ones that were seen: a, b, c, g of TP53, a, b, d of KRAS, e of the third; one that was not;
        // zeros: e and f of TP53, c, e, f, g of KRAS, all but e and f of the third.
        assertEquals(-8 * Math.log(0.9) - Math.log(0.1) - 11 * Math.log(0.999), answer.nll, 1e-12);
        List<String> lines = task.lines(answer);
        assertTrue(lines.get(0), lines.get(0).startsWith(
                "no conflict with 1 entries changed (1 to 1, 0 to 0), 1 filled in; NLL "));
        assertEquals("d, TP53: 0 -> 1", lines.get(1));
        Map<String, Object> row = task.describe(answer).get(0);
        assertEquals(Arrays.asList(1L, 1L, 0L), ((List<?>) row.get("matrix")).get(3));
    }

    private static float[][] floats(Npz.Array array) {
        float[][] found = new float[array.shape[0]][array.shape[1]];
        for (int i = 0; i < array.size(); i++) {
            found[i / array.shape[1]][i % array.shape[1]] = (float) array.get(i);
        }
        return found;
    }

    private static double gain(float[][] odds, boolean[][] of) {
        double sum = 0;
        for (int i = 0; i < of.length; i++) {
            for (int j = 0; j < of[i].length; j++) {
                sum += of[i][j] ? odds[i][j] : 0;
            }
        }
        return sum;
    }

    /** Returns a random matrix of a tree: each column lies in an earlier one or beside all. */
    private static boolean[][] chainsAndBranches(int rows, int columns, Random random) {
        boolean[][] found = new boolean[rows][columns];
        int[] parents = new int[columns];
        for (int j = 0; j < columns; j++) {
            parents[j] = random.nextInt(j + 1) - 1;
        }
        for (int i = 0; i < rows; i++) {
            for (int j = random.nextInt(columns); j >= 0; j = parents[j]) {
                found[i][j] = true;
            }
        }
        return found;
    }

    private static boolean conflict(boolean[][] matrix) {
        for (int a = 0; a < matrix[0].length; a++) {
            for (int b = 0; b < a; b++) {
                boolean[] shown = new boolean[4];
                for (boolean[] row : matrix) {
                    shown[(row[a] ? 2 : 0) + (row[b] ? 1 : 0)] = true;
                }
                if (shown[1] && shown[2] && shown[3]) {
                    return true;
                }
            }
        }
        return false;
    }
}
