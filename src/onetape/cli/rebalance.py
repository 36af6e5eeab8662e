"""Provide `onetape rebalance`: margin in use of accounts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from onetape.cli import hedging
from onetape.cli.frame import Answer, Shell, verb

ACTION = ("accountId", "action", "currentUtilization", "targetUtilization", "adjustmentAmount")


@verb("rebalance", example="onetape rebalance --symbol BTC-USD --target 0.75 --dry-run")
@hedging.SYMBOL
@hedging.ACCOUNTS
@click.option(
    "--target", "target_utilization", type=float, required=True, help="Margin to use, as a share of equity, 0 to 1."
)
@click.option(
    "--tolerance", "tolerance_percent", type=float, default=0.1, help="Deviation without action [default: 0.1]."
)
@click.option("--max-amount", "max_rebalance_amount", type=float, help="Largest change of one account, base units.")
@click.option("--transfers", is_flag=True, help="Also move margin between accounts, where venues allow it.")
@hedging.worked
@hedging.DRY_RUN
@hedging.NO_WAIT
@hedging.ID
@hedging.TOKEN_FILE
def command(shell: Shell, id_: str, token_file: Path | None, **fields: Any) -> Answer:
    """Bring the margin in use of accounts to a target, keeping the net delta: one account buys what another sells."""
    client = hedging.control_plane(shell, token_file, id_=id_)
    fields["accounts"] = fields["accounts"] or hedging.accounts_of(client, fields["symbol"])

    def text(value: dict[str, Any]) -> str:
        actions = value.get("rebalanceActions")
        shown = ["", *hedging.table(ACTION, actions)] if actions else []
        return "\n".join([hedging.operation_text(value), *shown, *hedging.moves_lines(value.get("transfers") or [])])

    return hedging.answered(lambda: client.utilization_rebalance(**fields), text)
