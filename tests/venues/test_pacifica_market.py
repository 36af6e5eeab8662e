"""Pacifica's market messages, as its documentation has them, on the tape."""

from __future__ import annotations

import json

import pytest
from live_tape import LiveTape, instrument

from onetape import _core
from onetape.tape.journal import JournalWriter
from onetape.venues.pacifica.market import MARKET, PING, PacificaDepth, live_market

BTC = instrument("pacifica:BTC/USDC:USDC", "BTC", 0, 5)
SOL = instrument("pacifica:SOL/USDC:USDC", "SOL", 2, 2)
MS = 1_000_000
RECEIVED = 1_795_000_000_000 * MS
BOOK = {
    "l": [
        [{"a": "37.86", "n": 4, "p": "157.47"}, {"a": "1", "n": 1, "p": "157.40"}],
        [{"a": "12.7", "n": 2, "p": "157.49"}],
    ],
    "s": "SOL",
    "t": 1749051881187,
    "li": 1559885104,
}


@pytest.fixture
def tape(tmp_path):
    tape = LiveTape(tmp_path / "tape", MARKET, [("BTC", BTC), ("SOL", SOL)])
    yield tape
    tape.close()


def taken(tape, channel, data, received=RECEIVED):
    number = tape.take(json.dumps({"channel": channel, "data": data}).encode(), received)
    assert tape.reader.rejected == 0
    return number


def test_a_quote_is_read(tape):
    said = {"s": "BTC", "i": 7, "li": 9, "t": 1765018379085, "b": "89470", "B": "0.5", "a": "89471", "A": "1.25"}
    assert taken(tape, "bbo", said) == 1
    assert tape.reader.top(1) == (89470, 89471, 50_000, 125_000)
    (record,) = tape.records()
    assert (record.type, record.data["ts_event"], record.data["update_id"]) == ("quote", 1765018379085 * MS, 9)


def test_a_book_without_a_side_has_no_top(tape):
    assert taken(tape, "bbo", {"s": "BTC", "li": 9, "t": 1, "b": "", "B": "", "a": "89471", "A": "1"}) == 0


@pytest.mark.parametrize(
    ("word", "side"), [("open_long", "buy"), ("close_short", "buy"), ("open_short", "sell"), ("close_long", "sell")]
)
def test_what_became_of_his_position_says_the_takers_side(tape, word, side):
    row = {
        "h": 80062522,
        "s": "BTC",
        "a": "0.00001",
        "p": "89471",
        "d": word,
        "tc": "normal",
        "t": 1765018379085,
        "li": 3,
    }
    taken(tape, "trades", [row, {**row, "h": 80062523}])
    assert [(r.data["price"], r.data["size"], r.data["side"], r.data["id_low"]) for r in tape.records()] == [
        (89471, 1, side, 80062522),
        (89471, 1, side, 80062523),
    ]


def test_prices_are_marks_and_those_of_other_markets_are_passed_over(tape):
    row = {"mark": "100.5", "oracle": "100.25", "next_funding": "0.0000125", "funding": "0", "timestamp": 1765018379085}
    taken(tape, "prices", [{**row, "symbol": "DOGE"}, {**row, "symbol": "SOL"}])
    rate, record = tape.records()
    assert (record.type, record.stream, record.data["mark"], record.data["index"]) == ("mark", 2, 10050, 10025)
    assert (rate.type, rate.stream, rate.data["rate"], rate.data["next_ns"]) == ("funding_rate", 2, 12_500_000, 0)


def test_a_candle_ends_where_the_next_one_begins(tape):
    begin = RECEIVED // MS // 60_000 * 60_000
    bar = {
        "t": begin,
        "T": begin + 60_000,
        "s": "SOL",
        "i": "1m",
        "o": "1",
        "h": "3",
        "l": "1",
        "c": "2",
        "v": "0.5",
        "n": 2,
    }
    taken(tape, "candle", bar, begin * MS + MS)
    taken(tape, "candle", {**bar, "c": "2.5", "n": 3}, begin * MS + 2 * MS)
    assert not tape.records()
    quote = {"s": "BTC", "li": 9, "t": begin, "b": "1", "B": "1", "a": "2", "A": "1"}
    taken(tape, "bbo", quote, (begin + 62_000) * MS)
    found = tape.records()[0].data
    assert (found["ts_close"] - found["ts_open"], found["close"], found["trades"]) == (60_000 * MS, 250, 3)


def test_what_is_no_market_message_is_passed_over(tape):
    for message in ({"channel": "pong"}, {"channel": "subscribe", "data": {"source": "bbo", "symbol": "BTC"}}):
        assert tape.take(json.dumps(message).encode(), RECEIVED) == 0
    assert (tape.reader.rejected, tape.records()) == (0, [])


@pytest.mark.parametrize("levels", [[[], []], [[{"a": "x", "p": "1"}], []], "no"])
def test_a_book_is_whole_each_time(tmp_path, levels):
    writer = JournalWriter(tmp_path / "tape", durable=False)
    depth = PacificaDepth(SOL, 2, "ws://sim/ws")
    assert json.loads(depth.hello[0])["params"] == {"source": "book", "symbol": "SOL", "agg_level": 1}
    depth.take(json.dumps({"channel": "book", "data": BOOK}).encode(), RECEIVED, writer.core)
    assert (depth.book.bids(9), depth.book.asks(9)) == ([(15747, 3786), (15740, 100)], [(15749, 1270)])
    assert (depth.book.synced, depth.broken) == (True, "")
    fewer = {**BOOK, "l": [BOOK["l"][0][:1], BOOK["l"][1]], "li": 1559885105}
    depth.take(json.dumps({"channel": "book", "data": fewer}).encode(), RECEIVED, writer.core)
    assert depth.book.bids(9) == [(15747, 3786)]
    depth.take(json.dumps({"channel": "book", "data": {**BOOK, "l": levels}}).encode(), RECEIVED, writer.core)
    assert bool(depth.broken) == (levels != [[], []])
    writer.close()


def test_a_path_leads_through_an_object_and_a_list():
    with pytest.raises(Exception, match="nests deeper than four"):
        _core.LiveMessages(
            (
                "channel",
                "",
                "",
                "",
                [],
                ["data"],
                [],
                ("p", "a"),
                "none",
                [("quote", "bbo", "bbo", [], {"symbol": "data.a.b.c.d", "bid": "data.b"}, ["symbol"], None, "")],
            ),
            [],
            False,
            False,
        )


def test_a_market_is_one_connection_that_speaks():
    market = live_market([BTC, SOL], "ws://sim/ws")
    (stream,) = market.streams()
    said = [json.loads(each)["params"] for each in stream.hello]
    assert said[0] == {"source": "prices"}
    assert [(each["source"], each["symbol"]) for each in said[1:]] == [
        (source, raw) for source in ("bbo", "trades", "candle") for raw in ("BTC", "SOL")
    ]
    assert stream.ping == PING == b'{"method":"ping"}'
