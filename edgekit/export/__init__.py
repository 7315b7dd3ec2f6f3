"""From a network to files that run without TensorFlow."""
