"""Simulated exchanges: the matching engine behind each venue's own dialect, and their process."""
