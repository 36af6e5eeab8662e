"""Money that came or went at Binance: the stream and the history tell of the same move once."""

from __future__ import annotations

import itertools
import json
from urllib.parse import parse_qsl

import pytest

from onetape.model import catalogue
from onetape.model.money import money_units
from onetape.orders.reports import BalanceReport, MoveKind, MoveReport
from onetape.venues.binance.trading import BinanceUsdmProtocol

MS, SECOND = 1_000_000, 1_000_000_000
NOW = 1_795_000_000 * SECOND
T = NOW // MS
BTC = catalogue.find("binance:BTC/USDT:USDT")
assert BTC is not None


def protocol() -> BinanceUsdmProtocol:
    made = BinanceUsdmProtocol("k", "s")
    made.set_instruments([BTC])
    return made


def event(reason: str, change: str, time: int = T, symbol: str = "", asset: str = "USDT") -> bytes:
    body = {"m": reason, "B": [{"a": asset, "wb": "100", "cw": "100", "bc": change}], "P": []}
    if symbol:
        body["S"] = symbol
    return json.dumps({"e": "ACCOUNT_UPDATE", "E": time + 3, "T": time, "a": body}).encode()


def row(kind: str, income: str, tran: int, time: int = T, symbol: str = "", asset: str = "USDT"):
    return {
        "symbol": symbol,
        "incomeType": kind,
        "income": income,
        "asset": asset,
        "info": "",
        "time": time,
        "tranId": tran,
        "tradeId": "",
    }


def heard(venue: BinanceUsdmProtocol, message: bytes) -> list[MoveReport]:
    return [reported for reported in venue.reports_of(message) if isinstance(reported, MoveReport)]


def listed(venue: BinanceUsdmProtocol, *rows: dict) -> list[MoveReport]:
    call = venue.account_moves(NOW, since=NOW - 3600 * SECOND)
    answer = venue.answer(call, 200, {}, json.dumps(rows).encode(), NOW)
    return list(answer.reports)


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("DEPOSIT", MoveKind.TRANSFER),
        ("WITHDRAW", MoveKind.TRANSFER),
        ("ASSET_TRANSFER", MoveKind.TRANSFER),
        ("ADMIN_WITHDRAW", MoveKind.TRANSFER),
        ("COIN_SWAP_DEPOSIT", MoveKind.TRANSFER),
        ("FUNDING_FEE", MoveKind.FUNDING),
        ("INSURANCE_CLEAR", MoveKind.FEE),
        ("AUTO_EXCHANGE", MoveKind.OTHER),
        ("WHAT_IS_NEW", MoveKind.OTHER),
    ],
)
def test_a_change_of_the_stream_says_why(reason, kind):
    balance, reported = protocol().reports_of(event(reason, "-12.5"))
    assert isinstance(balance, BalanceReport)
    assert isinstance(reported, MoveReport)
    assert (reported.kind, reported.currency, reported.amount, reported.time) == (
        kind,
        "USDT",
        money_units("-12.5"),
        NOW,
    )


@pytest.mark.parametrize("reason", ["ORDER", "MARGIN_TRANSFER", "MARGIN_TYPE_CHANGE"])
def test_what_fills_move_and_what_stays_in_the_wallet_is_no_move(reason):
    assert heard(protocol(), event(reason, "5")) == []
    assert heard(protocol(), event("DEPOSIT", "0")) == []


def test_what_fills_bring_is_not_told_again_by_the_history():
    rows = [row(kind, "1", 5) for kind in ("REALIZED_PNL", "COMMISSION")]
    assert listed(protocol(), *rows) == []


def test_funding_says_its_symbol():
    venue = protocol()
    (reported,) = heard(venue, event("FUNDING_FEE", "-0.5", symbol="BTCUSDT"))
    assert reported.symbol == BTC.symbol
    (second,) = listed(venue, row("FUNDING_FEE", "-0.50000000", 7, symbol="BTCUSDT"))
    assert second == reported


@pytest.mark.parametrize("apart_ms", [0, 900, 59_000])
@pytest.mark.parametrize("is_stream_first", [True, False])
def test_both_ways_of_telling_are_one_move_whichever_comes_first(is_stream_first, apart_ms):
    venue = protocol()
    says = [
        lambda: heard(venue, event("FUNDING_FEE", "1.25", T + apart_ms)),
        lambda: listed(venue, row("FUNDING_FEE", "1.25", 7, symbol="BTCUSDT")),
    ]
    received = [each for say in (says if is_stream_first else says[::-1]) for each in say()]
    assert len(received) == 2
    assert len({each.reference for each in received}) == 1


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_two_alike_are_two_moves_told_in_any_order(order):
    venue = protocol()
    says = [
        lambda: heard(venue, event("DEPOSIT", "10", T)),
        lambda: heard(venue, event("DEPOSIT", "10", T + 5000)),
        lambda: listed(venue, row("TRANSFER", "10", 1, T)),
        lambda: listed(venue, row("TRANSFER", "10", 2, T + 5000)),
    ]
    received = [each.reference for at in order for each in says[at]()]
    assert len(received) == 4
    assert len(set(received)) == 2
    pages = [m.reference for m in listed(venue, row("TRANSFER", "10", 1, T), row("TRANSFER", "10", 2, T + 5000))]
    assert sorted(pages) == sorted(set(received))


def test_the_same_event_over_a_second_connection_is_the_same_move():
    venue = protocol()
    first, second = (heard(venue, event("DEPOSIT", "10")) for _ in range(2))
    assert first == second


def test_what_differs_is_another_move():
    venue = protocol()
    reported = heard(venue, event("DEPOSIT", "10"))
    reported += listed(venue, row("TRANSFER", "10", 1, T + 61_000))  # too long after
    reported += listed(venue, row("TRANSFER", "10", 2, asset="BNB"))
    reported += listed(venue, row("TRANSFER", "-10", 3))
    reported += listed(venue, row("BFUSD_REWARD", "10", 4))
    assert len({each.reference for each in reported}) == 5


@pytest.mark.parametrize("is_stream_first", [True, False])
def test_a_gateway_that_begins_anew_knows_the_move_by_its_tape(is_stream_first):
    def stream(venue):
        return heard(venue, event("FUNDING_FEE", "-0.5", T + 700, symbol="BTCUSDT"))

    def history(venue):
        return listed(venue, row("FUNDING_FEE", "-0.5", 7, symbol="BTCUSDT"))

    first, then = (stream, history) if is_stream_first else (history, stream)
    (reported,) = first(protocol())
    venue = protocol()
    for reference in ("", "binance:BTC/USDT:USDT 5 buy", reported.reference, "a b c d e f"):
        venue.note_move(reference)
    assert [each.reference for each in then(venue)] == [reported.reference]


def test_the_history_is_read_page_by_page_from_its_start():
    venue = protocol()
    since = NOW - 3600 * SECOND
    call = venue.account_moves(NOW, since=since)
    rows = [row("TRANSFER", "1", tran, T - tran) for tran in range(1000)]
    answer = venue.answer(call, 200, {}, json.dumps(rows).encode(), NOW)
    assert len(answer.reports) == 1000
    more = venue.account_moves(NOW, since=0, cursor=answer.cursor)
    sent = dict(parse_qsl(more.target.partition("?")[2]))
    assert (sent["startTime"], sent["page"]) == (str(since // MS), "2")
    assert venue.answer(more, 200, {}, b"[]", NOW).cursor == ""
