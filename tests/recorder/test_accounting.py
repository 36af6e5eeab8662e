"""A year's books: they add up to the ledger, and lots say what was bought at which price."""

from __future__ import annotations

import csv
import json
from collections import defaultdict, deque
from decimal import Decimal
from fractions import Fraction

import pytest

from onetape.accounts.entries import Outside
from onetape.accounts.entry_frames import unpack
from onetape.accounts.holding import Terms
from onetape.model import catalogue
from onetape.model.errors import UsageError
from onetape.model.money import money
from onetape.model.time import TIME_MAX, parse_time
from onetape.orders.reports import HASHED_TRADES
from onetape.recorder.accounting import accounting
from onetape.recorder.lots import Change, Lots
from onetape.recorder.public import file_writer, public
from onetape.recorder.recorder import gateway_journals
from onetape.simulation.seeds import KINDS, Seed, play
from onetape.store.record_queries import ledger
from onetape.tape.journal import JournalReader
from recorder.recorded_worlds import contents, record_all

_COLUMNS = ("openings", "realized", "traded", "fees", "funding", "transfers", "interest", "corrections")


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
        totals = {asset: money(ledger.total(asset)) for asset in ledger.currencies()}
        assert ends == {asset: total for asset, total in totals.items() if total or asset in ends}
        assert {row["asset"]: Decimal(row["begin"]) for row in _rows(tmp_path / "2027" / "sums.csv")} == ends
        assert later["files"]["fills.csv"] == later["files"]["lots.csv"] == 0
        assert len(found["fills"]) == len(contents(records)["record_fills"]) > 5
        _sums_are_their_files_and_the_tape_s(found, world)
        _lots_are_what_fills_and_flows_make(
            found, {i.symbol: Fraction(i.multiplier) for i in world.exchange.instruments}
        )
        _average_gains_are_what_was_realized(found)
        with pytest.raises(UsageError):
            accounting(records, year=2026, out=tmp_path / "2026")
    finally:
        records.close()


def _sums_are_their_files_and_the_tape_s(found, world):
    """Each column, and of the tape's entries the other side of what was paid."""
    outside: dict = defaultdict(int)
    (journal,) = gateway_journals(world.home.path).values()
    with JournalReader(journal) as reader:
        for frame in reader.frames(("entry",)):
            for leg in unpack(frame.payload).legs:
                outside[leg.holder, leg.currency] -= leg.amount
    assert found["sums"]
    for row in found["sums"]:
        for name in _COLUMNS:
            mine = [Decimal(each["amount"]) for each in found[name] if each["asset"] == row["asset"]]
            assert sum(mine) == Decimal(row[name]), name
        assert Decimal(row["begin"]) == 0
        assert Decimal(row["end"]) == sum(Decimal(row[name]) for name in _COLUMNS)
        paid = [Decimal(each["fee"]) for each in found["fills"] if each["fee_currency"] == row["asset"]]
        assert Decimal(row["fees"]) == -sum(paid) == money(outside[int(Outside.FEES), row["asset"]])
        assert Decimal(row["funding"]) == money(outside[int(Outside.FUNDING), row["asset"]])
        assert Decimal(row["interest"]) == money(outside[int(Outside.INTEREST), row["asset"]])


