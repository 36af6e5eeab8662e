"""The flow `random-walk`: its moments, the book's rules for who trades in it, one tape a seed."""

from __future__ import annotations

import hashlib
import itertools
import statistics
import struct
from pathlib import Path
from typing import Any

import pytest
from test_flow import BOOK, MARK, PAYLOAD, QUOTE, SECOND, SYMBOL, TRADE, digest, fields

from onetape.data.sample import write_sample
from onetape.exchange.flow import FlowEvent, GeneratedMarket, RandomWalk, flow_market, flow_of
from onetape.model.errors import UsageError

MINE, OTHER = 1, 2
ORDER_UNKNOWN = 4104


def market_of(*, seed: int = 1, **walk: Any) -> GeneratedMarket:
    return GeneratedMarket([flow_market(SYMBOL)], seed=seed, walk=RandomWalk(**walk))


def take(market: GeneratedMarket, seconds: int) -> list[FlowEvent]:
    return list(market.events(market.start + seconds * SECOND))


# --- the walk


def test_a_seed_is_a_market() -> None:
    """The golden digest stands for every platform."""
    assert digest(take(market_of(seed=7), 2000)) == GOLDEN
    assert digest(take(market_of(seed=8), 2000)) != GOLDEN
    assert digest(take(market_of(seed=7, drift=0.5), 2000)) != GOLDEN


GOLDEN = "4f7a2362ce9aa18c3794da2fdd4d715e3e6051338b50fbc7b87565e7805b65c4"


def whole_part(drift: float, deviation: float) -> tuple[float, float]:
    """Mean and mean square of int(N(drift, deviation)), from the normal's own distribution."""
    normal = statistics.NormalDist(drift, deviation)
    tails = [(k, 1 - normal.cdf(k), normal.cdf(-k)) for k in range(1, 80)]
    mean = sum(above - below for _, above, below in tails)
    return mean, sum((2 * k - 1) * (above + below) for k, above, below in tails)


@pytest.mark.parametrize(("drift", "deviation"), [(0.501, 4.0), (0.0, 4.0), (-3.0, 1.0)])
def test_a_step_is_the_whole_part_of_a_normal(drift: float, deviation: float) -> None:
    events = take(market_of(drift=drift, deviation=deviation), 20_000)
    marks = [fields(e)[2] for e in events if e.type == MARK]
    moves = [b - a for a, b in itertools.pairwise(marks)]
    assert len(moves) > 19_000
    mean, square = whole_part(drift, deviation)
    assert abs(statistics.mean(moves) - mean) < 4 * deviation / len(moves) ** 0.5
    assert statistics.fmean(move**2 for move in moves) == pytest.approx(square, rel=0.03)


def test_prints_come_with_their_probability_at_their_distance_and_of_their_size() -> None:
    events = take(market_of(deviation=0.0, drift=0.0), 20_000)
    start = int(flow_market(SYMBOL).price * 10)
    prints = [fields(e) for e in events if e.type == TRADE]
    assert abs(len(prints) / 20_000 - 0.2) < 0.01
    size = flow_market(SYMBOL).size
    assert {p[3] for p in prints} == {int(size * 1000)}
    distance = [p[2] - start for p in prints]
    assert abs(statistics.mean(distance)) < 0.4
    _, square = whole_part(0.0, 6.0)
    # A distance of nothing is a print at the touch, a tick away.
    square += 1 - 2 * statistics.NormalDist(0, 6).cdf(-1)
    assert statistics.fmean(d**2 for d in distance) == pytest.approx(square, rel=0.05)
    assert all((d > 0) == (p[6] == 1) for d, p in zip(distance, prints, strict=True))


