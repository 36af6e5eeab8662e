"""The allowed hosts of a configured venue, by kind and mode. No I/O.

A key goes only to its venue, and play money never meets the real exchange: `sim` is this machine, `demo` and `live` are
the venue's own hosts, by TLS.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

__all__ = ["is_loopback", "unfit_address"]


def is_loopback(host: str) -> bool:
    """Tells whether a host name or IP address is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def unfit_address(kind: str, mode: str, address: str, own: Collection[str]) -> tuple[str, str] | None:
    """Returns what is wrong with a configured address, and what to do; None: it is allowed. own: the venue's hosts in
    that mode."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", None
    if parts.scheme not in ("http", "https", "ws", "wss") or not host:
        return "not the address of an exchange", 'write "https://host" or "http://127.0.0.1:port"'
    if parts.username is not None or parts.password is not None:
        return "a secret in the open", "remove user and password"
    if mode == "sim":
        if is_loopback(host):
            return None
        return (
            f"{host} is not this machine, and mode sim never leaves it",
            'write rest = "http://127.0.0.1:port", or mode = "demo" or "live"',
        )
    if host not in own:
        listed = ", ".join(sorted(own)) or "no host that may be written here"
        return f"{host} is no {mode} host of {kind}", f"leave the address out; it has {listed}"
    if parts.scheme not in ("https", "wss") or port not in (None, 443):
        return f"{host} is allowed only with TLS on port 443, because it gets a key", "leave the address out"
    return None
