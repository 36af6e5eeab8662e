"""The process of one strategy, live or on paper, and of its variants."""
