"""How times and numbers of a csv are written: found where they can mean one thing, else asked."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from onetape.data.importing import import_files, import_frame
from onetape.model.errors import BadInput, UsageError
from onetape.model.time import parse_time

S = 10**9
T0 = 1_700_000_040 * S
BARS = "open;high;low;close;volume"


@pytest.fixture
def brought(tmp_path, import_text, read):
    """Text imported: its result, and of each event (time of a bar's open or of a trade, price)."""

    def run(text: str, **options: Any) -> tuple[Any, list[tuple[int, Decimal]]]:
        result = import_text(text, **options)
        tape = read(tmp_path / "tape")
        rows = []
        for record in tape.of("bar", "trade"):
            data = record.data
            is_bar = record.type == "bar"
            price = tape.price(data["close" if is_bar else "price"])
            rows.append((data["ts_open" if is_bar else "ts_event"], price))
        return result, rows

    return run


def trades(*cells: str, separator: str = ",") -> str:
    rows = [separator.join((cell, "5", "1")) for cell in cells]
    return "\n".join([separator.join(("time", "price", "size")), *rows]) + "\n"


# --- Times ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "time_format", "at"),
    [
        ("14/11/2023 22:14", "%d/%m/%Y %H:%M", T0),
        ("11/14/23 10:14:00 PM", "%m/%d/%y %I:%M:%S %p", T0),
        ("2023-11-14T22:14:00.25", "%Y-%m-%dT%H:%M:%S.%f", T0 + S // 4),
        ("4/1/2024 9:5:7", "%d/%m/%Y %H:%M:%S", parse_time("2024-01-04T09:05:07")),
        ("14.11.2023 22:14:00.000000001", "%d.%m.%Y %H:%M:%S.%f", T0 + 1),
        ("22h14 at 2023-11-14", "%Hh%M at %Y-%m-%d", T0),
        ("14 Nov 2023 23:14 +0100", "%d %b %Y %H:%M %z", T0),
        ("1700000040", "s", T0),
        ("1700000040.000000001", "s", T0 + 1),
        ("1700000040000", "ms", T0),
        ("1700000040000000", "us", T0),
        (str(T0), "ns", T0),
        # Numbers that magnitude would take for a coarser unit.
        ("5000", "ms", 5 * S),
        ("5000000000", "ns", 5 * S),
    ],
)
def test_a_time_is_written_as_is_said(brought, cell, time_format, at):
    result, rows = brought(trades(cell), time_format=time_format)
    assert rows == [(at, 5)]
    assert result.understood[0]["time"] == time_format


def test_a_time_that_is_not_written_so_is_rejected_in_its_line(brought, rejects):
    # 20231116 would be a time by itself.
    text = trades("14.11.2023", "20231116", "15.11.2023", "")
    result, rows = brought(text, time_format="%d.%m.%Y")
    assert [at for at, _ in rows] == [parse_time("2023-11-14"), parse_time("2023-11-15")]
    assert [(each["line"], each["reason"]) for each in rejects()] == [
        (3, "time is not a time"),
        (5, "time is not a time"),
    ]
    assert result.rejected == 2


@pytest.mark.parametrize(
    ("time_format", "words"),
    [
        ("%d/%m/%Y", "has the time '2023-11-14', which is not written as '%d/%m/%Y'"),
        ("ticks", "neither a pattern nor a unit"),
        ("%Y-%d-%m", "which is not written as"),
        ("%H:%M", "has no day"),
        ("%d.%m %H:%M", "has no day"),
        ("%Y-%m-%d %Z", "names a time zone"),
        ("%Y-%m-%d %Q", "bad directive"),
    ],
)
def test_a_form_that_does_not_fit_is_refused(brought, time_format, words):
    with pytest.raises(UsageError, match=words):
        brought(trades("2023-11-14"), time_format=time_format)


def test_a_wall_time_is_of_the_zone_that_is_said(brought):
    text = trades("14.11.2023 22:14")
    result, rows = brought(text)
    assert rows == [(T0, 5)]
    assert result.understood[0]["zone"] == "UTC, assumed"
    result, rows = brought(text, tz="Europe/Athens")
    assert rows == [(T0 - 7200 * S, 5)]
    assert result.understood[0]["zone"] == "Europe/Athens"


@pytest.mark.parametrize(
    ("header", "cell", "time", "zone"),
    [
        ("time", "1700000040", "seconds", "UTC"),
        ("time", "1700000040000", "milliseconds", "UTC"),
        ("time", "2023-11-14 22:14", "text", "UTC, assumed"),
        ("time", "2023-11-14T22:14Z", "text", "in the text"),
        ("time", "2023-11-15T00:14+02:00", "text", "in the text"),
        ("Date(UTC)", "2023-11-14 22:14", "text", "UTC"),
        ("timestamp_utc", "2023-11-14 22:14", "text", "UTC"),
    ],
)
def test_unit_and_zone_are_said(brought, header, cell, time, zone):
    result, rows = brought(f"{header},price,size\n{cell},5,1\n")
    assert rows == [(T0, 5)]
    assert (result.understood[0]["time"], result.understood[0]["zone"]) == (time, zone)


def test_a_form_is_found_where_it_can_be_one_only(brought):
    result, rows = brought(trades("12/31/2023 09:30", "01/02/2024 09:30"))
    assert [at for at, _ in rows] == [parse_time("2023-12-31T09:30:00"), parse_time("2024-01-02T09:30:00")]
    assert result.understood[0]["time"] == "%m/%d/%Y %H:%M"
    with pytest.raises(BadInput, match=r"may mean %d/%m/%Y or %m/%d/%Y.*--time-format"):
        brought(trades("01/02/2024", "03/04/2024"))
    with pytest.raises(BadInput, match=r"'31st of May' is of no known form.*--time-format"):
        brought(trades("31st of May"))


@pytest.mark.parametrize(
    ("header", "cells"),
    [
        ("<DATE>,<TIME>", "2023.11.14,22:14:00"),
        ("<DATE>,<TIME>", "20231114,221400"),
        ("Date,Time", "2023-11-14,22:14"),
        ("Date,Time", "14.11.2023,22:14:00.000"),
        ("<DTYYYYMMDD>,<TIME>", "20231114,2214"),
        ("Time,Date", "22:14,2023-11-14"),
    ],
)
def test_a_date_and_a_time_are_joined(brought, header, cells):
    result, rows = brought(f"{header},price,size\n{cells},5,1\n")
    assert rows == [(T0, 5)]
    day, clock = sorted(header.split(","))
    assert result.understood[0]["columns"]["time"] == f"{day} {clock}"
    assert result.understood[0]["not_used"] == []
    assert result.ignored == {}


def test_a_clock_that_is_none_is_rejected(brought, rejects):
    text = "Date,Time,price,size\n2023-11-14,9:30,5,1\n2023-11-14,late,5,1\n2023-11-14,,5,1\n"
    with pytest.raises(BadInput, match=r"no row could be read|is not a time"):
        brought(text.replace("9:30", "soon"))
    _, rows = brought(text.replace("late", "12:60"))
    assert rows == [(parse_time("2023-11-14T09:30:00"), 5)]
    assert [each["line"] for each in rejects()] == [3, 4]


# --- Decimals -------------------------------------------------------------------------------------


def bars(*closes: str, separator: str = ";") -> str:
    def quoted(cell: str) -> str:
        return f'"{cell}"' if separator in cell else cell

    rows = [
        separator.join([f"{1_700_000_040 + 60 * at}", *[quoted(close)] * 4, "1"]) for at, close in enumerate(closes)
    ]
    return "\n".join([separator.join(f"time;{BARS}".split(";")), *rows]) + "\n"


@pytest.mark.parametrize("separator", [";", "\t", ","])
@pytest.mark.parametrize(
    ("cells", "prices"),
    [
        (("1,25", "2,5"), ("1.25", "2.5")),
        (("0,125", "1,250"), ("0.125", "1.25")),
        (("1234,567", "3"), ("1234.567", "3")),
        (("1.234,5", "12,5"), ("1234.5", "12.5")),
    ],
)
def test_a_decimal_comma_is_found(brought, separator, cells, prices):
    result, rows = brought(bars(*cells, separator=separator))
    assert [price for _, price in rows] == list(map(Decimal, prices))
    assert result.understood[0]["decimal"] == "comma"
    assert result.rejected == 0


def test_a_comma_that_may_be_between_thousands_is_asked_for(brought):
    text = bars("1,234", "1,235")
    with pytest.raises(BadInput, match=r"a decimal comma or a thousands separator.*--decimal"):
        brought(text)
    _, rows = brought(text, decimal="comma")
    assert [price for _, price in rows] == [Decimal("1.234"), Decimal("1.235")]
    _, rows = brought(text, decimal="point")
    assert [price for _, price in rows] == [1234, 1235]
    with pytest.raises(UsageError, match="neither point nor comma"):
        brought(text, decimal="dot")


def test_what_is_not_of_the_file_s_decimals_is_rejected(brought, rejects):
    # 1.234 may be 1234 among decimal commas: it must not become one and a bit.
    _, rows = brought(bars("1,25", "1.234", "1,2,3", "1.2345,6", "2,5"), period="1m")
    assert [price for _, price in rows] == [Decimal("1.25"), Decimal("2.5")]
    assert [each["line"] for each in rejects()] == [3, 4, 5]


def test_what_is_no_number_decides_nothing(brought):
    with pytest.raises(BadInput, match="a decimal comma or a thousands separator"):
        brought(bars("1,234", "n,a", "1,235"))


def test_a_damaged_row_does_not_hide_the_form_of_the_others(brought, rejects):
    days = [f"{day:02}/11/2023" for day in range(1, 31)]
    days[7] = "sold out 08/11"
    _, rows = brought(trades(*days))
    assert len(rows) == 29
    assert [each["line"] for each in rejects()] == [9]
    days[20:] = ["?1"] * 10
    with pytest.raises(BadInput, match="'01/11/2023' is of no known form"):
        brought(trades(*days))


def test_thousands_beside_points_are_rejected_as_before(brought, rejects):
    _, rows = brought(bars("1234.5", "1,234.5"), period="1m")
    assert len(rows) == 1
    (reject,) = rejects()
    assert "thousands separators" in reject["reason"]


def test_quotes_that_leave_out_what_did_not_change(tmp_path, import_text, read):
    rows = ["22:14:00.000\t1.1\t1.2\t\t\t6", "22:14:01.000\t\t1.3\t\t\t4"]
    text = "<DATE>\t<TIME>\t<BID>\t<ASK>\t<LAST>\t<VOLUME>\t<FLAGS>\n"
    text += "".join(f"2023.11.14\t{row}\n" for row in rows)
    assert import_text(text).rejected == 0
    tape = read(tmp_path / "tape")
    shown = [(tape.price(r.data["bid"]), tape.price(r.data["ask"])) for r in tape.of("quote")]
    assert shown == [(Decimal("1.1"), Decimal("1.2")), (Decimal("1.1"), Decimal("1.3"))]


# --- Columns --------------------------------------------------------------------------------------

YAHOO = "Date,Open,High,Low,Close,Adj Close,Volume\n" + "".join(
    f"2023-11-{day},10,12,9,11,5.5,100\n" for day in (14, 15, 16)
)


def test_a_header_is_picked_for_a_column(brought):
    text = YAHOO.replace("5.5", "9.5")
    result, rows = brought(text, columns=["close=adj close"])
    assert [price for _, price in rows] == [Decimal("9.5")] * 3
    assert "column Close" in result.ignored
    _, rows = brought(text)
    assert [price for _, price in rows] == [11] * 3


@pytest.mark.parametrize(
    "columns",
    [["close=Last price", "time=When"], {"close": "Last price", "time": "When"}, "close=Last price,time=When"],
)
def test_columns_are_named_in_several_ways(brought, columns):
    text = "When,Open,High,Low,Close,Last price,Date\n" + "".join(
        f"{1_700_000_040 + 60 * at},10,12,9,3,11,x\n" for at in range(2)
    )
    result, rows = brought(text, columns=columns)
    assert rows == [(T0, 11), (T0 + 60 * S, 11)]
    assert result.understood[0]["columns"]["close"] == "Last price"
    assert set(result.understood[0]["not_used"]) == {"Close", "Date"}


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (["close=Last"], "has no column 'Last'.*it has Date, Open, High, Low, Close, Adj Close"),
        (["close=Adj Clos"], "has no column 'Adj Clos'.*did you mean Adj Close"),
        (["clos=Close"], "no column is called 'clos'.*did you mean close"),
        (["close="], "has no header"),
        (["close=Close", "close=Open"], "stands twice"),
        (["close=Close", "open=Close"], "two names to one column"),
        (["close=Close", "a,b"], "names in order and name=header at once"),
    ],
)
def test_wrong_names_say_what_the_file_has(brought, columns, words):
    with pytest.raises(UsageError, match=words):
        brought(YAHOO, columns=columns)


