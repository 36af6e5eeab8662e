"""Live messages by shape: what the core takes is what the venue's decoder says, whatever comes."""

from __future__ import annotations

import gzip
import json
import random
import struct
from decimal import Decimal

import pytest

from onetape.model.enums import Kind, Side
from onetape.model.instrument import Instrument
from onetape.tape.journal import JournalReader, JournalWriter, type_id
from onetape.venues.binance.depth import BinanceUsdmDepth
from onetape.venues.binance.market import BinanceUsdmMarket
from onetape.venues.depth import DepthBook
from onetape.venues.kraken.market import KrakenMarket
from onetape.venues.shapes import ShapedFeed, ShapeTable, shape_reader

CAPTURE = "binance-usdm/btcusdt-2024-08-08.raw.gz"
RECEIVED = 1_795_000_000_000_000_000
QUOTE = struct.Struct("<8q")
TRADE = struct.Struct("<6qBB14x")
MARK = struct.Struct("<4q")
NAMES = {type_id(name): name for name in ("quote", "trade", "mark")}


def instrument(symbol: str, raw: str, price: int, size: int) -> Instrument:
    base, _, quote = symbol.partition(":")[2].partition(":")[0].partition("/")
    return Instrument(
        symbol=symbol,
        venue=symbol.partition(":")[0],
        base=base,
        quote=quote,
        settle=quote,
        kind=Kind.LINEAR if symbol.count(":") == 2 else Kind.SPOT,
        raw_symbol=raw,
        perpetual=symbol.count(":") == 2,
        price_decimals=price,
        size_decimals=size,
        tick=Decimal(1).scaleb(-price),
        lot=Decimal(1).scaleb(-size),
    )


class Told(list):
    """A sink that remembers, in the words of `frames_of`."""

    def quote(self, stream, ts_event, bid, ask, bid_size, ask_size, update_id):
        self.append(("quote", stream, ts_event, bid, ask, bid_size, ask_size, update_id))

    def trade(self, stream, ts_event, price, size, side, trade_id):
        self.append(("trade", stream, ts_event, price, size, side, trade_id))

    def mark(self, stream, ts_event, mark, index):
        self.append(("mark", stream, ts_event, mark, index))


def frames_of(found):
    """The core's frames in the words of the sink."""
    out = []
    for kind, stream, payload in found:
        if NAMES[kind] == "quote":
            ts, recv, bid, ask, bid_size, ask_size, update_id, _ = QUOTE.unpack(payload)
            out.append(("quote", stream, ts, bid, ask, bid_size, ask_size, update_id))
        elif NAMES[kind] == "trade":
            ts, recv, price, size, low, high, side, id_kind = TRADE.unpack(payload)
            assert (high, id_kind) == (0, 1)
            side = Side.BUY if side == 1 else Side.SELL
            out.append(("trade", stream, ts, price, size, side, low))
        else:
            ts, recv, mark, index = MARK.unpack(payload)
            out.append(("mark", stream, ts, mark, index))
        assert recv == RECEIVED
    return out


BTC = instrument("binance:BTC/USDT:USDT", "BTCUSDT", 2, 3)
ETH = instrument("binance:ETH/USDT:USDT", "ETHUSDT", 2, 3)
KRAKEN = [instrument("kraken:BTC/USD", "XBTUSD", 1, 8), instrument("kraken:ETH/USD", "ETHUSD", 2, 8)]
BINANCE_MESSAGES = (
    b'{"e":"bookTicker","u":5123107839020,"s":"BTCUSDT","b":"61800.20","B":"2.507",'
    b'"a":"61800.30","A":"2.510","T":1723161256313,"E":1723161256313}',
    b'{"e":"aggTrade","E":1723161256322,"a":5933014,"s":"ETHUSDT","p":"2001.30","q":"0.012",'
    b'"f":100,"l":105,"T":1723161256321,"m":true}',
    b'{"e":"markPriceUpdate","E":1723161257000,"s":"BTCUSDT","p":"61799.97500000",'
    b'"P":"61801.10000000","i":"61811.38000000","r":"0.00010000","T":1723190400000}',
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
)


def binance():
    told = Told()
    return BinanceUsdmMarket([BTC, ETH], told), [BTC, ETH], told


def kraken():
    told = Told()
    return KrakenMarket(KRAKEN, told, "ws://x"), KRAKEN, told


VENUES = {"binance": (binance, BINANCE_MESSAGES), "kraken": (kraken, KRAKEN_MESSAGES)}


def reader_of(market, instruments):
    return shape_reader(market.shape_table(), instruments)


def by_decoder(market, told, message):
    told.clear()
    market.take(message)
    return list(told)


@pytest.mark.parametrize("name", VENUES)
def test_each_kind_of_message_is_learned_once_and_read_as_the_decoder_reads_it(name):
    make, messages = VENUES[name]
    market, instruments, told = make()
    reader = reader_of(market, instruments)
    for message in messages:
        assert reader.frames(message, RECEIVED) is None
        assert reader.learn(message)
        found = frames_of(reader.frames(message, RECEIVED))
        assert found == by_decoder(market, told, message) != []
    assert reader.layouts == len(messages)
    for message in messages:  # none has driven out another
        assert reader.frames(message, RECEIVED) is not None
    assert market.unknown == {}


