"""Stops, take-profits and trailing stops that are attached to an entry."""

from __future__ import annotations

import random
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from long_form import examples
from onetape.engine.run_spec import RunSpec
from onetape.engine.session import Session
from onetape.engine.strategy import Strategy
from onetape.model.enums import MetTrigger
from onetape.runs.assumptions import assumptions_of
from worlds.tapes import BTC, SECOND, START, Market, play, records


class Entering(Strategy):
    """Buys (or sells, with a negative size) once, at the first quote."""

    size: float = 1.0
    options: dict = {}  # noqa: RUF012 - set by the test

    def on_start(self):
        self.subscribe(BTC, quotes=True, trades=True)
        self.entry = None
        self.filled = []
        self.levels = set()

    def on_quote(self, quote):
        if self.entry is None:
            place = self.buy if self.size > 0 else self.sell
            self.entry = place(BTC, abs(self.size), **self.options)
        self.levels |= {(o.kind, o.trigger) for o in self.entry.children}

    def on_fill(self, fill):
        self.filled.append((fill.side, fill.qty, fill.order.reduce_only))


def entering(size: float = 1.0, **options: object) -> type[Strategy]:
    return type("Enters", (Entering,), {"size": size, "options": options})


def walk(path, mids, size: float = 1000.0, **facts: object) -> Market:
    made = Market(path, **facts)
    for second, mid in enumerate(mids):
        made.quote(second, round(mid - 0.1, 1), round(mid + 0.1, 1), size, size)
        made.trade(second + 0.5, round(mid, 1), 1, "buy")
    return made


@pytest.mark.parametrize(
    ("size", "last", "profit"), [(1.0, 103, 2.0), (1.0, 97, -2.0), (-1.0, 103, -2.0), (-1.0, 97, 2.0)]
)
def test_one_leg_ends_the_position_and_cancels_the_other(tmp_path, size, last, profit):
    mids = [100 + (last - 100) * step / 30 for step in range(31)] + [last] * 10
    options = {"stop_loss": "2%", "take_profit": "2%"}
    robot = play(entering(size, **options), walk(tmp_path / "t", mids).done()).robot
    assert len(robot.filled) == 2 and robot.filled[1][2]
    assert robot.position(BTC).qty == 0 and robot.orders(BTC) == [] and robot.entry.children == []
    assert robot.profit(BTC) == pytest.approx(profit, abs=0.3)


def test_legs_stand_with_the_entrys_price_and_size(tmp_path):
    kind = entering(stop_loss=95, take_profit="10%")
    robot = play(kind, walk(tmp_path / "t", [100] * 5).done()).robot
    legs = {(o.kind, o.trigger, o.qty, o.reduce_only, o.side) for o in robot.entry.children}
    assert legs == {("stop", 95.0, 1.0, True, "sell"), ("take_profit", 110.1, 1.0, True, "sell")}
    assert {o.id for o in robot.orders(BTC)} == {o.id for o in robot.entry.children}


def test_an_entry_that_is_not_filled_has_no_legs(tmp_path):
    kind = entering(price=90, stop_loss="1%", take_profit="1%")
    robot = play(kind, walk(tmp_path / "t", [100] * 5).done()).robot
    assert robot.entry.children == [] and [o.id for o in robot.orders(BTC)] == [robot.entry.id]


def test_legs_follow_what_is_filled_in_parts(tmp_path):
    class Watching(Entering):
        size, options = 1.0, {"price": 100.1, "stop_loss": 90}

        def on_start(self):
            super().on_start()
            self.seen = []

        def on_trade(self, trade):
            self.seen.append((self.entry.filled, sum(o.remaining for o in self.entry.children)))

    made = Market(tmp_path / "t")
    for second in range(30):
        made.quote(second, 99.9, 100.1, 0.3, 0.3)
        made.trade(second + 0.5, 100.1, 0.1, "sell")
    robot = play(Watching, made.done()).robot
    assert len({filled for filled, _ in robot.seen}) > 1
    assert all(filled == pytest.approx(protected) for filled, protected in robot.seen)


