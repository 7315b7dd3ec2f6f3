package edgekit.core.picture;

import edgekit.core.InputError;

/** What a person is told when the camera gives no pictures. */
public final class CameraTrouble {
    private static final String GALLERY = "take a picture from the gallery";

    private CameraTrouble() {}

    public static InputError notPermitted() {
        return new InputError("the camera may not be used")
                .todo("allow it in the settings, or " + GALLERY);
    }

    public static InputError none() {
        return new InputError("this phone has no camera").todo(GALLERY);
    }

    public static InputError closed(String why) {
        return new InputError("the camera cannot be opened").got(why)
                .todo("close other apps that use it, or " + GALLERY);
    }

    public static InputError taken() {
        return new InputError("the camera was taken by another app").todo("come back to this screen");
    }

    public static InputError stopped(String why) {
        return new InputError("the camera stopped").got(why).todo(GALLERY);
    }

    public static InputError noSize(int width, int height) {
        return new InputError("the camera has no pictures of this size")
                .expected(width + " x " + height).todo(GALLERY);
    }
}
