"""Suggest the known word that a user may have meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["did_you_mean"]


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """Returns `did you mean backtest?`, "" where no word is near."""
    found = get_close_matches(word, list(words), n=1)
    return f"did you mean {found[0]}?" if found else ""