def test_the_book_is_never_crossed_or_empty_and_depth_adds_up() -> None:
    sides: tuple[dict[int, int], dict[int, int]] = ({}, {})
    compared = 0
    for event in take(market_of(deviation=30.0), 3000):
        if event.type == BOOK:
            *_, bids, _ = fields(event)
            if event.flags & 1:
                sides = ({}, {})
            levels = struct.iter_unpack("<2q", event.payload[PAYLOAD[BOOK].size :])
            for place, (price, size) in enumerate(levels):
                side = sides[0 if place < bids else 1]
                if size:
                    side[price] = size
                else:
                    del side[price]
            assert sides[0] and sides[1]
            assert max(sides[0]) < min(sides[1])
        elif event.type == QUOTE:
            _, _, bid, ask, *_ = fields(event)
            assert (bid, ask) == (max(sides[0]), min(sides[1]))
            compared += 1
    assert compared > 3000


def test_a_walk_that_falls_stays_above_nothing() -> None:
    events = take(market_of(drift=-1e6, deviation=0.0), 20)
    assert min(fields(e)[2] for e in events if e.type == QUOTE) > 0


# --- who trades in it


class Desk:
    """Outside participants of a walk that stands still and prints on its own only when told."""

    def __init__(self, **walk: Any) -> None:
        self.market = market_of(**{"drift": 0.0, "deviation": 0.0, "trade_probability": 0.0} | walk)
        self.events = take(self.market, 1)
        self.bid, self.ask = [fields(e)[2:4] for e in self.events if e.type == QUOTE][-1]
        self.size = int(flow_market(SYMBOL).size * 1000)

    def send(self, order_id: int, owner: int = MINE, **request: Any) -> list[Any]:
        return self.market.core.request(0, owner, self.market.next_time, order_id=order_id, **request)

    def run(self, seconds: int) -> tuple[list[FlowEvent], list[Any]]:
        until = self.market.next_time + seconds * SECOND
        return list(self.market.events(until)), self.market.core.news()


def fills(said: list[Any], owner: int = MINE) -> list[tuple[int, int, str]]:
    return [(s["price"], s["size"], s["liquidity"]) for s in said if s["event"] == "fill" and s["owner"] == owner]


def news(said: list[Any]) -> list[tuple[str, int]]:
    return [(s["news"], s["code"]) for s in said if s["event"] == "order"]


def test_a_marketable_order_trades_on_entry_at_the_resting_prices() -> None:
    desk = Desk(depth_size=2)
    said = desk.send(1, side="buy", price=desk.ask + 10, size=desk.size * 5)
    level = desk.size * 2
    assert fills(said) == [
        (desk.ask, level, "taker"),
        (desk.ask + 1, level, "taker"),
        (desk.ask + 2, desk.size, "taker"),
    ]
    seen, _ = desk.run(1)
    assert [fields(e)[2] for e in seen if e.type == TRADE] == [desk.ask, desk.ask + 1, desk.ask + 2]


def test_what_an_order_leaves_over_rests_and_is_never_left_crossed() -> None:
    desk = Desk(levels=1, depth_size=1)
    said = desk.send(1, side="buy", price=desk.ask, size=desk.size * 3)
    assert fills(said) == [(desk.ask, desk.size, "taker")]
    # At the next step the house asks there again: it meets what rests and is the taker.
    seen, said = desk.run(3)
    assert fills(said)[:2] == [(desk.ask, desk.size, "maker")] * 2
    for event in seen:
        if event.type == QUOTE:
            _, _, bid, ask, *_ = fields(event)
            assert bid < ask


def test_the_better_price_then_the_earlier_order_trades() -> None:
    desk = Desk()
    desk.send(1, MINE, side="sell", price=desk.ask - 1, size=desk.size)
    desk.send(2, OTHER, side="sell", price=desk.ask - 1, size=desk.size)
    said = desk.send(3, 3, side="buy", type="market", tif="IOC", size=desk.size * 2 + 10)
    trades = [(s["owner"], s["price"]) for s in said if s["event"] == "fill" and s["owner"] != 3]
    assert trades == [(MINE, desk.ask - 1), (OTHER, desk.ask - 1)]
    assert fills(said, 3)[-1] == (desk.ask, 10, "taker")


def test_an_order_is_filled_in_parts_that_add_up() -> None:
    desk = Desk(trade_probability=1.0, offset_deviation=0.0)
    lot = desk.size
    desk.send(1, side="sell", price=desk.ask - 1, size=lot * 3 + 10)
    _, said = desk.run(40)
    parts = [size for _, size, _ in fills(said)]
    assert parts == [lot, lot, lot, 10]


