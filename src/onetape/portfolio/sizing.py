"""Round members' targets to whole lots within the portfolio's limits. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from onetape.accounts.sharing import split
from onetape.portfolio.caps import Caps, capped

__all__ = ["SymbolTerms", "sized"]

_NEAR = 1e-9  # tolerance in lots: 0.3 / 0.1 are three lots


@dataclass(frozen=True, slots=True)
class SymbolTerms:
    """Terms of a symbol. unit: value of one unit as a share of the equity; lot: units; held: the position in units."""

    unit: float
    lot: int
    held: int


def sized(
    wants: Mapping[str, Mapping[int, float]], terms: Mapping[str, SymbolTerms], caps: Caps
) -> dict[str, dict[int, int]]:
    """Returns units by symbol and member, whole lots towards zero. wants: units, signed, not rounded. If limits cut a
    symbol, all its members are cut by the same share."""
    exposures = {symbol: sum(each.values()) * terms[symbol].unit for symbol, each in wants.items()}
    held = {symbol: each.held * each.unit for symbol, each in terms.items()}
    kept = capped(exposures, held, caps)
    found: dict[str, dict[int, int]] = {}
    for symbol, members in wants.items():
        exposure, of = exposures[symbol], terms[symbol]
        share = kept[symbol] / exposure if exposure else 1.0
        lots = {member: _whole(qty * share / of.lot) for member, qty in members.items()}
        if share < 1:
            _cut(lots, abs(_whole(kept[symbol] / of.unit / of.lot)))
        found[symbol] = {member: each * of.lot for member, each in lots.items()}
    return found


def _whole(lots: float) -> int:
    return int(lots + (_NEAR if lots > 0 else -_NEAR))


def _cut(lots: dict[int, int], most: int) -> None:
    """Reduce members' lots until their sum is within `most`, which rounding may exceed."""
    net = sum(lots.values())
    beyond, side = abs(net) - most, 1 if net > 0 else -1
    if beyond > 0:
        of_side = {member: each * side for member, each in lots.items() if each * side > 0}
        for member, each in split(beyond, of_side).items():
            lots[member] -= each * side
