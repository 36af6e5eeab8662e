"""The cores of a whole system at simulated exchanges, in one virtual time, under faults that a seed decides."""
