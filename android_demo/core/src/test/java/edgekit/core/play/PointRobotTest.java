package edgekit.core.play;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;

import org.junit.Test;

public final class PointRobotTest {
    /** From edgekit.environments.point_robot toward (0.6, 0.8): x, y, reward, sparse reward. */
    @Test
    public void itMovesAsPythons() {
        float[][] steps = {{0.07f, 0.09f, -0.8860023f, 0}, {0.15f, 0.18f, -0.76609397f, 0},
            {0.24000001f, 0.27f, -0.6407027f, 0}, {0.34f, 0.36f, -0.5110773f, 0},
            {0.44f, 0.45000002f, -0.38483763f, 0}, {0.54f, 0.54f, -0.26683328f, 0},
            {0.64000005f, 0.63f, -0.1746425f, 0.8253575f},
            {0.74000007f, 0.72f, -0.1612452f, 0.8387548f}, {0.8400001f, 0.81000006f, -0.24020831f, 0}};
        PointRobot robot = new PointRobot(new float[] {0.6f, 0.8f});
        for (int i = 0; i < steps.length; i++) {
            float reward = robot.step(new float[] {0.07f + 0.01f * i, 0.09f});
            assertArrayEquals(new float[] {steps[i][0], steps[i][1]}, robot.observation(), 1e-7f);
            assertEquals(steps[i][2], reward, 1e-7);
            assertEquals(steps[i][3], robot.sparseReward(), 1e-7);
        }
        robot.reset();
        assertArrayEquals(new float[2], robot.observation(), 0);
    }

    @Test
    public void goalsLieOnTheUpperHalfCircle() {
        assertArrayEquals(new float[] {0.6f, 0.8f}, PointRobot.goalNear(3, 4), 1e-7f);
        assertArrayEquals(new float[] {1, 0}, PointRobot.goalNear(0.2, -3), 1e-7f);
        assertArrayEquals(new float[] {-1, 0}, PointRobot.goalNear(-0.2, -0.1), 1e-7f);
    }
}
