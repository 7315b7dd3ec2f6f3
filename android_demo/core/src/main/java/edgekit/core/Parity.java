package edgekit.core;

import edgekit.core.task.Segment;
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

    /** Runs every golden example through the model's three parts. */
    public static Parity check(Artifact artifact, Model model) {
        Golden golden = new Golden(artifact.folder);
        String task = artifact.manifest.task.string("name");
        double worst = 0;
        for (int i = 0; i < golden.examples(); i++) {
            Object thing = golden.thing(i, task);
            String where = "example " + (i + 1) + ", ";
            Tensor input = model.session.input();
            model.task.encode(thing);
            double error = golden.inputError(i, model.file, input);
            if (error > (input.spec.dtype.equals("float32") ? FLOAT_INPUT : 0)) {
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
        String line = String.format(Locale.ROOT, "%d examples, as in Python (outputs within %.2g)",
                golden.examples(), worst);
        return new Parity(true, line, worst);
    }

    private static String compareAnswer(Golden golden, int i, Model model, Object thing) {
        Object answer = model.task.decode(golden.outputs(i, model.file), thing);
        if (answer instanceof Segment.Mask) {
            double same = golden.maskAgreement(i, model.file, (Segment.Mask) answer);
            return same == 1 ? null : "mask: agrees in " + same;
        }
        return golden.compareAnswer(i, model.file, model.task.describe(answer), ANSWER);
    }

    private static Parity fails(String line, double worst) {
        return new Parity(false, line, worst);
    }
}
