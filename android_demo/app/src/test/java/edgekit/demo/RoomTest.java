package edgekit.demo;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNotSame;
import static org.junit.Assert.assertTrue;

import android.app.Activity;
import android.text.Layout;
import android.view.View;
import android.view.ViewGroup;
import android.widget.ListView;
import android.widget.TextView;
import java.io.IOException;
import org.junit.Rule;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.annotation.Config;

/** On a small phone, and on one that lies on its side, nothing is cut off. */
@RunWith(RobolectricTestRunner.class)
public final class RoomTest {
    private static final String SMALL = "w320dp-h480dp-mdpi";
    private static final String LYING = "w731dp-h411dp-land-mdpi";

    @Rule public final Rest rest = new Rest();

    private static void fits(View view) {
        if (view instanceof TextView && view.isShown()) {
            TextView text = (TextView) view;
            Layout lines = text.getLayout();
            for (int i = 0; i < lines.getLineCount(); i++) {
                assertEquals("\"" + text.getText() + "\" is cut off", 0, lines.getEllipsisCount(i));
            }
            int room = text.getHeight() - text.getCompoundPaddingTop() - text.getCompoundPaddingBottom();
            assertTrue("\"" + text.getText() + "\" has room", room >= lines.getHeight());
        }
        if (view instanceof ViewGroup && !(view instanceof ListView)) {
            for (int i = 0; i < ((ViewGroup) view).getChildCount(); i++) {
                fits(((ViewGroup) view).getChildAt(i));
            }
        }
    }

    private static void everyScreenFits() throws IOException {
        for (int i = 0; i < Shelf.NAMES.size(); i++) {
            Screen<? extends Activity> screen = Screen.of(
                    Shelf.SCREENS.get(i).asSubclass(Activity.class), Shelf.NAMES.get(i));
            if (screen.activity instanceof PictureActivity) {
                screen.click(R.id.first);
                screen.answer(Gallery.gives("a.png", Gallery.png(Gallery.landscape())));
                screen.awaitMessage("pre ");
            }
            fits(screen.activity.getWindow().getDecorView());
            View drawing = screen.view(R.id.drawing);
            assertTrue(Shelf.NAMES.get(i), drawing.getHeight() >= 100);
        }
        fits(Screen.open(BenchmarkActivity.class).activity.getWindow().getDecorView());
        fits(Screen.open(MainActivity.class).activity.getWindow().getDecorView());
    }

    @Test
    @Config(qualifiers = SMALL)
    public void onASmallPhone() throws IOException {
        everyScreenFits();
    }

    @Test
    @Config(qualifiers = LYING)
    public void onItsSide() throws IOException {
        everyScreenFits();
    }

    @Test
    public void theListIsMadeAnewWhereThePhoneIsTurned() {
        Screen<MainActivity> screen = Screen.open(MainActivity.class);
        Screen<MainActivity> again = screen.recreated();
        assertNotSame(screen.activity, again.activity);
        ListView list = again.view(R.id.models);
        assertEquals(Shelf.NAMES.size(), list.getAdapter().getCount());
        list.performItemClick(null, 0, 0);
        assertEquals(PictureActivity.class.getName(),
                again.shadow().getNextStartedActivity().getComponent().getClassName());
    }
}
