"""What a running gateway counts of its venue's news, and what it leaves alone."""

from __future__ import annotations

import json

import pytest

from onetape.feeds.drift_counts import EACH, FIRST, DriftWatch
from onetape.orders.outcome import Answer, Outcome

TICKER = {"e": "bookTicker", "u": 1, "s": "BTCUSDT", "b": "1", "B": "1", "a": "2", "A": "1", "T": 1}
ODD = json.dumps({**TICKER, "mood": "calm"}).encode()
FIELD = "unknown field bookTicker.mood"


def watched(kind: str = "binance-usdm"):
    said: list = []
    return DriftWatch(kind, said.append), said


def test_what_is_new_is_said_once_and_counted_each_time():
    watch, said = watched()
    for _ in range(3):
        watch.account(ODD)
    assert watch.counts == {FIELD: 3}
    assert [(out.kind, out.state, out.severity) for out in said] == [("drift", FIELD, "info")]


def test_a_field_that_is_read_and_missing_is_a_warning():
    watch, said = watched()
    watch.account(json.dumps({k: v for k, v in TICKER.items() if k != "a"}).encode())
    assert [(out.state, out.severity) for out in said] == [("missing field bookTicker.a", "warning")]


def test_of_the_market_the_first_are_looked_at_and_then_one_in_many():
    watch, _ = watched()
    for _ in range(FIRST + 10 * EACH):
        watch.market(ODD)
    assert FIRST + 9 <= watch.counts[FIELD] <= FIRST + 11


@pytest.mark.parametrize("message", [b"", b"{", b"\xff", b"[" * 5000, b"pong"])
def test_what_is_no_json_is_left_to_others(message):
    watch, said = watched()
    watch.account(message)
    assert (watch.counts, said) == ({}, [])


@pytest.mark.parametrize(
    ("kind", "code", "text", "counted"),
    [
        ("binance-usdm", "-9876", "Something new.", {"unknown code -9876": 1}),
        ("binance-usdm", "-1007", "Timeout.", {}),
        ("binance-usdm", "504", "<html>", {}),
        ("kraken", "", "ENew:Thing:of today", {"unknown code ENew:Thing": 1}),
        ("kraken", "", "EService:Busy", {}),
        ("kraken", "", "ClientError", {}),
        ("okx", "59999", "Something new.", {"unknown code 59999": 1}),
        ("okx", "50026", "System error.", {}),
        ("bybit", "503", "<html>", {}),
        ("hyperliquid", "A new refusal", "A new refusal", {"unknown code A new refusal": 1}),
        ("hyperliquid", "Internal error", "Internal error: again", {}),
    ],
)
def test_codes_that_no_table_has_are_counted(kind, code, text, counted):
    watch, _ = watched(kind)
    watch.answer(Answer(Outcome.AMBIGUOUS, venue_code=code, text=text))
    assert watch.counts == counted


def test_a_venue_without_facts_is_not_watched():
    watch, said = watched("ccxt:okx")
    watch.account(ODD)
    watch.market(ODD)
    watch.answer(Answer(Outcome.AMBIGUOUS, venue_code="-9876"))
    assert (watch.counts, said) == ({}, [])