def test_another_order_and_unknown_keys_are_another_layout_of_the_same_shape():
    market, instruments, told = binance()
    reader = reader_of(market, instruments)
    one = json.loads(BINANCE_MESSAGES[0])
    random.Random(7).shuffle(keys := list(one))
    for message in (
        json.dumps({key: one[key] for key in keys}).encode(),
        json.dumps({**one, "new": {"deep": [1, None, {"e": "x"}], "ok": True}, "st": "1"}).encode(),
    ):
        assert reader.learn(message)
        expected = by_decoder(market, told, message)
        assert frames_of(reader.frames(message, RECEIVED)) == expected
        other = message.replace(b"61800.20", b"59999.99").replace(b"2.507", b"17.5")
        found = frames_of(reader.frames(other, RECEIVED))
        assert found == by_decoder(market, told, other) != expected


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"61800.20", b"61800.205"),  # more than the instrument has
        (b"61800.20", b"6.18e4"),
        (b"61800.20", b"-61800.20"),
        (b"61800.20", b""),
        (b"61800.20", b"."),
        (b"61800.20", b"0"),
        (b"2.507", b"99999999999999999.0"),
        (b"BTCUSDT", b"XRPUSDT"),
        (b"BTCUSDT", b"BTCUSD\\u0054"),
        (b"1723161256313", b"1723161256313.5"),
        (b"1723161256313", b"9999999999999999"),
        (b'"u":5123107839020', b'"u":"5123107839020"'),
        (b'"u":5123107839020', b'"u":5123107839020,"u":1'),
        (b'"u":5123107839020', b'"u":05'),
        (b'"e":"bookTicker"', b'"e":"bookTicker2"'),
        (b"}", b"} "),
        (b"}", b""),
        (b"}", b"}}"),
    ],
)
def test_what_does_not_fit_is_left_to_the_decoder(old, new):
    market, instruments, _ = binance()
    reader = reader_of(market, instruments)
    assert reader.learn(BINANCE_MESSAGES[0])
    message = BINANCE_MESSAGES[0].replace(old, new)
    assert message != BINANCE_MESSAGES[0]
    assert reader.frames(message, RECEIVED) is None


def test_a_key_that_stands_twice_is_not_learned():
    market, instruments, _ = binance()
    reader = reader_of(market, instruments)
    assert not reader.learn(BINANCE_MESSAGES[0].replace(b'"E":', b'"b":"1","E":'))
    assert not reader.learn(BINANCE_MESSAGES[0].replace(b'"b":', b'"x":'))
    assert reader.layouts == 0


def test_a_mark_is_rounded_to_the_instrument_and_a_price_never():
    market, instruments, told = binance()
    reader = reader_of(market, instruments)
    message = BINANCE_MESSAGES[2]
    assert reader.learn(message)
    for text in (b"61799.97499999", b"61799.97500000", b"61799.9", b"61799", b"0.00500000"):
        other = message.replace(b"61799.97500000", text)
        assert frames_of(reader.frames(other, RECEIVED)) == by_decoder(market, told, other)


def test_a_wild_feed_neither_grows_nor_forgets_for_ever():
    market, instruments, _ = binance()
    reader = reader_of(market, instruments)
    for number in range(100):
        assert reader.learn(BINANCE_MESSAGES[0].replace(b'"u":', b'"k%d":1,"u":' % number))
    assert reader.layouts == 16
    assert reader.learn(BINANCE_MESSAGES[1])
    assert reader.frames(BINANCE_MESSAGES[1], RECEIVED) is not None


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
def test_damaged_messages_are_read_as_the_decoder_reads_them_or_not_at_all(name):
    """Layouts are learned from damaged messages too, as a feed does."""
    make, messages = VENUES[name]
    market, instruments, told = make()
    reader = reader_of(market, instruments)
    chance = random.Random(20261120)
    taken = 0
    for number in range(20_000):
        if number % 50 == 0:
            reader = reader_of(market, instruments)
            assert reader.learn(messages[0])
        message = damaged(chance.choice(messages), chance)
        for _ in range(2):
            found = reader.frames(message, RECEIVED)
            if found is not None:
                taken += 1
                assert frames_of(found) == by_decoder(market, told, message), message
            reader.learn(message)
    assert taken > 2_000  # the damage leaves much that can be read


def test_a_recorded_feed_is_read_by_the_core_all_but_its_first_message(shared):
    lines = gzip.decompress((shared / CAPTURE).read_bytes()).splitlines()[:20_000]
    messages = [line.partition(b'"data":')[2][:-1] for line in lines if b'@bookTicker"' in line[:80]]
    market, instruments, told = binance()
    reader = reader_of(market, instruments)
    assert reader.learn(messages[0])
    assert reader.layouts == 1
    for message in messages:
        assert frames_of(reader.frames(message, RECEIVED)) == by_decoder(market, told, message)


