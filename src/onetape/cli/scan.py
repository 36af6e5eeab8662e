"""Provide `onetape scan`: symbols that meet a condition."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import click

from onetape.cli.frame import Answer, Shell, load, moment, verb
from onetape.cli.output import write_line
from onetape.model.errors import UsageError
from onetape.model.shown import shown


@verb(
    "scan",
    example="onetape scan 'change(\"1m\") > 0.5% and spread < 2*tick' --seconds 60\n"
    "onetape scan 'mid > 1.001 * mid(\"kraken:BTC/USD\")' --symbols binance:BTC/USDT:USDT\n"
    "onetape scan 'trades(\"10s\") > 50' --data sample.tape\n"
    "onetape scan --spreads",
)
@click.argument("expression", required=False)
@click.option("--spreads", is_flag=True, help="Show the present prices of the same asset at several venues instead.")
@click.option("--symbols", default="all", show_default=True, help="all, top:N by turnover, or symbols with commas.")
@click.option("--seconds", type=float, default=None, metavar="N", help="Duration [default: until Ctrl-C].")
@click.option(
    "--data", type=click.Path(path_type=Path), multiple=True, help="Scan tapes instead of the running market."
)
def command(
    shell: Shell, expression: str | None, spreads: bool, symbols: str, seconds: float | None, data: tuple[Path, ...]
) -> Answer:
    """Show which symbols meet a condition, evaluated at every update.

    Values: bid ask mid spread bid_size ask_size last last_size mark index funding tick lot age. Values of another
    symbol: mid("kraken:BTC/USD"), spread_to("kraken:BTC/USD"). Values over a window: change("1m") high("1h") low
    volume turnover trades rate vwap volatility. Operators: + - * / abs min max, comparisons, and, or, not.
    """
    if spreads == (expression is not None):
        raise UsageError("either a condition or --spreads", location="onetape scan", todo="see --help")
    if expression is None:
        return _spreads(shell, data)
    condition = load("onetape.market.condition", "parse_condition", what="the scanner")(expression)
    if seconds is not None and not 0 < seconds < math.inf:
        raise UsageError("--seconds must be above 0", location="onetape scan")
    if shell.json and seconds is None and not data:
        raise UsageError("without --seconds the scan has no end, and --json prints one value", location="onetape scan")
    scanner_type = load("onetape.scanner.scanner", "Scanner", what="the scanner")
    wanted = load("onetape.market.wanted", "symbols_wanted", what="the scanner")(symbols)
    journals = load("onetape.scanner.scanner", "market_journals", what="the scanner")
    paths = list(data) or journals(shell.home)
    scanner = scanner_type(paths, condition, wanted, is_live=not data)
    try:
        found = scanner.over(seconds) if data else scanner.live(seconds)
        for match in found:
            shell.progress.end()
            if not shell.json:
                write_line(shown(_line(match)))
        reply = {
            "expression": expression,
            "symbols": scanner.symbols,
            "checks": scanner.checks,
            "seconds": seconds,
            "matches": [each.as_json() for each in scanner.matches],
        }
    finally:
        scanner.close()
    met = len({each.symbol for each in scanner.matches})
    return Answer(reply, f"{met} of {scanner.symbols} symbols met it, {scanner.checks:,} checks")


def _spreads(shell: Shell, data: tuple[Path, ...]) -> Answer:
    journals = load("onetape.scanner.scanner", "market_journals", what="the scanner")
    last_quotes = load("onetape.scanner.spreads", "last_quotes", what="the scanner")
    spread_rows = load("onetape.scanner.spreads", "spread_rows", what="the scanner")
    quotes, now = last_quotes(list(data) or journals(shell.home), None if data else time.time_ns())
    rows = spread_rows(quotes, now, shell.config.symbols)
    lines = [f"{'':<12}{'bid':<30}{'ask':<30}{'spread':>12}{'bps':>9}  age, ms"]
    for row in rows:
        bid, ask = (f"{price:g} {symbol}" for price, symbol in zip((row.bid, row.ask), row.venues, strict=True))
        ages = " and ".join(f"{row.age_ms[each]:,.0f}" for each in row.venues)
        lines.append(f"{row.symbol:<12}{bid:<30}{ask:<30}{row.spread:>12.6g}{row.spread_bps:>9.2f}  {ages}")
    if not rows:
        lines = ["no asset has quotes at two venues"]
    return Answer([row.as_json() for row in rows], "\n".join(lines))


def _line(match: Any) -> str:
    at = match.ts if match.until is None else match.until
    if match.until is not None:
        return f"{moment(at)}  {match.symbol:<28} ends, after {(match.until - match.ts) / 1e9:.3f} s"
    values = "  ".join(f"{name} {'-' if each is None else f'{each:g}'}" for name, each in match.values.items())
    return f"{moment(at)}  {match.symbol:<28} {values}"
