"""Provide verbs that a later release implements: they have a help, and report NOT_AVAILABLE."""

from __future__ import annotations

from typing import Any

import click

from onetape.cli.frame import SETTINGS, Answer, Verb, common_options
from onetape.cli.verbs import BY_NAME
from onetape.model.errors import NotAvailable

EXAMPLES = {"chaos": "onetape chaos --seeds 100 --hours 1"}


def later_command(name: str) -> click.Command:
    """Returns a command that reports NOT_AVAILABLE, whatever its arguments."""

    def call(**_options: Any) -> Answer:
        raise NotAvailable(f"`onetape {name}` is not part of this release", todo="docs/roadmap.md says when")

    command = Verb(
        name,
        callback=call,
        help=f"{BY_NAME[name].summary}\n\nComes with a later release: until then it answers "
        "NOT_AVAILABLE(4601) and changes nothing.",
        params=[click.Argument(["arguments"], nargs=-1, type=click.UNPROCESSED)],
        context_settings={**SETTINGS, "ignore_unknown_options": True},
    )
    command.example = EXAMPLES[name]
    return common_options(command)
