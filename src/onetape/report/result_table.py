"""Print the table after a backtest to a terminal: assumptions first, then the result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from onetape.model.money import amount_text
from onetape.model.shown import shown
from onetape.report.grouped import grouped
from onetape.report.report_data import Assumption, bias_word

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

MONEY = ("pnl", "fees", "funding", "final_equity")
WIDTH_MAX = 10_000  # characters
STYLES = {"flatters": "red", "hurts": "green", "unknown": "yellow", "given": "dim"}


def print_backtest(summary: Mapping[str, object], assumptions: Iterable[Assumption] = ()) -> None:
    """Print a backtest's summary (the keys of its JSON, and any statistics with them)."""
    from rich.console import Console

    console = Console(highlight=False, emoji=False)
    # rich would end the program when the reader of the output is gone; print raises for the caller.
    with console.capture() as captured:
        draw_backtest(console, summary, assumptions)
    print(captured.get(), end="")


def draw_backtest(console: Console, summary: Mapping[str, object], assumptions: Iterable[Assumption] = ()) -> None:
    """Draw a backtest's summary onto any console."""
    from rich.table import Table

    taken = grouped(assumptions)
    if taken:
        console.print("[bold]What this result assumes[/]")
        listed = Table(show_header=False, box=None, pad_edge=False, padding=(0, 2))
        for each in taken:
            word = bias_word(each.bias)
            text = f"{each.text} ({each.size})" if each.size else each.text
            listed.add_row(f"[{STYLES[word]}]{word}[/]", _text_of(text))
        console.print(listed)
        console.print()
    table = Table(show_header=False, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim")
    table.add_column(justify="right")
    for name, value in _lines(summary):
        table.add_row(name, value)
    console.print(table)
    if isinstance(venues := summary.get("venues"), list) and len(venues) > 1:
        draw_venues(console, venues)
    if isinstance(stress := summary.get("stress"), list) and stress:
        draw_stress(console, stress, str(summary.get("currency") or ""))
    if why := summary.get("why_no_orders"):
        console.print(f"\n[yellow]No orders:[/] {_text_of(str(why))}")
    if report := summary.get("report"):
        console.print(f"\nreport  {_text_of(str(report))}", soft_wrap=True)
    if run := summary.get("run"):
        console.print(f"next    onetape replay {_text_of(str(run))} --verify", soft_wrap=True)


def draw_venues(console: Console, venues: Sequence[Mapping[str, object]]) -> None:
    """Draw a line for each venue and currency, without cash if one account serves several venues."""
    from rich.table import Table

    names = {
        "cash": "cash",
        "final_equity": "equity, end",
        "pnl": "profit, net",
        "fees": "fees",
        "funding": "funding",
        "volume": "traded",
    }
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("venue", style="dim")
    for name in names.values():
        table.add_column(name, justify="right", no_wrap=True)
    for each in venues:
        amounts = [_amount(each.get(key), str(each.get("currency", ""))) for key in names]
        table.add_row(_text_of(f"{each.get('venue')}, {each.get('currency')}"), *amounts)
    console.print()
    _whole(console, table)


def _text_of(text: str) -> str:
    """Returns text without markup of rich and control codes of a terminal."""
    from rich.markup import escape

    return escape(shown(text))


def _amount(value: object, currency: str = "") -> str:
    """Returns a rounded amount for people; the JSON has the exact one."""
    return "-" if value is None else amount_text(value, currency)


def _whole(console: Console, table: Table) -> None:
    """Print a table without cutting figures, even when the window is narrower."""
    from rich.measure import Measurement

    width = console.width
    console.width = max(width, Measurement.get(console, console.options.update(width=WIDTH_MAX), table).maximum)
    console.print(table)
    console.width = width


def draw_stress(console: Console, stress: Sequence[Mapping[str, object]], currency: str = "") -> None:
    """Draw the profit under each worse assumption; lines that were not run are only in the report."""
    from rich.table import Table

    table = Table(show_header=False, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim")
    table.add_column(justify="right")
    table.add_column(style="dim")
    for each in stress:
        pnl = each.get("pnl")
        if each.get("how") != "not run" and isinstance(pnl, (int, float)):
            value = _profit(_amount(pnl, currency))
            table.add_row(f"with {_text_of(str(each.get('name')))}", value, str(each.get("how")))
    if table.row_count:
        console.print()
        console.print(table)


def _lines(summary: Mapping[str, object]) -> Iterable[tuple[str, str]]:

    def text(key: str, form: str = "{}") -> str:
        value = summary.get(key)
        return "-" if value is None else _text_of(form.format(value))

    symbols = summary.get("symbols")
    yield "strategy", text("strategy")
    yield ("instruments", _text_of(", ".join(map(str, symbols))) if isinstance(symbols, list) else "-")
    yield "events", f"{text('events', '{:,}')} in {text('seconds', '{:.3f}')} s"
    yield "events per second", text("events_per_second", "{:,.0f}")
    yield "orders / fills", f"{text('orders', '{:,}')} / {text('fills', '{:,}')}"
    refusals = summary.get("refusals")
    for state, codes in refusals.items() if isinstance(refusals, dict) else ():
        named = ", ".join(f"{name} {count:,}" for name, count in codes.items())
        yield _text_of(state), _text_of(f"{sum(codes.values()):,}: {named}")
    below = summary.get("below_lot")
    for service, count in below.items() if isinstance(below, dict) else ():
        yield "less than one lot", _text_of(f"{count:,} of {service}")
    delta = summary.get("delta")
    if isinstance(delta, dict):
        yield (
            "operations",
            _text_of(f"{delta['operations']:,}, cost {_amount(delta['cost'], str(summary.get('currency') or ''))}"),
        )
        yield "net delta off", f"{delta['off_seconds']:.3f} s, longest {delta['off_longest']:.3f} s"
        yield "a leg naked", f"median {delta['naked_median']:.3f} s, longest {delta['naked_longest']:.3f} s"
        if delta["stopped"]:
            yield "stopped", _text_of(delta["stopped"])
    currency = str(summary.get("currency") or "")
    pnl, fees, funding, equity = (_amount(summary.get(key), currency) for key in MONEY)
    unit = _text_of(f" {currency}") if currency else ""
    yield "profit, net", _profit(pnl + unit)
    yield "fees / funding", f"{fees} / {funding}{unit}"
    yield "final equity", equity + unit
    held = summary.get("held")
    for symbol, qty in held.items() if isinstance(held, dict) else ():
        yield "still holds", _text_of(f"{qty} {symbol}")
    yield "max drawdown", _fraction(summary.get("max_drawdown"))
    for key, name in (("sharpe", "Sharpe, per year"), ("sortino", "Sortino, per year")):
        if key in summary:
            yield name, text(key, "{:.2f}")
    yield "actions", text("action_hash")[:16]


def _profit(text: str) -> str:
    style = "red" if text.startswith("-") and len(text) > 1 else "green"
    return f"[{style}]{text}[/]"


def _fraction(value: object) -> str:
    """Returns a fraction in percent; max_drawdown is a fraction of the peak."""
    if value is None:
        return "-"
    return f"{float(str(value)):.2%}"
