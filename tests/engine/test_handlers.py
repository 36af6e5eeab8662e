"""Handlers that are registered while a strategy runs: who hears what, in which order, and when."""

from __future__ import annotations

import pytest

from onetape.engine import handlers
from onetape.engine.strategy import Strategy
from worlds.tapes import BTC, Market, play, records


class Base(Strategy):
    symbol: str = BTC

    def on_start(self):
        self.heard = []
        self.subscribe(self.symbol, quotes=True)
        self.begin()

    def begin(self):
        pass

    def note(self, *words):
        self.heard.append(words)


def tape(tmp_path, quotes=3):
    market = Market(tmp_path / "a.tape")
    for second in range(quotes):
        market.quote(second, 100 + second, 100.1 + second)
    return market.done()


def heard(strategy, tmp_path, quotes=3, **plan):
    return play(strategy, tape(tmp_path, quotes), **plan).robot.heard


def test_the_callback_first_then_in_order_then_general_ones(tmp_path):
    class Mine(Base):
        def begin(self):
            self.on("*", lambda kind, quote: self.note("general", kind, quote.bid))
            self.on("quote", lambda quote: self.note("one"))
            self.on("quote", lambda quote: self.note("two"))

        def on_quote(self, quote):
            self.note("own", quote.bid)

    assert heard(Mine, tmp_path, 2) == [
        ("own", 100.0),
        ("one",),
        ("two",),
        ("general", "quote", 100.0),
        ("own", 101.0),
        ("one",),
        ("two",),
        ("general", "quote", 101.0),
    ]


def test_a_strategy_without_a_callback_hears_through_handlers_alone(tmp_path):
    class Mine(Base):
        def begin(self):
            self.on("quote", lambda quote: self.note(quote.bid))
            self.set_timer("t", every="2s")
            self.on("timer", lambda name: self.note(name))

    assert heard(Mine, tmp_path) == [(100.0,), (101.0,), ("t",), (102.0,)]


def test_registered_while_an_event_is_shown_it_hears_from_the_next(tmp_path):
    class Mine(Base):
        def on_quote(self, quote):
            self.note("own", quote.bid)
            if quote.bid == 100:
                self.on("quote", self.late)

        def late(self, quote):
            self.note("late", quote.bid)
            if quote.bid == 101:
                self.on("quote", self.later)

        def later(self, quote):
            self.note("later", quote.bid)

    assert heard(Mine, tmp_path) == [
        ("own", 100.0),
        ("own", 101.0),
        ("late", 101.0),
        ("own", 102.0),
        ("late", 102.0),
        ("later", 102.0),
    ]


def test_taken_off_it_hears_nothing_more_not_even_this_event(tmp_path):
    class Mine(Base):
        def begin(self):
            self.on("quote", self.first)
            self.on("quote", self.second)
            self.on("*", self.general)

        def first(self, quote):
            self.note("first", quote.bid)
            if quote.bid == 101:
                assert self.off("quote", self.second)
                assert self.off("*", self.general)
                assert not self.off("quote", self.second)
            if quote.bid == 102:
                self.off("quote", self.first)  # itself

        def second(self, quote):
            self.note("second", quote.bid)

        def general(self, kind, quote):
            self.note("general", quote.bid)

    assert heard(Mine, tmp_path, 4) == [
        ("first", 100.0),
        ("second", 100.0),
        ("general", 100.0),
        ("first", 101.0),
        ("first", 102.0),
    ]


def test_twice_registered_it_is_called_twice_and_taken_off_one_by_one(tmp_path):
    class Mine(Base):
        def begin(self):
            for _ in range(2):
                self.on("quote", self.hear)

        def hear(self, quote):
            self.note(quote.bid)
            if quote.bid == 101:
                self.off("quote", self.hear)

    assert heard(Mine, tmp_path) == [(100.0,), (100.0,), (101.0,), (101.0,)]


