"""Balances: the sum of entries, and nothing else.

`post` books an entry completely or not at all, and once by (cause, reference). Slot 0 is the sum of all our holders and
changes with them atomically. `entries` defines valid legs; the core checks and adds them, since every fill goes through
it.
"""

from __future__ import annotations

from typing import Any, Final

from onetape._core import Balances, Booked
from onetape.accounts.entries import MAIN, SLOTS_MAX, TOTAL, Cause, Entry, Outside, checked
from onetape.model.errors import BadInput, check
from onetape.model.money import money

__all__ = ["RECENT_KEPT", "REFERENCES_KEPT", "Ledger"]

# Per currency: entries kept because a venue's statement may be older. Statements are a minute apart; one older than all
# kept entries cannot be compared.
RECENT_KEPT: Final = 4096
# Per cause: beyond it the oldest goes, and anything not newer than that counts as booked: nothing is booked twice for
# lack of memory.
REFERENCES_KEPT: Final = 200_000

_NETTING: Final = int(Outside.NETTING)
_TRANSIT: Final = int(Outside.TRANSIT)
_LEAST: Final = int(min(Outside))


class Ledger:
    """Holds the balances of one account of a venue, by holder and currency.

    Amounts are in units of 1e-18, times ns UTC.
    """

    def __init__(self, *, references_kept: int = REFERENCES_KEPT, recent_kept: int = RECENT_KEPT) -> None:
        self.balances = Balances(least=_LEAST, most=SLOTS_MAX - 1, also_ours=_NETTING, recent_max=recent_kept)
        self._booked: dict[Cause, Booked] = {cause: Booked(references_kept) for cause in Cause}
        self.fills = self._booked[Cause.FILL]  # by reference
        self.posted = 0  # count of entries

    def has(self, cause: Cause, reference: str, time: int | None = None) -> bool:
        """Tells whether an entry was booked. With its time: also true for one as old as the forgotten ones."""
        return self._booked[cause].has(reference, time)

    def post(self, entry: Entry) -> bool:
        """Books an entry. False: it was booked before, and nothing changes.

        Raises BadInput for invalid legs, without any change.
        """
        if entry.reference and self.has(entry.cause, entry.reference, entry.time):
            return False
        self.add(entry)
        return True

    def checked(self, entry: Entry) -> Entry:
        """Returns the entry. Raises BadInput for invalid legs, or if a balance would overflow."""
        if not self.balances.takes(entry.legs):
            raise _refused(entry)
        return entry

    def add(self, entry: Entry) -> None:
        """Books an entry for which `has` is false. Raises as `checked` does, without any change."""
        time, cause, legs, reference, _, _ = entry
        if not self.balances.post(time, legs):
            raise _refused(entry)
        if reference:
            self._booked[cause].add(reference, time)
        self.posted += 1

    def replay_fill(self, payload: bytes, later_than: int) -> int | None:
        """Books an entry frame of the tape if it is an ordinary fill's after that time, without an object for each leg.
        Returns the sequence of the fill's frame. None: not booked; decode it as an entry."""
        of = self.balances.replay_fill(payload, later_than, self.fills)
        if of is not None:
            self.posted += 1
        return of

    # --- balances ---------------------------------------------------------------------------------

    def balance(self, currency: str, slot: int, wallet: str = "") -> int:
        """Returns the balance of a holder: a slot (0: the total) or an `Outside`.

        0 if nothing was ever booked.
        """
        return self.balances.balance(currency, slot, wallet)

    def free(self, currency: str, slot: int, credit: int) -> int:
        """Returns the amount that a slot may use before reserves: its balance; for the pool also its credit, less the
        losses of netting. Gains of netting are not available yet."""
        return self.balances.free(currency, slot, credit)

    def total(self, currency: str, wallet: str = "") -> int:
        """Returns our total in that wallet: all slots, and the balance of netting."""
        return self.balances.balance(currency, TOTAL, wallet)

    def slots(self, currency: str, count: int = SLOTS_MAX, wallet: str = "") -> list[int]:
        """Returns `count` balances: total, pool (with netting), sub-accounts; the first is the sum of the others.
        Raises InvariantViolation if a slot beyond them holds money."""
        check(MAIN < count <= SLOTS_MAX, f"slots are {MAIN + 1} to {SLOTS_MAX}, not {count}")
        rows = self.balances.slots(currency, count, wallet)
        if rows is None:
            for slot, amount in self.balances.holders(currency, wallet):
                check(slot < count, f"slot {slot} of {count} holds {money(amount)} {currency}")
        assert rows is not None
        return rows

    def slots_held(self, currency: str, wallet: str = "") -> list[int]:
        """Returns the slots with any balance, in order."""
        return [slot for slot, _ in self.balances.holders(currency, wallet) if slot > TOTAL]

    def currencies(self, wallet: str = "") -> list[str]:
        """Returns the currencies, in order."""
        return self.balances.currencies(wallet)

    def wallets(self) -> list[str]:
        """Returns the wallets, in order."""
        return self.balances.wallets()

    def transit(self, currency: str) -> int:
        """Returns our amount in transit, from any wallet."""
        return sum(self.balance(currency, _TRANSIT, wallet) for wallet in self.wallets())

    def as_of(self, currency: str, time: int, wallet: str = "") -> int | None:
        """Returns the total at `time`, a venue's time. None: the entries since then are no longer all kept."""
        return self.balances.as_of(currency, time, wallet)

    def within(self, currency: str, start: int, end: int, wallet: str = "") -> list[tuple[int, int]]:
        """Returns (time, change of the total) of entries after `start` and until `end`, by the venue's time.

        At most the entries that are kept.
        """
        if currency not in self.currencies(wallet):
            return []
        recent, _ = self.balances.history(currency, wallet)
        return sorted(each for each in recent if start < each[0] <= end)

    def changes(self, currency: str, since: int, wallet: str = "") -> int:
        """Returns the count of entries later than `since` that changed the total; at most those that are kept."""
        return self.balances.changes(currency, since, wallet)

    # --- checkpoints ------------------------------------------------------------------------------

    def to_record(self) -> dict[str, Any]:
        """Returns all state as MessagePack and JSON can hold it; amounts as text of their digits."""
        return {
            "posted": self.posted,
            "wallets": {
                wallet: {name: self._row(name, wallet) for name in self.currencies(wallet)} for wallet in self.wallets()
            },
            "booked": {
                str(cause): [[name, time] for name, time in of.rows()] for cause, of in self._booked.items() if len(of)
            },
            "complete": {str(cause): of.complete for cause, of in self._booked.items() if of.complete != Booked.NEVER},
        }

    def _row(self, currency: str, wallet: str) -> dict[str, Any]:
        recent, forgotten = self.balances.history(currency, wallet)
        return {
            "holders": [[holder, str(amount)] for holder, amount in self.balances.holders(currency, wallet)],
            "recent": [[time, str(amount)] for time, amount in recent],
            "forgotten": forgotten,
        }

    @classmethod
    def from_record(
        cls, record: dict[str, Any], *, references_kept: int = REFERENCES_KEPT, recent_kept: int = RECENT_KEPT
    ) -> Ledger:
        ledger = cls(references_kept=references_kept, recent_kept=recent_kept)
        ledger.posted = record["posted"]
        for wallet, names in record["wallets"].items():
            for currency, of in names.items():
                ledger.balances.restore(
                    currency,
                    wallet,
                    [(holder, int(amount)) for holder, amount in of["holders"]],
                    [(time, int(amount)) for time, amount in of["recent"]],
                    of["forgotten"],
                )
        for cause, rows in record["booked"].items():
            for name, time in rows:
                ledger._booked[Cause(cause)].add(name, time)
        for cause, time in record["complete"].items():
            ledger._booked[Cause(cause)].restore(time)
        return ledger


def _refused(entry: Entry) -> BadInput:
    """Returns why the core refused an entry: invalid legs, else an overflow."""
    checked(entry)
    return BadInput(f"{entry.cause} {entry.reference}: a balance would not fit 128 bits")
