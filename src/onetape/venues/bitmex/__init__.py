"""BitMEX."""