@pytest.mark.parametrize("size", [1.0, -1.0])
@pytest.mark.parametrize("triggers", [True, False])
def test_a_leg_whose_new_size_is_refused_is_replaced(tmp_path, size, triggers):
    # The entry fills in two parts, at one moment.
    made = walk(tmp_path / "t", [100] * 20, size=0.3, amend_triggers=triggers)
    robot = play(
        entering(size, stop_loss=100 - 5 * size, take_profit=100 + 5 * size), made.done(), latency=(0.005, 0.005)
    ).robot
    assert len(robot.filled) == 2
    assert [o.remaining for o in robot.entry.children] == [1.0, 1.0] and len(robot.orders(BTC)) == 2


def test_a_position_that_is_closed_by_hand_takes_its_legs_with_it(tmp_path):
    class Closing(Entering):
        size, options = 1.0, {"stop_loss": "5%", "take_profit": "5%"}

        def on_quote(self, quote):
            super().on_quote(quote)
            if self.now == START + 5 * SECOND:
                self.sell(BTC, 0.4)
            if self.now == START + 7 * SECOND:
                self.left = [o.remaining for o in self.entry.children]
                self.sell(BTC, 0.6)

    robot = play(Closing, walk(tmp_path / "t", [100] * 20).done()).robot
    assert robot.left == [0.6, 0.6] and robot.orders(BTC) == []


def test_a_trailing_stop_goes_with_the_best_price_and_never_back(tmp_path):
    mids = [100 + step for step in range(11)] + [110 - step for step in range(8)]
    robot = play(entering(trail="5%"), walk(tmp_path / "t", mids).done()).robot
    triggers = sorted(trigger for _, trigger in robot.levels)
    assert triggers[0] == pytest.approx(95, abs=1) and triggers[-1] == pytest.approx(104.5, abs=0.4)
    assert robot.position(BTC).qty == 0 and robot.profit(BTC) == pytest.approx(4.0, abs=1)


def test_a_trailing_stop_does_not_run_ahead_of_the_trades_that_it_fires_by(tmp_path):
    """Quotes that jump before anything trades there would put it beyond the last price, where it fires at once."""

    market = Market(tmp_path / "t")
    for second, mid in enumerate([100.0, 100.0, 103.0, 103.0]):
        market.quote(second + 0.1, mid - 0.1, mid + 0.1)
        if second == 1:
            market.trade(second + 0.2, 100.0, 1.0)
    market.trade(4, 103.0, 1.0).quote(4.1, 102.9, 103.1).quote(5, 102.9, 103.1)
    robot = play(entering(trail="1%"), market.done()).robot
    assert robot.position(BTC).qty == 1
    assert [order.trigger for order in robot.entry.children] == [pytest.approx(102.0, abs=0.11)]


@pytest.mark.parametrize("answers", [0.0, 1.0])
@pytest.mark.parametrize("away", [1, -1])
def test_a_leg_that_is_refused_closes_no_more_than_what_is_left_of_its_entry(tmp_path, away, answers):
    """The stop that it replaces fires while it is on its way: the rest of the position is not the entry's."""

    class Beside(Entering):
        size, options = float(away), {"trail": 2}

        def on_quote(self, quote):
            if quote.ts_event == START:
                (self.buy if away > 0 else self.sell)(BTC, 5)
            else:
                super().on_quote(quote)

    market = Market(tmp_path / "t", met_triggers=MetTrigger.REFUSED)
    for second, price in enumerate([100, 100, 100, 100, 100, 110, 97, 97, 97, 97, 97, 97, 97, 97]):
        mid = 100 + away * (price - 100)
        market.quote(second, mid - 0.1, mid + 0.1, 1000, 1000)
        market.trade(second + 0.1, mid, 1)
    robot = play(Beside, market.done(), latency=(1.5, answers), cash={"USDT": 100_000}).robot
    assert robot.position(BTC).qty == 5 * away, robot.filled


