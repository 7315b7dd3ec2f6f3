package edgekit.core.draw;

/** Text that must fit. */
final class Lettering {
    private Lettering() {}

    /** Returns as much of a text as fits into a width, with dots for the rest. */
    static String fit(Pen pen, String text, float size, float width) {
        if (pen.textWidth(text, size) <= width) {
            return text;
        }
        int length = text.length();
        while (length > 0 && pen.textWidth(text.substring(0, length) + "...", size) > width) {
            length--;
        }
        return text.substring(0, length) + "...";
    }
}
