"""Offsetting positions over several accounts: what is planned, and how its legs end together. Pure: views and reports
in, plans and effects out."""
