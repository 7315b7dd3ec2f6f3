package edgekit.core;

import java.util.Map;

/** An entry point of a model file, opened in a runtime; one thread at a time. */
public interface Session extends Resource {
    /** The inputs by name, which are filled before each {@link #run}. */
    Map<String, Tensor> inputs();

    /** Runs one inference; the outputs, by name, are valid until the next one. */
    Map<String, Tensor> run();

    /** Runtime, version, threads, and of how many nodes a delegate took how many, where known. */
    Map<String, Object> facts();
}
