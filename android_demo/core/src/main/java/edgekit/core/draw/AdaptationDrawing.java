package edgekit.core.draw;

import edgekit.core.play.Adaptation;
import edgekit.core.play.PointRobot;
import edgekit.core.play.Trajectory;
import java.util.List;
import java.util.Locale;

/** The half circle where goals lie, the one that was chosen, and the paths toward it, late ones dark. */
public final class AdaptationDrawing implements Drawing {
    private static final float REACH = 1.35f; // of the plane, to either side
    private static final float LOW = -0.35f; // of the plane, at the foot

    private final float[] goal;
    private final List<Trajectory> trajectories;
    private final int count;

    /** Draws an adaptation as it is now. */
    public AdaptationDrawing(Adaptation of) {
        goal = of.goal();
        trajectories = of.played();
        count = of.count();
    }

    /** Returns the goal that is meant by a tap on a surface of that size. */
    public static float[] goalAt(float x, float y, int width, int height) {
        float scale = scale(width, height);
        return PointRobot.goalNear((x - width / 2f) / scale, (foot(height, scale) - y) / scale + LOW);
    }

    @Override
    public void draw(Pen pen) {
        pen.fill(Palette.PAPER, 0, 0, pen.width(), pen.height());
        float unit = pen.unit();
        pen.line(Palette.FAINT, unit, arc(pen, 0, 0, 1, Math.PI));
        pen.area(Palette.withAlpha(Palette.GREEN, 60),
                arc(pen, goal[0], goal[1], PointRobot.RADIUS, 2 * Math.PI));
        for (int i = 0; i < trajectories.size(); i++) {
            boolean last = i == trajectories.size() - 1;
            pen.line(last ? Palette.BLUE : grey(i), (last ? 3 : 1.5f) * unit, path(pen, trajectories.get(i)));
        }
        dot(pen, Palette.GREEN, goal, 5 * unit);
        if (!trajectories.isEmpty()) {
            List<float[]> path = trajectories.get(trajectories.size() - 1).path;
            dot(pen, Palette.RED, path.get(path.size() - 1), 5 * unit);
        }
        tell(pen);
    }

    private void tell(Pen pen) {
        float size = 16 * pen.unit();
        String line = "tap a goal: the robot does not see it";
        int done = trajectories.size();
        if (done > 0) {
            Trajectory last = trajectories.get(done - 1);
            line = String.format(Locale.ROOT, "trajectory %d of %d, step %d, return %.1f", done, count,
                    last.steps(), last.sum);
        }
        pen.text(Lettering.fit(pen, line, size, pen.width() - 2 * size), Palette.INK, size, size,
                1.5f * size);
    }

    /** Later ones are darker. */
    private int grey(int number) {
        int level = 225 - 150 * (number + 1) / Math.max(1, trajectories.size());
        return 0xff000000 | level << 16 | level << 8 | level;
    }

    private static float[] path(Pen pen, Trajectory of) {
        float[] points = new float[2 * of.path.size()];
        for (int i = 0; i < of.path.size(); i++) {
            put(pen, of.path.get(i), points, i);
        }
        return points;
    }

    private static float[] arc(Pen pen, float x, float y, float radius, double angle) {
        int parts = 48;
        float[] points = new float[2 * (parts + 1)];
        for (int i = 0; i <= parts; i++) {
            double at = angle * i / parts;
            put(pen, new float[] {x + radius * (float) Math.cos(at), y + radius * (float) Math.sin(at)},
                    points, i);
        }
        return points;
    }

    private static void dot(Pen pen, int colour, float[] at, float radius) {
        float[] place = new float[2];
        put(pen, at, place, 0);
        pen.fill(colour, place[0] - radius, place[1] - radius, place[0] + radius, place[1] + radius);
    }

    private static void put(Pen pen, float[] at, float[] points, int i) {
        float scale = scale(pen.width(), pen.height());
        points[2 * i] = pen.width() / 2f + at[0] * scale;
        points[2 * i + 1] = foot(pen.height(), scale) - (at[1] - LOW) * scale;
    }

    private static float scale(int width, int height) {
        return Math.min(width / (2 * REACH), height / (REACH - LOW + 0.3f));
    }

    /** Where the plane's lowest line lies, so that the plane is in the middle. */
    private static float foot(int height, float scale) {
        return (height + (REACH - LOW) * scale) / 2;
    }
}
