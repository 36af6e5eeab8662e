"""Classifies the legs of a ledger entry that move our money as kinds of income. Pure."""

from __future__ import annotations

from typing import Final

from onetape.accounts.entries import MAIN, Cause, Entry, Leg, Outside

__all__ = ["income_of"]

_NETTING: Final = int(Outside.NETTING)
_OUTSIDE: Final = {
    int(Outside.FEES): "fee",
    int(Outside.FUNDING): "funding",
    int(Outside.INTEREST): "interest",
    int(Outside.WORLD): "transfer",
    int(Outside.TRANSIT): "transfer",
    int(Outside.UNEXPLAINED): "correction",
    int(Outside.OPENING): "opening",
}
_CAUSES: Final = {
    Cause.FILL: "realized",
    Cause.OPENING: "opening",
    Cause.RESET: "opening",
    Cause.CORRECTION: "correction",
    Cause.COMMAND: "allocation",
}


def income_of(entry: Entry) -> list[tuple[str, Leg]]:
    """Returns the legs that move our money in the trading wallet, with their kinds of income. Legs come in groups
    that add up to zero; the other side of a group determines the kind."""
    found: list[tuple[str, Leg]] = []
    group: list[Leg] = []
    rest: dict[str, int] = {}
    is_opening, usual = entry.cause is Cause.RESET, _CAUSES.get(entry.cause) or str(entry.cause)
    for leg in entry.legs:
        group.append(leg)
        if left := rest.pop(leg.currency, 0) + leg.amount:
            rest[leg.currency] = left
        if rest:
            continue
        kind = "opening" if is_opening else "transfer" if any(each.wallet for each in group) else ""  # between wallets
        kind = kind or next((_OUTSIDE[each.holder] for each in group if each.holder in _OUTSIDE), usual)
        found += [
            (kind, each)
            for each in group
            if each.amount and not each.wallet and (each.holder >= MAIN or each.holder == _NETTING)
        ]
        group = []
    return found
