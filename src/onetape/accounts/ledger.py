"""Balances: the sum of entries, and nothing else.

`post` takes an entry whole or not at all, and once by (cause, reference). Slot 0 is never stored:
it is the sum of the slots, each time it is asked for. What legs need to be is said in `entries`;
it is checked here in the same pass that books them, since every fill goes through it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

from onetape.accounts.entries import MAIN, SLOTS_MAX, TOTAL, Cause, Entry, Outside, checked
from onetape.model.errors import BadInput, check
from onetape.model.money import money

__all__ = ["RECENT_KEPT", "REFERENCES_KEPT", "Ledger"]

# Of each currency: the entries that a statement of the venue may be older than. A statement is a
# minute apart from the next one; what is older than all of these cannot be compared.
RECENT_KEPT: Final = 4096
# Of each cause. The older half is forgotten when they are full, and an entry from before those
# counts as booked: nothing is booked twice for want of memory.
REFERENCES_KEPT: Final = 200_000

_NETTING: Final = int(Outside.NETTING)
_TRANSIT: Final = int(Outside.TRANSIT)
_NEVER: Final = -(2**63)


@dataclass(slots=True)
class _Currency:
    """One currency in one wallet."""

    holders: dict[int, int] = field(default_factory=dict)
    recent: deque[tuple[int, int]] = field(default_factory=deque)  # time, what the total moved by
    forgotten: int = _NEVER  # newest time that `recent` had to let go


_NONE: Final = _Currency()  # never written to


class Ledger:
    """Of one account of a venue. Amounts in units of 1e-18, times ns UTC."""

    def __init__(
        self, *, references_kept: int = REFERENCES_KEPT, recent_kept: int = RECENT_KEPT
    ) -> None:
        self._wallets: dict[str, dict[str, _Currency]] = {"": {}}
        self._booked: dict[Cause, dict[str, int]] = {cause: {} for cause in Cause}  # their times
        self._complete: dict[Cause, int] = {}  # what is older than this counts as booked
        self._references_kept = references_kept
        self._recent_kept = recent_kept
        self.posted = 0  # entries

    def has(self, cause: Cause, reference: str, time: int | None = None) -> bool:
        """It was booked. With the entry's time: or it is older than all that are remembered."""
        if reference in self._booked[cause]:
            return True
        return time is not None and time < self._complete.get(cause, _NEVER)

    def post(self, entry: Entry) -> bool:
        """Book it. False: that has been done, nothing changes.

        Raises BadInput where its legs are no entry; then nothing has changed.
        """
        time, cause, legs, reference, _, _ = entry
        if reference:
            booked = self._booked[cause]
            if reference in booked or time < self._complete.get(cause, _NEVER):
                return False
        # One pass: legs of a currency mostly stand together, and then each run of them adds up.
        # What is found wrong on the way is taken back.
        trading = self._wallets[""]
        runs: list[tuple[_Currency, int]] = []
        of, last, at = _NONE, "", ""
        holders = of.holders
        moved = rest = done = 0
        for holder, currency, amount, wallet in legs:
            if currency != last or wallet != at:
                if rest and currency != last:
                    self._take_back_unless_checked(entry, done)
                    rest = 0
                if moved:
                    runs.append((of, moved))
                    moved = 0
                last, at = currency, wallet
                found = (trading if not wallet else self._wallets.get(wallet, {})).get(currency)
                if found is None:
                    self._take_back_unless_checked(entry, done)
                    found = self._of(currency, wallet)
                of, holders = found, found.holders
            before = holders.get(holder)
            if before is None:
                self._take_back_unless_checked(entry, done)  # nothing new by a bad entry
                before = 0
            holders[holder] = before + amount
            rest += amount
            done += 1
            if holder > 0 or holder == _NETTING:
                moved += amount
        if rest:
            self._take_back_unless_checked(entry, done)
        if moved:
            runs.append((of, moved))
        for of, moved in runs:
            recent = of.recent
            recent.append((time, moved))
            if len(recent) > self._recent_kept:
                let_go = recent.popleft()[0]
                if let_go > of.forgotten:
                    of.forgotten = let_go
        if reference:
            booked[reference] = time
            if len(booked) > self._references_kept:
                self._forget(cause, booked)
        self.posted += 1
        return True

    def _take_back_unless_checked(self, entry: Entry, done: int) -> None:
        """`done`: how many legs are booked. Raises BadInput, with all as it was before them."""
        try:
            checked(entry)
        except BadInput:
            for holder, currency, amount, wallet in entry.legs[:done]:
                self._of(currency, wallet).holders[holder] -= amount
            raise

    def _of(self, currency: str, wallet: str) -> _Currency:
        return self._wallets.setdefault(wallet, {}).setdefault(currency, _Currency())

    def _forget(self, cause: Cause, booked: dict[str, int]) -> None:
        """The older half by their own time, not by when we heard of them."""
        before = sorted(booked.values())[len(booked) // 2]
        self._complete[cause] = max(before, self._complete.get(cause, _NEVER))
        self._booked[cause] = {name: time for name, time in booked.items() if time >= before}

    # --- what is there ----------------------------------------------------------------------------

    def balance(self, currency: str, slot: int, wallet: str = "") -> int:
        """Of a holder: a slot (0: the total) or an `Outside`. 0 where nothing was ever booked."""
        if slot == TOTAL:
            return self.total(currency, wallet)
        names = self._wallets.get(wallet)
        found = names.get(currency) if names is not None else None
        return found.holders.get(slot, 0) if found is not None else 0

    def total(self, currency: str, wallet: str = "") -> int:
        """What is ours in that wallet: all slots, and what their netting has left."""
        found = self._wallets.get(wallet, {}).get(currency)
        if found is None:
            return 0
        return sum(
            amount for holder, amount in found.holders.items() if holder > 0 or holder == _NETTING
        )

    def slots(self, currency: str, count: int = SLOTS_MAX, wallet: str = "") -> list[int]:
        """`count` balances: total, pool (what netting has left counted in), sub-accounts; the first
        is the sum of the others. Raises InvariantViolation where a slot beyond them holds money."""
        check(MAIN < count <= SLOTS_MAX, f"slots are {MAIN + 1} to {SLOTS_MAX}, not {count}")
        rows = [0] * count
        found = self._wallets.get(wallet, {}).get(currency)
        if found is not None:
            for holder, amount in found.holders.items():
                if 0 < holder < count:
                    rows[holder] += amount
                elif holder == _NETTING:
                    rows[MAIN] += amount
                elif holder > 0 and amount:
                    check(False, f"slot {holder} of {count} holds {money(amount)} {currency}")
        rows[TOTAL] = sum(rows)
        return rows

    def currencies(self, wallet: str = "") -> list[str]:
        return sorted(self._wallets.get(wallet, ()))

    def wallets(self) -> list[str]:
        return sorted(self._wallets)

    def transit(self, currency: str) -> int:
        """Ours and on its way, whatever wallet it left."""
        return sum(self.balance(currency, _TRANSIT, wallet) for wallet in self._wallets)

    def as_of(self, currency: str, time: int, wallet: str = "") -> int | None:
        """The total without what happened after `time`, a venue's time. None: that is so long ago
        that entries since then are no longer known one by one."""
        found = self._wallets.get(wallet, {}).get(currency)
        if found is None:
            return 0
        if time < found.forgotten:
            return None
        return self.total(currency, wallet) - sum(
            amount for when, amount in found.recent if when > time
        )

    def within(
        self, currency: str, start: int, end: int, wallet: str = ""
    ) -> list[tuple[int, int]]:
        """(time, what the total moved by) of what happened after `start` and until `end`, by the
        venue's time; at most the entries that are kept."""
        found = self._wallets.get(wallet, {}).get(currency)
        return sorted(each for each in found.recent if start < each[0] <= end) if found else []

    def changes(self, currency: str, since: int, wallet: str = "") -> int:
        """How many entries later than `since` have moved the total; at most those that are kept."""
        found = self._wallets.get(wallet, {}).get(currency)
        return sum(when > since for when, _ in found.recent) if found is not None else 0

    # --- checkpoints ------------------------------------------------------------------------------

    def to_record(self) -> dict[str, Any]:
        """Everything, as MessagePack and JSON can hold it; amounts as text of their digits."""
        return {
            "posted": self.posted,
            "wallets": {
                wallet: {
                    currency: {
                        "holders": [[h, str(amount)] for h, amount in of.holders.items()],
                        "recent": [[time, str(amount)] for time, amount in of.recent],
                        "forgotten": of.forgotten,
                    }
                    for currency, of in names.items()
                }
                for wallet, names in self._wallets.items()
            },
            "booked": {
                str(cause): [[name, time] for name, time in names.items()]
                for cause, names in self._booked.items()
                if names
            },
            "complete": {str(cause): time for cause, time in self._complete.items()},
        }

    @classmethod
    def from_record(
        cls,
        record: dict[str, Any],
        *,
        references_kept: int = REFERENCES_KEPT,
        recent_kept: int = RECENT_KEPT,
    ) -> Ledger:
        ledger = cls(references_kept=references_kept, recent_kept=recent_kept)
        ledger.posted = record["posted"]
        for wallet, names in record["wallets"].items():
            for currency, of in names.items():
                found = ledger._of(currency, wallet)
                found.holders = {holder: int(amount) for holder, amount in of["holders"]}
                found.recent = deque((time, int(amount)) for time, amount in of["recent"])
                found.forgotten = of["forgotten"]
        for cause, rows in record["booked"].items():
            ledger._booked[Cause(cause)] = dict(rows)
        ledger._complete = {Cause(cause): time for cause, time in record["complete"].items()}
        return ledger
