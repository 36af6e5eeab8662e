"""Recordings of cryptofeed in the dialects of each venue, by small ones written here: the book that
its messages make, what gives a lost one away, and its trades. `test_import_cryptofeed.py` holds the
same to recorded ones."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import pytest
from test_import_newer_dialects import START, recorded

MS = START * 1000
Levels = dict[str, str]  # sizes by price, best first


class Recording(NamedTuple):
    """book: a snapshot of BIDS and ASKS, then a level that comes, one that changes and one that
    goes. trade: one of 2 at 100.5, sold."""

    url: str
    book: list[str]
    trade: str = ""


BIDS, ASKS = {"100.0": "3", "99.5": "7"}, {"101.0": "4", "101.5": "6"}
CAME = {"100.5": "2", **BIDS}  # a bid
CHANGED = {"101.0": "9", "101.5": "6"}  # an ask
GONE = {"100.5": "2", "99.5": "7"}  # the bid at 100.0
STEPS = [(BIDS, ASKS), (CAME, ASKS), (CAME, CHANGED), (GONE, CHANGED)]


def kraken() -> Recording:
    def rows(levels: Levels) -> list[list[str]]:
        return [[price, f"{size}.00000000", f"{START}.5"] for price, size in levels.items()]

    def sum_of(bids: Levels, asks: Levels) -> str:
        """Ten of each side, asks first, without points and zeros before the first figure."""
        text = "".join(
            (price.replace(".", "") + f"{size}00000000") for side in (asks, bids) for price, size in side.items()
        )
        return str(crc32(text.encode()))

    def message(step: int, **body: Any) -> str:
        changed = {"c": sum_of(*STEPS[step])} if step else {}
        return json.dumps([7, {**body, **changed}, "book-10", "XBT/USD"])

    return Recording(
        "wss://ws.kraken.com",
        [
            message(0, bs=rows(BIDS), **{"as": rows(ASKS)}),
            message(1, b=rows({"100.5": "2"})),
            message(2, a=rows({"101.0": "9"})),
            message(3, b=rows({"100.0": "0"})),
        ],
        json.dumps([8, [["100.5", "2.0", f"{START}.001", "s", "m", ""]], "trade", "XBT/USD"]),
    )


def kraken_futures() -> Recording:
    def rows(levels: Levels) -> list[dict[str, float]]:
        return [{"price": float(price), "qty": float(size)} for price, size in levels.items()]

    def message(seq: int, side: str, price: str, qty: str) -> str:
        return json.dumps(
            {
                "feed": "book",
                "product_id": "PI_XBTUSD",
                "side": side,
                "seq": seq,
                "price": float(price),
                "qty": float(qty),
                "timestamp": MS,
            }
        )

    return Recording(
        "wss://futures.kraken.com/ws/v1",
        [
            json.dumps(
                {"feed": "book_snapshot", "product_id": "PI_XBTUSD", "timestamp": MS, "seq": 20,
                 "tickSize": None, "bids": rows(BIDS), "asks": rows(ASKS)}
            ),
            message(21, "buy", "100.5", "2"),
            message(22, "sell", "101.0", "9"),
            message(23, "buy", "100.0", "0"),
        ],
        json.dumps(
            {"feed": "trade", "product_id": "PI_XBTUSD", "side": "sell", "type": "fill", "seq": 5,
             "uid": "11111111-2222-4333-8444-555555555555", "time": MS + 1, "qty": 2.0,
             "price": 100.5}
        ),
    )  # fmt: skip


def bitmex() -> Recording:
    def row(side: str, price: str, size: str | None = None, *, named: bool = True) -> dict:
        seen: dict[str, Any] = {"symbol": "XBTUSD", "id": int(float(price) * 10), "side": side}
        seen |= {"size": int(size)} if size else {}
        return seen | ({"price": float(price)} if named else {})

    def message(action: str, *rows: dict, table: str = "orderBookL2") -> str:
        return json.dumps({"table": table, "action": action, "data": list(rows)})

    return Recording(
        "wss://www.bitmex.com/realtime",
        [
            message(
                "partial",
                *(row("Buy", price, size) for price, size in BIDS.items()),
                *(row("Sell", price, size) for price, size in ASKS.items()),
            ),
            message("insert", row("Buy", "100.5", "2")),
            message("update", row("Sell", "101.0", "9", named=False)),
            message("delete", row("Buy", "100.0", named=False)),
        ],
        message(
            "insert",
            {
                "timestamp": "2023-11-14T22:13:20.001Z",
                "symbol": "XBTUSD",
                "side": "Sell",
                "size": 2,
                "price": 100.5,
                "tickDirection": "MinusTick",
                "trdMatchID": "11111111-2222-4333-8444-555555555555",
                "grossValue": 1,
                "homeNotional": 0.02,
                "foreignNotional": 2,
            },
            table="trade",
        ),
    )


def okx() -> Recording:
    def rows(levels: Levels) -> list[list[str]]:
        return [[price, size, "0", "1"] for price, size in levels.items()]

    def sum_of(bids: Levels, asks: Levels) -> int:
        """A bid and an ask in turn, as they are written; a signed number of 32 bits."""
        pairs = zip(bids.items(), asks.items(), strict=False)
        flat = [word for bid, ask in pairs for word in (*bid, *ask)]
        flat += [word for level in list(bids.items())[len(asks) :] for word in level]
        found = crc32(":".join(flat).encode())
        return found - (1 << 32 if found >> 31 else 0)

    def message(step: int, bids: Levels, asks: Levels) -> str:
        data = {"bids": rows(bids), "asks": rows(asks), "ts": str(MS), "checksum": sum_of(*STEPS[step])}
        arg = {"channel": "books", "instId": "BTC-USDT"}
        action = "update" if step else "snapshot"
        return json.dumps({"arg": arg, "action": action, "data": [data]})

    return Recording(
        "wss://ws.okx.com:8443/ws/v5/public",
        [
            message(0, BIDS, ASKS),
            message(1, {"100.5": "2"}, {}),
            message(2, {}, {"101.0": "9"}),
            message(3, {"100.0": "0"}, {}),
        ],
        json.dumps(
            {
                "arg": {"channel": "trades", "instId": "BTC-USDT"},
                "data": [
                    {"instId": "BTC-USDT", "tradeId": "5", "px": "100.5", "sz": "2", "side": "sell", "ts": str(MS + 1)}
                ],
            }
        ),
    )


def bybit() -> Recording:
    def row(side: str, price: str, size: str = "") -> dict[str, Any]:
        seen = {"price": price, "symbol": "BTCUSDT", "id": str(int(float(price) * 10000))}
        return {**seen, "side": side, **({"size": float(size)} if size else {})}

    def message(**data: list) -> str:
        kinds = {"delete": [], "update": [], "insert": []}
        body = data if "order_book" in data else {**kinds, **data}
        return json.dumps(
            {
                "topic": "orderBookL2_25.BTCUSDT",
                "type": "delta" if body != data else "snapshot",
                "data": body,
                "cross_seq": "7",
                "timestamp_e6": str(MS * 1000),
            }
        )

    return Recording(
        "wss://stream.bybit.com/realtime_public",
        [
            message(
                order_book=[
                    *(row("Buy", price, size) for price, size in BIDS.items()),
                    *(row("Sell", price, size) for price, size in ASKS.items()),
                ]
            ),
            message(insert=[row("Buy", "100.5", "2")]),
            message(update=[row("Sell", "101.0", "9")]),
            message(delete=[row("Buy", "100.0")]),
        ],
        json.dumps(
            {
                "topic": "trade.BTCUSDT",
                "data": [
                    {
                        "symbol": "BTCUSDT",
                        "tick_direction": "MinusTick",
                        "price": "100.5",
                        "size": 2,
                        "timestamp": "2023-11-14T22:13:20.000Z",
                        "trade_time_ms": str(MS + 1),
                        "side": "Sell",
                        "trade_id": "11111111-2222-4333-8444-555555555555",
                    }
                ],
            }
        ),
    )


DIALECTS = {make.__name__: make() for make in (kraken, kraken_futures, bitmex, okx, bybit)}


@pytest.mark.parametrize("name", DIALECTS)
def test_messages_of_a_book_make_that_book(name: str, tmp_path: Path, read_tape: Any, naive_book: Any) -> None:
    dialect = DIALECTS[name]
    result, tape = recorded(tmp_path, dialect.url, dialect.book, read_tape)
    assert (result.gaps, result.unsynced, result.rejected) == (0, 0, 0)
    book = naive_book()
    books = tape.of("book")
    assert [record.flags & 1 for record in books] == [1, 0, 0, 0]
    for record, (bids, asks) in zip(books, STEPS, strict=True):
        book.apply(record)
        for units, levels in ((book.bids, bids), (book.asks, asks)):
            assert {tape.price(p): tape.size(s) for p, s in units.items()} == {
                Decimal(price): Decimal(size) for price, size in levels.items()
            }


# Bybit's numbers are of all its markets, so that nothing tells of one that is missing.
@pytest.mark.parametrize(("name", "lost"), [("kraken", 1), ("kraken_futures", 1), ("okx", 1), ("bitmex", 0)])
def test_a_message_that_is_missing_is_a_gap_until_the_next_snapshot(
    name: str, lost: int, tmp_path: Path, read_tape: Any
) -> None:
    """Of Kraken and OKX the sum says so, of Kraken's futures the number, of BitMEX an id that
    nobody has named."""
    dialect = DIALECTS[name]
    if name == "bitmex":
        messages = [dialect.book[0], dialect.book[1].replace('"insert"', '"update"')]
        messages[1] = messages[1].replace('"id": 1005', '"id": 1006')
    else:
        messages = [*dialect.book[:lost], *dialect.book[lost + 1 :]]
    result, tape = recorded(tmp_path, dialect.url, [*messages, *dialect.book], read_tape)
    assert result.gaps == 1
    synced = [not record.flags & 2 for record in tape.of("book")]
    assert synced == [True, *[False] * (len(messages) - 1), *[True] * len(dialect.book)]


@pytest.mark.parametrize("name", DIALECTS)
def test_a_trade_has_its_price_size_side_and_time(name: str, tmp_path: Path, read_tape: Any) -> None:
    dialect = DIALECTS[name]
    messages = [dialect.book[0], dialect.trade]
    result, tape = recorded(tmp_path, dialect.url, messages, read_tape)
    assert result.rejected == 0
    (trade,) = tape.of("trade")
    assert (tape.price(trade.data["price"]), tape.size(trade.data["size"])) == (Decimal("100.5"), 2)
    assert trade.data["side"] == "sell"
    assert trade.data["ts_event"] == (MS + 1) * 1_000_000


def levels(record: Any, tape: Any) -> tuple[Levels, Levels]:
    """Sizes by price of a message of depth, as text."""
    bids, asks = (
        {str(tape.price(price)): str(tape.size(size).normalize()) for price, size in record.data[side]}
        for side in ("bids", "asks")
    )
    return bids, asks


def bitmex_rows(action: str, *rows: str, table: str = "orderBookL2") -> str:
    return f'{{"table":"{table}","action":"{action}","filter":{{"symbol":"XBTUSD"}},"data":[{",".join(rows)}]}}'


def bitmex_row(ident: int, side: str, rest: str = "") -> str:
    return f'{{"symbol":"XBTUSD","id":{ident},"side":"{side}"{rest}}}'


def test_a_level_of_bitmex_that_changes_sides_keeps_its_price(tmp_path: Path, read_tape: Any) -> None:
    messages = [
        bitmex_rows("partial", bitmex_row(1, "Buy", ',"size":3,"price":100.5')),
        bitmex_rows("update", bitmex_row(1, "Sell", ',"size":4')),
        bitmex_rows("delete", bitmex_row(1, "Sell")),
    ]
    result, tape = recorded(tmp_path, DIALECTS["bitmex"].url, messages, read_tape)
    assert (result.gaps, result.unsynced, result.rejected) == (0, 0, 0)
    assert [levels(record, tape) for record in tape.of("book")] == [
        ({"100.5": "3"}, {}),
        ({"100.5": "0"}, {"100.5": "4"}),
        ({}, {"100.5": "0"}),
    ]


def test_rows_of_several_instruments_are_a_book_message_each(tmp_path: Path, read_tape: Any) -> None:
    other = bitmex_row(7, "Sell", ',"size":5,"price":2.5').replace("XBTUSD", "ETHUSD")
    messages = [bitmex_rows("partial", bitmex_row(1, "Buy", ',"size":3,"price":100.5'), other, other.replace("7", "8"))]
    _, tape = recorded(tmp_path, DIALECTS["bitmex"].url, messages, read_tape)
    assert [(record.flags, len(record.data["bids"]), len(record.data["asks"])) for record in tape.of("book")] == [
        (1, 1, 0),
        (1, 0, 2),
    ]
    assert len({record.stream for record in tape.of("book")}) == 2


def test_a_partial_without_rows_is_an_empty_book(tmp_path: Path, read_tape: Any) -> None:
    """Of a book, and only of one: other lists without rows say nothing."""
    messages = [
        bitmex_rows("partial", bitmex_row(1, "Buy", ',"size":3,"price":100.5')),
        bitmex_rows("partial"),
        bitmex_rows("update"),
        bitmex_rows("insert", table="trade"),
        bitmex_rows("update", bitmex_row(1, "Buy", ',"size":4')),
    ]
    result, tape = recorded(tmp_path, DIALECTS["bitmex"].url, messages, read_tape)
    assert [(record.flags & 3, record.data["bids"]) for record in tape.of("book")][1:] == [(1, []), (2, [])]
    assert (result.gaps, result.rejected) == (1, 0)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (bitmex_row(2, "Buy", ',"size":1'), "no price"),
        (bitmex_row(2, "Buy", ',"price":1.5'), "no size"),
        (bitmex_row(2, "Middle", ',"size":1,"price":1.5'), "neither buy nor sell"),
        (bitmex_row(2, "", ',"size":1,"price":1.5'), "neither buy nor sell"),
        (bitmex_row(2, "Buy", ',"size":-1,"price":1.5'), "negative"),
        (bitmex_row(2, "Buy", ',"size":1,"price":1.5').replace('"id":2', '"id":"x"'), "not an integer"),
        ('{"symbol":"XBTUSD","side":"Buy","size":1,"price":1.5}', "has no id"),
    ],
)
def test_a_book_that_lost_a_row_shows_the_gap_at_its_next_message(
    row: str, reason: str, tmp_path: Path, read_tape: Any
) -> None:
    current = bitmex_row(1, "Buy", ',"size":3,"price":100.5')
    messages = [
        bitmex_rows("partial", current),
        bitmex_rows("insert", bitmex_row(3, "Buy", ',"size":3,"price":101'), row),
        bitmex_rows("update", bitmex_row(1, "Buy", ',"size":4')),
    ]
    result, tape = recorded(tmp_path, DIALECTS["bitmex"].url, messages, read_tape)
    assert (result.rejected, result.gaps) == (1, 1)
    assert reason in json.loads((tmp_path / "tape" / "rejects.jsonl").read_text())["reason"]
    assert [record.flags & 3 for record in tape.of("book")] == [1, 2]


def test_an_action_of_a_book_must_be_known(tmp_path: Path, read_tape: Any) -> None:
    current = bitmex_row(1, "Buy", ',"size":3,"price":100.5')
    result, _ = recorded(
        tmp_path, DIALECTS["bitmex"].url, [bitmex_rows("partial", current), bitmex_rows("merge", current)], read_tape
    )
    assert (result.rejected, result.by_type["book"]) == (1, 1)


def test_bybits_inverse_snapshot_is_the_list_itself(tmp_path: Path, read_tape: Any) -> None:
    dialect = DIALECTS["bybit"]
    snapshot = json.loads(dialect.book[0])
    snapshot["data"] = snapshot["data"]["order_book"]
    late = json.loads(dialect.book[1])
    late["cross_seq"] = "6"
    result, tape = recorded(tmp_path, dialect.url, [json.dumps(snapshot), dialect.book[1], json.dumps(late)], read_tape)
    bids, asks = levels(tape.of("book")[0], tape)
    assert ({Decimal(p): Decimal(s) for p, s in bids.items()}, len(asks)) == (
        {Decimal(p): Decimal(s) for p, s in BIDS.items()},
        2,
    )
    assert [record.flags & 3 for record in tape.of("book")] == [1, 0, 2]  # the last one came too late
    assert result.gaps == 1


def okx_book(action: str, number: int, before: int, channel: str = "books", **more: Any) -> str:
    row = {"bids": [["1.5", "2", "0", "1"]], "asks": [], "ts": str(MS), "seqId": number, "prevSeqId": before, **more}
    return json.dumps({"arg": {"channel": channel, "instId": "BTC-USDT"}, "action": action, "data": [row]})


def test_okx_names_the_message_before(tmp_path: Path, read_tape: Any) -> None:
    messages = [
        okx_book("snapshot", 10, -1),
        okx_book("update", 12, 10),
        okx_book("update", 12, 12),  # nothing changed
        okx_book("update", 15, 14),  # 14 was lost
        okx_book("snapshot", 20, -1),
        okx_book("update", 21, 20, bids=[]),
    ]
    result, tape = recorded(tmp_path, DIALECTS["okx"].url, messages, read_tape)
    assert (result.gaps, result.unsynced, result.rejected) == (1, 1, 0)
    ids = [tuple(record.data[name] for name in ("first_id", "last_id", "previous_id")) for record in tape.of("book")]
    assert ids == [(0, 10, 0), (12, 12, 10), (12, 12, 12), (15, 15, 14), (0, 20, 0), (21, 21, 20)]


def test_okxs_books5_are_snapshots_and_are_not_mixed_with_others(tmp_path: Path, read_tape: Any) -> None:
    messages = [okx_book("", 3, 0, "books5"), okx_book("", 5, 0, "books5"), okx_book("snapshot", 6, -1)]
    result, tape = recorded(tmp_path, DIALECTS["okx"].url, ["pong", *messages], read_tape)
    assert [(record.flags, record.data["last_id"]) for record in tape.of("book")] == [(1, 3), (1, 5)]
    assert (result.ignored["books beside books5"], result.ignored["pong"], result.rejected) == (1, 1, 0)


def test_an_empty_side_of_a_quote_is_zero(tmp_path: Path, read_tape: Any) -> None:
    row = {"instId": "BTC-USDT", "bidPx": "", "bidSz": "", "askPx": "1.5", "askSz": "2", "ts": str(MS)}
    quote = {"arg": {"channel": "tickers", "instId": "BTC-USDT"}, "data": [row]}
    result, tape = recorded(tmp_path, DIALECTS["okx"].url, [json.dumps(quote)], read_tape)
    (found,) = tape.of("quote")
    assert (found.data["bid"], found.data["bid_size"], result.rejected) == (0, 0, 0)
    assert tape.price(found.data["ask"]) == Decimal("1.5")


def test_krakens_first_channel_of_quotes_is_read_and_a_book_may_come_in_two_parts(
    tmp_path: Path, read_tape: Any
) -> None:
    spread = json.dumps([9, ["100.0", "101.0", f"{START}.25", "1.5", "2.5"], "spread", "XBT/USD"])
    ticker = json.dumps([8, {"a": ["101.0", 2, "2.5"], "b": ["100.0", 1, "1.5"]}, "ticker", "XBT/USD"])
    times = [f"{START}.5", f"{START}.75"]
    book = json.loads(DIALECTS["kraken"].book[0])
    parts = [7, {"a": [["101.0", "9", times[1]]]}, {"b": [["100.5", "2", times[0]]]}, "book-10", "XBT/USD"]
    messages = [spread, ticker, json.dumps(book), json.dumps(parts)]
    result, tape = recorded(tmp_path, DIALECTS["kraken"].url, messages, read_tape)
    (quote,) = tape.of("quote")
    assert quote.data["ts_event"] == START * 10**9 + 250_000_000
    assert [tape.size(quote.data[f"{side}_size"]) for side in ("bid", "ask")] == [Decimal("1.5"), Decimal("2.5")]
    assert (result.ignored["ticker beside spread"], result.rejected, result.gaps) == (1, 0, 0)
    change = tape.of("book")[1]
    assert (levels(change, tape), change.data["ts_event"]) == (
        ({"100.5": "2"}, {"101.0": "9"}),
        START * 10**9 + 750_000_000,
    )
