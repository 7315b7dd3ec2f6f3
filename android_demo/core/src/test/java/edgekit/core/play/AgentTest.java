package edgekit.core.play;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertTrue;
import static org.junit.Assert.fail;

import edgekit.core.InputError;
import edgekit.core.Results;
import edgekit.core.Session;
import edgekit.core.Tensor;
import java.util.List;
import java.util.Map;
import org.junit.Test;

public final class AgentTest {
    private static final Noise RIGHT = new Noise() {
        @Override
        public float[] draw() {
            return new float[] {1, 0};
        }
    };

    @Test
    public void whatIsEncodedIsAddedUpUntilItIsForgotten() {
        Agent agent = new Agent(Agents.entries());
        assertArrayEquals(new float[] {1, -2}, agent.begin(new float[] {1, -2}), 0);
        float[] here = new float[2];
        agent.learn(here, new float[] {0.5f, 0}, -1, here);
        agent.learn(here, new float[] {0.5f, 1}, -1, here);
        assertArrayEquals(new float[] {2 / 3f, -1 / 3f}, agent.begin(new float[] {1, -2}), 1e-7f);
        agent.forget();
        assertArrayEquals(new float[] {1, -2}, agent.begin(new float[] {1, -2}), 0);
        assertEquals(2, agent.latent());
    }

    @Test
    public void trajectoriesAreTwentyStepsAndAsManyAsTheManifestSays() {
        Adaptation played = new Adaptation(new Agent(Agents.entries()),
                Agents.params(", \"trajectories\": 2"), RIGHT, new float[] {1, 0});
        int steps = 0;
        while (played.step()) {
            steps++;
        }
        assertEquals(40, steps);
        List<Trajectory> trajectories = played.played();
        assertEquals(2, trajectories.size());
        Trajectory first = trajectories.get(0);
        // Steps of .07 along x toward (1, 0): it ends at 1.4, .4 from the goal; distances sum to
        // (.93 + .86 + ... + .02) + (.05 + .12 + ... + .4) = 6.65 + 1.35.
        assertArrayEquals(new float[] {1.4f, 0}, first.path.get(20), 1e-5f);
        assertEquals(-8, first.sum, 1e-5);
        assertFalse(first.found);
        // Within .2 of it are 12 to 17 steps: 1 - distance is .84 .91 .98 .95 .88 .81.
        assertEquals(5.37, first.sparseSum, 1e-5);
        assertEquals("trajectory 2 of 2: return -8.00, not found", played.lines().get(0));
    }

    @Test
    public void whatIsNoAgentIsSaid() {
        Map<String, Session> without = Agents.entries();
        without.remove("fuse");
        says(without, "policy: entry points: got [");
        Map<String, Session> larger = Agents.entries();
        larger.put("act", new Agents.Arithmetic("observation 17", "z 2") {
            @Override
            public Map<String, Tensor> run() {
                return null;
            }
        });
        says(larger, "policy: observation: got 17 numbers, expected 2: what point-robot has");
        Map<String, Session> blind = Agents.entries();
        blind.put("encode", new Agents.Arithmetic("observation 2", "action 2") {
            @Override
            public Map<String, Tensor> run() {
                return null;
            }
        });
        says(blind, "policy: no tensor reward: got [observation, action]");
    }

    @Test
    public void latentsThatAreNoNumbersAreSaid() {
        Map<String, Session> wild = Agents.entries();
        wild.put("fuse", new Agents.Arithmetic("precision 2", "precision_mean 2", "noise 2") {
            @Override
            public Map<String, Tensor> run() {
                return Results.of("z", new int[] {1, 2}, Float.NaN, 0);
            }
        });
        try {
            new Agent(wild).begin(new float[2]);
            fail();
        } catch (InputError error) {
            assertEquals("policy: NaN or infinity in z: got 1 of 2", error.getMessage());
        }
    }

    @Test
    public void otherTasksAreRefused() {
        try {
            new Adaptation(new Agent(Agents.entries()), new edgekit.core.Fields("task",
                    edgekit.core.JsonReader.read("{\"environment\": \"ant-goal\"}")), RIGHT, new float[2]);
            fail();
        } catch (InputError error) {
            assertEquals("the app has no tasks ant-goal: expected point-robot", error.getMessage());
        }
    }

    private static void says(Map<String, Session> entries, String line) {
        try {
            new Agent(entries);
            fail(line);
        } catch (InputError error) {
            assertTrue(error.getMessage(), error.getMessage().startsWith(line));
        }
    }
}
