"""What the HTTP servers of a home share: who may call, tokens, TLS, refusals."""
