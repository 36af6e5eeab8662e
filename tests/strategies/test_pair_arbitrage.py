"""The pair arbitrage: in both legs or in none, one slice apart at most, whatever fails."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from long_form import examples
from onetape.engine.loader import load_strategy
from onetape.tape.journal import JournalReader
from worlds.tapes import Market, play, records

FILE = Path(__file__).resolve().parents[2] / "strategies" / "pair_arbitrage.py"
KRAKEN = "kraken:BTC/USD:USD"
CASH = {"binance": {"USDT": Decimal(1000)}, "kraken": {"USD": Decimal(1000)}}
PARAMS = {"size": 0.05, "slice": 0.01, "edge": 0.0005}
FEE = "0.0005"


def example():
    return load_strategy(f"{FILE}:PairArbitrage")


def books(path: Path, rows, **kraken) -> Path:
    """(second, price at binance, price at kraken, size there); a tick between bid and ask."""
    market = Market(path, taker_fee=FEE, maker_fee=FEE)
    market.add(KRAKEN, taker_fee=FEE, maker_fee=FEE, **kraken)
    for at, a, b, size in rows:
        market.quote(at, a - 0.1, a, size, size)
        market.quote(at, b - 0.1, b, size, size, symbol=KRAKEN)
    return market.done()


def there_and_back(count=20):
    """The second book is dearer for a while."""
    return [(n, 100.0, 102.0 if 3 <= n < count - 8 else 100.0, 1000) for n in range(count)]


def legs(journal: Path) -> list[tuple[int, int]]:
    """Both positions after each fill, in units of 0.001."""
    held, found = {1: 0, 2: 0}, []
    with JournalReader(journal) as reader:
        for record in reader:
            if record.type == "fill":
                sign = 1 if record.data["side"] == "buy" else -1
                held[record.stream] += sign * record.data["size"]
                found.append((held[1], held[2]))
    return found


def played(tmp_path: Path, rows, *, latency=0.0, kraken=None, **params):
    return play(
        example(),
        books(tmp_path / "t", rows, **(kraken or {})),
        journal=tmp_path / "run",
        latency=(latency, latency),
        params={**PARAMS, **params},
        accounts=CASH,
        fee=None,
    )


def test_it_enters_both_legs_in_slices_and_leaves_both(tmp_path):
    run = played(tmp_path, there_and_back())
    found = legs(tmp_path / "run")
    assert max(a for a, _ in found) == 50 and min(b for _, b in found) == -50
    assert found[-1] == (0, 0)
    assert max(abs(a + b) for a, b in found) == 10
    assert run.loop.counters()["rejected"] == run.loop.counters()["denied"] == 0


def test_its_profit_is_the_sum_of_its_legs_with_fees(tmp_path):
    run = played(tmp_path, there_and_back())
    cash = {1: Decimal(0), 2: Decimal(0)}
    with JournalReader(tmp_path / "run") as reader:
        for record in reader:
            if record.type != "fill":
                continue
            value = Decimal(record.data["price"]) * record.data["size"] / 10_000
            cash[record.stream] += value if record.data["side"] == "sell" else -value
            cash[record.stream] -= Decimal(record.data["fee"]) / 10**18
    for leg, made in zip(run.robot.legs, cash.values(), strict=True):
        assert leg.profit(leg.symbol) == pytest.approx(float(made))
    assert sum(cash.values()) > 0
    parts = sum(leg.profit(leg.symbol) for leg in run.robot.legs)
    assert parts == pytest.approx(float(run.equity) - 2000)


def test_a_gap_that_does_not_pay_is_left_alone(tmp_path):
    rows = [(n, 100.0, 100.3, 1000) for n in range(10)]
    assert legs_of(tmp_path, rows) == []


def legs_of(tmp_path: Path, rows, **options) -> list[tuple[int, int]]:
    played(tmp_path, rows, **options)
    return legs(tmp_path / "run")


@pytest.mark.parametrize("latency", [0.0, 0.3])
def test_a_leg_that_the_venue_refuses_leaves_it_a_slice_apart_and_then_flat(tmp_path, latency):
    run = played(tmp_path, there_and_back(30), latency=latency, kraken={"size_max": "0.001"})
    found = legs(tmp_path / "run")
    assert max(abs(a + b) for a, b in found) <= 10
    assert found[-1] == (0, 0)
    refused = run.loop.counters()["rejected"] + run.loop.counters()["denied"]
    assert refused == 3, "it gives the leg up after three tries"


def test_orders_of_each_leg_say_where_they_are_from(tmp_path):
    played(tmp_path, there_and_back())
    request = records(tmp_path / "run", "order_request")
    assert {(record.stream, record.data["more"]["location"]) for record in request} == {
        (1, "/pairarbitrage/a"),
        (2, "/pairarbitrage/b"),
    }


@st.composite
def days(draw):
    """Two books that wander apart and show so little that orders are filled in part or not."""
    row = st.tuples(st.integers(-15, 15), st.integers(-15, 15), st.sampled_from([0.002, 0.02, 9]))
    steps = draw(st.lists(row, min_size=20, max_size=80))
    latency = draw(st.sampled_from([0.0, 0.05, 0.3, 1.7]))
    return steps, latency, draw(st.sampled_from([{}, {"size_max": "0.004"}]))


@settings(max_examples=examples(40), deadline=None)
@given(days())
def test_the_legs_are_never_more_than_a_slice_apart(tmp_path_factory, day):
    steps, latency, kraken = day
    folder = tmp_path_factory.mktemp("pair")
    a, b, rows = 1000, 1000, []
    for number, (move_a, move_b, size) in enumerate(steps):
        a, b = min(max(a + move_a, 950), 1050), min(max(b + move_b, 950), 1050)
        rows.append((number * 0.5, a / 10, b / 10, size))
    found = legs_of(folder, rows, latency=latency, kraken=kraken)
    assert all(abs(x + y) <= 10 for x, y in found)
    assert all(max(abs(x), abs(y)) <= 50 for x, y in found)
