package edgekit.demo;

import android.graphics.Bitmap;
import android.graphics.Canvas;
import android.graphics.Paint;
import android.graphics.Path;
import android.graphics.RectF;
import edgekit.core.draw.Pen;

/** Draws on Android's Canvas; the bitmap of the last picture is kept and used again. */
final class CanvasPen implements Pen {
    private final Paint paint = new Paint(Paint.ANTI_ALIAS_FLAG | Paint.FILTER_BITMAP_FLAG);
    private final Path path = new Path();
    private final RectF place = new RectF();
    private final float unit;
    private Canvas canvas;
    private int width;
    private int height;
    private Bitmap bitmap;

    CanvasPen(float unit) {
        this.unit = unit;
    }

    /** Draws on so much of a surface: one that is not of hardware is the whole window's. */
    CanvasPen on(Canvas surface, int itsWidth, int itsHeight) {
        canvas = surface;
        width = itsWidth;
        height = itsHeight;
        return this;
    }

    @Override
    public int width() {
        return width;
    }

    @Override
    public int height() {
        return height;
    }

    @Override
    public float unit() {
        return unit;
    }

    @Override
    public void fill(int colour, float left, float top, float right, float bottom) {
        canvas.drawRect(left, top, right, bottom, paint(colour, Paint.Style.FILL, 0));
    }

    @Override
    public void outline(int colour, float stroke, float left, float top, float right, float bottom) {
        canvas.drawRect(left, top, right, bottom, paint(colour, Paint.Style.STROKE, stroke));
    }

    @Override
    public void line(int colour, float stroke, float[] points) {
        canvas.drawPath(path(points), paint(colour, Paint.Style.STROKE, stroke));
    }

    @Override
    public void area(int colour, float[] points) {
        Path closed = path(points);
        closed.close();
        canvas.drawPath(closed, paint(colour, Paint.Style.FILL, 0));
    }

    @Override
    public void text(String text, int colour, float size, float left, float baseline) {
        paint(colour, Paint.Style.FILL, 0).setTextSize(size);
        canvas.drawText(text, left, baseline, paint);
    }

    @Override
    public float textWidth(String text, float size) {
        paint.setTextSize(size);
        return paint.measureText(text);
    }

    @Override
    public void picture(int[] argb, int width, int height, float left, float top, float right,
            float bottom) {
        if (bitmap == null || bitmap.getWidth() != width || bitmap.getHeight() != height) {
            bitmap = Bitmap.createBitmap(width, height, Bitmap.Config.ARGB_8888);
        }
        bitmap.setPixels(argb, 0, width, 0, 0, width, height);
        place.set(left, top, right, bottom);
        canvas.drawBitmap(bitmap, null, place, paint(0xff000000, Paint.Style.FILL, 0));
    }

    private Paint paint(int colour, Paint.Style style, float stroke) {
        paint.setColor(colour);
        paint.setStyle(style);
        paint.setStrokeWidth(stroke);
        return paint;
    }

    private Path path(float[] points) {
        path.reset();
        path.moveTo(points[0], points[1]);
        for (int i = 2; i < points.length; i += 2) {
            path.lineTo(points[i], points[i + 1]);
        }
        return path;
    }
}
