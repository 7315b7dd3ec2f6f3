package edgekit.core.draw;

import java.util.Arrays;
import java.util.Comparator;

/** The order in which the rows and columns of a tree's matrix lie well. */
final class Order {
    private Order() {}

    /** Returns the columns, those with most ones first. */
    static int[] ofColumns(boolean[][] truth) {
        final int[] sizes = new int[truth[0].length];
        for (boolean[] row : truth) {
            for (int j = 0; j < sizes.length; j++) {
                sizes[j] += row[j] ? 1 : 0;
            }
        }
        return sorted(sizes.length, new Comparator<Integer>() {
            @Override
            public int compare(Integer one, Integer other) {
                return Integer.compare(sizes[other], sizes[one]);
            }
        });
    }

    /** Returns the rows: those in the first column first, among them those in the second ... */
    static int[] ofRows(final boolean[][] truth, final int[] columns) {
        return sorted(truth.length, new Comparator<Integer>() {
            @Override
            public int compare(Integer one, Integer other) {
                for (int column : columns) {
                    if (truth[one][column] != truth[other][column]) {
                        return truth[one][column] ? -1 : 1;
                    }
                }
                return 0;
            }
        });
    }

    private static int[] sorted(int count, Comparator<Integer> by) {
        Integer[] places = new Integer[count];
        for (int i = 0; i < count; i++) {
            places[i] = i;
        }
        Arrays.sort(places, by);
        int[] found = new int[count];
        for (int i = 0; i < count; i++) {
            found[i] = places[i];
        }
        return found;
    }
}
