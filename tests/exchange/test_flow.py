"""The generated market: the same bytes for a seed, and alive."""

from __future__ import annotations

import hashlib
import itertools
import math
import statistics
import struct
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from onetape import _core
from onetape.data.sample import write_sample
from onetape.exchange import flow
from onetape.exchange.flow import FlowEvent, GeneratedMarket, flow_market
from onetape.model.errors import BadInput, UnknownSymbol, UsageError
from onetape.tape.journal import JournalReader
from onetape.tape.verify import content_hash

SYMBOL = "binance:BTC/USDT:USDT"
QUOTE, TRADE, BOOK, BAR, MARK = 2, 3, 4, 5, 6
SECOND = 10**9
PAYLOAD = {
    QUOTE: struct.Struct("<6qQQ"),
    TRADE: struct.Struct("<4qQQBB14x"),
    BOOK: struct.Struct("<2q3Q2I"),
    BAR: struct.Struct("<12q"),
    MARK: struct.Struct("<4q"),
}


def take(count: int, *, seed: int = 1, symbols: tuple[str, ...] = (SYMBOL,), rate: float = 1.0):
    market = GeneratedMarket([flow_market(s) for s in symbols], seed=seed, rate=rate)
    events = (market.next() for _ in range(count))
    return [event for event in events if event is not None]


def fields(event: FlowEvent) -> tuple[int, ...]:
    layout = PAYLOAD[event.type]
    return layout.unpack(event.payload[: layout.size])


def digest(events: list[FlowEvent]) -> str:
    total = hashlib.sha256()
    for event in events:
        total.update(struct.pack("<HHIq", event.type, event.flags, event.symbol, event.time))
        total.update(event.payload)
    return total.hexdigest()


def test_a_seed_is_a_market() -> None:
    """The golden digest stands for every platform: no libm, no address, no clock in it."""
    assert digest(take(20_000, seed=7)) == GOLDEN
    assert digest(take(20_000, seed=8)) != GOLDEN


GOLDEN = "a9645d3299e47fb138b4f7ce1cc26c01d15def2e92a53cb875f7493f8ab709bc"


def test_prices_sizes_and_times_make_sense() -> None:
    last_time = 0
    for event in take(50_000, seed=2):
        assert event.time >= last_time
        last_time = event.time
        if event.type == QUOTE:
            _, _, bid, ask, bid_size, ask_size, *_ = fields(event)
            assert 0 < bid < ask
            assert bid_size > 0
            assert ask_size > 0
        elif event.type == TRADE:
            _, _, price, size, _, _, side, _ = fields(event)
            assert price > 0
            assert size > 0
            assert side in (1, 2)
        elif event.type == BAR:
            opened, closed, period, o, h, low, c, volume, *_ = fields(event)
            assert closed - opened == period == 60 * SECOND
            assert closed == event.time
            assert low <= min(o, c) <= max(o, c) <= h
            assert (volume == 0) == bool(event.flags & 16)


