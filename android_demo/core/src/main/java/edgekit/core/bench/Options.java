package edgekit.core.bench;

import edgekit.core.InputError;
import java.util.LinkedHashMap;
import java.util.Map;

/** How to benchmark, with the defaults of `edgekit bench`; one process, so one round. */
public final class Options {
    public int threads = 1;
    public int runs = 100; // timed, at least
    public double minSeconds = 1; // timed, at least
    public double maxSeconds = 60; // timed, whichever of the two is still short
    public int warmupRuns = 3; // beside the first run, at least; goes on until stable
    public double warmupMaxSeconds = 10; // whether it has become stable or not

    public Options check() {
        if (threads < 1 || threads > 64) {
            throw new InputError("bench: threads").got(threads).expected("1 to 64");
        }
        if (runs < 1 || runs > 1000000) {
            throw new InputError("bench: runs").got(runs).expected("1 to 1000000");
        }
        if (!(minSeconds >= 0) || !(maxSeconds >= minSeconds) || Double.isInfinite(maxSeconds)) {
            throw new InputError("bench: seconds").got(minSeconds + " to " + maxSeconds)
                    .expected("0 or more, and at most no less than at least");
        }
        if (warmupRuns < 0) {
            throw new InputError("bench: warmup").got(warmupRuns).expected("0 or more");
        }
        return this;
    }

    Map<String, Object> json() {
        Map<String, Object> found = new LinkedHashMap<String, Object>();
        found.put("runtime", null);
        found.put("threads", threads);
        found.put("rounds", 1);
        found.put("runs", runs);
        found.put("min_seconds", minSeconds);
        found.put("max_seconds", maxSeconds);
        found.put("warmup_runs", warmupRuns);
        found.put("seed", 0);
        found.put("inputs", null);
        found.put("signature", null);
        found.put("cpus", null);
        found.put("max_spread", BenchResult.MOST_SPREAD);
        found.put("retries", 0);
        found.put("cool_down_s", 0.0);
        found.put("profile", true);
        return found;
    }
}
