"""Provide `onetape compare`: variants side by side."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from onetape.cli.complete import runs
from onetape.cli.frame import Answer, Shell, load, moment, verb
from onetape.cli.listing import aligned, amount
from onetape.model.errors import BadConfig
from onetape.model.time import SECOND

SHOWN = 20


@verb(
    "compare",
    example="""
    onetape compare monday tuesday --tries 40
    onetape compare .onetape/sweeps/cross --report cross.html
    """,
)
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", shell_complete=runs)
@click.option(
    "--tries",
    type=click.IntRange(min=1),
    metavar="N",
    help="Number of all variants that were tried [default: those compared].",
)
@click.option("--report", type=click.Path(path_type=Path), metavar="F.html", help="Write a comparison page.")
def command(shell: Shell, runs: tuple[str, ...], tries: int | None, report: Path | None) -> Answer:
    """Show runs, or the variants of a sweep, side by side, and how much of the best is luck.

    The best of many tries is partly luck: its Sharpe ratio is deflated for their number.
    """
    write = None
    if report is not None:  # checked before any work
        write = load("onetape.report.compare_page", "write_comparison", what="the comparison page")
    opened = [_path(shell, name) for name in runs]
    found = load("onetape.research.comparison", "compare_runs", what="compare")(opened, tries)
    value = found.as_json()
    if write is not None:
        open_run = load("onetape.report.run", "open_run", what="compare")
        shell.progress.doing("the page")
        value["report"] = str(write([open_run(path) for path in _runs(opened)], report))
    return Answer(value, _text(value, {each.name: each.span for each in found.variants}))


def _runs(paths: list[Path]) -> list[Path]:
    """Returns the runs for the page: those named, or those that a sweep has kept."""
    from onetape.report.sweep_results import is_sweep

    found = []
    for path in paths:
        if not is_sweep(path):
            found.append(path)
            continue
        kept = sorted((path / "runs").glob("*/run.toml"), key=lambda each: int(each.parent.name))
        if not kept:
            raise BadConfig(
                f"the sweep {path.name} kept no runs",
                location="--report",
                todo="sweep with --keep-runs, or see the report.html in its folder",
            )
        found += [each.parent for each in kept]
    return found


def _path(shell: Shell, name: str) -> Path:
    """Returns the path of a run or a sweep. name: a path, or a name under the home."""
    path = shell.run_path(name)
    sweep = shell.home / "sweeps" / name
    return sweep if not path.exists() and sweep.exists() else path


def _text(value: dict[str, Any], spans: Mapping[str, tuple[int, int] | None]) -> str:
    from onetape.report.metrics import metric_text, number_text

    names = list(dict.fromkeys(name for run in value["runs"] for name in run["params"]))
    # Parameters equal in all runs are left out.
    names = [name for name in names if len({str(run["params"].get(name)) for run in value["runs"]}) > 1]
    same_data = value["same_data"]
    last = ["deflated"] if same_data else ["from", "to"]
    head = ["", *names, "pnl", "sharpe", "max drawdown", "fills", "above 0", *last]
    table = [head]
    for run in value["runs"][:SHOWN]:
        stats, sharpe = run["stats"], run["annual_sharpe"]
        table.append(
            [
                run["name"],
                *(str(run["params"].get(name, "-")) for name in names),
                amount(stats.get("pnl"), str(stats.get("currency") or "")) or "-",
                number_text(sharpe),
                metric_text("max_drawdown", stats.get("max_drawdown")),
                str(stats.get("fills", "-")),
                _part(run["above_zero"]),
                *([_part(run["deflated_sharpe"])] if same_data else _span(spans.get(run["name"]))),
            ]
        )
    lines = aligned(table, right=range(1, len(head)))
    if len(value["runs"]) > SHOWN:
        lines.append(f"... and {len(value['runs']) - SHOWN} more (--json has them all)")
    period = value["runs"][0]["period"]
    lines += ["", f"Sharpe ratios use returns of {period} for all runs; a run's own page may use a longer period"]
    if not same_data:
        lines.append("the runs have read different data: their figures cannot be compared well")
    lines.append(value["verdict"])
    if value["overfitting"]:
        lines.append(value["overfitting"]["verdict"])
    if "report" in value:
        lines.append(f"report  {value['report']}")
    return "\n".join(lines)


def _span(ends: tuple[int, int] | None) -> list[str]:
    return ["-", "-"] if ends is None else [moment(each // SECOND * SECOND) for each in ends]


def _part(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
