"""Alerts: problems and events to report, each reported once, and their destinations."""
