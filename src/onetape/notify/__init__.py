"""Alerts: what is worth telling somebody, told once, and where it goes."""