@pytest.mark.parametrize(
    ("row", "count"), [("{t},10,12,9,11,3.5,7", 2), ("{t},10,12,9,11,3.5", 2), ("2023.11.14,22:1{m},10,12,9,11,3", 2)]
)
def test_bars_without_a_header_are_recognised(brought, row, count):
    rows = [row.format(t=1_700_000_040 + 60 * at, m=4 + at) for at in range(2)]
    result, found = brought("\n".join(rows) + "\n")
    assert found == [(T0, 11), (T0 + 60 * S, 11)]
    assert result.understood[0]["header"] is False
    assert any("no header: columns read as" in line for line in result.assumptions)


@pytest.mark.parametrize("row", ["{t},10,9,12,11,3", "{t},10,12,9,11", "{t},10,12", "a,b,c,d,e,f"])
def test_rows_that_may_be_something_else_are_not(brought, row):
    with pytest.raises(BadInput, match="--columns"):
        brought("\n".join(row.format(t=1_700_000_040 + 60 * at) for at in range(3)) + "\n")


# --- Frames, and what they share ------------------------------------------------------------------


def test_what_was_understood_is_heard_before_it_is_written(tmp_path):
    source, out = tmp_path / "x.csv", tmp_path / "t"
    source.write_text(YAHOO)
    heard = []

    def listen(tables: list[dict[str, object]]) -> None:
        assert not out.exists()
        heard.extend(tables)

    result = import_files("csv", [source], symbol="x:A/USD", out=out, on_understood=listen)
    assert heard == result.understood
    (table,) = heard
    assert (table["rows"], table["period_ns"]) == (3, 86400 * S)
    assert (table["kind"], table["symbols"]) == ("bars", ["x:A/USD"])
    assert table["columns"]["time"] == "Date"


