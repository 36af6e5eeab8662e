"""What answers about a market come to on a tape: what the exchange has, once, by numbers of the tape."""

from __future__ import annotations

import msgspec
import pytest

from exchange.venue_client import Virtual
from onetape.model.instrument import Instrument
from onetape.tape.journal import JournalReader, JournalWriter
from onetape.venues.contract import Addresses, joined
from onetape.venues.market_polls import MARKS, OPEN_INTEREST, QUOTES, TRADES
from onetape.venues.open import open_trading_venue

KINDS = ("binance-usdm", "kraken", "okx", "bybit", "hyperliquid")
NUMBERED = ("binance-usdm", "kraken", "okx")  # their trades
RECEIVED = 1_795_000_100_000_000_000


class World:
    """A simulated exchange, and a reader of its answers. numbers: of the streams on the tape."""

    def __init__(self, kind: str, folder, numbers=(7, 5, 9, 4, 8, 2)) -> None:
        self.there = Virtual(kind, limits=False)
        self.venue = open_trading_venue(kind, "", "", Addresses("", "", ""))
        body = joined([msgspec.json.encode(self.ask(each)[1]) for each in self.venue.instrument_lists()])
        self.instruments: list[Instrument] = self.venue.instruments_of(body, frozenset())
        self.polls, self.path = self.venue.polls, folder / "tape"
        self.numbers = numbers = numbers[: len(self.instruments)]
        self.writer = JournalWriter(self.path, durable=False)
        self.all = self.polls.reader(self.instruments, numbers)
        self.one = self.polls.reader(self.instruments[1:2], numbers[1:2])

    def ask(self, call):
        return self.there.request(call.method, call.target, call.body, dict(call.headers))

    def body(self, kind: str, instrument=None, after=(0, 0)) -> bytes:
        status, value, _ = self.ask(self.polls.call(kind, instrument, after))
        assert status == 200, value
        return msgspec.json.encode(value)

    def quotes(self) -> list[tuple[str, bytes]]:
        """The answers that have the best prices of all instruments, with their kinds."""
        return [
            (kind.name, self.body(kind.name, each))
            for kind in self.polls.kinds
            for each in (self.instruments if kind.by_symbol else (None,))
            if kind.name.startswith(QUOTES)
        ]

    def read(self, reader, kind: str, body: bytes) -> None:
        reader.take(self.polls.message(kind, body), RECEIVED, self.writer.core)

    def records(self):
        with JournalReader(self.path) as reader:
            return [each for each in reader if each.type in ("quote", "trade", "mark", "open_interest")]

    def listing(self, number: int):
        symbol = self.instruments[self.numbers.index(number)].symbol
        return next(each for each in self.there.dialect.exchange.listings if each.instrument.symbol == symbol)


@pytest.fixture(params=KINDS)
def world(request, tmp_path):
    made = World(request.param, tmp_path)
    yield made
    made.writer.close()


@pytest.fixture(params=NUMBERED)
def numbered(request, tmp_path):
    made = World(request.param, tmp_path)
    yield made
    made.writer.close()


def test_quotes_of_all_are_the_exchange_s_under_the_numbers_of_the_tape(world):
    for answer in world.quotes():
        world.read(world.all, *answer)
    found = {each.stream: each.data for each in world.records() if each.type == "quote"}
    assert found.keys() == set(world.numbers)
    for number, data in found.items():
        listing = world.listing(number)
        assert (data["bid"], data["ask"]) == (listing.bid, listing.ask)
        assert data["ts_recv"] == RECEIVED


def test_what_has_not_changed_is_left_out_and_what_is_older_as_well(world):
    first = world.quotes()
    world.there.wait(20)
    second = world.quotes()
    for answer in (*first, *first, *second):
        world.read(world.all, *answer)
    records = [each for each in world.records() if each.type == "quote"]
    count = len(world.instruments)
    assert count < len(records) <= 2 * count and world.all.repeated >= count
    for answer in first:  # it was under way for longer
        world.read(world.all, *answer)
    late = [each for each in world.records() if each.type == "quote"][len(records):]  # fmt: skip
    assert not late or not any(each.data["update_id"] for each in records)  # Kraken's have no number


