"""`onetape scan`: symbols that meet a condition."""

from __future__ import annotations

import math
import sys
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
    "onetape scan 'trades(\"10s\") > 50' --data sample.tape",
)
@click.argument("expression")
@click.option("--symbols", default="all", show_default=True, help="all, top:N by turnover, or symbols with commas.")
@click.option("--seconds", type=float, default=None, metavar="N", help="End after so long [default: never].")
@click.option(
    "--data", type=click.Path(path_type=Path), multiple=True, help="Tapes, instead of the market of what runs."
)
def command(shell: Shell, expression: str, symbols: str, seconds: float | None, data: tuple[Path, ...]) -> Answer:
    """Show which symbols meet a condition, judged at every update.

    Values are bid ask mid spread bid_size ask_size last last_size mark index funding tick lot age,
    of another symbol by its name: mid("kraken:BTC/USD"); over a time change("1m") high("1h")
    low volume turnover trades vwap; with + - * / abs min max, comparisons, and, or, not.
    """
    condition = _parsed(shell, expression)
    if seconds is not None and not 0 < seconds < math.inf:
        raise UsageError("--seconds has to be above 0", location="onetape scan")
    if shell.json and seconds is None and not data:
        raise UsageError("without --seconds it has no end, and --json is one value", location="onetape scan")
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


def _parsed(shell: Shell, expression: str) -> Any:
    parse = load("onetape.market.condition", "parse_condition", what="the scanner")
    error_type = load("onetape.market.condition", "ConditionError", what="the scanner")
    try:
        return parse(expression)
    except error_type as error:
        if not shell.json:
            print(shown(error.text), file=sys.stderr)
            print(" " * (error.column - 1) + "^", file=sys.stderr)
        raise


def _line(match: Any) -> str:
    at = match.ts if match.until is None else match.until
    if match.until is not None:
        return f"{moment(at)}  {match.symbol:<28} ends, after {(match.until - match.ts) / 1e9:.3f} s"
    values = "  ".join(f"{name} {'-' if each is None else f'{each:g}'}" for name, each in match.values.items())
    return f"{moment(at)}  {match.symbol:<28} {values}"
