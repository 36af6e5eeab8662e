"""What each kind of line of a raw capture becomes."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from long_form import examples
from onetape import _core
from onetape.model.errors import BadInput, UnknownSymbol, UsageError
from onetape.venues.binance.market import MARKET

T0 = 1_700_000_000_000_000_000
MS0 = T0 // 1_000_000
SYMBOL = "x:A/USD:USD"


def line(offset: int, message: dict[str, Any] | str) -> str:
    text = message if isinstance(message, str) else json.dumps(message)
    return f"{T0 + offset} {text}\n"


def trade(number: int, price: str = "100.5", size: str = "2", **more: Any) -> dict[str, Any]:
    return {"e": "trade", "E": MS0, "s": "AUSD", "t": number, "p": price, "q": size, "m": True, "T": MS0 + 5} | more


def depth(first: int, last: int, previous: int | None, **more: Any) -> dict[str, Any]:
    ids = {"U": first, "u": last} | ({} if previous is None else {"pu": previous})
    return {"e": "depthUpdate", "E": MS0, "s": "AUSD", **ids, "b": [["100.5", "1"]], "a": []} | more


def raw(import_text: Any, *lines: str, **options: Any) -> Any:
    options.setdefault("symbol", SYMBOL)
    return import_text("".join(lines), kind="binance-raw", **options)


def test_each_kind_of_message_becomes_its_event(import_text: Any, tmp_path: Any, read: Any) -> None:
    kline = {"e": "kline", "E": MS0, "s": "AUSD", "k": {
        "t": MS0 - 60_000, "T": MS0 - 1, "o": "1", "h": "3", "l": "1", "c": "2", "v": "10",
        "q": "20.5", "n": 7, "x": True}}  # fmt: skip
    quote = {"u": 9, "s": "AUSD", "b": "100.5", "B": "1", "a": "100.6", "A": "2"}
    order = {"s": "AUSD", "S": "SELL", "q": "9", "p": "99.5", "ap": "99", "z": "4", "T": MS0}
    forced = {"e": "forceOrder", "E": MS0, "o": order}
    mark = {
        "e": "markPriceUpdate",
        "E": MS0,
        "s": "AUSD",
        "p": "100.12345678",
        "i": "100.2",
        "r": "0.0001",
        "T": MS0 + 1000,
    }
    result = raw(
        import_text,
        line(1, {"stream": "ausd@trade", "data": trade(1)}),
        line(2, quote),
        line(3, kline),
        line(4, forced),
        line(5, mark),
        line(6, mark | {"T": MS0 + 3_601_000, "r": "0.0003"}),
        line(7, kline | {"k": kline["k"] | {"x": False}}),
        line(8, {"result": None, "id": 1}),
        line(9, {"e": "24hrTicker", "s": "AUSD"}),
    )
    assert result.by_type == {
        "quote": 1,
        "trade": 1,
        "bar": 1,
        "mark": 2,
        "funding": 1,
        "funding_rate": 2,
        "liquidation": 1,
    }
    assert result.ignored == {"kline still open": 1, "unnamed": 1, "24hrTicker": 1}
    assert result.rejected == 0
    tape = read(tmp_path / "tape")
    got = {record.type: record.data for record in tape.records}
    assert (got["trade"]["side"], got["trade"]["ts_event"]) == ("sell", (MS0 + 5) * 10**6)
    assert (got["quote"]["ts_event"], got["quote"]["ts_recv"]) == (0, T0 + 2)
    assert str(tape.price(got["mark"]["mark"])) == "100.12345678"
    assert tape.instrument["tick"] == "0.1"  # of what trades, not of marks
    assert got["funding"]["rate"] == 10**8  # 0.0001, the last before the settlement
    assert got["funding"]["interval_ns"] == 3_600 * 10**9
    assert (got["liquidation"]["side"], tape.size(got["liquidation"]["size"])) == ("sell", 4)
    assert got["bar"]["ts_close"] == MS0 * 10**6
    assert got["bar"]["turnover"] == 205 * 10 ** (
        tape.instrument["price_decimals"] + tape.instrument["size_decimals"] - 1
    )


def test_a_bar_is_not_seen_before_its_close(import_text: Any, tmp_path: Any, read: Any) -> None:
    """The venue's clock may run ahead of ours."""
    prices = {"o": "1", "h": "1", "l": "1", "c": "1", "v": "1", "x": True}
    kline = {"e": "kline", "s": "AUSD", "k": {"t": MS0, "T": MS0 + 59_999, **prices}}
    early, at_close = 59_900_000_000, 60_000_000_000
    result = raw(
        import_text,
        line(early, kline),
        line(early + 1, trade(1)),
        line(at_close + 5, trade(2)),
        line(at_close + 6, kline | {"k": kline["k"] | {"t": MS0 + 60_000, "T": MS0 + 119_999}}),
    )
    order = [(record.type, record.time - T0) for record in read(tmp_path / "tape").records[1:]]
    assert order == [("trade", early + 1), ("bar", at_close), ("trade", at_close + 5), ("bar", 2 * at_close)]
    assert result.late == 0


