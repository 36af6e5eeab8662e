"""Which hosts a venue of the configuration may be at, by kind and mode. No I/O.

A key goes to its venue and to nobody else, and play money never meets the real one: `sim` is this
machine, `demo` and `live` are the venue's own hosts, by TLS. Sources: "General Info" of Binance's
documentation (USD-M, Spot, Demo Trading), docs.kraken.com "API Center", read 2026-11.
"""

from __future__ import annotations

import ipaddress
from typing import Final
from urllib.parse import urlsplit

__all__ = ["OWN_HOSTS", "is_loopback", "unfit_address"]

OWN_HOSTS: Final = {
    ("binance-usdm", "live"): frozenset(
        {
            "fapi.binance.com",
            "fstream.binance.com",
            "ws-fapi.binance.com",
            "api.binance.com",
            "fstream-auth.binance.com",
            "api-gcp.binance.com",
            "api1.binance.com",
            "api2.binance.com",
            "api3.binance.com",
            "api4.binance.com",
        }
    ),
    ("binance-usdm", "demo"): frozenset(
        {"demo-fapi.binance.com", "demo-api.binance.com", "testnet.binancefuture.com", "fstream.binancefuture.com"}
    ),
    ("aster", "live"): frozenset(
        {"fapi.asterdex.com", "fapi3.asterdex.com", "fstream.asterdex.com", "sapi.asterdex.com"}
    ),
    ("aster", "demo"): frozenset(
        {"fapi.asterdex-testnet.com", "fstream.asterdex-testnet.com", "sapi.asterdex-testnet.com"}
    ),
    ("pacifica", "live"): frozenset({"api.pacifica.fi", "ws.pacifica.fi"}),
    ("pacifica", "demo"): frozenset({"test-api.pacifica.fi", "test-ws.pacifica.fi"}),
    ("kraken", "live"): frozenset({"api.kraken.com", "ws.kraken.com", "ws-auth.kraken.com"}),
}


def is_loopback(host: str) -> bool:
    """This machine, by name or by number."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def unfit_address(kind: str, mode: str, address: str) -> tuple[str, str] | None:
    """Returns what is wrong with an address that the configuration gives, and what to do; None: nothing."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", None
    if parts.scheme not in ("http", "https", "ws", "wss") or not host:
        return "not the address of an exchange", 'write "https://host" or "http://127.0.0.1:port"'
    if parts.username is not None or parts.password is not None:
        return "a secret in the open", "leave user and password out"
    if mode == "sim":
        if is_loopback(host):
            return None
        return (
            f"{host} is not this machine, and mode sim never leaves it",
            'write rest = "http://127.0.0.1:port", or mode = "demo" or "live"',
        )
    own = OWN_HOSTS.get((kind, mode), frozenset())
    if host not in own:
        listed = ", ".join(sorted(own)) or "none that may be written here"
        return f"{host} is no {mode} host of {kind}", f"leave the address out; it has {listed}"
    if parts.scheme not in ("https", "wss") or port not in (None, 443):
        return f"a key goes to {host} by TLS, port 443, only", "leave the address out"
    return None
