"""Run delta.toml in a backtest: automatic mode over recorded venues, with the cores that the control plane runs
live.

Each venue of the run is an account. The cores' decisions become orders of the run; a saga aligns the legs after
refusals and partial fills. The result has the costs and how long the net delta was outside its band.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final

import msgspec
from msgspec import Meta

from onetape.engine.strategy import Strategy
from onetape.hedge import saga as steps
from onetape.hedge.auto import Auto, AutoSettings, Decision, Ended, Look, MarginLimits, UtilizationBand
from onetape.hedge.carry import Carry
from onetape.hedge.model import LegView, Level
from onetape.hedge.plan import Leg, Terms, base_of, least_of, legs_plan, plan_change
from onetape.hedge.saga import Fills, Goal, Saga
from onetape.model.decimals import to_decimal
from onetape.model.errors import BadConfig, OnetapeError
from onetape.model.money import money
from onetape.model.symbol import parse_symbol
from onetape.model.time import SECOND, parse_duration
from onetape.model.toml_lines import key_lines, line_of
from onetape.model.typed import from_builtins

if TYPE_CHECKING:
    from onetape import _core

__all__ = ["DeltaNeutral", "delta_class", "is_delta"]

CLASS: Final = "DeltaNeutral"
_LOOK: Final = "look"
_WAKE: Final = "saga"
_LEVELS: Final = 20  # levels of a book
_TIME: Final = 30 * SECOND  # state of an operation
_ZERO: Final = Decimal(0)
_SETTINGS: Final = ("band", "target", "release", "max_cost", "slippage", "margin", "carry", "utilization")


class DeltaFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The section [delta] of a file. symbols: one at each venue; positions: symbol -> quantity bought (or sold) once
    prices arrive, as the position to hedge; leverage: of the run; stale: age after which a price is ignored.
    Durations as "10s"; other fields as AutoSettings."""

    symbols: list[str]
    band: Decimal
    positions: dict[str, Decimal] = {}
    leverage: Annotated[int, Meta(ge=1)] = 1
    target: Decimal = _ZERO
    release: Decimal = Decimal("0.5")
    interval: str = "10s"
    cooldown: str = "30s"
    patience: str = "60s"
    stale: str = "2s"
    max_cost: Decimal = _ZERO
    slippage: Decimal = Decimal("0.005")
    margin: MarginLimits | None = MarginLimits()  # false: positions are not protected from liquidation
    carry: Carry | None = None
    utilization: UtilizationBand | None = None

    def settings(self) -> AutoSettings:
        """Returns the automatic mode's settings. Raises OnetapeError, ValueError for invalid values."""
        venues = [parse_symbol(symbol).venue for symbol in self.symbols]
        if len(set(venues)) < 2 or len(set(venues)) < len(venues):
            raise ValueError("symbols: name two or more, each at another venue")
        if unknown := [each for each in self.positions if each not in self.symbols]:
            raise ValueError(f"positions: {unknown[0]} is not among the symbols")
        fields = {name: getattr(self, name) for name in _SETTINGS}
        fields |= {name: parse_duration(getattr(self, name)) for name in ("interval", "cooldown", "patience")}
        if not parse_duration(self.stale):
            raise ValueError('stale: write a duration such as "2s"')
        named = {"symbol": parse_symbol(self.symbols[0]).base, "accounts": venues}
        named["spared"] = [parse_symbol(symbol).venue for symbol in self.positions]
        return from_builtins(msgspec.to_builtins({**named, **fields}), AutoSettings, strict=False)


def _no_numbers(table: Mapping[str, Any]) -> Iterator[str]:
    """Returns the keys of texts that are not finite numbers although Decimal accepts them: nan, inf."""
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from (f"{name}.{key}" for key in _no_numbers(value))
        elif isinstance(value, float | str) and str(value).lower().lstrip("+-") in ("nan", "inf", "infinity"):
            yield name


def is_delta(path: Path) -> bool:
    """Returns True when a file has a section [delta] and is therefore not a portfolio's."""
    try:
        return "delta" in tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return False


