"""A strategy that answers each refusal with the same order is halted, with the reason, at the same
frame in every run of the tape."""

from __future__ import annotations

from pathlib import Path

import pytest

from onetape import _core
from onetape.engine.strategy import Strategy
from onetape.model.errors import InsufficientFunds, OrderRate
from worlds.tapes import BTC, Market, play, records

MOST = _core.REFUSALS_MAX


def quotes(path: Path, count: int, every: float) -> Path:
    market = Market(path)
    for number in range(count):
        market.quote(number * every, 99.9, 100.1)
    return market.done()


class Stubborn(Strategy):
    """What it asks for would cross, and is refused by the venue: it asks again at once."""

    def on_start(self):
        self.subscribe(BTC, quotes=True)
        self.refused = 0

    def on_quote(self, quote):
        self.buy(BTC, 1, 101, post_only=True)

    def on_order(self, order):
        if order.state in ("REJECTED", "DENIED"):
            self.refused += 1
            self.buy(BTC, 1, 101, post_only=True)


@pytest.mark.parametrize("latency", [0.0, 0.001])
def test_an_answer_to_each_refusal_ends_in_a_halt_with_the_reason(tmp_path, latency):
    played = play(Stubborn, quotes(tmp_path / "t", 30, 0.1), journal=tmp_path / "j", latency=(latency, latency))
    # And not once more; but what was under way is still told of.
    assert MOST <= played.robot.refused <= MOST + 10 * bool(latency)
    (failure,) = played.host.failures
    assert f"{OrderRate.name}({OrderRate.code})" in str(failure)
    assert BTC in str(failure)
    assert played.loop.halted
    [alert] = [r.data for r in records(tmp_path / "j", "alert")]
    assert alert["kind"] == "strategy_error"
    assert alert["error"] == failure.error


@pytest.mark.parametrize("on_error", ["halt", "flatten", "continue"])
def test_it_is_halted_whatever_is_to_follow_an_error(tmp_path, on_error):
    class Holds(Stubborn):
        def on_quote(self, quote):
            if not self.position(BTC).qty:
                self.buy(BTC, 2)
            super().on_quote(quote)

    played = play(Holds, quotes(tmp_path / "t", 30, 0.1), on_error=on_error)
    assert played.loop.halted
    assert played.robot.position(BTC).qty == (0 if on_error == "flatten" else 2)


class Poor(Strategy):
    """Denied by its own books, without asking anybody."""

    def on_start(self):
        self.subscribe(BTC, quotes=True)

    def on_quote(self, quote):
        self.buy(BTC, 10_000_000, 99)


@pytest.mark.parametrize(("every", "halts"), [(0.005, True), (0.0125, False)])
def test_orders_that_the_robot_itself_denies_count_and_a_slower_one_goes_on(tmp_path, every, halts):
    played = play(Poor, quotes(tmp_path / "t", 400, every))
    assert played.loop.halted is halts
    if halts:
        assert f"with {InsufficientFunds.code}" in str(played.host.failures[0])


def test_refusals_of_other_sides_and_codes_are_counted_apart(tmp_path):
    class Both(Strategy):
        def on_start(self):
            self.subscribe(BTC, quotes=True)
            self.n = 0

        def on_quote(self, quote):
            self.n += 1
            (self.buy if self.n % 2 else self.sell)(BTC, 10_000_000, 100)

    played = play(Both, quotes(tmp_path / "t", 2 * MOST, 0.9 / (2 * MOST)))
    assert not played.loop.halted
