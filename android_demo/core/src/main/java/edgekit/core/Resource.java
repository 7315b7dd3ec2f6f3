package edgekit.core;

/** Something that must be closed, which cannot fail. */
public interface Resource extends AutoCloseable {
    @Override
    void close();
}
