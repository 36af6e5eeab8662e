"""Find symbols that meet a condition: the core's scan over journals."""
