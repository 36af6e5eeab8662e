"""Provide `onetape chaos`: whole systems in virtual time under faults that a seed decides."""

from __future__ import annotations

from typing import Any

import click

from onetape.cli.frame import Answer, Shell, verb
from onetape.model.errors import InvariantViolation, UsageError

SEEDS, HOURS, MINUTES = 20, 0.5, 2.0
SHOWN = 10


@verb(
    "chaos",
    example="""
    onetape chaos --seeds 100 --hours 1
    onetape chaos --seed 4711 --trace
    onetape chaos --real --minutes 10
    """,
)
@click.option("--seeds", type=click.IntRange(min=1), help=f"Number of seeds.  [default: {SEEDS}, with --seed 1]")
@click.option(
    "--hours",
    type=click.FloatRange(min=0, min_open=True),
    help=f"Simulated hours of all seeds together.  [default: {HOURS / SEEDS:g} a seed]",
)
@click.option("--seed", type=click.IntRange(min=0), help="The first seed; without it one that is drawn.")
@click.option("--world", help="One kind of world instead of those that seeds draw: System, Operations, World, ...")
@click.option("--venue", help="One exchange for worlds of one account, such as kraken.")
@click.option("--workers", type=click.IntRange(min=1), help="Processes.  [default: the processors of the machine]")
@click.option("--trace", is_flag=True, help="Keep the tapes of one seed and say how to open them.")
@click.option("--real", is_flag=True, help="Real processes, killed and frozen, at exchanges behind a bad network.")
@click.option(
    "--minutes", type=click.FloatRange(min=0, min_open=True), help=f"--real: how long.  [default: {MINUTES:g}]"
)
def command(shell: Shell, **options: Any) -> Answer:
    """Play whole systems in virtual time under a bad network, crashes and an operator's changes.

    Half of all seeds are whole systems (gateways, guardians, hubs, robots, the desk and the recorder at three
    simulated exchanges) or operations of the desk, the others accounts of one kind; each is played in one process
    under one clock. After every event and at the end everything that must hold is checked. A failure names its seed,
    the first thing that did not hold and the command that repeats it. Exit 4 if a seed failed.
    """
    own = {name for name, value in options.items() if value not in (None, False)}
    of_others = own - {"real", "seed", "minutes"}
    if options["real"]:
        if of_others:
            wrong = f"--{min(of_others)}"
            raise UsageError(f"{wrong} does not go with --real", location=wrong, todo="use --seed and --minutes")
        return _real(shell, options["seed"], options["minutes"] or MINUTES)
    if options["minutes"] is not None:
        raise UsageError("--minutes is for --real", location="--minutes", todo="add --real, or say --hours")
    return _simulated(shell, options)


def _simulated(shell: Shell, options: dict[str, Any]) -> Answer:
    from onetape.simulation import campaign

    seeds, seed, trace = options["seeds"], options["seed"], options["trace"]
    if trace and (seed is None or seeds not in (None, 1)):
        raise UsageError("--trace is for one seed", location="--trace", todo="name it with --seed")
    count = seeds or (1 if seed is not None else SEEDS)
    seconds = 3600 * (options["hours"] or HOURS / SEEDS * count) / count
    first = campaign.drawn_first() if seed is None else seed
    chosen = list(campaign.seeds_from(first, count, seconds, options["world"] or "", options["venue"] or ""))
    if trace:
        value = campaign.traced(chosen[0], shell.home / "chaos" / str(first))
    else:
        shell.progress.of("seeds")
        done = 0

        def heard(played: Any) -> None:
            nonlocal done
            done += 1
            shell.progress(done, count)
            if played.failure:  # at once: a long campaign may be stopped before its end
                shell.say(f"seed {played.seed.number} failed: {played.seed.command}")

        value = campaign.play_all(chosen, options["workers"] or 0, heard).as_json()
    return _answer(value, _text(value))


def _real(shell: Shell, seed: int | None, minutes: float) -> Answer:
    from onetape.simulation.campaign import drawn_first
    from onetape.simulation.real import play_real

    shell.progress.doing("real processes")
    value = play_real(drawn_first() if seed is None else seed, minutes, lambda done: shell.progress(done, 1))
    lines = [
        f"{value['kills']} kills, {value['fills']} fills in {60 * value['hours']:.1f} minutes",
        "faults: " + ", ".join(f"{row} {count}" for row, count in value["faults"].items() if count),
        *(f"NOT AVAILABLE: {what} ({why})" for what, why in value["left_out"].items()),
        *_failures(value),
    ]
    return _answer(value, "\n".join(lines))


def _answer(value: dict[str, Any], text: str) -> Answer:
    error = None
    if failures := value["failures"]:
        words = f"{len(failures)} of {value['seeds']} seeds failed: {failures[0]['invariant']}".splitlines()[0]
        error = InvariantViolation(words, location=f"seed {failures[0]['seed']}", todo=failures[0]["replay"])
    return Answer(value, text, 4 if failures else 0, error)


def _failures(value: dict[str, Any]) -> list[str]:
    lines = []
    for failure in value["failures"][:SHOWN]:
        lines += [f"seed {failure['seed']} FAILED: {failure['invariant']}", f"    {failure['replay']}"]
    return lines or ["everything held"]


def _text(value: dict[str, Any]) -> str:
    met = sum(count > 0 for count in value["faults"].values())
    lines = [
        f"{value['seeds']} seeds, {value['hours']:g} simulated hours at {value['speed']:g} times real time a core",
        f"{met} of {len(value['faults'])} faults met: "
        + ", ".join(f"{row} {count}" for row, count in value["faults"].items() if count),
    ]
    lines += _failures(value)
    for name, path in value.get("tapes", {}).items():
        lines.append(f"{name}: {path}")
    lines += value.get("open", [])
    return "\n".join(lines)
