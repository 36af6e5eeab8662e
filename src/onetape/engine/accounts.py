"""Define the accounts of a run: one for all of its venues, or one at each venue.

    100000 USDT                              one account, shared by every venue of the run
    binance=100000 USDT,kraken=50000 USD     an account at each venue; nothing moves between them
    binance=100000 USDT,binance=1 BTC,...    several currencies of one account
    binance@a=100000 USDT,binance@b=50000 USDT   two accounts at one exchange, with their names
    {"binance": "100000 USDT, 1 BTC", ...}   the same in Python

The core numbers each pair of account and currency, so money at one venue cannot
back an order at another. Amounts are exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

from onetape.model.decimals import decimal_text
from onetape.model.errors import BadConfig, InvalidAmount
from onetape.model.money import parse_amount, parse_cash, refuse_grouped
from onetape.model.symbol import is_venue

__all__ = [
    "DOLLARS",
    "SHARED",
    "Accounts",
    "accounts_text",
    "as_texts",
    "at_par",
    "by_traded_venue",
    "from_texts",
    "parse_accounts",
]

Accounts = dict[str, dict[str, Decimal]]  # account -> currency -> amount
SHARED: Final = ""  # name of the account that all venues share
HOW_TO: Final = "write '100000 USDT', or 'binance=100000 USDT,kraken=50000 USD'"
# Valued one for one in the equity of a run with separate accounts: who trades a coin for dollars at one venue and for a
# dollar token at another counts both as dollars. The run's report names the currencies valued so.
DOLLARS: Final = frozenset({"USD", "USDT", "USDC", "FDUSD", "TUSD", "BUSD", "DAI", "USDE", "PYUSD"})


def parse_accounts(cash: str | Mapping[str, str]) -> Accounts:
    """Parse `--cash`. Raises BadConfig or InvalidAmount."""
    if isinstance(cash, Mapping):
        if not cash:
            raise BadConfig("no account", location="cash", todo=HOW_TO)
        for name, text in cash.items():
            if not isinstance(text, str):
                raise BadConfig(f"{name}: write '100000 USDT', not {text!r}", location="cash", todo=HOW_TO)
        found = {_venue(str(name), str(name)): parse_cash(text) for name, text in cash.items()}
        if len(found) < len(cash):
            raise BadConfig("a venue is given twice", location="cash", todo=HOW_TO)
        return found
    if "=" not in cash:
        return {SHARED: parse_cash(cash)}
    refuse_grouped(cash)
    accounts: Accounts = {}
    for part in cash.split(","):
        name, equals, text = part.partition("=")
        if not equals:
            raise BadConfig(
                f"{part.strip()!r} names no venue, although other amounts do",
                location="--cash",
                todo=f"{HOW_TO}: each amount with its venue, or none of them",
            )
        amount = parse_amount(text)
        account = accounts.setdefault(_venue(name, part), {})
        if amount.currency in account:
            raise InvalidAmount(f"{amount.currency} is given twice for {name.strip()}: {cash!r}")
        account[amount.currency] = amount.value
    return accounts


def by_traded_venue(accounts: Accounts) -> tuple[Accounts, dict[str, str]]:
    """Returns (cash by the venue in the account's symbols, account name by that venue). The first account at an
    exchange keeps the exchange's own symbols. Raises BadConfig for a name used twice."""
    venues = {account: account for account in accounts if "@" not in account}
    names: dict[str, str] = {}
    for account in accounts:
        exchange, at, name = account.partition("@")
        if not at:
            continue
        if name in names.values():
            raise BadConfig(f"two accounts are called {name!r}", location="--cash", todo="give each a name of its own")
        venues[account] = account if exchange in venues.values() else exchange
        names[venues[account]] = name
    return {venues[account]: cash for account, cash in accounts.items()}, names


def _venue(name: str, part: str) -> str:
    found = name.strip()
    if not is_venue(found):
        raise BadConfig(f"no venue is called {found!r}: {part.strip()!r}", location="--cash", todo=HOW_TO)
    return found


def accounts_text(accounts: Accounts) -> str:
    """Format accounts: `100000 USDT`, or `binance 100000 USDT, kraken 50000 USD`."""
    return ", ".join(
        f"{account} {decimal_text(value)} {currency}".strip()
        for account, cash in accounts.items()
        for currency, value in cash.items()
    )


def as_texts(accounts: Accounts) -> list[str]:
    """Format accounts for run.toml: `100000 USDT`, `binance=100000 USDT`."""
    return [
        f"{account}={value} {currency}" if account else f"{value} {currency}"
        for account, cash in accounts.items()
        for currency, value in cash.items()
    ]


def from_texts(texts: Iterable[str]) -> Accounts:
    """Parse accounts from run.toml. Raises ValueError or ArithmeticError for text that as_texts did not write."""
    accounts: Accounts = {}
    for text in texts:
        account, equals, amount = text.rpartition("=")
        value, space, currency = amount.partition(" ")
        if not space or bool(equals) != bool(account):
            raise ValueError(f"not an amount: {text!r}")
        accounts.setdefault(account, {})[currency] = Decimal(value)
    return accounts


def at_par(a: str, b: str) -> bool:
    """Returns True when the two currencies are valued one for one."""
    return a == b or (a in DOLLARS and b in DOLLARS)
