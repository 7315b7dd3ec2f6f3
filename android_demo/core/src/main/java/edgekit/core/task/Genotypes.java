package edgekit.core.task;

import edgekit.core.InputError;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/** A named matrix with a row for each cell and a column for each mutation: 0, 1 and UNKNOWN. */
public final class Genotypes {
    public static final byte UNKNOWN = 3;
    private static final List<String> ZERO = Arrays.asList("0", "0.0");
    private static final List<String> ONE = Arrays.asList("1", "1.0");
    private static final List<String> NONE =
            Arrays.asList("3", "3.0", "NA", "na", "NaN", "nan", "?");
    private static final List<String> CORNERS = Arrays.asList("", "cell", "cells", "cell_id",
            "cellid", "cellidxmutid", "sample", "name", "id");
    private static final String ENTRIES = "0, 1, or for a missing entry 3, NA or ?";
    private static final int LARGEST = 1 << 24; // characters

    public final String where;
    public final List<String> rows;
    public final List<String> columns;
    public final byte[][] values;

    public Genotypes(String where, List<String> rows, List<String> columns, byte[][] values) {
        if (rows.size() < 2 || columns.size() < 2) {
            String what = rows.size() < 2 ? "row" : "column";
            throw new InputError(where + ": too few " + what + "s")
                    .got(Math.min(rows.size(), columns.size()) + " " + what + "s")
                    .expected("at least 2");
        }
        Set<String> seen = new HashSet<String>();
        for (String name : columns) {
            if (!seen.add(name)) {
                throw new InputError(where + ": column " + name).got("the name twice")
                        .expected("each mutation once");
            }
        }
        this.where = where;
        this.rows = rows;
        this.columns = columns;
        this.values = values;
    }

    /** Reads a table as Python does: commas, semicolons or tabs; names where no entries stand. */
    public static Genotypes read(String where, String text) {
        if (text.length() > LARGEST) {
            throw new InputError(where + ": too long").expected("at most 16 MB");
        }
        List<List<String>> lines = lines(where, text);
        if (lines.isEmpty()) {
            throw new InputError(where + ": empty").expected("rows of " + ENTRIES);
        }
        List<String> header = lines.get(0);
        boolean named = false;
        for (String cell : header) {
            named |= entry(cell) < 0;
        }
        List<List<String>> body = named ? lines.subList(1, lines.size()) : lines;
        boolean labelled = !body.isEmpty();
        for (List<String> row : body) {
            labelled &= entry(row.get(0)) < 0;
        }
        labelled |= named && CORNERS.contains(header.get(0).toLowerCase(Locale.ROOT));
        int skipped = labelled ? 1 : 0;
        List<String> columns = new ArrayList<String>(header.subList(skipped, header.size()));
        for (int j = 0; !named && j < columns.size(); j++) {
            columns.set(j, "" + (j + 1));
        }
        List<String> rows = new ArrayList<String>();
        byte[][] values = new byte[body.size()][columns.size()];
        for (int i = 0; i < values.length; i++) {
            List<String> row = body.get(i);
            rows.add(labelled ? row.get(0) : "" + (i + 1));
            String line = where + ": row " + (i + 1);
            if (row.size() != header.size()) {
                throw new InputError(line).got(row.size() + " columns")
                        .expected(header.size() + ", as in the first line");
            }
            for (int j = 0; j < columns.size(); j++) {
                values[i][j] = (byte) entry(row.get(skipped + j));
                if (values[i][j] < 0) {
                    String cell = row.get(skipped + j);
                    throw new InputError(line + ", column " + columns.get(j))
                            .got(cell.isEmpty() ? "an empty cell" : "'" + cell + "'").expected(ENTRIES);
                }
            }
        }
        return new Genotypes(where, rows, columns, values);
    }

    private static int entry(String cell) {
        return ZERO.contains(cell) ? 0 : ONE.contains(cell) ? 1 : NONE.contains(cell) ? UNKNOWN : -1;
    }

    /** Returns the cells of each line that is not empty; quotes as in RFC 4180. */
    private static List<List<String>> lines(String where, String text) {
        int end = text.indexOf('\n');
        char delimiter = delimiter(end < 0 ? text : text.substring(0, end));
        List<List<String>> found = new ArrayList<List<String>>();
        List<String> row = new ArrayList<String>();
        StringBuilder cell = new StringBuilder();
        boolean quoted = false;
        for (int i = text.startsWith("\ufeff") ? 1 : 0; i <= text.length(); i++) {
            char c = i < text.length() ? text.charAt(i) : '\n';
            if (quoted && c == '"' && i + 1 < text.length() && text.charAt(i + 1) == '"') {
                cell.append('"');
                i++;
            } else if (c == '"' && (quoted || cell.length() == 0)) {
                quoted = !quoted;
            } else if (quoted && i < text.length()) {
                cell.append(c);
            } else if (c == delimiter || c == '\n') {
                row.add(cell.toString().trim());
                cell.setLength(0);
                if (c == '\n') {
                    if (Collections.frequency(row, "") < row.size()) {
                        found.add(row);
                    }
                    row = new ArrayList<String>();
                }
            } else {
                cell.append(c);
            }
        }
        if (quoted) {
            throw new InputError(where + ": a quote without its end");
        }
        return found;
    }

    private static char delimiter(String line) {
        char best = ',';
        for (char c : new char[] {';', '\t'}) {
            best = count(line, c) > count(line, best) ? c : best;
        }
        return best;
    }

    private static int count(String line, char c) {
        int found = 0;
        for (int i = 0; i < line.length(); i++) {
            found += line.charAt(i) == c ? 1 : 0;
        }
        return found;
    }
}
