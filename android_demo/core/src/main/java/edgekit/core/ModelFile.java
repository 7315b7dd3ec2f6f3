package edgekit.core;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/** One model file of an artifact. */
public final class ModelFile {
    static final String[] SCHEMES = {"f32", "f16", "w8", "w8a8", "w8a16", "mixed", "qat-w8a8"};

    public final String path; // beside the manifest
    public final String format; // "tflite" or "onnx"
    public final String scheme;
    public final String sha256;
    public final long sizeBytes;
    public final Map<String, Signature> entries; // the default one alone, else all
    public final Long madds; // null where it is not told
    public final Long params;

    ModelFile(Fields from) {
        from.only("path", "format", "scheme", "sha256", "size_bytes", "signatures", "madds",
                "params", "arena_bytes", "parity");
        path = beside(from, "path");
        format = from.string("format");
        scheme = from.string("scheme");
        from.string("format", null, "tflite", "onnx");
        from.string("scheme", null, SCHEMES);
        sha256 = hash(from, "sha256");
        sizeBytes = from.integer("size_bytes", 1, Integer.MAX_VALUE);
        entries = entries(from.object("signatures"));
        madds = count(from, "madds");
        params = count(from, "params");
        count(from, "arena_bytes");
        if (from.has("parity")) {
            from.object("parity").need("passed").need("outputs");
        }
    }

    private static Long count(Fields from, String name) {
        return from.has(name) ? from.integer(name, 0, Long.MAX_VALUE) : null;
    }

    /** Returns a file's name, which must not leave the folder. */
    static String beside(Fields from, String name) {
        String path = from.string(name);
        if (path.isEmpty() || path.equals(".") || path.equals("..") || path.contains("/")
                || path.contains("\\") || path.indexOf('\0') >= 0) {
            throw new InputError(from.path(name) + ": file outside the artifact").got(path);
        }
        return path;
    }

    static String hash(Fields from, String name) {
        String found = from.string(name);
        if (!found.matches("[0-9a-f]{64}")) {
            throw new InputError(from.path(name)).got(found).expected("64 hexadecimal digits");
        }
        return found;
    }

    /** Returns the default entry point, or the only one. */
    public Signature main() {
        if (entries.size() != 1) {
            throw new InputError(path + ": signatures").got(entries.keySet())
                    .expected(Signature.DEFAULT);
        }
        return entries.values().iterator().next();
    }

    private static Map<String, Signature> entries(Fields all) {
        Map<String, Signature> found = new LinkedHashMap<String, Signature>();
        for (Object name : all.names()) {
            found.put(name.toString(), new Signature(name.toString(), all.object(name.toString())));
        }
        if (found.isEmpty()) {
            throw new InputError(all.path(Signature.DEFAULT) + ": missing");
        }
        if (found.containsKey(Signature.DEFAULT)) {
            found.keySet().retainAll(Collections.singleton(Signature.DEFAULT));
        }
        return Collections.unmodifiableMap(found);
    }
}
