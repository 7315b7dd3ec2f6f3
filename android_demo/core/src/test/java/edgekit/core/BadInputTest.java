package edgekit.core;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;
import static org.junit.Assert.fail;

import edgekit.core.picture.CameraTrouble;
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
    public void aManifestOfAnotherVersion() {
        says("manifest.json: unknown manifest schema: got 2, expected 1, update the app, or convert",
                new Try() {
            @Override
            public Object get() {
                return Manifests.read(Manifests.good().replace("\"schema\": 1", "\"schema\": 2"));
            }
        });
    }

    @Test
    public void aCameraThatGivesNoPictures() {
        assertEquals("the camera may not be used: allow it in the settings, or take a picture from the"
                + " gallery", CameraTrouble.notPermitted().getMessage());
        assertEquals("this phone has no camera: take a picture from the gallery",
                CameraTrouble.none().getMessage());
        assertEquals("the camera cannot be opened: got in use, close other apps that use it, or take a"
                + " picture from the gallery", CameraTrouble.closed("in use").getMessage());
        assertEquals("the camera was taken by another app: come back to this screen",
                CameraTrouble.taken().getMessage());
        assertEquals("the camera stopped: got error 4, take a picture from the gallery",
                CameraTrouble.stopped("error 4").getMessage());
        assertEquals("the camera has no pictures of this size: expected 640 x 480, take a picture from"
                + " the gallery", CameraTrouble.noSize(640, 480).getMessage());
    }

    /** A model is for numbers, another for pictures: what does not fit is said, not forced. */
    @Test
    public void aModelOfSeveralInputs() {
        says("m.onnx: inputs: got [noise, image], expected one", new Try() {
            @Override
            public Object get() {
                Manifest manifest = Manifests.read(Manifests.good().replace("\"inputs\": [",
                        "\"inputs\": [{\"name\": \"noise\", \"shape\": [1], \"dtype\": \"float32\"}, "));
                ModelFile file = manifest.files.get(0);
                return new Model(manifest, file, new Replay(file.main(),
                        Collections.<String, Npz.Array>emptyMap(),
                        Collections.<String, Npz.Array>emptyMap()));
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
