"""Real collectors of a simulated exchange and the hub that merges them: whatever is killed, frozen or delisted, what
is merged is the exchange's own market."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections import Counter
from contextlib import ExitStack
from itertools import pairwise

import pytest

from exchange.venue_client import served
from onetape._core import FLAG_UNSYNCED, Book
from onetape.collector.venue_feed import VenueFeed
from onetape.collector.venue_tape import VenueTape
from onetape.engine.tape_facts import streams_of
from onetape.feeds.hub_table import LEVELS, MarketReader
from onetape.feeds.poll_plan import TICK
from onetape.model.enums import Side
from onetape.model.home import hub_journal
from onetape.net.tasks import ended
from onetape.options.collector import collector_journal
from onetape.tape.journal import JournalReader
from onetape.tape.verify import verify
from onetape.venues.binance.polls import BinancePolls
from waiting import wait_for, wait_in_loop
from worlds.hub_process import HubProcess, hub, hub_options, merged, sources_of
from worlds.venue_collectors import alerts, collecting, frames, options_of, status

KIND = "binance-usdm"
BTC, ETH, SOL = (f"binance:{base}/USDT:USDT" for base in ("BTC", "ETH", "SOL"))


def numbers_of(home, symbol: str) -> list[int]:
    return [n for n, i in streams_of(hub_journal(home)).items() if i.symbol == symbol]


def merged_trades(home, symbol: str) -> list[tuple[int, int, int]]:
    numbers = numbers_of(home, symbol)
    found = [each.data for each in merged(home, "trade") if each.stream in numbers]
    return sorted((each["id_low"], each["price"], each["size"]) for each in found)


def assert_whole(home, dialect, symbol: str) -> int:
    """What is merged of a symbol's trades is the exchange's own list, which keeps the last thousand. Gives how many."""
    (listing,) = (each for each in dialect.exchange.listings if each.instrument.symbol == symbol)
    found = merged_trades(home, symbol)
    assert all(a[0] + 1 == b[0] for a, b in pairwise(found)), "a trade is missing, or there twice"
    kept = [(t.trade_id, t.price, t.size) for t in list(listing.trades) if found[0][0] <= t.trade_id <= found[-1][0]]
    assert kept and found[-len(kept) :] == kept
    return len(found)


def book_of(home, symbol: str) -> Book:
    """Of who reads the hub's journal from its beginning."""
    book, numbers = Book(), numbers_of(home, symbol)
    with JournalReader(hub_journal(home)) as reader:
        for each in reader.frames(("book",)):
            if each.stream in numbers:
                change, crossed, _ = book.apply_payload(each.payload, each.flags & 0xFF)
                assert not crossed and (change in ("applied", "snapshot") or each.flags & FLAG_UNSYNCED), change
    return book


def is_the_exchange_s(home, dialect, symbol: str, place: int) -> bool:
    board, book = dialect.exchange.board, book_of(home, symbol)
    sides = board.levels(place, Side.BUY, 1000), board.levels(place, Side.SELL, 1000)
    return book.synced and (book.bids(1000), book.asks(1000)) == tuple(
        [(price, size) for price, size in side] for side in sides
    )


def test_books_stay_the_exchange_s_while_collectors_and_the_hub_are_killed(tmp_path):
    with served(KIND, rate=3) as (dialect, port), ExitStack() as stack:
        options = [options_of(KIND, tmp_path, port, name=name, depth="all", depth_readers=2) for name in ("a", "b")]
        first, _ = (stack.enter_context(collecting(each)) for each in options)
        for name in ("a", "b"):
            wait_for(lambda name=name: len(status(tmp_path, name)["books"]) == 3)
        running = HubProcess(hub_options(tmp_path, "a", "b"))
        stack.callback(lambda: running.end())
        wait_for(lambda: is_the_exchange_s(tmp_path, dialect, ETH, 1))
        os.kill(first.pid, signal.SIGKILL)
        wait_for(lambda: set(sources_of(merged(tmp_path, "book"))) == {0, 1})
        wait_for(lambda: is_the_exchange_s(tmp_path, dialect, ETH, 1))
        running.end(signal.SIGKILL)
        running = HubProcess(hub_options(tmp_path, "a", "b"))
        stack.enter_context(collecting(options[0]))
        wait_for(lambda: is_the_exchange_s(tmp_path, dialect, ETH, 1))
        row = wait_for(lambda: MarketReader(tmp_path).state.get("book", ETH))
        assert row[f"bid_{LEVELS}"] < row["bid_1"] < row["ask_1"] < row[f"ask_{LEVELS}"]
    assert verify(hub_journal(tmp_path)).ok


