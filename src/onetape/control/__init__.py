"""The control plane: one process that people, scripts and pages ask over HTTP, and that carries out hedges."""
