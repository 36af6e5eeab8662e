"""Feeds of a venue's market for all processes: streams, polls, and the limits that processes of one address share."""
