"""Opens a tradable venue of any kind, and returns its addresses."""

from __future__ import annotations

from onetape.venues.adapter import adapter_of
from onetape.venues.contract import Addresses, TradingVenue

__all__ = ["open_trading_venue", "ws_address"]


def open_trading_venue(
    kind: str, key: str, secret: str, addresses: Addresses, third_secret: str = "", *, isolated: bool = False
) -> TradingVenue:
    """Opens a venue. third_secret: "" if the account has none; isolated: its orders name isolated margin. Raises
    NotAvailable for a kind that cannot be traded on, BadConfig for invalid keys."""
    more = {"isolated": True} if isolated else {}
    return adapter_of(kind).open(key, secret, addresses, *([third_secret] if third_secret else []), **more)


def ws_address(kind: str, rest: str) -> str:
    """Returns the WebSocket address beside a REST address on the same host. Raises NotAvailable."""
    return rest.rstrip("/").replace("http", "ws", 1) + adapter_of(kind).ws_path
