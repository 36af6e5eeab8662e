"""Simulated exchanges: the matching engine behind each venue's own API, and their process."""
