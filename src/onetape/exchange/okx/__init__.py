"""A simulated OKX v5: spot, perpetual swaps and dated futures of an account in spot or futures mode."""
