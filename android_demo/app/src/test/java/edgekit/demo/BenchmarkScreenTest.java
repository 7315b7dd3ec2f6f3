package edgekit.demo;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertTrue;

import android.content.Intent;
import android.view.View;
import android.widget.EditText;
import android.widget.TextView;
import edgekit.core.Fields;
import edgekit.core.JsonReader;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import org.junit.Rule;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;

/** Benchmark: asked for by adb, and by hand. */
@RunWith(RobolectricTestRunner.class)
public final class BenchmarkScreenTest {
    @Rule public final Rest rest = new Rest();

    private static Intent headless(String... models) {
        return new Intent(RuntimeEnvironment.getApplication(), BenchmarkActivity.class)
                .putExtra("run", true).putExtra("models", models).putExtra("runs", 5)
                .putExtra("warmup_runs", 1).putExtra("min_seconds", 0f);
    }

    private static String written(String name) throws IOException {
        File file = new File(RuntimeEnvironment.getApplication().getExternalFilesDir(null), name);
        return new String(Files.readAllBytes(file.toPath()), StandardCharsets.UTF_8);
    }

    private static String shown(Screen<BenchmarkActivity> screen) {
        return screen.<TextView>view(R.id.results).getText().toString();
    }

    private static void awaitEnd(final Screen<BenchmarkActivity> screen) {
        screen.await("the end", new Screen.Condition() {
            @Override
            public boolean holds() {
                return screen.<View>view(R.id.start).isEnabled();
            }
        });
    }

    @Test
    public void askedByAdbItWritesItsResult() throws IOException {
        Screen<BenchmarkActivity> screen =
                Screen.open(BenchmarkActivity.class, headless("gp", "pearl-sparse"));
        assertFalse("it runs", screen.<View>view(R.id.start).isEnabled());
        awaitEnd(screen);
        assertTrue(screen.message(), screen.message().endsWith(BenchmarkActivity.RESULT));
        Fields result = new Fields("bench", JsonReader.read(written(BenchmarkActivity.RESULT)));
        // Two files of gp, and three entry points of the robot's.
        assertEquals(5, result.list("rows").size());
        for (String line : new String[] {"gp.f32.tflite", "gp.w8a8.tflite", "encode", "fuse", "act"}) {
            assertTrue(shown(screen), shown(screen).contains(line));
        }
        assertTrue("it can be shared", screen.<View>view(R.id.share).isEnabled());
        screen.click(R.id.share);
        Intent sent = screen.shadow().getNextStartedActivity().getParcelableExtra(Intent.EXTRA_INTENT);
        assertEquals(written(BenchmarkActivity.RESULT), sent.getStringExtra(Intent.EXTRA_TEXT));
    }

    @Test
    public void whyThereIsNoneIsWrittenToo() throws IOException {
        Screen<BenchmarkActivity> screen =
                Screen.open(BenchmarkActivity.class, headless("gp", "other"));
        awaitEnd(screen);
        assertTrue(screen.message(), screen.message().startsWith("bench: no model other in the app"));
        assertEquals(screen.message(), written(BenchmarkActivity.FAILURE));
        assertFalse(screen.<View>view(R.id.share).isEnabled());
    }

    @Test
    public void askedByHandItShowsRows() throws IOException {
        new Laid().text("register.json", "{\"schema\": 1, \"models\": [\"deeplab_v3\"]}").over();
        final Screen<BenchmarkActivity> screen = Screen.open(BenchmarkActivity.class);
        screen.<EditText>view(R.id.threads).setText("");
        screen.click(R.id.start);
        awaitEnd(screen);
        assertTrue(screen.message(), screen.message().contains("threads"));
        screen.<EditText>view(R.id.threads).setText("1");
        screen.<EditText>view(R.id.runs).setText("20");
        screen.click(R.id.start);
        screen.await("a row, and the next file", new Screen.Condition() {
            @Override
            public boolean holds() {
                return shown(screen).contains("deeplab_v3.f32.tflite\n  first ")
                        && screen.message().matches("deeplab_v3.w8a8.tflite: \\d+ runs");
            }
        });
        screen.save("benchmark");
        awaitEnd(screen);
        assertTrue(shown(screen), shown(screen).contains("deeplab_v3.w8a8.tflite\n  first "));
    }
}
