"""Why an order is as it is, as a live robot hears it from a gateway's tape."""

from __future__ import annotations

from onetape import Strategy
from onetape.model.enums import OrderNews, OrderState
from onetape.model.errors import OrderUnknown
from onetape.orders.managed import NewsOut
from worlds.scripted_gateway import Robot
from worlds.tapes import records


class Rests(Strategy):
    symbols: list[str]

    def on_start(self):
        self.subscribe(self.symbols[0], quotes=True)
        self.order = None

    def on_quote(self, quote):
        if self.order is None:
            self.order = self.buy(self.symbols[0], 0.04, 60_000)


def test_a_refused_cancel_is_no_reason_of_an_order_that_is_filled(tmp_path):
    with Robot(tmp_path, Rests) as robot:
        order = robot.robot.order
        taken = robot.first.order(order.id)

        def refused(code: int, reason: str) -> tuple[str, int, str]:
            news = NewsOut(taken, OrderNews.CANCEL_REJECTED, OrderState.ACCEPTED, robot.first.later, code, reason)
            robot.first.tape.write(news, robot.first.later)
            robot.run.step()
            return order.state, order.code, order.reason

        robot.step()
        assert refused(OrderUnknown.code, "busy") == ("ACCEPTED", OrderUnknown.code, "busy")
        said = "the venue does not know this order any more"  # without words of its own, and not the last one's
        assert refused(OrderUnknown.code, "") == ("ACCEPTED", OrderUnknown.code, said)
        robot.first.fill(taken, 40, "USDT")
        robot.run.step()
        assert (order.state, order.code, order.reason) == ("FILLED", 0, "")
        reasons = [each.data["more"]["reason"] for each in records(robot.run.folder / "journal", "order_event")[-2:]]
        assert reasons == ["busy", said]
