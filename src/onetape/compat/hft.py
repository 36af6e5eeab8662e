"""Replacement for the modules `hft` and `hftpy`: write `from onetape.compat import hft` in such scripts.

quote = hft.getSingleQuoteCurrency("kraken", hft.DataType.BALANCE, "usd")
    quote.mid, quote.timestamp, quote.localTimestamp        # a balance as double, times in us UTC

    commands = hft.IPCCommandSystem("my_strategy")
    commands.start()
    await commands.send_command("kraken_gateway", hft.KRAKEN_STRATEGY_BALANCE_CMD, {...})

Exchange and currency are texts or members of an enumeration, in any case of letters. A balance without a live source
raises an error; the original returned an old balance.
"""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import NamedTuple

from onetape.accounts.reader import StrategyBalanceManager, get_balance
from onetape.ipc.commands import (
    BINANCE_STRATEGY_BALANCE_CMD,
    BITMEX_STRATEGY_BALANCE_CMD,
    KRAKEN_STRATEGY_BALANCE_CMD,
    binance_strategy_balance,
    bitmex_strategy_balance,
    kraken_strategy_balance,
)
from onetape.ipc.system import IPCCommandSystem
from onetape.model.errors import NotAvailable

__all__ = [
    "BINANCE_STRATEGY_BALANCE_CMD",
    "BITMEX_STRATEGY_BALANCE_CMD",
    "KRAKEN_STRATEGY_BALANCE_CMD",
    "Currency",
    "DataType",
    "Exchange",
    "IPCCommandSystem",
    "SingleQuote",
    "StrategyBalanceManager",
    "binance_strategy_balance",
    "bitmex_strategy_balance",
    "getSingleQuoteCurrency",
    "kraken_strategy_balance",
]


class Exchange(StrEnum):
    """Exchanges by name; text is accepted as well."""

    ASTER = "aster"
    BINANCE = "binance"
    BITMEX = "bitmex"
    KRAKEN = "kraken"
    PACIFICA = "pacifica"


class Currency(StrEnum):
    """Common currencies; write others as text."""

    BNB = "bnb"
    BTC = "btc"
    ETH = "eth"
    EUR = "eur"
    SOL = "sol"
    USD = "usd"
    USDC = "usdc"
    USDT = "usdt"
    XBT = "xbt"
    XRP = "xrp"


class DataType(Enum):
    """The kind of a quote with one number."""

    BALANCE = "balance"


class SingleQuote(NamedTuple):
    """A quote of one number. mid: the balance; times in us UTC."""

    timestamp: int
    localTimestamp: int  # noqa: N815 - its name there
    mid: float


def getSingleQuoteCurrency(exchange: str | Enum, data: DataType, currency: str | Enum) -> SingleQuote:  # noqa: N802
    """Returns the total of a currency on the exchange's only account. Raises as `accounts.get_balance`, NotAvailable
    for other data types."""
    if data is not DataType.BALANCE:
        raise NotAvailable(
            f"quotes of {data} are not supported", location="getSingleQuoteCurrency", todo="DataType.BALANCE"
        )
    quote = get_balance(exchange, currency)
    return SingleQuote(quote.timestamp, quote.local_timestamp, float(quote.mid))
