"""Aster: perpetuals, a venue of Binance's family with wallets for keys."""
