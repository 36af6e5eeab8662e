"""Provide `onetape delta`: the net delta of a symbol over accounts."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from onetape.cli import hedging
from onetape.cli.frame import SETTINGS, Answer, Shell, Suggesting, verb
from onetape.model.errors import UsageError
from onetape.model.money import amount_text

LEG = ("accountId", "symbol", "delta", "mark", "utilization", "fundingRate", "refusal", "ages")
DECISION = ("timestamp", "action", "reason", "count", "operationId")


@click.group("delta", cls=Suggesting, context_settings=SETTINGS)
def command() -> None:
    """Show the net delta of a symbol over accounts, bring it to a target, hold it."""


_add = partial(verb, group=command)


@_add("status", example="onetape delta status\nonetape delta status --symbol BTC-USD --json")
@click.option("--symbol", metavar="S", help="Only this symbol.")
@hedging.TOKEN_FILE
def status(shell: Shell, symbol: str | None, token_file: Path | None) -> Answer:
    """Show net deltas and the accounts behind them, each figure with its age in ms."""
    client = hedging.control_plane(shell, token_file)

    def text(value: dict[str, Any]) -> str:
        lines = []
        for each in value["symbols"]:
            held = ", held automatically" if each["automatic"] else ""
            lines += [
                f"{each['symbol']}  net delta {each['netDelta'] + 0.0:.10g}{held}",
                *hedging.table(LEG, each["legs"]),
                "",
            ]
        lines += hedging.moves_lines(value["transfers"])
        return "\n".join(lines).rstrip() or "no symbol is traded on several accounts"

    return hedging.answered(lambda: client.delta_status(symbol=symbol), text)


@_add("control", example="onetape delta control --symbol BTC-USD --target 0 --dry-run")
@hedging.SYMBOL
@hedging.ACCOUNTS
@click.option("--target", "target_delta", type=float, default=0.0, help="Net delta, base units [default: 0].")
@click.option(
    "--tolerance",
    "tolerance_percent",
    type=float,
    default=0.05,
    help="Deviation without action, base units [default: 0.05].",
)
@click.option(
    "--max-deviation", type=float, default=0.1, help="Largest deviation afterwards, base units [default: 0.1]."
)
@hedging.worked
@hedging.DRY_RUN
@hedging.NO_WAIT
@hedging.ID
@hedging.TOKEN_FILE
def control(shell: Shell, id_: str, token_file: Path | None, **fields: Any) -> Answer:
    """Bring the net delta of accounts to a target, on the account where it costs least, and verify it by the
    positions of the venues.

    --dry-run shows the plan, the expected cost of each leg, and which check would refuse it.
    """
    client = hedging.control_plane(shell, token_file, id_=id_)
    fields["accounts"] = fields["accounts"] or hedging.accounts_of(client, fields["symbol"])
    return hedging.answered(lambda: client.delta_control(**fields), hedging.operation_text)


@_add(
    "auto",
    example="onetape delta auto\nonetape delta auto on --symbol BTC-USD --target 0 --band 0.01\n"
    "onetape delta auto off --symbol BTC-USD",
)
@click.argument("switch", type=click.Choice(["show", "on", "off"]), default="show", metavar="[on|off]")
@click.option("--symbol", metavar="S", help="A symbol of [symbols], as BTC-USD.")
@hedging.ACCOUNTS
@click.option("--target", type=float, help="Net delta in base units [default: 0].")
@click.option("--band", type=float, help="Allowed deviation, base units [default: 0.01].")
@hedging.duration("--every", "interval", "Interval of checks [default: 5s].")
@hedging.duration("--cooldown", "cooldown", "Pause after an adjustment [default: 30s].")
@click.option("--max-cost", type=float, help="Largest cost per UTC day, in the quote currency.")
@hedging.duration("--patience", "patience", "How long a venue may be unhealthy before the mode stops [default: 60s].")
@click.option("--keep-margin/--no-keep-margin", default=None, help="Keep legs from liquidation [default: on].")
@click.option(
    "--transfers", is_flag=True, default=None, help="Also move margin between accounts, where venues allow it."
)
@click.option("--carry", is_flag=True, default=None, help="Reverse the pair when the other side earns more funding.")
@click.option("--carry-size", type=float, help="Size of each side, base units [default: as held].")
@click.option(
    "--target-utilization", type=float, help="Margin to use, as a share of each account's equity [default: any]."
)
@click.option("--utilization-band", type=float, help="Allowed deviation of --target-utilization [default: 0.1].")
@click.option(
    "--max-rebalance", "max_rebalance_amount", type=float, help="Largest change of one account at a time, base units."
)
@hedging.ID
@hedging.TOKEN_FILE
def auto(shell: Shell, switch: str, id_: str, token_file: Path | None, **options: Any) -> Answer:
    """Show which symbols are in automatic mode and the reason of each decision, or switch the mode on or off for a
    symbol."""
    fields = {name: each for name, each in options.items() if each not in (None, [])}
    stray = sorted(fields.keys() - {"show": set(), "off": {"symbol"}}.get(switch, fields.keys()))
    if stray:
        raise UsageError(f"{', '.join(stray)} belongs to `on`", location=f"delta auto {switch}")
    if switch != "show" and "symbol" not in fields:
        raise UsageError(f"{switch} needs --symbol", location="delta auto")
    client = hedging.control_plane(shell, token_file, id_=id_)
    if switch == "show":
        return hedging.answered(client.delta_auto, _auto_text)
    return hedging.answered(lambda: client.set_delta_auto(enabled=switch == "on", **fields), _auto_text)


def _auto_text(value: dict[str, Any]) -> str:
    lines = []
    for pair in value["pairs"]:
        settings = pair["settings"]
        state = f"stopped: {pair['stopped']}" if pair["stopped"] else "on" if settings["enabled"] else "off"
        cost = amount_text(pair["costToday"])
        lines += [f"{settings['symbol']}  {state}, cost today {cost}", hedging.rows_inline(settings)]
        lines += [*hedging.table(DECISION, pair["decisions"]), ""]
    return "\n".join(lines).rstrip() or "no symbol is in automatic mode"
