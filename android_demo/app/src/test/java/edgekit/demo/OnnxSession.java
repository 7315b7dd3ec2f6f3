package edgekit.demo;

import edgekit.core.Artifact;
import edgekit.core.InputError;
import edgekit.core.ModelFile;
import edgekit.core.OrtSession;
import edgekit.core.Session;
import edgekit.core.Signature;
import edgekit.core.Tensor;
import edgekit.core.TensorSpec;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * A .tflite file's tensors, filled by the .onnx file of the same scheme in ONNX Runtime: the app asks
 * and is answered in the layout and the integers that it would meet on a phone.
 */
final class OnnxSession implements Session {
    private final OrtSession session;
    private final Map<String, Tensor> inputs;
    private final Map<String, Tensor> outputs = new LinkedHashMap<String, Tensor>();
    private Map<String, Tensor> always; // null but where a test says what is answered

    OnnxSession(Artifact artifact, ModelFile file, Signature entry, int threads) {
        artifact.content(file); // which refuses what is missing or was changed
        session = new OrtSession(artifact, like(artifact, file, entry), threads);
        inputs = entry.newInputs();
        for (TensorSpec spec : entry.outputs) {
            outputs.put(spec.name, new Tensor(spec, spec.single()));
        }
    }

    void answersAlways(Map<String, Tensor> answer) {
        always = answer;
    }

    private static ModelFile like(Artifact artifact, ModelFile file, Signature entry) {
        for (ModelFile other : artifact.manifest.files("onnx")) {
            boolean same = other.scheme.equals(file.scheme);
            // An ONNX file has one entry point; what a regression predicts is all in its default one.
            if (same && (other.entries.containsKey(entry.name) || file.entries.size() == 1)) {
                return other;
            }
        }
        throw new InputError(file.path + ": no .onnx of the same scheme");
    }

    @Override
    public Map<String, Tensor> inputs() {
        return inputs;
    }

    @Override
    public Map<String, Tensor> run() {
        for (Tensor input : inputs.values()) {
            Tensor other = session.inputs().get(input.spec.name);
            other.put(laidOut(input, other));
        }
        Map<String, Tensor> found = session.run();
        if (always != null) {
            return always;
        }
        for (Tensor output : outputs.values()) {
            Tensor other = found.get(output.spec.name);
            if (output.spec.quantized()) {
                output.put(other.real());
            } else {
                other.bytes.rewind();
                output.bytes.rewind();
                output.bytes.put(other.bytes).rewind();
            }
        }
        return outputs;
    }

    /** Returns the real values, channels first where the other file wants them so. */
    private static float[] laidOut(Tensor input, Tensor other) {
        float[] real = input.real();
        if (input.spec.layout == null || input.spec.layout.equals(other.spec.layout)) {
            return real;
        }
        int channels = input.shape[3];
        int pixels = real.length / channels;
        float[] found = new float[real.length];
        for (int i = 0; i < real.length; i++) {
            found[i % channels * pixels + i / channels] = real[i];
        }
        return found;
    }

    @Override
    public Map<String, Object> facts() {
        return session.facts();
    }

    @Override
    public void close() {
        session.close();
    }
}
