package edgekit.core;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;
import static org.junit.Assert.fail;

import java.util.Arrays;
import java.util.Map;
import org.junit.Test;

public final class JsonTest {
    @Test
    public void valuesAreRead() {
        Map<?, ?> found = (Map<?, ?>) JsonReader.read(
                " {\"a\": [1, -2.5e3, true, null], \"\\u00e9\\n\\\"\": {}, \"b\": []} ");
        assertEquals(Arrays.asList(1L, -2500.0, true, null), found.get("a"));
        assertTrue(found.containsKey("\u00e9\n\""));
    }

    @Test
    public void whatIsNotJsonIsRefusedWithItsLine() {
        String[] wrong = {"", "{", "[1,]", "{\"a\" 1}", "{a: 1}", "'a'", "01", "1.", "+1", "NaN", "tru",
            "[1] 2", "\"\t\"", "\"\\x\"", "\"\\u00g0\"", "{\"a\": 1, \"a\": 2}", "1e999",
            "99999999999999999999", "// 1", "[1 2]", "-", "\"open"};
        for (String text : wrong) {
            try {
                fail(text + " was read as " + JsonReader.read(text));
            } catch (InputError error) {
                assertTrue(error.getMessage(), error.getMessage().startsWith("line 1 is not JSON"));
            }
        }
    }

    @Test
    public void nestingEndsBeforeTheStackDoes() {
        StringBuilder deep = new StringBuilder();
        for (int i = 0; i < 100000; i++) {
            deep.append('[');
        }
        try {
            JsonReader.read(deep.toString());
            fail();
        } catch (InputError error) {
            assertTrue(error.getMessage().contains("at most 100 levels"));
        }
    }

    @Test
    public void whatIsWrittenReadsBack() {
        String text = "{\"a\": [1, 2.5, \"\\u000a\\\"\\\\\", null, true, {}], \"b\": []}";
        assertEquals(text, JsonWriter.write(JsonReader.read(text)));
    }

    @Test
    public void anErrorIsOneLine() {
        String line = new InputError("a\nb").got("c").expected("d").todo("do e").getMessage();
        assertEquals("a\\u000ab: got c, expected d, do e", line);
    }
}
