package edgekit.core.bench;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNull;

import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.Test;

/** Lines as libtensorflowlite_jni.so 2.16.1 has them. */
public final class DelegationTest {
    private static final String XNNPACK = "Replacing 62 out of 64 node(s) with delegate"
            + " (TfLiteXNNPackDelegate) node, yielding 3 partitions for the whole graph.";

    @Test
    public void oneLineTells() {
        Map<String, Object> facts = told(Arrays.asList("Initialized TensorFlow Lite runtime.",
                "Created TensorFlow Lite XNNPACK delegate for CPU.", XNNPACK));
        assertEquals(64, facts.get("nodes"));
        assertEquals(62, facts.get("delegated_nodes"));
        assertEquals("62 of 64 nodes delegated", Delegation.line(facts));
    }

    @Test
    public void noLineOrSeveralAreUnknown() {
        List<String> none = Collections.emptyList();
        for (List<String> log : Arrays.asList(none, Arrays.asList(XNNPACK, XNNPACK))) {
            Map<String, Object> facts = told(log);
            assertNull(facts.get("nodes"));
            assertNull(facts.get("delegated_nodes"));
            assertEquals("delegated nodes unknown", Delegation.line(facts));
        }
    }

    private static Map<String, Object> told(List<String> log) {
        Map<String, Object> facts = new HashMap<String, Object>();
        Delegation.tell(facts, log);
        return facts;
    }
}
