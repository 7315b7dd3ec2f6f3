package edgekit.demo;

import static org.junit.Assert.assertFalse;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.rules.ExternalResource;
import org.robolectric.android.controller.ActivityController;

/** After each test screens are left, and their threads end: ONNX Runtime must not run at the JVM's end. */
final class Rest extends ExternalResource {
    private static final long PATIENCE_MS = TimeUnit.SECONDS.toMillis(60);
    private static final List<ActivityController<?>> OPEN = new ArrayList<ActivityController<?>>();

    static void later(ActivityController<?> controller) {
        OPEN.add(controller);
    }

    @Override
    protected void after() {
        for (ActivityController<?> controller : OPEN) {
            controller.close();
        }
        OPEN.clear();
        OnnxInstead.answer = null;
        for (Thread thread : Thread.getAllStackTraces().keySet()) {
            if (thread.getName().matches("parity|benchmark|inference")) {
                join(thread);
            }
        }
    }

    private static void join(Thread thread) {
        try {
            thread.join(PATIENCE_MS);
        } catch (InterruptedException error) {
            throw new IllegalStateException(error);
        }
        assertFalse(thread.getName() + " has ended", thread.isAlive());
    }
}
