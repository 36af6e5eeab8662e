"""Trade a portfolio as one robot: strategies that share positions, each with a position of its own on paper.

Members set targets. Targets of one moment are sized by weights or lots, cut to the portfolio's limits, netted by
symbol and crossed inside at the mid price; the rest becomes targets of the account, reductions first. Each fill is
assigned to the members whose position had not reached its target. So members' positions always add up to the
account's position, and their profits to its profit. Several accounts at one exchange count as one account: targets
are divided among them, and their positions are summed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np

from onetape.accounts.holding import Holding, Terms
from onetape.accounts.sharing import shares
from onetape.engine.children import Child
from onetape.engine.handlers import ALL, PRIVATE_TIMER
from onetape.engine.robot_commands import CANCEL_TARGET, TARGET
from onetape.engine.strategy import Strategy
from onetape.engine.target_commands import check_target, members_meant, target_of
from onetape.model.errors import NotAvailable, StrategyError, UsageError
from onetape.model.money import MONEY_DECIMALS
from onetape.model.portfolio_config import MemberConfig, PortfolioConfig
from onetape.model.symbol import at_exchange
from onetape.model.time import format_duration, parse_period
from onetape.portfolio.caps import Caps
from onetape.portfolio.netting import UNOWNED, SharedPosition
from onetape.portfolio.sizing import SymbolTerms, sized
from onetape.portfolio.weights import log_returns, shrunk_covariance, volatility_scale, weights_by

if TYPE_CHECKING:
    from onetape import _core

__all__ = ["Member", "MemberFill", "MemberPosition", "Portfolio"]

YEAR_NS: Final = 365 * 24 * 3600 * 10**9
_SUBSCRIBES: Final = (
    "quotes",
    "trades",
    "book",
    "bars",
    "mark",
    "funding",
    "liquidations",
    "history",
    "mbo",
    "conflate",
)
_SUBSCRIBED: Final = {
    "quote": "quotes",
    "trade": "trades",
    "book": "book",
    "mark": "mark",
    "funding": "funding",
    "liquidation": "liquidations",
    "mbo": "mbo",
}
POSITIONS_MAX: Final = 1000  # of members of a live portfolio: kept in the robot's memory
_NET: Final = f"{PRIVATE_TIMER}portfolio"
_REBALANCE: Final = f"{PRIVATE_TIMER}rebalance"
_LOOK: Final = f"{PRIVATE_TIMER}volatility"
_LATE: Final = f"{PRIVATE_TIMER}bars"
BARS_WITHIN: Final = 10 * 10**9  # ns after a bar's end within which it must arrive


@dataclass(frozen=True, slots=True)
class Member:
    """One instance of a strategy in a portfolio. entry: its section in the file; name: of the section, with a number
    when it makes several members; share: of the equity, 1.0 is all of it."""

    name: str
    entry: str
    config: MemberConfig
    kind: type[Strategy]
    params: dict[str, Any]
    symbols: tuple[str, ...]
    periods: tuple[str, ...]
    share: float


@dataclass(frozen=True, slots=True)
class MemberFill:
    """A member's part of a fill. order: the account's order; None: another member was the counterparty, `liquidity`
    is "internal", and there is no fee."""

    order: _core.Order | None
    symbol: str
    side: str
    position_side: object
    price: float
    qty: float
    fee: float
    fee_currency: object
    liquidity: object
    id: str
    ts_event: int
    price_int: int
    qty_int: int


class MemberPosition:
    """The part of the shared position that belongs to a member, a live view."""

    side = "both"

    def __init__(self, symbol: str, holding: Holding, mark: Callable[[], int]) -> None:
        self.symbol = symbol
        self.holding = holding
        self.fees = 0  # 1e-18 of the settle currency
        self._mark = mark

    @property
    def qty_int(self) -> int:
        return int(self.holding.qty)

    @property
    def qty(self) -> float:
        return float(self.holding.terms.instrument.size(self.holding.qty))

    @property
    def entry_price(self) -> float:
        return float(self.holding.entry)

    @property
    def realized(self) -> float:
        return self.holding.realized / 10**MONEY_DECIMALS

    @property
    def unrealized(self) -> float:
        return self.unrealized_units / 10**MONEY_DECIMALS

    @property
    def unrealized_units(self) -> int:
        """1e-18 of the settle currency."""
        return self.holding.unrealized_at(self._mark()) if self.holding.qty else 0


class MemberFace(Child):
    """Base class that turns a strategy class into a member: services set the member's targets and show its part of
    fills and positions."""

    _portfolio: Portfolio
    _member: int
    _heard: list[str]  # kinds for which it has callbacks

    def _hears(self, kind: str, on: Callable[[str, Callable[..., Any]], None]) -> None:
        if kind in ("timer", "health", "event"):
            super()._hears(kind, on)
        elif kind not in ("order", "fill", "position", "signal", "target"):
            self._heard.append(kind)

    def subscribe(self, symbol: str, *arguments: Any, **options: Any) -> None:
        """Subscribe as the portfolio's file allows; raises StrategyError for anything else."""
        options |= dict(zip(_SUBSCRIBES, arguments, strict=False))
        bars = options.get("bars") or ()
        periods = [_period(text) for text in ((bars,) if isinstance(bars, str) else bars)]
        self._portfolio._check_map(self._member, symbol, periods)
        super().subscribe(symbol, **options)
        for kind in self._heard:
            if kind == "bar" or kind == "instrument" or options.get(_SUBSCRIBED[kind]):
                keys = [(symbol, period) for period in periods] if kind == "bar" else [symbol]
                self._portfolio._route(kind, keys, self)

    def set_target(
        self,
        symbol: str,
        qty: Any,
        algo: str = "touch",
        *,
        signal: Any = None,
        account: str | None = None,
        **options: Any,
    ) -> None:
        """Set a target. qty: a multiple of the member's lots, or of its share of the equity in the symbol."""
        if account not in (None, ALL):
            self._refuse_account("a target")
        self._refuse_side(options)
        self._portfolio._want(self._member, symbol, float(qty), algo, options)

    def set_weights(
        self, weights: Mapping[str, float], *_: Any, algo: str = "touch", **options: Any
    ) -> dict[str, float]:
        """Sets a target for each symbol."""
        self._refuse_side(options)
        for option in ("of", "band"):
            options.pop(option, None)
        for symbol, weight in weights.items():
            self._portfolio._want(self._member, symbol, float(weight), algo, options)
        return dict(weights)

    def _move(self, old: str, new: str, algo: str, options: dict[str, Any]) -> None:
        self._portfolio._move_member(self._member, old, new)

    def close(self, symbol: str) -> None:
        self._portfolio._want(self._member, symbol, 0.0, "touch", {})

    def position(self, symbol: str, side: str | None = None, *, account: str | None = None) -> MemberPosition:
        if account is not None:
            self._refuse_account("the position")
        return self._portfolio._position(self._member, symbol)

    def positions(self) -> list[MemberPosition]:
        return [each for each in self._portfolio._positions[self._member].values() if each.qty_int]

    def orders(self, symbol: str | None = None) -> list[_core.Order]:
        """Returns an empty list: orders belong to the portfolio."""
        return []

    def profit(self, symbol: str) -> float:
        each = self._portfolio._position(self._member, symbol)
        return (each.holding.realized - each.fees + each.unrealized_units) / 10**MONEY_DECIMALS

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise NotAvailable(
            "orders of a portfolio member", location=self._location, todo="set a target: set_target, set_weights, close"
        )

    def _refuse_account(self, what: str) -> None:
        raise NotAvailable(
            f"{what} of a portfolio member on a single account",
            location=self._location,
            todo="leave account= out: the members' targets are netted and divided over the accounts",
        )

    def _refuse_side(self, options: Mapping[str, Any]) -> None:
        if options.get("side") is not None:
            raise NotAvailable(
                "one side's target of a portfolio member",
                location=self._location,
                todo="leave side= out: members hold net positions",
            )

    buy = sell = submit = set_quotes = cancel = cancel_all = amend = child = _refuse


