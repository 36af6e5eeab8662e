"""Payloads of commands to gateways, by the names that strategies know.

    kraken_strategy_balance(strategy="a", cmd="allocate", currency="usd", index=2, amount=100)

Enums stand for their text. Amounts travel as text, exactly: a float is its shortest one.
"""

from __future__ import annotations

from decimal import Decimal
from enum import Enum
from typing import Any, Final

from onetape.model.errors import UsageError

__all__ = [
    "BINANCE_STRATEGY_BALANCE_CMD",
    "BITMEX_STRATEGY_BALANCE_CMD",
    "KRAKEN_STRATEGY_BALANCE_CMD",
    "PING_CMD",
    "TRANSFER_CMD",
    "Amount",
    "binance_strategy_balance",
    "bitmex_strategy_balance",
    "kraken_strategy_balance",
    "strategy_balance",
    "strategy_balance_cmd",
    "transfer",
]

KRAKEN_STRATEGY_BALANCE_CMD: Final = "kraken_strategy_balance"
BINANCE_STRATEGY_BALANCE_CMD: Final = "binance_strategy_balance"
BITMEX_STRATEGY_BALANCE_CMD: Final = "bitmex_strategy_balance"
PING_CMD: Final = "ping"
TRANSFER_CMD: Final = "transfer"

Amount = str | int | float | Decimal


def strategy_balance_cmd(exchange: str | Enum) -> str:
    """Returns the command function of any exchange, by its name."""
    return f"{_word(exchange)}_strategy_balance"


def strategy_balance(
    strategy: str | Enum,
    cmd: str | Enum,
    currency: str | Enum,
    amount: Amount | None = None,
    delta: Amount | None = None,
    index: int | str | Enum = 0,
    transfer_id: str | None = None,
) -> dict[str, Any]:
    """Makes a balance command. cmd: allocate, release, adjust, and for the operator set and reset. `amount` or `delta`.
    index: the slot, by number or name; an adjust's is 0. transfer_id: counts a transfer reported several times once.
    The gateway checks the fields."""
    payload: dict[str, Any] = {
        "strategy": _text(strategy),
        "cmd": _word(cmd),
        "currency": _text(currency),
        "index": index if isinstance(index, int) and not isinstance(index, Enum) else _slot(index),
    }
    if amount is not None:
        payload["amount"] = _amount(amount)
    if delta is not None:
        payload["delta"] = _amount(delta)
    if transfer_id is not None:
        payload["transfer_id"] = transfer_id
    return payload


kraken_strategy_balance = strategy_balance
binance_strategy_balance = strategy_balance
bitmex_strategy_balance = strategy_balance


def transfer(
    id: str | None,
    currency: str | Enum,
    amount: Amount,
    source: str | Enum,
    target: str | Enum,
    index: int | str | Enum | None = None,
    strategy: str | Enum | None = None,
    deadline: str | None = None,
) -> dict[str, Any]:
    """Makes a transfer from one wallet to another, carried out once by its id. id: None: the command's id is used, and
    an unfinished transfer with the same places and currency counts as the same. source, target: a wallet of the account
    (`trading`, `spot`), or `venue.account.wallet`. index: the sub-account whose money moves; by default a strategy's
    own, the pool for the operator. deadline: a duration such as `60s`."""
    payload: dict[str, Any] = {
        "currency": _text(currency),
        "amount": _amount(amount),
        "from": _text(source),
        "to": _text(target),
    }
    if id is not None:
        payload["id"] = id
    if index is not None:
        payload["index"] = _slot(index)
    if strategy is not None:
        payload["strategy"] = _text(strategy)
    if deadline is not None:
        payload["deadline"] = deadline
    return payload


def _amount(amount: Amount) -> str:
    """Returns the digits of an amount; the gateway refuses an invalid one."""
    if isinstance(amount, bool) or not isinstance(amount, str | int | float | Decimal):
        raise UsageError(f"an amount is a number or its text, not {type(amount).__name__}")
    return str(amount)


def _text(value: str | Enum) -> str:
    """Returns an enum's value if it is text, else its name."""
    if isinstance(value, Enum):
        return value.value if isinstance(value.value, str) else value.name
    return value


def _word(value: str | Enum) -> str:
    return _text(value).lower()


def _slot(value: int | str | Enum) -> int | str:
    if isinstance(value, Enum):
        return value.value if isinstance(value.value, int | str) else value.name
    return value
