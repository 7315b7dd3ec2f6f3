package edgekit.demo;

import android.content.Context;
import android.graphics.Canvas;
import android.util.AttributeSet;
import android.view.View;
import edgekit.core.draw.Drawing;

/** Shows a drawing. */
public final class DrawingView extends View {
    private final CanvasPen pen = new CanvasPen(getResources().getDisplayMetrics().density);
    private volatile Drawing drawing;

    public DrawingView(Context context, AttributeSet attributes) {
        super(context, attributes);
    }

    /** Shows another drawing from now on; from any thread. */
    public void show(Drawing other) {
        drawing = other;
        postInvalidate();
    }

    @Override
    protected void onDraw(Canvas canvas) {
        Drawing now = drawing;
        if (now != null) {
            now.draw(pen.on(canvas, getWidth(), getHeight()));
        }
    }
}
