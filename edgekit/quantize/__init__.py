"""Everything between a float network and its integers.

graph: a float .tflite that can be changed; ptq: the techniques of `--ptq`; here what chooses layers
(mixed), what learns (qat), what reads data (calibration) and what writes integers (quantizer).
"""
