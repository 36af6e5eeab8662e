"""Converts venues' decimal text and JSON numbers to units exactly; and computes the balance changes of a fill."""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal
from typing import Any

from onetape._core import plain_units
from onetape.model.errors import InvalidAmount
from onetape.model.json_text import read_json
from onetape.model.money import MONEY_DECIMALS, money_text
from onetape.orders.reports import HASHED_TRADES, FillReport

__all__ = ["check_shown", "exact_json", "money_of", "spot_moves", "trade_number", "units_of"]


def exact_json(message: bytes | str) -> Any:
    """Parses JSON, with every number as decimal text as it was sent. Raises ValueError."""
    return read_json(message, _loads)


def _loads(message: bytes) -> Any:
    return json.loads(message, parse_float=_plain, parse_int=str, parse_constant=_refuse)


def _plain(text: str) -> str:
    if "e" not in text and "E" not in text:
        return text
    value = Decimal(text)
    if abs(value.adjusted()) > 40:
        raise ValueError(f"a number out of range: {text[:40]}")
    return format(value, "f")


def _refuse(text: str) -> Any:
    raise ValueError(f"{text} is no number")


def units_of(text: str, decimals: int) -> int:
    """Converts decimal text to units: `60000.10` at one decimal is 600001. Raises ValueError for text that is no plain
    decimal number or has too many decimals."""
    units = plain_units(text, decimals)
    if units is not None:  # nearly all values
        return units
    sign = 1
    if text[:1] in ("-", "+"):
        sign, text = (-1 if text[0] == "-" else 1), text[1:]
    whole, _, rest = text.partition(".")
    if not (whole + rest).isdigit() or not whole:
        raise ValueError(f"not a plain decimal number: {text!r}")
    kept, cut = rest[:decimals], rest[decimals:]
    if cut.strip("0"):
        raise ValueError(f"{text} has more than {decimals} decimals")
    return sign * int(whole + kept.ljust(decimals, "0"))


def money_of(text: str) -> int:
    """Converts decimal text to money in 1e-18; venues send no finer digits."""
    return units_of(text, MONEY_DECIMALS)


def check_shown(amount: int, step: int, currency: str) -> None:
    """Raises InvalidAmount for an amount that is no multiple of the step in which the venue's history is written: the
    transfer would not be recognized there, and would be made twice. amount, step: in 1e-18."""
    if rest := amount % step:
        text = money_text(amount)
        raise InvalidAmount(
            f"{text} {currency} is finer than the venue's history shows", todo=f"leave out {money_text(rest)}"
        )


def spot_moves(
    fill: FillReport, base: str, quote: str, price_decimals: int, size_decimals: int
) -> list[tuple[str, int]]:
    """Returns the balance changes of a fill, each (currency, 1e-18)."""
    sign = fill.side.sign
    cost = fill.price * fill.size * 10**MONEY_DECIMALS // 10 ** (price_decimals + size_decimals)
    moves = {quote: -sign * cost, base: sign * fill.size * 10 ** (MONEY_DECIMALS - size_decimals)}
    fee_currency = fill.fee_currency or quote
    moves[fee_currency] = moves.get(fee_currency, 0) - fill.fee
    return list(moves.items())


def trade_number(text: str) -> int:
    """Returns a trade's number; for an id that is no number, 62 bits of its hash, from HASHED_TRADES on."""
    if text.isascii() and text.isdigit() and int(text) < HASHED_TRADES:
        return int(text)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) >> 2 | HASHED_TRADES
