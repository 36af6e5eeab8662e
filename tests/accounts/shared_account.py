"""Three robots with a sub-account each on one account, without a venue: whoever writes the test
says what it does. Sizes and prices in units."""

from __future__ import annotations

from types import SimpleNamespace

from onetape.accounts.booking import Booking
from onetape.accounts.crossing import Crossing
from onetape.accounts.reductions import Reductions
from onetape.model import catalogue
from onetape.model.enums import Liquidity, OrderState, OrderType, PositionSide, RequestKind, Side
from onetape.model.errors import SelfTrade
from onetape.model.ids import client_id, parse_client_id
from onetape.model.order import OrderSpec
from onetape.orders.calls import Purpose
from onetape.orders.filters import Refusal
from onetape.orders.managed import FillOut, IntentOut, NewsOut, Request
from onetape.orders.order_frames import HELD_FLAG, REISSUE_FLAG, NewsFrame, request_of
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.reports import FillReport, OrderStatusReport
from onetape.projections.recovered_orders import RecoveredOrders
from onetape.venues.binance.trading import BinanceUsdmProtocol
from orders.surroundings import manager_at
from worlds.frames import REQUEST

PERP = "binance:BTC/USDT:USDT"
NOW = 1_795_000_000_000_000_000
BUY, SELL = Side.BUY, Side.SELL
A, B, C = 1, 2, 3  # robots; their slots are one more


