"""What happens when a strategy raises, and what its memory and log leave on the tape."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from onetape.engine.strategy import Strategy
from onetape.model.errors import BadConfig, StrategyError
from worlds.tapes import BTC, Market, at_ns, play, records


def quiet(path: Path, seconds: int = 6) -> Path:
    market = Market(path)
    for second in range(seconds):
        market.quote(second, 99.9, 100.1)
    return market.done()


class Faulty(Strategy):
    """Buys 2, rests one bid, and raises at its third quote."""

    def on_start(self):
        self.subscribe(BTC, quotes=True)
        self.set_timer("tick", every="1s")
        self.n = 0
        self.timers = 0
        self.resting = None

    def on_quote(self, quote):
        self.n += 1
        if self.n == 1:
            self.buy(BTC, 2)
            self.resting = self.buy(BTC, 1, 90)
        if self.n == 3:
            self.fail()

    def fail(self):
        raise RuntimeError("no plan")

    def on_timer(self, name):
        self.timers += 1


def test_halt_cancels_the_orders_keeps_the_position_and_calls_nothing_more(tmp_path):
    played = play(Faulty, quiet(tmp_path / "t"))
    robot = played.robot
    assert robot.n == 3 and robot.timers == 2
    assert robot.resting.state == "CANCELED"
    assert robot.position(BTC).qty == 2
    assert len(played.host.failures) == 1


def test_flatten_closes_the_position_too(tmp_path):
    robot = play(Faulty, quiet(tmp_path / "t"), on_error="flatten").robot
    assert robot.resting.state == "CANCELED" and robot.position(BTC).qty == 0 and robot.n == 3


def test_continue_goes_on(tmp_path):
    robot = play(Faulty, quiet(tmp_path / "t"), on_error="continue").robot
    assert robot.n == 6
    assert robot.resting.state == "ACCEPTED" and robot.position(BTC).qty == 2


def test_flatten_also_closes_what_fills_before_its_cancel_arrives(tmp_path):
    market = Market(tmp_path / "t")
    for second in range(3):
        market.quote(second, 99.9, 100.1)
    market.quote(2.1, 88, 88.2)  # through the resting bid, while its cancel is on its way
    for second in range(3, 6):
        market.quote(second, 88, 88.2)
    robot = play(Faulty, market.done(), on_error="flatten", latency=(0.3, 0.3)).robot
    assert robot.resting.state == "FILLED"
    assert robot.position(BTC).qty == 0


def test_the_failure_stands_on_the_tape_with_place_and_traceback(tmp_path):
    play(Faulty, quiet(tmp_path / "t"), journal=tmp_path / "run")
    alert = records(tmp_path / "run", "alert")[0].data
    assert alert["kind"] == "strategy_error" and alert["severity"] == "critical"
    assert alert["callback"] == "on_quote" and alert["error"] == "RuntimeError: no plan"
    assert "test_failures.py" in alert["where"] and "in fail" in alert["where"]
    assert "Traceback" in alert["traceback"]


@pytest.mark.parametrize("problem", [SystemExit(0), SystemExit("x"), GeneratorExit(), AssertionError])
def test_nothing_but_ctrl_c_ends_a_run_from_inside_a_callback(tmp_path, problem):
    class Leaves(Faulty):
        def fail(self):
            raise problem

    played = play(Leaves, quiet(tmp_path / "t"))
    assert len(played.host.failures) == 1 and played.robot.n == 3


def test_ctrl_c_in_a_callback_is_ctrl_c(tmp_path):
    class Interrupted(Faulty):
        def fail(self):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        play(Interrupted, quiet(tmp_path / "t"))


@pytest.mark.parametrize("callback", ["on_fill", "on_order", "on_position", "on_timer", "on_stop", "on_quote"])
def test_every_callback_is_guarded(tmp_path, callback):
    def broken(self, *_):
        raise ValueError(callback)

    mine = type("Broken", (Faulty,), {callback: broken, "fail": lambda self: None})
    if callback == "on_quote":
        mine.on_quote = broken
    played = play(mine, quiet(tmp_path / "t"))
    assert {f.callback for f in played.host.failures} == {callback}


def test_an_exception_in_on_start_is_one_line_that_names_the_place(tmp_path):
    class Early(Strategy):
        def on_start(self):
            raise KeyError("nothing")

    with pytest.raises(StrategyError) as caught:
        play(Early, quiet(tmp_path / "t"))
    text = str(caught.value)
    assert "KeyError: 'nothing'" in text and "test_failures.py" in text and "\n" not in text


def test_a_strategy_that_wants_arguments_says_so(tmp_path):
    class Wants(Strategy):
        def __init__(self, size):
            super().__init__()

    with pytest.raises(StrategyError, match="made without arguments"):
        play(Wants, quiet(tmp_path / "t"))


def test_cash_in_a_currency_that_nothing_settles_in_is_refused(tmp_path):
    with pytest.raises(BadConfig, match="settle in USDT"):
        play(Faulty, quiet(tmp_path / "t"), cash={"EUR": Decimal(100)})


# --- memory


class Remembers(Strategy):
    def on_start(self):
        self.subscribe(BTC, quotes=True)
        self.n = 0

    def on_quote(self, quote):
        self.n += 1
        self.act()

    def act(self):
        self.memory["n"] = self.n
        self.buy(BTC, 1, 90)


def test_changed_memory_is_on_the_tape_before_the_orders_of_its_callback(tmp_path):
    play(Remembers, quiet(tmp_path / "t", 3), journal=tmp_path / "run")
    kinds = [record.type for record in records(tmp_path / "run", "memory", "order_request")]
    assert kinds == ["memory", "order_request"] * 3
    assert [record.data["n"] for record in records(tmp_path / "run", "memory")] == [1, 2, 3]


def test_memory_that_did_not_change_is_not_written_again(tmp_path):
    class Same(Remembers):
        def act(self):
            self.memory["n"] = 1

    play(Same, quiet(tmp_path / "t"), journal=tmp_path / "run")
    assert len(records(tmp_path / "run", "memory")) == 1


def test_a_change_inside_a_remembered_list_is_seen(tmp_path):
    class Deep(Remembers):
        def act(self):
            if self.n == 1:
                self.memory["seen"] = self.seen = []
            self.seen.append(self.n)

    play(Deep, quiet(tmp_path / "t", 3), journal=tmp_path / "run")
    assert records(tmp_path / "run", "memory")[-1].data == {"seen": [1, 2, 3]}


@pytest.mark.parametrize(("value", "words"), [(object(), "plain values only"), ("x" * 70_000, "at most 65536")])
def test_memory_of_the_wrong_kind_or_size_is_the_strategys_failure(tmp_path, value, words):
    class Wrong(Remembers):
        def act(self):
            self.memory["big"] = value

    played = play(Wrong, quiet(tmp_path / "t"), journal=tmp_path / "run")
    assert words in played.host.failures[0].error and played.robot.n == 1
    assert not records(tmp_path / "run", "memory")


def test_memory_takes_every_plain_value(tmp_path):
    plain: dict = {"i": 1, "f": 0.5, "s": "x", "b": True, "n": None, "l": [1, {"d": 2}], "y": b"z"}

    class All(Remembers):
        def act(self):
            self.memory.update(plain)

    play(All, quiet(tmp_path / "t"), journal=tmp_path / "run")
    assert records(tmp_path / "run", "memory")[0].data == plain


def test_memory_takes_numpys_numbers(tmp_path):
    import numpy as np

    class Mean(Remembers):
        def act(self):
            self.memory["mean"] = np.array([1.0, 2.0]).mean()
            self.memory["count"] = np.int64(3)

    play(Mean, quiet(tmp_path / "t"), journal=tmp_path / "run")
    assert records(tmp_path / "run", "memory")[0].data == {"mean": 1.5, "count": 3}


# --- log


def test_log_lines_are_frames_and_warnings_are_shown(tmp_path, capsys):
    import numpy as np

    class Talks(Remembers):
        def act(self):
            if self.n == 1:
                self.log("hello", price=1.5, symbol=BTC)
                self.log("careful", level="warning", size=np.float64(2.5), exact=Decimal("0.1"))

    play(Talks, quiet(tmp_path / "t"), journal=tmp_path / "run")
    lines = [record.data for record in records(tmp_path / "run", "log")]
    assert lines[0] == {"level": "info", "text": "hello", "fields": {"price": 1.5, "symbol": BTC}}
    assert lines[1]["fields"] == {"size": 2.5, "exact": "0.1"}
    shown = capsys.readouterr()
    assert shown.out == "" and "careful" in shown.err and "hello" not in shown.err


@pytest.mark.parametrize("value", [object(), {1, 2}, Path("x")])
def test_a_log_field_of_any_type_never_stops_a_strategy(tmp_path, value):
    class Talks(Remembers):
        def act(self):
            self.log("thing", value=value)

    played = play(Talks, quiet(tmp_path / "t"), journal=tmp_path / "run")
    assert not played.host.failures
    assert records(tmp_path / "run", "log")


def test_random_is_the_runs_own(tmp_path):
    class Tosses(Remembers):
        def act(self):
            self.memory["toss"] = self.random.random()

    tape = quiet(tmp_path / "t")
    tosses = [play(Tosses, tape, seed=seed).robot.memory["toss"] for seed in (1, 1, 2)]
    assert tosses[0] == tosses[1] != tosses[2]


def test_time_is_now_as_utc(tmp_path):
    class Looks(Remembers):
        def act(self):
            assert self.now == at_ns(self.n - 1)
            assert self.time.timestamp() * 10**9 == self.now and self.time.tzinfo is not None

    assert not play(Looks, quiet(tmp_path / "t")).host.failures