@pytest.mark.parametrize("seed", [1])
def test_the_hub_is_killed_twenty_times_and_each_trade_of_the_exchange_is_there_once(tmp_path, seed):
    """Streams of two collectors and polls of a third; one of the streams is killed on the way as well."""
    chance = random.Random(seed)
    with served(KIND, rate=20) as (dialect, port), ExitStack() as stack:
        symbols = [i.symbol for i in dialect.exchange.instruments]
        first = stack.enter_context(collecting(options_of(KIND, tmp_path, port, name="a")))
        stack.enter_context(collecting(options_of(KIND, tmp_path, port, name="b")))
        stack.enter_context(collecting(options_of(KIND, tmp_path, port, name="rest", transport="rest")))
        running = HubProcess(hub_options(tmp_path, "a", "b", "rest"))
        wait_for(lambda: all(merged_trades(tmp_path, symbol) for symbol in symbols))
        for life in range(20):
            running.end(signal.SIGKILL)
            if life == 9:
                os.kill(first.pid, signal.SIGKILL)
            running = HubProcess(hub_options(tmp_path, "a", "b", "rest"))
            time.sleep(chance.uniform(0.0, 0.3))  # at random, not a condition
        last = {symbol: dialect.exchange.listings[n].trades[-1].trade_id for n, symbol in enumerate(symbols)}
        wait_for(lambda: all(merged_trades(tmp_path, symbol)[-1][0] > last[symbol] for symbol in symbols))
        running.end()
        found = sum(assert_whole(tmp_path, dialect, symbol) for symbol in symbols)
    assert found > 200 and verify(hub_journal(tmp_path)).ok
    ids = {}
    for each in merged(tmp_path, "quote"):
        assert each.data["update_id"] >= ids.get(each.stream, 0)  # a poll may say one again, as of later
        ids[each.stream] = each.data["update_id"]


