"""A venue's market by requests: what answers say is right whatever their order and delay, and the
venue is asked as much as it allows and no more. Real processes, real sockets."""

from __future__ import annotations

import os
import signal
from collections import defaultdict
from contextlib import ExitStack
from itertools import pairwise

import pytest

from exchange.venue_client import served
from onetape.engine.tape_facts import streams_of
from onetape.exchange.binance.limits import WEIGHT_A_MINUTE, weight_of
from onetape.exchange.dialect import fields
from onetape.exchange.faults import parse_faults
from onetape.model.time import SECOND
from onetape.options.collector import collector_journal
from onetape.tape.verify import verify
from waiting import wait_for
from worlds.venue_collectors import alerts, assert_whole, collecting, frames, options_of, status, trades

KINDS = ("binance-usdm", "kraken")
NONE_YET = "# none yet"
RARELY = 3600 * SECOND  # of Kraken's requests an address has few
BULK = {"binance-usdm": "*/ticker/bookTicker", "kraken": "*/Ticker"}


def misbehave(dialect, *rules: str) -> None:
    dialect.add(parse_faults("".join(f"[[fault]]\n{rule}\n" for rule in rules)), dialect.exchange.now)


def quotes(home) -> dict[str, list]:
    names = {n: i.symbol for n, i in streams_of(collector_journal(home, "feed")).items()}
    found = defaultdict(list)
    for each in frames(home, "quote"):
        found[names[each.stream]].append(each.data)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_prices_stay_with_their_symbols_in_whatever_order_rows_come_and_however_late(kind, tmp_path):
    with served(kind, rate=20, faults=NONE_YET) as (dialect, port):
        late = f'path = "{BULK[kind]}"\naction = "delay"\nwait = "700ms"\nprobability = 0.3'
        misbehave(dialect, late, f'path = "{BULK[kind]}"\naction = "shuffle"')
        with collecting(options_of(kind, tmp_path, port, transport="rest", listings_ns=RARELY)):
            wait_for(lambda: len(quotes(tmp_path)) == 3 and min(map(len, quotes(tmp_path).values())) > 10)
            wait_for(lambda: kind == "kraken" or status(tmp_path)["polls"].get("late"))
            count = sum(rule.hits for rule in dialect.active_rules if rule.action == "shuffle")
        assert count > 5
        for symbol, rows in quotes(tmp_path).items():
            (listing,) = (x for x in dialect.exchange.listings if x.instrument.symbol == symbol)
            middle = listing.last
            assert all(abs(row["bid"] / middle - 1) < 0.2 and row["bid"] < row["ask"] for row in rows), symbol
            assert [row["update_id"] for row in rows] == sorted(row["update_id"] for row in rows)
    assert verify(collector_journal(tmp_path, "feed")).ok


@pytest.mark.parametrize("kind", ["binance-spot", "bybit", "hyperliquid", "okx"])
def test_the_symbols_with_the_most_turnover_are_followed_by_requests_alone(kind, tmp_path):
    with served(kind, rate=20) as (dialect, port):
        with collecting(options_of(kind, tmp_path, port, transport="rest", listings_ns=RARELY, symbols="top:2")):
            wait_for(lambda: len(quotes(tmp_path)) == 2 and min(map(len, quotes(tmp_path).values())) > 5)
            assert status(tmp_path)["hears"] and not status(tmp_path)["rejected"]
        for symbol, rows in quotes(tmp_path).items():
            (listing,) = (x for x in dialect.exchange.listings if x.instrument.symbol == symbol)
            assert all(abs(row["bid"] / listing.last - 1) < 0.2 and row["bid"] < row["ask"] for row in rows), symbol
    assert verify(collector_journal(tmp_path, "feed")).ok


@pytest.mark.parametrize("kind", KINDS)
def test_trades_that_are_asked_for_are_complete_and_there_once_with_marks_and_open_interest(kind, tmp_path):
    with served(kind, rate=10) as (dialect, port):
        symbols = [i.symbol for i in dialect.exchange.instruments]
        with collecting(options_of(kind, tmp_path, port, transport="rest", listings_ns=RARELY)):
            wait_for(lambda: all(len(trades(tmp_path, symbol)) > 20 for symbol in symbols))
            if kind == "binance-usdm":
                for name in ("mark", "open_interest"):
                    wait_for(lambda name=name: len({each.stream for each in frames(tmp_path, name)}) == 3)
        for symbol in symbols:
            assert_whole(tmp_path, dialect, symbol)
    for each in frames(tmp_path, "trade", "mark", "open_interest"):
        assert each.time == each.data["ts_recv"] and 0 < each.data["ts_event"] < each.time + SECOND
    for each in frames(tmp_path, "mark"):
        assert each.data["mark"] > 0 and each.data["index"] > 0


