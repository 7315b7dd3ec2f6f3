package edgekit.core.draw;

import edgekit.core.task.Regress;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CopyOnWriteArrayList;

/** Mean and 95% band over one input, and what is told of the places that were tapped. */
public final class BandDrawing implements Drawing {
    private final double[] inputs; // evenly, rising
    private final Regress.Normal[] answers;
    private final String across;
    private final String up;
    // Input, mean, low, high; one thread adds while another draws.
    private final List<double[]> taps = new CopyOnWriteArrayList<double[]>();

    public BandDrawing(double[] inputs, Regress.Normal[] answers, String across, String up) {
        this.inputs = inputs;
        this.answers = answers;
        this.across = across;
        this.up = up;
    }

    public void addTap(double input, Regress.Normal answer) {
        taps.add(new double[] {input, answer.mean, answer.low(), answer.high()});
    }

    /** Returns the input at a place from 0, the left edge of the surface, to 1. */
    public double inputAt(double share) {
        double inside = Math.max(0, Math.min(1, (share - 0.08) / 0.88));
        return inputs[0] + inside * (inputs[inputs.length - 1] - inputs[0]);
    }

    @Override
    public void draw(Pen pen) {
        double least = Double.POSITIVE_INFINITY;
        double most = Double.NEGATIVE_INFINITY;
        for (Regress.Normal answer : answers) {
            least = Math.min(least, answer.low());
            most = Math.max(most, answer.high());
        }
        most = most > least ? most : least + 1;
        float size = 14 * pen.unit();
        pen.fill(Palette.PAPER, 0, 0, pen.width(), pen.height());
        int n = inputs.length;
        float[] band = new float[4 * n];
        float[] mean = new float[2 * n];
        for (int i = 0; i < n; i++) {
            float x = x(pen, inputs[i]);
            band[2 * i] = x;
            band[2 * i + 1] = y(pen, answers[i].high(), least, most);
            band[4 * n - 2 - 2 * i] = x;
            band[4 * n - 1 - 2 * i] = y(pen, answers[i].low(), least, most);
            mean[2 * i] = x;
            mean[2 * i + 1] = y(pen, answers[i].mean, least, most);
        }
        pen.area(Palette.withAlpha(0x56b4e9, 90), band);
        pen.line(Palette.BLUE, 2 * pen.unit(), mean);
        for (double[] tap : taps) {
            float x = x(pen, tap[0]);
            pen.line(Palette.RED, pen.unit(),
                    new float[] {x, y(pen, tap[2], least, most), x, y(pen, tap[3], least, most)});
            float y = y(pen, tap[1], least, most);
            float r = 3 * pen.unit();
            pen.fill(Palette.RED, x - r, y - r, x + r, y + r);
        }
        label(pen, least, most, size);
    }

    private void label(Pen pen, double least, double most, float size) {
        float foot = pen.height() - 0.6f * size;
        pen.text(number(inputs[0]), Palette.FAINT, size, x(pen, inputs[0]), foot);
        String end = number(inputs[inputs.length - 1]);
        pen.text(end, Palette.FAINT, size,
                x(pen, inputs[inputs.length - 1]) - pen.textWidth(end, size), foot);
        pen.text(across, Palette.INK, size, (pen.width() - pen.textWidth(across, size)) / 2, foot);
        pen.text(up + ", " + number(least) + " to " + number(most), Palette.INK, size,
                0.08f * pen.width(), 1.3f * size);
        if (!taps.isEmpty()) {
            double[] tap = taps.get(taps.size() - 1);
            String told = across + " " + number(tap[0]) + ": " + number(tap[1]) + ", 95% band "
                    + number(tap[2]) + " to " + number(tap[3]);
            pen.text(Lettering.fit(pen, told, size, 0.9f * pen.width()), Palette.RED, size,
                    0.08f * pen.width(), 2.7f * size);
        }
    }

    private float x(Pen pen, double input) {
        double share = (input - inputs[0]) / (inputs[inputs.length - 1] - inputs[0]);
        return (float) (pen.width() * (0.08 + 0.88 * share));
    }

    private static float y(Pen pen, double value, double least, double most) {
        return (float) (pen.height() * (0.88 - 0.76 * (value - least) / (most - least)));
    }

    private static String number(double value) {
        return String.format(Locale.ROOT, "%.4g", value);
    }
}
