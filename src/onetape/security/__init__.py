"""Secrets, tokens, private files, and what a process gives up before it reads them."""
