"""Sub-accounts' slots: the names and numbers in the configuration and on tape.

Two processes that disagree about a number would use each other's money, so names are looked up, and a number that had
another name is refused while that sub-account has money.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from onetape.accounts.entries import MAIN, SLOTS_MAX, TOTAL
from onetape.model.errors import BadConfig

__all__ = ["Slots"]

_OWN = {"total": TOTAL, "main": MAIN}  # names with a fixed meaning


class Slots:
    """Maps the names of sub-accounts to their slots. Raises BadConfig for numbers outside of 2 to 63, and for
    duplicates."""

    def __init__(self, names: Mapping[str, int] | None = None) -> None:
        self._by_name: dict[str, int] = {}
        self._by_slot: dict[int, str] = {}
        for name, slot in (names or {}).items():
            self.add(name, slot)

    def add(self, name: str, slot: int) -> None:
        """Adds a name and its slot; repeating one is allowed. Raises BadConfig for a clash."""
        if self._by_name.get(name) == slot:
            return
        if not name or name.lower() in (*_OWN, "operator") or name.strip() != name or name.lstrip("+-").isdigit():
            raise BadConfig(f"a sub-account cannot be named {name!r}", todo="use another name")
        if isinstance(slot, bool) or not MAIN < slot < SLOTS_MAX:
            raise BadConfig(f"sub-account {name!r} has slot {slot}", todo=f"use {MAIN + 1} to {SLOTS_MAX - 1}")
        if name in self._by_name:
            raise BadConfig(f"sub-account {name!r} has slot {self._by_name[name]} and {slot}")
        if slot in self._by_slot:
            raise BadConfig(f"slot {slot} is {self._by_slot[slot]!r} and {name!r}")
        self._by_name[name], self._by_slot[slot] = slot, name

    def slot_of(self, name: str) -> int | None:
        return self._by_name.get(name)

    def name_of(self, slot: int) -> str:
        """Returns the name of a slot, "" if it has none."""
        return self._by_slot.get(slot, "")

    def find(self, key: object) -> int | None:
        """Returns a slot by its number, its number as text, or its name, including total and main."""
        if isinstance(key, bool):
            return None
        if isinstance(key, int):
            return key if key in (TOTAL, MAIN) or key in self._by_slot else None
        if isinstance(key, str):
            text = key.strip()
            if text.isdecimal() and text.isascii() and len(text) < 4:
                return self.find(int(text))
            return _OWN.get(text.lower(), self._by_name.get(text))
        return None

    def __iter__(self) -> Iterator[tuple[str, int]]:
        """Iterates in the order of slots."""
        return iter(sorted(self._by_name.items(), key=lambda item: item[1]))

    def __len__(self) -> int:
        return len(self._by_name)

    @property
    def count(self) -> int:
        """Returns how many slots a table needs: total, pool, and up to the highest in use."""
        return max(self._by_slot, default=MAIN) + 1

    def take_over(self, earlier: Slots, holds: Callable[[int], bool]) -> None:
        """Merges the tape's names, which come first. earlier: the tape's names; holds: tells whether a slot has money.
        Raises BadConfig if a slot with money would change owners; a name that is no longer configured stays while it
        has money."""
        for name, slot in earlier:
            if not holds(slot) or self._by_name.get(name) == slot:
                continue
            taken = self._by_slot.get(slot)
            if taken is not None or name in self._by_name:
                raise BadConfig(
                    f"slot {slot} holds money of {name!r} and would be {taken or 'nobody'}'s",
                    todo=f"release it first, or write {name} = {slot}",
                )
            self.add(name, slot)

    def to_record(self) -> dict[str, int]:
        return dict(self)
