"""Venues through the bridge to ccxt: a gateway's requests to it, and its answers."""
