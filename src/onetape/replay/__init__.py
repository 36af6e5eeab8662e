"""Replay recorded runs: verify, compare, open at any moment, export as tables."""
