"""Prepare and record a run, whoever starts it: options, plan, data, and result."""
