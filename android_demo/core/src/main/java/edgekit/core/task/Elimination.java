package edgekit.core.task;

import java.util.Arrays;
import java.util.Comparator;

/**
 * From a noisy matrix to a likely tree: edgekit/tasks/matrices/elimination.py, which says how, for one matrix
 * and with the same draws. Sums are of 32 bits where they are there; BLAS may add in another order,
 * so that of trees that are as likely another may be found.
 */
final class Elimination {
    private static final int PASSES = 20; // over all columns, at the most
    private static final double RISE = 1e-4; // of the likelihood, that a pass is worth
    private static final double[] TAKEN_OUT = {0.2, 0.4, 0.6}; // shares of the columns, by kick
    private static final int FEWEST = 3; // of them

    private final float[][] weights; // [n, m]: what the log likelihood gains where an entry is 1
    private final int rows;
    private final int columns;
    private final Pcg64 random = new Pcg64();

    private Elimination(float[][] weights) {
        this.weights = weights;
        rows = weights.length;
        columns = weights[0].length;
    }

    /**
     * Returns a conflict-free matrix [n, m] of high likelihood.
     *
     * @param weights [n, m], as {@link #logOdds} gives them
     * @param scores [n, m], log odds of each true entry by a network, from which to begin
     * @param kicks how often to leave a local optimum
     */
    static boolean[][] eliminate(float[][] weights, float[][] scores, int kicks) {
        Elimination search = new Elimination(weights);
        Laminar found = new Laminar(search.rows, search.columns);
        int[] first = search.likeliestFirst(scores);
        for (float[][] gains : new float[][][] {scores, weights}) {
            for (int column : first) {
                refit(gains, found, column);
            }
        }
        search.settle(found);
        Laminar best = found;
        for (int number = 0; number < kicks; number++) {
            Laminar kicked = search.kick(best, TAKEN_OUT[number % TAKEN_OUT.length]);
            best = search.total(kicked) >= search.total(best) ? kicked : best;
        }
        return best.found;
    }

    /** Returns log P(value | 1) - log P(value | 0), 0 where the value is unknown. */
    static float[][] logOdds(byte[][] values, double alpha, double beta) {
        float one = (float) Math.log((1 - beta) / alpha);
        float zero = (float) Math.log(beta / (1 - alpha));
        float[][] odds = new float[values.length][values[0].length];
        for (int i = 0; i < values.length; i++) {
            for (int j = 0; j < values[i].length; j++) {
                odds[i][j] = values[i][j] == Genotypes.UNKNOWN ? 0 : values[i][j] == 1 ? one : zero;
            }
        }
        return odds;
    }

    /** Returns the columns by the sum of what speaks for a 1, the largest first. */
    private int[] likeliestFirst(float[][] scores) {
        float[] sums = new float[columns];
        for (float[] row : scores) {
            for (int j = 0; j < columns; j++) {
                sums[j] -= Math.max(row[j], 0);
            }
        }
        double[] keys = new double[columns];
        for (int j = 0; j < columns; j++) {
            keys[j] = sums[j];
        }
        return sorted(keys);
    }

    private void settle(Laminar found) {
        double total = total(found);
        for (int pass = 0; pass < PASSES; pass++) {
            moveRows(found);
            refitAll(found, order());
            for (int column : order()) {
                regraft(found, column);
            }
            double before = total;
            total = total(found);
            if (total <= before + RISE) {
                return;
            }
        }
    }

    /** Returns what comes of taking some columns out together and putting them back one by one. */
    private Laminar kick(Laminar best, double share) {
        Laminar found = best.copy();
        int count = Math.max(FEWEST, (int) Math.rint(share * columns));
        int[] taken = Arrays.copyOf(order(), Math.min(count, columns));
        for (int column : taken) {
            found.clear(column);
        }
        refitAll(found, taken);
        moveRows(found);
        refitAll(found, order());
        return found;
    }

    private int[] order() {
        double[] draws = new double[columns];
        for (int j = 0; j < columns; j++) {
            draws[j] = random.nextDouble();
        }
        return sorted(draws);
    }

    private double total(Laminar found) {
        double total = 0;
        for (int i = 0; i < rows; i++) {
            for (int j = 0; j < columns; j++) {
                total += found.found[i][j] ? weights[i][j] : 0;
            }
        }
        return total;
    }

    private void refitAll(Laminar found, int[] order) {
        for (int column : order) {
            refit(weights, found, column);
        }
    }

