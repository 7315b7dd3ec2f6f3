package edgekit.demo;

import android.app.Activity;
import android.content.ActivityNotFoundException;
import android.content.Context;
import android.content.Intent;
import android.net.Uri;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;

/** An app that a person chooses something with: a picture, a file, a folder. */
final class OtherApp {
    private OtherApp() {}

    /**
     * Asks for it; false where there is no such app.
     *
     * <p>It is not looked for beforehand: Android 11 and later hide other apps, and answer that there
     * is none.
     */
    static boolean ask(Activity from, Intent intent, int code) {
        try {
            from.startActivityForResult(intent, code);
            return true;
        } catch (ActivityNotFoundException none) {
            return false;
        }
    }

    /** Opens what it gave. Android hands on what that app throws, which must not end this one. */
    static InputStream open(Context context, Uri uri) throws IOException {
        InputStream found;
        try {
            found = context.getContentResolver().openInputStream(uri);
        } catch (SecurityException notPermitted) {
            throw notPermitted; // which is told apart
        } catch (IllegalArgumentException notThere) {
            found = null;
        } catch (RuntimeException error) {
            throw new IOException(error.getMessage(), error);
        }
        if (found == null) {
            throw new FileNotFoundException("nothing there");
        }
        return found;
    }
}
