package edgekit.demo;

import android.app.Activity;
import android.os.Bundle;
import android.view.View;
import android.widget.AdapterView;
import android.widget.Button;
import android.widget.Spinner;
import android.widget.TextView;
import edgekit.core.Artifact;
import edgekit.core.Fields;
import edgekit.core.InputError;
import edgekit.core.ModelFile;
import edgekit.core.Opener;
import edgekit.core.Resource;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadFactory;

/**
 * A screen of one artifact: which of its files runs, on how many threads, with which kernels. The
 * model lives on one thread of its own; whatever goes wrong there is a sentence on the screen.
 *
 * @param <M> what a file is opened as
 */
abstract class ModelActivity<M extends Resource> extends Activity {
    private static final int MOST_THREADS = 4;

    protected DrawingView drawing;
    private final ExecutorService inference = Executors.newSingleThreadExecutor(new ThreadFactory() {
        @Override
        public Thread newThread(Runnable work) {
            return new Thread(work, "inference");
        }
    });
    private Artifact artifact;
    private M model; // touched by the inference thread alone
    private List<ModelFile> files = new ArrayList<ModelFile>();
    private String wanted = ""; // file, kernels and threads that were last asked for
    private String refusal = ""; // why the last one could not be opened; on the inference thread

    /** What is done with the model, on its thread. */
    protected interface Use<M> {
        void use(M model);
    }

    /** Opens a file of the artifact, on the model's thread. */
    protected abstract M open(Artifact artifact, ModelFile file, Opener opener);

    /** Told on the model's thread that there is a model, or another one. */
    protected abstract void onModel(M model);

    /** What the manifest says of the task. */
    protected final Fields task() {
        return artifact.manifest.task;
    }

    @Override
    protected void onCreate(Bundle state) {
        super.onCreate(state);
        setContentView(R.layout.model);
        drawing = (DrawingView) findViewById(R.id.drawing);
        try {
            artifact = Models.open(this, getIntent());
            files = artifact.manifest.files("tflite");
            if (files.isEmpty()) {
                throw new InputError(artifact.folder.where() + ": no .tflite file")
                        .todo("convert with --to tflite");
            }
        } catch (InputError error) {
            say(error.getMessage());
            return;
        }
        setTitle(artifact.manifest.name);
        List<String> schemes = new ArrayList<String>();
        for (ModelFile file : files) {
            schemes.add(file.scheme);
        }
        choose(R.id.file, schemes);
        choose(R.id.delegate, java.util.Arrays.asList(TfliteSession.DELEGATES));
        List<String> threads = new ArrayList<String>();
        threads.add(getString(R.string.one_thread));
        for (int n = 2; n <= MOST_THREADS; n++) {
            threads.add(getString(R.string.some_threads, n));
        }
        choose(R.id.threads, threads);
        findViewById(R.id.choices).setVisibility(View.VISIBLE);
        // Before anything is asked of it: what was chosen elsewhere may come before this is seen.
        reopen();
    }

    @Override
    protected void onDestroy() {
        super.onDestroy();
        inference.execute(new Runnable() {
            @Override
            public void run() {
                closeModel();
            }
        });
        inference.shutdown();
    }

    /** Does something with the model on its thread; without a model nothing happens. */
    protected final void use(Use<M> what) {
        use(what, null);
    }

    /** Does the same, and `after` in any case, unless the screen is gone. */
    protected final void use(final Use<M> what, final Runnable after) {
        try {
            inference.execute(new Runnable() {
                @Override
                public void run() {
                    try {
                        if (model != null) {
                            what.use(model);
                        }
                    } catch (InputError error) {
                        say(error.getMessage());
                    } catch (OutOfMemoryError error) {
                        say("too little memory for this picture and model");
                    } finally {
                        if (after != null) {
                            after.run();
                        }
                    }
                }
            });
        } catch (RejectedExecutionException screenIsGone) {
            return;
        }
    }

    /** Writes below the drawing; from any thread. */
    protected final void say(final String text) {
        runOnUiThread(new Runnable() {
            @Override
            public void run() {
                ((TextView) findViewById(R.id.message)).setText(text);
            }
        });
    }

    protected final void button(int id, int text, View.OnClickListener listener) {
        Button button = (Button) findViewById(id);
        button.setText(text);
        button.setVisibility(View.VISIBLE);
        button.setOnClickListener(listener);
    }

    /** Fills a spinner; a choice opens the model anew. */
    private void choose(int id, List<String> names) {
        Spinner spinner = Choices.offer(this, id, names);
        spinner.setOnItemSelectedListener(new AdapterView.OnItemSelectedListener() {
            @Override
            public void onItemSelected(AdapterView<?> parent, View view, int place, long id) {
                reopen();
            }

            @Override
            public void onNothingSelected(AdapterView<?> parent) {}
        });
    }

    private void reopen() {
        final ModelFile file = files.get(place(R.id.file));
        final String delegate = TfliteSession.DELEGATES[place(R.id.delegate)];
        final int threads = 1 + place(R.id.threads);
        String asked = file.path + delegate + threads;
        if (asked.equals(wanted)) {
            return; // each spinner tells its first choice
        }
        wanted = asked;
        inference.execute(new Runnable() {
            @Override
            public void run() {
                closeModel();
                try {
                    model = open(artifact, file, TfliteSession.opener(threads, delegate));
                    unsay(refusal);
                    onModel(model);
                } catch (InputError error) {
                    refuse(error.getMessage());
                } catch (OutOfMemoryError error) {
                    refuse("too little memory for this model");
                }
            }
        });
    }

    private void refuse(String why) {
        refusal = why;
        say(why);
    }

    /** Takes a message back, unless another one has come since: a person may have done something. */
    private void unsay(final String text) {
        runOnUiThread(new Runnable() {
            @Override
            public void run() {
                TextView message = (TextView) findViewById(R.id.message);
                if (message.getText().toString().equals(text)) {
                    message.setText("");
                }
            }
        });
    }

    private int place(int id) {
        return Math.max(0, ((Spinner) findViewById(id)).getSelectedItemPosition());
    }

    private void closeModel() {
        if (model != null) {
            model.close();
            model = null;
        }
    }
}
