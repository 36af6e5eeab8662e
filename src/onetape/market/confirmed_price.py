"""Compute a price of a symbol that a single wrong message cannot move. Pure: times are arguments.

Quotes, trades and marks are three kinds of message that report one price. The last report of a kind is confirmed when

    another kind reports a price within 1 % of it
    the kind has reported it repeatedly for `settles`, and no other kind disagrees
    the kind reported it once, ten times as long ago, and no other kind disagrees
    the kind has reported it repeatedly for ten times as long, even if another kind disagrees

Messages of the same time count as one report. Until then the previously confirmed price stays. Moves within 1 % of it
need no confirmation: a bad tick is indistinguishable from the market's own noise there. Trades only confirm the other
kinds.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from onetape.model.time import MS, SECOND

__all__ = ["FRESH", "NEAR", "SETTLES", "SILENT", "ConfirmedPrice", "PriceKind"]

SETTLES: Final = 300 * MS
ALONE: Final = 10  # multiple of `settles` for a single message, or for one kind against another
NEAR: Final = 100  # two prices agree when they differ by at most this share: as `share_ppm` of the tick filter
SILENT: Final = 10 * SECOND  # a kind silent for longer reports no price
FRESH: Final = 3 * SECOND  # older reports neither confirm nor dispute: venues send marks each second to third
SLOTS: Final = 4  # number of slots per `settles`: messages of one slot are kept together


class PriceKind(StrEnum):
    QUOTE = "quote"
    MARK = "mark"
    TRADE = "trade"


@dataclass(slots=True)
class _Slot:
    """Messages of one kind that came close together. begin, end: when the first and the last came, ns."""

    begin: int
    end: int
    low: int
    high: int
    last: int


class _Reports:
    """The recent reports of one kind."""

    def __init__(self) -> None:
        self.price = self.at = 0  # of the last message
        self.confirmed = 0
        self._slots: deque[_Slot] = deque()

    def take(self, price: int, now: int, settles: int) -> None:
        if now - self.at > SILENT:  # after this pause the earlier price is no evidence
            self.confirmed = 0
        slots = self._slots
        if now < self.at:  # the clock was set back: earlier reports have no valid time
            slots.clear()
        self.price, self.at = price, now
        if slots and now - slots[-1].begin < settles // SLOTS:
            slot = slots[-1]
            slot.end, slot.last = now, price
            slot.low, slot.high = min(slot.low, price), max(slot.high, price)
            return
        slots.append(_Slot(now, now, price, price, price))
        while len(slots) > 1 and slots[1].begin <= now - ALONE * settles:
            slots.popleft()

    def is_near(self, price: int) -> bool:
        return abs(self.price - price) * NEAR <= self.price

    def stood(self, sign: int, since: int, least: int) -> int:
        """Returns the highest price reported since a time, the last report before it included; with sign -1 the
        lowest; 0: the reports do not reach back that far. least: number of slots to check."""
        worst, is_covered = 0, False
        for count, slot in enumerate(reversed(self._slots), 1):
            is_before = slot.end <= since
            reports = slot.last if is_before else slot.high if sign > 0 else slot.low
            worst = sign * max(sign * worst, sign * reports) if worst else reports
            is_covered = is_covered or slot.begin <= since
            if is_covered and count >= least:
                return worst
        return 0


class ConfirmedPrice:
    """Confirms the price of one symbol. settles: ns; prices in units, above 0, times ns of one clock. If the clock is
    set back, the confirmed price stays, and a new one must settle from then on."""

    def __init__(self, settles: int = SETTLES) -> None:
        self._settles = settles
        self._reports: dict[PriceKind, _Reports] = {}

    def take(self, kind: PriceKind, price: int, now: int, *, is_new: bool = True) -> None:
        """Process a message. is_new: False for a repetition of the last one, which confirms nothing."""
        reports = self._reports.setdefault(kind, _Reports())
        if is_new or price != reports.price:
            reports.take(price, now, self._settles)
        else:
            reports.at = now
        self.of(kind, now)

    def forget(self) -> None:
        """Forget all earlier reports."""
        self._reports.clear()

    def of(self, kind: PriceKind, now: int) -> int:
        """Returns the confirmed price of a kind, 0: none."""
        own = self._reports.get(kind)
        if own is None or now - own.at > SILENT:
            return 0
        if not own.is_near(own.confirmed):
            self._confirm(own, now)
        if own.is_near(own.confirmed):
            own.confirmed = own.price
        return own.confirmed

    def is_unconfirmed(self, kind: PriceKind, now: int) -> bool:
        """Returns True when the last report of a kind is not confirmed yet."""
        own = self._reports.get(kind)
        return own is not None and now - own.at <= SILENT and self.of(kind, now) != own.price

    def _confirm(self, own: _Reports, now: int) -> None:
        """Look for confirmation that the price has moved."""
        others = [each.price for each in self._reports.values() if each is not own and now - each.at <= FRESH]
        if any(own.is_near(other) for other in others):
            own.confirmed = own.price
        elif own.confirmed:
            sign = 1 if own.price < own.confirmed else -1
            bound = self._bound(own, sign, others, now)
            if bound and (own.confirmed - bound) * sign > 0:
                own.confirmed = bound
        elif all(own.is_near(self._bound(own, sign, others, now)) for sign in (1, -1)):
            own.confirmed = own.price

    def _bound(self, own: _Reports, sign: int, others: list[int], now: int) -> int:
        """Returns the lowest price confirmed by a kind's reports, with sign -1 the highest; 0: none."""
        found = 0
        for spans, least, yields in ((1, 2, True), (ALONE, 1, True), (ALONE, 2, False)):
            price = own.stood(sign, now - spans * self._settles, least)
            is_disputed = yields and any((other - price) * sign * NEAR > price for other in others)
            if price and not is_disputed:
                found = sign * min(sign * found, sign * price) if found else price
        return found
