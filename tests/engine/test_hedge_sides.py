"""Targets, weights and ladders on an account in hedge mode say which of a symbol's two positions they are for."""

from __future__ import annotations

import pytest

from onetape.engine.strategy import Strategy
from onetape.model.errors import StrategyError
from worlds.tapes import BTC, Market, play

ETH = "binance:ETH/USDT:USDT"


@pytest.fixture
def tape(tmp_path):
    market = Market(tmp_path / "tape")
    market.add(ETH)
    for second in range(1, 8):
        market.quote(second, 100, 101)
        market.quote(second, 50, 51, symbol=ETH)
    return market.done()


def traded(tape, steps, *, hedge=True, **plan):
    """Calls steps[i](strategy) at one quote after another. Gives the positions after each, the orders and the fills."""
    seen, orders, fills = [], [], []

    class Robot(Strategy):
        def on_start(self):
            self.subscribe(BTC, quotes=True)
            self.subscribe(ETH, quotes=True)
            self.left = list(steps)

        def on_order(self, order):
            if order not in orders:
                orders.append(order)

        def on_fill(self, fill):
            fills.append(fill.symbol)

        def on_quote(self, quote):
            if quote.symbol != ETH:
                return
            seen.append({(p.symbol, p.side): p.qty for p in self.positions()})
            if self.left:
                self.left.pop(0)(self)

    play(Robot, tape, hedge=hedge, cash={"USDT": "10000"}, **plan)
    return seen[1:], orders, fills


def test_a_target_moves_one_side_and_leaves_the_other(tape):
    seen, *_ = traded(
        tape,
        [
            lambda robot: robot.set_target(BTC, 2, side="long"),
            lambda robot: robot.set_target(BTC, -1, side="short"),
            lambda robot: robot.set_target(BTC, 0.5, side="long"),
            lambda robot: robot.set_target(BTC, 3, side="short"),  # a short's sign may be left out
            lambda robot: robot.set_target(BTC, 0, side="long"),
        ],
    )
    long, short = (BTC, "long"), (BTC, "short")
    assert seen[:5] == [
        {long: 2.0},
        {long: 2.0, short: -1.0},
        {long: 0.5, short: -1.0},
        {long: 0.5, short: -3.0},
        {short: -3.0},
    ]


def test_each_order_says_its_side_and_a_target_that_is_reached_sends_none(tape):
    orders = []
    _, sent, _ = traded(tape, [lambda robot: orders.append(robot.set_target(BTC, 2, side="short"))] * 3)
    assert [order and (order.side, order.position_side, order.tag) for order in orders] == [
        ("sell", "short", "target"),
        None,
        None,
    ]
    assert len(sent) == 1


@pytest.mark.parametrize(
    ("hedge", "side", "words"),
    [(True, None, "give side long or short"), (True, "both", "give side long or short"), (False, "long", "leave side")],
)
def test_a_side_that_the_account_does_not_have_is_denied(tape, hedge, side, words):
    orders = []

    def step(robot):
        orders.append(robot.set_target(BTC, 1, side=side))
        robot.set_quotes(BTC, [(99, 1)], [], side=side)
        assert robot.orders() == []

    seen, *_ = traded(tape, [step], hedge=hedge)
    (order,) = orders
    assert (order.state, order.code) == ("DENIED", 4308) and words in order.reason
    assert seen[-1] == {}


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda robot: robot.set_target(BTC, 1, side="up"), ValueError, "side must be long, short or both"),
        (lambda robot: robot.set_target(BTC, 1, side=1), ValueError, "side must be long, short or both"),
        (lambda robot: robot.set_target(BTC, -1, side="long"), ValueError, "a long position is of 0 or more"),
        (lambda robot: robot.set_quotes(BTC, [], [], side="up"), ValueError, "side must be long, short or both"),
        (lambda robot: robot.set_target(BTC, 1, "join", side="up"), StrategyError, "hedge mode"),
        (lambda robot: robot.set_target(BTC, 1, "join"), StrategyError, "hedge mode"),
        (lambda robot: robot.set_target(BTC, -1, "join", side="long"), ValueError, "a long position is of 0 or more"),
        (lambda robot: robot.set_weights({BTC: -0.1}, side="long"), ValueError, "a long position is of 0 or more"),
    ],
)
def test_what_no_side_can_be_is_said(tape, call, error, words):
    def step(robot):
        with pytest.raises(error, match=words):
            call(robot)

    traded(tape, [step])