class Account:
    """crosses: orders of two robots that meet trade inside, at `quote`."""

    def __init__(self, bound: int = 0, *, is_shared: bool = True, crosses: bool = False) -> None:
        self.instrument = catalogue.find(PERP)
        assert self.instrument is not None
        self.bound, self.is_shared, self.crosses = bound, is_shared, crosses
        self.quote = (599_990, 600_010)
        self.refusal: Refusal | None = None  # of what is left of orders
        self.tape: list = []
        self.count, self.now = 0, NOW
        self.begin()

    def begin(self) -> None:
        protocol = BinanceUsdmProtocol("k", "s")
        protocol.set_instruments([self.instrument])
        protocol.signs_late = True  # terms can be read
        self.manager = manager_at(
            protocol, goes_on=lambda *ended: self.crossing is not None and self.crossing.ended(*ended)
        )
        self.booking = Booking({PERP: self.instrument})
        self.reductions = Reductions(
            self.manager,
            {PERP: self.instrument},
            own=self.own_of_slot,
            slot_of=lambda robot: robot + 1,
            bounds={PERP: self.bound} if self.bound else {},
            is_shared=self.is_shared,
        )
        self.crossing = self.cross() if self.crosses else None

    def cross(self) -> Crossing:
        return Crossing(
            self.manager,
            {PERP: self.instrument},
            slot_of=lambda robot: robot + 1,
            quote=lambda symbol: self.quote,
            judge=self.judge,
        )

    def judge(self, order, now: int) -> Refusal | None:
        """As the gate says."""
        if self.refusal is not None:
            return self.refusal
        met = self.manager.account.meets(order.spec)
        return Refusal.of(SelfTrade, "as the gate says") if met else None

    def restart(self) -> None:
        """A new life, from what the tape keeps of the old one."""
        self.begin()
        recovery = RecoveredOrders(self.manager.account)
        for what, words in self.tape:
            if what == "intent":
                name, request, at = words
                recovery.request(request, at, SimpleNamespace(client_id=lambda _, name=name: name))
            elif what == "news":
                recovery.news(words[1])
            else:
                recovery.fill(None, *words)
                self.booking.fill(words[0], int(parse_client_id(words[0].client_id).tag) + 1)
        recovery.finish(self.manager, self.now)
        if self.crosses:
            self.crossing = self.cross()
        for order in self.manager.open.values():
            self.reductions.order(order)
        self.write()

    def own_of_slot(self, slot: int, symbol: str, side: PositionSide = PositionSide.BOTH) -> int:
        held = self.booking.positions.get((slot, symbol, side))
        return held.qty if held else 0

    def own(self, robot: int) -> int:
        return self.own_of_slot(robot + 1, PERP)

    @property
    def net(self) -> int:
        return self.manager.positions.get((PERP, PositionSide.BOTH), 0)

    def spec(self, side: Side, size: int, price: int = 600_000, **terms) -> OrderSpec:
        terms.setdefault("type", OrderType.LIMIT if price else OrderType.MARKET)
        return OrderSpec(symbol=PERP, side=side, size_int=size, price_int=price, **terms)

    def ask(self, robot: int, side: Side, size: int, price: int = 600_000, **terms):
        """As a gateway takes a request: the order, or why there is none."""
        spec = self.spec(side, size, price, **terms)
        found = self.reductions.outgoing(robot, spec, knows=True)
        if isinstance(found, Refusal):
            return found
        self.count += 1
        request = Request(robot, RequestKind.PLACE, self.count, found)
        name = client_id(str(robot), epoch=1, ordinal=self.count)
        matches = self.crossing.matches(robot, found) if self.crossing else []
        if matches:
            order = self.crossing.hold(name, request, matches, self.now)
        elif self.crosses and self.manager.account.meets(found):
            return Refusal.of(SelfTrade, "as the gate says")
        else:
            order = self.manager.submit(name, request, self.now)
        self.reductions.order(order)
        self.write()
        return order

    def reduce(self, robot: int, side: Side, size: int, price: int = 600_000, **terms):
        return self.ask(robot, side, size, price, reduce_only=True, **terms)

    def write(self) -> None:
        """As a gateway carries out: the tape, the books, then what has become too much."""
        while self.manager.outs:
            outs, self.manager.outs = self.manager.outs, []
            for out in outs:
                match out:
                    case IntentOut():
                        self.intend(out)
                    case NewsOut():
                        o = out.order
                        heard = NewsFrame(o.order_id, 0, o.price, o.size, 0, out.news, o.robot, out.is_local)
                        self.tape.append(("news", (o.client_id, heard)))
                        self.reductions.order(o)
                    case FillOut():
                        robot = out.order.robot
                        fill = out.fill._replace(client_id=out.order.client_id)
                        self.tape.append(("fill", (fill,)))
                        self.booking.fill(fill, robot + 1)
                        self.reductions.position(robot + 1, PERP, fill.position_side, fill.side)
                        self.reductions.order(out.order)
            self.reductions.hold(self.now)

    def intend(self, out: IntentOut) -> None:
        """Through the bytes of the tape."""
        o, spec = out.order, out.order.spec
        payload = REQUEST.pack(
            o.order_id,
            out.price,
            out.size,
            spec.trigger_int,
            0,
            out.kind.id,
            spec.side.id,
            spec.type.id,
            spec.tif.id,
            spec.flags | HELD_FLAG * o.is_held | REISSUE_FLAG * out.is_reissue,
            spec.trigger_by.id,
            spec.position_side.id,
            o.robot,
            b"",
        )
        self.tape.append(("intent", (o.client_id, request_of(payload, PERP), self.now)))

    def answer(self, outcome: Outcome = Outcome.DONE, *, only: Purpose | None = None) -> list:
        """The venue answers all that it was asked. What it was asked."""
        calls, self.manager.calls = self.manager.calls, []
        for call in calls:
            if call.purpose is Purpose.QUERY or (only is not None and call.purpose is not only):
                self.manager.calls.append(call)
            else:
                reported = (self.canceled(call),) if call.purpose is Purpose.CANCEL else ()
                answer = Answer(outcome, reported if outcome is Outcome.DONE else ())
                self.manager.answered(call, answer, self.now)
        self.write()
        return [call.purpose for call in calls]

    def canceled(self, call) -> OrderStatusReport:
        order = self.manager.orders[call.subject.client_id]
        return OrderStatusReport(
            PERP, call.subject.client_id, "", OrderState.CANCELED, self.now, filled=order.filled - order.filled_outside
        )

    def fill(self, order, size: int, price: int = 600_000) -> None:
        self.count += 1
        self.now += 1
        reported = FillReport(
            PERP,
            order.client_id,
            "",
            self.count,
            order.spec.side,
            order.spec.position_side,
            price,
            size,
            self.now,
            0,
            "",
            Liquidity.TAKER,
        )
        self.manager.hear([reported], self.now)
        self.write()

    def hold(self, robot: int, qty: int, leg: PositionSide = PositionSide.BOTH) -> None:
        """A robot comes to hold so much."""
        order = self.ask(robot, BUY if qty > 0 else SELL, abs(qty), 0, position_side=leg)
        self.answer()
        self.fill(order, abs(qty))

    def open(self, robot: int) -> list[int]:
        return [o.worst_left for o in self.manager.open.values() if o.robot == robot]
