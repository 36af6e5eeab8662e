"""The hub as a process: journals of collectors that are real, one market that comes of them."""

from __future__ import annotations

import random
import signal
import time

import pytest

from onetape._core import FLAG_CORRECTED, FLAG_GAP, FLAG_LATE, FLAG_SNAPSHOT, FLAG_SYNTHETIC, FLAG_UNSYNCED, Book
from onetape.feeds.hub_table import MarketReader
from onetape.model.home import hub_journal
from onetape.tape.journal import JournalReader
from waiting import wait_for
from worlds.hub_process import (
    BTC,
    ETH,
    MS,
    HubProcess,
    SourceJournal,
    hub,
    hub_options,
    merged,
    sources_of,
    wait_merged,
)


@pytest.fixture
def pair(tmp_path):
    """Two sources of one market."""
    both = [SourceJournal(tmp_path, name) for name in ("ws", "rest")]
    for each in both:
        each.listed(BTC)
    yield both
    for each in both:
        each.close()


def test_two_sources_become_one_market(tmp_path, pair):
    with hub(hub_options(tmp_path, "ws", "rest")) as running:
        now = time.time_ns()
        for n in range(10):
            for each in pair:
                each.quote(BTC, 1000 + n, 1001 + n, at=now + n * MS, update_id=n + 1)
                each.trade(BTC, 1000 + n, 5, at=now + n * MS, id_=n + 1)
        quotes, trades = wait_merged(tmp_path, "quote", 10), wait_merged(tmp_path, "trade", 10)
        rows = wait_for(lambda: len(found := running.feeds()) == 2 and found)
    assert [each.data["bid"] for each in quotes] == list(range(1000, 1010))
    assert [each.data["id_low"] for each in trades] == list(range(1, 11))
    assert set(sources_of(quotes + trades)) <= {0, 1}
    row = rows["ws", BTC]
    assert {"source", "venue", "symbol", "transport", "state", "latency_ms", "age_ms", "errors", "share", "pinned"} <= {
        *row
    }
    assert (row["venue"], row["transport"], row["pinned"]) == ("binance", "ws", False)
    assert sum(each["share"] for each in rows.values()) == pytest.approx(1)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_killed_at_any_moment_it_loses_no_trade_and_doubles_none(tmp_path, pair, seed):
    """Two sources, one of them behind; the hub is killed and begun again while both go on."""
    chance, count = random.Random(seed), 3000
    options = hub_options(tmp_path, "ws", "rest")
    ws, rest = pair
    began = time.time_ns()

    def bring(source: SourceJournal, n: int) -> None:
        at = began + n * MS // 10
        # Every tenth trade is one that the venue gives no number to, twice in the same moment.
        for _ in range(2 if n % 10 == 0 else 1):
            source.trade(BTC, 1000 + n, 5, at=at, id_=0 if n % 10 == 0 else n, recv=max(at, began))
        source.quote(BTC, 1000 + n, 1001 + n, at=at, update_id=n)

    running, done, behind = HubProcess(options), 0, 0
    while done < count:
        for n in range(done + 1, (done := min(count, done + chance.randint(1, 400))) + 1):
            bring(ws, n)
        while behind < done - 100:
            bring(rest, behind := behind + 1)
        wait_for(lambda: merged(tmp_path, "trade"))
        running.end(signal.SIGKILL)
        running = HubProcess(options)
    while behind < count:
        bring(rest, behind := behind + 1)
    expected = sorted(n for n in range(1, count + 1) for _ in range(2 if n % 10 == 0 else 1))
    wait_for(lambda: len(merged(tmp_path, "trade")) >= len(expected))
    last = rest.writer.published
    wait_for(lambda: any(rest_at(each, rest) >= last for each in merged(tmp_path, "input")))
    running.end()
    assert sorted(each.data["price"] - 1000 for each in merged(tmp_path, "trade")) == expected
    ids = [each.data["update_id"] for each in merged(tmp_path, "quote")]
    assert ids == sorted(set(ids)) and ids[-1] == count


