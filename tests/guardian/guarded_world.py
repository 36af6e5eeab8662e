"""A guardian's core with a venue, a gateway and a market around it, on a clock of its own: requests
travel, gateways die, stops are refused and shown late, prices jump and freeze. What the guardian
promises is checked at every event."""

from __future__ import annotations

import heapq
import random
from collections import deque
from fractions import Fraction
from typing import NamedTuple

from onetape.guardian.core import BACKOFF, GuardianCore
from onetape.guardian.events import CancelStops, Flatten, PlaceStops, ReadBars, ReadVenue, Record, StopRow, Unprotected
from onetape.guardian.kept import Kept
from onetape.market.confirmed_price import PriceKind
from onetape.model import catalogue
from onetape.model.enums import OrderState, PositionSide, Side
from onetape.model.time import SECOND
from onetape.options.guardian_rules import GuardianSettings
from onetape.orders.reports import PositionReport
from onetape.risk.stop_ladder import distance_of

BTC = catalogue.find("binance:BTC/USDT:USDT")
SYMBOL, ACCOUNT, BOTH = BTC.symbol, "main", PositionSide.BOTH
MS = SECOND // 1000
HOP = 10 * MS
START = 100_000 * 10**BTC.price_decimals
WOULD_TRIGGER = 4109
SETTLED = 5 * SECOND  # with everything alive, what is promised holds after it


def tell(core: GuardianCore, symbol: str, price: int, now: int) -> None:
    """The market is at a price: a trade and a quote tell it, which confirm each other."""
    core._price_of(ACCOUNT, symbol).take(PriceKind.TRADE, price, now)  # without a look at what was before
    core.quote(ACCOUNT, symbol, price - 1, price + 1, now)


class Resting(NamedTuple):
    closes: Side
    trigger: int
    size: int
    visible_at: int
    is_target: bool


class Faults(NamedTuple):
    """Chances: of a stop to be refused, of one to be listed late, of a listing to fail, of a price to
    jump, in a step of the market; and how often the gateway or the guardian dies, seconds, 0: never."""

    refused: float = 0.0
    late: float = 0.0
    unread: float = 0.0
    jump: float = 0.0
    frozen: float = 0.0
    gateway_dies: float = 0.0
    guardian_dies: float = 0.0


