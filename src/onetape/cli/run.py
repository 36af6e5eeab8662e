"""Provide `onetape run`: one robot in the foreground."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from onetape.cli.arguments import parameters
from onetape.cli.complete import files
from onetape.cli.frame import Answer, Shell, load, verb
from onetape.cli.run_options import answer_of_run, refused, run_options
from onetape.model.errors import NotAvailable, UsageError


@verb(
    "run",
    example="""
    onetape run strategies/market_maker.py --paper
    onetape run strategies/cross.py --paper --data market.tape --speed 60
    onetape run strategies/cross.py --live --exchange http://127.0.0.1:9001
    """,
)
@click.argument("strategy", shell_complete=files)
@click.option("--paper", is_flag=True, help="Trade on paper, in the simulated market or on --data at --speed.")
@click.option("--live", is_flag=True, help="Trade at the venue of the configuration.")
@click.option("--exchange", metavar="URL", help="--live: REST address of a running `onetape sim` to trade at.")
@click.option(
    "--account",
    "accounts",
    multiple=True,
    help="--live: account of the configuration or of --exchange; repeat for several.",
)
@click.option("--subaccount", default="main", help="--live: sub-account whose money is traded.")
@click.option("--single", is_flag=True, help="--live: gateway and robot in one process.")
@click.option("--spin", is_flag=True, help="--single: busy-poll, never sleep; uses a whole CPU core.")
@click.option("--data", metavar="TAPE", help="--paper: tape to play.", shell_complete=files)
@click.option("--speed", type=click.FloatRange(min=0, min_open=True), default=1.0, metavar="X")
@click.option(
    "--param", "params", multiple=True, metavar="k=v", help="A parameter of the strategy; repeat for several."
)
@run_options
@refused(
    "--check-lookahead",
    "a running market has no future to look into",
    todo="run `onetape backtest --check-lookahead` on the tape",
)
@refused("--stress/--no-stress", "a paper run is not repeated", todo="run `onetape backtest --stress` on the tape")
@click.option("--seconds", type=click.FloatRange(min=0), help="Stop after this long.")
@click.option("--report", type=click.Path(path_type=Path), metavar="F.html")
@click.option("--out", metavar="RUN", help="The run's name or path [default: dated, under home].")
def command(
    shell: Shell,
    paper: bool,
    live: bool,
    exchange: str | None,
    accounts: tuple[str, ...],
    subaccount: str,
    single: bool,
    spin: bool,
    **options: Any,
) -> Answer:
    """Run one strategy in the foreground until the data ends or Ctrl-C.

    STRATEGY is file.py[:Class] or module:Class.
    """
    began = time.perf_counter()
    if paper == live:
        raise UsageError("choose one of --paper and --live", location="onetape run")
    chosen = parameters(options.pop("params"))
    if spin and not single:
        raise UsageError("only a single process can spin", location="--spin", todo="give --single")
    if live:
        own = {"single": single, "spin": spin, "subaccount": subaccount}
        return _answer(_live(shell, exchange, accounts, chosen, {**options, **own}), began)
    if exchange is not None:
        raise UsageError("a paper run has its own exchange", location="--exchange", todo="give --live")
    if single:
        raise UsageError("only a live run has a gateway", location="--single", todo="give --live")
    if subaccount != "main":
        raise UsageError("only a live run has sub-accounts", location="--subaccount", todo="give --live")
    run_paper = load("onetape.robot.paper", "run_paper", what="paper trading")
    build = load("onetape.robot.paper", "PaperOptions", what="paper trading")
    progress = shell.progress.of("events")
    doing = progress.doing
    result = run_paper(build(params=chosen, home=shell.home, progress=progress, doing=doing, **options))
    return _answer(result, began)


def _answer(result: Any, began: float) -> Answer:
    """Returns the answer. began: seconds of time.perf_counter."""
    result.wall_seconds = time.perf_counter() - began
    return answer_of_run(result)


def _live(
    shell: Shell, exchange: str | None, accounts: tuple[str, ...], chosen: dict[str, Any], options: dict[str, Any]
) -> Any:
    """Run it at a venue, and return its result."""
    account = accounts[0] if len(accounts) == 1 else ""
    if exchange is not None and len(accounts) > 1:
        raise NotAvailable(
            "several accounts of --exchange", location="--account", todo="write a configuration with [accounts.NAME]"
        )
    if options.pop("data", None):
        raise UsageError("--data is a recorded market", location="--live", todo="use --paper")
    del options["speed"]  # speed of a recorded market
    way = ("onetape.supervisor.live_single", "run_single") if options["single"] else ("onetape.robot.live", "run_live")
    run_live = load(*way, what="trading live")
    build = load("onetape.robot.live", "LiveOptions", what="trading live")
    config, path = shell.config, shell.config_path
    shut_in = load("onetape.preflight.configured", "shut_in", what="trading live")
    with shut_in(config) as environ:
        if exchange is not None:
            found = load("onetape.robot.local_exchange", "on_exchange", what="trading live")
            config, account, environ = found(
                exchange, account=account, hedge=options["hedge"], home=shell.home, environ=environ
            )
        return run_live(
            build(
                data=(),
                params=chosen,
                home=shell.home,
                progress=shell.progress.of("events"),
                doing=shell.progress.doing,
                config=config,
                folder=path.parent if path else Path(),
                account=account,
                accounts=accounts if len(accounts) > 1 else (),
                environ=environ,
                **options,
            )
        )
