package edgekit.core;

/** One line for the person at the screen: what failed, what was got, what was expected, what to do. */
public final class InputError extends RuntimeException {
    private static final long serialVersionUID = 1;

    private final String what;
    private String got = "";
    private String expected = "";
    private String todo = "";

    public InputError(String what) {
        this.what = what;
    }

    public InputError got(Object value) {
        got = "got " + value;
        return this;
    }

    public InputError expected(String value) {
        expected = "expected " + value;
        return this;
    }

    public InputError todo(String value) {
        todo = value;
        return this;
    }

    @Override
    public String getMessage() {
        StringBuilder details = new StringBuilder();
        for (String part : new String[] {got, expected, todo}) {
            if (!part.isEmpty()) {
                details.append(details.length() > 0 ? ", " : "").append(part);
            }
        }
        return oneLine(details.length() > 0 ? what + ": " + details : what);
    }

    /** Escapes control characters, so that no hostile name makes a second line. */
    static String oneLine(String text) {
        StringBuilder line = new StringBuilder();
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            boolean shown = !Character.isISOControl(c) && c != '\u2028' && c != '\u2029';
            line.append(shown ? String.valueOf(c) : String.format("\\u%04x", (int) c));
        }
        return line.toString();
    }
}
