package edgekit.core.play;

/**
 * PEARL's point robot, as edgekit/environments/point_robot.py: from (0, 0) it moves by up to .1 along
 * each axis, 20 steps long, toward a goal at distance 1, at an angle from 0 to pi, that it does not
 * see. All in 32 bits, as there.
 */
public final class PointRobot {
    public static final String NAME = "point-robot";
    public static final int STEPS = 20;
    public static final int SIZE = 2; // of what is observed, and of an action
    public static final float STRIDE = 0.1f;
    public static final float RADIUS = 0.2f; // of the sparse reward

    private final float[] goal;
    private float[] at = new float[SIZE];

    public PointRobot(float[] goal) {
        this.goal = goal.clone();
    }

    /** Returns the goal nearest to a place: on the upper half of the unit circle. */
    public static float[] goalNear(double x, double y) {
        double angle = y >= 0 ? Math.atan2(y, x) : x >= 0 ? 0 : Math.PI;
        return new float[] {(float) Math.cos(angle), (float) Math.sin(angle)};
    }

    public float[] goal() {
        return goal.clone();
    }

    public float[] observation() {
        return at.clone();
    }

    /** Goes back to (0, 0). */
    public void reset() {
        at = new float[SIZE];
    }

    /** Moves, and returns the dense reward: minus the distance. */
    public float step(float[] action) {
        for (int i = 0; i < SIZE; i++) {
            at[i] += Math.max(-STRIDE, Math.min(STRIDE, action[i]));
        }
        return -distance();
    }

    /** Returns the reward where it is: 1 - distance near the goal, else 0. */
    public float sparseReward() {
        float distance = distance();
        return distance <= RADIUS ? 1 - distance : 0;
    }

    private float distance() {
        float x = at[0] - goal[0];
        float y = at[1] - goal[1];
        return (float) Math.sqrt(x * x + y * y);
    }
}