class Portfolio(Strategy):
    """Trades a portfolio's members as one strategy. Created from a file by engine/portfolio_file.py."""

    _config: ClassVar[PortfolioConfig]
    _instances: ClassVar[list[Member]]
    _exchanges: ClassVar[dict[str, str]]  # of the file's accounts, where it names several

    def on_start(self) -> None:
        config = self._config
        self._caps = Caps(
            symbol=config.symbol_max, gross=config.gross_max, net=config.net_max, turnover=config.turnover_max
        )
        self._weights: dict[str, float] = dict(config.weights) if isinstance(config.weights, dict) else {}
        traded: list[str] = vars(self)["symbols"]  # its parameter
        self._traded = list(dict.fromkeys(traded))
        self._active = [each for each in self._instances if set(each.symbols) <= set(self._traded)]
        if self._host.robot_numbers and sum(len(each.symbols) for each in self._active) > POSITIONS_MAX:
            raise NotAvailable(
                f"live portfolios with more than {POSITIONS_MAX} positions of members",
                location="[portfolio]",
                todo="divide it over several robots",
            )
        self._signals: dict[str, dict[int, float]] = {symbol: {} for symbol in self._traded}
        self._algos: list[tuple[str, dict[str, Any]]] = [
            (each.config.algo, each.config.options) for each in self._active
        ]
        self._names = {number: each.name for number, each in enumerate(self._active)} | {UNOWNED: "nobody"}
        self._shared: dict[str, SharedPosition] = {}
        self._positions: list[dict[str, MemberPosition]] = [{} for _ in range(len(self._active) + 1)]
        self._hearers: dict[str, dict[Any, list[tuple[str, Callable[[Any], None]]]]] = {}
        self._targets: dict[str, int] = {}
        self._sizes: dict[str, dict[int, float]] = {symbol: {} for symbol in self._traded}  # units, not rounded
        self._changed: dict[str, set[int]] = {}  # members with targets to size
        self._volatilities: np.ndarray[Any, Any] | None = None  # per symbol, behind the present weights
        self._awaited = 0  # a rebalance waits for bars with this end, ns UTC; 0: none
        self._children: list[Any] = []
        shares_equity = bool(config.weights or config.band) or self._caps != Caps()
        handlers = self._host.handlers_of(Strategy)
        handlers.on("fill", self._on_account_fill)
        handlers.on("timer", self._on_own_timer)
        if self._measures:
            handlers.on("bar", self._on_own_bar)
        for symbol in self._traded:
            instrument = self.instrument(symbol)
            if shares_equity and not self._host.counts(instrument.settle):
                raise NotAvailable(
                    f"weights and limits of {symbol}: its {instrument.settle} is no part of the equity",
                    location="[portfolio]",
                    todo="give it a portfolio of its own, or `lots` and no limits",
                )
            self._shared[symbol] = SharedPosition(instrument.lot_int)
            if self._measures:
                self.subscribe(symbol, bars=config.returns, history=config.window + 1)
        self._restore()
        for number, each in enumerate(self._active):
            facts = {"__module__": each.kind.__module__, "_portfolio": self, "_member": number, "_heard": []}
            kind = type(each.kind.__name__, (MemberFace, each.kind), facts)
            self._children.append(self._host.make_child(self, Strategy, kind, each.name, each.params))
        if config.weights:
            self._loop.set_timer(_REBALANCE, parse_period(config.rebalance), 0)

    def on_stop(self) -> None:
        for child in self._children:
            child.on_stop()
        for number, each in enumerate([*self._active, None]):
            for symbol, position in self._positions[number].items():
                name = each.name if each is not None else "nobody"
                words = {
                    "member": name,
                    "symbol": symbol,
                    "qty": str(position.holding.terms.instrument.size(position.qty_int)),
                }
                money = {
                    "realized": position.holding.realized,
                    "fees": position.fees,
                    "unrealized": position.unrealized_units,
                }
                exact = {key: str(Decimal(value).scaleb(-MONEY_DECIMALS)) for key, value in money.items()}
                self.log(f"{name} {symbol}: realized {exact['realized']}", **words, **exact)

    @property
    def _measures(self) -> bool:
        return isinstance(self._config.weights, str) and self._config.weights not in ("", "equal")

    # --- events of members --------------------------------------------------------------------------

    def _route(self, kind: str, keys: list[Any], child: Any) -> None:
        """Pass events of these symbols, or of these bars, to the member, once each."""
        if kind not in self._hearers:
            hearers = self._hearers[kind] = {}
            key = _bar_key if kind == "bar" else _symbol_key
            self._host.handlers_of(Strategy).on(
                kind, lambda event: self._tell(kind, hearers.get(key(event), ()), event)
            )
        entry = (child._location, getattr(child, f"on_{kind}"))
        for each in keys:
            listed = self._hearers[kind].setdefault(each, [])
            if entry not in listed:
                listed.append(entry)

    def _tell(self, kind: str, hearers: Any, event: Any) -> None:
        for location, hear in hearers:
            try:
                hear(event)
            except KeyboardInterrupt:
                raise
            except BaseException as problem:
                self._host.callback_failed(f"on_{kind} of {location}", problem)
                if self._loop.halted:
                    return

    def _check_map(self, member: int, symbol: str, periods: list[int | str]) -> None:
        each = self._active[member]
        said, wanted = f"[portfolio.strategies.{each.entry}] says", f"{each.name} subscribes to {symbol}"
        if symbol not in each.symbols:
            raise StrategyError(f"{wanted}, and {said} {', '.join(each.symbols)}", location=each.kind.__name__)
        for period in periods:
            if each.periods and period not in map(_period, each.periods):
                text = format_duration(period) if isinstance(period, int) else period
                raise StrategyError(
                    f"{wanted} {text}, and {said} {', '.join(each.periods)}", location=each.kind.__name__
                )

    # --- targets of members -------------------------------------------------------------------------

    def _check_target(self, command: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Check a target command as Strategy does. `member` in the fields names the member; `cancel`, `pause` and
        `resume` apply to all members."""
        left = dict(fields)
        named = left.pop("member", None)
        check_target(self._host, self._works, command, left, is_net=True)
        meant = {"symbol": left["symbol"]}
        if command in (TARGET, CANCEL_TARGET):
            members = members_meant(self._active, named, left["symbol"])
            return {**meant, "members": [self._active[each].name for each in members]}
        if named is not None:
            raise UsageError(f"{command} takes only a symbol: its orders work for all members")
        return meant

    def _works(self, symbol: str, side: str | None = None) -> bool:
        return any(map(self._execution_desk().works, self._host.on_all(symbol)))

    def _obey_target(self, command: str, fields: Mapping[str, Any]) -> None:
        """Carry out a target command: the named members set the target, or drop it and keep their position. The
        account's target is updated at once."""
        symbol, qty, algo, options = target_of(fields)
        if command not in (TARGET, CANCEL_TARGET):
            for each in self._host.on_all(symbol):
                self._execution_desk().obey(command, {"symbol": each})
            return
        said, is_set = set(self._changed), command == TARGET
        for member in members_meant(self._active, options.pop("member", None), symbol):
            self._signals[symbol].pop(member, None)
            if is_set:
                self._want(member, symbol, float(qty), algo, options)
            else:
                self._sizes[symbol][member] = float(self._shared[symbol].held.get(member, 0))
                self._changed.setdefault(symbol, set()).discard(member)
                self._shared[symbol].release(member)
                self._keep_lacks(symbol)
        self._net({*said, symbol} if is_set else said, repeat=symbol if is_set else None)

    def _want(self, member: int, symbol: str, signal: float, algo: str, options: dict[str, Any]) -> None:
        each = self._active[member]
        if symbol not in each.symbols:
            raise StrategyError(
                f"{each.name} targets {symbol}, and trades {', '.join(each.symbols)}", location=each.name
            )
        if not np.isfinite(signal):
            raise ValueError(f"a target is a number, not {signal}")
        self._algos[member] = (algo, options) if algo != "touch" or options else (each.config.algo, each.config.options)
        if self._signals[symbol].get(member) == signal:
            return
        self._signals[symbol][member] = signal
        self._changed.setdefault(symbol, set()).add(member)
        self._loop.set_timer(_NET, 0, self._loop.now)  # after all members got the events of this moment

    def _move_member(self, member: int, old: str, new: str) -> None:
        """Move a member's target to the next contract; after a restart it has a position but no target yet."""
        signal = self._signals[old].get(member)
        if signal is None and (held := self._position(member, old).qty_int):
            unit = self._unit_value(old)
            one = self._quantity(member, old, 1.0, unit, self.equity) if unit and self.equity > 0 else 0.0
            signal = round(held / one, 9) if one else None
        if signal:
            self._want(member, new, self._signals[new].get(member, 0.0) + signal, "touch", {})
            self._want(member, old, 0.0, "touch", {})

    def _on_own_timer(self, name: str) -> None:
        if name == _NET:
            if not (self._awaited and self._has_bars(self._awaited)):  # else all targets are sized now
                self._net(set(self._changed))
            return
        if name == _REBALANCE and self._measures and self._lacks_bars():
            return
        if name in (_REBALANCE, _LATE) or (name == _LOOK and self._is_otherwise_volatile()):
            self._awaited = 0
            if self._measures:
                self._measure()
            said = set(self._changed)
            self._changed = {symbol: set(signals) for symbol, signals in self._signals.items() if signals}
            self._net(said)

    def _lacks_bars(self) -> bool:
        """Returns True while bars that end now are missing for the returns: the rebalance waits for the last of them,
        at most BARS_WITHIN."""
        now, period = self._loop.now, parse_period(self._config.returns)
        end = now // period * period
        if now - end >= BARS_WITHIN or self._has_bars(end):
            return False
        self._awaited = end
        self._loop.set_timer(_LATE, 0, end + BARS_WITHIN)
        return True

    def _has_bars(self, end: int) -> bool:
        last = (self.bars(symbol, self._config.returns, 1) for symbol in self._traded)
        return all(np.any(np.asarray(each.ts_close) >= end) for each in last)

    def _on_own_bar(self, bar: _core.Bar) -> None:
        if _period(bar.period) != _period(self._config.returns):
            return
        if self._config.volatility_change:
            self._loop.set_timer(_LOOK, 0, self._loop.now)  # once for all bars that close now
        if self._awaited and self._has_bars(self._awaited):
            self._loop.set_timer(_LATE, 0, self._loop.now)

    def _is_otherwise_volatile(self) -> bool:
        """Returns True when there are no weights yet, or a symbol's volatility has moved so far that they must be
        computed anew."""
        was, returns = self._volatilities, self._returns()
        if was is None or returns is None:
            return returns is not None
        return bool((np.abs(returns.std(axis=0) - was) > self._config.volatility_change * was).any())

    def _returns(self) -> np.ndarray[Any, Any] | None:
        """Returns the log returns of the window that ends now, or None when there are too few."""
        config = self._config
        bars = [self.bars(symbol, config.returns, config.window + 1) for symbol in self._traded]
        if min(map(len, bars)) <= config.window:
            return None
        return log_returns([each.ts_close for each in bars], [each.close for each in bars])

    def _measure(self) -> None:
        """Compute weights from the returns until now; on failure the previous weights stay."""
        config, returns = self._config, self._returns()
        if returns is None:
            return
        if len(returns) < 2:
            self.log("no common bars of all symbols: weights stay", "warning")
            return
        self._volatilities = returns.std(axis=0)
        try:
            weights = weights_by(config.weights if isinstance(config.weights, str) else "", returns)
        except ValueError as problem:
            self.log(f"weights stay: {problem}", "warning")
            return
        if config.volatility:
            covariance, _ = shrunk_covariance(returns)
            scale = volatility_scale(weights, covariance, config.volatility, YEAR_NS / parse_period(config.returns))
            weights = weights * min(scale, config.leverage_max)
        self._weights = dict(zip(self._traded, map(float, weights), strict=True))
        self.log("weights", symbols=self._weights)

    def _net(self, said: set[str], repeat: str | None = None) -> None:
        """Turn members' targets into targets of the account. said: symbols with changed targets; working orders of
        other symbols keep their deadline. repeat: a symbol whose unchanged target is set again."""
        if self._measures and not self._weights:
            self._measure()
        if self._config.weights == "equal":
            self._weights = dict.fromkeys(self._traded, 1 / len(self._traded))
        if self._config.weights and not self._weights:
            return  # until there are prices
        has_caps = self._caps != Caps()
        equity = self.equity
        wants: dict[str, dict[int, float]] = {}
        terms: dict[str, SymbolTerms] = {}
        for symbol in self._traded if has_caps else sorted(self._changed, key=self._traded.index):
            unit = self._unit_value(symbol)
            if unit is None or equity <= 0:
                continue
            sizes, signals = self._sizes[symbol], self._signals[symbol]
            for member in self._changed.pop(symbol, ()):
                sizes[member] = self._quantity(member, symbol, signals[member], unit, equity)
            wants[symbol] = sizes
            shared = self._shared[symbol]
            terms[symbol] = SymbolTerms(unit / equity, shared.lot, sum(shared.held.values()))
        for symbol, members in sized(wants, terms, self._caps).items():
            shared = self._shared[symbol]
            if all(shared.wanted.get(member) == units for member, units in members.items()):
                continue
            shared.wanted.update(members)
            if self._host.robot_numbers:  # live: it may be restarted
                names = {self._active[member].name: units for member, units in members.items()}
                self._host.kept.setdefault("wanted", {}).setdefault(symbol, {}).update(names)
                self._loop.touch_memory()
            self._cross(symbol)
        self._send(terms, said, repeat)

    def _quantity(self, member: int, symbol: str, signal: float, unit: float, equity: float) -> float:
        """Returns the quantity in units of the instrument, not rounded."""
        each: Member = self._active[member]
        if self._config.weights:
            return signal * each.share * self._weights[symbol] * equity / unit
        lots = each.config.lots
        decimals = self.instrument(symbol).size_decimals
        return signal * float(lots[symbol] if isinstance(lots, dict) else lots) * float(10**decimals)

    def _unit_value(self, symbol: str) -> float | None:
        """Returns the value of one unit; None: no price yet."""
        doubled = self._loop.value_doubled(symbol)
        if doubled <= 0:
            return None
        instrument = self.instrument(symbol)
        price = doubled / 2 / float(10**instrument.price_decimals)
        if instrument.kind == "inverse":  # in the coin of the equity
            price = 1 / price
        return float(instrument.multiplier) * price / float(10**instrument.size_decimals)

    def _send(self, terms: Mapping[str, SymbolTerms], said: set[str], repeat: str | None) -> None:
        desk, targets = self._execution_desk(), []
        for symbol, of in terms.items():
            shared = self._shared[symbol]
            wanted, held = shared.net, sum(shared.held.values())
            is_reaching = desk.is_reaching(symbol)
            if not is_reaching and wanted and abs(wanted - held) * of.unit <= self._config.band:
                continue
            working = (order.id for each in self._host.on_all(symbol) for order in self._loop.working(each))
            is_same = wanted == shared.target(working) == self._targets.get(symbol, 0)
            self._keep_lacks(symbol)
            if is_same and (wanted == held or (is_reaching and symbol != repeat)):
                continue
            self._targets[symbol] = wanted
            lacks = shared.missing(1) or shared.missing(-1)
            first = max(
                (each for each in lacks if each != UNOWNED), key=lambda each: (lacks[each], -each), default=None
            )
            algo, options = self._algos[first] if first is not None else ("touch", {})
            if symbol not in said and options.keys() & {"minutes", "deadline"}:
                end = desk.deadline_of(symbol, 1 if wanted > held else -1)
                if end is not None:
                    options = {key: options[key] for key in options if key != "minutes"} | {"deadline": end}
            if self._host.shares_exchange:
                options = {**options, "account": ALL}
            size = self.instrument(symbol).size(wanted)
            targets += [(key, qty, algo, options) for key, qty in desk.net(symbol, size)]
        if targets:
            desk.reach(targets)

    # --- fills and positions ------------------------------------------------------------------------

    def _cross(self, symbol: str) -> None:
        trades = self._shared[symbol].cross()
        price = self._loop.value_doubled(symbol) // 2
        for member, qty in trades:
            self._give(member, symbol, qty, price, 0, None)

    def _account_position(self, symbol: str) -> int:
        """Returns the position in a symbol, on all accounts at its exchange."""
        return sum(self._held(each) for each in self._host.on_all(symbol))

    def _held(self, symbol: str) -> int:
        """Returns the net position in a symbol on one account."""
        return sum(self.position(symbol, side).qty_int for side in self._host.sides_of(symbol))

    def _on_account_fill(self, fill: _core.Fill) -> None:
        symbol = at_exchange(fill.symbol)
        shared = self._shared.get(symbol)
        if shared is None:
            return
        qty = fill.qty_int if fill.side == "buy" else -fill.qty_int
        expiry = self.instrument(symbol).expiry
        if expiry is not None and expiry <= self._loop.now and not self._held(fill.symbol):
            parts = shared.settle(qty)
            self._signals[symbol], self._sizes[symbol] = {}, {}
            self._changed.pop(symbol, None)
        else:
            parts = dict(shared.fill(qty, fill.order.id))
        self._keep_lacks(symbol)
        fee = fill.fee_int
        if fill.fee_currency != self.instrument(symbol).settle:
            fee = 0  # members' profits exclude fees in another currency: only the account's fill has them
        fees = shares(fee, {member: abs(each) for member, each in parts.items()}, rest_to=next(iter(parts)))
        for member, each in parts.items():
            self._give(member, symbol, each, fill.price_int, fees.get(member, 0), fill)

    def _give(self, member: int, symbol: str, qty: int, price: int, fee: int, fill: _core.Fill | None) -> None:
        position = self._position(member, symbol)
        terms = position.holding.terms
        position.holding.fill(qty, terms.value(price, qty))
        position.fees += fee
        instrument = terms.instrument
        name = self._active[member].name if member != UNOWNED else "nobody"
        made = MemberFill(
            order=fill.order if fill is not None else None,
            symbol=symbol,
            side="buy" if qty > 0 else "sell",
            position_side=fill.position_side if fill is not None else None,
            price=float(instrument.price(price)),
            qty=float(instrument.size(abs(qty))),
            fee=fee / 10**MONEY_DECIMALS,
            fee_currency=fill.fee_currency if fill is not None else instrument.settle,
            liquidity=fill.liquidity if fill is not None else "internal",
            id=fill.id if fill is not None else "",
            ts_event=fill.ts_event if fill is not None else self._loop.now,
            price_int=price,
            qty_int=abs(qty),
        )
        self.log(
            f"{name} {made.side} {instrument.size(abs(qty))} {symbol}",
            member=name,
            symbol=symbol if fill is None else fill.symbol,  # with the account of the fill
            qty=str(instrument.size(qty)),
            price=str(instrument.price(price)),
            fee=str(Decimal(fee).scaleb(-MONEY_DECIMALS)),
            fill=made.id,
        )
        self._keep(name, symbol, position)
        if member == UNOWNED or member >= len(self._children):
            return
        child = self._children[member]
        for kind, event in (("fill", made), ("position", position)):
            if getattr(type(child), f"on_{kind}") is not getattr(Strategy, f"on_{kind}"):
                self._tell(kind, [(child._location, getattr(child, f"on_{kind}"))], event)

    def _position(self, member: int, symbol: str) -> MemberPosition:
        found = self._positions[member].get(symbol)
        if found is None:
            holding = Holding(Terms(self.instrument(symbol)))
            made = MemberPosition(symbol, holding, lambda: self._loop.value_doubled(symbol) // 2)
            found = self._positions[member][symbol] = made
        return found

    # --- restarts -----------------------------------------------------------------------------------

    def _keep(self, name: str, symbol: str, position: MemberPosition) -> None:
        if self._host.robot_numbers:  # live: it may be restarted
            held = self.memory.setdefault("members", {}).setdefault(symbol, {})
            held[name] = [_packed(each) for each in (*position.holding.state, position.fees)]

    def _keep_lacks(self, symbol: str) -> None:
        if self._host.robot_numbers:
            record = self._shared[symbol].to_record(self._names)
            self._host.kept.setdefault("lacks", {})[symbol] = record
            self._loop.touch_memory()

    def _restore(self) -> None:
        """Restore an earlier incarnation's positions and pending orders; later fills are assigned by their orders,
        and the account's other position belongs to no member."""
        desk, kept = self._execution_desk(), self._host.kept.get("wanted", {})
        lacks, names = self._host.kept.get("lacks", {}), {name: number for number, name in self._names.items()}
        for symbol, members in self.memory.get("members", {}).items() if self.resumed else ():
            for name, packed in members.items():
                if name not in names or symbol not in self._shared:
                    continue
                position = self._position(names[name], symbol)
                holding = position.holding
                holding.qty, holding.cost, holding.realized, position.fees = map(_unpacked, packed)
                self._shared[symbol].held[names[name]] = holding.qty
        for symbol, shared in self._shared.items() if self.resumed else ():
            shared.wanted = {names[name]: units for name, units in kept.get(symbol, {}).items() if name in names}
            if symbol in lacks:
                shared.restore(lacks[symbol], names)
        for fill in self._host.missed:
            self._on_account_fill(fill)
        for symbol, shared in self._shared.items():
            actual = self._account_position(symbol)
            rest = actual - sum(shared.held.values())
            if rest:
                shared.held[UNOWNED] = shared.held.get(UNOWNED, 0) + rest
                nobodys, price = self._position(UNOWNED, symbol), self._price_int(symbol)
                nobodys.holding.fill(rest, nobodys.holding.terms.value(price, rest))
                self._keep("nobody", symbol, nobodys)
                self.log(f"{symbol}: {rest} units of the account's position belong to no member", "warning")
            under_way = desk.net_target_of(symbol)
            self._targets[symbol] = actual if under_way is None else under_way
            if under_way is None:
                shared.wanted.clear()
            shared.target(order.id for each in self._host.on_all(symbol) for order in self._loop.working(each))

    def _price_int(self, symbol: str) -> int:
        """Returns the mid price; before the first quote the account's entry price."""
        if doubled := self._loop.value_doubled(symbol):
            return int(doubled) // 2
        sides = self._host.sides_of(symbol)
        positions = (self.position(each, side) for each in self._host.on_all(symbol) for side in sides)
        held = next((each for each in positions if each.qty_int), None)
        return round(held.entry_price * 10.0 ** self.instrument(symbol).price_decimals) if held is not None else 0


def _packed(value: int) -> bytes:
    """Returns an amount as bytes, exact and shorter than its digits, so that POSITIONS_MAX amounts fit into the
    memory."""
    return value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)


def _unpacked(value: bytes) -> int:
    return int.from_bytes(value, "little", signed=True)


def _symbol_key(event: Any) -> str:
    return str(event.symbol)


def _bar_key(bar: Any) -> tuple[str, Any]:
    return bar.symbol, _period(bar.period)


@lru_cache(maxsize=256)
def _period(text: str) -> int | str:
    """Returns the period in ns, or the text itself for bars by amount."""
    name = text.partition("@")[0]
    try:
        return parse_period(name)
    except UsageError:
        return name
