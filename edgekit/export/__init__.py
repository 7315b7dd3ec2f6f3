"""From a network to files that run without TensorFlow.

The way of a network, and its rooms:

tracing     a Keras model as one function
rewriting   that function's nodes, with what TFLite has, and as integers bear it
tflite      TensorFlow's converter; onnx: tf2onnx, ONNX Runtime's quantizer, and what they leave
mending     a .tflite's ops
completed   tail, signatures, entries, metadata, attachment

`conversion` leads through it: `part` for one entry point, `files` for one file, `description` for
what the manifest says of it.
"""
