package edgekit.core.play;

import edgekit.core.Artifact;
import edgekit.core.InputError;
import edgekit.core.ModelFile;
import edgekit.core.Opener;
import edgekit.core.Resource;
import edgekit.core.Session;
import edgekit.core.Signature;
import edgekit.core.Tensor;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * A policy that adapts, as edgekit/play/adaptation.py: each transition is encoded, what is encoded is
 * added up in 32 bits, and z is drawn anew from the sums for each trajectory (Rakelly et al.,
 * arXiv:1903.08254, algorithm 2).
 */
public final class Agent implements Resource {
    public static final List<String> ENTRIES = Arrays.asList("encode", "fuse", "act");
    private static final String[] SUMS = {"precision", "precision_mean"};

    private final Map<String, Session> entries;
    private final Session encode;
    private final Session fuse;
    private final Session act;
    private final Map<String, float[]> sums = new HashMap<String, float[]>();
    private float[] z;
    public long actNs; // of the last action

    /** Takes over sessions of the entry points and closes them, even where they do not fit. */
    public Agent(Map<String, Session> entries) {
        this.entries = entries;
        boolean done = false;
        try {
            encode = entry("encode");
            fuse = entry("fuse");
            act = entry("act");
            check(act, "observation", PointRobot.SIZE);
            check(encode, "observation", PointRobot.SIZE);
            check(encode, "action", PointRobot.SIZE);
            check(encode, "reward", 1);
            forget();
            done = true;
        } finally {
            if (!done) {
                close();
            }
        }
    }

    /** Opens the entry points of a file and its like: of one .tflite, or of several .onnx. */
    public static Agent open(Artifact artifact, ModelFile file, Opener opener) {
        Map<String, Session> opened = new HashMap<String, Session>();
        try {
            for (ModelFile one : artifact.manifest.files(file.format)) {
                for (Signature entry : one.entries.values()) {
                    if (one.scheme.equals(file.scheme)) {
                        opened.put(entry.name, opener.open(artifact, one, entry));
                    }
                }
            }
        } catch (InputError error) {
            closeAll(opened);
            throw error;
        }
        return new Agent(opened);
    }

    /** Whether a file's entry points are those of such a policy, or some of them. */
    public static boolean plays(ModelFile file) {
        return ENTRIES.containsAll(file.entries.keySet());
    }

    /** The size of z. */
    public int latent() {
        return size(fuse, "noise");
    }

    /** Forgets all that was learned: another task begins. */
    public void forget() {
        for (String name : SUMS) {
            sums.put(name, new float[size(fuse, name)]);
        }
    }

    /** Begins a trajectory: draws z from what is known, and returns it. */
    public float[] begin(float[] noise) {
        for (String name : SUMS) {
            fuse.inputs().get(name).put(sums.get(name));
        }
        fuse.inputs().get("noise").put(noise);
        z = answer(fuse.run(), "z");
        return z.clone();
    }

    /** Returns the action where the robot is, in its own units. */
    public float[] act(float[] observation) {
        long began = System.nanoTime();
        act.inputs().get("observation").put(observation);
        act.inputs().get("z").put(z);
        float[] action = answer(act.run(), "action");
        for (int i = 0; i < action.length; i++) {
            // There and back, as Python's players act in units of the limit.
            action[i] = action[i] / PointRobot.STRIDE * PointRobot.STRIDE;
        }
        actNs = System.nanoTime() - began;
        return action;
    }

    /** Adds to the sums what a transition says of the task. */
    public void learn(float[] observation, float[] action, float reward, float[] following) {
        Map<String, Tensor> inputs = encode.inputs();
        inputs.get("observation").put(observation);
        inputs.get("action").put(action);
        inputs.get("reward").put(new float[] {reward});
        if (inputs.containsKey("next_observation")) {
            inputs.get("next_observation").put(following);
        }
        Map<String, Tensor> told = encode.run();
        for (String name : SUMS) {
            float[] more = answer(told, name);
            float[] sum = sums.get(name);
            for (int i = 0; i < sum.length; i++) {
                sum[i] += more[i];
            }
        }
    }

    @Override
    public void close() {
        closeAll(entries);
    }

    private Session entry(String name) {
        if (!entries.containsKey(name)) {
            throw new InputError("policy: entry points").got(entries.keySet())
                    .expected(ENTRIES.toString());
        }
        return entries.get(name);
    }

    private static int size(Session session, String name) {
        Tensor tensor = session.inputs().get(name);
        if (tensor == null) {
            throw new InputError("policy: no tensor " + name).got(session.inputs().keySet());
        }
        return tensor.size();
    }

    private static void check(Session session, String name, int expected) {
        if (size(session, name) != expected) {
            throw new InputError("policy: " + name).got(size(session, name) + " numbers")
                    .expected(expected + ": what " + PointRobot.NAME + " has");
        }
    }

    private static float[] answer(Map<String, Tensor> outputs, String name) {
        if (!outputs.containsKey(name)) {
            throw new InputError("policy: no tensor " + name).got(outputs.keySet());
        }
        return outputs.get(name).finite("policy");
    }

    private static void closeAll(Map<String, Session> opened) {
        for (Session session : opened.values()) {
            session.close();
        }
    }
}
