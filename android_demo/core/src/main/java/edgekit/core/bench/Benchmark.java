package edgekit.core.bench;

import edgekit.core.Model;
import edgekit.core.Session;
import edgekit.core.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;

/**
 * Times one open model: the first run, runs until they are no longer faster, then the timed ones, in
 * the way of edgekit/profile/timing/worker.py. Only the session's run is timed.
 */
public final class Benchmark {
    private static final double WINDOW_NS = 0.05e9; // of warm-up runs compared with those before
    private static final double STABLE = 0.98; // warm: a window not faster than this times the best
    private static final double LOOK_NS = 1e9; // of timed runs between two looks at the machine
    private static final int PROFILED = 30; // answers

    /** Told what is done next, and asked whether to go on. */
    public interface Watcher {
        boolean goesOn(String what);
    }

    public double firstMs;
    public int warmupRuns;
    public boolean warm;
    public boolean truncated;
    public double[] samplesMs = new double[0];
    public Map<String, Object> before;
    public Map<String, Object> after;
    public final List<Map<String, Object>> during = new ArrayList<Map<String, Object>>();
    public double preMs; // median of answers to a thing; of none -1
    public double invokeMs = -1;
    public double postMs;

    /** Times a session; stops early, as truncated, where the watcher wants it. */
    public void run(Session session, Options options, Machine machine, Watcher watcher) {
        options.check();
        fill(session);
        firstMs = timed(session) / 1e6;
        warmUp(session, options, watcher);
        before = machine.state();
        long[] samples = new long[options.runs];
        double elapsed = 0;
        double looked = 0;
        int count = 0;
        while (count < options.runs || elapsed < options.minSeconds * 1e9) {
            if (elapsed >= options.maxSeconds * 1e9) {
                break;
            }
            if (count % 16 == 0 && !watcher.goesOn(count + " runs")) {
                break;
            }
            samples = count < samples.length ? samples : Arrays.copyOf(samples, 2 * count);
            samples[count] = timed(session);
            elapsed += samples[count++];
            if (elapsed - looked > LOOK_NS) {
                looked = elapsed;
                during.add(machine.state());
            }
        }
        after = machine.state();
        truncated = count < options.runs;
        samplesMs = new double[count];
        for (int i = 0; i < count; i++) {
            samplesMs[i] = samples[i] / 1e6;
        }
    }

    private void warmUp(Session session, Options options, Watcher watcher) {
        long began = System.nanoTime();
        double best = 0;
        warm = options.warmupRuns == 0;
        while (!warm && watcher.goesOn("warm-up")) {
            int window = best > 0 ? (int) Math.max(1, WINDOW_NS / best) : 1;
            long[] spent = new long[window];
            for (int i = 0; i < window; i++) {
                spent[i] = timed(session);
            }
            Arrays.sort(spent);
            double median = Math.max(1, spent[window / 2]);
            warmupRuns += window;
            // The first window only says how long a window is.
            warm = warmupRuns > window && warmupRuns >= options.warmupRuns && median > STABLE * best;
            if (System.nanoTime() - began > options.warmupMaxSeconds * 1e9) {
                return;
            }
            best = best > 0 ? Math.min(best, median) : median;
        }
    }

    /** Measures what the app adds to an inference: making the tensor, reading the answer. */
    public void split(Model model, Object thing) {
        double[][] parts = new double[3][PROFILED];
        for (int i = 0; i < PROFILED; i++) {
            model.answer(thing);
            parts[0][i] = model.preNs / 1e6;
            parts[1][i] = model.invokeNs / 1e6;
            parts[2][i] = model.postNs / 1e6;
        }
        for (double[] part : parts) {
            Arrays.sort(part);
        }
        preMs = parts[0][PROFILED / 2];
        invokeMs = parts[1][PROFILED / 2];
        postMs = parts[2][PROFILED / 2];
    }

    /** Fills the inputs at random: [-1, 1) for floats, all codes for integers. */
    private static void fill(Session session) {
        Random random = new Random(0);
        for (Tensor input : session.inputs().values()) {
            boolean real = input.spec.dtype.equals("float32");
            for (int i = 0; i < input.bytes.capacity(); i += real ? 4 : 1) {
                if (real) {
                    input.bytes.putFloat(i, 2 * random.nextFloat() - 1);
                } else {
                    input.bytes.put(i, (byte) random.nextInt(256));
                }
            }
        }
    }

    private static long timed(Session session) {
        long began = System.nanoTime();
        session.run();
        return System.nanoTime() - began;
    }
}
