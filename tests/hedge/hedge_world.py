"""A saga's world in simulated time: accounts at venues behind gateways that keep journals, and what goes wrong there.

Everything follows from a seed. A gateway may be down, its answers late; a venue may refuse, fill in part or ban; the
market jumps; the process of the saga is killed before or after any of its records and starts again from them.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import count

import msgspec

from onetape.hedge.model import LegView, Level, Resting
from onetape.hedge.plan import Plan, Terms, leg_of, nearest, plan_change
from onetape.hedge.saga import (
    Attempt,
    Cancel,
    Effect,
    End,
    Fills,
    Goal,
    Look,
    Outcome,
    Place,
    Report,
    Saga,
    Wake,
    Write,
)
from onetape.hedge.working import Work
from onetape.model.instrument import from_symbol

MS = 10**6
SECOND = 1000 * MS
START = 1_700_000_000 * SECOND
WAY = 10 * MS  # between a gateway and its venue
LOT = Decimal("0.001")
ZERO = Decimal(0)
PAUSE = 250 * MS  # after an order that has failed
WORKS = (Work("peg", START + 500 * MS), Work("join", START + 900 * MS), Work("twap", START + 600 * MS, Decimal("0.1")))
TRIES = 200_000  # events of one operation


def view_of(account: str, venue: str = "", price: Decimal = Decimal(60_000), depth: str = "5", **facts) -> LegView:
    """A linear perpetual with five levels of equal size on each side, a tick of 0.1."""
    instrument = from_symbol(f"{venue or account}:BTC/USDT:USDT", tick="0.1", lot=str(LOT), perpetual=True)
    each = Decimal(depth) / 5
    bids = tuple(Level(price - Decimal(n) - Decimal("0.5"), each) for n in range(5))
    asks = tuple(Level(price + Decimal(n) + Decimal("0.5"), each) for n in range(5))
    usual = {
        "equity": Decimal(100_000),
        "available": Decimal(100_000),
        "leverage": 5,
        "taker_fee": Decimal("0.0005"),
        "market_at": START,
        "account_at": START,
    }
    return LegView(account, venue or account, instrument, mark=price, bids=bids, asks=asks, **{**usual, **facts})


@dataclass
class Order:
    attempt: Attempt
    fills: Fills = field(default_factory=Fills)
    is_ended: bool = False
    done: Decimal = ZERO  # filled at the venue
    is_over: bool = False  # at the venue; its gateway hears of it later
    why: str = ""


@dataclass
class Account:
    view: LegView
    position: Decimal
    away: list[tuple[int, int]]  # its gateway is, from and to
    banned: list[tuple[int, int]]
    rejects: float
    parts: float
    lost: float  # answers of the venue, until a query
    orders: dict[int, Order] = field(default_factory=dict)  # on the gateway's journal, by attempt

    def back_at(self, now: int) -> int:
        """Now, where its gateway is there, else when it is there once more."""
        return next((end for begin, end in self.away if begin <= now < end), now)


@dataclass(frozen=True)
class Faults:
    """rates from 0 to 1; seconds: the longest that a gateway is away or an account banned."""

    rejects: float = 0.0
    parts: float = 0.0
    lost: float = 0.0
    outages: int = 0
    seconds: float = 8.0
    kills: int = 0
    dead: str = ""  # an account whose venue refuses everything
    own: int = 0  # orders of our own on another account at the first one's venue, each for a while

    @classmethod
    def drawn(cls, chance: random.Random) -> Faults:
        rates = [chance.choice((0.0, 0.0, 0.1, most)) for most in (0.5, 0.5, 0.5)]
        return cls(
            *rates,
            chance.randint(0, 3),
            8.0,
            chance.choice((0, 0, 1, 3)),
            chance.choice(("", "", "b")),
            chance.choice((0, 0, 2)),
        )

    @classmethod
    def usual(cls, chance: random.Random) -> Faults:
        """Draws one fault of a bad day, or none: most operations meet none at all."""
        one = {"rejects": 0.3, "parts": 0.5, "lost": 0.5, "outages": 2, "kills": 1}
        name = chance.choice((*one, "", "", ""))
        return cls(**{name: one[name]}) if name else cls()  # type: ignore[arg-type]


class World:
    def __init__(self, seed: int, faults: Faults | None = None, accounts: int = 0, opposes: bool | None = None) -> None:
        self.chance = chance = random.Random(seed)
        self.faults = faults = Faults.drawn(chance) if faults is None else faults
        self.now = START
        self.records: list[dict] = []
        self.reports: list[Outcome] = []
        self.is_over = False
        self.saga: Saga | None = None
        self._incarnation = 0
        self._is_down = False
        self._kill_at = sorted(chance.randint(1, 12) for _ in range(faults.kills))
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._number = count()
        self.accounts: dict[str, Account] = {}
        for name in "abc"[: accounts or chance.choice((2, 3))]:
            held = Decimal(chance.randint(-2000, 2000)) * LOT
            view = view_of(
                name,
                price=Decimal(60_000 + chance.randint(-20, 20)),
                depth=chance.choice(("5", "20", "1")),
                taker_fee=Decimal(chance.choice(("0.0002", "0.0005"))),
            )
            spans = [self._spans() for _ in range(2)]
            rejects = 1.0 if name == faults.dead else faults.rejects
            self.accounts[name] = Account(view, held, *spans, rejects, faults.parts, faults.lost)
        # The market jumps for all of them, beyond what a limit bears at times.
        self.jump_at = START + chance.randint(0, 2 * SECOND)
        self.jump = Decimal(chance.choice((0, 0, 100, -100, 900, -900)))
        self.own = [self._own(number) for number in range(faults.own)]
        self.met = 0  # orders of a saga that were sent at one of these
        self._earlier = 0  # attempts of earlier lives of its process
        self.starts = {name: each.position for name, each in self.accounts.items()}
        self.goal = self._goal(opposes)
        self._naked_since = 0
        self.naked_ns = 0
        self.bound_ns = 0  # the longest time of that without what waits for the answer of a venue
        self.idle_ns = 0  # something was naked, and nothing but the saga kept it so
        self._unanswered_ns = 0
        self._paused_until = 0

    def kill_at(self, *records: int) -> None:
        """Kills its process before or after these records, counted from 1."""
        self._kill_at = sorted(records)

    def _spans(self) -> list[tuple[int, int]]:
        found = []
        for _ in range(self.chance.randint(0, self.faults.outages)):
            begin = START + self.chance.randint(-1 * SECOND, 3 * SECOND)
            found.append((begin, begin + int(self.chance.random() * self.faults.seconds * SECOND)))
        return found

    def _own(self, number: int) -> tuple[int, int, Resting]:
        """Returns an order of another account, near the touch, and from when to when it rests."""
        side, view = self.chance.choice((1, -1)), self.accounts["a"].view
        best = view.bids[0] if side > 0 else view.asks[0]
        begin = START + self.chance.randint(-1 * SECOND, 3 * SECOND)
        resting = Resting("a2", f"own-{number}", side, best.price - side * self.chance.choice((0, 1, 3)))
        return begin, begin + self.chance.randint(1, 8 * SECOND), resting

    def _goal(self, opposes: bool | None) -> Goal:
        terms = Terms(now=START, slippage=Decimal("0.005"))
        views = self.views()
        wanted = Decimal(self.chance.randint(1, 900)) * LOT * self.chance.choice((1, -1))
        is_single = self.chance.random() < 0.3 if opposes is None else not opposes
        if is_single:
            plan = plan_change(views, wanted, terms, parallel=self.chance.random() < 0.5)
        else:  # legs of opposite sign
            legs = (leg_of(views[0], wanted, terms), leg_of(views[1], -wanted, terms))
            before = sum((each.position for each in views), ZERO)
            plan = Plan(legs, self.chance.random() < 0.7, before)
        return Goal(
            operation="op",
            symbol="BTC-USD",
            base="BTC",
            plan=plan,
            bearers=tuple(self.accounts),
            positions=dict(self.starts),
            least=LOT,
            slippage=terms.slippage,
            begun=START,
            deadline=START + self.chance.choice((1, 5, 30)) * SECOND,
            work=self.chance.choice((None, None, None, *WORKS) if is_single or opposes is None else (None,)),
        )

    # --- the world --------------------------------------------------------------------------------

    def later(self, after: int, do: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now + max(after, 0), next(self._number), do))

    def run(self) -> World:
        self._start()
        for _ in range(TRIES):
            if self.is_over or not self._events:
                break
            at, _, do = heapq.heappop(self._events)
            self._account(at)
            self.now = max(self.now, at)
            do()
        return self

    def views(self) -> list[LegView]:
        found = []
        for account in self.accounts.values():
            is_away = account.back_at(self.now) > self.now
            refusal = "its gateway does not answer" if is_away else ""
            moved = self.jump if self.now >= self.jump_at else ZERO
            own = [each for begin, end, each in self.own if begin <= self.now < end]
            found.append(
                replace(
                    account.view,
                    position=account.position,
                    bids=tuple(Level(each.price + moved, each.base) for each in account.view.bids),
                    asks=tuple(Level(each.price + moved, each.base) for each in account.view.asks),
                    market_at=self.now,
                    account_at=self.now,
                    refusal=refusal,
                    resting=tuple(own) if account is self.accounts["a"] else (),
                )
            )
        return found

    @property
    def change(self) -> Decimal:
        """Of the net delta, as the venues have it."""
        return sum((each.position - self.starts[name] for name, each in self.accounts.items()), ZERO)

    def watch(self) -> None:
        low, high = sorted((ZERO, self.goal.plan.change))
        is_naked = abs(self.change - min(max(self.change, low), high)) >= LOT
        if self._naked_since:
            span = self.now - self._naked_since
            self.naked_ns = max(self.naked_ns, span)
            self.bound_ns = max(self.bound_ns, span - self._unanswered_ns)
        self._unanswered_ns = self._unanswered_ns if is_naked else 0
        self._naked_since = (self._naked_since or self.now) if is_naked else 0

    def _account(self, until: int) -> None:
        """Accounts for the time until then. Where something is naked while the process runs, either it may not be, as a
        venue has not answered; or no account that an open order would not meet takes orders; or the saga idles."""
        if not self._naked_since or self._is_down:
            return
        low, high = sorted((ZERO, self.goal.plan.change))
        least = most = ZERO
        open_ = []
        for each in self.saga.attempts:
            done = each.fills.base * each.leg.side
            ends = (done, done if each.is_closed else each.leg.change)
            least, most = least + min(ends), most + max(ends)
            open_ += [] if each.is_closed else [each.leg]
        side = 1 if most <= low - LOT else -1 if least >= high + LOT else 0
        meets = {leg.account for leg in open_ if leg.side != side}
        meets |= {"a" for begin, end, own in self.own if begin < until and self.now < end + SECOND and own.side != side}
        if not side:
            self._unanswered_ns += max(until - self.now, 0)
        elif any(each.back_at(self.now) <= self.now for name, each in self.accounts.items() if name not in meets):
            self.idle_ns += max(until - max(self.now, self._paused_until), 0)

    # --- the process of the saga ------------------------------------------------------------------

    def _start(self) -> None:
        self._incarnation += 1
        self._is_down = False
        past = Saga.of(self.records)
        self.saga = past or Saga(self.goal)
        self._earlier = len(self.saga.attempts)
        if self.saga.is_over:
            self.is_over = True
            return
        self._do(self.saga.resume(self.now) if past else self.saga.begin(self.now))

    def _event(self, event: Callable[[Saga], list[Effect]]) -> Callable[[], None]:
        mine = self._incarnation

        def do() -> None:
            if mine == self._incarnation and not self.is_over:
                self._do(event(self.saga))

        return do

    def _do(self, effects: list[Effect]) -> None:
        mine = self._incarnation
        for effect in effects:
            if mine != self._incarnation:  # killed at the record before
                return
            match effect:
                case Write(record):
                    self._write(record)
                case Place(attempt):
                    self._place(attempt)
                case Cancel(attempt):
                    self._cancel(attempt)
                case Look():
                    views = self.views()
                    self.later(1 * MS, self._event(lambda saga, views=views: saga.looked(views, self.now)))
                case Wake(at):
                    self.later(at - self.now, self._event(lambda saga: saga.passed(self.now)))
                case Report(outcome):
                    self.reports.append(outcome)
                case End():
                    self.is_over = True

    def _write(self, record: dict) -> None:
        if record["kind"] == "saga_closed" and record["why"]:
            self._paused_until = self.now + PAUSE
        is_killed = bool(self._kill_at) and len(self.records) + 1 >= self._kill_at[0]
        is_kept = not is_killed or self.chance.random() < 0.5
        if is_kept:
            self.records.append(msgspec.msgpack.decode(msgspec.msgpack.encode(record)))
        if is_killed:
            self._kill_at.pop(0)
            self._incarnation += 1  # what was under way is heard by nobody
            self._is_down = True
            self.later(int(self.chance.random() * 4 * SECOND), self._start)

    # --- gateways and venues ----------------------------------------------------------------------

    def _place(self, attempt: Attempt) -> None:
        """Sends an attempt, and follows the gateway's journal until it has ended or can no more begin."""
        account, number = self.accounts[attempt.leg.account], attempt.number
        mine = self._incarnation
        if number > self._earlier and self._meets(attempt, self.now):
            why = "it would meet an order of our own"
            self.later(1 * MS, self._event(lambda saga: saga.closed(number, Fills(), self.now, why=why)))
            return

        def send() -> None:
            if mine == self._incarnation and number not in account.orders and self.now <= attempt.until:
                back = account.back_at(self.now)
                self.later(
                    back - self.now + (400 if self.chance.random() < 0.02 else self.chance.randint(0, 3)) * MS, arrive
                )

        def arrive() -> None:
            if account.back_at(self.now) > self.now:
                self.later(20 * MS, send)
            elif number not in account.orders and self.now <= attempt.until:  # its id acts once
                account.orders[number] = Order(attempt)
                self.later(WAY, lambda: self._traded(account, number))

        def follow() -> None:
            if mine != self._incarnation or self.is_over:
                return
            order = account.orders.get(number)
            if order is None and self.now > attempt.until + 100 * MS:
                self._do(self.saga.closed(number, Fills(), self.now, why="it did not reach its gateway in time"))
            elif order is not None and order.fills.base and not order.is_ended:
                self.saga.progress(number, order.fills, self.now)
                self.later(2 * MS, follow)
            elif order is not None and order.is_ended:
                self._do(self.saga.closed(number, order.fills, self.now, why=order.why))
            else:
                self.later(2 * MS if self.now < attempt.at + SECOND else 50 * MS, follow)

        send()
        follow()

    def _meets(self, attempt: Attempt, since: int) -> bool:
        """Tells whether it would take from an order of our own that has rested since then, and does."""
        leg = attempt.leg
        own = [each for begin, end, each in self.own if begin <= since and self.now < end]
        met = nearest(replace(self.views()[0], resting=tuple(own)), leg.side)
        is_there = leg.account == "a" and not attempt.rests_until and met is not None
        return is_there and (leg.limit - met.price) * leg.side >= 0

    def _cancel(self, attempt: Attempt) -> None:
        account, number, mine = self.accounts[attempt.leg.account], attempt.number, self._incarnation

        def arrive() -> None:
            order = account.orders.get(number)
            if mine != self._incarnation or attempt.is_closed:
                return
            if order is None or account.back_at(self.now) > self.now:
                self.later(50 * MS, arrive)
            else:
                self.later(WAY, lambda: self._over(account, order, "the rest was canceled"))

        arrive()

    def _over(self, account: Account, order: Order, why: str) -> None:
        """An order has ended at its venue; its gateway hears of it, late where answers are lost or it is down."""
        if order.is_over:
            return
        order.is_over = True

        def heard() -> None:
            back = account.back_at(self.now)
            if back > self.now:  # it asks the venue when it is back
                self.later(back - self.now + 2 * WAY, heard)
                return
            order.why, order.is_ended = why if order.done < order.attempt.leg.qty else "", True
            order.fills = self._fills(order)

        is_lost = self.chance.random() < account.lost
        most = 5000 if order.done else 10_000  # that an order is not there is believed later
        self.later(WAY + (self.chance.randint(1, most) * MS if is_lost else 0), heard)

    def _fills(self, order: Order) -> Fills:
        price = order.attempt.leg.limit if order.done else ZERO
        return Fills(f"o{order.attempt.number}", order.done, price, order.done * price * Decimal("0.0005"), self.now)

    def _fill(self, account: Account, order: Order, part: Decimal) -> None:
        leg = order.attempt.leg
        qty = int(leg.qty * part / LOT) * LOT
        account.position += qty * leg.side
        order.done += qty
        self.watch()

    def _traded(self, account: Account, number: int) -> None:
        order, chance = account.orders[number], self.chance
        leg = order.attempt.leg
        is_banned = any(begin <= self.now < end for begin, end in account.banned)
        levels = account.view.asks if leg.side > 0 else account.view.bids
        best = levels[0].price + (self.jump if self.now >= self.jump_at else ZERO)
        part = Decimal(str(round(chance.random(), 2))) if chance.random() < account.parts else Decimal(1)
        if is_banned or chance.random() < account.rejects:
            self._over(account, order, "banned" if is_banned else "refused")
        elif order.attempt.rests_until:
            self.later(chance.randint(0, 800) * MS, lambda: self._rested(account, order, part))
        else:
            is_late = number <= self._earlier and order.attempt.index >= 0  # planned in an earlier life
            self.met += self._meets(order.attempt, START if is_late else order.attempt.at - 1 * MS)
            if (leg.limit - best) * leg.side >= 0:
                self._fill(account, order, part)
            self._over(account, order, "the rest was canceled")

    def _rested(self, account: Account, order: Order, part: Decimal) -> None:
        if order.is_over:
            return
        self._fill(account, order, part)
        if part == 1:
            self._over(account, order, "")
        else:
            self.later(WAY, lambda: setattr(order, "fills", self._fills(order)))
