"""Venues through the bridge to ccxt: what a gateway says to it, and what its answers mean."""
