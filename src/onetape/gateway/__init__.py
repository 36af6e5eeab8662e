"""The process that trades on one account of one venue."""