def test_depth_before_a_snapshot_is_kept_and_the_late_answer_holds_it(
    import_text: Any, tmp_path: Any, read: Any, naive_book: Any
) -> None:
    result = raw(
        import_text,
        line(1, depth(1, 5, 0)),
        line(2, depth(6, 12, 5, b=[["99", "3"]])),
        line(3, depth(13, 20, 12, b=[["98", "0"]], a=[["101", "1"]])),
        line(4, '{"lastUpdateId":10,"bids":[["98","7"],["97","1"]],"asks":[["102","5"]]}'),
        line(5, depth(13, 20, 12)),
        line(6, depth(21, 22, 20, b=[["97", "0"]])),
    )
    assert (result.by_type["book"], result.unsynced, result.gaps, result.rejected) == (6, 4, 0, 0)
    tape = read(tmp_path / "tape")
    snapshot = tape.of("book")[3]
    assert snapshot.flags == 1
    assert (snapshot.data["first_id"], snapshot.data["last_id"]) == (10, 20)
    book = naive_book()
    for record in tape.of("book"):
        book.apply(record)
    assert {tape.price(p): tape.size(s) for p, s in book.bids.items()} == {99: 3}
    assert {tape.price(p): tape.size(s) for p, s in book.asks.items()} == {101: 1, 102: 5}


@pytest.mark.parametrize("previous", [5, None])
def test_a_break_is_flagged_and_what_follows_is_unsynced(
    previous: int | None, import_text: Any, tmp_path: Any, read: Any
) -> None:
    def next_(first: int, last: int) -> dict[str, Any]:
        return depth(first, last, None if previous is None else first - 1)

    result = raw(
        import_text,
        line(0, '{"lastUpdateId":5,"bids":[],"asks":[]}'),
        line(1, next_(6, 7)),
        line(2, next_(9, 10)),
        line(3, next_(11, 12)),
        line(4, '{"lastUpdateId":12,"bids":[["1","1"]],"asks":[]}'),
        line(5, next_(13, 14)),
    )
    assert [record.flags for record in read(tmp_path / "tape").of("book")] == [1, 0, 6, 2, 1, 0]
    assert (result.gaps, result.unsynced) == (1, 2)


def test_partial_depth_is_a_snapshot(import_text: Any, tmp_path: Any, read: Any) -> None:
    raw(
        import_text,
        line(1, {"stream": "ausd@depth5@100ms", "data": depth(1, 5, 0)}),
        line(2, {"stream": "ausd@depth20", "data": {"lastUpdateId": 9, "bids": [], "asks": []}}),
        line(3, {"stream": "ausd@depth@100ms", "data": depth(10, 11, 9)}),
    )
    assert [record.flags for record in read(tmp_path / "tape").of("book")] == [1, 1, 0]


def test_the_same_trades_are_not_taken_twice(import_text: Any) -> None:
    aggregated = {"e": "aggTrade", "s": "AUSD", "a": 1, "p": "1", "q": "1", "m": False}
    result = raw(import_text, line(1, trade(1)), line(2, aggregated), line(3, trade(2)))
    assert result.by_type == {"trade": 2}
    assert result.ignored == {"aggTrade beside trade": 1}


