"""Provide `onetape analyze`: a run as tables."""

from __future__ import annotations

from pathlib import Path

import click

from onetape.cli.complete import runs
from onetape.cli.frame import Answer, Shell, load, moment, rows, verb
from onetape.model.errors import BadConfig, BadInput


@verb(
    "analyze",
    example="""
    onetape analyze monday --db sqlite:///runs.db
    onetape analyze monday tuesday --db sqlite:///runs.db
    """,
)
@click.argument("runs", nargs=-1, required=True, metavar="RUN [RUN]", shell_complete=runs)
@click.option(
    "--db",
    default="",
    metavar="URL",
    help="sqlite:///FILE, postgresql://USER@HOST/NAME "
    "or mariadb://USER@HOST/NAME; or env:NAME or file:PATH, which has it.",
)
@click.option(
    "--parquet",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write the tables as Parquet files into a new folder.",
)
@click.option("--follow", is_flag=True, help="Keep the tables current until the run has ended.")
@click.option("--states/--no-states", default=True, help="The robot's state after each step, by running the run again.")
@click.option("--prefix", default="", help="Prefix of all table names.")
def command(
    shell: Shell, runs: tuple[str, ...], db: str, parquet: Path | None, follow: bool, states: bool, prefix: str
) -> Answer:
    """Project a run into SQL or Parquet: runs, events, decisions, orders, fills, states.

    RUN is a path or a name under HOME/runs. A repeated export replaces the rows of this run; nothing
    else in the database is touched. Two runs are then compared, decision by decision and fill by fill.
    """
    if len(runs) > 1:
        return _pair(shell, runs, db, prefix, states=states, alone=follow or parquet is not None)
    analyze = load("onetape.replay.analyze", "analyze_run", what="analyze")
    found = analyze(
        shell.run_path(runs[0], BadInput),
        db=db,
        prefix=prefix,
        parquet=parquet,
        states=states,
        follow=follow,
        progress=shell.progress.of("rows"),
    )
    return Answer(found, rows(found))


def _pair(shell: Shell, runs: tuple[str, ...], db: str, prefix: str, *, states: bool, alone: bool) -> Answer:
    if len(runs) > 2 or alone:
        raise BadConfig(
            "two runs are compared, in a database",
            location="analyze",
            todo="name two runs and --db, without --follow and --parquet",
        )
    analyze = load("onetape.replay.analyze", "analyze_pair", what="analyze")
    found = analyze(*map(shell.run_path, runs), db=db, prefix=prefix, states=states, progress=shell.progress.of("rows"))
    lines = [rows(each) for each in found["runs"]]
    for what, each in found["compared"].items():
        lines.append(f"{what}s: {each['equal']:,} of {each['compared']:,} equal")
        if first := each["first"]:
            sides = [_side(first, of) for of in ("a", "b")]
            lines.append(f"  the first difference: {first['symbol']} {first['n']}: {sides[0]}, but {sides[1]}")
    return Answer(found, "\n\n".join(lines[:2]) + "\n\n" + "\n".join(lines[2:]))


def _side(first: dict[str, object], of: str) -> str:
    ts = first[f"ts_{of}"]
    if not isinstance(ts, int):
        return "nothing"
    words = [first[f"{name}_{of}"] for name in ("kind", "side", "qty")]
    price = first[f"price_{of}"]
    at = "" if price is None else f" at {price}"
    return f"{' '.join(map(str, words))}{at} ({moment(ts)})"
