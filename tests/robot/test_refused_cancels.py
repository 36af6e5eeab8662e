"""A cancel that the venue refuses is sent again, with a brake, whatever the order was for: a target, a protection, a
trailing stop."""

from __future__ import annotations

from onetape import Strategy
from onetape.model.enums import OrderNews, OrderState, Side
from onetape.orders.managed import NewsOut
from worlds.scripted_gateway import A, Robot
from worlds.tapes import records

MINUTE = 60 * 10**9


class Enters(Strategy):
    """Buys once, with what protects it."""

    symbols: list[str]
    stop_loss: str = ""
    take_profit: str = ""
    trail: str = ""

    def on_start(self):
        self.subscribe(A, quotes=True, trades=True)

    def on_quote(self, quote):
        if not self.memory.get("entered"):
            self.memory["entered"] = True
            legs = {name: getattr(self, name) for name in ("stop_loss", "take_profit", "trail")}
            self.buy(A, 0.01, 60_000, **{name: said for name, said in legs.items() if said})


class Follows(Enters):
    """Has a position that it did not open, and a stop that trails."""

    def on_quote(self, quote):
        if not self.memory.get("entered"):
            self.memory["entered"] = True
            self.sell(A, 0.01, kind="trailing", trail="1%")


class Desk:
    """A robot, and a venue that refuses to cancel."""

    def __init__(self, robot: Robot) -> None:
        self.robot, self.first = robot, robot.first
        self.taken = {}

    def accept(self) -> None:
        """The venue has all that works."""
        for order in self.robot.loop.working(None):
            if order.id not in self.taken:
                side = Side.BUY if order.side == "buy" else Side.SELL
                self.taken[order.id] = self.first.order(order.id, order.qty_int, side)
        self.robot.run.step()

    def fill(self, order_id: int) -> None:
        taken = self.taken[order_id]
        self.first.fill(taken, taken.size, "USDT", taken.spec.side)
        self.robot.run.step()

    def refuse(self, order_id: int) -> None:
        news = NewsOut(
            self.taken[order_id], OrderNews.CANCEL_REJECTED, OrderState.ACCEPTED, self.first.later, 1, "busy"
        )
        self.first.tape.write(news, self.first.later)
        self.robot.run.step()

    def cancels(self, order_id: int) -> int:
        requests = [each.data for each in records(self.robot.run.folder / "journal", "order_request")]
        return sum(each["kind"] == "cancel" and each["order_id"] == order_id for each in requests)

    def is_tried_with_a_brake(self, order_id: int) -> None:
        for tries in range(1, 6):
            assert self.cancels(order_id) == tries, "one for each refusal"
            self.refuse(order_id)
            self.first.later -= 10**9 - 10**6  # a quote a moment later, and better than all before
            self.first.quote(610_000 + 100 * tries)
            self.robot.run.step()
            assert self.cancels(order_id) == tries, "not at once"
            self.robot.step(5 * MINUTE)
        assert len(self.robot.said("is not canceled")) == 1


def test_the_other_leg_of_a_position_that_is_closed_is_canceled_with_a_brake(tmp_path):
    with Robot(tmp_path, Enters, params={"stop_loss": "2%", "take_profit": "2%"}) as robot:
        desk = Desk(robot)
        robot.fill()
        desk.accept()
        stop, take = sorted(robot.loop.working(A), key=lambda each: each.trigger)
        desk.fill(take.id)
        desk.is_tried_with_a_brake(stop.id)


def test_a_stop_that_was_replaced_is_canceled_with_a_brake(tmp_path):
    with Robot(tmp_path, Enters, params={"trail": "1%"}) as robot:
        desk = Desk(robot)
        robot.fill()
        desk.accept()
        (old,) = robot.loop.working(A)
        robot.first.trade(610_000)
        robot.run.step()
        assert [each.id for each in robot.loop.working(A)] != [old.id]
        desk.is_tried_with_a_brake(old.id)


def test_a_trailing_stop_that_is_to_move_is_canceled_with_a_brake(tmp_path):
    with Robot(tmp_path, Follows) as robot:
        desk = Desk(robot)
        desk.accept()
        (stop,) = robot.loop.working(A)
        robot.first.quote(610_000)
        robot.run.step()
        desk.is_tried_with_a_brake(stop.id)
