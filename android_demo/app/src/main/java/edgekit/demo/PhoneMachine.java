package edgekit.demo;

import android.content.Context;
import android.os.Build;
import android.os.PowerManager;
import edgekit.core.bench.Machine;
import java.lang.reflect.InvocationTargetException;

/** What a phone tells beyond Linux. */
final class PhoneMachine extends Machine {
    private static final int FIRST_THERMAL_API = 29;

    private final PowerManager power;

    PhoneMachine(Context context) {
        power = (PowerManager) context.getSystemService(Context.POWER_SERVICE);
    }

    static String name() {
        return Build.MANUFACTURER + " " + Build.MODEL;
    }

    @Override
    protected String board() {
        return name();
    }

    @Override
    protected String system() {
        return "Android " + Build.VERSION.RELEASE;
    }

    /** The method is younger than the framework that this is compiled against. */
    @Override
    protected Integer thermalStatus() {
        if (Build.VERSION.SDK_INT < FIRST_THERMAL_API) {
            return null;
        }
        try {
            return (Integer) PowerManager.class.getMethod("getCurrentThermalStatus").invoke(power);
        } catch (NoSuchMethodException | IllegalAccessException | InvocationTargetException error) {
            return null;
        }
    }
}
