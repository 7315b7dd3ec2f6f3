"""Everything between a float network and its integers."""
