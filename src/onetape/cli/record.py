"""Provide `onetape record`: record the market of a venue, without a strategy."""

from __future__ import annotations

import math
from pathlib import Path

import click

from onetape.cli.complete import words
from onetape.cli.frame import Answer, Shell, load, plain, rows, verb
from onetape.cli.market_venue import market_venue
from onetape.model.errors import UsageError


@verb(
    "record",
    example="""
    onetape record binance --symbols top:50 --out binance.tape
    onetape record kraken --symbols kraken:BTC/USD,kraken:ETH/USD --seconds 3600 --out hour.tape
    onetape record binance --symbols all --keep 30d,100GB --out last.tape
    onetape record binance --exchange http://127.0.0.1:9001 --out sim.tape
    """,
)
@click.argument("venue", shell_complete=words("binance", "kraken"))
@click.option("--symbols", default="all", show_default=True, help="all, top:N by turnover, or symbols with commas.")
@click.option("--seconds", type=float, metavar="N", help="Duration [default: until Ctrl-C].")
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="TAPE")
@click.option(
    "--keep", metavar="RULE", help="30d, 100GB or both: remove older data, or data above this size [default: keep all]."
)
@click.option("--transport", type=click.Choice(["ws", "rest"]), default="ws", show_default=True)
@click.option("--exchange", metavar="URL", help="REST address of a running `onetape sim` to use instead.")
def command(
    shell: Shell,
    venue: str,
    symbols: str,
    seconds: float | None,
    out: Path,
    keep: str | None,
    transport: str,
    exchange: str | None,
) -> Answer:
    """Record quotes, trades and marks of a venue until Ctrl-C. Needs no key.

    VENUE is one of the configuration, or a kind. Newly listed symbols are added. An
    existing tape of the same venue is continued. With --keep the oldest segments are removed while it
    records, but never those needed to replay runs.
    """
    if seconds is not None and not 0 < seconds < math.inf:
        raise UsageError("--seconds must be above 0", location="onetape record")
    record = load("onetape.collector.recording", "record", what="the recorder")
    look = load("onetape.preflight.preflight", "look", what="the recorder")
    from onetape.market.wanted import symbols_wanted
    from onetape.options.collector import public_feed
    from onetape.tape.prune import parse_keep

    wanted = symbols_wanted(symbols)
    rule = None if keep is None else parse_keep(keep)
    target = market_venue(shell, venue, exchange)
    look(target, sorted(wanted.names))
    addresses = target.addresses
    options = public_feed(
        target.kind,
        home=shell.home,
        rest=addresses.rest,
        ws=addresses.ws,
        symbols=symbols,
        transport=transport,
        name=out.name,
    )
    shell.say(f"records {target.kind} to {out}, until {'Ctrl-C' if seconds is None else f'{seconds:g} s have passed'}")
    found = record(options, out, seconds=seconds, keep=rule, progress=shell.progress.of("events"))
    value = plain(found)
    return Answer(value, "\n".join([rows(value), _room(found.gb_a_day, found.days_left)]))


def _room(gb_a_day: float, days_left: float | None) -> str:
    full = "" if days_left is None else f"; at this rate the disk is full in {days_left:,.0f} days"
    return f"{gb_a_day:.2f} GB a day{full}"
