"""`onetape demo`: everything that is built, in half a minute, offline."""

from __future__ import annotations

import click

from onetape.cli.frame import Answer, Shell, load, plain, rows, verb


@verb("demo", example="onetape demo --seconds 10 --headless")
@click.option("--seconds", type=click.FloatRange(min=1), default=30.0, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="The market's seed.")
@click.option("--headless", is_flag=True, help="Open and serve nothing.")
def command(shell: Shell, seconds: float, seed: int, headless: bool) -> Answer:
    """A simulated exchange, robots and a report, keyless and offline.

    Afterwards the run is replayed and compared, action by action: exit 4 if they differ.
    """
    run_demo = load("onetape.services.demo", "run_demo", what="the demo")
    with shell.progress("demo") as progress:
        value = plain(
            run_demo(
                seconds=seconds, seed=seed, headless=headless, home=shell.home, progress=progress
            )
        )
    held = value.get("replay_divergences") in (0, None) and value.get("parity_equal") is not False
    proof = "replayed: every action is the same" if held else "the replay DIFFERS"
    return Answer(value, f"{rows(value)}\n\n{proof}", 0 if held else 4)
