package edgekit.core.task;

import edgekit.core.Fields;
import edgekit.core.InputError;
import edgekit.core.Tensor;
import edgekit.core.picture.Picture;
import edgekit.core.picture.PictureEncoder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** A picture to labels with scores. */
public final class Classify implements Task<Picture, List<Classify.Guess>> {
    public static final int TOP = 5;
    /** How far the sum of quantized probabilities may lie above 1: some were rounded up. */
    private static final double SUM_SLACK = 0.1;

    /** One class and its probability. */
    public static final class Guess {
        public final int index;
        public final double score;
        public final String label; // null where the model has none

        Guess(int index, double score, String label) {
            this.index = index;
            this.score = score;
            this.label = label;
        }

        public String name() {
            return label != null ? label : "index " + index;
        }
    }

    private final List<String> labels;
    private final String scores; // "probabilities", "logits" or null
    private PictureEncoder encoder;
    private int top = TOP;

    Classify(Fields params) {
        labels = params.strings("labels");
        scores = params.string("scores", null, "probabilities", "logits");
    }

    /** Chooses how many guesses an answer has. */
    public void top(int count) {
        top = count;
    }

    @Override
    public void bind(Tensor input) {
        encoder = new PictureEncoder(input, PictureEncoder.Fit.STRETCH);
    }

    @Override
    public void encode(Picture picture) {
        encoder.encode(picture);
    }

    @Override
    public List<Guess> decode(Map<String, Tensor> outputs, Picture picture) {
        if (outputs.size() != 1) {
            throw new InputError("classify: outputs").got(outputs.keySet()).expected("one, the scores");
        }
        Tensor output = outputs.values().iterator().next();
        if (output.shape.length > 1 && output.shape[0] != 1) {
            throw new InputError("classify: scores").got(Arrays.toString(output.shape))
                    .expected("[1, classes]");
        }
        float[] raw = output.finite("classify");
        if (!labels.isEmpty() && labels.size() != raw.length) {
            throw new InputError("classify: labels do not fit").got(labels.size() + " labels")
                    .expected(raw.length + ", one a score");
        }
        final double[] probabilities = probabilities(raw);
        List<Integer> order = new ArrayList<Integer>();
        for (int i = 0; i < raw.length; i++) {
            order.add(i);
        }
        // The sort is stable: of equal scores the lower index comes first.
        Collections.sort(order, new Comparator<Integer>() {
            @Override
            public int compare(Integer one, Integer other) {
                return Double.compare(probabilities[other] + 0.0, probabilities[one] + 0.0);
            }
        });
        List<Guess> guesses = new ArrayList<Guess>();
        for (int i : order.subList(0, Math.min(top, order.size()))) {
            guesses.add(new Guess(i, probabilities[i], Tasks.labelOrNull(labels, i)));
        }
        return guesses;
    }

    /** Takes probabilities as they are, within what quantization does to them; else softmax. */
    private double[] probabilities(float[] raw) {
        double[] found = new double[raw.length];
        double least = Double.POSITIVE_INFINITY;
        double most = Double.NEGATIVE_INFINITY;
        double sum = 0;
        for (int i = 0; i < raw.length; i++) {
            found[i] = raw[i];
            least = Math.min(least, raw[i]);
            most = Math.max(most, raw[i]);
            sum += raw[i];
        }
        boolean likely = least >= 0 && most <= 1 && sum <= 1 + SUM_SLACK;
        if ("probabilities".equals(scores) || scores == null && likely) {
            return found;
        }
        double powers = 0;
        for (int i = 0; i < raw.length; i++) {
            found[i] = Math.exp(raw[i] - most);
            powers += found[i];
        }
        for (int i = 0; i < raw.length; i++) {
            found[i] /= powers;
        }
        return found;
    }

    @Override
    public List<Map<String, Object>> describe(List<Guess> answer) {
        List<Map<String, Object>> rows = new ArrayList<Map<String, Object>>();
        for (Guess guess : answer) {
            Map<String, Object> row = new LinkedHashMap<String, Object>();
            row.put("index", guess.index);
            row.put("label", guess.label);
            row.put("score", guess.score);
            rows.add(row);
        }
        return rows;
    }

    @Override
    public List<String> lines(List<Guess> answer) {
        List<String> lines = new ArrayList<String>();
        for (Guess guess : answer) {
            lines.add(String.format(Locale.ROOT, "%5.1f%%  %s", 100 * guess.score, guess.name()));
        }
        return lines;
    }
}
