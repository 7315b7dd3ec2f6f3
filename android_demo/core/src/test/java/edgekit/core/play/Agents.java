package edgekit.core.play;

import edgekit.core.Fields;
import edgekit.core.JsonReader;
import edgekit.core.Results;
import edgekit.core.Session;
import edgekit.core.Tensor;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;

/** An agent of arithmetic alone, for tests: z = mean + noise, and it goes where z points. */
public final class Agents {
    private Agents() {}

    static Fields params(String more) {
        String text = "{\"name\": \"control\", \"environment\": \"point-robot\", \"rewards\": \"dense\"";
        return new Fields("task", JsonReader.read(text + more + "}"));
    }

    /** It learns nothing but where it has been: every transition adds precision 1 around its action. */
    static Map<String, Session> entries() {
        Map<String, Session> found = new HashMap<String, Session>();
        found.put("encode", new Arithmetic("observation 2", "action 2", "reward 1") {
            @Override
            public Map<String, Tensor> run() {
                float[] action = inputs().get("action").real();
                return both("precision", new float[] {1, 1}, "precision_mean", action);
            }
        });
        found.put("fuse", new Arithmetic("precision 2", "precision_mean 2", "noise 2") {
            @Override
            public Map<String, Tensor> run() {
                float[] z = inputs().get("noise").real();
                float[] precision = inputs().get("precision").real();
                float[] mean = inputs().get("precision_mean").real();
                for (int i = 0; i < z.length; i++) {
                    z[i] = (z[i] + mean[i]) / (1 + precision[i]);
                }
                return Results.of("z", new int[] {1, 2}, z);
            }
        });
        found.put("act", new Arithmetic("observation 2", "z 2") {
            @Override
            public Map<String, Tensor> run() {
                float[] z = inputs().get("z").real();
                float most = Math.max(1e-6f, Math.max(Math.abs(z[0]), Math.abs(z[1])));
                return Results.of("action", new int[] {1, 2}, 0.07f * z[0] / most, 0.07f * z[1] / most);
            }
        });
        return found;
    }

    /** Returns a whole adaptation with that noise. */
    public static Adaptation adaptation(Noise noise, float[] goal) {
        return new Adaptation(new Agent(entries()), params(""), noise, goal);
    }

    private static Map<String, Tensor> both(String one, float[] ones, String other, float[] others) {
        Map<String, Tensor> found = Results.of(one, new int[] {1, ones.length}, ones);
        found.putAll(Results.of(other, new int[] {1, others.length}, others));
        return found;
    }

    /** A session of inputs that are described as "name size". */
    abstract static class Arithmetic implements Session {
        private final Map<String, Tensor> inputs = new LinkedHashMap<String, Tensor>();

        Arithmetic(String... described) {
            for (String one : described) {
                String[] parts = one.split(" ");
                inputs.put(parts[0], Results.input("{\"name\": \"" + parts[0] + "\", \"shape\": [1, "
                        + parts[1] + "], \"dtype\": \"float32\"}"));
            }
        }

        @Override
        public Map<String, Tensor> inputs() {
            return inputs;
        }

        @Override
        public Map<String, Object> facts() {
            return Collections.emptyMap();
        }

        @Override
        public void close() {}
    }
}
