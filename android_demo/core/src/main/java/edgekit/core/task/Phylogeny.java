package edgekit.core.task;

import edgekit.core.Fields;
import edgekit.core.InputError;
import edgekit.core.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Questions to a mutation matrix: does its tree branch, and is there one at all? */
public final class Phylogeny extends MatrixTask<Phylogeny.Verdict> {
    private static final int SHOWN = 12; // pairs on the screen

    /** What is likely, and which columns are in conflict. */
    public static final class Verdict {
        public final boolean aboutNoise; // else whether the tree branches
        public final double probability; // of a conflict, or of branching
        public final List<Pair> pairs; // of columns in conflict, the likeliest first

        Verdict(boolean aboutNoise, double probability, List<Pair> pairs) {
            this.aboutNoise = aboutNoise;
            this.probability = probability;
            this.pairs = pairs;
        }
    }

    /** Two columns that show 11, 10 and 01. */
    public static final class Pair {
        public final String first;
        public final String second;
        public final double probability;

        Pair(String first, String second, double probability) {
            this.first = first;
            this.second = second;
            this.probability = probability;
        }
    }

    private final boolean noise;

    Phylogeny(Fields params) {
        noise = params.string("problem").equals("noise");
    }

    @Override
    public Verdict decode(Map<String, Tensor> outputs, Genotypes matrix) {
        String wanted = noise ? "conflict" : "branching";
        if (!outputs.containsKey(wanted)) {
            throw new InputError("phylogeny: outputs").got(outputs.keySet()).expected(wanted);
        }
        List<Pair> pairs = new ArrayList<Pair>();
        if (noise && outputs.containsKey("pairs")) {
            addPairs(outputs.get("pairs"), matrix.columns, pairs);
        }
        return new Verdict(noise, outputs.get(wanted).finite("phylogeny")[0], pairs);
    }

    private static void addPairs(Tensor tensor, List<String> columns, List<Pair> pairs) {
        float[] likely = tensor.finite("phylogeny");
        int width = tensor.shape[tensor.shape.length - 1];
        for (int i = 0; i < columns.size(); i++) {
            for (int j = i + 1; j < columns.size(); j++) {
                float most = Math.max(likely[i * width + j], likely[j * width + i]);
                if (most > 0.5) {
                    pairs.add(new Pair(columns.get(i), columns.get(j), most));
                }
            }
        }
        // The sort is stable: of equal ones the earlier columns come first.
        Collections.sort(pairs, new Comparator<Pair>() {
            @Override
            public int compare(Pair one, Pair other) {
                return Double.compare(other.probability, one.probability);
            }
        });
    }

    @Override
    public List<Map<String, Object>> describe(Verdict answer) {
        Map<String, Object> row = new LinkedHashMap<String, Object>();
        if (!answer.aboutNoise) {
            row.put("topology", answer.probability > 0.5 ? "branching" : "linear");
            row.put("branching", answer.probability);
            return Collections.singletonList(row);
        }
        List<Object> pairs = new ArrayList<Object>();
        for (Pair pair : answer.pairs) {
            Map<String, Object> one = new LinkedHashMap<String, Object>();
            one.put("columns", Arrays.asList(pair.first, pair.second));
            one.put("probability", pair.probability);
            pairs.add(one);
        }
        row.put("conflict", answer.probability > 0.5);
        row.put("probability", answer.probability);
        row.put("pairs", pairs);
        return Collections.singletonList(row);
    }

    @Override
    public List<String> lines(Verdict answer) {
        List<String> lines = new ArrayList<String>();
        boolean yes = answer.probability > 0.5;
        String probability = String.format(Locale.ROOT, "(probability %.3f)",
                yes ? answer.probability : 1 - answer.probability);
        if (!answer.aboutNoise) {
            lines.add((yes ? "branching: the tree branches " : "linear: the tree is a chain ")
                    + probability);
        } else if (!yes) {
            lines.add("no conflict: there is a tree " + probability);
        } else {
            lines.add("conflict: noise, no tree has this matrix " + probability);
            for (Pair pair : answer.pairs.subList(0, Math.min(SHOWN, answer.pairs.size()))) {
                lines.add(pair.first + " and " + pair.second + ": 11, 10 and 01 all occur");
            }
            if (answer.pairs.size() > SHOWN) {
                lines.add(answer.pairs.size() - SHOWN + " more pairs");
            }
        }
        return lines;
    }
}
