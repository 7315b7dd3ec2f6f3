package edgekit.demo;

import edgekit.core.Artifact;
import edgekit.core.InputError;
import edgekit.core.ModelFile;
import edgekit.core.Opener;
import edgekit.core.Session;
import edgekit.core.Signature;
import edgekit.core.Tensor;
import edgekit.core.TensorSpec;
import edgekit.core.bench.Delegation;
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

    private final OwnLog log; // since it was opened
    private final Interpreter interpreter;
    private final String key;
    private final Map<String, Tensor> inputs;
    private final Map<String, Object> given = new HashMap<String, Object>();
    private final Map<String, Object> taken = new HashMap<String, Object>();
    private final Map<String, Tensor> outputs = new LinkedHashMap<String, Tensor>();
    private final Map<String, Object> facts = new LinkedHashMap<String, Object>();

    /** Returns what opens sessions with these kernels. */
    static Opener opener(final int threads, final String delegate) {
        return new Opener() {
            @Override
            public Session open(Artifact artifact, ModelFile file, Signature entry) {
                return new TfliteSession(artifact, file, entry, threads, delegate);
            }
        };
    }

    private TfliteSession(Artifact artifact, ModelFile file, Signature signature, int threads,
            String delegate) {
        Interpreter.Options options = new Interpreter.Options();
        options.setNumThreads(threads);
        options.setUseXNNPACK(delegate.equals("XNNPACK"));
        options.setUseNNAPI(delegate.equals("NNAPI"));
        key = signature.name;
        inputs = signature.newInputs();
        log = new OwnLog();
        Interpreter opened = null;
        try {
            opened = new Interpreter(artifact.content(file), options);
            if (!Arrays.asList(opened.getSignatureKeys()).contains(key)) {
                throw new InputError(file.path + ": signatures")
                        .got(Arrays.toString(opened.getSignatureKeys())).expected(key);
            }
            for (TensorSpec spec : signature.inputs) {
                check(file, spec, opened.getInputTensorFromSignature(spec.name, key));
            }
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
        for (Tensor input : inputs.values()) {
            given.put(input.spec.name, input.bytes);
        }
        facts.put("name", "tensorflow-lite");
        facts.put("version", TensorFlowLite.runtimeVersion());
        facts.put("threads", threads);
        facts.put("kernels", delegate);
    }

    @Override
    public Map<String, Tensor> inputs() {
        return inputs;
    }

    @Override
    public Map<String, Tensor> run() {
        for (Tensor input : inputs.values()) {
            input.bytes.rewind();
        }
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
        if (!facts.containsKey("nodes")) { // reading the log takes longer than opening a file
            Delegation.tell(facts, log.since("tflite"));
        }
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
