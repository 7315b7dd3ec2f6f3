package edgekit.core.bench;

import edgekit.core.Artifact;
import edgekit.core.Golden;
import edgekit.core.InputError;
import edgekit.core.Model;
import edgekit.core.ModelFile;
import edgekit.core.Opener;
import edgekit.core.Session;
import edgekit.core.Signature;
import java.util.List;
import java.util.Locale;

/** Benchmarks files of artifacts one after the other: each entry point of each file. */
public final class Bench {
    /** Told what is done, and asked whether to go on. */
    public interface Listener extends Benchmark.Watcher {
        /** Told lines about one entry point, or why it has none. */
        void done(String lines);
    }

    private final BenchResult result;
    private final Options options;
    private final Machine machine;
    private final Opener opener;
    private final Listener listener;

    public Bench(BenchResult result, Options options, Machine machine, Opener opener,
            Listener listener) {
        this.result = result;
        this.options = options.check();
        this.machine = machine;
        this.opener = opener;
        this.listener = listener;
    }

    /** Benchmarks an artifact's files of a format, and of schemes where some are named. */
    public void run(Artifact artifact, String format, List<String> schemes) {
        int chosen = 0;
        for (ModelFile file : artifact.manifest.files(format)) {
            if (schemes.isEmpty() || schemes.contains(file.scheme)) {
                chosen++;
                for (Signature entry : file.entries.values()) {
                    run(artifact, file, entry);
                }
            }
        }
        if (chosen == 0) {
            throw new InputError(artifact.folder.where() + ": no file to benchmark")
                    .got(schemes).expected("a scheme of its " + format + " files");
        }
    }

    private void run(Artifact artifact, final ModelFile file, Signature entry) {
        if (!listener.goesOn(file.path)) {
            return;
        }
        Long baseline = machine.memoryBytes();
        long began = System.nanoTime();
        try (Session session = opener.open(artifact, file, entry)) {
            double loadMs = (System.nanoTime() - began) / 1e6;
            Benchmark run = new Benchmark();
            run.run(session, options, machine, new Benchmark.Watcher() {
                @Override
                public boolean goesOn(String what) {
                    return listener.goesOn(file.path + ": " + what);
                }
            });
            if (file.entries.size() == 1 && run.samplesMs.length > 0) {
                split(artifact, file, session, run);
            }
            if (run.samplesMs.length > 0) {
                Statistics latency = result.add(artifact.manifest.name, file, entry, session, run,
                        loadMs, baseline);
                listener.done(lines(file, entry, session, run, latency));
            }
        } catch (InputError error) {
            result.fail(file, error);
            String line = error.getMessage();
            listener.done(line.startsWith(file.path) ? line : file.path + ": " + line);
        }
    }

    /** Times what the app adds to an inference, on the first golden example. */
    private static void split(Artifact artifact, ModelFile file, Session session, Benchmark run) {
        String task = artifact.manifest.task.string("name");
        run.split(new Model(artifact.manifest, file, session), new Golden(artifact.folder).thing(0, task));
    }

    private String lines(ModelFile file, Signature entry, Session session, Benchmark run,
            Statistics latency) {
        String name = file.entries.size() > 1 ? file.path + " " + entry.name : file.path;
        String p99 = latency.p99 == null ? "-" : String.format(Locale.ROOT, "%.2f", latency.p99);
        String parts = run.invokeMs < 0 ? "" : String.format(Locale.ROOT,
                "\n  of an answer: pre %.2f inference %.2f post %.2f ms", run.preMs, run.invokeMs,
                run.postMs);
        Long peak = machine.peakMemoryBytes();
        return String.format(Locale.ROOT,
                "%s\n  first %.2f p50 %.2f p90 %.2f p99 %s ms, %.0f a second%s\n  %s; the app's peak %s MB",
                name, run.firstMs, latency.p50, latency.p90, p99, 1000 / latency.p50, parts,
                Delegation.line(session.facts()), peak == null ? "?" : "" + peak / 1000000);
    }
}
