"""As of when a balance holds: an event's own time, or the time between request and answer."""

from __future__ import annotations

import json

import pytest

from onetape.orders.reports import BalanceReport
from onetape.venues.binance.trading import BinanceUsdmProtocol
from onetape.venues.kraken.trading import KrakenSpotProtocol

MS, SECOND = 1_000_000, 1_000_000_000
SENT = 1_795_000_000 * SECOND
NOW = SENT + 80 * MS


def binance(secret: str = "s") -> tuple[BinanceUsdmProtocol, bytes]:
    # updateTime is when the currency changed last: long ago, or never.
    rows = [
        {"asset": "USDT", "balance": "12.5", "updateTime": (SENT - 3600 * SECOND) // MS},
        {"asset": "BNB", "balance": "0", "updateTime": 0},
    ]
    return BinanceUsdmProtocol("k", secret), json.dumps(rows).encode()


def test_a_list_of_binance_is_as_of_between_request_and_answer():
    protocol, body = binance()
    call = protocol.balances(SENT)
    reported = protocol.answer(call, 200, {}, body, NOW).reports
    assert [t.currency for t in reported] == ["USDT", "BNB"]
    for each in reported:
        assert isinstance(each, BalanceReport)
        assert each.time == SENT
        assert (each.as_of_from, each.as_of_to) == (SENT - MS, NOW + MS)


def test_a_list_of_kraken_is_as_of_between_too_and_its_clock_is_coarser():
    protocol = KrakenSpotProtocol("k", "c2VjcmV0")
    call = protocol.balances(SENT)
    (reported,) = protocol.answer(call, 200, {}, b'{"error":[],"result":{"ZUSD":"1.5"}}', NOW).reports
    assert isinstance(reported, BalanceReport)
    assert (reported.time, reported.as_of_from) == (SENT, SENT - SECOND)
    assert reported.as_of_to == NOW + SECOND


@pytest.mark.parametrize("late", [0, 5 * MS])
def test_an_event_is_as_of_its_own_time(late):
    protocol, _ = binance()
    event = {
        "e": "ACCOUNT_UPDATE",
        "E": SENT // MS + late,
        "T": SENT // MS,
        "a": {"m": "ORDER", "B": [{"a": "USDT", "wb": "7", "cw": "7", "bc": "0"}], "P": []},
    }
    (reported,) = protocol.reports_of(json.dumps(event).encode())
    assert isinstance(reported, BalanceReport)
    assert (reported.time, reported.as_of_from, reported.as_of_to) == (SENT, SENT, SENT)


def test_what_the_stream_told_after_the_request_is_newer_than_its_answer():
    """The list may have been read off before or after that event."""
    protocol, body = binance()
    (reported, _) = protocol.answer(protocol.balances(SENT), 200, {}, body, NOW).reports
    assert isinstance(reported, BalanceReport)
    between = BalanceReport("USDT", 1, SENT + 40 * MS)
    assert reported.as_of_from < between.time < reported.as_of_to
    assert reported.time < between.time
