"""Provide `onetape params`: the parameters of a strategy, or of a running robot."""

from __future__ import annotations

from typing import Any

import click

from onetape.cli.complete import processes
from onetape.cli.frame import Answer, Shell, load, verb
from onetape.cli.listing import aligned

COLUMNS = ("name", "value", "type", "min", "max", "step", "help")


@verb("params", example="onetape params robot:mm\nonetape params strategies/market_maker.py --json")
@click.argument("target", metavar="STRATEGY|robot:NAME", shell_complete=processes)
def command(shell: Shell, target: str) -> Answer:
    """Show the parameters: value, type, bounds, step and purpose.

    For a strategy (file.py[:Class] or module:Class) the defaults, for a robot (`robot:NAME`, or NAME
    alone) the current values; `onetape send robot:NAME params name=value` changes it.
    """
    params_of = load("onetape.robot.params", "params_of", what="parameters")
    found = params_of(shell.home, shell.process(target))
    return Answer(found, _table(found))


def _table(found: dict[str, dict[str, Any]]) -> str:
    if not found:
        return "it has no parameters"
    return "\n".join(aligned([COLUMNS, *(_row(name, each) for name, each in found.items())]))


def _row(name: str, facts: dict[str, Any]) -> tuple[str, ...]:
    shown = {key: "-" if value is None else str(value) for key, value in facts.items()}
    kind = " ".join(map(str, facts["choices"])) if facts["choices"] else shown["type"]
    return (name, shown["value"], kind, shown["min"], shown["max"], shown["step"], facts["help"])
