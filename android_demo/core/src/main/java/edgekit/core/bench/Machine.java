package edgekit.core.bench;

import java.io.BufferedReader;
import java.io.File;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;

/** What a Linux machine, as a phone, tells of itself; null where it does not. */
public class Machine {
    private static final List<String> FEATURES = java.util.Arrays.asList("avx2", "fma", "avx512f",
            "avx512_vnni", "asimd", "asimddp", "asimdhp", "i8mm", "sve", "neon");

    /** What stays. */
    public Map<String, Object> facts() {
        Map<String, Object> facts = new LinkedHashMap<String, Object>();
        String cpuinfo = read("/proc/cpuinfo");
        facts.put("board", board());
        facts.put("cpu", cpu(cpuinfo));
        facts.put("machine", System.getProperty("os.arch").replace("amd64", "x86_64"));
        facts.put("cores", Runtime.getRuntime().availableProcessors());
        facts.put("features", features(cpuinfo));
        facts.put("affinity", null);
        facts.put("governor", line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"));
        facts.put("memory_bytes", kilobytes(read("/proc/meminfo"), "MemTotal"));
        facts.put("system", system());
        facts.put("kernel", System.getProperty("os.version"));
        return facts;
    }

    /** What changes while a model runs. */
    public Map<String, Object> state() {
        Map<String, Object> state = new LinkedHashMap<String, Object>();
        List<Long> clocks = numbers("/sys/devices/system/cpu", "cpu\\d+", "cpufreq/scaling_cur_freq");
        List<Long> degrees = numbers("/sys/class/thermal", "thermal_zone\\d+", "temp");
        Double hottest = null;
        for (long value : degrees) {
            hottest = hottest == null ? value / 1e3 : Math.max(hottest, value / 1e3);
        }
        String load = line("/proc/loadavg");
        state.put("clocks_khz", clocks.isEmpty() ? null : clocks);
        state.put("temperature_c", hottest);
        state.put("throttled", null);
        state.put("thermal_status", thermalStatus());
        state.put("load_average", load == null ? null : Double.valueOf(load.split(" ")[0]));
        return state;
    }

    /** The machine's name. */
    protected String board() {
        return null;
    }

    protected String system() {
        return System.getProperty("os.name");
    }

    /** Android's: 0 none, 1 light, 2 moderate, 3 severe throttling. */
    protected Integer thermalStatus() {
        return null;
    }

    /** Resident memory of this process now. */
    public Long memoryBytes() {
        return kilobytes(read("/proc/self/status"), "VmRSS");
    }

    /** And the most that it ever was. */
    public Long peakMemoryBytes() {
        return kilobytes(read("/proc/self/status"), "VmHWM");
    }

    static String cpu(String cpuinfo) {
        Map<String, Integer> parts = new LinkedHashMap<String, Integer>();
        String model = null;
        for (String line : cpuinfo.split("\n")) {
            String[] halves = line.split(":", 2);
            String key = halves[0].trim().toLowerCase(java.util.Locale.ROOT);
            if (halves.length > 1 && key.equals("cpu part")) {
                Integer count = parts.get(halves[1].trim());
                parts.put(halves[1].trim(), count == null ? 1 : count + 1);
            } else if (halves.length > 1 && key.equals("model name") && model == null) {
                model = halves[1].trim();
            }
        }
        StringBuilder names = new StringBuilder();
        for (Map.Entry<String, Integer> part : parts.entrySet()) {
            names.append(names.length() > 0 ? " + " : "").append(part.getValue()).append("x part ")
                    .append(part.getKey());
        }
        return names.length() > 0 ? names.toString() : model;
    }

    private static List<String> features(String cpuinfo) {
        TreeSet<String> found = new TreeSet<String>();
        for (String line : cpuinfo.split("\n")) {
            if (line.startsWith("flags") || line.startsWith("Features")) {
                found.addAll(java.util.Arrays.asList(line.substring(line.indexOf(':') + 1).split(" ")));
            }
        }
        found.retainAll(FEATURES);
        return new ArrayList<String>(found);
    }

    private static List<Long> numbers(String folder, String pattern, String name) {
        List<Long> found = new ArrayList<Long>();
        String[] names = new File(folder).list();
        if (names != null) {
            java.util.Arrays.sort(names);
            for (String one : names) {
                String text = one.matches(pattern) ? line(folder + "/" + one + "/" + name) : null;
                if (text != null && text.matches("-?\\d+")) {
                    found.add(Long.valueOf(text));
                }
            }
        }
        return found;
    }

    private static Long kilobytes(String text, String field) {
        for (String line : text.split("\n")) {
            if (line.startsWith(field + ":")) {
                return 1024 * Long.parseLong(line.replaceAll("\\D", ""));
            }
        }
        return null;
    }

    private static String line(String path) {
        String text = read(path).trim();
        return text.isEmpty() ? null : text;
    }

    /** Returns a file's text; nothing where it cannot be read, as Android forbids for some. */
    private static String read(String path) {
        StringBuilder text = new StringBuilder();
        try (BufferedReader reader = new BufferedReader(
                new InputStreamReader(new FileInputStream(path), StandardCharsets.UTF_8))) {
            for (String line = reader.readLine(); line != null; line = reader.readLine()) {
                text.append(line).append('\n');
            }
        } catch (IOException hidden) {
            return "";
        }
        return text.toString();
    }
}
