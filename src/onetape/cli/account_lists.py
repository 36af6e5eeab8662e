"""Provide the verbs on the current state of accounts: `accounts`, `orders`, `positions`, `fills`, `stops`."""

from __future__ import annotations

from typing import Any

import click

from onetape.cli.frame import Answer, Shell, load, rows, verb
from onetape.cli.listing import amount, listing
from onetape.model.errors import UsageError
from onetape.model.time import parse_time

ACCOUNTS_COLUMNS = ("venue", "account", "currency", "total", "available", "locked", "data_age_ms", "alive")
WALLET_COLUMNS = ("venue", "account", "wallet", "currency", "total", "available", "error")
_NEVER = 2**63 - 1
ORDERS_COLUMNS = ("account", "robot", "symbol", "side", "type", "price", "trigger", "qty", "filled", "state", "tag")
POSITIONS_COLUMNS = ("account", "symbol", "side", "qty", "entry_price", "price", "unrealized", "realized", "currency")
FILLS_COLUMNS = ("ts_event", "account", "robot", "symbol", "side", "qty", "price", "fee", "liquidity")
STOPS_COLUMNS = ("account", "symbol", "side", "qty", "protected", "distance", "trigger", "stop", "state")
UNVERIFIED = {
    True: "since the guardian's start the venue has not confirmed all stops yet: `protected` counts the confirmed ones",
    False: "no guardian runs, so the venue is not asked for stops, and `protected` counts none;\n"
    "stops are shown as last recorded; a simulated exchange that is stopped triggers none",
}  # depends on whether a guardian runs


@verb(
    "accounts",
    example="""
    onetape accounts --json
    onetape accounts --wallets
    onetape accounts --explain a --from 2026-11-20
    """,
)
@click.option("--wallets", is_flag=True, help="Show all wallets, also those without trading.")
@click.option("--explain", metavar="SUBACCOUNT", help="Show where this sub-account's money came from and went to.")
@click.option("--from", "start", metavar="TIME", help="Start, with --explain [default: the beginning].")
@click.option("--to", "end", metavar="TIME", help="End, with --explain [default: now].")
def accounts(shell: Shell, wallets: bool, explain: str | None, start: str | None, end: str | None) -> Answer:
    """Show the balances of all accounts, and their sub-accounts.

    --explain SUBACCOUNT (or `main`, `total`): opening + trades + fees + funding + transfers + ... = closing, to the
    last unit; with --json also the frames behind each number.
    """
    if wallets:
        if explain is not None or start or end:
            raise UsageError(
                "--wallets shows whole accounts as they are now",
                location="accounts",
                todo="leave --explain, --from and --to out",
            )
        found = load("onetape.ipc.operator", "wallet_balances", what="accounts")(shell.home, shell.running_config)
        return Answer(found, listing(found, WALLET_COLUMNS, nothing="no account is configured"))
    if explain is None:
        if start or end:
            raise UsageError(
                "balances are shown as they are now", location="--from/--to", todo="add --explain, or leave them out"
            )
        found = _of_accounts(shell, "onetape.projections.account_balances", "balances")
        return Answer(found, listing(found, ACCOUNTS_COLUMNS, nothing="no balance is known (onetape up)"))
    found = load("onetape.gateway.explained", "explained", what="accounts")(
        shell.home,
        shell.running_config,
        explain,
        since=parse_time(start) if start else 0,
        until=parse_time(end) if end else _NEVER,
    )
    text = "\n\n".join(rows(_shown(row)) for row in found)
    return Answer(found, text or "no transfer or fill is known")


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    """Returns a row without its frames, which are only for --json."""
    return {key: value for key, value in row.items() if key not in ("frames", "rest") and value}


def _of_accounts(shell: Shell, module: str, name: str, **wanted: Any) -> list[dict[str, Any]]:
    """Returns rows of the configured accounts. Raises BadConfig without any."""
    found: list[dict[str, Any]] = load(module, name, what="accounts")(shell.home, shell.accounts_config, **wanted)
    return found


@verb("orders", example="onetape orders --json")
def orders(shell: Shell) -> Answer:
    """Show the working orders of all accounts, as the gateways' journals have them."""
    found = _of_accounts(shell, "onetape.projections.account_views", "orders")
    lines = [{**row, "type": f"{row['kind'] or ''} {row['type']}".strip()} for row in found]
    return Answer(found, listing(lines, ORDERS_COLUMNS, nothing="no working order"))


@verb("positions", example="onetape positions --json")
def positions(shell: Shell) -> Answer:
    """Show the positions of all accounts, at average cost of their fills, with their mark price."""
    found = _of_accounts(shell, "onetape.projections.account_views", "positions")
    text = listing(found, POSITIONS_COLUMNS, nothing="no position")
    if away := dict.fromkeys(row["account"] for row in found if not row["alive"]):
        text += f"\nno gateway of {', '.join(away)} runs: shown as of the end of its journal, at its last quote"
    return Answer(found, text)


@verb("fills", example="onetape fills --last 20")
@click.option("--last", type=click.IntRange(min=0), default=0, metavar="N", help="Show only the newest N.")
def fills(shell: Shell, last: int) -> Answer:
    """Show the fills of all accounts, the newest last."""
    found = _of_accounts(shell, "onetape.projections.account_views", "fills", last=last)
    lines = [{**row, "fee": f"{amount(row['fee'], row['fee_currency'])} {row['fee_currency']}"} for row in found]
    return Answer(found, listing(lines, FILLS_COLUMNS, nothing="nothing was traded"))


@verb("stops", example="onetape stops --json")
def stops(shell: Shell) -> Answer:
    """Show the stops that the guardian has placed for each position, the share of it that they protect, and its
    take-profits, whose distances have a plus.

    `verified_age_ms` is the time since the venue itself confirmed all of them; null: not since the guardian began,
    or no guardian runs.
    """
    found = _of_accounts(shell, "onetape.guardian.stops_view", "stops")
    lines = []
    for each in found:
        about = {name: each[name] for name in STOPS_COLUMNS[:5]}
        levels = [{**level, "stop": level["qty"]} for level in each["levels"] + each["targets"]] or [{}]
        lines += [{**dict.fromkeys(STOPS_COLUMNS, ""), **level, **about} for level in levels]
    text = listing(lines, STOPS_COLUMNS, nothing="no contracts are held, and no stop is working")
    if any(each["levels"] and each["verified_age_ms"] is None for each in found):
        is_guarded = load("onetape.guardian.stops_view", "is_guarded", what="stops")(shell.home, shell.running_config)
        text += f"\n{UNVERIFIED[is_guarded]}"
    return Answer(found, text)
