package edgekit.core;

import edgekit.core.task.Task;
import edgekit.core.task.Tasks;
import java.util.Map;

/** A task's file in a session: a thing goes in, an answer comes out, and what each part took. */
public final class Model implements Resource {
    public final ModelFile file;
    public final Session session;
    public final Tensor input; // the session's only one
    public final Task<Object, Object> task;
    public long preNs; // of the last answer
    public long invokeNs;
    public long postNs;

    /** Takes over the session and closes it, even where the two do not fit. */
    @SuppressWarnings("unchecked") // the caller shows things of the kind that the manifest names
    public Model(Manifest manifest, ModelFile file, Session session) {
        this.file = file;
        this.session = session;
        boolean done = false;
        try {
            task = (Task<Object, Object>) Tasks.of(manifest.task);
            if (session.inputs().size() != 1) {
                throw new InputError(file.path + ": inputs").got(session.inputs().keySet())
                        .expected("one");
            }
            input = session.inputs().values().iterator().next();
            task.bind(input);
            done = true;
        } finally {
            if (!done) {
                session.close();
            }
        }
    }

    public Object answer(Object thing) {
        long began = System.nanoTime();
        task.encode(thing);
        long encoded = System.nanoTime();
        Map<String, Tensor> outputs = session.run();
        long ran = System.nanoTime();
        Object answer = task.decode(outputs, thing);
        postNs = System.nanoTime() - ran;
        invokeNs = ran - encoded;
        preNs = encoded - began;
        return answer;
    }

    @Override
    public void close() {
        session.close();
    }
}
