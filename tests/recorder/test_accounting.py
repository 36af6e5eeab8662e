"""A year's books: they add up to the ledger, and lots say what was bought at which price."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from decimal import Decimal

import pytest

from onetape.accounts.holding import Terms
from onetape.model import catalogue
from onetape.model.errors import UsageError
from onetape.model.money import money
from onetape.model.time import TIME_MAX
from onetape.recorder.accounting import accounting
from onetape.recorder.lots import Change, Lots
from onetape.recorder.public import file_writer, public
from onetape.recorder.read import ledger
from orders.gateway_seeds import KINDS, Seed, play
from recorder.recorded_worlds import contents, record_all

UNIT = 10**18


def lots(symbol: str, *changes: str) -> tuple[list[tuple[str, ...]], list[tuple[str, str]]]:
    """changes: "QTY @ PRICE", or "QTY KIND" of what moved a coin. Rows of what was closed, and what is left."""
    terms = Terms(catalogue.find(symbol))
    instrument, found = terms.instrument, Lots(terms, account="a", symbol=symbol, position_side="both")
    closed = []
    for ts, text in enumerate(changes, 1):
        qty, *_, last = text.split()
        size = int(Decimal(qty).scaleb(instrument.size_decimals))
        price = last if "@" in text else ""
        value = abs(terms.value(int(Decimal(price or 0).scaleb(instrument.price_decimals)), size)) if price else 0
        size *= terms.base_factor if terms.is_spot else 1
        for row in found.take(Change(ts, size, value, price, "trade" if price else last)):
            assert row["ts_close"] == ts
            names = ("method", "side", "qty", "price_open", "cost", "proceeds", "gain")
            closed.append(
                tuple(f"{Decimal(row[name]).normalize():f}" if name == "qty" else row[name] for name in names)
            )
    return closed, [(row["side"], row["cost"]) for row in found.open_rows()]


@pytest.mark.parametrize(
    ("symbol", "changes", "closed", "left"),
    [
        pytest.param(
            "binance:BTC/USDT:USDT",
            ("1 @ 100", "1 @ 200", "-1 @ 300"),
            [("average", "long", "1", "", "150", "300", "150"), ("fifo", "long", "1", "100", "100", "300", "200")],
            [("long", "200")],
            id="the first in is the first out",
        ),
        pytest.param(
            "binance:BTC/USDT:USDT",
            ("-2 @ 100", "3 @ 90", "-1 @ 95"),
            [
                ("average", "short", "2", "", "200", "180", "20"),
                ("fifo", "short", "2", "100", "200", "180", "20"),
                ("average", "long", "1", "", "90", "95", "5"),
                ("fifo", "long", "1", "90", "90", "95", "5"),
            ],
            [],
            id="what turns a position around closes one and opens the other",
        ),
        pytest.param(
            "bitmex:BTC/USD:BTC",
            ("100 @ 50", "-100 @ 100"),
            [("average", "long", "100", "", "2", "1", "1"), ("fifo", "long", "100", "50", "2", "1", "1")],
            [],
            id="an inverse contract gains what it is worth less",
        ),
        pytest.param(
            "kraken:BTC/USD",
            ("2 @ 100", "1 transfer", "-0.5 fee", "-1 transfer", "-1 @ 300"),
            [
                ("average", "long", "0.5", "", "33.333333333333333333", "0", "-33.333333333333333333"),
                ("fifo", "long", "0.5", "100", "50", "0", "-50"),
                ("average", "long", "1", "", "66.666666666666666667", "66.666666666666666667", "0"),
                ("fifo", "long", "1", "100", "100", "100", "0"),
                ("average", "long", "1", "", "66.666666666666666667", "300", "233.333333333333333333"),
                ("fifo", "long", "0.5", "100", "50", "150", "100"),
                ("fifo", "long", "0.5", "", "0", "150", "150"),
            ],
            [("long", "0")],
            id="coins come and go without a price, and leave for another place at their cost",
        ),
        pytest.param(
            "kraken:BTC/USD",
            ("1 @ 100", "-3 @ 300", "1 @ 200"),
            [
                ("average", "long", "1", "", "100", "300", "200"),
                ("fifo", "long", "1", "100", "100", "300", "200"),
                ("fifo", "long", "2", "", "0", "600", "600"),
                ("average", "long", "2", "", "0", "600", "600"),
            ],
            [("long", "200")],
            id="coins are not owed",
        ),
    ],
)
def test_lots(symbol, changes, closed, left):
    assert lots(symbol, *changes) == (closed, left)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", [1, 2])
def test_books_of_a_year_are_the_ledger(kind, number, tmp_path):
    world = play(Seed("World", kind, number, 150).begun(), 150)
    records = record_all(world.home.path)
    try:
        said = accounting(records, year=2026, out=tmp_path / "2026")
        later = accounting(records, year=2027, out=tmp_path / "2027")
        found = {path.stem: _rows(path) for path in (tmp_path / "2026").iterdir()}
        assert {f"{name}.csv": len(rows) for name, rows in found.items()} == said["files"]
        ledger = world.money.ledger
        ends = {row["asset"]: Decimal(row["end"]) for row in found["sums"]}
        assert ends == {asset: money(ledger.total(asset)) for asset in ledger.currencies()}
        assert {row["asset"]: Decimal(row["begin"]) for row in _rows(tmp_path / "2027" / "sums.csv")} == ends
        assert later["files"]["fills.csv"] == later["files"]["lots.csv"] == 0
        assert len(found["fills"]) == len(contents(records)["record_fills"])
        for name in ("fees", "funding", "transfers"):
            for row in found["sums"]:
                mine = [Decimal(each["amount"]) for each in found[name] if each["asset"] == row["asset"]]
                assert sum(mine) == Decimal(row[name])
        _lots_are_the_ledger_s(found, records)
        with pytest.raises(UsageError):
            accounting(records, year=2026, out=tmp_path / "2026")
    finally:
        records.close()


def _lots_are_the_ledger_s(found, records):
    """By both methods the same was sold for the same; by average cost contracts have gained what was realized."""
    sold: dict = defaultdict(lambda: [Decimal(0), Decimal(0)])
    gained: dict = defaultdict(Decimal)
    for row in found["lots"]:
        sold[row["method"], row["symbol"], row["ts_close"]][0] += Decimal(row["qty"])
        if row["reason"] == "transfer":  # leaves at what it cost, of each method its own
            assert row["gain"] in ("", "0")
            continue
        sold[row["method"], row["symbol"], row["ts_close"]][1] += Decimal(row["proceeds"])
        if row["method"] == "average" and ":" in row["symbol"].partition(":")[2]:
            gained[row["symbol"]] += Decimal(row["gain"])
    first = {key[1:]: each for key, each in sold.items() if key[0] == "fifo"}
    assert first == {key[1:]: each for key, each in sold.items() if key[0] == "average"}
    assert first
    realized: dict = defaultdict(Decimal)
    for row in contents(records)["record_income"]:
        if row["kind"] == "realized" and row["symbol"] and ":" in row["symbol"].partition(":")[2]:
            realized[row["symbol"]] += Decimal(row["amount_exact"])
    assert {s: n for s, n in gained.items() if n} == {s: n for s, n in realized.items() if n}


def _rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_public_results_have_no_transfers(tmp_path):
    world = play(Seed("World", "binance-usdm", 2, 60).begun(), 60)
    records = record_all(world.home.path)
    try:
        whole = ledger(records, by="day")
        public(records, write=file_writer(tmp_path), now=TIME_MAX, delay=0, figures=["days"])
        days = json.loads((tmp_path / "days.json").read_text())["days"]
    finally:
        records.close()
    assert any(Decimal(row["transfers"]) for row in whole)
    expected = {}
    for row in whole:
        made = sum(Decimal(row[name]) for name in ("realized", "funding", "interest"))
        if net := made - Decimal(row["fees"].get(row["currency"], 0)):
            expected[row["key"], row["currency"]] = net
    assert {(row["key"], row["currency"]): Decimal(row["net"]) for row in days if Decimal(row["net"])} == expected
    assert sorted(each.name for each in tmp_path.iterdir()) == ["days.json", "index.html"]
