package edgekit.demo;

import android.os.Bundle;
import android.view.View;
import edgekit.core.InputError;
import edgekit.core.Model;
import edgekit.core.draw.PendulumDrawing;
import edgekit.core.play.Pendulum;
import edgekit.core.task.Control;
import java.util.Collections;
import java.util.Locale;
import java.util.Random;

/** Policy: a pendulum that the model swings up, as fast as it would in the world. */
public final class PolicyActivity extends TaskActivity {
    private static final long STEP_MS = 50;

    private final Random random = new Random();
    private Pendulum pendulum; // touched by the inference thread alone
    private int step;
    private double sum;

    @Override
    protected void onCreate(Bundle state) {
        super.onCreate(state);
        button(R.id.first, R.string.swing, new View.OnClickListener() {
            @Override
            public void onClick(View view) {
                use(new Use<Model>() {
                    @Override
                    public void use(Model model) {
                        begin(model);
                    }
                });
            }
        });
    }

    @Override
    protected void onModel(Model model) {
        begin(model);
    }

    private void begin(Model model) {
        String environment = ((Control) (Object) model.task).environment;
        if (!environment.equals(Pendulum.NAME)) {
            throw new InputError("the app has no " + environment).expected(Pendulum.NAME);
        }
        boolean running = pendulum != null && step < Pendulum.STEPS;
        pendulum = Pendulum.begin(random);
        step = 0;
        sum = 0;
        if (!running) {
            advance();
        }
    }

    private void advance() {
        use(new Use<Model>() {
            @Override
            public void use(Model model) {
                float torque = ((float[]) model.answer(pendulum.observation()))[0];
                sum += pendulum.step(torque);
                step++;
                double share = Math.max(-1, Math.min(1, torque / Pendulum.MOST_TORQUE));
                drawing.show(new PendulumDrawing(pendulum.angle, share, step, sum));
                String line = String.format(Locale.ROOT, "torque %.3f", torque);
                say(Collections.singletonList(line), model);
                if (step < Pendulum.STEPS && !isFinishing()) {
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
}
