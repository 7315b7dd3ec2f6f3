package edgekit.demo;

import android.app.Activity;
import android.widget.ArrayAdapter;
import android.widget.Spinner;
import java.util.List;

/** What a spinner offers. */
final class Choices {
    private Choices() {}

    /** Fills a spinner, in small letters: several stand side by side. */
    static Spinner offer(Activity screen, int id, List<String> names) {
        Spinner spinner = (Spinner) screen.findViewById(id);
        ArrayAdapter<String> adapter = new ArrayAdapter<String>(screen, R.layout.choice, names);
        adapter.setDropDownViewResource(android.R.layout.simple_spinner_dropdown_item);
        spinner.setAdapter(adapter);
        return spinner;
    }
}
