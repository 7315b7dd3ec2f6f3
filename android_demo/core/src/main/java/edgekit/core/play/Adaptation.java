package edgekit.core.play;

import edgekit.core.Fields;
import edgekit.core.InputError;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** An agent that looks for one goal, trajectory by trajectory, one step at a time. */
public final class Adaptation {
    private static final int TRAJECTORIES = 3; // where the manifest says nothing

    private final Agent agent;
    private final Noise noise;
    private final PointRobot robot;
    private final boolean sparse; // what is learned from: sparse rewards, or dense ones
    private final int count;
    private final List<Trajectory> trajectories = new ArrayList<Trajectory>();

    /**
     * Begins anew: the agent forgets.
     *
     * @param params the manifest's task
     */
    public Adaptation(Agent agent, Fields params, Noise noise, float[] goal) {
        String environment = params.string("environment", "");
        if (!environment.equals(PointRobot.NAME)) {
            throw new InputError("the app has no tasks " + environment).expected(PointRobot.NAME);
        }
        this.agent = agent;
        this.noise = noise;
        robot = new PointRobot(goal);
        params.string("rewards", null, "dense", "sparse");
        sparse = params.string("rewards").equals("sparse");
        count = params.has("trajectories") ? (int) params.integer("trajectories", 1, 1000)
                : TRAJECTORIES;
        agent.forget();
    }

    /** Takes one step, of a new trajectory where one has ended; false where all have. */
    public boolean step() {
        Trajectory now = latest();
        if (now == null || now.steps() == PointRobot.STEPS) {
            if (trajectories.size() == count) {
                return false;
            }
            robot.reset();
            now = new Trajectory(agent.begin(noise.draw()), robot.observation());
            trajectories.add(now);
        }
        float[] before = robot.observation();
        float[] action = agent.act(before);
        float reward = robot.step(action);
        now.add(robot.observation(), reward, robot.sparseReward());
        agent.learn(before, action, sparse ? robot.sparseReward() : reward, robot.observation());
        return true;
    }

    /** How many trajectories there will be. */
    public int count() {
        return count;
    }

    public float[] goal() {
        return robot.goal();
    }

    /** Returns the trajectories as they are now, for another thread. */
    public List<Trajectory> played() {
        List<Trajectory> copies = new ArrayList<Trajectory>();
        for (Trajectory one : trajectories) {
            copies.add(one.copy());
        }
        return copies;
    }

    /** Returns z, path, return and success of each trajectory, as JSON types. */
    public List<Map<String, Object>> describe() {
        List<Map<String, Object>> rows = new ArrayList<Map<String, Object>>();
        for (Trajectory one : trajectories) {
            List<Object> path = new ArrayList<Object>();
            for (float[] at : one.path) {
                path.add(numbers(at));
            }
            Map<String, Object> row = new LinkedHashMap<String, Object>();
            row.put("z", numbers(one.z));
            row.put("path", path);
            row.put("return", one.sum);
            row.put("found", one.found);
            rows.add(row);
        }
        return rows;
    }

    private static List<Double> numbers(float[] values) {
        List<Double> found = new ArrayList<Double>();
        for (float value : values) {
            found.add((double) value);
        }
        return found;
    }

    /** Returns the last trajectory in words, and what came of those before. */
    public List<String> lines() {
        List<String> lines = new ArrayList<String>();
        for (int i = trajectories.size() - 1; i >= 0; i--) {
            Trajectory one = trajectories.get(i);
            String ending = one.steps() < PointRobot.STEPS ? "" : one.found ? ", found" : ", not found";
            lines.add(String.format(Locale.ROOT, "trajectory %d of %d: return %.2f%s", i + 1,
                    count, one.sum, ending));
        }
        return lines;
    }

    private Trajectory latest() {
        return trajectories.isEmpty() ? null : trajectories.get(trajectories.size() - 1);
    }
}