def test_a_ladder_of_each_side_stands_beside_the_other(tape):
    working = []

    def look(robot):
        working.append(sorted((o.side, o.position_side, o.price) for o in robot.orders(BTC)))

    def step(robot):
        robot.set_quotes(BTC, [(99, 1), (98, 1)], [], side="long")
        robot.set_quotes(BTC, [], [(102, 1)], side="short")
        look(robot)

    def change(robot):
        robot.set_quotes(BTC, [(98, 1)], [], side="long")
        robot.set_quotes(BTC, [], [(102, 1)], side="short")

    traded(tape, [step, change, look])
    assert working == [
        [("buy", "long", 98.0), ("buy", "long", 99.0), ("sell", "short", 102.0)],
        [("buy", "long", 98.0), ("sell", "short", 102.0)],
    ]


def test_weights_of_a_side_reach_what_one_way_reaches_and_reductions_leave_first(tape):
    steps = [
        lambda robot: robot.set_weights({BTC: 0.4, ETH: 0.1}, side="short"),
        lambda robot: robot.set_weights({ETH: -0.3, BTC: -0.2}, side="short"),
    ]
    seen, _, fills = traded(tape, steps)
    one_way = [
        lambda robot: robot.set_weights({BTC: -0.4, ETH: -0.1}),
        lambda robot: robot.set_weights({ETH: -0.3, BTC: -0.2}),
    ]
    expected, *_ = traded(tape, one_way, hedge=False)
    assert [{s: q for (s, _), q in each.items()} for each in seen] == [
        {s: q for (s, _), q in each.items()} for each in expected
    ]
    assert fills[-2:] == [BTC, ETH]


def test_a_side_that_waits_for_a_cancel_goes_on_alone(tape):
    """An order that leads beyond the wish of its side is canceled; the other side's goes its way."""
    seen, *_ = traded(
        tape,
        [
            lambda robot: (robot.set_target(BTC, 2, side="long"), robot.set_target(BTC, 1, side="short")),
            lambda robot: robot.set_target(BTC, 1, side="long"),
        ],
        latency=(0.5, 0.5),
    )
    assert seen[-1] == {(BTC, "long"): 1.0, (BTC, "short"): -1.0}


SPOT = "binance:BTC/USDT"


@pytest.fixture
def spot_tape(tmp_path):
    market = Market(tmp_path / "tape")
    market.add(ETH)
    market.add(SPOT)
    for second in range(1, 12):
        market.quote(second, 100, 101)
        market.quote(second, 100, 101, symbol=SPOT)
        market.quote(second, 50, 51, symbol=ETH)
    return market.done()


def test_spot_has_no_sides_on_an_account_in_hedge_mode(spot_tape):
    def own(robot):
        robot.subscribe(SPOT, quotes=True)
        robot.buy(SPOT, 2)

    seen, orders, _ = traded(
        spot_tape,
        [
            own,
            lambda robot: robot.set_target(SPOT, 3),
            lambda robot: robot.set_target(SPOT, 1.5, "touch", deadline="5s"),
            lambda robot: robot.set_target(BTC, -1, side="short"),
            lambda robot: robot.set_weights({SPOT: 0.05}),
            lambda robot: robot.set_quotes(SPOT, [(90, 1)], []),
            lambda robot: robot.close(SPOT),
        ],
        leverage=2,
    )
    assert [order.reason for order in orders if order.state == "DENIED"] == []
    assert [each.get((SPOT, "both")) for each in seen[:3]] == [2.0, 3.0, 1.5]
    assert seen[4][(BTC, "short")] == -1.0
    assert (SPOT, "both") in seen[5]
    assert (SPOT, "both") not in seen[-1]


def test_a_side_of_spot_is_denied_on_an_account_in_hedge_mode(spot_tape):
    orders = []

    def step(robot):
        orders.append(robot.set_target(SPOT, 1, side="long"))
        orders.append(robot.buy(SPOT, 1, position_side="long"))
        with pytest.raises(StrategyError, match="leave side out"):
            robot.set_target(SPOT, 1, "join", side="long")

    traded(spot_tape, [step])
    assert [(order.state, order.code) for order in orders] == [("DENIED", 4308)] * 2
    assert all("spot has no sides" in order.reason for order in orders)