def rest_at(cursor, source: SourceJournal) -> int:
    """How far a cursor is in a source's journal, 0: it is of another one."""
    if cursor.data["source"] != source.writer.uuid.bytes:
        return 0
    return cursor.data["first_sequence"] + cursor.data["count"] - 1


def heads(home, kind: str) -> list[tuple[str, str]]:
    """(subject, state) of the hub's words of a kind."""
    return [(e.data["subject"], e.data["state"]) for e in merged(home, "health") if e.data["kind"] == kind]


def test_connections_of_a_collectors_earlier_run_count_no_more(tmp_path):
    source = SourceJournal(tmp_path, "ws")
    source.listed(BTC)
    with hub(hub_options(tmp_path, "ws")) as running:

        def why() -> str:
            return running.feeds()["ws", BTC]["why"]

        source.health("feed", "stream 0", "connected")
        source.health("feed", "stream 1", "connected")
        source.quote(BTC, 1000, 1001, at=time.time_ns())
        wait_for(lambda: running.feeds()["ws", BTC]["state"] == "healthy")
        source.close()
        wait_for(lambda: why() == "its process is gone")
        source = SourceJournal(tmp_path, "ws")  # with less symbols, that need one connection
        source.listed(BTC)
        wait_for(lambda: why() == "has not spoken")
        source.health("feed", "stream 0", "lost: refused")
        wait_for(lambda: why() == "its connection is lost")
    source.close()


class Market:
    """Goes on: each source brings the same quotes and trades, as they come."""

    def __init__(self, *sources: SourceJournal) -> None:
        self.sources = list(sources)
        self.count = 0

    def step(self) -> None:
        self.count += 1
        at = time.time_ns()
        for source in self.sources:
            source.quote(BTC, 1000 + self.count % 7, 1010, at=at, update_id=self.count)
            source.trade(BTC, 1000, 1, at=at, id_=self.count)
        time.sleep(0.01)

    def until(self, what):
        def look():
            self.step()
            return what()

        return wait_for(look)


def settled(market: Market, running: HubProcess, *sources: str) -> None:
    """Until they are healthy, and have spoken for so long that the hub knows their rhythm."""
    began = time.monotonic()
    market.until(lambda: time.monotonic() - began > 5 and all(state(running, each) == "healthy" for each in sources))


def state(running: HubProcess, source: str, symbol: str = BTC) -> str:
    return running.feeds().get((source, symbol), {}).get("state", "")


def test_a_source_that_falls_silent_fails_and_must_be_steady_before_it_is_healthy_again(tmp_path, pair):
    ws, rest = pair
    with hub(hub_options(tmp_path, "ws", "rest")) as running:
        market = Market(ws, rest)
        settled(market, running, "ws", "rest")
        market.sources = [rest]
        market.until(lambda: state(running, "ws") == "failing")
        assert state(running, "rest") == "healthy"
        market.sources = [ws, rest]
        market.until(lambda: state(running, "ws") == "healthy")
    words = [each for subject, each in heads(tmp_path, "source") if subject == "ws"]
    assert words == ["healthy", "failing", "degraded", "healthy"]
    assert [each.data["id_low"] for each in merged(tmp_path, "trade")] == list(range(1, market.count + 1))
    assert not heads(tmp_path, "market")  # of nothing was it ever without a fresh source


def test_a_source_whose_process_ends_or_whose_connection_is_lost_fails_at_once(tmp_path, pair):
    ws, rest = pair
    with hub(hub_options(tmp_path, "ws", "rest")) as running:
        market = Market(ws, rest)
        market.until(lambda: state(running, "ws") == state(running, "rest") == "healthy")
        rest.health("feed", "a", "connected")
        rest.health("feed", "a", "lost")
        market.until(lambda: state(running, "rest") == "failing")
        rest.health("feed", "a", "connected")
        market.until(lambda: state(running, "rest") == "degraded")
        market.sources = [rest]
        ws.close()
        market.until(lambda: state(running, "ws") == "failing")
        assert running.feeds()["ws", BTC]["why"] == "its process is gone"
    assert [each.data["id_low"] for each in merged(tmp_path, "trade")] == list(range(1, market.count + 1))