    /** Replaces one column by the best that fits the others. */
    private static void refit(float[][] weights, Laminar found, int column) {
        found.clear(column);
        found.findTree();
        float[] ofClade = new float[found.columns];
        for (int i = 0; i < found.rows; i++) {
            for (int u = 0; u < found.columns; u++) {
                ofClade[u] += found.found[i][u] ? weights[i][column] : 0;
            }
        }
        double[] sums = new double[found.columns + 1]; // the root is the last
        for (int u = 0; u < found.columns; u++) {
            sums[found.parents[u]] += Math.max(ofClade[u], 0);
        }
        for (int i = 0; i < found.rows; i++) {
            sums[found.lowest[i]] += Math.max(weights[i][column], 0);
        }
        int node = largest(sums);
        for (int i = 0; i < found.rows; i++) {
            boolean inside = found.lowest[i] == node && weights[i][column] > 0;
            for (int u = 0; u < found.columns && !inside; u++) {
                inside = found.parents[u] == node && ofClade[u] > 0 && found.found[i][u];
            }
            found.found[i][column] = inside;
        }
    }

    /** Puts every row at the best node of the tree. */
    private void moveRows(Laminar found) {
        found.findTree();
        placeRows(found, found.paths());
    }

    private void placeRows(Laminar found, boolean[][] paths) {
        double[][] sums = pathSums(paths);
        for (int i = 0; i < rows; i++) {
            int node = largest(sums[i]);
            found.found[i] = sums[i][node] <= 0 ? new boolean[columns] : paths[node].clone();
        }
    }

    /** Returns what each row gains at each node, [n, node]. */
    private double[][] pathSums(boolean[][] paths) {
        double[][] sums = new double[rows][columns];
        for (int i = 0; i < rows; i++) {
            for (int v = 0; v < columns; v++) {
                float sum = 0;
                for (int u = 0; u < columns; u++) {
                    sum += paths[v][u] ? weights[i][u] : 0;
                }
                sums[i][v] = sum;
            }
        }
        return sums;
    }

    /** Moves one column, and all below it, to the best node of the rest. */
    private void regraft(Laminar found, int column) {
        found.findTree();
        boolean[][] paths = found.paths();
        boolean[] above = found.holds[column].clone();
        boolean[] below = new boolean[columns];
        for (int v = 0; v < columns; v++) {
            below[v] = found.holds[v][column] || v == column;
        }
        double[][] sums = pathSums(paths);
        float[] reached = new float[columns];
        float atRoot = 0;
        for (int i = 0; i < rows; i++) {
            float spent = 0;
            float inside = Float.NEGATIVE_INFINITY;
            float outside = 0;
            for (int u = 0; u < columns; u++) {
                spent += above[u] ? weights[i][u] : 0;
            }
            for (int v = 0; v < columns; v++) {
                float sum = (float) sums[i][v];
                inside = below[v] ? Math.max(inside, sum - spent) : inside;
                outside = below[v] ? outside : Math.max(outside, sum);
            }
            for (int v = 0; v < columns; v++) {
                reached[v] += below[v] ? outside : Math.max((float) sums[i][v] + inside, outside);
            }
            atRoot += Math.max(inside, outside);
        }
        int node = 0;
        for (int v = 1; v < columns; v++) {
            node = reached[v] > reached[node] ? v : node;
        }
        boolean[] way = atRoot >= reached[node] ? new boolean[columns] : paths[node].clone();
        for (int v = 0; v < columns; v++) {
            for (int u = 0; u < columns && below[v]; u++) {
                paths[v][u] = paths[v][u] && !above[u] || way[u];
            }
        }
        placeRows(found, paths);
    }

    private static int largest(double[] values) {
        int place = 0;
        for (int i = 1; i < values.length; i++) {
            place = values[i] > values[place] ? i : place;
        }
        return place;
    }

    /** Returns the places of values, the least first; of equal ones the first first. */
    private static int[] sorted(final double[] values) {
        Integer[] places = new Integer[values.length];
        for (int i = 0; i < places.length; i++) {
            places[i] = i;
        }
        Arrays.sort(places, new Comparator<Integer>() {
            @Override
            public int compare(Integer one, Integer other) {
                return Double.compare(values[one], values[other]);
            }
        });
        int[] found = new int[places.length];
        for (int i = 0; i < found.length; i++) {
            found[i] = places[i];
        }
        return found;
    }
}
