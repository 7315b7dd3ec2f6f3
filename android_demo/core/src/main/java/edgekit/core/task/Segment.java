package edgekit.core.task;

import edgekit.core.Fields;
import edgekit.core.InputError;
import edgekit.core.Tensor;
import edgekit.core.picture.Frame;
import edgekit.core.picture.Picture;
import edgekit.core.picture.PictureEncoder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** A picture to a class for each of its pixels. */
public final class Segment implements Task<Picture, Segment.Mask> {
    private static final int VOID = 255;

    /** The class of each pixel of the picture, row by row. */
    public static final class Mask {
        public final int height;
        public final int width;
        public final byte[] classes;
        public final List<String> labels;

        Mask(int height, int width, List<String> labels) {
            this.height = height;
            this.width = width;
            this.classes = new byte[height * width];
            this.labels = labels;
        }

        public String name(int index) {
            return Tasks.label(labels, index);
        }

        /** Returns pixels by class. */
        public int[] counts() {
            int[] found = new int[256];
            for (byte index : classes) {
                found[index & 0xff]++;
            }
            return found;
        }

        /** Returns the classes that there are, largest first; of equal ones the lower index. */
        public List<Integer> order() {
            int[] counts = counts();
            List<Integer> found = new ArrayList<Integer>();
            for (int index = 0; index < counts.length; index++) {
                int place = 0;
                while (place < found.size() && counts[found.get(place)] >= counts[index]) {
                    place++;
                }
                if (counts[index] > 0) {
                    found.add(place, index);
                }
            }
            return found;
        }
    }

    private final List<String> labels;
    private final int resolution; // 0 where it is not told
    private final boolean alignCorners;
    private final boolean stretched;
    private final float least; // what the only channel of two classes must exceed
    private PictureEncoder encoder;

    Segment(Fields params) {
        labels = params.strings("labels");
        resolution = params.has("resolution") ? (int) params.integer("resolution", 1, 1 << 16) : 0;
        alignCorners = !params.has("align_corners") || params.flag("align_corners");
        stretched = "stretch".equals(params.string("fit", "letterbox", "letterbox", "stretch"));
        String answer = params.string("answer", "logits", "labels", "logits", "probabilities");
        least = "probabilities".equals(answer) ? 0.5f : 0;
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
    public Mask decode(Map<String, Tensor> outputs, Picture picture) {
        if (outputs.size() != 1) {
            throw new InputError("segment: outputs").got(outputs.keySet()).expected("one map");
        }
        Tensor map = outputs.values().iterator().next();
        int[] shape = map.shape;
        if (shape.length != 3 && shape.length != 4 || shape[0] != 1) {
            throw new InputError("segment: output").got(Arrays.toString(shape))
                    .expected("[1, H, W] or [1, H, W, classes]");
        }
        int side = resolution > 0 ? resolution : Math.max(shape[1], shape[2]);
        Frame frame = new Frame(new int[] {picture.height, picture.width}, new int[] {side, side},
                stretched);
        double[] rows = frame.places(0, shape[1], alignCorners);
        double[] columns = frame.places(1, shape[2], alignCorners);
        Mask mask = new Mask(picture.height, picture.width, labels);
        if (shape.length == 4) {
            largest(map, rows, columns, mask);
        } else {
            nearest(map, rows, columns, mask);
        }
        return mask;
    }

    private void nearest(Tensor map, double[] rows, double[] columns, Mask mask) {
        long limit = labels.isEmpty() ? VOID : labels.size();
        long least = Long.MAX_VALUE;
        long most = Long.MIN_VALUE;
        for (int i = 0; i < map.size(); i++) {
            least = Math.min(least, map.raw(i));
            most = Math.max(most, map.raw(i));
        }
        if (least < 0 || most >= limit) {
            throw new InputError("segment: labels do not fit").got("a map of " + least + " to " + most)
                    .expected("0 to " + (limit - 1));
        }
        int width = map.shape[2];
        int[] there = new int[columns.length];
        for (int x = 0; x < there.length; x++) {
            there[x] = (int) Math.rint(columns[x]);
        }
        for (int y = 0, o = 0; y < rows.length; y++) {
            int line = (int) Math.rint(rows[y]) * width;
            for (int x = 0; x < there.length; x++) {
                mask.classes[o++] = (byte) map.raw(line + there[x]);
            }
        }
    }

    /** Interpolates scores bilinearly; the largest wins, of equal ones the lowest index. */
    private void largest(Tensor map, double[] rows, double[] columns, Mask mask) {
        int height = map.shape[1];
        int width = map.shape[2];
        int classes = map.shape[3];
        int named = Math.max(classes, 2);
        if (!labels.isEmpty() && labels.size() != named) {
            throw new InputError("segment: labels do not fit").got(labels.size() + " labels")
                    .expected(named + ", one a class");
        }
        float[] scores = map.finite("segment");
        float[] line = new float[width * classes];
        for (int y = 0, o = 0; y < rows.length; y++) {
            int above = (int) rows[y];
            int below = Math.min(above + 1, height - 1);
            float share = (float) (rows[y] - above);
            for (int i = 0; i < line.length; i++) {
                line[i] = scores[above * line.length + i] * (1 - share)
                        + scores[below * line.length + i] * share;
            }
            for (int x = 0; x < columns.length; x++) {
                int left = (int) columns[x];
                int right = Math.min(left + 1, width - 1);
                float part = (float) (columns[x] - left);
                int best = 0;
                float most = classes == 1 ? least : Float.NEGATIVE_INFINITY;
                for (int c = 0; c < classes; c++) {
                    float value = line[left * classes + c] * (1 - part)
                            + line[right * classes + c] * part;
                    if (value > most) {
                        most = value;
                        best = classes == 1 ? 1 : c;
                    }
                }
                mask.classes[o++] = (byte) best;
            }
        }
    }

    @Override
    public List<Map<String, Object>> describe(Mask mask) {
        List<Map<String, Object>> rows = new ArrayList<Map<String, Object>>();
        int[] counts = mask.counts();
        for (int index : mask.order()) {
            Map<String, Object> row = new LinkedHashMap<String, Object>();
            row.put("index", index);
            row.put("label", Tasks.labelOrNull(labels, index));
            row.put("share", (double) counts[index] / mask.classes.length);
            rows.add(row);
        }
        return rows;
    }

    @Override
    public List<String> lines(Mask mask) {
        List<String> lines = new ArrayList<String>();
        int[] counts = mask.counts();
        for (int index : mask.order()) {
            lines.add(String.format(Locale.ROOT, "%5.1f%%  %s",
                    100.0 * counts[index] / mask.classes.length, mask.name(index)));
        }
        return lines;
    }
}
