"""Divide a target over several accounts at one exchange; each part is a parent order.

No part is sent before earlier orders for the symbol are closed, and all parts are on one side: so the run's orders on
two accounts cannot trade with each other. An account without room passes its part to the others.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Protocol

from onetape.engine.parent_terms import ParentTerms
from onetape.execution.amount import plain_of
from onetape.execution.routing import Room, divided_lots
from onetape.model.errors import InsufficientFunds, PositionLimit, StrategyError
from onetape.model.symbol import at_exchange

if TYPE_CHECKING:
    from onetape import _core
    from onetape.engine.host import Host
    from onetape.model.instrument import Instrument

__all__ = ["NEVER", "NO_ROOM", "PASSED", "Divided", "DividedTargets"]

ROOM_SHARE: Final = Decimal("0.9")  # of free money: prices move while parts work
NO_ROOM: Final = frozenset({PositionLimit.code, InsufficientFunds.code})
NEVER: Final = 1 << 62  # as a time (ns): not before the gateway is back or the robot may trade
PASSED: Final = "its deadline passed while no robot ran"


@dataclass(slots=True)
class Divided:
    """A target over several accounts. symbol: the exchange's; symbols: on each account; full: symbols whose account
    refused an order for lack of money; awaited: orders that must close before the parts begin; code: error code of
    the refusal that leaves the target unreached, 0: none."""

    symbol: str
    qty: Decimal
    name: str
    signal: int
    options: dict[str, Any]
    symbols: list[str]
    full: set[str] = field(default_factory=set)
    awaited: list[_core.Order] = field(default_factory=list)
    code: int = 0


class Desk(Protocol):
    """Interface that works the parts."""

    def tried(self, symbol: str, side: int, lots: int, name: str, options: dict[str, Any]) -> object: ...
    def start(
        self, symbol: str, qty: Any, name: str, signal: int | None, options: dict[str, Any]
    ) -> _core.Order | None: ...
    def withdrawn(self, symbol: str) -> list[_core.Order]: ...
    def forget(self, symbol: str) -> None: ...
    def part_ended(self, symbol: str, code: int) -> None: ...
    def check_owner(self, symbol: str) -> None: ...
    def say_of(self, symbol: str, target: int, words: str, level: str) -> None: ...
    def touch(self) -> None: ...


class DividedTargets:
    """Divides the targets of one strategy's desk, by symbol at the exchange."""

    def __init__(self, host: Host, terms: ParentTerms, desk: Desk, kept: dict[str, list[Any]]) -> None:
        """kept: written to the tape with the strategy's memory; holds the targets of an earlier incarnation."""
        self._host, self._loop, self._terms, self._desk = host, host.loop, terms, desk
        self._targets: dict[str, Divided] = {}
        self._unsent: list[str] = []  # of an earlier incarnation, with parts that wait for earlier orders
        self._kept = kept

    def has(self, symbol: str) -> bool:
        """Returns True when the symbol's last target is divided over all accounts at its exchange."""
        return at_exchange(symbol) in self._targets

    def awaits(self, symbol: str) -> bool:
        """Returns True while parts of the symbol's target have not begun."""
        return symbol in self._unsent or bool((found := self._targets.get(symbol)) and found.awaited)

    def deadline_of(self, symbol: str, side: int) -> int | None:
        """Returns the deadline of parts on that side that have not begun; None: there are none."""
        found = self._targets.get(symbol)
        if found is None or not found.awaited or self._missing(found) * side <= 0:
            return None
        end: int | None = found.options.get("deadline")
        return end

    def drop(self, symbol: str | None) -> None:
        """Drop the target of a symbol, or all targets: no further part begins."""
        gone = self._targets.keys() & ({*self._targets} if symbol is None else {at_exchange(symbol)})
        for each in gone:
            del self._targets[each]
        if gone:
            self._keep()

    def note_end(self, symbol: str, code: int) -> int:
        """Record that a part ended with this code; returns the error code of the first part that was refused, 0: none
        was."""
        found = self._targets[symbol]
        found.code = found.code or code
        return found.code

    def set_target(self, symbol: str, qty: Any, name: str, signal: int, options: dict[str, Any]) -> _core.Order | None:
        """Divide a target once earlier orders are closed; returns the first child that was sent, if any. Raises
        ValueError and StrategyError before anything is canceled."""
        whole, key = Decimal(str(qty)), at_exchange(symbol)
        if not whole.is_finite():
            raise ValueError(f"a target is a number, not {qty!r}")
        symbols = self._host.on_all(symbol)
        if (end := self._terms.deadline(options)) is not None:  # parts may begin later, and end together
            options["deadline"] = end
        self._desk.tried(symbols[0], 1, 1, name, dict(options))
        divided = self._targets[key] = Divided(key, whole, name, signal, options, symbols)
        for each in symbols:
            self._desk.forget(each)
        return self._place(divided, withdraws=True)

    def go_on(self) -> None:
        """Divide waiting targets after an order or part has ended."""
        for divided in tuple(self._targets.values()):
            if divided.awaited:
                self._place(divided)

    def route_past(self, symbol: str, target: int, order: _core.Order) -> bool:
        """Move the part of an account without room to the others. Returns False when there are none."""
        divided = self._targets.get(at_exchange(symbol))
        if divided is None or symbol in divided.full or len(divided.symbols) <= len(divided.full) + 1:
            return False
        divided.full.add(symbol)
        words = f"has not enough money on {symbol.partition(':')[0]}: {order.code} {order.reason}"
        self._desk.say_of(symbol, target, words, "info")
        self._place(divided, withdraws=True)
        return True

    # --- restarts -----------------------------------------------------------------------------------

    def resume(self) -> bool:
        """Restore the divided targets of an earlier incarnation. Returns True when parts have yet to begin."""
        for key, (qty, name, signal, options, full, waits) in tuple(self._kept.items()):
            try:
                self._desk.check_owner(key)
                if waits and (options.get("deadline") or NEVER) <= self._loop.now:
                    raise StrategyError(PASSED, location=key)
            except StrategyError as problem:
                del self._kept[key]
                self._desk.say_of(key, 0, f"does not go on: {problem}", "warning")
                continue
            symbols = [symbol for symbol in self._host.on_all(key) if symbol in self._host.instruments]
            if symbols:
                self._targets[key] = Divided(key, Decimal(qty), name, signal, options, symbols, set(full))
                self._unsent += [key] if waits else []
        return bool(self._unsent)

    def begin_unsent(self) -> None:
        """Begin targets that an earlier incarnation divided and did not send; orders still working for them are
        canceled first."""
        unsent, self._unsent = self._unsent, []
        for divided in filter(None, map(self._targets.get, unsent)):
            self._place(divided, withdraws=True)

    def _keep(self) -> None:
        """Store the divided targets, so that the next incarnation can divide them anew when an account has no room.
        Working parts are stored as parent orders."""
        self._kept.clear()
        for key, each in self._targets.items():
            options = {name: plain_of(value) for name, value in each.options.items()}
            waits = bool(each.awaited)
            self._kept[key] = [str(each.qty), each.name, each.signal, options, sorted(each.full), waits]
        self._desk.touch()

    # --- parts --------------------------------------------------------------------------------------

    def _place(self, divided: Divided, *, withdraws: bool = False) -> _core.Order | None:
        """Place the parts once earlier orders are closed. withdraws: first cancel the working parts."""
        if withdraws:
            divided.awaited = [order for symbol in divided.symbols for order in self._desk.withdrawn(symbol)]
        if not all(order.is_closed for order in divided.awaited):
            self._keep()
            return None
        divided.awaited, divided.code = [], 0
        self._keep()
        parts, rest = self._parts(divided)
        name, chosen = divided.name, divided.options
        if chosen.get("deadline", NEVER) <= self._loop.now:  # the deadline passed meanwhile: trade the rest at once
            name, chosen = "touch", {key: chosen[key] for key in ("limit", "slippage") if key in chosen}
        if rest:
            size = self._host.instrument_of(divided.symbols[0]).size(rest)
            fields = {"symbol": divided.symbol, "missing": str(size), "full": sorted(divided.full)}
            self._host.log(f"no account has room for {size} of {divided.symbol}", "warning", fields)
            divided.code = InsufficientFunds.code
        first = None
        for symbol, wanted in parts.items():
            options = dict(chosen)
            if "participation" in options:
                options["participation"] = float(options["participation"]) / len(parts)
            size = self._host.instrument_of(symbol).size(wanted)
            order = self._desk.start(symbol, size, name, divided.signal, options)
            first = first or order
        if not parts:
            self._desk.part_ended(divided.symbol, divided.code)
        return first

    def _missing(self, divided: Divided) -> int:
        """Returns the missing quantity: size units, signed."""
        held = sum(self._loop.position(symbol, None).qty_int for symbol in divided.symbols)
        instrument = self._host.instrument_of(divided.symbols[0])
        return instrument.lots(divided.qty) * instrument.lot_int - held

    def _parts(self, divided: Divided) -> tuple[dict[str, int], int]:
        """Returns (target position of each trading account's symbol, quantity for which no account has money), in
        size units."""
        instruments = {symbol: self._host.instrument_of(symbol) for symbol in divided.symbols}
        held = {symbol: self._loop.position(symbol, None).qty_int for symbol in instruments}
        lot = instruments[divided.symbols[0]].lot_int
        missing = self._missing(divided)
        side = 1 if missing > 0 else -1
        if len(held) == 1:  # an ordinary target
            return {symbol: qty + missing for symbol, qty in held.items() if missing}, 0
        price = next(filter(None, map(self._terms.price, instruments)), None)  # one exchange, one market
        accounts = []
        for symbol, instrument in instruments.items():
            balance = self._host.balance(instrument.settle, instrument.venue)
            is_closed = symbol in divided.full or (instrument.kind == "spot" and side < 0)
            free = 0 if is_closed else self._room(instrument, price, balance.available)
            closing = max(-held[symbol] * side, 0) // lot
            # Closing frees as much margin as the same size needs on the other side.
            accounts.append(Room(closing, 0 if is_closed else free + closing, instrument.taker_fee))
        found, rest = divided_lots(abs(missing) // lot, accounts)
        parts = {
            symbol: held[symbol] + lots * lot * side for symbol, lots in zip(instruments, found, strict=True) if lots
        }
        return parts, rest * lot * side

    def _room(self, instrument: Instrument, price: Decimal | None, available: float) -> int:
        """Returns the lots that the free money of the symbol's account covers."""
        if price is None or price <= 0 or available <= 0:
            return 0
        value = instrument.lot * instrument.multiplier * (1 / price if instrument.kind == "inverse" else price)
        leverage = Decimal(repr(self._host.leverages.get(instrument.venue, 1.0)))
        return int(Decimal(repr(available)) * ROOM_SHARE * leverage / value)