@pytest.mark.parametrize("library", ["polars", "pandas"])
def test_frames_are_read_by_the_same_rules(tmp_path, library, read):
    frames = pytest.importorskip(library)
    frame = frames.DataFrame({"Datum": ["14.11.2023", "15.11.2023"], "Price": ["1,25", "0,5"], "Qty": [1, 2]})
    result = import_frame(frame, symbol="x:A/USD", columns={"time": "Datum"}, out=tmp_path / "t")
    tape = read(tmp_path / "t")
    assert [tape.price(r.data["price"]) for r in tape.of("trade")] == [Decimal("1.25"), Decimal("0.5")]
    assert (result.understood[0]["time"], result.understood[0]["decimal"]) == ("%d.%m.%Y", "comma")


def test_a_pandas_index_is_a_column(tmp_path, read):
    pd = pytest.importorskip("pandas")
    days = pd.to_datetime(["2023-11-14", "2023-11-15"])
    prices = {name: [10.0, 11.0] for name in ("Open", "High", "Low", "Close")}
    by_date = pd.DataFrame(prices, index=days.rename("Date"))
    # As downloads of several tickers have it: (price, ticker) above each column.
    wide = pd.concat({"AAA": by_date, "BBB": by_date + 1}, axis=1).swaplevel(axis=1)
    wide.columns.names = ["Price", "Ticker"]
    long = pd.concat({"AAA": by_date, "BBB": by_date + 1}, names=["Ticker", "Date"])
    tapes = []
    for number, frame in enumerate((wide, long)):
        out = tmp_path / f"t{number}"
        assert import_frame(frame, out=out).symbols == ["data:AAA", "data:BBB"]
        tapes.append([(r.time, r.stream, r.data) for r in read(out).of("bar")])
    assert len(tapes[0]) == 4
    assert tapes[0] == tapes[1]
    one = by_date.rename_axis("day").set_axis(days.to_period("D"))
    assert import_frame(one, symbol="x:A/USD", out=tmp_path / "p").events == 2


