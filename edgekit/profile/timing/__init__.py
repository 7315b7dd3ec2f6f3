"""Times and instructions of files on devices: the worker, the benchmark, what its figures mean."""
