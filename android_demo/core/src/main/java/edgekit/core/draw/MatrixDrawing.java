package edgekit.core.draw;

import edgekit.core.task.Genotypes;
import edgekit.core.task.Phylogeny;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** A mutation matrix with the columns in conflict, and the verdict below it. */
public final class MatrixDrawing implements Drawing {
    private final Genotypes matrix;
    private final List<String> lines;
    private final Set<String> marked = new HashSet<String>();

    public MatrixDrawing(Genotypes matrix, Phylogeny.Verdict verdict, List<String> lines) {
        this.matrix = matrix;
        this.lines = lines;
        for (Phylogeny.Pair pair : verdict.pairs) {
            marked.add(pair.first);
            marked.add(pair.second);
        }
    }

    @Override
    public void draw(Pen pen) {
        pen.fill(Palette.PAPER, 0, 0, pen.width(), pen.height());
        float size = 14 * pen.unit();
        float room = pen.height() - size * 1.5f * (lines.size() + 1);
        int rows = matrix.rows.size();
        int columns = matrix.columns.size();
        float cell = Math.max(1, Math.min(24 * pen.unit(),
                Math.min((pen.width() - 2 * size) / columns, (room - size) / rows)));
        for (int i = 0; i < rows; i++) {
            for (int j = 0; j < columns; j++) {
                byte value = matrix.values[i][j];
                boolean conflict = marked.contains(matrix.columns.get(j));
                int colour = value == Genotypes.UNKNOWN ? 0xffffffff : value == 0 ? 0xffebebeb
                        : conflict ? Palette.RED : Palette.BLUE;
                float x = size + j * cell;
                float y = size + i * cell;
                pen.fill(colour, x, y, x + 0.92f * cell, y + 0.92f * cell);
            }
        }
        float y = size + rows * cell + 1.5f * size;
        for (String line : lines) {
            String fitting = Lettering.fit(pen, line, size, pen.width() - 2 * size);
            pen.text(fitting, Palette.INK, size, size, y);
            y += 1.5f * size;
        }
    }
}
