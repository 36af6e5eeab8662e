"""Identifies the market of a recording by the address of its connection."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Final

from onetape.model.enums import Kind
from onetape.venues.protocol_table import Protocol


@dataclass(frozen=True, slots=True)
class Market:
    """One market of a venue in recordings.

    `protocol` is module:attribute of a message table; the module has `unified(raw)` for names that are in no catalogue.
    `kind` is needed if the venue uses one name for two kinds of instruments, else None. `path` is the beginning of the
    address after the host, if a host has several protocols.
    """

    venue: str
    hosts: tuple[str, ...]
    protocol: str
    kind: Kind | None = None
    path: str = ""

    def load(self) -> Protocol:
        """Returns the table, imported on first use."""
        module, _, attribute = self.protocol.partition(":")
        found: Protocol = getattr(import_module(module), attribute)
        return found

    def unified(self, raw: str) -> str:
        """Returns the unified name by the venue's rule of naming, "" if that is ambiguous."""
        module = import_module(self.protocol.partition(":")[0])
        found: str = module.unified(raw, self.kind) if self.kind else module.unified(raw)
        return found


_BINANCE: Final = "onetape.venues.binance.market:MARKET"
_BYBIT: Final = "onetape.venues.bybit.market:MARKET"
MARKETS: Final = (
    Market("binance", ("stream.binance.com", "api.binance.com"), _BINANCE, Kind.SPOT),
    Market("binance", ("fstream.binance.com", "fapi.binance.com"), _BINANCE, Kind.LINEAR),
    Market("binance", ("dstream.binance.com", "dapi.binance.com"), _BINANCE, Kind.INVERSE),
    Market("bitmex", ("www.bitmex.com", "ws.bitmex.com"), "onetape.venues.bitmex.market:MARKET"),
    Market("kraken", ("ws.kraken.com", "api.kraken.com"), "onetape.venues.kraken.market_v1:MARKET"),
    Market("kraken", ("ws.kraken.com",), "onetape.venues.kraken.market:MARKET", path="/v2"),
    Market("krakenfutures", ("futures.kraken.com",), "onetape.venues.krakenfutures.market:MARKET"),
    Market("okx", ("ws.okx.com", "wsaws.okx.com", "www.okx.com"), "onetape.venues.okx.market:MARKET"),
    Market("bybit", ("stream.bybit.com", "api.bybit.com"), "onetape.venues.bybit.market_v2:MARKET"),
    Market("bybit", ("stream.bybit.com",), _BYBIT, Kind.SPOT, "/v5/public/spot"),
    Market("bybit", ("stream.bybit.com",), _BYBIT, Kind.LINEAR, "/v5/public/linear"),
    Market("bybit", ("stream.bybit.com",), _BYBIT, Kind.INVERSE, "/v5/public/inverse"),
)
HOSTS: Final = tuple(dict.fromkeys(host for market in MARKETS for host in market.hosts))


def market_of(url: str) -> Market | None:
    """Returns the market of a `wss://` or `https://` address by host and path; None if unknown."""
    host, _, path = url.partition("://")[2].partition("?")[0].partition("/")
    host = host.partition(":")[0].lower()
    found = [m for m in MARKETS if host in m.hosts and f"/{path}".startswith(m.path)]
    return max(found, key=lambda market: len(market.path), default=None)


__all__ = ["HOSTS", "MARKETS", "Market", "market_of"]
