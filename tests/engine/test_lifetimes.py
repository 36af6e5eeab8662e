"""What a strategy keeps stays safe to touch: after the next event, after the session, after
everything else is gone."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onetape import Strategy, _core
from worlds.tapes import BTC as SYMBOL
from worlds.tapes import SECOND, START, Market, close_sessions, play, session_of

QUOTES = 400


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A quote a second, the bid one tick up each time; a trade of the same price after it."""
    market = Market(tmp_path_factory.mktemp("lifetimes") / "tape")
    for number in range(QUOTES):
        price = 60_000 + number / 10
        market.quote(number, price, price + 0.1, 1 + number / 1000, 1 + number / 1000)
        market.trade(number, price, 0.001 * (1 + number))
    return market.done()


class Collector(Strategy):
    """Keeps everything that it is given or can get."""

    def on_start(self) -> None:
        self.kept: dict[str, list[Any]] = {}
        self.seen = 0
        self.subscribe(SYMBOL, quotes=True, trades=True, bars=["5s@trade", "10s@mid"])

    def keep(self, what: str, value: Any) -> None:
        self.kept.setdefault(what, []).append(value)

    def on_quote(self, quote: Any) -> None:
        self.seen += 1
        self.keep("quotes", quote)
        self.keep("bids", quote.bid)
        if self.seen % 2:
            self.keep("every other", quote)
        self.keep("asked quotes", self.quote(SYMBOL))
        if self.seen == 10:
            self.keep("order", self.buy(SYMBOL, 0.01))
            self.keep("order", self.buy(SYMBOL, 0.01, 50_000))
            self.keep("order", self.buy(SYMBOL, 10**6, 60_000))
            self.keep("position", self.position(SYMBOL))
            self.keep("book", self.book(SYMBOL))
            self.keep("copy", self.book(SYMBOL).copy())

    def on_trade(self, trade: Any) -> None:
        if self.seen % 3 == 0:
            self.keep("every third", trade)
            self.keep("prices", trade.price)

    def on_bar(self, bar: Any) -> None:
        self.keep("bars", bar)
        self.keep("closes", self.bars(SYMBOL, bar.period, 3).close)
        self.keep("views", self.bars(SYMBOL, bar.period, 3))

    def on_order(self, order: Any) -> None:
        self.keep("orders", order)

    def on_fill(self, fill: Any) -> None:
        self.keep("fills", fill)

    def on_position(self, position: Any) -> None:
        self.keep("positions", position)


def collected(tape: Path) -> tuple[dict[str, list[Any]], Strategy]:
    robot = play(Collector, tape).robot
    close_sessions()
    return robot.kept, robot


def churn() -> None:
    """Memory that was freed by mistake is used for something else by now."""
    gc.collect()
    blocks = [bytes([number % 256]) * 64 * (1 + number % 40) for number in range(3000)]
    del blocks
    gc.collect()


@pytest.fixture(params=["reused", "fresh"])
def reuse(request: pytest.FixtureRequest) -> Iterator[None]:
    """Event objects reused, as is usual, and made anew, as where reuse is off."""
    was = _core.event_reuse()
    _core.set_event_reuse(request.param == "reused")
    yield
    _core.set_event_reuse(was)


@pytest.mark.usefixtures("reuse")
def test_events_that_were_kept_do_not_change(tape: Path) -> None:
    kept, _ = collected(tape)
    churn()
    wanted = [60_000 + number / 10 for number in range(QUOTES)]
    assert [quote.bid for quote in kept["quotes"]] == wanted
    assert kept["bids"] == wanted
    assert [quote.bid for quote in kept["asked quotes"]] == wanted
    assert [quote.bid_size_int for quote in kept["quotes"]] == [1000 + number for number in range(QUOTES)]
    assert [quote.bid for quote in kept["every other"]] == wanted[::2]
    assert [trade.price for trade in kept["every third"]] == kept["prices"] == wanted[2::3]
    assert {trade.side for trade in kept["every third"]} == {"buy"}
    assert len({id(quote) for quote in kept["quotes"]}) == QUOTES
    closes = [bar.close for bar in kept["bars"] if bar.period == "5s"]
    assert closes == sorted(closes) and len(closes) > QUOTES // 5 - 2


