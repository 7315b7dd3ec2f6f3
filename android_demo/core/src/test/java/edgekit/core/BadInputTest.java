package edgekit.core;

import static org.junit.Assert.assertTrue;
import static org.junit.Assert.fail;

import edgekit.core.picture.Picture;
import edgekit.core.picture.PictureEncoder;
import edgekit.core.task.Genotypes;
import edgekit.core.task.Task;
import edgekit.core.task.Tasks;
import java.util.Collections;
import org.junit.Test;

/** Whatever a person brings, a sentence comes back. */
public final class BadInputTest {
    private interface Try {
        Object get();
    }

    @Test
    public void aFolderWithoutManifest() {
        says("digits/manifest.json: missing", new Try() {
            @Override
            public Object get() {
                return Artifact.open(Manifests.folder(null, Manifests.CONTENT));
            }
        });
    }

    @Test
    public void aChangedModel() {
        says("digits/m.onnx: changed since it was written: got SHA-256", new Try() {
            @Override
            public Object get() {
                Artifact artifact = Artifact.open(Manifests.folder(Manifests.good(), new byte[7]));
                return artifact.content(artifact.manifest.files.get(0));
            }
        });
    }

    @Test
    public void aLongerModel() {
        says("digits/m.onnx: too large: expected at most 7 bytes", new Try() {
            @Override
            public Object get() {
                Artifact artifact = Artifact.open(Manifests.folder(Manifests.good(), new byte[8]));
                return artifact.content(artifact.manifest.files.get(0));
            }
        });
    }

    @Test
    public void aFileThatIsNoModel() {
        says("m.onnx: cannot be loaded: got", new Try() {
            @Override
            public Object get() {
                Artifact artifact =
                        Artifact.open(Manifests.folder(Manifests.good(), Manifests.CONTENT));
                return new OrtSession(artifact, artifact.manifest.files.get(0), 1);
            }
        });
    }

    @Test
    public void aMissingLabel() {
        final Manifest manifest = Manifests.read(Manifests.good().replace(", \"one\"]", "]"));
        final Tensor output = scores(manifest, 0.25f, 0.75f);
        says("classify: labels do not fit: got 1 labels, expected 2, one a score", new Try() {
            @Override
            public Object get() {
                return task(manifest).decode(Collections.singletonMap("scores", output), null);
            }
        });
    }

    @Test
    public void scoresThatAreNoNumbers() {
        final Manifest manifest = Manifests.read(Manifests.good());
        final Tensor output = scores(manifest, Float.NaN, 0);
        says("classify: NaN or infinity in scores: got 1 of 2", new Try() {
            @Override
            public Object get() {
                return task(manifest).decode(Collections.singletonMap("scores", output), null);
            }
        });
    }

    @Test
    public void anInputOfUnknownPixels() {
        final Manifest manifest = Manifests.read(Manifests.good().replace("\"uint8\"", "\"float32\"")
                .replace(", \"mean\": [127.5], \"std\": [2.0]", ""));
        says("input image: how pixels become float32 is not known", new Try() {
            @Override
            public Object get() {
                TensorSpec spec = manifest.files.get(0).main().input();
                return new PictureEncoder(new Tensor(spec, spec.single()), PictureEncoder.Fit.STRETCH);
            }
        });
    }

    @Test
    public void aHugePicture() {
        says("photo.jpg: too large a picture: got 20000 x 10000 pixels", new Try() {
            @Override
            public Object get() {
                Picture.check("photo.jpg", 10000, 20000);
                return null;
            }
        });
    }

    @Test
    public void aMatrixThatIsNone() {
        table("", "m.csv: empty");
        table("a,b\n0,1\n1,x\n", "m.csv: row 2, column b: got 'x', expected 0, 1, or");
        table("a,b\n0,1\n1\n", "m.csv: row 2: got 1 columns, expected 2");
        table("a,a\n0,1\n1,1\n", "m.csv: column a: got the name twice");
        table("a,b\n0,1\n", "m.csv: too few rows: got 1 rows, expected at least 2");
        table("cell,a,b\n\"open,0,1\n", "m.csv: a quote without its end");
    }

    private static void table(final String text, String line) {
        says(line, new Try() {
            @Override
            public Object get() {
                return Genotypes.read("m.csv", text);
            }
        });
    }

    @SuppressWarnings("unchecked")
    private static Task<Object, Object> task(Manifest manifest) {
        return (Task<Object, Object>) Tasks.of(manifest.task);
    }

    private static Tensor scores(Manifest manifest, float... values) {
        Tensor found = new Tensor(manifest.files.get(0).main().outputs.get(0),
                new int[] {1, values.length});
        for (int i = 0; i < values.length; i++) {
            found.put(i, values[i]);
        }
        return found;
    }

    private static void says(String line, Try what) {
        try {
            fail("" + what.get());
        } catch (InputError error) {
            assertTrue(error.getMessage(), error.getMessage().startsWith(line));
        }
    }
}
