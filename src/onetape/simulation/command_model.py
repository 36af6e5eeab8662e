"""What commands about sub-accounts have to be answered, and what they move: written from the rules,
in dictionaries and whole units of 1e-18, without a ledger, a journal or a table."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

OPERATOR = "operator"
MONEY = ("allocate", "release", "adjust", "set", "reset")
FIELDS = {"strategy", "currency", "index", "amount", "delta", "transfer_id"}
POOL = 1
UNITS = 10**18
MOST = 2**127 - 1


@dataclass
class Book:
    """One currency. netting: what of the pool the netting of positions has left there."""

    slots: dict[int, int]
    held: dict[int, int] = field(default_factory=dict)
    credit: int = 0
    netting: int = 0

    def free(self, slot: int) -> int:
        found = self.slots.get(slot, 0)
        return found - max(self.netting, 0) + self.credit if slot == POOL else found


@dataclass
class Said:
    """status and the code's name, "" where it was applied."""

    status: str
    code: str = ""


@dataclass
class CommandModel:
    """names: of sub-accounts, with their slots. books: by currency."""

    names: dict[str, int]
    books: dict[str, Book]
    done: dict[str, tuple[str, Said]] = field(default_factory=dict)  # by id: the words, the answer
    transfers: set[str] = field(default_factory=set)

    def answer(self, actor: str, name: str, fields: dict[str, Any], id_: str, *, is_proven: bool = True) -> Said:
        """The books are moved where it is applied."""
        if not is_proven:
            return Said("refused", "PERMISSION_DENIED")
        if actor != OPERATOR and fields.get("strategy", actor) != actor:
            return Said("refused", "NOT_OWNER")
        if not set(fields) <= FIELDS:
            return Said("refused", "USAGE_ERROR")
        words = json.dumps([actor, name, fields], sort_keys=True, default=str)
        if id_ in self.done:
            before, said = self.done[id_]
            if before != words:
                return Said("refused", "DUPLICATE_COMMAND")
            return Said("duplicate", said.code)
        code = self._do(actor, name, fields)
        said = Said("refused", code) if code else Said("applied")
        self.done[id_] = words, said
        return said

    def _do(self, actor: str, name: str, fields: dict[str, Any]) -> str:
        if actor != OPERATOR and name in ("set", "reset"):
            return "PERMISSION_DENIED"
        currency = str(fields.get("currency", "")).upper()
        book = self.books.get(currency)
        if book is None:
            return "UNKNOWN_CURRENCY"
        slot = self._slot(actor, name, fields)
        if isinstance(slot, str):
            return slot
        amounts = [amount_of(fields[key]) for key in ("amount", "delta") if fields.get(key) is not None]
        if not amounts or None in amounts or amounts[0] != amounts[-1]:
            return "INVALID_AMOUNT"
        amount = amounts[0]
        assert amount is not None
        if (amount == 0 and name not in ("set", "reset")) or (amount < 0 and name != "adjust"):
            return "INVALID_AMOUNT"
        match name:
            case "allocate":
                return self._move(book, POOL, slot, amount)
            case "release":
                return self._move(book, slot, POOL, amount)
            case "adjust":
                return self._adjust(book, amount, fields.get("transfer_id") or "")
            case "reset":
                book.slots = {POOL: amount}
                book.netting = 0
                return ""
        if slot == POOL:
            return "UNKNOWN_SUBACCOUNT"
        if slot == 0:
            book.slots[POOL] = book.slots.get(POOL, 0) + amount - sum(book.slots.values())
            return ""
        change = amount - book.slots.get(slot, 0)
        if change > 0:
            return self._move(book, POOL, slot, change)
        return self._move(book, slot, POOL, -change) if change else ""

    def _slot(self, actor: str, name: str, fields: dict[str, Any]) -> int | str:
        index = fields.get("index")
        seen = {"total": 0, "main": 1, **self.names}
        seen |= {str(slot): slot for slot in seen.values()}
        found = seen.get(str(index), index if index in seen.values() else None)
        owner = fields.get("strategy", actor)
        if name in ("adjust", "reset") or (name == "set" and index is None and owner == OPERATOR):
            if index is not None and found != 0:
                return "UNKNOWN_SUBACCOUNT"
            return 0 if actor == OPERATOR or actor in self.names else "NOT_OWNER"
        if index is None:
            found = self.names.get(owner)
        if found is None or (found <= POOL and name != "set"):
            return "UNKNOWN_SUBACCOUNT"
        if found > POOL and owner != OPERATOR and self.names.get(owner) != found:
            return "NOT_OWNER"
        return int(found)

    def _move(self, book: Book, source: int, target: int, amount: int) -> str:
        if amount > book.free(source):
            return "INSUFFICIENT_FUNDS"
        if amount > book.free(source) - book.held.get(source, 0):
            return "FUNDS_LOCKED"
        book.slots[source] = book.slots.get(source, 0) - amount
        book.slots[target] = book.slots.get(target, 0) + amount
        return ""

    def _adjust(self, book: Book, amount: int, transfer: str) -> str:
        if transfer and transfer in self.transfers:
            return ""
        if amount < 0 and book.free(POOL) + amount < 0:
            return "INSUFFICIENT_FUNDS"
        if transfer:
            self.transfers.add(transfer)
        book.slots[POOL] = book.slots.get(POOL, 0) + amount
        return ""


def amount_of(text: object) -> int | None:
    """Whole units; None: no amount."""
    if isinstance(text, bool) or not isinstance(text, str | int | float):
        return None
    try:
        units = Fraction(str(text).strip()) * UNITS
    except (ValueError, ZeroDivisionError):
        return None
    return int(units) if units.denominator == 1 and abs(units) <= MOST else None
