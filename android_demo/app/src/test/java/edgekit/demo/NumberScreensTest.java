package edgekit.demo;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;

import android.graphics.Bitmap;
import edgekit.core.draw.Palette;
import java.io.IOException;
import java.time.Duration;
import org.junit.Rule;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.shadow.api.Shadow;
import org.robolectric.shadows.ShadowLooper;

/** Regression, a pendulum, and a robot that adapts. */
@RunWith(RobolectricTestRunner.class)
public final class NumberScreensTest {
    @Rule public final Rest rest = new Rest();

    private static int count(Bitmap bitmap, int colour, int left, int right) {
        int found = 0;
        for (int y = 0; y < bitmap.getHeight(); y++) {
            for (int x = left; x < right; x++) {
                found += bitmap.getPixel(x, y) == colour ? 1 : 0;
            }
        }
        return found;
    }

    @Test
    public void aTapTellsMeanAndBand() throws IOException {
        Screen<RegressActivity> screen = Screen.of(RegressActivity.class, "gp");
        screen.awaitMessage("tap a place");
        Bitmap before = screen.drawing();
        assertEquals(0, count(before, Palette.RED, 0, before.getWidth()));
        assertTrue("the mean", count(before, Palette.BLUE, 0, before.getWidth()) > 200);
        screen.tap(0.3, 0.5);
        screen.awaitMessage("95% band ");
        screen.awaitMessage("\npre ");
        Bitmap after = screen.drawing();
        int place = (int) (0.3 * after.getWidth());
        assertTrue("a mark", count(after, Palette.RED, place - 6, place + 6) > 20);
        screen.tap(0.7, 0.5);
        screen.await("the second tap", new Screen.Condition() {
            @Override
            public boolean holds() {
                return count(screen.drawing(), Palette.RED, 7 * place / 3 - 6, 7 * place / 3 + 6) > 20;
            }
        });
        screen.save("regress");
    }

    @Test
    public void thePendulumSwingsAndStops() throws IOException {
        Screen<PolicyActivity> screen = Screen.of(PolicyActivity.class, "bear");
        screen.awaitMessage("torque ");
        screen.save("policy");
        final ShadowLooper looper = Shadow.extract(android.os.Looper.getMainLooper());
        screen.await("the end of the swing", new Screen.Condition() {
            private int still; // looks that found nothing to come

            @Override
            public boolean holds() {
                still = looper.getNextScheduledTaskTime().equals(Duration.ZERO) ? still + 1 : 0;
                return still > 200;
            }
        });
        Bitmap end = screen.drawing();
        String last = screen.message();
        ShadowLooper.idleMainLooper(1, java.util.concurrent.TimeUnit.SECONDS);
        assertTrue("nothing moves", end.sameAs(screen.drawing()));
        screen.click(R.id.first);
        screen.await("another swing", new Screen.Condition() {
            @Override
            public boolean holds() {
                return !screen.message().equals(last);
            }
        });
    }

    @Test
    public void theRobotLooksForTheTappedGoal() throws IOException {
        Screen<AdaptActivity> screen = Screen.of(AdaptActivity.class, "pearl-sparse");
        screen.awaitMessage("an action takes");
        Bitmap before = screen.drawing();
        int half = before.getWidth() / 2;
        assertEquals("the first goal is at the top", 0,
                count(before, Palette.GREEN, 0, half / 2));
        screen.tap(0.15, 0.5);
        screen.await("the tapped goal", new Screen.Condition() {
            @Override
            public boolean holds() {
                return count(screen.drawing(), Palette.GREEN, 0, half / 2) > 20;
            }
        });
        screen.await("the last trajectory's end", new Screen.Condition() {
            @Override
            public boolean holds() {
                return screen.message().matches("(?s)trajectory 3 of 3: [^\n]*found.*");
            }
        });
        screen.save("adapt");
        screen.click(R.id.first);
        screen.awaitMessage("an action takes");
    }
}
