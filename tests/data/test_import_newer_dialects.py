"""Recordings of Kraken's WebSocket v2 and Bybit's v5, in the envelope of cryptofeed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from onetape.data.importing import import_files
from onetape.venues.recorded import market_of

KRAKEN = "wss://ws.kraken.com/v2"
BYBIT = "wss://stream.bybit.com/v5/public/"
START = 1_700_000_000

# The worked example of docs.kraken.com, "Book checksum v2", read 2026-11.
BIDS = [
    "45283.5", "0.10000000", "45283.4", "1.54582015", "45282.1", "0.10000000", "45281.0", "0.10000000",
    "45280.3", "1.54592586", "45279.0", "0.07990000", "45277.6", "0.03310103", "45277.5", "0.30000000",
    "45277.3", "1.54602737", "45276.6", "0.15445238",
]  # fmt: skip
ASKS = [
    "45285.2", "0.00100000", "45286.4", "1.54571953", "45286.6", "1.54571109", "45289.6", "1.54560911",
    "45290.2", "0.15890660", "45291.8", "1.54553491", "45294.7", "0.04454749", "45296.1", "0.35380000",
    "45297.5", "0.09945542", "45299.5", "0.18772827",
]  # fmt: skip
CHECKSUM = 3310070434


def rows(flat: list[str], *, strip: bool = False) -> str:
    levels = []
    for price, size in zip(flat[::2], flat[1::2], strict=True):
        if strip:  # as a writer of doubles would
            price, size = repr(float(price)), repr(float(size))
        levels.append(f'{{"price":{price},"qty":{size}}}')
    return f"[{','.join(levels)}]"


def kraken_book(kind: str, bids: list[str], asks: list[str], checksum: int, *, strip: bool = False) -> str:
    return (
        f'{{"channel":"book","type":"{kind}","data":[{{"symbol":"BTC/USD",'
        f'"bids":{rows(bids, strip=strip)},"asks":{rows(asks, strip=strip)},"checksum":{checksum},'
        '"timestamp":"2023-11-14T22:13:20.440295Z"}]}'
    )


def digits(flat: list[str]) -> str:
    return "".join(text.replace(".", "").lstrip("0") for text in flat)


def crc(bids: list[str], asks: list[str]) -> int:
    return crc32((digits(asks[:20]) + digits(bids[:20])).encode())


def recorded(folder: Path, url: str, messages: list[str], read_tape: Any) -> Any:
    lines = [f"{url} <-> {START}.0\n"]
    lines += [f"{START + n}.5: {message}\n" for n, message in enumerate(messages, 1)]
    source = folder / "recording"
    source.write_text("".join(lines))
    result = import_files("cryptofeed", [source], out=folder / "tape", force=True)
    return result, read_tape(folder / "tape")


@pytest.mark.parametrize("strip", [False, True])
def test_krakens_own_example_of_a_checksum_agrees(strip: bool, tmp_path: Path, read_tape: Any) -> None:
    assert crc(BIDS, ASKS) == CHECKSUM
    bids = ["45283.5", "0.20000000", *BIDS[2:]]
    messages = [
        kraken_book("snapshot", BIDS, ASKS, CHECKSUM, strip=strip),
        kraken_book("update", ["45283.5", "0.20000000"], [], crc(bids, ASKS), strip=strip),
    ]
    result, tape = recorded(tmp_path, KRAKEN, messages, read_tape)
    assert (result.gaps, result.unsynced, result.rejected) == (0, 0, 0)
    books = tape.of("book")
    assert [record.flags for record in books] == [1, 0]
    assert tape.instrument["symbol"] == "kraken:BTC/USD"
    assert [tape.price(p) for p, _ in books[0].data["bids"]][:2] == [tape.price(452835), tape.price(452834)]
    assert books[0].data["ts_event"] == 1_700_000_000_440_295_000


def test_a_wrong_checksum_is_a_gap_and_what_follows_is_unsynced(tmp_path: Path, read_tape: Any) -> None:
    bids = ["45283.5", "0.20000000", *BIDS[2:]]
    messages = [
        kraken_book("snapshot", BIDS, ASKS, CHECKSUM),
        kraken_book("update", bids[:2], [], crc(bids, ASKS) ^ 1),
        kraken_book("update", bids[:2], [], crc(bids, ASKS)),
        kraken_book("snapshot", bids, ASKS, crc(bids, ASKS)),
        kraken_book("update", ["45283.5", "0"], [], crc(bids[2:], ASKS)),
    ]
    result, tape = recorded(tmp_path, KRAKEN, messages, read_tape)
    assert (result.gaps, result.unsynced) == (1, 2)
    assert [bool(record.flags & 2) for record in tape.of("book")] == [False, True, True, False, False]


def test_what_falls_out_of_krakens_depth_is_a_removed_level(tmp_path: Path, read_tape: Any) -> None:
    bids = ["45284.0", "1.00000000", *BIDS]
    ack = (
        '{"method":"subscribe","result":{"channel":"book","depth":10,"snapshot":true,'
        '"symbol":"BTC/USD"},"success":true}'
    )
    messages = [
        ack,
        kraken_book("snapshot", BIDS, ASKS, CHECKSUM),
        kraken_book("update", bids[:2], [], crc(bids, ASKS)),
    ]
    result, tape = recorded(tmp_path, KRAKEN, messages, read_tape)
    assert result.gaps == 0
    assert result.ignored["subscribe"] == 1
    change = tape.of("book")[1].data["bids"]
    assert change[-1][1] == 0
    assert tape.price(change[-1][0]) == tape.price(452766)


def test_krakens_quotes_and_trades_are_events_and_the_rest_is_counted(tmp_path: Path, read_tape: Any) -> None:
    messages = [
        '{"channel":"status","type":"update","data":[{"system":"online"}]}',
        '{"channel":"heartbeat"}',
        '{"channel":"ticker","type":"snapshot","data":[{"symbol":"BTC/USD","bid":105944.2,'
        '"bid_qty":2.5,"ask":105944.3,"ask_qty":3.2e-4,"last":1.0,'
        '"timestamp":"2023-11-14T22:13:20.000001Z"}]}',
        '{"channel":"trade","type":"snapshot","data":[{"symbol":"BTC/USD","side":"buy",'
        '"price":1.0,"qty":1,"ord_type":"limit","trade_id":1,"timestamp":"2023-11-14T22:13:20Z"}]}',
        '{"channel":"trade","type":"update","data":[{"symbol":"BTC/USD","side":"sell",'
        '"price":105944.20,"qty":0.00027625,"ord_type":"limit","trade_id":10218208,'
        '"timestamp":"2023-11-14T22:13:21Z"},{"symbol":"BTC/USD","side":"buy","price":105910,'
        '"qty":2,"ord_type":"market","trade_id":10218209,"timestamp":"2023-11-14T22:13:21Z"}]}',
        *(
            '{"channel":"ohlc","type":"update","data":[{"symbol":"BTC/USD","open":1.0,"high":3.0,"low":1.0,'
            f'"close":{close},"volume":{trades},"trades":{trades},"vwap":1.5,"interval":1,'
            '"interval_begin":"2023-11-14T22:13:00.000000000Z","timestamp":"2023-11-14T22:14:00Z"}]}'
            for trades, close in ((1, 1.0), (2, 3.0), (3, 2.0))
        ),
        '{"channel":"trade","type":"update","data":[{"symbol":"BTC/USD"}]}',
    ]
    result, tape = recorded(tmp_path, KRAKEN, messages, read_tape)
    assert result.by_type == {"quote": 1, "trade": 2, "bar": 1}
    assert result.rejected == 1
    (bar,) = tape.of("bar")  # the last word before its end
    assert (bar.data["trades"], bar.data["ts_close"] - bar.data["ts_open"]) == (3, 60 * 10**9)
    assert bar.time >= bar.data["ts_close"]
    assert tape.price(bar.data["close"]) == 2
    for name in ("status", "heartbeat", "trade snapshot"):
        assert result.ignored[name] == 1
    quote, first, second = tape.of("quote", "trade")
    assert tape.size(quote.data["ask_size"]) == tape.size(32_000)
    assert (first.data["side"], second.data["side"]) == ("sell", "buy")
    assert second.data["id_low"] == 10218209
    assert tape.price(second.data["price"]) == 105910


def bybit_book(kind: str, number: int, bids: list[list[str]], asks: list[list[str]]) -> str:
    return json.dumps(
        {
            "topic": "orderbook.50.BTCUSDT",
            "type": kind,
            "ts": 1_700_000_000_000 + number,
            "data": {"s": "BTCUSDT", "b": bids, "a": asks, "u": number, "seq": 7 * number},
            "cts": 1_700_000_000_000,
        }
    )


def test_bybits_books_go_on_by_one(tmp_path: Path, read_tape: Any) -> None:
    level = [["27450.50", "0.500"]]
    messages = [
        bybit_book("delta", 9, level, []),
        bybit_book("snapshot", 10, level, [["27451.00", "0.75"]]),
        bybit_book("delta", 11, [["27450.50", "0"]], []),
        bybit_book("delta", 13, level, []),  # 12 was lost
        bybit_book("delta", 14, level, []),
        bybit_book("snapshot", 1, level, []),  # the venue's service began anew
        bybit_book("delta", 2, [], [["27451.00", "1"]]),
        bybit_book("delta", 3, [], []).replace("orderbook.50.", "orderbook.200."),
    ]
    result, tape = recorded(tmp_path, BYBIT + "linear", messages, read_tape)
    assert result.by_symbol == {"bybit:BTC/USDT:USDT": {"book": 7}}
    assert (result.gaps, result.unsynced, result.rejected) == (1, 3, 0)
    assert [record.flags & 3 for record in tape.of("book")] == [2, 1, 0, 2, 2, 1, 0]
    assert tape.of("book")[2].data["previous_id"] == 10
    assert result.ignored["orderbook.200 beside orderbook.50"] == 1


def test_bybits_trades_and_tickers(tmp_path: Path, read_tape: Any) -> None:
    trade = {
        "T": 1_700_000_000_001,
        "s": "BTCUSDT",
        "S": "Sell",
        "v": "0.001",
        "p": "27450.5",
        "L": "ZeroMinusTick",
        "i": "20f43950-d8dd-5b31-9112-a178eb6023af",
        "BT": False,
    }
    ticker = {
        "symbol": "BTCUSDT",
        "lastPrice": "1",
        "bid1Price": "27450.00",
        "bid1Size": "1.5",
        "ask1Price": "27450.50",
        "ask1Size": "2",
    }

    def ticked(kind: str, **body: str) -> str:
        data = {"symbol": "BTCUSDT", **body}
        return json.dumps({"topic": "tickers.BTCUSDT", "type": kind, "data": data, "ts": 1_700_000_000_002})

    messages = [
        '{"success":true,"ret_msg":"subscribe","op":"subscribe"}',
        ticked("delta", bid1Size="9"),  # nothing to change yet
        ticked("snapshot", **ticker),
        ticked("delta", lastPrice="2"),
        ticked("delta", bid1Size="0.25"),
        json.dumps(
            {
                "topic": "publicTrade.BTCUSDT",
                "type": "snapshot",
                "data": [trade, {**trade, "i": "2290000000123", "S": "Buy"}, {**trade, "BT": True}],
            }
        ),
    ]
    result, tape = recorded(tmp_path, BYBIT + "linear", messages, read_tape)
    assert result.by_type == {"quote": 2, "trade": 2}
    assert result.ignored["tickers without a quote"] == 2
    assert result.ignored["publicTrade true"] == result.ignored["subscribe"] == 1  # a block trade
    first, second = tape.of("quote")
    assert tape.size(first.data["bid_size"]) * 1000 == 1500
    assert tape.size(second.data["bid_size"]) * 1000 == 250
    assert second.data["ask"] == first.data["ask"]
    named, numbered = tape.of("trade")
    assert (named.data["id_kind"], numbered.data["id_kind"]) == ("uuid", "integer")
    assert (named.data["side"], numbered.data["side"]) == ("sell", "buy")


@pytest.mark.parametrize(
    ("category", "raw", "symbol"),
    [
        ("spot", "BTCUSDT", "bybit:BTC/USDT"),
        ("linear", "BTCUSDT", "bybit:BTC/USDT:USDT"),
        ("linear", "BTCPERP", "bybit:BTC/USDC:USDC"),
        ("inverse", "BTCUSD", "bybit:BTC/USD:BTC"),
    ],
)
def test_bybits_address_says_what_a_name_is(
    category: str, raw: str, symbol: str, tmp_path: Path, read_tape: Any
) -> None:
    message = bybit_book("snapshot", 1, [["1.5", "2"]], []).replace("BTCUSDT", raw)
    result, _ = recorded(tmp_path, BYBIT + category, [message], read_tape)
    assert result.symbols == [symbol]


def test_older_and_newer_dialects_of_a_host_are_told_apart_by_the_path() -> None:
    def protocol(url: str) -> str:
        found = market_of(url)
        return found.protocol if found else ""

    assert "kraken.market:" in protocol("wss://ws.kraken.com/v2")
    assert "kraken.market_v1:" in protocol("wss://ws.kraken.com")
    assert "kraken.market_v1:" in protocol("wss://ws.kraken.com/")
    assert "bybit.market:" in protocol("wss://stream.bybit.com/v5/public/spot?x=1")
    assert "bybit.market_v2:" in protocol("wss://stream.bybit.com/realtime")
    assert protocol("wss://other.example/v2") == ""


def test_sample_payloads_are_events(shared: Path, tmp_path: Path, read_tape: Any) -> None:
    """Single samples of others: their books' checksums are of books that they do not show."""

    def sample(name: str) -> str:
        return json.dumps(json.loads((shared / "payloads" / name).read_text()))

    kraken = [sample(f"kraken/ws_{n}.json") for n in ("ticker_snapshot", "trade_update")]
    result, _ = recorded(tmp_path, KRAKEN, kraken, read_tape)
    assert (result.by_type, result.rejected) == ({"quote": 1, "trade": 2}, 0)
    bybit = [sample(f"bybit/ws_orderbook_{n}.json") for n in ("snapshot", "delta")]
    result, _tape = recorded(tmp_path, BYBIT + "linear", bybit, read_tape)
    assert (result.by_type, result.gaps, result.unsynced) == ({"book": 2}, 0, 0)
