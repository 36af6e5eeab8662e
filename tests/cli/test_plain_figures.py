"""Figures in text are for people: money in cents, times as dates, spans in the unit that fits. JSON keeps its units."""

from __future__ import annotations

import pytest

from onetape.cli.delta import DECISION, LEG
from onetape.cli.frame import rows
from onetape.cli.hedging import rows_inline, table
from onetape.cli.listing import age_text, amount, listing
from onetape.cli.processes import table as status_table
from onetape.cli.state_text import frame_line
from onetape.report.result_table import print_backtest

NS = 1_704_067_200_000_000_000


@pytest.mark.parametrize(
    ("text", "currency", "shown"),
    [
        ("-77.819786655", "USD", "-77.82"),
        ("51790.9", "USDT", "51,790.90"),
        ("-0.531827", "USDT", "-0.53"),
        ("-0.000000", "USDT", "0.00"),
        ("0.0004321", "USDT", "0.00043"),
        ("-0.000000001", "USDT", "0.00"),
        ("0.6", "USDT", "0.60"),
        ("0.0217539", "BTC", "0.0217539"),
        ("50000", "XRP", "50,000"),
        ("-0", "BTC", "0"),
        ("0.123456789123", "BTC", "0.12345679"),
        ("1E+3", "", "1,000.00"),
    ],
)
def test_money_has_its_cents_and_zero_no_sign(text, currency, shown):
    assert amount(text, currency) == shown


@pytest.mark.parametrize(
    ("ms", "shown"),
    [
        (45, "45 ms"),
        (999, "999 ms"),
        (7_400, "7 s"),
        (59_999, "59 s"),
        (1_394_582, "23 min"),
        (3 * 3_600_000, "3 h"),
        (72 * 3_600_000, "3 d"),
    ],
)
def test_an_age_is_in_the_unit_that_fits(ms, shown):
    assert age_text(ms) == shown


def test_status_shows_ages_and_money_for_people():
    facts = {"pid": 1, "state": "running", "lag": 0, "cpu_percent": 1, "memory_bytes": 1, "open_files": 1}
    robot = {
        "status": "started",
        "profit": "-77.819786655",
        "currency": "USD",
        "positions": {},
        "orders": 0,
        "fills": 1,
    }
    ages = {"heartbeat_age_ms": 7_100, "progress_age_ms": 1_394_582}
    process = {"name": "robot:a", "kind": "robot", "restarts": 0, "reason": "", **facts, **ages, "robot": robot}
    text = status_table({"processes": [process]})
    assert "  7 s " in text and " 23 min " in text and "profit -77.82 USD" in text


def test_a_listing_rounds_what_people_do_not_read():
    row = {"ts": NS + 156_262_519, "equity": "99999.711173", "entry_price": "59783.957142857143", "currency": "USDT"}
    text = listing([{**row, "data_age_ms": 169_914, "net": "0.00"}], [*row, "data_age_ms", "net"], nothing="")
    head, line = text.splitlines()
    assert "data age" in head and "ms" not in head
    cells = [cell.strip() for cell in line.split("  ") if cell]
    assert cells == ["2024-01-01 00:00:00.156", "99,999.71", "59783.95714", "USDT", "2 min", "0.00"]


def test_a_frame_shows_no_nanoseconds_as_a_number():
    data = {"ts_event": NS, "ts_recv": NS, "price": "5", "until": NS + 1}
    line = frame_line({"seq": 1, "time": NS, "type": "trade", "symbol": "x", "data": data})
    assert line.count("2024-01-01 00:00:00") == 3 and "until 2024-01-01 00:00:00.000000001" in line
    assert str(NS) not in line and "price 5" in line


def test_the_automatic_mode_shows_dates_and_spans():
    decision = {"timestamp": NS // 10**6, "action": "hold", "reason": "quiet", "count": 1, "operationId": None}
    assert "2024-01-01 00:00:00" in table(DECISION, [decision])[1]
    settings = rows_inline({"interval": 5000, "cooldown": 30000, "patience": 60000, "band": 0.01})
    assert settings == "interval 5 s, cooldown 30 s, patience 1 min, band 0.01"
    ages = {"account": 6.829, "market": 176_418.3}
    leg = {"accountId": "a", "symbol": "x", "delta": -0.0, "fundingRate": 1.25e-05, "ages": ages}
    line = table(LEG, [leg])[1]
    assert "account 7 ms, market 2 min" in line and " 0.00125 % " in line and "-0" not in line


def test_spans_among_facts_are_in_units():
    text = rows({"longest_s": 13_057_200, "age_ms": 1500, "period_ns": 60 * 10**9, "ts": NS, "seconds": 4})
    shown = [line.split("  ")[-1].strip() for line in text.splitlines()]
    assert shown == ["21w 4d", "1s 500ms", "1m", "2024-01-01 00:00:00", "4"]
    assert "longest  " in text and "longest s" not in text


def test_money_is_whole_in_a_pipe(capsys):
    money = {"cash": "151790.901", "final_equity": "151790.905", "pnl": "-0.0", "fees": "1", "funding": "0"}
    venue = {"venue": "binance", "currency": "USDT", "volume": "123456789.123456789", **money}
    print_backtest({"venues": [venue, {**venue, "venue": "hyperliquid-testnet"}], "final_equity": "100000.123456789"})
    text = capsys.readouterr().out
    assert text.count("123,456,789.12") == 2 and "…" not in text and "-0" not in text
    assert "100,000.12" in text
