package edgekit.core.task;

import edgekit.core.Fields;
import edgekit.core.InputError;
import java.util.List;

/** Makes the task that a manifest names. */
public final class Tasks {
    private Tasks() {}

    public static Task<?, ?> of(Fields params) {
        String name = params.string("name");
        switch (name) {
            case "classify":
                return new Classify(params);
            case "detect":
                return new Detect(params);
            case "segment":
                return new Segment(params);
            case "regress":
                return new Regress(params);
            case "control":
                return new Control(params);
            case "phylogeny":
                params.string("problem", null, "branching", "noise", "elimination");
                return params.string("problem").equals("elimination") ? new Corrections(params)
                        : new Phylogeny(params);
            default:
                throw new InputError("task " + name + ": unknown to this app").expected(
                        "one of classify, detect, segment, regress, control, phylogeny");
        }
    }

    /** Returns a class's label, or its index, which then says that it is one. */
    static String label(List<String> labels, int index) {
        return index < labels.size() ? labels.get(index) : "index " + index;
    }

    /** Returns a label for JSON: null where there is none. */
    static String labelOrNull(List<String> labels, int index) {
        return index < labels.size() ? labels.get(index) : null;
    }
}
