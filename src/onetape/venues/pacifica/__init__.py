"""Pacifica: perpetuals on Solana, signed by wallets."""
