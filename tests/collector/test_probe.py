"""`onetape probe`: what it says of a venue whose clock, cadence and weights are known."""

from __future__ import annotations

import time

import pytest

from exchange.venue_client import served
from onetape.exchange.flow import GeneratedMarket, RandomWalk, flow_market
from onetape.exchange.venues import facts_of
from onetape.model.time import SECOND
from worlds.command_lines import begin, command_line, ended

MS = 10**6


def walk(kind: str, step_ms: int) -> GeneratedMarket:
    """Every symbol moves at each step."""
    markets = [flow_market(symbol) for symbol in facts_of(kind).symbols]
    return GeneratedMarket(markets, seed=7, start=time.time_ns(), rate=SECOND / (step_ms * MS), walk=RandomWalk())


@pytest.mark.parametrize("kind", ["binance-usdm", "kraken"])
def test_a_cadence_of_ten_milliseconds_is_told_as_ten(kind, tmp_path):
    with served(kind, market=walk(kind, 10)) as (_, port):
        found = ended(begin(tmp_path, "probe", kind, "--exchange", f"http://127.0.0.1:{port}", "--seconds", 3))
    assert found.keys() >= {"venue", "offset_ms", "latency_ms", "streams", "weights"}
    assert found["venue"] == kind and found["latency_ms"].keys() == {"p50", "p99"}
    quotes = [each for each in found["streams"] if each["name"].startswith("quote ")]
    assert len(quotes) == 3
    for each in quotes:
        # Binance dates a quote by when it was made, Kraken's ticker by when it is sent, which is this machine's matter.
        assert each["cadence_ms"] == pytest.approx(10, abs=1) if kind == "binance-usdm" else each["cadence_ms"] > 0
        assert each["per_second"] > 10
    assert abs(found["offset_ms"]) < 1001  # Kraken tells whole seconds
    assert 0 <= found["request_ms"]["p50"] <= found["request_ms"]["p99"]


def test_a_clock_that_is_ahead_is_told_and_weights_are_as_the_venue_counts_them(tmp_path):
    faults = '[[fault]]\naction = "clock_skew"\noffset = "400ms"\n'
    with served("binance-usdm", faults=faults) as (_, port):
        words = ("probe", "binance", "--exchange", f"http://127.0.0.1:{port}", "--seconds", 2)
        found = ended(begin(tmp_path, *words))
        _, text, _ = command_line([*map(str, words)], tmp_path)
    assert 300 <= found["offset_ms"] <= 401
    counted = {each["name"]: (each["weight"], each["counted"]) for each in found["weights"]}
    assert counted == {"quotes": (5, 5), "trades": (20, 20), "marks": (10, 10), "open interest": (1, 1)}
    assert found["limits"] == [{"window_s": 60, "most": 2400}]
    for words in (
        "binance-usdm: its clock is +",
        "requests take",
        "quote binance:BTC/USDT:USDT",
        "the venue counts 20",
    ):
        assert words in text


def test_what_cannot_be_probed_is_refused(tmp_path):
    for words, code in (
        (("nowhere",), 2),
        (("bitmex",), 1),
        (("kraken", "--exchange", "http://10.0.0.1:1"), 2),
        (("kraken", "--symbols", "top:x"), 2),
        (("kraken", "--exchange", "http://127.0.0.1:1"), 6),
    ):
        got, out, _ = command_line(["probe", *words, "--json"], tmp_path)
        assert got == code, out
