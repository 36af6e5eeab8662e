"""A venue's bars on a tape: whatever a stream loses, tells wrong or tells twice, they are the venue's in the end."""

from __future__ import annotations

import asyncio
import json
import random
from collections import defaultdict
from contextlib import ExitStack
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import pytest

from exchange.venue_client import served
from onetape._core import FLAG_CORRECTED, FLAG_LATE, FLAG_SNAPSHOT
from onetape.collector.klines import GRACE, Klines
from onetape.exchange.reports import BarReport
from onetape.exchange.venues import Crowd
from onetape.feeds.universe import Listing
from onetape.model.home import hub_journal
from onetape.model.time import MINUTE
from onetape.options.collector import collector_journal
from onetape.tape.journal import JournalReader
from onetape.venues.binance.past import BinancePast
from waiting import wait_for
from worlds.hub_process import BTC, HubProcess, SourceJournal, hub_options
from worlds.venue_collectors import NAME, alerts, collecting, options_of, status

MS = 10**6
T0 = 1_767_225_600 * 10**9  # a midnight


def bars_of(path, stream: int, period: int = MINUTE) -> dict[int, list[tuple[int, int]]]:
    """(close, flags) of each that was told, by when it opens, in the order of the tape."""
    found = defaultdict(list)
    with JournalReader(path) as reader:
        for each in reader:
            if each.type == "bar" and each.stream == stream and each.data["period_ns"] == period:
                found[each.data["ts_open"]].append((each.data["close"], each.flags & 0xFF))
    return dict(found)


def assert_each_once_or_corrected(found, truth) -> None:
    assert {at: rows[-1][0] for at, rows in found.items()} == truth
    for first, *others in found.values():
        assert not first[1] & FLAG_CORRECTED
        assert all(flags & FLAG_CORRECTED and flags & FLAG_LATE and flags & FLAG_SNAPSHOT for _, flags in others)


