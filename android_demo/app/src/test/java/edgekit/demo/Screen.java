package edgekit.demo;

import static org.junit.Assert.assertSame;
import static org.junit.Assert.assertTrue;

import android.app.Activity;
import android.content.Intent;
import android.content.res.Configuration;
import android.graphics.Bitmap;
import android.graphics.Canvas;
import android.net.Uri;
import android.view.MotionEvent;
import android.view.View;
import android.widget.Spinner;
import android.widget.TextView;
import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.robolectric.Robolectric;
import org.robolectric.RuntimeEnvironment;
import org.robolectric.android.controller.ActivityController;
import org.robolectric.shadow.api.Shadow;
import org.robolectric.shadows.ShadowActivity;
import org.robolectric.shadows.ShadowApplication;
import org.robolectric.shadows.ShadowLooper;

/** An activity of the app, as a person sees and touches it. */
final class Screen<A extends Activity> {
    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final int TURN_MS = 20; // of the looper's own clock, which leaps
    private static final long MOMENT_NS = TimeUnit.MILLISECONDS.toNanos(1);

    /** What is waited for. */
    interface Condition {
        boolean holds();
    }

    final ActivityController<A> controller;
    final A activity;

    private Screen(ActivityController<A> controller) {
        this.controller = controller;
        activity = controller.get();
    }

    static <A extends Activity> Screen<A> open(Class<A> kind, Intent intent) {
        ActivityController<A> controller = Robolectric.buildActivity(kind, intent);
        Rest.later(controller);
        return new Screen<A>(controller.setup());
    }

    /** Opens a model on a screen that is not seen yet. */
    static <A extends Activity> Screen<A> begin(Class<A> kind, String model) {
        Intent intent = Models.intent(RuntimeEnvironment.getApplication(), kind, model);
        ActivityController<A> controller = Robolectric.buildActivity(kind, intent);
        Rest.later(controller);
        return new Screen<A>(controller.create().start());
    }

    /** Makes the screen anew, as Android does where its surroundings change. */
    Screen<A> recreated() {
        return new Screen<A>(controller.recreate());
    }

    /** Turns the phone on its side; the screen stays, as the manifest says. */
    void turned() {
        Configuration now = new Configuration(activity.getResources().getConfiguration());
        now.orientation = Configuration.ORIENTATION_LANDSCAPE;
        controller.configurationChange(now);
        assertSame("not made anew", activity, controller.get());
    }

    /** From now on an app that is not there cannot be asked for anything. */
    static void onlyKnownApps() {
        ShadowApplication application = Shadow.extract(RuntimeEnvironment.getApplication());
        application.checkActivities(true);
    }

    static <A extends Activity> Screen<A> open(Class<A> kind) {
        return open(kind, new Intent(RuntimeEnvironment.getApplication(), kind));
    }

    /** Opens a model among the assets. */
    static <A extends Activity> Screen<A> of(Class<A> kind, String model) {
        return open(kind, Models.intent(RuntimeEnvironment.getApplication(), kind, model));
    }

    @SuppressWarnings("unchecked") // as the layout says
    <V extends View> V view(int id) {
        return (V) activity.findViewById(id);
    }

    ShadowActivity shadow() {
        return Shadow.extract(activity);
    }

    String message() {
        return this.<TextView>view(R.id.message).getText().toString();
    }

    /** Waits until the message holds a part, and returns it. */
    String awaitMessage(final String part) {
        await("\"" + part + "\"", new Condition() {
            @Override
            public boolean holds() {
                return message().contains(part);
            }
        });
        return message();
    }

    /** Lets the screen live until something holds; its other threads run beside. */
    void await(String what, Condition condition) {
        Instant until = Instant.now().plus(PATIENCE); // System.nanoTime() is the looper's here
        while (!condition.holds()) {
            assertTrue("waited for " + what + ", there is: " + message(), Instant.now().isBefore(until));
            ShadowLooper.idleMainLooper(TURN_MS, TimeUnit.MILLISECONDS);
            LockSupport.parkNanos(MOMENT_NS);
        }
        ShadowLooper.idleMainLooper(); // what was posted meanwhile
    }

    void click(int id) {
        View button = view(id);
        assertTrue("can be seen and pressed", button.isShown() && button.isEnabled());
        button.performClick();
        ShadowLooper.idleMainLooper();
    }

    void choose(int spinner, Object value) {
        Spinner choices = view(spinner);
        int place = 0;
        while (!choices.getAdapter().getItem(place).equals(value)) {
            place++;
        }
        choices.setSelection(place);
        ShadowLooper.idleMainLooper();
    }

    /** Answers what was asked of another app last. */
    void answer(Uri uri) {
        Intent asked = shadow().getNextStartedActivityForResult().intent;
        shadow().receiveResult(asked, Activity.RESULT_OK, new Intent().setData(uri));
    }

    /** Taps a place of the drawing, in shares of its width and height. */
    void tap(double across, double down) {
        View drawing = view(R.id.drawing);
        float x = (float) (across * drawing.getWidth());
        float y = (float) (down * drawing.getHeight());
        MotionEvent event = MotionEvent.obtain(0, 0, MotionEvent.ACTION_DOWN, x, y, 0);
        drawing.dispatchTouchEvent(event);
        event.recycle();
    }

    /** Draws all that is in the window. */
    Bitmap picture() {
        ShadowLooper.idleMainLooper();
        return drawn(activity.getWindow().getDecorView());
    }

    /** Draws the drawing alone. */
    Bitmap drawing() {
        ShadowLooper.idleMainLooper();
        return drawn(this.<View>view(R.id.drawing));
    }

    private static Bitmap drawn(View view) {
        Bitmap bitmap = Bitmap.createBitmap(view.getWidth(), view.getHeight(), Bitmap.Config.ARGB_8888);
        view.draw(new Canvas(bitmap));
        return bitmap;
    }

    /** Writes the picture into the folder of -Dscreens, if that is given, to be looked at. */
    void save(String name) throws IOException {
        String folder = System.getProperty("screens");
        if (folder != null) {
            new File(folder).mkdirs();
            try (FileOutputStream stream = new FileOutputStream(new File(folder, name + ".png"))) {
                assertTrue(picture().compress(Bitmap.CompressFormat.PNG, 100, stream));
            }
        }
    }
}
