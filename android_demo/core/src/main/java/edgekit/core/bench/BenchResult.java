package edgekit.core.bench;

import edgekit.core.InputError;
import edgekit.core.ModelFile;
import edgekit.core.Session;
import edgekit.core.Signature;
import edgekit.core.Tensor;
import java.text.SimpleDateFormat;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Date;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TimeZone;

/** The result of a benchmark in the schema of `edgekit bench`, which `edgekit gate` reads. */
public final class BenchResult {
    static final int SCHEMA = 2;
    static final double MOST_SPREAD = 0.05;
    private static final double CLOCK_DROP = 0.9; // a core that throttles falls below this

    private final String url;
    private final Options options;
    private final Machine machine;
    private final List<Object> rows = new ArrayList<Object>();
    private final List<Object> failures = new ArrayList<Object>();

    /** Begins a result; `url` says where, as "app:Pixel 8". */
    public BenchResult(String url, Options options, Machine machine) {
        this.url = url;
        this.options = options;
        this.machine = machine;
    }

    /** Adds what was measured of a file, and returns its percentiles. */
    public Statistics add(String artifact, ModelFile file, Signature entry, Session session,
            Benchmark run, double loadMs, Long baselineBytes) {
        Statistics latency = new Statistics(run.samplesMs);
        Long peak = machine.peakMemoryBytes();
        Map<String, Object> row = new LinkedHashMap<String, Object>();
        boolean part = file.entries.size() > 1;
        row.put("file", part ? file.path + " " + entry.name : file.path);
        row.put("path", file.path);
        row.put("format", file.format);
        row.put("sha256", file.sha256);
        row.put("size_bytes", file.sizeBytes);
        row.put("scheme", file.scheme);
        row.put("artifact", artifact);
        row.put("signature", part ? entry.name : null);
        row.put("madds", part ? null : file.madds); // the manifest tells the whole file's alone
        row.put("params", part ? null : file.params);
        row.put("device", url);
        row.put("kind", "measured");
        row.put("runtime", session.facts());
        row.put("inputs", inputs(session));
        row.put("latency_ms", latency(latency));
        row.put("load_ms", loadMs);
        row.put("first_run_ms", run.firstMs);
        row.put("peak_memory_bytes", peak);
        row.put("model_memory_bytes", peak == null || baselineBytes == null ? null
                : (Object) (peak - baselineBytes));
        row.put("doubts", doubts(latency, run));
        row.put("discarded_rounds", 0);
        row.put("profile", profile(run));
        row.put("rounds", Collections.singletonList(round(run, loadMs, baselineBytes, peak)));
        rows.add(row);
        return latency;
    }

    /** Adds why a file has no row. */
    public void fail(ModelFile file, InputError error) {
        Map<String, Object> failure = new LinkedHashMap<String, Object>();
        failure.put("device", url);
        failure.put("file", file.path);
        failure.put("line", error.getMessage());
        failures.add(failure);
    }

    /** Returns the whole, as JSON types. */
    public Map<String, Object> json(Date date, String version) {
        SimpleDateFormat iso = new SimpleDateFormat("yyyy-MM-dd'T'HH:mm:ss'+00:00'", Locale.ROOT);
        iso.setTimeZone(TimeZone.getTimeZone("UTC"));
        Map<String, Object> device = new LinkedHashMap<String, Object>();
        device.put("url", url);
        device.put("kind", "measured");
        device.putAll(machine.facts());
        Map<String, Object> found = new LinkedHashMap<String, Object>();
        found.put("schema", SCHEMA);
        found.put("kind", "bench");
        found.put("edgekit", version);
        found.put("date", iso.format(date));
        found.put("devices", Collections.singletonMap(url, device));
        found.put("options", options.json());
        found.put("rows", rows);
        found.put("counts", Collections.emptyList());
        found.put("finished", failures.isEmpty());
        found.put("failures", failures);
        return found;
    }

    private static Object inputs(Session session) {
        List<Object> inputs = new ArrayList<Object>();
        for (Tensor tensor : session.inputs().values()) {
            List<Integer> shape = new ArrayList<Integer>();
            for (int size : tensor.shape) {
                shape.add(size);
            }
            Map<String, Object> input = new LinkedHashMap<String, Object>();
            input.put("name", tensor.spec.name);
            input.put("shape", shape);
            input.put("dtype", tensor.spec.dtype);
            input.put("values", "random");
            inputs.add(input);
        }
        return inputs;
    }

    private static Map<String, Object> latency(Statistics of) {
        Map<String, Object> found = new LinkedHashMap<String, Object>();
        found.put("n", of.n);
        found.put("rounds", 1);
        found.put("mean", of.mean);
        found.put("p50", of.p50);
        found.put("p90", of.p90);
        found.put("p99", of.p99);
        found.put("interval", of.interval == null ? null
                : Arrays.asList(of.interval[0], of.interval[1]));
        found.put("spread", of.spread());
        return found;
    }

    private static List<String> doubts(Statistics latency, Benchmark run) {
        List<String> found = new ArrayList<String>();
        Double spread = latency.spread();
        if (spread == null) {
            found.add("too few runs for an interval");
        } else if (spread > MOST_SPREAD) {
            found.add(String.format(Locale.ROOT, "noisy: the median is known to %.0f%%, asked %.0f%%",
                    100 * spread, 100 * MOST_SPREAD));
        }
        if (!run.warm) {
            found.add("still becoming faster after the warm-up");
        }
        if (run.truncated) {
            found.add("fewer runs than asked");
        }
        if (throttled(run)) {
            found.add("throttled");
        }
        return found;
    }

    private static boolean throttled(Benchmark run) {
        List<Map<String, Object>> states = new ArrayList<Map<String, Object>>();
        states.add(run.before);
        states.addAll(run.during);
        states.add(run.after);
        double first = 0;
        for (Map<String, Object> state : states) {
            Integer status = (Integer) state.get("thermal_status");
            double fastest = 0;
            if (state.get("clocks_khz") != null) {
                for (Object clock : (List<?>) state.get("clocks_khz")) {
                    fastest = Math.max(fastest, ((Number) clock).doubleValue());
                }
            }
            first = first > 0 ? first : fastest;
            if (status != null && status > 0 || fastest > 0 && fastest < CLOCK_DROP * first) {
                return true;
            }
        }
        return false;
    }

    private static Map<String, Object> profile(Benchmark run) {
        if (run.invokeMs < 0) {
            return null;
        }
        Map<String, Object> found = new LinkedHashMap<String, Object>();
        found.put("pre_ms", run.preMs);
        found.put("invoke_ms", run.invokeMs);
        found.put("post_ms", run.postMs);
        found.put("ops", null);
        return found;
    }

    private static Map<String, Object> round(Benchmark run, double loadMs, Long baseline, Long peak) {
        List<Double> samples = new ArrayList<Double>();
        for (double ms : run.samplesMs) {
            samples.add(ms);
        }
        Map<String, Object> found = new LinkedHashMap<String, Object>();
        found.put("samples_ms", samples);
        found.put("load_ms", loadMs);
        found.put("first_run_ms", run.firstMs);
        found.put("warmup_runs", run.warmupRuns);
        found.put("warm", run.warm);
        found.put("truncated", run.truncated);
        found.put("baseline_memory_bytes", baseline);
        found.put("peak_memory_bytes", peak);
        found.put("before", run.before);
        found.put("after", run.after);
        found.put("during", run.during);
        found.put("cut", false);
        found.put("turn", 0);
        return found;
    }
}