def test_bars_are_the_trades_of_their_minute() -> None:
    trades: dict[int, list[tuple[int, int]]] = defaultdict(list)
    bars = 0
    for event in take(60_000, seed=3):
        if event.type == TRADE:
            values = fields(event)
            trades[event.time // (60 * SECOND)].append((values[2], values[3]))
        elif event.type == BAR:
            opened, _, _, o, h, low, c, volume, turn_low, turn_high, count, _ = fields(event)
            mine = trades.pop(opened // (60 * SECOND), [])
            assert count == len(mine)
            if mine:
                prices = [price for price, _ in mine]
                assert (o, h, low, c) == (prices[0], max(prices), min(prices), prices[-1])
            assert volume == sum(size for _, size in mine)
            turnover = (turn_high << 64) | (turn_low & (2**64 - 1))
            assert turnover == sum(price * size for price, size in mine)
            bars += 1
    assert bars > 20


def test_depth_adds_up_to_the_quotes() -> None:
    """Snapshot and changes, replayed into a plain dict, give every quote's touch."""
    sides: tuple[dict[int, int], dict[int, int]] = ({}, {})
    last_id = compared = 0
    for event in take(30_000, seed=4):
        if event.type == BOOK:
            _, _, first, last, previous, bids, asks = fields(event)
            levels = list(struct.iter_unpack("<2q", event.payload[PAYLOAD[BOOK].size :]))
            assert len(levels) == bids + asks
            if event.flags & 1:
                sides = ({}, {})
            else:
                assert previous == last_id
                assert first == last == last_id + 1
            last_id = last
            for position, (price, size) in enumerate(levels):
                side = sides[0 if position < bids else 1]
                if size:
                    side[price] = size
                else:
                    del side[price]
        elif event.type == QUOTE:
            _, _, bid, ask, bid_size, ask_size, *_ = fields(event)
            assert (bid, bid_size) == (max(sides[0]), sides[0][max(sides[0])])
            assert (ask, ask_size) == (min(sides[1]), sides[1][min(sides[1])])
            compared += 1
    assert compared > 5000


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_it_looks_alive(seed: int) -> None:
    events = take(150_000, seed=seed)
    seconds = (events[-1].time - events[0].time) / SECOND
    counts = {kind: sum(e.type == kind for e in events) for kind in PAYLOAD}
    assert 3 < len(events) / seconds < 100
    assert 0.5 < counts[TRADE] / seconds < 20
    quotes = [(e.time, *fields(e)[2:4]) for e in events if e.type == QUOTE]
    open_ = weighted = 0.0
    for (time, bid, ask), (until, *_) in itertools.pairwise(quotes):
        weighted += (ask - bid) / bid * (until - time)
        open_ += until - time
    assert 1e-7 < weighted / open_ < 2e-4  # of the price, on average over time
    closes = [fields(e)[6] for e in events if e.type == BAR]
    moves = [math.log(b / a) for a, b in itertools.pairwise(closes)]
    yearly = statistics.pstdev(moves) * math.sqrt(365 * 1440)
    assert 0.1 < yearly < 1.5
    # Sides come in runs and arrivals in bursts.
    sides = [fields(e)[6] for e in events if e.type == TRADE]
    same = sum(a == b for a, b in itertools.pairwise(sides)) / len(sides)
    assert same > 0.55
    gaps = [b - a for a, b in itertools.pairwise(e.time for e in events if e.type == TRADE)]
    assert statistics.pstdev(gaps) > 1.05 * statistics.mean(gaps)


def test_rate_scales_the_crowd() -> None:
    def per_second(rate: float) -> float:
        events = take(40_000, rate=rate)
        return len(events) / ((events[-1].time - events[0].time) / SECOND)

    assert per_second(10) > 4 * per_second(1)


def test_symbols_share_a_factor_and_keep_their_order_in_time() -> None:
    events = take(80_000, symbols=(SYMBOL, "binance:ETH/USDT:USDT"))
    assert {event.symbol for event in events} == {0, 1}
    assert all(a.time <= b.time for a, b in itertools.pairwise(events))
    closes: dict[int, list[int]] = {0: [], 1: []}
    for event in events:
        if event.type == MARK and event.time % (5 * SECOND) == 0:
            closes[event.symbol].append(fields(event)[2])
    returns = [[math.log(b / a) for a, b in itertools.pairwise(closes[symbol])] for symbol in (0, 1)]
    length = min(map(len, returns))
    assert statistics.correlation(returns[0][:length], returns[1][:length]) > 0.3


def test_an_outside_participant_trades_in_the_same_book() -> None:
    market = GeneratedMarket([flow_market(SYMBOL)], seed=5)
    for _ in range(100):
        market.next()
    now = market.next_time
    answer = market.core.request(0, 1, now, order_id=1, side="buy", type="market", tif="IOC", size=10)
    fills = [item for item in answer if item["event"] == "fill"]
    assert sum(fill["size"] for fill in fills) == 10
    assert all(fill["liquidity"] == "taker" for fill in fills)
    seen = list(market.events(now + 1))  # everybody sees it
    prints = {fields(event)[4]: fields(event)[3] for event in seen if event.type == TRADE}
    assert all(prints[fill["trade_id"]] == fill["size"] for fill in fills)
    # A bid at the touch is hit in time.
    said: list[Any] = []
    bid = 0
    while not bid:
        event = market.next()
        assert event is not None
        if event.type == QUOTE:
            bid = fields(event)[2]
    market.core.request(0, 1, market.next_time, order_id=2, side="buy", price=bid, size=10)
    for _ in range(5000):
        market.next()
        said += market.core.news()
        if any(item["event"] == "fill" for item in said):
            break
    assert any(item.get("liquidity") == "maker" for item in said)


def test_until_is_exclusive_and_goes_on() -> None:
    one = GeneratedMarket([flow_market(SYMBOL)], seed=6)
    two = GeneratedMarket([flow_market(SYMBOL)], seed=6)
    whole = list(one.events(20 * SECOND))
    parts = list(two.events(7 * SECOND))
    assert all(event.time < 7 * SECOND for event in parts)
    parts += list(two.events(20 * SECOND))
    assert parts == whole


@pytest.mark.parametrize(
    "symbol", ["binance:ETH/USDT:USDT", "kraken:BTC/USD", "bitmex:BTC/USD:BTC", "binance:DOGE/USDT"]
)
def test_other_instruments(symbol: str) -> None:
    """Spot, inverse, small prices: quotes and trades, on the tick and the lot."""
    market = flow_market(symbol)
    spec = market.instrument.spec()
    kinds = set()
    for event in take(5_000, symbols=(symbol,)):
        kinds.add(event.type)
        if event.type == TRADE:
            _, _, price, size, *_ = fields(event)
            assert price % spec["tick"] == 0
            assert size % spec["lot"] == 0
    assert {QUOTE, TRADE, BOOK} <= kinds


def test_what_cannot_be_generated_is_refused() -> None:
    with pytest.raises(UnknownSymbol):
        flow_market("nowhere:NOTHING/XXX")
    with pytest.raises(BadInput):
        GeneratedMarket([flow_market(SYMBOL), flow_market(SYMBOL)])
    with pytest.raises(ValueError, match="rate"):
        GeneratedMarket([flow_market(SYMBOL)], rate=0)
    with pytest.raises(ValueError, match="symbol"):
        _core.OrderFlow([], 1, 0)


def test_sample_is_a_tape_and_the_same_call_gives_the_same_bytes(tmp_path: Path) -> None:
    first = write_sample(tmp_path / "a.tape", events=20_000, seed=9)
    second = write_sample(tmp_path / "b.tape", events=20_000, seed=9)
    other = write_sample(tmp_path / "c.tape", events=20_000, seed=10)
    assert first.events == sum(first.by_type.values()) == 20_000
    assert first.by_type == second.by_type
    assert {"quote", "trade", "book", "bar", "mark"} == set(first.by_type)
    contents = [
        [path.read_bytes() for path in sorted(Path(summary.tape).glob("*.tape"))] for summary in (first, second, other)
    ]
    assert contents[0] == contents[1]
    assert contents[0] != contents[2]
    with JournalReader(tmp_path / "a.tape") as reader:
        records = list(reader)
        assert next(iter(reader.instruments.values()))["symbol"] == SYMBOL
    assert [record.type for record in records].count("quote") == first.by_type["quote"]
    assert len(records) == 20_001  # and the instrument


def test_sample_refuses_a_place_that_is_taken(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").write_text("mine")
    with pytest.raises(UsageError):
        write_sample(tmp_path / "there", events=10)
    assert (tmp_path / "there" / "file").read_text() == "mine"


def test_a_sample_says_how_far_it_is_and_is_the_same_in_pieces(tmp_path: Path, monkeypatch) -> None:
    seen: list[tuple[float, float | None]] = []
    whole = write_sample(tmp_path / "whole.tape", events=2500)
    monkeypatch.setattr(flow, "CHUNK", 1000)
    pieces = write_sample(tmp_path / "pieces.tape", events=2500, progress=lambda *each: seen.append(each))
    assert seen == [(1000, 2500), (2000, 2500), (2500, 2500)]
    assert content_hash(tmp_path / "whole.tape") == content_hash(tmp_path / "pieces.tape")
    assert (pieces.by_symbol, pieces.first_ts, pieces.last_ts) == (whole.by_symbol, whole.first_ts, whole.last_ts)
