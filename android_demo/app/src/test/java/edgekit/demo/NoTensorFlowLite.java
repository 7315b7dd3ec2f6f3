package edgekit.demo;

import org.robolectric.annotation.Implementation;
import org.robolectric.annotation.Implements;
import org.tensorflow.lite.TensorFlowLite;

/** The version is asked of a native library, which the JVM has not. */
@Implements(value = TensorFlowLite.class, isInAndroidSdk = false)
public final class NoTensorFlowLite {
    @Implementation
    protected static String runtimeVersion() {
        return "none";
    }
}
