"""Define argument forms that several verbs share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import click

from onetape.model.errors import UsageError


def parameters(pairs: Iterable[str], *, location: str = "--param") -> dict[str, str]:
    """Returns the repeated `--param k=v` as text; the strategy's annotations give the types."""
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip().isidentifier():
            raise UsageError(f"a parameter is name=value, not {pair!r}", location=location)
        if name.strip() in found:
            raise UsageError(f"parameter {name.strip()!r} is given twice", location=location)
        found[name.strip()] = value
    return found


class Several(click.Option):
    """An option that takes all words up to the next option, as in `--detail-data a b`. Use with multiple=True."""

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        super().add_to_parser(parser, ctx)
        for name in self.opts:
            option = parser._long_opt.get(name)
            if option is None:
                continue
            take = option.process

            def process(value: Any, state: Any, take: Any = take) -> None:
                take(value, state)
                while state.rargs and not state.rargs[0].startswith("-"):
                    take(state.rargs.pop(0), state)

            option.process = process
