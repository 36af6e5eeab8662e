"""A backtest straight from the two dumps of an exchange, quotes and trades, delayed both ways."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from onetape.tape.journal import JournalReader

MS = 10**6
START = 1_543_906_800 * 10**9  # 2018-12-04T07:00:00Z, 10:00 in Moscow
TIMES = ("MDEntryTime", "SendingTime", "PacketTime")

NOTED = """
from onetape import Strategy


class Noted(Strategy):
    symbol: str = "moex:USD/RUB"

    def on_start(self):
        self.subscribe(self.symbol, quotes=True, trades=True)
        self.seen = 0
        self.memory["heard"] = []

    def hear(self, what):
        self.memory["heard"] = [*self.memory["heard"], [what, self.now]]

    def on_trade(self, trade):
        self.hear("trade")

    def on_quote(self, quote):
        self.hear(f"quote {quote.bid:g} {quote.ask:g}")
        self.seen += 1
        if self.seen == 3:
            # Three at one moment: they arrive, and are answered, in this order.
            self.first = self.buy(self.symbol, 1000, 65.58, tag="first")
            self.buy(self.symbol, 1000, 65.57, tag="second")
            self.cancel(self.first)
            self.buy(self.symbol, 1000, 65.5775, tag="third")

    def on_order(self, order):
        self.hear(f"{order.tag} {order.state}")

    def on_fill(self, fill):
        self.hear(f"{fill.order.tag} filled at {fill.price:g}, {fill.ts_event}")
"""


def stamps(at_ms: float) -> str:
    """Venue, sender, receipt: the receipt is `at_ms` after START."""
    receipt = START + round(at_ms * MS)
    return f"{receipt - 2000},{receipt - 1000},{receipt}"


def side(number: int, name: str, at_ms: float, price: int, size: int, action: int = 1) -> str:
    return f"{number},USD000UTSTOM,{name},{action},{stamps(at_ms)},{price},{size},C,CETS,\n"


def deal(at_ms: float, price: int, size: int, taker: str) -> str:
    return f"USD000UTSTOM,0,z,T1,{stamps(at_ms)},{price},{size},{taker},0,CETS,N\n"


HEADER = (
    "SecurityID,MDUpdateAction,MDEntryType,SettleType,MDEntryTime,SendingTime,PacketTime,price,"
    "size,side,PriceType,TradingSessionID,TradingSessionSubID\n"
)
M = 10**6  # prices and sizes are in millionths


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    stats = (
        side(1, "bid", 0, 65_580_000, 50_000 * M)
        + side(2, "ask", 0, 65_590_000, 50_000 * M)  # at the same stamp
        + side(4, "ask", 150, 65_595_000, 50_000 * M)
        + side(3, "bid", 100, 65_578_000, 50_000 * M)  # written late
        + side(5, "bid", 300, 65_576_000, 50_000 * M)
        + side(6, "bid", 900, 65_576_000, 40_000 * M)
        + f"7,USD000UTSTOM,bid,1,{START + 10**9},15439"  # the dump was cut
    )
    trades = (
        HEADER
        + deal(250, 65_577_500, 3_000 * M, "S")
        + deal(150, 65_590_000, 1_000 * M, "B")  # written late, and at the stamp of a quote
        + deal(400, 65_570_000, 500 * M, "S")
        + deal(410, 65_569_000, 90_000 * M, "S")
        + f"USD000UTSTOM,0,z,T1,{START + 500 * MS},{START}"
    )
    paths = tmp_path / "fx_stat.stats", tmp_path / "fx.trades"
    for path, text in zip(paths, (stats, trades), strict=True):
        path.write_text(text)
    (tmp_path / "noted.py").write_text(NOTED)
    return paths


def run(onetape: Any, tmp_path: Path, files: tuple[Path, Path], latency: str) -> list[Any]:
    done = onetape(
        "backtest", "noted.py", "--data", *files, "--symbol", "moex:USD/RUB",
        "--latency", latency, "--cash", "10000000 RUB", "--fee", "0", "--out", "run", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    second = onetape("replay", "run", "--verify", "--json")
    assert (second.code, second.value["divergences"]) == (0, 0), second.err
    with JournalReader(tmp_path / ".onetape" / "runs" / "run" / "journal") as reader:
        memory = [record.data for record in reader if record.type == "memory"]
    return [[what, (at - START) / MS] for what, at in memory[-1]["heard"]]


def of(heard: list[Any], *words: str) -> list[Any]:
    return [row for row in heard if any(word in row[0] for word in words)]


def test_quotes_and_trades_come_by_time_whatever_the_order_of_their_rows(onetape, tmp_path, files):
    heard = run(onetape, tmp_path, files, "10ms,10ms")
    assert of(heard, "quote", "trade") == [
        ["quote 65.58 0", 0],  # a row is one side: equal stamps, in the order of the rows
        ["quote 65.58 65.59", 0],
        ["quote 65.578 65.59", 100],
        # Equal stamps: the file that was named first comes first.
        ["quote 65.578 65.595", 150],
        ["trade", 150],
        ["trade", 250],
        ["quote 65.576 65.595", 300],
        ["trade", 400],
        ["trade", 410],
        ["quote 65.576 65.595", 900],
    ]


def test_a_reply_is_visible_after_both_ways_and_in_the_order_of_the_requests(onetape, tmp_path, files):
    heard = run(onetape, tmp_path, files, "10ms,10ms")
    assert of(heard, "CANCEL", "ACCEPTED", "REJECTED", "DENIED") == [
        ["first PENDING_CANCEL", 120],  # accepted, and its cancel is on its way behind it
        ["second ACCEPTED", 120],
        ["first CANCELED", 120],
        ["third ACCEPTED", 120],
    ]


def test_each_way_has_a_delay_of_its_own(onetape, tmp_path, files):
    heard = run(onetape, tmp_path, files, "4ms,11ms")
    assert {at for _, at in of(heard, "ACCEPTED", "CANCELED")} == {115}


FILLS = [("third", "65.5775", 400), ("third", "65.5775", 410), ("second", "65.57", 410)]


@pytest.mark.parametrize(("latency", "age"), [("10ms,10ms", 0), ("10ms,10ms,feed=10ms", 10)])
def test_fills_come_through_the_channel_of_trades(onetape, tmp_path, files, latency, age):
    """A print that went through our price fills as much as it traded; with an age of the feed it
    was at the venue that much before we received it, and our fill is as old as the print."""
    heard = run(onetape, tmp_path, files, latency)
    assert of(heard, "filled at") == [
        [f"{tag} filled at {price}, {START + (at - age) * MS}", at - age + 10] for tag, price, at in FILLS
    ]


QUOTING = """
from onetape import Strategy


