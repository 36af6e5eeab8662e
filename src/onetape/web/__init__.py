"""Shared parts of a home's HTTP servers: authentication, tokens, TLS, refusals."""
