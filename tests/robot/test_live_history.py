"""A live robot's bars go back before its start: the venue's own, then what its trades made, with
none missing and none twice; and a replay has the same."""

from __future__ import annotations

import json
import signal
import struct
import subprocess
from pathlib import Path

import pytest

from copied_process import ONETAPE, Copied, run
from exchange.venue_client import served
from onetape import _core
from onetape.exchange.venues import Crowd
from onetape.model.home import gateway_journal
from onetape.tape.journal import JournalReader
from waiting import PATIENCE_S, wait_for
from worlds.command_lines import CLEAN
from worlds.gateway_process import TRADED, configure

SECOND = 10**9
TRADE = struct.Struct("<4qQQBB14x")
ROBOT = """
import json
import os
from onetape import Strategy

class Looks(Strategy):
    symbol: str = ""
    period: str = "5s"
    history: int = 20
    wanted: int = 2
    out: str = ""

    def on_start(self):
        self.subscribe(self.symbol, bars=self.period, history=self.history)
        self.subscribe(self.symbol, quotes=True)
        self.closed = 0

    def seen(self):
        b = self.bars(self.symbol, self.period, 1000)
        return [
            [int(at), o, h, l, c, v]
            for at, o, h, l, c, v in zip(b.ts_open, b.open, b.high, b.low, b.close, b.volume)
        ]

    def on_quote(self, quote):
        if not hasattr(self, "first"):
            self.first = self.seen()

    def on_bar(self, bar):
        if not hasattr(self, "first"):
            self.first = self.seen()[:-1]
        self.closed += 1
        if self.closed == self.wanted:
            with open(self.out + ".part", "w") as file:
                json.dump({"first": self.first, "all": self.seen()}, file)
            os.replace(self.out + ".part", self.out)
"""


def configured(folder: Path, kind: str, port: int, account) -> None:
    (folder / "looks.py").write_text(ROBOT)
    configure(folder, port, account, kind=kind)


def looked(folder: Path, symbol: str, *more: object) -> tuple[dict, dict, str]:
    """What a robot has seen, what its run says, and what it has printed."""
    out = folder / "seen.json"
    with Copied(
        ONETAPE, "run", "looks.py", "--live", "--account", "main", "--home", folder / "home",
        "--param", f"symbol={symbol}", "--param", f"out={out}", "--json", *more, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=folder,
        env=CLEAN,
    ) as process:  # fmt: skip
        try:
            wait_for(lambda: out.is_file() or process.poll() is not None)
        finally:
            process.send_signal(signal.SIGINT)
            reported, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, said
    return json.loads(out.read_text()), json.loads(reported), said


def heard(folder: Path) -> list[tuple[int, int, int]]:
    """Of the trades on the gateway's tape: when they came, number and size."""
    with JournalReader(gateway_journal(folder / "home", "main")) as reader:
        rows = [(f.time, TRADE.unpack(f.payload)) for f in reader.frames(("trade",))]
    return [(time, row[4], row[3]) for time, row in rows]


def traded_in(folder: Path, trades, begin: int, end: int) -> int:
    """By the venue's time from `begin` on, up to the last one that had come by `end`."""
    last = max(number for time, number, _ in heard(folder) if time < end)
    return sum(t.size for t in trades if t.time >= begin and t.trade_id <= last)


@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize("kind", ["binance-usdm", "kraken"])
def test_what_the_venue_told_and_what_was_heard_join_without_gap_or_double(tmp_path, kind, single):
    symbol, _ = TRADED[kind]
    with served(kind, limits=False) as (dialect, port):
        configured(tmp_path, kind, port, dialect.exchange.accounts[0])
        at = [i.symbol for i in dialect.exchange.instruments].index(symbol)
        more = ["--single"] if single else []
        seen, reported, said = looked(tmp_path, symbol, *more)
        trades = list(dialect.exchange.listings[at].trades)
    assert "from before the start" not in said
    period = 5 * SECOND
    opened = [row[0] for row in seen["all"]]
    assert opened == list(range(opened[0], opened[0] + len(opened) * period, period))
    assert len(seen["first"]) == 20
    assert len(seen["all"]) == 22
    scale = dialect.exchange.instruments[at]
    lot, tick = 10**scale.size_decimals, 10**scale.price_decimals
    for ts_open, o, h, low, c, volume in seen["first"]:
        inside = [t for t in trades if _core.bar_open_time(t.time, period) == ts_open]
        assert round(volume * lot) == sum(t.size for t in inside)
        if inside:
            prices = [t.price for t in inside]
            shown = [round(each * tick) for each in (o, h, low, c)]
            assert shown == [prices[0], max(prices), min(prices), prices[-1]]
    assert round(sum(row[5] for row in seen["all"]) * lot) == traded_in(
        tmp_path, trades, opened[0], opened[-1] + period
    )
    (tmp_path / "seen.json").unlink()
    words = "replay", reported["run"], "--verify", "--json", "--home", tmp_path / "home"
    assert json.loads(run(*words, cwd=tmp_path, check=True).stdout)["divergences"] == 0
    assert json.loads((tmp_path / "seen.json").read_text()) == seen


