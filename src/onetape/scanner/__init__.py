"""Which symbols meet a condition: journals followed by the core's scan."""
