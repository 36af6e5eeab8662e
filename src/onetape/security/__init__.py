"""Secrets, tokens, private files, and the confinement of processes that read them."""
