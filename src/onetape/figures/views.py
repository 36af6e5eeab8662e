"""Reads all accounts at one time: positions and money from gateways' state tables, prices from their tapes or the
hub's table. Each figure has its age; figures that are too old or unconfirmed are marked.

A gateway writes its table several times a second, its tape at once: fills that the table does not include yet are
added.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Final

from onetape.accounts.entries import TOTAL
from onetape.accounts.table import AccountReader, Margin, PositionShown, gateway_of
from onetape.feeds.hub_table import BOOK, FUNDING, LEVELS, MARK, QUOTE, TRADE, MarketReader
from onetape.figures.market_tape import DoubtedPrice, GatewayTape, Seen
from onetape.figures.symbols import USD, NeutralSymbols
from onetape.figures.traded_volume import TradedVolume
from onetape.hedge.model import LegView, Level, Resting
from onetape.hedge.moves import Booked
from onetape.hedge.plan import base_of, worth
from onetape.market.confirmed_price import PriceKind
from onetape.model.enums import Kind, OrderState, PositionSide, TimeInForce
from onetape.model.errors import OnetapeError
from onetape.model.home import gateway_journal, hub_journal
from onetape.model.instrument import Instrument
from onetape.model.money import RATE_DECIMALS, money
from onetape.model.sections import AccountConfig, Config
from onetape.model.symbol import exchange_of
from onetape.model.time import MINUTE, SECOND, parse_duration
from onetape.options.hub import brought_by_hub
from onetape.projections.account import AccountState
from onetape.projections.account_balances import STALE_NS
from onetape.projections.checkpoint import checkpoint_file
from onetape.projections.followed_account import FollowedAccount
from onetape.tape.state import Group

__all__ = ["AccountFigures", "Views", "main_coin"]

_ZERO: Final = Decimal(0)
_NEVER: Final = 2**62  # age of unconfirmed figures
MARKS: Final = 5  # marks may be so many times older than prices: venues send them less often
TRADED_MAX: Final = 20 * MINUTE  # how far back volumes are kept: legs are worked for ten minutes at most
CHECKS: Final = 1.5  # maximum age of the venue's report, in intervals of reconciliation

Key = tuple[str, PositionSide]


@dataclass(slots=True)
class AccountFigures:
    """One account's figures. sides, qty: in its instruments' own units, signed, by position side and in total; at:
    ns UTC, when its gateway last confirmed them; confirmed_at: when the venue last reported its balances, 0: never;
    why: reason why the account is not reliable, "": it is reliable."""

    at: int = 0
    confirmed_at: int = 0
    why: str = "its gateway does not run"
    positions: dict[Key, PositionShown] = field(default_factory=dict)
    sides: dict[Key, Decimal] = field(default_factory=dict)
    qty: dict[str, Decimal] = field(default_factory=dict)
    margins: dict[str, Margin] = field(default_factory=dict)
    funding: dict[str, tuple[int, int]] = field(default_factory=dict)
    balances: dict[str, tuple[Decimal, Decimal]] = field(default_factory=dict)  # currency -> (total, available)
    as_of: dict[str, int] = field(default_factory=dict)  # currency -> frame of the gateway that set the balance
    worth: dict[str, tuple[Decimal, tuple[str, ...]]] = field(default_factory=dict)  # by currency: `Views._spot_worth`


class Views:
    """Reads all accounts and their markets. `refresh` reads new data; all other methods return its state. clock: ns
    UTC."""

    def __init__(self, config: Config, home: Path, *, clock: Callable[[], int] = time.time_ns) -> None:
        self.config, self.home = config, home
        self.clock, self.now = clock, 0
        self.market_age = parse_duration(config.control.market_age)
        age = parse_duration(config.control.account_age)
        self._bounds = {
            name: max(age, int(CHECKS * parse_duration(each.check_every))) for name, each in config.accounts.items()
        }
        self.tapes = {name: GatewayTape(gateway_journal(home, name)) for name in config.accounts}
        self._beside = _beside(config)
        shared = {each for others in self._beside.values() for each in others}
        self._orders = {
            name: FollowedAccount(gateway_journal(home, name), checkpoint_file(home, name)) for name in shared
        }
        self._resting: dict[str, dict[str, list[Resting]]] = {}  # by account and symbol
        self._tables: dict[str, AccountReader] = {}
        self._figures: dict[str, AccountFigures] = {}
        self._legs: dict[tuple[str, str], LegView] = {}  # by account and symbol, as of the last refresh
        self._hub: MarketReader | None = None
        self._hub_prices: dict[str, DoubtedPrice] = {}  # by symbol
        self._symbols: tuple[int, NeutralSymbols] | None = None
        self._of_hub: dict[str, frozenset[str]] = {}
        self._volumes: dict[tuple[str, str, int], TradedVolume] = {}

    def refresh(self) -> None:
        """Reads new frames of the tapes; cheap, call it before use."""
        self.now = self.clock()
        self._figures.clear()
        self._legs.clear()
        for tape in self.tapes.values():
            tape.take(self.now)
        for name, orders in self._orders.items():
            if orders.take():
                self._resting[name] = _resting(name, orders.view)
        if self._hub is not None:
            self._hub.state.refresh()

    def close(self) -> None:
        for tape in self.tapes.values():
            tape.close()
        for orders in self._orders.values():
            orders.close()
        for volume in self._volumes.values():
            volume.close()

    @property
    def kinds(self) -> dict[str, str]:
        """Returns kinds of venues by their names in the configuration."""
        return {name: each.kind for name, each in self.config.venues.items()}

    def accounts(self) -> list[str]:
        return list(self.config.accounts)

    def symbols(self) -> NeutralSymbols:
        version = sum(tape.version for tape in self.tapes.values())
        if self._symbols is None or self._symbols[0] != version:
            of = {name: tape.instruments for name, tape in self.tapes.items()}
            self._symbols = version, NeutralSymbols(self.config.symbols, of)
            self._of_hub = {name: self._brought(name) for name in of}
        return self._symbols[1]

    def legs(self, symbol: str, accounts: Sequence[str]) -> list[LegView]:
        """Returns one leg per account. Raises InvalidAccount, and UnknownSymbol if an account does not trade the
        symbol."""
        return [self._leg(account, each) for account, each in self.symbols().on(symbol, accounts).items()]

    def held(self, account: str) -> list[LegView]:
        """Returns an account's present positions, one view for each instrument. Raises InvalidAccount."""
        self.symbols().check(account)
        qty = self.figures(account).qty
        own = (
            each for each in self.tapes[account].instruments.values() if each.kind is Kind.SPOT or qty.get(each.symbol)
        )
        return [leg for leg in (self._leg(account, each) for each in own) if leg.position]

    def booked(self, account: str) -> Sequence[Booked]:
        """Returns recent movements of money without a trade, from the account's whole tape: complete for the
        figures."""
        self.tapes[account].take(self.now)
        return self.tapes[account].booked

    def any_leg(self, account: str) -> LegView | None:
        """Returns a leg of the settle currency with the most equity, or None without a leg."""
        found: dict[str, LegView] = {}
        for instrument in self.tapes[account].instruments.values():
            if instrument.settle not in found:
                found[instrument.settle] = self._leg(account, instrument)
        return max(
            found.values(),
            key=lambda each: each.equity * (each.mark or 1) ** (each.instrument.kind is Kind.INVERSE),
            default=None,
        )

    # --- an account -----------------------------------------------------------------------------------

    def figures(self, account: str) -> AccountFigures:
        """Returns an account's figures, as of the last refresh."""
        if (found := self._figures.get(account)) is None:
            try:
                found = self._read(account)
            except OnetapeError:  # the gateway has just ended or begun
                self._tables.pop(account, None)
                found = AccountFigures()
            self._figures[account] = found
        return found

    def _read(self, account: str) -> AccountFigures:
        if (table := self._tables.get(account)) is None:
            table = self._tables[account] = AccountReader(self.home, gateway_of(account))
        table.state.refresh()
        age = min(table.age_ns, _NEVER)
        found = AccountFigures(at=max(self.now - age, 0), why=self._unfit(table, age))
        # Margins before positions: positions read later include everything up to a margin's frame.
        for currency in dict.fromkeys(key for _, key in table.state.keys("margin")):
            if (margin := table.margin(currency)) is not None:
                found.margins[currency] = margin
        as_of = max((each.sequence for each in found.margins.values()), default=0)
        for currency in table.currencies:
            if (slots := table.slots(currency, max_age=2**63 - 1)) is not None and (
                total := slots.get(TOTAL)
            ) is not None:
                found.balances[currency] = money(total), money(slots.available(TOTAL) or 0)
                found.as_of[currency] = written[4] if (written := slots.all()) is not None else 0
        found.funding = table.fundings()
        found.positions = {(each.symbol, each.side): each for each in table.positions() if each.slot == TOTAL}
        found.sides = {key: money(each.qty) for key, each in found.positions.items()}
        tape = self.tapes[account]
        for sequence, symbol, side, change in reversed(tape.fills):
            row = found.positions.get((symbol, side))
            if sequence <= as_of:
                break
            instrument = tape.instruments[symbol]
            if instrument.kind is not Kind.SPOT and (row is None or sequence > row.sequence):
                found.sides[symbol, side] = found.sides.get((symbol, side), _ZERO) + instrument.size(change)
        for (symbol, _), qty in found.sides.items():
            found.qty[symbol] = found.qty.get(symbol, _ZERO) + qty
        found.confirmed_at = max((each.reported_at or 0 for each in found.margins.values()), default=0)
        bound = self._bounds[account]
        if not found.why and found.confirmed_at and self.now - found.confirmed_at > bound:
            age = self.now - found.confirmed_at
            found.why = f"its venue confirmed its balances {age / SECOND:.1f} s ago, allowed are {bound // SECOND} s"
        return found

    def _unfit(self, table: AccountReader, age: int) -> str:
        if why := table.why_not_ready:
            return f"its gateway is not ready: {why}"
        if lost := table.stream_lost:
            return f"its account's stream is {lost}"
        if age >= _NEVER:
            return "its gateway reports its own accounting as unreliable"
        return f"its gateway has been silent for {age / SECOND:.1f} s" if age > STALE_NS else ""

    # --- a leg ----------------------------------------------------------------------------------------

    def _leg(self, account: str, instrument: Instrument) -> LegView:
        key = account, instrument.symbol
        if (made := self._legs.get(key)) is None:
            made = self._legs[key] = self._make_leg(account, instrument)
        return made

    def _make_leg(self, account: str, instrument: Instrument) -> LegView:
        found, symbol, config = self.figures(account), instrument.symbol, self.config.accounts[account]
        seen = self.seen(account, instrument)
        bids, asks = (_levels(instrument, side) for side in seen.levels())
        mark = self._mark(instrument, seen)
        margin = found.margins.get(instrument.settle)
        gross, initial = self._in_use(account, found, instrument.settle, config)
        equity = money(margin.equity) if margin is not None and margin.equity is not None else None
        as_of = margin.sequence if margin is not None else 0
        available = max((equity or _ZERO) - initial, _ZERO)
        qty, unpriced = found.qty.get(symbol, _ZERO), tuple[str, ...]()
        if instrument.kind is Kind.SPOT and instrument.quote in found.balances:
            qty, _ = found.balances.get(instrument.base, (_ZERO, _ZERO))
            available = found.balances[instrument.quote][1]
            equity, unpriced = self._spot_worth(account, instrument.quote, found)
            as_of = found.as_of[instrument.quote]
        rate, at = self._funding(account, instrument, seen)
        return LegView(
            account=account,
            venue=config.venue,
            instrument=instrument,
            position=base_of(instrument, qty, mark),
            entry=_entry(found, symbol),
            mark=mark,
            bids=bids,
            asks=asks,
            equity=equity or _ZERO,
            available=available,
            gross=gross,
            unrealized=money(margin.unrealized or 0) if margin is not None else _ZERO,
            maintenance=money(margin.maintenance or 0) if margin is not None else _ZERO,
            leverage=_leverage(instrument, config),
            funding_rate=None if rate is None else Decimal(rate).scaleb(-RATE_DECIMALS),
            funding_at=at,
            maker_fee=instrument.maker_fee,
            taker_fee=instrument.taker_fee,
            market_at=seen.at,
            account_at=found.at,
            refusal=found.why or self._missing(equity, seen, mark),
            unfit=found.why,
            is_shared=bool(config.subaccounts),
            unpriced=unpriced,
            as_of=as_of,
            resting=tuple(
                row for other in self._beside[account] for row in self._resting.get(other, {}).get(symbol, ())
            ),
        )

    def _spot_worth(self, account: str, currency: str, found: AccountFigures) -> tuple[Decimal, tuple[str, ...]]:
        """Returns an account's worth in a currency, with each coin that its spot markets convert to it, counted
        once, and the coins without a price. A coin uses a market for the currency itself if there is one."""
        if currency in found.worth:
            return found.worth[currency]
        spot = [each for each in self.tapes[account].instruments.values() if each.kind is Kind.SPOT]
        markets: dict[str, Instrument] = {}
        for each in sorted(spot, key=lambda each: each.quote != currency):
            markets.setdefault(each.base, each)
        equity, unpriced = _ZERO, []
        for coin, (total, _) in found.balances.items():
            if not total:
                continue
            asset, amount = coin, total
            for _ in markets:  # at most so many conversions; more would be a cycle
                if asset == currency or (market := markets.get(asset)) is None:
                    break
                asset, amount = market.quote, amount * self._mark(market, self.seen(account, market))
            if asset == currency:
                equity += amount
                unpriced += [] if amount else [coin]
        found.worth[currency] = equity, tuple(sorted(unpriced))
        return found.worth[currency]

    def _mark(self, instrument: Instrument, seen: Seen) -> Decimal:
        """Returns the venue's mark while it is fresh, else the mid price, else 0. Unconfirmed prices are not used."""
        middle = seen.price.of(PriceKind.QUOTE, self.now) if seen.price.is_uncertain(self.now) else 0
        if seen.mark and self.now - seen.mark_at <= MARKS * self.market_age:
            return instrument.price(seen.price.of(PriceKind.MARK, self.now) or middle or seen.mark)
        bids, asks = seen.levels()
        if not bids or not asks:
            return _ZERO
        return instrument.price(2 * middle or bids[0][0] + asks[0][0]) / 2

    def _funding(self, account: str, instrument: Instrument, seen: Seen) -> tuple[int | None, int]:
        """Returns the next payment's rate, 1e-12, and its time, ns UTC, 0: unknown. Without a report of the gateway:
        the rate of the last payment."""
        rate, at = seen.rate, 0
        if (found := self.figures(account).funding.get(instrument.symbol)) is not None:
            rate, at = found
        every = seen.interval or instrument.funding_interval
        if rate is not None and at <= self.now and every:  # venues pay at whole intervals since midnight
            at = (self.now // every + 1) * every
        return rate, at

    def _missing(self, equity: Decimal | None, seen: Seen, mark: Decimal) -> str:
        if equity is None:
            return "its equity is unknown"
        if not seen.at or not mark:
            return "its price is unknown"
        if seen.price.is_uncertain(self.now):
            return "its price is uncertain: quotes, trades and marks have changed and do not agree"
        age = self.now - seen.at
        return f"its market has been silent for {age / SECOND:.1f} s" if age > self.market_age else ""

    def _in_use(
        self, account: str, found: AccountFigures, currency: str, config: AccountConfig
    ) -> tuple[Decimal, Decimal]:
        """Returns (notional, margin) of all positions that settle in a currency; in hedge mode both sides count."""
        gross = initial = _ZERO
        for (symbol, _), qty in found.sides.items():
            instrument = self.tapes[account].instruments.get(symbol)
            if not qty or instrument is None or instrument.settle != currency or instrument.kind is Kind.SPOT:
                continue
            seen = self.seen(account, instrument)
            price = self._mark(instrument, seen) or _entry(found, symbol)
            value = worth(instrument, abs(base_of(instrument, qty, price)), price)
            gross += value
            initial += value / _leverage(instrument, config)
        return gross, initial

    def price_of(self, coin: str, currency: str) -> Decimal:
        """Returns a coin's price in a currency by the mark of any account's market, 0 if no account trades it.
        Dollars and dollar tokens count one for one."""
        alike = USD if currency in USD else (currency,)
        if coin in alike:
            return Decimal(1)
        marks = (
            self._mark(each, self.seen(account, each))
            for account, tape in self.tapes.items()
            for each in tape.instruments.values()
            if each.base == coin and each.quote in alike
        )
        return next(filter(None, marks), _ZERO)

    def traded(self, account: str, symbol: str, since: int) -> Decimal | None:
        """Returns the volume of a symbol's market since a given time (ns UTC), in the instrument's own units; None:
        no trade was received."""
        for key in [each for each in self._volumes if self.now - each[2] > TRADED_MAX]:
            self._volumes.pop(key).close()
        if (found := self._volumes.get((account, symbol, since))) is None:
            path = hub_journal(self.home) if self.is_of_hub(account, symbol) else gateway_journal(self.home, account)
            found = self._volumes[account, symbol, since] = TradedVolume(path, symbol, since)
        return found.take()

    def has_own_market(self, account: str) -> bool:
        """Returns True when the account's gateway follows some symbols of the venue itself."""
        self.symbols()
        return not self._of_hub[account].issuperset(self.tapes[account].instruments) or not self._of_hub[account]

    # --- the market -----------------------------------------------------------------------------------

    def _brought(self, account: str) -> frozenset[str]:
        symbols = list(self.tapes[account].instruments)
        return frozenset(brought_by_hub(self.config, self.config.accounts[account].venue, symbols))

    def is_of_hub(self, account: str, symbol: str) -> bool:
        """Returns True when a symbol's prices come from the hub."""
        self.symbols()
        return symbol in self._of_hub.get(account, ())

    def seen(self, account: str, instrument: Instrument) -> Seen:
        """Returns the newest data of a symbol's market."""
        if not self.is_of_hub(account, instrument.symbol):
            return self.tapes[account].seen.get(instrument.symbol) or Seen()
        try:
            if self._hub is None:
                self._hub = MarketReader(self.home)
            return _of_hub(self._hub, instrument, self._hub_prices.setdefault(instrument.symbol, DoubtedPrice()))
        except OnetapeError:  # the hub's table is not readable
            self._hub = None
            return Seen()


def _beside(config: Config) -> dict[str, list[str]]:
    """Returns account -> other accounts at the same exchange. A simulated exchange belongs to one venue section."""

    def place(account: str) -> tuple[str, ...]:
        venue = config.venues[config.accounts[account].venue]
        return (config.accounts[account].venue,) if venue.mode == "sim" else (exchange_of(venue.kind), venue.mode)

    return {
        name: [other for other in config.accounts if other != name and place(other) == place(name)]
        for name in config.accounts
    }


def _resting(account: str, view: AccountState) -> dict[str, list[Resting]]:
    """Returns symbol -> orders of an account that rest, or may rest, in the venue's book."""
    found: dict[str, list[Resting]] = {}
    for row in view.working.values():
        spec, instrument = row.spec, view.instruments[row.spec.symbol]
        waits = spec.trigger_int and row.state is not OrderState.TRIGGERED
        if not row.price or waits or spec.tif in (TimeInForce.IOC, TimeInForce.FOK):
            continue
        life = view.robots.get(row.robot)
        name = life.client_id(row.order_id) if life is not None else str(row.order_id)
        found.setdefault(spec.symbol, []).append(Resting(account, name, spec.side.sign, instrument.price(row.price)))
    return found


def main_coin(held: Sequence[LegView]) -> tuple[LegView, Decimal] | None:
    """Returns (largest leg of the coin with the largest position, the coin's net position), or None without a
    position."""
    first = max(held, key=lambda each: abs(each.position) * each.mark, default=None)
    if first is None:
        return None
    coin = first.instrument.base
    return first, sum((each.position for each in held if each.instrument.base == coin), _ZERO)


def _of_hub(hub: MarketReader, instrument: Instrument, price: DoubtedPrice) -> Seen:
    """Returns the data of a symbol in the hub's table; empty if its units differ. price: the symbol's confirmed
    price, is updated."""
    seen, symbol = Seen(price=price), instrument.symbol
    groups: Mapping[str, Group | None] = {
        each.name: hub.state.get(each.name, symbol) for each in (QUOTE, MARK, TRADE, FUNDING, BOOK)
    }
    figures = {
        name: {field: int(value or 0) for field, value in group.values.items()}
        for name, group in groups.items()
        if group is not None
        and (group["price_decimals"], group["size_decimals"]) == (instrument.price_decimals, instrument.size_decimals)
    }
    if (quote := figures.get(QUOTE.name)) is not None:
        seen.bid, seen.ask, seen.bid_size, seen.ask_size, seen.at = (
            quote[name] for name in ("bid", "ask", "bid_size", "ask_size", "ts_recv")
        )
    if (mark := figures.get(MARK.name)) is not None:
        seen.mark, seen.mark_at = mark["mark"], mark["ts_recv"]
        price.take(PriceKind.MARK, seen.mark, seen.mark_at)
    if (trade := figures.get(TRADE.name)) is not None:
        price.take(PriceKind.TRADE, trade["price"], trade["ts_recv"])
    if (funding := figures.get(FUNDING.name)) is not None:
        seen.rate = funding["rate"]
    if (book := figures.get(BOOK.name)) is not None:
        bids, asks = (
            [(book[f"{side}_{n}"], book[f"{side}_size_{n}"]) for n in range(1, LEVELS + 1) if book[f"{side}_{n}"]]
            for side in ("bid", "ask")
        )
        seen.best = bids, asks
        seen.at = max(seen.at, book["ts_recv"])
    bids, asks = seen.levels()
    if bids and asks:
        price.take(PriceKind.QUOTE, (bids[0][0] + asks[0][0]) // 2, seen.at)
    return seen


def _levels(instrument: Instrument, side: list[tuple[int, int]]) -> tuple[Level, ...]:
    exact = [
        (Decimal(p).scaleb(-instrument.price_decimals), Decimal(q).scaleb(-instrument.size_decimals)) for p, q in side
    ]
    return tuple(Level(price, base_of(instrument, size, price)) for price, size in exact)


def _leverage(instrument: Instrument, config: AccountConfig) -> Decimal:
    return Decimal(instrument.leverage) or max(Decimal(str(config.leverage)), Decimal(1))


def _entry(found: AccountFigures, symbol: str) -> Decimal:
    """Returns the entry price of a position; 0 without a position, or with one on each side."""
    entries = [each.entry for (name, _), each in found.positions.items() if name == symbol and each.qty]
    return money(entries[0]) if len(entries) == 1 else _ZERO
