"""Feeds of a venue's market for all processes: streams, polls, and the shared address."""