def test_after_a_refusal_nothing_is_asked_until_the_venue_wants_it(tmp_path):
    with served("binance-usdm", faults=NONE_YET) as (dialect, port):
        with collecting(options_of("binance-usdm", tmp_path, port, transport="rest")):
            wait_for(lambda: status(tmp_path)["polls"].get("asked", 0) > 5)
            misbehave(dialect, 'path = "*/ticker/bookTicker"\naction = "error"\nerror = "-1003"\ncount = 1')
            wait_for(lambda: status(tmp_path)["polls"].get("http_429"))
            count = status(tmp_path)["polls"]["asked"]
            wait_for(lambda: status(tmp_path)["polls"]["asked"] > count + 3)
            assert status(tmp_path)["hears"]
        (refused,) = (each for each in dialect.received if each.fault == "error")
        polls = ("/fapi/v1/ticker/bookTicker", "/fapi/v1/premiumIndex", "/fapi/v1/aggTrades")
        times = [each.time for each in dialect.received if each.number >= refused.number and each.path in polls]
        # Retry-After is 1, and others may have been on their way when the answer came.
        assert max(after - before for before, after in pairwise(times)) >= 0.9 * SECOND
    assert any("has banned this address" in state for _, state in alerts(tmp_path, "budget"))


def test_answers_that_never_come_hold_up_no_others_and_a_venue_that_goes_is_said_once(tmp_path):
    with served("binance-usdm", rate=10, faults=NONE_YET) as (dialect, port):
        misbehave(dialect, 'path = "/fapi/*"\naction = "drop_answer"\nwait = "60s"\nprobability = 0.25')
        with collecting(options_of("binance-usdm", tmp_path, port, transport="rest")):
            wait_for(lambda: status(tmp_path)["polls"].get("failed", 0) > 3)
            count = len(frames(tmp_path, "quote"))
            wait_for(lambda: len(frames(tmp_path, "quote")) > count + 20)
            assert status(tmp_path)["hears"]
            dialect.clear(dialect.exchange.now)
            misbehave(dialect, 'path = "/fapi/*"\naction = "error"\nstatus = 503')
            wait_for(lambda: ("requests", "lost: HTTP 503") in alerts(tmp_path, "feed"))
            assert not status(tmp_path)["hears"]
            wait_for(lambda: dict(alerts(tmp_path, "feed")).get("instruments", "").startswith("lost"))
            dialect.clear(dialect.exchange.now)
            wait_for(lambda: dict(alerts(tmp_path, "feed")) == {"requests": "connected", "instruments": "connected"})
        states = [state for subject, state in alerts(tmp_path, "feed") if subject == "requests"]
        assert states.count("lost: HTTP 503") == 1 and states[0] == "connected"
        for symbol in (i.symbol for i in dialect.exchange.instruments):
            assert_whole(tmp_path, dialect, symbol)


def test_a_symbol_that_is_listed_again_is_polled_under_another_number(tmp_path):
    with served("binance-usdm", rate=5) as (dialect, port):
        with collecting(options_of("binance-usdm", tmp_path, port, transport="rest")):
            wait_for(lambda: len(quotes(tmp_path)) == 3)
            for is_listed in (False, True):
                dialect.exchange.board.set_listed(1, is_listed, dialect.exchange.now)
                dialect.exchange.board.set_open(1, is_listed, dialect.exchange.now)
                word = "listed" if is_listed else "delisted"
                wait_for(lambda word=word: alerts(tmp_path, "listing")[-1] == ("binance:ETH/USDT:USDT", word))
            wait_for(lambda: {each.stream for each in frames(tmp_path, "quote", "trade")} == {1, 2, 3, 4})
        last = {each.stream: each.sequence for each in frames(tmp_path, "quote", "trade")}
        first = {each.stream: each.sequence for each in reversed(frames(tmp_path, "quote", "trade"))}
        assert last[2] < first[4]


def weights(dialect) -> list[tuple[int, int]]:
    return [(each.time, weight_of(each.method, each.path, fields(each.query))) for each in list(dialect.received)]


def best_share(dialect, span: int) -> float:
    """The most that was asked for in so many ns, of what the venue allows for them."""
    found = weights(dialect)
    sums = [sum(w for time, w in found if start <= time < start + span) for start, _ in found[:-1]]
    return max(sums, default=0) / (WEIGHT_A_MINUTE * span / (60 * SECOND))


def test_two_pollers_share_what_the_venue_allows_use_nine_tenths_and_pass_it_never(tmp_path):
    with served("binance-usdm", faults=NONE_YET) as (dialect, port), ExitStack() as stack:
        names = ("one", "two")
        processes = [
            stack.enter_context(collecting(options_of("binance-usdm", tmp_path, port, transport="rest", name=name)))
            for name in names
        ]
        wait_for(lambda: [status(tmp_path, name)["polls"]["pollers"] for name in names] == [2, 2])
        assert {status(tmp_path, name)["polls"]["poller"] for name in names} == {1, 2}
        wait_for(lambda: best_share(dialect, 10 * SECOND) >= 0.9)
        print(f"{best_share(dialect, 10 * SECOND):.1%} of the limit in 10 s of two pollers")
        os.kill(processes[0].pid, signal.SIGKILL)
        wait_for(lambda: status(tmp_path, "two")["polls"]["pollers"] == 1)
        after = dialect.exchange.now
        wait_for(lambda: len([time for time, _ in weights(dialect) if time > after]) > 30)
        minutes: dict[int, int] = defaultdict(int)
        for time, weight in weights(dialect):
            minutes[time // (60 * SECOND)] += weight
        assert max(minutes.values()) <= WEIGHT_A_MINUTE
        assert "http_429" not in status(tmp_path, "two")["polls"]
