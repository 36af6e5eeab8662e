"""The report on a tape's market: silent on recordings that are whole, and it names what was taken
from a copy or added to it."""

from __future__ import annotations

import gzip
import json
import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from onetape.data.importing import import_files
from onetape.data.quality.market import MarketReport, Rules, verify_market
from onetape.tape.journal import JournalWriter, type_id
from onetape.tape.schema import built_in

USDM = "binance-usdm/btcusdt-2024-08-08.raw.gz"
SPOT = "binance-spot/btcusdt-2024-08-08.raw.gz"
COINM = "binance-coinm/btcusd_perp-2024-08-08.raw.gz"
RAW = {USDM: "binance:BTC/USDT:USDT", SPOT: "binance:BTC/USDT", COINM: "binance:BTC/USD:BTC"}
RECORDED = (
    "bitmex/10-symbols-2021-07-22-first-half.ws.txt",
    "kraken-spot/10-pairs-2021-04-17.ticker.ws.txt",
    "kraken-spot/10-pairs-2021-04-17-first-quarter.book.ws.txt.gz",
    "kraken-futures/10-products-2021-07-22-first-half.ws.txt.gz",
    "bybit/linear-8-symbols-2021-04-17.ws.txt.gz",
    "okx/3-instruments-2022-05-13.ws.txt.gz",
)
T0 = 1_700_000_000_000_000_000
SECOND = 1_000_000_000
MINUTE = 60 * SECOND


def checks(report: MarketReport) -> dict[tuple[str, str, str], int]:
    """Only what was found."""
    return {
        (symbol, kind, name): count
        for symbol, types in report.by_symbol.items()
        for kind, result in types.items()
        for name, count in result["checks"].items()
        if count
    }


@pytest.mark.parametrize("name", RAW)
def test_whole_captures_have_no_gaps_and_quotes_agree_with_books(
    name: str, shared: Path, facts: Any, tmp_path: Path
) -> None:
    out = tmp_path / "tape"
    import_files("binance-raw", [shared / name], symbol=RAW[name], out=out)
    report = verify_market(out)
    types = report.by_symbol[RAW[name]]
    (reported,) = facts[name]["symbols"].values()
    same = reported["bookTicker_vs_replayed_book_at_same_u"]
    assert types["trade"]["checks"]["id_gaps"] == reported["trades"]["id_gaps"] == 0
    assert types["trade"]["count"] == reported["trades"]["n"]
    assert types["book"]["checks"]["sequence_gaps"] == 0
    assert types["quote"]["checks"]["book_disagrees"] == same["compared"] - same["equal"]
    assert types["quote"]["compared_with_book"] == same["compared"]
    # The book was known from the snapshot on, and no frame after it broke that.
    book = types["book"]
    assert book["replayed"] == book["count"] - book["unsynced_at_start"] - book["checks"]["unsynced"]
    assert (book["snapshots"], book["checks"]["unsynced"]) == (1, 0)
    assert set(checks(report)) <= {(RAW[name], "quote", "event_time_backwards")}


@pytest.mark.parametrize("name", RECORDED)
def test_whole_recordings_are_silent(name: str, shared: Path, tmp_path: Path) -> None:
    out = tmp_path / "tape"
    import_files("cryptofeed", [shared / name], out=out)
    report = verify_market(out)
    lasting = {key: n for key, n in checks(report).items() if key[2] not in ("off_lot",)}
    assert lasting == {}


class Copy:
    """The lines of the USD-M capture, to be changed."""

    def __init__(self, lines: list[str], folder: Path) -> None:
        self.lines = list(lines)
        self.folder = folder

    def find(self, mark: str, number: int) -> int:
        return [i for i, line in enumerate(self.lines) if mark in line][number]

    def report(self) -> MarketReport:
        source = self.folder / "copy.raw"
        source.write_text("".join(self.lines))
        out = self.folder / "tape"
        import_files("binance-raw", [source], symbol=RAW[USDM], out=out, force=True)
        return verify_market(out)


@pytest.fixture(scope="module")
def capture(shared: Path) -> list[str]:
    return gzip.decompress((shared / USDM).read_bytes()).decode().splitlines(keepends=True)


@pytest.fixture
def copy(capture: list[str], tmp_path: Path) -> Copy:
    return Copy(capture, tmp_path)


def message(line: str) -> Any:
    return json.loads(line.split(" ", 1)[1])


def only(report: MarketReport, kind: str, name: str) -> Any:
    """The examples of a check that is the only one that found something."""
    assert {key[1:] for key in checks(report)} == {(kind, name)}
    return report.by_symbol[RAW[USDM]][kind]["examples"][name]


