package edgekit.demo;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertTrue;

import android.app.Activity;
import android.content.Intent;
import android.graphics.Bitmap;
import android.graphics.Color;
import android.net.Uri;
import android.view.View;
import edgekit.core.Model;
import edgekit.core.Results;
import java.io.IOException;
import java.util.concurrent.CountDownLatch;
import org.junit.Rule;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.RobolectricTestRunner;

/** Classify, Detect and Segment: pictures of the gallery. */
@RunWith(RobolectricTestRunner.class)
public final class PictureScreenTest {
    private static final String TIMES = "pre ";

    @Rule public final Rest rest = new Rest();

    private static Screen<PictureActivity> looksAt(String model, Uri picture) {
        Screen<PictureActivity> screen = Screen.of(PictureActivity.class, model);
        screen.click(R.id.first);
        screen.answer(picture);
        return screen;
    }

    private static Uri landscape() {
        return Gallery.gives("landscape.png", Gallery.png(Gallery.landscape()));
    }

    /** How many lines of the message tell a share. */
    private static int shares(String message) {
        return message.split("%  ", -1).length - 1;
    }

    /** Says what the detector answers: an untrained one finds nothing. */
    private static void finds(float... scores) {
        float[] places = {0.4f, 0.27f, 0.7f, 0.53f, 0.1f, 0.69f, 0.36f, 0.87f};
        float[] boxes = new float[4 * scores.length];
        for (int i = 0; i < boxes.length; i++) {
            boxes[i] = places[i % places.length] + 0.01f * (i / places.length);
        }
        float[] classes = new float[scores.length];
        for (int i = 0; i < classes.length; i++) {
            classes[i] = i;
        }
        OnnxInstead.answer = Results.boxes(boxes, classes, scores);
    }

    @Test
    public void labelsStandOverThePicture() throws IOException {
        final Screen<PictureActivity> screen = looksAt("mobilenet_v2", landscape());
        String message = screen.awaitMessage(TIMES);
        assertTrue(message, message.matches(" *\\d+\\.\\d%  \\d\npre \\d+\\.\\d \\+ inference \\d+\\.\\d"
                + " \\+ post \\d+\\.\\d ms, \\d+ a second"));
        Bitmap five = screen.drawing();
        final int x = five.getWidth() - 3;
        final int y = five.getHeight() - 260; // above five lines of 34 pixels, within ten
        assertTrue("a bright picture", Color.red(five.getPixel(x, y)) > 60);
        screen.save("classify");
        screen.choose(R.id.limit, "top 10");
        screen.await("ten labels' shade", new Screen.Condition() {
            @Override
            public boolean holds() {
                return Color.red(screen.drawing().getPixel(x, y)) < 50;
            }
        });
    }

    @Test
    public void theThresholdChoosesWhatIsListed() throws IOException {
        finds(0.83f, 0.41f);
        Screen<PictureActivity> screen = looksAt("ssdlite-boxes", landscape());
        assertEquals(2, shares(screen.awaitMessage(TIMES)));
        Bitmap both = screen.drawing();
        screen.save("detect");
        screen.choose(R.id.limit, "from 50%");
        awaitShares(screen, 1);
        assertFalse("a box is gone", both.sameAs(screen.drawing()));
        screen.choose(R.id.limit, "from 90%");
        screen.awaitMessage("nothing scores 90%");
        screen.choose(R.id.limit, "from 10%");
        awaitShares(screen, 2);
    }

    @Test
    public void manyBoxesLeaveThePictureItsRoom() throws IOException {
        float[] scores = new float[40];
        java.util.Arrays.fill(scores, 0.2f);
        finds(scores);
        Screen<PictureActivity> screen = looksAt("ssdlite-boxes", landscape());
        screen.awaitMessage("nothing scores 30%");
        screen.choose(R.id.limit, "from 10%");
        screen.awaitMessage("and 36 more");
        assertTrue(screen.<View>view(R.id.drawing).getHeight() > screen.picture().getHeight() / 2);
    }

    private static void awaitShares(final Screen<PictureActivity> screen, final int count) {
        screen.await(count + " boxes", new Screen.Condition() {
            @Override
            public boolean holds() {
                return shares(screen.message()) == count;
            }
        });
    }

    @Test
    public void theMaskHasItsClasses() throws IOException {
        Screen<PictureActivity> screen = looksAt("deeplab_v3", landscape());
        String message = screen.awaitMessage(TIMES);
        assertTrue(message, shares(message) >= 1);
        assertEquals("no limit is offered", View.GONE, screen.<View>view(R.id.limit).getVisibility());
        screen.save("segment");
    }