@settings(max_examples=examples(30), deadline=None)
@given(
    size=st.sampled_from([1.0, -1.0]),
    stop=st.sampled_from([None, "1%", "0.3%"]),
    take=st.sampled_from([None, "1%", "0.2%", [("0.2%", 0.3), ("1%", 0.7)], [("0.1%", 0.25)] * 4]),
    trail=st.sampled_from([None, "0.5%"]),
    delay=st.sampled_from([0.0, 0.2, 1.5]),
    seed=st.integers(0, 10**6),
)
def test_legs_and_position_end_together(tmp_path_factory, size, stop, take, trail, delay, seed):
    """Over random markets and delays: no leg is larger than the entry, a position is never turned round, and in
    the end there is a position with its legs or neither."""
    draw = random.Random(seed)
    mid, mids = 100.0, []
    for _ in range(200):
        mid += draw.choice([-0.3, -0.1, 0, 0.1, 0.3])
        mids.append(mid)
    options = {"stop_loss": stop, "take_profit": take, "trail": trail}
    chosen = {name: value for name, value in options.items() if value is not None}

    class Checked(Entering):
        def on_order(self, order):
            assert order.state != "DENIED", order

        def on_trade(self, trade):
            held = self.position(BTC).qty
            assert held * self.size >= 0
            for leg in self.entry.children:
                assert leg.remaining <= abs(self.size)
            takes = [
                leg.remaining for leg in self.entry.children if leg.kind == "take_profit" and leg.state == "ACCEPTED"
            ]
            assert sum(takes) <= abs(self.size) + 1e-9, takes

    kind = type("Mine", (Checked,), {"size": size, "options": chosen})
    folder = tmp_path_factory.mktemp("t")
    played = play(kind, walk(folder / "t", [*mids, *[mids[-1]] * 15]).done(), latency=(delay, delay))
    robot = played.robot
    assert not played.host.failures, played.host.failures
    legs = {o.kind for o in robot.entry.children}
    wanted = ({"stop"} if stop or trail else set()) | ({"take_profit"} if take else set())
    assert legs == (wanted if robot.position(BTC).qty else set())


def test_take_profits_close_their_shares_and_the_stop_what_is_left(tmp_path):
    mids = [100, *[100 + step / 10 for step in range(31)], *[103 - step / 5 for step in range(31)], 97, 97, 97]
    takes = [("2%", 0.5), ("5%", 0.25), (110, 0.25)]
    robot = play(entering(stop_loss="2%", take_profit=takes), walk(tmp_path / "t", mids).done()).robot
    assert [(side, qty) for side, qty, _ in robot.filled] == [("buy", 1.0), ("sell", 0.5), ("sell", 0.5)]
    assert robot.position(BTC).qty == 0 and robot.orders() == [] and robot.entry.children == []


def test_take_profits_of_less_than_the_entry_leave_the_rest_to_its_stop(tmp_path):
    mids = [100, *[100 + step / 10 for step in range(31)]]
    robot = play(entering(stop_loss="2%", take_profit=[("2%", 0.3)]), walk(tmp_path / "t", mids).done()).robot
    assert robot.position(BTC).qty == pytest.approx(0.7)
    assert [(leg.kind, leg.remaining) for leg in robot.entry.children] == [("stop", 0.7)]


def test_take_profits_share_what_is_left_where_some_was_closed_by_hand(tmp_path):
    class Closing(Entering):
        size, options = 1.0, {"take_profit": [("5%", 0.5), ("8%", 0.5)], "stop_loss": "5%"}

        def on_quote(self, quote):
            super().on_quote(quote)
            if self.now == START + 5 * SECOND:
                self.sell(BTC, 0.7)

    robot = play(Closing, walk(tmp_path / "t", [100] * 20).done()).robot
    assert [(leg.kind, round(leg.remaining, 3)) for leg in robot.entry.children] == [
        ("take_profit", 0.3),
        ("stop", 0.3),
    ]


def test_shares_in_lots_come_to_the_whole(tmp_path):
    """The last one takes what rounding leaves, also where three times a third is less than one."""
    takes = [(f"{share}%", 1 / 3) for share in (1, 2, 3)]
    robot = play(entering(take_profit=takes, stop_loss="5%"), walk(tmp_path / "t", [100] * 5).done()).robot
    sizes = [leg.qty for leg in robot.entry.children if leg.kind == "take_profit"]
    assert len(sizes) == 3 and sum(sizes) == pytest.approx(1.0) and len(set(sizes)) > 1


