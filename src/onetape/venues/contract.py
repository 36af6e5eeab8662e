"""What a venue is to a gateway beside its orders: clock, instruments, connections.

One `TradingVenue` for each kind of venue; the gateway's shell asks it and never which kind it is.
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

__all__ = ["AccountStream", "Addresses", "MarkPrices", "TradingVenue", "VenueDefaults"]


class Addresses(NamedTuple):
    """The addresses of a venue. ws_private: of the account's stream; ws_entry: where orders are sent, "" for where it
    usually is beside the others; wallet: where money is moved between wallets and the rights of a key are told, ""
    where that can be done nowhere."""

    rest: str
    ws: str
    ws_private: str
    ws_entry: str = ""
    wallet: str = ""


class MarkPrices(NamedTuple):
    """Asks for mark prices. read: an answer's body and the earliest time (ns UTC) of which they serve, to prices by
    symbol; raises LookupError, TypeError or ValueError."""

    call: Call
    read: Callable[[bytes, int], Mapping[str, Decimal]]


class AccountStream(VenueStream, Protocol):
    """One connection on which an account's news come; each connection has its own."""

    @property
    def is_live(self) -> bool:
        """Tells whether what happens from now on is reported."""
        ...

    def reports_of(self, message: bytes) -> list[VenueReport]: ...


class VenueDefaults:
    """A base of `TradingVenue`s, for whom says nothing else: it counts no orders, its account's stream has no key, and
    no WebSocket takes orders."""

    protocol: Any  # each names its own
    in_order = False
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

    @property
    def entry_url(self) -> str:
        return ""

    def entry_key(self, now: int) -> Call | None:
        return None

    def entry_dialect(self, key: str) -> EntryDialect:
        raise NotAvailable("no WebSocket takes orders")


class TradingVenue(Protocol):
    """One account at one venue. now: ns UTC, the venue's time as we know it."""

    @property
    def protocol(self) -> OrderProtocol: ...

    @property
    def in_order(self) -> bool:
        """Requests have to arrive in the order in which they were made."""
        ...

    @property
    def clock_step(self) -> int:
        """ns, of the venue's clock as it is told."""
        ...

    @property
    def budget(self) -> tuple[BudgetRule, ...]:
        """Returns what it counts for an address. What it counts for an account or a pair is its to judge: a refusal of
        that kind is answered, and sent again or given up."""
        ...

    @property
    def wallet_budget(self) -> tuple[BudgetRule, ...]:
        """Returns the same at the address of its wallets, where that is another one."""
        ...

    @property
    def connects(self) -> BudgetRule | None:
        """Returns how often an address may try to connect to its streams; None: it says nothing of that."""
        ...

    @property
    def order_rules(self) -> tuple[BudgetRule, ...]:
        """Returns how many orders it takes from an account, once `instruments_of` has read it."""
        ...

    @property
    def order_limit_code(self) -> str:
        """Its code for an account that has sent too many orders, "" where it has none."""
        ...

    @property
    def keep_key_s(self) -> float:
        """Returns how often the key of the account's stream is kept alive, 0: it need not be."""
        ...

    @property
    def probe_s(self) -> float:
        """Returns how often its cheapest query asks what the account's stream should have told, while that says
        nothing; 0: never."""
        ...

    def time(self) -> Call: ...

    def instruments(self) -> Call: ...

    def instruments_of(self, body: bytes, wanted: frozenset[str]) -> list[Instrument]:
        """Returns those that are wanted and trade now. Raises KeyError, TypeError, ValueError."""
        ...

    @property
    def symbols_max(self) -> int:
        """Instruments that one connection for market data carries."""
        ...

    def market(self, instruments: Sequence[Instrument], numbers: Sequence[int] = ()) -> Market:
        """numbers: of their streams on the tape, where they do not count from 1."""
        ...

    @property
    def polls(self) -> MarketPolls | None:
        """Returns how its market is read by requests; None: not by us."""
        ...

    def depth(self, instrument: Instrument, stream: int) -> DepthStream | None:
        """Returns a connection for its depth, made anew for each; stream: its number on the tape. None: this venue has
        none for us."""
        ...

    @property
    def past(self) -> PastBars | None:
        """Returns how its bars from before are asked for; None: not by us."""
        ...

    @property
    def marks(self) -> MarkPrices | None:
        """Returns how mark prices are asked for where the venue's positions do not say them; None: they do."""
        ...

    def stream_key(self, now: int, *, keep: bool = False) -> Call: ...

    def account_stream(self, key: str) -> AccountStream: ...

    @property
    def entry_url(self) -> str:
        """Of the WebSocket that takes orders."""
        ...

    def entry_key(self, now: int) -> Call | None:
        """Returns what has to be asked for before each connection for orders, if anything."""
        ...

    def entry_dialect(self, key: str) -> EntryDialect: ...