def test_what_an_event_causes_is_heard_of_after_it(tmp_path):
    class Mine(Base):
        def begin(self):
            self.on("quote", self.see)
            self.on("quote", lambda quote: self.note("quote"))
            self.on("*", lambda kind, event: self.note("*", kind))
            self.on("signal", self.decide)
            self.on("target", lambda target: self.note("target", target.qty))

        def see(self, quote):
            if quote.bid == 100:
                self.signal(self.symbol, "buy")
                self.note("said")

        def decide(self, signal):
            self.note("signal", signal.direction)
            self.set_target(self.symbol, 0.01, signal=signal)
            self.note("wanted")

        def on_fill(self, fill):
            self.note("fill", fill.qty)

    found = heard(Mine, tmp_path, 1)
    assert found[: found.index(("*", "target")) + 1] == [
        ("said",),
        ("quote",),
        ("*", "quote"),
        ("signal", "buy"),
        ("wanted",),
        ("*", "signal"),
        ("target", 0.01),
        ("*", "target"),
    ]
    assert [words for words in found if words[0] == "fill"] == [("fill", 0.01)]
    kinds = [words[1] for words in found if words[0] == "*"]
    assert kinds == ["quote", "signal", "target", "order", "fill", "order", "position"]


@pytest.mark.parametrize(
    ("on_error", "expected"),
    [("halt", [("bad", 100.0)]), ("continue", [("bad", 100.0), ("next", 100.0), ("bad", 101.0), ("next", 101.0)])],
)
def test_what_a_handler_raises_follows_on_error(tmp_path, on_error, expected):
    class Mine(Base):
        def begin(self):
            self.on("quote", self.bad)
            self.on("quote", lambda quote: self.note("next", quote.bid))

        def bad(self, quote):
            self.note("bad", quote.bid)
            raise RuntimeError("no")

    played = play(Mine, tape(tmp_path, 2), on_error=on_error, journal=tmp_path / "j")
    assert played.robot.heard == expected
    assert played.host.failures[0].error == "RuntimeError: no"
    alert = records(tmp_path / "j", "alert")[0].data
    assert alert["kind"] == "strategy_error"
    assert alert["callback"].endswith("Mine.bad of 'quote'")


def test_handlers_that_answer_themselves_are_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(handlers, "CAUSED_MAX", 50)

    class Mine(Base):
        def begin(self):
            self.on("signal", lambda signal: self.signal(self.symbol, "flat"))

        def on_quote(self, quote):
            self.note(quote.bid)
            self.signal(self.symbol, "buy")

    played = play(Mine, tape(tmp_path, 2), on_error="continue")
    assert played.robot.heard == [(100.0,), (101.0,)]
    assert "caused more than 50 others" in played.host.failures[0].error


def test_orders_of_all_handlers_leave_together_after_memory(tmp_path):
    class Mine(Base):
        def begin(self):
            self.on("quote", lambda quote: self.buy(self.symbol, 0.01))
            self.on("quote", self.remember)

        def remember(self, quote):
            self.memory["seen"] = quote.bid

    play(Mine, tape(tmp_path, 1), journal=tmp_path / "j")
    assert [r.type for r in records(tmp_path / "j", "memory", "order_request")] == ["memory", "order_request"]


async def asleep(quote): ...


@pytest.mark.parametrize(
    ("kind", "handler", "error", "words"),
    [
        ("quotes", print, ValueError, "no event 'quotes'"),
        ("quote", 7, TypeError, "cannot be"),
        ("quote", asleep, TypeError, "handler asleep of 'quote' is async"),
        ("*", lambda event: None, TypeError, r"has the parameters \(event\) and is called with \(kind, event\)"),
    ],
)
def test_a_wrong_registration_is_a_wrong_program(tmp_path, kind, handler, error, words):
    class Mine(Base):
        def begin(self):
            with pytest.raises(error, match=words):
                self.on(kind, handler)

    heard(Mine, tmp_path, 1)


def test_a_parameter_or_attribute_of_a_services_name_stays_what_it_is(tmp_path):
    """Strategies of before had signals of their own."""

    class Macd(Base):
        signal: int = 9
        on: bool = True

        def on_quote(self, quote):
            self.note(self.signal, self.on)

    assert heard(Macd, tmp_path, 1, params={"signal": 5}) == [(5, True)]