class GuardedWorld:
    """trades: how often the robot trades, seconds; 0: a test does."""

    def __init__(self, seed: int = 0, faults: Faults | None = None, *, trades: float = 0.0, settings=None) -> None:
        self.random, self.faults = random.Random(seed), faults or Faults()
        self.now = SECOND
        self._queue: list = []
        self._count = 0
        self.settings = settings or GuardianSettings()
        self.range = 0, 0  # low and high of its bars, 0: it does not tell
        self.bare = 0  # since when the gateway knows the position as unprotected
        # The venue.
        self.price = START
        self.qty, self.entry, self.opened = 0, Fraction(0), ""
        self.resting: dict[str, Resting] = {}
        self.stops_fired: list[str] = []
        self.quantities: deque[tuple[int, int]] = deque([(0, 0)])
        # The gateway's journal.
        self.rows: dict[str, StopRow] = {}
        self._delivered = 0
        self.gateway_up = True
        self.is_frozen = False
        # The guardian.
        self.core: GuardianCore | None = None
        self.records: list[Record] = []
        self.commands: list = []
        self.quiet_since = self.now  # everything is alive, and nobody trades
        self.levels: dict[int, int] = {}
        self.begin_guardian()
        self.after(50 * MS, self._tick)
        self.after(100 * MS, self._market)
        if trades:
            self.after(SECOND, lambda: self._robot(trades))
        for often, kill in (
            (self.faults.gateway_dies, self.kill_gateway),
            (self.faults.guardian_dies, self.kill_guardian),
        ):
            if often:
                self._repeat(often, kill)

    # --- time -------------------------------------------------------------------------------------

    def after(self, delay: int, do) -> None:
        self._count += 1
        heapq.heappush(self._queue, (self.now + delay, self._count, do))

    def _repeat(self, often: float, do) -> None:
        def done() -> None:
            do()
            self._repeat(often, do)

        self.after(int(self.random.expovariate(1 / often) * SECOND), done)

    def run(self, seconds: float) -> GuardedWorld:
        end = self.now + int(seconds * SECOND)
        while self._queue and self._queue[0][0] <= end:
            self.now, _, do = heapq.heappop(self._queue)
            do()
            self.check()
        self.now = end
        return self

    # --- the market and the robot -----------------------------------------------------------------

    def _market(self) -> None:
        step = self.random.gauss(0, 0.0003)
        if self.random.random() < self.faults.jump:
            step += self.random.choice((-1, 1)) * self.random.uniform(0.01, 0.09)
        if self.faults.jump or self.faults.frozen:
            self.move(int(self.price * (1 + step)))
        if self.random.random() < self.faults.frozen:
            self.is_frozen = not self.is_frozen
        if not self.is_frozen:
            self.quote()
        self.after(100 * MS, self._market)

    def quote(self) -> None:
        price = self.price
        self._tell(lambda core: tell(core, SYMBOL, price, self.now))

    def move(self, price: int) -> None:
        """The price is there now; what it crosses fires."""
        self.price = max(price, START // 10)
        for name, stop in list(self.resting.items()):
            if self._would_fire(stop.closes, stop.trigger, stop.is_target):
                del self.resting[name]
                self.stops_fired.append(name)
                self._reduce(stop.closes, stop.size)
                self._ended(name)

    def _would_fire(self, closes: Side, trigger: int, is_target: bool) -> bool:
        return self.price <= trigger if (closes is Side.SELL) is not is_target else self.price >= trigger

    def _robot(self, trades: float) -> None:
        if self.gateway_up:
            size = self.random.randrange(1, 3000)
            kind = self.random.random()
            if not self.qty:
                self.trade(self.random.choice((-1, 1)) * size)
            elif kind < 0.15:
                self.trade(-self.qty)
            elif kind < 0.3:
                self.trade(-2 * self.qty)  # the other way round
            else:
                self.trade(self.random.choice((-1, 1)) * min(size, abs(self.qty) - 1 or 1))
        self.after(int(self.random.expovariate(1 / trades) * SECOND), lambda: self._robot(trades))

    def trade(self, change: int) -> None:
        """The account buys, or sells, at the price that is."""
        was = self.qty
        self.qty += change
        if was * self.qty <= 0:
            self.entry = Fraction(self.price)
            self.levels.clear()
            self.opened = str(self.now)
        elif abs(self.qty) > abs(was):
            self.entry = (self.entry * was + self.price * change) / self.qty
        self.quantities.append((self.now, self.qty))
        self.quiet_since = self.now
        qty, entry, opened = self.qty, self.entry, self.opened
        self._tell(
            lambda core: core.position(ACCOUNT, SYMBOL, BOTH, qty, entry if qty else None, self.now, opened=opened)
        )

    def _reduce(self, closes: Side, size: int) -> None:
        """Reduce-only: never more than is held."""
        if self.qty * closes.sign < 0:
            quiet = self.quiet_since
            self.trade(closes.sign * min(size, abs(self.qty)))
            self.quiet_since = quiet

    # --- the gateway ------------------------------------------------------------------------------

    def kill_gateway(self) -> None:
        self.gateway_up = False
        self.quiet_since = self.now

        def back() -> None:
            self.gateway_up = True
            self.quiet_since = self.now

        self.after(int(self.random.uniform(1, 8) * SECOND), back)

    def _tell(self, say) -> None:
        """The journal is read in its order, a moment later."""
        at = max(self.now + self.random.randrange(1, 5) * MS, self._delivered)
        self._delivered = at

        def alerted() -> None:
            if self.core is not None:
                say(self.core)
                self._carry_out()

        self.after(at - self.now, alerted)

    def _row(self, row: StopRow) -> None:
        self.rows[row.client_id] = row
        self._tell(lambda core: core.stop(ACCOUNT, row, self.now))

    def _ended(self, name: str) -> None:
        self.rows.pop(name, None)
        self._tell(lambda core: core.stop_ended(ACCOUNT, name, self.now))

    def _place(self, effect: PlaceStops):
        if not self.gateway_up:
            return None, {}
        placed, refused = {}, {}
        for rung in effect.rungs:
            self._count += 1
            name = f"c{self._count}"
            if self.random.random() < self.faults.refused:
                if self.random.random() < 0.5:
                    refused[rung] = 4007
                else:  # the venue refuses it, after the gateway has answered
                    placed[name] = rung
                    self._row(self._made(name, effect, rung, OrderState.SUBMITTED))
                    self.after(2 * HOP, lambda name=name: self._ended(name))
                continue
            if rung.trigger and self._would_fire(effect.closes, rung.trigger, effect.is_target):
                refused[rung] = WOULD_TRIGGER
                continue
            placed[name] = rung
            if not rung.trigger:
                self.after(HOP, lambda rung=rung: self._reduce(effect.closes, rung.size))
                continue
            if not effect.is_target:
                self._check_level(effect.closes, rung)
            self._row(self._made(name, effect, rung, OrderState.SUBMITTED))
            self.after(HOP, lambda name=name, rung=rung: self._rest(name, effect, rung))
        return placed, refused

    def _made(self, name: str, effect: PlaceStops, rung, state: OrderState) -> StopRow:
        of = effect.closes, rung.trigger, rung.size, state, effect.is_target
        return StopRow(name, f"v{name}", SYMBOL, BOTH, *of)

    def _rest(self, name: str, effect: PlaceStops, rung) -> None:
        if self._would_fire(effect.closes, rung.trigger, effect.is_target):  # met as it arrives
            self._reduce(effect.closes, rung.size)
            self._ended(name)
            return
        late = self.random.uniform(0.5, 4) if self.random.random() < self.faults.late else 0
        shown_at = self.now + int(late * SECOND)
        self.resting[name] = Resting(effect.closes, rung.trigger, rung.size, shown_at, effect.is_target)
        self._row(self._made(name, effect, rung, OrderState.ACCEPTED))

    def _cancel(self, effect: CancelStops) -> None:
        for name in effect.orders:
            stop = self.resting.pop(name, None)
            if stop is not None:
                self._check_withdrawn(name, stop)
                self._ended(name)

    # --- the guardian -----------------------------------------------------------------------------

    def kill_guardian(self) -> None:
        self.core = None
        self.quiet_since = self.now
        self.after(int(self.random.uniform(0.2, 3) * SECOND), self.begin_guardian)

    def begin_guardian(self) -> None:
        if self.core is not None:
            return
        self.core = core = GuardianCore(self.settings, epoch=str(self.now), watched={ACCOUNT})
        self._delivered = self.now
        core.instrument(ACCOUNT, BTC)
        if self.qty or self.rows:
            entry = self.entry if self.qty else None
            core.position(ACCOUNT, SYMBOL, BOTH, self.qty, entry, self.now, opened=self.opened)
        for row in self.rows.values():
            core.stop(ACCOUNT, row, self.now)
        kept = Kept()
        for each in self.records:
            if each.kind not in ("hard stop", "protection"):
                kept.take({"kind": each.kind, "state": each.state, "about": each.about})
        kept.resume(core, ACCOUNT, {SYMBOL})
        core.caught_up(ACCOUNT, self.now)
        self.quiet_since = self.now
        self._carry_out()

    def _tick(self) -> None:
        if self.core is not None:
            self.core.tick(self.now)
            self._carry_out()
        self.after(50 * MS, self._tick)

    def _carry_out(self) -> None:
        core = self.core
        effects, core.effects = core.effects, []
        for effect in effects:
            if isinstance(effect, Record):
                self.records.append(effect)
            else:
                self.commands.append((self.now, effect))
                self.after(HOP, lambda effect=effect: self._arrives(core, effect))

    def _arrives(self, core: GuardianCore, effect) -> None:
        def answer(delay: int, say) -> None:
            def said() -> None:
                if self.core is core:
                    say()
                    self._carry_out()

            self.after(delay, said)

        match effect:
            case PlaceStops():
                outcome = self._place(effect)
                delay = 4 * SECOND if outcome[0] is None else HOP + 2 * HOP
                answer(delay, lambda: core.answered(effect.id, *outcome, self.now))
            case CancelStops() if self.gateway_up:
                self.after(HOP, lambda: self._cancel(effect))
            case Flatten() if self.gateway_up:
                self.after(HOP, lambda: self._reduce(Side.SELL if self.qty > 0 else Side.BUY, abs(self.qty)))
            case Unprotected() if self.gateway_up:
                self.bare = effect.since
                answer(HOP, lambda: core.protection_reported(effect))
            case ReadBars():
                answer(HOP, lambda: core.bars_read(ACCOUNT, effect.symbol, *self.range, self.now))
            case ReadVenue() if self.random.random() >= self.faults.unread:
                queried_at = self.now - HOP
                if effect.symbol:
                    names = {name for name, stop in self.resting.items() if stop.visible_at <= self.now}
                    answer(HOP, lambda: core.stops_read(ACCOUNT, effect.symbol, names, queried_at, self.now))
                else:
                    price = BTC.price(self.price)
                    rows = [PositionReport(SYMBOL, BOTH, self.qty, self.now, BTC.price(int(self.entry)), price)]
                    answer(HOP, lambda: core.positions_read(ACCOUNT, rows, queried_at, self.now))

    # --- what is promised -------------------------------------------------------------------------

    @property
    def covered(self) -> int:
        """What stops that rest at the venue take off of what is held."""
        return self._rests(is_target=False)

    @property
    def taken(self) -> int:
        """What take-profits that rest at the venue take off of it."""
        return self._rests(is_target=True)

    def _rests(self, *, is_target: bool) -> int:
        stops = (stop for stop in self.resting.values() if stop.is_target is is_target)
        return sum(stop.size for stop in stops if stop.closes.sign * self.qty < 0)

    @property
    def guard(self):
        return self.core.guards.get((ACCOUNT, SYMBOL, BOTH)) if self.core is not None else None

    def check(self) -> None:
        assert len(self.resting) <= 100, "stops pile up"
        guard = self.guard
        if guard is None or not self.gateway_up or self.now - self.quiet_since < SETTLED:
            return
        is_settled = self.now - self.quantities[-1][0] > 3 * SECOND  # what one side took off is off the other
        if not self.qty:
            assert not self.resting or not is_settled, "stops rest without a position"
            return
        distance = distance_of(self.entry, self.price, self.qty)
        if not self.is_frozen and self.faults.jump == 0 and distance >= Fraction(self.settings.rules.hard_stop):
            raise AssertionError(f"{float(distance):.1%} beyond the entry, and not flat")
        is_said = guard.is_lost or bool(guard.flattening)
        assert self.covered * 100 >= abs(self.qty) * 95 or is_said, (
            f"{self.covered} of {self.qty} is protected, and nobody says so"
        )
        targets = guard.targets
        is_free = is_settled and not (targets.placement or targets.backoff > BACKOFF or guard.cancels)
        assert self.taken * 100 <= abs(self.qty) * 106 or is_said or not is_free, (
            f"{self.taken} of {self.qty} would be taken off by take-profits: too much"
        )
        is_under_way = bool(guard.stops.placement or guard.cancels) or guard.stops.backoff > BACKOFF  # it tries again
        assert self.covered * 100 <= abs(self.qty) * 106 or is_said or is_under_way or not is_settled, (
            f"{self.covered} of {self.qty} is protected: too much"
        )

    def _check_level(self, closes: Side, rung) -> None:
        if closes.sign * self.qty >= 0 or self.now - int(self.opened) < SECOND // 10:
            return  # for what was held when it left
        sign = 1 if self.qty > 0 else -1
        before = self.levels.get(rung.rank)
        if before is not None and self.core is not None:
            assert (rung.trigger - before) * sign >= 0, f"level {rung.rank} is looser than it was"
        self.levels[rung.rank] = rung.trigger

    def _check_withdrawn(self, name: str, stop: Resting) -> None:
        """A stop goes only when the others protect what was held a moment ago, or less than that."""
        while len(self.quantities) > 1 and self.quantities[1][0] <= self.now - SECOND:
            self.quantities.popleft()
        least = min(abs(qty) if qty * self.qty > 0 else 0 for _, qty in self.quantities)
        if stop.closes.sign * self.qty < 0 and not stop.is_target:
            assert self.covered * 100 >= least * 95, f"{name} was canceled: {self.covered} of {self.qty} is left"
