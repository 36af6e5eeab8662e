"""Completes the legs of an operation: a state machine on the tape, events in, effects out.

An operation wants one net change of the delta. Its legs are orders that cannot rest; each is an attempt, on the tape
before it is sent to its gateway, and closed by the reports in the gateway's own journal. A missing or excess part of
the net change is traded where it costs least: on another account, or back on the filled one. Completing and undoing
follow this same rule. Nothing uncertain is guessed: an open order counts as filled or unfilled, whichever requires less
trading, so that there is no overshoot. After the deadline nothing more is completed, but a naked position is traded
until it is gone, after a while at any price within the emergency bound.

Naked is the part of the fills outside the path from zero to the wanted change: with legs of opposite sign every
difference, with one sign the excess over the change. The state follows from the records: a saga restored from them
continues.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import takewhile
from typing import Any, Final, Literal

import msgspec

from onetape.hedge.model import LegView
from onetape.hedge.plan import Leg, Plan, Terms, leg_of, plan_change, refusal_of
from onetape.hedge.working import Work, changed, order_of, wish_of
from onetape.model.back_off import back_off
from onetape.model.enums import Kind
from onetape.model.errors import PriceBand
from onetape.model.instrument import Instrument
from onetape.model.time import MINUTE, MS, SECOND
from onetape.model.typed import from_builtins

__all__ = [
    "PACE",
    "Attempt",
    "Cancel",
    "Effect",
    "End",
    "Fills",
    "Goal",
    "Look",
    "Outcome",
    "Place",
    "Report",
    "Saga",
    "Wake",
    "Write",
]

EMERGENCY: Final = 30 * SECOND  # longest naked time, if a venue offers liquidity ahead of our own orders (ADR 0139)
PATIENCE: Final = 10 * SECOND  # naked for this long: trade at any price within the emergency bound
EMERGENCY_SLIPPAGE: Final = Decimal("0.05")
VALID: Final = 3 * SECOND  # after which a gateway no longer places an order
FRESH: Final = 2 * SECOND  # maximum age of a plan's prices
FAILURES_MAX: Final = 3  # failures of an account since its last fill; more do not lower its priority further
REFUSED_MAX: Final = 100  # refused orders in a row, some 30 s of them: then the account is tried less often
BANDS_MAX: Final = 6  # halvings of a slippage refused by venues' price bands
ROUNDS_MAX: Final = 8  # rounds without a fill, after which nothing more is traded if nothing is naked
SETTLES: Final = 3 * SECOND  # longest time until a venue's positions include a fill
_PAUSES: Final = (50 * MS, SECOND, SECOND // 4)  # between rounds without a fill, doubled: first, most, most while naked
PACE: Final = 250 * MS  # between two orders of a leg worked by an algorithm, doubled with each refusal
PACE_MAX: Final = 16 * SECOND
LOOK_EVERY: Final = SECOND // 2  # interval of looks while an algorithm works
SLOW: Final = SECOND  # while an order is open for longer, other accounts come first
_ZERO: Final = Decimal(0)
_DRIFT: Final = Decimal("0.02")  # of a position: the base of an inverse one moves with the price, fees may be in base
_PART: Final = Decimal("1e-9")  # tolerated rounding difference of positions


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    """The goal of an operation. base: currency; bearers: accounts that may trade; positions: their positions at the
    beginning, signed base; utilizations: of their margin then; least: smallest tradable amount of base; times ns UTC.
    """

    operation: str
    symbol: str
    base: str
    plan: Plan
    bearers: tuple[str, ...]
    positions: dict[str, Decimal]
    least: Decimal
    slippage: Decimal
    begun: int
    deadline: int
    cursors: dict[str, int] = {}  # kept for the caller, by account: ends of their gateways' journals
    work: Work | None = None  # by an algorithm first
    utilizations: dict[str, float] = {}


class Fills(msgspec.Struct, frozen=True):
    """The fills of an attempt's order so far. base, price: filled amount and its average price; fees: in the settle
    currency, including the worth of fees in other coins; others: these as charged, by coin; unpriced: coins of these
    without a price, whose worth is left out; lost: base that a spot account paid as fees; sequences: of its frames on
    the gateway's journal."""

    order: str = ""
    base: Decimal = _ZERO
    price: Decimal = _ZERO
    fees: Decimal = _ZERO
    at: int = 0  # ns UTC, of the newest fill
    sequences: tuple[int, ...] = ()
    others: dict[str, Decimal] = {}
    unpriced: tuple[str, ...] = ()
    lost: Decimal = _ZERO

    def charged(self, instrument: Instrument, price_of: Callable[[str], Decimal]) -> Fills:
        """Returns the fills with the worth of fees in other coins added to `fees`. price_of: a coin in the settle
        currency, 0: unknown."""
        others = self.others
        prices = {coin: self.price if coin == instrument.base else price_of(coin) for coin in others}
        return msgspec.structs.replace(
            self,
            fees=self.fees + sum((fee * prices[coin] for coin, fee in others.items()), _ZERO),
            unpriced=tuple(coin for coin in others if not prices[coin]),
            lost=others.get(instrument.base, _ZERO) if instrument.kind is Kind.SPOT else _ZERO,
        )


