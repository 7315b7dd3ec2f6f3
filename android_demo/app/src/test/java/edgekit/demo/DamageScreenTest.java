package edgekit.demo;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;

import android.app.Activity;
import android.content.Intent;
import android.net.Uri;
import java.io.IOException;
import org.junit.Rule;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.RobolectricTestRunner;

/** Models that are damaged, of another version, or opened from storage. */
@RunWith(RobolectricTestRunner.class)
public final class DamageScreenTest {
    @Rule public final Rest rest = new Rest();

    private static Intent folder() {
        return new Intent().setData(
                Uri.parse("content://com.android.externalstorage.documents/tree/primary%3Amodel"));
    }

    /** Where storage has a file of that folder. */
    private static Uri stored(String name) {
        return Uri.parse(folder().getDataString() + "/document/primary%3Amodel%2F" + name);
    }

    @Test
    public void aChangedModelIsRefused() throws IOException {
        new Laid().text("gp/gp.f32.tflite", "no model").over();
        Screen<RegressActivity> screen = Screen.of(RegressActivity.class, "gp");
        screen.awaitMessage("models/gp/gp.f32.tflite: changed since it was written: got SHA-256");
        screen.tap(0.5, 0.5);
        screen.choose(R.id.file, "w8a8"); // which is as it was
        screen.awaitMessage("tap a place");
    }

    @Test
    public void aModelThatNoRuntimeOpensIsSaid() throws IOException {
        Laid.corrupt("gp", "gp.f32.onnx").over();
        Screen<RegressActivity> screen = Screen.of(RegressActivity.class, "gp");
        String message = screen.awaitMessage("gp.f32.onnx: cannot be loaded: got ");
        assertTrue(message, message.indexOf('\n') < 0);
    }

    @Test
    public void aManifestOfAnotherVersionIsRefused() throws IOException {
        new Laid().changed("mobilenet_v2/manifest.json", "\"schema\": 1", "\"schema\": 2").over();
        Screen<PictureActivity> screen = Screen.of(PictureActivity.class, "mobilenet_v2");
        assertTrue(screen.message(), screen.message().contains("unknown manifest schema: got 2, expected 1"));
        screen.click(R.id.first); // a picture of which nothing can be told
        screen.answer(Gallery.gives("a.png", Gallery.png(Gallery.halves(8, 8))));
        assertTrue(screen.message(), screen.message().contains("unknown manifest schema: got 2, expected 1"));
        screen.save("wrong-version");
    }

    @Test
    public void aMissingLabelIsSaid() throws IOException {
        new Laid().changed("mobilenet_v2/manifest.json", "\"8\",", "").over();
        Screen<PictureActivity> screen = Screen.of(PictureActivity.class, "mobilenet_v2");
        screen.click(R.id.first);
        screen.answer(Gallery.gives("a.png", Gallery.png(Gallery.halves(8, 8))));
        screen.awaitMessage("classify: labels do not fit: got 9 labels, expected 10");
    }

    @Test
    public void aPolicyOfAnotherWorldIsSaid() throws IOException {
        new Laid().changed("bear/manifest.json", "\"environment\": \"", "\"environment\": \"un").over();
        Screen<PolicyActivity> screen = Screen.of(PolicyActivity.class, "bear");
        screen.awaitMessage("the app has no un");
    }

    @Test
    public void aFolderOfStorageIsOpened() throws IOException {
        for (String name : new String[] {"manifest.json", "gp.f32.tflite", "gp.f32.onnx"}) {
            Gallery.givesAt(stored(name), Laid.read("gp/" + name));
        }
        Screen<MainActivity> list = Screen.open(MainActivity.class);
        list.click(R.id.open);
        list.shadow().receiveResult(list.shadow().getNextStartedActivityForResult().intent,
                Activity.RESULT_OK, folder());
        Intent begun = list.shadow().getNextStartedActivity();
        assertEquals(RegressActivity.class.getName(), begun.getComponent().getClassName());
        Screen<RegressActivity> screen = Screen.open(RegressActivity.class, begun);
        screen.awaitMessage("tap a place");
    }

    @Test
    public void aFolderWithoutManifestIsSaid() throws IOException {
        Gallery.throwsFor(stored("manifest.json"), new IllegalArgumentException("no such document"));
        Screen<MainActivity> list = Screen.open(MainActivity.class);
        list.click(R.id.open);
        list.shadow().receiveResult(list.shadow().getNextStartedActivityForResult().intent,
                Activity.RESULT_OK, folder());
        assertTrue(list.message(), list.message().contains("manifest.json: missing: copy"));
    }
}
