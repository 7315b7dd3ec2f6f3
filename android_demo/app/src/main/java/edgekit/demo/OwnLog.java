package edgekit.demo;

import android.util.Log;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;

/** What this app's own process has logged since a moment; other processes' lines are hidden from it. */
final class OwnLog {
    private static final String TAG = "edgekit";

    private final String mark = "mark " + UUID.randomUUID();

    /** Begins now. */
    OwnLog() {
        Log.i(TAG, mark);
    }

    /** Returns the lines of a tag since then; none where the log cannot be read. */
    List<String> since(String tag) {
        List<String> lines = new ArrayList<String>();
        try {
            Process logcat = new ProcessBuilder("logcat", "-d", "-v", "raw", "-s", TAG + ":V",
                    tag + ":V").redirectErrorStream(true).start();
            boolean begun = false;
            try (BufferedReader reader = new BufferedReader(
                    new InputStreamReader(logcat.getInputStream(), StandardCharsets.UTF_8))) {
                for (String line = reader.readLine(); line != null; line = reader.readLine()) {
                    if (begun) {
                        lines.add(line);
                    }
                    begun |= line.trim().equals(mark);
                }
            } finally {
                logcat.destroy();
            }
        } catch (IOException hidden) {
            lines.clear();
        }
        return lines;
    }
}
