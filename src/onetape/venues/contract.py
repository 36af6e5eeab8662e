"""The interface of a venue to a gateway beside its orders: clock, instruments, connections.

There is one `TradingVenue` for each kind of venue; the gateway's shell uses it and never asks which kind it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple, Protocol

from onetape.model.errors import NotAvailable
from onetape.model.instrument import Instrument
from onetape.orders.budget import BudgetRule
from onetape.orders.calls import Call, OrderProtocol
from onetape.orders.reports import VenueReport
from onetape.venues.depth import DepthStream, VenueStream
from onetape.venues.live_market import Market
from onetape.venues.market_polls import MarketPolls
from onetape.venues.order_entry import EntryDialect
from onetape.venues.past_market import PastBars

__all__ = [
    "AccountStream",
    "AccountStreamDefaults",
    "Addresses",
    "MarkPrices",
    "TradingVenue",
    "VenueDefaults",
    "joined",
]


class Addresses(NamedTuple):
    """The addresses of a venue. ws_private: for the account's stream; ws_entry: for orders, "": derived from the
    others; wallet: for transfers and key rights, "" if there is no such service."""

    rest: str
    ws: str
    ws_private: str
    ws_entry: str = ""
    wallet: str = ""


class MarkPrices(NamedTuple):
    """The request of mark prices. read(body, earliest accepted time in ns UTC): returns symbol -> price; raises
    LookupError, TypeError or ValueError."""

    call: Call
    read: Callable[[bytes, int], Mapping[str, Decimal]]


class AccountStream(VenueStream, Protocol):
    """One connection with an account's reports; each connection has its own object."""

    @property
    def is_live(self) -> bool:
        """Tells whether all later events are reported."""
        ...

    def reports_of(self, message: bytes) -> list[VenueReport]: ...

    def due(self) -> Sequence[bytes]:
        """Returns the messages to send next, once: a venue may have to confirm one before it takes another."""
        ...


class AccountStreamDefaults:
    """A base of `AccountStream`s that say nothing."""

    hello: tuple[bytes, ...] = ()
    broken = ""
    ping = b""

    def due(self) -> Sequence[bytes]:
        return ()


def joined(bodies: Sequence[bytes]) -> bytes:
    """Returns the answers to a venue's `instrument_lists` as `instruments_of` reads them: one as it is, several as a
    JSON list."""
    return bodies[0] if len(bodies) == 1 else b"[" + b",".join(bodies) + b"]"


class VenueDefaults:
    """A base of `TradingVenue`s with defaults: it counts no orders, its account's stream has no key, and no WebSocket
    takes orders."""

    protocol: Any  # each venue has its own
    in_order = False
    budget_key = ""
    budget: tuple[BudgetRule, ...] = ()
    wallet_budget: tuple[BudgetRule, ...] = ()
    order_rules: tuple[BudgetRule, ...] = ()
    order_limit_code = ""
    keep_key_s = 0.0
    polls: MarketPolls | None = None
    past: PastBars | None = None
    marks: MarkPrices | None = None

    def time(self) -> Call:
        made: Call = self.protocol.time()
        return made

    def instruments(self) -> Call:
        raise NotImplementedError

    def instrument_lists(self) -> Sequence[Call]:
        return (self.instruments(),)

    def account_stream(self, key: str) -> AccountStream:
        raise NotImplementedError

    def account_streams(self, key: str) -> Sequence[AccountStream]:
        return (self.account_stream(key),)

    @property
    def entry_url(self) -> str:
        return ""

    def entry_key(self, now: int) -> Call | None:
        return None

    def entry_dialect(self, key: str) -> EntryDialect:
        raise NotAvailable("no WebSocket takes orders")


class TradingVenue(Protocol):
    """One account at one venue. now: ns UTC, our estimate of the venue's time."""

    @property
    def protocol(self) -> OrderProtocol: ...

    @property
    def in_order(self) -> bool:
        """Tells whether requests must arrive in the order in which they were made."""
        ...

    @property
    def clock_step(self) -> int:
        """Returns the resolution of the venue's reported clock, ns."""
        ...

    @property
    def budget(self) -> tuple[BudgetRule, ...]:
        """Returns the limits per address. Limits per account or pair are not counted here: after a refusal the request
        is sent again or given up."""
        ...

    @property
    def budget_key(self) -> str:
        """Returns the key for which the venue counts requests instead of the address; "": for the address."""
        ...

    @property
    def wallet_budget(self) -> tuple[BudgetRule, ...]:
        """Returns the limits per address of the wallet service, if it has another address."""
        ...

    @property
    def connects(self) -> BudgetRule | None:
        """Returns the limit on connection attempts of an address; None: not documented."""
        ...

    @property
    def order_rules(self) -> tuple[BudgetRule, ...]:
        """Returns the limits on an account's orders, once `instruments_of` has read them."""
        ...

    @property
    def order_limit_code(self) -> str:
        """Returns the venue's error code for too many orders of an account, "" if it has none."""
        ...

    @property
    def keep_key_s(self) -> float:
        """Returns the interval in seconds at which the key of the account's stream is kept alive; 0: not needed."""
        ...

    @property
    def probe_s(self) -> float:
        """Returns the interval in seconds of the cheapest query of the account, which checks a silent stream; 0:
        never."""
        ...

    def time(self) -> Call: ...

    def instrument_lists(self) -> Sequence[Call]:
        """Requests all lists of instruments."""
        ...

    def instruments_of(self, body: bytes, wanted: frozenset[str]) -> list[Instrument]:
        """Returns the wanted instruments that trade now. body: the answers, `joined`. Raises KeyError, TypeError,
        ValueError."""
        ...

    @property
    def symbols_max(self) -> int:
        """Returns how many instruments one connection for market data carries."""
        ...

    def market(self, instruments: Sequence[Instrument], numbers: Sequence[int] = ()) -> Market:
        """Returns a reader of the market. numbers: of the instruments' streams on the tape; by default they count from
        1."""
        ...

    @property
    def polls(self) -> MarketPolls | None:
        """Returns the requests that poll the venue's market; None: not supported."""
        ...

    def depth(self, instrument: Instrument, stream: int) -> DepthStream | None:
        """Returns a new connection for an instrument's depth; stream: its number on the tape. None: not supported."""
        ...

    @property
    def past(self) -> PastBars | None:
        """Returns the requests of its past bars; None: not supported."""
        ...

    @property
    def marks(self) -> MarkPrices | None:
        """Returns the request of mark prices; None: the venue's positions contain them."""
        ...

    def stream_key(self, now: int, *, keep: bool = False) -> Call: ...

    def account_streams(self, key: str) -> Sequence[AccountStream]:
        """Returns new connections for the account's reports, of which all are needed."""
        ...

    @property
    def entry_url(self) -> str:
        """Returns the address of the WebSocket that takes orders."""
        ...

    def entry_key(self, now: int) -> Call | None:
        """Returns the request that must precede each connection for orders; None: none is needed."""
        ...

    def entry_dialect(self, key: str) -> EntryDialect: ...
