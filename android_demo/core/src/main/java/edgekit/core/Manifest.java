package edgekit.core;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/** What manifest.json says of an artifact; the schema is edgekit/schema/manifest-1.json. */
public final class Manifest {
    public static final String NAME = "manifest.json";
    public static final int SCHEMA = 1;

    public final String name;
    public final Fields task; // "name", "labels" and what else the task's reader wants
    public final List<ModelFile> files = new ArrayList<ModelFile>();

    private Manifest(Fields from) {
        from.only("schema", "name", "family", "task", "files", "reference", "provenance");
        name = from.string("name");
        if (name.isEmpty()) {
            throw new InputError("name: empty");
        }
        from.string("family", null);
        task = from.object("task");
        task.string("name");
        task.strings("labels");
        Set<String> paths = new LinkedHashSet<String>();
        for (Object item : from.list("files")) {
            files.add(new ModelFile(new Fields("files[" + files.size() + "]", item)));
            if (!paths.add(files.get(files.size() - 1).path)) {
                throw new InputError("files: a path twice").got(paths);
            }
        }
        if (files.isEmpty()) {
            throw new InputError("files: empty").expected("one at the least");
        }
        if (from.has("reference")) {
            Fields reference = from.object("reference").only("path", "sha256");
            ModelFile.beside(reference, "path");
            ModelFile.hash(reference, "sha256");
        }
        if (from.has("provenance")) {
            from.object("provenance");
        }
    }

    /**
     * Reads a manifest.
     *
     * @param where what to call it in an error
     */
    public static Manifest read(String where, String text) {
        try {
            Object value = JsonReader.read(text);
            Fields from = new Fields("", value);
            Object schema = ((java.util.Map<?, ?>) value).get("schema");
            if (!Long.valueOf(SCHEMA).equals(schema)) {
                throw new InputError("unknown manifest schema").got(schema)
                        .expected(String.valueOf(SCHEMA)).todo("update the app, or convert again");
            }
            return new Manifest(from);
        } catch (InputError error) {
            throw new InputError(where + ": " + error.getMessage());
        }
    }

    /** Returns the files of a format, in the manifest's order. */
    public List<ModelFile> files(String format) {
        List<ModelFile> found = new ArrayList<ModelFile>();
        for (ModelFile file : files) {
            if (file.format.equals(format)) {
                found.add(file);
            }
        }
        return found;
    }
}
