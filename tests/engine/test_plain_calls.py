"""Plain calls of `bars` and `set_target` go to the loop without Python; every other form gives the same."""

from __future__ import annotations

import inspect

import pytest

from onetape.engine.strategy import Strategy
from worlds.tapes import BTC, Market, play

COUNT = 12


@pytest.fixture
def tape(tmp_path):
    market = Market(tmp_path / "tape")
    for minute in range(COUNT):
        market.quote(60 * minute, 100 + minute, 101 + minute)
    return market.done()


def seen(tape, callback) -> list:
    """What `callback(strategy, bar)` gave at each bar."""
    found = []

    class Robot(Strategy):
        def on_start(self):
            self.subscribe(BTC, bars="1m")

        def on_bar(self, bar):
            found.append(callback(self, bar))

    play(Robot, tape)
    return found


@pytest.mark.parametrize(
    "call",
    [
        lambda robot: robot.bars(symbol=BTC, period="1m", n=3),
        lambda robot: robot.bars(BTC, "1m", n=3),
        lambda robot: Strategy.bars(robot, BTC, "1m", 3),
        lambda robot: super(type(robot), robot).bars(BTC, "1m", 3),
        lambda robot: robot.bars("".join(BTC), "".join(["1", "m"]), 3),  # texts that are made anew
    ],
    ids=["keywords", "one keyword", "of the class", "of super", "new texts"],
)
def test_every_form_gives_the_same_bars(tape, call):
    plain = seen(tape, lambda robot, bar: robot.bars(BTC, "1m", 3).close.tolist())
    assert seen(tape, lambda robot, bar: call(robot).close.tolist()) == plain
    assert len(plain[-1]) == 3


def test_more_texts_than_are_remembered_give_the_same_bars(tape):
    def many(robot, bar):
        return {tuple(robot.bars(BTC, "".join(["1", "m"]), 2).close) for _ in range(5000)}

    assert all(len(each) == 1 for each in seen(tape, many))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((BTC, "5m", 3), "bars '5m' of .* are not subscribed"),
        ((BTC, "1m", -1), "n=-1"),
        ((BTC, "1m", 3.0), "n=3.0"),
        ((BTC, "1m", True), "n=True"),
        ((BTC, "1m", 10**30), "n=1000"),
        (("binance:NIX/USDT:USDT", "1m", 3), "NIX"),
    ],
)
def test_what_is_wrong_is_said_in_words(tape, arguments, words):
    def wrong(robot, bar):
        with pytest.raises(Exception, match=words):
            robot.bars(*arguments)
        return True

    assert all(seen(tape, wrong))


def test_a_column_outlives_what_it_was_taken_from(tape):
    columns = seen(tape, lambda robot, bar: robot.bars(BTC, "1m", COUNT).close)
    assert [len(each) for each in columns] == list(range(1, len(columns) + 1))
    for each in columns:
        assert each.tolist() == columns[-1][: len(each)].tolist()
        assert not each.flags.writeable


@pytest.mark.parametrize("qty", ["0.5", 0.5, 1, None, "x", float("nan")])
def test_a_target_by_position_is_the_one_by_keyword(tape, qty):
    def result(call):
        def each(robot, bar):
            try:
                order = call(robot)
            except Exception as error:
                return type(error), str(error)
            return order and (order.side, order.qty)

        return seen(tape, each)

    assert result(lambda robot: robot.set_target(BTC, qty)) == result(lambda robot: robot.set_target(BTC, qty=qty))


@pytest.mark.parametrize("name", ["bars", "set_target"])
def test_help_and_editors_see_the_method(name):
    service = getattr(Strategy, name)
    assert next(iter(inspect.signature(service).parameters)) == "self"
    assert service.__name__ == name and service.__doc__ == service.__wrapped__.__doc__
    assert inspect.isroutine(service)
