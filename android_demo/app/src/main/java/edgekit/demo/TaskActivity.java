package edgekit.demo;

import edgekit.core.Artifact;
import edgekit.core.Model;
import edgekit.core.ModelFile;
import edgekit.core.Opener;
import java.util.List;
import java.util.Locale;

/** A screen where a thing goes in and an answer comes out. */
abstract class TaskActivity extends ModelActivity<Model> {
    private static final int MOST_LINES = 5; // more would leave the drawing no room

    @Override
    protected final Model open(Artifact artifact, ModelFile file, Opener opener) {
        return new Model(artifact.manifest, file, opener.open(artifact, file, file.main()));
    }

    /** Writes lines, and what the parts of the last answer took. */
    protected final void say(List<String> lines, Model from) {
        StringBuilder text = new StringBuilder();
        int shown = lines.size() > MOST_LINES ? MOST_LINES - 1 : lines.size();
        for (String line : lines.subList(0, shown)) {
            text.append(line).append('\n');
        }
        if (shown < lines.size()) {
            text.append("and ").append(lines.size() - shown).append(" more\n");
        }
        double sum = (from.preNs + from.invokeNs + from.postNs) / 1e6;
        say(text + String.format(Locale.ROOT, "pre %.1f + inference %.1f + post %.1f ms, %.0f a second",
                from.preNs / 1e6, from.invokeNs / 1e6, from.postNs / 1e6, 1000 / Math.max(sum, 1e-3)));
    }
}
