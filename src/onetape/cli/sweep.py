"""Provide `onetape sweep` and `onetape optimize`: many backtests over a parameter grid, all of it or a search."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from onetape.cli.arguments import parameters
from onetape.cli.frame import Answer, Interrupted, Shell, load, verb
from onetape.cli.listing import aligned
from onetape.cli.run_options import F, refused, run_options, strategy_over_data

SHOWN = 10


def _many_runs(function: F) -> F:
    """Adds the arguments of both verbs."""
    for option in reversed(
        (
            strategy_over_data,
            click.option(
                "--param",
                "params",
                multiple=True,
                metavar="k=1,2,3|k=2..50|k=0.1:0.5:0.1",
                help="Values of a parameter: 1,2,3, or from..to, or from:to:step, ends included; repeat for several.",
            ),
            click.option("--metric", help="Metric for ranking [default: sharpe; return for less than a day of data]."),
            click.option(
                "--walk-forward",
                metavar="TRAIN,TEST[,GAP]",
                help="Repeatedly choose parameters on TRAIN, skip GAP, trade TEST.",
            ),
            click.option("--anchored", is_flag=True, help="All train windows begin at the start of the data."),
            click.option("--jobs", type=click.IntRange(min=1), metavar="N", help="Processes [default: cores]."),
            click.option("--backend", default="local", metavar="local|ray|ray://HOST", help="Where variants run."),
            click.option("--resume", is_flag=True, help="Continue the one in --out."),
            click.option(
                "--check-lookahead", is_flag=True, help="Check the best variant and four others for look-ahead."
            ),
            click.option("--check-every", is_flag=True, help="Check every variant for look-ahead."),
            click.option("--keep-runs", is_flag=True, help="Keep each variant's run, under OUT/runs."),
            run_options,
            refused(
                "--stress/--no-stress",
                "variants have no report for a stress test",
                todo="add it to the `onetape backtest` command printed for the best variant",
            ),
            click.option("--out", metavar="DIR", help="Name or path of the results [default: dated, under home]."),
            click.option("--force", is_flag=True, help="Replace an existing sweep of that name."),
            click.option("--report", type=click.Path(path_type=Path), metavar="F.html", help="Write a report page."),
        )
    ):
        function = option(function)
    return function


@verb(
    "sweep",
    example="""
    onetape sweep strategies/cross.py --data market.tape --param fast=5,10,20 --param slow=30:60:10
    onetape sweep cross.py --data year.tape --param fast=5,10 --walk-forward 30d,10d --jobs 8
    """,
)
@_many_runs
def command(shell: Shell, **options: Any) -> Answer:
    """Backtest every combination of parameters, on all cores.

    Results are kept as they finish: a sweep that was stopped or killed is continued by --resume.
    """
    return _run(shell, **options)


@verb(
    "optimize",
    example="""
    onetape optimize strategies/cross.py --data year.tape --param fast=2..50 --param slow=10..200 --trials 500
    onetape optimize cross.py --data year.tape --param fast=2..50 --trials 100 --walk-forward 90d,30d
    """,
)
@_many_runs
@click.option("--trials", type=click.IntRange(min=1), metavar="N", default=100, show_default=True)
@click.option("--sampler", type=click.Choice(["tpe", "random"]), default="tpe", show_default=True)
def optimize(shell: Shell, **options: Any) -> Answer:
    """Search for parameters, choosing each trial by earlier results, on all cores.

    Shows the probability that the best result is luck. A search that was stopped or killed is continued by --resume,
    and extended by more --trials.
    """
    return _run(shell, **options)


def _run(
    shell: Shell,
    strategy: str,
    data: tuple[str, ...],
    more_data: tuple[str, ...],
    params: tuple[str, ...],
    check_lookahead: bool,
    check_every: bool,
    report: Path | None,
    **options: Any,
) -> Answer:
    run_sweep = load("onetape.research.sweep", "run_sweep", what="the sweep")
    build = load("onetape.research.sweep", "SweepOptions", what="the sweep")
    values = load("onetape.engine.grid", "parse_values", what="the sweep")
    grid = {name: values(text) for name, text in parameters(params).items()}
    try:
        result = run_sweep(
            build(
                strategy=strategy,
                data=[Path(path) for path in (*data, *more_data)],
                params=grid,
                home=shell.home,
                progress=shell.progress.of("variants"),
                doing=shell.progress.doing,
                say=shell.say,
                check_lookahead="all" if check_every else check_lookahead,
                **options,
            )
        )
    except KeyboardInterrupt as stop:
        raise Interrupted(
            "stopped before it was done", location=str(stop), todo="continue with the same command, --out and --resume"
        ) from None
    if report is not None:
        shell.progress.doing("the page")
        result.sweep.report(report)
    value = result.as_json()
    error = load("onetape.research.sweep", "divergence_of", what="the sweep")(result)
    if error is not None:
        return Answer({**value, **error.as_json()}, _text(result), error.exit_code, error)
    return Answer(value, _text(result))


def _text(result: Any) -> str:
    """Returns the windows of a walk-forward, or the best variants, as a table."""
    sweep, value = result.sweep, result.as_json()
    head, table, tail = (_windows if "walk_forward" in value else _best)(sweep, value)
    lines = [f"{value['done']} variants of {sweep.name}, {value['failed']} failed; {sweep.path}"]
    lines += aligned([head, *table], right=range(len(head)))
    if (checked := value.get("lookahead")) is not None:
        tail += (
            f"\nlook-ahead: {len(checked['checked'])} of {checked['of']} variants checked "
            f"({checked['how']}), {checked['decisions']:,} decisions, "
            f"{len(checked['differing'])} differing"
        )
    judged = sweep.overfit
    if judged is not None and judged.tries > 1:
        tail += f"\n{judged.verdict}"
    return "\n".join([*lines, tail, f"page: {sweep.path / 'report.html'}"])


def _windows(sweep: Any, value: dict[str, Any]) -> tuple[list[str], list[list[str]], str]:
    """Returns head, rows and the sentence below them."""
    from onetape.report.metrics import metric_text, number_text

    walk, names = value["walk_forward"], list(sweep.grid.axes)
    table = [
        [
            str(w["window"]),
            *(str((w["params"] or {}).get(name, "-")) for name in names),
            *(metric_text(sweep.metric, w[key]) for key in ("in_sample", "out_of_sample")),
            *(number_text(w[key]) for key in ("ratio", "pnl")),
        ]
        for w in walk["windows"]
    ]
    stats = walk["stats"]
    tail = (
        f"out of sample: pnl {number_text(stats['pnl'])}, "
        f"sharpe {number_text(stats['sharpe'])}, max drawdown "
        f"{metric_text('max_drawdown', stats['max_drawdown'])}; "
        f"out over in, middle window: {number_text(walk['efficiency'])}"
    )
    return ["window", *names, "in sample", "out of sample", "ratio", "pnl"], table, tail


def _best(sweep: Any, value: dict[str, Any]) -> tuple[list[str], list[list[str]], str]:
    """Returns head, rows and the sentence below them."""
    from onetape.report.metrics import metric_text
    from onetape.report.sweep_results import LESS_IS_BETTER, metric_of, no_value

    metric, names = sweep.metric, list(sweep.grid.axes)
    sign = 1 if metric in LESS_IS_BETTER else -1
    found = [(metric_of(row, metric), row) for row in sweep.rows]
    order = sorted(found, key=lambda each: (each[0] is None, sign * (each[0] or 0.0)))[:SHOWN]
    others = [n for n in ("pnl", "sharpe", "max_drawdown", "fills") if n != metric]
    table = [
        [
            str(row["variant"]),
            *(str(row["params"][name]) for name in names),
            *(metric_text(name, metric_of(row, name)) for name in (metric, *others)),
        ]
        if row["error"] is None
        else [str(row["variant"]), *(str(row["params"][n]) for n in names), row["error"][:60]]
        for _, row in order
    ]
    best = value["best"]
    tail = f"the best again: {best['command']}" if best else no_value(metric, sweep.rows)
    return ["variant", *names, metric, *others], table, tail
