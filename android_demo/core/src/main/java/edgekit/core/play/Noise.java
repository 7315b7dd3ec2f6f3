package edgekit.core.play;

/** What a latent is drawn with: standard normal in each dimension, or wider. */
public interface Noise {
    float[] draw();
}