def test_trades_that_met_no_book_are_passed_over(import_text: Any) -> None:
    result = raw(import_text, line(1, trade(1, X="MARKET")), line(2, trade(2, X="INSURANCE_FUND")))
    assert (result.by_type, result.ignored) == ({"trade": 1}, {"trade INSURANCE_FUND": 1})


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("no time here", "does not begin with a receipt time"),
        ("1700000000 {}", "receipt time is not in nanoseconds"),
        ("99999999999999999999999 {}", "out of range"),
        (f"{T0} nonsense", "not JSON"),
        (f"{T0} " + '{"e":"trade"', "ends in the middle"),
        (f"{T0} " + json.dumps(trade(1, "nan")), "price is not finite"),
        (f"{T0} " + json.dumps(trade(1, "")), "price is empty"),
        (f"{T0} " + json.dumps(trade(1, "1", "-2")), "size is negative"),
        (f"{T0} " + json.dumps(trade(1, "1", "0")), "size is zero"),
        (f"{T0} " + json.dumps(trade(1, "1e308")), "price is too large"),
        (f"{T0} " + json.dumps(trade(1, "990000000000000000.5", "1")), "price does not fit 64 bits"),
        (f"{T0} " + json.dumps({"e": "trade", "s": "AUSD", "t": 1, "q": "1"}), "has no price"),
        (f"{T0} " + json.dumps(depth(9, 8, 7)), "first id is above the last"),
        (f"{T0} " + json.dumps(depth(1, 2, 0, b="x")), "bids is not a list of levels"),
        (f"{T0} " + json.dumps(depth(1, 2, 0, b=[["1", "-1"]])), "size is negative"),
    ],
)
def test_what_cannot_be_read_is_listed_with_its_reason(bad: str, reason: str, import_text: Any, rejects: Any) -> None:
    result = raw(import_text, line(0, trade(1)), line(0, trade(2)), bad + "\n", line(1, trade(3)))
    assert (result.rejected, result.by_type) == (1, {"trade": 3})
    (listed,) = rejects()
    assert listed["line"] == 3
    assert reason in listed["reason"]
    assert bad.startswith(listed["text"])


def test_a_side_that_is_neither_true_nor_false_is_refused(import_text: Any, rejects: Any) -> None:
    good = json.dumps(trade(1))
    assert '"m": ' in good
    bad = re.sub(r'"m": (true|false)', '"m": "true"', good)
    result = raw(import_text, line(0, good), line(1, bad))
    assert (result.by_type, result.rejected) == ({"trade": 1}, 1)
    assert rejects()[0]["reason"] == "the side is neither true nor false"


def test_a_key_that_the_venue_sent_twice_counts_once(import_text: Any, rejects: Any) -> None:
    once = json.dumps(depth(1, 2, 0))
    twice = once[:-1] + ', "s": "AUSD", "pu": 0}'
    other = once[:-1] + ', "s": "BUSD"}'
    result = raw(import_text, line(0, twice), line(1, other), line(2, depth(3, 4, 2)))
    assert (result.by_type, result.rejected) == ({"book": 2}, 1)
    assert rejects()[0]["reason"].startswith("a key stands twice")


def test_control_characters_are_escaped_in_the_list(import_text: Any, rejects: Any, tmp_path: Any) -> None:
    raw(import_text, line(0, trade(1)), "\x1b[2J\x07\xff bad\n")
    written = (tmp_path / "tape" / "rejects.jsonl").read_bytes()
    assert not any((byte < 0x20 and byte != 0x0A) or byte > 0x7E for byte in written)
    assert rejects()[0]["text"].startswith("\x1b[2J")


def test_the_list_is_bounded_and_the_count_is_not(import_text: Any, rejects: Any) -> None:
    result = raw(import_text, line(0, trade(1)), *["bad\n"] * 10_050)
    assert result.rejected == 10_050
    assert len(rejects()) == 10_000


def test_a_truncated_last_line_is_a_reject_and_a_whole_one_is_not(import_text: Any, rejects: Any) -> None:
    whole = line(0, trade(1)) + line(1, trade(2))
    assert raw(import_text, whole.rstrip("\n")).by_type == {"trade": 2}
    result = raw(import_text, whole[:-10])
    assert (result.by_type, result.rejected) == ({"trade": 1}, 1)
    assert rejects()[0]["reason"].startswith("last line is truncated")


def test_a_line_beyond_one_mebibyte_is_a_reject(import_text: Any, rejects: Any) -> None:
    result = raw(import_text, line(0, trade(1)), "x" * (2 << 20) + "\n", line(1, trade(2)))
    assert (result.by_type, result.rejected) == ({"trade": 2}, 1)
    assert rejects()[0]["reason"] == "line is longer than 1 MiB"
    assert len(rejects()[0]["text"]) == 200


def test_receipts_that_go_back_are_late_and_frame_time_does_not(import_text: Any, tmp_path: Any, read: Any) -> None:
    result = raw(import_text, line(10, trade(1)), line(4, trade(2)), line(11, trade(3)))
    records = read(tmp_path / "tape").of("trade")
    assert [record.time - T0 for record in records] == [10, 10, 11]
    assert [record.flags for record in records] == [0, 8, 0]
    assert records[1].data["ts_recv"] == T0 + 4
    assert result.late == 1


def test_crossed_quotes_are_kept_and_counted(import_text: Any) -> None:
    quote = {"u": 9, "s": "AUSD", "b": "101", "B": "1", "a": "100", "A": "2"}
    empty = {"u": 10, "s": "AUSD", "b": "101", "B": "1", "a": "0.0", "A": "0"}
    result = raw(import_text, line(1, quote), line(2, empty))
    assert (result.by_type, result.crossed) == ({"quote": 2}, 1)


