"""What verbs on records share: the window of time, and how records are reached."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import click

from onetape.cli.frame import Shell, load
from onetape.model.errors import UsageError
from onetape.model.time import DAY, TIME_MAX, parse_duration, parse_time


def moment(_ctx: click.Context, _param: click.Parameter, value: str | None) -> int | None:
    """ns UTC of a time, of `today` and `yesterday` (UTC), or of so long ago: 24h."""
    now = time.time_ns()
    if value is None:
        return None
    if value in ("today", "yesterday"):
        return now // DAY * DAY - (DAY if value == "yesterday" else 0)
    try:
        return now - parse_duration(value)
    except UsageError:
        return parse_time(value)


def window(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --since and --until, ns UTC."""
    until = click.option("--until", callback=moment, metavar="T", help="Before this moment.")
    since = click.option("--since", callback=moment, metavar="T", help="From this moment on.")
    return since(until(function))


def recorded(shell: Shell, what: str, **wanted: Any) -> list[dict[str, Any]]:
    """Rows of `recorder.read`, with what the journals of the home have now."""
    if "since" in wanted:
        wanted |= {"since": wanted["since"] or 0, "until": wanted["until"] or TIME_MAX}
    found: list[dict[str, Any]] = of_records(shell, "onetape.recorder.read", what, **wanted)
    return found


def of_records(shell: Shell, module: str, what: str, **wanted: Any) -> Any:
    """What a function of the recorder makes of them, with what the journals of the home have now."""
    records_of = load("onetape.recorder.read", "records_of", what="records")
    with records_of(shell.home, shell.config, os.environ, shell.config_folder) as records:
        return load(module, what, what="records")(records, **wanted)
