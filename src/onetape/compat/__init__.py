"""Provide names of other systems' interfaces, for strategies written for them."""
