package edgekit.core;

/** One model file of an artifact. */
public final class ModelFile {
    static final String[] SCHEMES = {"f32", "f16", "w8", "w8a8", "w8a16", "mixed", "qat-w8a8"};

    public final String path; // beside the manifest
    public final String format; // "tflite" or "onnx"
    public final String scheme;
    public final String sha256;
    public final long sizeBytes;
    public final Signature signature; // the default one, or the only one
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
        signature = main(from.object("signatures"));
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

    private static Signature main(Fields all) {
        Signature found = null;
        int count = 0;
        for (Object name : all.names()) {
            Signature one = new Signature(name.toString(), all.object(name.toString()));
            found = found == null || name.equals(Signature.DEFAULT) ? one : found;
            count++;
        }
        if (found == null || count > 1 && !found.name.equals(Signature.DEFAULT)) {
            throw new InputError(all.path(Signature.DEFAULT) + ": missing");
        }
        return found;
    }
}
