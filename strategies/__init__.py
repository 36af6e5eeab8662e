"""Worked examples: each a strategy that runs as it is."""
