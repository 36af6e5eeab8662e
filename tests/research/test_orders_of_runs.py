"""`run.orders`: each order ended, or stands, as its robot knew it."""

from __future__ import annotations

import onetape
from onetape import Strategy
from worlds.tapes import BTC, Market


class Changing(Strategy):
    def on_start(self):
        self.subscribe(BTC, quotes=True)
        self.made = []
        self.seen = 0

    def on_quote(self, quote):
        self.seen += 1
        match self.seen:
            case 1:  # one of two is filled, then it is canceled
                self.made.append(self.buy(BTC, 1, 99.9))
            case 2:
                self.amend(self.made[0], qty=2)
            case 6:
                self.cancel(self.made[0])
                self.made.append(self.buy(BTC, 2, 99.9))  # made smaller, and filled
            case 7:
                self.amend(self.made[1], qty=1)
            case 12:
                self.made.append(self.sell(BTC, 5, reduce_only=True))  # cut to what is held
                self.made.append(self.buy(BTC, 1e-9))  # of less than one lot
                self.made.append(self.sell(BTC, 1, 100.1))
            case 14:  # made larger, filled in part, and working at the end
                self.made.append(self.buy(BTC, 1, 99.9))
            case 15:
                self.amend(self.made[5], qty=3)

    def on_stop(self):
        for order in self.made:
            self.log("end", state=str(order.state), filled=order.filled)


def test_orders_that_were_changed_end_as_the_robot_knew_them(tmp_path):
    market = Market(tmp_path / "a.tape")
    for second in range(20):
        market.quote(second, 99.9, 100.1, 0.5, 5)
        if second in (3, 9, 17):
            market.trade(second + 0.5, 99.9, 1.5, "sell")
    run = onetape.backtest(Changing, data=market.done(), cash="10000 USDT", home=tmp_path, report=False)
    said = [each["fields"] for each in run.events("log").to_dicts() if each["text"] == "end"]
    heard = [(each["state"], each["filled"]) for each in said]
    assert run.orders.select("state", "filled").rows() == heard
    states = ["CANCELED", "FILLED", "FILLED", "DENIED", "ACCEPTED", "PARTIALLY_FILLED"]
    assert [state for state, _ in heard] == states


class Waiting(Strategy):
    def on_start(self):
        self.buy(BTC, 0.9, 99.9)


def test_what_was_filled_in_parts_is_their_sum_without_an_error_of_its_own(tmp_path):
    market = Market(tmp_path / "a.tape")
    for second in range(6):
        market.quote(second, 99.9, 100.1, 0.001, 5)
        if second:
            market.trade(second + 0.5, 99.9, 0.1 * second, "sell")
    run = onetape.backtest(Waiting, data=market.done(), cash="10000 USDT", home=tmp_path, report=False)
    assert len(run.fills) > 2 and sum(run.fills["qty"]) != 0.9  # as binary fractions
    assert run.orders.select("filled", "average_price", "state").rows() == [(0.9, 99.9, "FILLED")]
