"""A .tflite's ops, mended after TensorFlow's converter.

Of all runtimes: moves, bounds, steps, spectra; of ARM's kernels: neon, factors; for speed: factors,
kernels, stem.
"""
