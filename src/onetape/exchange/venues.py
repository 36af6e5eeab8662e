"""The simulated exchanges there are: what each lists, who has an account, and which dialect it
speaks.

Keys and secrets follow from the seed, so that a client can be configured before the exchange runs:
they protect play money on a loopback address.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from msgspec import structs

from onetape.exchange.dialect import Dialect
from onetape.exchange.exchange import SimExchange
from onetape.exchange.flow import FlowMarket, GeneratedMarket, flow_market
from onetape.exchange.joint import Collateral
from onetape.exchange.keys import ED25519, key_pair
from onetape.exchange.state import Market
from onetape.model import catalogue
from onetape.model.enums import Kind
from onetape.model.errors import UsageError
from onetape.model.instrument import Instrument

__all__ = ["VENUES", "VenueFacts", "facts_of", "lists", "open_venue"]

HISTORY_NS: Final = 600 * 1_000_000_000  # of the market, before the exchange opens
RATE: Final = 3.0

Call = tuple[int, str, list[Any], dict[str, Any]]  # (time, method, arguments, keywords)


@dataclass(frozen=True, slots=True)
class VenueFacts:
    """One kind of simulated exchange. balances: of every account."""

    symbols: tuple[str, ...]
    balances: dict[str, str]
    first_order_id: int
    self_trade: str
    dialect: Callable[..., Dialect]
    leverage: dict[str, int] = field(default_factory=dict)  # where nobody asked for another
    isolates: bool = False  # isolated positions have margin of their own
    ed25519: bool = False  # every account has such a key, too
    collateral: dict[str, Collateral] = field(default_factory=dict)  # what is joint margin
    outside_wallet: str = ""  # that deposits come to, if it is not the one that is traded from


def _binance(exchange: SimExchange, **options: Any) -> Dialect:
    from onetape.exchange.binance.venue import BinanceUsdm

    return BinanceUsdm(exchange, **options)


def _bitmex(exchange: SimExchange, **options: Any) -> Dialect:
    from onetape.exchange.bitmex.venue import Bitmex

    return Bitmex(exchange, **options)


def _kraken(exchange: SimExchange, **options: Any) -> Dialect:
    from onetape.exchange.kraken.venue import KrakenSpot

    return KrakenSpot(exchange, **options)


VENUES: Final[dict[str, VenueFacts]] = {
    "binance-usdm": VenueFacts(
        symbols=("binance:BTC/USDT:USDT", "binance:ETH/USDT:USDT", "binance:SOL/USDT:USDT"),
        balances={"USDT": "100000", "BTC": "1"},
        first_order_id=8_389_765_000_001,
        self_trade="cancel_resting",
        dialect=_binance,
        isolates=True,
        ed25519=True,
        outside_wallet="spot",
        # The haircut of USDT, and that an exchange may be dearer by another one, are those of the
        # samples of "Asset Index"; the limits of debts those of "Exchange Information". That of
        # BTC is what the venue's page of the mode has had for years. Read 2026-11.
        collateral={
            "USDT": Collateral(Decimal("0.0001"), Decimal("0.0001"), Decimal(10000)),
            "BTC": Collateral(Decimal("0.05"), Decimal("0.025"), Decimal("0.1")),
        },
    ),
    "bitmex": VenueFacts(
        symbols=("bitmex:BTC/USD:BTC", "bitmex:BTC/EUR:BTC", "bitmex:LTC/USDT:USDT"),
        balances={"BTC": "10", "USDT": "100000"},
        first_order_id=1_480_210_001,
        self_trade="cancel_resting",
        dialect=_bitmex,
        # Cross margin is at the most leverage there is: 1 / initMargin of the venue's answers.
        leverage={"bitmex:BTC/USD:BTC": 100, "bitmex:BTC/EUR:BTC": 50, "bitmex:LTC/USDT:USDT": 33},
    ),
    "kraken": VenueFacts(
        symbols=("kraken:BTC/USD", "kraken:ETH/USD", "kraken:XRP/USD"),
        balances={"USD": "100000", "BTC": "1", "ETH": "20", "XRP": "50000"},
        first_order_id=1_000_000_001,
        self_trade="cancel_incoming",
        dialect=_kraken,
    ),
}


def facts_of(kind: str) -> VenueFacts:
    """Raises UsageError for a kind that there is not."""
    facts = VENUES.get(kind)
    if facts is None:
        raise UsageError(f"no simulated exchange {kind!r}", location="sim", todo=f"one of {', '.join(VENUES)}")
    return facts


def lists(kind: str, instrument: Instrument) -> bool:
    """Whether a venue trades an instrument: its own name, and contracts of its kind."""
    listed = [catalogue.find(symbol) for symbol in facts_of(kind).symbols]
    return any(
        each is not None
        and each.venue == instrument.venue
        and (each.kind is Kind.SPOT) == (instrument.kind is Kind.SPOT)
        for each in listed
    )


def _market(symbol: str, leverage: int) -> FlowMarket:
    found = flow_market(symbol)
    if not leverage:
        return found
    return flow_market(symbol, structs.replace(found.instrument, leverage=leverage))


def open_venue(
    kind: str,
    *,
    seed: int,
    now: int,
    accounts: tuple[str, ...] = ("main", "second"),
    limits: bool = True,
    calls: Iterable[Call] = (),
    market: Market | None = None,
    rate: float = RATE,
    history: int = HISTORY_NS,
) -> Dialect:
    """A simulated exchange of a kind, with some minutes of market behind it, at `now` (ns UTC).

    market: instead of the generated one; it begins at `now`. rate, history: how busy the generated
    one is, 1 being near life, and how much of it there has been, ns. calls: what it has been told
    since, as its recorder had it; it then stands at the last of them. Raises UsageError for a kind
    that there is not.
    """
    facts = facts_of(kind)
    opened: Market = market or GeneratedMarket(
        [_market(symbol, facts.leverage.get(symbol, 0)) for symbol in facts.symbols],
        seed=seed,
        start=now - history,
        rate=rate,
    )
    exchange = SimExchange(
        opened,
        self_trade=facts.self_trade,
        first_order_id=facts.first_order_id,
        currencies=tuple(facts.balances),
        isolates=facts.isolates,
        collateral=facts.collateral,
        outside_wallet=facts.outside_wallet,
    )
    exchange.keyring = (seed, kind)
    exchange.advance_unheard(now)
    for name in accounts:
        key, secret = key_pair(seed, f"{kind}/{name}")
        account = exchange.open_account(name, key, secret, facts.balances)
        if facts.ed25519:
            exchange.make_key(account, ED25519, ED25519)
    exchange.take()
    exchange.replay(calls)
    return facts.dialect(exchange, limits=limits)
