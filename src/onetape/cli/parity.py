"""Provide `onetape parity`: compare two runs, order by order."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import click

from onetape.cli.complete import runs
from onetape.cli.frame import Answer, Shell, load, plain, verb
from onetape.model.errors import Divergence

PARTS = ("latency", "queue", "price", "fee", "funding", "missed_data", "residual")
BAR = 24  # characters of the widest bar


@verb("parity", example="onetape parity monday monday-backtest --mode orders --tolerance 5ms")
@click.argument("run_a", shell_complete=runs)
@click.argument("run_b", shell_complete=runs)
@click.option("--mode", type=click.Choice(["decisions", "orders", "money"]), default="orders", show_default=True)
@click.option("--tolerance", metavar="T", help="Largest difference of times that count as equal [default: 0].")
def command(shell: Shell, run_a: str, run_b: str, mode: str, tolerance: str | None) -> Answer:
    """Compare two runs and name the first difference; exit 4 if there is one.

    --mode decisions: run B's robot on A's inputs. orders: compare the recorded orders. money: split the gap between
    the profits into causes.
    """
    compare = load("onetape.replay.parity", "compare", what="parity")
    value = plain(
        compare(
            shell.run_path(run_a),
            shell.run_path(run_b),
            mode=mode,
            tolerance=tolerance,
            progress=shell.progress.of("events"),
        )
    )
    error = None
    if value["differing"]:
        error = Divergence(
            f"{value['differing']} of {value['compared']} differ",
            location=f"the first difference: {value.get('first_difference')}",
        )
    return Answer.of_check(value, error, _waterfall(value) if mode == "money" else "")


def _waterfall(value: dict[str, Any]) -> str:
    """Returns the steps from A's profit to B's, one line per cause, with bars scaled to the widest one."""
    bridge = value["bridge"]
    residual = bridge["residual_detail"]
    lines = [("A", bridge["pnl_a"], False)]
    lines += [(name.replace("_", " "), bridge[name], True) for name in PARTS]
    lines.append(("B", bridge["pnl_b"], False))
    amounts = {name: f"{Decimal(text):+,.8f}" if part else f"{Decimal(text):,.8f}" for name, text, part in lines}
    width = max(len(text) for text in amounts.values())
    most = max((abs(Decimal(text)) for _, text, part in lines if part), default=Decimal(0))
    shown = []
    for name, text, part in lines:
        share = int(abs(Decimal(text)) / most * BAR) if part and most else 0
        bar = ("+" if Decimal(text) > 0 else "-") * max(share, 1) if part and Decimal(text) else ""
        label = f"  {name}" if part else f"profit of {name}"
        ends = bridge["intervals"].get(name) if part and Decimal(text) else None
        between = f"  [{Decimal(ends[0]):+,.2f}, {Decimal(ends[1]):+,.2f}]" if ends else ""
        shown.append(f"{label:<14}{amounts[name]:>{width}} {bridge['currency']}  {bar}{between}".rstrip())
    apart = ", ".join(f"{name} {text}" for name, text in residual.items() if Decimal(text))
    if apart:
        shown.append(f"residual: {apart}")
    shown.append(
        f"{value['equal']} of {value['compared']} are equal"
        + (f"; the first difference: {value['first_difference']}" if value["differing"] else "")
    )
    return "\n".join(shown)
