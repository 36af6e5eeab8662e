"""Hedging over several accounts: planning offsetting positions, and completing their legs. Pure: views and reports in,
plans and effects out."""
