"""Run one strategy as a process, live or on paper, and its variants."""
