"""Provide `onetape bench`: performance figures of this machine, by the programs of the bench folder."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click

from onetape.cli.frame import Answer, Shell, verb
from onetape.model.errors import NotAvailable, UsageError

UNKNOWN: Final = 2  # exit code of bench/run.py for an unknown figure
_CLONE: Final = Path(__file__).resolve().parents[3] / "bench"
PROGRAMS: Final = _CLONE if _CLONE.is_dir() else Path(__file__).resolve().parents[1] / "bench"
BAR: Final = 40  # characters of the longest bar of a histogram
LIVE: Final = "live"


@verb("bench", example="onetape bench live --orders 1000")
@click.argument("names", nargs=-1, metavar="[live|NAME]...")
@click.option("--runs", type=click.IntRange(min=1), help="Measurements of each figure.  [default: 3]")
@click.option("--orders", type=click.IntRange(min=100, max=100_000), help="live: number of orders.  [default: 2000]")
@click.option(
    "--processes", type=click.Choice(["1", "3"]), help="live: 1, or 3 for separate gateway and robot.  [default: 1]"
)
@click.option("--spin", is_flag=True, help="live: busy-poll, never sleep; uses a whole CPU core.")
@click.option("--compiled", is_flag=True, help="live: use a compiled strategy.")
def command(
    shell: Shell,
    names: tuple[str, ...],
    runs: int | None,
    orders: int | None,
    processes: str | None,
    spin: bool,
    compiled: bool,
) -> Answer:
    """Measure figures, several times each; without a name those of the first page, some minutes.

    live: the latency of an order here, beside a bare client.
    """
    of_live = {"--orders": orders, "--processes": processes, "--spin": spin or None, "--compiled": compiled or None}
    chosen = [name for name, value in of_live.items() if value is not None]
    if LIVE not in names:
        if chosen:
            raise UsageError(f"{chosen[0]} belongs to `bench live`", location="bench", todo="write: onetape bench live")
        value, code = _measured(shell, "run.py", ["--runs", str(runs or 3), "--json", "--headlines", *names], names)
        return Answer(value, value["table"], code)
    if len(names) > 1 or runs is not None:
        what = "--runs" if runs is not None else names[names.index(LIVE) - 1]
        raise UsageError(f"{what} cannot be combined with `bench live`", location="bench", todo="run it alone")
    if spin and processes == "3":
        raise UsageError("only a single process can spin", location="--spin", todo="remove --processes")
    inputs = ["--orders", str(orders or 2000), "--processes", processes or "1"]
    inputs += [name for name, is_set in (("--spin", spin), ("--compiled", compiled)) if is_set]
    value, code = _measured(shell, "live.py", inputs, names)
    return Answer(value, live_text(value["figures"]), code)


def _measured(shell: Shell, script: str, inputs: list[str], names: Sequence[str]) -> tuple[dict[str, Any], int]:
    """Run a measuring program; returns its output and the exit code for this command."""
    path = PROGRAMS / script
    shell.progress.end()  # the programs report their own progress
    call = [sys.executable, str(path), *inputs]
    done = subprocess.run(call, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603 - ours
    if done.returncode == UNKNOWN:
        raise UsageError(f"no such figure: {', '.join(names)}", location="bench", todo="choose one of the list above")
    try:
        return json.loads(done.stdout), 0 if done.returncode == 0 else 1
    except ValueError as error:
        raise NotAvailable("the program that measures failed", location=str(path)) from error


def live_text(figures: Sequence[Mapping[str, Any]]) -> str:
    """Renders the figures of `bench live` as a table, and a histogram of each."""
    head = ("us", "p50", "p99", "p99.9", "beside it", "p50", "p99", "ratio")
    rows = [
        (
            row["name"],
            *(f"{row[name]:.1f}" for name in ("p50", "p99", "p999")),
            row["against"]["name"],
            *(f"{row['against'][name]:.1f}" for name in ("p50", "p99")),
            f"{row['ratio']:.1f}",
        )
        for row in figures
    ]
    widths = [max(len(row[at]) for row in (head, *rows)) for at in range(len(head))]
    lines = [
        "  ".join(cell.ljust(width) if at in (0, 4) else cell.rjust(width) for at, (cell, width) in enumerate(cells))
        for cells in (list(zip(row, widths, strict=True)) for row in (head, *rows))
    ]
    for row in figures:
        most = max(count for _, count in row["histogram"])
        lines += ["", f"{row['name']}, {row['count']} orders, us"]
        for below, count in row["histogram"]:
            bar = "#" * -(-count * BAR // most)
            lines.append(f"{'more' if below is None else f'< {below:g}':>9}  {bar}{f' {count}' if count else ''}")
    return "\n".join(lines)
