"""What `csv` accepts, refuses and rejects, row by row."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise, product
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from long_form import examples
from onetape.data.importing import import_files
from onetape.model.errors import BadInput, UsageError

T0 = 1_700_000_000
NS = 10**9


def times(records: list[Any]) -> list[int]:
    return [record.time // NS - T0 for record in records]


# Columns


@pytest.mark.parametrize(
    ("header", "row", "kind"),
    [
        ("ts_event,bid,ask", f"{T0},1,2", "quote"),
        ("Timestamp;BID;Ask;bid_size;ASK_SIZE", f"{T0};1;2;3;4", "quote"),
        ("ts\tprice\tsize", f"{T0}\t1\t2", "trade"),
        ("time,price,amount,side,id", f"{T0},1,2,buy,77", "trade"),
        ("date,open,high,low,close", f"{T0},1,2,1,2", "bar"),
        ("DATETIME,Open,High,Low,Close,Volume,other", f"{T0},1,2,1,2,5,x", "bar"),
        ('"ts","price","size"', f'"{T0}","1","2"', "trade"),
        ("\ufeffts,price,size", f"{T0},1,2", "trade"),
        (" ts , price , size ", f" {T0} , 1 , 2 ", "trade"),
    ],
)
def test_the_headers_names_decide(header: str, row: str, kind: str, import_text: Any) -> None:
    for ending in ("\n", "\r\n"):
        result = import_text(f"{header}{ending}{row}{ending}", period="1m")
        assert result.by_type == {kind: 1}
        assert result.rejected == 0


@pytest.mark.parametrize("header", ["a,b,c", "ts,bid", "price,size", "bid,ask", "ts,open,high,low", "1700000000,1,2"])
def test_a_refusal_shows_the_header_and_the_names_accepted(header: str, import_text: Any) -> None:
    with pytest.raises(BadInput) as caught:
        import_text(f"{header}\n{T0},1,2\n")
    shown = str(caught.value)
    for name in (*header.split(","), "ts_event|timestamp", "bid ask", "size|amount", "open high"):
        assert name in shown


def test_a_header_that_is_two_things_is_refused(import_text: Any) -> None:
    with pytest.raises(BadInput, match="quotes and trades at once"):
        import_text(f"ts,bid,ask,price,size\n{T0},1,2,1,1\n")


def test_columns_name_a_table_without_header(import_text: Any) -> None:
    rows = "".join(f"x,{T0 + i},1.5,2\n" for i in range(3))
    assert import_text(rows, columns="-,ts,price,size").by_type == {"trade": 3}
    headed = import_text("a,b,c,d\n" + rows, columns="_,ts,price,size")
    assert (headed.by_type, headed.rejected) == ({"trade": 3}, 0)
    with pytest.raises(UsageError, match="columns given"):
        import_text(rows, columns="a,b,c,d")
    with pytest.raises(UsageError, match="names 5 columns"):
        import_text(rows, columns="x,ts,price,size,id")


# Times


@pytest.mark.parametrize("unit", [1, 10**3, 10**6, 10**9])
def test_units_are_told_by_magnitude(unit: int, import_text: Any, tmp_path: Path, read: Any) -> None:
    import_text(f"ts,price,size\n{T0 * unit},1,1\n{(T0 + 1) * unit},1,1\n")
    assert times(read(tmp_path / "tape").of("trade")) == [0, 1]


def test_text_without_zone_is_utc_unless_told(import_text: Any, tmp_path: Path, read: Any) -> None:
    text = "ts,price,size\n2023-11-14 22:13:20,1,1\n2023-11-14T23:13:21+01:00,1,1\n"
    import_text(text)
    assert times(read(tmp_path / "tape").of("trade")) == [0, 1]
    import_text(text, tz="Asia/Shanghai")
    assert times(read(tmp_path / "tape").of("trade")) == [-8 * 3600, 1]
    with pytest.raises(UsageError, match="unknown time zone"):
        import_text(text, tz="Mars/Olympus")


def local(moment: int, zone: str) -> str:
    """The wall clock of a moment in ns: what a file without zones has."""
    return datetime.fromtimestamp(moment // NS, ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M:%S")


@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize(
    ("zone", "minutes"),
    [
        *product(("Europe/Berlin", "America/New_York"), (1, 15, 30, 60)),
        *product(("Australia/Lord_Howe",), (1, 15, 30)),  # repeats half an hour
    ],
)
def test_an_hour_that_clocks_repeat_is_read_in_the_files_order(
    zone: str, minutes: int, direction: int, import_text: Any, tmp_path: Path, read: Any
) -> None:
    changes = {"Europe/Berlin": "2024-10-27", "America/New_York": "2024-11-03", "Australia/Lord_Howe": "2024-04-07"}
    midnight = int(datetime.fromisoformat(changes[zone]).replace(tzinfo=ZoneInfo(zone)).timestamp())
    moments = [(midnight + step * minutes * 60) * NS for step in range(6 * 60 // minutes)]
    rows = [f"{local(each, zone)},1,2,0.5,1.5,7\n" for each in moments][::direction]
    result = import_text("time,open,high,low,close,volume\n" + "".join(rows), tz=zone, period=f"{minutes}m")
    opened = [record.data["ts_open"] for record in read(tmp_path / "tape").of("bar")]
    assert (opened, result.rejected) == (moments, 0)


def test_rows_a_little_out_of_order_stay_in_their_hour(import_text: Any, tmp_path: Path, read: Any) -> None:
    begin = int(datetime(2024, 10, 26, 23, tzinfo=UTC).timestamp())
    moments = [(begin + step * 60 + (40 if step % 2 else -40)) * NS for step in range(5, 235)]
    rows = "".join(f"{local(each, 'Europe/Berlin')},1,1\n" for each in moments)
    import_text("time,price,size\n" + rows, tz="Europe/Berlin")
    assert [record.time for record in read(tmp_path / "tape").of("trade")] == sorted(moments)


@pytest.mark.parametrize(
    ("text", "below"),
    [
        ("1700000000.123456789", 123456789),
        ("1700000000.1234567891", 123456789),
        ("1700000000.1234567885", 123456788),
        ("1700000000.1234567895000", 123456790),
        ("1700000000.12345678850001", 123456789),
        ("1700000000.999999999999", 10**9),
    ],
)
def test_fractions_of_seconds_are_exact(text: str, below: int, import_text: Any, tmp_path: Path, read: Any) -> None:
    import_text(f"ts,price,size\n{text},1,1\n")
    assert read(tmp_path / "tape").of("trade")[0].time == 1_700_000_000 * NS + below


def test_frame_time_is_the_receipt_else_the_venues(import_text: Any, tmp_path: Path, read: Any) -> None:
    import_text(f"ts_recv,ts_event,price,size\n{T0 + 5},{T0},1,1\n")
    record = read(tmp_path / "tape").of("trade")[0]
    assert (record.time, record.data["ts_event"]) == ((T0 + 5) * NS, T0 * NS)


# Order


@pytest.mark.parametrize("step", [1, -1])
def test_rows_are_put_in_order_of_time(step: int, import_text: Any, tmp_path: Path, read: Any) -> None:
    rows = [f"{T0 + i // 2},1,1,buy,{i}\n" for i in range(1000)][::step]
    result = import_text("ts,price,size,side,id\n" + "".join(rows))
    ids = [record.data["id_low"] for record in read(tmp_path / "tape").of("trade")]
    assert ids == list(range(1000))
    assert result.late == 0


@settings(max_examples=examples(25), deadline=None)
@given(st.lists(st.integers(0, 20), min_size=1, max_size=200))
def test_equal_times_keep_the_order_of_the_file(offsets: list[int]) -> None:
    import tempfile

    from onetape.tape.journal import JournalReader

    rows = "".join(f"{T0 + offset},1,1,buy,{i}\n" for i, offset in enumerate(offsets))
    pairs = list(pairwise(offsets))
    descends = all(a >= b for a, b in pairs) and not all(a <= b for a, b in pairs)
    with tempfile.TemporaryDirectory() as directory:
        source = Path(directory) / "s.csv"
        source.write_text("ts,price,size,side,id\n" + rows)
        import_files("csv", [source], symbol="x:A", out=Path(directory) / "t")
        with JournalReader(Path(directory) / "t") as reader:
            got = [r.data["id_low"] for r in reader if r.type == "trade"]
    # A file that runs backwards does so within equal times too.
    sign = -1 if descends else 1
    wanted = sorted(range(len(offsets)), key=lambda i: (offsets[i], sign * i))
    assert got == wanted


def test_sorting_is_exact_when_it_spills(tmp_path: Path) -> None:
    """The core's sorter with room for 64 rows, against Python's sort."""
    import random

    from onetape import _core
    from onetape.tape.journal import JournalReader
    from onetape.tape.schema import schema_preamble

    rng = random.Random(7)
    rows = [(rng.randrange(300), i) for i in range(5000)]
    sink = _core.TapeSink(str(tmp_path / "t"), "import", bytes(range(16)), schema_preamble())
    table = _core.TableImport(sink, streams=[("", 1, 0, 0)], sort_directory=str(tmp_path), sort_rows=64)
    table.begin_source(kind="trades", columns={"ts_event": 0, "price": 1, "size": 2, "id": 3}, fields=4)
    for offset, number in rows:
        assert table.feed(f"{T0 + offset},1,1,{number}\n".encode()) == "ok"
    assert table.end_source() == "ok"
    while table.drain(100) == "ok":
        pass
    assert [entry.name for entry in tmp_path.iterdir()] == ["t"]  # runs leave no files
    sink.close()
    with JournalReader(tmp_path / "t") as reader:
        got = [r.data["id_low"] for r in reader if r.type == "trade"]
    assert got == [number for _, number in sorted(rows)]


def test_several_files_become_one_tape(tmp_path: Path, read: Any) -> None:
    quotes, trades = tmp_path / "q.csv", tmp_path / "t.csv"
    quotes.write_text("ts,bid,ask\n" + "".join(f"{T0 + i},1,2\n" for i in (0, 2, 4)))
    trades.write_text("ts,price,size\n" + "".join(f"{T0 + i},1,2\n" for i in (1, 2, 5)))
    import_files("csv", [quotes, trades], symbol="x:A/USD", out=tmp_path / "tape")
    kinds = [record.type for record in read(tmp_path / "tape").records[1:]]
    assert kinds == ["quote", "trade", "quote", "trade", "quote", "trade"]


# Numbers


def test_numbers_are_exact(import_text: Any, tmp_path: Path, read: Any) -> None:
    written = ["0.1", "61800.25", "1e-8", "1.50", "0.30000000000000004"[:12], "99999.99999999"]
    rows = "".join(f"{T0},{text},{text}\n" for text in written)
    assert import_text("ts,price,size\n" + rows).rejected == 0
    tape = read(tmp_path / "tape")
    assert [tape.price(r.data["price"]) for r in tape.of("trade")] == list(map(Decimal, written))
    assert [tape.size(r.data["size"]) for r in tape.of("trade")] == list(map(Decimal, written))


def test_one_senseless_number_does_not_crowd_out_the_others(import_text: Any, tmp_path: Path, read: Any) -> None:
    rows = [f"{T0 + i},{61800 + i / 4},1\n" for i in range(20)]
    rows.insert(7, f"{T0 + 7},990000000000000000,1\n")
    rows.insert(9, f"{T0 + 8},0.00000000000000000000001,1\n")
    result = import_text("ts,price,size\n" + "".join(rows))
    assert (result.by_type, result.rejected) == ({"trade": 20}, 2)
    assert read(tmp_path / "tape").instrument["tick"] == "0.01"


def test_noise_of_printed_floats_is_kept_and_is_no_tick(import_text: Any, tmp_path: Path, read: Any) -> None:
    written = ["61800.3", "61800.299999999996", "61800.25", "61800.100000000006"]
    rows = "".join(f"{T0},{text},1\n" for text in written)
    for symbol, tick in (("x:A/USD", "0.01"), ("binance:BTC/USDT", "0.01")):
        result = import_text("ts,price,size\n" + rows, symbol=symbol)
        assert (result.rejected, result.snapped) == (0, 0)
        tape = read(tmp_path / "tape")
        assert tape.instrument["tick"] == tick
        assert [tape.price(r.data["price"]) for r in tape.of("trade")] == list(map(Decimal, written))


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (f"{T0},nan,1,buy", "price is not finite"),
        (f"{T0},-inf,1,buy", "price is not finite"),
        (f"{T0},,1,buy", "price is empty"),
        (f"{T0},x,1,buy", "price is not a number"),
        (f'{T0},"1,234.5",1,buy', "price has thousands separators"),
        (f"{T0},1,-1,buy", "size is negative"),
        (f"{T0},1,0,buy", "size is zero"),
        (f"{T0},1,1,maybe", "side is neither buy nor sell"),
        (f"{T0},1,1", "row has fewer fields than the header"),
        (f"{T0},1,1,buy,5,6", "row has more fields than the header"),
        (f'{T0},1,"1,buy', "a quoted field is not closed"),
        (f'{T0},1,"1"2,buy', "text after a quoted field"),
        ("yesterday,1,1,buy", "time is not a time"),
        (",1,1,buy", "time is empty"),
        ("2024-02-30,1,1,buy", "time is not a time"),
        ("99999999999999999999,1,1,buy", "time is outside 1678 to 2262"),
    ],
)
def test_a_row_that_cannot_be_read_is_listed_with_its_reason(
    row: str, reason: str, import_text: Any, rejects: Any
) -> None:
    good = f"{T0},1.5,1,sell\n"
    result = import_text(f"ts,price,size,side\n{good}{row}\n{good}")
    assert (result.by_type, result.rejected) == ({"trade": 2}, 1)
    (listed,) = rejects()
    assert listed["line"] == 3
    assert reason in listed["reason"]


def test_negative_and_zero_prices_are_prices(import_text: Any, tmp_path: Path, read: Any) -> None:
    assert import_text(f"ts,price,size\n{T0},-37.63,1\n{T0},0,1\n").rejected == 0
    tape = read(tmp_path / "tape")
    assert [str(tape.price(r.data["price"])) for r in tape.of("trade")] == ["-37.63", "0.00"]
    assert import_text(f"ts,open,high,low,close\n{T0},-1,0,-2,-1\n", period="1m").rejected == 0


def test_crossed_quotes_are_kept_and_counted(import_text: Any) -> None:
    result = import_text(f"ts,bid,ask\n{T0},2,1\n{T0},1,1\n{T0},1,2\n")
    assert (result.by_type, result.crossed) == ({"quote": 3}, 1)


def test_ids_are_integers_uuids_or_short_texts(import_text: Any, tmp_path: Path, read: Any) -> None:
    ids = ["17", "ccc3c1fa-212c-e8b0-1706-9b9c4f3d5ecf", "T-1a", "0017", "x" * 17, ""]
    import_text("ts,price,size,id\n" + "".join(f"{T0},1,1,{text}\n" for text in ids))
    kinds = [record.data["id_kind"] for record in read(tmp_path / "tape").of("trade")]
    assert kinds == ["integer", "uuid", "text", "text", "none", "none"]


# Bars


def test_a_bar_is_visible_at_its_close(import_text: Any, tmp_path: Path, read: Any) -> None:
    rows = "".join(f"{T0 + 60 * i},1,2,1,2,5\n" for i in (0, 1, 2, 5, 6))
    result = import_text("ts,open,high,low,close,volume\n" + rows)
    bars = read(tmp_path / "tape").of("bar")
    assert times(bars) == [60, 120, 180, 360, 420]
    assert {bar.data["period_ns"] for bar in bars} == {60 * NS}
    assert all(bar.time == bar.data["ts_close"] == bar.data["ts_open"] + 60 * NS for bar in bars)
    assert result.rejected == 0
    import_text("ts,open,high,low,close,volume\n" + rows, bar_time="close", period="30s")
    assert times(read(tmp_path / "tape").of("bar")) == [0, 60, 120, 300, 360]
    assert read(tmp_path / "tape").of("bar")[0].data["ts_open"] == (T0 - 30) * NS


def test_a_period_that_cannot_be_told_must_be_given(import_text: Any) -> None:
    header = "ts,open,high,low,close\n"
    with pytest.raises(UsageError, match="one bar alone"):
        import_text(header + f"{T0},1,1,1,1\n")
    mixed = "".join(f"{T0 + 60 * i},1,1,1,1\n" for i in (0, 2, 1, 4, 3))
    with pytest.raises(UsageError, match="not in order of time"):
        import_text(header + mixed)
    assert import_text(header + mixed, period="1m").by_type == {"bar": 5}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (f"{T0 + 60},1,2,1,2", "a bar with this time was already read"),
        (f"{T0 + 90},1,2,1,2", "overlaps the bar before it"),
        (f"{T0 + 240},1,0.5,1,2", "open, high, low, close contradict each other"),
        (f"{T0 + 240},3,4,3.5,4", "open, high, low, close contradict each other"),
        (f"{T0 + 240},3,4,nan,4", "low is not finite"),
    ],
)
def test_bars_that_contradict_are_rejected(row: str, reason: str, import_text: Any, rejects: Any) -> None:
    good = "".join(f"{T0 + 60 * i},1,2,1,2\n" for i in range(4))
    result = import_text(f"ts,open,high,low,close\n{good}{row}\n", period="1m")
    assert (result.by_type, result.rejected) == ({"bar": 4}, 1)
    assert rejects()[0]["reason"] == reason
    assert rejects()[0]["line"] == 6


# Files that hold nothing


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("ts,price,size\n", "has a header and no rows"),
        ("ts,price,size", "has a header and no rows"),
        ("ts,price,size\nx,1,1\n", "no row could be read: line 2: time is not a time"),
        ("ts,price,size\n1,0\n", "no row could be read"),
        ("\0\1\2", "is not text"),
    ],
)
def test_a_file_without_rows_is_refused_and_leaves_nothing(
    text: str, message: str, import_text: Any, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match=message):
        import_text(text)
    assert [entry.name for entry in tmp_path.iterdir()] == ["source.csv"]


def test_a_last_row_without_its_end_counts_if_it_is_whole(import_text: Any, rejects: Any) -> None:
    text = f"ts,price,size\n{T0},1,1\n{T0 + 1},2,2"
    assert import_text(text).by_type == {"trade": 2}
    result = import_text(text[:-2])
    assert (result.by_type, result.rejected) == ({"trade": 1}, 1)
    assert rejects()[0]["reason"].startswith("last line is truncated")


def test_importing_twice_gives_equal_bytes(import_text: Any, tmp_path: Path) -> None:
    text = "ts,price,size\n" + "".join(f"{T0 + i % 7},1,1\n" for i in range(100))
    import_text(text)
    first = (tmp_path / "tape" / "0000000001.tape").read_bytes()
    import_text(text)
    assert (tmp_path / "tape" / "0000000001.tape").read_bytes() == first
    import_text(text, tz="Europe/Berlin")  # other options, another identity
    assert (tmp_path / "tape" / "0000000001.tape").read_bytes() != first


@pytest.mark.parametrize(
    ("venue", "words"), [("krakn", "krakn is no exchange of the catalogue, did you mean kraken?"), ("mine", "")]
)
def test_an_exchange_that_is_almost_a_known_one_is_named(venue: str, words: str, import_text: Any) -> None:
    found = import_text(f"ts,price,size\n{T0},1,2\n", symbol=f"{venue}:X/USD").assumptions
    assert [each for each in found if "catalogue" in each] == ([words] if words else [])
