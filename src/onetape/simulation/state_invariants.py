"""After every event what is folded from the gateway's tape is what the gateway has: by a reader, and by the gateway
that would start next, had this one died."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from onetape.accounts.kept_money import KeptMoney
from onetape.gateway.checkpoint import Recovered
from onetape.model.home import gateway_journal
from onetape.orders.account_orders import AccountOrders
from onetape.orders.order import Order
from onetape.projections.account import READ_ALL, READ_PARTS, AccountState
from onetape.projections.gateway_state import GatewayState
from onetape.projections.robot_parts import RobotParts
from onetape.simulation.gateway_life import Home
from onetape.simulation.invariants import Broken
from onetape.tape.journal import JournalReader, type_id

READ = {type_id(name) for name in READ_PARTS}


class StateInvariants:
    """Of one world. state: a reader's; next: of the gateway that would start."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.frames: JournalReader | None = None

    def follow(self, home: Home) -> None:
        self.frames = JournalReader(gateway_journal(home.path, "main"))
        self.state = AccountState(keeps_fills=False, keeps_parts=True)
        options, by_symbol = self.world.life.options, {i.symbol: i for i in self.world.instruments}
        kept = KeptMoney(options, by_symbol, {}, self.world.protocol.slack)
        self.next = Recovered.nothing(AccountOrders(self.world.protocol), kept)
        self.next.state.account = "main"

    def check(self) -> None:
        if self.frames is None:
            return
        is_new = False
        for frame in self.frames.frames(READ_ALL):
            is_new = True
            if frame.type in READ:
                self.state.apply(frame)
            self.next.account.apply(frame)
        if not is_new:
            return
        self.check_orders()
        self.check_next()
        world, state = self.world, self.state
        same("positions", held(world.manager.positions), held({at: each.qty for at, each in state.held.items()}))
        robots = world.core.tape.robots
        same("robots' parts", parts_of(robots), parts_of(state.robots))
        booking, read = world.money.booking, state.subaccounts.booking
        same("sub-accounts' parts", booked(booking.positions), booked(read.positions))
        same("currencies", world.core.tape.currencies, state.currencies)
        same("what is to be handed over", handed(world.core.tape.parts), handed(state.parts))

    def check_orders(self) -> None:
        live = {(order.robot, order.order_id): order for order in self.world.manager.open.values() if is_taped(order)}
        if live.keys() != self.state.working.keys():
            raise Broken(f"orders that work: {live.keys() ^ self.state.working.keys()} are here or there alone")
        for key, order in live.items():
            folded = self.state.working[key]
            if said(order) != shown(folded):
                raise Broken(f"{order.client_id} is {said(order)}, its tape comes to {shown(folded)}")

    def check_next(self) -> None:
        """What its successor would know."""
        world, account, state = self.world, self.next.account, self.next.state
        manager, read = world.manager, state.orders.account
        orders = {name: kept(order) for name, order in manager.open.items() if is_taped(order)}
        same("orders", orders, {name: kept(order) for name, order in read.open.items()})
        # That of an order whose placing is unanswered, or which has fired, is heard again.
        names = {name: (order.spec.symbol, order.venue_id) for name, order in read.open.items() if order.venue_id}
        other = {name: at for name, at in names.items() if manager.by_venue_id.get(at) is not manager.open[name]}
        same("the venue's ids", {}, other)
        same("positions", held(manager.positions), held(read.books.positions))
        same("orders of an operator's word", manager.account.resolved, read.resolved)
        for (name, live), folded in zip(
            controls(world.core.tape.state, world.now).items(), controls(state, world.now).values(), strict=True
        ):
            same(name, live, folded)
        bare, read_bare = world.gate.halts.unprotected, dict[str, Any](state.halts.unprotected)
        if not world.is_guarded:  # then a start forgets them, which no frame says
            read_bare = {symbol: read_bare.get(symbol) for symbol in bare}
        same("positions without protection", bare, read_bare)
        shares = world.core.tape.state.shares  # no frame says that one was answered for
        same("shares", shares, {name: state.shares.get(name) for name in shares})
        same("what is to be handed over", handed(world.core.tape.parts), handed(account.parts))
        robots = {n: (r.name, r.epoch, r.slot, r.taken) for n, r in world.core.tape.robots.items()}
        same("robots", robots, {n: (r.name, r.epoch, r.slot, r.taken) for n, r in account.robots.items()})
        same("money", money(world.money.ledger), money(state.money.ledger))


def is_taped(order: Order) -> bool:
    """What was met at the venue is met again by the next gateway."""
    return bool(order.robot) and not order.is_met


def same(what: str, live: Any, folded: Any) -> None:
    if live == folded:
        return
    if isinstance(live, dict):
        live, folded = (
            {at: each for at, each in of.items() if other.get(at) != each}
            for of, other in ((live, folded), (folded, live))
        )
    raise Broken(f"{what}: the gateway has {live}, its tape comes to {folded}")


def held(positions: Mapping[Any, int]) -> dict[Any, int]:
    return {at: qty for at, qty in positions.items() if qty}


def parts_of(robots: Mapping[int, Any]) -> dict[Any, int]:
    return {
        (number, symbol, side): qty
        for number, robot in robots.items()
        for symbol, of in robot.held.items()
        for side, qty in of.items()
        if qty
    }


def booked(positions: Mapping[Any, Any]) -> dict[Any, Any]:
    return {at: (own.qty, own.cost, own.realized) for at, own in positions.items() if own.qty}


def handed(parts: RobotParts) -> tuple[Any, ...]:
    return tuple([(robot, fill.symbol, fill.size) for robot, fill in each] for each in (parts.beyond, parts.forced))


def kept(order: Order) -> tuple[Any, ...]:
    return (*said(order), order.price, order.name, order.is_held, order.is_taken_off)


def controls(state: GatewayState, now: int) -> dict[str, Any]:
    return {
        "kill switch": state.halts.killed,
        "halts": [halt for halt in state.halts if halt.holds(now)],  # no frame says that one is over by time
        "epoch of the guardian": state.halts.epoch,
        "commands": [(name, done.digest, bool(done.answer)) for name, done in state.once.to_record()],
        "request keys": [scope for scope, _ in state.first.to_record()],
        "commands that were begun": state.begun.keys(),
        "newest id by hand": state.last_by_hand,
    }


def money(ledger: Any) -> dict[str, Any]:
    return {name: ledger.slots(name) for name in ledger.currencies()}


def said(order: Order) -> tuple[Any, ...]:
    return order.state, order.filled, order.size


def shown(order: Order) -> tuple[Any, ...]:
    return order.state, order.filled, order.size
