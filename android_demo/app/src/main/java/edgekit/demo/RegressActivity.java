package edgekit.demo;

import android.os.Bundle;
import android.view.MotionEvent;
import android.view.View;
import edgekit.core.Model;
import edgekit.core.TensorSpec;
import edgekit.core.draw.BandDrawing;
import edgekit.core.task.Regress;

/**
 * Regression: mean and band along the first input, the others at their mean, and what is told of a
 * place that is tapped.
 */
public final class RegressActivity extends TaskActivity {
    private static final int PLACES = 121;
    private static final double REACH = 2.5; // standard deviations to either side

    private BandDrawing band; // touched by the inference thread alone

    @Override
    protected void onCreate(Bundle state) {
        super.onCreate(state);
        drawing.setOnTouchListener(new View.OnTouchListener() {
            @Override
            public boolean onTouch(View view, MotionEvent event) {
                final double share = event.getX() / view.getWidth();
                use(new Use<Model>() {
                    @Override
                    public void use(Model model) {
                        tap(model, share);
                    }
                });
                return false;
            }
        });
    }

    @Override
    protected void onModel(Model model) {
        double[] inputs = new double[PLACES];
        Regress.Normal[] answers = new Regress.Normal[PLACES];
        double middle = mean(model, 0);
        for (int i = 0; i < PLACES; i++) {
            inputs[i] = middle + std(model) * REACH * (2.0 * i / (PLACES - 1) - 1);
            answers[i] = (Regress.Normal) model.answer(place(model, inputs[i]));
        }
        Regress task = regress(model);
        String across = task.inputs.isEmpty() ? "input" : task.inputs.get(0);
        String unit = task.unit.isEmpty() ? "" : " (" + task.unit + ")";
        band = new BandDrawing(inputs, answers, across, task.target + unit);
        drawing.show(band);
        say("tap a place");
    }

    private void tap(Model model, double share) {
        if (band == null) {
            return;
        }
        double input = band.inputAt(share);
        Regress.Normal answer = (Regress.Normal) model.answer(place(model, input));
        band.addTap(input, answer);
        drawing.show(band);
        say(regress(model).lines(answer), model);
    }

    private static double[] place(Model model, double input) {
        double[] place = new double[model.input.size()];
        for (int i = 0; i < place.length; i++) {
            place[i] = i == 0 ? input : mean(model, i);
        }
        return place;
    }

    private static double mean(Model model, int i) {
        TensorSpec spec = model.input.spec;
        return spec.mean == null ? 0 : spec.mean[spec.mean.length == 1 ? 0 : i];
    }

    private static double std(Model model) {
        TensorSpec spec = model.input.spec;
        return spec.std == null ? 1 : spec.std[0];
    }

    private static Regress regress(Model model) {
        return (Regress) (Object) model.task;
    }
}
