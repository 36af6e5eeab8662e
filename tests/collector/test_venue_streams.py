"""A venue's streams on a collector's tape: complete, each trade once, whatever becomes of connections
and listings. Real processes, real sockets."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from exchange.venue_client import served
from onetape._core import FLAG_LATE
from onetape.collector.venue_feed import VenueFeed
from onetape.collector.venue_tape import VenueTape
from onetape.engine.tape_facts import streams_of
from onetape.exchange.faults import parse_faults
from onetape.model.time import SECOND
from onetape.net.tasks import ended
from onetape.options.collector import collector_journal
from onetape.tape.journal import JournalReader
from onetape.tape.verify import verify
from onetape.venues.binance.gateway import BinanceUsdmVenue
from waiting import wait_for, wait_in_loop
from worlds.venue_collectors import (
    alerts,
    assert_whole,
    collecting,
    frames,
    options_of,
    status,
    trades,
    wait_until_heard,
)

SYMBOLS = {
    "binance-usdm": ["binance:BTC/USDT:USDT", "binance:ETH/USDT:USDT", "binance:SOL/USDT:USDT"],
    "kraken": ["kraken:BTC/USD", "kraken:ETH/USD", "kraken:XRP/USD"],
}
KINDS = tuple(SYMBOLS)


@pytest.mark.parametrize("kind", KINDS)
def test_all_that_a_venue_lists_is_on_the_tape_with_both_times(kind, tmp_path):
    with served(kind) as (dialect, port), collecting(options_of(kind, tmp_path, port)):
        wait_for(lambda: all(trades(tmp_path, symbol) for symbol in SYMBOLS[kind]))
        if kind == "binance-usdm":
            wait_for(lambda: len({each.stream for each in frames(tmp_path, "mark")}) == 3)
        found = wait_until_heard(tmp_path)
        assert found["symbols"] == SYMBOLS[kind] and not found["stale_ms"] and not found["rejected"]
        for symbol in SYMBOLS[kind]:
            assert_whole(tmp_path, dialect, symbol)
    assert [i.symbol for i in streams_of(collector_journal(tmp_path, "feed")).values()] == SYMBOLS[kind]
    for each in frames(tmp_path, "quote", "trade", "mark"):
        assert each.time == each.data["ts_recv"] and 0 < each.data["ts_event"] < each.time + SECOND
    assert verify(collector_journal(tmp_path, "feed")).ok


@pytest.mark.parametrize("kind", KINDS)
def test_connections_are_renewed_before_they_end_and_no_trade_is_missing_or_twice(kind, tmp_path):
    options = options_of(kind, tmp_path, 0, renew_ns=3 * SECOND)
    with served(kind, rate=20) as (dialect, port):
        options = options_of(kind, tmp_path, port, renew_ns=3 * SECOND)
        with collecting(options):
            wait_for(lambda: status(tmp_path)["renewed"] >= 2 * status(tmp_path)["connections"] > 0)
            found = status(tmp_path)
            count = sum(assert_whole(tmp_path, dialect, symbol) for symbol in SYMBOLS[kind])
    assert found["repeated"] > 0 and count > 100
    assert not any(state == "lost" for _, state in alerts(tmp_path, "feed"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_connection_that_is_cut_is_made_again(kind, tmp_path):
    with served(kind, faults="# none yet") as (dialect, port), collecting(options_of(kind, tmp_path, port)):
        wait_until_heard(tmp_path)
        dialect.add(parse_faults('[[fault]]\naction = "disconnect"'), dialect.exchange.now)
        wait_for(lambda: any(state == "lost" for _, state in alerts(tmp_path, "feed")))
        count = len(frames(tmp_path, "trade"))
        wait_until_heard(tmp_path)
        wait_for(lambda: len(frames(tmp_path, "trade")) > count)


@pytest.mark.parametrize("kind", KINDS)
def test_trades_that_were_made_while_a_stream_was_down_are_requested_and_marked_late(kind, tmp_path):
    def is_whole(symbol: str) -> bool:
        """None missing, none twice."""
        numbers = sorted(each[0] for each in trades(tmp_path, symbol))
        return numbers == [*range(numbers[0], numbers[-1] + 1)]

    with (
        served(kind, limits=False, rate=40, faults="# none yet") as (dialect, port),
        collecting(options_of(kind, tmp_path, port)),
    ):
        wait_for(lambda: all(trades(tmp_path, symbol) for symbol in SYMBOLS[kind]))
        dialect.add(parse_faults('[[fault]]\naction = "disconnect"'), dialect.exchange.now)
        wait_for(lambda: any(state == "lost" for _, state in alerts(tmp_path, "feed")))
        wait_for(lambda: alerts(tmp_path, "refill"))
        dialect.clear(dialect.exchange.now)
        wait_for(lambda: all(map(is_whole, SYMBOLS[kind])))
    late = [each for each in frames(tmp_path, "trade") if each.flags & FLAG_LATE]
    assert late and all(each.data["ts_event"] < each.data["ts_recv"] == each.time for each in late)
    for symbol in SYMBOLS[kind]:
        (listing,) = (each for each in dialect.exchange.listings if each.instrument.symbol == symbol)
        made = {t.trade_id: (t.price, t.size) for t in list(listing.trades)}
        assert all(made.get(number, of) == tuple(of) for number, *of in trades(tmp_path, symbol) if number in made)
    assert verify(collector_journal(tmp_path, "feed")).ok


def test_a_stream_that_freezes_is_said_and_its_connection_made_anew(tmp_path):
    with (
        served("kraken", limits=False, rate=20, faults="# none yet") as (dialect, port),
        collecting(options_of("kraken", tmp_path, port)),
    ):
        wait_for(lambda: status(tmp_path)["messages"] > 200)
        dialect.add(parse_faults('[[fault]]\naction = "gap"\nevent = "*"'), dialect.exchange.now)
        wait_for(lambda: len(status(tmp_path)["stale_ms"]) == 3)
        wait_for(lambda: any(state == "lost" for _, state in alerts(tmp_path, "feed")))
        dialect.clear(dialect.exchange.now)
        wait_for(lambda: not status(tmp_path)["stale_ms"])


@pytest.mark.parametrize("kind", KINDS)
def test_a_symbol_that_is_delisted_and_listed_again_is_another_and_the_others_miss_nothing(kind, tmp_path):
    first, second, third = SYMBOLS[kind]
    with served(kind, rate=5) as (dialect, port), collecting(options_of(kind, tmp_path, port)):
        wait_for(lambda: all(trades(tmp_path, symbol) for symbol in SYMBOLS[kind]))
        exchange = dialect.exchange
        exchange.board.set_open(1, False, exchange.now)
        exchange.board.set_listed(1, False, exchange.now)
        wait_for(lambda: (second, "delisted") in alerts(tmp_path, "listing"))
        assert second not in status(tmp_path)["symbols"]
        exchange.board.set_listed(1, True, exchange.now)
        exchange.board.set_open(1, True, exchange.now)
        wait_for(lambda: alerts(tmp_path, "listing").count((second, "listed")) == 2)
        numbers = {n: i.symbol for n, i in streams_of(collector_journal(tmp_path, "feed")).items()}
        assert numbers == {1: first, 2: second, 3: third, 4: second}
        wait_for(lambda: any(each.stream == 4 for each in frames(tmp_path, "trade")))
        for symbol in (first, third):
            assert_whole(tmp_path, dialect, symbol)
    prices = {number: [each.data["price"] for each in frames(tmp_path, "trade") if each.stream == number]
              for number in numbers}  # fmt: skip
    for number, symbol in numbers.items():
        own = {t.price for x in dialect.exchange.listings if x.instrument.symbol == symbol for t in x.trades}
        assert set(prices[number]) <= own


def test_other_ticks_are_other_facts_of_the_same_number_which_goes_on(tmp_path):
    with served("binance-usdm") as (dialect, port), collecting(options_of("binance-usdm", tmp_path, port)):
        wait_until_heard(tmp_path)
        tick = dialect.exchange.instruments[0].tick
        dialect.exchange.board.change_instrument(0, {"tick": str(tick * 5)})
        wait_for(lambda: (SYMBOLS["binance-usdm"][0], "changed") in alerts(tmp_path, "listing"))
        facts = streams_of(collector_journal(tmp_path, "feed"))
        assert len(facts) == 3 and facts[1].tick == tick * 5 and facts[1].version == 2
        # What comes to share its connections leaves it where it is.
        for is_listed in (False, True):
            dialect.exchange.board.set_listed(1, is_listed, dialect.exchange.now)
            dialect.exchange.board.set_open(1, is_listed, dialect.exchange.now)
            word = "listed" if is_listed else "delisted"
            wait_for(lambda word=word: alerts(tmp_path, "listing")[-1] == (SYMBOLS["binance-usdm"][1], word))
        wait_for(lambda: any(each.stream == 4 for each in frames(tmp_path, "trade")))
        count = len(trades(tmp_path, SYMBOLS["binance-usdm"][0]))
        wait_for(lambda: len(trades(tmp_path, SYMBOLS["binance-usdm"][0])) > count + 5)
        assert_whole(tmp_path, dialect, SYMBOLS["binance-usdm"][0])


def test_more_symbols_than_a_connection_carries_have_more_connections(tmp_path, monkeypatch):
    monkeypatch.setattr(BinanceUsdmVenue, "symbols_max", 2)

    async def work(port: int) -> dict:
        tape = VenueTape(tmp_path / "tape", "record:binance-usdm")
        feed = VenueFeed(options_of("binance-usdm", tmp_path, port), tape)
        following = asyncio.ensure_future(feed.run())

        def quoted() -> set[int]:
            with JournalReader(tmp_path / "tape") as reader:
                return {each.stream for each in reader if each.type == "quote"}

        try:
            await wait_in_loop(lambda: following.done() or quoted() == {1, 2, 3})
            return feed.status()
        finally:
            await ended([following])
            tape.close()

    with served("binance-usdm") as (_, port):
        found = asyncio.run(work(port))
    assert found["connections"] == 4 and found["hears"]


def test_one_that_is_killed_goes_on_under_the_same_numbers(tmp_path):
    with served("binance-usdm") as (_, port):
        options = options_of("binance-usdm", tmp_path, port, symbols="top:2")
        with collecting(options) as process:
            wait_for(lambda: len(status(tmp_path)["symbols"]) == 2 and frames(tmp_path, "trade"))
            followed = status(tmp_path)["symbols"]
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        count = len(frames(tmp_path, "trade"))
        with collecting(options):
            wait_for(lambda: len(frames(tmp_path, "trade")) > count)
            assert status(tmp_path)["symbols"] == followed
    assert sorted(i.symbol for i in streams_of(collector_journal(tmp_path, "feed")).values()) == followed
    assert verify(collector_journal(tmp_path, "feed")).ok


def test_a_venue_that_is_away_is_waited_for_and_a_symbol_that_it_lacks_is_said(tmp_path):
    with served("kraken") as (_, port):
        pass
    with collecting(options_of("kraken", tmp_path, port)):
        wait_for(lambda: any(subject == "instruments" for subject, _ in alerts(tmp_path, "feed")))
        assert status(tmp_path)["hears"] is False
    home = tmp_path / "other"
    with served("kraken") as (_, port):
        options = options_of("kraken", home, port, symbols="kraken:BTC/USD,kraken:NO/USD")
        with collecting(options):
            wait_for(lambda: status(home)["missing"] == ["kraken:NO/USD"] and frames(home, "quote"))
            assert status(home)["symbols"] == ["kraken:BTC/USD"]
            assert ("feed", "does not trade there: kraken:NO/USD") in alerts(home, "market")