def _lots_are_what_fills_and_flows_make(found, times):
    """Whoever reads the files alone comes to the same gains, the first in first out, and to the same lots at the end;
    by average cost the same is sold for the same. What leaves for another place gains nothing. times: the coins of a
    contract."""
    by_method: dict = {"fifo": defaultdict(list), "average": defaultdict(list)}
    for row in found["lots"]:
        by_method[row["method"]][row["symbol"], row["position_side"], row["ts_close"], row["reason"]].append(row)
        if row["reason"] == "transfer":
            assert (Decimal(row["gain"]), row["proceeds"]) == (0, row["cost"])
    assert by_method["fifo"]
    gains: dict = defaultdict(lambda: defaultdict(Fraction))
    for key, rows in by_method["fifo"].items():
        others = by_method["average"].pop(key)
        for name in ("qty", "proceeds")[: 1 if key[-1] == "transfer" else 2]:
            assert _sum(rows, name) == _sum(others, name)
        gains[key[:2]][key[2]] += _sum(rows, "gain")
    assert not by_method["average"]
    changes = _changes(found)
    for key in changes.keys() | gains.keys():
        priced = [(ts, size, price * times[key[0]], moved) for ts, size, price, moved in changes[key]]
        expected, left = _first_in_first_out(priced, is_coin=":" not in key[0].partition(":")[2])
        assert gains[key].keys() == expected.keys()
        assert all(_is_near(gains[key][ts], gain) for ts, gain in expected.items())
        rows = [row for row in found["open_lots"] if (row["symbol"], row["position_side"]) == key]
        signs = [1 if row["side"] == "long" else -1 for row in rows]
        assert [sign * Fraction(row["qty"]) for sign, row in zip(signs, rows, strict=True)] == [
            size for size, _ in left
        ]
        assert _is_near(_sum(rows, "cost"), abs(sum(abs(size) * price for size, price in left)))


def _changes(found):
    """Of each position: time, signed size, price, whether it goes to another place, or comes from there."""
    changes: dict = defaultdict(list)
    coins = (row["symbol"] for name in ("lots", "open_lots", "fills") for row in found[name])
    markets = {each.partition(":")[2].partition("/")[0]: each for each in coins if ":" not in each.partition(":")[2]}
    for number, row in enumerate(found["fills"]):
        settle = row["symbol"].partition(":")[2].partition(":")[2]
        side = row["position_side"] if settle else "both"
        size = Fraction(row["qty"]) * (1 if row["side"] == "buy" else -1)
        if row["internal"] == "no":
            order = parse_time(row["ts"]), 1, min(int(row["trade_id"]), HASHED_TRADES), number
            price = Fraction(row["price"])
            price = -1 / price if settle == row["symbol"].partition(":")[2].partition("/")[0] else price  # inverse
            changes[row["symbol"], side].append((order, row["ts"], size, price, False))
    for name in _COLUMNS:
        for number, row in enumerate(found[name] if name not in ("realized", "traded") else ()):
            if row["asset"] in markets:
                order = parse_time(row["ts"]), 2 if name == "fees" else 0, number, 0
                change = (order, row["ts"], Fraction(row["amount"]), Fraction(0), name == "transfers")
                changes[markets[row["asset"]], "both"].append(change)
    return defaultdict(list, {key: [each[1:] for each in sorted(rows)] for key, rows in changes.items()})


def _first_in_first_out(changes, *, is_coin):
    """What was gained at each time, and what is left: (size, price). A coin that was not bought has cost nothing."""
    lots: deque = deque()
    gains: dict = defaultdict(Fraction)
    for ts, size, price, is_moved in changes:
        left = size
        while left and lots and lots[0][0] * left < 0:
            held, cost = lots.popleft()
            part = held if abs(held) <= abs(left) else -left
            gains[ts] += 0 if is_moved else part * (price - cost)
            if held != part:
                lots.appendleft((held - part, cost))
            left += part
        if left < 0 and is_coin:
            gains[ts] += 0 if is_moved else -left * price
        elif left:
            lots.append((left, price))
    return gains, list(lots)


def _average_gains_are_what_was_realized(found):
    """Of contracts, to the unit."""
    gained: dict = defaultdict(Decimal)
    realized: dict = defaultdict(Decimal)
    for rows, name, sums in ((found["lots"], "gain", gained), (found["realized"], "amount", realized)):
        for row in rows:
            if ":" in row["symbol"].partition(":")[2] and row.get("method", "average") == "average":
                sums[row["symbol"]] += Decimal(row[name])
    assert {s: n for s, n in gained.items() if n} == {s: n for s, n in realized.items() if n}


def _sum(rows, name):
    return sum((Fraction(row[name]) for row in rows), Fraction(0))


def _is_near(one, other):
    """But for what was rounded to the unit, lot by lot."""
    return abs(one - other) < Fraction(1, 10**15)


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
