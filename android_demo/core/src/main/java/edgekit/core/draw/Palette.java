package edgekit.core.draw;

/** Colours: Pascal VOC's by class, as edgekit/tasks/pictures/drawing.py has them, and those of the screens. */
public final class Palette {
    public static final int PAPER = 0xffffffff;
    public static final int INK = 0xff202124;
    public static final int FAINT = 0xff9aa0a6;
    public static final int BLUE = 0xff0072b2;
    public static final int ORANGE = 0xffe69f00;
    public static final int RED = 0xffd55e00;
    public static final int GREEN = 0xff009e73;
    public static final int SHADE = 0x96000000;

    private Palette() {}

    /** Returns a class's colour: three bits of its index for each of red, green and blue. */
    public static int of(int index) {
        int[] channels = new int[3];
        for (int place = 0; place < 8; place++) {
            for (int channel = 0; channel < 3; channel++) {
                channels[channel] |= (index >> (3 * place + channel) & 1) << (7 - place);
            }
        }
        return 0xff000000 | channels[0] << 16 | channels[1] << 8 | channels[2];
    }

    /** Returns what can be read on a colour. */
    public static int inkOn(int colour) {
        int sum = (colour >> 16 & 0xff) + (colour >> 8 & 0xff) + (colour & 0xff);
        return sum > 380 ? 0xff000000 : 0xffffffff;
    }

    static int withAlpha(int colour, int alpha) {
        return alpha << 24 | colour & 0xffffff;
    }
}
