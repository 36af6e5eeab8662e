"""The control plane values legs by confirmed prices, and trades nothing while one is in doubt."""

from __future__ import annotations

import struct
from decimal import Decimal
from pathlib import Path

import pytest

from onetape.figures.market_tape import UNCERTAIN
from onetape.figures.views import Views
from onetape.model import catalogue
from onetape.model.home import gateway_journal
from onetape.model.time import SECOND
from onetape.store.config import parse_config
from onetape.tape.journal import JournalWriter

SYMBOL = "binance:BTC/USDT:USDT"
BTC = catalogue.find(SYMBOL)
CONFIG = f"""
[venues.x]
kind = "binance-usdm"
mode = "sim"
[accounts.main]
venue = "x"
symbols = ["{SYMBOL}"]
"""
START, LOW = (int(Decimal(price).scaleb(BTC.price_decimals)) for price in (60_000, 54_000))
TENTH = SECOND // 10


class Plane:
    """Views of one account, the gateway's tape that they read, and their clock."""

    def __init__(self, home: Path) -> None:
        self.now = 1_800_000_000 * SECOND
        self.tape = JournalWriter(gateway_journal(home, "main"), process="gateway")
        self.tape.append_instrument(1, self.now, BTC.to_msgpack())
        self.views = Views(parse_config(CONFIG), home, clock=lambda: self.now)
        self.has_marks = True
        self.run(5)

    def quote(self, price: int) -> None:
        payload = struct.pack("<6q2Q", self.now, self.now, price - 1, price + 1, 5, 5, 0, 0)
        self.tape.append("quote", payload, stream=1, time=self.now)

    def mark(self, price: int) -> None:
        payload = struct.pack("<4q", self.now, self.now, price, 0)
        self.tape.append("mark", payload, stream=1, time=self.now)

    def trade(self, price: int) -> None:
        payload = struct.pack("<4q2Q2B14x", self.now, self.now, price, 5, 0, 0, 0, 0)
        self.tape.append("trade", payload, stream=1, time=self.now)

    def run(self, seconds: float, price: int = START) -> None:
        for n in range(round(seconds * 10)):
            self.now += TENTH
            self.quote(price)
            if self.has_marks and n % 10 == 0:
                self.mark(price)

    def look(self) -> tuple[Decimal, bool]:
        """The price that a leg is valued at, and whether it is refused for a price in doubt."""
        self.views.refresh()
        instrument = self.views.tapes["main"].instruments[SYMBOL]
        (leg,) = [self.views._leg("main", instrument)]
        return leg.mark, "uncertain" in self.views._missing(Decimal(1), self.views.seen("main", instrument), leg.mark)


@pytest.mark.parametrize("wrong", ["quote", "mark"])
@pytest.mark.parametrize("has_marks", [True, False])
def test_one_wrong_message_moves_no_price_and_holds_all_trades_up_for_a_moment(tmp_path, wrong, has_marks):
    plane = Plane(tmp_path)
    if not has_marks:
        plane.has_marks = False
        plane.run(11)  # marks are old by then
    assert plane.look() == (60_000, False)
    plane.now += TENTH // 2
    getattr(plane, wrong)(LOW)
    assert plane.look() == (60_000, True)
    plane.now += TENTH // 2
    plane.run(0.5)
    if wrong == "mark":
        plane.mark(START)
    assert plane.look() == (60_000, True)  # what gateways have made of it is shown yet
    plane.now += UNCERTAIN
    plane.quote(START)
    assert plane.look() == (60_000, False)


def test_a_fall_that_quotes_and_trades_tell_counts_at_once(tmp_path):
    plane = Plane(tmp_path)
    plane.has_marks = False
    plane.run(11)
    plane.now += TENTH
    plane.trade(LOW)
    plane.quote(LOW)
    assert plane.look() == (54_000, False)


def test_a_fall_that_all_tell_counts_within_a_second(tmp_path):
    plane = Plane(tmp_path)
    plane.run(1, LOW)
    assert plane.look()[0] == 54_000
    plane.run(2, LOW)
    assert plane.look() == (54_000, False)


def test_a_clock_that_was_set_back_leaves_prices_that_follow_the_market(tmp_path):
    plane = Plane(tmp_path)
    assert plane.look() == (60_000, False)
    plane.now -= 3600 * SECOND
    plane.run(5, LOW)
    assert plane.look() == (54_000, False)
