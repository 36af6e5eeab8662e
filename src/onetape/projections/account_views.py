"""Current orders, positions and fills of a home's accounts, read from the gateways' journals, with or without a running
gateway.

Numbers are decimal text, times ns UTC; names are those of the objects that a strategy gets.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from onetape.accounts.entries import MAIN, TOTAL
from onetape.accounts.table import PositionShown, accounts_in
from onetape.model.home import gateway_journal, hub_journal
from onetape.model.money import money, money_text
from onetape.model.sections import AccountConfig, Config
from onetape.model.symbol import parse_symbol
from onetape.projections.account import AccountState, text_of
from onetape.projections.account_balances import STALE_NS, is_written
from onetape.projections.checkpoint import checkpoint_file
from onetape.projections.followed_account import last_prices, read_account
from onetape.tape.segments import is_tape

__all__ = ["fills", "orders", "positions", "summary"]


def orders(home: Path, config: Config) -> list[dict[str, Any]]:
    """Returns the working orders, the oldest first."""
    found = [row for name, view in _views(home, config) for row in view.orders(name)]
    return sorted(found, key=lambda row: int(row["ts_created"]))


def positions(home: Path, config: Config, *, only_tables: bool = False) -> list[dict[str, Any]]:
    """Returns positions by account, symbol and side, with unrealized profit at the middle of the last quote. While a
    gateway runs, from its table, including each sub-account's; else from the fills of its journal, or none if only
    tables are read. alive: its gateway runs."""
    shown = {each.account: each for each in accounts_in(home)[0] if each.age_ns <= STALE_NS}
    found: list[dict[str, Any]] = []
    for name, account in config.accounts.items():
        path = gateway_journal(home, name)
        if name in shown:
            rows, alive = list(_in_table(name, shown[name].positions(), account)), True
        elif not only_tables and is_tape(path):
            view = read_account(path, checkpoint_file(home, name), keeps_parts=True)
            rows = view.positions_at(name, last_prices(view, (path, hub_journal(home))))
            alive = is_written(path)  # on another host, whose table is there
        else:
            continue
        found += ({**row, "alive": alive} for row in rows)
    return found


def _in_table(name: str, rows: list[PositionShown], account: AccountConfig) -> Iterator[dict[str, Any]]:
    names = {slot: each for each, slot in {"main": MAIN, **account.subaccounts}.items()}
    for whole in rows:
        if whole.slot != TOTAL:
            continue
        parts = [each for each in rows if each.key[1:] == whole.key[1:] and each.slot != TOTAL]
        yield {
            "symbol": whole.symbol,
            "side": str(whole.side),
            **_amounts(whole),
            "price": None if whole.price is None else text_of(money(whole.price)),
            "currency": parse_symbol(whole.symbol).settle,
            "account": name,
            "subaccounts": {
                names.get(each.slot, str(each.slot)): {"index": each.slot, **_amounts(each)} for each in parts
            },
        }


def _amounts(position: PositionShown) -> dict[str, str | None]:
    units = {
        "entry_price": position.entry if position.qty else None,
        "unrealized": position.unrealized,
        "realized": position.realized,
    }
    texts = {key: None if each is None else text_of(money(each)) for key, each in units.items()}
    return {"qty": f"{money(position.qty):.{position.size_decimals}f}", **texts}


def fills(home: Path, config: Config, *, last: int = 0) -> list[dict[str, Any]]:
    """Returns fills in the order in which they were booked.

    last: at most this many, 0: all.
    """
    found = [row for name, view in _views(home, config) for row in view.fills(name)]
    found.sort(key=lambda row: int(row["ts_event"]))
    return found[-last:] if last else found


def summary(home: Path, config: Config) -> dict[str, Any]:
    """Returns for `status` the number of working orders, and the equity of each account by currency: balance and
    unrealized profit of contracts, coins in their own currency; only the last balances if its gateway does not run."""
    tables = {each.account: each for each in accounts_in(home)[0] if each.age_ns <= STALE_NS}
    count, equity = 0, {}
    for name, view in _views(home, config):
        count += len(view.working)
        equity[name] = {currency: money_text(total) for currency, (total, _) in view.balances.items()}
        for currency in tables[name].currencies if name in tables else ():
            margin, slots = tables[name].margin(currency), tables[name].slots(currency, max_age=STALE_NS)
            found = margin.equity if margin is not None else slots.get(TOTAL) if slots is not None else None
            if found is not None:
                equity[name][currency] = money_text(found)
    return {"orders": count, "equity": equity}


def _views(home: Path, config: Config) -> Iterator[tuple[str, AccountState]]:
    for name in config.accounts:
        path = gateway_journal(home, name)
        if is_tape(path):
            yield name, read_account(path, checkpoint_file(home, name))
