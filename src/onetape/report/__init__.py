"""Compute the statistics of a run and render its pages."""
