"""The control plane: one process that serves people, scripts and pages over HTTP, and that carries out hedges."""
