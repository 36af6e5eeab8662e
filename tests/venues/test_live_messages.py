"""Live messages: read as a slow model of them is, refused by name, and onto the tape as an import of
their capture puts them there."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import pytest
from live_tape import LiveTape, frames_of, instrument

from onetape import _core
from onetape.data.cryptofeed_lines import LineKind, lines_of
from onetape.data.importing import import_files
from onetape.data.source import open_sources
from onetape.model.errors import BadInput
from onetape.model.instrument import Instrument
from onetape.tape.journal import JournalReader, type_id
from onetape.venues.binance.market import MARKET as BINANCE
from onetape.venues.binance.market import live_market
from onetape.venues.kraken.market import MARKET as KRAKEN
from onetape.venues.protocol_table import Protocol
from onetape.venues.recorded import market_of
from reference import messages as reference

RECEIVED = 1_795_000_000_000_000_000
BTC = instrument("binance:BTC/USDT:USDT", "BTCUSDT", 2, 3)
ETH = instrument("binance:ETH/USDT:USDT", "ETHUSDT", 2, 3)
XBT = instrument("kraken:BTC/USD", "XBTUSD", 1, 8)
ETHER = instrument("kraken:ETH/USD", "ETHUSD", 2, 8)
TICKER = (
    b'{"e":"bookTicker","u":5123107839020,"s":"BTCUSDT","b":"61800.20","B":"2.507",'
    b'"a":"61800.30","A":"2.510","T":1723161256313,"E":1723161256313}'
)
MARK = (
    b'{"e":"markPriceUpdate","E":1723161257000,"s":"BTCUSDT","p":"61799.97500000",'
    b'"P":"61801.10000000","i":"61811.38000000","r":"0.00010000","T":1723190400000}'
)
BINANCE_MESSAGES = (
    TICKER,
    b'{"e":"aggTrade","E":1723161256322,"a":5933014,"s":"ETHUSDT","p":"2001.30","q":"0.012",'
    b'"f":100,"l":105,"T":1723161256321,"m":true}',
    MARK,
)
KRAKEN_MESSAGES = (
    b'{"channel":"ticker","type":"update","data":[{"symbol":"BTC/USD","bid":105944.2,'
    b'"bid_qty":2.50000000,"ask":105944.3,"ask_qty":3.2e-4,"last":105899.4,"volume":163.28908096,'
    b'"vwap":105904.39279,"low":104711.0,"high":106613.1,"change":250.0,"change_pct":0.24}]}',
    b'{"channel":"ticker","type":"snapshot","data":[{"symbol":"ETH/USD","bid":3944.21,'
    b'"bid_qty":2.5,"ask":3944.3,"ask_qty":3.2,"timestamp":"2025-12-25T09:30:59.123456Z"}]}',
    b'{"channel":"trade","type":"update","data":[{"symbol":"BTC/USD","side":"buy",'
    b'"price":105944.20,"qty":0.00027625,"ord_type":"limit","trade_id":10218208,'
    b'"timestamp":"2023-10-06T17:35:55.440295Z"},{"symbol":"BTC/USD","side":"sell",'
    b'"price":105910.5,"qty":0.00012460,"ord_type":"market","trade_id":10218209,'
    b'"timestamp":"2023-10-06T17:35:56.123456Z"}]}',
    b'{"channel":"trade","type":"snapshot","data":[{"symbol":"BTC/USD","side":"buy","price":1.0,'
    b'"qty":1.0,"trade_id":1,"timestamp":"2023-10-06T17:35:55.440295Z"}]}',
)
STREAMS = {
    "binance": {"BTCUSDT": (1, BTC), "ETHUSDT": (2, ETH)},
    "kraken": {"BTC/USD": (1, XBT), "ETH/USD": (2, ETHER)},
}
VENUES = {
    "binance": (BINANCE, BINANCE_MESSAGES, reference.binance),
    "kraken": (KRAKEN, KRAKEN_MESSAGES, reference.kraken),
}


def tape_of(name: str, path: Path) -> LiveTape:
    instruments = [(raw, i) for raw, (_, i) in STREAMS[name].items()]
    return LiveTape(path / "tape", VENUES[name][0], instruments)


@pytest.fixture
def binance(tmp_path: Path) -> Iterator[LiveTape]:
    tape = tape_of("binance", tmp_path)
    yield tape
    tape.close()


def events(tape: LiveTape) -> list[tuple[object, ...]]:
    """In the words of the slow model; settlements are told by marks and are none of it."""
    fields = {
        "quote": ("bid", "ask", "bid_size", "ask_size", "update_id"),
        "trade": ("price", "size", "side", "id_low"),
        "mark": ("mark", "index"),
    }
    return [
        (r.type, r.stream, r.data["ts_event"], *(r.data[name] for name in fields[r.type]))
        for r in tape.records()
        if r.type in fields
    ]


@pytest.mark.parametrize("name", VENUES)
def test_messages_are_read_as_the_slow_model_reads_them(name, tmp_path):
    _, messages, model = VENUES[name]
    tape = tape_of(name, tmp_path)
    for message in messages:
        tape.take(message, RECEIVED)
    assert tape.reader.rejected == 0
    assert events(tape) == [event for message in messages for event in model(message, STREAMS[name])]
    assert {record.time for record in tape.records()} == {RECEIVED}
    tape.close()


def test_order_blanks_lines_and_unknown_keys_do_not_matter(binance):
    one = json.loads(TICKER)
    random.Random(7).shuffle(keys := list(one))
    for message in (
        TICKER,
        json.dumps({key: one[key] for key in keys}).encode(),
        json.dumps(one, indent=2).encode(),
        json.dumps({**one, "new": {"deep": [1, None, {"e": "x"}], "ok": True}, "st": "1"}).encode(),
        b'{"stream":"btcusdt@bookTicker","data":' + TICKER + b"}",
        TICKER.replace(b"BTCUSDT", b"BTCUSD\\u0054"),
    ):
        assert binance.take(message, RECEIVED) == 1
    assert events(binance) == [reference.binance(TICKER, STREAMS["binance"])[0]] * 6


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"61800.20", b"61800.205"),  # more than the instrument has
        (b"61800.20", b""),
        (b"61800.20", b"."),
        (b"2.507", b"99999999999999999.0"),
        (b"61800.20", b"92233720368547758079.20"),
        (b"2.507", b"-2.507"),
        (b"1723161256313", b"1723161256313.5"),
        (b"1723161256313", b"99999999999999999999"),
        (b'"u":5123107839020', b'"u":5123107839020,"u":1'),
        (b'"u":5123107839020', b'"u":05x'),
        (b'"B":"2.507",', b""),
        (b"}", b""),
        (b"}", b"}}"),
        (TICKER, b""),
        (TICKER, b"\x00"),
    ],
)
def test_what_is_not_as_it_should_be_is_refused(old, new, binance):
    message = TICKER.replace(old, new)
    assert message != TICKER
    assert binance.take(message, RECEIVED) == 0
    assert (binance.reader.rejected, binance.records()) == (1, [])
    assert len(binance.reader.take_rejects()) == 1


def test_what_carries_nothing_is_counted_by_name(binance):
    for message in (b'{"e":"news"}', b'{"result":null,"id":1}', TICKER.replace(b"BTCUSDT", b"XRPUSDT")):
        assert binance.take(message, RECEIVED) == 0
    assert (binance.reader.rejected, binance.reader.passed_over) == (0, {"news": 1, "unnamed": 1})
    assert binance.records() == []


def test_a_refused_subscription_is_told(tmp_path):
    tape = tape_of("kraken", tmp_path)
    tape.take(b'{"method":"subscribe","success":false,"error":"Currency pair not supported"}', RECEIVED)
    tape.take(b'{"channel":"heartbeat"}', RECEIVED)
    assert tape.reader.refusal == "Currency pair not supported"
    assert set(tape.reader.passed_over) == {"refused: Currency pair not supported", "heartbeat"}
    tape.close()


@pytest.mark.parametrize("text", ["61799.97499999", "61799.97500000", "61799.9", "61799", "0.00500000"])
def test_a_mark_is_rounded_to_the_instrument(text, binance):
    message = MARK.replace(b"61799.97500000", text.encode())
    binance.take(message, RECEIVED)
    assert events(binance) == reference.binance(message, STREAMS["binance"])


def test_a_funding_time_that_moves_on_is_a_settlement(binance):
    binance.take(MARK, RECEIVED)
    binance.take(MARK.replace(b"1723190400000", b"1723219200000"), RECEIVED + 1)
    (funding,) = (r.data for r in binance.records() if r.type == "funding")
    assert (funding["ts_event"], funding["interval_ns"]) == (1_723_190_400_000_000_000, 8 * 3600 * 10**9)


def test_the_newest_two_sided_quote_is_known(binance):
    reader = binance.reader
    assert binance.take(TICKER, RECEIVED) == 1
    assert (reader.top(1), reader.middle(1)) == ((6180020, 6180030, 2507, 2510), 6180025)
    assert binance.take(TICKER.replace(b'"61800.30"', b'"0.00"'), RECEIVED) == 0  # nobody sells
    assert reader.middle(1) == 6180025
    assert reader.middle(2) == reader.middle(7) == 0
    reader.forget()
    assert reader.top(1) == (0, 0, 0, 0)


def test_of_an_empty_side_the_tape_says_nothing(tmp_path):
    tape = tape_of("kraken", tmp_path)
    assert tape.take(KRAKEN_MESSAGES[1].replace(b'"bid":3944.21,"bid_qty":2.5', b'"bid":null,"bid_qty":0'), 1) == 0
    (quote,) = (r.data for r in tape.records())
    assert (quote["bid"], quote["bid_size"], quote["ask"]) == (0, 0, 394430)
    tape.close()


# What a damaged message is made of: what stands in real ones, and what does not belong there.
PARTS = (
    b"0", b"9", b".", b"-", b"+", b"e", b'"', b",", b":", b"{", b"}", b"[", b"]", b" ", b"\\",
    b"\x00", b"\xff", b"null", b"true", b'"1.5"', b"1e5", b"00", b"0e99", b"BTCUSDT", b"BTC/USD",
    b'"b":', b'"e":', b'"data":[', b'"symbol":', b"NaN", b"Z", b"T", b"\xc3\xa9",
)  # fmt: skip


def damaged(message: bytes, chance: random.Random) -> bytes:
    data = bytearray(message)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        at = chance.randrange(len(data) + 1)
        kind = chance.randrange(5)
        if kind == 0:
            del data[at : at + chance.choice((1, 1, 2, 8))]
        elif kind == 1:
            data[at:at] = chance.choice(PARTS)
        elif kind == 2 and at < len(data):
            data[at] = chance.choice(b"0123456789")
        elif kind == 3:
            part = chance.choice(PARTS)
            data[at : at + len(part)] = part
        else:
            other = chance.randrange(len(data) + 1)
            low, high = min(at, other), max(at, other)
            data[at:at] = data[low : min(high, low + 40)]
    return bytes(data)


@pytest.mark.parametrize("name", VENUES)
def test_damaged_messages_are_read_as_the_slow_model_reads_them_or_not_at_all(name, tmp_path):
    _, messages, model = VENUES[name]
    tape, chance = tape_of(name, tmp_path), random.Random(20261120)
    expected = []
    whole = 0
    for _ in range(20_000):
        message = damaged(chance.choice(messages), chance)
        counts = tape.reader.rejected, tape.writer.core.published
        tape.take(message, RECEIVED)
        if (tape.reader.rejected, tape.writer.core.published) == (counts[0], counts[1]):
            continue  # it carries nothing any more
        try:
            found = model(message, STREAMS[name])
        except (KeyError, TypeError, ValueError, ArithmeticError, AssertionError, AttributeError, BadInput):
            found = None
        if tape.reader.rejected == counts[0] and found is not None:
            whole += 1
            expected.append(found)
    assert whole > 1_500  # the damage leaves much that can be read
    read = iter(events(tape))
    for found in expected:  # among what else was read
        for event in found:
            assert event in read, event
    tape.close()


# A capture and the same bytes live.


def binance_depth(number: int, first: int, last: int, previous: int, bids: str = '["100.1","2"]') -> str:
    return (
        f'{{"stream":"btcusdt@depth@100ms","data":{{"e":"depthUpdate","E":{number},"T":{1_723_161_256_000 + number},'
        f'"s":"BTCUSDT","U":{first},"u":{last},"pu":{previous},"b":[{bids}],"a":[["100.5","3"]]}}}}'
    )


BY_HAND = [
    TICKER.decode(),
    BINANCE_MESSAGES[1].decode().replace("ETHUSDT", "BTCUSDT"),
    binance_depth(1, 11, 12, 10),
    binance_depth(2, 13, 15, 12, '["100.2","1"],["100.1","0"]'),
    '{"lastUpdateId":13,"E":3,"T":1723161256003,"bids":[["100.0","1"]],"asks":[["100.6","1"]]}',
    binance_depth(4, 16, 17, 15),
    binance_depth(5, 20, 21, 19),  # a gap
    '{"lastUpdateId":14,"E":6,"T":1723161256006,"bids":[["99.0","1"]],"asks":[]}',  # too old
    '{"lastUpdateId":20,"E":7,"T":1723161256007,"bids":[["99.0","1"]],"asks":[["100.6","1"]]}',
    MARK.decode(),
    MARK.decode().replace("1723190400000", "1723219200000"),
    '{"e":"forceOrder","E":9,"o":{"s":"BTCUSDT","S":"SELL","p":"99.5","z":"0.1","T":1723161256009}}',
    '{"e":"bookTicker","s":"BTCUSDT"}',  # refused
    '{"e":"news"}',
    TICKER.decode().replace("61800.30", "61800.31"),
]


def live_frames(tape: Path, out: Path, table: Protocol, names: list[str], messages: list[tuple[bytes, int]]):
    """The messages as if they came live, for the instruments of an imported tape."""
    with JournalReader(tape) as reader:
        instruments = [Instrument.from_msgpack(payload) for payload in raw_instruments(reader)]
    live = LiveTape(out, table, list(zip(names, instruments, strict=True)))
    for message, received in messages:
        live.take(message, received)
    live.close()
    return frames_of(out)


def raw_instruments(reader: JournalReader) -> list[bytes]:
    seen: dict[int, bytes] = {}
    for frame in reader.frames(("instrument",)):
        seen.setdefault(frame.stream, frame.payload)
    return [seen[stream] for stream in sorted(seen)]


def captured(path: Path) -> list[tuple[bytes, int]]:
    """Lines `<receipt ns> <json>`."""
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    lines = [line.partition(b" ") for line in text.splitlines()]
    return [(message, int(receipt)) for receipt, _, message in lines]


def test_a_capture_by_hand_and_the_same_bytes_live_are_the_same_frames(tmp_path):
    source = tmp_path / "capture.raw"
    source.write_text("".join(f"{RECEIVED + n * 1000 - 1500 * (n == 4)} {m}\n" for n, m in enumerate(BY_HAND)))
    result = import_files("binance-raw", [source], symbol="BTCUSDT=binance:BTC/USDT:USDT", out=tmp_path / "tape")
    assert (result.rejected, result.gaps, result.late) == (1, 1, 1)
    expected = frames_of(tmp_path / "tape")
    assert live_frames(tmp_path / "tape", tmp_path / "live", BINANCE, ["BTCUSDT"], captured(source)) == expected
    kinds = [frame.type for frame in expected]
    assert len(set(kinds)) == 7 and len(kinds) == 16


def kraken_book(
    kind: str, bids: dict[str, str], asks: dict[str, str], whole: tuple[dict, dict], change: int = 0
) -> str:
    def rows(levels: dict[str, str]) -> str:
        return ",".join(f'{{"price":{price},"qty":{size}}}' for price, size in levels.items())

    def digits(levels: dict[str, str], sign: int) -> str:
        best = sorted(levels.items(), key=lambda level: sign * float(level[0]))[:10]
        return "".join(text.replace(".", "").lstrip("0") for level in best for text in level)

    checksum = crc32((digits(whole[1], 1) + digits(whole[0], -1)).encode()) ^ change
    return (
        f'{{"channel":"book","type":"{kind}","data":[{{"symbol":"BTC/USD","bids":[{rows(bids)}],'
        f'"asks":[{rows(asks)}],"checksum":{checksum},"timestamp":"2023-11-14T22:13:20.440295Z"}}]}}'
    )


def test_a_recording_of_kraken_and_the_same_bytes_live_are_the_same_frames(tmp_path):
    bids = {f"{45000 - n / 10:.1f}": f"{n + 1}.12345670" for n in range(12)}
    asks = {f"{45001 + n / 10:.1f}": f"0.{n + 1:08d}" for n in range(12)}
    bids_cut, asks_cut = dict(list(bids.items())[:10]), dict(list(asks.items())[:10])
    better = {"45000.5": "2.00000000", **dict(list(bids_cut.items())[:9])}
    messages = [
        '{"method":"subscribe","result":{"channel":"book","depth":10,"snapshot":true,"symbol":"BTC/USD"},'
        '"success":true,"time_in":"2023-11-14T22:13:20.1Z"}',
        kraken_book("snapshot", bids_cut, asks_cut, (bids_cut, asks_cut)),
        kraken_book("update", {"45000.5": "2.00000000"}, {}, (better, asks_cut)),
        *(m.decode() for m in KRAKEN_MESSAGES if b"ETH" not in m),
        '{"channel":"book","type":"update","data":[]}',
        kraken_book("update", {"45000.5": "0.00000000"}, {}, (bids_cut, asks_cut), change=1),
        kraken_book("update", {"45000.4": "1.00000000"}, {}, (bids_cut, asks_cut)),
        '{"channel":"book","type":"update","data":[{"symbol":"BTC/USD","bids":[{"price":1}],"asks":[]}]}',
        kraken_book("snapshot", bids_cut, asks_cut, (bids_cut, asks_cut)),
    ]
    source = tmp_path / "recording"
    received = [(m.encode(), (1_700_000_000 + n) * 10**9) for n, m in enumerate(messages, 1)]
    lines = [f"{time // 10**9}.0: {m.decode()}\n" for m, time in received]
    source.write_text("".join(["wss://ws.kraken.com/v2 <-> 1700000000.0\n", *lines]))
    result = import_files("cryptofeed", [source], out=tmp_path / "tape")
    assert (result.rejected, result.gaps, result.unsynced) == (1, 1, 2)
    expected = frames_of(tmp_path / "tape")
    assert live_frames(tmp_path / "tape", tmp_path / "live", KRAKEN, ["BTC/USD"], received) == expected
    assert [frame.flags for frame in expected if frame.type == type_id("book")] == [1, 0, 6, 2, 1]


CAPTURES = {
    "binance-usdm/btcusdt-2024-08-08.raw.gz": ("BTCUSDT", "binance:BTC/USDT:USDT"),
    "binance-coinm/btcusd_perp-2024-08-08.raw.gz": ("BTCUSD_PERP", "binance:BTC/USD:BTC"),
    "binance-spot/btcusdt-2024-08-08.raw.gz": ("BTCUSDT", "binance:BTC/USDT"),
    "binance-spot/btcusdt-2024-08-09.raw.gz": ("BTCUSDT", "binance:BTC/USDT"),
}


@pytest.mark.parametrize("file", CAPTURES)
def test_a_capture_and_the_same_bytes_live_are_the_same_frames(file, shared, tmp_path):
    raw, symbol = CAPTURES[file]
    import_files("binance-raw", [shared / file], symbol=symbol, out=tmp_path / "tape")
    found = live_frames(tmp_path / "tape", tmp_path / "live", BINANCE, [raw], captured(shared / file))
    assert found == frames_of(tmp_path / "tape")


RECORDINGS = (
    "binance-usdm/4-symbols-2021-07-22-first-half.ws.txt",
    "binance-spot/4-symbols-2021-10-12.ws.txt",
    "bitmex/10-symbols-2021-07-22-first-half.ws.txt",
    "bybit/linear-8-symbols-2021-04-17.ws.txt.gz",
    "kraken-futures/10-products-2021-07-22-first-half.ws.txt.gz",
    "kraken-spot/10-pairs-2021-04-17-first-quarter.book.ws.txt.gz",
    "kraken-spot/10-pairs-2021-04-17.ticker.ws.txt",
    "okx/3-instruments-2022-05-13.ws.txt.gz",
)


@pytest.mark.parametrize("file", RECORDINGS)
def test_a_recording_and_the_same_bytes_live_are_the_same_frames(file, shared, tmp_path):
    import_files("cryptofeed", [shared / file], out=tmp_path / "tape")
    lines = [line for source in open_sources([shared / file]) for line in lines_of(source)]
    market = market_of(lines[0].url)
    assert market is not None
    messages = [(line.body.rstrip(b"\n"), line.receipt) for line in lines if line.kind is LineKind.RECEIVED]
    named = _core.CaptureImport(None, market.load().as_core(), [], False, True)
    for number, (message, received) in enumerate(messages, 1):
        named.message(0, number, received, message + b"\n")
    names = [named.facts(index)[0] for index in range(named.stream_count)]
    found = live_frames(tmp_path / "tape", tmp_path / "live", market.load(), names, messages)
    assert found == frames_of(tmp_path / "tape")
    assert found


def test_marks_and_trades_come_on_one_connection_and_tops_on_another():
    public, market = live_market([BTC, ETH], "ws://x").streams()
    assert public.url == "ws://x/public/ws/btcusdt@bookTicker/ethusdt@bookTicker"
    assert market.url.startswith("ws://x/market/ws/btcusdt@aggTrade/btcusdt@markPrice@1s/") and market.most_s == 1.0


def test_the_next_funding_is_the_newest_that_a_mark_has_said(tmp_path):
    live = LiveTape(tmp_path / "t", BINANCE, [("BTCUSDT", BTC), ("ETHUSDT", ETH)])
    assert live.reader.next_funding(1) is None
    live.take(MARK, RECEIVED)
    assert live.reader.next_funding(1) == (100_000_000, 1_723_190_400_000_000_000)
    live.take(MARK.replace(b'"0.00010000"', b'"-0.00002500"'), RECEIVED)
    assert live.reader.next_funding(1) == (-25_000_000, 1_723_190_400_000_000_000)
    live.take(MARK.replace(b'"0.00010000"', b'""'), RECEIVED)  # a dated contract's
    assert live.reader.next_funding(1) is None and live.reader.next_funding(2) is None
    live.close()
