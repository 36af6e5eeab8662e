"""Keeps the stop and the take-profits of entries by hand working at the venue.

Each leg is an order of the entry's owner, conditional, reducing only, and never larger than the part of the entry that
is still held. To change a leg, the new order is placed before the old one is canceled: filled quantity is never
without its stop. A leg that another party has canceled, or that the venue has refused, is placed again; a leg canceled
by the operator's command is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from onetape.execution.levels import LegPrice, improbable, is_share, leg_price, levels_of, no_part, part_of
from onetape.gateway.admission import Admission
from onetape.gateway.gateway_tape import GatewayTape
from onetape.model.back_off import back_off
from onetape.model.enums import Kind, OrderState, OrderType, PositionSide, Side, TriggerBy, TriggerKind
from onetape.model.errors import NotAvailable, OrderInvalid, OrderWouldTrigger
from onetape.model.instrument import Instrument
from onetape.model.order import OrderSpec
from onetape.model.time import MINUTE, SECOND
from onetape.orders.gate import Gate
from onetape.orders.manager import OrderManager
from onetape.orders.order import Order, only_reduces, waits
from onetape.projections.brackets import STOP, Bracket, leg_tag, take_name

__all__ = ["BracketDesk", "check_levels"]

REFUSALS_MAX: Final = 10  # in a row, of one leg


class BracketDesk:
    """Brings the legs of all brackets to what is held of their entries."""

    def __init__(
        self, manager: OrderManager, gate: Gate, tape: GatewayTape, admission: Admission, wall: Callable[[], int]
    ) -> None:
        self._manager, self._gate, self._tape, self._admission, self._wall = manager, gate, tape, admission, wall
        self._withdrawn: set[int] = set()  # orders of legs that are canceled from here
        # By entry and leg: its last order that failed, failures in a row, and when it is placed again.
        self._failed: dict[tuple[int, str], tuple[int, int, int]] = {}

    def restate(self, step: int) -> None:
        """Shifts due times because the clock was set by `step`, ns."""
        self._failed = {key: (order, count, due + step) for key, (order, count, due) in self._failed.items()}

    def give_up(self, orders: Iterable[Order]) -> None:
        """Handles the operator's cancel of orders: legs among them are not placed again."""
        for order in orders:
            if (bracket := self._tape.state.brackets.by_order.get(order.order_id)) is None:
                continue
            for leg, of_leg in bracket.legs.items():
                if order.order_id in of_leg and leg not in bracket.abandoned:
                    bracket.abandoned.append(leg)
                    self._tape.bracket(bracket, f"{leg}: canceled by the operator", self._wall())

    def look(self, now: int) -> None:
        """Brings all legs to their quantity and price. now: the venue's time."""
        for bracket in list(self._tape.state.brackets.by_entry.values()) if self._gate.ready else ():
            if bracket.symbol in self._gate.instruments:
                self._settle(bracket, now)

    def _settle(self, bracket: Bracket, now: int) -> None:
        for each in bracket.done:
            if (order := self._order(bracket, each)) is not None:
                bracket.done[each] = order.filled, order.spent
        entry = self._order(bracket, bracket.entry)
        is_open = entry is not None and entry.is_open
        filled, spent = bracket.done[bracket.entry]
        left = filled - bracket.exits - bracket.closed
        wanted = max(min(left, self._held(bracket)), 0)
        if left > wanted:  # a later entry of the symbol is not protected by these legs
            bracket.closed += left - wanted
            self._tape.bracket(bracket, f"closed by other orders: {bracket.closed}", self._wall())
        instrument, free = self._gate.instruments[bracket.symbol], wanted
        average = instrument.price(spent) / filled if filled else Decimal(0)
        is_quiet = True
        for leg, price in _prices(bracket, average, instrument).items() if filled else ():
            size = wanted
            if leg != STOP:
                size = max(min(part_of(instrument, filled, price) - bracket.filled_of(leg), free), 0)
                free -= size
            trigger = int(price.price.scaleb(instrument.price_decimals))
            is_quiet &= self._bring(bracket, leg, size, trigger, now)
        if not is_open and not wanted and is_quiet:
            self._tape.bracket(bracket, "over", self._wall(), over=True)
            self._withdrawn -= set(bracket.done)
            self._failed = {key: each for key, each in self._failed.items() if key[0] != bracket.entry}

    def _held(self, bracket: Bracket) -> int:
        """Returns how much of the position on the entry's side is no robot's. By the account's books, which have a
        fill before anything else has it."""
        at = bracket.symbol, bracket.position_side
        robots = (each for each in self._tape.robots.values() if not each.is_operator)
        theirs = sum(each.held.get(bracket.symbol, {}).get(bracket.position_side, 0) for each in robots)
        return (self._manager.positions.get(at, 0) - theirs) * bracket.side.sign

    def _bring(self, bracket: Bracket, leg: str, size: int, trigger: int, now: int) -> bool:
        """Brings a leg to a quantity; tells whether it has no open order."""
        orders = [order for each in bracket.legs.get(leg, ()) if (order := self._order(bracket, each)) is not None]
        open_ = [order for order in orders if order.is_open]
        newest = open_[-1] if open_ else None
        for order in open_:
            if not size or (order is not newest and newest is not None and newest.accepted):
                self._withdraw(order, now)
        if not size:
            return not open_
        last = orders[-1] if orders and not orders[-1].is_open else None
        if newest is None:
            self._place_leg(bracket, leg, size, trigger, now, last)
        elif not newest.pending and not newest.is_unknown and waits(newest, self._manager.venue.traits):
            if last is None:
                self._failed.pop((bracket.entry, leg), None)
            if newest.left != size or newest.spec.trigger_int != trigger:
                self._place_leg(bracket, leg, size, trigger, now, last)
        return not open_

    def _place_leg(self, bracket: Bracket, leg: str, size: int, trigger: int, now: int, last: Order | None) -> None:
        """Places an order of a leg. last: its order before, if that has ended."""
        key, fires = (bracket.entry, leg), False
        if last is not None and last.order_id not in self._withdrawn and last.state is not OrderState.FILLED:
            fires = last.code == OrderWouldTrigger.code  # its price is reached already
            self._note_failure(bracket, leg, last, now)
        if leg in bracket.abandoned or (not fires and now < self._failed.get(key, (0, 0, 0))[2]):
            return
        watched = self._gate.instruments[bracket.symbol].watched(bracket.terms.trigger_by)
        spec = OrderSpec(
            symbol=bracket.symbol,
            side=bracket.side.opposite,
            size_int=size,
            type=OrderType.MARKET,
            trigger_int=0 if fires else trigger,
            trigger_by=TriggerBy.NONE if fires else watched,
            trigger_kind=TriggerKind.NONE if fires else TriggerKind.STOP if leg == STOP else TriggerKind.TAKE_PROFIT,
            position_side=bracket.position_side,
            reduce_only=bracket.position_side is PositionSide.BOTH,
            tag=leg_tag(leg, bracket.entry),
        )
        order = self._admission.place_by_hand(self._tape.robots[bracket.robot], spec, now)
        if not order.is_open:
            self._note_failure(bracket, leg, order, now)

    def _note_failure(self, bracket: Bracket, leg: str, order: Order, now: int) -> None:
        """Counts an order of a leg that ended without a cause of ours; after the last one the leg is given up."""
        key = bracket.entry, leg
        failed, count, _ = self._failed.get(key, (0, 0, 0))
        if order.order_id <= failed:
            return
        count += 1
        self._failed[key] = order.order_id, count, now + back_off(SECOND, count, MINUTE)
        if count >= REFUSALS_MAX:
            bracket.abandoned.append(leg)
            words = f"{leg}: given up after {count} orders, the last {order.state}: {order.code} {order.reason}"
            self._tape.bracket(bracket, words[:300], self._wall(), severity="critical")

    def _withdraw(self, order: Order, now: int) -> None:
        self._withdrawn.add(order.order_id)
        self._manager.cancel_once(order, now)

    def _order(self, bracket: Bracket, order_id: int) -> Order | None:
        """Returns an order of a bracket, None: it ended too long ago."""
        return self._manager.by_robot.get((bracket.robot, order_id))


