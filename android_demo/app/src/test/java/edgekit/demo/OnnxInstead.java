package edgekit.demo;

import edgekit.core.Artifact;
import edgekit.core.ModelFile;
import edgekit.core.Opener;
import edgekit.core.Session;
import edgekit.core.Signature;
import edgekit.core.Tensor;
import java.util.Map;
import org.robolectric.annotation.Implementation;
import org.robolectric.annotation.Implements;

/** TensorFlow Lite has no JVM runtime: in its place ONNX Runtime runs the .onnx of the same scheme. */
@Implements(value = TfliteSession.class, isInAndroidSdk = false)
public final class OnnxInstead {
    /** What is answered in place of any model's answer, where a test says it. */
    static Map<String, Tensor> answer;

    @Implementation
    protected static Opener opener(final int threads, String delegate) {
        return new Opener() {
            @Override
            public Session open(Artifact artifact, ModelFile file, Signature entry) {
                OnnxSession session = new OnnxSession(artifact, file, entry, threads);
                if (answer != null) {
                    session.answersAlways(answer);
                }
                return session;
            }
        };
    }
}
