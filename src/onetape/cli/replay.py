"""Provide `onetape replay`: repeat a recorded run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from onetape.cli.complete import runs
from onetape.cli.frame import Answer, Shell, load, plain, rows, verb
from onetape.model.errors import BadConfig, Divergence
from onetape.model.shown import shown


@verb(
    "replay",
    example="""
    onetape replay monday --verify
    onetape replay monday --until 12:31:07.5
    onetape replay monday --source strategies/cross.py
    """,
)
@click.argument("run", shell_complete=runs)
@click.option("--verify", is_flag=True, help="Compare every action and state hash.")
@click.option(
    "--until",
    metavar="SEQ|TIME",
    help="Stop after a frame number, at a time, or at a time of day (12:31:07.5, UTC), and show the robot's state.",
)
@click.option(
    "--step",
    type=int,
    metavar="N",
    help="Show also the states of the next N frames after --until, or of the last N before it (-N).",
)
@click.option("--source", type=click.Path(path_type=Path), metavar="PATH", help="Run this edited source instead.")
def command(shell: Shell, run: str, verify: bool, until: str | None, step: int | None, source: Path | None) -> Answer:
    """Run a recorded run again from its tapes, with the source kept in the run.

    With --verify or --source: names the first differing action and exits with 4, if there is one. --until
    opens the robot's whole state at a frame; on a terminal a prompt steps on from there and back.
    """
    if step is not None and until is None:
        raise BadConfig("--step needs a start", location="--step", todo="add --until")
    if step is not None and source is not None:
        raise BadConfig("steps use the run's own source", location="--step", todo="remove --source")
    on_terminal = sys.stdin.isatty() and sys.stdout.isatty() and not shell.json
    if until is not None and on_terminal and not (verify or source or step):
        return _by_hand(shell, run, until)
    replay_run = load("onetape.replay.replay", "replay_run", what="replay")
    value = plain(
        replay_run(shell.run_path(run), verify=verify, until=until, source=source, progress=shell.progress.of("events"))
    )
    if step is not None:
        steps_of = load("onetape.replay.time_travel", "steps_of", what="replay --step")
        shell.progress.doing("the steps")
        value["steps"] = steps_of(shell.run_path(run), until, step)
    error = None
    if value.get("divergences") and (verify or source is not None):
        error = Divergence(
            f"{value['divergences']} actions differ", location=f"the first: {value.get('first_divergence')}"
        )
    return Answer.of_check(value, error, _text(value, until, source))


def _text(value: dict[str, Any], until: str | None, source: Path | None) -> str:
    from onetape.cli.state_text import brief_lines, divergence_lines, state_text

    apart = ("divergence", "state", "steps")
    said = {name: each for name, each in value.items() if name not in apart}
    if not said.pop("verified"):  # not requested; a false value would look like a failure
        if source is not None:
            said["compared"] = "actions of the edited source with the recorded ones"
        elif until is None or "checkpoints" in value:
            said["compared"] = "actions and state hashes with the recorded ones"
        else:
            del said["divergences"], said["first_divergence"]
            said["compared"] = "nothing: a checkpoint opened the state (--verify compares)"
    if said.pop("broken_off", None):
        said["left out"] = "actions of a hung callback that was aborted, and the rest of that incarnation"
    text = rows(said)
    if "divergence" in value:
        text += "\n\n" + "\n".join(divergence_lines(value["divergence"]))
    if "state" in value:
        text += "\n\n" + state_text(value["state"])
    for each in value.get("steps", []):
        text += "\n" + "\n".join(brief_lines(each))
    return text


def _by_hand(shell: Shell, name: str, until: str) -> Answer:
    from onetape.cli.time_prompt import run_prompt

    run = shell.run_path(name)
    with load("onetape.replay.time_travel", "Traveller", what="replay")(run) as traveller:
        traveller.go(until)
        shell.progress.end()
        if traveller.problem:
            click.echo(shown(str(traveller.problem)), err=True)
        run_prompt(traveller, _line, lambda text: click.echo(shown(text)), shell.progress)
    return Answer({"run": run.name})


def _line() -> str:
    click.echo("> ", nl=False)  # input() would print it to standard error
    return input()
