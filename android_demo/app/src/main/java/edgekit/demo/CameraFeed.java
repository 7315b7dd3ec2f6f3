package edgekit.demo;

import android.Manifest;
import android.content.Context;
import android.content.pm.PackageManager;
import android.graphics.ImageFormat;
import android.hardware.camera2.CameraAccessException;
import android.hardware.camera2.CameraCaptureSession;
import android.hardware.camera2.CameraCharacteristics;
import android.hardware.camera2.CameraDevice;
import android.hardware.camera2.CameraManager;
import android.hardware.camera2.CaptureRequest;
import android.media.Image;
import android.media.ImageReader;
import android.os.Handler;
import android.os.HandlerThread;
import edgekit.core.InputError;
import edgekit.core.picture.CameraTrouble;
import edgekit.core.picture.Exif;
import edgekit.core.picture.Picture;
import edgekit.core.picture.Yuv;
import java.util.Collections;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Frames of the back camera. While one is being looked at the others are dropped, not queued: what
 * is shown is always what the camera sees now.
 */
final class CameraFeed {
    private static final int WIDTH = 640;
    private static final int HEIGHT = 480;

    /** Gets a frame and calls {@link #done} when it was looked at; on the camera's thread. */
    interface Listener {
        void onFrame(Picture picture);

        void onError(InputError error);
    }

    private final Context context;
    private final Listener listener;
    private final HandlerThread thread = new HandlerThread("camera");
    private final AtomicBoolean busy = new AtomicBoolean();
    private final Yuv yuv = new Yuv();
    private final Picture picture = new Picture(HEIGHT, WIDTH, 3);
    private Handler handler;
    private ImageReader reader;
    private CameraDevice device;
    private boolean closed;
    private int sensorDegrees;
    private volatile int orientation = 1;

    CameraFeed(Context context, Listener listener) {
        this.context = context;
        this.listener = listener;
    }

    /** Opens the camera on a display that is turned so far. */
    void open(int displayDegrees) {
        if (context.checkSelfPermission(Manifest.permission.CAMERA)
                != PackageManager.PERMISSION_GRANTED) {
            throw CameraTrouble.notPermitted();
        }
        CameraManager manager = (CameraManager) context.getSystemService(Context.CAMERA_SERVICE);
        thread.start();
        handler = new Handler(thread.getLooper());
        reader = ImageReader.newInstance(WIDTH, HEIGHT, ImageFormat.YUV_420_888, 2);
        reader.setOnImageAvailableListener(new ImageReader.OnImageAvailableListener() {
            @Override
            public void onImageAvailable(ImageReader from) {
                look(from);
            }
        }, handler);
        try {
            String id = backCamera(manager);
            Integer turn = manager.getCameraCharacteristics(id)
                    .get(CameraCharacteristics.SENSOR_ORIENTATION);
            sensorDegrees = turn == null ? 0 : turn;
            turn(displayDegrees);
            manager.openCamera(id, new OnOpened(), handler);
        } catch (CameraAccessException | IllegalArgumentException | SecurityException error) {
            close();
            throw CameraTrouble.closed(error.getMessage());
        } catch (InputError error) {
            close();
            throw error;
        }
    }

    /** From now on the display is turned otherwise. */
    void turn(int displayDegrees) {
        orientation = Exif.ofCamera(sensorDegrees, displayDegrees);
    }

    /** The last frame was looked at: the next one may come. */
    void done() {
        busy.set(false);
    }

    void close() {
        handler.post(new Runnable() {
            @Override
            public void run() {
                closed = true;
                if (device != null) {
                    device.close();
                }
                reader.close();
                thread.quitSafely();
            }
        });
    }

    /** Tells the first trouble alone: what comes of it, or after it was left, nobody need know. */
    private void fail(InputError error) {
        if (!closed) {
            closed = true;
            listener.onError(error);
        }
    }

    private void look(ImageReader from) {
        try (Image image = closed ? null : from.acquireLatestImage()) {
            if (image == null || !busy.compareAndSet(false, true)) {
                return;
            }
            Image.Plane[] planes = image.getPlanes();
            yuv.toPicture(planes[0].getBuffer(), planes[0].getRowStride(), planes[1].getBuffer(),
                    planes[2].getBuffer(), planes[1].getRowStride(), planes[1].getPixelStride(),
                    picture);
        }
        listener.onFrame(picture.upright(orientation));
    }

    private static String backCamera(CameraManager manager) throws CameraAccessException {
        String[] ids = manager.getCameraIdList();
        if (ids.length == 0) {
            throw CameraTrouble.none();
        }
        for (String id : ids) {
            Integer facing = manager.getCameraCharacteristics(id)
                    .get(CameraCharacteristics.LENS_FACING);
            if (facing != null && facing == CameraCharacteristics.LENS_FACING_BACK) {
                return id;
            }
        }
        return ids[0];
    }

    private final class OnOpened extends CameraDevice.StateCallback {
        @Override
        public void onOpened(CameraDevice opened) {
            device = opened;
            if (closed) {
                opened.close();
                return;
            }
            try {
                opened.createCaptureSession(Collections.singletonList(reader.getSurface()),
                        new OnConfigured(), handler);
            } catch (CameraAccessException error) {
                fail(CameraTrouble.stopped(error.getMessage()));
            }
        }

        @Override
        public void onDisconnected(CameraDevice gone) {
            gone.close();
            fail(CameraTrouble.taken());
        }

        @Override
        public void onError(CameraDevice broken, int code) {
            broken.close();
            fail(CameraTrouble.stopped("error " + code));
        }
    }

    private final class OnConfigured extends CameraCaptureSession.StateCallback {
        @Override
        public void onConfigured(CameraCaptureSession session) {
            if (closed) {
                return;
            }
            try {
                CaptureRequest.Builder request =
                        session.getDevice().createCaptureRequest(CameraDevice.TEMPLATE_PREVIEW);
                request.addTarget(reader.getSurface());
                session.setRepeatingRequest(request.build(), null, handler);
            } catch (CameraAccessException | IllegalStateException error) {
                fail(CameraTrouble.stopped(error.getMessage()));
            }
        }

        @Override
        public void onConfigureFailed(CameraCaptureSession session) {
            fail(CameraTrouble.noSize(WIDTH, HEIGHT));
        }
    }
}
