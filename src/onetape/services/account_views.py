"""What is so now on the accounts of a home: orders, positions and fills, as the gateways'
journals have them. They are read whether a gateway runs or not.

Numbers are decimal text, times ns UTC; names are those of the objects that a strategy gets.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from onetape.model.config import Config
from onetape.model.decimals import decimal_text
from onetape.model.money import money
from onetape.services.account_projection import AccountView, last_quotes, read_account
from onetape.services.gateway_options import gateway_journal
from onetape.tape.segments import is_tape

__all__ = ["fills", "orders", "positions", "summary"]


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


def summary(home: Path, config: Config) -> dict[str, Any]:
    """For `status`: how many orders work, and the balances of each account."""
    count, equity = 0, {}
    for name, view in _views(home, config):
        count += len(view.working)
        equity[name] = {
            currency: decimal_text(money(total)) for currency, (total, _) in view.balances.items()
        }
    return {"orders": count, "equity": equity}


def _views(home: Path, config: Config) -> Iterator[tuple[str, AccountView]]:
    for name in config.accounts:
        path = gateway_journal(home, name)
        if is_tape(path):
            yield name, read_account(path)
