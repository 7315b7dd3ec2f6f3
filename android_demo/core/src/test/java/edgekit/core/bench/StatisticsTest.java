package edgekit.core.bench;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNull;

import org.junit.Test;

public final class StatisticsTest {
    @Test
    public void percentilesAreLinearBetweenNeighbours() {
        Statistics found = new Statistics(new double[] {5, 1, 4, 2, 3});
        assertEquals(3, found.p50, 0);
        assertEquals(4.6, found.p90, 1e-12);
        assertNull(found.p99);
    }

    @Test
    public void theIntervalIsStudentsOverLogMedians() {
        // Parts of one run each: logarithms 0, 1, 2, 3, 4; deviation sqrt(2.5), error sqrt(0.5).
        double[] samples = {1, Math.E, Math.exp(2), Math.exp(3), Math.exp(4)};
        Statistics found = new Statistics(samples);
        double reach = 2.7764451 * Math.sqrt(0.5);
        assertEquals(Math.exp(2 - reach), found.interval[0], 1e-6);
        assertEquals(Math.exp(2 + reach), found.interval[1], 1e-4);
        assertNull(new Statistics(new double[] {1}).interval);
        assertEquals(0, new Statistics(new double[] {2, 2, 2}).spread(), 1e-12);
    }

    @Test
    public void coresAreCountedByPart() {
        assertEquals("2x part 0xd05 + 1x part 0xd0b",
                Machine.cpu("CPU part\t: 0xd05\nCPU part\t: 0xd05\nx\nCPU part : 0xd0b\n"));
        assertEquals("AMD EPYC", Machine.cpu("model name : AMD EPYC\nmodel name : AMD EPYC\n"));
    }
}