def test_take_profits_leave_with_their_entry_against_bars(tmp_path):
    rows = [(100, 100, 100, 100), (100, 101, 100, 101), (101, 103, 101, 103), (103, 103, 103, 103)]
    kind = once(BTC, lambda robot: robot.buy(BTC, 1, take_profit=[("1%", 0.5), ("2%", 0.5)], stop_loss="5%"))
    robot = play(kind, bars(tmp_path / "t", *rows).done()).robot
    assert [(side, price) for side, price, _ in robot.filled] == [("buy", 100), ("sell", 101), ("sell", 102)]
    assert robot.position(BTC).qty == 0 and robot.orders() == []


@pytest.mark.parametrize("size", [1.0, -1.0])
@pytest.mark.parametrize(
    ("legs", "words"),
    [
        ({"stop_loss": 0.02}, "stop_loss=0.02 is a price, less than a hundredth of 100.0: did you mean '2%'?"),
        ({"take_profit": Decimal("0.005")}, "did you mean '0.5%'?"),
        ({"stop_loss": "2%", "take_profit": [("2%", 0.5), (0.04, 0.5)]}, "take_profit=0.04 is a price"),
        ({"take_profit": [("2%", 0.0001), ("4%", 0.9999)]}, "its share of 1.0 is less than one lot (0.001)"),
        ({"take_profit": [("2%", 0.0001)]}, "its share of 1.0 is less than one lot (0.001)"),
    ],
)
def test_an_entry_is_denied_with_what_was_to_protect_it(tmp_path, size, legs, words):
    """It would stand without, and 0.02 is how others write two per cent."""
    robot = play(entering(size, **legs), walk(tmp_path / "t", [100] * 3).done()).robot
    assert (robot.entry.state, robot.entry.code) == ("DENIED", 4101) and words in robot.entry.reason
    assert robot.filled == [] and robot.orders() == []


def test_a_level_that_no_tick_carries_denies_its_entry_before_any_price_is_known(tmp_path):
    class Early(Entering):
        def on_start(self):
            super().on_start()
            self.entry = self.buy(BTC, 1, stop_loss=0.02)

    robot = play(Early, walk(tmp_path / "t", [100] * 3, tick="0.1").done()).robot
    assert robot.entry.state == "DENIED" and "its tick is 0.1" in robot.entry.reason


@pytest.mark.parametrize(
    "wrong", [[], ["2%", 0.5], [("2%",)], [("2%", 0)], [("2%", 0.6), ("3%", 0.6)], [("2%", "x")], [("x", 0.5)]]
)
def test_take_profits_that_make_no_sense_are_a_fault_of_the_program(tmp_path, wrong):
    tape = walk(tmp_path / "t", [100] * 3).done()
    played = play(entering(take_profit=wrong), tape, on_error="continue")
    assert "take_profit" in played.host.failures[0].error
    assert played.robot.filled == [] and played.robot.orders() == []


@pytest.mark.parametrize("wrong", ["x", "-1%", 0, "nan"])
def test_what_is_no_price_is_a_fault_of_the_program(tmp_path, wrong):
    tape = walk(tmp_path / "t", [100] * 3).done()
    played = play(entering(stop_loss=wrong), tape, on_error="continue")
    assert "neither a price nor a share" in played.host.failures[0].error
    assert played.robot.filled == [] and played.robot.orders() == [], "no entry without what is to protect it"


@pytest.mark.parametrize(
    ("legs", "is_refused"),
    [
        ({"stop_loss": "100%"}, True),
        ({"trail": "250%"}, True),
        ({"take_profit": "250%"}, False),
        ({"stop_loss": "99%"}, False),
    ],
)
def test_a_stop_that_no_price_reaches_is_refused_instead_of_protecting_nothing(tmp_path, legs, is_refused):
    tape = walk(tmp_path / "t", [100] * 3).done()
    failures = play(entering(**legs), tape, on_error="continue").host.failures
    assert bool(failures) is is_refused and all("less than 100%" in each.error for each in failures)


