package edgekit.core.task;

import edgekit.core.Tensor;
import java.util.List;
import java.util.Map;

/**
 * From the thing that a person has to a tensor, and from tensors back to an answer, as Python's
 * module of the same name in edgekit/tasks.
 *
 * @param <T> the thing, as a picture
 * @param <A> the answer
 */
public interface Task<T, A> {
    /** Takes the input that {@link #encode} fills from now on. */
    void bind(Tensor input);

    void encode(T thing);

    /** Returns the answer in the outputs, or throws an InputError that says what is wrong. */
    A decode(Map<String, Tensor> outputs, T thing);

    /** Returns the answer as rows of JSON types, most important first. */
    List<Map<String, Object>> describe(A answer);

    /** Returns the answer as a person reads it, most important first. */
    List<String> lines(A answer);
}