@pytest.mark.parametrize("kind", ["binance-usdm", "kraken"])
def test_longer_bars_are_the_venues_own(tmp_path, kind):
    symbol, _ = TRADED[kind]
    with served(kind, limits=False) as (dialect, port):
        configured(tmp_path, kind, port, dialect.exchange.accounts[0])
        at = [i.symbol for i in dialect.exchange.instruments].index(symbol)
        params = ["--param", "period=1m", "--param", "history=3", "--param", "wanted=1"]
        seen, _, said = looked(tmp_path, symbol, *params)
        listing = dialect.exchange.listings[at]
        bars, trades = {bar.open_time: bar for bar in listing.bars}, list(listing.trades)
    assert "from before the start" not in said
    scale = dialect.exchange.instruments[at]
    assert len(seen["first"]) == 3
    for ts_open, o, h, low, c, volume in seen["first"]:
        bar = bars[ts_open]
        shown = [round(each * 10**scale.price_decimals) for each in (o, h, low, c)]
        assert shown == [bar.open, bar.high, bar.low, bar.close]
        assert round(volume * 10**scale.size_decimals) == bar.volume
    # The first one that closed had begun before the robot: it is whole.
    ts_open, *_, volume = seen["all"][-1]
    assert round(volume * 10**scale.size_decimals) == traded_in(tmp_path, trades, ts_open, ts_open + 60 * SECOND)


def test_bars_of_a_venue_without_numbers_are_there_and_what_they_lack_is_said(tmp_path):
    symbol, _ = TRADED["pacifica"]
    with served("pacifica", limits=False) as (dialect, port):
        configured(tmp_path, "pacifica", port, dialect.exchange.accounts[0])
        at = [i.symbol for i in dialect.exchange.instruments].index(symbol)
        seen, _, said = looked(tmp_path, symbol, "--param", "period=1m", "--param", "history=3", "--param", "wanted=1")
        listing = dialect.exchange.listings[at]
        bars = {bar.open_time: bar for bar in listing.bars}
    assert "the venue's trades have no numbers" in said
    scale = dialect.exchange.instruments[at]
    assert len(seen["first"]) == 3
    for ts_open, *prices, volume in seen["first"]:
        bar = bars[ts_open]
        assert [round(each * 10**scale.price_decimals) for each in prices] == [bar.open, bar.high, bar.low, bar.close]
        assert round(volume * 10**scale.size_decimals) == bar.volume
    assert [row[0] for row in seen["all"]] == [seen["first"][0][0] + 60 * SECOND * n for n in range(4)]


def test_less_than_was_wanted_is_said(tmp_path):
    symbol, _ = TRADED["binance-usdm"]
    with served("binance-usdm", limits=False) as (dialect, port):
        configured(tmp_path, "binance-usdm", port, dialect.exchange.accounts[0])
        seen, _, said = looked(tmp_path, symbol, "--param", "history=500", "--param", "wanted=1")
    assert 20 < len(seen["first"]) < 500
    assert "from before the start" in said


VENUE_ROBOT = """
import json
import os
from onetape import Strategy

class Looks(Strategy):
    symbol: str = ""
    out: str = ""

    def rows(self, period):
        b = self.bars(self.symbol, period, 1000)
        return [
            [int(at), o, h, l, c, v]
            for at, o, h, l, c, v in zip(b.ts_open, b.open, b.high, b.low, b.close, b.volume)
        ]

    def on_start(self):
        self.subscribe(self.symbol, quotes=True, bars=["1m@venue", "5m@1m", "10m@venue"], history=4)
        self.subscribe(self.symbol, bars=["25t", "0.5v"])
        self.at_once = {period: self.rows(period) for period in ("1m@venue", "5m@1m", "10m@venue")}

    def on_bar(self, bar):
        if bar.period == "1m@venue" or bar.period == "1m":
            found = {"at_once": self.at_once, "then": self.rows("1m@venue"), "ticks": len(self.rows("25t"))}
            with open(self.out + ".part", "w") as file:
                json.dump(found, file)
            os.replace(self.out + ".part", self.out)
"""


@pytest.mark.parametrize("kind", ["binance-usdm", "kraken", "pacifica"])
def test_bars_of_the_venue_are_there_when_subscribe_returns_and_go_on(tmp_path, kind):
    symbol, _ = TRADED[kind]
    with served(kind, limits=False, market=Crowd()) as (dialect, port):
        configured(tmp_path, kind, port, dialect.exchange.accounts[0])
        (tmp_path / "looks.py").write_text(VENUE_ROBOT)
        at = [i.symbol for i in dialect.exchange.instruments].index(symbol)
        seen, reported, said = looked(tmp_path, symbol)
        listing = dialect.exchange.listings[at]
        minutes = [*listing.bars]
    assert "from before the start" not in said
    scale = dialect.exchange.instruments[at]

    def expected(period: int, opened: int) -> list[int]:
        inside = [bar for bar in minutes if opened <= bar.open_time < opened + period]
        assert len(inside) == period // (60 * SECOND)
        prices = [inside[0].open, max(b.high for b in inside), min(b.low for b in inside), inside[-1].close]
        return [*prices, sum(b.volume for b in inside)]

    def shown(row: list[float]) -> list[int]:
        *prices, volume = row[1:]
        return [*(round(each * 10**scale.price_decimals) for each in prices), round(volume * 10**scale.size_decimals)]

    for name, period in (("1m@venue", 60), ("5m@1m", 300), ("10m@venue", 600)):
        rows, length = seen["at_once"][name], period * SECOND
        assert len(rows) >= 4
        assert [row[0] for row in rows] == [rows[0][0] + length * n for n in range(len(rows))]
        for row in rows:
            assert shown(row) == expected(length, row[0])
    then = seen["then"]
    assert [row[0] for row in then] == [then[0][0] + 60 * SECOND * n for n in range(len(then))]
    assert len(then) == len(seen["at_once"]["1m@venue"]) + 1
    assert shown(then[-1]) == expected(60 * SECOND, then[-1][0])
    (tmp_path / "seen.json").unlink()
    words = "replay", reported["run"], "--verify", "--json", "--home", tmp_path / "home"
    assert json.loads(run(*words, cwd=tmp_path, check=True).stdout)["divergences"] == 0
    assert json.loads((tmp_path / "seen.json").read_text()) == seen
