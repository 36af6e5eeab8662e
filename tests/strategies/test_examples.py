"""The worked examples: what each promises, on small tapes."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from long_form import examples
from onetape.engine.loader import load_strategy
from onetape.tape.journal import JournalReader
from worlds.tapes import BTC, ETH, SECOND, START, Market, play, records

FOLDER = Path(__file__).resolve().parents[2] / "strategies"
NAMES = {
    "avellaneda_stoikov": "AvellanedaStoikov",
    "breakout": "Breakout",
    "carry": "Carry",
    "cointegrated": "Cointegrated",
    "cross": "Cross",
    "cross_venue": "CrossVenue",
    "dollar_index": "DollarIndex",
    "ema_cross": "EmaCross",
    "grid": "Grid",
    "imbalance": "Imbalance",
    "market_maker": "MarketMaker",
    "momentum": "Momentum",
    "news_pause": "NewsPause",
    "pair": "Pair",
    "pair_arbitrage": "PairArbitrage",
    "random_walk": "RandomTrader",
    "trailing_breakout": "TrailingBreakout",
    "trend": "Trend",
    "turtle": "Turtle",
}


def example(name: str):
    return load_strategy(f"{FOLDER / name}.py:{NAMES[name]}")


def fills(journal: Path) -> list[dict]:
    return [r.data | {"time": r.time, "stream": r.stream} for r in records(journal, "fill")]


def test_every_example_is_tested_and_below_sixty_lines():
    found = {path.stem: path for path in FOLDER.glob("*.py") if path.stem != "__init__"}
    assert found.keys() == NAMES.keys()
    for path in found.values():
        assert len(path.read_text().splitlines()) < 60, path


# --- Cross


def closes_tape(path: Path, closes: list[float]) -> Path:
    market = Market(path)
    for minute, close in enumerate(closes, 1):
        market.bar(minute * 60, "1m", (close, close, close, close))
    return market.done()


def test_cross_holds_while_the_fast_mean_is_above_the_slow_one(tmp_path):
    rng = np.random.default_rng(3)
    closes = [float(x) for x in (1000 + rng.integers(-50, 51, 120).cumsum()) / 10]
    wanted, held = [], 0
    for end in range(30, len(closes) + 1):
        window = np.array(closes[end - 30 : end])
        wish = 10 if window[-10:].mean() > window.mean() else 0
        if wish != held:
            wanted.append((end * 60, "buy" if wish else "sell"))
            held = wish
    play(example("cross"), closes_tape(tmp_path / "t", closes), journal=tmp_path / "run", params={"symbol": BTC})
    sent = [((r.time - START) // SECOND, r.data["side"]) for r in records(tmp_path / "run", "order_request")]
    assert sent == wanted and len(sent) > 3


def test_cross_does_nothing_before_it_has_all_its_bars(tmp_path):
    played = play(example("cross"), closes_tape(tmp_path / "t", [100.0 + i for i in range(29)]))
    assert played.loop.counters()["orders"] == 0


# --- Breakout


def test_breakout_goes_with_a_close_outside_the_range_of_the_bars_before(tmp_path):
    rng = np.random.default_rng(5)
    closes = [float(x) for x in (1000 + rng.integers(-30, 31, 150).cumsum()) / 10]
    wanted, held = [], 0
    for end in range(21, len(closes) + 1):
        before, close = closes[end - 21 : end - 1], closes[end - 1]
        wish = 10 if close > max(before) else -10 if close < min(before) else held
        if wish != held:
            wanted.append((end * 60, wish - held))
            held = wish
    play(example("breakout"), closes_tape(tmp_path / "t", closes), journal=tmp_path / "run", params={"symbol": BTC})
    sent = [
        ((r.time - START) // SECOND, r.data["size"] if r.data["side"] == "buy" else -r.data["size"])
        for r in records(tmp_path / "run", "order_request")
    ]
    assert sent == wanted and len(sent) > 2


# --- RandomTrader


def wide_market(path: Path, seconds: int = 600) -> Path:
    rng = np.random.default_rng(5)
    market = Market(path)
    mid = 1000 + rng.integers(-3, 4, seconds).cumsum()
    for second in range(seconds):
        market.quote(second, (mid[second] - 1) / 10, (mid[second] + 1) / 10)
    return market.done()


def test_random_trader_repeats_itself_with_its_seed_and_not_with_another(tmp_path):
    tape = wide_market(tmp_path / "t")
    hashes = [play(example("random_walk"), tape, seed=seed).action_hash for seed in (1, 1, 2)]
    assert hashes[0] == hashes[1] != hashes[2]


def test_random_trader_goes_long_and_short_and_never_beyond_its_size(tmp_path):
    play(example("random_walk"), wide_market(tmp_path / "t"), journal=tmp_path / "run", latency=(0.4, 0.4))
    positions = np.cumsum([f["size"] if f["side"] == "buy" else -f["size"] for f in fills(tmp_path / "run")])
    assert positions.max() == 10 and positions.min() == -10


# --- Grid


def test_grid_places_its_levels_around_the_first_mid(tmp_path):
    tape = Market(tmp_path / "t").quote(0, 99.9, 100.1).quote(1, 99.9, 100.1).done()
    played = play(example("grid"), tape, params={"step": 0.01, "levels": 2})
    working = sorted((o.side, o.price) for o in played.robot.orders(BTC))
    assert working == [("buy", 98.0), ("buy", 99.0), ("sell", 101.0), ("sell", 102.0)]


def test_grid_earns_one_step_for_each_round_trip(tmp_path):
    market = Market(tmp_path / "t").quote(0, 99.9, 100.1)
    at = 1
    for _ in range(3):  # down through the bid at 99, up through the ask that answers it at 100
        for bid in (98.8, 100.2):
            market.quote(at, bid, bid + 0.2).quote(at + 1, 99.4, 99.6)
            at += 2
    played = play(
        example("grid"), market.done(), journal=tmp_path / "run", params={"step": 0.01, "levels": 2, "size": 1.0}
    )
    assert played.robot.position(BTC).qty == 0
    assert played.equity - 100_000 == Decimal(3)


def test_grid_never_holds_more_than_its_levels(tmp_path):
    market = Market(tmp_path / "t").quote(0, 99.9, 100.1)
    for second in range(1, 60):
        market.quote(second, 99.9 - second, 100.1 - second)
    played = play(example("grid"), market.done(), params={"step": 0.01, "levels": 3, "size": 1.0})
    assert played.robot.position(BTC).qty == 3.0


# --- Pair


def pair_tape(path: Path) -> Path:
    """The ratio lies still, leaves upwards, and comes back."""
    market = Market(path)
    market.add(ETH)
    for second in range(200):
        shift = 20 if 80 <= second < 120 else 0
        btc = 1000 + shift + second % 2
        market.quote(second, (btc - 1) / 10, (btc + 1) / 10)
        market.quote(second, 49.9, 50.1, symbol=ETH)
    return market.done()


def test_pair_enters_both_legs_against_each_other_and_leaves_both(tmp_path):
    played = play(example("pair"), pair_tape(tmp_path / "t"), journal=tmp_path / "run")
    legs = {1: 0.0, 2: 0.0}
    highest = 0.0
    with JournalReader(tmp_path / "run") as reader:
        for record in reader:
            if record.type != "fill":
                continue
            sign = 1 if record.data["side"] == "buy" else -1
            legs[record.stream] += sign * record.data["size"] * record.data["price"] / 10_000
            highest = max(highest, abs(legs[1]))
            assert abs(legs[1] + legs[2]) <= 250 * 1.2, legs
    assert 900 < highest < 1100
    assert played.robot.position(BTC).qty == played.robot.position(ETH).qty == 0


def test_pair_profit_is_the_sum_of_its_legs(tmp_path):
    played = play(example("pair"), pair_tape(tmp_path / "t"), journal=tmp_path / "run")
    cash = {1: Decimal(0), 2: Decimal(0)}
    for fill in fills(tmp_path / "run"):
        value = Decimal(fill["price"]) * fill["size"] / 10_000
        cash[fill["stream"]] += value if fill["side"] == "sell" else -value
    assert played.equity - 100_000 == cash[1] + cash[2] != 0


@st.composite
def pair_days(draw):
    """Two books that move apart, jump, and show so little that orders are filled in part."""
    steps = draw(
        st.lists(
            st.tuples(
                st.integers(-8, 8),
                st.integers(-4, 4),
                st.sampled_from([0.1, 0.4, 2.0, 50.0]),
                st.sampled_from([0.3, 3.0, 50.0]),
            ),
            min_size=30,
            max_size=120,
        )
    )
    return steps, draw(st.sampled_from([0.0, 0.05, 0.3, 1.7]))


@settings(max_examples=examples(40), deadline=None)
@given(pair_days())
def test_legs_of_a_pair_stay_within_a_slice_and_its_profit_is_theirs(tmp_path_factory, day):
    steps, latency = day
    folder = tmp_path_factory.mktemp("pair")
    market = Market(folder / "t")
    market.add(ETH)
    a, b = 1000, 500  # in tenths
    for number, (move_a, move_b, size_a, size_b) in enumerate(steps):
        a, b = min(max(a + move_a, 950), 1050), min(max(b + move_b, 475), 525)
        at = number * 0.5
        market.quote(at, (a - 1) / 10, (a + 1) / 10, size_a, size_a)
        market.quote(at, (b - 1) / 10, (b + 1) / 10, size_b, size_b, symbol=ETH)
    played = play(
        example("pair"),
        market.done(),
        journal=folder / "run",
        latency=(latency, latency),
        params={"window": 5, "enter": 0.5, "every": "1s", "leave": 0.2},
    )
    legs = {1: 0, 2: 0}
    cash = {1: Decimal(0), 2: Decimal(0)}
    last = {1: 0, 2: 0}
    for fill in fills(folder / "run"):
        stream, sign = fill["stream"], 1 if fill["side"] == "buy" else -1
        legs[stream] += sign * fill["size"]
        cash[stream] -= sign * Decimal(fill["price"]) * fill["size"] / 10_000
        last[stream] = fill["price"]
        value = {leg: legs[leg] * last[leg] / 10_000 for leg in legs}
        # A slice, and what 1,000 a leg gains on the other while prices wander over their 10 %.
        assert abs(value[1] + value[2]) <= 250 + 0.21 * 1000
        assert max(abs(value[1]), abs(value[2])) <= 1000 * 1.12 + 10
    mids = {1: Decimal(a) / 10, 2: Decimal(b) / 10}
    total = sum(cash[leg] + Decimal(legs[leg]) / 1000 * mids[leg] for leg in legs)
    assert played.equity - 100_000 == total


@pytest.mark.parametrize("latency", [0.0, 0.3])
def test_a_leg_that_cannot_be_filled_leaves_the_pair_one_slice_apart_at_most(tmp_path, latency):
    market = Market(tmp_path / "t")
    market.add(ETH, size_max="0.001")  # the venue refuses every order of this leg
    for second in range(100):
        btc = 1000 + (20 if second >= 80 else 0) + second % 2
        market.quote(second, (btc - 1) / 10, (btc + 1) / 10)
        market.quote(second, 49.9, 50.1, symbol=ETH)
    played = play(example("pair"), market.done(), latency=(latency, latency))
    assert played.robot.position(ETH).qty == 0
    assert 0 < abs(played.robot.position(BTC).qty * 102) <= 260
