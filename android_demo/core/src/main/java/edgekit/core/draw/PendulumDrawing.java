package edgekit.core.draw;

import java.util.Locale;

/** A pendulum with the torque on it, and the return so far. */
public final class PendulumDrawing implements Drawing {
    private final double angle; // from upright, in radians
    private final double torque; // from -1 to 1 of the most
    private final int step;
    private final double sum; // of rewards

    public PendulumDrawing(double angle, double torque, int step, double sum) {
        this.angle = angle;
        this.torque = torque;
        this.step = step;
        this.sum = sum;
    }

    @Override
    public void draw(Pen pen) {
        pen.fill(Palette.PAPER, 0, 0, pen.width(), pen.height());
        float size = 16 * pen.unit();
        float length = 0.36f * Math.min(pen.width(), pen.height());
        float x = pen.width() / 2f;
        float y = pen.height() / 2f;
        // Positive angles are anticlockwise, as gymnasium draws them.
        float endX = x - length * (float) Math.sin(angle);
        float endY = y - length * (float) Math.cos(angle);
        pen.line(Palette.RED, 12 * pen.unit(), new float[] {x, y, endX, endY});
        float r = 4 * pen.unit();
        pen.fill(Palette.INK, x - r, y - r, x + r, y + r);
        float foot = pen.height() - 3 * size;
        pen.fill(Palette.GREEN, Math.min(x, x + (float) torque * length), foot,
                Math.max(x, x + (float) torque * length), foot + 0.4f * size);
        pen.line(Palette.FAINT, pen.unit(), new float[] {x - length, foot, x + length, foot});
        pen.text(String.format(Locale.ROOT, "step %d, return %.1f", step, sum), Palette.INK, size, size,
                1.5f * size);
        pen.text("torque", Palette.FAINT, size, x - length, foot - 0.5f * size);
    }
}
