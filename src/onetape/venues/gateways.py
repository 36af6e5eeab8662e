"""What a gateway has to know of a venue beside its orders: clock, instruments, connections.

One `TradingVenue` for each kind of venue; the gateway's shell asks it and never which kind it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol
from urllib.parse import urlsplit

from onetape.model.errors import NotAvailable
from onetape.model.instrument import Instrument
from onetape.orders.budget import BudgetRule
from onetape.orders.calls import Call, OrderProtocol
from onetape.orders.reports import VenueReport
from onetape.venues.depth import DepthStream
from onetape.venues.hosts import is_loopback
from onetape.venues.live_market import Market
from onetape.venues.market_polls import MarketPolls
from onetape.venues.order_entry import EntryDialect
from onetape.venues.past_market import PastMarket

__all__ = ["HOSTS", "AccountStream", "Addresses", "TradingVenue", "open_trading_venue", "outside_wallet", "ws_address"]


class Addresses(NamedTuple):
    """Where a venue is. ws_private: of the account's stream; ws_entry: where orders are sent, ""
    for where it usually is beside the others; wallet: where money is moved between wallets and the
    rights of a key are told, "" where that can be done nowhere."""

    rest: str
    ws: str
    ws_private: str
    ws_entry: str = ""
    wallet: str = ""


class AccountStream(Protocol):
    """One connection on which an account's news come; each connection has its own."""

    @property
    def url(self) -> str: ...

    @property
    def hello(self) -> tuple[bytes, ...]:
        """Returns what is said first."""
        ...

    @property
    def ping(self) -> bytes:
        """Returns what it wants to hear again and again, if anything."""
        ...

    @property
    def is_live(self) -> bool:
        """What happens from now on is told."""
        ...

    @property
    def broken(self) -> str:
        """Why it cannot be relied on any more, "" while it can."""
        ...

    def reports_of(self, message: bytes) -> list[VenueReport]: ...


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
    def past(self) -> PastMarket | None:
        """Returns how its bars from before are asked for; None: not by us."""
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


HOSTS: Final = {
    ("binance-usdm", "live"): Addresses(
        "https://fapi.binance.com",
        "wss://fstream.binance.com",
        "wss://fstream.binance.com",
        "wss://ws-fapi.binance.com/ws-fapi/v1",
        "https://api.binance.com",
    ),
    # The demo system has no wallets beside the one that is traded from (as of 2026-11).
    ("binance-usdm", "demo"): Addresses(
        "https://demo-fapi.binance.com",
        "wss://fstream.binancefuture.com",
        "wss://fstream.binancefuture.com",
        "wss://testnet.binancefuture.com/ws-fapi/v1",
    ),
    ("aster", "live"): Addresses(
        "https://fapi.asterdex.com", "wss://fstream.asterdex.com", "wss://fstream.asterdex.com"
    ),
    ("aster", "demo"): Addresses(
        "https://fapi.asterdex-testnet.com", "wss://fstream.asterdex-testnet.com", "wss://fstream.asterdex-testnet.com"
    ),
    ("pacifica", "live"): Addresses("https://api.pacifica.fi", "wss://ws.pacifica.fi/ws", "wss://ws.pacifica.fi/ws"),
    ("pacifica", "demo"): Addresses(
        "https://test-api.pacifica.fi", "wss://test-ws.pacifica.fi/ws", "wss://test-ws.pacifica.fi/ws"
    ),
    # There is no demo of Kraken spot.
    ("kraken", "live"): Addresses(
        "https://api.kraken.com",
        "wss://ws.kraken.com/v2",
        "wss://ws-auth.kraken.com/v2",
        wallet="https://api.kraken.com",
    ),
}


def _binance(key: str, secret: str, addresses: Addresses) -> TradingVenue:
    from onetape.venues.binance.gateway import BinanceUsdmVenue

    return BinanceUsdmVenue(key, secret, addresses)


def _aster(key: str, secret: str, addresses: Addresses) -> TradingVenue:
    from onetape.venues.aster.family import ASTER, TESTNET_ASTER
    from onetape.venues.aster.signing import refuse_main_key
    from onetape.venues.binance.gateway import BinanceUsdmVenue

    host = urlsplit(addresses.rest).hostname or "localhost"
    venue = BinanceUsdmVenue(key, secret, addresses, TESTNET_ASTER if host.endswith("-testnet.com") else ASTER)
    if not is_loopback(host):
        refuse_main_key(key, venue.protocol.signer)
    return venue


def _bitmex(key: str, secret: str, addresses: Addresses) -> TradingVenue:
    from onetape.venues.bitmex.gateway import BitmexVenue

    return BitmexVenue(key, secret, addresses)


def _kraken(key: str, secret: str, addresses: Addresses) -> TradingVenue:
    from onetape.venues.kraken.gateway import KrakenSpotVenue

    return KrakenSpotVenue(key, secret, addresses)


def _pacifica(key: str, secret: str, addresses: Addresses) -> TradingVenue:
    from onetape.venues.pacifica.gateway import PacificaVenue

    venue = PacificaVenue(key, secret, addresses)
    if venue.protocol.signer is not None and not is_loopback(urlsplit(addresses.rest).hostname or "localhost"):
        venue.protocol.signer.refuse_main_key()
    return venue


def _ccxt(exchange: str) -> Callable[[str, str, Addresses], TradingVenue]:
    """Through the bridge: the key is its token."""
    from onetape.venues.ccxt.gateway import CcxtVenue

    return lambda key, secret, addresses: CcxtVenue(exchange, key, addresses)


# How it is made, and the path of its WebSocket where only a host is known.
_KINDS: Final[dict[str, tuple[Callable[[str, str, Addresses], TradingVenue], str]]] = {
    "aster": (_aster, ""),
    "binance-usdm": (_binance, ""),
    "bitmex": (_bitmex, "/realtime"),
    "kraken": (_kraken, "/v2"),
    "pacifica": (_pacifica, "/ws"),
}


# The wallet that withdrawals leave and deposits come to, "" being the one that is traded from.
_OUTSIDE: Final = {"binance-usdm": "spot", "kraken": ""}


def outside_wallet(kind: str) -> str | None:
    """None: nothing is withdrawn there, or not by us."""
    return _OUTSIDE.get(kind)


def open_trading_venue(kind: str, key: str, secret: str, addresses: Addresses) -> TradingVenue:
    """Raises NotAvailable for a kind that cannot be traded on, BadConfig for keys that are none."""
    return _kind(kind)[0](key, secret, addresses)


def ws_address(kind: str, rest: str) -> str:
    """Where the WebSocket is, beside a REST address on the same host. Raises NotAvailable."""
    return rest.rstrip("/").replace("http", "ws", 1) + _kind(kind)[1]


def _kind(kind: str) -> tuple[Callable[[str, str, Addresses], TradingVenue], str]:
    if kind.startswith("ccxt:"):
        return _ccxt(kind.removeprefix("ccxt:")), ""
    if kind not in _KINDS:
        raise NotAvailable(f"trading live on {kind}", todo="docs/roadmap.md says when")
    return _KINDS[kind]
