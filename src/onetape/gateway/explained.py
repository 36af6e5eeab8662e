"""Explains the changes of accounts' money between two times, as rows for people and JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from onetape.accounts.entries import MAIN, TOTAL
from onetape.accounts.explain import Explained
from onetape.gateway.explain_tape import explain_journal
from onetape.model.errors import UnknownSubaccount
from onetape.model.home import gateway_journal
from onetape.model.money import money_text
from onetape.model.sections import AccountConfig, Config
from onetape.tape.segments import is_tape

__all__ = ["explained"]


def explained(home: Path, config: Config, subaccount: str, *, since: int, until: int) -> list[dict[str, Any]]:
    """Returns for one sub-account (`total`, `main`, or a name) a row for each account and currency: opening + each part
    + revaluation = closing, exactly, in decimal text; `frames` has the sequences of each part's entries on the
    gateway's tape. Raises UnknownSubaccount."""
    rows = []
    is_found = False
    for name, account in config.accounts.items():
        slot = {"total": TOTAL, "main": MAIN, **account.subaccounts}.get(subaccount)
        is_found |= slot is not None
        path = gateway_journal(home, name)
        if slot is not None and is_tape(path):
            found = explain_journal(path, since=since, until=until)
            rows += [_row(name, account, subaccount, e) for e in found if e.slot == slot]
    if not is_found:
        there = {s for account in config.accounts.values() for s in account.subaccounts}
        raise UnknownSubaccount(
            f"no account has a sub-account {subaccount!r}",
            location="--explain",
            todo=f"one of: {', '.join(['total', 'main', *sorted(there)])}",
        )
    return rows


def _row(name: str, account: AccountConfig, subaccount: str, explanation: Explained) -> dict[str, Any]:
    return {
        "venue": account.venue,
        "account": name,
        "subaccount": subaccount,
        "currency": explanation.currency,
        "opening": money_text(explanation.opening + explanation.opening_profit),
        **{str(part): money_text(amount) for part, amount in explanation.parts.items()},
        "revaluation": {symbol: money_text(amount) for symbol, amount in explanation.revaluation.items()},
        "closing": money_text(explanation.closing + explanation.closing_profit),
        "rest": money_text(explanation.rest),
        "frames": {str(part): frames for part, frames in explanation.frames.items()},
    }
