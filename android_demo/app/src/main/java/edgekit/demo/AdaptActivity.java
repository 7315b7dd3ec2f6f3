package edgekit.demo;

import android.os.Bundle;
import android.view.MotionEvent;
import android.view.View;
import edgekit.core.Artifact;
import edgekit.core.ModelFile;
import edgekit.core.Opener;
import edgekit.core.draw.AdaptationDrawing;
import edgekit.core.play.Adaptation;
import edgekit.core.play.Agent;
import edgekit.core.play.LatentNoise;
import java.util.List;
import java.util.Random;

/** Policy that adapts: it looks for the goal that is tapped, which it does not see. */
public final class AdaptActivity extends ModelActivity<Agent> {
    private static final long STEP_MS = 40;
    private static final int TOLD = 3; // trajectories, the last first
    private static final float[] FIRST = {0, 1};

    private final Random random = new Random();
    private Adaptation adaptation; // touched by the inference thread alone
    private float[] goal = FIRST;
    private boolean running;

    @Override
    protected void onCreate(Bundle state) {
        super.onCreate(state);
        drawing.setOnTouchListener(new View.OnTouchListener() {
            @Override
            public boolean onTouch(View view, MotionEvent event) {
                final float[] tapped = AdaptationDrawing.goalAt(event.getX(), event.getY(),
                        view.getWidth(), view.getHeight());
                use(new Use<Agent>() {
                    @Override
                    public void use(Agent agent) {
                        goal = tapped;
                        begin(agent);
                    }
                });
                return false;
            }
        });
        button(R.id.first, R.string.again, new View.OnClickListener() {
            @Override
            public void onClick(View view) {
                use(new Use<Agent>() {
                    @Override
                    public void use(Agent agent) {
                        begin(agent);
                    }
                });
            }
        });
    }

    @Override
    protected Agent open(Artifact artifact, ModelFile file, Opener opener) {
        return Agent.open(artifact, file, opener);
    }

    @Override
    protected void onModel(Agent agent) {
        begin(agent);
    }

    private void begin(Agent agent) {
        adaptation = new Adaptation(agent, task(), new LatentNoise(task(), agent.latent(), random), goal);
        drawing.show(new AdaptationDrawing(adaptation));
        if (!running) {
            running = true;
            advance();
        }
    }

    /** Takes a step, and the next one a little later; none where one fails or the model is gone. */
    private void advance() {
        final boolean[] goesOn = new boolean[1];
        use(new Use<Agent>() {
            @Override
            public void use(Agent agent) {
                goesOn[0] = adaptation.step();
                drawing.show(new AdaptationDrawing(adaptation));
                say(agent, adaptation.lines());
            }
        }, new Runnable() {
            @Override
            public void run() {
                running = goesOn[0];
                if (running && !isFinishing()) {
                    drawing.postDelayed(new Runnable() {
                        @Override
                        public void run() {
                            advance();
                        }
                    }, STEP_MS);
                }
            }
        });
    }

    private void say(Agent agent, List<String> lines) {
        StringBuilder text = new StringBuilder();
        for (String line : lines.subList(0, Math.min(TOLD, lines.size()))) {
            text.append(line).append('\n');
        }
        say(text + "an action takes " + agent.actNs / 1000 + " microseconds");
    }
}