@pytest.mark.parametrize("stop", ["5%", 95])
def test_an_entry_through_many_levels_sends_few_legs(tmp_path, stop):
    """Its fills come at one moment: what protects the first waits for its answer before it is replaced."""
    made = Market(tmp_path / "t", amend_triggers=False)
    asks = [(round(100.1 + level / 4, 1), 0.1) for level in range(20)]
    for second in range(10):
        made.quote(second, 99.9, 100.1, 5, 0.1).book(second + 0.01, [(99.9, 5)], asks)
        made.trade(second + 0.5, 100.0, 1)

    class Late(Entering):
        size, options = 2.0, {"stop_loss": stop, "take_profit": "9%"}

        def on_quote(self, quote):
            if quote.ts_event > START + SECOND:
                super().on_quote(quote)

    played = play(Late, made.done(), journal=tmp_path / "j", latency=(0.005, 0.005))
    robot = played.robot
    assert len(robot.filled) == 20 and robot.position(BTC).qty == 2
    assert [each.remaining for each in robot.entry.children] == [2.0, 2.0] and len(robot.orders(BTC)) == 2
    assert len(records(played.journal, "order_request")) <= 1 + 2 * (1 + 3), "placed; amended in vain, replaced"


@pytest.mark.parametrize("options", [{"stop_loss": "2%"}, {"stop_loss": "2%", "take_profit": "2%"}, {"trail": "1%"}])
def test_legs_of_an_entry_that_was_closed_by_hand_do_not_come_back_for_a_later_one(tmp_path, options):
    """The next entry is there before the cancels of the old legs are answered."""

    class Reentering(Entering):
        size = 1.0

        def on_quote(self, quote):
            super().on_quote(quote)
            if self.now == START + 5 * SECOND:
                self.sell(BTC, 1.0)

        def on_fill(self, fill):
            super().on_fill(fill)
            if fill.side == "sell":
                self.later = self.buy(BTC, 1.0)

    Reentering.options = options
    tape = walk(tmp_path / "t", [100] * 20).done()
    robot = play(Reentering, tape, latency=(0.1, 0.1)).robot
    assert [side for side, *_ in robot.filled] == ["buy", "sell", "buy"] and robot.position(BTC).qty == 1
    assert robot.orders() == [] and robot.entry.children == []


def bars(path, *rows: tuple[float, float, float, float], symbol: str = BTC, **facts: object) -> Market:
    made = Market(path, symbol, **facts)
    for minute, prices in enumerate(rows, 1):
        made.bar(60 * minute, "1m", prices)
    return made


def once(symbol: str, place):
    """Places by `place` at the end of the first bar."""

    class Mine(Strategy):
        def on_start(self):
            self.subscribe(symbol, bars="1m")
            self.entry, self.filled = None, []

        def on_bar(self, bar):
            if self.entry is None:
                self.entry = place(self)

        def on_fill(self, fill):
            self.filled.append((fill.side, fill.price, fill.order.kind))

    return Mine


SPOT, INVERSE = "binance:BTC/USDT", "binance:BTC/USD:BTC"
FALLING = [(100, 100, 100, 100), (100, 101, 90, 101), (102, 102, 102, 102)]
RISING = [(100, 100, 100, 100), (100, 110, 99, 99), (98, 98, 98, 98)]
THROUGH = [(101, 101, 101, 101), (101, 105, 95, 104), (104, 104, 104, 104)]  # a limit at 100, then 95
GAP = [(100, 100, 100, 100), (96, 98, 94, 98), (98, 98, 98, 98)]


LEGS = [
    ("buy", FALLING, {"stop_loss": 95}, 95),
    ("buy", FALLING, {"stop_loss": "5%"}, 95),
    ("buy", FALLING, {"trail": "5%"}, 95),
    ("buy", FALLING, {"trail": 5}, 95),
    ("buy", FALLING, {"stop_loss": "7%", "trail": 5}, 95),
    ("buy", FALLING, {"stop_loss": 89}, None),
    ("buy", FALLING, {"take_profit": "1%"}, 101),
    ("buy", THROUGH, {"price": 100, "stop_loss": 97.5}, 97.5),
    ("buy", THROUGH, {"price": 100, "stop_loss": "2.5%"}, 97.5),
    ("buy", THROUGH, {"price": 100, "trail": "2.5%"}, 97.5),
    ("buy", THROUGH, {"price": 100, "take_profit": 104.5}, None),  # it may have been there before the entry
    ("buy", GAP, {"stop_loss": 97}, 96),  # beyond it at the open
    ("buy", GAP, {"stop_loss": "1%"}, 95),  # of what the entry paid: 95.04, on the tick
    ("buy", GAP, {"trail": 1}, 95),
    ("buy", GAP, {"price": 99, "stop_loss": 97}, 96),  # the limit fills at the open, which lies beyond the stop
    ("sell", RISING, {"stop_loss": 105}, 105),
    ("sell", RISING, {"stop_loss": "5%"}, 105),
    ("sell", RISING, {"trail": "5%"}, 105),
]


