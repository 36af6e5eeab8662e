"""Compute with money: exact amounts at 18 decimals, the same numbers as the core's int128.

Sums are exact. The one rounding is that of a division (an inverse contract's value, a rate with
more decimals than fit), half to even, at 1e-18 of the currency. `units` below are whole numbers of
1e-18; people and the ledger see Decimal amounts.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

import msgspec

from onetape.model.decimals import Number, canonical, decimal_text, scaled, to_decimal, to_fraction
from onetape.model.errors import InvalidAmount

MONEY_DECIMALS: Final = 18
RATE_DECIMALS: Final = 12  # fees, funding and maintenance rates on tape: 1e-12
INT128_MAX: Final = 2**127 - 1
_HALF: Final = 2**64
_UNIT: Final = 10**MONEY_DECIMALS

_AMOUNT = re.compile(r"\s*(?P<value>\S+?)\s*(?P<currency>[A-Za-z][A-Za-z0-9._-]{0,19})\s*\Z", re.ASCII)
_GROUPED = re.compile(r"(?<![\w.])[0-9]{1,3}(,[0-9]{3})+(?![0-9])", re.ASCII)
_CENTS = re.compile(r"(|USD[A-Z]?|BUSD|FDUSD|USDT0|EUR|GBP|CHF|RUB|DAI)\Z")  # "": currency unknown
_VALUE = re.compile(r"[+-]?[0-9.eE+-]*[0-9.]\Z", re.ASCII)


def divide_half_even(numerator: int, denominator: int) -> int:
    """Returns numerator / denominator, rounded half to even. denominator > 0. Same as the core's function."""
    if denominator <= 0:
        raise ValueError(f"denominator must be positive: {denominator}")
    quotient, rest = divmod(numerator, denominator)
    twice = 2 * rest
    if twice > denominator or (twice == denominator and quotient % 2):
        quotient += 1
    return quotient


def money_units(value: Number, *, what: str = "amount") -> int:
    """Returns the amount in units of 1e-18, half to even beyond them. Raises ValueError past int128."""
    number = to_fraction(value if not isinstance(value, float) else repr(value), what=what)
    units = divide_half_even(number.numerator * 10**MONEY_DECIMALS, number.denominator)
    if abs(units) > INT128_MAX:
        raise ValueError(f"{what} does not fit 128 bits at 18 decimals: {value}")
    return units


def amount_text(value: object, currency: str = "") -> str:
    """Returns an amount for people: two decimals for dollars and other fiat money, up to eight for coins. A smaller
    amount keeps its first two digits, and zero has no sign. Programs get `money_text`."""
    number, places = Decimal(str(value)), 2 if _CENTS.match(currency) else 8
    shown = round(number, places)
    if number and not shown:
        shown = round(number, min(8, 1 - number.adjusted()))
    if not shown:
        return "0.00" if places == 2 else "0"
    text = f"{shown:,f}"
    return text.rstrip("0").rstrip(".") if "." in text and (places == 8 or abs(shown) < Decimal("0.01")) else text


def money(units: int) -> Decimal:
    """Returns the exact decimal of units of 1e-18."""
    return scaled(units, MONEY_DECIMALS)


def money_text(units: int) -> str:
    """Returns units of 1e-18 as exact decimal text."""
    if not units:
        return "0"
    whole, rest = divmod(abs(units), _UNIT)
    text = f"{whole}.{rest:0{MONEY_DECIMALS}d}".rstrip("0") if rest else str(whole)
    return f"-{text}" if units < 0 else text


def text_units(text: str) -> int:
    """Parse text of `money_text` into units of 1e-18; the only sign is -."""
    whole, _, rest = text.partition(".")
    return int(whole + rest.ljust(MONEY_DECIMALS, "0"))


def split_units(units: int) -> tuple[int, int]:
    """Returns the (low, high) int64 halves of an int128, as fixed layouts store it."""
    low = units & (_HALF - 1)
    return low - _HALF if low >= _HALF // 2 else low, units >> 64


def join_units(low: int, high: int) -> int:
    """Returns the int128 from its two int64 halves."""
    return (high << 64) | (low & (_HALF - 1))


def rate_units(value: Number, *, what: str = "rate") -> int:
    """Returns a rate (0.0002 of notional) in units of 1e-12, half to even beyond them."""
    number = to_fraction(value if not isinstance(value, float) else repr(value), what=what)
    return divide_half_even(number.numerator * 10**RATE_DECIMALS, number.denominator)


class Amount(msgspec.Struct, frozen=True):
    """An amount of a currency. The value is canonical: at most 18 decimals, no trailing zeros."""

    value: Decimal
    currency: str

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "value", canonical(self.value))

    def __str__(self) -> str:
        return f"{decimal_text(self.value)} {self.currency}"


def parse_amount(text: str) -> Amount:
    """Parse `"100000 USDT"` or `"0.5BTC"`. Raises InvalidAmount for a negative, too fine or other text."""
    match = _AMOUNT.match(text)
    if match is None or not _VALUE.match(match["value"]):
        raise InvalidAmount(f"not an amount: {text!r}", todo="write it as '100000 USDT'")
    try:
        value = to_decimal(match["value"])
        exact = money(money_units(value)) == value
    except ValueError as error:
        raise InvalidAmount(str(error), location=repr(text)) from None
    if not exact:
        raise InvalidAmount(f"more than {MONEY_DECIMALS} decimals: {text!r}")
    if value < 0:
        raise InvalidAmount(f"negative: {text!r}")
    return Amount(value, match["currency"].upper())


def refuse_grouped(text: str) -> None:
    """Raise InvalidAmount for `100,000 USDT`: a comma separates amounts."""
    if grouped := _GROUPED.search(text):
        raise InvalidAmount(
            f"{text.strip()!r} has a comma inside a number, and commas separate amounts",
            todo=f"write {grouped[0].replace(',', '')}",
        )


def parse_cash(text: str) -> dict[str, Decimal]:
    """Parse starting money: amounts separated by commas, each currency once."""
    refuse_grouped(text)
    cash: dict[str, Decimal] = {}
    for part in text.split(","):
        amount = parse_amount(part)
        if amount.currency in cash:
            raise InvalidAmount(f"{amount.currency} is given twice: {text!r}")
        cash[amount.currency] = amount.value
    return cash


__all__ = [
    "INT128_MAX",
    "MONEY_DECIMALS",
    "RATE_DECIMALS",
    "Amount",
    "divide_half_even",
    "join_units",
    "money",
    "money_text",
    "money_units",
    "parse_amount",
    "parse_cash",
    "rate_units",
    "refuse_grouped",
    "split_units",
]