def test_bars_that_were_kept_do_not_change(tape: Path) -> None:
    kept, _ = collected(tape)
    churn()
    for bar, closes, view in zip(kept["bars"], kept["closes"], kept["views"], strict=True):
        assert closes[-1] == pytest.approx(bar.close, abs=0.051)  # mid bars hold a half tick
        assert np.array_equal(view.close, closes)
        assert not closes.flags.writeable


def test_views_can_be_read_when_the_session_is_gone(tape: Path) -> None:
    kept, robot = collected(tape)
    del robot
    churn()
    filled, resting, denied = kept["order"]
    assert (filled.state, filled.symbol, filled.average_price) == ("FILLED", SYMBOL, 60_001.0)
    assert (resting.state, resting.price, resting.remaining) == ("ACCEPTED", 50_000.0, 0.01)
    assert denied.state == "DENIED" and denied.reason and SYMBOL in repr(denied)
    assert kept["fills"][0].order is filled and kept["fills"][0].symbol == SYMBOL
    assert kept["fills"][0].fee_currency == "USDT"
    for position in kept["position"] + kept["positions"]:
        assert (position.symbol, position.qty) == (SYMBOL, 0.01)
        assert position.unrealized > 0 and "Position(" in repr(position)
    for book in kept["book"] + kept["copy"]:
        assert book.symbol == SYMBOL and book.best_bid is None and book.bids(3) == []
        assert book.copy().asks() == []


def test_a_strategy_whose_session_is_over_is_told_so(tape: Path) -> None:
    kept, robot = collected(tape)
    churn()
    order = kept["order"][1]
    for call in (
        lambda: robot.buy(SYMBOL, 0.01),
        lambda: robot.sell(SYMBOL, Decimal("0.01"), Decimal(60_000)),
        lambda: robot.cancel(order),
        lambda: robot.amend(order, price=Decimal(51_000)),
        robot.cancel_all,
        lambda: robot.quote(SYMBOL),
        lambda: robot.book(SYMBOL),
        lambda: robot.position(SYMBOL),
        lambda: robot.orders(SYMBOL),
        lambda: robot._loop.run(10, 2**62),
    ):
        with pytest.raises(RuntimeError, match="the run is over"):
            call()
    assert robot.now == START + (QUOTES - 1) * SECOND
    assert robot.equity > 0


def test_orders_of_one_run_mean_nothing_to_another(tape: Path) -> None:
    kept, first = collected(tape)
    order = kept["order"][1]
    del kept, first
    churn()
    answers: list[object] = []

    class Second(Strategy):
        def on_start(self) -> None:
            self.subscribe(SYMBOL, quotes=True)

        def on_quote(self, quote: Any) -> None:
            if not answers:
                answers.extend([self.cancel(order), self.amend(order, price=51_000)])

    play(Second, tape)
    assert answers == [False, False]
    assert order.state == "ACCEPTED"


def test_the_loop_is_not_entered_from_a_callback(tape: Path) -> None:
    problems: list[str] = []

    class Reenters(Strategy):
        def on_start(self) -> None:
            self.subscribe(SYMBOL, quotes=True)

        def on_quote(self, quote: Any) -> None:
            for call in (lambda: self._loop.run(1, 2**62), self._loop.finish_input, self._loop.release):
                try:
                    call()
                except RuntimeError as problem:
                    problems.append(str(problem))

    session = session_of(Reenters, tape)
    try:
        session.open()
        session.start()
        session.step(frames_max=3)
    finally:
        session.close()
    assert len(problems) >= 3
    assert set(problems) == {"the loop is already running", "a session cannot be closed from within a callback"}


def test_a_closed_session_gives_its_strategy_back_to_the_collector(tape: Path) -> None:
    import weakref

    seen = weakref.ref(play(Collector, tape).robot)
    close_sessions()
    gc.collect()
    assert seen() is None


def test_a_program_may_end_with_a_session_open(tape: Path) -> None:
    """Nothing crashes at the interpreter's end, whatever is still alive then."""
    program = f"""
import sys
sys.path[:0] = {[str(Path(__file__).parent), str(Path(__file__).parents[1])]!r}
from pathlib import Path
import test_lifetimes as t
session = t.session_of(t.Collector, Path({str(tape)!r}))
session.open(); session.start(); session.step(frames_max=300)
keep = session.robot
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "leaked" not in done.stderr or "nanobind" in done.stderr
