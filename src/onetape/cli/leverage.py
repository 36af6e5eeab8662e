"""`onetape leverage`: how many times its margin a position may be worth at the venue."""

from __future__ import annotations

import click

from onetape.cli.by_hand import ACCOUNT, ID, by_hand
from onetape.cli.frame import Answer, Shell, moment, verb
from onetape.cli.listing import listing

COLUMNS = ("ts", "leverage", "state", "actor", "reason")


@verb("leverage", example="onetape leverage binance:BTC/USDT:USDT 5")
@click.argument("symbol")
@click.argument("times", type=click.IntRange(min=1), metavar="[N]", required=False)
@ACCOUNT
@ID
def command(shell: Shell, symbol: str, times: int | None, account: str, id_: str) -> Answer:
    """Set the leverage of a contract at the venue, for what is held and for what comes; without N show what was set.

    It is of the whole account, whoever trades there; `leverage` of the configuration, at which orders of sub-accounts
    are reckoned, stays as it is. What is shown is from the gateway's tape: each change, when, by whom, and what the
    venue said. Changes from before the tape was pruned are not shown.
    """
    done = by_hand(shell, id_)
    if times is None:
        found = done.leverages(symbol, account)
        since = " since its tape was pruned, and earlier changes are not there" if found["pruned"] else ""
        nothing = f"the leverage of {symbol} was not set here{since}"
        shown = [{**row, "ts": moment(row["ts"])} for row in found["changes"]]
        return Answer(found, listing(shown, COLUMNS, nothing=nothing))
    done.leverage(symbol, times, account)
    value = done.value
    return Answer.of_check(value, done.error, f"{value['status']}  {value['id']}  {symbol} {times}x")
