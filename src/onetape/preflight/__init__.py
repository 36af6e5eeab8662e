"""Checks before any trading: venue, key, configuration, strategies."""
