"""One position as the guardian sees it: its quantity, its stops, and what is under way."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from functools import partial
from typing import Any, Final, NamedTuple

from onetape.accounts.holding import Holding, Terms
from onetape.guardian.events import StopRow
from onetape.guardian.market_close import MarketClose
from onetape.guardian.sub_accounts import SubAccountStop
from onetape.market.confirmed_price import ConfirmedPrice, PriceKind
from onetape.model.enums import Kind, OrderState, PositionSide, Side
from onetape.model.instrument import Instrument
from onetape.model.time import SECOND
from onetape.options.guardian_rules import Rules
from onetape.orders.queries import ABSENT_AFTER
from onetape.orders.reports import PositionReport
from onetape.risk.halt_decisions import Unrealized
from onetape.risk.stop_ladder import Ladder, LevelShares, Rung, distance_of, drawn_in, ladder_of, levels_of, protectable

__all__ = ["COVERED", "Placement", "PositionGuard", "unrealized_of"]

_PRICED: Final = (PriceKind.QUOTE, PriceKind.MARK)
_UNANSWERED: Final = frozenset({OrderState.INITIALIZED, OrderState.SUBMITTED})
REPEAT: Final = SECOND  # of a cancel without effect, doubled up to
REPEAT_MAX: Final = 16 * SECOND
COVERED: Final = Fraction(95, 100)  # share of a position that its stops must cover for it to count as protected
MISSING_AFTER: Final = 3 * SECOND  # how long listings lack a verified stop before it counts as missing
ADOPT_WITHIN: Final = 2 * SECOND  # the venue has listed the remaining stops by then


class CanceledStops(NamedTuple):
    """A report about stops that were canceled by others. severity "": they are replaced."""

    state: str
    about: dict[str, Any]
    severity: str


class Placement:
    """A ladder that is being placed at the venue. began: ns."""

    def __init__(self, rungs: tuple[Rung, ...], began: int) -> None:
        self.rungs, self.began = rungs, began
        self.ended: set[str] = set()  # orders of it that have ended
        self.placed: dict[str, Rung] = {}  # by client id
        self.refused: dict[Rung, int] = {}  # the error's number
        self.answered_at = 0
        self.acknowledged_at = 0  # the venue has answered for each: later listings must have them

    @property
    def is_answered(self) -> bool:
        return self.answered_at > 0

    def answered(self, placed: Mapping[str, Rung], refused: Mapping[Rung, int], now: int) -> None:
        self.placed, self.refused, self.answered_at = dict(placed), dict(refused), now


class LadderState:
    """The state of a position's ladder, its stops or its take-profits. floors: by rank of the level, the farthest
    allowed trigger."""

    def __init__(self, *, is_target: bool) -> None:
        self.is_target, self.kind = is_target, "take-profits" if is_target else "ladder"
        self.unread_until = 0
        self.begin()

    def begin(self) -> None:
        """Resets the state for another position."""
        self.floors: dict[int, int] = {}
        self.placement: Placement | None = None
        self.cut_to = 0  # the number of orders that it was cut to; 0: it has all of its levels
        self.wants_anew = self.is_passed = False
        self.retry_at, self.backoff = 0, SECOND // 4


class PositionGuard:
    """Guards one position; changed by the core's events only. Sizes are units, prices units of price, times ns. prices:
    of its symbol, shared by the positions of both sides."""

    def __init__(self, account: str, instrument: Instrument, side: PositionSide, prices: ConfirmedPrice) -> None:
        self.account, self.instrument, self.side, self.prices = account, instrument, side, prices
        self.qty = 0
        self.shares, self.gains = LevelShares(), LevelShares()  # of local stops, and of local take-profits
        self.entry: Fraction | None = None
        self.liquidation: Fraction | None = None
        self._liquidation_listed: Fraction | None = None  # from the venue's last listing
        self.opened = ""  # the frame of the gateway's journal that opened it
        self.changed_at = 0
        # When the last processed listing of the venue was requested, and when the last one that set `qty`.
        self.listed_at = self.believed_at = 0
        self.is_confirmed = False  # the venue has confirmed the direction (long, short or flat)
        self.differs = 0  # successive listings
        self.parts: dict[str, SubAccountStop] = {}  # by sub-account
        self._triggers_terms: object = None  # the inputs from which the triggers below follow
        self._triggers_found: list[int] = []
        # Stops.
        self.stops, self.targets = LadderState(is_target=False), LadderState(is_target=True)
        self.rows: dict[str, StopRow] = {}  # of both ladders
        self.verified: dict[str, int] = {}  # request time of the last listing that had it
        self.missing: dict[str, int] = {}  # since when listings lack it
        self.is_missing: set[str] = set()  # missing for too long to count, or fired and stuck
        self._canceled: dict[str, tuple[StopRow, int]] = {}  # by others, with the time; not reported yet
        self._is_canceled = False  # that was reported, and the stops have not been complete since
        self._fired: dict[str, tuple[int, int]] = {}  # its open quantity, and since when
        # When each cancel is sent again, and the delay after that; 0: not sent yet.
        self.cancels: dict[str, tuple[int, int]] = {}
        self.is_dust = self.has_looked_back = self.is_blind = False
        self.look_back_at = 0
        # Measures beside the stops.
        self.flattening = ""  # the reason
        self.flattens = Side.SELL  # the side that closes what is flattened
        self.closing = MarketClose()
        self.flattened_at = self.closed_at = -10 * SECOND
        self.unprotected_since = self.protected_at = 0
        self.is_lost = self.says_anew = False

    # --- the position -----------------------------------------------------------------------------

    def hold(self, qty: int, entry: Fraction | None, now: int) -> None:
        """Sets the position, as the gateway reports it."""
        if qty != self.qty:
            self.changed_at = now
            self.differs = 0
            if self.is_protected:
                self.protected_at = now
            self._set(qty)
        if qty and entry is not None:
            self.entry = entry

    def _set(self, qty: int) -> None:
        self.shares.hold(qty, self.qty)
        self.gains.hold(qty, self.qty)
        self.closing.hold(qty, self.qty)
        if qty * self.qty <= 0:  # another position, or none
            self.entry, self.liquidation = None, None
            self._liquidation_listed = None
            self.is_confirmed = self.is_dust = self.has_looked_back = self.is_blind = False
            self.look_back_at = 0
            self.stops.begin()
            self.targets.begin()
            # The remaining stops have the previous position's levels, even if their size fits this one.
            self.stops.wants_anew = self.targets.wants_anew = bool(self.rows)
        self.qty = qty

    def venue_says(self, row: PositionReport | None, queried_at: int, now: int, *, differs: int) -> str:
        """Handles the venue's own listing; returns a text about a difference, "" without. differs: the number of
        successive differing listings after which the venue is believed."""
        qty, self.listed_at = 0 if row is None else row.qty, queried_at
        if row is not None:
            self._liquidates(self._units(row.liquidation))
        said = ""
        if qty != self.qty:
            self.differs += 1
            if self.differs < differs:
                return ""
            text = self.instrument.size_text
            said = f"the venue holds {text(qty)}, the gateway {text(self.qty)}: the venue is believed"
            self.differs = 0
            self.changed_at, self.believed_at = now, queried_at
            self._set(qty)
            if row is not None and row.entry:
                self.entry = self._units(row.entry)
        else:
            self.differs = 0
        self.is_confirmed = True
        if self.entry is None and qty and row is not None and row.entry:
            self.entry = self._units(row.entry)
        return said

    def _liquidates(self, listed: Fraction | None) -> None:
        """Sets the liquidation price from a listing. A price nearer to the market needs two listings in a row, because
        levels move inside of it."""
        before, self._liquidation_listed = self._liquidation_listed, listed
        if listed is not None and before is not None and self.qty:
            sign = 1 if self.qty > 0 else -1
            listed = sign * min(sign * listed, sign * before)
        self.liquidation = listed

    def _units(self, price: Decimal | None) -> Fraction | None:
        return Fraction(price.scaleb(self.instrument.price_decimals)) if price else None

    @property
    def subject(self) -> str:
        """Returns the subject of its records: in hedge mode a symbol has two positions, and the end of one's problem is
        not the other's."""
        side = "" if self.side is PositionSide.BOTH else f" {self.side}"
        return f"{self.account} {self.instrument.symbol}{side}"

    @property
    def is_over(self) -> bool:
        """Tells whether the position that is flattened, or was without protection, has been closed or has turned."""
        was = bool(self.flattening or self.unprotected_since or self.is_lost)
        return (was and not self.qty) or (bool(self.flattening) and self.closes is not self.flattens)

    @property
    def closes(self) -> Side:
        return Side.SELL if self.qty > 0 else Side.BUY

    @property
    def target(self) -> int:
        """Returns the quantity that stops can protect."""
        return protectable(self.instrument, self.qty)

    @property
    def lot(self) -> int:
        instrument = self.instrument
        return max(int((instrument.market_lot or instrument.lot).scaleb(instrument.size_decimals)), 1)

    def unrealized(self, now: int) -> int:
        """Returns the unrealized profit in 1e-18 of the settle currency; 0 if unknown."""
        price = self.price(now)
        if self.entry is None or not price:
            return 0
        value, near = Terms(self.instrument).value, max(int(self.entry), 1)
        share = self.entry / near  # an average entry is between two prices
        cost = value(near, self.qty) * (1 / share if self.instrument.kind is Kind.INVERSE else share)
        return self.open_profit(self.qty, round(cost), price)

    def open_profit(self, qty: int, cost: int, price: int) -> int:
        """Returns the profit of closing a part at a price. cost: of the part, 1e-18 of the settle currency."""
        held = Holding(Terms(self.instrument))
        held.fill(qty, cost)
        return held.unrealized_at(price)

    # --- levels -----------------------------------------------------------------------------------

    def reset(self) -> None:
        """Requests a replacement of both ladders with their default levels."""
        for ladder in (self.stops, self.targets):
            ladder.floors, ladder.wants_anew = {}, True
        self.has_looked_back, self.look_back_at = False, 0

    def closes_of(self, ladder: LadderState) -> Side:
        """Returns the closing side that a ladder's look-back level is for: for take-profits the opposite one."""
        return self.closes.opposite if ladder.is_target else self.closes

    def ladder(self, of: LadderState, rules: Rules, most: int, now: int) -> Ladder:
        """Returns new rungs for its quantity and entry price, which is known. most: how many orders there may be."""
        assert self.entry is not None
        build = partial(ladder_of, self.instrument, entry=self.entry, price=self.price(now), most=most)
        if of.is_target:  # like the stops of the other direction; a level without profit is no target
            return build(qty=-self.qty, distances=rules.targets, floors=self.caps)
        return build(qty=self.qty, distances=rules.distances, floors=of.floors, liquidation=self.liquidation)

    def is_beyond(self, ladder: LadderState, level: int, now: int) -> bool:
        """Tells whether the market has passed a ladder's look-back level."""
        price = self.price(now)
        return price > 0 and (level - price) * self.closes_of(ladder).sign <= 0

    def draw_in(self, ladder: LadderState, distances: Sequence[Decimal], level: int, now: int) -> None:
        """Moves a ladder's levels toward a look-back level; none moves farther from the market."""
        assert self.entry is not None
        way = -self.closes_of(ladder).sign
        # The one of entry and market that is nearer to the level, so that no level is passed already.
        near = way * min(way * self.entry, way * Fraction(self.price(now) or self.entry))
        levels = drawn_in(self.instrument, way, self.entry, distances, Fraction(level), near=near)
        nearer = {rank: way * max(way * ladder.floors.get(rank, each), way * each) for rank, each in enumerate(levels)}
        ladder.wants_anew, ladder.floors = ladder.wants_anew or nearer != ladder.floors, nearer

    def remember_shares(self, kind: str, *, opened: str, base: int, left: Fraction) -> None:
        """Restores the shares that local rules of an earlier incarnation have closed. The arguments are
        `GuardianCore`'s."""
        rule, _, name = kind.partition(": ")
        part = self.parts.get(name) if name else self
        if part is not None and part.opened == opened and part.qty:
            shares = self.gains if rule == "take-profits" else part.shares
            shares.base, shares.left = base, left
            shares.hold(part.qty, part.qty)

    @property
    def caps(self) -> dict[int, int]:
        """Returns the farthest allowed levels of take-profits, by rank, without those that give no profit."""
        assert self.entry is not None
        sign = 1 if self.qty > 0 else -1
        return {rank: level for rank, level in self.targets.floors.items() if (level - self.entry) * sign > 0}

    def gained(self, targets: Sequence[Decimal], price: int, now: int) -> tuple[int, int]:
        """Returns the quantity that local take-profits close at a price, and the number of passed levels. Those that
        rest at the venue execute themselves. price: 0: unknown."""
        if not price or not self.entry:
            return 0, 0
        gain, caps, sign = -distance_of(self.entry, price, self.qty), self.caps, 1 if self.qty > 0 else -1
        passed = sum(
            gain >= Fraction(distance) or (rank in caps and (price - caps[rank]) * sign >= 0)
            for rank, distance in enumerate(targets)
        )
        working = sum(row.left for row in self.working(self.targets))
        return self.gains.close(self.qty, working, passed, len(targets), self.closing.under_way(now)), passed

    # --- prices -----------------------------------------------------------------------------------

    def price(self, now: int) -> int:
        """Returns the confirmed middle of the market, else the mark price; 0: neither is known."""
        return next(iter(self._prices(now)), 0)

    def worst_distance(self, now: int, part: SubAccountStop | None = None) -> Fraction | None:
        """Returns the larger adverse distance of the middle or the mark price, for the position or a part of it."""
        entry, qty = (self.entry, self.qty) if part is None else (part.entry, part.qty)
        if not entry or not qty:
            return None
        return max((distance_of(entry, each, qty) for each in self._prices(now)), default=None)

    def _prices(self, now: int) -> list[int]:
        """Returns the confirmed middle and mark price, as far as known."""
        return [price for kind in _PRICED if (price := self.prices.of(kind, now))]

    def is_uncertain(self, now: int) -> bool:
        """Tells whether the middle or the mark price differs from its confirmed value."""
        return any(self.prices.is_unconfirmed(kind, now) for kind in _PRICED)

    def passed(self, rules: Rules, now: int) -> int:
        """Returns the number of passed levels of its ladder, by the middle or the mark price: at the triggers of its
        stops, within the look-back and before the liquidation price."""
        if not self.entry or not self.qty:
            return 0
        sign = 1 if self.qty > 0 else -1
        worst = min((sign * each for each in self._prices(now)), default=None)
        return sum(worst is not None and worst <= sign * trigger for trigger in self._triggers(rules, sign, self.entry))

    def _triggers(self, rules: Rules, sign: int, entry: Fraction) -> list[int]:
        """Returns the triggers of its levels, cached between quotes."""
        floors, liquidation = self.stops.floors, self.liquidation
        terms = (self.instrument, sign, entry, liquidation, rules.distances, tuple(floors.items()))
        if terms != self._triggers_terms:
            found = levels_of(self.instrument, sign, entry, rules.distances, floors=floors, liquidation=liquidation)
            self._triggers_terms, self._triggers_found = terms, [trigger for trigger, _ in found]
        return self._triggers_found

    def due_of_parts(self, rules: Rules, now: int, *, every: int) -> Iterator[tuple[str, SubAccountStop, int, int]]:
        """Yields the due local stops of sub-accounts with opposite positions: each with its name, its quantity, and the
        number of passed levels. every: ns between two closes."""
        parts = {name: each for name, each in self.parts.items() if each.qty}
        if len({each.qty > 0 for each in parts.values()}) < 2:
            return
        levels = [*rules.distances, *([rules.hard_stop] if rules.hard_stop else [])]
        for name, part in parts.items():
            gone = self.worst_distance(now, part)
            if gone is None or now < part.closed_at + every * 2 ** min(part.refusals, 7):
                continue
            passed, closing = sum(gone >= Fraction(each) for each in rules.distances), part.closing.under_way(now)
            share = part.shares.close(part.qty, 0, passed, len(rules.distances), closing)
            size = abs(part.qty) - closing if gone >= Fraction(max(levels, default=1)) else share
            if size >= self.lot:
                yield name, part, size - size % self.lot, passed

    # --- stops ------------------------------------------------------------------------------------

    def end(self, name: str, canceled: int = 0) -> None:
        """Removes an ended order. canceled: when, if its gateway did not request it; 0: it was filled, rejected or
        canceled on request."""
        row = self.rows.get(name)
        if canceled and row is not None and self.counts(row) and not (row.has_fired or row.is_target):
            self._canceled[name] = row, canceled
        for ladder in (self.stops, self.targets):
            if ladder.placement is not None:
                ladder.placement.ended.add(name)
        for kept in (self.rows, self.verified, self.missing, self.cancels, self._fired):
            kept.pop(name, None)
        self.is_missing.discard(name)

    def cancels_due(self, rows: Iterable[StopRow], now: int) -> tuple[str, ...]:
        """Returns the orders whose cancel is sent now: for the first time, or again after its delay."""
        names = tuple(row.client_id for row in rows if now >= self.cancels.get(row.client_id, (0, 0))[0])
        for name in names:
            wait = self.cancels.get(name, (0, 0))[1] or REPEAT
            self.cancels[name] = now + wait, min(2 * wait, REPEAT_MAX)
        return names

    def repeat_cancels(self) -> None:
        """Makes all cancels due at once, because another process executes them from now on."""
        self.cancels = dict.fromkeys(self.cancels, (0, 0))

    def look_at_canceled(self, now: int, *, after: int) -> CanceledStops | None:
        """Returns a report about stops that others have canceled while their position is open. after: how long the end
        of the position itself may be unreported."""
        due = {name: row for name, (row, since) in self._canceled.items() if now >= since + after}
        self._canceled = {name: each for name, each in self._canceled.items() if name not in due}
        lost = [row for row in due.values() if self.qty and row.closes is self.closes]
        if lost and not self.flattening:
            self._is_canceled = True
            price_text, text = self.instrument.price_text, self.instrument.size_text
            stops = [
                {"order": row.client_id, "venue_id": row.venue_id, "trigger": price_text(row.trigger)}
                | {"size": text(row.left)}
                for row in lost
            ]
            count = f"{len(lost)} stops were" if len(lost) > 1 else "a stop was"
            return CanceledStops(f"{count} canceled at the venue, by an unknown actor", {"stops": stops}, "warning")
        if self._is_canceled and (not self.qty or (self.is_protected and self.stops.placement is None)):
            self._is_canceled = False
            return CanceledStops("stands" if self.qty else "flat", {}, "")
        return None

    def adopt(self, levels: int) -> None:
        """Takes over the stops of an earlier incarnation: their levels are never loosened, even without its record, and
        they count once the venue lists them. levels: of a complete ladder; fewer stops may have been all that there was
        room for."""
        rows = len(self.working())
        self.stops.cut_to = rows if rows < levels else 0
        if self.qty and not self.stops.floors:
            triggers = {row.trigger for row in self.working()}
            self.stops.floors = dict(enumerate(sorted(triggers, reverse=self.qty > 0)))
        self.stops.unread_until = self.targets.unread_until = self.changed_at + ADOPT_WITHIN

    def listed(self, names: Collection[str], queried_at: int, now: int, *, is_alone: bool) -> None:
        """Handles the venue's listing of stops that wait for their trigger. is_alone: the gateway is dead, and cannot
        report the end of a stop that no listing has had."""
        for name, row in self.rows.items():
            if name in names and not row.has_fired:
                self.verified[name] = queried_at
                self.missing.pop(name, None)
                self.is_missing.discard(name)
            elif not row.has_fired and queried_at > self.verified.get(name, 0) and (is_alone or name in self.verified):
                after = MISSING_AFTER if name in self.verified else ABSENT_AFTER
                if now - self.missing.setdefault(name, now) >= after:
                    self.is_missing.add(name)
        for ladder in (self.stops, self.targets):  # the gateway's journal may lag a little behind its answer
            if ladder.placement is not None:
                self.verified |= {name: queried_at for name in ladder.placement.placed if name in names}

    def stuck(self, now: int, *, after: int) -> list[StopRow]:
        """Returns stops that have fired without a fill for that time, each once: they no longer count."""
        found = []
        for row in [*self.working(), *self.working(self.targets)]:
            if not row.has_fired:
                continue
            left, since = self._fired.get(row.client_id, (0, 0))
            if left != row.left:
                self._fired[row.client_id] = row.left, now
                self.is_missing.discard(row.client_id)
            elif now - since >= after and row.client_id not in self.is_missing:
                self.is_missing.add(row.client_id)
                found.append(row)
        return found

    def working(self, of: LadderState | None = None) -> list[StopRow]:
        """Returns the orders of a ladder, by default the stops, that reduce the position."""
        is_target = of is not None and of.is_target
        return [row for row in self.rows.values() if row.closes is self.closes and row.is_target is is_target]

    def is_met(self, now: int) -> bool:
        """Tells whether the price is beyond the trigger of an order that still waits for it."""
        price, sign = self.price(now), self.closes.sign
        waiting = [row for row in self.rows.values() if row.closes is self.closes and not row.has_fired]
        return price > 0 and any((row.trigger - price) * (-sign if row.is_target else sign) <= 0 for row in waiting)

    def is_acknowledged(self, placement: Placement, now: int) -> bool:
        """Tells whether the venue has answered for each order of a placement: an earlier listing lacks some."""
        rows = (self.rows.get(name) for name in placement.placed if name not in placement.ended)
        if not placement.acknowledged_at and all(row is not None and row.state not in _UNANSWERED for row in rows):
            placement.acknowledged_at = now
        return placement.acknowledged_at > 0

    def unread(self, of: LadderState) -> list[StopRow]:
        """Returns the orders of a ladder that no listing has had yet."""
        names = self.verified.keys() | self.is_missing
        return [row for row in self.working(of) if row.client_id not in names and not row.has_fired]

    def counts(self, row: StopRow) -> bool:
        """Tells whether the venue has an order and its end is not requested."""
        name = row.client_id
        is_there = (row.has_fired or name in self.verified) and name not in self.is_missing
        return is_there and name not in self.cancels

    def is_listed(self, row: StopRow) -> bool:
        """Tells whether an order waits for its trigger, and counts by a listing requested after the position's last
        change."""
        name = row.client_id
        is_there = name not in self.missing and self.verified.get(name, 0) >= self.changed_at
        return is_there and self.counts(row) and not row.has_fired

    def room(self, *, is_stuck: bool) -> list[StopRow]:
        """Returns stops that another one may replace after their cancel: redundant ones, the smallest first; an earlier
        incarnation may have left two ladders. is_stuck: no slot is free, and none becomes free by itself: if all stops
        are not enough, the smallest gives its slot to one of the whole size."""
        rows = sorted((row for row in self.working() if self.is_listed(row)), key=lambda each: each.left)
        if is_stuck and not self.is_protected and not self.cancels:
            return rows[: len(rows) > 1]
        left, found = sum(row.left for row in rows) - self.target, []
        for row in rows:
            left -= row.left
            if left >= 0:
                found.append(row)
        return found

    @property
    def protected(self) -> int:
        """Returns the quantity of stops that are verified and not being canceled."""
        return self.stand(self.stops)

    def stand(self, of: LadderState) -> int:
        """Returns the quantity of a ladder's orders that are verified and not being canceled."""
        return sum(row.left for row in self.working(of) if self.counts(row)) if self.qty else 0

    def firing(self, of: LadderState) -> int:
        """Returns the open quantity of a ladder's orders that have fired."""
        return sum(row.left for row in self.working(of) if row.has_fired and self.counts(row))

    def shown(self, rules: Rules, now: int) -> dict[str, Any]:
        """Renders the position for `onetape stops`."""
        text, price_text = self.instrument.size_text, self.instrument.price_text
        rows = [row for row in self.rows.values() if not row.is_target]
        ages = [now - self.verified[row.client_id] for row in rows if row.client_id in self.verified]
        return {
            "account": self.account,
            "symbol": self.instrument.symbol,
            "side": str(self.side),
            "qty": text(self.qty),
            "protected": round(self.share, 6),
            "verified_age_ms": max(ages) // 10**6 if ages and len(ages) == len(rows) else None,
            "levels": self._levels(rows),
            "targets": self._levels([row for row in self.rows.values() if row.is_target]),
            "entry_price": price_text(int(self.entry)) if self.entry else None,
            "local": self.is_lost,
            "flattening": self.flattening,
        }

    def _levels(self, rows: list[StopRow]) -> list[dict[str, Any]]:
        """Renders levels, the nearest to the entry first. A distance is from the entry to the trigger."""
        text, price_text, entry = self.instrument.size_text, self.instrument.price_text, self.entry
        way, plus = (-1, "+") if any(row.is_target for row in rows) else (1, "")
        return [
            {
                "distance": f"{plus}{float(way * distance_of(entry, row.trigger, self.qty)):.2%}" if entry else None,
                "trigger": price_text(row.trigger),
                "qty": text(row.left),
                "state": str(row.state),
                "venue_id": row.venue_id,
            }
            for row in sorted(rows, key=lambda row: row.trigger, reverse=self.qty * way >= 0)
        ]

    @property
    def working_size(self) -> int:
        """Returns the quantity of stops that work or are under way, verified or not."""
        placement = self.stops.placement
        size = sum(rung.size for rung in placement.rungs) if placement and not placement.is_answered else 0
        return size + sum(row.left for row in self.working() if row.client_id not in self.is_missing)

    @property
    def orders(self) -> int:
        """Returns the number of its orders that wait for a trigger at the venue, or may soon."""
        placements = [each.placement for each in (self.stops, self.targets) if each.placement is not None]
        coming = sum(
            sum(name not in self.rows and name not in each.ended for name in each.placed)
            if each.is_answered
            else len(each.rungs)
            for each in placements
        )
        return coming + sum(not row.has_fired and row.client_id not in self.is_missing for row in self.rows.values())

    @property
    def is_placing(self) -> bool:
        """Tells whether stops of it are being placed, or orders of it are being canceled."""
        return self.stops.placement is not None or bool(self.cancels)

    @property
    def share(self) -> float:
        target = self.target
        return min(self.protected / target, 1.0) if target else 1.0

    @property
    def is_protected(self) -> bool:
        return not self.qty or self.protected >= self.target * COVERED


def unrealized_of(guards: Iterable[PositionGuard], now: int) -> Iterator[Unrealized]:
    """Yields the unrealized profit of accounts and of each sub-account."""
    found: dict[tuple[str, str, str], tuple[str, int | None]] = {}
    for guard in guards:
        account, symbol = guard.account, guard.instrument.symbol
        price = guard.price(now)
        is_priced = not guard.qty or (guard.entry is not None and price > 0)
        open_ = {"": (guard.unrealized(now) if guard.qty else 0) if is_priced else None}
        for name, part in guard.parts.items():
            profit = guard.open_profit(part.qty, part.cost, price) if part.qty and price else 0
            open_[name] = profit if price or not part.qty else None
        for name, amount in open_.items():
            asset, before = found.get((account, name, symbol), (guard.instrument.settle, 0))
            found[account, name, symbol] = asset, None if before is None or amount is None else before + amount
    for key, each in found.items():
        yield Unrealized(*key, *each)