def test_trades_are_asked_for_from_the_last_one_on_and_none_is_there_twice(numbered):
    world = numbered
    instrument, number = world.instruments[1], world.numbers[1]
    assert world.one.last_trade(number) == (0, 0)
    bodies = []
    for _ in range(4):
        bodies.append(world.body(TRADES, instrument, world.one.last_trade(number)))
        world.read(world.one, TRADES, bodies[-1])
        world.there.wait(15)
    for body in bodies:  # all of them once more
        world.read(world.one, TRADES, body)
    found = [(each.data["id_low"], each.data["price"], each.data["size"]) for each in world.records()]
    kept = [(t.trade_id, t.price, t.size) for t in world.listing(number).trades]
    first = kept.index(found[0])
    assert found == kept[first : first + len(found)] and len(found) > 10
    assert world.one.last_trade(number)[0] == found[-1][0]
    assert {each.stream for each in world.records()} == {number}


@pytest.mark.parametrize(
    ("kind", "by"), [("binance-usdm", MARKS), ("bybit", "quotes of linear"), ("hyperliquid", MARKS)]
)
def test_marks_have_index_and_time(kind, by, tmp_path):
    world = World(kind, tmp_path)
    world.read(world.all, by, world.body(by))
    found = [each for each in world.records() if each.type == "mark"]
    for each in found:
        listing = world.listing(each.stream)
        assert (each.data["mark"], each.data["index"]) == (listing.mark, listing.index)
        assert (each.data["ts_event"] > 0) is (kind == "binance-usdm")  # the others' lists have no time
    assert len(found) == 3
    world.writer.close()


def test_open_interest_is_the_exchange_s_of_each_symbol(tmp_path):
    world = World("binance-usdm", tmp_path)
    world.there.wait(20)
    for number, instrument in zip(world.numbers, world.instruments, strict=True):
        world.read(world.all, OPEN_INTEREST, world.body(OPEN_INTEREST, instrument))
        held = world.there.dialect.exchange.open_interest(world.numbers.index(number), world.there.dialect.exchange.now)
        record = world.records()[-1]
        assert (record.type, record.stream, record.data["size"]) == ("open_interest", number, held) and held > 0
        assert 0 < record.data["ts_event"] < record.data["ts_recv"] == RECEIVED
    world.read(world.all, OPEN_INTEREST, b'{"openInterest": "-1", "symbol": "BTCUSDT", "time": 1}')
    assert len(world.records()) == 3 and world.all.rejected == 1
    world.writer.close()


def test_symbols_that_nobody_wants_are_counted_and_dropped(world):
    few = world.polls.reader(world.instruments[:1], world.numbers[:1])
    for answer in world.quotes():
        few.take(world.polls.message(*answer), RECEIVED, world.writer.core)
    assert {each.stream for each in world.records()} == {world.numbers[0]}
    assert len(few.unmapped) == len(world.instruments) - 1


def test_turnover_is_of_every_symbol(world):
    status, value, _ = world.ask(world.polls.turnover)
    found = world.polls.turnovers(msgspec.json.encode(value))
    names = [world.polls.name_of(i) for i in world.instruments]
    assert status == 200 and set(names[:3]) <= found.keys() <= set(names)  # OKX and Bybit: of perpetuals alone
    assert min(found.values()) > 0


@pytest.mark.parametrize("body", [b"", b"null", b'{"code": 1}', b'{"error": ["EService:Busy"]}', b"\xff[", b"[1"])
def test_an_answer_that_is_none_is_refused_or_rejected_and_writes_nothing(world, body):
    try:
        world.read(world.all, world.polls.kinds[0].name, body)
    except (ValueError, LookupError, TypeError):
        pass
    else:
        assert world.all.rejected
    assert world.records() == []


def test_shares_come_to_one_and_weights_are_those_of_the_calls(world):
    assert sum(kind.share for kind in world.polls.kinds) == pytest.approx(1)
    for kind in world.polls.kinds:
        call = world.polls.call(kind.name, world.instruments[0] if kind.by_symbol else None)
        assert call.weight == kind.weight <= world.polls.rule.most // 20


def test_streams_are_read_by_numbers_of_the_tape_and_others_counted(tmp_path):
    world = World("binance-usdm", tmp_path)
    market = world.venue.market(world.instruments[:1], (7,))
    for number, i in enumerate(world.instruments):
        event = {
            "e": "bookTicker",
            "u": 5,
            "s": i.raw_symbol,
            "b": "1",
            "B": "1",
            "a": "2",
            "A": "1",
            "T": 1795000000000,
        }
        assert market.take(msgspec.json.encode(event), RECEIVED, world.writer.core) == (0 if number else 7)
    assert [each.stream for each in world.records()] == [7]
    assert market.top(7).bid > 0 and sum(market.unmapped.values()) == 2
    world.writer.close()
