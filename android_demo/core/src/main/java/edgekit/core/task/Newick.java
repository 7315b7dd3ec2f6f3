package edgekit.core.task;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;

/** Trees in Newick's format, as edgekit/tasks/matrices/perfect.py writes them. */
final class Newick {
    private Newick() {}

    /** A set of rows, with the mutations that have it and what hangs below. */
    private static final class Clade {
        final boolean[] rows;
        final int size;
        final StringBuilder name = new StringBuilder();
        final List<String> children = new ArrayList<String>();

        Clade(boolean[] rows) {
            this.rows = rows;
            int count = 0;
            for (boolean row : rows) {
                count += row ? 1 : 0;
            }
            size = count;
        }

        boolean contains(Clade other) {
            for (int i = 0; i < rows.length; i++) {
                if (other.rows[i] && !rows[i]) {
                    return false;
                }
            }
            return true;
        }

        @Override
        public String toString() {
            return joined() + quoted(name.toString());
        }

        String joined() {
            StringBuilder text = new StringBuilder("(");
            for (String child : children) {
                text.append(text.length() > 1 ? "," : "").append(child);
            }
            return text.append(')').toString();
        }
    }

    /**
     * Returns the tree of a conflict-free matrix [n, m]: leaves are rows, inner nodes bear the
     * mutations of the edge above them, joined by |; columns without a 1 are not in it.
     */
    static String of(boolean[][] truth, List<String> rows, List<String> columns) {
        List<Clade> clades = clades(truth, columns);
        Clade root = new Clade(new boolean[rows.size()]);
        for (int i = 0; i < rows.size(); i++) {
            Clade place = root;
            for (Clade clade : clades) {
                place = clade.rows[i] ? clade : place;
            }
            place.children.add(quoted(rows.get(i)));
        }
        for (int k = clades.size() - 1; k >= 0; k--) {
            Clade place = root;
            for (Clade larger : clades.subList(0, k)) {
                place = larger.contains(clades.get(k)) ? larger : place;
            }
            place.children.add(clades.get(k).toString());
        }
        return root.joined() + ";";
    }

    /** Returns the sets of rows that columns have, the largest first, each once. */
    private static List<Clade> clades(boolean[][] truth, List<String> columns) {
        List<Clade> found = new ArrayList<Clade>();
        for (int j = 0; j < columns.size(); j++) {
            boolean[] column = new boolean[truth.length];
            for (int i = 0; i < column.length; i++) {
                column[i] = truth[i][j];
            }
            Clade same = null;
            for (Clade clade : found) {
                same = Arrays.equals(clade.rows, column) ? clade : same;
            }
            if (same == null) {
                same = new Clade(column);
                found.add(same);
            }
            same.name.append(same.name.length() > 0 ? "|" : "").append(columns.get(j));
        }
        // The sort is stable: of equal ones the earlier columns come first.
        Collections.sort(found, new Comparator<Clade>() {
            @Override
            public int compare(Clade one, Clade other) {
                return Integer.compare(other.size, one.size);
            }
        });
        while (!found.isEmpty() && found.get(found.size() - 1).size == 0) {
            found.remove(found.size() - 1);
        }
        return found;
    }

    /** Quotes a name that has other characters than letters, digits and _ . + | -. */
    private static String quoted(String name) {
        boolean plain = !name.isEmpty();
        for (int i = 0; i < name.length(); i += Character.charCount(name.codePointAt(i))) {
            int c = name.codePointAt(i);
            int type = Character.getType(c);
            plain &= Character.isLetterOrDigit(c) || "_.+|-".indexOf(c) >= 0
                    || type == Character.LETTER_NUMBER || type == Character.OTHER_NUMBER;
        }
        return plain ? name : "'" + name.replace("'", "''") + "'";
    }
}
