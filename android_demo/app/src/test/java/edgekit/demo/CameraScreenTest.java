package edgekit.demo;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;

import android.Manifest;
import android.content.Context;
import android.content.pm.PackageManager;
import android.hardware.camera2.CameraCharacteristics;
import android.view.Surface;
import java.util.Set;
import org.junit.Rule;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;
import org.robolectric.shadow.api.Shadow;
import org.robolectric.shadows.ShadowActivity;
import org.robolectric.shadows.ShadowApplication;
import org.robolectric.shadows.ShadowCameraCharacteristics;
import org.robolectric.shadows.ShadowCameraManager;
import org.robolectric.shadows.ShadowDisplay;
import org.robolectric.util.ReflectionHelpers;

/** The camera: opened and given up; where there is none, or where it may not be used. */
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

    private static void permit() {
        ShadowApplication application = Shadow.extract(RuntimeEnvironment.getApplication());
        application.grantPermissions(Manifest.permission.CAMERA);
    }

    /** Puts a back camera in, whose pictures must be turned by a quarter. */
    private static ShadowCameraManager camera() {
        CameraCharacteristics back = ShadowCameraCharacteristics.newCameraCharacteristics();
        ShadowCameraCharacteristics told = Shadow.extract(back);
        told.set(CameraCharacteristics.LENS_FACING, CameraCharacteristics.LENS_FACING_BACK);
        told.set(CameraCharacteristics.SENSOR_ORIENTATION, 90);
        ShadowCameraManager manager = Shadow.extract(
                RuntimeEnvironment.getApplication().getSystemService(Context.CAMERA_SERVICE));
        manager.addCamera("0", back);
        return manager;
    }

    /** Waits until so many cameras were opened, and so many of them closed. */
    private static void awaitCameras(Screen<?> screen, final int opened, final int closed) {
        screen.await(opened + " cameras, " + closed + " closed", new Screen.Condition() {
            @Override
            public boolean holds() {
                Set<?> devices = ReflectionHelpers.getStaticField(ShadowCameraManager.class,
                        "createdCameras");
                int gone = 0;
                for (Object device : devices) {
                    Object shadow = Shadow.extract(device);
                    gone += ReflectionHelpers.<Boolean>getField(shadow, "closed") ? 1 : 0;
                }
                return devices.size() == opened && gone == closed;
            }
        });
    }

    @Test
    public void theButtonOpensAndClosesIt() {
        permit();
        camera();
        Screen<PictureActivity> screen = Screen.of(PictureActivity.class, "mobilenet_v2");
        screen.click(R.id.second);
        awaitCameras(screen, 1, 0);
        screen.click(R.id.second);
        awaitCameras(screen, 1, 1);
        screen.click(R.id.second);
        awaitCameras(screen, 2, 1);
        screen.controller.pause();
        awaitCameras(screen, 2, 2);
    }

    @Test
    public void takenByAnotherAppItCanBeBegunAnew() {
        permit();
        ShadowCameraManager manager = camera();
        Screen<PictureActivity> screen = Screen.of(PictureActivity.class, "mobilenet_v2");
        screen.click(R.id.second);
        awaitCameras(screen, 1, 0);
        manager.triggerDisconnect();
        screen.awaitMessage("the camera was taken by another app: come back to this screen");
        awaitCameras(screen, 1, 1);
        screen.click(R.id.second);
        awaitCameras(screen, 2, 1);
    }

    @Test
    public void turnedWithThePhoneItsPicturesStayUpright() {
        permit();
        camera();
        Screen<PictureActivity> screen = Screen.of(PictureActivity.class, "mobilenet_v2");
        screen.click(R.id.second);
        awaitCameras(screen, 1, 0);
        Object feed = ReflectionHelpers.getField(screen.activity, "camera");
        assertEquals(6, (int) ReflectionHelpers.<Integer>getField(feed, "orientation"));
        ShadowDisplay display = Shadow.extract(
                screen.activity.getWindowManager().getDefaultDisplay());
        display.setRotation(Surface.ROTATION_90);
        screen.turned();
        assertEquals(1, (int) ReflectionHelpers.<Integer>getField(feed, "orientation"));
        awaitCameras(screen, 1, 0);
    }

    @Test
    public void withoutACameraThatIsSaid() {
        permit();
        Screen<PictureActivity> screen = Screen.of(PictureActivity.class, "mobilenet_v2");
        screen.click(R.id.second);
        assertEquals(null, screen.shadow().getLastRequestedPermission());
        screen.awaitMessage("this phone has no camera: take a picture from the gallery");
    }
}
