"""Provide `onetape tca`: the transaction costs of orders, by cause."""

from __future__ import annotations

from typing import Any

import click

from onetape.cli.complete import runs
from onetape.cli.frame import Answer, Shell, load, verb
from onetape.cli.listing import listing

CAUSES = ("cause", "amount", "currency", "bps", "low", "high")
TIMES = ("strategy", "way", "orders", "median", "p90", "p99", "most")


@verb("tca", example="onetape tca monday")
@click.argument("run", shell_complete=runs)
@click.option("--by", type=click.Choice(["strategy", "symbol", "algo", "side"]), default="algo", show_default=True)
def command(shell: Shell, run: str, by: str) -> Answer:
    """Show the costs of a run's orders against the market at their decision.

    The shortfall is the exact sum of spread, impact, delay and fees. Opportunity: adverse move of the market on the
    quantity missing when targets ended. Costs are positive; low and high bound a 95 % interval, in basis points.
    A second table has the latencies of orders and of the venue's answers, in ms, by strategy.
    """
    path = shell.run_path(run)
    costs = load("onetape.runs.tca", "costs_of", what="tca")(path)
    value = {"run": str(path), **costs.as_json()}
    if not value["parents"]:
        return Answer(value, f"no order of {run} filled and no target ended short")
    text = listing([_shown(row) for row in value["costs"]], CAUSES, nothing="")
    columns = (by, "parents", "amount", "currency", "bps", "low", "high", "spread_bps", "impact_bps", "delay_bps")
    text += "\n\n" + listing(
        [_shown(row) for row in value[f"by_{by}"]], (*columns, "fees_bps", "opportunity_bps"), nothing=""
    )
    if value["latency"]:
        text += "\n\n" + listing([_shown(row) for row in value["latency"]], TIMES, nothing="")
    text += f"\n{costs.own_impact}"
    if value["unpriced"]:
        text += f"\n{value['unpriced']} parent orders filled where the tapes have no market"
    return Answer(value, text)


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return {name: f"{item:,.2f}" if isinstance(item, float) else item for name, item in row.items()}