class Quoting(Strategy):
    symbol: str = "moex:USD/RUB"

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)

    def on_quote(self, quote):
        if quote.bid:
            self.buy(self.symbol, 1000, quote.bid - 0.5)

    def on_health(self, health):
        self.log(f"{health.kind} {health.state}", working=len(self.orders()))
"""


def test_a_day_with_the_stops_and_starts_of_the_exchange(onetape, tmp_path):
    """10:06 start, 13:59 stop, 14:06 start, 18:30 stop in Moscow: at each stop nothing works."""
    rows, minute = [], 60_000
    for number in range(9 * 60):  # 10:00 to 19:00
        rows.append(side(number, "bid", number * minute, 65_580_000, 50_000 * M))
        rows.append(side(number, "ask", number * minute, 65_590_000, 50_000 * M))
    (tmp_path / "day.stats").write_text("".join(rows))
    (tmp_path / "quoting.py").write_text(QUOTING)
    done = onetape(
        "backtest", "quoting.py", "--data", "day.stats", "--symbol", "moex:USD/RUB",
        "--latency", "10ms,10ms", "--cash", "10000000 RUB", "--out", "run", "--json",
        "--trade", "10:06-13:59,14:06-18:30", "--tz", "Europe/Moscow",
    )  # fmt: skip
    assert done.code == 0, done.err
    run = tmp_path / ".onetape" / "runs" / "run"
    assert 'hours = "10:06-13:59,14:06-18:30"\ntz = "Europe/Moscow"' in (run / "run.toml").read_text()
    working: set[int] = set()
    reported, at_stop, trades = [], [], False
    with JournalReader(run / "journal") as reader:
        for record in reader:
            at = (record.time - START) // 10**9
            if record.type == "health" and record.data["kind"] == "trading":
                trades = record.data["state"] == "started"
                reported.append((record.data["state"], f"{10 + at // 3600}:{at // 60 % 60:02d}"))
                at_stop.append(len(working))
            elif record.type == "order_event":
                (working.add if record.data["news"] == "accepted" else working.discard)(record.data["order_id"])
                assert trades or record.data["news"] in ("canceled", "denied")
    assert reported == [
        ("stopped", "10:00"),
        ("started", "10:06"),
        ("stopped", "13:59"),
        ("started", "14:06"),
        ("stopped", "18:30"),
    ]
    assert [bool(count) for count in at_stop] == [False, False, True, False, True]
    assert working == set()
    second = onetape("replay", "run", "--verify", "--json")
    assert (second.code, second.value["divergences"]) == (0, 0), second.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--trade", "10:06"], "trading hours '10:06', --trade"),
        (["--trade", "10:00-12:00,11:00-13:00"], "overlap at 11:00, --trade"),
        (["--trade", "10:00-12:00", "--tz", "Moskau"], "unknown time zone 'Moskau', --tz"),
        (["--tz", "Europe/Moscow"], "--tz needs trading hours, --tz"),
    ],
)
def test_hours_that_cannot_be_meant_leave_nothing(onetape, tmp_path, files, options, said):
    done = onetape("backtest", "noted.py", "--data", files[0], *options)
    assert done.code == 2
    assert said in done.err
    assert not (tmp_path / ".onetape" / "runs").exists()


def test_what_was_cut_off_is_named_and_nothing_else_is_lost(onetape, tmp_path, files):
    made = onetape("import", "moex", *files, "--symbol", "moex:USD/RUB", "--out", "both.tape", "--json")
    assert (made.code, made.value["by_type"]) == (0, {"quote": 6, "trade": 4}), made.err
    rejects = [json.loads(line) for line in (tmp_path / "both.tape/rejects.jsonl").open()]
    assert made.value["rejected"] == len(rejects) == 2
    assert ["truncated" in reject["reason"] for reject in rejects] == [True, True]
    times = [r.time for r in JournalReader(tmp_path / "both.tape") if r.type in ("quote", "trade")]
    assert times == sorted(times)
    assert len(times) == 10


def test_files_of_one_kind_are_one_tape(onetape, tmp_path, files):
    """Each alone shows other decimals; together they are one instrument."""
    run(onetape, tmp_path, files, "10ms")
    assert len(list((tmp_path / ".onetape" / "tapes").iterdir())) == 1
