"""`onetape accounts`: balances and sub-accounts."""

from __future__ import annotations

from typing import Any

import click

from onetape.cli.frame import Answer, Shell, load, rows, verb
from onetape.cli.listing import listing
from onetape.model.errors import UsageError
from onetape.model.time import parse_time

COLUMNS = ("venue", "account", "currency", "total", "available", "locked", "data_age_ms", "alive")
WALLET_COLUMNS = ("venue", "account", "wallet", "currency", "total", "available", "error")
_NEVER = 2**63 - 1


@verb(
    "accounts",
    example="""
    onetape accounts --json
    onetape accounts --wallets
    onetape accounts --explain a --from 2026-11-20
    """,
)
@click.option("--wallets", is_flag=True, help="Of all wallets, also those that nothing is traded from.")
@click.option("--explain", metavar="SUBACCOUNT", help="Where its money came from and went.")
@click.option("--from", "start", metavar="TIME", help="With --explain [default: the beginning].")
@click.option("--to", "end", metavar="TIME", help="With --explain [default: now].")
def command(shell: Shell, wallets: bool, explain: str | None, start: str | None, end: str | None) -> Answer:
    """Show the balances of all accounts, and how they are divided.

    --explain: opening + trades + fees + funding + transfers + ... = closing, to the last unit, of a
    sub-account, `main` or `total`; with --json also the frames behind each number.
    """
    if wallets:
        if explain is not None or start or end:
            raise UsageError("--wallets is of now and of whole accounts", location="accounts", todo="one of both")
        found = load("onetape.ipc.operator", "wallet_balances", what="accounts")(shell.home, shell.config)
        return Answer(found, listing(found, WALLET_COLUMNS, nothing="no account is configured"))
    if explain is None:
        if start or end:
            raise UsageError("what is now has no times", location="accounts", todo="give --explain")
        found = load("onetape.gateway.account_balances", "balances", what="accounts")(shell.home, shell.config)
        return Answer(found, listing(found, COLUMNS, nothing="no balance is known (onetape up)"))
    found = load("onetape.gateway.explained", "explained", what="accounts")(
        shell.home,
        shell.config,
        explain,
        since=parse_time(start) if start else 0,
        until=parse_time(end) if end else _NEVER,
    )
    text = "\n\n".join(rows(_shown(row)) for row in found)
    return Answer(found, text or "nothing is known of it")


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    """Leaves out the frames; they are for machines."""
    return {key: value for key, value in row.items() if key not in ("frames", "rest") and value}
