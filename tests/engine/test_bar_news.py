"""When a robot hears of what happened inside a bar: never before it could be known, and never
before the way back is over."""

from __future__ import annotations

import pytest

from onetape import Strategy
from onetape._core import FLAG_CORRECTED, FLAG_LATE
from worlds.tapes import BTC, START, Market, at_ns, play

FIVE = 300


class Listens(Strategy):
    def on_start(self):
        self.bars_seen = []
        self.news = []
        self.subscribe(BTC, bars="5m@venue")

    def on_bar(self, bar):
        self.bars_seen.append((self.now, self.position(BTC).qty))
        if len(self.bars_seen) == 1:
            self.ask()

    def on_fill(self, fill):
        self.news.append((self.now, fill.ts_event, fill.price))


class Limit(Listens):
    def ask(self):
        self.buy(BTC, 1, 99.5)


class Deep(Listens):
    def ask(self):
        self.buy(BTC, 1, 50)


class AtMarket(Listens):
    def ask(self):
        self.buy(BTC, 1)


class Late(Listens):  # where it arrives only the close is left to meet
    def ask(self):
        self.set_timer("late", at=self.now + 200 * 10**9)

    def on_timer(self, name):
        self.buy(BTC, 1)


def tape(path):
    market = Market(path)
    for number in range(1, 6):
        market.bar(FIVE * number, "5m", (100, 101, 99, 100))
    return market.done()


@pytest.mark.parametrize(("flags", "fills"), [(FLAG_LATE, 0), (FLAG_LATE | FLAG_CORRECTED, 0), (0, 1)])
def test_a_bar_of_a_period_that_was_told_or_passed_over_is_no_price_of_now_and_no_news(tmp_path, flags, fills):
    """A collector has filled or corrected it: the robot hears of it no more, and nothing is filled by it."""
    market = Market(tmp_path / "t")
    for number in range(1, 5):
        market.bar(FIVE * number, "5m", (100, 101, 99, 100))
        if number == 3:
            market.bar(2 * FIVE, "5m", (100, 101, 10, 100), at=FIVE * number + 1, flags=flags)
    played = play(Deep, market.done(), latency=(0, 0))
    assert len(played.robot.news) == fills and len(played.robot.bars_seen) == 4


@pytest.mark.parametrize(
    ("strategy", "latency", "happened", "heard"),
    [
        # Between open and close nobody knows when: at its close, and the way back later.
        (Limit, (10, 20), 2 * FIVE, 2 * FIVE + 20),
        (Limit, (0, 0.001), 2 * FIVE, 2 * FIVE + 0.001),
        (Limit, (0, 0), 2 * FIVE, 2 * FIVE),
        # At the open the moment is known; what it was is not before the bar's end.
        (AtMarket, (10, 20), FIVE + 10, 2 * FIVE),
        (AtMarket, (10, 400), FIVE + 10, FIVE + 10 + 400),
        (Late, (10, 20), 2 * FIVE, 2 * FIVE + 20),
    ],
)
def test_a_fill_inside_a_bar_is_heard_of_after_it_and_after_the_way_back(tmp_path, strategy, latency, happened, heard):
    played = play(strategy, tape(tmp_path / "t"), latency=latency)
    ((now, at, _),) = played.robot.news
    assert (now, at) == (at_ns(heard), at_ns(happened))
    held = [qty for time, qty in played.robot.bars_seen if time < now]
    assert held and set(held) == {0}  # no bar was shown with what was not known yet
    assert now > START


class TwoPeriods(Strategy):
    def on_start(self):
        self.subscribe(BTC, bars=["5m", "1h"], mark=True, funding=True)
        self.seen = []

    def on_bar(self, bar):
        self.seen.append((self.now, bar.period, len(self.bars(BTC, "1h", 9))))


@pytest.mark.parametrize("between", ["", "mark", "funding"])
@pytest.mark.parametrize("first", ["5m", "1h"])
def test_the_order_of_tapes_says_nothing_about_which_bars_a_bar_sees(tmp_path, between, first):
    """Each of two tapes has a bar of the hour, and one of them something else of that moment."""
    tapes = {}
    for period, length in (("5m", 300), ("1h", 3600)):
        market = Market(tmp_path / period)
        for number in range(1, 2 * 3600 // length + 1):
            if period == "1h" and between:
                getattr(market, between)(length * number, *((100,) if between == "mark" else ("0.0001",)))
            market.bar(length * number, period, (100, 101, 99, 100))
            if period == "5m" and between:
                market.mark(length * number, 100)
        tapes[period] = market.done()
    other = "1h" if first == "5m" else "5m"
    seen = play(TwoPeriods, tapes[first], tapes[other]).robot.seen
    hour = at_ns(3600)
    assert [row[1:] for row in seen if row[0] == hour] == [("5m", 1), ("1h", 1)]
    assert len(seen) == 24 + 2
