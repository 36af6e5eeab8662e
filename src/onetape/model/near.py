"""Suggest the known word that a user may have meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

__all__ = ["did_you_mean", "list_symbols"]

SHOWN_MAX: Final = 20


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """Returns `did you mean backtest?`, "" where no word is near."""
    found = get_close_matches(word, list(words), n=1)
    return f"did you mean {found[0]}?" if found else ""


def list_symbols(symbol: object, symbols: Iterable[str]) -> str:
    """Returns a hint about a symbol that is not in the data: the nearest symbol, and the first of those that it
    has."""
    names = list(symbols)
    shown = ", ".join(names[:SHOWN_MAX]) or "no instrument"
    more = f" and {len(names) - SHOWN_MAX} more" if len(names) > SHOWN_MAX else ""
    return f"{did_you_mean(str(symbol), names)} the data has: {shown}{more}".strip()
