package edgekit.core.play;

import static org.junit.Assert.assertEquals;

import java.util.Random;
import org.junit.Test;

public final class PendulumTest {
    /** From gymnasium's Pendulum-v1 with torque 3 sin(i) from angle 2.5 and speed -0.5. */
    @Test
    public void itSwingsAsGymnasiumsDoes() {
        Pendulum pendulum = new Pendulum(2.5, -0.5);
        double sum = 0;
        for (int i = 0; i < 50; i++) {
            sum += pendulum.step(3 * Math.sin(i));
        }
        assertEquals(3.79263887, pendulum.angle, 1e-8);
        assertEquals(-0.11470779, pendulum.speed, 1e-8);
        assertEquals(-389.03112855529344, sum, 1e-9);
        assertEquals(-0.7954502, pendulum.observation()[0], 1e-6);
        assertEquals(-0.60601896, pendulum.observation()[1], 1e-6);
    }

    @Test
    public void itBeginsWithinBounds() {
        Random random = new Random(0);
        for (int i = 0; i < 1000; i++) {
            Pendulum pendulum = Pendulum.begin(random);
            assertEquals(0, pendulum.angle, Math.PI);
            assertEquals(0, pendulum.speed, 1);
        }
    }
}
