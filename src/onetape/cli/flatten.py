"""`onetape flatten`: out of everything."""

from __future__ import annotations

import click

from onetape.cli.by_hand import ACCOUNT, DRY_RUN, ID, answer, by_hand
from onetape.cli.frame import Answer, Shell, verb


@verb("flatten", example="onetape flatten --account main")
@click.option("--symbol", default="", metavar="S", help="Of this symbol only, and no kill switch.")
@ACCOUNT
@DRY_RUN
@ID
def command(shell: Shell, symbol: str, account: str, dry_run: bool, id_: str) -> Answer:
    """Turn the kill switch on, cancel all orders and close all positions, robots' too.

    Of all accounts, unless --account names one. The kill switch stays on until `onetape send
    gateway:ACCOUNT unkill`; robots that run see their position go. With --symbol the switch is left
    as it is, so robots that run may open it again.
    """
    done = by_hand(shell, id_)
    done.flatten(symbol, account, dry_run=dry_run)
    return answer(done, dry_run=dry_run)
