"""`onetape scan` over tapes, and over the market of processes that run."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest

import copied_process
import onetape.scanner.scanner as scanner_module
from onetape.market.condition import parse_condition
from onetape.market.wanted import symbols_wanted
from onetape.options.collector import collector_journal
from onetape.scanner.scanner import Scanner
from worlds.command_lines import CLEAN, command_line
from worlds.hub_process import SourceJournal
from worlds.supervised import ALLOCATE, Home
from worlds.tapes import BTC, START, Market

ETH, SOL = "binance:ETH/USDT:USDT", "binance:SOL/USDT:USDT"
NS = 10**9


def scanned(folder: Path, *words: object, code: int = 0) -> dict:
    got, out, err = command_line(["scan", *map(str, words), "--json"], folder)
    assert got == code, (out, err)
    return json.loads(out)


def matches(*paths: Path, text: str, symbols: str = "all", seconds: float | None = None) -> list[tuple]:
    scanner = Scanner(paths, parse_condition(text), symbols_wanted(symbols))
    list(scanner.over(seconds))
    found = [(each.symbol, each.ts - START, each.until and each.until - START) for each in scanner.matches]
    scanner.close()
    return found


@pytest.fixture
def two(tmp_path) -> tuple[Path, Path]:
    """BTC goes 100, 102, 100; ETH, on a tape of its own, 101, 99, 101 in between."""
    btc, eth = Market(tmp_path / "btc", symbol=BTC), Market(tmp_path / "eth", symbol=ETH)
    for at, mid in ((0, 100), (2, 102), (4, 100)):
        btc.quote(at, mid - 1, mid + 1)
    for at, mid in ((1, 101), (3, 99), (5, 101)):
        eth.quote(at, mid - 1, mid + 1)
    return btc.done(), eth.done()


def test_tapes_are_taken_in_order_of_their_times(two):
    assert matches(*two, text="mid > 101.5") == [(BTC, 2 * NS, 4 * NS)]
    assert matches(*two, text=f'mid > mid("{BTC}") + 0.5') == [(ETH, 1 * NS, 2 * NS), (ETH, 5 * NS, None)]
    # What another symbol does changes ours at that moment.
    assert matches(*two, text=f'mid - mid("{BTC}") == -1', symbols=ETH) == [
        (ETH, 2 * NS, 3 * NS),
        (ETH, 4 * NS, 5 * NS),
    ]
    assert matches(*two, text="mid < 99.5 or mid > 101.5", seconds=2.5) == [(BTC, 2 * NS, None)]


def test_a_window_slides_while_nothing_comes(tmp_path):
    market = Market(tmp_path / "t", symbol=BTC)
    market.quote(0, 99, 101).trade(10, 100, 1).quote(30, 99, 101)
    # Watched for 6 s by 6; the trade leaves the window with the slot it came in.
    assert matches(market.done(), text='trades("6s") == 1') == [(BTC, 10 * NS, 16 * NS)]


def test_of_all_those_with_the_greatest_turnover(tmp_path):
    market = Market(tmp_path / "t", symbol=BTC)
    market.add(ETH)
    market.add(SOL)
    for size, symbol in ((1, BTC), (3, ETH), (2, SOL)):
        market.quote(0, 99, 101, symbol=symbol)
        market.trade(1, 100, size, symbol=symbol)
    path = market.done()
    assert {each[0] for each in matches(path, text="mid == 100", symbols="top:2")} == {ETH, SOL}
    assert {each[0] for each in matches(path, text="mid == 100", symbols="top:5")} == {BTC, ETH, SOL}
    # One that the condition names is there besides.
    assert {each[0] for each in matches(path, text=f'mid == mid("{BTC}")', symbols="top:1")} == {BTC, ETH}


def test_live_those_with_the_greatest_turnover_are_chosen_again(tmp_path, monkeypatch):
    """One that goes ends, and one that comes begins; who is second to it stays where it was not before."""
    monkeypatch.setattr(scanner_module, "CHOSEN_EVERY", 0)
    monkeypatch.setattr(scanner_module, "SWEEP", NS // 20)
    market = SourceJournal(tmp_path, "ws")
    at = time.time_ns()
    for size, symbol in ((3, BTC), (2, ETH), (1, SOL)):
        market.listed(symbol)
        market.quote(symbol, 1000, 1001, at=at)
        market.trade(symbol, 1000, size, at=at)
    scanner = Scanner(
        [collector_journal(tmp_path, "ws")], parse_condition("mid > 1"), symbols_wanted("top:1"), is_live=True
    )
    found = []
    for match in scanner.live(60):
        found.append((match.symbol, match.until is None))
        if len(found) == 1:
            for size, symbol in ((90, ETH), (50, SOL)):
                market.trade(symbol, 1000, size, at=time.time_ns())
        if len(found) == 3:
            break
    assert found == [(BTC, True), (BTC, False), (ETH, True)] and scanner.symbols == 1
    assert [(each.symbol, each.until is None) for each in scanner.matches] == [(BTC, False), (ETH, True)]
    scanner.close()
    market.close()


def test_the_command_tells_matches_with_their_values(two, tmp_path):
    reported = scanned(tmp_path, "spread == 2 and mid > 101.5", "--data", two[0], "--data", two[1])
    assert reported["expression"] == "spread == 2 and mid > 101.5"
    assert reported["symbols"] == 2
    assert reported["checks"] > 6
    assert reported["matches"] == [
        {
            "symbol": BTC,
            "values": {"spread": 2.0, "mid": 102.0},
            "age_ms": 0.0,
            "ts": START + 2 * NS,
            "until": START + 4 * NS,
        }
    ]
    shown = copied_process.run("scan", "mid > 101.5", "--data", two[0], cwd=tmp_path, env=CLEAN, check=True).stdout
    assert re.search(rf"{BTC} +mid 102\n.*{BTC} +ends, after 2\.000 s\n1 of 1 symbols met it", shown)


@pytest.mark.parametrize(
    ("words", "name", "said"),
    [
        (["mid >"], "BAD_INPUT", "column 6"),
        (["mid > 1", "--symbols", "x"], "UNKNOWN_SYMBOL", "no market of 'x'"),
        (["mid > mid('y')"], "UNKNOWN_SYMBOL", "no market of 'y'"),
        (["mid > 1", "--symbols", "top:none"], "BAD_CONFIG", "not a number of symbols"),
        (["mid > 1", "--symbols", " , "], "BAD_CONFIG", "no symbols"),
        (["mid > 1", "--seconds", "-1"], "BAD_CONFIG", "above 0"),
    ],
)
def test_what_cannot_be_scanned_is_one_line(two, tmp_path, words, name, said):
    got, out, err = command_line(["scan", *words, "--data", str(two[0]), "--json"], tmp_path)
    assert got != 0 and err == ""
    error = json.loads(out)["error"]
    assert (error["name"], said in error["message"]) == (name, True)


def test_a_bad_expression_is_said_before_anything_else_of_the_command(tmp_path):
    got, out, _ = command_line(["scan", "__import__('os')", "--json"], tmp_path)
    assert (got, json.loads(out)["error"]["name"]) == (3, "BAD_INPUT")


def test_a_reader_sees_the_place_under_the_text(two, tmp_path):
    got, _, err = command_line(["scan", "mid > 1 adn ask > 1", "--data", str(two[0])], tmp_path)
    lines = err.splitlines()
    assert got != 0 and lines[:2] == ["mid > 1 adn ask > 1", "        ^"]


def test_without_a_market_nothing_is_scanned(tmp_path):
    got, out, _ = command_line(["scan", "mid > 1", "--seconds", "1", "--json"], tmp_path)
    assert got != 0 and json.loads(out)["error"]["name"] == "PROCESS_DOWN"


def test_the_market_of_what_runs_is_scanned_as_it_comes(tmp_path):
    with Home(tmp_path) as home:
        home.run("up")
        home.run(*ALLOCATE)
        reported = scanned(tmp_path, "spread > 0 and age < 60", "--seconds", 2)
        assert [each["symbol"] for each in reported["matches"]] == [BTC]
        assert reported["matches"][0]["values"]["spread"] > 0
        assert reported["checks"] > 10
        home.run("down")
