"""Portfolios: weights of symbols, limits of exposure, and whose share of a net position is what. Pure."""
