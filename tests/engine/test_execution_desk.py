"""set_target with algorithms and set_weights, over tapes: reached, never passed, links on the tape."""

from __future__ import annotations

import math
import random
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from long_form import examples
from onetape.engine.parent_work import sendable
from onetape.engine.strategy import Strategy
from worlds.tapes import BTC, ETH, SECOND, START, Market, play, records

MINUTE = 60


class Wanting(Strategy):
    """Sets one target with the options that the test gives it, at the first quote."""

    qty: float = 1.0
    algo: str = "twap"
    options: dict = {}  # noqa: RUF012 - set by the test

    def on_start(self):
        self.subscribe(BTC, quotes=True)
        self.filled, self.sides = [], []
        self.names = []
        self.is_sent = False

    def on_quote(self, quote):
        if not self.is_sent:
            self.is_sent = True
            self.set_target(BTC, self.qty, self.algo, **self.options)

    def on_fill(self, fill):
        self.sides.append((fill.side, fill.position_side))
        self.filled.append(((self.now - START) / SECOND, fill.qty, fill.price, fill.liquidity))

    def on_timer(self, name):
        self.names.append(name)


def wanting(algo: str, qty: float = 1.0, **options: object) -> type[Strategy]:
    return type("Wants", (Wanting,), {"algo": algo, "qty": qty, "options": options})


def market(path, seconds: int, step: float = 1, size: float = 5, spread: float = 0.2, trades: bool = True) -> Market:
    made = Market(path)
    for count in range(int(seconds / step)):
        mid = 100 + math.sin(count / 50)
        made.quote(count * step, round(mid - spread / 2, 1), round(mid + spread / 2, 1), size, size)
        if trades:
            made.trade(count * step + step / 2, round(mid, 1), 0.1, "buy" if count % 2 else "sell")
    return made


def test_twap_spreads_its_clips_over_the_time_and_ends_at_the_target(tmp_path):
    tape = market(tmp_path / "t", 25 * MINUTE).done()
    robot = play(wanting("twap", minutes=20), tape, journal=tmp_path / "run").robot
    times = [time for time, *_ in robot.filled]
    assert len(times) == 20 and times[0] < 60 and 18 * MINUTE < times[-1] <= 20 * MINUTE
    assert sum(qty for _, qty, *_ in robot.filled) == pytest.approx(1.0)
    assert robot.names == []  # its timers are nobody else's
    target = records(tmp_path / "run", "target")[0].data
    orders = [each.data for each in records(tmp_path / "run", "order_request")]
    assert target["algo"] == "twap" and {each["more"]["target"] for each in orders} == {target["id"]}
    assert records(tmp_path / "run", "log")[-1].data["fields"]["why"] == "done"


