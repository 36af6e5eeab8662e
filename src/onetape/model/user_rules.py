"""Parse a user's rules of the venue, in the file of the instruments (`--instruments FILE`):

[loans]                   # with --borrow: when spot loans are called in
call = "1.3"              # assets over debts: a warning at this level or below it; 0: never
liquidation = "1.1"       # at this level or below it the venue trades until nothing is owed
fee = "0.02"              # share of the traded value

[[adl]]                   # a stress: the venue takes over a position of yours
symbol = "binance:BTC/USDT:USDT"
time = 2024-08-05T06:30:00Z
side = "long"             # or "short": yours
price = "49000"           # the other account's bankruptcy price; without it, the mark
share = "0.5"             # of the position, in whole lots; without it, all of it
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from onetape.model import venue_facts
from onetape.model.decimals import decimal_text, to_decimal
from onetape.model.errors import BadConfig, BadInput
from onetape.model.time import format_time, parse_time

RULE_TABLES: Final = frozenset({"adl", "loans"})
ADL_MAX: Final = 1000
SHARE_STEP: Final = Decimal("0.000001")
_LEVEL_MAX: Final = 1000


@dataclass(frozen=True, slots=True)
class LoanLevels:
    """The levels of loans, as assets over debts; `fee` as a share of the traded value. call 0: never called in."""

    call: Decimal
    liquidation: Decimal
    fee: Decimal = Decimal(0)

    def as_table(self) -> dict[str, str]:
        """Returns the table for run.toml."""
        return {name: decimal_text(getattr(self, name)) for name in ("call", "liquidation", "fee")}


NEVER_CALLED: Final = LoanLevels(Decimal(0), Decimal(0))


@dataclass(frozen=True, slots=True)
class Adl:
    """Auto-deleveraging: the venue takes `share` of the position on one side over. time in ns UTC; price None: at the
    mark."""

    symbol: str
    time: int
    is_long: bool
    price: Decimal | None = None
    share: Decimal = Decimal(1)

    def as_table(self) -> dict[str, str]:
        """Returns the table for run.toml, as in the file."""
        table = {
            "symbol": self.symbol,
            "time": format_time(self.time),
            "side": "long" if self.is_long else "short",
            "share": decimal_text(self.share),
        }
        return table if self.price is None else {**table, "price": decimal_text(self.price)}


@dataclass(frozen=True, slots=True)
class UserRules:
    """The rules that a file has in addition to its instruments. loans: None if the file has none."""

    loans: LoanLevels | None = None
    adl: tuple[Adl, ...] = ()


def default_loans(venues: list[str]) -> LoanLevels:
    """Returns the loan levels of the first of these venues with known levels, else of the catalogue's first venue."""
    names = [fact for venue in venues if (fact := venue_facts.loan_fact(venue)) is not None]
    fact = names[0] if names else venue_facts.loan_facts()[0]
    return LoanLevels(fact.call, fact.liquidation, fact.fee)


def parse_rules(text: str, *, location: str = "") -> UserRules:
    """Parse the rules of a file's text. Raises BadConfig naming the table and the key."""
    try:
        document = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise BadConfig(str(error), location=location) from None
    return rules_of(document, location=location)


def rules_of(document: Mapping[str, Any], *, location: str = "") -> UserRules:
    """Parse the rules of a TOML document that was read already."""
    loans = document.get("loans")
    rows = document.get("adl", [])
    if not isinstance(rows, list):
        raise BadConfig("adl is not a list of tables", location=location, todo="write [[adl]]")
    if len(rows) > ADL_MAX:
        raise BadConfig(f"{len(rows)} tables adl, at most {ADL_MAX}", location=location)
    facts = [_adl(row, f"{location} adl {number}".strip()) for number, row in enumerate(rows, 1)]
    return UserRules(
        None if loans is None else _loans(loans, f"{location} loans".strip()),
        tuple(sorted(facts, key=lambda fact: fact.time)),
    )


def _loans(table: object, location: str) -> LoanLevels:
    cells = _cells(table, {"call", "liquidation", "fee"}, {"call"}, location)
    call = _number(cells, "call", location)
    if call == 0:
        return NEVER_CALLED
    if "liquidation" not in cells:
        raise BadConfig("liquidation is missing", location=location)
    levels = LoanLevels(
        call, _number(cells, "liquidation", location), _number(cells, "fee", location) if "fee" in cells else Decimal(0)
    )
    if not 1 <= levels.liquidation <= levels.call <= _LEVEL_MAX:
        raise BadConfig(
            f"liquidation {levels.liquidation} and call {levels.call}",
            location=location,
            todo=f"levels lie in 1..{_LEVEL_MAX}, liquidation not above call; or call = 0",
        )
    if levels.fee >= 1:
        raise BadConfig(f"fee {levels.fee} is no share", location=location, todo='write fee = "0.02"')
    for name in ("call", "liquidation"):
        _stepped(name, getattr(levels, name), location)
    return levels


def _adl(table: object, location: str) -> Adl:
    names = {"symbol", "time", "side", "price", "share"}
    cells = _cells(table, names, {"symbol", "time", "side"}, location)
    symbol, side = cells["symbol"], cells["side"]
    if not isinstance(symbol, str) or not symbol:
        raise BadConfig(f"symbol is not a name: {symbol!r}", location=location)
    if side not in ("long", "short"):
        raise BadConfig(f"side {side!r}", location=location, todo='write "long" or "short": yours')
    try:
        time = parse_time(cells["time"])
    except (BadInput, ValueError) as error:
        raise BadConfig(f"time: {getattr(error, 'what', error)}", location=location) from None
    price = _number(cells, "price", location) if "price" in cells else None
    share = _number(cells, "share", location) if "share" in cells else Decimal(1)
    if price is not None and price == 0:
        raise BadConfig("price must be positive", location=location, todo="leave it out for the mark")
    if not 0 < share <= 1:
        raise BadConfig(f"share {share}", location=location, todo="above 0, at most 1")
    _stepped("share", share, location)
    return Adl(symbol, time, side == "long", price, share)


def _cells(table: object, names: set[str], needed: set[str], location: str) -> dict[str, Any]:
    if not isinstance(table, Mapping):
        raise BadConfig("not a table", location=location)
    cells = dict(table)
    if unknown := set(cells) - names:
        raise BadConfig(f"unknown key {min(unknown)!r}", location=location, todo=f"it has {', '.join(sorted(names))}")
    if missing := needed - set(cells):
        raise BadConfig(f"{min(missing)} is missing", location=location)
    return cells


def _number(cells: Mapping[str, Any], key: str, location: str) -> Decimal:
    value = cells[key]
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise BadConfig(f"{key} is not a number: {value!r}", location=location)
    try:
        number = to_decimal(value, what=key)
    except ValueError as error:
        raise BadConfig(str(error), location=location) from None
    if not number.is_finite() or number < 0 or number >= 10**15:
        raise BadConfig(f"{key} {value!r}", location=location, todo="give 0 or more")
    return number


def _stepped(name: str, value: Decimal, location: str) -> None:
    if value % SHARE_STEP:
        raise BadConfig(f"{name} {value} is finer than {SHARE_STEP}", location=location)


__all__ = [
    "ADL_MAX",
    "NEVER_CALLED",
    "RULE_TABLES",
    "Adl",
    "LoanLevels",
    "UserRules",
    "default_loans",
    "parse_rules",
    "rules_of",
]
