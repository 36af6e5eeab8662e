"""Money that leaves a simulated exchange for an address, and what comes to its own addresses.

A withdrawal takes its money at once; a while later the exchange has sent it on, less its fee, or
has given it back. What was sent on is in `sent`, for whoever carries it to another exchange; what
came is credited after as long. How a venue calls all this is its dialect's business.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, NamedTuple

from onetape.exchange.account import SimAccount
from onetape.exchange.clearing import Clearing
from onetape.exchange.recording import recorded
from onetape.exchange.reports import CashReport
from onetape.exchange.state import Market
from onetape.model.errors import BadConfig
from onetape.model.money import money_units

__all__ = ["TERMS", "Arrived", "Outside", "Terms", "Withdrawal"]

DELAY: Final = 1_000_000_000  # ns, until a withdrawal is sent on, and until a deposit is credited


class Terms(NamedTuple):
    """fee of a withdrawal, and the least that is asked for, decimals as text."""

    fee: str
    least: str


# Made up: venues change theirs with the load of the chains.
TERMS: Final = {
    "BTC": Terms("0.0001", "0.0005"),
    "ETH": Terms("0.002", "0.01"),
    "SOL": Terms("0.01", "0.1"),
    "XRP": Terms("0.25", "5"),
    "USDT": Terms("1", "10"),
}


@dataclass(slots=True, eq=False)
class Withdrawal:
    """amount: with the fee, 1e-18. name: the customer's id of it. state: `underway`, `sent`,
    `failed`. txid: "" until it is sent."""

    number: int
    account: SimAccount
    currency: int
    amount: int
    fee: int
    network: str
    address: str
    memo: str
    key: str
    name: str
    time: int
    income: int  # its number in the account's history
    state: str = "underway"
    txid: str = ""


@dataclass(slots=True, eq=False)
class Arrived:
    """A deposit; credited or not yet."""

    number: int
    account: SimAccount
    currency: int
    amount: int
    txid: str
    network: str
    address: str
    time: int
    income: int = 0
    is_credited: bool = False


class Outside(Clearing):
    """Part of SimExchange. outside_wallet: that withdrawals leave and deposits come to, "" being
    the one that is traded from."""

    keyring: tuple[int, str]

    def __init__(self, market: Market, *, outside_wallet: str = "", **options: Any) -> None:
        super().__init__(market, **options)
        self.outside_wallet = outside_wallet
        self.outside_delay = DELAY
        self.withdrawals: list[Withdrawal] = []  # oldest first, as all of these
        self.arrived: list[Arrived] = []
        self.sent: list[Withdrawal] = []
        self.stored: dict[tuple[str, str], str] = {}  # addresses, by account and key
        self._txids: set[tuple[str, str]] = set()  # and the address that it came to

    def address_of(self, account: SimAccount, currency: str) -> str:
        """The same for the same seed."""
        seed, kind = self.keyring
        text = f"{seed}/{kind}/{account.name}/{currency}/deposit"
        return "sim" + hashlib.sha256(text.encode()).hexdigest()[:37]

    def owner_of(self, address: str, currency: str) -> SimAccount | None:
        if currency not in self.currencies:
            return None
        own = (each for each in self.accounts if self.address_of(each, currency) == address)
        return next(own, None)

    def has_come(self, txid: str, address: str) -> bool:
        return (txid, address) in self._txids

    def outside_free(self, account: SimAccount, at: int) -> int:
        """What may be withdrawn of a currency, 1e-18."""
        if self.outside_wallet:
            return account.beside.get(at, 0)
        return int(account.money.available(at))

    @recorded
    def set_outside_delay(self, delay: int) -> None:
        """ns, of what begins from now on."""
        self.outside_delay = delay

    @recorded
    def store_address(self, account: SimAccount, key: str, address: str) -> None:
        """An address of a customer's, under a name."""
        self.stored[account.name, key] = address

    @recorded
    def withdraw(
        self,
        account: SimAccount,
        currency: str,
        amount: str,
        now: int,
        *,
        network: str = "",
        address: str,
        memo: str = "",
        key: str = "",
        name: str = "",
    ) -> int:
        """The caller has seen to it that it is there, and that it is enough. Gives its number."""
        at = self.currencies.index(currency)
        units, fee = money_units(Decimal(amount)), money_units(Decimal(TERMS[currency].fee))
        income = self._move(account, at, -units, now, "withdrawal", fee)
        number = len(self.withdrawals) + 1
        made = Withdrawal(number, account, at, units, fee, network, address, memo, key, name, now, income)
        self.withdrawals.append(made)
        self.at(now + self.outside_delay, lambda due: self._send_on(made, due))
        return number

    def _send_on(self, made: Withdrawal, now: int) -> None:
        if made.state != "underway":
            return
        seed, kind = self.keyring
        text = f"{seed}/{kind}/{made.number}/{made.time}/{made.address}"
        made.state, made.txid = "sent", hashlib.sha256(text.encode()).hexdigest()
        self.sent.append(made)

    @recorded
    def fail_withdrawal(self, number: int, now: int) -> None:
        """Its money comes back. Raises BadConfig where it is gone."""
        made = next((each for each in self.withdrawals if each.number == number), None)
        if made is None or made.state != "underway":
            raise BadConfig(f"no withdrawal {number} is under way")
        made.state = "failed"
        self._move(made.account, made.currency, made.amount, now, "withdrawal", -made.fee)

    @recorded
    def receive(
        self, account: SimAccount, currency: str, amount: str, now: int, *, txid: str, network: str, address: str
    ) -> None:
        """Once by transaction and address, however often it is told."""
        if self.has_come(txid, address):
            return
        self._txids.add((txid, address))
        at, units = self.currencies.index(currency), money_units(Decimal(amount))
        number = len(self.arrived) + 1
        came = Arrived(number, account, at, units, txid, network, address, now)
        self.arrived.append(came)
        self.at(now + self.outside_delay, lambda due: self._credit(came, due))

    def _credit(self, came: Arrived, now: int) -> None:
        came.is_credited = True
        came.income = self._move(came.account, came.currency, came.amount, now, "deposit", 0)

    def _move(self, account: SimAccount, at: int, change: int, now: int, kind: str, fee: int) -> int:
        number = self._next_income
        if self.outside_wallet:
            account.beside[at] = account.beside.get(at, 0) + change
            self._next_income += 1
            return number
        account.money.deposit(at, change)
        self._note_income(account, now, kind, at, change, -1, fee=fee)
        reason = "deposit" if change > 0 else "withdraw"
        self.say(CashReport(now, account, reason, (at,), (), change))
        return number
