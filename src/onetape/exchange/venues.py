"""The simulated exchanges there are: what each lists, who has an account, and which dialect it
speaks.

Keys and secrets follow from the seed, so that a client can be configured before the exchange runs:
they protect play money on a loopback address.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, NamedTuple

from msgspec import structs

from onetape.exchange.board import Market
from onetape.exchange.dialect import Dialect
from onetape.exchange.exchange import Rules, SimExchange
from onetape.exchange.flow import FlowMarket, GeneratedMarket, flow_market
from onetape.exchange.joint import Collateral
from onetape.exchange.keys import ED25519, key_pair, solana_pair, wallet_pair
from onetape.exchange.options import ACCOUNTS
from onetape.model import catalogue
from onetape.model.enums import Kind
from onetape.model.errors import UsageError
from onetape.model.instrument import Instrument

__all__ = ["VENUES", "Crowd", "VenueFacts", "facts_of", "lists", "open_venue"]

Call = tuple[int, str, list[Any], dict[str, Any]]  # (time, method, arguments, keywords)


@dataclass(frozen=True, slots=True)
class VenueFacts:
    """Describes one kind of simulated exchange. balances: of every account."""

    symbols: tuple[str, ...]
    balances: dict[str, str]
    rules: Rules
    dialect: Callable[..., Dialect]
    leverage: dict[str, int] = field(default_factory=dict)  # where nobody asked for another
    ed25519: bool = False  # every account has such a key, too
    keys: Callable[[int, str], tuple[str, str]] = key_pair  # of an account, by seed and name
    raw_symbol: Callable[[str, str], str] = operator.add  # by which it names an instrument of a base and a quote


def _binance(exchange: SimExchange, **options: Any) -> Dialect:
    from onetape.exchange.binance.venue import BinanceUsdm

    return BinanceUsdm(exchange, **options)


def _aster(exchange: SimExchange, **options: Any) -> Dialect:
    from onetape.exchange.aster.venue import Aster

    return Aster(exchange, balances=VENUES["aster"].balances, **options)


def _bitmex(exchange: SimExchange, **options: Any) -> Dialect:
    from onetape.exchange.bitmex.venue import Bitmex

    return Bitmex(exchange, **options)


def _kraken(exchange: SimExchange, **options: Any) -> Dialect:
    from onetape.exchange.kraken.venue import KrakenSpot

    return KrakenSpot(exchange, **options)


def _pacifica(exchange: SimExchange, **options: Any) -> Dialect:
    from onetape.exchange.pacifica.venue import Pacifica

    return Pacifica(exchange, balances=VENUES["pacifica"].balances, **options)


VENUES: Final[dict[str, VenueFacts]] = {
    "binance-usdm": VenueFacts(
        symbols=("binance:BTC/USDT:USDT", "binance:ETH/USDT:USDT", "binance:SOL/USDT:USDT"),
        balances={"USDT": "100000", "BTC": "1"},
        rules=Rules(
            first_order_id=8_389_765_000_001,
            isolates=True,
            outside_wallet="spot",
            # The haircut of USDT, and that an exchange may be dearer by another one, are those of the
            # samples of "Asset Index"; the limits of debts those of "Exchange Information". That of
            # BTC is what the venue's page of the mode has had for years. Read 2026-11.
            collateral={
                "USDT": Collateral(Decimal("0.0001"), Decimal("0.0001"), Decimal(10000)),
                "BTC": Collateral(Decimal("0.05"), Decimal("0.025"), Decimal("0.1")),
            },
        ),
        dialect=_binance,
        ed25519=True,
    ),
    "aster": VenueFacts(
        symbols=("aster:BTC/USDT:USDT", "aster:ETH/USDT:USDT", "aster:SOL/USDT:USDT"),
        balances={"USDT": "100000"},
        rules=Rules(
            first_order_id=8_389_765_000_001,
            isolates=True,
            outside_wallet="spot",
            collateral={"USDT": Collateral(Decimal("0.0001"), Decimal("0.0001"), Decimal(10000))},
        ),
        dialect=_aster,
        keys=wallet_pair,
    ),
    "pacifica": VenueFacts(
        symbols=("pacifica:BTC/USDC:USDC", "pacifica:ETH/USDC:USDC", "pacifica:SOL/USDC:USDC"),
        balances={"USDC": "100000"},
        # Spot counts as its loan-to-value ratio says, up to 10,000 USD of an asset (docs.pacifica.fi "Spot Collateral",
        # 2026). USDC that is owed is a loan of its pool, however much.
        rules=Rules(
            first_order_id=1_559_665_358,
            isolates=True,
            liquidation_parts=(2000, 5),
            collateral={
                "USDC": Collateral(Decimal(0), Decimal(0), Decimal(10**12)),
                **{
                    name: Collateral(Decimal(cut), Decimal(cut), Decimal(0), Decimal(10_000))
                    for name, cut in (("BTC", "0.1"), ("ETH", "0.1"), ("SOL", "0.2"))
                },
            },
        ),
        dialect=_pacifica,
        keys=solana_pair,
        raw_symbol=lambda base, _quote: base,
        leverage={"pacifica:BTC/USDC:USDC": 50, "pacifica:ETH/USDC:USDC": 50, "pacifica:SOL/USDC:USDC": 20},
    ),
    "bitmex": VenueFacts(
        symbols=("bitmex:BTC/USD:BTC", "bitmex:BTC/EUR:BTC", "bitmex:LTC/USDT:USDT"),
        balances={"BTC": "10", "USDT": "100000"},
        rules=Rules(first_order_id=1_480_210_001),
        dialect=_bitmex,
        raw_symbol=lambda base, quote: f"{'XBT' if base == 'BTC' else base}{quote}",
        # Cross margin is at the most leverage there is: 1 / initMargin of the venue's answers.
        leverage={"bitmex:BTC/USD:BTC": 100, "bitmex:BTC/EUR:BTC": 50, "bitmex:LTC/USDT:USDT": 33},
    ),
    "kraken": VenueFacts(
        symbols=("kraken:BTC/USD", "kraken:ETH/USD", "kraken:XRP/USD"),
        balances={"USD": "100000", "BTC": "1", "ETH": "20", "XRP": "50000"},
        rules=Rules(self_trade="cancel_incoming", fee_decimals=(5, 8)),
        dialect=_kraken,
        raw_symbol="{}/{}".format,
    ),
}


def facts_of(kind: str) -> VenueFacts:
    """Raises UsageError for a kind that there is not."""
    facts = VENUES.get(kind)
    if facts is None:
        raise UsageError(f"no simulated exchange {kind!r}", location="sim", todo=f"one of {', '.join(VENUES)}")
    return facts


def lists(kind: str, instrument: Instrument) -> bool:
    """Tells whether a venue trades an instrument: its own name, and contracts of its kind."""
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


class Crowd(NamedTuple):
    """A generated market: how busy it is, 1 being near life, and how much of it there has been when the exchange opens,
    ns."""

    rate: float = 3.0
    history: int = 3600 * 1_000_000_000


_CROWD: Final = Crowd()


def open_venue(
    kind: str,
    *,
    seed: int,
    now: int,
    accounts: tuple[str, ...] = ACCOUNTS,
    limits: bool = True,
    calls: Iterable[Call] = (),
    market: Market | Crowd = _CROWD,
) -> Dialect:
    """Returns a simulated exchange of a kind, with an hour of market behind it, at `now` (ns UTC).

    market: a recorded one begins at `now`. calls: what it has been told since, as its recorder had
    it; it then stands at the last of them. Raises UsageError for a kind that there is not.
    """
    facts = facts_of(kind)
    if isinstance(market, Crowd):
        symbols = [_market(symbol, facts.leverage.get(symbol, 0)) for symbol in facts.symbols]
        market = GeneratedMarket(symbols, seed=seed, start=now - market.history, rate=market.rate)
    exchange = SimExchange(
        market, facts.rules, keyring=(seed, kind), currencies=tuple(facts.balances | facts.rules.collateral)
    )
    exchange.advance_unheard(now)
    for name in accounts:
        key, secret = facts.keys(seed, f"{kind}/{name}")
        account = exchange.accounts.open(name, key, secret, facts.balances)
        if facts.ed25519:
            exchange.accounts.make_key(account, ED25519, ED25519)
    exchange.take()
    exchange.replay(calls)
    return facts.dialect(exchange, limits=limits)
