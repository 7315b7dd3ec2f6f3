package edgekit.core.play;

import java.util.ArrayList;
import java.util.List;

/** Where a robot was from the first step to the last, and what that earned. */
public final class Trajectory {
    public final List<float[]> path = new ArrayList<float[]>(); // one more than there are steps
    public final float[] z; // that it was played with
    public double sum; // of dense rewards
    public double sparseSum;
    public boolean found; // whether the last step earned a sparse reward

    Trajectory(float[] z, float[] from) {
        this.z = z.clone();
        path.add(from);
    }

    private Trajectory(Trajectory other) {
        z = other.z;
        path.addAll(other.path);
        sum = other.sum;
        sparseSum = other.sparseSum;
        found = other.found;
    }

    void add(float[] at, float reward, float sparse) {
        path.add(at);
        sum += reward;
        sparseSum += sparse;
        found = sparse > 0;
    }

    public int steps() {
        return path.size() - 1;
    }

    /** Returns it as it is now, for another thread. */
    Trajectory copy() {
        return new Trajectory(this);
    }
}