def test_trades_that_were_taken_out_are_a_gap_of_ids(copy: Copy) -> None:
    at = copy.find("@trade", 5000)
    following = copy.find("@trade", 5003)
    ids = [message(copy.lines[copy.find("@trade", n)])["data"]["t"] for n in range(5000, 5004)]
    for place in sorted((copy.find("@trade", n) for n in range(5000, 5003)), reverse=True):
        del copy.lines[place]
    assert at < following
    report = copy.report()
    (example,) = only(report, "trade", "id_gaps")
    assert (example["before_id"], example["missing"]) == (ids[3], 3)
    assert report.by_symbol[RAW[USDM]]["trade"]["ids_missing"] == 3


def test_a_trade_that_stands_twice_is_named(copy: Copy) -> None:
    at = copy.find("@trade", 9000)
    copy.lines.insert(at + 40, copy.lines[at])
    # A trade of before is also one whose venue time goes back.
    report = copy.report()
    found = report.by_symbol[RAW[USDM]]["trade"]
    assert found["checks"]["duplicate_ids"] == 1
    assert found["examples"]["duplicate_ids"][0]["id"] == str(message(copy.lines[at])["data"]["t"])


def test_depth_that_was_taken_out_is_a_gap_and_a_span(copy: Copy) -> None:
    at = copy.find("depthUpdate", 3000)
    lost = message(copy.lines[at])["data"]
    del copy.lines[at]
    report = copy.report()
    book = report.by_symbol[RAW[USDM]]["book"]
    assert book["checks"]["sequence_gaps"] == 1
    assert book["examples"]["sequence_gaps"][0]["last_id"] > lost["u"]
    (span,) = book["examples"]["unsynced"]
    assert span["frames"] == book["checks"]["unsynced"] == 6551 - 3001
    assert {key[1:] for key in checks(report)} == {("book", "sequence_gaps"), ("book", "unsynced")}


def test_half_a_minute_that_is_missing_is_a_silence(copy: Copy) -> None:
    stamp = int(copy.lines[40_000].split(" ")[0])
    copy.lines = [
        line
        for line in copy.lines
        if not stamp <= int(line.split(" ")[0]) < stamp + 30 * SECOND or "depthUpdate" in line
    ]
    found = copy.report().by_symbol[RAW[USDM]]
    for kind in ("quote", "trade"):
        silence = found[kind]["examples"]["silences"][0]
        assert silence["ns"] > 29 * SECOND
        assert stamp - SECOND < silence["from"] <= stamp
    assert found["book"]["checks"]["silences"] == 0


def change(line: str, **fields: str) -> str:
    stamp, text = line.split(" ", 1)
    body = json.loads(text)
    body["data"].update(fields)
    return f"{stamp} {json.dumps(body)}\n"


def test_a_price_far_from_the_others_is_a_spike(copy: Copy) -> None:
    at = copy.find("@trade", 12_345)
    copy.lines[at] = change(copy.lines[at], p="63000.00")
    (example,) = only(copy.report(), "trade", "spikes")
    assert float(example["price"]) == 63000
    assert 61_000 < float(example["around"]) < 62_000
    assert example["deviations"] > 20


def test_quotes_that_cross_and_lock_are_named(copy: Copy) -> None:
    first, second = copy.find("@bookTicker", 100), copy.find("@bookTicker", 200)
    ask = message(copy.lines[first])["data"]["a"]
    copy.lines[first] = change(copy.lines[first], b=f"{float(ask) + 1:.2f}", u=1)
    copy.lines[second] = change(copy.lines[second], b=message(copy.lines[second])["data"]["a"], u=1)
    report = copy.report()
    assert {key[1:]: n for key, n in checks(report).items()} == {("quote", "crossed"): 1, ("quote", "locked"): 1}


def test_a_quote_that_disagrees_with_the_book_is_named(copy: Copy, capture: list[str]) -> None:
    ids = {message(line)["data"]["u"] for line in capture if "depthUpdate" in line}
    places = [i for i, line in enumerate(capture) if "@bookTicker" in line]
    at = next(i for i in places[500:] if message(capture[i])["data"]["u"] in ids)
    copy.lines[at] = change(copy.lines[at], B="77.777")
    (example,) = only(copy.report(), "quote", "book_disagrees")
    assert float(example["bid_size"]) == 77.777
    assert float(example["book_bid_size"]) != 77.777
    assert example["book_bid"] == example["bid"]