def delta_class(path: Path) -> type[Strategy]:
    """Returns the strategy of a file's section [delta]. Raises BadConfig naming the line."""
    text = path.read_text(encoding="utf-8")
    table = tomllib.loads(text)
    lines = key_lines(text)

    def bad(what: str, *keys: str) -> BadConfig:
        line = line_of(lines, ("delta", *keys))
        return BadConfig(
            what, location=f"{path}:{line}" if line else str(path), todo="docs/concepts/automatic-mode.md has its keys"
        )

    if more := sorted(set(table) - {"delta"}):
        line = line_of(lines, (more[0],))
        raise BadConfig(
            f"section [{more[0]}] beside [delta]", location=f"{path}:{line}", todo="remove one of both sections"
        )
    section = {key: None if key == "margin" and value is False else value for key, value in table["delta"].items()}
    if wrong := next(_no_numbers(section), ""):
        raise bad(f"{wrong} is no number", wrong.split(".")[0])
    try:
        file = from_builtins(section, DeltaFile, strict=False)
        settings = file.settings()
    except (msgspec.ValidationError, OnetapeError, ValueError) as error:
        words = str(getattr(error, "what", error))
        raise bad(words, *[key for key in section if key in re.findall(r"\w+", words)][:1]) from None
    module = ModuleType(f"onetape_strategy_{path.stem if path.stem.isidentifier() else 'delta'}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module
    facts = {"__module__": module.__name__, "__annotations__": {}, "_file": file, "_settings": settings}
    made = type(CLASS, (DeltaNeutral,), facts)
    setattr(module, CLASS, made)
    return made


class DeltaNeutral(Strategy):
    """Keeps the net delta within its band: the automatic mode on the venues of a run."""

    _file: ClassVar[DeltaFile]
    _settings: ClassVar[AutoSettings]

    def on_start(self) -> None:
        self._auto = Auto(self._settings, self.now)
        self._accounts = {parse_symbol(symbol).venue: symbol for symbol in self._file.symbols}
        self._rates: dict[str, tuple[Decimal, int]] = {}
        self._marks: dict[str, Decimal] = {}
        self._stale = parse_duration(self._file.stale)
        self._saga: Saga | None = None
        self._orders: dict[int, int] = {}  # order id -> attempt number
        self._fills: dict[int, Fills] = {}  # by attempt
        self._effects: deque[steps.Effect] = deque()
        self._is_running = False
        self._opened: set[str] = set()
        self._exposure = Exposure()
        for symbol in self._accounts.values():
            self.subscribe(symbol, quotes=True, book=True, mark=True, funding=True)
        self._loop.set_timer(_LOOK, self._settings.interval, 0)

    def on_stop(self) -> None:
        self._exposure.seen(self.now, is_off=False)
        for each in self._auto.records:
            self._say(each)
        figures = self.figures
        self.log("delta: what it cost", **{key: str(value) for key, value in figures.items()})

    @property
    def figures(self):  # type: ignore[no-untyped-def]  # an annotation would be a parameter
        """Returns figures for the result: costs in quote currency, times in seconds."""
        return {
            "operations": self._auto.operations,
            "cost": f"{self._auto.total:f}",
            **self._exposure.figures(),
            "stopped": next((each.reason for each in self._auto.records if each.action == "stop"), ""),
        }

    # --- events ------------------------------------------------------------------------------------------------------

    def on_funding(self, funding: _core.Funding) -> None:
        self._rates[funding.symbol] = to_decimal(funding.rate), funding.ts_event

    def on_mark(self, mark: _core.Mark) -> None:
        self._marks[mark.symbol] = to_decimal(mark.mark)

    def on_timer(self, name: str) -> None:
        if name == _WAKE and self._saga is not None:
            self._carry_out(self._saga.passed(self.now))
        elif name == _LOOK:
            views = self._views()
            for symbol, qty in self._file.positions.items():
                view = next(each for each in views if each.instrument.symbol == symbol)
                if symbol not in self._opened and view.market_at:
                    self._opened.add(symbol)
                    (self.buy if qty > 0 else self.sell)(symbol, abs(qty))
                    return
            found = self._auto.look(Look(self.now, views))
            if found.acts:
                self._begin(found, views)

    def on_fill(self, fill: _core.Fill) -> None:
        self._exposed()
        number = self._orders.get(fill.order.id)
        if number is None or self._saga is None:
            return
        attempt, before = self._saga.attempts[number - 1], self._fills.get(number, Fills())
        instrument = self.instrument(fill.symbol)
        price, leg = instrument.price(fill.price_int), attempt.leg
        base = abs(base_of(instrument, instrument.size(fill.qty_int), leg.mid))
        total, fee, others = before.base + base, to_decimal(fill.fee), dict(before.others)
        if (coin := str(fill.fee_currency)) != instrument.settle:
            others[coin], fee = others.get(coin, _ZERO) + fee, _ZERO
        price = (before.price * before.base + price * base) / total
        self._fills[number] = Fills(fill.order.client_id, total, price, before.fees + fee, self.now, others=others)
        self._saga.progress(number, self._charged(number, leg), self.now)

    def on_order(self, order: _core.Order) -> None:
        if (number := self._orders.get(order.id)) is not None and order.is_closed and self._saga is not None:
            self._close(number, order)

    # --- operations ---------------------------------------------------------------------------------------------------

    def _begin(self, decision: Decision, views: Sequence[LegView]) -> None:
        self._say(decision)
        terms = Terms(now=self.now, slippage=self._settings.slippage)
        net = sum((view.position for view in views), _ZERO)
        if decision.action == "control":
            plan = plan_change(views, self._settings.target - net, terms, spared=self._settings.spared)
        else:
            plan = legs_plan(views, decision.trades, terms)
        if not plan.legs:
            self._auto.ended(Ended(self.now, error="less than can be traded"))
            return
        self._orders, self._fills = {}, {}
        self._saga = Saga(
            Goal(
                operation=f"auto-{self._auto.operations + 1}",
                symbol=self._settings.symbol,
                base=views[0].instrument.base,
                plan=plan,
                bearers=tuple(self._accounts),
                positions={view.account: view.position for view in views},
                least=least_of(views),
                slippage=self._settings.slippage,
                begun=self.now,
                deadline=self.now + _TIME,
            )
        )
        self._carry_out(self._saga.begin(self.now))

    def _carry_out(self, effects: Sequence[steps.Effect]) -> None:
        """Carry out effects; an order refused at once appends further effects to the list being carried out."""
        self._effects.extend(effects)
        if self._is_running:
            return
        self._is_running = True
        while self._effects and (saga := self._saga) is not None:
            match self._effects.popleft():
                case steps.Write(record):
                    self.log(f"delta: {record['kind']}", "debug", operation=record["operation"])
                case steps.Place(attempt):
                    self._place(attempt)
                case steps.Cancel(attempt):
                    self._cancel(attempt)
                case steps.Look():
                    self._effects.extend(saga.looked(self._views(), self.now))
                case steps.Wake(at):
                    self._loop.set_timer(_WAKE, 0, max(at, self.now + 1))
                case steps.Report():  # nobody waits for this report
                    pass
                case steps.End():
                    self._saga = None
                    self._ended(saga)
        self._effects.clear()
        self._is_running = False

    def _place(self, attempt: steps.Attempt) -> None:
        leg = attempt.leg
        order = (self.buy if leg.side > 0 else self.sell)(
            leg.symbol,
            leg.qty,
            leg.limit,
            tif="GTC" if attempt.rests_until else "IOC",
            post_only=bool(attempt.rests_until),
            reduce_only=leg.reduces,
        )
        self._orders[order.id] = attempt.number
        if order.is_closed:
            self._close(attempt.number, order)

    def _cancel(self, attempt: steps.Attempt) -> None:
        for order in self.orders(attempt.leg.symbol):
            if self._orders.get(order.id) == attempt.number:
                self.cancel(order)

    def _close(self, number: int, order: _core.Order) -> None:
        assert self._saga is not None
        why = "" if not order.remaining else order.reason or str(order.state)
        fills = self._charged(number, self._saga.attempts[number - 1].leg)
        self._carry_out(self._saga.closed(number, fills, self.now, why=why, code=order.code))

    def _charged(self, number: int, leg: Leg) -> Fills:
        """Returns the fills of an attempt with their fees. Fees in coins that only pay fees count as 0: the run has
        no prices of them."""
        return self._fills.get(number, Fills()).charged(self.instrument(leg.symbol), lambda coin: _ZERO)

    def _ended(self, saga: Saga) -> None:
        outcome, cost = saga.ended, saga.cost
        assert outcome is not None
        self._exposure.operation(outcome.naked_ns)
        self.log(
            f"delta: {outcome.status}", operation=saga.goal.operation, change=str(outcome.change), cost=f"{cost:f}"
        )
        for words in saga.unpriced:
            self.log(f"delta: {words}", "warning")
        error = "" if outcome.status == "completed" else outcome.why or outcome.status
        stopped = self._auto.ended(Ended(self.now, cost, error))
        if stopped is not None:
            self._say(stopped)

    # --- state -------------------------------------------------------------------------------------------------------

    def _views(self) -> list[LegView]:
        return [self._view(account, symbol) for account, symbol in self._accounts.items()]

    def _view(self, account: str, symbol: str) -> LegView:
        instrument, quote, book = self.instrument(symbol), self.quote(symbol), self.book(symbol)
        held = self.position(symbol)
        balance = self.balance(instrument.settle, account)
        rate, rated_at = self._rates.get(symbol, (None, 0))
        bids, asks = _levels(book.bids(_LEVELS)), _levels(book.asks(_LEVELS))
        at = book.ts_recv if bids and asks else 0
        if quote is not None and quote.ts_recv >= at:
            bids, asks = _top(quote.bid, quote.bid_size), _top(quote.ask, quote.ask_size)
            at = quote.ts_recv
        middle = (bids[0].price + asks[0].price) / 2 if bids and asks else _ZERO
        mark = self._marks.get(symbol, middle)
        qty = instrument.size(held.qty_int)
        value = abs(instrument.notional_units(int(mark.scaleb(instrument.price_decimals)), held.qty_int))

        def base(levels: Sequence[Level]) -> tuple[Level, ...]:
            return tuple(Level(each.price, base_of(instrument, each.base, each.price)) for each in levels)

        return LegView(
            account=account,
            venue=instrument.venue,
            instrument=instrument,
            position=base_of(instrument, qty, mark),
            entry=to_decimal(held.entry_price),
            mark=mark,
            bids=base(bids),
            asks=base(asks),
            equity=to_decimal(balance.total) + to_decimal(held.unrealized),
            available=to_decimal(balance.available),
            gross=money(value),
            unrealized=to_decimal(held.unrealized),
            maintenance=money(instrument.maintenance_units(value)),
            leverage=Decimal(instrument.leverage or self._file.leverage),
            funding_rate=rate,
            funding_at=rated_at + instrument.funding_interval if rated_at else 0,
            maker_fee=instrument.maker_fee,
            taker_fee=instrument.taker_fee,
            market_at=at,
            account_at=self.now,
            refusal=f"its price is {age / SECOND:.1f} s old" if at and (age := self.now - at) > self._stale else "",
        )

    def _exposed(self) -> None:
        net = sum((each.position for each in self._views()), _ZERO)
        self._exposure.seen(self.now, abs(net - self._settings.target) > self._settings.band)

    def _say(self, decision: Decision) -> None:
        times = f" ({decision.count} times)" if decision.count > 1 else ""
        self.log(f"delta: {decision.action} {decision.code}{times}: {decision.reason}", at=decision.at)


class Exposure:
    """Measures in ns how long the net delta was outside the band, and how long each operation had an unhedged leg."""

    def __init__(self) -> None:
        self.total = self.longest = 0
        self._since = 0
        self._operations: list[int] = []

    def seen(self, now: int, is_off: bool) -> None:
        """Record from `now` (ns) on whether the net delta is outside the band."""
        if self._since:
            self.longest = max(self.longest, now - self._since)
        if self._since and not is_off:
            self.total += now - self._since
            self._since = 0
        elif is_off and not self._since:
            self._since = now

    def operation(self, naked_ns: int) -> None:
        self._operations.append(naked_ns)

    def figures(self) -> Mapping[str, Any]:
        """Returns figures in seconds, with the median and maximum over operations of the time with an unhedged leg."""
        found = sorted(self._operations)
        return {
            "off_seconds": self.total / SECOND,
            "off_longest": self.longest / SECOND,
            "naked_median": found[len(found) // 2] / SECOND if found else 0.0,
            "naked_longest": found[-1] / SECOND if found else 0.0,
        }


def _levels(rows: Sequence[tuple[float, float]]) -> tuple[Level, ...]:
    return tuple(Level(to_decimal(price), to_decimal(size)) for price, size in rows)


def _top(price: float, size: float) -> tuple[Level, ...]:
    return (Level(to_decimal(price), to_decimal(size)),) if price > 0 and size > 0 else ()
