"""`onetape cancel`: takes working orders off the venue."""

from __future__ import annotations

import click

from onetape.cli.by_hand import ACCOUNT, DRY_RUN, ID, answer, by_hand
from onetape.cli.frame import Answer, Shell, verb


@verb("cancel", example="onetape cancel --symbol binance:BTC/USDT:USDT\nonetape cancel --all")
@click.argument("order", metavar="[ORDER]", default="")
@click.option("--symbol", default="", metavar="S", help="All that work on this symbol.")
@click.option("--all", "everything", is_flag=True, help="All that work.")
@ACCOUNT
@DRY_RUN
@ID
def command(shell: Shell, order: str, symbol: str, everything: bool, account: str, dry_run: bool, id_: str) -> Answer:
    """Cancel an order by its client id or the venue's, robots' orders too.

    What was placed by other hands than onetape's is not touched. Robots go on: to keep them from
    placing again use `flatten`, or `send gateway kill`.
    """
    done = by_hand(shell, id_)
    done.cancel(order, symbol, account, everything=everything, dry_run=dry_run)
    return answer(done, dry_run=dry_run)
