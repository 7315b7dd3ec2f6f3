package edgekit.core.draw;

import edgekit.core.picture.Picture;
import edgekit.core.task.Classify;
import edgekit.core.task.Detect;
import edgekit.core.task.Segment;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;

/** A picture, fitted into the surface, with what was found in it. */
public final class PictureDrawing implements Drawing {
    private static final int SHADE_OF_MASK = 140; // of a class's colour over the picture, of 255

    private final int height;
    private final int width;
    private final int[] argb;
    private final List<Detect.Box> boxes = new ArrayList<Detect.Box>();
    private final List<String> lines = new ArrayList<String>();
    private final List<Integer> colours = new ArrayList<Integer>(); // of the lines, where any

    private PictureDrawing(Picture picture) {
        height = picture.height;
        width = picture.width;
        argb = picture.toArgb();
    }

    public static PictureDrawing of(Picture picture) {
        return new PictureDrawing(picture);
    }

    public static PictureDrawing ofGuesses(Picture picture, List<Classify.Guess> guesses) {
        PictureDrawing found = new PictureDrawing(picture);
        for (Classify.Guess guess : guesses) {
            found.lines.add(String.format(Locale.ROOT, "%.1f%%  %s", 100 * guess.score, guess.name()));
        }
        return found;
    }

    /** Better boxes lie over worse ones. */
    public static PictureDrawing ofBoxes(Picture picture, List<Detect.Box> boxes) {
        PictureDrawing found = new PictureDrawing(picture);
        found.boxes.addAll(boxes);
        Collections.reverse(found.boxes);
        return found;
    }

    /** Class 0, the background, leaves the picture as it is. */
    public static PictureDrawing ofMask(Picture picture, Segment.Mask mask) {
        PictureDrawing found = new PictureDrawing(picture);
        for (int i = 0; i < found.argb.length; i++) {
            int index = mask.classes[i] & 0xff;
            found.argb[i] = index == 0 ? found.argb[i] : mix(found.argb[i], Palette.of(index));
        }
        for (int index : mask.order()) {
            if (index > 0) {
                found.lines.add(mask.name(index));
                found.colours.add(Palette.of(index));
            }
        }
        return found;
    }

    private static int mix(int under, int over) {
        int found = 0xff;
        for (int shift = 16; shift >= 0; shift -= 8) {
            int one = under >> shift & 0xff;
            int other = over >> shift & 0xff;
            found = found << 8 | (one * (255 - SHADE_OF_MASK) + other * SHADE_OF_MASK) / 255;
        }
        return found;
    }

    @Override
    public void draw(Pen pen) {
        float scale = Math.min((float) pen.width() / width, (float) pen.height() / height);
        float left = (pen.width() - width * scale) / 2;
        float top = (pen.height() - height * scale) / 2;
        pen.picture(argb, width, height, left, top, left + width * scale, top + height * scale);
        for (Detect.Box box : boxes) {
            drawBox(pen, box, left, top, scale);
        }
        drawLines(pen);
    }

    private static void drawBox(Pen pen, Detect.Box box, float left, float top, float scale) {
        int colour = Palette.of(box.index % 255 + 1);
        float size = 14 * pen.unit();
        float x = left + (float) box.edges[1] * scale;
        float y = top + (float) box.edges[0] * scale;
        pen.outline(colour, 2 * pen.unit(), x, y, left + (float) box.edges[3] * scale,
                top + (float) box.edges[2] * scale);
        String text = String.format(Locale.ROOT, "%s %.0f%%", box.name(), 100 * box.score);
        float above = Math.max(0, y - 1.3f * size);
        pen.fill(colour, x, above, x + pen.textWidth(text, size) + 0.4f * size, above + 1.3f * size);
        pen.text(text, Palette.inkOn(colour), size, x + 0.2f * size, above + size);
    }

    private void drawLines(Pen pen) {
        if (lines.isEmpty()) {
            return;
        }
        float size = 16 * pen.unit();
        float pitch = 1.4f * size;
        float y = pen.height() - pitch * lines.size() - 0.5f * size;
        pen.fill(Palette.SHADE, 0, y, pen.width(), pen.height());
        for (int i = 0; i < lines.size(); i++, y += pitch) {
            float x = 0.6f * size;
            if (!colours.isEmpty()) {
                pen.fill(colours.get(i), x, y + 0.3f * size, x + size, y + 1.3f * size);
                x += 1.5f * size;
            }
            String line = Lettering.fit(pen, lines.get(i), size, pen.width() - x - 0.6f * size);
            pen.text(line, Palette.PAPER, size, x, y + 1.1f * size);
        }
    }
}
