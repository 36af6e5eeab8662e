"""Names of other systems' interfaces, for strategies that were written for them."""
