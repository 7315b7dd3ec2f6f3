package edgekit.core;

/** Opens entry points of model files. */
public interface Opener {
    /** Returns a session of one entry point; an InputError says why there is none. */
    Session open(Artifact artifact, ModelFile file, Signature entry);
}
