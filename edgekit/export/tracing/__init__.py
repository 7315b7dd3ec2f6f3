"""A Keras model as one TensorFlow function: lowering, and layers computed as files bear them."""
