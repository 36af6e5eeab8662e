"""Group assumptions for a reader: equal ones of several instruments become one line, the largest amounts come first,
and further lines are folded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from onetape.model.errors import OnetapeError
from onetape.model.symbol import parse_symbol
from onetape.report.report_data import Assumption, bias_word

__all__ = ["SHOWN", "amount_text", "enumerated", "grouped", "in_order", "symbol_of"]

SHOWN = 4  # lines before folding; a single further line is shown, too
NAMED = 3  # instruments named in a sentence
_FIGURES = re.compile(r"[+-]?\d[\d.,]*")
_WEIGHT_OF_BIAS = {"flatters": 3, "unknown": 2, "hurts": 1, "given": 0}


def enumerated(names: Sequence[str]) -> str:
    """Returns `a, b and c`; for many names `a, b, c and 5 more`."""
    if len(names) > NAMED + 1:
        return f"{', '.join(names[:NAMED])} and {len(names) - NAMED} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def grouped(assumptions: Iterable[Assumption]) -> list[Assumption]:
    """Merge assumptions with equal text for several instruments (`SYMBOL: ...`), adding their amounts. If only
    figures differ, the figures of the largest amount are shown. A merged assumption stands where its first one
    stood."""
    found: dict[tuple[str, ...], list[Assumption]] = {}
    for number, each in enumerate(assumptions):
        symbol, rest = symbol_of(each)
        alike = _FIGURES.sub("#", rest)
        words = _FIGURES.sub("#", each.size.rpartition(": ")[0] if each.amount else each.size)
        key = (alike, str(each.bias), words) if symbol else (str(number),)
        found.setdefault(key, []).append(each)
    return [_one(members) for members in found.values()]


def symbol_of(each: Assumption) -> tuple[str, str]:
    """Returns (instrument of an assumption, its text without the instrument). "": it concerns all instruments."""
    symbol, colon, rest = each.text.partition(": ")
    if not colon:
        return "", each.text
    try:
        parse_symbol(symbol)
    except OnetapeError:
        return "", each.text
    return symbol, rest


def _one(members: Sequence[Assumption]) -> Assumption:
    if len(members) == 1:
        return members[0]
    first = max(members, key=lambda each: abs(each.amount or 0.0))  # the first of equal amounts
    symbol, rest = symbol_of(first)
    symbols = [symbol_of(each)[0] for each in members]
    if all(symbol_of(each)[1] == rest for each in members):
        text = f"{enumerated(symbols)}: {rest}"
    else:
        others = [each for each in symbols if each != symbol]
        text = f"{first.text}; with other figures: {enumerated(others)}"
    if first.amount is None:
        return first._replace(text=text)
    total = sum(each.amount or 0.0 for each in members)
    words, _, money = first.size.rpartition(": ")
    size = f"{words}: {amount_text(total, money.rpartition(' ')[2])}"
    return first._replace(text=text, amount=total, size=size)


def amount_text(value: float, currency: str) -> str:
    """Returns a signed amount; amounts below one with eight decimals."""
    digits = 2 if abs(value) >= 1 or value == 0 else 8
    return f"{value:+,.{digits}f} {currency}"


def in_order(assumptions: Iterable[Assumption]) -> list[Assumption]:
    """Returns assumptions by absolute amount, largest first; equal ones in the order flatters, unknown, hurts,
    fact."""
    return sorted(assumptions, key=lambda each: (-abs(each.amount or 0.0), -_WEIGHT_OF_BIAS[bias_word(each.bias)]))
