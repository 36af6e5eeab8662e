"""A simulated OKX v5: perpetual swaps of an account in futures mode."""