@pytest.mark.parametrize("delay", [0.0, 0.05])
@pytest.mark.parametrize(
    ("symbol", "side", "rows", "options", "exit_price"),
    [
        (symbol, *row)
        for symbol in (BTC, SPOT, INVERSE)
        for row in LEGS
        if (symbol, row[0]) != (SPOT, "sell")  # coins that are not there cannot be sold
    ],
)
def test_a_leg_acts_inside_the_bar_of_its_entry(tmp_path, delay, symbol, side, rows, options, exit_price):
    """As a stop does that is sent as an order by itself beside the entry."""
    kind = once(symbol, lambda robot: getattr(robot, side)(symbol, 1, **options))
    tape = bars(tmp_path / "t", *rows, symbol=symbol, tick="0.5").done()
    cash = {"BTC": Decimal(100)} if symbol == INVERSE else {"USDT": Decimal(10**6)}
    played = play(kind, tape, journal=tmp_path / "j", latency=(delay, delay), cash=cash)
    robot = played.robot
    assert not played.host.failures
    entry_price = min(options.get("price", rows[1][0]), rows[1][0])
    filled = [(side, entry_price, None)]
    if exit_price is not None:
        kind_of = "take_profit" if "take_profit" in options else "stop"
        filled.append(("sell" if side == "buy" else "buy", exit_price, kind_of))
    assert robot.filled == filled
    left = [] if exit_price is not None else [1.0]
    assert [each.remaining for each in robot.entry.children] == left and len(robot.orders(symbol)) == len(left)
    assert played.loop.counters()["late_stops"] == 0


@pytest.mark.parametrize(
    ("rows", "options", "ambiguous"),
    [
        (FALLING, {"stop_loss": 95}, 0),
        (FALLING, {"stop_loss": 95, "take_profit": 101}, 1),
        (FALLING, {"stop_loss": 95, "take_profit": 102}, 0),
        (THROUGH, {"price": 100, "stop_loss": 97.5}, 0),
        (THROUGH, {"price": 100, "take_profit": 104.5}, 1),
        (THROUGH, {"price": 100, "stop_loss": 97.5, "take_profit": 104.5}, 1),
        (THROUGH, {"price": 94, "stop_loss": 93, "take_profit": 104.5}, 0),  # the entry is not reached
    ],
)
def test_a_bar_that_reaches_the_entry_and_both_sides_of_it_is_ambiguous(tmp_path, rows, options, ambiguous):
    played = play(once(BTC, lambda robot: robot.buy(BTC, 1, **options)), bars(tmp_path / "t", *rows).done())
    assert played.loop.counters()["ambiguous_bars"] == ambiguous
    lines = {each.key: each.bias for each in assumptions_of(played.session)}
    assert lines.get("ambiguous") == (-1 if ambiguous else None)
    assert lines["bars told"] == -1 and "late stops" not in lines


@pytest.mark.parametrize(("stop", "late"), [(95, 1), (89, 0)])
def test_a_stop_that_is_sent_when_the_fill_is_heard_comes_too_late_and_the_report_says_so(tmp_path, stop, late):
    class Later(once(BTC, lambda robot: robot.buy(BTC, 1))):
        def on_fill(self, fill):
            if fill.side == "buy":
                self.sell(BTC, 1, trigger=stop, kind="stop", reduce_only=True)

    played = play(Later, bars(tmp_path / "t", *FALLING).done())
    assert played.robot.profit(BTC) == 2
    lines = {each.key: each.bias for each in assumptions_of(played.session)}
    assert (lines["bars told"], lines.get("late stops")) == ((0, 1) if late else (-1, None))
    assert played.loop.counters()["late_stops"] == late


