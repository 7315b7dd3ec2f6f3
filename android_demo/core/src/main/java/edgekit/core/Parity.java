package edgekit.core;

import edgekit.core.play.Adaptation;
import edgekit.core.play.Agent;
import edgekit.core.task.Corrections;
import edgekit.core.task.Segment;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Whether a model file answers here what it answered in Python, on the golden inputs. */
public final class Parity {
    private static final double FLOAT_INPUT = 1e-6;
    private static final double ANSWER = 1e-6; // of Python's own outputs

    public final boolean passed;
    public final String line; // what is right or wrong, for a person
    public final double worst; // largest difference of an output, in its own units

    private Parity(boolean passed, String line, double worst) {
        this.passed = passed;
        this.line = line;
        this.worst = worst;
    }

    /** Compares a file in a runtime with its golden vectors. */
    public static Parity check(Artifact artifact, ModelFile file, Opener opener) {
        if (Agent.plays(file)) {
            return checkAgent(artifact, file, opener);
        }
        try (Model model = new Model(artifact.manifest, file, opener.open(artifact, file, file.main()))) {
            return check(artifact, model);
        }
    }

    /** Plays Python's adaptations with Python's outputs, and asks each entry point the same. */
    private static Parity checkAgent(Artifact artifact, ModelFile file, Opener opener) {
        GoldenAdaptation golden = new GoldenAdaptation(artifact);
        double worst = 0;
        for (int i = 0; i < golden.examples(); i++) {
            String wrong = follows(golden, i, artifact, file);
            if (wrong != null) {
                return fails("adaptation " + (i + 1) + ", " + wrong, worst);
            }
            for (Signature entry : file.entries.values()) {
                try (Session session = opener.open(artifact, file, entry)) {
                    Map<String, Tensor> answers = golden.answers(i, file, entry, session);
                    Map<String, Tensor> expected = golden.expected(i, file, entry);
                    for (String name : expected.keySet()) {
                        worst = Math.max(worst, distance(expected.get(name), answers.get(name)));
                    }
                    wrong = golden.judge(i, file, entry, answers);
                    if (wrong != null) {
                        return fails("adaptation " + (i + 1) + ", " + wrong, worst);
                    }
                }
            }
        }
        return passes(golden.examples() + " adaptations", worst);
    }

    /** Returns where what is asked of Python's outputs is not what Python asked; null if nowhere. */
    private static String follows(final GoldenAdaptation golden, final int number, Artifact artifact,
            ModelFile file) {
        final List<Replay> replays = new ArrayList<Replay>();
        Agent agent = Agent.open(artifact, file, new Opener() {
            @Override
            public Session open(Artifact artifact, ModelFile file, Signature entry) {
                replays.add(golden.replay(number, file, entry));
                return replays.get(replays.size() - 1);
            }
        });
        Adaptation played = golden.played(number, agent);
        for (Replay replay : replays) {
            if (replay.inputError() > FLOAT_INPUT) { // which no integer is that differs
                return "inputs: differ by " + replay.inputError();
            }
        }
        return golden.compare(number, file, played, ANSWER);
    }

    private static double distance(Tensor one, Tensor other) {
        float[] ones = one.real();
        float[] others = other.real();
        double most = 0;
        for (int i = 0; i < ones.length; i++) {
            double error = Math.abs(ones[i] - others[i]);
            most = Double.isNaN(error) ? Double.POSITIVE_INFINITY : Math.max(most, error);
        }
        return most;
    }

    /** Runs every golden example through the model's three parts. */
    public static Parity check(Artifact artifact, Model model) {
        Golden golden = new Golden(artifact.folder);
        String task = artifact.manifest.task.string("name");
        double worst = 0;
        for (int i = 0; i < golden.examples(); i++) {
            Object thing = golden.thing(i, task);
            String where = "example " + (i + 1) + ", ";
            model.task.encode(thing);
            double error = golden.inputError(i, model.file, model.input);
            if (error > (model.input.spec.dtype.equals("float32") ? FLOAT_INPUT : 0)) {
                return fails(where + "input: differs by " + error, worst);
            }
            Map<String, Tensor> outputs = model.session.run();
            worst = Math.max(worst, golden.outputError(i, model.file, outputs));
            String wrong = golden.judge(i, model.file, outputs);
            if (wrong != null) {
                return fails(where + "output " + wrong, worst);
            }
            wrong = compareAnswer(golden, i, model, thing);
            if (wrong != null) {
                return fails(where + wrong, worst);
            }
        }
        return passes(golden.examples() + " examples", worst);
    }

    private static String compareAnswer(Golden golden, int i, Model model, Object thing) {
        Object answer = model.task.decode(golden.outputs(i, model.file), thing);
        if (answer instanceof Segment.Mask) {
            double same = golden.maskAgreement(i, model.file, (Segment.Mask) answer);
            return same == 1 ? null : "mask: agrees in " + same;
        }
        List<Map<String, Object>> described = model.task.describe(answer);
        if (answer instanceof Corrections.Corrected) {
            double less = golden.nll(i, model.file) - ((Corrections.Corrected) answer).nll;
            return less >= -ANSWER ? null : "corrections: less likely than Python's by " + -less;
        }
        return golden.compareAnswer(i, model.file, described, ANSWER);
    }

    private static Parity passes(String what, double worst) {
        String within = String.format(Locale.ROOT, worst < 1 ? "%.2g" : "%.0f", worst); // or steps
        return new Parity(true, what + ", as in Python, outputs within " + within, worst);
    }

    private static Parity fails(String line, double worst) {
        return new Parity(false, line, worst);
    }
}
