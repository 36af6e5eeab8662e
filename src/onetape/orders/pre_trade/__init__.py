"""The checks of an order before it leaves."""
