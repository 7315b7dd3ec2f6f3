package edgekit.demo;

import edgekit.core.Artifact;
import edgekit.core.InputError;
import edgekit.core.ModelFile;
import edgekit.core.Session;
import edgekit.core.Signature;
import edgekit.core.Tensor;
import edgekit.core.TensorSpec;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import org.tensorflow.lite.Interpreter;
import org.tensorflow.lite.TensorFlowLite;

/** A .tflite file in TensorFlow Lite; its buffers are made once. */
final class TfliteSession implements Session {
    /** Which kernels run: "XNNPACK", TensorFlow Lite's "builtin" ones, or "NNAPI"'s where it can. */
    static final String[] DELEGATES = {"XNNPACK", "builtin", "NNAPI"};

    private final Interpreter interpreter;
    private final String key;
    private final Tensor input;
    private final Map<String, Object> given = new HashMap<String, Object>();
    private final Map<String, Object> taken = new HashMap<String, Object>();
    private final Map<String, Tensor> outputs = new LinkedHashMap<String, Tensor>();
    private final Map<String, Object> facts = new LinkedHashMap<String, Object>();

    TfliteSession(Artifact artifact, ModelFile file, int threads, String delegate) {
        Interpreter.Options options = new Interpreter.Options();
        options.setNumThreads(threads);
        options.setUseXNNPACK(delegate.equals("XNNPACK"));
        options.setUseNNAPI(delegate.equals("NNAPI"));
        Signature signature = file.signature;
        key = signature.name;
        input = new Tensor(signature.input(), signature.input().single());
        Interpreter opened = null;
        try {
            opened = new Interpreter(artifact.content(file), options);
            if (!Arrays.asList(opened.getSignatureKeys()).contains(key)) {
                throw new InputError(file.path + ": signatures")
                        .got(Arrays.toString(opened.getSignatureKeys())).expected(key);
            }
            check(file, input.spec, opened.getInputTensorFromSignature(input.spec.name, key));
            for (TensorSpec spec : signature.outputs) {
                org.tensorflow.lite.Tensor own = opened.getOutputTensorFromSignature(spec.name, key);
                check(file, spec, own);
                Tensor output = new Tensor(spec, own.shape());
                outputs.put(spec.name, output);
                taken.put(spec.name, output.bytes);
            }
        } catch (IllegalArgumentException | IllegalStateException error) {
            close(opened);
            throw new InputError(file.path + ": cannot be loaded").got(error.getMessage());
        } catch (InputError error) {
            close(opened);
            throw error;
        }
        interpreter = opened;
        given.put(input.spec.name, input.bytes);
        facts.put("name", "tensorflow-lite");
        facts.put("version", TensorFlowLite.runtimeVersion());
        facts.put("threads", threads);
        facts.put("kernels", delegate);
    }

    @Override
    public Tensor input() {
        return input;
    }

    @Override
    public Map<String, Tensor> run() {
        input.bytes.rewind();
        for (Tensor output : outputs.values()) {
            output.bytes.rewind();
        }
        try {
            interpreter.runSignature(given, taken, key);
        } catch (IllegalArgumentException | IllegalStateException error) {
            throw new InputError("the model cannot be run").got(error.getMessage());
        }
        return outputs;
    }

    @Override
    public Map<String, Object> facts() {
        return facts;
    }

    @Override
    public void close() {
        interpreter.close();
    }

    private static void check(ModelFile file, TensorSpec spec, org.tensorflow.lite.Tensor own) {
        spec.check(file.path, own.dataType().name().toLowerCase(Locale.ROOT), own.shape());
    }

    private static void close(Interpreter opened) {
        if (opened != null) {
            opened.close();
        }
    }
}
