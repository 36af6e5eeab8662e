"""Limit a portfolio's exposures, as shares of its equity. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Caps", "capped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """Largest exposure in one symbol, sum of absolute exposures, absolute net exposure, and increase at once. 0: no
    limit."""

    symbol: float = 0.0
    gross: float = 0.0
    net: float = 0.0
    turnover: float = 0.0


def capped(wanted: Mapping[str, float], held: Mapping[str, float], caps: Caps) -> dict[str, float]:
    """Returns symbol -> exposure within the caps; none is larger than wanted or of the other sign. Reductions are
    always done in full; increases share the remaining turnover. held: present exposures, signed.
    """
    kept = dict(wanted)
    if caps.symbol:
        kept = {symbol: max(-caps.symbol, min(caps.symbol, each)) for symbol, each in kept.items()}
    gross = sum(map(abs, kept.values()))
    if caps.gross and gross > caps.gross:
        kept = {symbol: each * caps.gross / gross for symbol, each in kept.items()}
    if caps.turnover:
        # A position is first reduced to its common part with the wanted one, then increased.
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
    """Returns the smaller of both exposures if their signs agree, else 0."""
    if held * wanted <= 0:
        return 0.0
    return min(held, wanted) if wanted > 0 else max(held, wanted)