INSTRUMENT = {
    "symbol": "x:A/USD",
    "price_decimals": 2,
    "size_decimals": 3,
    "tick": "0.05",
    "lot": "0.010",
    "funding_interval": 8 * 3600 * SECOND,
}


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., MarketReport]:
    """The report on rows of one type: columns by name, the first are times."""

    def run(kind: str, *, time: Any = None, changes: int = 0, **columns: Any) -> MarketReport:
        path = tmp_path / "made"
        shutil.rmtree(path, ignore_errors=True)
        count = len(next(iter(columns.values())))
        rows = np.zeros(count, built_in()[type_id(kind)].payload_dtype)
        for name, values in columns.items():
            rows[name] = values
        times = np.asarray(time if time is not None else T0 + np.arange(count) * SECOND, np.int64)
        if "ts_event" in (rows.dtype.names or ()) and "ts_event" not in columns:
            rows["ts_event"] = times
        with JournalWriter(path, durable=False) as writer:
            writer.append_instrument(1, int(times[0]), msgspec.msgpack.encode(INSTRUMENT))
            half = count // 2 if changes else count
            writer.append_batch(kind, 1, rows[:half], times[:half])
            if changes:
                other = {**INSTRUMENT, "tick": "0.01"}
                writer.append_instrument(1, int(times[half]), msgspec.msgpack.encode(other))
                writer.append_batch(kind, 1, rows[half:], times[half:])
        return verify_market(path)

    return run


def found_in(report: MarketReport) -> dict[str, int]:
    return {key[2]: count for key, count in checks(report).items()}


TRADES = {"price": [10_000, 10_005, 10_010, 10_005], "size": [10, 20, 30, 40]}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, {}),
        ({"price": [10_000, 10_003, 10_010, 10_005]}, {"off_tick": 1}),
        ({"size": [10, 20, 35, 41]}, {"off_lot": 2}),
        ({"price": [10_000, -5, 0, 10_005]}, {"price_not_positive": 2}),
        ({"size": [10, 0, 30, -10]}, {"size_not_positive": 2}),
        ({"time": [T0, T0 + 5, T0 + 4, T0 + 9]}, {"time_backwards": 1, "event_time_backwards": 1}),
        ({"ts_event": [T0, T0 + 5, T0 + 4, T0 + 9]}, {"event_time_backwards": 1}),
        ({"id_kind": [1] * 4, "id_low": [7, 8, 9, 10]}, {}),
        ({"id_kind": [1] * 4, "id_low": [7, 8, 8, 9]}, {"duplicate_ids": 1}),
        ({"id_kind": [1] * 4, "id_low": [8, 7, 9, 8]}, {"duplicate_ids": 1}),
        # Two in ten steps jump: such a venue counts for all its instruments together.
        ({"id_kind": [1] * 4, "id_low": [7, 9, 14, 15]}, {}),
        ({"id_kind": [3] * 4, "id_low": [1, 2, 1, 2], "id_high": [1, 1, 1, 2]}, {"duplicate_ids": 1}),
    ],
)
def test_trades(made: Any, changed: dict[str, Any], expected: dict[str, int]) -> None:
    assert found_in(made("trade", **{**TRADES, **changed})) == expected


QUOTES = {"bid": [10_000] * 4, "ask": [10_005] * 4, "bid_size": [10] * 4, "ask_size": [20] * 4}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, {}),
        ({"bid": [10_000, 10_005, 10_010, 10_000]}, {"locked": 1, "crossed": 1}),
        # An empty side is none, as is a source without sizes.
        ({"bid": [0] * 4, "bid_size": [0] * 4}, {}),
        ({"bid_size": [0] * 4, "ask_size": [0] * 4}, {}),
        ({"bid_size": [10, 0, 10, 10]}, {"size_not_positive": 1}),
        ({"bid": [10_000, -5, 10_000, 10_000]}, {"price_not_positive": 1}),
        ({"ask": [10_005, 10_006, 10_005, 10_005]}, {"off_tick": 1}),
    ],
)
def test_quotes(made: Any, changed: dict[str, Any], expected: dict[str, int]) -> None:
    assert found_in(made("quote", **{**QUOTES, **changed})) == expected


