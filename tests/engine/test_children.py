"""Strategies inside a strategy: their places, what they hear, and what of them is on the tape."""

from __future__ import annotations

from decimal import Decimal

import pytest

from onetape.engine.strategy import Strategy
from onetape.model.errors import BadConfig
from worlds.tapes import BTC, ETH, Market, play, records


class Leaf(Strategy):
    symbol: str = BTC
    size: float = 0.01

    def on_start(self):
        self.heard = []
        self.subscribe(self.symbol, quotes=True)
        self.set_timer("beat", every="2s")

    def on_quote(self, quote):
        self.heard.append(quote.symbol)
        if len(self.heard) == 1:
            self.buy(self.symbol, self.size, tag="leaf")
            self.memory["seen"] = quote.bid

    def on_timer(self, name):
        self.heard.append(name)

    def on_fill(self, fill):
        self.heard.append(f"fill {fill.symbol}")

    def on_stop(self):
        self.heard.append("stop")


class Branch(Strategy):
    def on_start(self):
        self.leaf = self.child(Leaf, "leaf", symbol=ETH)


class Tree(Strategy):
    def on_start(self):
        self.one = self.child(Leaf, "one", size=0.02)
        self.branch = self.child(Branch, "branch")
        self.set_timer("beat", every="3s")
        self.timers = []

    def on_timer(self, name):
        self.timers.append(name)


def tape(tmp_path):
    market = Market(tmp_path / "a.tape")
    market.add(ETH)
    for second in range(4):
        market.quote(second, 100, 100.1)
        market.quote(second + 0.5, 50, 50.1, symbol=ETH)
    return market.done()


def placed(journal):
    return [r.data.get("more") for r in records(journal, "order_request")]


def test_each_has_its_place_and_hears_its_own(tmp_path):
    played = play(Tree, tape(tmp_path), journal=tmp_path / "j")
    root = played.robot
    leaf = root.branch.leaf
    places = [(each.vid, each.location) for each in (root.one, root.branch, leaf)]
    assert places == [(1, "/tree/one"), (2, "/tree/branch"), (3, "/tree/branch/leaf")]
    assert root.one.heard == [BTC, f"fill {BTC}", BTC, "beat", BTC, BTC, "stop"]
    assert leaf.heard == [ETH, f"fill {ETH}", ETH, "beat", ETH, ETH, "stop"]
    assert [name for name in root.timers if ":" not in name] == ["beat"]
    assert (root.one.size, leaf.size, leaf.symbol) == (0.02, 0.01, ETH)
    assert placed(tmp_path / "j") == [{"location": "/tree/one"}, {"location": "/tree/branch/leaf"}]
    assert played.host.memory == {"/tree/one": {"seen": 100.0}, "/tree/branch/leaf": {"seen": 50.0}}


def test_a_repetition_has_the_same_places(tmp_path):
    path = tape(tmp_path)
    first = play(Tree, path, journal=tmp_path / "one")
    second = play(Tree, path, journal=tmp_path / "two")
    assert first.action_hash == second.action_hash
    assert placed(tmp_path / "one") == placed(tmp_path / "two")
    assert first.session.state_hash == second.session.state_hash


def test_profit_is_of_one_symbol_with_its_fees(tmp_path):
    played = play(Tree, tape(tmp_path), fee=(Decimal("0.001"), Decimal("0.001")))
    root = played.robot
    parts = [root.profit(BTC), root.profit(ETH)]
    assert all(part < 0 for part in parts)
    assert sum(parts) == pytest.approx(float(played.equity) - 100_000)


@pytest.mark.parametrize(
    ("name", "params", "error", "words"),
    [
        ("a/b", {}, ValueError, "without a slash"),
        ("", {}, ValueError, "without a slash"),
        ("one", {}, ValueError, "has a child 'one'"),
        ("two", {"sise": 1}, BadConfig, "sise"),
    ],
)
def test_a_wrong_child_is_a_wrong_program(tmp_path, name, params, error, words):
    class Wrong(Strategy):
        def on_start(self):
            self.child(Leaf, "one")
            with pytest.raises(error, match=words):
                self.child(Leaf, name, **params)

    play(Wrong, tape(tmp_path))


def test_a_child_that_raises_follows_the_runs_on_error(tmp_path):
    class Bad(Leaf):
        def on_quote(self, quote):
            raise RuntimeError("no")

    class Parent(Strategy):
        def on_start(self):
            self.child(Bad, "bad")

    played = play(Parent, tape(tmp_path), on_error="halt")
    assert played.loop.halted
    assert played.host.failures[0].error == "RuntimeError: no"


@pytest.mark.parametrize(
    "entry", [{"stop_loss": "1%"}, {"take_profit": "1%"}, {"trail": "1%"}, {"stop_loss": 99.0, "take_profit": 101.0}]
)
def test_orders_that_follow_a_childs_own_have_its_place(tmp_path, entry):
    """Its protective orders, its trailing stop in each place, and what closes its position."""

    class Follows(Strategy):
        def on_start(self):
            self.subscribe(BTC, quotes=True)
            self.seen = 0

        def on_quote(self, quote):
            self.seen += 1
            if self.seen == 1:
                self.buy(BTC, 1.0, **entry)
                self.sell(BTC, 1.0, kind="trailing", trail=0.5, reduce_only=True)
            elif self.seen == 6:
                self.close(BTC)

    class Tall(Strategy):
        def on_start(self):
            self.child(Follows, "a")

    market = Market(tmp_path / "a.tape")
    for second in range(8):
        market.quote(second, 100 + second * 0.1, 100.1 + second * 0.1)
    played = play(Tall, market.done(), journal=tmp_path / "j", latency=(0.01, 0.01))
    requests = [r.data for r in records(tmp_path / "j", "order_request") if r.data["kind"] == "place"]
    assert len(requests) >= 5 and {(r.get("more") or {}).get("location") for r in requests} == {"/tall/a"}
    assert played.robot.position(BTC).qty == 0


class Keeps(Strategy):
    seen: list[int] = []  # noqa: RUF012 - as people write it

    def on_start(self):
        self.seen.append(1)


class TwoThatKeep(Strategy):
    def on_start(self):
        self.kept = [self.child(Keeps, "a"), self.child(Keeps, "b")]


def test_children_share_no_list_that_is_a_default(tmp_path):
    made = play(TwoThatKeep, tape(tmp_path))
    assert [each.seen for each in made.robot.kept] == [[1], [1]]
    assert Keeps.seen == []
