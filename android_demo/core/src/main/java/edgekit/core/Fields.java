package edgekit.core;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/** A JSON object whose fields are asked for by type; what is not so is an error with its path. */
public final class Fields {
    private final String where;
    private final Map<?, ?> map;

    public Fields(String where, Object value) {
        if (!(value instanceof Map)) {
            throw new InputError(where).got(kind(value)).expected("an object");
        }
        this.where = where;
        this.map = (Map<?, ?>) value;
    }

    /** Refuses any other field. */
    public Fields only(String... names) {
        for (Object key : map.keySet()) {
            if (!Arrays.asList(names).contains(key)) {
                throw new InputError(where + ": unknown field " + key);
            }
        }
        return this;
    }

    public boolean has(String name) {
        return map.containsKey(name);
    }

    /** Refuses that this field is missing. */
    public Fields need(String name) {
        there(name);
        return this;
    }

    public Iterable<?> names() {
        return map.keySet();
    }

    public Fields object(String name) {
        return new Fields(path(name), there(name));
    }

    public List<?> list(String name) {
        Object value = there(name);
        if (!(value instanceof List)) {
            throw wrong(name, value, "a list");
        }
        return (List<?>) value;
    }

    public String string(String name) {
        return string(name, there(name));
    }

    public String string(String name, String otherwise, String... allowed) {
        String value = has(name) ? string(name) : otherwise;
        if (allowed.length > 0 && value != null && !Arrays.asList(allowed).contains(value)) {
            throw wrong(name, value, "one of " + Arrays.toString(allowed));
        }
        return value;
    }

    /** Returns a number; a whole one may be written without a point. */
    public double number(String name) {
        Object value = there(name);
        if (!(value instanceof Number)) {
            throw wrong(name, value, "a number");
        }
        return ((Number) value).doubleValue();
    }

    public long integer(String name, long least, long most) {
        Object value = there(name);
        if (!(value instanceof Long) || (Long) value < least || (Long) value > most) {
            throw wrong(name, value, "an integer from " + least + " to " + most);
        }
        return (Long) value;
    }

    public boolean flag(String name) {
        Object value = there(name);
        if (!(value instanceof Boolean)) {
            throw wrong(name, value, "true or false");
        }
        return (Boolean) value;
    }

    /** Returns numbers, null where the field is not there. */
    public double[] numbers(String name) {
        if (!has(name)) {
            return null;
        }
        List<?> list = list(name);
        double[] found = new double[list.size()];
        for (int i = 0; i < found.length; i++) {
            if (!(list.get(i) instanceof Number)) {
                throw wrong(name, list.get(i), "numbers");
            }
            found[i] = ((Number) list.get(i)).doubleValue();
        }
        return found;
    }

    /** Returns integers of at least -1, as a shape has. */
    public int[] sizes(String name) {
        double[] values = numbers(name);
        if (values == null) {
            there(name);
        }
        int[] found = new int[values.length];
        for (int i = 0; i < found.length; i++) {
            found[i] = (int) values[i];
            if (found[i] != values[i] || found[i] < -1) {
                throw wrong(name, values[i], "integers of -1 or more");
            }
        }
        return found;
    }

    /** Returns texts, none where the field is not there. */
    public List<String> strings(String name) {
        List<String> found = new ArrayList<String>();
        if (has(name)) {
            for (Object value : list(name)) {
                found.add(string(name, value));
            }
        }
        return found;
    }

    public String path(String name) {
        return where.isEmpty() ? name : where + "." + name;
    }

    private Object there(String name) {
        if (!has(name)) {
            throw new InputError(path(name) + ": missing");
        }
        return map.get(name);
    }

    private String string(String name, Object value) {
        if (!(value instanceof String)) {
            throw wrong(name, value, "a text");
        }
        return (String) value;
    }

    private InputError wrong(String name, Object value, String expected) {
        boolean plain = value instanceof String || value instanceof Number;
        return new InputError(path(name)).got(plain ? value : kind(value)).expected(expected);
    }

    private static String kind(Object value) {
        return value instanceof Map ? "an object" : value instanceof List ? "a list"
                : value instanceof String ? "a text" : value == null ? "nothing"
                : value instanceof Boolean ? "true or false" : "a number";
    }
}
