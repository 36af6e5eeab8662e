"""Sockets and HTTP that several processes use."""
