"""`onetape leverage`: how many times its margin a position may be worth at the venue."""

from __future__ import annotations

import click

from onetape.cli.by_hand import ACCOUNT, ID, by_hand
from onetape.cli.frame import Answer, Shell, verb


@verb("leverage", example="onetape leverage binance:BTC/USDT:USDT 5")
@click.argument("symbol")
@click.argument("times", type=click.IntRange(min=1), metavar="N")
@ACCOUNT
@ID
def command(shell: Shell, symbol: str, times: int, account: str, id_: str) -> Answer:
    """Set the leverage of a contract at the venue, for what is held and for what comes.

    It is of the whole account, whoever trades there; `leverage` of the configuration, at which orders of sub-accounts
    are reckoned, stays as it is.
    """
    done = by_hand(shell, id_)
    done.leverage(symbol, times, account)
    value = done.value
    return Answer.of_check(value, done.error, f"{value['status']}  {value['id']}  {symbol} {times}x")
