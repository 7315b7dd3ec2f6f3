package edgekit.core.play;

import java.util.Random;

/**
 * Gymnasium's Pendulum-v1: a rod hinged at one end, to be swung up and held by a torque that is too
 * weak to lift it at once (gravity 10, mass 1, length 1, steps of 0.05 s).
 */
public final class Pendulum {
    public static final String NAME = "Pendulum-v1";
    public static final int STEPS = 200; // of an episode
    public static final double MOST_TORQUE = 2;
    private static final double MOST_SPEED = 8;
    private static final double STEP = 0.05;

    public double angle; // from upright
    public double speed;

    public Pendulum(double angle, double speed) {
        this.angle = angle;
        this.speed = speed;
    }

    /** Begins as an episode does: any angle, and up to 1 radian a second. */
    public static Pendulum begin(Random random) {
        return new Pendulum((2 * random.nextDouble() - 1) * Math.PI, 2 * random.nextDouble() - 1);
    }

    public float[] observation() {
        return new float[] {(float) Math.cos(angle), (float) Math.sin(angle), (float) speed};
    }

    /** Applies a torque for one step and returns the reward. */
    public double step(double torque) {
        double u = Math.max(-MOST_TORQUE, Math.min(MOST_TORQUE, torque));
        double turn = angle + Math.PI;
        double wrapped = turn - 2 * Math.PI * Math.floor(turn / (2 * Math.PI)) - Math.PI;
        double cost = wrapped * wrapped + 0.1 * speed * speed + 0.001 * u * u;
        double faster = speed + (15 * Math.sin(angle) + 3 * u) * STEP;
        speed = Math.max(-MOST_SPEED, Math.min(MOST_SPEED, faster));
        angle += speed * STEP;
        return -cost;
    }
}
