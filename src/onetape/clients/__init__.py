"""Clients of processes: who asks one for something imports none."""
