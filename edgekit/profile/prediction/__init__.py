"""Latency predicted op by op on cores whose published latencies a roofline was fitted to."""
