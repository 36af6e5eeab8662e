"""A recorded run again: verified, compared with another, opened at any moment, as tables."""
