"""The simulated Binance spot."""
