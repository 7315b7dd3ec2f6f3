package edgekit.core;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Strict JSON (RFC 8259): maps, lists, strings, longs, doubles, booleans and null.
 *
 * <p>Not org.json: Android's takes comments, bare words and missing commas, the JVM's takes others,
 * and what the tests refuse must be what the phone refuses. Duplicate keys, numbers that overflow
 * and nesting beyond {@link #DEEPEST} are refused too.
 */
public final class JsonReader {
    static final int DEEPEST = 100;

    private final String text;
    private int at;
    private int depth;

    private JsonReader(String text) {
        this.text = text;
    }

    /** Returns the value that is the whole text. */
    public static Object read(String text) {
        JsonReader reader = new JsonReader(text);
        Object value = reader.value();
        reader.space();
        if (reader.at < text.length()) {
            throw reader.wrong("the end");
        }
        return value;
    }

    private Object value() {
        space();
        switch (peek()) {
            case '{':
                return object();
            case '[':
                return array();
            case '"':
                return string();
            case 't':
                return word("true", Boolean.TRUE);
            case 'f':
                return word("false", Boolean.FALSE);
            case 'n':
                return word("null", null);
            default:
                return number();
        }
    }

    private Map<String, Object> object() {
        Map<String, Object> found = new LinkedHashMap<String, Object>();
        enter();
        for (boolean more = !closes('}'); more; more = goesOn('}')) {
            space();
            int start = at;
            String key = string();
            space();
            take(':');
            if (found.containsKey(key)) {
                at = start;
                throw wrong("each key once");
            }
            found.put(key, value());
        }
        depth--;
        return found;
    }

    private List<Object> array() {
        List<Object> found = new ArrayList<Object>();
        enter();
        for (boolean more = !closes(']'); more; more = goesOn(']')) {
            found.add(value());
        }
        depth--;
        return found;
    }

    private void enter() {
        at++;
        if (++depth > DEEPEST) {
            throw wrong("at most " + DEEPEST + " levels");
        }
    }

    private boolean closes(char end) {
        space();
        if (peek() != end) {
            return false;
        }
        at++;
        return true;
    }

    private boolean goesOn(char end) {
        if (closes(end)) {
            return false;
        }
        take(',');
        return true;
    }

    private String string() {
        take('"');
        StringBuilder found = new StringBuilder();
        while (true) {
            char c = peek();
            if (c < ' ') {
                throw wrong("\"");
            }
            at++;
            if (c == '"') {
                return found.toString();
            }
            found.append(c == '\\' ? escaped() : c);
        }
    }

    private char escaped() {
        int place = "\"\\/bfnrtu".indexOf(peek());
        if (place < 0) {
            throw wrong("an escape");
        }
        at++;
        if (place < 8) {
            return "\"\\/\b\f\n\r\t".charAt(place);
        }
        int code = 0;
        for (int i = 0; i < 4; i++) {
            int digit = Character.digit(peek(), 16);
            if (digit < 0 || peek() > 'f') {
                throw wrong("4 hexadecimal digits");
            }
            code = 16 * code + digit;
            at++;
        }
        return (char) code;
    }

    private Object word(String word, Object value) {
        if (!text.startsWith(word, at)) {
            throw wrong("a value");
        }
        at += word.length();
        return value;
    }

    private Object number() {
        int start = at;
        skip('-');
        if (!skip('0')) {
            digits();
        }
        boolean whole = true;
        if (skip('.')) {
            whole = false;
            digits();
        }
        if (skip('e') || skip('E')) {
            whole = false;
            if (!skip('+')) {
                skip('-');
            }
            digits();
        }
        String literal = text.substring(start, at);
        try {
            if (whole) {
                return Long.valueOf(literal);
            }
        } catch (NumberFormatException tooLong) {
            at = start;
            throw wrong("an integer of 64 bits");
        }
        double value = Double.parseDouble(literal);
        if (Double.isInfinite(value)) {
            at = start;
            throw wrong("a number that a double holds");
        }
        return value;
    }

    private void digits() {
        if (peek() < '0' || peek() > '9') {
            throw wrong("a value");
        }
        while (at < text.length() && text.charAt(at) >= '0' && text.charAt(at) <= '9') {
            at++;
        }
    }

    private boolean skip(char c) {
        if (at < text.length() && text.charAt(at) == c) {
            at++;
            return true;
        }
        return false;
    }

    private void take(char c) {
        if (peek() != c) {
            throw wrong("" + c);
        }
        at++;
    }

    private char peek() {
        if (at >= text.length()) {
            throw wrong("more");
        }
        return text.charAt(at);
    }

    private void space() {
        while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
    }

    private InputError wrong(String expected) {
        String got = at < text.length() ? "'" + text.charAt(at) + "'" : "the end";
        int line = 1;
        for (int i = 0; i < at && i < text.length(); i++) {
            line += text.charAt(i) == '\n' ? 1 : 0;
        }
        return new InputError("line " + line + " is not JSON").got(got).expected(expected);
    }
}
