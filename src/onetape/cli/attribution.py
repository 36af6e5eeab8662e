"""Provide `onetape attribution`: who made a run's profit."""

from __future__ import annotations

from pathlib import Path

import click

from onetape.cli.complete import runs
from onetape.cli.frame import Answer, Shell, load, moment, verb
from onetape.cli.listing import amount, listing

COLUMNS = ("trades", "fills", "gross", "fees", "funding", "other", "net", "currency")


@verb("attribution", example="onetape attribution monday --by day")
@click.argument("run", shell_complete=runs)
@click.option(
    "--by",
    type=click.Choice(["strategy", "symbol", "day", "direction", "account"]),
    default="strategy",
    show_default=True,
)
@click.option("--beside", metavar="RUN", help="Compare with another run, such as its paper twin.")
@click.option("--parquet", type=click.Path(path_type=Path), metavar="FILE", help="Write the rows as a Parquet file.")
def command(shell: Shell, run: str, by: str, beside: str | None, parquet: Path | None) -> Answer:
    """Show which strategy, symbol, day and direction made a run's profit.

    The rows add up to the profit of the account, to the last digit.
    """
    path = shell.run_path(run)
    attribution_of = load("onetape.runs.attribution", "attribution_of", what="attribution")
    found = attribution_of(path)
    value = {"run": str(path), **found.as_json()}
    shown, columns = value[f"by_{by}"], [by, *COLUMNS]
    if beside is not None:
        other = load("onetape.runs.attribution", "side_by_side", what="attribution")
        shown = value["beside"] = other(found, attribution_of(shell.run_path(beside)), by)
        columns = [by, "net", "net_beside", "difference", "trades", "trades_beside", "currency"]
    if parquet is not None:
        value["parquet"] = str(load("onetape.runs.attribution", "write_rows", what="attribution")(found, parquet))
    text = listing(shown, columns, nothing=f"{run} has no fills")
    account = f"account {amount(value['account'], value['currency']) or '-'} {value['currency']}"
    if found.until is not None:
        account += f" until {moment(found.until)}, the last sample of the equity of a run without an end"
    return Answer(value, f"{text}\n\nsum {amount(value['sum'], value['currency'])}, {account}")
