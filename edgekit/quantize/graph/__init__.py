"""A float .tflite as ops that can be changed, run one by one, and cut apart."""
