"""Orders from the strategy's side: numbers, refusals, cancel and amend."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from onetape.engine.strategy import Strategy
from worlds.tapes import BTC, Market, at_ns, play


def steps(tmp_path, *actions, market: Market | None = None, latency=(0, 0), **plan):
    """Calls each action with the strategy, one a second; gives the finished play."""

    class Steps(Strategy):
        def on_start(self):
            self.subscribe(BTC, quotes=True)
            self.left = list(actions)
            self.heard = []
            self.results = []

        def on_quote(self, quote):
            if self.left:
                self.results.append(self.left.pop(0)(self))

        def on_order(self, order):
            self.heard.append(order.state)

    if market is None:
        market = Market(tmp_path / "t")
        quiet(market, len(actions) + 2)
    return play(Steps, market.done(), journal=tmp_path / "run", latency=latency, **plan)


def quiet(market: Market, seconds: int) -> Market:
    for second in range(seconds):
        market.quote(second, 99.9, 100.1)
    return market


# --- numbers


@pytest.mark.parametrize(
    "qty", [0.2, 0.3 - 0.1, "0.2", Decimal("0.2"), np.float64(0.2), Fraction(1, 5), 0.2009, "0.2001"]
)
def test_a_quantity_is_snapped_and_then_cut_down_to_the_lot(tmp_path, qty):
    order = steps(tmp_path, lambda s: s.buy(BTC, qty, 90)).robot.results[0]
    assert (order.qty_int, order.qty, order.remaining) == (200, 0.2, 0.2)


@pytest.mark.parametrize("qty", [2, np.int64(2), np.int32(2), np.float32(2), "2", Decimal(2), "2e0"])
def test_whole_quantities_of_any_kind_are_exact(tmp_path, qty):
    assert steps(tmp_path, lambda s: s.sell(BTC, qty, 110)).robot.results[0].qty_int == 2000


@pytest.mark.parametrize(
    ("side", "price", "expected"),
    [
        ("buy", 99.16, 991),
        ("sell", 100.94, 1010),
        ("buy", 0.1 + 0.2 + 98.7, 990),
        ("sell", "100.91", 1010),
        ("buy", Decimal("99.19"), 991),
        ("sell", 101, 1010),
    ],
)
def test_a_price_between_ticks_is_rounded_passively(tmp_path, side, price, expected):
    order = steps(tmp_path, lambda s: getattr(s, side)(BTC, 1, price)).robot.results[0]
    assert order.price_int == expected


@pytest.mark.parametrize("wrong", [True, None, object(), [1], b"1"])
def test_what_is_no_number_is_a_programming_error(tmp_path, wrong):
    played = steps(tmp_path, lambda s: s.buy(BTC, wrong, 90))
    assert played.host.failures[0].error.startswith("TypeError")


# --- refusals

REFUSED = [
    ("nan quantity", lambda s: s.buy(BTC, float("nan")), 4101, "quantity"),
    ("infinite quantity", lambda s: s.buy(BTC, float("inf")), 4101, "quantity"),
    ("text that is no number", lambda s: s.buy(BTC, "many"), 4101, "quantity"),
    ("zero quantity", lambda s: s.buy(BTC, 0), 4101, "less than one lot (0.001)"),
    ("negative quantity", lambda s: s.buy(BTC, -1), 4101, "less than one lot"),
    ("below a lot", lambda s: s.buy(BTC, 0.0004), 4101, "less than one lot"),
    ("huge quantity", lambda s: s.buy(BTC, 10**30), 4101, "quantity"),
    ("nan price", lambda s: s.buy(BTC, 1, float("nan")), 4101, "price"),
    ("zero price", lambda s: s.sell(BTC, 1, 0), 4101, "zero"),
    ("price rounds to zero", lambda s: s.buy(BTC, 1, 0.04), 4101, "zero"),
    ("below the least size", lambda s: s.buy(BTC, 0.002, 90), 4101, "below the least size 0.005"),
    ("above the largest size", lambda s: s.buy(BTC, 200, 90), 4101, "above the largest size 100"),
    ("below the least notional", lambda s: s.buy(BTC, 0.005, 90), 4102, "notional 5"),
    ("more than the account carries", lambda s: s.buy(BTC, 50, 90), 4201, "cannot carry"),
    ("post-only at market", lambda s: s.buy(BTC, 1, post_only=True), 4101, "not allowed"),
    ("expires in the past", lambda s: s.buy(BTC, 1, 90, expire=1), 4101, "expire"),
    ("long tag", lambda s: s.buy(BTC, 1, 90, tag="x" * 33), 4101, "tag"),
    ("hedge side", lambda s: s.buy(BTC, 1, 90, position_side="long"), 4308, "one-way"),
]


@pytest.mark.parametrize(("act", "code", "words"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_a_refused_order_comes_back_denied_with_code_and_reason(tmp_path, act, code, words):
    market = Market(tmp_path / "t", size_min="0.005", size_max="100", notional_min="5")
    played = steps(tmp_path, act, market=quiet(market, 3), cash={"USDT": Decimal(1000)})
    assert not played.host.failures
    order = played.robot.results[0]
    assert (order.state, order.code) == ("DENIED", code)
    assert words in order.reason
    assert order.is_closed and not played.robot.orders(BTC)
    assert played.loop.counters()["denied"] == 1


def test_a_denied_order_never_reaches_the_exchange(tmp_path):
    played = steps(tmp_path, lambda s: s.buy(BTC, 0))
    assert played.robot.heard == []


def test_reduce_only_without_a_position_is_refused_and_with_one_reduces(tmp_path):
    played = steps(
        tmp_path,
        lambda s: s.sell(BTC, 1, reduce_only=True),
        lambda s: s.buy(BTC, 1),
        lambda s: s.sell(BTC, 5, reduce_only=True),
    )
    robot = played.robot
    assert robot.results[0].state in ("DENIED", "REJECTED") and robot.results[0].code == 4106
    assert robot.position(BTC).qty == 0 and not robot.position(BTC)


def test_post_only_that_would_take_is_rejected_with_its_code(tmp_path):
    order = steps(tmp_path, lambda s: s.buy(BTC, 1, 100.1, post_only=True)).robot.results[0]
    assert (order.state, order.code) == ("REJECTED", 4103)
    assert "post-only" in order.reason


def test_a_halted_robot_is_denied_all_but_what_reduces(tmp_path):
    def fail(s):
        raise RuntimeError("stop here")

    class Stubborn(Strategy):
        def on_start(self):
            self.subscribe(BTC, quotes=True)
            self.first = self.buy(BTC, 1, 90)

        def on_quote(self, quote):
            raise RuntimeError("stop here")

        def on_order(self, order):
            if order.state == "CANCELED":
                self.late = self.buy(BTC, 1, 90)

    robot = play(Stubborn, quiet(Market(tmp_path / "t"), 3).done()).robot
    assert robot.first.state == "CANCELED"
    assert (robot.late.state, robot.late.code, robot.late.reason) == ("DENIED", 4303, "the robot is halted")


def test_orders_of_on_stop_are_denied_because_the_run_is_over(tmp_path):
    class Last(Strategy):
        def on_start(self):
            self.subscribe(BTC, quotes=True)

        def on_stop(self):
            self.order = self.buy(BTC, 1)

    order = play(Last, quiet(Market(tmp_path / "t"), 3).done()).robot.order
    assert (order.state, order.reason) == ("DENIED", "the run is over")


@pytest.mark.parametrize(
    "act",
    [
        lambda s: s.buy("kraken:BTC/USD", 1),
        lambda s: s.position("kraken:BTC/USD"),
        lambda s: s.quote("nonsense"),
        lambda s: s.book("nonsense"),
        lambda s: s.bars("kraken:BTC/USD", "1m", 3),
        lambda s: s.instrument("kraken:BTC/USD"),
        lambda s: s.cancel_all("kraken:BTC/USD"),
    ],
)
def test_an_unknown_symbol_is_a_programming_error_everywhere(tmp_path, act):
    failure = steps(tmp_path, act).host.failures[0]
    assert "UnknownSymbol" in failure.error and BTC in failure.error


@pytest.mark.parametrize("words", [{"tif": "DAY"}, {"trigger": 1, "trigger_by": "mood"}])
def test_unknown_words_are_programming_errors(tmp_path, words):
    failure = steps(tmp_path, lambda s: s.buy(BTC, 1, 90, **words)).host.failures[0]
    assert failure.error.startswith("ValueError")


# --- the life of an order


def test_states_of_an_order_that_rests_and_is_cancelled(tmp_path):
    seen = []

    def place(s):
        s.order = s.buy(BTC, 1, 90)
        seen.append(s.order.state)

    def cancel(s):
        assert s.cancel(s.order) is True
        seen.append(s.order.state)
        assert s.cancel(s.order) is False  # nothing left to ask for

    robot = steps(tmp_path, place, cancel, latency=(0.1, 0.1)).robot
    assert seen == ["SUBMITTED", "PENDING_CANCEL"]
    assert robot.heard == ["ACCEPTED", "CANCELED"]
    assert robot.cancel(robot.order) is False


def test_an_order_can_be_cancelled_in_the_callback_that_placed_it(tmp_path):
    def both(s):
        s.order = s.buy(BTC, 1, 90)
        s.cancel(s.order)

    robot = steps(tmp_path, both, latency=(0.1, 0.1)).robot
    assert robot.order.state == "CANCELED"
    assert not robot.orders()


def test_a_cancel_that_comes_too_late_finds_the_order_filled(tmp_path):
    market = Market(tmp_path / "t").quote(0, 99.9, 100.1).quote(1, 99.9, 100.1)
    market.quote(1.02, 89, 89.2).quote(2, 99.9, 100.1)
    robot = steps(
        tmp_path,
        lambda s: setattr(s, "order", s.buy(BTC, 1, 95)),
        lambda s: s.cancel(s.order),
        market=market,
        latency=(0.05, 0.05),
    ).robot
    assert robot.order.state == "FILLED" and robot.position(BTC).qty == 1 and robot.position(BTC)
    assert not robot.orders()


def test_amend_moves_price_and_whole_quantity(tmp_path):
    def change(s):
        assert s.amend(s.order, price=91.05, qty=2) is True
        assert s.order.state == "PENDING_UPDATE"

    robot = steps(tmp_path, lambda s: setattr(s, "order", s.buy(BTC, 1, 90)), change, latency=(0.1, 0.1)).robot
    assert (robot.order.state, robot.order.price, robot.order.qty) == ("ACCEPTED", 91.0, 2.0)


def test_a_quantity_amended_to_what_is_filled_already_is_not_asked_for(tmp_path):
    market = Market(tmp_path / "t").quote(0, 99.9, 100.1).quote(0.5, 99.9, 100.1)
    market.trade(0.7, 98, 0.4, "sell").quote(1, 99.9, 100.1).quote(2, 99.9, 100.1)
    robot = steps(
        tmp_path,
        lambda s: setattr(s, "order", s.buy(BTC, 1, 99)),
        lambda s: None,
        lambda s: s.amend(s.order, qty=0.4),
        lambda s: s.amend(s.order, qty=0.6),
        market=market,
    ).robot
    assert robot.order.filled == 0.4
    assert robot.results[2:] == [False, True]
    assert robot.order.remaining == pytest.approx(0.2)


@pytest.mark.parametrize("change", [{"price": float("nan")}, {"qty": 0}, {"qty": -1}, {"qty": "x"}])
def test_an_amendment_that_cannot_be_is_not_asked_for(tmp_path, change):
    robot = steps(
        tmp_path, lambda s: setattr(s, "order", s.buy(BTC, 1, 90)), lambda s: s.amend(s.order, **change)
    ).robot
    assert robot.results[1] is False
    assert (robot.order.state, robot.order.price, robot.order.qty) == ("ACCEPTED", 90.0, 1.0)


def test_an_amendment_that_the_account_cannot_carry_leaves_the_order_as_it_was(tmp_path):
    robot = steps(
        tmp_path,
        lambda s: setattr(s, "order", s.buy(BTC, 1, 90)),
        lambda s: s.amend(s.order, qty=1000),
        lambda s: None,
        cash={"USDT": Decimal(1000)},
    ).robot
    assert (robot.order.state, robot.order.qty, robot.order.code) == ("ACCEPTED", 1.0, 4201)


def test_why_a_change_was_refused_is_no_reason_of_an_order_that_is_filled(tmp_path):
    market = Market(tmp_path / "t").quote(0, 99.9, 100.1).quote(1, 99.9, 100.1).quote(2, 99.9, 100.1)
    market.quote(3, 80, 80.2)
    robot = steps(
        tmp_path,
        lambda s: setattr(s, "order", s.buy(BTC, 1, 90)),
        lambda s: s.amend(s.order, qty=1000),
        lambda s: (s.order.code, bool(s.order.reason)),
        market=market,
        cash={"USDT": Decimal(1000)},
    ).robot
    assert robot.results[2] == (4201, True)
    assert (robot.order.state, robot.order.code, robot.order.reason) == ("FILLED", 0, "")


def test_amend_without_a_change_is_a_programming_error(tmp_path):
    played = steps(tmp_path, lambda s: s.amend(s.buy(BTC, 1, 90)))
    assert "amend needs" in played.host.failures[0].error


def test_submit_sends_all_in_one_batch(tmp_path):
    robot = steps(
        tmp_path,
        lambda s: s.submit(
            [
                {"side": "buy", "symbol": BTC, "qty": 1, "price": 90},
                {"side": "sell", "symbol": BTC, "qty": 1, "price": 110, "tag": "far"},
                {"side": "buy", "symbol": BTC, "qty": 0},
            ]
        ),
    ).robot
    assert [o.state for o in robot.results[0]] == ["ACCEPTED", "ACCEPTED", "DENIED"]
    assert robot.results[0][1].tag == "far"


def test_cancel_all_counts_what_it_asked_for(tmp_path):
    robot = steps(
        tmp_path,
        lambda s: [s.buy(BTC, 1, 90), s.sell(BTC, 1, 110)],
        lambda s: (s.cancel_all("binance:BTC/USDT:USDT"), s.cancel_all()),
    ).robot
    assert robot.results[1] == (2, 0)


def test_good_till_date_expires_at_its_moment(tmp_path):
    robot = steps(
        tmp_path,
        lambda s: setattr(s, "order", s.buy(BTC, 1, 90, expire=at_ns(1.5))),
        lambda s: None,
        lambda s: s.order.state,
    ).robot
    assert robot.heard[-1] == "EXPIRED" and robot.results[2] == "EXPIRED"


def test_an_order_object_tells_all_the_contract_lists(tmp_path):
    order = steps(tmp_path, lambda s: s.buy(BTC, 1, 99, tag="mine")).robot.results[0]
    assert (order.id, order.client_id, order.symbol, order.side) == (1, "TstepsX1X1q", BTC, "buy")
    assert (order.position_side, order.type, order.price, order.trigger) == ("both", "limit", 99.0, None)
    assert (order.qty, order.filled, order.remaining, order.average_price) == (1.0, 0.0, 1.0, None)
    assert (order.state, order.code, order.reason, order.tag) == ("ACCEPTED", 0, "", "mine")
    assert order.ts_created == at_ns(0) and order.venue_id


@pytest.mark.parametrize(
    ("qty", "words"),
    [(50, "it needs 4500 USDT, and 1000 are available"), (11.112, "it needs 1000.08 USDT, and 1000 are available")],
)
def test_what_the_account_cannot_carry_says_what_it_needs_and_has(tmp_path, qty, words):
    class Buys(Strategy):
        def on_start(self):
            self.subscribe(BTC, quotes=True)
            self.order = None

        def on_quote(self, quote):
            if self.order is None:
                self.order = self.buy(BTC, qty, 90)

    market = Market(tmp_path / "t").quote(0, 99.9, 100.1).quote(1, 99.9, 100.1)
    order = play(Buys, market.done(), cash={"USDT": Decimal(1000)}).robot.order
    assert (order.state, order.code) == ("DENIED", 4201)
    assert order.reason == f"the account cannot carry it: {words}"
