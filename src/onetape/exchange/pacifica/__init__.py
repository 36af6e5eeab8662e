"""A simulated Pacifica."""
