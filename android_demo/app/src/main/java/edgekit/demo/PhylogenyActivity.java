package edgekit.demo;

import android.content.ClipData;
import android.content.ClipboardManager;
import android.content.Intent;
import android.net.Uri;
import android.os.Bundle;
import android.view.View;
import edgekit.core.Artifact;
import edgekit.core.Golden;
import edgekit.core.InputError;
import edgekit.core.Model;
import edgekit.core.draw.MatrixDrawing;
import edgekit.core.task.Corrections;
import edgekit.core.task.Genotypes;
import edgekit.core.task.Phylogeny;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** Phylogeny: a matrix that is opened or pasted, and the verdict on it, or its corrections and tree. */
public final class PhylogenyActivity extends TaskActivity {
    private static final int PICK = 1;
    private static final int LARGEST = 16 << 20;

    private volatile String tree; // of the last matrix that was corrected

    @Override
    protected void onCreate(Bundle state) {
        super.onCreate(state);
        button(R.id.first, R.string.open_matrix, new View.OnClickListener() {
            @Override
            public void onClick(View view) {
                Intent pick = new Intent(Intent.ACTION_GET_CONTENT).setType("*/*");
                if (!OtherApp.ask(PhylogenyActivity.this, pick, PICK)) {
                    say("there is no app to choose a file with");
                }
            }
        });
        button(R.id.second, R.string.paste_matrix, new View.OnClickListener() {
            @Override
            public void onClick(View view) {
                ClipboardManager board = (ClipboardManager) getSystemService(CLIPBOARD_SERVICE);
                ClipData clip = board.getPrimaryClip();
                CharSequence text = clip == null || clip.getItemCount() == 0 ? ""
                        : clip.getItemAt(0).coerceToText(PhylogenyActivity.this);
                judge("what was pasted", String.valueOf(text));
            }
        });
        copyTreeOnLongPress();
    }

    /** A long press on corrections copies their tree. */
    private void copyTreeOnLongPress() {
        drawing.setOnLongClickListener(new View.OnLongClickListener() {
            @Override
            public boolean onLongClick(View view) {
                if (tree != null) {
                    ClipboardManager board = (ClipboardManager) getSystemService(CLIPBOARD_SERVICE);
                    board.setPrimaryClip(ClipData.newPlainText("Newick", tree));
                    say(getString(R.string.tree_copied));
                }
                return tree != null;
            }
        });
    }

    @Override
    protected void onActivityResult(int code, int result, final Intent data) {
        if (code == PICK && result == RESULT_OK && data != null && data.getData() != null) {
            use(new Use<Model>() {
                @Override
                public void use(Model model) {
                    byte[] bytes = Artifact.bytes(new OneFile(data.getData()), "matrix", LARGEST);
                    String text = new String(bytes, StandardCharsets.UTF_8);
                    show(model, Genotypes.read("the matrix", text));
                }
            });
        }
    }

    /** Begins with the first golden example, where there is one. */
    @Override
    protected void onModel(Model model) {
        Artifact artifact = Models.open(this, getIntent());
        try {
            show(model, (Genotypes) new Golden(artifact.folder).thing(0, "phylogeny"));
        } catch (InputError none) {
            say(getString(R.string.no_matrix));
        }
    }

    private void judge(final String where, final String text) {
        use(new Use<Model>() {
            @Override
            public void use(Model model) {
                show(model, Genotypes.read(where, text));
            }
        });
    }

    private void show(Model model, Genotypes matrix) {
        Object answer = model.answer(matrix);
        List<String> lines = model.task.lines(answer);
        tree = null;
        if (answer instanceof Corrections.Corrected) {
            Corrections.Corrected corrected = (Corrections.Corrected) answer;
            tree = corrected.newick;
            drawing.show(MatrixDrawing.of(corrected, lines));
        } else {
            drawing.show(MatrixDrawing.of(matrix, (Phylogeny.Verdict) answer, lines));
        }
        say(lines.subList(0, 1), model);
    }

    /** A file that a person chose, as a folder of it alone. */
    private final class OneFile implements Artifact.Folder {
        private final Uri uri;

        OneFile(Uri uri) {
            this.uri = uri;
        }

        @Override
        public InputStream open(String name) throws IOException {
            return OtherApp.open(PhylogenyActivity.this, uri);
        }

        @Override
        public String where() {
            return String.valueOf(uri.getLastPathSegment());
        }
    }
}
