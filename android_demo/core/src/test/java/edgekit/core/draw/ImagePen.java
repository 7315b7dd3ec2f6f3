package edgekit.core.draw;

import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.Font;
import java.awt.Graphics2D;
import java.awt.RenderingHints;
import java.awt.geom.Path2D;
import java.awt.geom.Rectangle2D;
import java.awt.image.BufferedImage;

/** Draws on an image by Java2D, so that the screens can be looked at without a phone. */
final class ImagePen implements Pen {
    final BufferedImage image;
    private final Graphics2D graphics;
    private final float unit;

    ImagePen(int width, int height, float unit) {
        image = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
        graphics = image.createGraphics();
        graphics.setRenderingHint(RenderingHints.KEY_ANTIALIASING, RenderingHints.VALUE_ANTIALIAS_ON);
        graphics.setRenderingHint(RenderingHints.KEY_INTERPOLATION,
                RenderingHints.VALUE_INTERPOLATION_BILINEAR);
        this.unit = unit;
    }

    @Override
    public int width() {
        return image.getWidth();
    }

    @Override
    public int height() {
        return image.getHeight();
    }

    @Override
    public float unit() {
        return unit;
    }

    @Override
    public void fill(int colour, float left, float top, float right, float bottom) {
        graphics.setColor(new Color(colour, true));
        graphics.fill(new Rectangle2D.Float(left, top, right - left, bottom - top));
    }

    @Override
    public void outline(int colour, float stroke, float left, float top, float right, float bottom) {
        graphics.setColor(new Color(colour, true));
        graphics.setStroke(new BasicStroke(stroke));
        graphics.draw(new Rectangle2D.Float(left, top, right - left, bottom - top));
    }

    @Override
    public void line(int colour, float stroke, float[] points) {
        graphics.setColor(new Color(colour, true));
        graphics.setStroke(new BasicStroke(stroke));
        graphics.draw(path(points));
    }

    @Override
    public void area(int colour, float[] points) {
        Path2D closed = path(points);
        closed.closePath();
        graphics.setColor(new Color(colour, true));
        graphics.fill(closed);
    }

    @Override
    public void text(String text, int colour, float size, float left, float baseline) {
        graphics.setColor(new Color(colour, true));
        graphics.setFont(font(size));
        graphics.drawString(text, left, baseline);
    }

    @Override
    public float textWidth(String text, float size) {
        return (float) font(size).getStringBounds(text, graphics.getFontRenderContext()).getWidth();
    }

    @Override
    public void picture(int[] argb, int width, int height, float left, float top, float right,
            float bottom) {
        BufferedImage own = new BufferedImage(width, height, BufferedImage.TYPE_INT_ARGB);
        own.setRGB(0, 0, width, height, argb, 0, width);
        graphics.drawImage(own, Math.round(left), Math.round(top), Math.round(right - left),
                Math.round(bottom - top), null);
    }

    private static Font font(float size) {
        return new Font(Font.SANS_SERIF, Font.PLAIN, 1).deriveFont(size);
    }

    private static Path2D path(float[] points) {
        Path2D path = new Path2D.Float();
        path.moveTo(points[0], points[1]);
        for (int i = 2; i < points.length; i += 2) {
            path.lineTo(points[i], points[i + 1]);
        }
        return path;
    }
}
