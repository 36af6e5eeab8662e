"""What a venue's folder says of it (`<folder>/adapter.py`), before anything else of the folder is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from urllib.parse import urlsplit

from onetape.model.errors import NotAvailable
from onetape.model.venue_kinds import VENUE_KINDS
from onetape.venues.candles import Candles
from onetape.venues.contract import Addresses, TradingVenue
from onetape.venues.error_tables import ErrorRow

__all__ = ["Adapter", "adapter_of"]


@dataclass(frozen=True, slots=True)
class Adapter:
    """Describes one kind of venue. open: makes it of a key, a secret and addresses; ws_path: of its WebSocket where
    only a host is known.

    addresses: by mode, `live` or `demo`; further_hosts: others by which a configuration may name it. outside_wallet:
    the wallet that withdrawals leave and deposits come to, "" the one that is traded from, None: nothing is withdrawn
    there, or not by us. errors: its table of errors, where what it says is compared with it; candles: how it is asked
    for those of the past, by whether the symbol is no spot."""

    open: Callable[..., TradingVenue]
    addresses: Mapping[str, Addresses] = field(default_factory=dict)
    further_hosts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ws_path: str = ""
    outside_wallet: str | None = None
    errors: Mapping[int | str, ErrorRow] | None = None
    candles: Mapping[bool, Candles] = field(default_factory=dict)

    def hosts(self, mode: str) -> frozenset[str]:
        """Returns the hosts that a configuration may name in a mode."""
        own = self.addresses.get(mode, ())
        return frozenset((*(urlsplit(each).hostname or "" for each in own if each), *self.further_hosts.get(mode, ())))


def adapter_of(name: str) -> Adapter:
    """Raises NotAvailable for a kind that cannot be traded on."""
    native, _, exchange = name.partition(":")
    if native == "ccxt" and exchange:
        found: Adapter = import_module("onetape.venues.ccxt.adapter").adapter_of(exchange)
    elif name in VENUE_KINDS:
        found = import_module(f"onetape.venues.{VENUE_KINDS[name].folder}.adapter").ADAPTER
    else:
        raise NotAvailable(
            f"trading live on {name}", todo=f"kind is one of {', '.join(sorted(VENUE_KINDS))}, or ccxt:NAME"
        )
    return found
