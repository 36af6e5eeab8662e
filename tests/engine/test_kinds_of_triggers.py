"""Stop and take-profit from the strategy's side: said, or settled by the price that it knows when
it calls; never by the price that the order finds when it arrives."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import pytest

from onetape import compiled
from onetape.engine.strategy import Strategy
from onetape.model.enums import MetTrigger, TriggerKind
from onetape.model.order import TRIGGER_KIND_SHIFT
from worlds.tapes import BTC, Market, play, records

RULES = {"fires": MetTrigger.FIRES, "refused": MetTrigger.REFUSED}
KINDS = ["stop", "take_profit"]
# Where the price moves while the order is on its way, in the direction that fires it.
MOVES = {"away": -2, "not": 0, "to it": 3, "beyond": 5}
TRIGGER_AWAY = 3  # from the price that the strategy knows


def way(side: str, kind: str) -> int:
    return 1 if (side == "buy") == (kind == "stop") else -1


class Asks(Strategy):
    side: str = "sell"
    trigger: float = 0.0
    kind: str = ""

    def on_start(self):
        self.subscribe(BTC, quotes=True)
        self.order = None
        self.heard = []

    def on_quote(self, quote):
        if self.order is None:
            send = self.buy if self.side == "buy" else self.sell
            self.order = send(BTC, 1, trigger=self.trigger, kind=self.kind or None)

    def on_order(self, order):
        self.heard.append((order.state, order.code))


def quotes(market: Market, *rows: tuple[float, float]) -> Market:
    """(seconds, mid); the last trade is there, too."""
    for at, mid in rows:
        market.quote(at, mid - 0.5, mid + 0.5)
        market.trade(at, mid, 1)
    return market


def rows(journal: Path, event: str) -> list[dict[str, Any]]:
    return [record.data for record in records(journal, event)]


@pytest.mark.parametrize(
    ("side", "kind", "move", "rule", "explicit"),
    [
        pytest.param(*each, id="-".join(map(str, each)))
        for each in product(["buy", "sell"], KINDS, MOVES, RULES, [True, False])
    ],
)
def test_what_moves_on_the_way_changes_no_kind(tmp_path, side, kind, move, rule, explicit):
    up = way(side, kind)
    trigger = 100 + TRIGGER_AWAY * up
    arrival = 100 + MOVES[move] * up
    market = Market(tmp_path / "t", met_triggers=RULES[rule])
    quotes(market, (0, 100), (1, arrival), (2, arrival), (3, 100 - 20 * up), (4, trigger))
    params = {"side": side, "trigger": trigger} | ({"kind": kind} if explicit else {})
    # Sent at 0, it arrives at 1.5, and is heard of at once.
    found = play(Asks, market.done(), latency=(1.5, 0), journal=tmp_path / "run", params=params, cash={"USDT": 100_000})
    order, heard = found.robot.order, found.robot.heard
    assert order.kind == kind
    if move in ("away", "not"):
        assert [state for state, _ in heard] == ["ACCEPTED", "TRIGGERED", "FILLED"]
        assert order.average_price == trigger + (0.5 if side == "buy" else -0.5)
        assert (order.code, order.reason) == (0, "")
    elif rule == "refused":
        assert heard == [("REJECTED", 4109)]
        assert "refuses" in order.reason
    else:
        assert [state for state, _ in heard] == ["ACCEPTED", "TRIGGERED", "FILLED"]
        assert order.average_price == arrival + (0.5 if side == "buy" else -0.5)
        assert order.code == 4109
        assert "fired at once" in order.reason
    (request,) = rows(tmp_path / "run", "order_request")
    news = rows(tmp_path / "run", "order_event")
    assert request["flags"] >> TRIGGER_KIND_SHIFT == TriggerKind(kind).id
    received = [each for each in news if each["code"]]
    assert [each["code"] for each in received] == ([4109] if order.code else [])


class Late(Strategy):
    def on_start(self):
        self.subscribe(BTC, quotes=True)
        self.step = 0

    def on_quote(self, quote):
        self.step += 1
        if self.step == 1:
            self.buy(BTC, 1)
        if self.step == 3:
            self.stop = self.sell(BTC, 1, trigger=99, reduce_only=True)


@pytest.mark.parametrize("rule", RULES)
def test_a_stop_that_comes_late_does_not_become_a_take_profit(tmp_path, rule):
    market = Market(tmp_path / "t", met_triggers=RULES[rule])
    quotes(market, (0, 100), (1, 100), (2, 100), (2.2, 97), (3, 97), (4, 50), (5, 99), (6, 99))
    found = play(Late, market.done(), latency=(0.5, 0), cash={"USDT": 100_000})
    stop = found.robot.stop
    assert stop.kind == "stop"
    if rule == "refused":
        assert (stop.state, stop.code) == ("REJECTED", 4109)
    else:
        assert (stop.state, stop.average_price, stop.code) == ("FILLED", 96.5, 4109)


def calls(tmp_path, *actions, market: Market | None = None):
    class Calls(Strategy):
        def on_start(self):
            self.subscribe(BTC, quotes=True)
            self.left, self.orders_made = list(actions), []

        def on_quote(self, quote):
            if self.left:
                self.orders_made.append(self.left.pop(0)(self))

    if market is None:
        market = quotes(Market(tmp_path / "t"), *((n, 100) for n in range(len(actions) + 1)))
    return play(Calls, market.done(), cash={"USDT": 100_000}).robot.orders_made


@pytest.mark.parametrize(
    ("side", "trigger", "kind"),
    [
        ("buy", 101, "stop"),
        ("buy", 100, "stop"),
        ("buy", 99, "take_profit"),
        ("sell", 99, "stop"),
        ("sell", 100, "stop"),
        ("sell", 101, "take_profit"),
    ],
)
def test_without_a_kind_the_price_at_the_call_decides(tmp_path, side, trigger, kind):
    (order,) = calls(tmp_path, lambda s: getattr(s, side)(BTC, 1, trigger=trigger))
    assert order.kind == kind


@pytest.mark.parametrize(("by", "kind"), [("last", "stop"), ("mark", "take_profit"), ("index", "stop")])
def test_it_is_the_price_that_the_trigger_goes_by(tmp_path, by, kind):
    """A mark of 90, and no index: that goes by the last price."""
    market = Market(tmp_path / "t").mark(0, 90)
    quotes(market, (1, 100), (2, 100))
    (order,) = calls(tmp_path, lambda s: s.sell(BTC, 1, trigger=95, trigger_by=by), market=market)
    assert order.kind == kind


@pytest.mark.parametrize("by", ["last", "mark", "index"])
def test_a_price_that_the_venue_does_not_watch_is_refused_and_nothing_put_in_its_place(tmp_path, by):
    market = quotes(Market(tmp_path / "t", trigger_by=("last", "index")), (1, 100), (2, 100))
    (order,) = calls(tmp_path, lambda s: s.sell(BTC, 1, trigger=95, trigger_by=by), market=market)
    if by == "mark":
        assert (order.state, order.code) == ("DENIED", 4101)
        assert order.reason == "the venue has no trigger by mark"
    else:
        assert order.code == 0


class Early(Strategy):
    def on_start(self):
        self.subscribe(BTC, quotes=True)
        self.made = [self.sell(BTC, 1, trigger=99), self.sell(BTC, 1, trigger=99, kind="stop")]


def test_a_kind_that_no_price_decides_is_refused(tmp_path):
    guessed, said = play(
        Early, quotes(Market(tmp_path / "t"), (0, 100), (1, 100)).done(), cash={"USDT": 100_000}
    ).robot.made
    assert (guessed.state, guessed.code, guessed.kind) == ("DENIED", 4101, None)
    assert "give kind" in guessed.reason
    assert (said.kind, said.code) == ("stop", 0)


def test_specs_of_a_batch_carry_their_kind(tmp_path):
    specs = [{"side": "sell", "symbol": BTC, "qty": 1, "trigger": 110, "kind": kind} for kind in KINDS]
    (orders,) = calls(tmp_path, lambda s: s.submit(specs))
    assert [order.kind for order in orders] == KINDS


@pytest.mark.parametrize(
    ("terms", "error", "text"),
    [
        ({"trigger": 99, "kind": "limit"}, ValueError, "kind is stop, take_profit or trailing, or None, not 'limit'"),
        ({"kind": "stop"}, ValueError, "kind needs a trigger"),
        ({"trigger": 99, "kind": "trailing"}, ValueError, "needs trail"),
    ],
)
@pytest.mark.parametrize("side", ["buy", "sell"])
def test_a_kind_that_is_none_raises(tmp_path, side, terms, error, text):
    raised = []

    def ask(strategy):
        with pytest.raises(error, match=text):
            getattr(strategy, side)(BTC, 1, **terms)
        raised.append(True)

    calls(tmp_path, ask)
    assert raised


@compiled
class Fast(Strategy):
    kind: str = "stop"

    def on_start(self):
        self.subscribe(BTC, quotes=True)
        self.count = 0

    def on_quote(self, quote):
        self.count += 1
        if self.count == 1:
            self.sell(BTC, 1, trigger=110.0, kind="stop")
            self.sell(BTC, 1, trigger=110.0, kind="take_profit")
            self.sell(BTC, 1, trigger=110.0)


def test_compiled_strategies_say_it_too(tmp_path):
    market = quotes(Market(tmp_path / "t", met_triggers="refused"), (0, 100), (1, 100))
    play(Fast, market.done(), journal=tmp_path / "run", cash={"USDT": 100_000})
    kinds = [r["flags"] >> TRIGGER_KIND_SHIFT for r in rows(tmp_path / "run", "order_request")]
    codes = [r["code"] for r in rows(tmp_path / "run", "order_event")]
    assert kinds == [1, 2, 2]
    assert codes == [4109, 0, 0]
