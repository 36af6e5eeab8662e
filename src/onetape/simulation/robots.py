"""Robots of a simulated world: each wants things at random, and asks the gateway's core for them as
the frames of a robot's journal would."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import structs

from onetape.exchange.listing import Listing
from onetape.model.enums import Kind, OrderType, PositionSide, RequestKind, Side, TimeInForce, TriggerBy, TriggerKind
from onetape.model.instrument import Instrument
from onetape.model.money import money
from onetape.model.order import OrderSpec
from onetape.orders.order import Order

MS = 1_000_000
SECOND = 1000 * MS
NAMES = {1: "one", 2: "two"}
TAGS = tuple(f"T{name}X" for name in NAMES.values())
EVERY_S = 0.8
CHANGES_EVERY_S = 3
LEVERAGE = 10
OPEN_MAX = 10


class SimRobot:
    """number: from 1. Its orders are numbered from 1 too."""

    def __init__(self, world: Any, number: int) -> None:
        self.world, self.number = world, number
        self.random = random.Random(world.seed * 7 + number)
        self.changes = random.Random(world.seed * 11 + number)
        self.ordinal = 0
        self.is_there = True

    def usual(self, symbol: str) -> int:
        """A usual quantity, in units: of a linear contract by its coins."""
        index = self.world.symbols.index(symbol)
        instrument = self.world.exchange.instruments[index]
        coins = Decimal("0.01" if index == 0 or (instrument.base == "BTC") else "0.2")
        qty = coins / instrument.multiplier if instrument.kind is Kind.LINEAR else coins
        return max(int(instrument.size_int(qty)), int(instrument.lot_int))

    def act(self) -> None:
        world, rng = self.world, self.random
        if world.stopping:
            return
        world.at(world.now + int(rng.expovariate(1 / EVERY_S) * SECOND) + MS, self.act)
        if not self.is_there:
            return
        manager = world.manager
        mine = [o for o in manager.open.values() if o.robot == self.number]
        what = rng.random()
        if mine and what < 0.35:
            order = rng.choice(mine)
            self.frame(RequestKind.CANCEL, order.order_id, order.spec)
        elif mine and what < 0.5:
            self._change(rng.choice(mine))
        elif len(mine) < OPEN_MAX:
            self._enter()

    def _change(self, order: Order) -> None:
        rng = self.random
        if order.spec.type is not OrderType.LIMIT:
            return
        instrument = next(i for i in self.world.instruments if i.symbol == order.spec.symbol)
        tick = int(instrument.tick.scaleb(instrument.price_decimals))
        step = int(order.spec.price_int * rng.uniform(-0.002, 0.002))
        price = (order.price + step) // tick * tick
        size = order.size * rng.choice((1, 1, 2))
        wanted = structs.replace(order.spec, price_int=price, size_int=size)
        self.frame(RequestKind.AMEND, order.order_id, wanted)

    def _enter(self) -> None:
        world, rng = self.world, self.random
        index = world.places[rng.randrange(len(world.places))]
        listing = world.exchange.listings[index]
        instrument = listing.instrument
        tick = int(instrument.tick.scaleb(instrument.price_decimals))
        side = rng.choice((Side.BUY, Side.SELL))
        kind = rng.random()
        near = (listing.bid if side is Side.BUY else listing.ask) or listing.last
        away = int(near * rng.choice((0, 0, 0.0002, 0.001, -0.0005)))
        price = (near - away * side.sign) // tick * tick
        size = self.usual(instrument.symbol) * rng.randint(1, 3)
        spec: dict[str, Any] = {"symbol": instrument.symbol, "side": side, "size_int": size}
        if world.account.hedge and instrument.kind is not Kind.SPOT:
            spec["position_side"] = rng.choice((PositionSide.LONG, PositionSide.SHORT))
        elif rng.random() < 0.15 and world.protocol.traits.has_position(instrument.symbol):
            spec["reduce_only"] = True
        if kind < 0.25:
            spec |= {"type": OrderType.MARKET}
        elif kind < 0.4:
            spec |= {"price_int": price, "tif": TimeInForce.IOC}
        elif kind < 0.55:
            spec |= {"price_int": price, "post_only": True}
        elif kind < 0.7:
            trigger = (listing.last + int(listing.last * 0.0008) * side.sign) // tick * tick
            spec |= {
                "type": OrderType.MARKET,
                "trigger_int": trigger,
                "trigger_by": TriggerBy.LAST,
                "trigger_kind": TriggerKind.STOP,
            }
        else:
            spec |= {"price_int": price}
        self.ask(OrderSpec(**spec), listing.last)

    def sell_to_buy(self) -> None:
        """Closes what it holds of one thing for more of another than it could pay before; in
        either order, and sometimes with nothing to sell, or not at once. Often it has given back
        what it did not need."""
        world, rng = self.world, self.changes
        if world.stopping:
            return
        world.at(world.now + int(rng.expovariate(1 / CHANGES_EVERY_S) * SECOND), self.sell_to_buy)
        at = rng.randrange(2)
        if not self.is_there:
            return
        sold, bought = (world.exchange.listings[n] for n in (at, 1 - at))
        if not sold.bid or not bought.ask:
            return
        if rng.random() < 0.6:
            self._give_back(bought.instrument.settle)
        orders = [self._purchase(bought)]
        closing = self._closing(sold)
        if closing is not None and rng.random() < 0.9:
            orders.insert(rng.randrange(2), closing)
        for spec, last in orders:
            self.ask(spec, last)

    def _give_back(self, currency: str) -> None:
        world, owner = self.world, NAMES[self.number]
        slot = world.tape.parts.slot_of(self.number)
        free = world.money.accounts.available(currency, slot) if world.money.is_ready else 0
        if free <= 0:
            return
        amount = str(money(free - free // self.changes.randint(5, 50)))
        fields = {"currency": currency, "index": slot, "amount": amount}
        world.owners.send(owner, "release", fields, f"back {self.number} {self.ordinal}")

    def _closing(self, listing: Listing) -> tuple[OrderSpec, int] | None:
        world, rng, i = self.world, self.changes, listing.instrument
        slot, at_once = world.tape.parts.slot_of(self.number), rng.random() < 0.8
        terms: dict[str, Any] = (
            {"symbol": i.symbol, "type": OrderType.MARKET}
            if at_once
            else {"symbol": i.symbol, "price_int": listing.bid + rng.choice((-2, 0, 1)) * self._tick_of(i)}
        )
        for position_side in world.sides_of(i):
            qty = world.money.own(slot, i.symbol, position_side)
            if i.kind is Kind.SPOT:
                qty = world.money.ledger.balance(i.base, slot) // 10 ** (18 - i.size_decimals)
            lot = i.lot_int
            size = min(abs(qty), 5 * self.usual(i.symbol)) // lot * lot
            if size <= 0 or (qty < 0 and (not at_once or i.kind is Kind.SPOT)):
                continue
            side = Side.SELL if qty > 0 else Side.BUY
            if i.kind is not Kind.SPOT and position_side is PositionSide.BOTH:
                terms["reduce_only"] = rng.random() < 0.5
            spec = OrderSpec(side=side, size_int=size, position_side=position_side, **terms)
            return spec, listing.last
        return None

    def _purchase(self, listing: Listing) -> tuple[OrderSpec, int]:
        """For what is free and a part of what is held."""
        world, rng, i = self.world, self.changes, listing.instrument
        slot, accounts = world.tape.parts.slot_of(self.number), world.money.accounts
        each = max(i.notional_units(listing.ask, self.usual(i.symbol)), 1)
        if i.kind is not Kind.SPOT:
            each = max(each // LEVERAGE, 1)
        free = max(accounts.available(i.settle, slot), 0)
        more = free * rng.uniform(0.9, 1.1) + each * rng.uniform(0, 4)
        size = min(max(int(more / each * self.usual(i.symbol)), 1), 5 * self.usual(i.symbol))
        lot = i.lot_int
        position_side = world.sides_of(i)[0]
        terms = {"type": OrderType.MARKET} if rng.random() < 0.7 else {"price_int": listing.ask}
        size = max(size // lot * lot, lot)
        spec = OrderSpec(symbol=i.symbol, side=Side.BUY, size_int=size, position_side=position_side, **terms)
        return spec, listing.last

    def _tick_of(self, instrument: Instrument) -> int:
        return int(instrument.tick.scaleb(instrument.price_decimals))

    def ask(self, spec: OrderSpec, reference: int) -> None:
        world = self.world
        self.ordinal += 1
        world.note_price(spec.symbol, reference)
        life = world.tape.robots[self.number]
        order_id, before = life.base | self.ordinal, dict(world.money_invariants.held_before)
        self.frame(RequestKind.PLACE, order_id, spec)
        order = world.manager.by_robot[self.number, order_id]
        if order.is_open and not order.is_held:
            world.money_invariants.submitted(order, before)

    def begin_life(self) -> None:
        """Another process of its name. What its gateway dies of before it has the answer, it asks
        again."""
        world = self.world
        core, slot = world.core, world.tape.parts.slot_of(self.number)
        world.at(world.now + SECOND, self._has_begun)
        core.stamp(world.moment())
        life = core.requests.attach(NAMES[self.number], "", world.now, slot=slot)
        assert life is not None and life.number == self.number
        self.ordinal, self.is_there = 0, True
        core.robot_began(life)
        core.requests.attached(life)

    def _has_begun(self) -> None:
        if not self.is_there and not self.world.stopping:
            self.begin_life()

    def frame(self, kind: RequestKind, order_id: int, spec: OrderSpec) -> None:
        """One that the gateway reads, and no other is there."""
        world = self.world
        life, moment = world.tape.robots[self.number], world.moment()
        frame = Order(self.number, order_id, spec).request_frame(kind, spec.price_int, spec.size_int, False)
        if spec.once is not None:
            frame += msgspec.msgpack.encode(spec.once.as_record())
        world.core.requests.take_frame(
            life, frame, spec.symbol, world.core.stamp(moment), wall=moment.wall, cause=world.now
        )
        world.core.end_requests()
