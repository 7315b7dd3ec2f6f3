package edgekit.core.bench;

import java.util.Arrays;

/**
 * Percentiles of run times and the interval of their median, as edgekit/profile/timing/statistics.py has
 * them for one process: what counts as independent are five consecutive parts, and the interval is
 * Student's over the logarithms of their medians.
 */
public final class Statistics {
    private static final int PARTS = 5;
    private static final double[] STUDENT = {12.706204736, 4.302652730, 3.182446305, 2.776445105};
    private static final int P99_RUNS = 100; // below, the 99th percentile only names the maximum

    public final int n;
    public final double mean;
    public final double p50;
    public final double p90;
    public final Double p99; // null where there are too few runs
    public final double[] interval; // of p50, 95%; null where there are too few

    public Statistics(double[] samples) {
        double[] sorted = samples.clone();
        Arrays.sort(sorted);
        n = samples.length;
        double sum = 0;
        for (double value : samples) {
            sum += value;
        }
        mean = sum / n;
        p50 = percentile(sorted, 50);
        p90 = percentile(sorted, 90);
        p99 = n >= P99_RUNS ? percentile(sorted, 99) : null;
        interval = interval(samples);
    }

    /** Half the interval's width as a share of p50; null where there is none. */
    public Double spread() {
        return interval == null ? null : (interval[1] - interval[0]) / 2 / p50;
    }

    /** Returns a percentile of sorted values, linear between neighbours. */
    static double percentile(double[] sorted, double percent) {
        double place = percent / 100 * (sorted.length - 1);
        int below = (int) place;
        int above = Math.min(below + 1, sorted.length - 1);
        return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
    }

    private static double[] interval(double[] samples) {
        int parts = Math.min(PARTS, samples.length);
        if (parts < 2) {
            return null;
        }
        double[] logs = new double[parts];
        double mean = 0;
        for (int part = 0, start = 0; part < parts; part++) {
            int size = samples.length / PARTS + (part < samples.length % PARTS ? 1 : 0);
            double[] own = Arrays.copyOfRange(samples, start, start + size);
            Arrays.sort(own);
            logs[part] = Math.log(percentile(own, 50));
            mean += logs[part] / parts;
            start += size;
        }
        double squares = 0;
        for (double log : logs) {
            squares += (log - mean) * (log - mean);
        }
        double reach = Math.sqrt(squares / (parts - 1) / parts) * STUDENT[parts - 2];
        return new double[] {Math.exp(mean - reach), Math.exp(mean + reach)};
    }
}
