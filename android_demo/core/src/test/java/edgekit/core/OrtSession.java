package edgekit.core;

import ai.onnxruntime.OnnxJavaType;
import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OnnxValue;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.TensorInfo;
import java.nio.ByteBuffer;
import java.util.LinkedHashMap;
import java.util.Map;

/** An .onnx file in ONNX Runtime on the JVM. */
public final class OrtSession implements Session {
    private static final OrtEnvironment ENVIRONMENT = OrtEnvironment.getEnvironment();

    private final ModelFile file;
    private final ai.onnxruntime.OrtSession session;
    private final Signature entry;
    private final Map<String, Tensor> inputs;
    private final int threads;

    public OrtSession(Artifact artifact, ModelFile file, int threads) {
        this.file = file;
        this.threads = threads;
        ByteBuffer content = artifact.content(file);
        byte[] bytes = new byte[content.remaining()];
        content.get(bytes);
        entry = file.main();
        inputs = entry.newInputs();
        try {
            ai.onnxruntime.OrtSession.SessionOptions options =
                    new ai.onnxruntime.OrtSession.SessionOptions();
            options.setIntraOpNumThreads(threads);
            // As edgekit/runtime/exact_sums.py; with VNNI it is slower and answers the same.
            options.addConfigEntry("session.x64quantprecision", "1");
            session = ENVIRONMENT.createSession(bytes, options);
            for (TensorSpec spec : entry.inputs) {
                TensorInfo info = (TensorInfo) session.getInputInfo().get(spec.name).getInfo();
                spec.check(file.path, dtype(info.type), sizes(info));
            }
        } catch (OrtException error) {
            throw new InputError(file.path + ": cannot be loaded").got(error.getMessage());
        }
    }

    @Override
    public Map<String, Tensor> inputs() {
        return inputs;
    }

    @Override
    public Map<String, Tensor> run() {
        Map<String, OnnxTensor> given = new LinkedHashMap<String, OnnxTensor>();
        try {
            for (Tensor input : inputs.values()) {
                given.put(input.spec.name, given(input));
            }
            return run(given);
        } catch (OrtException error) {
            throw new InputError(file.path + ": cannot be run").got(error.getMessage());
        } finally {
            for (OnnxTensor one : given.values()) {
                one.close();
            }
        }
    }

    private Map<String, Tensor> run(Map<String, OnnxTensor> given) throws OrtException {
        try (ai.onnxruntime.OrtSession.Result result = session.run(given)) {
            Map<String, Tensor> outputs = new LinkedHashMap<String, Tensor>();
            for (TensorSpec spec : entry.outputs) {
                OnnxValue value = result.get(spec.name).get();
                TensorInfo info = (TensorInfo) value.getInfo();
                spec.check(file.path, dtype(info.type), sizes(info));
                Tensor output = new Tensor(spec, sizes(info));
                output.bytes.put(((OnnxTensor) value).getByteBuffer());
                output.bytes.rewind();
                outputs.put(spec.name, output);
            }
            return outputs;
        }
    }

    private static OnnxTensor given(Tensor input) throws OrtException {
        long[] shape = new long[input.shape.length];
        for (int i = 0; i < shape.length; i++) {
            shape[i] = input.shape[i];
        }
        input.bytes.rewind();
        return OnnxTensor.createTensor(ENVIRONMENT, input.bytes, shape,
                OnnxJavaType.valueOf(type(input.spec.dtype)));
    }

    @Override
    public Map<String, Object> facts() {
        Map<String, Object> facts = new LinkedHashMap<String, Object>();
        facts.put("name", "onnxruntime");
        facts.put("version", ENVIRONMENT.getVersion());
        facts.put("threads", threads);
        return facts;
    }

    @Override
    public void close() {
        try {
            session.close();
        } catch (OrtException error) {
            throw new IllegalStateException(error);
        }
    }

    private static int[] sizes(TensorInfo info) {
        int[] found = new int[info.getShape().length];
        for (int i = 0; i < found.length; i++) {
            found[i] = (int) info.getShape()[i];
        }
        return found;
    }

    private static String type(String dtype) {
        return dtype.equals("float32") ? "FLOAT" : dtype.toUpperCase(java.util.Locale.ROOT);
    }

    private static String dtype(OnnxJavaType type) {
        return type == OnnxJavaType.FLOAT ? "float32" : type.name().toLowerCase(java.util.Locale.ROOT);
    }
}
