"""A simulated Aster."""
