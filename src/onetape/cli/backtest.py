"""`onetape backtest`: a strategy over recorded data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from onetape.cli.arguments import Several, parameters
from onetape.cli.frame import Answer, Shell, load, plain, verb


@verb(
    "backtest",
    example="""
    onetape backtest strategies/cross.py --data market.tape --param fast=20 --cash '100000 USDT'
    onetape backtest mm.py:MarketMaker --data day1.tape day2.tape --latency 10ms --report mm.html
    """,
)
@click.argument("strategy")
@click.option("--data", multiple=True, required=True, metavar="PATH...", help="Tapes or files.")
@click.argument("more_data", nargs=-1, metavar="")
@click.option(
    "--detail-data",
    cls=Several,
    multiple=True,
    metavar="PATH...",
    help="Finer data of the same symbols, for what happens inside bars; the robot never sees it.",
)
@click.option("--symbol", metavar="S", help="Only this instrument.")
@click.option("--param", "params", multiple=True, metavar="k=v", help="Repeat for several.")
@click.option("--from", "start", metavar="T", help="First moment.")
@click.option("--to", "end", metavar="T", help="End, exclusive.")
@click.option(
    "--cash",
    metavar="'N CUR'",
    help="For example '100000 USDT', or 'binance=100000 USDT,kraken=50000 USD': an account each.",
)
@click.option(
    "--fee",
    multiple=True,
    metavar="MAKER,TAKER",
    help="For example 0.0002,0.0005; kraken=0.0016,0.0026 for one venue. [default: catalogue]",
)
@click.option(
    "--fee-volume",
    metavar="N",
    help="Traded in the 30 days before, for fee tiers; kraken=N at one venue.",
)
@click.option("--leverage", type=click.IntRange(min=1), metavar="N")
@click.option("--margin", type=click.Choice(["cross", "isolated"]), default="cross")
@click.option(
    "--latency",
    multiple=True,
    metavar="10ms|in,out|FILE",
    help="To the exchange, and back; kraken=20ms,80ms for one venue, repeated. [default: 5ms]",
)
@click.option(
    "--queue",
    metavar="MODEL",
    help="Who cancels before a resting order: conservative, power:2, log.",
)
@click.option("--fuse", is_flag=True, help="Quotes move the book between messages of depth.")
@click.option(
    "--bar-volume",
    metavar="5%",
    help="What own fills may take of a bar's volume. [default: 50%]",
)
@click.option("--interpret", is_flag=True, help="Run a @compiled strategy as Python.")
@click.option("--hedge", is_flag=True, help="Long and short of one contract side by side.")
@click.option("--borrow", metavar="CUR=RATE,..", help="Spot on loan, at a rate an hour.")
@click.option(
    "--order-rate",
    multiple=True,
    metavar="N/TIME",
    help="Orders a venue takes, as 300/10s; kraken=60/1s for one venue.",
)
@click.option("--trigger-delay", metavar="2ms", help="From trigger to live order.")
@click.option(
    "--closed",
    multiple=True,
    metavar="FROM..TO",
    help="Hours a venue is closed; ,cancel at the end.",
)
@click.option(
    "--trade", metavar="A-B,..", help="Hours of each day to trade in; nothing works outside them."
)
@click.option("--tz", metavar="Z", help="Zone of --trade, as Europe/Moscow. [default: UTC]")
@click.option("--instruments", type=click.Path(path_type=Path), metavar="FILE")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--check-lookahead", is_flag=True, help="Prove that no decision used the future.")
@click.option(
    "--stress/--no-stress",
    default=None,
    help="Re-runs with twice the latency, at the back of the queue and, on bars, at 1, 5 "
    "and 50 % of their volume, for the report "
    "[default: up to 50,000 events].",
)
@click.option("--report", type=click.Path(path_type=Path), metavar="F.html")
@click.option("--out", metavar="RUN", help="The run's name or path [default: dated, under home].")
def command(
    shell: Shell,
    strategy: str,
    data: tuple[str, ...],
    more_data: tuple[str, ...],
    detail_data: tuple[str, ...],
    params: tuple[str, ...],
    **options: Any,
) -> Answer:
    """Run a strategy over recorded data and report.

    STRATEGY is file.py[:Class] or module:Class; PATH is a tape or any file that import reads.
    """
    chosen = parameters(params)
    run_backtest = load("onetape.services.backtest", "run_backtest", what="the backtest")
    build = load("onetape.services.backtest", "BacktestOptions", what="the backtest")
    with shell.progress("backtest") as progress:
        result = run_backtest(
            build(
                strategy=strategy,
                data=[Path(path) for path in (*data, *more_data)],
                detail_data=[Path(path) for path in detail_data],
                params=chosen,
                home=shell.home,
                progress=progress,
                **options,
            )
        )
    value = plain(result)

    def show() -> None:
        from onetape.store.table import print_backtest

        print_backtest(value, getattr(result, "assumptions", ()))

    return Answer(value, show)
