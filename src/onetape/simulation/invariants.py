"""What must hold after every event between a gateway and its exchange, whatever happens.

Fed with what the gateway does (`call`, `out`) and asked after each event (`check`). It keeps books
of its own from the gateway's words and the exchange's ledger, and never asks the code that it
judges for a conclusion: what a position is, and what it may become, is summed up here anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import islice, product
from typing import Any

from onetape.model.enums import OrderState, PositionSide, RequestKind, Side
from onetape.model.ids import is_past_gateway
from onetape.model.order import OrderSpec
from onetape.model.sections import GUARDIAN
from onetape.orders.backing import only_reduces
from onetape.orders.books import OPENING
from onetape.orders.calls import Call, Purpose
from onetape.orders.managed import AccountOut, FillOut, HealthOut, IntentOut, NewsOut, Out
from onetape.orders.order import Order
from onetape.orders.outcome import Outcome
from onetape.simulation.plain_scan import check_sums
from onetape.simulation.venue_numbers import venue_number
from onetape.venues.client_ids import client_id_of

SUMS_EVERY = 20  # checks: a walk over all orders each time would be most of a simulation
TURNED = {PositionSide.LONG: -1, PositionSide.SHORT: 1}  # the sign that a side never has
ENDS = frozenset({"canceled", "rejected", "expired", "denied", "absent"})


def _may_open(spec: OrderSpec) -> bool:
    """Tells whether an order adds to a position, whatever has become of it: a stop that takes off does not."""
    return not (spec.trigger_int and (only_reduces(spec) or spec.tag == GUARDIAN))


class Broken(AssertionError):
    """An invariant does not hold."""


def check(holds: bool, what: str) -> None:
    if not holds:
        raise Broken(what)


def is_handed_over(order: Order) -> bool:
    """One side of a fill that goes from one sub-account to another inside: no venue gets it."""
    return order.is_held and order.spec.tag == GUARDIAN


def is_made_smaller(out: IntentOut) -> bool:
    """An amendment that takes risk off, whatever the market and the limits."""
    order = out.order
    return out.kind is RequestKind.AMEND and out.price == order.price and out.size < order.size


class Invariants:
    """Of one world. tags: what our client ids begin with."""

    def __init__(self, world: Any, tags: tuple[str, ...]) -> None:
        self.world, self.tags = world, tags
        self.intents: dict[str, tuple[Any, ...]] = {}  # what each client id stands for
        self.intents_lost: set[str] = set()  # of these, what a dead gateway's copy does not have
        self.intents_past: dict[str, tuple[str, Side, PositionSide, int, int]] = {}  # past a dead gateway
        self.placed: dict[str, Outcome | None] = {}  # the answer to the last placing of each
        self.booked: set[Any] = set()
        self.unproven: set[Any] = set()  # of these, until the exchange's trade has been seen
        self.sums: dict[tuple[str, PositionSide], int] = {}
        self.ended: set[str] = set()
        self.unknown_to_robots: set[str] = set()  # the last that their robots have heard
        self.traded: set[Any] = set()
        self.trades_seen = self.orders_seen = 0
        self.client_ids: Counter[str] = Counter()
        self.checks = 0

    # --- what the gateway does --------------------------------------------------------------------

    def call(self, call: Call) -> None:
        """To the wire."""
        if call.subject is None or call.purpose is Purpose.QUERY:
            return
        name = call.subject.client_id
        check(name.startswith(self.tags), f"{call.purpose} of {name}, which is not ours")
        is_intended = name in self.intents or name in self.intents_past
        check(is_intended, f"{call.purpose} of {name} without an intent on the journal")
        if call.purpose is Purpose.PLACE:
            second = self.placed.get(name, Outcome.SAFE)
            check(second is Outcome.SAFE, f"{name} is sent again after {second}")
            self.placed[name] = None

    def intends_past(self, about: Mapping[str, Any]) -> None:
        """An order past a dead gateway is on the guardian's journal."""
        name, size = about["order"], about["size"]
        of = about["symbol"], Side(about["side"]), PositionSide(about["position_side"])
        check(name not in self.intents or name in self.intents_past, f"{name} is intended twice")
        # Another life asks for it by the same words.
        before = self.intents_past.setdefault(name, (*of, size, about["trigger"]))
        check(before[:3] == of and size <= before[3], f"{name} is intended twice")  # a venue may have cut it

    def answer(self, call: Call, outcome: Outcome) -> None:
        if call.purpose is Purpose.PLACE and call.subject is not None:
            self.placed[call.subject.client_id] = outcome

    def out(self, out: Out) -> None:
        """To the journal, in its order."""
        match out:
            case IntentOut():
                self._intent(out)
            case FillOut():
                self._fill(out)
            case NewsOut():
                name = out.order.client_id
                if out.state is OrderState.UNKNOWN:
                    self.unknown_to_robots.add(name)
                else:
                    self.unknown_to_robots.discard(name)
                if out.state.is_final and out.news.value in ENDS:
                    check(name not in self.ended, f"{name} ended twice")
                    self.ended.add(name)
                check(
                    out.order.filled <= max(out.order.size, out.order.size_wanted),
                    f"{name} has more fills than quantity",
                )
            case AccountOut() if out.source == OPENING and out.side is not None:
                self.sums[out.name, out.side] = out.amount
            case HealthOut() if out.kind == "order" and out.state == "attributed":
                is_there = out.subject in self.intents and out.subject not in self.intents_lost
                check(not is_there, f"{out.subject} was on the journal")

    def _intent(self, out: IntentOut) -> None:
        order, spec, world = out.order, out.order.spec, self.world
        if out.kind is RequestKind.PLACE:
            check(order.client_id not in self.intents, f"{order.client_id} is intended twice")
            self.intents[order.client_id] = (order.robot, order.order_id, spec)
            if is_past_gateway(order.order_id):
                *of, size, _ = self.intents_past.get(order.client_id, (0, 0))
                is_same = of == [spec.symbol, spec.side, spec.position_side] and spec.size_int <= size
                check(is_same, f"{order.client_id} is taken over as {spec}, placed was {size} of {of}")
                world.seen["taken over"] += 1
                return
        check(order.client_id not in self.ended, f"{out.kind} of {order.client_id}, which has ended")
        if out.kind is RequestKind.CANCEL or world.gate.reduces(spec, order):
            return
        if is_handed_over(order) or is_made_smaller(out):
            return
        worst = self.worst(spec.symbol, spec.side, spec.position_side)
        if world.gate.halts.killed:
            check(worst <= 0, f"{out.kind} of {order.client_id} while killed: the account may come to {worst}")
            world.seen["reduced while killed"] += 1
        if out.kind is RequestKind.PLACE:
            lost = [o.client_id for o in world.manager.unknown if o.spec.symbol == spec.symbol and _may_open(o.spec)]
            check(not lost, f"{order.client_id} is sent while {lost} are unknown")
        most = world.limits[spec.symbol]
        check(worst <= most, f"{order.client_id} makes {worst} of {most} possible")

    def _fill(self, out: FillOut) -> None:
        fill = out.fill
        check(fill.key not in self.booked, f"trade {fill.key} is booked twice")
        self.booked.add(fill.key)
        if not fill.is_internal:
            self.unproven.add(fill.key)
        at = fill.symbol, fill.position_side
        self.sums[at] = self.sums.get(at, 0) + fill.size * fill.side.sign
        if out.order is not None and not out.order.is_unknown:
            self.unknown_to_robots.discard(out.order.client_id)
        if out.order is not None and not out.order.is_foreign:
            spec = self.intents[out.order.client_id][2]
            check(spec.side is fill.side, f"{out.order.client_id} filled on the wrong side")

    # --- after every event ------------------------------------------------------------------------

    def check(self) -> None:
        self.checks += 1
        self._check_exchange()
        if not self.world.is_dead:
            self._check_gateway()

    def _check_exchange(self) -> None:
        world = self.world
        account, exchange = world.account, world.exchange
        new = len(account.trades) - self.trades_seen
        if new:
            for trade in islice(reversed(account.trades), new):
                symbol = exchange.instruments[trade.order.index].symbol
                self.traded.add((symbol, venue_number(world.dialect, trade), trade.order.side))
            self.trades_seen += new
            for at, side in product(range(len(exchange.instruments)), account.sides):
                qty = account.qty(at, side)
                check(qty * TURNED.get(side, 0) <= 0, f"{side} {qty} at the exchange")
        new = len(account.by_id) - self.orders_seen
        if new:
            for order in islice(reversed(account.by_id.values()), new):
                if order.origin == "client" and not order.client_id.startswith("web_"):
                    name = client_id_of(order.client_id)  # those of other venues stay as they are
                    self.client_ids[name] += 1
                    check(name in self.intents or name in self.intents_past, f"nobody intended {name}")
                    check(self.client_ids[name] == 1, f"{name} is two orders at the exchange")
            self.orders_seen += new
        if not world.hands:
            self._check_exposure()

    def _check_gateway(self) -> None:
        world = self.world
        manager = world.manager
        if self.unproven:
            invented = {key for key in self.unproven if key not in self.traded}
            check(not invented, f"invented: {invented}")
            self.unproven.clear()
        for key, qty in manager.positions.items():
            if self.sums.get(key, 0) != qty:
                raise Broken(f"{key}: {qty} is not the sum of its fills")
        for order in manager.open.values():
            if order.client_id in self.ended:
                raise Broken(f"{order.client_id} is open and has ended")
            if order.filled >= order.size and not order.update_open:
                raise Broken(f"{order.client_id} is {order.state} with all of it filled")
        for name in self.unknown_to_robots:
            if not manager.orders[name].is_unknown:
                raise Broken(f"{name} is {manager.orders[name].state}, and its robot was not told")
        if self.checks % SUMS_EVERY == 0:
            check_sums(
                manager,
                [
                    OrderSpec(symbol=symbol, side=side, size_int=1, position_side=position_side)
                    for symbol in world.limits
                    for side in (Side.BUY, Side.SELL)
                    for position_side in world.account.sides
                ],
            )

    def worst(self, symbol: str, side: Side, position_side: PositionSide) -> int:
        """By the gateway's books, everything that it has not seen the end of being filled."""
        total = self.sums.get((symbol, position_side), 0) * side.sign
        for o in self.world.manager.open.values():
            s = o.spec
            if (s.symbol, s.side, s.position_side) == (symbol, side, position_side):
                total += 0 if only_reduces(s) else o.worst_left
        return total

    def _check_exposure(self) -> None:
        """By the exchange's ledger."""
        world = self.world
        exchange, account = world.exchange, world.account
        opening: Counter[Any] = Counter()
        # Of what has fired the child counts.
        waiting = [o for o in exchange.conditionals.open_of(account) if o.is_open]
        works: tuple[Any, ...] = (*account.open_orders.values(), *waiting)
        for o in works:
            if not o.reduce_only:
                opening[o.index, o.side, o.position_side] += getattr(o, "left", o.size)
        for index, instrument in enumerate(exchange.instruments):
            if (most := world.limits.get(instrument.symbol)) is None:
                continue
            for position_side in world.sides_of(instrument):
                held = account.qty(index, position_side)
                if not world.protocol.traits.has_position(instrument.symbol):
                    held -= world.held_first[instrument.symbol]
                for side in (Side.BUY, Side.SELL):
                    if side.sign == TURNED.get(position_side):
                        continue  # it closes, and never more than is there
                    real = held * side.sign + opening[index, side, position_side]
                    if real > most:  # words are made only of what is wrong
                        raise Broken(f"{instrument.symbol}: {real} of {most} at the exchange")