@dataclass(slots=True)
class Attempt:
    """One order of a saga. leg: index in the plan, -1: it completes or undoes. until: ns UTC, it is not placed after
    it; rests_until: a passive order is canceled then, 0: it takes."""

    number: int
    index: int
    leg: Leg
    at: int
    until: int
    rests_until: int = 0
    fills: Fills = field(default_factory=Fills)
    is_closed: bool = False
    closed_at: int = 0
    why: str = ""  # why it was not filled completely
    code: int = 0
    is_canceling: bool = False

    @property
    def change(self) -> Decimal:
        return self.fills.base * self.leg.side - self.fills.lost

    @property
    def cost(self) -> Decimal:
        """Returns the cost in quote: fees, and slippage of its fills against the mid at the time of planning."""
        fills, leg = self.fills, self.leg
        return leg.in_quote(fills.fees) + fills.base * (fills.price - leg.mid) * leg.side

    @property
    def change_max(self) -> Decimal:
        """Returns its change after a complete fill; for an inverse contract, a lower sale price means more base."""
        if self.is_closed:
            return self.change
        leg = self.leg
        return leg.change * leg.mid / leg.limit if leg.kind is Kind.INVERSE and leg.side < 0 else leg.change


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The result so far. change: of the net delta, by fills; positions: as reported by the venues at the end; naked:
    the part outside the path, 0 if all is well; differs: accounts whose positions the fills do not explain: (expected,
    reported); unknown: accounts without a report, whose entries in `positions` come from fills."""

    status: Literal["completed", "partial", "failed"]
    change: Decimal
    naked: Decimal
    naked_ns: int  # the longest time with a naked position
    is_over: bool
    positions: dict[str, Decimal]
    differs: dict[str, tuple[Decimal, Decimal]]
    why: str
    code: int
    at: int
    unknown: tuple[str, ...] = ()


# --- effects ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Write:
    """Writes the record to the tape before the next effect."""

    record: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """Sends the attempt's order to its gateway, under an id that acts once, and follows it until it has ended."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Cancel:
    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Look:
    """Requests current views."""


@dataclass(frozen=True, slots=True)
class Wake:
    at: int  # ns UTC


@dataclass(frozen=True, slots=True)
class Report:
    """Answers the caller; if the outcome is not final, the saga continues."""

    outcome: Outcome


@dataclass(frozen=True, slots=True)
class End:
    pass


Effect = Write | Place | Cancel | Look | Wake | Report | End


