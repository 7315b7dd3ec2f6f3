package edgekit.core.task;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertThrows;

import edgekit.core.InputError;
import edgekit.core.Results;
import org.junit.Test;

public final class RegressTest {
    private static final String LOG_NORMAL = "{\"name\": \"regress\", \"log_normal_above\": 7}";

    @Test
    public void aBandIsThatOfTheNormalDistribution() {
        Regress.Normal answer = Results.regression("{\"name\": \"regress\"}", 3, 0.5);
        assertEquals(3 - 1.959964 * 0.5, answer.low(), 1e-6);
        assertEquals(3 + 1.959964 * 0.5, answer.high(), 1e-6);
    }

    /** SciPy: lognorm(0.3, 7, 2) has this mean, deviation and quantiles. */
    @Test
    public void aBandIsThatOfTheLogNormalDistribution() {
        Regress.Normal answer = Results.regression(LOG_NORMAL, 9.0920557, 0.6420065);
        assertEquals(8.1108861, answer.low(), 1e-5);
        assertEquals(10.6007292, answer.high(), 1e-5);
    }

    @Test
    public void aMeanBelowTheDistributionIsRefused() {
        assertThrows(InputError.class, () -> Results.regression(LOG_NORMAL, 6.5, 1));
    }
}
