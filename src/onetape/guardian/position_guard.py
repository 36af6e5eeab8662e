"""One position as the guardian sees it: what is held, which stops stand, what is under way."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from onetape.accounts.holding import Holding, Terms
from onetape.guardian.events import Rules, StopRow
from onetape.guardian.sub_accounts import SubAccountStop
from onetape.model.enums import Kind, PositionSide, Side
from onetape.model.instrument import Instrument
from onetape.model.time import SECOND
from onetape.orders.reports import PositionReport
from onetape.risk.stop_ladder import Rung, distance_of, protectable

__all__ = ["COVERED", "Placement", "PositionGuard"]

COVERED: Final = Fraction(95, 100)  # from here on a position is protected
ADOPT_WITHIN: Final = 2 * SECOND  # the venue says by then which of the stops it still has


class Placement:
    """A ladder on its way to the venue. began: ns."""

    def __init__(self, rungs: tuple[Rung, ...], began: int) -> None:
        self.rungs, self.began = rungs, began
        self.placed: dict[str, Rung] = {}  # by client id
        self.refused: dict[Rung, int] = {}  # the error's number
        self.answered_at = 0

    @property
    def is_answered(self) -> bool:
        return self.answered_at > 0

    def answered(self, placed: Mapping[str, Rung], refused: Mapping[Rung, int], now: int) -> None:
        self.placed, self.refused, self.answered_at = dict(placed), dict(refused), now


class PositionGuard:
    """Changed by the core's events alone. Sizes are units, prices units of price, times ns."""

    def __init__(self, account: str, instrument: Instrument, side: PositionSide) -> None:
        self.account, self.instrument, self.side = account, instrument, side
        self.qty = 0
        self.base = 0  # the most that was held since it was opened
        self.entry: Fraction | None = None
        self.liquidation: Fraction | None = None
        self.opened = ""  # the frame of the gateway's journal that opened it
        self.changed_at = 0
        self.flat_since: int | None = None  # the venue has said so, asked after it had become so
        self._differs = 0  # listings in a row
        self.mid = self.mark = self.mid_at = self.mark_at = 0
        self.parts: dict[str, SubAccountStop] = {}  # by sub-account
        # Stops.
        self.rows: dict[str, StopRow] = {}
        self._ended: set[str] = set()  # of the placement under way
        self.verified: dict[str, int] = {}  # when a listing had it last
        self.missing: dict[str, int] = {}  # since when listings have it no more
        self.is_missing: set[str] = set()  # for so long that it does not count, or fired and stuck since
        self._fired: dict[str, tuple[int, int]] = {}  # what was left of it, and since when
        self.cancels: dict[str, tuple[int, int]] = {}  # when it is asked for anew, and how long after that
        self.floors: dict[int, int] = {}  # by rank of the level
        self.placement: Placement | None = None
        self.wants_anew = self.is_dust = self.has_looked_back = self.is_blind = False
        self.retry_at = self.unread_until = self.look_back_at = 0
        self.backoff = SECOND // 4
        # What is done beside them.
        self.flattening = ""  # why
        self.flattened_at = self.closed_at = -10 * SECOND
        self.unprotected_since = self.protected_at = 0
        self.is_lost = False

    # --- what is held -----------------------------------------------------------------------------

    def hold(self, qty: int, entry: Fraction | None, now: int) -> None:
        """The gateway says what is held."""
        if qty != self.qty:
            self.changed_at = now
            self._differs = 0
            if self.is_protected:
                self.protected_at = now
            self._set(qty)
        if qty and entry is not None:
            self.entry = entry

    def _set(self, qty: int) -> None:
        if qty * self.qty <= 0:  # another position, or none
            self.base, self.entry, self.liquidation, self.floors = 0, None, None, {}
            self.wants_anew = self.is_dust = self.has_looked_back = self.is_blind = False
            self.look_back_at = 0
            self.retry_at, self.backoff = 0, SECOND // 4
            self.placement = None
        self.qty = qty
        self.flat_since = None
        self.base = max(self.base, abs(qty))

    def venue_says(self, row: PositionReport | None, queried_at: int, now: int, *, differs: int) -> str:
        """Takes in the venue's own listing; says what is remarkable of it, "" for nothing. differs:
        so many listings in a row that say another position are believed."""
        qty = 0 if row is None else row.qty
        if row is not None:
            self.liquidation = self._units(row.liquidation)
            if row.mark is not None:
                self.mark, self.mark_at = int(self._units(row.mark) or 0), now
        said = ""
        if qty != self.qty:
            self._differs += 1
            if self._differs < differs:
                return ""
            text = self.instrument.size_text
            said = f"the venue holds {text(qty)}, the gateway {text(self.qty)}: the venue is believed"
            self._differs = 0
            self.changed_at = now
            self._set(qty)
            if row is not None and row.entry:
                self.entry = self._units(row.entry)
        else:
            self._differs = 0
        if not qty:
            self.flat_since = now
        elif self.entry is None and row is not None and row.entry:
            self.entry = self._units(row.entry)
        return said

    def _units(self, price: Decimal | None) -> Fraction | None:
        return Fraction(price.scaleb(self.instrument.price_decimals)) if price else None

    @property
    def closes(self) -> Side:
        return Side.SELL if self.qty > 0 else Side.BUY

    @property
    def target(self) -> int:
        """Returns how much of it stops can take off."""
        return protectable(self.instrument, self.qty)

    @property
    def lot(self) -> int:
        instrument = self.instrument
        return max(int((instrument.market_lot or instrument.lot).scaleb(instrument.size_decimals)), 1)

    def unrealized(self, now: int, stale: int) -> int:
        """In 1e-18 of the settle currency; 0 where nobody knows."""
        price = self.price(now, stale)
        if self.entry is None or not price:
            return 0
        value, near = Terms(self.instrument).value, max(int(self.entry), 1)
        share = self.entry / near  # an average lies between two prices
        cost = value(near, self.qty) * (1 / share if self.instrument.kind is Kind.INVERSE else share)
        return self.open_profit(self.qty, round(cost), price)

    def open_profit(self, qty: int, cost: int, price: int) -> int:
        """Returns what closing a part of it at a price would bring. cost: of the part, 1e-18 of the settle currency."""
        held = Holding(Terms(self.instrument))
        held.fill(qty, cost)
        return held.unrealized_at(price)

    # --- prices -----------------------------------------------------------------------------------

    def price(self, now: int, stale: int) -> int:
        """Returns the middle of the market, else the mark price; 0: neither is known."""
        if self.mid and now - self.mid_at <= stale:
            return self.mid
        return self.mark if self.mark and now - self.mark_at <= stale else 0

    def worst_distance(self, now: int, stale: int, part: SubAccountStop | None = None) -> Fraction | None:
        """Returns how far the middle or the mark price has gone against it or a part of it, the farther one."""
        entry, qty = (self.entry, self.qty) if part is None else (part.entry, part.qty)
        if not entry or not qty:
            return None
        prices = [p for p, at in ((self.mid, self.mid_at), (self.mark, self.mark_at)) if p and now - at <= stale]
        return max((distance_of(entry, each, qty) for each in prices), default=None)

    # --- stops ------------------------------------------------------------------------------------

    def end(self, name: str) -> None:
        if self.placement is not None:
            self._ended.add(name)
        for kept in (self.rows, self.verified, self.missing, self.cancels, self._fired):
            kept.pop(name, None)
        self.is_missing.discard(name)

    def begin(self, placement: Placement) -> None:
        self.placement = placement
        self._ended.clear()

    def ended(self, name: str) -> bool:
        """It stood, and does no more."""
        return name in self._ended

    def adopt(self) -> None:
        """The stops of an earlier life: their levels are never loosened, also where it has left no word
        of them, and they count once the venue has said that it has them."""
        if self.qty and not self.floors:
            levels = {row.trigger for row in self.working()}
            self.floors = dict(enumerate(sorted(levels, reverse=self.qty > 0)))
        self.unread_until = self.changed_at + ADOPT_WITHIN

    def listed(self, names: Collection[str], queried_at: int, now: int, *, missing_after: int) -> None:
        """The venue's listing of stops that wait for their trigger."""
        for name, row in self.rows.items():
            if name in names and not row.has_fired:
                self.verified[name] = queried_at
                self.missing.pop(name, None)
                self.is_missing.discard(name)
            elif name in self.verified and not row.has_fired and queried_at > self.verified[name]:
                since = self.missing.setdefault(name, now)
                if now - since >= missing_after:
                    self.is_missing.add(name)
        if self.placement is not None:  # the gateway's journal may be a moment behind its answer
            self.verified |= {name: queried_at for name in self.placement.placed if name in names}

    def stuck(self, now: int, *, after: int) -> list[StopRow]:
        """Returns stops that have fired and of which nothing was filled for so long: they count no more. Each once."""
        found = []
        for row in [each for each in self.working() if each.has_fired]:
            left, since = self._fired.get(row.client_id, (0, 0))
            if left != row.left:
                self._fired[row.client_id] = row.left, now
                self.is_missing.discard(row.client_id)
            elif now - since >= after and row.client_id not in self.is_missing:
                self.is_missing.add(row.client_id)
                found.append(row)
        return found

    def working(self) -> list[StopRow]:
        """Stops that take off what is held."""
        return [row for row in self.rows.values() if row.closes is self.closes]

    def is_met(self, now: int, stale: int) -> bool:
        """The price is beyond the trigger of a stop that still waits for it."""
        price, sign = self.price(now, stale), self.closes.sign
        return any((row.trigger - price) * sign <= 0 for row in self.working() if not row.has_fired) and price > 0

    def unread(self) -> list[StopRow]:
        return [row for row in self.working() if row.client_id not in self.verified and not row.has_fired]

    def counts(self, row: StopRow) -> bool:
        """The venue has it, and nobody wants its end."""
        name = row.client_id
        is_there = (row.has_fired or name in self.verified) and name not in self.is_missing
        return is_there and name not in self.cancels

    @property
    def protected(self) -> int:
        """Returns what stops take off that are verified and are not being canceled."""
        return sum(row.left for row in self.working() if self.counts(row)) if self.qty else 0

    @property
    def firing(self) -> int:
        """Returns what stops still take off that have fired."""
        return sum(row.left for row in self.working() if row.has_fired and self.counts(row))

    def shown(self, rules: Rules, now: int) -> dict[str, Any]:
        """As `onetape stops` has it."""
        text, price_text = self.instrument.size_text, self.instrument.price_text
        rows = sorted(self.rows.values(), key=lambda row: row.trigger, reverse=self.qty >= 0)
        ages = [now - self.verified[row.client_id] for row in rows if row.client_id in self.verified]
        return {
            "account": self.account,
            "symbol": self.instrument.symbol,
            "side": str(self.side),
            "qty": text(self.qty),
            "protected": round(self.share, 6),
            "verified_age_ms": max(ages) // 10**6 if ages and len(ages) == len(rows) else None,
            "levels": [
                {
                    "distance": f"{float(distance_of(self.entry, row.trigger, self.qty)):.2%}" if self.entry else None,
                    "trigger": price_text(row.trigger),
                    "qty": text(row.left),
                    "state": str(row.state),
                    "venue_id": row.venue_id,
                }
                for row in rows
            ],
            "entry_price": price_text(int(self.entry)) if self.entry else None,
            "local": self.is_lost,
            "flattening": self.flattening,
        }

    @property
    def working_size(self) -> int:
        """Returns what stops may take off that stand or are on their way, verified or not."""
        under_way = self.placement is not None and not self.placement.is_answered
        size = sum(rung.size for rung in self.placement.rungs) if under_way and self.placement else 0
        return size + sum(row.left for row in self.working() if row.client_id not in self.is_missing)

    @property
    def share(self) -> float:
        target = self.target
        return min(self.protected / target, 1.0) if target else 1.0

    @property
    def is_protected(self) -> bool:
        return not self.qty or self.protected >= self.target * COVERED
