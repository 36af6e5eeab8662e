"""A live robot whose amendment's answer was lost: its order is as the venue has it."""

from __future__ import annotations

import time

import pytest
from test_fee_currency import PERPETUAL, Gateway, opened

from onetape import Strategy
from onetape.model.enums import OrderNews, OrderState, RequestKind, Side
from onetape.model.home import gateway_journal
from onetape.model.order import OrderSpec
from onetape.orders.machine import OrderEvent
from onetape.orders.managed import NewsOut, Request, requested_order
from onetape.robot.live import LiveOptions, open_live
from worlds.frames import QUOTE


class Amends(Strategy):
    symbol: str = PERPETUAL.symbol

    def on_start(self):
        self.order = None
        self.subscribe(self.symbol, quotes=True)

    def on_quote(self, quote):
        if self.order is None:
            self.order = self.buy(self.symbol, 0.04, 60_000.0)
        elif self.order.state == "ACCEPTED":
            self.amend(self.order, price=59_990.0, qty=0.05)


@pytest.mark.parametrize("is_done", [False, True])
def test_an_order_that_is_found_has_the_price_and_size_it_was_found_with(tmp_path, is_done):
    tape = opened(gateway_journal(tmp_path, "main"))
    later = time.time_ns() + 3600 * 10**9  # the robot begins with what comes after it is there

    def quote(at: int) -> None:
        row = QUOTE.pack(at, at, 599_000, 600_010, 10, 10, 0)
        tape.writer.append("quote", row, stream=1, time=at)

    quote(later)
    options = LiveOptions(strategy=Amends, data=[], home=tmp_path, symbol=PERPETUAL.symbol)
    robot = open_live(options, {"main": Gateway(tape)})
    try:
        robot.step()
        order = robot.session.robot.order
        spec = OrderSpec(symbol=PERPETUAL.symbol, side=Side.BUY, size_int=40, price_int=600_000)
        ours = requested_order("c", Request(1, RequestKind.PLACE, order.id, spec), time.time_ns())

        def tell(news: OrderNews, event: OrderEvent) -> None:
            ours.take(event)
            tape.write(NewsOut(ours, news, ours.state, later), later)
            robot.step()

        tell(OrderNews.ACCEPTED, OrderEvent.ACCEPT)
        quote(later + 1)
        robot.step()
        assert order.state == "PENDING_UPDATE"
        ours.take(OrderEvent.AMEND_REQUEST, size=50)
        tell(OrderNews.LOST, OrderEvent.REPLY_LOST)
        assert order.state == OrderState.UNKNOWN
        if is_done:
            ours.price, ours.size = 599_900, 50
        tell(OrderNews.FOUND, OrderEvent.FOUND_WORKING)
        assert order.state == "ACCEPTED"
        assert (order.price, order.qty) == ((59_990.0, 0.05) if is_done else (60_000.0, 0.04))
    finally:
        robot.close(keep=False)
        tape.writer.close()
