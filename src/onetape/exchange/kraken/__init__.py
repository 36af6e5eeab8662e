"""Kraken spot in front of a simulated exchange."""
