"""Clients of processes, which import no process's code."""
