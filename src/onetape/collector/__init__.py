"""The process that follows an external feed."""