def check_levels(spec: OrderSpec, fields: Mapping[str, Any], instrument: Instrument, near: int) -> None:
    """Checks the levels of an entry: no entry may stand without its protection. near: a recent price, 0: unknown.
    Raises OrderInvalid, NotAvailable."""
    stop, take = fields.get("stop_loss"), fields.get("take_profit")
    if stop is None and take is None:
        return
    location = f"order of {spec.symbol}"
    if instrument.kind is Kind.SPOT:
        raise NotAvailable("stop_loss and take_profit of a spot order by hand", location=location)
    if "orders" in fields:
        raise NotAvailable("stop_loss and take_profit of several orders at once", location=location)
    if only_reduces(spec):
        raise OrderInvalid("an order that only reduces a position has no stop_loss or take_profit", location=location)
    try:
        takes = levels_of(take)
        price = spec.price_int or spec.trigger_int or near
        at = instrument.price(price) if price else None
        for name, value in [("stop_loss", stop), *(("take_profit", level) for level, _ in takes)]:
            why = "" if value is None else _misplaced(name, value, at, spec.side, instrument)
            if why:
                raise OrderInvalid(why, location=location)
        if why := no_part(instrument, Decimal(spec.size_int).scaleb(-instrument.size_decimals), takes):
            raise OrderInvalid(why, location=location)
    except ValueError as error:
        raise OrderInvalid(str(error), location=location) from error


def _misplaced(name: str, value: Any, at: Decimal | None, side: Side, instrument: Instrument) -> str:
    """Returns why a level is refused. at: about where the entry fills, None: unknown."""
    if why := improbable(name, value, at, instrument):
        return why
    away = side.sign if name == "take_profit" else -side.sign
    level = leg_price(value, at or Decimal(1), away).price
    if level <= 0:
        return f"{name}: {value!r} below a price is no price: less than 100%"
    if at is not None and not is_share(value) and (level - at) * away <= 0:
        return f"{name}={value} is on the wrong side of {at:f}"
    return ""


def _prices(bracket: Bracket, average: Decimal, instrument: Instrument) -> dict[str, LegPrice]:
    """Returns the price of each leg, on the tick. average: of the entry's fills."""
    away, begins, found = bracket.side.sign, Decimal(0), {}
    for number, (level, ends) in enumerate(levels_of(bracket.terms.takes or None), 1):
        found[take_name(number)] = leg_price(level, average, away)._replace(begins=begins, ends=ends)
        begins = ends
    if bracket.terms.stop:
        found[STOP] = leg_price(bracket.terms.stop, average, -away)
    tick = instrument.tick
    return {leg: each._replace(price=round(each.price / tick) * tick) for leg, each in found.items()}