class Venue:
    """Has the true bars, and answers as Binance does while it can be reached. Minutes go by as the test says."""

    def __init__(self) -> None:
        self.minute = 0
        self.is_away = False
        self.past = BinancePast()
        self.venue = SimpleNamespace(past=self.past)

    def now(self) -> int:
        return T0 + self.minute * MINUTE + GRACE + 1

    def close(self, minute: int) -> int:
        return 1000 + minute * 7 % 90

    async def request(self, call):
        if self.is_away:
            raise ConnectionError
        query = {
            name: int(value) for name, (value,) in parse_qs(urlsplit(call.target).query).items() if value.isdigit()
        }
        first = -(-(query["startTime"] * MS - T0) // MINUTE)
        last = (query["endTime"] * MS - T0) // MINUTE
        minutes = range(max(first, -50), min(last, self.minute) + 1)[: query["limit"]]
        rows = []
        for each in minutes:
            price, at = f"{self.close(each) / 10}", (T0 + each * MINUTE) // MS
            rows.append([at, price, price, price, price, "0.001", at + 59_999, "0", 1, "0", "0", "0"])
        return 200, {}, json.dumps(rows).encode()


def following(venue: Venue, home, journal: SourceJournal, listing: Listing) -> Klines:
    said = []
    path = collector_journal(home, journal.name)
    klines = Klines(venue, path, journal.writer, [MINUTE], rate=1.0, streamed=MINUTE, now=venue.now, say=said.append)
    klines.follow([listing])
    klines.said = said
    klines._begin()
    return klines


@pytest.mark.parametrize("seed", range(8))
def test_whatever_a_stream_loses_or_tells_wrong_the_tape_s_bars_are_the_venue_s_in_the_end(tmp_path, seed):
    """Hours by the minute: bars of the stream are missing, wrong, early; the venue cannot be reached for up to 100
    minutes, midnights pass, and the process begins anew."""
    chance, venue = random.Random(seed), Venue()
    journal = SourceJournal(tmp_path, "feed")
    listing = Listing(1, journal.listed(BTC))
    klines = following(venue, tmp_path, journal, listing)
    back_at = 0
    for minute in range(-30, 400):
        venue.minute = minute + 1
        venue.is_away = minute < back_at
        if not venue.is_away and chance.random() < 0.02:
            back_at = minute + chance.randint(1, 100)
        is_heard = chance.random() < (0.1 if venue.is_away else 0.8)
        if is_heard:
            wrong = chance.choice([0, 0, 0, 1])
            journal.bar(BTC, T0 + minute * MINUTE, venue.close(minute) + wrong)
        if chance.random() < 0.5:
            asyncio.run(klines._round())
            klines._mark()
        if chance.random() < 0.01:
            klines = following(venue, tmp_path, journal, listing)
    venue.is_away = False
    assert asyncio.run(klines._round())
    found = bars_of(collector_journal(tmp_path, "feed"), 1)
    truth = {T0 + each * MINUTE: venue.close(each) for each in range(min(found) // MINUTE - T0 // MINUTE, venue.minute)}
    assert_each_once_or_corrected(found, truth)
    before = journal.writer.published
    assert asyncio.run(klines._round()) and journal.writer.published == before  # and it stays so
    journal.close()


def test_what_the_venue_has_no_more_is_said_and_nothing_is_made_up(tmp_path):
    venue, journal = Venue(), SourceJournal(tmp_path, "feed")
    listing = Listing(1, journal.listed(BTC))
    journal.bar(BTC, T0 - 60 * MINUTE, venue.close(-60))
    venue.minute = 3
    journal.health("bars", "all", "answered", until=T0 - 59 * MINUTE)
    klines = following(venue, tmp_path, journal, listing)
    assert asyncio.run(klines._round())
    assert klines.status() == {"requests": 1, "weight": 1, "filled": 53, "corrected": 0, "lost": 9, "failed": 0}
    assert [(each.kind, each.subject, each.state, each.severity) for each in klines.said] == [
        ("bars", BTC, "53 filled, 9 lost", "warning")
    ]
    assert sorted(bars_of(collector_journal(tmp_path, "feed"), 1))[:2] == [T0 - 60 * MINUTE, T0 - 50 * MINUTE]
    journal.close()


VENUES = {"binance-usdm": [BTC], "kraken": ["kraken:BTC/USD"]}


def past_of(dialect, kind: str, symbol: str, until: int) -> list[BarReport]:
    (listing,) = (each for each in dialect.exchange.listings if each.instrument.symbol == symbol)
    return [each for each in list(listing.bars) if each.close_time <= until and (kind != "kraken" or each.trades)]


@pytest.mark.parametrize("kind", VENUES)
def test_a_collector_that_was_away_for_half_an_hour_fills_and_corrects_and_so_does_the_hub(kind, tmp_path):
    """Real processes, real sockets. Of the time before, the tape lacks bars and has wrong ones; a hub that is killed
    and begins anew takes none of them twice."""
    (symbol,) = VENUES[kind]
    with served(kind, market=Crowd(1.0, 65 * MINUTE)) as (dialect, port), ExitStack() as stack:
        (instrument,) = (each for each in dialect.exchange.instruments if each.symbol == symbol)
        past = past_of(dialect, kind, symbol, dialect.exchange.now)[-58:]
        journal = SourceJournal(tmp_path, NAME)
        journal.writer.append_instrument(1, past[0].open_time, instrument.to_msgpack())
        journal.streams[symbol] = 1
        running = HubProcess(hub_options(tmp_path, NAME))
        stack.callback(lambda: running.end())
        wait_for(lambda: (NAME, symbol) in running.feeds())
        wrong, missing = past[25], past[28]
        for each in past[:30]:
            if each is not missing:
                journal.bar(symbol, each.open_time, each.close + (each is wrong))
        journal.close()
        wait_for(lambda: len(bars_of(hub_journal(tmp_path), 1)) == 29)
        with collecting(options_of(kind, tmp_path, port, symbols=symbol)):
            for life in range(2):
                last = past_of(dialect, kind, symbol, dialect.exchange.now)
                first = past[15].open_time  # from where on the venue was asked
                truth = {each.open_time: each.close for each in last if each.open_time >= first}
                for path in (collector_journal(tmp_path, NAME), hub_journal(tmp_path)):
                    wait_for(lambda path=path, truth=truth: truth.keys() <= bars_of(path, 1).keys())
                    found = {at: rows for at, rows in bars_of(path, 1).items() if first <= at <= max(truth)}
                    assert_each_once_or_corrected(found, truth)
                if not life:
                    running.end(9)
                    running = HubProcess(hub_options(tmp_path, NAME))
            counts = status(tmp_path)["klines"]
    assert counts["filled"] >= 29 and counts["corrected"] >= 1 and not counts["lost"]
    assert any(subject == symbol and "corrected" in state for subject, state in alerts(tmp_path, "bars"))
