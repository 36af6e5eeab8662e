"""`onetape close`: out of one position."""

from __future__ import annotations

import click

from onetape.cli.by_hand import ACCOUNT, DRY_RUN, ID, answer, by_hand
from onetape.cli.frame import Answer, Shell, verb


@verb("close", example="onetape close binance:BTC/USDT:USDT --subaccount a")
@click.argument("symbol")
@click.option(
    "--subaccount", default="", metavar="NAME", help="All of this sub-account's, also what robots hold that do not run."
)
@ACCOUNT
@DRY_RUN
@ID
def command(shell: Shell, symbol: str, subaccount: str, account: str, dry_run: bool, id_: str) -> Answer:
    """Close a position at the market, with orders that only reduce.

    Without --subaccount what the operator has traded, or found on the account; what robots hold
    stays. A robot's part is closed for it while it does not run, and it finds that when it comes
    back. What works on the symbol for that part is cancelled first.
    """
    done = by_hand(shell, id_)
    done.close(symbol, account, subaccount, dry_run=dry_run)
    return answer(done, dry_run=dry_run)
