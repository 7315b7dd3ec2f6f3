"""From a network to files that run without TensorFlow.

The way of a network, and its rooms:

traced      a Keras model as one function: lowering, with scopes, recurrence, lookups, norms, half
written     what TFLite lacks with what it has: lacking (lacking_forms, gelus, cosines)
rewritten   that function's nodes, for integers: masks (mask_forms), joints, wide_ops (wide_forms,
            truths); watching tells what examples make of them
converted   tflite; onnx (onnx_operators, onnx_rows, onnx_integers), tidied by onnx_folding,
            onnx_affine, onnx_padding
mended      a .tflite's ops, for all runtimes: moves, bounds, steps, spectra, neon; for speed: stem
completed   tail, signatures, entries, metadata, attachment

`conversion` leads through it: `part` for one entry point, `files` for one file, `description` for
what the manifest says of it.
"""
