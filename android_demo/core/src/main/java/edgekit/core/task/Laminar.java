package edgekit.core.task;

/**
 * A conflict-free matrix of n rows and m columns, and its tree, as edgekit/tasks/matrices/elimination.py has
 * it: equal columns are a chain in the order of their indices, and the root is node m.
 */
final class Laminar {
    final int rows;
    final int columns;
    final boolean[][] found; // [n, m]
    int[] parents; // of each column
    int[] lowest; // the lowest node of each row
    boolean[][] holds; // [v, u]: u is an ancestor of v; an empty column has none

    Laminar(int rows, int columns) {
        this.rows = rows;
        this.columns = columns;
        found = new boolean[rows][columns];
    }

    Laminar copy() {
        Laminar other = new Laminar(rows, columns);
        for (int i = 0; i < rows; i++) {
            other.found[i] = found[i].clone();
        }
        return other;
    }

    void clear(int column) {
        for (boolean[] row : found) {
            row[column] = false;
        }
    }

    /** Finds the tree of the matrix as it is now. */
    void findTree() {
        int[] sizes = new int[columns];
        int[][] overlap = new int[columns][columns];
        for (boolean[] row : found) {
            count(row, sizes, overlap);
        }
        int[] key = new int[columns]; // larger for ancestors, and no two alike
        for (int u = 0; u < columns; u++) {
            key[u] = sizes[u] * columns + columns - 1 - u;
        }
        holds = new boolean[columns][columns];
        parents = new int[columns];
        for (int v = 0; v < columns; v++) {
            for (int u = 0; u < columns; u++) {
                holds[v][u] = sizes[v] > 0 && overlap[v][u] == sizes[v] && key[u] > key[v];
            }
            parents[v] = least(key, holds[v]);
        }
        lowest = new int[rows];
        for (int i = 0; i < rows; i++) {
            lowest[i] = least(key, found[i]);
        }
    }

    /** Returns which nodes lie on the way to each, itself among them: [node, on the way]. */
    boolean[][] paths() {
        boolean[][] paths = new boolean[columns][];
        for (int v = 0; v < columns; v++) {
            paths[v] = holds[v].clone();
            paths[v][v] = true;
        }
        return paths;
    }

    private static void count(boolean[] row, int[] sizes, int[][] overlap) {
        int[] ones = new int[row.length];
        int count = 0;
        for (int u = 0; u < row.length; u++) {
            if (row[u]) {
                ones[count++] = u;
                sizes[u]++;
            }
        }
        for (int a = 0; a < count; a++) {
            int[] line = overlap[ones[a]];
            for (int b = 0; b < count; b++) {
                line[ones[b]]++;
            }
        }
    }

    /** Returns where the least key stands among those chosen; behind the end if none is. */
    private static int least(int[] key, boolean[] chosen) {
        int place = key.length;
        for (int u = 0; u < key.length; u++) {
            if (chosen[u] && (place == key.length || key[u] < key[place])) {
                place = u;
            }
        }
        return place;
    }
}
