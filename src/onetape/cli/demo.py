"""Provide `onetape demo`: a tour of the system, in half a minute, offline."""

from __future__ import annotations

from typing import Any

import click

from onetape.cli.frame import Answer, Shell, load, plain, verb
from onetape.model.errors import Divergence

REDRAW_S = 0.2
PIPE_LINE_S = 5.0  # in a pipe: seconds between progress lines


@verb("demo", example="onetape demo --seconds 10 --headless")
@click.option("--seconds", type=click.FloatRange(min=1), default=30.0, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="The market's seed.")
@click.option("--headless", is_flag=True, help="Open no browser and serve no pages.")
def command(shell: Shell, seconds: float, seed: int, headless: bool) -> Answer:
    """A simulated exchange, robots and a report, keyless and offline.

    Afterwards the run is replayed and compared, action by action: exit 4 if they differ.
    """
    run_demo = load("onetape.supervisor.demo", "run_demo", what="the demo")
    progress = shell.progress.of("events")
    value = plain(
        run_demo(
            seconds=seconds,
            seed=seed,
            headless=headless,
            home=shell.home,
            say=progress.say,
            progress=progress,
            doing=progress.doing if progress.shown else progress.say,
            every_s=REDRAW_S if progress.shown else PIPE_LINE_S,
        )
    )
    error = None
    if value.get("replay_divergences") or value.get("parity_equal") is False:
        error = Divergence(
            "the replay differs from the run",
            location=f"the first difference: {value.get('first_difference')}",
            todo="onetape replay RUN --verify shows it again",
        )
    return Answer.of_check(value, error, _text(value))


def _text(value: dict[str, Any]) -> str:
    """Returns the result as text."""
    reports = value.get("reports") or [value.get("report")]
    lines = [
        f"{value['seconds']:.0f} s of a simulated market: {value['events']:,} events, "
        f"{value['orders']:,} orders, {value['fills']:,} fills, profit {value['pnl']}",
        f"replay   {value.get('replay_divergences')} of {value.get('actions', 0):,} actions differ",
    ]
    if value.get("parity_equal") is not None:
        same = "the same" if value["parity_equal"] else "DIFFERENT"
        lines.append(f"parity   decisions on the same events: {same}")
    return "\n".join([*lines, *(f"report   {path}" for path in reports if path)])
