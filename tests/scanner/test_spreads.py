"""`onetape scan --spreads`: one thing at several venues, with the ages of both quotes."""

from __future__ import annotations

import itertools
import json
import random
import re
from pathlib import Path

import pytest

from onetape.model.config import parse_config
from onetape.model.errors import BadConfig
from onetape.model.time import MINUTE
from onetape.scanner.spreads import QUOTE_AGE_MAX, LastQuote, last_quotes, spread_rows
from worlds.command_lines import command_line
from worlds.tapes import Market, at_ns

BINANCE, KRAKEN, OKX = "binance:BTC/USDT:USDT", "kraken:BTC/USDT", "okx:BTC/USDT"
ALONE, DATED = "binance:ETH/USDT:USDT", "okx:BTC/USDT:USDT-270326"


@pytest.fixture
def tapes(tmp_path) -> list[Path]:
    """Kraken's bid is above Binance's ask at the end; Okx's last quote is too old, and was wider."""
    first = Market(tmp_path / "a", symbol=BINANCE)
    first.add(ALONE)
    second = Market(tmp_path / "b", symbol=KRAKEN)
    second.add(OKX)
    second.add(DATED)
    second.quote(0, 120, 121, symbol=OKX).quote(61, 99, 100).quote(61, 150, 151, symbol=DATED)
    first.quote(60, 99.5, 100.5, symbol=ALONE).quote(61, 90, 91).quote(61.5, 100, 100.1).quote(61.6, 0, 95)
    second.quote(61.75, 100.3, 100.6)
    return [first.done(), second.done()]


def test_a_row_is_the_best_pair_with_the_ages_of_both_quotes(tapes, tmp_path):
    line = ["scan", "--spreads", *itertools.chain(*(("--data", str(each)) for each in tapes))]
    code, out, _ = command_line([*line, "--json"], tmp_path)
    assert code == 0
    assert json.loads(out) == [
        {
            "symbol": "BTC/USDT",
            "venues": [KRAKEN, BINANCE],
            "bid": 100.3,
            "ask": 100.1,
            "spread": 0.2,
            "spread_bps": 19.9601,
            "age_ms": {KRAKEN: 0.0, BINANCE: 250.0},
        }
    ]
    code, out, _ = command_line(line, tmp_path)
    assert code == 0 and "100.3 kraken:BTC/USDT" in out and "0 and 250" in out


def test_a_quote_too_old_for_a_price_is_left_out(tapes):
    newest = at_ns(61.75)
    assert [each.symbol for each in last_quotes(tapes)[0]] == sorted((BINANCE, ALONE, KRAKEN, DATED))
    found, now = last_quotes(tapes, newest - 2 * MINUTE + QUOTE_AGE_MAX)
    assert now == newest - MINUTE and OKX in {each.symbol for each in found}
    assert last_quotes(tapes, newest + 2 * MINUTE)[0] == []


@pytest.mark.parametrize("seed", range(20))
def test_no_other_pair_of_venues_earns_more(seed):
    chance = random.Random(seed)
    quotes = [
        LastQuote(f"{venue}:{base}/USDT{settle}", mid - 1, mid + 1, 0)
        for venue in ("binance", "kraken", "okx")
        for base in ("BTC", "ETH")
        for settle in ("", ":USDT")
        for mid in [chance.uniform(90, 110)]
        if chance.random() < 0.8
    ]
    rows = spread_rows(quotes, 5_000_000)
    for base in ("BTC", "ETH"):
        its = [each for each in quotes if f":{base}/" in each.symbol]
        earned = [a.bid - b.ask for a in its for b in its if a.symbol.split(":")[0] != b.symbol.split(":")[0]]
        found = [row.spread for row in rows if row.symbol == f"{base}/USDT"]
        assert found == ([max(earned)] if earned else [])
    assert [row.spread_bps for row in rows] == sorted((row.spread_bps for row in rows), reverse=True)
    assert all(set(row.age_ms.values()) == {5.0} for row in rows)


def test_what_a_configuration_calls_the_same_is_compared(tapes, tmp_path):
    (tmp_path / "onetape.toml").write_text(f'[symbols]\n"BTC" = ["{DATED}", "{BINANCE}"]\n')
    line = ["scan", "--spreads", "--data", str(tapes[0]), "--data", str(tapes[1]), "--json"]
    code, out, _ = command_line(line, tmp_path)
    assert code == 0
    found = [(row["symbol"], row["venues"]) for row in json.loads(out)]
    assert found == [("BTC", [DATED, BINANCE])]  # the others of BTC/USDT are of one venue


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ('"BTC" = "binance:BTC/USDT:USDT"', "not a list of symbols at symbols.BTC"),
        ('"BTC" = [1]', "not a list of symbols"),
        ('"A" = ["x:B/C"]\n"D" = ["x:B/C"]', "x:B/C belongs to A already at symbols.D"),
        ('"A" = ["no symbol"]', "at symbols.A"),
    ],
)
def test_names_that_mean_nothing_are_refused_with_their_line(section, said):
    with pytest.raises(BadConfig, match=re.escape(said)) as refused:
        parse_config(f"[symbols]\n{section}\n")
    assert refused.value.location in ("onetape.toml:2", "onetape.toml:3")


@pytest.mark.parametrize("words", [[], ["mid > 1", "--spreads"]])
def test_it_is_either_a_condition_or_spreads(tapes, tmp_path, words):
    code, out, _ = command_line(["scan", *words, "--data", str(tapes[0]), "--json"], tmp_path)
    assert code != 0 and json.loads(out)["error"]["name"] == "BAD_CONFIG"