def test_a_print_reaches_what_rests_on_its_way_at_its_own_price() -> None:
    desk = Desk(trade_probability=1.0, offset_deviation=6.0)
    far = desk.ask + 8  # behind eight levels of the house, which makes way
    desk.send(1, side="sell", price=far, size=desk.size)
    seen, said = desk.run(300)
    assert fills(said) == [(far, desk.size, "maker")]
    assert far in [fields(e)[2] for e in seen if e.type == TRADE]


def test_a_walk_that_passes_an_order_hits_it_at_its_price() -> None:
    desk = Desk(drift=5.0, deviation=0.0)
    price = desk.ask + 30
    desk.send(1, side="sell", price=price, size=desk.size)
    _, said = desk.run(30)
    assert fills(said) == [(price, desk.size, "maker")]


@pytest.mark.parametrize("filled", ["on entry", "at rest", "never there"])
def test_a_cancel_of_what_is_not_there_is_unknown(filled: str) -> None:
    desk = Desk(drift=5.0)
    if filled == "on entry":
        desk.send(1, side="buy", price=desk.ask, size=desk.size)
    elif filled == "at rest":
        desk.send(1, side="sell", price=desk.ask + 20, size=desk.size)
        _, said = desk.run(30)
        assert len(fills(said)) == 1
    said = desk.send(1, kind="cancel")
    assert news(said) == [("cancel_rejected", ORDER_UNKNOWN)]


def test_a_cancel_of_what_rests_says_so_and_another_does_not_know_it() -> None:
    desk = Desk()
    desk.send(1, side="buy", price=desk.bid - 3, size=desk.size)
    assert news(desk.send(1, kind="cancel")) == [("canceled", 0)]
    assert news(desk.send(1, kind="cancel")) == [("cancel_rejected", ORDER_UNKNOWN)]


# --- the sample


def test_a_sample_of_the_walk_is_equal_for_a_seed(tmp_path: Path) -> None:
    def tape(name: str, **options: Any) -> str:
        made = write_sample(tmp_path / name, events=5000, flow="random-walk", **options)
        assert made.events == sum(made.by_type.values()) == 5000
        files = sorted(Path(made.tape).glob("*.tape"))
        return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()

    assert tape("a", seed=3) == tape("b", seed=3)
    assert tape("c", seed=3) != tape("d", seed=4)
    assert tape("e", seed=3) != tape("f", seed=3, flow_params={"deviation": "5"})


@pytest.mark.parametrize(
    ("flow", "value", "said"),
    [
        ("walk", {}, "unknown flow 'walk'"),
        ("crowd", {"drift": "1"}, "has no parameters"),
        ("random-walk", {"speed": "1"}, "no parameter 'speed'"),
        ("random-walk", {"drift": "fast"}, "drift of the random walk is a number"),
        ("random-walk", {"size": "1.5"}, "size of the random walk is a whole number"),
        ("random-walk", {"deviation": "nan"}, "deviation nan"),
        ("random-walk", {"deviation": "-1"}, "deviation -1.0"),
        ("random-walk", {"drift": "inf"}, "drift inf"),
        ("random-walk", {"trade_probability": "1.01"}, "not between 0 and 1"),
        ("random-walk", {"levels": "51"}, "not between 1 and 50"),
        ("random-walk", {"size": "0"}, "not between 1 and 1e+06"),
        ("random-walk", {"step": "0s"}, "step 0"),
        ("random-walk", {"step": "5"}, "not a duration"),
    ],
)
def test_what_cannot_be_meant_is_refused(flow: str, value: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        flow_of(flow, value)
    assert said in str(caught.value)


def test_parameters_are_named() -> None:
    walk = flow_of("random-walk", {"drift": "0", "step": "250ms", "levels": "3"})
    assert walk == RandomWalk(drift=0.0, step=SECOND // 4, levels=3)
    assert flow_of("crowd", {}) is None