def test_equal_seeds_are_equal_runs_and_a_replayed_seed_is_another_schedule(tmp_path):
    tape = market(tmp_path / "t", 12 * MINUTE).done()
    runs = [play(wanting("twap", minutes=10), tape, seed=seed).action_hash for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


def test_join_rests_and_is_a_maker(tmp_path):
    made = Market(tmp_path / "t")
    for second in range(60):
        made.quote(second, 99.9, 100.1, 1, 1)
        made.trade(second + 0.5, 99.9, 2, "sell")
    robot = play(wanting("join"), made.done()).robot
    assert robot.position(BTC).qty == 1.0
    assert {(price, liquidity) for _, _, price, liquidity in robot.filled} == {(99.9, "maker")}


def test_join_goes_with_the_market_and_takes_what_is_left_at_the_deadline(tmp_path):
    made = Market(tmp_path / "t")
    for second in range(90):
        made.quote(second, 100 + second * 0.1, 100.2 + second * 0.1)
    robot = play(wanting("join", minutes=1), made.done(), journal=tmp_path / "run").robot
    assert [(round(time), price) for time, _, price, _ in robot.filled] == [(60, 106.1)]  # the touch as last quoted


def test_a_limit_leaves_it_unfinished_and_says_so(tmp_path):
    made = Market(tmp_path / "t")
    for second in range(90):
        made.quote(second, 100 + second * 0.1, 100.2 + second * 0.1)
    robot = play(wanting("twap", minutes=1, slippage="1%"), made.done(), journal=tmp_path / "run").robot
    assert 0 < robot.position(BTC).qty < 1
    assert max(price for _, _, price, _ in robot.filled) <= 101.2
    why = records(tmp_path / "run", "log")[-1].data
    assert why["level"] == "warning" and "limit" in why["fields"]["why"] and float(why["fields"]["missing"]) > 0


def test_pov_keeps_to_its_rate(tmp_path):
    tape = market(tmp_path / "t", 20 * MINUTE).done()
    robot = play(wanting("pov", qty=1000, participation=0.1), tape).robot
    traded = 0.1 * 20 * MINUTE
    assert robot.position(BTC).qty / traded == pytest.approx(0.1, abs=0.01)


def test_iceberg_never_shows_more_than_its_clip(tmp_path):
    made = Market(tmp_path / "t")
    for second in range(60):
        made.quote(second, 99.9, 100.1, 1, 1)
        made.trade(second + 0.5, 99.9, 2, "sell")
    robot = play(wanting("iceberg", clip=0.3, limit=99.9), made.done(), journal=tmp_path / "run").robot
    assert robot.position(BTC).qty == 1.0
    placed = [each.data for each in records(tmp_path / "run", "order_request")]
    assert max(each["size"] for each in placed) == 300 and len(placed) >= 4


def test_a_later_target_replaces_it_and_waits_for_what_works(tmp_path):
    class Twice(Wanting):
        def on_quote(self, quote):
            super().on_quote(quote)
            if self.now == START + 300 * SECOND:
                self.set_target(BTC, -0.2)

    tape = market(tmp_path / "t", 20 * MINUTE).done()
    kind = type("Twice", (Twice,), {"algo": "twap", "options": {"minutes": 15}})
    robot = play(kind, tape, latency=(0.3, 0.3)).robot
    assert robot.position(BTC).qty == -0.2
    assert not [time for time, *_ in robot.filled if time > 310]


@settings(max_examples=examples(25), deadline=None)
@given(
    algo=st.sampled_from(["touch", "join", "peg", "twap", "vwap", "pov", "iceberg", "shortfall"]),
    plan=st.lists(st.tuples(st.integers(0, 240), st.sampled_from([-2.0, -0.5, 0.0, 0.3, 1.0])), min_size=1, max_size=3),
    delay=st.sampled_from([0.0, 0.2, 3.0]),
    seed=st.integers(0, 10**6),
)
def test_a_target_is_never_passed(tmp_path_factory, algo, plan, delay, seed):
    """Whatever the algorithm, changed minds and delays: from each wish on, the position goes to it from where it was
    (what was on its way included) and is there at the end."""
    random.seed(seed)
    options = {"participation": 0.5} if algo == "pov" else {"clip": 0.2} if algo == "iceberg" else {}
    options |= {"minutes": 2}

    class Changing(Strategy):
        def on_start(self):
            self.subscribe(BTC, quotes=True)
            self.plan = sorted(plan)
            self.wanted, self.low, self.high = 0.0, 0.0, 0.0

        def on_quote(self, quote):
            while self.plan and START + self.plan[0][0] * SECOND <= self.now:
                self.wanted = self.plan.pop(0)[1]
                self.set_target(BTC, self.wanted, algo, **options)
                held = self.position(BTC).qty
                going = sum(o.remaining * (1 if o.side == "buy" else -1) for o in self.orders(BTC))
                self.low = min(held, held + going, self.wanted)
                self.high = max(held, held + going, self.wanted)

        def on_fill(self, fill):
            assert self.low - 1e-9 <= self.position(BTC).qty <= self.high + 1e-9

    folder = tmp_path_factory.mktemp("t")
    made = Market(folder / "t")
    for second in range(600):
        mid = 100 + random.choice([-0.1, 0, 0.1])
        made.quote(second, mid - 0.1, mid + 0.1, 3, 3)
        made.trade(second + 0.5, mid, 0.2, random.choice(["buy", "sell"]))
    played = play(Changing, made.done(), latency=(delay, delay))
    assert not played.host.failures, played.host.failures
    assert played.robot.position(BTC).qty == played.robot.wanted


def test_weights_are_reached_with_reductions_first(tmp_path):
    class Weights(Strategy):
        def on_start(self):
            self.subscribe(BTC, quotes=True)
            self.subscribe(ETH, quotes=True)
            self.round = 0
            self.filled = []

        def on_quote(self, quote):
            if quote.symbol == ETH and quote.ts_event % (60 * SECOND) == 0:
                self.round += 1
                first, second = (0.9, 0.05) if self.round % 2 else (0.05, 0.9)
                self.set_weights({BTC: first, ETH: second})

        def on_fill(self, fill):
            self.filled.append((fill.symbol, fill.side))

        def on_order(self, order):
            assert order.state != "DENIED", order

    made = Market(tmp_path / "t")
    made.add(ETH)
    for second in range(170):
        made.quote(second, 99.9, 100.1)
        made.quote(second, 49.9, 50.1, symbol=ETH)
    robot = play(Weights, made.done(), latency=(0.1, 0.1), cash={"USDT": Decimal(10000)}).robot
    assert robot.position(BTC).qty * 100 / robot.equity == pytest.approx(0.9, abs=0.01)
    assert robot.position(ETH).qty * 50 / robot.equity == pytest.approx(0.05, abs=0.01)
    assert robot.filled[2:4] == [(BTC, "sell"), (ETH, "buy")]
    assert robot.filled[4:6] == [(ETH, "sell"), (BTC, "buy")]


def test_a_band_leaves_what_is_near_enough(tmp_path):
    class Banded(Strategy):
        def on_start(self):
            self.subscribe(BTC, quotes=True)
            self.made = 0

        def on_quote(self, quote):
            self.set_weights({BTC: 0.5}, band=0.02)

        def on_fill(self, fill):
            self.made += 1

    made = Market(tmp_path / "t")
    for second in range(60):
        made.quote(second, 99.9 + second * 0.01 // 0.1 * 0.1, 100.1 + second * 0.01 // 0.1 * 0.1)
    assert play(Banded, made.done()).robot.made == 1


INVERSE = "bitmex:BTC/USD:BTC"


@pytest.mark.parametrize(
    ("cash", "held", "said"),
    [
        ({"BTC": 2, "USDT": 1000}, (100, 0), f"ValueError: USDT of {BTC} is no part of the equity: give of="),
        ({"USDT": 1000, "BTC": 2}, (5, 0.05), ""),
    ],
)
def test_weights_are_of_the_money_that_the_equity_is_in(tmp_path, cash, held, said):
    """An inverse contract of 100 USD at 10,000 is a hundredth of a coin; beside an equity of dollars, 100 of them."""
    made = Market(tmp_path / "t", INVERSE, multiplier="100", lot="1")
    made.add(BTC)
    for second in range(3):
        made.quote(second, 9999.9, 10_000.1, 1000, 1000).quote(second, 9999.9, 10_000.1, 1000, 1000, symbol=BTC)

    class Weighs(Strategy):
        def on_start(self):
            self.subscribe(INVERSE, quotes=True)
            self.subscribe(BTC, quotes=True)

        def on_quote(self, quote):
            if quote.symbol == BTC and not self.position(INVERSE).qty:
                self.set_weights({INVERSE: 0.5})
                self.set_weights({BTC: 0.5})

    played = play(Weighs, made.done(), cash=cash, on_error="continue")
    assert tuple(played.robot.position(symbol).qty for symbol in (INVERSE, BTC)) == held
    assert [each.error for each in played.host.failures] == [said] * bool(said)


@pytest.mark.parametrize(
    ("algo", "options", "said"),
    [
        ("twap", {}, "minutes="),
        ("sniper", {"minutes": 1}, "there are touch"),
        ("twap", {"minutes": -1}, "minutes is above 0"),
        ("join", {"colour": 1}, "no option 'colour'"),
        ("pov", {"participation": 2}, "participation"),
        ("iceberg", {"clip": 1e-9}, "less than one lot"),
        ("iceberg", {"clip": -1}, "clip is above 0, not -1"),
        ("join", {"limit": -1}, "limit is above 0, not -1"),
        ("twap", {"minutes": "five"}, "minutes is a number, not 'five'"),
        ("twap", {"minutes": 1e300}, "below 1,000,000"),
        ("twap", {"deadline": 1e30}, "less than 1,000,000"),
        ("twap", {"deadline": math.nan}, "deadline is a finite number, not nan"),
        ("join", {"limit": math.nan}, "limit is a finite number, not nan"),
        ("iceberg", {"clip": [1]}, "clip is a number, not [1]"),
        ("pov", {"participation": "lots"}, "participation is a number, not 'lots'"),
        ("shortfall", {"minutes": 1, "urgency": "high"}, "urgency is a number, not 'high'"),
    ],
)
def test_what_it_cannot_do_is_a_fault_of_the_program(tmp_path, algo, options, said):
    tape = market(tmp_path / "t", 10).done()
    played = play(wanting(algo, **options), tape, on_error="continue")
    assert said in played.host.failures[0].error
    assert __file__ in played.host.failures[0].location, "the line of the strategy"
    assert played.host.failures[0].error.startswith("StrategyError: ") and "error" not in played.host.failures[0].error


@pytest.mark.parametrize(
    ("algo", "options", "said"),
    [
        ("sniper", {"minutes": 1}, "there are touch"),
        ("twap", {}, "minutes="),
        ("join", {"colour": 1}, "no option 'colour'"),
        ("pov", {"participation": 2}, "participation"),
        ("twap", {"deadline": 1}, ""),  # it has passed, as it may where the target is reached
        ("join", {"slippage": "1%", "limit": 90}, ""),
    ],
)
def test_a_target_that_is_reached_is_held_to_the_same_words(tmp_path, algo, options, said):
    tape = market(tmp_path / "t", 10).done()
    failures = play(wanting(algo, 0, **options), tape, on_error="continue").host.failures
    assert bool(failures) == bool(said) and all(said in each.error for each in failures)


@pytest.mark.parametrize(
    ("weights", "more", "said"),
    [
        ({BTC: math.nan}, {}, f"the weight of {BTC} is a finite number, not nan"),
        ({BTC: "half"}, {}, f"the weight of {BTC} is a number, not 'half'"),
        ({BTC: 0.5}, {"of": math.nan}, "of is a finite number, not nan"),
        ({BTC: 0.5}, {"of": -5}, "`of` is an amount of money, not -5"),
        ({BTC: 0.5}, {"band": math.inf}, "band is a finite number, not inf"),
        ({BTC: 0.5}, {"band": -0.1}, "band is a share of the equity, 0 or more, not -0.1"),
    ],
)
def test_weights_that_are_none_are_refused_by_name_and_trade_nothing(tmp_path, weights, more, said):
    class Weighs(Wanting):
        def on_quote(self, quote):
            self.set_weights(weights, **more)

    played = play(Weighs, market(tmp_path / "t", 3).done(), on_error="continue")
    assert played.host.failures[0].error == f"ValueError: {said}" and not played.robot.filled


@pytest.mark.parametrize(
    ("lots", "left", "least", "sent"),
    [(15, 24, 9, 15), (15, 20, 9, 20), (3, 20, 9, 9), (3, 15, 9, 15), (3, 6, 9, 6), (1, 3, 1, 1), (5, 5, 9, 5)],
)
def test_no_rest_is_left_that_the_venue_would_not_take(lots, left, least, sent):
    assert sendable(lots, left, least) == sent


def test_a_rest_below_the_least_value_is_closed_and_one_that_cannot_be_ends_with_its_reason(tmp_path):
    made = Market(tmp_path / "t", notional_min="20")
    for second in range(60):
        made.quote(second, 99.9, 100.1, 5, 5)

    class Rests(Strategy):
        def on_start(self):
            self.subscribe(BTC, quotes=True)
            self.set_timer("go", every="10s")
            self.held = []

        def on_timer(self, name):
            self.held.append(self.position(BTC).qty)
            wanted = {1: 0.25, 2: 0.1, 3: 0.15, 4: 0}.get(len(self.held))
            if wanted is not None:
                self.set_target(BTC, wanted, algo="touch", slippage="1%")

    played = play(Rests, made.done(), journal=tmp_path / "run")
    assert played.robot.held[:5] == [0, 0.25, 0.1, 0.1, 0]
    (said,) = [each.data["fields"] for each in records(tmp_path / "run", "log") if each.data["fields"]["why"] != "done"]
    assert said["missing"] == "0.05" and said["why"].startswith("refused 1 times")


def test_in_hedge_mode_algorithms_work_each_side_for_itself(tmp_path):
    class Hedged(Wanting):
        def on_quote(self, quote):
            if self.is_sent:
                return
            self.is_sent = True
            self.set_target(BTC, 1, "twap", side="long", minutes=5)
            self.set_target(BTC, 2, "twap", side="short", minutes=2, clip=0.1)
            assert self.set_target(BTC, 1).code == 4308  # without a side

    played = play(Hedged, market(tmp_path / "t", 8 * MINUTE).done(), hedge=True, journal=tmp_path / "run")
    assert (played.robot.position(BTC, "long").qty, played.robot.position(BTC, "short").qty) == (1, -2)
    sides = played.robot.sides
    assert {*sides} == {("buy", "long"), ("sell", "short")} and len(sides) > 10
    said = [each.data["fields"]["why"] for each in records(tmp_path / "run", "log")]
    assert said == ["done", "done"]
    noted = [each.data["side"] for each in records(tmp_path / "run", "target")]
    assert noted == ["long", "short"]


def test_a_later_target_replaces_that_of_its_side_alone_and_close_ends_both(tmp_path):
    class Hedged(Wanting):
        def on_start(self):
            super().on_start()
            self.set_timer("go", every="1m")
            self.count, self.seen = 0, []

        def on_quote(self, quote):
            pass

        def on_timer(self, name):
            self.count += 1
            self.seen.append((self.position(BTC, "long").qty, self.position(BTC, "short").qty))
            if self.count == 1:
                for side in ("long", "short"):
                    self.set_target(BTC, 2, "twap", side=side, minutes=20)
            elif self.count == 3:
                self.set_target(BTC, 1, side="long")  # at once, in place of the algorithm
            elif self.count == 5:
                self.close(BTC)

    seen = play(Hedged, market(tmp_path / "t", 9 * MINUTE).done(), hedge=True).robot.seen
    (long, short), (later, working) = seen[3], seen[4]
    assert long == later == 1 and 0 > short > working > -2
    assert seen[5:] == [(0, 0)] * len(seen[5:]) and len(seen) > 6


def test_weights_of_a_side_are_reached_by_an_algorithm_too(tmp_path):
    class Weighs(Wanting):
        def on_quote(self, quote):
            if not self.is_sent:
                self.is_sent = True
                self.wanted = self.set_weights({BTC: 0.5}, algo="twap", side="short", minutes=3)

    robot = play(Weighs, market(tmp_path / "t", 5 * MINUTE).done(), hedge=True).robot
    assert robot.position(BTC, "short").qty == pytest.approx(robot.wanted[BTC]) and robot.wanted[BTC] < 0


@pytest.mark.parametrize("algo", ["touch", "twap"])
def test_a_target_that_is_a_step_but_for_a_floats_error_is_that_step(tmp_path, algo):
    options = {"minutes": 1} if algo == "twap" else {"slippage": "1%"}
    tape = market(tmp_path / "t", 90).done()
    assert play(wanting(algo, qty=0.3 - 0.1, **options), tape).robot.position(BTC).qty == 0.2


def test_clip_and_limit_that_are_steps_but_for_a_floats_error_are_those_steps(tmp_path):
    made = Market(tmp_path / "t")
    for second in range(60):
        made.quote(second, 99.9, 100, 1, 1)
    limit = 1.1 * 91
    assert limit > 100.1
    kind = wanting("iceberg", qty=-1, clip=0.3 - 0.1, limit=limit)
    play(kind, made.done(), journal=tmp_path / "run")
    placed = records(tmp_path / "run", "order_request")[0].data
    assert (placed["size"], placed["price"]) == (200, 1001)


def test_a_weight_that_is_whole_contracts_is_these(tmp_path):
    """A coin at 60,000 is 60,000 contracts of a dollar."""
    made = Market(tmp_path / "t", INVERSE, lot="1")
    for second in range(3):
        made.quote(second, 59_999.9, 60_000.1, 10**6, 10**6)

    class Weighs(Strategy):
        def on_start(self):
            self.subscribe(INVERSE, quotes=True)
            self.wanted = None

        def on_quote(self, quote):
            self.wanted = self.wanted or self.set_weights({INVERSE: 1.0})

    assert play(Weighs, made.done(), cash={"BTC": 1}, leverage=2).robot.wanted == {INVERSE: 60_000.0}