def bars(opens: list[int]) -> dict[str, Any]:
    count = len(opens)
    at = [T0 // MINUTE * MINUTE + n * MINUTE for n in opens]
    return {
        "ts_open": at,
        "ts_close": [t + MINUTE for t in at],
        "period_ns": [MINUTE] * count,
        "open": [10_000] * count,
        "high": [10_010] * count,
        "low": [9_995] * count,
        "close": [10_005] * count,
        "volume": [5] * count,
    }


@pytest.mark.parametrize(
    ("opens", "changed", "expected"),
    [
        ([0, 1, 2, 3], {}, {}),
        ([0, 1, 5, 6], {}, {"holes": 1}),
        ([0, 1, 1, 2], {}, {"duplicates": 1}),
        ([0, 1, 2, 3], {"high": [10_010, 9_990, 10_010, 10_010]}, {"ohlc": 1}),
        ([0, 1, 2, 3], {"close": [10_005, 10_005, 10_020, 10_005]}, {"ohlc": 1}),
        ([0, 1, 2, 3], {"open": [10_001, 10_000, 10_000, 10_000]}, {"off_tick": 1}),
        ([0, 1, 2, 3], {"volume": [5, -1, 5, 5]}, {"volume_negative": 1}),
        ([0, 2, 1, 3], {}, {"event_time_backwards": 1, "overlaps": 1, "holes": 2}),
    ],
)
def test_bars(made: Any, opens: list[int], changed: dict[str, Any], expected: dict[str, int]) -> None:
    report = made("bar", **{**bars(opens), **changed})
    assert found_in(report) == expected
    if opens == [0, 1, 5, 6]:
        result = report.by_symbol["x:A/USD"]["bar"]
        assert result["bars_missing"] == result["examples"]["holes"][0]["missing"] == 3


@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        ([0, 8, 16, 24], {}),
        ([0, 8, 24], {"missing": 1}),
        ([0, 8, 17, 24], {"off_schedule": 1}),
        ([0, 8, 8, 16], {"duplicates": 1}),
        ([0, 8.005, 16], {}),  # 18 s late is what venues are
    ],
)
def test_funding(made: Any, hours: list[float], expected: dict[str, int]) -> None:
    day = T0 // (24 * 3600 * SECOND) * 24 * 3600 * SECOND
    at = [day + int(hour * 3600) * SECOND for hour in hours]
    assert found_in(made("funding", time=at, ts_event=at, rate=[1] * len(at))) == expected


def test_open_interest(made: Any) -> None:
    assert found_in(made("open_interest", time=[T0, T0 + 5], size=[3, -3])) == {"size_negative": 1}


def test_an_instrument_that_changed_is_said_and_its_new_tick_holds(made: Any) -> None:
    report = made("trade", changes=1, price=[10_000, 10_003, 10_003, 10_004], size=[10] * 4)
    assert found_in(report) == {"off_tick": 1}
    (change_,) = report.as_json()["x:A/USD"]["instrument"]["changes"]
    assert change_["fields"] == {"tick": ["0.05", "0.01"]}


def test_a_spike_of_a_thousand_is_named_wherever_it_stands(made: Any) -> None:
    rng = np.random.default_rng(5)
    for place in (0, 3, 255, 256, 700, 999):
        price = 10_000 + 5 * np.cumsum(rng.integers(-1, 2, 1000))
        price[place] = 20_000
        report = made("trade", price=price, size=[10] * 1000)
        assert found_in(report) == {"spikes": 1}, place
        (example,) = report.by_symbol["x:A/USD"]["trade"]["examples"]["spikes"]
        assert (example["sequence"], example["price"]) == (place + 2, "200.00")


def test_examples_are_ten_and_the_largest_silences_come_first(made: Any) -> None:
    steps = np.full(2000, SECOND)
    steps[100:1300:60] = np.arange(20) * 100 * SECOND + 200 * SECOND
    report = made("trade", time=T0 + np.cumsum(steps), price=[10_000] * 2000, size=[10] * 2000)
    silences = report.by_symbol["x:A/USD"]["trade"]["examples"]["silences"]
    assert [s["ns"] // SECOND for s in silences] == [2100 - 100 * i for i in range(10)]


def test_rules_can_be_set(tmp_path: Path, made: Any) -> None:
    steps = np.full(60, SECOND)
    steps[40] = 12 * SECOND
    made("trade", time=T0 + np.cumsum(steps), price=[10_000] * 60, size=[10] * 60)
    path = tmp_path / "made"
    assert found_in(verify_market(path)) == {}
    assert found_in(verify_market(path, rules=Rules(silence_factor=5))) == {"silences": 1}


def test_memory_does_not_grow_with_the_tape(tmp_path: Path) -> None:
    peaks = []
    for count in (200_000, 1_000_000):
        path = tmp_path / str(count)
        rows = np.zeros(count, built_in()[type_id("trade")].payload_dtype)
        rows["price"], rows["size"], rows["id_kind"] = 10_000, 10, 1
        rows["id_low"] = np.arange(count)
        with JournalWriter(path, durable=False) as writer:
            writer.append_batch("trade", 1, rows, T0 + np.arange(count) * SECOND)
        del rows
        tracemalloc.start()
        verify_market(path)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.2
