"""Provide `onetape sim`: a simulated exchange for any client."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import click

from onetape.cli.complete import words
from onetape.cli.frame import Answer, Shell, load, verb
from onetape.cli.output import write_line
from onetape.exchange.options import VenueOptions
from onetape.model.shown import shown
from onetape.model.venue_kinds import VENUE_KINDS


def _for_people(shell: Shell, line: str) -> None:
    """Returns the ready line as text for people, without keys and secrets."""
    from onetape.preflight.preflight import CHECKED

    facts = json.loads(line)
    if "venue" not in facts:
        print("the tape has ended: books no longer change", flush=True)
        return
    print(f"{facts['venue']} is ready, until Ctrl-C")
    print(f"  REST       {facts['rest']}")
    print(f"  WebSocket  {facts['ws']}")
    if facts.get("control"):
        print(f"  control    {facts['control']}")
    for account in facts["accounts"]:
        money = ", ".join(f"{amount} {name}" for name, amount in account["balances"].items())
        print(shown(f"  account    {account['name']}: {money or 'no money'}"))
    if facts["venue"] in CHECKED:
        is_named = shell.home_option or shell.config_option
        home = f" --home {shell.home}" if is_named else ""
        print(shown(f"to trade on it: onetape run STRATEGY --live --exchange {facts['rest']}{home}"))
    print("its keys and secrets: the same command with --json", flush=True)


@verb("sim", example="onetape sim binance-usdm --port 9001 --seed 7")
@click.argument("venue", shell_complete=words(*VENUE_KINDS))
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port; 0: any free port.")
@click.option("--host", default="127.0.0.1", show_default=True, hidden=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the market and the keys.")
@click.option("--faults", type=click.Path(path_type=Path), metavar="FILE", help="Faults to inject, TOML.")
@click.option(
    "--symbol",
    "symbols",
    multiple=True,
    metavar="SYMBOL",
    help="List this instrument in place of the usual ones; may be repeated.",
)
@click.option("--tape", type=click.Path(path_type=Path), metavar="TAPE", help="Play a recorded market.")
@click.option(
    "--speed",
    type=click.FloatRange(0.001, 1000),
    default=1.0,
    show_default=True,
    help="Speed of the tape; 1 is real time.",
)
@click.option("--loop/--no-loop", default=False, help="Repeat the tape when it ends.")
@click.option(
    "--control",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="Serve an HTTP control interface on this loopback port; 0: any free port.",
)
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder that keeps the exchange's state over restarts.",
)
@click.option(
    "--chain",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Shared folder through which withdrawals reach other simulated exchanges.",
)
@click.option("--withdraw/--no-withdraw", default=False, help="The accounts' keys may withdraw.")
@click.option(
    "--unrouted/--routed", default=False, help="Binance: stream addresses without a category, as until April 2026."
)
@click.option(
    "--speed-bumps/--no-speed-bumps",
    default=True,
    help="Pacifica: delay orders that may take liquidity, as the venue does.",
)
@click.option("--limits/--no-limits", default=True, help="Enforce the venue's request limits.")
def command(shell: Shell, venue: str, **options: Any) -> Answer:
    """Serve a wire-compatible simulated exchange until Ctrl-C: binance-usdm, binance-spot, aster, pacifica, kraken,
    bitmex, bybit, hyperliquid or okx.

    When it is ready it prints one JSON line with addresses, keys and balances; on a terminal, without --json, text
    without secrets.
    """
    shows = sys.stdout is not None and sys.stdout.isatty() and not shell.json
    run = load("onetape.exchange.server", "run_venue", what="the simulated exchange")
    said = partial(_for_people, shell) if shows else write_line

    def ready(line: str) -> None:
        shell.progress.end()
        said(line)

    options |= {name: str(options[name] or "") for name in ("state", "chain", "faults", "tape")}
    options["symbols"] = list(options["symbols"])
    run(VenueOptions(kind=venue, home=str(shell.home), **options), ready)
    return Answer(None)
