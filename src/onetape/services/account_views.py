"""What is so now on the accounts of a home: orders, positions, fills and balances, as the gateways'
journals have them. They are read whether a gateway runs or not.

Numbers are decimal text, times ns UTC; names are those of the objects that a strategy gets.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from onetape.model.config import Config
from onetape.model.decimals import decimal_text
from onetape.model.money import money
from onetape.services.account_balances import balances_of
from onetape.services.account_projection import AccountView, last_quotes, read_account
from onetape.services.gateway_options import gateway_journal
from onetape.tape.journal import JournalReader
from onetape.tape.segments import is_tape

__all__ = ["accounts", "fills", "orders", "positions", "summary"]


def orders(home: Path, config: Config) -> list[dict[str, Any]]:
    """Working orders, the oldest first."""
    found = [row for name, view in _views(home, config) for row in view.orders(name)]
    return sorted(found, key=lambda row: int(row["ts_created"]))


def positions(home: Path, config: Config) -> list[dict[str, Any]]:
    """What is held, by account, symbol and side; unrealised by the middle of the last quote."""
    found = []
    for name, view in _views(home, config):
        found += view.positions_at(name, last_quotes(view, gateway_journal(home, name)))
    return found


def fills(home: Path, config: Config, *, last: int = 0) -> list[dict[str, Any]]:
    """In the order in which they were booked; last: only so many, 0: all."""
    found = [row for name, view in _views(home, config) for row in view.fills(name)]
    found.sort(key=lambda row: int(row["ts_event"]))
    return found[-last:] if last else found


def accounts(home: Path, config: Config) -> list[dict[str, Any]]:
    """Balances, a row for each account and currency."""
    found = []
    for name, account in config.accounts.items():
        path = gateway_journal(home, name)
        if not is_tape(path):
            continue
        with JournalReader(path) as reader:
            age = _heartbeat_age_ns(reader)
        view = read_account(path)
        found += balances_of(
            home, name, account, now=time.time_ns(), told=view.balances, heartbeat_age_ns=age
        )
    return found


def summary(home: Path, config: Config) -> dict[str, Any]:
    """For `status`: how many orders work, and the balances of each account."""
    count, equity = 0, {}
    for name, view in _views(home, config):
        count += len(view.working)
        equity[name] = {
            currency: decimal_text(money(total)) for currency, (total, _) in view.balances.items()
        }
    return {"orders": count, "equity": equity}


def _heartbeat_age_ns(reader: JournalReader) -> int | None:
    """None: nobody writes this journal now."""
    control = reader.control
    if not control or control["closed"] or not reader.writer_alive:
        return None
    return max(0, time.time_ns() - int(control["heartbeat"]))


def _views(home: Path, config: Config) -> Iterator[tuple[str, AccountView]]:
    for name in config.accounts:
        path = gateway_journal(home, name)
        if is_tape(path):
            yield name, read_account(path)
