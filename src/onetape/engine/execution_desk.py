"""Work parent orders: execution algorithms propose child orders, never for more than the remaining quantity.

One desk a strategy, created with its first algorithm. A parent order is a target of the strategy with the algorithm
that works it; its children are ordinary orders that name the target on the tape. At most one child works for a
parent, and a change is an amendment or waits for the end of the previous child: so no delay can overshoot the
target. Live, parents are saved on the tape beside the strategy's memory: after a kill the next incarnation resumes
them with their start, deadline and schedule.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import astuple
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final

from onetape.engine.divided_targets import NEVER, NO_ROOM, PASSED, DividedTargets
from onetape.engine.handlers import ALL, PRIVATE_TIMER
from onetape.engine.marks import BUY, CHANGING, QUOTES, SELL, TRADES
from onetape.engine.notes import Signal, number_of
from onetape.engine.parent_terms import ParentTerms
from onetape.engine.parent_work import BOTH, Work, key_of, position_of, sendable, timer_of
from onetape.engine.robot_commands import CANCEL_TARGET, PAUSE_TARGET, TARGET
from onetape.engine.roll import moved
from onetape.engine.target_commands import target_of
from onetape.engine.withdrawals import RESUMED, Withdrawals
from onetape.execution.algorithm import Parent, View, Wish
from onetape.execution.algorithms import make_algorithm
from onetape.execution.amount import finite_of, plain_of
from onetape.model.back_off import back_off
from onetape.model.enums import OrderState
from onetape.model.errors import (
    OnetapeError,
    OrderBelowMinNotional,
    OrderInvalid,
    ProcessDown,
    StaleData,
    StrategyError,
    TradingStopped,
    VenueUnavailable,
)
from onetape.model.symbol import at_exchange
from onetape.model.time import MINUTE, SECOND

if TYPE_CHECKING:
    from onetape import _core
    from onetape.engine.host import Host
    from onetape.model.instrument import Instrument

__all__ = ["ExecutionDesk"]

REFUSALS_MAX: Final = 10  # consecutive refused child orders after which the parent order ends
RETRY_NS: Final = SECOND // 4  # doubled with each refusal
RETRY_NS_MAX: Final = 2 * MINUTE
FOLLOW_NS: Final = SECOND  # how often a child that waits for its price is checked
TOO_SMALL: Final = frozenset({OrderInvalid.code, OrderBelowMinNotional.code})
# Error codes (0: canceled) of targets to retry when a gateway or its stream is back ("live"), or trading starts.
REPEATED: Final = {
    "live": frozenset({0, ProcessDown.code, StaleData.code, VenueUnavailable.code}),
    "started": frozenset({TradingStopped.code}),
}


Said = tuple[str, str, dict[str, Any]]  # quantity, algorithm, options


class ExecutionDesk:
    """Carries out the targets of one strategy, or of one strategy inside it."""

    def __init__(
        self,
        host: Host,
        base: type,
        withdrawals: Withdrawals,
        set_target: Callable[..., _core.Order | None],
        owner: str,
    ) -> None:
        """set_target: the strategy's method; owner: location of the strategy in the run."""
        self._host, self._loop, self._set_target = host, host.loop, set_target
        self._terms, self._withdrawals = ParentTerms(host), withdrawals
        self._works: dict[str, Work] = {}
        self._later: list[str] = []  # symbols with increases that wait for reductions
        self._reducing: set[str] = set()  # symbols with those reductions
        self._denied: dict[str, int] = {}  # code of the last refusal, of symbols without working orders
        self._resumes = False
        self._earlier: set[str] = set()  # symbols with a target set by an earlier incarnation
        self._resume = f"{PRIVATE_TIMER}resume{owner}"
        # Live this state outlives the process: working parents, and targets of `reach` that are not reached yet.
        kept = host.kept.setdefault(owner, {}) if host.robot_numbers else {}
        self._kept: dict[str, list[Any]] = kept.setdefault("works", {})
        self._said: dict[str, Said] = kept.setdefault("said", {})
        self._divided = DividedTargets(host, self._terms, self, kept.setdefault("divided", {}))
        # (strategy's source, its accounts by venue): of this incarnation, and in `_was_of` of the previous one.
        self._of: list[Any] = [
            _source_name(type(getattr(set_target, "__self__", None))),
            {v: a for a, v in host.accounts.items()},
        ]
        self._was_of, kept["of"] = kept.get("of", self._of), self._of
        self._paused: dict[str, bool] = kept.get("paused", {})  # symbols whose parent order is paused by a command
        self._all_kept = kept
        handlers = self._host.handlers_of(base)
        handlers.on("timer", self._on_timer)
        handlers.on("order", self._on_order)
        handlers.on("quote", self._on_quote)
        handlers.on("trade", self._on_trade)
        handlers.on("health", self._on_health)

    def works(self, symbol: str, side: str | None = None) -> bool:
        """Returns True while a parent order of the symbol works. side: on that side alone, None: on any."""
        return any(key in self._works for key in self._keys(symbol, side))

    def _keys(self, symbol: str, side: str | None = None) -> list[str]:
        """Returns the positions of a symbol; with a side, or of a position's name, that one."""
        symbol, named = position_of(symbol)
        side = side or named
        return [key_of(symbol, each) for each in ((side,) if side is not None else self._host.sides_of(symbol))]

    def _instrument(self, key: str) -> Instrument:
        return self._host.instrument_of(position_of(key)[0])

    def _held(self, key: str) -> int:
        """Returns a position in size units, signed."""
        return int(self._loop.position(*position_of(key)).qty_int)

    def _is_at(self, key: str, wanted: int) -> bool:
        """Returns True if a position has this quantity, but for the fee paid in the coins of its purchase."""
        return self._loop.is_at(*position_of(key), wanted)

    def _is_reached(self, symbol: str) -> bool:
        target, parts = self.target_of(symbol), self._symbols_of(symbol)
        if target is None or len(parts) > 1:
            return target == self._position(symbol)
        return self._is_at(parts[0], target)

    def _working(self, key: str) -> list[_core.Order]:
        symbol, side = position_of(key)
        return [order for order in self._loop.working(symbol) if side in (None, order.position_side)]

    def _work_of(self, order: _core.Order) -> Work | None:
        return self._works.get(key_of(order.symbol, order.position_side))

    def set_target(
        self,
        symbol: str,
        qty: Any,
        name: str,
        signal: Signal | int | None,
        options: dict[str, Any],
        side: str | None = None,
    ) -> _core.Order | None:
        """Start a parent order, replacing the position's working one; returns the child that was sent, if any. Raises
        StrategyError, ValueError, and TypeError for a value that is no number."""
        if (None if side == BOTH else side) not in (sides := self._host.sides_of(symbol)):
            mode = "hedge" if self._host.is_hedged else "one-way"
            todo = "leave side out" if None in sides else 'give side="long" or "short"'
            words = "spot has no sides" if None in sides and mode == "hedge" else f"the account is in {mode} mode"
            raise StrategyError(f"{words}: {todo}", location=f"set_target({symbol})")
        if side == "long" and float(qty) < 0:
            raise ValueError(f"a long position is of 0 or more, not {qty}")
        if side == "short" and float(qty) > 0:
            qty = -Decimal(str(qty))
        self._divided.drop(symbol)
        return self.start(key_of(symbol, side), qty, name, signal, options)

    def start(
        self, key: str, qty: Any, name: str, signal: Signal | int | None, options: dict[str, Any]
    ) -> _core.Order | None:
        """Start a parent order, or a part of one; returns the child that was sent, if any."""
        symbol, side = position_of(key)
        instrument = self._host.instrument_of(symbol)
        wanted = instrument.lots(qty) * instrument.lot_int
        if not wanted and float(qty):
            self._loop.note_target_below_lot(symbol)
        missing = wanted - self._held(key)
        lots, chosen = abs(missing) // instrument.lot_int, dict(options)
        parent = self.tried(symbol, 1 if missing > 0 else -1, lots, name, chosen) if lots else None
        if parent is None:
            self._terms.check_words(symbol, name, options)
        facts = {} if side is None else {"side": side}
        target, more = self._host.notes.target(symbol, qty, number_of(signal), algo=name, options=options, **facts)
        if not self._divided.has(symbol):
            self.forget(self._said_of(key))
        awaited = self.withdrawn(key)
        if parent is None:
            return None
        work = self._begin(key, [target.id, name, wanted, astuple(parent), self._host.seed, chosen, more])
        work.awaited = awaited
        self._keep(work)
        self._advance(work)
        return work.order

    def tried(self, symbol: str, side: int, lots: int, name: str, options: dict[str, Any]) -> Parent:
        """Remove the options common to all algorithms from `options`. Raises StrategyError before anything is
        canceled."""
        return self._terms.tried(symbol, side, lots, name, options)

    def _begin(self, key: str, made_of: Sequence[Any]) -> Work:
        """Create a parent order from (target number, algorithm, target position, fields of Parent, seed, options,
        more). Raises ValueError and TypeError."""
        target, name, wanted, fields, seed, options, more = made_of
        parent = Parent(*fields)
        algorithm = make_algorithm(name, parent, Random(f"{seed}:{target}").random, options)
        work = Work(target, key, name, wanted, parent, seed, options, algorithm, more)
        self._works[key] = work
        self._loop.subscribe(work.symbol, QUOTES * algorithm.follows_quotes | TRADES * algorithm.follows_trades)
        return work

    # --- restarts -----------------------------------------------------------------------------------

    def _keep(self, work: Work) -> None:
        """Save the parent beside the strategy's memory, which is written to the tape before the orders of this
        moment."""
        made_of = [work.target, work.name, work.wanted, list(astuple(work.parent)), work.seed]
        options = {key: plain_of(value) for key, value in work.options.items()}
        orders = [work.order.id if work.order else 0, *(each.id for each in work.awaited)]  # its child first
        self._kept[work.key] = [*made_of, options, work.more, orders, work.traded, work.refusals]
        self.touch()

    def touch(self) -> None:
        if self._host.robot_numbers:
            self._loop.touch_memory()

    def resume(self) -> None:
        """Resume the targets of an earlier incarnation before on_start, where a new target replaces them. Orders
        begin after on_start. Targets that cannot resume are logged."""
        for key, (*made_of, orders, traded, refusals) in list(self._kept.items()):
            try:
                self._check_resumed(key)
                work = self._begin(key, made_of)
            except (OnetapeError, ValueError, TypeError) as problem:
                del self._kept[key]
                self.say_of(key, made_of[0], f"does not go on: {problem}", "warning")
                continue
            work.traded, work.refusals = traded, refusals
            for order in self._working(key):
                if order.id == next(iter(orders), None) and order.tag == work.name:
                    work.order = order
                elif order.id in orders:
                    self._withdrawals.cancel(order)
                    work.awaited.append(order)
            if work.parent.deadline is not None and work.parent.deadline <= self._loop.now:
                self._end(work, f"does not go on: {PASSED}")  # trading the whole rest now would surprise
                continue
            self._loop.set_timer(timer_of(work), 0, self._loop.now)
            self.say_of(key, work.target, "goes on", "info")
        for key in tuple(self._said):
            try:
                self._check_resumed(key)
            except OnetapeError as problem:
                self.say_of(key, 0, f"does not go on: {self._said.pop(key)}: {problem}", "warning")
        if self._divided.resume() or self._said:
            self._earlier = set(self._said)
            self._loop.set_timer(self._resume, 0, self._loop.now)

    def _check_resumed(self, key: str) -> None:
        """Raises an OnetapeError for a position of an earlier incarnation that this one does not have."""
        self.check_owner(key)
        symbol, side = position_of(key)
        self._host.instrument_of(symbol)  # in one-way mode the sides need none
        if side not in self._host.sides_of(symbol):
            raise StrategyError("the account's position mode has changed", location=key)

    def check_owner(self, symbol: str) -> None:
        """Raises StrategyError when an earlier incarnation's target belongs to another strategy or account."""
        (strategy, before), (now_strategy, now), exchange = (
            self._was_of,
            self._of,
            at_exchange(symbol).partition(":")[0],
        )
        # older tapes have only the class name
        if now_strategy not in (strategy, f"{now_strategy.partition(':')[0]}:{strategy}"):
            raise StrategyError(f"it belongs to the strategy {strategy}", location=symbol)
        for venue in sorted(before.keys() & now.keys()):
            if at_exchange(venue) in ("", exchange) and before[venue] != now[venue]:
                raise StrategyError(f"it belongs to account {before[venue]}, not {now[venue]}", location=symbol)

    def say_of(self, key: str, target: int, words: str, level: str) -> None:
        self._host.log(f"target {target} of {key} {words}", level, {"target": target, "symbol": position_of(key)[0]})

    def _resume_said(self) -> None:
        """Resume saved targets; their working orders are canceled first, as this incarnation's target does not track
        them."""
        self._divided.begin_unsent()
        earlier = [symbol for symbol in self._said if symbol in self._earlier and not self._is_worked(symbol)]
        self._later += earlier
        self._reducing |= set(earlier)
        self._resumes = True
        for symbol in earlier:
            for order in self._target_orders(symbol):
                self._withdrawals.cancel(order)
        self._release()

    # --- several targets ----------------------------------------------------------------------------

    def set_weights(
        self,
        weights: Mapping[str, float],
        of: float | None,
        band: float,
        algo: str,
        options: dict[str, Any],
        side: str | None,
    ) -> dict[str, float]:
        """See Strategy.set_weights."""
        whole = finite_of("of", self._loop.equity if of is None else of)
        if whole < 0 and of is not None:
            raise ValueError(f"`of` is an amount of money, not {of!r}")
        if (near := finite_of("band", band)) < 0:
            raise ValueError(f"band is a share of the equity, 0 or more, not {band!r}")
        targets: list[tuple[str, Decimal, str, dict[str, Any]]] = []
        wanted: dict[str, float] = {}
        for symbol, weight in weights.items():
            instrument = self._host.instrument_of(symbol)
            share, price = finite_of(f"the weight of {symbol}", weight), self._terms.price(symbol)
            share = -abs(share) if side == "short" else share
            if price is None or price <= 0:
                raise ValueError(f"no price of {symbol} is known yet")
            is_inverse, counts = instrument.kind == "inverse", self._host.counts(instrument.settle)
            if not counts and not is_inverse and of is None:
                raise ValueError(f"{instrument.settle} of {symbol} is no part of the equity: give of=")
            worth = (1 / Fraction(price) if counts else 1) if is_inverse else Fraction(price)
            value = Fraction(instrument.multiplier) * worth
            now = Decimal(self._loop.position(symbol, side).qty_int).scaleb(-instrument.size_decimals)
            if share and whole > 0 and abs(Fraction(now) * value / Fraction(whole) - Fraction(share)) <= near:
                wanted[symbol] = float(now)
                continue
            qty = instrument.lots(Fraction(share) * Fraction(whole) / value) * instrument.lot
            wanted[symbol] = float(qty)
            targets.append((key_of(symbol, side), qty, algo, options))
        self.reach(targets)
        return wanted

    def reach(self, targets: Iterable[tuple[str, Decimal, str, dict[str, Any]]]) -> None:
        """Set targets (symbol, quantity, algorithm, its options): reductions begin at once, increases when no
        reduction works any more. A later target of a symbol replaces a waiting one. Refused targets are retried
        when a gateway is back."""
        smaller = []
        for symbol, qty, algo, options in targets:
            self.forget(symbol)
            self._said[symbol] = str(qty), algo, {key: plain_of(value) for key, value in options.items()}
            if self._is_worked(symbol):  # this target replaces the working orders
                self._reducing.discard(symbol)
            now = self._instrument(symbol).size(self._position(symbol))
            if abs(qty) < abs(now) and qty * now >= 0:
                smaller.append(symbol)
                self._reducing.add(symbol)
            else:
                self._later.append(symbol)
        for symbol in smaller:
            self._say(symbol)
        self.touch()
        self._release()

    def move(self, old: str, new: str, algo: str, options: dict[str, Any]) -> None:
        """Move a contract's positions, or their pending targets, to the next contract. An earlier incarnation may have
        begun the roll."""
        for side in self._host.sides_of(old):
            leaves, enters = key_of(old, side), key_of(new, side)
            held, there = self._wanted(leaves), self._wanted(enters)
            if held:
                before, after = self._host.instrument_of(old), self._host.instrument_of(new)
                qty = after.size(there + moved(held, before, after))
                self.reach([(leaves, Decimal(0), algo, options), (enters, qty, algo, dict(options))])

    def _wanted(self, symbol: str) -> int:
        """Returns the position after pending orders have filled, in size units."""
        if (wanted := self.target_of(symbol)) is not None:
            return wanted
        signed = (
            (each.qty_int - each.filled_int) * (1 if each.side == "buy" else -1) for each in self._target_orders(symbol)
        )
        return self._held(symbol) + sum(signed)

    def _say(self, symbol: str) -> None:
        said = self._said[symbol]
        qty, algo, options = said
        name, side = position_of(symbol)
        sided = {} if side is None else {"side": side}
        order = self._set_target(name, Decimal(qty), algo, **sided, **options)
        self._said[symbol] = said  # set_target has removed it
        if not self._is_worked(symbol):
            self._settle(symbol, order.code if order is not None and order.is_closed else 0)

    def _settle(self, symbol: str, code: int) -> None:
        """Settle a target without a working algorithm: drop a reached one, mark a refused one. code: of the last
        refusal."""
        if self._target_orders(symbol):
            self._denied.pop(symbol, None)
        elif self._is_reached(symbol):
            self.forget(symbol)
        elif symbol not in self._later:
            self._denied[symbol] = code

    def forget(self, symbol: str) -> None:
        """Drop a waiting target that another one replaces."""
        if self._said.pop(symbol, None) is not None:
            self._denied.pop(symbol, None)
            self._earlier.discard(symbol)
            self._later = [each for each in self._later if each != symbol]
            self.touch()

    def target_of(self, symbol: str) -> int | None:
        """Returns the target position being worked or waiting, in size units."""
        said = self._said.get(symbol)
        if (said is None or "account" not in said[2]) and (work := self._works.get(symbol)) is not None:
            return work.wanted
        if said is None:
            return None
        return int(Decimal(said[0]).scaleb(self._instrument(symbol).size_decimals))

    def net_target_of(self, symbol: str) -> int | None:
        """Returns the sum of a symbol's targets being worked or waiting, in size units; None: there is none."""
        found = {key: self.target_of(key) for key in self._keys(symbol)}
        if all(each is None for each in found.values()):
            return None
        return sum(self._position(key) if each is None else each for key, each in found.items())

    def net(self, symbol: str, qty: Decimal) -> list[tuple[str, Decimal]]:
        """Returns the target of each position by which a symbol's net position becomes `qty`: in hedge mode all of it
        is on one side."""
        if None in self._host.sides_of(symbol):
            return [(symbol, qty)]
        return [(key_of(symbol, "long"), max(qty, Decimal(0))), (key_of(symbol, "short"), min(qty, Decimal(0)))]

    def deadline_of(self, symbol: str, side: int) -> int | None:
        """Returns the deadline of the working orders on that side of the symbol; None: there are none, or the
        deadline has passed."""
        names = [each for key in self._keys(symbol) for each in self._symbols_of(key)]
        for work in filter(None, map(self._works.get, names)):
            if work.parent.side == side and (work.parent.deadline or 0) > self._loop.now:
                return work.parent.deadline
        return self._divided.deadline_of(symbol, side)

    def is_reaching(self, symbol: str) -> bool:
        """Returns True while a target of the symbol is worked or waits."""
        return any(
            (key in self._said and key not in self._denied) or self._is_reducing(key) for key in self._keys(symbol)
        )

    def _is_reducing(self, symbol: str) -> bool:
        is_away = self._denied.get(symbol) == ProcessDown.code
        return is_away or self._is_worked(symbol) or bool(self._target_orders(symbol))

    def _release(self) -> None:
        """Start the increases once no reduction is being worked."""
        if any(map(self._is_reducing, self._reducing)):
            return
        self._reducing.clear()
        later, self._later = self._later, []
        if self._resumes:
            self._resumes = False
            self._repeat(later)
            return
        for symbol in later:
            if symbol in self._said:
                self._say(symbol)

    def _repeat(self, symbols: Iterable[str]) -> None:
        said = [(symbol, self._said[symbol]) for symbol in symbols if symbol in self._said]
        self.reach([(symbol, Decimal(qty), algo, options) for symbol, (qty, algo, options) in said])

    def _target_orders(self, symbol: str) -> list[_core.Order]:
        orders = (order for each in self._symbols_of(symbol) for order in self._working(each))
        return [order for order in orders if order.tag == "target"]

    def cancel(self, symbol: str) -> bool:
        """Ends the parent order of a position and cancels its child. Returns False when there is none."""
        if (work := self._works.get(symbol)) is None:
            return False
        self._end(work, "canceled")
        return True

    def drop(self, symbol: str | None) -> None:
        """End the targets of a symbol, a position, or all, working and waiting: no further order of theirs is sent."""
        wanted = self._keys(*position_of(symbol)) if symbol is not None else [*self._works, *self._said]
        self._divided.drop(symbol)
        for end in (self.forget, self.cancel):
            for each in wanted:
                end(each)

    def canceled(self, order: _core.Order) -> None:
        """Note that the strategy cancels an order itself: the target that sent it ends."""
        work = self._work_of(order)
        if order.tag == "target" or (work is not None and work.order is not None and work.order.id == order.id):
            self.drop(key_of(order.symbol, order.position_side))

    # --- commands of the operator --------------------------------------------------------------------

    def obey(self, command: str, fields: Mapping[str, Any]) -> None:
        """Carries out a target command that `check_target` has accepted."""
        symbol, qty, algo, options = target_of(fields)
        if command == TARGET:
            self._set_target(symbol, Decimal(str(qty)), algo, **options)
            return
        for key in self._keys(symbol, options.get("side")):
            if command == CANCEL_TARGET:
                orders = self._target_orders(key)
                self.drop(key)
                for order in orders:
                    self._withdrawals.cancel(order)
            elif (work := self._works.get(key)) is not None:
                self._pause(key, is_on=command == PAUSE_TARGET)
                self._advance(work)

    def _pause(self, symbol: str, *, is_on: bool) -> None:
        if is_on:
            self._paused[symbol] = True
            self._all_kept["paused"] = self._paused
        elif self._paused.pop(symbol, False):
            if not self._paused:
                del self._all_kept["paused"]
        else:
            return
        self.touch()

    def divide(
        self, symbol: str, qty: Any, name: str, signal: Signal | int | None, options: dict[str, Any]
    ) -> _core.Order | None:
        """Start one target over all accounts at the symbol's exchange."""
        return self._divided.set_target(symbol, qty, name, number_of(signal), options)

    def _symbols_of(self, symbol: str) -> list[str]:
        """Returns the symbols where a target is worked: on one account, or on all at its exchange."""
        is_divided = symbol in self._said and self._said[symbol][2].get("account") == ALL
        return self._host.on_all(symbol) if is_divided else [symbol]

    def _said_of(self, symbol: str) -> str:
        """Returns the symbol of the target that a symbol's orders work for."""
        key = at_exchange(symbol)
        return key if symbol in self._symbols_of(key) else symbol

    def _is_worked(self, symbol: str) -> bool:
        return any(map(self.works, self._symbols_of(symbol))) or self._divided.awaits(symbol)

    def _position(self, symbol: str) -> int:
        """Returns the position; of a target over all accounts their sum."""
        return sum(map(self._held, self._symbols_of(symbol)))

    def part_ended(self, symbol: str, code: int) -> None:
        """Note that a part has ended; the symbol's target is done once all parts have ended. code: of the refusal
        that ended the part, 0: none."""
        said = self._said_of(symbol)
        if said in self._said and len(self._symbols_of(said)) > 1:
            code = self._divided.note_end(said, code)
            if self._is_worked(said):
                return
        if said in self._later:
            return  # the order belonged to the previous target
        if not code:
            self.forget(said)
        elif said in self._said:
            self._denied[said] = code

    # --- working orders ---------------------------------------------------------------------------

    def withdrawn(self, symbol: str) -> list[_core.Order]:
        """Cancel and return the orders that work for earlier targets of the symbol: the next target waits for them."""
        self._pause(symbol, is_on=False)
        if (before := self._works.pop(symbol, None)) is not None:
            self._loop.cancel_timer(timer_of(before))
            self._kept.pop(symbol, None)
            self.touch()
        ours = [
            order
            for order in self._working(symbol)
            if order.tag == "target"
            or (before is not None and before.order is not None and order.id == before.order.id)
        ]
        for order in ours:
            self._withdrawals.cancel(order)
        name, side = position_of(symbol)
        leaving = (order for order in self._withdrawals.of(name) if side in (None, order.position_side))
        awaited = {order.id: order for order in (*ours, *leaving) if not order.is_closed}
        return list(awaited.values())

    # --- events -----------------------------------------------------------------------------------

    def _on_timer(self, name: str) -> None:
        if name == self._resume:
            self._resume_said()
        for work in tuple(self._works.values()):
            if name == timer_of(work):
                self._advance(work)

    def _on_order(self, order: _core.Order) -> None:
        if order.is_closed:
            self._divided.go_on()
        work = self._work_of(order)
        if work is None:
            said = self._said_of(key_of(order.symbol, order.position_side))
            if order.tag == "target" and said in self._said:
                self._settle(said, order.code)
            self._release()
            return
        if work.order is not None and order.id == work.order.id and order.is_closed:
            work.order = None
            if order.state in (OrderState.REJECTED, OrderState.DENIED):
                self._refused(work, order)
            elif order.filled_int:
                work.refusals = 0
        self._advance(work)

    def _on_health(self, health: _core.Health) -> None:
        """Retry targets that were refused while a gateway or its stream was away, or trading was stopped."""
        if (health.kind, health.state) not in RESUMED:
            return
        for work in tuple(self._works.values()):
            if work.retry_at == NEVER:
                work.retry_at = 0
                self._advance(work)
        if wanted := [symbol for symbol, code in self._denied.items() if code in REPEATED[health.state]]:
            self._repeat(wanted)

    def _on_quote(self, quote: _core.Quote) -> None:
        for work in filter(None, map(self._works.get, self._keys(quote.symbol))):
            if work.algorithm.follows_quotes or work.order is not None:
                self._advance(work)

    def _on_trade(self, trade: _core.Trade) -> None:
        for work in filter(None, map(self._works.get, self._keys(trade.symbol))):
            work.traded += trade.size_int
            if work.algorithm.follows_trades:
                self._advance(work)

    def _refused(self, work: Work, order: _core.Order) -> None:
        if order.code == ProcessDown.code or (order.code == TradingStopped.code and not self._loop.trading):
            work.retry_at = NEVER
            return
        if order.code in NO_ROOM and self._divided.route_past(work.key, work.target, order):
            return
        work.refusals += 1
        work.retry_at = self._loop.now + back_off(RETRY_NS, work.refusals, RETRY_NS_MAX)
        if (end := work.parent.deadline) is not None and self._loop.now < end:
            work.retry_at = min(work.retry_at, end)  # at the deadline the rest is traded
        is_least = order.code in TOO_SMALL and order.qty_int < work.parent.least * self._lot(work)
        if work.refusals >= REFUSALS_MAX or is_least:
            self._end(work, f"refused {work.refusals} times, at last with {order.code} {order.reason}", order.code)

    def _advance(self, work: Work) -> None:
        """Align the working child with what the algorithm proposes."""
        if self._works.get(work.key) is not work:
            return
        work.awaited = [order for order in work.awaited if not order.is_closed]
        if work.awaited:
            return
        if work.key in self._paused:
            if work.order is not None:
                self._withdrawals.cancel(work.order)
            return
        now, lot, side = self._loop.now, self._lot(work), work.parent.side
        left = 0 if self._is_at(work.key, work.wanted) else max(side * (work.wanted - self._held(work.key)), 0) // lot
        order = work.order
        if left == 0:
            if order is None:
                self._end(work, "done")
            else:
                self._withdrawals.cancel(order)
            return
        wish = work.algorithm.wish(self._view(work, left, lot))
        if wish.lots and (lots := sendable(wish.lots, left, work.parent.least)) != wish.lots:
            wish = Wish(lots, wish.price, wish.post_only, wish.wake)
        if order is not None:
            self._change(work, order, wish, lot)
        elif wish.lots and now >= work.retry_at:
            self._place(work, wish)
        elif not wish.lots and work.parent.deadline is not None and now >= work.parent.deadline:
            self._end(work, "its limit left it unfinished at the deadline")
            return
        self._wake(work, wish)

    def _view(self, work: Work, left: int, lot: int) -> View:
        instrument = self._host.instrument_of(work.symbol)
        tick = int(instrument.tick.scaleb(instrument.price_decimals))
        quote, order = self._loop.quote(work.symbol), work.order
        return View(
            now=self._loop.now,
            left=left,
            working=0 if order is None else (order.qty_int - order.filled_int) // lot,
            working_price=None if order is None or order.price is None else order.price_int // tick,
            bid=quote.bid_int // tick if quote is not None and quote.bid_int > 0 else None,
            ask=quote.ask_int // tick if quote is not None and quote.ask_int > 0 else None,
            traded=work.traded / lot,
            since=work.since,
        )

    def _place(self, work: Work, wish: Wish) -> None:
        side = BUY if work.parent.side > 0 else SELL
        qty, price = self._exact(work, wish)
        held = -work.parent.side * self._held(work.key)
        may_reduce = not self._host.is_hedged and self._host.instrument_of(work.symbol).kind != "spot"
        closes = may_reduce and wish.lots * self._lot(work) <= held
        work.since = self._loop.now
        work.order = self._loop.place_with(
            work.more,
            *(self._host.self_trade(work.symbol, side, price) or (0, "")),
            work.symbol,
            side,
            qty,
            price,
            wish.post_only,
            closes and wish.lots < work.parent.least,  # the venue takes a reduction of any value
            "GTC",
            None,
            "last",
            None,
            work.position_side,
            None,
            work.name,
        )
        if work.order.is_closed:  # denied at once
            order, work.order = work.order, None
            self._refused(work, order)
        else:
            self._keep(work)

    def _change(self, work: Work, order: _core.Order, wish: Wish, lot: int) -> None:
        if order.state in CHANGING or order.state == OrderState.SUBMITTED or self._withdrawals.has(order):
            return  # its next event is awaited
        remaining = (order.qty_int - order.filled_int) // lot
        if wish.lots == 0:
            self._withdrawals.cancel(order)
            return
        if order.price is None:
            return  # a market order ends by itself
        qty, price = self._exact(work, wish)
        is_same = wish.price is not None and price is not None and order.price_int == self._units(work, price)
        if is_same and remaining == wish.lots:
            return
        whole = qty + Decimal(order.filled_int).scaleb(-self._host.instrument_of(work.symbol).size_decimals)
        change = (order.id, wish.price, whole)
        is_refused = work.amended == change  # the same amendment was requested before, without effect
        work.amended, work.since = change, self._loop.now
        can_change = wish.price is not None and wish.post_only == order.post_only and not is_refused
        can_change = can_change and not self._host.self_trade(work.symbol, BUY if work.parent.side > 0 else SELL, price)
        if not (can_change and self._loop.amend(order, None if is_same else price, whole)):
            self._withdrawals.cancel(order)

    def _wake(self, work: Work, wish: Wish) -> None:
        if self._works.get(work.key) is not work:
            return
        now = self._loop.now
        times = [wish.wake] if wish.wake is not None else []
        if now < work.retry_at < NEVER:
            times.append(work.retry_at)
        is_late = work.parent.deadline is not None and now >= work.parent.deadline
        if is_late or (work.order is not None and not work.order.is_closed):
            times.append(now + FOLLOW_NS)
        times = [each for each in times if each > now]
        if times:
            self._loop.set_timer(timer_of(work), 0, min(times))

    def _end(self, work: Work, why: str, code: int = 0) -> None:
        """End a parent order. code: of the refusal that ends it, 0: none."""
        self._loop.cancel_timer(timer_of(work))
        self._pause(work.key, is_on=False)
        del self._works[work.key]
        self._kept.pop(work.key, None)
        self.touch()
        self.part_ended(work.key, code)
        if work.order is not None and not work.order.is_closed:
            self._withdrawals.cancel(work.order)
        instrument = self._host.instrument_of(work.symbol)
        missing = work.wanted - self._held(work.key)
        fields = {
            "target": work.target,
            "symbol": work.symbol,
            "algo": work.name,
            "missing": str(instrument.size(missing)),
            "why": why,
        }
        self._release()
        self._host.log(f"target {work.target} of {work.key}: {why}", "info" if why == "done" else "warning", fields)

    def _exact(self, work: Work, wish: Wish) -> tuple[Decimal, Decimal | None]:
        instrument = self._host.instrument_of(work.symbol)
        return wish.lots * instrument.lot, None if wish.price is None else wish.price * instrument.tick

    def _lot(self, work: Work) -> int:
        return self._host.instrument_of(work.symbol).lot_int

    def _units(self, work: Work, price: Decimal) -> int:
        return int(price.scaleb(self._host.instrument_of(work.symbol).price_decimals))


def _source_name(strategy: type) -> str:
    """Returns `file:Class` of a class; the file name survives in the run's folder (see loader.keep_source)."""
    file = getattr(sys.modules.get(strategy.__module__), "__file__", None)
    return f"{Path(file).name if file is not None else 'strategy.py'}:{strategy.__name__}"