def test_three_pollers_share_an_address_and_one_that_is_killed_leaves_no_trade_out(tmp_path):
    """Each asks within its slot of an eighth of a second, so that together they ask evenly; symbols are divided, and
    divided again without the one that died."""
    names = ("rest-a", "rest-b", "rest-c")
    with served(KIND, rate=10, faults="# none yet") as (dialect, port), ExitStack() as stack:
        symbols = [i.symbol for i in dialect.exchange.instruments]
        processes = [
            stack.enter_context(collecting(options_of(KIND, tmp_path, port, name=name, transport="rest")))
            for name in names
        ]
        stack.enter_context(hub(hub_options(tmp_path, *names)))
        wait_for(lambda: {status(tmp_path, name)["polls"]["pollers"] for name in names} == {3})
        began = dialect.exchange.now
        wait_for(lambda: all(len(merged_trades(tmp_path, symbol)) > 20 for symbol in symbols))
        wait_for(lambda: len(polled(dialect, began)) > 90)
        thirds = Counter(time % TICK * 3 // TICK for time in polled(dialect, began))
        assert min(thirds.values()) >= 0.15 * thirds.total()  # of a third each, on a busy machine
        os.kill(processes[0].pid, signal.SIGKILL)
        wait_for(lambda: {status(tmp_path, name)["polls"]["pollers"] for name in names[1:]} == {2})
        last = {symbol: dialect.exchange.listings[n].trades[-1].trade_id for n, symbol in enumerate(symbols)}
        wait_for(lambda: all(merged_trades(tmp_path, symbol)[-1][0] > last[symbol] for symbol in symbols))
        wait_for(lambda: all(is_whole(tmp_path, symbol) for symbol in symbols))
        for symbol in symbols:
            assert_whole(tmp_path, dialect, symbol)


def test_a_poller_asks_for_prices_first_for_as_long_as_no_stream_brings_them(tmp_path):
    def is_hurried() -> bool:
        return status(tmp_path, "rest")["polls"]["hurried"]

    with served(KIND, rate=20, faults="# none yet") as (dialect, port), ExitStack() as stack:
        made = {name: options_of(KIND, tmp_path, port, name=name) for name in ("a", "b")}
        streams = {name: stack.enter_context(collecting(each)) for name, each in made.items()}
        rest = options_of(KIND, tmp_path, port, name="rest", transport="rest", streams=["a", "b"])
        stack.enter_context(collecting(rest))
        wait_for(lambda: not is_hurried())
        stack.enter_context(hub(hub_options(tmp_path, "a", "b", "rest")))
        wait_for(lambda: set(sources_of(merged(tmp_path, "quote"))) == {0, 1, 2})
        wait_for(lambda: not is_hurried())
        os.kill(streams["a"].pid, signal.SIGKILL)
        wait_for(lambda: ("a", "failing") in states(tmp_path))
        assert not is_hurried()  # the other stream brings them
        os.kill(streams["b"].pid, signal.SIGKILL)
        wait_for(is_hurried)
        began = dialect.exchange.now
        wait_for(lambda: len(polled(dialect, began)) > 30)
        requests = Counter(each.path for each in list(dialect.received) if each.time > began)
        assert requests["/fapi/v1/ticker/bookTicker"] > 5 * requests["/fapi/v1/aggTrades"]
        stack.enter_context(collecting(made["b"]))
        wait_for(lambda: not is_hurried())


def states(home) -> list[tuple[str, str]]:
    found = [each.data for each in merged(home, "health")]
    return [(each["subject"], each["state"]) for each in found if each["kind"] == "source"]


def polled(dialect, since: int) -> list[int]:
    paths = ("/fapi/v1/ticker/bookTicker", "/fapi/v1/premiumIndex", "/fapi/v1/aggTrades")
    return [each.time for each in list(dialect.received) if each.path in paths and each.time > since]


def is_whole(home, symbol: str) -> bool:
    return all(a[0] + 1 == b[0] for a, b in pairwise(merged_trades(home, symbol)))


def test_who_is_followed_by_turnover_changes_while_a_hub_merges_it(tmp_path, monkeypatch):
    """What goes has no row and is not stale; what stays misses nothing; what comes back goes on under its number."""
    shares = {"ETHUSDT": 3.0, "BTCUSDT": 2.0, "SOLUSDT": 1.0}
    monkeypatch.setattr(BinancePolls, "turnovers", lambda self, body: dict(shares))

    async def work(port: int) -> None:
        tape = VenueTape(collector_journal(tmp_path, "feed"), "collector:feed")
        feed = VenueFeed(options_of(KIND, tmp_path, port, symbols="top:1", needed=[ETH]), tape)
        following = asyncio.ensure_future(feed.run())

        async def until(what) -> None:
            await wait_in_loop(lambda: following.done() or what())

        def row() -> object:
            return MarketReader(tmp_path).state.get("quote", BTC)

        try:
            await until(lambda: merged_trades(tmp_path, ETH))
            shares["BTCUSDT"] = 9.0
            await until(lambda: merged_trades(tmp_path, BTC) and row())
            shares.update({"BTCUSDT": 0.5, "SOLUSDT": 9.0})
            await until(lambda: (BTC, "dropped") in listings(tmp_path) and not row())
            shares["BTCUSDT"] = 10.0
            await until(lambda: listings(tmp_path).count((BTC, "listed")) == 2 and row())
            await until(lambda: len(alerts(tmp_path, "listing")) - len(listings(tmp_path)) == 4)
            assert feed.universe.listings.keys() == {BTC, ETH, SOL}  # SOL is the second, and near
            said = Counter((each.data["kind"], each.data["subject"]) for each in merged(tmp_path, "health"))
            # Where the machine stands still, the whole source falls silent: ETH, which stays, is stale with it.
            assert said["market", BTC] <= said["market", ETH]
        finally:
            await ended([following])
            tape.close()

    def listings(home) -> list[tuple[str, str]]:
        return [each for each in alerts(home, "listing") if each[1] != "chosen"]

    with served(KIND, rate=10) as (dialect, port), hub(hub_options(tmp_path, "feed")):
        asyncio.run(work(port))
        assert_whole(tmp_path, dialect, ETH)
    assert len(numbers_of(tmp_path, BTC)) == 1
    found = [each.data for each in merged(tmp_path, "health")]
    assert [each["state"] for each in found if each["kind"] == "listing" and each["subject"] == BTC] == [
        "listed",
        "dropped",
    ]
    chosen = [each.data for each in frames(tmp_path, "health") if each.data["state"] == "chosen"]
    assert [(each["epoch"], each["symbols"]) for each in chosen] == [
        (1, [ETH]),
        (2, [BTC, ETH]),
        (3, [ETH, SOL]),
        (4, [BTC, ETH, SOL]),
    ]
    tape = frames(tmp_path, "quote", "trade", "mark", "health")
    words = [n for n, each in enumerate(tape) if each.data.get("subject") == BTC and each.data["kind"] == "listing"]
    assert [tape[n].data["state"] for n in words] == ["listed", "dropped", "listed"]
    kept = next(n for n, i in streams_of(collector_journal(tmp_path, "feed")).items() if i.symbol == BTC)
    assert kept not in [each.stream for each in tape[words[1] : words[2]]]


def test_a_symbol_that_is_delisted_and_listed_anew_moves_no_price_to_another(tmp_path):
    """Rows of bulk answers come shuffled all the while."""
    shuffle = '[[fault]]\npath = "*/ticker/bookTicker"\naction = "shuffle"\n'
    with served(KIND, rate=20, faults=shuffle) as (dialect, port), ExitStack() as stack:
        stack.enter_context(collecting(options_of(KIND, tmp_path, port, name="a")))
        stack.enter_context(collecting(options_of(KIND, tmp_path, port, name="rest", transport="rest")))
        stack.enter_context(hub(hub_options(tmp_path, "a", "rest")))
        wait_for(lambda: set(sources_of(merged(tmp_path, "quote"))) == {0, 1})
        for is_listed in (False, True):
            dialect.exchange.board.set_listed(1, is_listed, dialect.exchange.now)
            dialect.exchange.board.set_open(1, is_listed, dialect.exchange.now)
            what = "listed" if is_listed else "delisted"
            wait_for(
                lambda what=what: (
                    what in [e.data["state"] for e in merged(tmp_path, "health") if e.data["subject"] == ETH][-1:]
                )
            )
        wait_for(
            lambda: len(numbers_of(tmp_path, ETH)) == 2 and len({e.stream for e in merged(tmp_path, "quote")}) == 4
        )
        middles = {each.instrument.symbol: each.last for each in dialect.exchange.listings}
    names = {n: i.symbol for n, i in streams_of(hub_journal(tmp_path)).items()}
    for each in merged(tmp_path, "quote"):
        assert abs(each.data["bid"] / middles[names[each.stream]] - 1) < 0.2, each
    old, new = numbers_of(tmp_path, ETH)
    order = [each.stream for each in merged(tmp_path, "quote", "trade") if each.stream in (old, new)]
    assert order == sorted(order)
