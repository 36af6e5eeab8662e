"""Strategies as machine code: numba types for what a callback sees, services, and the build."""
