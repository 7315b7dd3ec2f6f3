package edgekit.demo;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;

import android.content.ClipData;
import android.content.ClipboardManager;
import android.content.Context;
import android.view.View;
import java.io.IOException;
import org.junit.Rule;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;

/** Phylogeny: matrices that are pasted or opened. */
@RunWith(RobolectricTestRunner.class)
public final class PhylogenyScreenTest {
    private static final String NOISY = "cell,TP53,KRAS,APC\na,1,1,0\nb,1,0,0\nc,0,1,1\nd,0,0,?\n";
    private static final String CLEAN = "cell,TP53,KRAS,APC\na,1,1,0\nb,1,0,0\nc,0,0,1\nd,0,0,?\n";

    @Rule public final Rest rest = new Rest();

    private static ClipboardManager board() {
        return (ClipboardManager) RuntimeEnvironment.getApplication()
                .getSystemService(Context.CLIPBOARD_SERVICE);
    }

    private static void paste(Screen<PhylogenyActivity> screen, String text) {
        board().setPrimaryClip(ClipData.newPlainText("matrix", text));
        screen.click(R.id.second);
    }

    @Test
    public void aPastedMatrixIsJudged() throws IOException {
        Screen<PhylogenyActivity> screen = Screen.of(PhylogenyActivity.class, "noise-exact");
        screen.awaitMessage("pre "); // of the first golden example
        paste(screen, CLEAN);
        screen.awaitMessage("no conflict: there is a tree");
        paste(screen, NOISY);
        screen.awaitMessage("\npre ");
        screen.awaitMessage("conflict: noise, no tree has this matrix");
        screen.save("phylogeny");
    }

    @Test
    public void anOpenedMatrixIsJudged() {
        Screen<PhylogenyActivity> screen = Screen.of(PhylogenyActivity.class, "noise-exact");
        screen.awaitMessage("pre ");
        screen.click(R.id.first);
        screen.answer(Gallery.givesText("clean.csv", CLEAN));
        screen.awaitMessage("no conflict: there is a tree");
    }

    @Test
    public void whatIsNoMatrixIsSaid() {
        Screen<PhylogenyActivity> screen = Screen.of(PhylogenyActivity.class, "noise-exact");
        screen.awaitMessage("pre ");
        paste(screen, "Dear all,\nthe meeting is on Monday, at noon.\n");
        screen.awaitMessage("what was pasted: ");
        paste(screen, "");
        screen.awaitMessage("what was pasted: empty");
        paste(screen, NOISY.replace("0,?", "0,2"));
        screen.awaitMessage("what was pasted: row 4, column APC: got '2'");
    }

    @Test
    public void correctionsHaveATreeToCopy() throws IOException {
        Screen<PhylogenyActivity> screen =
                Screen.of(PhylogenyActivity.class, "phylogeny-elimination");
        screen.awaitMessage("pre ");
        screen.save("corrections");
        paste(screen, CLEAN.replace("?", "1"));
        screen.awaitMessage("no conflict with 0 entries changed");
        assertTrue(screen.<View>view(R.id.drawing).performLongClick());
        screen.awaitMessage("The tree is copied");
        String tree = board().getPrimaryClip().getItemAt(0).getText().toString();
        assertEquals("((c,d)APC,(b,(a)KRAS)TP53);", tree);
    }
}
