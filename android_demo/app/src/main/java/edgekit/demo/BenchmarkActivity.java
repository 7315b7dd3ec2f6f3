package edgekit.demo;

import android.app.Activity;
import android.content.Intent;
import android.os.Bundle;
import android.util.Log;
import android.view.View;
import android.view.WindowManager;
import android.widget.ArrayAdapter;
import android.widget.Button;
import android.widget.EditText;
import android.widget.Spinner;
import android.widget.TextView;
import edgekit.core.Artifact;
import edgekit.core.Golden;
import edgekit.core.InputError;
import edgekit.core.JsonWriter;
import edgekit.core.Model;
import edgekit.core.ModelFile;
import edgekit.core.bench.BenchResult;
import edgekit.core.bench.Benchmark;
import edgekit.core.bench.Machine;
import edgekit.core.bench.Options;
import edgekit.core.bench.Statistics;
import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.Date;
import java.util.List;
import java.util.Locale;

/**
 * Benchmark: every file of every model, or of one. The result is shared as JSON, and written to
 * the app's own folder in storage, where adb finds it.
 *
 * <p>Headless: {@code am start -n edgekit.demo/.BenchmarkActivity --ez run true [--es model NAME]
 * [--ei threads N] [--ei runs N] [--es delegate XNNPACK]}; the log's tag edgekit says when it is
 * done, and where the result is.
 */
public final class BenchmarkActivity extends Activity {
    private static final String TAG = "edgekit";
    private static final String VERSION = "0.1.0";
    static final String RESULT = "bench.json";

    private volatile boolean stopped;
    private String json;

    @Override
    protected void onCreate(Bundle state) {
        super.onCreate(state);
        setContentView(R.layout.benchmark);
        setTitle(R.string.benchmark);
        getWindow().addFlags(WindowManager.LayoutParams.FLAG_KEEP_SCREEN_ON);
        ((Spinner) findViewById(R.id.delegate)).setAdapter(new ArrayAdapter<String>(this,
                android.R.layout.simple_spinner_dropdown_item, TfliteSession.DELEGATES));
        findViewById(R.id.start).setOnClickListener(new View.OnClickListener() {
            @Override
            public void onClick(View view) {
                Options options = new Options();
                options.threads = number(R.id.threads);
                options.runs = number(R.id.runs);
                start(null, options,
                        (String) ((Spinner) findViewById(R.id.delegate)).getSelectedItem());
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
        Intent asked = getIntent();
        if (state == null && asked.getBooleanExtra("run", false)) {
            Options options = new Options();
            options.threads = asked.getIntExtra("threads", options.threads);
            options.runs = asked.getIntExtra("runs", options.runs);
            String delegate = asked.getStringExtra("delegate");
            start(asked.getStringExtra("model"), options, delegate == null ? "XNNPACK" : delegate);
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

    private void start(final String only, final Options options, final String delegate) {
        findViewById(R.id.start).setEnabled(false);
        ((TextView) findViewById(R.id.results)).setText("");
        new Thread("benchmark") {
            @Override
            public void run() {
                try {
                    options.check();
                    if (!java.util.Arrays.asList(TfliteSession.DELEGATES).contains(delegate)) {
                        throw new InputError("bench: delegate").got(delegate).expected("one of "
                                + java.util.Arrays.toString(TfliteSession.DELEGATES));
                    }
                    bench(only, options, delegate);
                } catch (InputError error) {
                    say(error.getMessage());
                    Log.e(TAG, "bench failed: " + error.getMessage());
                } catch (IOException error) {
                    say("the result cannot be written: " + error.getMessage());
                    Log.e(TAG, "bench failed: " + error.getMessage());
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

    private void bench(String only, Options options, String delegate) throws IOException {
        Machine machine = new PhoneMachine(this);
        BenchResult result = new BenchResult("app:" + PhoneMachine.name(), options, machine);
        List<String> names = only == null ? Models.names(this) : Collections.singletonList(only);
        for (String name : names) {
            Artifact artifact = Models.open(this, name);
            for (ModelFile file : artifact.manifest.files("tflite")) {
                if (!stopped) {
                    benchFile(artifact, file, options, delegate, result, machine);
                }
            }
        }
        json = JsonWriter.write(result.json(new Date(), VERSION));
        File place = new File(getExternalFilesDir(null), RESULT);
        try (FileOutputStream stream = new FileOutputStream(place)) {
            stream.write(json.getBytes(StandardCharsets.UTF_8));
        }
        say(place.getPath());
        Log.i(TAG, "bench done: " + place);
    }

    private void benchFile(Artifact artifact, final ModelFile file, Options options, String delegate,
            BenchResult result, Machine machine) {
        Long baseline = machine.memoryBytes();
        long began = System.nanoTime();
        try (Model model = new Model(artifact.manifest, file,
                new TfliteSession(artifact, file, options.threads, delegate))) {
            double loadMs = (System.nanoTime() - began) / 1e6;
            Benchmark run = new Benchmark();
            Object thing = new Golden(artifact.folder)
                    .thing(0, artifact.manifest.task.string("name"));
            run.run(model, thing, options, machine, new Benchmark.Watcher() {
                @Override
                public boolean goesOn(String what) {
                    say(file.path + ": " + what);
                    return !stopped;
                }
            });
            if (run.samplesMs.length > 0) {
                Statistics latency = result.add(artifact.manifest.name, file, model.session, run,
                        loadMs, baseline);
                add(file, latency, run, machine.peakMemoryBytes());
            }
        } catch (InputError error) {
            result.fail(file, error);
            addLine(file.path + ": " + error.getMessage());
        }
    }

    private void add(ModelFile file, Statistics latency, Benchmark run, Long peakBytes) {
        String p99 = latency.p99 == null ? "-" : String.format(Locale.ROOT, "%.2f", latency.p99);
        addLine(String.format(Locale.ROOT, "%s\n  first %.2f  p50 %.2f  p90 %.2f  p99 %s ms  %.0f a second\n"
                + "  of an answer: pre %.2f  inference %.2f  post %.2f ms; the app's peak %s MB",
                file.path, run.firstMs, latency.p50, latency.p90, p99, 1000 / latency.p50, run.preMs,
                run.invokeMs, run.postMs, peakBytes == null ? "?" : "" + peakBytes / 1000000));
    }

    private void addLine(final String line) {
        Log.i(TAG, line);
        runOnUiThread(new Runnable() {
            @Override
            public void run() {
                ((TextView) findViewById(R.id.results)).append(line + "\n");
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
