package edgekit.demo;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;

import android.Manifest;
import android.content.pm.PackageManager;
import org.junit.Rule;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;
import org.robolectric.shadow.api.Shadow;
import org.robolectric.shadows.ShadowActivity;
import org.robolectric.shadows.ShadowApplication;

/** The camera where there is none, or where it may not be used. */
@RunWith(RobolectricTestRunner.class)
public final class CameraScreenTest {
    @Rule public final Rest rest = new Rest();

    @Test
    public void permissionIsAskedForAndDenialIsSaid() {
        Screen<PictureActivity> screen = Screen.of(PictureActivity.class, "mobilenet_v2");
        screen.click(R.id.second);
        ShadowActivity.PermissionsRequest asked = screen.shadow().getLastRequestedPermission();
        assertArrayEquals(new String[] {Manifest.permission.CAMERA}, asked.requestedPermissions);
        screen.activity.onRequestPermissionsResult(asked.requestCode, asked.requestedPermissions,
                new int[] {PackageManager.PERMISSION_DENIED});
        screen.awaitMessage("the camera may not be used: allow it in the settings, or take a picture"
                + " from the gallery");
    }

    @Test
    public void withoutACameraThatIsSaid() {
        ShadowApplication application = Shadow.extract(RuntimeEnvironment.getApplication());
        application.grantPermissions(Manifest.permission.CAMERA);
        Screen<PictureActivity> screen = Screen.of(PictureActivity.class, "mobilenet_v2");
        screen.click(R.id.second);
        assertEquals(null, screen.shadow().getLastRequestedPermission());
        screen.awaitMessage("this phone has no camera: take a picture from the gallery");
    }
}