def test_where_no_source_is_fresh_a_median_that_says_so_stands_in(tmp_path, pair):
    ws, _ = pair
    with hub(hub_options(tmp_path, "ws", "rest")) as running:
        market = Market(ws)
        settled(market, running, "ws")
        quotes = wait_for(lambda: [each for each in merged(tmp_path, "quote") if each.flags == 64])
        market.until(lambda: (BTC, "fresh") in heads(tmp_path, "market"))
    assert heads(tmp_path, "market") == [(BTC, "stale"), (BTC, "fresh")]
    data = quotes[0].data
    assert 1000 <= data["bid"] <= 1006 and data["ask"] == 1010 and data["bid_size"] == data["ask_size"] == 0
    assert data["ts_event"] < data["ts_recv"]  # it is as old as what it is made of
    assert running.process.returncode == 0


def test_a_listing_change_moves_no_price_to_another_symbol(tmp_path, pair):
    """One symbol is delisted and listed anew while another takes its number in a source's list."""
    ws, rest = pair
    with hub(hub_options(tmp_path, "ws", "rest")):
        now = time.time_ns()
        for each in pair:
            each.quote(BTC, 1000, 1001, at=now, update_id=1)
        wait_merged(tmp_path, "quote", 1)
        ws.health("listing", BTC, "delisted", number=1)
        wait_for(lambda: (BTC, "delisted") in heads(tmp_path, "listing"))
        rest.quote(BTC, 990, 991, at=now + MS, update_id=2)  # it has not heard yet
        ws.listed(ETH, 2)
        ws.quote(ETH, 50, 51, at=now + 2 * MS, update_id=1)
        for each in pair:
            each.listed(BTC, 3, tick="0.01")  # ten times as many units
            each.quote(BTC, 10_000, 10_001, at=now + 3 * MS, update_id=1)
        quotes = wait_merged(tmp_path, "quote", 3)
    with JournalReader(tmp_path / "journal" / "hub") as reader:
        names = {}
        for record in reader:
            if record.type == "instrument":
                names[record.stream] = (record.data["symbol"], record.data["price_decimals"])
    assert [(names[each.stream], each.data["bid"]) for each in quotes] == [
        ((BTC, 1), 1000),
        ((ETH, 1), 50),
        ((BTC, 2), 10_000),
    ]


def test_a_pin_holds_over_a_restart_and_a_failing_source_is_refused(tmp_path, pair):
    ws, rest = pair
    options = hub_options(tmp_path, "ws", "rest")
    market = Market(ws, rest)
    with hub(options) as running:
        settled(market, running, "ws", "rest")
        for symbol, source, name in ((ETH, "ws", "UNKNOWN_SYMBOL"), (BTC, "nobody", "BAD_CONFIG")):
            assert running.ask("pin", symbol=symbol, source=source)["error"]["name"] == name
        assert running.ask("pin", symbol=BTC, source="rest")["status"] == "applied"
    with hub(options) as running:
        wait_for(lambda: running.feeds() and running.feeds()["rest", BTC]["pinned"])
        before = len(merged(tmp_path, "quote"))
        market.until(lambda: len(merged(tmp_path, "quote")) > before + 10)
        assert set(sources_of(merged(tmp_path, "quote")[before:])) == {1}
        ws.health("feed", "a", "lost")
        market.until(lambda: state(running, "ws") == "failing")
        refused = running.ask("pin", symbol=BTC, source="ws")
        assert refused["error"]["name"] == "MARKET_DATA_UNAVAILABLE"
        assert running.ask("pin", symbol=BTC, source="auto")["status"] == "applied"
        assert not any(row["pinned"] for row in running.feeds().values())
    assert [each.data["id_low"] for each in merged(tmp_path, "trade")] == list(range(1, market.count + 1))


