"""Compute portfolios: weights of symbols, limits of exposure, and members' shares of a net position. Pure."""