class Saga:
    """Carries out a goal. Each event returns effects, which the caller performs in order."""

    def __init__(self, goal: Goal) -> None:
        self.goal = goal
        self.attempts: list[Attempt] = []
        self.is_over = False
        self.ended: Outcome | None = None
        self.naked_ns = 0
        self._naked_since = 0
        self._rounds = 0  # without a fill
        self._due = 0  # of the next look; 0: none
        self._settled_by = 0  # the venues' positions are compared until then
        self._looking = False
        self._reported = False
        self._is_stopped = False  # by the operator

    @classmethod
    def of(cls, records: Iterable[Mapping[str, Any]]) -> Saga | None:
        """Restores a saga from its records; None if the first is not a goal."""
        made: Saga | None = None
        for record in records:
            if record["kind"] == "saga_begun":
                made = cls(from_builtins(record["goal"], Goal))
            elif made is not None:
                made.take(record)
        return made

    # --- records ----------------------------------------------------------------------------------

    def take(self, record: Mapping[str, Any]) -> None:
        """Applies a record: the state follows from records alone."""
        match record["kind"]:
            case "saga_attempt":
                leg = from_builtins(record["leg"], Leg)
                times = (record["at"], record["until"], record["rests_until"])
                self.attempts.append(Attempt(record["number"], record["index"], leg, *times))
            case "saga_closed":
                attempt = self.attempts[record["number"] - 1]
                attempt.fills = from_builtins(record["fills"], Fills)
                attempt.is_closed, attempt.closed_at = True, record["at"]
                attempt.why, attempt.code = record["why"], record["code"]
                self._rounds = 0 if attempt.fills.base else self._rounds + (not self._is_worked(attempt))
                self._exposed(record["at"])
            case "saga_stopped":
                self._is_stopped = True
            case "saga_ended":
                self.is_over, self.ended = True, from_builtins(record["outcome"], Outcome)

    def _write(self, kind: str, **facts: Any) -> Write:
        record = {"kind": kind, "operation": self.goal.operation, **msgspec.to_builtins(facts)}
        self.take(record)
        return Write(record)

    # --- state -----------------------------------------------------------------------------------

    @property
    def wanted(self) -> Decimal:
        return self.goal.plan.change

    @property
    def change(self) -> Decimal:
        """Returns the change of the net delta by confirmed fills."""
        return sum((each.change for each in self.attempts), _ZERO)

    @property
    def unpriced(self) -> list[str]:
        """Returns a sentence for each coin of fees without a price."""
        coins = dict.fromkeys(coin for each in self.attempts for coin in each.fills.unpriced)
        return [f"the cost lacks fees in {coin}, which has no price" for coin in coins]

    @property
    def cost(self) -> Decimal:
        """Returns the cost so far, quote."""
        return sum((each.cost for each in self.attempts), _ZERO)

    @property
    def moved(self) -> dict[str, Decimal]:
        """Returns the trades of the accounts, signed base."""
        found: dict[str, Decimal] = {}
        for each in self.attempts:
            found[each.leg.account] = found.get(each.leg.account, _ZERO) + each.change
        return found

    @property
    def naked(self) -> Decimal:
        low, high = sorted((_ZERO, self.wanted))
        return self.change - min(max(self.change, low), high)

    @property
    def _open(self) -> list[Attempt]:
        return [each for each in self.attempts if not each.is_closed]

    @property
    def _report_by(self) -> int:
        """Returns the deadline of the answer, extended by the allowed time of a naked position."""
        return self.goal.deadline + (EMERGENCY if self.goal.plan.opposes else SECOND)

    def _exposed(self, now: int) -> None:
        is_naked = abs(self.naked) >= self.goal.least
        if self._naked_since:
            self.naked_ns = max(self.naked_ns, now - self._naked_since)
        self._naked_since = (self._naked_since or now) if is_naked else 0

    def _need(self, now: int) -> Decimal:
        """Returns the signed change that is still to be traded, whatever the open orders' outcome."""
        is_late = now >= self.goal.deadline or (self._rounds >= ROUNDS_MAX and abs(self.naked) < self.goal.least)
        is_late = is_late or self._works(now)
        # Otherwise more of its legs follow.
        is_begun = not self._open or self._begun == len(self.goal.plan.legs) or self.goal.work is not None
        low, high = (self.wanted, self.wanted) if is_begun and not is_late else sorted((_ZERO, self.wanted))
        spans = [sorted((each.change, each.change_max)) for each in self.attempts]
        least, most = sum((each[0] for each in spans), _ZERO), sum((each[1] for each in spans), _ZERO)
        need = low - most if most < low else high - least if least > high else _ZERO
        return need if abs(need) >= self.goal.least and not self._is_stopped else _ZERO

    @property
    def _begun(self) -> int:
        """Returns how many legs of the plan have been sent."""
        return len({each.index for each in self.attempts if each.index >= 0})

    # --- events -----------------------------------------------------------------------------------

    def begin(self, now: int) -> list[Effect]:
        """Begins: the goal is on the tape before the first leg."""
        goal = msgspec.to_builtins(self.goal)
        return [Write({"kind": "saga_begun", "operation": self.goal.operation, "goal": goal}), *self._next(now)]

    def resume(self, now: int) -> list[Effect]:
        """Continues after a restart: open orders are sent again under their ids, which act once. Resting orders of an
        operation that the operator ended are canceled again: no record tells whether they were."""
        self._exposed(now)
        placed = [Place(each) for each in self._open]
        return [*placed, *(self._withdrawn() if self._is_stopped else ()), *self._next(now)]

    def stop(self, now: int) -> list[Effect]:
        """Ends the operation for the operator: nothing more is traded, even if naked; open orders are canceled or
        waited for."""
        if self.is_over:
            return []
        made: list[Effect] = [] if self._is_stopped else [self._write("saga_stopped", at=now)]
        made += self._withdrawn()
        return made if self._open else made + self._look()

    def progress(self, number: int, fills: Fills, now: int) -> None:
        """Notes a partial fill of a working order."""
        if not (attempt := self.attempts[number - 1]).is_closed:
            attempt.fills = fills
            self._exposed(now)

    def closed(self, number: int, fills: Fills, now: int, *, why: str = "", code: int = 0) -> list[Effect]:
        """Notes that an order has ended, or will never be placed. A later fill still counts, and is reported again."""
        attempt = self.attempts[number - 1]
        if attempt.is_closed and fills.base <= attempt.fills.base:
            return []
        made: list[Effect] = [self._write("saga_closed", number=number, fills=fills, why=why, code=code, at=now)]
        return made + self._next(now)

    def passed(self, now: int) -> list[Effect]:
        """Handles the passing of time."""
        made: list[Effect] = []
        for attempt in self._open:
            if attempt.rests_until and now >= attempt.rests_until:
                made += self._cancel(attempt)
        if not self._reported and not self.is_over and now >= self._report_by:
            self._reported = True
            made.append(Report(self.outcome(now)))
        if self._due and now >= self._due:
            self._due = 0
            made += self._look() if not self._open or self._works(now) or self._need(now) else []
        return made + self._wake()

    def looked(self, views: Sequence[LegView], now: int) -> list[Effect]:
        """Handles new views of the bearers."""
        if self.is_over or not self._looking:
            return []
        self._looking = False
        need = self._need(now)
        if not need:
            if self._works(now) and (worked := self._work(views, now)) is not None:
                return worked
            if self._open:
                return self._wake()
            rest = self._rest(views, now)
            return self._verify(views, now) if rest is None else self._attempts([(-1, rest, 0)], now)
        if self._is_evened(views, now):
            return self._verify(views, now)
        self._settled_by = 0
        naked_for = now - self._naked_since if self._naked_since else 0
        is_urgent = naked_for >= PATIENCE or (self._naked_since and now >= self.goal.deadline)
        slippage = max(self.goal.slippage, EMERGENCY_SLIPPAGE) if is_urgent else self.goal.slippage
        made = self._withdrawn() if naked_for >= SLOW else []
        side = 1 if need > 0 else -1
        meets = {each.leg.venue for each in self._open if each.leg.side != side}  # no self-trades
        waits = self._waiting(now)
        bearers = [each for each in views if each.account in self.goal.bearers and each.account not in waits]
        plan = plan_change(
            [each for each in bearers if each.venue not in meets],
            need,
            Terms(now=now, slippage=slippage, halvings=self._beyond_bands),
            spared=self._spared(need, now),
            reductions_first=False,
        )
        if not plan.legs:
            self._rounds += 1
            if not self._need(now):  # too many rounds without a fill, and nothing is naked
                return self._look()
            return self._withdrawn() + self._later(now)
        return made + self._attempts([(-1, leg, 0) for leg in plan.legs], now)

    # --- steps ------------------------------------------------------------------------------------

    def _next(self, now: int) -> list[Effect]:
        """Continues with the plan's legs, then the missing part, then, if no order is open, compares the venues'
        positions."""
        if self.is_over or (self._open and not self._works(now) and not self._need(now)):
            return self._wake()
        legs, begun = self.goal.plan.legs, self._begun
        is_fresh = now - self.goal.begun <= FRESH and now < self.goal.deadline and not self._is_stopped
        if begun < len(legs) and is_fresh and not self._open and self.goal.work is None:
            chosen = list(enumerate(legs))[begun:] if self.goal.plan.parallel else [(begun, self._clipped(begun))]
            if made := self._attempts([(index, leg, 0) for index, leg in chosen if leg is not None], now):
                return made
        return self._later(now) if self._rounds and not self._is_stopped else self._look()

    # --- legs that an algorithm works -------------------------------------------------------------

    def _works(self, now: int) -> bool:
        """Tells whether an algorithm works its legs, so that nothing is missing yet."""
        return (
            self.goal.work is not None and now < min(self.goal.work.until, self.goal.deadline) and not self._is_stopped
        )

    def _is_worked(self, attempt: Attempt) -> bool:
        return self.goal.work is not None and attempt.index >= 0

    def _work(self, views: Sequence[LegView], now: int) -> list[Effect] | None:
        """Adjusts the orders of its legs to the algorithm's targets. None: nothing is left of them."""
        work, legs, there = self.goal.work, self.goal.plan.legs, {each.account: each for each in views}
        assert work is not None
        until = min(work.until, self.goal.deadline)
        due, chosen, made = [until, now + LOOK_EVERY], list[tuple[int, Leg, int]](), list[Effect]()
        is_left = bool(self._open)
        follow = {each.leg.venue: each.leg.side for each in self._open if each.index < 0}
        for index in self.goal.plan.leading:
            leg = legs[index]
            sent = [each for each in self.attempts if each.index == index]
            done = sum((each.fills.base for each in sent), _ZERO)
            if leg.base - done < self.goal.least:
                continue
            is_left = True
            view, order = there.get(leg.account), next((each for each in sent if not each.is_closed), None)
            if view is not None and view.traded:  # legs on one book share one participation in its volume
                beside = sum((legs[n].venue, legs[n].symbol) == (leg.venue, leg.symbol) for n in self.goal.plan.leading)
                view = replace(view, traded=view.traded / beside)
            if view is not None and not refusal_of(view, Terms(now=now, slippage=self.goal.slippage)):
                works = None if order is None else (order.leg, order.fills.base, order.at)
                wish = wish_of(work, leg, view, self.goal.begun, now, done, works, self._resting(leg, now))
                refused = takewhile(lambda each: each.code and not each.fills.base, reversed(sent))
                ready = sent[-1].at + back_off(PACE, 1 + len(list(refused)), PACE_MAX) if sent else now
                due += [] if wish.wake is None else [wish.wake]
                if order is not None:
                    is_stale = bool(order.rests_until) and changed(wish, order.leg, order.fills.base, view)
                    made += self._cancel(order) if is_stale else []
                elif (
                    wish.lots
                    and wish.price is not None
                    and now >= ready
                    and follow.get(leg.venue, leg.side) == leg.side
                ):
                    chosen.append((index, order_of(leg, wish, view), until if wish.post_only else 0))
                due += [ready] if now < ready else []
            if not self.goal.plan.parallel:
                break
        if not is_left:
            return None
        made += self._attempts(chosen, now) if chosen else []
        self._due = min(each for each in due if each > now)
        return made + self._wake()

    def _withdrawn(self) -> list[Effect]:
        """Cancels resting orders when no other account can follow their fills, or when they block one that could."""
        return [effect for each in self._open if each.rests_until for effect in self._cancel(each)]

    def _resting(self, leg: Leg, now: int) -> list[tuple[Leg, Decimal]]:
        """Returns the saga's orders that rest on a leg's side of its venue's book, including recently ended ones (views
        are delayed), with their filled amounts."""
        return [
            (each.leg, each.fills.base)
            for each in self.attempts
            if each.rests_until
            and (each.leg.venue, each.leg.symbol, each.leg.side) == (leg.venue, leg.symbol, leg.side)
            and (not each.is_closed or now - each.closed_at < LOOK_EVERY)
        ]

    def _clipped(self, index: int) -> Leg | None:
        """Returns a later leg of a plan whose legs are traded one by one. If the plan has legs of both signs, the leg
        is cut to the quantity that offsets the earlier fills; None: nothing is to be offset."""
        legs = self.goal.plan.legs
        leg = legs[index]
        if not self.goal.plan.opposes or not index:
            return leg
        so_far = sum((each.change for each in legs[: index + 1]), _ZERO)
        most = (so_far - self.change) * leg.side
        if most >= leg.base:
            return leg
        qty = int(leg.qty * most / leg.base / leg.lot) * leg.lot if most > 0 else _ZERO
        return msgspec.structs.replace(leg, qty=qty, base=leg.base * qty / leg.qty) if qty else None

    def _attempts(self, chosen: list[tuple[int, Leg, int]], now: int) -> list[Effect]:
        writes: list[Effect] = []
        for index, leg, rests in chosen:
            number = len(self.attempts) + 1
            until = now + VALID
            facts = {"number": number, "index": index, "leg": leg, "at": now, "until": until, "rests_until": rests}
            writes.append(self._write("saga_attempt", **facts))
        self._due = 0
        made = self.attempts[len(self.attempts) - len(chosen) :]
        return [*writes, *(Place(each) for each in made), *(self._wake() if chosen else ())]

    def _cancel(self, attempt: Attempt) -> list[Effect]:
        if attempt.is_canceling:
            return []
        attempt.is_canceling = True
        return [Cancel(attempt)]

    def _look(self) -> list[Effect]:
        self._due, self._looking = 0, True
        return [Look()]

    def _later(self, now: int) -> list[Effect]:
        first, usual, naked = _PAUSES
        self._due = self._due or now + back_off(first, self._rounds + 1, naked if self._naked_since else usual)
        return self._wake()

    def _wake(self) -> list[Effect]:
        times = [each.rests_until for each in self._open if each.rests_until and not each.is_canceling]
        times += [] if self._reported else [self._report_by]
        times += [self._due] if self._due else []
        return [Wake(min(times))] if times and not self.is_over else []

    @property
    def _failed(self) -> list[str]:
        """Returns the accounts with failures, once for each failure since their last fill."""
        found: list[str] = []
        for each in self.attempts:
            if each.fills.base:
                found = [name for name in found if name != each.leg.account]
            elif each.why and not self._is_worked(each):
                found.append(each.leg.account)
        return found

    def _waiting(self, now: int) -> set[str]:
        """Returns the accounts that have refused for so long that they are tried less often, each by itself, so that an
        account that accepts orders again is found at once."""
        last = {each.leg.account: each.closed_at for each in self.attempts}
        beyond = {name: count - REFUSED_MAX for name, count in Counter(self._failed).items() if count > REFUSED_MAX}
        return {name for name, many in beyond.items() if now < last[name] + back_off(_PAUSES[2], many + 1, MINUTE)}

    @property
    def _beyond_bands(self) -> dict[str, int]:
        """Counts each account's newest orders in a row that were refused for prices too far from the market: its
        venue's price band is narrower, and refuses such orders completely."""
        rows: dict[str, int] = {}
        for each in self.attempts:
            if each.is_closed:
                row = rows.get(each.leg.account, 0) + 1
                rows[each.leg.account] = min(row, BANDS_MAX) if each.code == PriceBand.code else 0
        return rows

    def _left(self) -> dict[str, Decimal]:
        """Returns the undone parts of the accounts' legs, signed base."""
        left = dict.fromkeys(self.goal.bearers, _ZERO)
        for leg in self.goal.plan.legs:
            left[leg.account] = left.get(leg.account, _ZERO) + leg.change
        return {name: each - self.moved.get(name, _ZERO) for name, each in left.items()}

    def _spared(self, need: Decimal, now: int) -> list[str]:
        """Returns the accounts that come later: those that fail or do not answer, so that a venue that refuses
        everything does not precede one that can undo its leg, in rotation after many failures; then those whose part is
        done."""
        done = [name for name, left in self._left().items() if left * need <= 0] if self.goal.plan.opposes else []
        slow = [each.leg.account for each in self._open if now - each.at > SLOW]
        failed = self._failed + slow
        turns = list(dict.fromkeys(reversed(failed)))[::-1]  # the account that failed last comes last
        for turn, name in enumerate(turns):
            done += [name] * (2 * (turn + len(turns) * min(failed.count(name), FAILURES_MAX)))
        return done

    def _rest(self, views: Sequence[LegView], now: int) -> Leg | None:
        """Returns the next leg of opposite ones that are partly done, to the same extent: the others follow as the
        missing part. None: nothing is left, or one of them has failed, and another attempt would be a directional
        position."""
        is_vain = bool(self._failed) or self._rounds >= ROUNDS_MAX
        if not self.goal.plan.opposes or is_vain or self._is_stopped or now >= self.goal.deadline:
            return None
        terms = Terms(now=now, slippage=self.goal.slippage)
        for view in views:
            left = self._left().get(view.account, _ZERO)
            if abs(left) >= self.goal.least and not refusal_of(view, terms):
                return leg_of(view, left, terms)
        return None

    # --- the end ----------------------------------------------------------------------------------

    def _is_evened(self, views: Sequence[LegView], now: int) -> bool:
        """Tells whether another actor, such as a kill switch or the operator, has closed the naked part: trading it now
        would overshoot. Before the deadline, or while an account is unfit, its fills count."""
        there = {each.account: each for each in views if not each.unfit}
        newest = max((each.fills.at for each in self.attempts), default=0)
        is_settled = not self._open and now >= max(self.goal.deadline, newest + SETTLES)
        if not is_settled or there.keys() != self.goal.positions.keys():
            return False
        moved = drift = _ZERO
        for account, expected in self._expected().items():
            moved += there[account].position - expected
            drift += abs(expected) * (_ZERO if there[account].instrument.kind is Kind.LINEAR else _DRIFT)
        return abs(moved) - drift > abs(self.naked + moved)

    def _expected(self) -> dict[str, Decimal]:
        return {name: at + self.moved.get(name, _ZERO) for name, at in self.goal.positions.items()}

    def _verify(self, views: Sequence[LegView], now: int) -> list[Effect]:
        """Compares the venues' positions with the fills; others may have traded, too."""
        self._settled_by = self._settled_by or now + SETTLES
        there = {each.account: each for each in views if not each.unfit}
        traded, expected = {each.leg.account for each in self.attempts}, self._expected()
        judged = expected.keys() if abs(self.naked) >= self.goal.least else traded
        differs = {
            account: (expected[account], there[account].position)
            for account in sorted(judged & there.keys())
            if not _agrees(there[account], expected[account], self.attempts)
        }
        unknown = tuple(sorted(traded - there.keys()))  # a gateway that restarts is given time
        if (differs and now < self._settled_by) or (unknown and now < max(self._settled_by, self.goal.deadline)):
            self._due = now + 20 * MS
            return self._wake()
        self.is_over = True
        positions = {**expected, **{name: each.position for name, each in there.items()}}
        outcome = self.outcome(now, positions, differs, unknown)
        made: list[Effect] = [self._write("saga_ended", outcome=outcome)]
        if not self._reported:
            self._reported = True
            made.append(Report(outcome))
        return [*made, End()]

    def outcome(
        self,
        now: int,
        positions: dict[str, Decimal] | None = None,
        differs: dict[str, tuple[Decimal, Decimal]] | None = None,
        unknown: tuple[str, ...] = (),
    ) -> Outcome:
        """Returns the result so far."""
        left = self._left().values() if self.goal.plan.opposes else (self.wanted - self.change,)  # of any account
        short = any(abs(each) >= self.goal.least for each in left)
        moved = {name: at - self.goal.positions.get(name, _ZERO) for name, at in self._expected().items()}
        is_moved = any(abs(each) >= self.goal.least for each in moved.values())
        naked = self.naked if abs(self.naked) >= self.goal.least else _ZERO
        whys = [each for each in self.attempts if each.why and not self._is_worked(each)]
        return Outcome(
            status="failed" if naked or not is_moved else "partial" if short or self._open or unknown else "completed",
            change=self.change,
            naked=naked,
            naked_ns=max(self.naked_ns, now - self._naked_since if self._naked_since else 0),
            is_over=self.is_over,
            positions=positions if positions is not None else self._expected(),
            differs=differs or {},
            why=f"{whys[0].leg.account}: {whys[0].why}" if whys else "",
            code=whys[0].code if whys else 0,
            at=now,
            unknown=unknown,
        )


def _agrees(view: LegView, expected: Decimal, attempts: Iterable[Attempt]) -> bool:
    """Tells whether the fills explain a position. The base of an inverse contract moves with the price, by as much as
    is usual during an operation."""
    traded = sum((each.fills.base for each in attempts if each.leg.account == view.account), abs(expected))
    part = _DRIFT if view.instrument.kind is Kind.INVERSE else _PART
    return abs(view.position - expected) <= traded * part
