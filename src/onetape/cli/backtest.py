"""Provide `onetape backtest`: a strategy over recorded data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from onetape.cli.arguments import parameters
from onetape.cli.frame import Answer, Shell, load, verb
from onetape.cli.run_options import answer_of_run, run_options, strategy_over_data


@verb(
    "backtest",
    example="""
    onetape backtest strategies/cross.py --data market.tape --param fast=20 --cash '100000 USDT'
    onetape backtest mm.py:MarketMaker --data day1.tape day2.tape --latency 10ms --report mm.html
    """,
)
@strategy_over_data
@click.option(
    "--param", "params", multiple=True, metavar="k=v", help="A parameter of the strategy; repeat for several."
)
@run_options
@click.option(
    "--check-lookahead",
    is_flag=True,
    help="Repeat the run on tapes that end early: decisions must be the same, and no callback may read files, "
    "sockets or clocks.",
)
@click.option(
    "--stress/--no-stress",
    default=None,
    help="Re-runs with twice the latency, at the back of the queue and, on bars, at 1, 5 "
    "and 50 % of their volume, for the report "
    "[default: up to 50,000 events].",
)
@click.option(
    "--latency-draws",
    type=click.IntRange(0, 1000),
    default=0,
    metavar="N",
    help="Re-runs with random latencies, half to twice the run's: percentiles 5, 50 and 95 of their profit.",
)
@click.option("--report", type=click.Path(path_type=Path), metavar="F.html")
@click.option("--out", metavar="RUN", help="The run's name or path [default: dated, under home].")
@click.option("--force", is_flag=True, help="Replace an existing run of that name.")
def command(
    shell: Shell,
    strategy: str,
    data: tuple[str, ...],
    more_data: tuple[str, ...],
    params: tuple[str, ...],
    **options: Any,
) -> Answer:
    """Run a strategy over recorded data and report.

    STRATEGY is file.py[:Class] or module:Class; PATH is a tape or any file that `import` reads.
    """
    chosen = parameters(params)
    run_backtest = load("onetape.research.backtest", "run_backtest", what="the backtest")
    build = load("onetape.research.backtest", "BacktestOptions", what="the backtest")
    result = run_backtest(
        build(
            strategy=strategy,
            data=[Path(path) for path in (*data, *more_data)],
            params=chosen,
            home=shell.home,
            progress=shell.progress.of("events"),
            doing=shell.progress.doing,
            say=shell.say,
            **options,
        )
    )
    return answer_of_run(result)
