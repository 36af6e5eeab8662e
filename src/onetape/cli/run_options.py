"""Provide what the verbs that run a strategy share: the flags of runs/options.py, and their answer.

A flag is defined here once for `backtest`, `sweep` and `run`. A flag that a verb cannot support is refused there with
a reason (`refused`), never ignored.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from onetape.cli.arguments import Several
from onetape.cli.complete import files
from onetape.cli.frame import Answer, plain
from onetape.cli.reading_options import reading_options
from onetape.engine.by_venue import by_venue_text
from onetape.model.errors import OrderOutcomeUnknown, UsageError

F = TypeVar("F", bound=Callable[..., Any])


def _by_venue(context: click.Context, parameter: click.Parameter, chosen: tuple[str, ...]) -> str | None:
    return by_venue_text(chosen)


_OPTIONS = (
    click.option(
        "--detail-data",
        cls=Several,
        multiple=True,
        metavar="PATH...",
        help="Finer data of the same symbols, to decide fills inside bars; hidden from the robot.",
    ),
    click.option("--symbol", metavar="S", help="Use only this instrument of the data."),
    click.option("--from", "--start", "start", metavar="T", help="Start, inclusive."),
    click.option("--to", "--end", "end", metavar="T", help="End, exclusive."),
    click.option(
        "--cash",
        metavar="'N CUR'",
        help="Starting cash: '100000 USDT', or one account per venue: 'binance=100000 USDT,kraken=50000 USD'.",
    ),
    click.option(
        "--fee",
        multiple=True,
        callback=_by_venue,
        metavar="MAKER,TAKER",
        help="Fees as shares of notional: 0.0002,0.0005; kraken=0.0016,0.0026 for one venue [default: catalogue].",
    ),
    click.option(
        "--fee-volume",
        metavar="N",
        help="Volume of the 30 days before the start, for fee tiers; kraken=N for one venue.",
    ),
    click.option("--leverage", type=click.IntRange(min=1), metavar="N"),
    click.option("--margin", type=click.Choice(["cross", "isolated"]), default="cross"),
    click.option(
        "--latency",
        multiple=True,
        callback=_by_venue,
        metavar="10ms|in,out|FILE",
        help="Latency to the exchange and back; kraken=20ms,80ms for one venue; repeat for several. [default: 5ms]",
    ),
    click.option(
        "--queue",
        metavar="MODEL|FILE",
        help="Queue model of resting orders: conservative, power:2, log, or a file of `journal queue`; "
        "fifo: exact, needs the venue's single orders in the data [default: fifo if possible, else conservative].",
    ),
    click.option("--fuse", is_flag=True, help="Quotes update the book between depth messages."),
    click.option("--filter", is_flag=True, help="Hide bad ticks; the run's journal lists each."),
    click.option("--bar-volume", metavar="5%", help="Largest share of a bar's volume for own fills. [default: 50%]"),
    click.option(
        "--limit-fills",
        metavar="open|at-limit",
        help="Fill price of a resting limit order when a bar opens beyond it: the open, or its limit. [default: open]",
    ),
    click.option(
        "--impact",
        metavar="sqrt|K=V,..|FILE",
        help="Impact of own taker orders on the market, by the square-root law: coefficient=1,halflife=30m,"
        "permanent=0,window=1h, or a file of `journal impact`. [default: off]",
    ),
    click.option("--interpret", is_flag=True, help="Run a @compiled strategy as Python."),
    click.option("--hedge", is_flag=True, help="Hedge mode: long and short positions of one contract."),
    click.option("--borrow", metavar="CUR=RATE,..", help="Allow spot loans; interest rate per hour, by currency."),
    click.option(
        "--order-rate",
        multiple=True,
        callback=_by_venue,
        metavar="N/TIME",
        help="Order rate limit of venues: 300/10s; kraken=60/1s for one venue.",
    ),
    click.option("--trigger-delay", metavar="2ms", help="Delay from a trigger to the live order."),
    click.option(
        "--closed",
        multiple=True,
        metavar="FROM..TO",
        help="Time when a venue is closed; append ,cancel to cancel resting orders.",
    ),
    click.option(
        "--trade",
        metavar="A-B,..",
        help="Trading hours (Mon-Fri 9:30-16:00), or an exchange's calendar (XNYS); outside them no order works.",
    ),
    click.option("--tz", metavar="Z", help="Time zone of --trade, such as Europe/Moscow. [default: UTC]"),
    click.option(
        "--year",
        type=click.Choice(["365", "252", "sessions"]),
        default="365",
        show_default=True,
        help="Year of annual figures: 365 days, 252 (Monday to Friday), or the sessions of --trade.",
    ),
    click.option(
        "--riskless", metavar="0.03", help="Riskless rate per year in Sharpe, Sortino and alpha. [default: 0]"
    ),
    click.option("--instruments", type=click.Path(path_type=Path), metavar="FILE"),
    click.option("--seed", type=int, default=1, show_default=True),
    click.option(
        "--on-error",
        type=click.Choice(["halt", "flatten", "continue"]),
        default="halt",
        show_default=True,
        help="Reaction to an exception of the strategy.",
    ),
)


def strategy_over_data(function: F) -> F:
    """Adds STRATEGY, `--data PATH...` and options for reading its files of rows."""
    strategy = click.argument("strategy", shell_complete=files)
    data = click.option(
        "--data", multiple=True, required=True, metavar="PATH...", help="Tapes or files.", shell_complete=files
    )
    # Further paths after the first PATH.
    more = click.argument("more_data", nargs=-1, metavar="", shell_complete=files)
    return strategy(data(more(reading_options(function))))


def run_options(function: F) -> F:
    """Adds the flags of _OPTIONS, in that order."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def refused(flags: str, why: str, *, todo: str) -> Callable[[F], F]:
    """Adds a hidden flag of another verb (as `--stress/--no-stress`) that this one cannot support, and refuses it."""

    def refuse(context: click.Context, parameter: click.Parameter, chosen: bool | None) -> None:
        if chosen:
            raise UsageError(why, location=f"onetape {context.info_name} {flags}", todo=todo)

    return click.option(flags, is_flag=True, default=None, hidden=True, expose_value=False, callback=refuse)


def answer_of_run(result: Any) -> Answer:
    """Returns a run as JSON, and for a reader as the table with its assumptions."""
    value = plain(result)

    def show() -> None:
        from onetape.report.result_table import print_backtest

        print_backtest(value, getattr(result, "assumptions", ()))

    if getattr(result, "working", ()):
        from onetape.robot.live import working_text

        words = working_text(result.working)
        error = OrderOutcomeUnknown(words, todo="onetape up, then onetape cancel --all; or cancel at the venue")
        return Answer({**value, **error.as_json()}, show, error.exit_code, error)
    return Answer(value, show)
