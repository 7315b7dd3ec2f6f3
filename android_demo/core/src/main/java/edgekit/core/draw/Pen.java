package edgekit.core.draw;

/**
 * What a drawing needs of a surface: Android's Canvas, or Java2D where the screens are looked at
 * without a phone. Colours are ARGB; lengths are pixels.
 */
public interface Pen {
    int width();

    int height();

    /** Pixels of one density-independent unit. */
    float unit();

    void fill(int colour, float left, float top, float right, float bottom);

    void outline(int colour, float stroke, float left, float top, float right, float bottom);

    /** Draws a line through points x, y, x, y ... */
    void line(int colour, float stroke, float[] points);

    /** Fills what the points enclose. */
    void area(int colour, float[] points);

    /** Writes at a baseline. */
    void text(String text, int colour, float size, float left, float baseline);

    float textWidth(String text, float size);

    /** Lays a picture of ARGB pixels into a rectangle. */
    void picture(int[] argb, int width, int height, float left, float top, float right, float bottom);
}
