"""Binance USD-M futures as a simulated exchange."""
