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
import java.util.Random;

/** Policy that adapts: it looks for the goal that is tapped, which it does not see. */
public final class AdaptActivity extends ModelActivity<Agent> {
    private static final long STEP_MS = 40;
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

    private void advance() {
        use(new Use<Agent>() {
            @Override
            public void use(Agent agent) {
                running = false; // if this step fails
                running = adaptation.step();
                drawing.show(new AdaptationDrawing(adaptation));
                say(agent, adaptation);
            }
        }, new Runnable() {
            @Override
            public void run() {
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

    private void say(Agent agent, Adaptation of) {
        StringBuilder text = new StringBuilder();
        for (String line : of.lines()) {
            text.append(line).append('\n');
        }
        say(text + "an action takes " + agent.actNs / 1000 + " microseconds");
    }
}
