package edgekit.core.draw;

import edgekit.core.task.Corrections;
import edgekit.core.task.Genotypes;
import edgekit.core.task.Phylogeny;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** A mutation matrix in colours, and what is said of it below. */
public final class MatrixDrawing implements Drawing {
    private static final int ZERO = 0xffebebeb;
    private static final float SHARE = 0.45f; // of the height, for lines at the most

    private final int[][] colours;
    private final List<String> lines;

    private MatrixDrawing(int[][] colours, List<String> lines) {
        this.colours = colours;
        this.lines = lines;
    }

    /** Draws what was observed: blue is 1, red a 1 in a column that is in conflict. */
    public static MatrixDrawing of(Genotypes matrix, Phylogeny.Verdict verdict, List<String> lines) {
        Set<String> marked = new HashSet<String>();
        for (Phylogeny.Pair pair : verdict.pairs) {
            marked.add(pair.first);
            marked.add(pair.second);
        }
        int[][] colours = new int[matrix.rows.size()][matrix.columns.size()];
        for (int i = 0; i < colours.length; i++) {
            for (int j = 0; j < colours[i].length; j++) {
                byte value = matrix.values[i][j];
                boolean conflict = marked.contains(matrix.columns.get(j));
                colours[i][j] = value == Genotypes.UNKNOWN ? Palette.PAPER : value == 0 ? ZERO
                        : conflict ? Palette.RED : Palette.BLUE;
            }
        }
        return new MatrixDrawing(colours, lines);
    }

    /**
     * Draws what is likely: blue is 1, orange became 1, red became 0; large clades to the left, and
     * rows of one clade together.
     */
    public static MatrixDrawing of(Corrections.Corrected answer, List<String> lines) {
        int[] columns = Order.ofColumns(answer.truth);
        int[] rows = Order.ofRows(answer.truth, columns);
        int[][] colours = new int[rows.length][columns.length];
        for (int i = 0; i < rows.length; i++) {
            for (int j = 0; j < columns.length; j++) {
                boolean one = answer.truth[rows[i]][columns[j]];
                byte seen = answer.observed.values[rows[i]][columns[j]];
                colours[i][j] = one ? seen == 0 ? Palette.ORANGE : Palette.BLUE
                        : seen == 1 ? Palette.RED : ZERO;
            }
        }
        return new MatrixDrawing(colours, lines);
    }

    @Override
    public void draw(Pen pen) {
        pen.fill(Palette.PAPER, 0, 0, pen.width(), pen.height());
        float size = 14 * pen.unit();
        List<String> fitting = fit(pen, size);
        float room = pen.height() - size * 1.5f * (fitting.size() + 1);
        float cell = Math.max(1, Math.min(24 * pen.unit(), Math.min(
                (pen.width() - 2 * size) / colours[0].length, (room - size) / colours.length)));
        for (int i = 0; i < colours.length; i++) {
            for (int j = 0; j < colours[i].length; j++) {
                float x = size + j * cell;
                float y = size + i * cell;
                pen.fill(colours[i][j], x, y, x + 0.92f * cell, y + 0.92f * cell);
            }
        }
        float y = size + colours.length * cell + 1.5f * size;
        for (String line : fitting) {
            pen.text(line, Palette.INK, size, size, y);
            y += 1.5f * size;
        }
    }

    /** Breaks lines that are too long, after commas, and leaves out what is too much. */
    private List<String> fit(Pen pen, float size) {
        float width = pen.width() - 2 * size;
        int most = (int) (SHARE * pen.height() / (1.5f * size));
        List<String> found = new ArrayList<String>();
        for (String line : lines) {
            String now = "";
            for (String part : Arrays.asList(line.split("(?<=,)"))) {
                if (!now.isEmpty() && pen.textWidth(now + part, size) > width) {
                    found.add(now);
                    now = "";
                }
                now += now.isEmpty() ? part.trim() : part;
            }
            found.add(Lettering.fit(pen, now, size, width));
        }
        if (found.size() > most) {
            found = new ArrayList<String>(found.subList(0, most - 1));
            found.add("...");
        }
        return found;
    }
}
