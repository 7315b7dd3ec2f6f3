package edgekit.core.bench;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Of how many nodes a delegate took how many, as TensorFlow Lite 2.16 logs it when it opens a file;
 * its Java layer does not tell. Known where one line tells it: several graphs, or several delegates
 * one after the other, give lines that do not say whose they are.
 */
public final class Delegation {
    private static final Pattern LINE = Pattern.compile(
            "Replacing (\\d+) out of (\\d+) node\\(s\\) with delegate \\((\\w+)\\) node.*");

    private Delegation() {}

    /**
     * Adds "nodes" and "delegated_nodes", null where they are not known.
     *
     * @param facts of a session
     * @param log the lines since it was opened
     */
    public static void tell(Map<String, Object> facts, List<String> log) {
        List<Matcher> found = new ArrayList<Matcher>();
        for (String line : log) {
            Matcher match = LINE.matcher(line.trim());
            if (match.matches()) {
                found.add(match);
            }
        }
        boolean known = found.size() == 1;
        facts.put("nodes", known ? Integer.valueOf(found.get(0).group(2)) : null);
        facts.put("delegated_nodes", known ? Integer.valueOf(found.get(0).group(1)) : null);
    }

    /** Returns what a session's facts say of it, for a person. */
    public static String line(Map<String, Object> facts) {
        return facts.get("nodes") == null ? "delegated nodes unknown"
                : facts.get("delegated_nodes") + " of " + facts.get("nodes") + " nodes delegated";
    }
}
