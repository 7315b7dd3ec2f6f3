package edgekit.demo;

import android.app.Activity;
import android.content.Intent;
import android.os.Bundle;
import android.util.Log;
import android.view.View;
import android.view.WindowManager;
import android.widget.Button;
import android.widget.EditText;
import android.widget.Spinner;
import android.widget.TextView;
import edgekit.core.InputError;
import edgekit.core.JsonWriter;
import edgekit.core.bench.Bench;
import edgekit.core.bench.BenchResult;
import edgekit.core.bench.Machine;
import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Date;

/**
 * Benchmark: every file of every model, or of one. The result is shared as JSON, and written to
 * the app's own folder in storage, where adb finds it.
 *
 * <p>Headless: see {@link Asked}. The result stands in {@link #RESULT}, or why there is none in
 * {@link #FAILURE}, which are written whole.
 */
public final class BenchmarkActivity extends Activity implements Bench.Listener {
    static final String RESULT = "bench.json";
    static final String FAILURE = "bench.failure";
    private static final String TAG = "edgekit";
    private static final String VERSION = "0.1.0";

    private volatile boolean stopped;
    private volatile String json;

    @Override
    protected void onCreate(Bundle state) {
        super.onCreate(state);
        setContentView(R.layout.benchmark);
        setTitle(R.string.benchmark);
        getWindow().addFlags(WindowManager.LayoutParams.FLAG_KEEP_SCREEN_ON);
        Choices.offer(this, R.id.delegate, Arrays.asList(TfliteSession.DELEGATES));
        findViewById(R.id.start).setOnClickListener(new View.OnClickListener() {
            @Override
            public void onClick(View view) {
                Asked asked = new Asked();
                asked.options.threads = number(R.id.threads);
                asked.options.runs = number(R.id.runs);
                asked.delegate = (String) ((Spinner) findViewById(R.id.delegate)).getSelectedItem();
                start(asked);
            }
        });
        findViewById(R.id.share).setOnClickListener(new View.OnClickListener() {
            @Override
            public void onClick(View view) {
                Intent send = new Intent(Intent.ACTION_SEND).setType("application/json")
                        .putExtra(Intent.EXTRA_SUBJECT, RESULT).putExtra(Intent.EXTRA_TEXT, json);
                startActivity(Intent.createChooser(send, null));
            }
        });
        if (state == null && Asked.headless(getIntent())) {
            start(Asked.by(getIntent()));
        }
    }

    /** Asked for again while it is open: it begins anew where nothing runs. */
    @Override
    protected void onNewIntent(Intent intent) {
        super.onNewIntent(intent);
        if (Asked.headless(intent) && findViewById(R.id.start).isEnabled()) {
            start(Asked.by(intent));
        }
    }

    @Override
    protected void onDestroy() {
        super.onDestroy();
        stopped = true;
    }

    private int number(int id) {
        String text = ((EditText) findViewById(id)).getText().toString();
        return text.matches("\\d{1,7}") ? Integer.parseInt(text) : 0; // which is refused in words
    }

    private void start(final Asked asked) {
        findViewById(R.id.start).setEnabled(false);
        ((TextView) findViewById(R.id.results)).setText("");
        new Thread("benchmark") {
            @Override
            public void run() {
                try {
                    bench(asked);
                } catch (InputError error) {
                    fail(error.getMessage());
                } catch (IOException error) {
                    fail("the result cannot be written: " + error.getMessage());
                } catch (OutOfMemoryError error) {
                    fail("too little memory");
                }
                runOnUiThread(new Runnable() {
                    @Override
                    public void run() {
                        findViewById(R.id.start).setEnabled(true);
                        ((Button) findViewById(R.id.share)).setEnabled(json != null);
                    }
                });
            }
        }.start();
    }

    private void bench(Asked asked) throws IOException {
        Machine machine = new PhoneMachine(this);
        BenchResult result = new BenchResult("app:" + PhoneMachine.name(), asked.options, machine);
        Bench bench = new Bench(result, asked.options, machine, asked.opener(), this);
        for (String name : asked.models(this)) {
            bench.run(Models.open(this, name), "tflite", asked.schemes);
        }
        json = JsonWriter.write(result.json(new Date(), VERSION));
        File place = write(RESULT, json);
        say(place.getPath());
        Log.i(TAG, "bench done: " + place);
    }

    private void fail(String line) {
        say(line);
        Log.e(TAG, "bench failed: " + line);
        try {
            write(FAILURE, line);
        } catch (IOException error) {
            Log.e(TAG, "nor can that be written: " + error.getMessage());
        }
    }

    /** Writes a file whole: whoever waits for it never sees half of one. */
    private File write(String name, String text) throws IOException {
        File place = new File(getExternalFilesDir(null), name);
        File part = new File(place.getPath() + ".part");
        try (FileOutputStream stream = new FileOutputStream(part)) {
            stream.write(text.getBytes(StandardCharsets.UTF_8));
        }
        if (!part.renameTo(place)) {
            throw new IOException(place + " cannot be replaced");
        }
        return place;
    }

    @Override
    public boolean goesOn(String what) {
        say(what);
        return !stopped;
    }

    @Override
    public void done(final String lines) {
        Log.i(TAG, lines);
        runOnUiThread(new Runnable() {
            @Override
            public void run() {
                ((TextView) findViewById(R.id.results)).append(lines + "\n");
            }
        });
    }

    private void say(final String text) {
        runOnUiThread(new Runnable() {
            @Override
            public void run() {
                ((TextView) findViewById(R.id.message)).setText(text);
            }
        });
    }
}
