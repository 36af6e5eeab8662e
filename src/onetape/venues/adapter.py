"""The description of a venue in its folder (`<folder>/adapter.py`), which is read before any other module of the
folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from urllib.parse import urlsplit

from onetape.model.errors import NotAvailable
from onetape.model.near import did_you_mean
from onetape.model.venue_kinds import VENUE_KINDS
from onetape.venues.candles import Candles
from onetape.venues.contract import Addresses, TradingVenue
from onetape.venues.error_tables import ErrorRow

__all__ = ["Adapter", "adapter_of"]


@dataclass(frozen=True, slots=True)
class Adapter:
    """One kind of venue. open: makes its `TradingVenue` from a key, a secret and addresses; ws_path: path of its
    WebSocket if only the host is configured.

    addresses: by mode, `live` or `demo`; further_hosts: other hosts that a configuration may name. outside_wallet: the
    wallet of withdrawals and deposits, "": the trading wallet, None: withdrawals are not supported. errors: its table
    of errors, to compare with the venue's answers; candles: the requests of past candles, of contracts (True) or spot
    (False).
    """

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
    """Returns the adapter of a kind of venue. Raises NotAvailable for a kind that cannot be traded on."""
    native, _, exchange = name.partition(":")
    if native == "ccxt" and exchange:
        found: Adapter = import_module("onetape.venues.ccxt.adapter").adapter_of(exchange)
    elif name in VENUE_KINDS:
        found = import_module(f"onetape.venues.{VENUE_KINDS[name].folder}.adapter").ADAPTER
    else:
        near = did_you_mean(name, VENUE_KINDS)
        raise NotAvailable(
            f"{name!r} is no kind of venue",
            todo=f"{near} kind is one of {', '.join(sorted(VENUE_KINDS))}, or ccxt:NAME".strip(),
        )
    return found
