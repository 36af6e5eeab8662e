"""Provide `onetape hedge`: trade an amount against the net delta."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from onetape.cli import hedging
from onetape.cli.frame import Answer, Shell, verb

STRATEGIES = ["delta-neutral", "cross-platform", "same-platform"]


@verb("hedge", example="onetape hedge --symbol BTC-USD --amount 0.25 --accounts aster-hedge --dry-run")
@hedging.SYMBOL
@click.option("--amount", "hedge_amount", type=float, required=True, help="Amount, base units.")
@click.option("--accounts", "target_accounts", **hedging.NAMES)
@click.option(
    "--strategy",
    "hedge_strategy",
    type=click.Choice(STRATEGIES),
    default=STRATEGIES[0],
    help="[default: delta-neutral]",
)
@click.option("--side", type=click.Choice(["buy", "sell"]), help="[default: against the net delta; buy if it is 0]")
@click.option(
    "--max-slippage", type=float, default=0.005, help="Largest slippage, as a share of the price [default: 0.005]."
)
@hedging.duration("--within", "timeout", "Time limit of the whole operation [default: 30s].", "30s")
@hedging.duration(
    "--maker-first", "maker_first", "Time for resting orders before the rest is taken [default: 0s].", "0s"
)
@hedging.worked
@click.option("--ordered", "parallel", flag_value=False, default=True, help="Trade one leg after the other.")
@hedging.DRY_RUN
@hedging.NO_WAIT
@hedging.ID
@hedging.TOKEN_FILE
def command(shell: Shell, id_: str, token_file: Path | None, **fields: Any) -> Answer:
    """Trade an amount of a symbol against the net delta of accounts; when one leg fails, the others are completed or
    undone.

    same-platform: one order on the named account. cross-platform: on accounts other than those with the
    exposure. delta-neutral: where it costs least, never through zero. --dry-run shows the plan and sends nothing.
    """
    client = hedging.control_plane(shell, token_file, id_=id_)
    return hedging.answered(lambda: client.hedge_execute(**fields), hedging.operation_text)
