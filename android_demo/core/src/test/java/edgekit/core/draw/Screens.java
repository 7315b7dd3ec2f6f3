package edgekit.core.draw;

import java.awt.image.BufferedImage;
import java.io.File;
import java.io.IOException;
import javax.imageio.ImageIO;

/** Drawings on Java2D; with -Dscreens=FOLDER they are saved there to be looked at. */
public final class Screens {
    static final int WIDTH = 540;
    static final int HEIGHT = 720;
    static final float UNIT = 1.5f;

    private Screens() {}

    public static BufferedImage shown(String name, Drawing drawing) throws IOException {
        ImagePen pen = new ImagePen(WIDTH, HEIGHT, UNIT);
        drawing.draw(pen);
        if (System.getProperty("screens") != null) {
            File folder = new File(System.getProperty("screens"));
            folder.mkdirs();
            ImageIO.write(pen.image, "png", new File(folder, name + ".png"));
        }
        return pen.image;
    }
}
