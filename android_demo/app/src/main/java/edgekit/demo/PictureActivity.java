package edgekit.demo;

import android.Manifest;
import android.content.Intent;
import android.content.pm.PackageManager;
import android.content.res.Configuration;
import android.os.Bundle;
import android.view.View;
import android.widget.AdapterView;
import android.widget.Spinner;
import edgekit.core.InputError;
import edgekit.core.Model;
import edgekit.core.draw.Drawing;
import edgekit.core.draw.PictureDrawing;
import edgekit.core.picture.Picture;
import edgekit.core.task.Classify;
import edgekit.core.task.Detect;
import edgekit.core.task.Segment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Classify, Detect and Segment: a picture of the gallery, or what the camera sees. */
public final class PictureActivity extends TaskActivity {
    private static final int PICK = 1;
    private static final int ASK = 2;
    private static final Integer[] TOPS = {5, 3, 1, 10};
    private static final Integer[] THRESHOLDS = {30, 10, 50, 70, 90}; // percent

    private CameraFeed camera;
    private Picture picture; // the last one of the gallery
    private volatile int limit; // how many labels, or the least score in percent

    @Override
    protected void onCreate(Bundle state) {
        super.onCreate(state);
        button(R.id.first, R.string.gallery, new View.OnClickListener() {
            @Override
            public void onClick(View view) {
                Intent pick = new Intent(Intent.ACTION_GET_CONTENT).setType("image/*");
                if (!OtherApp.ask(PictureActivity.this, pick, PICK)) {
                    say("there is no app to choose a picture with");
                }
            }
        });
        button(R.id.second, R.string.camera, new View.OnClickListener() {
            @Override
            public void onClick(View view) {
                if (camera != null) {
                    stopCamera();
                } else if (checkSelfPermission(Manifest.permission.CAMERA)
                        == PackageManager.PERMISSION_GRANTED) {
                    startCamera();
                } else {
                    requestPermissions(new String[] {Manifest.permission.CAMERA}, ASK);
                }
            }
        });
    }

    @Override
    protected void onPause() {
        super.onPause();
        stopCamera();
    }

    @Override
    public void onRequestPermissionsResult(int code, String[] names, int[] granted) {
        startCamera();
    }

    @Override
    protected void onActivityResult(int code, int result, final Intent data) {
        if (code != PICK || result != RESULT_OK || data == null || data.getData() == null) {
            return;
        }
        use(new Use<Model>() {
            @Override
            public void use(Model model) {
                picture = PictureFile.read(PictureActivity.this, data.getData());
                look(model, picture);
            }
        });
    }

    @Override
    protected void onModel(Model model) {
        final Object task = model.task;
        runOnUiThread(new Runnable() {
            @Override
            public void run() {
                offerLimits(task);
            }
        });
        if (picture != null) {
            look(model, picture);
        }
    }

    private void look(Model model, Picture seen) {
        Object task = model.task;
        if (task instanceof Classify && limit > 0) {
            ((Classify) task).top(limit);
        }
        Object answer = model.answer(seen);
        if (task instanceof Detect) {
            ((Detect) task).least(limit / 100.0);
            answer = Detect.above(boxes(answer), limit / 100.0);
        }
        drawing.show(drawing(task, seen, answer));
        List<String> lines = model.task.lines(answer);
        say(task instanceof Classify ? lines.subList(0, 1) : lines, model); // the drawing has them all
    }

    @SuppressWarnings("unchecked") // as the task answers
    private static Drawing drawing(Object task, Picture seen, Object answer) {
        if (task instanceof Classify) {
            return PictureDrawing.ofGuesses(seen, (List<Classify.Guess>) answer);
        }
        return task instanceof Detect ? PictureDrawing.ofBoxes(seen, boxes(answer))
                : PictureDrawing.ofMask(seen, (Segment.Mask) answer);
    }

    @SuppressWarnings("unchecked")
    private static List<Detect.Box> boxes(Object answer) {
        return (List<Detect.Box>) answer;
    }

    /** Offers top-k where there are labels, and a threshold where there are boxes. */
    private void offerLimits(Object task) {
        if (limit > 0 || task instanceof Segment) {
            return;
        }
        final List<Integer> values = Arrays.asList(task instanceof Detect ? THRESHOLDS : TOPS);
        limit = values.get(0);
        List<String> names = new ArrayList<String>();
        for (int value : values) {
            names.add(getString(task instanceof Detect ? R.string.threshold : R.string.top, value));
        }
        Spinner spinner = Choices.offer(this, R.id.limit, names);
        spinner.setVisibility(View.VISIBLE);
        spinner.setOnItemSelectedListener(new AdapterView.OnItemSelectedListener() {
            @Override
            public void onItemSelected(AdapterView<?> parent, View view, int place, long id) {
                limit = values.get(place);
                use(new Use<Model>() {
                    @Override
                    public void use(Model model) {
                        if (picture != null && camera == null) {
                            look(model, picture);
                        }
                    }
                });
            }

            @Override
            public void onNothingSelected(AdapterView<?> parent) {}
        });
    }

    /** The screen stays as it is where the phone is turned, but its camera lies otherwise. */
    @Override
    public void onConfigurationChanged(Configuration now) {
        super.onConfigurationChanged(now);
        if (camera != null) {
            camera.turn(displayDegrees());
        }
    }

    private int displayDegrees() {
        return 90 * getWindowManager().getDefaultDisplay().getRotation();
    }

    private void startCamera() {
        final CameraFeed[] own = new CameraFeed[1];
        own[0] = new CameraFeed(this, new CameraFeed.Listener() {
            @Override
            public void onFrame(final Picture frame) {
                use(new Use<Model>() {
                    @Override
                    public void use(Model model) {
                        look(model, frame);
                    }
                }, new Runnable() {
                    @Override
                    public void run() {
                        own[0].done();
                    }
                });
            }

            @Override
            public void onError(InputError error) {
                runOnUiThread(new Runnable() {
                    @Override
                    public void run() {
                        if (camera == own[0]) { // so that it can be begun anew
                            stopCamera();
                        }
                    }
                });
                say(error.getMessage());
            }
        });
        try {
            own[0].open(displayDegrees());
            camera = own[0];
        } catch (InputError error) {
            say(error.getMessage());
        }
    }

    private void stopCamera() {
        if (camera != null) {
            camera.close();
            camera = null;
        }
    }
}
