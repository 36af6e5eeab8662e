"""Matches up to three reports of one transfer: by a command, by the venue's stream, by its balance.

The first report is booked, and the others are recognized as the same. It is a fold of the entries, so that a tape
rebuilds the state:

    reported by us        a command between the pool and the world, a half of a transfer of ours
    reported by venue     a transfer between the pool and the world
    reported by balance   a correction: its amount is open until another report explains it

The first leg of a report is the pool's, with the movement's amount. If the total already includes the money, `world`
(another report came before) or `unexplained` (a correction included it) replaces the pool in that leg: the leg stays,
no money moves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from itertools import combinations
from typing import Any, Final, NamedTuple

from onetape.accounts.entries import MAIN, TRANSFER_REPORTED, Cause, Entry, Leg, Outside
from onetape.model.time import SECOND
from onetape.orders.reports import MoveReport

__all__ = ["DEADLINE", "LATE", "WINDOW", "Compared", "Unexplained", "moved"]

DEADLINE: Final = 120 * SECOND  # longest time until the venue's balance shows a transfer that we reported
WINDOW: Final = 3600 * SECOND  # beyond it, equal amounts are two transfers
KEPT: Final = 256  # of each kind; the oldest goes
_TRIED: Final = 8  # movements tested as seen or not seen, in all 256 combinations
_NEVER: Final = -(2**63)

_CORRECTED = frozenset((Cause.CORRECTION, Cause.RESET))
LATE = frozenset((Cause.FILL, Cause.FEE, Cause.FUNDING, Cause.INTEREST))

# Bound once: a lookup of a member at its class costs as much as a call.
_WORLD: Final = Outside.WORLD
_UNEXPLAINED: Final = Outside.UNEXPLAINED
_MARKET: Final = Outside.MARKET
_TRANSIT: Final = Outside.TRANSIT
_NETTING: Final = Outside.NETTING
_COMMAND: Final = Cause.COMMAND
_TRANSFER: Final = Cause.TRANSFER
_REPORTED: Final = frozenset((_COMMAND, _TRANSFER))
_NO_SLOTS: Final = frozenset((MAIN, _WORLD, _UNEXPLAINED))


@dataclass(slots=True)
class _Item:
    """A reported movement of money. seen: a venue's time at which its balance included it, 0: unknown. is_booked: it
    moved money in the ledger."""

    amount: int
    time: int
    reference: str
    seen: int = 0
    is_booked: bool = True
    is_paired: bool = False


@dataclass(slots=True)
class _Open:
    """An amount that a correction as of that time has booked, and that no report has explained yet."""

    amount: int
    time: int


@dataclass(slots=True)
class _Currency:
    ours: list[_Item] = field(default_factory=list)
    venues: list[_Item] = field(default_factory=list)
    open: list[_Open] = field(default_factory=list)
    roundings: list[_Open] = field(default_factory=list)  # roundings of many changes, which may hide a payment
    corrected: int = _NEVER  # time of the venue's newest balance that was made ours


class Compared(NamedTuple):
    """The difference of a balance.

    difference: the venue's less ours.
    is_settled: no action is needed.
    """

    difference: int
    is_settled: bool


def moved(report: MoveReport, *, of: int = 0) -> Entry:
    """Returns the entry of a balance change that the venue reports."""
    legs = (Leg(MAIN, report.currency, report.amount), Leg(_WORLD, report.currency, -report.amount))
    return Entry(report.time, _TRANSFER, legs, report.reference, of)


class Unexplained:
    """Explains differences between the venue's balance and ours, of one account's trading wallet.

    slack: returns the venue's rounding of a currency.
    """

    def __init__(
        self, slack: Callable[[str], int] = lambda currency: 0, *, deadline: int = DEADLINE, window: int = WINDOW
    ) -> None:
        self._slack = slack
        self._deadline = deadline
        self._window = window
        self._currencies: dict[str, _Currency] = {}
        self.corrected_last = _NEVER  # of all currencies: later entries are late for none
        self.compared_last = _NEVER  # the same, of balances that agreed, too

    def _of(self, currency: str) -> _Currency:
        return self._currencies.setdefault(currency, _Currency())

    def open(self, currency: str) -> int:
        """Returns the sum of corrections that nothing has explained."""
        return sum(each.amount for each in self._of(currency).open)

    def rest_of(self, currency: str, difference: int, slack: int) -> int:
        """Returns the rest of a difference that reverses one correction, or all open ones, if it is within the venue's
        rounding. 0 if it reverses none."""
        taken = [each.amount for each in reversed(self._of(currency).open)]
        rests = (difference + amount for amount in (*taken, sum(taken)) if amount)
        return next((rest for rest in rests if abs(rest) <= slack), 0)

    def is_rounding_back(self, currency: str, difference: int, slack: int) -> bool:
        """Tells whether a difference reverses an amount that was booked as rounding of many changes, because its true
        cause has been booked since."""
        return any(abs(difference + each.amount) <= slack for each in self._of(currency).roundings)

    def report_time(self, currency: str, amount: int, since: int) -> int:
        """Returns when the venue reported such a movement without a matching report of ours, 0: it did not."""
        slack = self._slack(currency)
        for each in self._of(currency).venues:
            if not each.is_paired and each.time >= since and abs(each.amount - amount) <= slack:
                return each.time
        return 0

    # --- before an entry is booked ----------------------------------------------------------------

    def explained(self, entry: Entry) -> Entry:
        """Returns the entry as it must be booked, so that no money counts twice."""
        if entry.cause in LATE:
            return self._late(entry) if entry.time <= self.corrected_last else entry
        movement = _movement(entry)
        if movement is None:
            return entry
        currency, amount, is_ours = movement
        of = self._of(currency)
        if is_ours:
            if self._venues_word(of, currency, amount, entry) is not None:
                return _instead(entry, _WORLD)
            open_ = self._open_amount(of, currency, amount, entry.time)
            if open_ is not None and not _leaves(entry):
                return _instead(entry, _UNEXPLAINED)
            return entry
        item = self._our_word(of, currency, amount, entry)
        if item is None:
            return _instead(entry, _UNEXPLAINED) if entry.time <= of.corrected else entry
        legs = _instead(entry, _WORLD).legs
        if (rest := amount - item.amount) and item.is_booked:
            legs += (Leg(MAIN, currency, rest), Leg(_WORLD, currency, -rest))
        if item.is_booked and entry.time <= of.corrected < item.time:
            # The correction included it, and the command came later: the total has it twice.
            legs += (Leg(MAIN, currency, -amount), Leg(_UNEXPLAINED, currency, amount))
        return entry._replace(legs=legs)

    def _late(self, entry: Entry) -> Entry:
        """Adjusts an entry from before a correction: the total includes it already, so the pool returns the corrected
        amount."""
        sums: dict[str, int] = {}
        for holder, currency, amount, wallet in entry.legs:
            if (holder > 0 or holder == _NETTING) and not wallet:
                sums[currency] = sums.get(currency, 0) + amount
        legs = entry.legs
        for currency, amount in sums.items():
            of = self._currencies.get(currency)
            if amount and of is not None and entry.time <= of.corrected:
                legs += (Leg(MAIN, currency, -amount), Leg(_UNEXPLAINED, currency, amount))
        return entry if legs is entry.legs else entry._replace(legs=legs)

    def _venues_word(self, of: _Currency, currency: str, amount: int, entry: Entry) -> _Item | None:
        """Finds the venue's earlier report of the movement that a command reports now."""
        if _leaves(entry) or self._is_undone(of, entry):
            return None
        free = [each for each in of.venues if not each.is_paired]
        for each in free:
            if each.reference and each.reference == _stem(entry.reference):
                return each
        return self._alike(free, currency, amount, entry.time)

    @staticmethod
    def _is_undone(of: _Currency, entry: Entry) -> bool:
        """Tells whether an entry returns a transfer whose departure the venue has not reported: it will not report the
        return, either."""
        if not entry.reference.endswith("/back"):
            return False
        name = entry.reference.removesuffix("/back")
        return not any(each.reference == name and each.is_paired for each in of.ours)

    def _our_word(self, of: _Currency, currency: str, amount: int, entry: Entry) -> _Item | None:
        """Finds the command that reported earlier what the venue reports now."""
        free = [each for each in of.ours if not each.is_paired]
        for each in free:
            if each.reference and _stem(each.reference) == entry.reference:
                return each
        open_ = [each for each in free if not each.seen or each.seen >= entry.time]
        return self._alike(open_, currency, amount, entry.time)

    def _alike(self, items: list[_Item], currency: str, amount: int, time: int) -> _Item | None:
        slack = self._slack(currency)
        for each in items:
            near = abs(each.time - time) <= self._window
            if near and abs(each.amount - amount) <= slack and each.amount * amount > 0:
                return each
        return None

    def _open_amount(self, of: _Currency, currency: str, amount: int, time: int) -> _Open | None:
        slack = self._slack(currency)
        for each in reversed(of.open):
            if abs(each.amount - amount) <= slack and abs(time - each.time) <= self._window:
                return each
        return None

    # --- after it has been booked -----------------------------------------------------------------

    def posted(self, entry: Entry) -> None:
        """Notes an entry that was booked; to be called for all, in the order of the tape."""
        if entry.cause in LATE and entry.time > self.corrected_last:
            return
        if entry.cause in _CORRECTED:
            for currency, amount in _amounts(entry, _UNEXPLAINED):
                self._corrected(currency, -amount, entry.time)
            for currency, amount in _amounts(entry, _MARKET):
                self._rounded(self._of(currency), currency, -amount, entry.time)
            return
        movement = _movement(entry)
        if movement is not None:
            self._movement_posted(entry, *movement)
        for currency, amount in _amounts(entry, _UNEXPLAINED):
            self._taken_out(self._of(currency), amount, entry.time)

    def _corrected(self, currency: str, amount: int, time: int) -> None:
        of = self._of(currency)
        of.corrected = max(of.corrected, time)
        self.corrected_last = max(self.corrected_last, time)
        self.compared_last = max(self.compared_last, time)
        for item in of.ours:
            if not item.seen and item.time <= time:
                item.seen = time  # whatever its state, the total is the venue's now
        for each in of.open:
            if each.amount == -amount:
                of.open.remove(each)
                return
        if amount:
            _keep(of.open, _Open(amount, time))

    def _rounded(self, of: _Currency, currency: str, amount: int, time: int) -> None:
        slack = 2 * self._slack(currency)  # of one change and of the balance
        if abs(amount) <= slack:
            return
        for each in reversed(of.roundings):
            if abs(each.amount + amount) <= slack:
                of.roundings.remove(each)
                return
        _keep(of.roundings, _Open(amount, time))
        while of.roundings[0].time < time - self._window:
            of.roundings.pop(0)

    def _movement_posted(self, entry: Entry, currency: str, amount: int, is_ours: bool) -> None:
        of = self._of(currency)
        item = _Item(amount, entry.time, entry.reference)
        item.is_booked = entry.legs[0].holder == MAIN
        if not is_ours:
            ours = self._our_word(of, currency, amount, entry)
            if ours is not None:
                ours.is_paired = item.is_paired = True
                ours.seen = min(ours.seen or entry.time, entry.time)
            item.seen = entry.time
            self._keep_item(of.venues, item)
            return
        if self._is_undone(of, entry):
            name = entry.reference.removesuffix("/back")
            of.ours = [each for each in of.ours if each.reference != name]
            return
        venues = self._venues_word(of, currency, amount, entry)
        if venues is not None:
            venues.is_paired = item.is_paired = True
            item.seen = venues.time
        elif not item.is_booked:
            found = self._open_amount(of, currency, amount, entry.time)
            item.seen = found.time if found is not None else entry.time
        self._keep_item(of.ours, item)

    def _keep_item(self, kept: list[_Item], item: _Item) -> None:
        _keep(kept, item)
        while kept[0].time < item.time - 2 * self._window:
            kept.pop(0)

    def _taken_out(self, of: _Currency, amount: int, time: int) -> None:
        """Removes an explained amount from the correction of that amount, else from the first later one."""
        for each in reversed(of.open):
            if each.amount == amount:
                of.open.remove(each)
                return
        later = [each for each in of.open if each.time >= time] or of.open
        if later:
            later[0].amount -= amount
        elif amount:
            _keep(of.open, _Open(-amount, time))

    # --- the venue's balance ----------------------------------------------------------------------

    def compare(self, currency: str, *, ours: int, theirs: int, time: int, now: int, slack: int) -> Compared:
        """Compares the venue's balance with `ours` as of `time`. Movements that we reported and the venue has not shown
        may be missing in it until the deadline; those reported late may be in it already."""
        of = self._of(currency)
        booked = [each for each in of.ours if each.is_booked]
        ours += sum(each.amount for each in booked if 0 < each.seen <= time < each.time)
        waiting = [each for each in booked if not each.seen and not each.is_paired][-_TRIED:]
        before = [each for each in waiting if each.time <= time]
        if abs(theirs - ours) <= slack:
            for each in before:
                each.seen = time
            return Compared(theirs - ours, True)
        bare = ours - sum(each.amount for each in before)
        for count in range(len(waiting), -1, -1):
            for seen in combinations(waiting, count):
                difference = theirs - bare - sum(each.amount for each in seen)
                if abs(difference) <= slack and self._may_wait(before, seen, now):
                    for each in seen:
                        each.seen = time
                    return Compared(difference, True)
        return Compared(theirs - ours, False)

    def _may_wait(self, before: list[_Item], seen: tuple[_Item, ...], now: int) -> bool:
        late = [each for each in before if each.time + self._deadline <= now]
        return all(any(each is other for other in seen) for each in late)

    # --- checkpoints ------------------------------------------------------------------------------

    def to_record(self) -> dict[str, Any]:
        """Makes the record of a checkpoint, as MessagePack and JSON can hold it; amounts as text of their digits."""
        record = {name: asdict(of) for name, of in self._currencies.items()}
        for of in record.values():
            for each in (*of["ours"], *of["venues"], *of["open"], *of["roundings"]):
                each["amount"] = str(each["amount"])
        return record

    def restore(self, record: dict[str, Any]) -> None:
        for name, of in record.items():
            rows = {
                key: [{**each, "amount": int(each["amount"])} for each in of[key]]
                for key in ("ours", "venues", "open", "roundings")
            }
            self._currencies[name] = _Currency(
                [_Item(**each) for each in rows["ours"]],
                [_Item(**each) for each in rows["venues"]],
                [_Open(**each) for each in rows["open"]],
                [_Open(**each) for each in rows["roundings"]],
                of["corrected"],
            )
            self.corrected_last = max(self.corrected_last, of["corrected"])
            self.compared_last = max(self.compared_last, of["corrected"])


