package edgekit.core.draw;

/** Something to see; it draws itself anew at whatever size the surface has. */
public interface Drawing {
    void draw(Pen pen);
}
