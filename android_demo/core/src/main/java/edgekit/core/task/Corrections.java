package edgekit.core.task;

import edgekit.core.Fields;
import edgekit.core.InputError;
import edgekit.core.Tensor;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Which entries of a mutation matrix are wrong, and the tree of the others. */
public final class Corrections extends MatrixTask<Corrections.Corrected> {
    private static final int SHOWN = 8; // changes on the screen
    private static final int KICKS = 40;

    /** The likely truth beneath a matrix. */
    public static final class Corrected {
        public final Genotypes observed;
        public final boolean[][] truth; // [n, m], without conflicts
        public final double nll; // of what was observed, in nats
        public final String newick;
        public final List<Flip> flips; // by row and column
        public final int filled; // unknown entries

        Corrected(Genotypes observed, boolean[][] truth, double alpha, double beta) {
            this.observed = observed;
            this.truth = truth;
            newick = Newick.of(truth, observed.rows, observed.columns);
            flips = new ArrayList<Flip>();
            double sum = 0;
            int unknown = 0;
            for (int i = 0; i < truth.length; i++) {
                for (int j = 0; j < truth[i].length; j++) {
                    byte value = observed.values[i][j];
                    double seen = truth[i][j] ? 1 - beta : alpha;
                    if (value == Genotypes.UNKNOWN) {
                        unknown++;
                    } else {
                        sum -= Math.log(value == 1 ? seen : 1 - seen);
                        if ((value == 1) != truth[i][j]) {
                            flips.add(new Flip(observed, i, j, truth[i][j]));
                        }
                    }
                }
            }
            nll = sum;
            filled = unknown;
        }
    }

    /** A known entry that is taken for wrong. */
    public static final class Flip {
        public final String row;
        public final String column;
        public final int to;

        Flip(Genotypes observed, int i, int j, boolean truth) {
            row = observed.rows.get(i);
            column = observed.columns.get(j);
            to = truth ? 1 : 0;
        }
    }

    private final double alpha; // the probability that a 0 is seen as 1
    private final double beta; // that a 1 is seen as 0

    Corrections(Fields params) {
        alpha = share(params, "alpha");
        beta = share(params, "beta");
    }

    private static double share(Fields params, String name) {
        double value = params.number(name);
        if (!(value > 0 && value < 1)) {
            throw new InputError(params.path(name)).got(value).expected("between 0 and 1");
        }
        return value;
    }

    @Override
    public Corrected decode(Map<String, Tensor> outputs, Genotypes matrix) {
        Tensor scores = outputs.get("scores");
        int n = matrix.rows.size();
        int m = matrix.columns.size();
        int rank = scores == null ? 0 : scores.shape.length;
        if (rank < 2 || scores.shape[rank - 2] < n || scores.shape[rank - 1] < m) {
            throw new InputError("phylogeny: outputs").got(outputs.keySet())
                    .expected("scores of " + n + " rows and " + m + " columns");
        }
        float[] all = scores.finite("phylogeny");
        float[][] begin = new float[n][m];
        for (int i = 0; i < n; i++) {
            System.arraycopy(all, i * scores.shape[rank - 1], begin[i], 0, m);
        }
        float[][] weights = Elimination.logOdds(matrix.values, alpha, beta);
        return new Corrected(matrix, Elimination.eliminate(weights, begin, KICKS), alpha, beta);
    }

    @Override
    public List<Map<String, Object>> describe(Corrected answer) {
        List<Object> flips = new ArrayList<Object>();
        for (Flip flip : answer.flips) {
            Map<String, Object> one = new LinkedHashMap<String, Object>();
            one.put("row", flip.row);
            one.put("column", flip.column);
            one.put("from", (long) (1 - flip.to));
            one.put("to", (long) flip.to);
            flips.add(one);
        }
        List<Object> matrix = new ArrayList<Object>();
        for (boolean[] row : answer.truth) {
            List<Long> bits = new ArrayList<Long>();
            for (boolean bit : row) {
                bits.add(bit ? 1L : 0L);
            }
            matrix.add(bits);
        }
        Map<String, Object> row = new LinkedHashMap<String, Object>();
        row.put("nll", answer.nll);
        row.put("flips", flips);
        row.put("matrix", matrix);
        row.put("rows", answer.observed.rows);
        row.put("columns", answer.observed.columns);
        row.put("newick", answer.newick);
        return Collections.singletonList(row);
    }

    @Override
    public List<String> lines(Corrected answer) {
        int gained = 0;
        for (Flip flip : answer.flips) {
            gained += flip.to;
        }
        List<String> lines = new ArrayList<String>();
        lines.add(String.format(Locale.ROOT, "no conflict with %d entries changed (%d to 1, %d to 0),"
                + " %d filled in; NLL %.2f", answer.flips.size(), gained, answer.flips.size() - gained,
                answer.filled, answer.nll));
        for (Flip flip : answer.flips.subList(0, Math.min(SHOWN, answer.flips.size()))) {
            lines.add(flip.row + ", " + flip.column + ": " + (1 - flip.to) + " -> " + flip.to);
        }
        if (answer.flips.size() > SHOWN) {
            lines.add(answer.flips.size() - SHOWN + " more changes");
        }
        lines.add("tree: " + answer.newick);
        return lines;
    }
}
