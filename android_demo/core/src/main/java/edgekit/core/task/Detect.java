package edgekit.core.task;

import edgekit.core.Fields;
import edgekit.core.InputError;
import edgekit.core.Tensor;
import edgekit.core.picture.Frame;
import edgekit.core.picture.Picture;
import edgekit.core.picture.PictureEncoder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/** A picture to boxes with labels and scores, in its own pixels. */
public final class Detect implements Task<Picture, List<Detect.Box>> {
    public static final double SHOWN = 0.3; // least score of a box that is described
    private static final String[] OUTPUTS = {"boxes", "classes", "scores", "count"};

    /** What was found. */
    public static final class Box {
        public final double[] edges; // top, left, bottom, right, in pixels of the picture
        public final int index;
        public final String label; // null where the model has none
        public final double score; // from 0 to 1

        Box(double[] edges, int index, String label, double score) {
            this.edges = edges;
            this.index = index;
            this.label = label;
            this.score = score;
        }

        public String name() {
            return label != null ? label : "index " + index;
        }
    }

    private final List<String> labels;
    private final boolean stretched;
    private final boolean raw;
    private final Anchors anchors; // of a raw answer, as what follows
    private final int mostBoxes;
    private final double leastScore;
    private final double mostOverlap;
    private PictureEncoder encoder;
    private double least = SHOWN; // score of a box that is listed

    Detect(Fields params) {
        labels = params.strings("labels");
        stretched = "stretch".equals(params.string("fit", "letterbox", "letterbox", "stretch"));
        params.string("answer");
        raw = "raw".equals(params.string("answer", null, "raw", "boxes", "postprocess"));
        anchors = raw ? new Anchors(params.object("anchors")) : null;
        mostBoxes = raw ? (int) params.integer("max_boxes", 1, 10000) : 0;
        leastScore = raw ? params.number("min_score") : 0;
        mostOverlap = raw ? params.number("max_overlap") : 0;
    }

    /** Lists boxes from another score on. */
    public void least(double score) {
        least = score;
    }

    @Override
    public void bind(Tensor input) {
        encoder = new PictureEncoder(input,
                stretched ? PictureEncoder.Fit.STRETCH : PictureEncoder.Fit.LETTERBOX);
    }

    @Override
    public void encode(Picture picture) {
        encoder.encode(picture);
    }

    @Override
    public List<Box> decode(Map<String, Tensor> outputs, Picture picture) {
        String[] expected = raw ? new String[] {"codes", "logits"} : OUTPUTS;
        Set<String> names = new HashSet<String>(Arrays.asList(expected));
        if (!outputs.keySet().equals(names)) {
            throw new InputError("detect: outputs").got(outputs.keySet())
                    .expected(Arrays.toString(expected));
        }
        // Shares of the input need no size where it is square.
        int side = Math.max(picture.height, picture.width);
        Frame frame = new Frame(new int[] {picture.height, picture.width}, new int[] {side, side},
                stretched);
        List<Box> found = new ArrayList<Box>();
        if (raw) {
            choose(outputs.get("codes"), outputs.get("logits"), frame, found);
        } else {
            take(outputs, frame, found);
        }
        return found;
    }

    private void choose(Tensor codesTensor, Tensor logitsTensor, Frame frame, List<Box> found) {
        float[] codes = codesTensor.finite("detect");
        float[] logits = logitsTensor.finite("detect");
        int classes = logits.length / anchors.count();
        if (codes.length != 4 * anchors.count() || classes * anchors.count() != logits.length
                || classes == 0) {
            throw new InputError("detect: anchors do not fit")
                    .got(codes.length / 4 + " codes, " + logits.length + " logits")
                    .expected(anchors.count() + " anchors");
        }
        int[] places = Suppression.best(logits, (float) Math.log(leastScore / (1 - leastScore)));
        float[][] boxes = new float[places.length][4];
        int[] indices = new int[places.length];
        for (int i = 0; i < places.length; i++) {
            anchors.decode(codes, places[i] / classes, boxes[i]);
            indices[i] = places[i] % classes;
        }
        for (int i : Suppression.stay(boxes, indices, mostOverlap, mostBoxes)) {
            add(boxes[i], indices[i], 1 / (1 + Math.exp(-(double) logits[places[i]])), frame, found);
        }
    }

    private void take(Map<String, Tensor> outputs, Frame frame, List<Box> found) {
        float[] boxes = outputs.get("boxes").finite("detect");
        float[] classes = outputs.get("classes").finite("detect");
        float[] scores = outputs.get("scores").finite("detect");
        float[] counts = outputs.get("count").finite("detect");
        int count = counts.length > 0 ? (int) Math.rint(counts[0]) : 0;
        int most = Math.min(scores.length, Math.min(classes.length, boxes.length / 4));
        for (int i = 0; i < Math.min(count, most); i++) {
            float[] box = Arrays.copyOfRange(boxes, 4 * i, 4 * i + 4);
            add(box, (int) Math.rint(classes[i]), scores[i], frame, found);
        }
    }

    /** Adds a box, unless it lies beyond the picture. */
    private void add(float[] shares, int index, double score, Frame frame, List<Box> found) {
        double[] edges = {shares[0], shares[1], shares[2], shares[3]};
        frame.toPicture(edges);
        if (edges[2] > edges[0] && edges[3] > edges[1]) {
            found.add(new Box(edges, index, Tasks.labelOrNull(labels, index), score));
        }
    }

    /** Returns the boxes that score so much at least. */
    public static List<Box> above(List<Box> answer, double least) {
        List<Box> found = new ArrayList<Box>();
        for (Box box : answer) {
            if (box.score >= least) {
                found.add(box);
            }
        }
        return found;
    }

    @Override
    public List<Map<String, Object>> describe(List<Box> answer) {
        List<Map<String, Object>> rows = new ArrayList<Map<String, Object>>();
        for (Box box : above(answer, SHOWN)) {
            Map<String, Object> edges = new LinkedHashMap<String, Object>();
            String[] names = {"top", "left", "bottom", "right"};
            for (int i = 0; i < 4; i++) {
                edges.put(names[i], box.edges[i]);
            }
            Map<String, Object> row = new LinkedHashMap<String, Object>();
            row.put("index", box.index);
            row.put("label", box.label);
            row.put("score", box.score);
            row.put("box", edges);
            rows.add(row);
        }
        return rows;
    }

    @Override
    public List<String> lines(List<Box> answer) {
        List<String> lines = new ArrayList<String>();
        for (Box box : above(answer, least)) {
            lines.add(String.format(Locale.ROOT, "%5.1f%%  %s  left %.0f top %.0f right %.0f bottom "
                    + "%.0f", 100 * box.score, box.name(), box.edges[1], box.edges[0], box.edges[3],
                    box.edges[2]));
        }
        if (lines.isEmpty()) {
            lines.add(String.format(Locale.ROOT, "nothing scores %.0f%%", 100 * least));
        }
        return lines;
    }
}