    @Test
    public void aTurnedPhotographIsUpright() throws IOException {
        byte[] lying = Gallery.jpeg(Gallery.halves(400, 200), 6); // its left is the top
        Screen<PictureActivity> screen = looksAt("deeplab_v3", Gallery.gives("turned.jpg", lying));
        screen.awaitMessage(TIMES);
        Bitmap drawing = screen.drawing();
        int middle = drawing.getWidth() / 2;
        int upper = drawing.getPixel(middle, drawing.getHeight() / 4);
        int lower = drawing.getPixel(middle, drawing.getHeight() * 3 / 5);
        assertTrue("red above", Color.red(upper) > Color.blue(upper) + 40);
        assertTrue("blue below", Color.blue(lower) > Color.red(lower) + 40);
    }

    @Test
    public void whatIsNoPictureIsSaid() throws IOException {
        Screen<PictureActivity> screen =
                looksAt("mobilenet_v2", Gallery.givesText("letter.png", "no picture"));
        screen.awaitMessage("letter.png: cannot be read as a picture: choose another");
        screen.save("no-picture");
        byte[] half = Gallery.png(Gallery.landscape());
        java.util.Arrays.fill(half, 40, half.length, (byte) 0);
        screen.click(R.id.first);
        screen.answer(Gallery.gives("damaged.png", half));
        screen.awaitMessage("damaged.png");
        screen.click(R.id.first);
        screen.answer(landscape());
        screen.awaitMessage(TIMES); // and the next one is looked at
    }

    @Test
    public void aHugePictureIsRefused() throws IOException {
        byte[] huge = Gallery.hollow(20000, 10000);
        Screen<PictureActivity> screen = looksAt("mobilenet_v2", Gallery.gives("huge.png", huge));
        screen.awaitMessage("huge.png: too large a picture: got 20000 x 10000 pixels, expected at most");
    }

    @Test
    public void aLargePictureIsMadeSmaller() throws IOException {
        byte[] large = Gallery.jpeg(Gallery.halves(4000, 3000), 1);
        Screen<PictureActivity> screen = looksAt("deeplab_v3", Gallery.gives("large.jpg", large));
        screen.awaitMessage(TIMES);
        Bitmap drawing = screen.drawing();
        int left = drawing.getPixel(drawing.getWidth() / 4, drawing.getHeight() * 2 / 5);
        assertTrue("red to the left", Color.red(left) > Color.blue(left));
    }

    @Test
    public void whatAnotherAppThrowsIsSaid() {
        Screen<PictureActivity> screen = looksAt("mobilenet_v2",
                Gallery.throwsAt("gone.png", new IllegalArgumentException("no such row")));
        screen.awaitMessage("gone.png: cannot be read: got nothing there");
        RuntimeException[] others = {new IllegalStateException("not today"),
                new SecurityException("not you")};
        for (RuntimeException error : others) {
            screen.click(R.id.first);
            screen.answer(Gallery.throwsAt("other.png", error));
            screen.awaitMessage("other.png: cannot be read: got " + error.getMessage());
        }
    }

    /** While a person chooses, Android may end the app: the answer then comes before all else. */
    @Test
    public void aPictureThatIsChosenWhileTheAppWasEndedIsLookedAt() {
        Screen<PictureActivity> screen = looksAt("mobilenet_v2", landscape());
        screen.awaitMessage(TIMES);
        Screen<PictureActivity> again = Screen.begin(PictureActivity.class, "mobilenet_v2");
        again.activity.onActivityResult(1, Activity.RESULT_OK, new Intent().setData(landscape()));
        again.controller.resume().visible();
        again.awaitMessage(TIMES);
    }

    @Test
    public void itGoesOnWhereItIsMadeAnew() {
        Screen<PictureActivity> screen = looksAt("mobilenet_v2", landscape());
        screen.awaitMessage(TIMES);
        Screen<PictureActivity> again = screen.recreated();
        again.click(R.id.first);
        again.answer(landscape());
        again.awaitMessage(TIMES);
    }

    @Test
    public void withoutAGalleryThatIsSaidAndStaysWhereAModelIsOpenedLater() {
        Screen.onlyKnownApps();
        Screen<PictureActivity> screen = Screen.of(PictureActivity.class, "mobilenet_v2");
        final CountDownLatch asked = new CountDownLatch(1);
        final CountDownLatch opened = new CountDownLatch(1);
        screen.activity.use(new ModelActivity.Use<Model>() {
            @Override
            public void use(Model model) {
                awaitQuietly(asked);
            }
        });
        screen.choose(R.id.threads, "2 threads"); // its model waits for what is in use
        screen.click(R.id.first);
        asked.countDown();
        screen.activity.use(new ModelActivity.Use<Model>() {
            @Override
            public void use(Model model) {
                opened.countDown();
            }
        });
        screen.await("the model on two threads", new Screen.Condition() {
            @Override
            public boolean holds() {
                return opened.getCount() == 0;
            }
        });
        assertEquals("there is no app to choose a picture with", screen.message());
    }

    private static void awaitQuietly(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException error) {
            throw new IllegalStateException(error);
        }
    }
}
