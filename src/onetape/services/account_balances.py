"""Balances of the accounts of a home: from the state tables that gateways keep, where there is none
from their journals, which know totals only."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from onetape.accounts.entries import MAIN, TOTAL
from onetape.accounts.table import AccountReader, gateway_of
from onetape.model.config import AccountConfig
from onetape.model.decimals import decimal_text
from onetape.model.errors import DataError, ProcessDown
from onetape.model.money import money

__all__ = ["balances_of"]

ALIVE_NS: Final = 2 * 10**9  # after so long without a sign of life a gateway is dead to all


def balances_of(
    home: Path,
    name: str,
    account: AccountConfig,
    *,
    now: int,
    told: dict[str, tuple[int, int]],
    heartbeat_age_ns: int | None,
) -> list[dict[str, Any]]:
    """A row for each currency, as CONTRACT.md has it. now: ns UTC. told: what the journal knows,
    currency -> (units, time); heartbeat_age_ns: of the journal's writer, None: there is none."""
    try:
        reader = AccountReader(home, gateway_of(name))
    except (ProcessDown, DataError):
        rows = []
    else:
        rows = _from_table(reader, name, account, now)
    if rows:
        return rows
    alive = heartbeat_age_ns is not None and heartbeat_age_ns <= ALIVE_NS
    return [
        _row(account.venue, name, currency, [total, total], [0, 0], {}, now - time, alive)
        for currency, (total, time) in sorted(told.items())
    ]


def _from_table(
    reader: AccountReader, name: str, account: AccountConfig, now: int
) -> list[dict[str, Any]]:
    rows = []
    alive = reader.age_ns <= ALIVE_NS
    for currency in sorted(reader.currencies):
        group = reader.slots(currency, max_age=0)
        known = None if group is None else group.all()
        if known is None:  # it is not ready, or this moment being written
            continue
        totals, held, _, ts, _, _ = known
        names = {**account.subaccounts, **reader.names}
        rows.append(_row(account.venue, name, currency, totals, held, names, now - ts, alive))
    return rows


def _row(
    venue: str,
    account: str,
    currency: str,
    totals: list[int],
    held: list[int],
    names: dict[str, int],
    age_ns: int,
    alive: bool,
) -> dict[str, Any]:
    def amounts(slot: int) -> dict[str, Any]:
        total = totals[slot] if slot < len(totals) else 0
        locked = held[slot] if slot < len(held) else 0
        return {
            "total": decimal_text(money(total)),
            "available": decimal_text(money(total - locked)),
            "locked": decimal_text(money(locked)),
        }

    return {
        "venue": venue,
        "account": account,
        "currency": currency,
        **amounts(TOTAL),
        "subaccounts": {
            each: {"index": slot, **amounts(slot)}
            for each, slot in sorted({"main": MAIN, **names}.items(), key=lambda item: item[1])
        },
        "data_age_ms": max(0, age_ns) // 10**6,
        "alive": alive,
    }