def test_wrapped_messages_have_the_wrapped_shape():
    market, instruments, told = binance()
    table = market.shape_table()
    table = ShapeTable([shape.inside("data") for shape in table.shapes], table.streams)
    reader = shape_reader(table, instruments)
    for message in BINANCE_MESSAGES:
        assert not reader.learn(message)
        whole = b'{"stream":"btcusdt@x","data":' + message + b"}"
        assert reader.learn(whole)
        assert frames_of(reader.frames(whole, RECEIVED)) == by_decoder(market, told, message)


def test_a_feed_writes_the_journal_and_knows_the_middle(tmp_path):
    market, instruments, told = binance()
    with JournalWriter(tmp_path / "tape", durable=False) as writer:
        feed = ShapedFeed(market, instruments, writer.core)
        results = [feed.take(m, RECEIVED + n) for n, m in enumerate(BINANCE_MESSAGES * 2)]
        assert feed.take(b'{"e":"news"}', RECEIVED) == 0
        assert results == [0, 0, 0, 1, 0, 0]
        assert (feed.quick, feed.slow) == (3, 4)
        assert feed.middle(1) == 6180025
        assert feed.middle(2) == feed.middle(7) == 0
    assert market.unknown == {"news": 1}
    with JournalReader(tmp_path / "tape") as reader:
        records = [r for r in reader if r.type in ("quote", "trade", "mark")]
    assert [(r.type, r.stream, r.time) for r in records] == [
        ("quote", 1, RECEIVED + 3),
        ("trade", 2, RECEIVED + 4),
        ("mark", 1, RECEIVED + 5),
    ]
    assert records[0].data["bid"] == told[0][3]
    assert records[1].data["side"] == "sell"
    assert records[2].data["mark"] == 6179998


DEPTH = (
    b'{"e":"depthUpdate","E":1723161256299,"T":1723161256298,"s":"BTCUSDT","U":12,"u":17,"pu":11,'
    b'"b":[["58710.20","0.014"],["61496.50","10"],["61510.90","0.000"]],"a":[["61900.00","1.5"]]}'
)


def told_depth(message: bytes, *, warm: bool):
    """What a depth stream makes of one message, and the book that is known then."""
    depth = BinanceUsdmDepth(BTC, "ws://x")
    if warm:
        assert len(depth.take(DEPTH, 1)) == 1
        assert depth.shaped.layouts == 1
        depth.book = DepthBook()
    body = b'{"lastUpdateId":14,"bids":[["58000.00","1"]],"asks":[["62000.00","1"]],"T":1}'
    depth._first = depth._last = 0
    snapshot = depth.answered(200, body, 1)
    frames = depth.take(message, RECEIVED)
    book = depth.book.book
    return snapshot, frames, bool(depth.broken), book.synced, book.bids(99), book.asks(99)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"", b""),
        (b'"b":[["58710.20","0.014"],["61496.50","10"],["61510.90","0.000"]]', b'"b":[]'),
        (b"[[", b"[ ["),
        (b'"0.014"', b'"0.0145"'),
        (b'"0.014"', b"0.014"),
        (b'"0.014"', b'"0.014","x"'),
        (b'"pu":11', b'"pu":13'),
        (b'"U":12', b'"U":"12"'),
        (b'"1.5"]]', b'"1.5"],]'),
        (b'"1.5"]]', b'"1.5"]'),
        (b'["61900.00","1.5"]', b'["61900.00","1.5"],["9223372036854775807","1"]'),
    ],
)
def test_depth_by_shape_is_depth_by_decoder(old, new):
    message = DEPTH.replace(old, new)
    assert told_depth(message, warm=True) == told_depth(message, warm=False)


def test_recorded_depth_is_read_by_the_core_all_but_its_first_message(shared):
    lines = gzip.decompress((shared / CAPTURE).read_bytes()).splitlines()[:20_000]
    messages = [line.partition(b'"data":')[2][:-1] for line in lines if b"@depth@" in line[:80]]
    warm = BinanceUsdmDepth(BTC, "ws://x")
    for message in messages:
        cold = BinanceUsdmDepth(BTC, "ws://x")
        (found,), (expected,) = warm.take(message, RECEIVED), cold.take(message, RECEIVED)
        assert found == expected
    assert len(messages) > 1_000
    assert warm.shaped.layouts == 1


class Packing(Told):
    """A sink that writes 64 bits, as the gateway's does."""

    def quote(self, stream, ts_event, *numbers):
        self.append(QUOTE.pack(ts_event, RECEIVED, *numbers, 0))


@pytest.mark.parametrize("name", VENUES)
def test_what_is_beyond_64_bits_is_counted(name):
    make, messages = VENUES[name]
    market, _, _ = make()
    market._sink = Packing()
    message = messages[0]
    for digits in (b"61800.20", b"105944.2,"):
        message = message.replace(digits, b"92233720368547758079" + digits[digits.find(b".") :])
    assert message != messages[0]
    market.take(message)
    assert market.unknown == {"malformed": 1}
    assert market._sink == []
