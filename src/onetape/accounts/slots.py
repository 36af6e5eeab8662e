"""Sub-accounts: which moves between the pool and them a command may make, and for whom.

Each method returns the entry to be booked, or a refusal; nothing is changed here. Credit is configured and never a
balance: the pool may go below zero by at most that amount. Money reserved by working orders and positions (`held`)
cannot be withdrawn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from onetape.accounts.amounts import amount_units
from onetape.accounts.entries import MAIN, TOTAL, TRANSFER_REPORTED, Cause, Entry, Leg, Outside
from onetape.accounts.ledger import Ledger
from onetape.accounts.registry import Slots
from onetape.model.errors import (
    DuplicateCommand,
    FundsLocked,
    InsufficientFunds,
    InvalidAmount,
    NotOwner,
    OnetapeError,
    PermissionDenied,
    UnknownCurrency,
    UnknownSubaccount,
    UsageError,
)
from onetape.model.money import money
from onetape.model.sections import OPERATOR

__all__ = ["COMMANDS", "MONEY", "OPERATOR", "Refused", "Slots", "SubAccounts", "amount_of"]

COMMANDS: Final = ("allocate", "release", "adjust", "set", "reset")
MONEY: Final = (*COMMANDS, "transfer")  # all commands that move money
_CAUSES: Final = (Cause.COMMAND, Cause.CORRECTION, Cause.RESET)  # of their entries

# Bound once: a lookup of a member at its class costs as much as a call.
_WORLD: Final = Outside.WORLD
_COMMAND: Final = Cause.COMMAND


class Refused(NamedTuple):
    """A command that was refused. kind: the answer has its name and number."""

    kind: type[OnetapeError]
    words: str

    def error(self) -> OnetapeError:
        return self.kind(self.words)


class SubAccounts:
    """Allocates the money of an account to its sub-accounts.

    credit: of each currency, units of 1e-18.
    held: by currency and slot, never negative.
    """

    def __init__(
        self,
        ledger: Ledger,
        slots: Slots,
        credit: Mapping[str, int] | None = None,
        held: Callable[[str, int], int] = lambda currency, slot: 0,
    ) -> None:
        self.ledger = ledger
        self.slots = slots
        self.credit: dict[str, int] = dict(credit or {})
        self.held = held

    # --- available money --------------------------------------------------------------------------

    def free(self, currency: str, slot: int) -> int:
        """Returns the amount that a slot may use before reserves, by `Ledger.free` with the configured credit."""
        return self.ledger.free(currency, slot, self.credit.get(currency, 0))

    def available(self, currency: str, slot: int) -> int:
        """Returns the free amount less the reserves."""
        return self.free(currency, slot) - self.held(currency, slot)

    # --- moves ------------------------------------------------------------------------------------

    def allocate(
        self, currency: str, slot: int, amount: int, *, now: int, reference: str = "", note: str = ""
    ) -> Entry | Refused:
        """Makes the entry that moves money from the pool to a sub-account."""
        return self._move(currency, MAIN, slot, amount, now, reference, note)

    def release(
        self, currency: str, slot: int, amount: int, *, now: int, reference: str = "", note: str = ""
    ) -> Entry | Refused:
        """Makes the entry that moves money back to the pool."""
        return self._move(currency, slot, MAIN, amount, now, reference, note)

    def adjust(
        self,
        currency: str,
        amount: int,
        *,
        now: int,
        reference: str = "",
        transfer: str = "",
        note: str = "",
        wallet: str = "",
    ) -> Entry | Refused:
        """Makes the entry of a transfer made outside: into the pool, negative out of it.

        transfer: its id, by which it is booked once, whoever reports it first. wallet: of the account, if it is not the
        trading wallet.
        """
        booked_as = f"{TRANSFER_REPORTED}{transfer}" if transfer else reference
        if transfer and (self.ledger.has(Cause.TRANSFER, transfer) or self.ledger.has(_COMMAND, booked_as)):
            words = f"{note}: transfer {transfer} was booked already".strip(": ")
            return Entry(now, _COMMAND, (), reference, 0, words)
        if amount < 0 and self.free(currency, MAIN) + amount < 0:
            return _too_little(currency, MAIN, -amount, self.free(currency, MAIN))
        legs = (Leg(MAIN, currency, amount, wallet), Leg(_WORLD, currency, -amount))
        return Entry(now, _COMMAND, legs, booked_as, 0, note)

    def set(
        self, currency: str, slot: int, amount: int, *, now: int, reference: str = "", note: str = ""
    ) -> Entry | Refused:
        """Makes the entry that sets a balance. Slot 0: the total, sub-accounts keep theirs, the pool gets the rest.
        Else a sub-account's, from the pool."""
        change = amount - self.ledger.balance(currency, slot)
        if slot == TOTAL:
            legs = (Leg(MAIN, currency, change), Leg(Outside.UNEXPLAINED, currency, -change))
            return Entry(now, Cause.CORRECTION, legs, reference, 0, note)
        if slot == MAIN:
            return Refused(UnknownSubaccount, "the pool is the total less the sub-accounts: set one of these")
        if change < 0:
            return self.release(currency, slot, -change, now=now, reference=reference, note=note)
        if change == 0:
            return Entry(now, _COMMAND, (), reference, 0, note)
        return self.allocate(currency, slot, change, now=now, reference=reference, note=note)

    def reset(self, currency: str, amount: int, *, now: int, reference: str = "", note: str = "") -> Entry:
        """Makes the entry after which all sub-accounts are zero, and total and pool are the amount."""
        rows = self.ledger.slots(currency)
        legs = [Leg(slot, currency, -balance) for slot, balance in enumerate(rows) if slot > MAIN and balance]
        change = amount - rows[TOTAL]
        legs.append(Leg(MAIN, currency, amount - rows[MAIN]))
        legs.append(Leg(Outside.UNEXPLAINED, currency, -change))
        return Entry(now, Cause.RESET, tuple(legs), reference, 0, note)

    def _move(
        self, currency: str, source: int, target: int, amount: int, now: int, reference: str, note: str
    ) -> Entry | Refused:
        if amount <= 0:
            return Refused(InvalidAmount, f"an amount is above 0, not {money(amount)} {currency}")
        if (refused := self.cannot_leave(currency, source, amount)) is not None:
            return refused
        legs = (Leg(source, currency, -amount), Leg(target, currency, amount))
        return Entry(now, _COMMAND, legs, reference, 0, note)

    def cannot_leave(self, currency: str, slot: int, amount: int) -> Refused | None:
        """Returns why that amount cannot leave a slot; None: it can."""
        free = self.free(currency, slot)
        if amount > free:
            return _too_little(currency, slot, amount, free)
        held = self.held(currency, slot)
        if amount > free - held:
            words = f"{money(held)} of {money(free)} {currency} in slot {slot} is held"
            return Refused(FundsLocked, f"{words} by orders and positions, asked {money(amount)}")
        return None

    # --- commands ---------------------------------------------------------------------------------

    def command(self, actor: str, name: str, fields: Mapping[str, Any], id_: str, now: int) -> Entry | Refused:
        """Returns the entry of a command. `fields`: currency, index, amount or delta, strategy, and for an adjust the
        transfer_id, if there is one."""
        if name not in COMMANDS:
            return Refused(UsageError, f"no command {name!r}, but {', '.join(COMMANDS)}")
        if not actor:
            return Refused(PermissionDenied, f"{name}: the command has no sender")
        strategy = fields.get("strategy", actor)
        if actor != OPERATOR and strategy != actor:
            return Refused(NotOwner, f"{actor} is not {strategy}")
        if actor != OPERATOR and name in ("set", "reset"):
            return Refused(PermissionDenied, f"{name} is the operator's")
        if id_ and any(self.ledger.has(cause, id_) for cause in _CAUSES):
            return Refused(DuplicateCommand, f"command {id_} is done already")
        currency = self.currency(fields.get("currency"))
        if isinstance(currency, Refused):
            return currency
        slot = self._slot(actor, name, fields)
        if isinstance(slot, Refused):
            return slot
        amount = amount_of(name, fields)
        if isinstance(amount, Refused):
            return amount
        note = f"{name} by {actor}"
        match name:
            case "allocate":
                return self.allocate(currency, slot, amount, now=now, reference=id_, note=note)
            case "release":
                return self.release(currency, slot, amount, now=now, reference=id_, note=note)
            case "adjust":
                transfer = fields.get("transfer_id") or ""
                if not isinstance(transfer, str):
                    return Refused(UsageError, f"transfer_id is not a text: {transfer!r}")
                return self.adjust(currency, amount, now=now, reference=id_, transfer=transfer, note=note)
            case "set":
                return self.set(currency, slot, amount, now=now, reference=id_, note=note)
            case _:
                return self.reset(currency, amount, now=now, reference=id_, note=note)

    def currency(self, value: object) -> str | Refused:
        """Finds a currency by its code in any case; one that was never booked is an error."""
        text = str(value or "").strip()
        for listed in (*self.ledger.currencies(), *self.credit):
            if listed.upper() == text.upper():
                return listed
        return Refused(UnknownCurrency, f"the account has no currency {text[:40]!r}")

    def _slot(self, actor: str, name: str, fields: Mapping[str, Any]) -> int | Refused:
        index, owner = fields.get("index"), fields.get("strategy", actor)
        is_own = owner == OPERATOR
        if name in ("adjust", "reset") or (name == "set" and index is None and is_own):
            if index is not None and self.slots.find(index) != TOTAL:
                return Refused(UnknownSubaccount, f"{name} is of index 0, not {index!r}")
            if actor != OPERATOR and self.slots.slot_of(actor) is None:
                return Refused(NotOwner, f"{actor} has no sub-account here")
            return TOTAL
        slot = self.slots.find(owner if index is None else index)
        if slot is None or (slot <= MAIN and name != "set"):
            listed = ", ".join(f"{each} = {number}" for each, number in self.slots) or "none"
            named = owner if index is None else index
            return Refused(UnknownSubaccount, f"no sub-account {named!r}, but {listed}")
        # Also for the operator: a name and a number of two slots would move the wrong money.
        if slot > MAIN and not is_own and self.slots.name_of(slot) != owner:
            return Refused(NotOwner, f"slot {slot} is not {owner}'s")
        return slot

    def slot_moved(self, actor: str, fields: Mapping[str, Any]) -> int | Refused:
        """Returns the slot whose money a transfer moves: the pool if the operator names none."""
        index = fields.get("index")
        if index is None:
            index = actor if actor != OPERATOR else fields.get("strategy", OPERATOR)
        if actor == OPERATOR and (index == OPERATOR or self.slots.find(index) in (TOTAL, MAIN)):
            return MAIN
        return self._slot(actor, "transfer", {**fields, "index": index})


def amount_of(name: str, fields: Mapping[str, Any]) -> int | Refused:
    """Returns `amount` or `delta`; both only if they are equal."""
    units = []
    for key in ("amount", "delta"):
        value = fields.get(key)
        if value is None:
            continue
        try:
            units.append(amount_units(value, what=key))
        except InvalidAmount as error:
            return Refused(InvalidAmount, error.what)
    if not units:
        return Refused(InvalidAmount, f"{name} needs an amount")
    if units[0] != units[-1]:
        return Refused(InvalidAmount, "amount and delta differ")
    amount = units[0]
    if (amount == 0 and name not in ("set", "reset")) or (amount < 0 and name != "adjust"):
        return Refused(InvalidAmount, f"{name} of {money(amount)}")
    return amount


def _too_little(currency: str, slot: int, amount: int, free: int) -> Refused:
    location = "the pool" if slot == MAIN else f"slot {slot}"
    return Refused(InsufficientFunds, f"{location} has {money(free)} {currency} to use, asked {money(amount)}")
