"""Withdrawals from a simulated exchange to an address, and deposits to its own addresses.

A withdrawal is debited at once; after a delay the exchange sends the money on, less the fee, or returns it. `sent` has
the sent withdrawals, for the code that carries them to another exchange; deposits are credited after the same delay.
The dialect translates the venue's names.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, NamedTuple

from onetape.exchange.account import SimAccount
from onetape.exchange.accounts import Accounts
from onetape.exchange.timeline import CallTerms, Timeline, recorded
from onetape.model.errors import BadConfig
from onetape.model.money import money_units
from onetape.model.time import SECOND

__all__ = ["TERMS", "Arrived", "Destination", "Terms", "Transfers", "Withdrawal"]

DELAY: Final = SECOND  # ns, until a withdrawal is sent on, and until a deposit is credited


class Terms(NamedTuple):
    """The terms of withdrawals: the fee, and the minimum, decimals as text."""

    fee: str
    least: str


# Invented, because venues change their terms with the load of the chains.
TERMS: Final = {
    "BTC": Terms("0.0001", "0.0005"),
    "ETH": Terms("0.002", "0.01"),
    "SOL": Terms("0.01", "0.1"),
    "XRP": Terms("0.25", "5"),
    "USDT": Terms("1", "10"),
}


class Destination(CallTerms, frozen=True, kw_only=True):
    """The destination of a withdrawal. key: the name under which the address is stored. name: the customer's id of
    the withdrawal."""

    address: str
    network: str = ""
    memo: str = ""
    key: str = ""
    name: str = ""


@dataclass(slots=True, eq=False)
class Withdrawal:
    """A withdrawal. amount: including the fee, 1e-18. state: `underway`, `sent`, `failed`. txid: "" until it is
    sent."""

    number: int
    account: SimAccount
    currency: int
    amount: int
    fee: int
    to: Destination
    time: int
    income: int  # the withdrawal's number in the account's history
    state: str = "underway"
    txid: str = ""


@dataclass(slots=True, eq=False)
class Arrived:
    """A deposit, credited or not yet."""

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


class Transfers:
    """Carries out withdrawals and deposits of an exchange. wallet: the wallet for both, "": the trading wallet."""

    def __init__(self, timeline: Timeline, accounts: Accounts, *, wallet: str = "") -> None:
        self.timeline = timeline
        self.accounts = accounts
        self.currencies = accounts.board.currencies
        self.wallet = wallet
        self.delay = DELAY
        self.withdrawals: list[Withdrawal] = []  # oldest first, like all lists here
        self.arrived: list[Arrived] = []
        self.sent: list[Withdrawal] = []
        self.stored: dict[tuple[str, str], str] = {}  # (account, key) -> address
        self._txids: set[tuple[str, str]] = set()  # (txid, receiving address)

    def address_of(self, account: SimAccount, currency: str) -> str:
        """Returns the deposit address of an account for a currency, the same for the same seed."""
        seed, kind = self.accounts.keyring
        text = f"{seed}/{kind}/{account.name}/{currency}/deposit"
        return "sim" + hashlib.sha256(text.encode()).hexdigest()[:37]

    def owner_of(self, address: str, currency: str) -> SimAccount | None:
        if currency not in self.currencies:
            return None
        own = (each for each in self.accounts if self.address_of(each, currency) == address)
        return next(own, None)

    def has_come(self, txid: str, address: str) -> bool:
        return (txid, address) in self._txids

    def free(self, account: SimAccount, at: int) -> int:
        """Returns the amount of a currency that may be withdrawn, 1e-18."""
        if self.wallet:
            return account.beside.get(at, 0)
        return int(account.money.available(at))

    @recorded("set_outside_delay")
    def set_delay(self, delay: int) -> None:
        """Sets the delay in ns, for transfers from now on."""
        self.delay = delay

    @recorded("store_address")
    def store_address(self, account: SimAccount, key: str, address: str) -> None:
        """Stores a customer's address under a name."""
        self.stored[account.name, key] = address

    @recorded("withdraw", Destination)
    def withdraw(self, account: SimAccount, currency: str, amount: str, now: int, to: Destination) -> int:
        """Withdraws money. The caller has checked balance and minimum. Returns the withdrawal's number."""
        at = self.currencies.index(currency)
        units, fee = money_units(Decimal(amount)), money_units(Decimal(TERMS[currency].fee))
        income = self.accounts.move(account, self.wallet, now, "withdrawal", at, -units, fee=fee)
        made = Withdrawal(len(self.withdrawals) + 1, account, at, units, fee, to, now, income)
        self.withdrawals.append(made)
        self.timeline.at(now + self.delay, lambda due: self._send_on(made, due))
        return made.number

    def _send_on(self, made: Withdrawal, now: int) -> None:
        if made.state != "underway":
            return
        seed, kind = self.accounts.keyring
        text = f"{seed}/{kind}/{made.number}/{made.time}/{made.to.address}"
        made.state, made.txid = "sent", hashlib.sha256(text.encode()).hexdigest()
        self.sent.append(made)

    @recorded("fail_withdrawal")
    def fail(self, number: int, now: int) -> None:
        """Fails a withdrawal and returns its money. Raises BadConfig if it has been sent."""
        made = next((each for each in self.withdrawals if each.number == number), None)
        if made is None or made.state != "underway":
            raise BadConfig(f"no withdrawal {number} is under way")
        made.state = "failed"
        self.accounts.move(made.account, self.wallet, now, "withdrawal", made.currency, made.amount, fee=-made.fee)

    @recorded("receive")
    def receive(
        self, account: SimAccount, currency: str, amount: str, now: int, *, txid: str, network: str, address: str
    ) -> None:
        """Credits a deposit, once by transaction and address, however often it is called."""
        if self.has_come(txid, address):
            return
        self._txids.add((txid, address))
        at, units = self.currencies.index(currency), money_units(Decimal(amount))
        number = len(self.arrived) + 1
        came = Arrived(number, account, at, units, txid, network, address, now)
        self.arrived.append(came)
        self.timeline.at(now + self.delay, lambda due: self._credit(came, due))

    def _credit(self, came: Arrived, now: int) -> None:
        came.is_credited = True
        came.income = self.accounts.move(came.account, self.wallet, now, "deposit", came.currency, came.amount)
