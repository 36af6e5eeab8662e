"""The control plane: one process that serves people, scripts and pages over HTTP, and carries out hedges."""
