"""The available simulated exchanges: instruments, accounts, and dialect of each.

Keys and secrets are derived from the seed, so that a client can be configured before the exchange runs; they only
protect play money on a loopback address.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import Any, Final, NamedTuple

from msgspec import structs

from onetape.exchange.board import Market
from onetape.exchange.dialect import Dialect
from onetape.exchange.exchange import SimExchange
from onetape.exchange.flow import FlowMarket, GeneratedMarket, flow_market
from onetape.exchange.keys import ED25519
from onetape.exchange.options import ACCOUNTS
from onetape.exchange.venue_facts import VenueFacts
from onetape.model import catalogue
from onetape.model.enums import Kind
from onetape.model.errors import UnknownSymbol, UsageError
from onetape.model.instrument import Instrument
from onetape.model.near import did_you_mean
from onetape.model.symbol import parse_symbol
from onetape.model.venue_kinds import VENUE_KINDS

__all__ = ["VENUES", "Crowd", "facts_of", "listed_market", "lists", "open_venue"]

Call = tuple[int, str, list[Any], dict[str, Any]]  # (time, method, arguments, keywords)

VENUES: Final = tuple(VENUE_KINDS)


def facts_of(kind: str) -> VenueFacts:
    """Returns the description of a kind. Raises UsageError for an unknown one."""
    if kind not in VENUE_KINDS:
        todo = f"{did_you_mean(kind, VENUES)} write one of {', '.join(VENUES)}".strip()
        raise UsageError(f"there is no simulated exchange {kind!r}", location="onetape sim", todo=todo)
    facts: VenueFacts = import_module(f"onetape.exchange.{VENUE_KINDS[kind].folder}.facts").FACTS
    return facts


def lists(kind: str, instrument: Instrument) -> bool:
    """Tells whether a venue trades an instrument: the symbol names the venue, and the venue has contracts of its
    kind."""
    listed = [catalogue.find(symbol) for symbol in facts_of(kind).symbols]
    return any(
        each is not None
        and each.venue == instrument.venue
        and (each.kind is Kind.SPOT) == (instrument.kind is Kind.SPOT)
        for each in listed
    )


def listed_market(symbol: str, facts: VenueFacts) -> FlowMarket:
    """Returns the market of a symbol. A dated contract that is not in the catalogue has the terms of the perpetual."""
    perpetual, dash, date = symbol.rpartition("-")
    is_named = not dash or catalogue.find(symbol) is not None
    found = flow_market(symbol if is_named else perpetual).instrument
    if not is_named:
        if facts.dated_raw is None or (expiry := parse_symbol(symbol).expiry) is None:
            raise UnknownSymbol(f"no dated contracts are simulated there: {symbol}", location="--symbol")
        own = {"symbol": symbol, "raw_symbol": facts.dated_raw(found.raw_symbol, date)}
        found = structs.replace(found, **own, perpetual=False, expiry=expiry, funding_interval=0)
    leverage = facts.leverage.get(symbol if is_named else perpetual, 0)
    return flow_market(symbol, structs.replace(found, leverage=leverage) if leverage else found)


class Crowd(NamedTuple):
    """A generated market: its activity, of which 1 is realistic, and the length of its history when it opens, ns.
    symbols: of the venue, in place of its usual ones."""

    rate: float = 3.0
    history: int = 3600 * 1_000_000_000
    symbols: tuple[str, ...] = ()


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
    """Returns a simulated exchange of a kind, with an hour of market history, at `now` (ns UTC).

    market: a recorded market begins at `now`. calls: recorded calls to repeat; the exchange's time is then that of the
    last call. Raises UsageError for an unknown kind.
    """
    facts = facts_of(kind)
    if isinstance(market, Crowd):
        names = market.symbols or facts.symbols
        symbols = [listed_market(symbol, facts) for symbol in names]
        if other := [each.instrument.symbol for each in symbols if not lists(kind, each.instrument)]:
            raise UsageError(f"{kind} does not trade {', '.join(other)}", location="--symbol")
        market = GeneratedMarket(symbols, seed=seed, start=now - market.history, rate=market.rate)
    exchange = SimExchange(
        market, facts.rules, keyring=(seed, kind), currencies=tuple(facts.balances | facts.rules.collateral)
    )
    if isinstance(market, GeneratedMarket):
        exchange.begin(now)
    else:
        exchange.advance_unheard(now)
    for name in accounts:
        key, secret = facts.keys(seed, f"{kind}/{name}")
        account = exchange.accounts.open(name, key, secret, facts.balances)
        if facts.ed25519:
            exchange.accounts.make_key(account, ED25519, ED25519)
    exchange.take()
    exchange.replay(calls)
    return facts.dialect(exchange, limits=limits)
