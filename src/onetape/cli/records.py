"""Provide the verbs on records: `ledger`, `activity`, `trips`, `equity`, `risk`; and access to records for others."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import click

from onetape.cli.frame import Answer, Shell, load, verb
from onetape.cli.listing import amount, listing
from onetape.model.errors import BadInput, UsageError
from onetape.model.time import DAY, SECOND, TIME_MAX, parse_duration, parse_time

LEDGER_COLUMNS = ("key", "currency", "realized", "traded", "fees", "funding", "transfers", "net")
ACTIVITY_COLUMNS = ("key", "sent", "filled", "ratio", "canceled", "denied", "fills", "volume")
TRIPS_COLUMNS = (
    "ts_open",
    "duration_ns",
    "account",
    "strategy",
    "symbol",
    "side",
    "qty",
    "entry_price",
    "exit_price",
    "cost",
    "peak",
    "net",
    "currency",
)
EQUITY_COLUMNS = {
    "account": ("ts", "account", "currency", "equity", "unrealized", "drawdown"),
    "strategy": ("ts", "account", "subaccount", "strategy", "currency", "equity", "unrealized", "drawdown"),
    "all": ("ts", "currency", "equity", "unrealized", "drawdown"),
}
RISK_COLUMNS = ("ts", "account", "currency", "equity", "delta", "utilization", "leverage", "unrealized", "drawdown")


def moment(_ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """Returns ns UTC of a time, of `today` and `yesterday` (UTC), or of a time ago: 24h."""
    now = time.time_ns()
    if value is None:
        return None
    if value in ("today", "yesterday"):
        return now // DAY * DAY - (DAY if value == "yesterday" else 0)
    try:
        return now - parse_duration(value)
    except UsageError:
        pass
    try:
        return parse_time(value)
    except BadInput as error:
        todo = f"{error.todo or 'write 2024-08-08T09:30:00Z'}, today, yesterday, or 24h for 24 hours ago"
        raise UsageError(error.what, location=param.opts[0], todo=todo) from None


def _window(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --since and --until, ns UTC."""
    until = click.option("--until", callback=moment, metavar="T", help="End, exclusive.")
    since = click.option("--since", callback=moment, metavar="T", help="Start, inclusive.")
    return since(until(function))


def _by(choices: list[str]) -> Callable[[Any], Any]:
    return click.option(
        "--by", type=click.Choice(choices), default="account", show_default=True, help="One row for each."
    )


def _recorded(shell: Shell, what: str, **wanted: Any) -> list[dict[str, Any]]:
    """Returns rows of `record_queries`, with the current state of the home's journals."""
    if "since" in wanted:
        wanted |= {"since": wanted["since"] or 0, "until": wanted["until"] or TIME_MAX}
        if wanted["since"] > wanted["until"]:
            raise UsageError("--since is after --until", location=f"onetape {what}", todo="swap them")
    found: list[dict[str, Any]] = of_records(shell, "onetape.store.record_queries", what, **wanted)
    return found


def of_records(shell: Shell, module: str, what: str, **wanted: Any) -> Any:
    """Returns the result of a function of the recorder, with the current state of the home's journals."""
    records_of = load("onetape.recorder.read", "records_of", what="records")
    with records_of(shell.home, shell.running_config, os.environ, shell.config_folder) as records:
        return load(module, what, what="records")(records, **wanted)


def _amounts(by_asset: dict[str, str]) -> str:
    return " ".join(f"{amount(text, asset)} {asset}" for asset, text in by_asset.items())


@verb("ledger", example="onetape ledger --since 2026-11-01 --by symbol\nonetape ledger --by day --json")
@_window
@_by(["symbol", "strategy", "day", "account"])
def ledger(shell: Shell, since: int, until: int, by: str) -> Answer:
    """Show realized profit, fees by asset, funding and transfers; with --json exact, and equal to the tapes.

    traded: money moved by spot purchases and sales, with coins at cost; not part of net.
    """
    found = _recorded(shell, "ledger", by=by, since=since, until=until)
    money = ("realized", "traded", "funding", "transfers", "net")
    shown = [
        {**row, **{name: amount(row[name], row["currency"]) for name in money}, "fees": _amounts(row["fees"])}
        for row in found
    ]
    return Answer(found, listing(shown, LEDGER_COLUMNS, nothing="no money has moved"))


@verb("activity", example="onetape activity --since today --by hour\nonetape activity --by symbol --json")
@_window
@_by(["hour", "day", "symbol", "strategy", "account"])
def activity(shell: Shell, since: int, until: int, by: str) -> Answer:
    """Show orders, their fill share, cancels, fills and volume, by whole hours (UTC)."""
    found = _recorded(shell, "activity", by=by, since=since, until=until)
    shown = [{**row, "volume": _amounts(row["volume"])} for row in found]
    return Answer(found, listing(shown, ACTIVITY_COLUMNS, nothing="no orders"))


@verb("trips", example="onetape trips --since 2026-11-01")
@_window
def trips(shell: Shell, since: int, until: int) -> Answer:
    """Show positions in contracts from flat to flat: size, prices, peak, cost, fees, net result. Spot has none."""
    found = _recorded(shell, "trips", since=since, until=until)
    return Answer(found, listing(found, TRIPS_COLUMNS, nothing="no position in contracts was closed"))


@verb("equity", example="onetape equity --since 2026-11-22\nonetape equity --by strategy")
@_window
@_by(list(EQUITY_COLUMNS))
def equity(shell: Shell, since: int, until: int, by: str) -> Answer:
    """Show the equity of accounts, strategies or all at each full minute, and now; the newest last."""
    found = _recorded(shell, "equity", by=by, since=since, until=until)
    shown = [{**row, "ts": row["ts"] // SECOND * SECOND} for row in found]  # the newest sample has nanoseconds
    return Answer(found, listing(shown, EQUITY_COLUMNS[by], nothing="nothing was recorded"))


@verb("risk", example="onetape risk --json")
def risk(shell: Shell) -> Answer:
    """Show by account: net exposure, use of margin, leverage, unrealized profit, drawdown."""
    found = _recorded(shell, "risk")
    return Answer(found, listing(found, RISK_COLUMNS, nothing="nothing was recorded"))
