"""Define flags for reading files of rows: of `import`, and of verbs that take such files as data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

columns_option = click.option(
    "--columns",
    multiple=True,
    metavar="name=HEADER",
    help="Which header is which column, as close='Adj Close'; repeat for several. a,b,.. names "
    "the columns of a csv without a header.",
)
time_format_option = click.option(
    "--time-format",
    metavar="F",
    help="Format of times in a csv: '%d.%m.%Y %H:%M', or s, ms, us, ns. [default: detected]",
)
decimal_option = click.option(
    "--decimal", type=click.Choice(["point", "comma"]), help="Decimal separator of a csv. [default: detected]"
)


def reading_options(function: F) -> F:
    """Adds all flags."""
    return columns_option(time_format_option(decimal_option(function)))