def _keep(kept: list[Any], one: object) -> None:
    kept.append(one)
    if len(kept) > KEPT:
        kept.pop(0)


def _stem(reference: str) -> str:
    """Returns the transfer's id in a reference."""
    return reference.removeprefix(TRANSFER_REPORTED).removesuffix("/in")


def _movement(entry: Entry) -> tuple[str, int, bool] | None:
    """Returns (currency, amount, whether a command of ours reported it) of money that enters or leaves the trading
    wallet."""
    if not entry.legs or entry.cause not in _REPORTED:
        return None
    holder, currency, amount, wallet = entry.legs[0]
    if wallet or holder not in _NO_SLOTS:
        return None
    others = [leg.holder for leg in entry.legs[1:]]
    if entry.cause is _COMMAND:
        return (currency, amount, True) if _WORLD in others else None
    if _TRANSIT in others:
        return currency, amount, True
    return (currency, amount, False) if _WORLD in others else None


def _leaves(entry: Entry) -> bool:
    """Tells whether an entry is the outgoing half of our transfer, which is booked before it is requested, so no report
    can precede it."""
    return entry.cause is _TRANSFER and entry.legs[0].amount < 0


def _instead(entry: Entry, holder: Outside) -> Entry:
    """Replaces the holder of the first leg."""
    first = entry.legs[0]
    return entry._replace(legs=(first._replace(holder=holder), *entry.legs[1:]))


def _amounts(entry: Entry, holder: Outside) -> list[tuple[str, int]]:
    return [(leg.currency, leg.amount) for leg in entry.legs if leg.holder == holder and not leg.wallet]
