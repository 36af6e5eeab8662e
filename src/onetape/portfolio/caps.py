"""Limit a portfolio's exposures, as shares of its equity. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Caps", "capped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """Limits of a single symbol, of the absolute sum, of the net sum, and of turnover at once. 0: none."""

    symbol: float = 0.0
    gross: float = 0.0
    net: float = 0.0
    turnover: float = 0.0


def capped(wanted: Mapping[str, float], held: Mapping[str, float], caps: Caps) -> dict[str, float]:
    """Returns the exposures nearest to the wanted ones within the caps: none becomes larger or changes its sign.

    Reductions are always done in full; increases share the remaining turnover. held: of the same symbols, signed as
    wanted.
    """
    kept = dict(wanted)
    if caps.symbol:
        kept = {symbol: max(-caps.symbol, min(caps.symbol, each)) for symbol, each in kept.items()}
    gross = sum(map(abs, kept.values()))
    if caps.gross and gross > caps.gross:
        kept = {symbol: each * caps.gross / gross for symbol, each in kept.items()}
    if caps.turnover:
        # A position is first reduced to its common part with the wanted one, then it grows.
        shared = {symbol: _shared(held.get(symbol, 0.0), each) for symbol, each in kept.items()}
        reduced = sum(abs(held.get(symbol, 0.0) - each) for symbol, each in shared.items())
        grown = sum(abs(kept[symbol] - each) for symbol, each in shared.items())
        left = max(caps.turnover - reduced, 0.0)
        if grown > left:
            kept = {symbol: each + (kept[symbol] - each) * left / grown for symbol, each in shared.items()}
    if caps.net:
        for side in (1, -1):
            of_side = sum(each for each in kept.values() if each * side > 0) * side
            beyond = sum(kept.values()) * side - caps.net
            if beyond > 0:
                share = 1 - beyond / of_side
                kept = {symbol: each * share if each * side > 0 else each for symbol, each in kept.items()}
    return kept


def _shared(held: float, wanted: float) -> float:
    """Returns the common part: of the same sign, and the smaller amount."""
    if held * wanted <= 0:
        return 0.0
    return min(held, wanted) if wanted > 0 else max(held, wanted)
