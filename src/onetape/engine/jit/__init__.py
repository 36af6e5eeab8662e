"""Compile strategies to machine code: numba types for a callback's arguments, services, and the build."""
