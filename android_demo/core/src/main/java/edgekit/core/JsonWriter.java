package edgekit.core;

import java.util.Map;

/** Writes what {@link JsonReader} reads, and any other kind of number or array of doubles. */
public final class JsonWriter {
    private JsonWriter() {}

    /** Returns a value as JSON in one line. */
    public static String write(Object value) {
        StringBuilder text = new StringBuilder();
        write(value, text);
        return text.toString();
    }

    private static void write(Object value, StringBuilder text) {
        if (value == null || value instanceof Boolean) {
            text.append(value);
        } else if (value instanceof Number) {
            number((Number) value, text);
        } else if (value instanceof Map) {
            String before = "{";
            for (Map.Entry<?, ?> entry : ((Map<?, ?>) value).entrySet()) {
                string(String.valueOf(entry.getKey()), text.append(before));
                write(entry.getValue(), text.append(": "));
                before = ", ";
            }
            text.append(before.equals("{") ? "{}" : "}");
        } else if (value instanceof Iterable) {
            String before = "[";
            for (Object item : (Iterable<?>) value) {
                write(item, text.append(before));
                before = ", ";
            }
            text.append(before.equals("[") ? "[]" : "]");
        } else {
            string(value.toString(), text);
        }
    }

    private static void number(Number value, StringBuilder text) {
        double real = value.doubleValue();
        if (Double.isNaN(real) || Double.isInfinite(real)) {
            throw new IllegalArgumentException("JSON has no " + real);
        }
        text.append(value);
    }

    private static void string(String value, StringBuilder text) {
        text.append('"');
        for (int i = 0; i < value.length(); i++) {
            char c = value.charAt(i);
            if (c == '"' || c == '\\') {
                text.append('\\').append(c);
            } else if (c < ' ' || c == 0x7f) {
                text.append(String.format("\\u%04x", (int) c));
            } else {
                text.append(c);
            }
        }
        text.append('"');
    }
}
