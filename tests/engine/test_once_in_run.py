"""A request key in a backtest: the rule that a gateway keeps, with one robot."""

from __future__ import annotations

import msgspec
import pytest

from onetape import RequestKey, Strategy
from onetape.engine.compiled import compiled
from onetape.tape.journal import JournalReader
from worlds.tapes import BTC, ETH, Market, play, records


class Seer(Strategy):
    """Asks for the same order at each quote. per: quotes of one opportunity."""

    symbol: str = BTC
    per: int = 1000
    price: float = 0.0  # 0: at market
    ends_at: int = 0
    expires: str = "1d"
    post_only: bool = False

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.answers = []

    def on_quote(self, quote):
        count = len(self.answers)
        if self.ends_at and count == self.ends_at:
            self.end_cycle("op 0")
        key = RequestKey(f"op {count // self.per}", expires=self.expires)
        self.answers.append(self.buy(self.symbol, 0.01, self.price or None, once=key, post_only=self.post_only))

    @property
    def left(self):
        return [n for n, order in enumerate(self.answers) if order.state not in ("DENIED", "REJECTED")]


def tape(tmp_path, quotes=6, name="a"):
    market = Market(tmp_path / f"{name}.tape")
    for second in range(quotes):
        market.quote(second, 100, 100.1)
    return market.done()


def actions(journal, kind):
    return [record.data for record in records(journal, kind)]


def test_one_order_for_each_opportunity(tmp_path):
    robot = play(Seer, tape(tmp_path), params={"per": 3}).robot
    assert robot.left == [0, 3]
    second = robot.answers[1]
    assert (second.state, second.code) == ("DENIED", 4605)
    winner = robot.answers[0]
    assert second.reason == (f"the key 'op 0' has order {winner.client_id}: FILLED, 0.01 of 0.01 filled")


def test_the_end_of_the_cycle_frees_it(tmp_path):
    robot = play(Seer, tape(tmp_path), params={"ends_at": 2}).robot
    assert robot.left == [0, 2]


def test_time_frees_it(tmp_path):
    assert play(Seer, tape(tmp_path), params={"expires": "3s"}).robot.left == [0, 3]


def test_an_order_that_never_came_to_be_frees_it(tmp_path):
    """Post-only at the ask: the exchange rejects it, after a moment."""
    played = play(Seer, tape(tmp_path, 8), params={"price": 100.1, "post_only": True}, latency=(0.6, 0.6))
    # Rejected 1.2 s after it was asked for: until then it may be, and has the key.
    assert [order.code for order in played.robot.answers[:6]] == [4103, 4605, 4103, 4605, 4103, 4605]


def test_both_legs_have_keys_of_their_own(tmp_path):
    class Legs(Strategy):
        def on_start(self):
            self.subscribe(BTC, quotes=True)

        def on_quote(self, quote):
            self.orders_made = self.submit(
                {"side": side, "symbol": symbol, "qty": 0.01, "once": f"gap {symbol}"}
                for side, symbol in (("buy", BTC), ("sell", ETH))
            )

    market = Market(tmp_path / "a.tape")
    market.add(ETH)
    for second in range(2):
        market.quote(second, 100, 100.1, symbol=ETH)
        market.quote(second, 100, 100.1)
    played = play(Legs, market.done())
    assert played.loop.counters()["orders"] == 4
    assert played.loop.counters()["fills"] == 2
    assert {order.code for order in played.robot.orders_made} == {4605}


def test_it_stands_on_the_tape_with_its_order(tmp_path):
    play(Seer, tape(tmp_path), params={"ends_at": 2}, journal=tmp_path / "j")
    request = actions(tmp_path / "j", "order_request")
    key = {"once": "op 0", "within": "account", "expires": 86_400_000_000_000}
    assert [row["more"] for row in request] == [key] * 6
    assert actions(tmp_path / "j", "cycle") == [{"end": "op 0", "within": "account"}]
    order = [r.type for r in records(tmp_path / "j", "order_request", "cycle")]
    assert order.index("cycle") == 2, "it ends between the orders before and after it"


def test_an_order_without_a_key_is_as_it_was(tmp_path):
    class Plain(Seer):
        def on_quote(self, quote):
            self.answers.append(self.buy(self.symbol, 0.01))

    play(Plain, tape(tmp_path), journal=tmp_path / "j")
    with JournalReader(tmp_path / "j") as reader:
        frames = list(reader.frames(("order_request",)))
    assert {len(frame.payload) for frame in frames} == {80}
    assert all("more" not in row for row in actions(tmp_path / "j", "order_request"))


def test_the_last_of_a_callbacks_actions_may_be_an_end(tmp_path):
    class Ends(Strategy):
        def on_start(self):
            self.subscribe(BTC, quotes=True)
            self.count = 0

        def on_quote(self, quote):
            self.count += 1
            if self.count == 1:
                self.buy(BTC, 0.01, once="k")
                self.end_cycle("k")
            if self.count == 2:
                self.end_cycle("alone")

    play(Ends, tape(tmp_path), journal=tmp_path / "j")
    with JournalReader(tmp_path / "j") as reader:
        frames = [
            (f.type, msgspec.msgpack.decode(f.payload[80:] if f.type == 9 else f.payload))
            for f in reader.frames(("order_request", "cycle"))
        ]
    assert [(kind, record.get("once", record.get("end"))) for kind, record in frames] == [
        (9, "k"),
        (29, "k"),
        (29, "alone"),
    ]


def test_a_wrong_key_is_a_wrong_program(tmp_path):
    class Wrong(Seer):
        def on_quote(self, quote):
            self.buy(self.symbol, 0.01, once="")

    played = play(Wrong, tape(tmp_path), on_error="halt")
    (failed,) = played.host.failures
    assert "1 to 64 bytes" in failed.error


def test_a_compiled_strategy_is_told_that_it_has_no_keys(tmp_path):
    pytest.importorskip("numba")

    @compiled
    class Machine(Strategy):
        symbol: str = BTC

        def on_start(self):
            self.subscribe(self.symbol, quotes=True)

        def on_quote(self, quote):
            self.buy(self.symbol, 0.01, once="k")

    with pytest.raises(Exception, match="once"):
        play(Machine, tape(tmp_path))