def test_a_bad_tick_is_on_the_tape_with_its_rule_and_not_in_the_market(tmp_path, pair):
    ws, _ = pair
    with hub(hub_options(tmp_path, "ws", filters=True)):
        now = time.time_ns()
        for n in range(20):
            ws.quote(BTC, 1000 + n % 3, 1010, at=now + n, update_id=n + 1)
        ws.quote(BTC, 5000, 5010, at=now + 30, update_id=30)
        spike = ws.writer.published
        ws.quote(BTC, 1002, 1010, at=now + 40, update_id=40)
        (record,) = wait_for(lambda: [e for e in merged(tmp_path, "health") if e.data["kind"] == "quarantine"])
        wait_merged(tmp_path, "quote", 21)
    assert max(each.data["bid"] for each in merged(tmp_path, "quote")) < 1010
    about = {name: record.data[name] for name in ("subject", "state", "source", "source_sequence", "event")}
    assert about == {"subject": BTC, "state": "spike", "source": "ws", "source_sequence": spike, "event": "quote"}


def test_who_comes_late_finds_the_market_in_a_table(tmp_path, pair):
    ws, _ = pair
    minute = 60 * 10**9
    with hub(hub_options(tmp_path, "ws", klines=3)):
        now = time.time_ns()
        ws.quote(BTC, 1000, 1010, at=now)
        ws.trade(BTC, 1005, 7, at=now, id_=1)
        ws.mark(BTC, 1006, at=now)
        for n in range(5):
            ws.bar(BTC, now // minute * minute + n * minute, 1000 + n)
        table = wait_for(lambda: (tmp_path / "state" / "hub.table").exists() and MarketReader(tmp_path))
        bars = wait_for(lambda: len(found := table.bars(BTC, minute)) == 3 and found[-1]["close"] == 1004 and found)
        quote = wait_for(lambda: table.state.get("quote", BTC))
        assert (quote["bid"], quote["ask"], quote["price_decimals"], quote["stream"]) == (1000, 1010, 1, 1)
        assert table.state.get("trade", BTC)["size"] == 7
        assert table.state.get("mark", BTC)["mark"] == 1006
        assert [each["close"] for each in bars] == [1002, 1003, 1004]
        assert quote.sequence >= merged(tmp_path, "quote")[0].sequence
        ws.health("listing", BTC, "delisted", number=1)
        wait_for(lambda: table.state.get("quote", BTC) is None and not table.bars(BTC, minute))


def test_open_interest_is_merged_as_other_values_are_and_outlives_the_hub(tmp_path, pair):
    ws, rest = pair
    second, now = 10**9, time.time_ns()
    with hub(hub_options(tmp_path, "ws", "rest")):
        for source, at, size in ((ws, 0, 5), (rest, 0, 5), (rest, 2, 7), (ws, 1, 6), (rest, 3, 7)):
            seen = len(merged(tmp_path, "open_interest"))
            source.open_interest(BTC, size, at=now + at * second, recv=now + 9 * second)
            if (source, at) in ((ws, 0), (rest, 2), (rest, 3)):  # newer than what stands
                wait_for(lambda n=seen: len(merged(tmp_path, "open_interest")) == n + 1)
        ws.quote(BTC, 1000, 1010, at=now)
        wait_for(lambda: merged(tmp_path, "quote"))
        assert [each.data["size"] for each in merged(tmp_path, "open_interest")] == [5, 7, 7]
    with hub(hub_options(tmp_path, "ws", "rest")):
        ws.open_interest(BTC, 6, at=now + second, recv=now + 10 * second)
        table = wait_for(lambda: (tmp_path / "state" / "hub.table").exists() and MarketReader(tmp_path))
        row = wait_for(lambda: table.state.get("open_interest", BTC))
        assert (row["size"], row.ts_data) == (7, now + 3 * second)
        ws.quote(BTC, 1001, 1011, at=now + second)
        wait_for(lambda: len(merged(tmp_path, "quote")) == 2)
        assert len(merged(tmp_path, "open_interest")) == 3


def test_bars_of_an_earlier_life_are_there_at_once_however_it_ended(tmp_path, pair):
    """Forty of an hour each: far more than the hub reads of its own journal."""
    ws, _ = pair
    hour, now = 3600 * 10**9, time.time_ns()
    first = now // hour * hour - 40 * hour
    options = hub_options(tmp_path, "ws")
    running = HubProcess(options)
    for n in range(40):
        ws.bar(BTC, first + n * hour, 1000 + n, period=hour)
    for number in (signal.SIGKILL, signal.SIGTERM):
        wait_for(lambda: len(MarketReader(tmp_path).bars(BTC, hour)) == 40)
        running.end(number)
        running = HubProcess(options)
        assert [each["close"] for each in MarketReader(tmp_path).bars(BTC, hour)] == [1000 + n for n in range(40)]
    ws.bar(BTC, first + 40 * hour, 1040, period=hour)
    wait_for(lambda: MarketReader(tmp_path).bars(BTC, hour)[-1]["close"] == 1040)
    running.end()
    assert MarketReader(tmp_path).state.get("quote", BTC) is None


def test_bars_that_no_source_brings_are_made_of_the_trades_of_all_and_give_way_to_the_venue_s(tmp_path, pair):
    """Each source brings every second trade, four a minute; nobody tells the bar of the second minute, and that of the
    fourth is wrong. The hub is killed before and after it is made."""
    minute = 60 * 10**9
    first = time.time_ns() // minute * minute + minute
    options = hub_options(tmp_path, "ws", "rest")

    def bring(numbers: range) -> None:
        for n in numbers:
            at = first + n * minute // 4
            if n in (4, 12, 16, 20, 24):
                pair[0].bar(BTC, at - minute, 999 + n if n != 16 else 1, at=at)
            pair[n % 2].trade(BTC, 1000 + n, 5, at=at, id_=n + 7)

    def bars() -> list[tuple[int, int, int]]:
        found = merged(tmp_path, "bar")
        return [((each.data["ts_open"] - first) // minute, each.data["close"], each.flags & 0xFF) for each in found]

    def states() -> set[tuple[str, int]]:
        said = [each.data for each in merged(tmp_path, "health") if each.data["kind"] == "bars"]
        return {(each["state"], (each["ts_open"] - first) // minute) for each in said}

    running = HubProcess(options)
    bring(range(8))
    wait_for(lambda: len(merged(tmp_path, "trade")) == 8)
    running.end(signal.SIGKILL)
    running = HubProcess(options)
    bring(range(8, 26))
    wait_for(lambda: len(bars()) == 6 and {("filled from its trades", 1), ("differs from its trades", 3)} <= states())
    running.end(signal.SIGKILL)
    running = HubProcess(options)
    pair[0].bar(BTC, first + minute, 1007, flags=FLAG_SNAPSHOT, at=first + 7 * minute)
    wait_for(lambda: len(bars()) == 7)
    made = running.ask("status")["result"]["bars_of_trades"]
    running.end()
    assert bars() == [
        (0, 1003, 0),
        (1, 1007, FLAG_SYNTHETIC),
        (2, 1011, 0),
        (3, 1, 0),
        (4, 1019, 0),
        (5, 1023, 0),
        (1, 1007, FLAG_SNAPSHOT | FLAG_LATE | FLAG_CORRECTED),
    ]
    assert not made["filled"]


class Depth:
    """A venue's book: the size at 900 is the number of the change."""

    def __init__(self, *sources: SourceJournal) -> None:
        self.sources, self.number = list(sources), 0

    def snapshot(self, source: SourceJournal) -> None:
        levels = [(1000, 5), (900, self.number)], [(1010, 5)]
        source.book(BTC, self.number, *levels, at=time.time_ns(), flags=FLAG_SNAPSHOT)

    def step(self) -> None:
        self.number += 1
        at = time.time_ns()
        for source in self.sources:
            source.book(BTC, self.number, [(900, self.number)], [], at=at)


def assert_one_book(home) -> tuple[int, int]:
    """A reader of the hub's journal from its beginning has the venue's book after each frame. Gives the number of
    its last change, and how often the book began anew."""
    book, last, began = Book(), 0, 0
    with JournalReader(hub_journal(home)) as reader:
        for each in reader.frames(("book",)):
            change, _, _ = book.apply_payload(each.payload, each.flags & 0xFF)
            if each.flags & FLAG_UNSYNCED:
                continue
            assert change in ("applied", "snapshot"), (change, last, book.last_id)
            began += change == "snapshot"
            assert [size for price, size in book.bids(10) if price == 900] == [book.last_id]
            assert book.last_id >= last if change == "snapshot" else book.last_id == last + 1, (
                change,
                last,
                book.last_id,
                each.sequence,
            )
            last = book.last_id
    return last, began


def test_books_of_two_sources_are_one_and_go_on_when_the_leader_or_the_hub_is_killed(tmp_path, pair):
    ws, rest = pair
    options = hub_options(tmp_path, "ws", "rest")
    running = HubProcess(options)
    depth = Depth(ws, rest)
    depth.number = 1
    for each in pair:
        depth.snapshot(each)

    def until(what):
        def look():
            depth.step()
            time.sleep(0.005)
            return what()

        return wait_for(look)

    until(lambda: len(merged(tmp_path, "book")) > 50)
    for _ in range(3):
        running.end(signal.SIGKILL)
        for _ in range(20):
            depth.step()
        running = HubProcess(options)
        count = len(merged(tmp_path, "book"))
        until(lambda count=count: len(merged(tmp_path, "book")) > count + 50)
    assert set(sources_of(merged(tmp_path, "book"))) == {0}
    depth.snapshot(rest)  # as collectors write one now and then: whoever begins here has a book
    depth.sources = [rest]
    until(lambda: 1 in sources_of(merged(tmp_path, "book")))
    table = MarketReader(tmp_path)
    row = until(lambda: (found := table.state.get("book", BTC)) is not None and found["bid_size_2"] > 0 and found)
    assert (row["bid_1"], row["bid_size_1"], row["bid_2"], row["ask_1"], row["ask_2"]) == (1000, 5, 900, 1010, 0)
    rest.book(BTC, 0, [], [], at=time.time_ns(), flags=FLAG_GAP | FLAG_UNSYNCED)
    wait_for(lambda: table.state.get("book", BTC) is None)
    running.end()
    books = merged(tmp_path, "book")
    assert [each.flags & 0xFF for each in books[-1:]] == [FLAG_GAP | FLAG_UNSYNCED]
    last, began = assert_one_book(tmp_path)
    assert last == depth.number and began == 2  # at the start, and where the other took over


def test_a_journal_that_cannot_be_read_takes_nothing_from_the_others(tmp_path, pair):
    ws, _ = pair
    broken = SourceJournal(tmp_path, "broken")  # nobody closes it: it would find what is done to it
    broken.listed(BTC)
    with hub(hub_options(tmp_path, "ws", "broken")) as running:
        now = time.time_ns()
        for each in (ws, broken):
            each.trade(BTC, 1000, 1, at=now, id_=1)
        wait_merged(tmp_path, "trade", 1)
        (segment,) = sorted(broken.writer.path.glob("*.tape"))[:1]
        with segment.open("r+b") as file:  # a frame that is no frame: damage behind what was read
            data = file.read()
            file.seek(len(data.rstrip(b"\0")) + 7 & ~7)
            file.write(b"\xff" * 64)
        wait_for(lambda: ("broken", "unreadable") in heads(tmp_path, "source"))
        ws.trade(BTC, 1001, 1, at=now + 1, id_=2)
        wait_merged(tmp_path, "trade", 2)
        wait_for(lambda: state(running, "broken") == "failing")