def test_receipts_are_of_the_same_form(tmp_path, import_text, read):
    text = "time,ts_recv,price,size\n14.11.2023 22:14,14.11.2023 22:15,5,1\n"
    import_text(text)
    (trade,) = read(tmp_path / "tape").of("trade")
    assert (trade.data["ts_event"], trade.time) == (T0, T0 + 60 * S)


@pytest.mark.parametrize(
    "row", ['"14.11.2023\0",5,1', '"14.11.2023,5,1', "14.11.2023,5", "14.11.2023,5,1,1", '"' + "5" * 200_000]
)
def test_rows_that_cannot_be_taken_apart_are_rejected(brought, rejects, row):
    days = [f"{day}.11.2023" for day in range(1, 15)]
    _, rows = brought(trades(*days) + f"{row}\n" + "15.11.2023,5,1\n")
    assert [at for at, _ in rows] == [parse_time(f"2023-11-{day:02}") for day in range(1, 16)]
    assert [each["line"] for each in rejects()] == [16]


def test_a_header_that_cannot_be_taken_apart_is_refused(brought):
    with pytest.raises(BadInput, match="the header is"):
        brought('"time"\rx,price,size\n1700000040,5,1\n')


def test_lines_are_whole_however_the_chunks_are_cut(tmp_path, brought):
    import gzip

    lines = [f"{1 + at % 28}.{1 + at // 28 % 12}.2023,5,1" for at in range(90_000)]
    text = trades("31.12.2022") + "\n".join(lines)
    overlong = text + "\n" + "7" * (3 << 20) + "\n1.1.2024,5,1"
    result, rows = brought(overlong)
    assert (len(rows), result.rejected) == (90_002, 1)
    source = tmp_path / "x.csv.gz"
    source.write_bytes(gzip.compress(text.encode().replace(b"\n", b"\r\n")))
    assert import_files("csv", [source], symbol="x:A/USD", out=tmp_path / "z").events == 90_001