def test_several_symbols_need_a_map(import_text: Any, tmp_path: Any) -> None:
    lines = [line(1, trade(1)), line(2, trade(1, s="BUSD"))]
    with pytest.raises(BadInput, match="several symbols: AUSD, BUSD"):
        raw(import_text, *lines)
    assert not (tmp_path / "tape").exists()
    result = raw(import_text, *lines, symbol="AUSD=x:A/USD:USD,BUSD=x:B/USD:USD")
    assert result.by_symbol == {"x:A/USD:USD": {"trade": 1}, "x:B/USD:USD": {"trade": 1}}
    only = raw(import_text, *lines, symbol="BUSD=x:B/USD:USD")
    assert (only.events, only.rejected, only.ignored) == (1, 0, {"symbol AUSD": 1})
    with pytest.raises(UnknownSymbol, match=r"has no CUSD.*it has AUSD, BUSD"):
        raw(import_text, *lines, symbol="AUSD=x:A/USD:USD,CUSD=x:B/USD:USD")


def test_a_catalogued_symbol_must_be_that_of_the_file(import_text: Any) -> None:
    lines = [line(1, trade(1, s="ETHUSDT"))]
    with pytest.raises(BadInput, match="capture is of ETHUSDT"):
        raw(import_text, *lines, symbol="binance:BTC/USDT:USDT")
    mapped = raw(import_text, *lines, symbol="ETHUSDT=binance:BTC/USDT:USDT")
    assert mapped.events == 1


@pytest.mark.parametrize("symbol", [None, "", "A=", "=x:A/USD", "x:A/USD,x:B/USD", "A=x:A/USD,A=x:B/USD", "nonsense"])
def test_a_symbol_that_says_nothing_is_wrong_usage(symbol: str | None, import_text: Any) -> None:
    with pytest.raises(UsageError):
        raw(import_text, line(1, trade(1)), symbol=symbol)


def test_decimals_grow_with_the_data_and_no_digit_is_lost(import_text: Any, tmp_path: Any, read: Any) -> None:
    """The catalogue says 0.1 and 0.001; the data are finer: written again, exactly."""
    lines = [
        line(i, trade(i, p, q, s="BTCUSDT"))
        for i, (p, q) in enumerate([("61800.20", "0.0010000"), ("61800.25", "0.001"), ("61800.3", "0.0015")])
    ]
    raw(import_text, *lines, symbol="binance:BTC/USDT:USDT")
    tape = read(tmp_path / "tape")
    assert tape.instrument["tick"] == "0.01"
    assert "tick" in tape.instrument["inferred"]
    prices = [str(tape.price(record.data["price"])) for record in tape.of("trade")]
    assert prices == ["61800.20", "61800.25", "61800.30"]
    assert [str(tape.size(r.data["size"])) for r in tape.of("trade")] == ["0.0010", "0.0010", "0.0015"]


def test_padding_zeros_need_no_decimals(import_text: Any, tmp_path: Any, read: Any) -> None:
    raw(import_text, line(1, trade(1, "100.50000000", "2.00000000")))
    assert read(tmp_path / "tape").instrument["price_decimals"] == 1
    assert read(tmp_path / "tape").instrument["lot"] == "1"


@settings(max_examples=examples(200), deadline=None)
@given(st.data())
def test_chunks_do_not_matter(data: st.DataObject) -> None:
    """The same lines in any pieces give the same events."""
    text = "".join([line(1, trade(1)), line(2, depth(1, 5, 0)), "bad\n", "\n", line(3, trade(2))]).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    whole = _decode([text])
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert _decode(pieces) == whole


@settings(max_examples=examples(300), deadline=None)
@given(st.binary(max_size=300), st.integers(0, 200))
def test_no_bytes_break_the_decoder(noise: bytes, at: int) -> None:
    good = (line(1, trade(1)) + line(2, depth(1, 5, 0))).encode()
    at = min(at, len(good))
    _decode([good[:at] + noise + good[at:]])
    _decode([noise])


def _decode(pieces: list[bytes]) -> tuple[Any, ...]:
    decoder = _core.CaptureImport(None, MARKET.as_core(), [("", 1, 1, 0, True)])
    decoder.begin_source(0)
    for piece in pieces:
        assert decoder.feed(piece) == 0
    decoder.end_source()
    decoder.finish()
    return decoder.facts(0), decoder.lines, decoder.rejected, decoder.take_rejects()
