package edgekit.demo;

import android.app.Activity;
import android.content.Intent;
import android.content.SharedPreferences;
import android.os.Bundle;
import android.view.View;
import android.widget.AdapterView;
import android.widget.ArrayAdapter;
import android.widget.ListView;
import android.widget.TextView;
import edgekit.core.Artifact;
import edgekit.core.InputError;
import edgekit.core.ModelFile;
import edgekit.core.Parity;
import edgekit.core.play.Agent;
import java.util.ArrayList;
import java.util.List;
import org.tensorflow.lite.TensorFlowLite;

/** The models, each with its parity badge; a tap opens the screen of its task. */
public final class MainActivity extends Activity {
    private static final int OPEN = 1;
    private static final String BADGES = "badges";

    private final List<String> names = new ArrayList<String>();
    private final List<String> rows = new ArrayList<String>();
    private ArrayAdapter<String> adapter;

    @Override
    protected void onCreate(Bundle state) {
        super.onCreate(state);
        setContentView(R.layout.main);
        adapter = new ArrayAdapter<String>(this, R.layout.row, rows);
        ListView list = (ListView) findViewById(R.id.models);
        list.setAdapter(adapter);
        list.setOnItemClickListener(new AdapterView.OnItemClickListener() {
            @Override
            public void onItemClick(AdapterView<?> parent, View view, int place, long id) {
                String name = names.get(place);
                try {
                    Class<?> screen = screen(Models.open(MainActivity.this, name));
                    startActivity(Models.intent(MainActivity.this, screen, name));
                } catch (InputError error) {
                    say(error.getMessage());
                }
            }
        });
        findViewById(R.id.benchmark).setOnClickListener(new View.OnClickListener() {
            @Override
            public void onClick(View view) {
                startActivity(new Intent(MainActivity.this, BenchmarkActivity.class));
            }
        });
        findViewById(R.id.open).setOnClickListener(new View.OnClickListener() {
            @Override
            public void onClick(View view) {
                Intent pick = new Intent(Intent.ACTION_OPEN_DOCUMENT_TREE);
                if (!OtherApp.ask(MainActivity.this, pick, OPEN)) {
                    say("there is no app to choose a folder with");
                }
            }
        });
        try {
            names.addAll(Models.names(this));
            rows.addAll(names);
            say(names.isEmpty() ? getString(R.string.no_models) : "");
        } catch (InputError error) {
            say(error.getMessage());
        }
        judgeAll();
    }

    /** Opens a folder with a manifest, from storage. */
    @Override
    protected void onActivityResult(int code, int result, Intent data) {
        if (code != OPEN || result != RESULT_OK || data == null || data.getData() == null) {
            return;
        }
        try {
            Intent intent = new Intent().setData(data.getData())
                    .addFlags(Intent.FLAG_GRANT_READ_URI_PERMISSION);
            startActivity(intent.setClass(this, screen(Models.open(this, intent))));
        } catch (InputError error) {
            say(error.getMessage());
        }
    }

    private static Class<?> screen(Artifact artifact) {
        String task = artifact.manifest.task.string("name");
        switch (task) {
            case "classify":
            case "detect":
            case "segment":
                return PictureActivity.class;
            case "regress":
                return RegressActivity.class;
            case "phylogeny":
                return PhylogenyActivity.class;
            case "control":
                return Agent.plays(artifact.manifest.files.get(0)) ? AdaptActivity.class
                        : PolicyActivity.class;
            default:
                throw new InputError("task " + task + ": unknown to this app").todo("update it");
        }
    }

    /** Compares every file with its golden vectors, once: the badge is kept by hash and runtime. */
    private void judgeAll() {
        new Thread("parity") {
            @Override
            public void run() {
                for (int i = 0; i < names.size(); i++) {
                    judge(i);
                }
            }
        }.start();
    }

    private void judge(int place) {
        StringBuilder row = new StringBuilder(names.get(place));
        try {
            Artifact artifact = Models.open(this, names.get(place));
            row.append(", ").append(artifact.manifest.task.string("name"));
            for (ModelFile file : artifact.manifest.files("tflite")) {
                row.append('\n').append(file.scheme).append(": ").append(badge(artifact, file));
                show(place, row.toString());
            }
        } catch (InputError error) {
            row.append('\n').append(error.getMessage());
        }
        show(place, row.toString());
    }

    private String badge(Artifact artifact, ModelFile file) {
        SharedPreferences kept = getSharedPreferences(BADGES, MODE_PRIVATE);
        String key = file.sha256 + " " + TensorFlowLite.runtimeVersion();
        String badge = kept.getString(key, null);
        if (badge == null) {
            badge = judged(artifact, file);
            kept.edit().putString(key, badge).apply();
        }
        return badge;
    }

    private static String judged(Artifact artifact, ModelFile file) {
        try {
            Parity parity = Parity.check(artifact, file,
                    TfliteSession.opener(1, TfliteSession.DELEGATES[0]));
            return (parity.passed ? "\u2713 " : "\u2717 ") + parity.line;
        } catch (InputError error) {
            return "\u2717 " + error.getMessage();
        }
    }

    private void show(final int place, final String row) {
        runOnUiThread(new Runnable() {
            @Override
            public void run() {
                rows.set(place, row);
                adapter.notifyDataSetChanged();
            }
        });
    }

    private void say(String text) {
        TextView message = (TextView) findViewById(R.id.message);
        message.setText(text);
        message.setVisibility(text.isEmpty() ? View.GONE : View.VISIBLE);
    }
}
