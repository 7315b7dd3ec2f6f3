package edgekit.demo;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertTrue;

import android.content.Intent;
import android.widget.ListView;
import java.io.IOException;
import java.util.List;
import org.junit.Rule;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;

/** The list of models. */
@RunWith(RobolectricTestRunner.class)
public final class ModelsScreenTest {
    @Rule public final Rest rest = new Rest();

    private static String row(Screen<MainActivity> screen, int place) {
        return screen.<ListView>view(R.id.models).getAdapter().getItem(place).toString();
    }

    /** Opens the list and waits until every row has the line of each file. */
    private static Screen<MainActivity> judged(final int rows) {
        final Screen<MainActivity> screen = Screen.open(MainActivity.class);
        assertEquals(rows, screen.<ListView>view(R.id.models).getAdapter().getCount());
        screen.await("badges", new Screen.Condition() {
            @Override
            public boolean holds() {
                for (int i = 0; i < rows; i++) {
                    if (!row(screen, i).contains("\n")) {
                        return false;
                    }
                }
                return true;
            }
        });
        return screen;
    }

    @Test
    public void everyModelHasABadge() throws IOException {
        List<String> names = Models.names(RuntimeEnvironment.getApplication());
        assertEquals(Shelf.NAMES.size(), names.size());
        Screen<MainActivity> screen = judged(names.size());
        for (int i = 0; i < names.size(); i++) {
            String row = row(screen, i);
            assertTrue(row, row.startsWith(names.get(i) + ", "));
            assertTrue(row, row.contains("\nf32: \u2713 "));
        }
        assertEquals("", screen.message());
        screen.save("models");
    }

    @Test
    public void aTapOpensTheScreenOfTheTask() {
        Screen<MainActivity> screen = Screen.open(MainActivity.class);
        ListView list = screen.view(R.id.models);
        for (int i = 0; i < Shelf.NAMES.size(); i++) {
            list.performItemClick(null, i, i);
            Intent begun = screen.shadow().getNextStartedActivity();
            assertEquals(Shelf.SCREENS.get(i).getName(), begun.getComponent().getClassName());
            assertEquals(Shelf.NAMES.get(i), Models.open(screen.activity, begun).manifest.name);
        }
    }

    @Test
    public void noModels() throws IOException {
        new Laid().text("register.json", "{\"schema\": 1, \"models\": []}").over();
        Screen<MainActivity> screen = Screen.open(MainActivity.class);
        assertTrue(screen.message(), screen.message().startsWith("No models: put one in with"));
    }

    @Test
    public void aRegisterOfAnotherVersion() throws IOException {
        new Laid().text("register.json", "{\"schema\": 2, \"models\": []}").over();
        Screen<MainActivity> screen = Screen.open(MainActivity.class);
        assertEquals("register.json.schema: got 2, expected an integer from 1 to 1", screen.message());
        assertEquals(0, screen.<ListView>view(R.id.models).getAdapter().getCount());
    }

    @Test
    public void damagedModelsAreSaidInTheirRows() throws IOException {
        new Laid().text("register.json", "{\"schema\": 1, \"models\": [\"gp\", \"bear\", \"none\"]}")
                .changed("gp/manifest.json", "\"schema\": 1", "\"schema\": 7")
                .text("bear/bear.f32.tflite", "no model").over();
        Screen<MainActivity> screen = judged(3);
        assertTrue(row(screen, 0), row(screen, 0).startsWith("gp\nmodels/gp/manifest.json"));
        assertTrue(row(screen, 0), row(screen, 0).contains("got 7"));
        assertTrue(row(screen, 1), row(screen, 1).contains(
                "f32: \u2717 models/bear/bear.f32.tflite: changed since it was written"));
        assertEquals("none\nmodels/none/manifest.json: missing: copy the artifact again",
                row(screen, 2));
        screen.<ListView>view(R.id.models).performItemClick(null, 0, 0);
        assertNull(screen.shadow().getNextStartedActivity());
        assertTrue(screen.message(), screen.message().contains("got 7"));
    }
}
