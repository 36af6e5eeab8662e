"""`onetape run`: one robot in the foreground."""

from __future__ import annotations

from pathlib import Path

import click

from onetape.cli.arguments import parameters
from onetape.cli.frame import Answer, Shell, load, plain, verb
from onetape.model.errors import NotAvailable, UsageError


@verb(
    "run",
    example="""
    onetape run strategies/market_maker.py --paper
    onetape run strategies/cross.py --paper --data market.tape --speed 60
    """,
)
@click.argument("strategy")
@click.option("--paper", is_flag=True, help="Against the simulated market, or --data at --speed.")
@click.option("--live", is_flag=True, help="Against a venue (a later release).")
@click.option("--data", type=click.Path(path_type=Path), metavar="TAPE", help="Play this tape.")
@click.option("--speed", type=click.FloatRange(min=0, min_open=True), default=1.0, metavar="X")
@click.option("--symbol", metavar="S")
@click.option("--param", "params", multiple=True, metavar="k=v", help="Repeat for several.")
@click.option("--cash", metavar="'N CUR'", help="Or 'binance=N CUR,kraken=N CUR': one each.")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--seconds", type=click.FloatRange(min=0), help="Stop after this long.")
@click.option("--out", metavar="RUN", help="The run's name or path.")
def command(
    shell: Shell,
    strategy: str,
    paper: bool,
    live: bool,
    data: Path | None,
    speed: float,
    symbol: str | None,
    params: tuple[str, ...],
    cash: str | None,
    seed: int,
    seconds: float | None,
    out: str | None,
) -> Answer:
    """Run one strategy in the foreground until the data ends or Ctrl-C.

    STRATEGY is file.py[:Class] or module:Class.
    """
    if paper == live:
        raise UsageError("choose one of --paper and --live", where="onetape run")
    if live:
        raise NotAvailable(
            "trading live is not part of this release",
            todo="use --paper; docs/roadmap.md says when",
        )
    chosen = parameters(params)
    run_paper = load("onetape.services.paper", "run_paper", what="paper trading")
    with shell.progress("paper") as progress:
        result = run_paper(
            strategy,
            data=data,
            speed=speed,
            symbol=symbol,
            params=chosen,
            cash=cash,
            seed=seed,
            seconds=seconds,
            out=out,
            home=shell.home,
            progress=progress,
        )
    value = plain(result)

    def show() -> None:
        from onetape.store.table import print_backtest

        print_backtest(value, getattr(result, "assumptions", ()))

    return Answer(value, show)
