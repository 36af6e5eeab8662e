"""Execution algorithms: how a wanted position becomes orders. Pure: views in, wishes out."""
