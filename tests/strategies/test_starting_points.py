"""Strategies to start from: each keeps its rule on a market made for it."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np
import pytest
from test_examples import closes_tape, example, fills

from onetape.model.errors import OnetapeError
from worlds.tapes import BTC, ETH, SECOND, START, Market, play, records

SOL = "binance:SOL/USDT:USDT"
SPOT = "binance:BTC/USDT"


def sent(journal: Path) -> list[tuple[int, int]]:
    """(second, signed size in lots) of each order that was asked for."""
    rows = records(journal, "order_request")
    return [
        ((r.time - START) // SECOND, r.data["size"] if r.data["side"] == "buy" else -r.data["size"])
        for r in rows
        if r.data["kind"] == "place"
    ]


def quoted_closes(path: Path, closes: list[float]) -> Path:
    """A bar a minute, and behind it a quote that all buyers and sellers at its price meet."""
    market = Market(path)
    for minute, close in enumerate(closes, 1):
        market.bar(minute * 60, "1m", (close, close, close, close))
        market.quote(minute * 60 + 1, close - 0.1, close + 0.1)
        market.quote(minute * 60 + 20, close - 0.6, close - 0.4)  # what rests at the bid is met
        market.quote(minute * 60 + 40, close + 0.4, close + 0.6)  # and what rests at the offer
    return market.done()


# --- Trend


@pytest.mark.parametrize(
    ("moves", "orders"),
    [
        ([1.0101], ["buy"]),
        ([1.0099], []),
        ([0.985], []),  # a fall is no reason to go in
        ([1.0101, 0.9949], ["buy", "sell"]),
        ([1.0101, 0.9951], ["buy"]),
        ([1.0101, 1.02], ["buy"]),  # once
        ([1.0101, 0.9949, 1.0101], ["buy", "sell", "buy"]),
    ],
)
def test_trend_buys_after_one_percent_and_leaves_after_half_a_percent_down(tmp_path, moves, orders):
    closes = [1000.0, 1000.0]
    for move in moves:
        closes += [closes[-1] * move] * 2
    play(example("trend"), quoted_closes(tmp_path / "t", closes), journal=tmp_path / "run")
    assert [f["side"] for f in fills(tmp_path / "run")] == orders
    if orders:
        value = fills(tmp_path / "run")[0]["size"] / 1000 * closes[2]
        assert 990 <= value <= 1000  # whole lots


def test_trend_trades_with_its_defaults_at_a_price_of_today(tmp_path):
    """A value of 100 was less than the lot of 0.001 BTC above 100,000."""
    closes = [117_000.0, 117_000.0, 118_400.0, 118_400.0]
    play(example("trend"), quoted_closes(tmp_path / "t", closes), journal=tmp_path / "run")
    assert [f["side"] for f in fills(tmp_path / "run")] == ["buy"]


# --- EmaCross


def test_ema_cross_is_on_the_side_of_the_fast_mean(tmp_path):
    rng = np.random.default_rng(7)
    closes = [float(x) for x in (10_000 + rng.integers(-50, 51, 200).cumsum()) / 10]
    means, wanted, held = [closes[0], closes[0]], [], 0
    for minute, close in enumerate(closes, 1):
        means = [m + 2 / (n + 1) * (close - m) for m, n in zip(means, (5, 10), strict=True)]
        wish = 10 if means[0] > means[1] else -10 if means[0] < means[1] else held
        if minute >= 10 and wish != held:
            wanted.append((minute * 60, wish - held))
            held = wish
    tape = closes_tape(tmp_path / "t", closes)
    play(example("ema_cross"), tape, journal=tmp_path / "run", params={"period": "1m"})
    assert sent(tmp_path / "run") == wanted and len(wanted) > 5


def test_ema_cross_refuses_means_the_wrong_way_round(tmp_path):
    tape = closes_tape(tmp_path / "t", [100.0] * 3)
    with pytest.raises((ValueError, OnetapeError), match="fast=10 has to be less than slow=5"):
        play(example("ema_cross"), tape, params={"fast": 10, "slow": 5})


# --- Turtle


def test_turtle_adds_units_while_it_goes_and_leaves_at_the_short_range(tmp_path):
    closes = [1000.0 + (i % 2) for i in range(21)]  # a range of 1, and true ranges of 1
    closes += [1001.2, 1002.2, 1003.2, 1004.2, 1005.2, 1006.2]  # in, and more at each half range: four units
    closes += [1006.0] * 9 + [1001.0, 1001.0]
    params = {"period": "1m", "stop": 20.0, "risk": 0.0001}
    played = play(example("turtle"), quoted_closes(tmp_path / "t", closes), journal=tmp_path / "run", params=params)
    orders = sent(tmp_path / "run")
    steps = [size for _, size in orders]
    assert [second // 60 for second, _ in orders] == [22, 23, 24, 25, 37]
    assert all(step > 0 for step in steps[:-1]) and sum(steps) == 0
    mean = np.mean([1.0] * 19 + [1.2])
    assert steps[0] == int(0.0001 * 100_000 / mean * 1000)  # loses that share of the equity by a mean range
    assert played.robot.position(BTC).qty == 0


def test_turtle_leaves_at_its_stop_before_the_range_is_left(tmp_path):
    closes = [1000.0 + (i % 2) * 5 for i in range(21)] + [1005.5, 1000.0, 1002.0]
    params = {"period": "1m", "leave": 15, "stop": 1.0, "risk": 0.0001}
    play(example("turtle"), quoted_closes(tmp_path / "t", closes), journal=tmp_path / "run", params=params)
    assert [(second // 60, size > 0) for second, size in sent(tmp_path / "run")] == [(22, True), (23, False)]


# --- Momentum


def test_momentum_holds_the_best_against_the_worst_at_the_same_risk(tmp_path):
    rng = np.random.default_rng(2)
    market = Market(tmp_path / "t")
    for symbol in (ETH, SOL):
        market.add(symbol)
    moves = {BTC: (0.001, 0.002), ETH: (0.0, 0.002), SOL: (-0.002, 0.006)}
    prices = {symbol: [1000.0] for symbol in moves}
    for minute in range(1, 61):
        for symbol, (drift, deviation) in moves.items():
            prices[symbol].append(prices[symbol][-1] * math.exp(drift + deviation * rng.standard_normal()))
            price = round(prices[symbol][-1], 1)
            market.bar(minute * 60, "1m", (price, price, price, price), symbol=symbol)
            market.quote(minute * 60, price - 0.1, price + 0.1, 1000, 1000, symbol=symbol)
    for symbol in moves:
        market.quote(3601, prices[symbol][-1], prices[symbol][-1] + 0.1, 1000, 1000, symbol=symbol)
    params = {"symbols": [BTC, ETH, SOL], "period": "1m", "lookback": 50, "every": 60}
    played = play(example("momentum"), market.done(), params=params, journal=tmp_path / "run")
    held = {s: played.robot.position(s).qty * prices[s][-1] for s in prices}
    assert held[BTC] > 0 > held[SOL] and held[ETH] == 0
    assert held[BTC] - held[SOL] == pytest.approx(80_000, rel=0.01)
    deviations = {s: np.diff(np.log(np.round(prices[s][-51:], 1))).std() for s in prices}
    assert -held[BTC] / held[SOL] == pytest.approx(deviations[SOL] / deviations[BTC], rel=0.01)
    assert {second for second, _ in sent(tmp_path / "run")} == {3600}


# --- Carry


def carry_tape(path: Path) -> Path:
    market = Market(path)
    market.add(SPOT)
    for second in range(60):
        mid = 100 + (second % 3) / 10
        market.quote(second, mid - 0.05, mid + 0.05, 50, 50).quote(second, mid - 0.05, mid + 0.05, 50, 50, symbol=SPOT)
        if second in (5, 15):
            market.funding(second, "0.0003" if second == 5 else "0.0001")
        if second == 40:
            market.funding(second, "-0.0001")
    return market.done()


def test_carry_holds_both_legs_while_funding_pays_and_none_is_ahead(tmp_path):
    played = play(example("carry"), carry_tape(tmp_path / "t"), journal=tmp_path / "run", latency=(0.1, 0.1))
    legs, highest = {1: 0, 2: 0}, 0
    for fill in fills(tmp_path / "run"):
        legs[fill["stream"]] += fill["size"] if fill["side"] == "buy" else -fill["size"]
        assert abs(legs[1] + legs[2]) <= 2_500  # a slice of 250 at a price of 100, in lots of 0.001
        assert legs[1] <= 0 <= legs[2]
        highest = max(highest, legs[2])
    assert 9_000 < highest < 11_000
    assert played.robot.position(BTC).qty == played.robot.position(SPOT).qty == 0


def test_carry_stays_out_while_funding_does_not_pay(tmp_path):
    played = play(example("carry"), carry_tape(tmp_path / "t"), params={"enter": 0.001})
    assert played.loop.counters()["orders"] == 0


# --- Cointegrated


def pair_of(seed: int, *, tied: bool, bars: int = 600) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    b = np.log(50) + (0.001 * rng.standard_normal(bars)).cumsum()
    own = np.zeros(bars)
    for i in range(1, bars):
        own[i] = (0.9 if tied else 1.0) * own[i - 1] + 0.001 * rng.standard_normal()
    return np.exp(np.log(100) + 1.5 * (b - b[0]) + own), np.exp(b)


def pair_bars(path: Path, a: np.ndarray, b: np.ndarray) -> Path:
    market = Market(path, tick="0.001")
    market.add(ETH, tick="0.001")
    for minute, prices in enumerate(zip(a, b, strict=True), 1):
        for symbol, price in zip((BTC, ETH), prices, strict=True):
            market.bar(minute * 60, "1m", (price, price, price, price), symbol=symbol)
    return market.done()


def test_cointegrated_earns_by_a_rest_that_comes_back_and_holds_its_legs_against_each_other(tmp_path):
    tape = pair_bars(tmp_path / "t", *pair_of(1, tied=True))
    played = play(example("cointegrated"), tape, params={"period": "1m"}, journal=tmp_path / "run")
    legs, values = {1: 0, 2: 0}, []
    for fill in fills(tmp_path / "run"):
        legs[fill["stream"]] += fill["size"] if fill["side"] == "buy" else -fill["size"]
        values.append(dict(legs))
    both = [each for each in values if each[1] and each[2]]
    assert len(both) > 3 and all(each[1] * each[2] < 0 for each in both)
    assert played.equity > 100_000


def test_cointegrated_seldom_trades_two_prices_that_have_nothing_to_do_with_each_other(tmp_path):
    entries = []
    for seed in range(6):
        tape = pair_bars(tmp_path / f"t{seed}", *pair_of(seed, tied=False))
        played = play(example("cointegrated"), tape, params={"period": "1m"})
        entries.append(played.loop.counters()["orders"])
    assert sorted(entries)[3] <= 8  # half of them have two round trips or none


# --- AvellanedaStoikov


def as_tape(path: Path, seconds: int = 600, drift: int = 0) -> Path:
    rng = np.random.default_rng(4)
    market = Market(path)
    mid = 10_000 + (rng.integers(-2, 3, seconds) + drift).cumsum()
    for second in range(seconds):
        bid, ask = (mid[second] - 1) / 10, (mid[second] + 1) / 10
        market.quote(second, bid, ask, 5, 5)
        side = "buy" if rng.random() < 0.5 else "sell"
        reach = int(rng.integers(0, 4))
        market.trade(second + 0.5, ask + reach / 10 if side == "buy" else bid - reach / 10, 0.1, side)
    return market.done()


def test_avellaneda_stoikov_quotes_both_sides_and_leans_away_from_what_it_holds(tmp_path):
    cls = example("avellaneda_stoikov")
    leans: list[tuple[int, float]] = []

    class Watched(cls):
        def set_quotes(self, symbol, bids, asks, *, keep_within=0):
            if bids and asks:
                held = round(self.position(symbol).qty / self.size)
                leans.append((held, (bids[0][0] + asks[0][0]) / 2 / self.tick - self.mid))
                assert bids[0][0] < asks[0][0]
            super().set_quotes(symbol, bids, asks, keep_within=keep_within)

    played = play(Watched, as_tape(tmp_path / "t"), journal=tmp_path / "run", params={"risk": 0.02, "keep_within": 1})
    by_held = {held: np.mean([lean for at, lean in leans if at == held]) for held in {held for held, _ in leans}}
    means = [by_held[held] for held in sorted(by_held)]
    assert len(means) > 2 and all(later < before for before, later in pairwise(means))
    held = np.cumsum([f["size"] if f["side"] == "buy" else -f["size"] for f in fills(tmp_path / "run")])
    assert len(held) > 20 and abs(held).max() <= 5 * 10
    assert played.robot.reach > 1


def test_avellaneda_stoikov_never_holds_more_than_it_may_while_the_market_runs_away(tmp_path):
    tape, params = as_tape(tmp_path / "t", drift=-2), {"keep_within": 1}
    play(example("avellaneda_stoikov"), tape, journal=tmp_path / "run", latency=(0.3, 0.3), params=params)
    held = np.cumsum([f["size"] if f["side"] == "buy" else -f["size"] for f in fills(tmp_path / "run")])
    assert 0 < abs(held).max() <= 6 * 10  # one quote may be on its way while another fills


# --- Imbalance


def test_imbalance_is_on_the_heavier_side_and_flat_without_one(tmp_path):
    market = Market(tmp_path / "t")
    for second in range(40):
        bid, ask = (9, 1) if second < 10 else (5, 5) if second < 20 else (1, 9) if second < 30 else (3, 3)
        market.book(second + 0.1, [(99.9, bid), (99.8, bid)], [(100.1, ask), (100.2, ask)])
        market.quote(second + 0.2, 99.9, 100.1, bid, ask)
    play(example("imbalance"), market.done(), journal=tmp_path / "run")
    assert sent(tmp_path / "run") == [(1, 10), (11, -10), (21, -10), (31, 10)]


# --- TrailingBreakout


def test_trailing_breakout_goes_with_the_break_and_leaves_behind_the_best_price(tmp_path):
    closes = [1000.0 + i % 2 for i in range(21)] + [1005.0, 1020.0, 1040.0, 1035.0, 1028.0]
    market = Market(tmp_path / "t")
    for minute, close in enumerate(closes, 1):
        market.quote(minute * 60 - 2, close - 0.1, close + 0.1).trade(minute * 60 - 1, close, 0.01)
        market.bar(minute * 60, "1m", (close, close, close, close)).trade(minute * 60 + 1, close, 0.01)
    tape = market.done()
    played = play(example("trailing_breakout"), tape, journal=tmp_path / "run", params={"trail": "1%"})
    made = fills(tmp_path / "run")
    assert [f["side"] for f in made] == ["buy", "sell"]
    assert made[0]["price"] == pytest.approx(10_051, abs=2)
    assert made[1]["price"] == pytest.approx(10_279, abs=2)  # the first price 1 % below the best, 1040
    assert played.robot.position(BTC).qty == 0


# --- around announcements, and with an index that is no market


def with_events(path: Path, *events: tuple[float, dict]) -> Path:
    """A market that rises out of every range it had, a bar a minute, with events at some seconds."""
    market = Market(path)
    pending = sorted(events, key=lambda each: each[0])
    for minute in range(1, 31):
        close = 1000.0 + 10 * minute
        while pending and pending[0][0] < minute * 60:
            at, record = pending.pop(0)
            market.raw("external", msgspec.msgpack.encode(record), at)
        market.bar(minute * 60, "1m", (close, close, close, close))
        market.quote(minute * 60 + 1, close - 0.1, close + 0.1)
        market.quote(minute * 60 + 30, close - 0.1, close + 0.1)
    return market.done()


def announced(minute: float, impact: str = "high") -> dict:
    at = START + int(minute * 60) * SECOND
    return {"type": "cpi", "topic": "us", "ts_event": at, "data": {"impact": impact}}


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([], [("in", 4)]),
        ([(600, announced(20, impact="low"))], [("in", 4)]),
        ([(600, announced(20))], [("in", 4), ("out", 15), ("in", 30)]),  # 5 minutes before until 10 after
        ([(1260, announced(20))], [("in", 4), ("out", 21), ("in", 30)]),  # it is known too late: at once
        ([(60, announced(5))], [("in", 15)]),  # nothing was held
    ],
)
def test_news_pause_is_flat_around_announcements_of_weight(tmp_path, events, expected):
    play(example("news_pause"), with_events(tmp_path / "t", *events), params={"range": 3}, journal=tmp_path / "run")
    assert [("in" if size > 0 else "out", second // 60) for second, size in sent(tmp_path / "run")] == expected


def test_dollar_index_holds_while_the_dollar_is_weak(tmp_path):
    values = [100.0] * 4 + [99.0, 99.0, 101.0, "n/a", 90.0]
    events = [
        (60 * n + 30, {"type": "dxy", "topic": "dxy", "ts_event": 0, "data": {"value": v}})
        for n, v in enumerate(values)
    ]
    other = (90, {"type": "gold", "topic": "gold", "ts_event": 0, "data": {"value": 1.0}})
    path = with_events(tmp_path / "t", *events, other)
    play(example("dollar_index"), path, params={"mean": 4}, journal=tmp_path / "run")
    assert [("in" if size > 0 else "out", second // 60) for second, size in sent(tmp_path / "run")] == [
        ("in", 4),
        ("out", 6),
        ("in", 8),
    ]
