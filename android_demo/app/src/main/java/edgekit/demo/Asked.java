package edgekit.demo;

import android.content.Context;
import android.content.Intent;
import edgekit.core.InputError;
import edgekit.core.Opener;
import edgekit.core.bench.Options;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * What is to be benchmarked, and how.
 *
 * <p>By an intent: {@code am start -n edgekit.demo/.BenchmarkActivity --ez run true [--esa models
 * NAME,NAME] [--esa schemes SCHEME,SCHEME] [--ei threads N] [--ei runs N] [--ei warmup_runs N]
 * [--ef min_seconds S] [--ef max_seconds S] [--es delegate XNNPACK]}; edgekit/device/app.py writes
 * it.
 */
final class Asked {
    final Options options = new Options();
    String delegate = TfliteSession.DELEGATES[0];
    List<String> schemes = new ArrayList<String>(); // all where empty
    private List<String> models = new ArrayList<String>(); // all where empty

    static boolean headless(Intent intent) {
        return intent.getBooleanExtra("run", false);
    }

    static Asked by(Intent intent) {
        Asked asked = new Asked();
        Options options = asked.options;
        options.threads = intent.getIntExtra("threads", options.threads);
        options.runs = intent.getIntExtra("runs", options.runs);
        options.warmupRuns = intent.getIntExtra("warmup_runs", options.warmupRuns);
        options.minSeconds = intent.getFloatExtra("min_seconds", (float) options.minSeconds);
        options.maxSeconds = intent.getFloatExtra("max_seconds", (float) options.maxSeconds);
        asked.schemes = strings(intent, "schemes");
        asked.models = strings(intent, "models");
        String delegate = intent.getStringExtra("delegate");
        asked.delegate = delegate == null ? asked.delegate : delegate;
        return asked;
    }

    private static List<String> strings(Intent intent, String name) {
        String[] found = intent.getStringArrayExtra(name);
        return found == null ? new ArrayList<String>() : Arrays.asList(found);
    }

    Opener opener() {
        if (!Arrays.asList(TfliteSession.DELEGATES).contains(delegate)) {
            throw new InputError("bench: delegate").got(delegate)
                    .expected("one of " + Arrays.toString(TfliteSession.DELEGATES));
        }
        return TfliteSession.opener(options.threads, delegate);
    }

    List<String> models(Context context) {
        List<String> there = Models.names(context);
        for (String name : models) {
            if (!there.contains(name)) {
                throw new InputError("bench: no model " + name + " in the app").got(there)
                        .todo("edgekit deploy ARTIFACT --android android_demo, and install it anew");
            }
        }
        return models.isEmpty() ? there : models;
    }
}
