"""`onetape record`: a market on a tape, gone on with, and data like any other afterwards; and the
collectors of a configuration, each a process."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from exchange.venue_client import served
from onetape.engine.tape_facts import contents_of
from onetape.model.errors import BadInput, UnknownSymbol, UsageError, VenueUnavailable
from onetape.model.time import DAY, HOUR, MINUTE
from onetape.tape.journal import JournalReader
from onetape.tape.prune import parse_keep, pin
from onetape.tape.schema import built_in
from onetape.tape.segments import is_tape, list_segments
from onetape.tape.verify import verify
from waiting import wait_for
from worlds.command_lines import begin, command_line, ended, stopped_once
from worlds.supervised import Home

BTC, ETH = "binance:BTC/USDT:USDT", "binance:ETH/USDT:USDT"
CROSS = Path(__file__).resolve().parents[2] / "strategies" / "cross.py"
KEYS = {"tape", "symbols", "events", "by_type", "by_symbol", "first_ts", "last_ts", "rejected", "gaps", "unsynced"}
CONFIG = """
[venues.x]
kind = "{kind}"
[collectors.streams]
kind = "venue"
venue = "x"
symbols = {symbols}
[collectors.requests]
kind = "venue"
venue = "x"
transport = "rest"
share = 0.9
"""


def run(folder: Path, *words: object, code: int = 0) -> dict:
    got, out, err = command_line([*map(str, words), "--json"], folder)
    assert got == code, (out, err)
    return dict(json.loads(out))


def events(tape: Path) -> int:
    return sum(sum(each.values()) for each in contents_of(tape).counts.values()) if is_tape(tape) else 0


def all_have_quotes(tape: Path, symbols: int) -> bool:
    quote = next(each.id for each in built_in().values() if each.name == "quote")
    return sum(quote in each for each in contents_of(tape).counts.values()) == symbols


def recorded(folder: Path, tape: Path, *words: object) -> dict:
    """What a recording says that went on until there was something of it."""

    def end() -> int:
        if not is_tape(tape):
            return 0
        with JournalReader(tape) as reader:
            return reader.last_sequence

    before = end()
    return stopped_once(lambda: end() > before + 30, folder, *words, "--out", tape)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_recording_ends_well_is_gone_on_with_and_is_data_afterwards(how, tmp_path):
    tape = tmp_path / "market.tape"
    with served("binance-usdm", rate=20) as (_, port):
        line = ("record", "binance", "--exchange", f"http://127.0.0.1:{port}", "--out", tape)
        first = begin(tmp_path, *line, "--symbols", BTC)
        wait_for(lambda: events(tape) > 100)
        first.send_signal(how)
        found = ended(first)
        assert found.keys() >= KEYS and found["symbols"] == [BTC] and found["events"] > 50
        assert found["gb_a_day"] > 0 and found["days_left"] > 0
        second = stopped_once(lambda: all_have_quotes(tape, 3), tmp_path, *line)
        assert second["events"] > found["events"] and second["first_ts"] == found["first_ts"]
        assert second["symbols"] == [BTC, ETH, "binance:SOL/USDT:USDT"]
        assert {"quote", "trade", "mark", "funding_rate"} == second["by_type"].keys() - {
            "bar"
        }  # where a minute ends in it
        total = sum(sum(each.values()) for each in second["by_symbol"].values())
        assert total == second["events"] == sum(second["by_type"].values())
        assert verify(tape).ok
    tables = run(tmp_path, "export", tape, "--format", "jsonl", "--out", tmp_path / "tables")["tables"]
    assert tables["trade"] == second["by_type"]["trade"]
    tested = run(tmp_path, "backtest", CROSS, "--data", tape, "--symbol", BTC)
    assert tested["events"] == sum(second["by_symbol"][BTC].values())


def test_with_a_rule_the_oldest_segments_go_by_themselves(tmp_path):
    tape = tmp_path / "market.tape"
    with served("binance-usdm", rate=20) as (_, port):
        line = ("record", "binance", "--exchange", f"http://127.0.0.1:{port}", "--symbols", BTC)
        for _ in range(2):
            whole = recorded(tmp_path, tape, *line)
            assert whole["pruned"] == 0
        kept = recorded(tmp_path, tape, *line, "--keep", "30d,100GB")
        assert kept["pruned"] == 0 and kept["first_ts"] == whole["first_ts"]
        sealed = len(list_segments(tape))
        short = recorded(tmp_path, tape, *line, "--keep", "1KB")
        # The last of those that were sealed stays: a writer continues from it.
        assert short["pruned"] == sealed - 1 and short["days_left"] is None
        assert short["first_ts"] > kept["first_ts"] and short["symbols"] == [BTC]
        assert verify(tape).ok
        pin(tape, "mine", 1)
        pinned = recorded(tmp_path, tape, *line, "--keep", "1ms")
        assert pinned["pruned"] == 0


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("30d", (30 * DAY, None)),
        ("100GB", (None, 10**11)),
        ("1GiB, 2h", (2 * HOUR, 2**30)),
        ("10m", (10 * MINUTE, None)),
    ],
)
def test_a_rule_is_an_age_a_size_or_both(text, rule):
    assert parse_keep(text) == rule


@pytest.mark.parametrize("text", ["", "30", "much", "1d,2d", "1GB,1KB", "0d", "-1d", "1d,", "0"])
def test_what_is_no_rule_is_refused(text):
    with pytest.raises(UsageError):
        parse_keep(text)


def test_what_cannot_be_recorded_is_refused_before_anything_is_written(tmp_path):
    with served("kraken") as (_, port):
        exchange = f"http://127.0.0.1:{port}"

        def refused(error: type, *words: object) -> None:
            answer = run(tmp_path, "record", *words, code=error("").exit_code)
            assert answer["error"]["code"] == error.code, answer

        refused(UnknownSymbol, "kraken", "--exchange", exchange, "--symbols", "kraken:NO/USD", "--out", "a")
        refused(UsageError, "nowhere", "--out", "a")
        refused(UsageError, "kraken", "--exchange", exchange, "--symbols", "top:0", "--out", "a")
        refused(UsageError, "kraken", "--exchange", exchange, "--seconds", -1, "--out", "a")
        assert not (tmp_path / "a").exists()
        run(tmp_path, "sample", "--events", 10, "--out", "b")
        refused(BadInput, "kraken", "--exchange", exchange, "--seconds", 1, "--out", "b")
        run(tmp_path, "record", "kraken", "--exchange", exchange, "--seconds", 1, "--out", "a")
    refused(VenueUnavailable, "kraken", "--exchange", exchange, "--out", "c")
    with served("binance-usdm") as (_, port):
        exchange = f"http://127.0.0.1:{port}"
        refused(BadInput, "binance", "--exchange", exchange, "--seconds", 1, "--out", "a")
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize(("kind", "symbols"), [("binance-usdm", f'["{BTC}", "{ETH}"]'), ("kraken", '"top:2"')])
def test_collectors_of_a_configuration_are_processes_whose_tapes_are_scanned_and_tested_on(kind, symbols, tmp_path):
    with Home(tmp_path, CONFIG.format(kind=kind, symbols=symbols)) as home:
        home.run("up")
        states = {each["name"]: each["state"] for each in home.now()["processes"]}
        assert states["collector:streams"] == states["collector:requests"] == "running"
        journals = {name: home.home / "journal" / f"collector-{name}" for name in ("streams", "requests")}
        for journal in journals.values():
            wait_for(lambda journal=journal: events(journal) > 20)
        status = home.run("send", "collector:streams", "status")["result"]
        assert len(status["symbols"]) == 2 and status["hears"]
        symbol = status["symbols"][0]
        scanned = home.run("scan", f'mid("{symbol}") > 0', "--symbols", symbol, "--seconds", "2")
        assert scanned["matches"]
        home.run("restart", "collector:streams")
        home.wait_for(lambda: home.run("send", "collector:streams", "status")["result"]["hears"])
        recorded = home.run("record", "x", "--seconds", "1", "--out", "own.tape")
        assert recorded["events"] > 0
        home.run("down")
        for journal in journals.values():
            assert verify(journal).ok
            assert home.run("backtest", str(CROSS), "--data", str(journal), "--symbol", symbol)["events"] > 0


def test_a_collector_of_a_venue_that_nobody_can_follow_stops_up_before_anything_runs(tmp_path):
    for kind, mode, words in (
        ("bitmex", "sim", "collecting the market of bitmex"),
        ("ccxt:bybit", "sim", "collecting the market of ccxt:bybit"),
        ("kraken", "demo", "kraken has no demo mode"),
    ):
        text = f'[venues.x]\nkind = "{kind}"\nmode = "{mode}"\n[collectors.c]\nkind = "venue"\nvenue = "x"\n'
        home = Home(tmp_path, text)
        answer = home.run("up", code=2 if kind == "kraken" else 1)
        assert words in answer["error"]["message"]
