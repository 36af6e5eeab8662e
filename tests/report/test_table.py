from __future__ import annotations

import io

from onetape.report.report_data import Assumption
from onetape.report.result_table import draw_backtest, print_backtest

SUMMARY = {
    "run": "r1", "strategy": "Cross", "symbols": ["binance:BTC/USDT:USDT"], "events": 1_234_567,
    "seconds": 0.5, "wall_seconds": 0.9, "events_per_second": 2_469_134.0, "orders": 12, "fills": 9,
    "pnl": "-12.50", "fees": "1.25", "funding": "0", "final_equity": "99987.50",
    "max_drawdown": "0.0125", "action_hash": "ab" * 32, "report": "/r/report.html",
    "why_no_orders": None,
}  # fmt: skip


def shown(summary, assumptions=()) -> str:
    from rich.console import Console

    out = io.StringIO()
    draw_backtest(Console(file=out, width=100, highlight=False), summary, assumptions)
    return out.getvalue()


def test_assumptions_stand_above_the_figures():
    text = shown(SUMMARY, [Assumption("fees are the base tier", -1), Assumption("no impact", 1)])
    assert text.index("hurts") < text.index("flatters") < text.index("1,234,567")
    for part in ("-12.50", "1.25%", "2,469,134", "12 / 9", "onetape replay r1 --verify"):
        assert part in text


def test_amounts_name_their_currency():
    text = shown({**SUMMARY, "currency": "USDT"})
    assert "-12.50 USDT" in text and "1.25 / 0.00 USDT" in text and "99,987.50 USDT" in text


def test_a_name_is_no_picture_and_no_markup(capsys):
    """rich draws `:x:` as a cross and takes `[red]` for a colour."""
    print_backtest({**SUMMARY, "why_no_orders": "data:x: has [red] no bars"}, [Assumption("of data:x: [bold]", -1)])
    text = capsys.readouterr().out
    assert "data:x: has [red] no bars" in text and "of data:x: [bold]" in text


def test_no_orders_says_why():
    text = shown({**SUMMARY, "orders": 0, "why_no_orders": "no bar closed"})
    assert "No orders: no bar closed" in text


def test_markup_in_names_is_text_and_missing_values_are_dashes():
    text = shown({"strategy": "[red]x[/]", "symbols": None}, [Assumption("[bold]y", 0)])
    assert "[red]x[/]" in text and "[bold]y" in text
    assert "strategy" in text and " -" in text


def test_the_profit_in_a_worse_world_stands_below_the_table():
    stress = [
        {"name": "fees x1.25", "how": "exact", "pnl": -15.25, "note": ""},
        {"name": "latency [red]x2[/]", "how": "re-run", "pnl": 3.0, "note": ""},
        {"name": "back of queue", "how": "not run", "pnl": -12.5, "note": ""},
    ]
    text = shown({**SUMMARY, "stress": stress})
    assert text.index("final equity") < text.index("with fees x1.25")
    assert "-15.25" in text and "latency [red]x2[/]" in text and "back of queue" not in text


def test_a_size_stands_beside_its_assumption():
    text = shown(SUMMARY, [Assumption("no impact", 1, "own fills are 1%"), Assumption("cash", None)])
    assert "no impact (own fills are 1%)" in text
    assert "given" in text
