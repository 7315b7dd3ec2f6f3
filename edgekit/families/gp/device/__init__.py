"""What fits on a device: a posterior's few constants, or a small network that it taught."""