def test_legs_close_what_their_own_entry_has_filled(tmp_path):
    """Two entries of one symbol: the stop of the one leaves the other's part alone."""

    class Two(once(BTC, lambda robot: robot.buy(BTC, 1, price=98, stop_loss=96))):
        def on_bar(self, bar):
            if self.entry is None:
                self.buy(BTC, 2, stop_loss=50)
            super().on_bar(bar)

    robot = play(Two, bars(tmp_path / "t", (100,) * 4, (100, 100, 95, 95), (95,) * 4).done()).robot
    assert robot.filled == [("buy", 100, None), ("buy", 98, None), ("sell", 96, "stop")]
    assert robot.position(BTC).qty == 2 and [each.trigger for each in robot.orders(BTC)] == [50]


def test_what_a_bar_fills_in_parts_wakes_its_legs_in_parts(tmp_path):
    """Half of a bar's volume is there for the entry; the stop takes what there is of the next bar."""
    made = Market(tmp_path / "t").bar(60, "1m", (100,) * 4)
    made.bar(120, "1m", (100, 100, 99, 99), 1.0).bar(180, "1m", (99, 99, 90, 90), 10.0).bar(240, "1m", (90,) * 4)
    robot = play(once(BTC, lambda robot: robot.buy(BTC, 1, stop_loss=95)), made.done()).robot
    assert robot.filled == [("buy", 100, None), ("buy", 99, None), ("sell", 95, "stop")]
    assert robot.position(BTC).qty == 0 and robot.orders(BTC) == []


@pytest.mark.parametrize("end", ["cancel", "refused"])
def test_legs_of_an_entry_that_never_fills_go_with_it(tmp_path, end):
    class Ending(once(BTC, lambda robot: robot.buy(BTC, 1, price=90, post_only=True, stop_loss=80, take_profit="5%"))):
        def on_bar(self, bar):
            super().on_bar(bar)
            self.stood = len(self.orders(BTC))
            if self.stood == 3 and end == "cancel":
                self.cancel(self.entry)

    rows = [(100,) * 4] * 4
    if end == "refused":  # it would cross when it arrives
        Ending = once(BTC, lambda robot: robot.buy(BTC, 1, price=110, post_only=True, stop_loss=80))
    robot = play(Ending, bars(tmp_path / "t", *rows).done()).robot
    assert robot.entry.is_closed and robot.orders(BTC) == [] and robot.entry.children == []
    assert robot.filled == []


def test_an_order_of_before_any_data_has_legs_too(tmp_path):
    class AtStart(Strategy):
        def on_start(self):
            self.subscribe(BTC, bars="1m")
            self.entry = self.buy(BTC, 1, stop_loss=95)

    rows = [(100, 101, 90, 101), (102, 102, 90, 96), (96, 96, 96, 96)]  # it meets the first bar's close alone
    played = play(AtStart, bars(tmp_path / "t", *rows).done(), journal=tmp_path / "j")
    assert played.robot.profit(BTC) == -6
    assert len({each.time for each in records(played.journal, "order_request")}) == 1, "they left together"


@pytest.mark.parametrize("legs", [{"stop_loss": "5%"}, {"stop_loss": 95, "take_profit": "9%"}])
def test_a_replay_sends_legs_as_the_run_did(tmp_path, legs):
    kind = once(BTC, lambda robot: robot.buy(BTC, 1, **legs))
    tape = bars(tmp_path / "t", *FALLING).done()
    run = play(kind, tape, journal=tmp_path / "j", latency=(0.05, 0.05))
    late = play(kind, tape, journal=tmp_path / "late", latency=(0.05, 0.05), legs_with_entry=False)
    assert (run.robot.profit(BTC), late.robot.profit(BTC)) == (-5, 2)
    for first, flag in ((run, True), (late, False)):
        replayed = Session(RunSpec(replace(first.session.plan, legs_with_entry=flag), kind, script=first.journal))
        replayed.open()
        replayed.start()
        replayed.step()
        replayed.finish()
        assert replayed.loop.action_hash() == first.loop.action_hash()
        replayed.close()


def test_where_the_venue_watches_the_mark_alone_the_legs_do(tmp_path):
    made = Market(tmp_path / "t", trigger_by=("mark",))
    for second in range(20):
        made.quote(second, 99.9, 100.1)
        made.mark(second, 100 if second < 10 else 97)
    robot = play(entering(stop_loss="2%"), made.done()).robot
    assert [fill[0] for fill in robot.filled] == ["buy", "sell"] and robot.position(BTC).qty == 0
