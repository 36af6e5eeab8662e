"""The guardian's decisions: events in, effects out; no clock, no socket, no file.

For each position a ladder of stops rests at the venue. When the working stops differ by more than 5 % from the
position, new ones are placed and verified by a query of the venue before the old ones are canceled: protection is not
removed before its replacement is verified. A stop is verified by a listing of the venue that has it and was requested
after it was placed; a listing without it proves nothing for some seconds. Take-profits are a second ladder on the other
side of the entry, handled in the same way while the stops work; when one ladder fills, the other is too large by that
quantity, and replaced.

In addition local rules need no stop at the venue: the share of a position beyond a level without a stop is closed at
the market, and a position beyond the hard stop is flattened.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from onetape.accounts.holding import Holding
from onetape.guardian.events import (
    CancelStops,
    CloseSubAccount,
    Effect,
    Flatten,
    PlaceStops,
    ReadBars,
    ReadVenue,
    Record,
    StopRow,
    Unprotected,
)
from onetape.guardian.position_guard import COVERED, LadderState, Placement, PositionGuard, unrealized_of
from onetape.guardian.stop_slots import NO_BOUND, SharedSlots
from onetape.guardian.sub_accounts import SubAccountStop
from onetape.guardian.unprotected import UnprotectedSymbols
from onetape.market.confirmed_price import NEAR, ConfirmedPrice, PriceKind
from onetape.model.enums import PositionSide
from onetape.model.instrument import Instrument
from onetape.model.money import money_units
from onetape.model.time import MS, SECOND
from onetape.options.guardian_rules import GuardianSettings
from onetape.orders.calls import TriggerBounds
from onetape.orders.reports import PositionReport
from onetape.risk.halt_decisions import Unrealized
from onetape.risk.look_back import look_back_level
from onetape.risk.stop_ladder import Rung, needs_ladder, pieces

__all__ = ["GuardianCore"]

LOST_AFTER: Final = 2 * SECOND  # a longer loss of protection raises an alert
ANSWER_WITHIN: Final = 5 * SECOND  # a placement incomplete after this time has failed
VERIFY_EVERY: Final = 100 * MS
STUCK_AFTER: Final = 5 * SECOND  # a fired stop without a fill for this time is stuck
BACKOFF: Final = 250 * MS  # after a failed placement, doubled up to
BACKOFF_MAX: Final = 5 * SECOND
CLOSE_EVERY: Final = SECOND // 2  # between two closes, or two flattens
POSITIONS_EVERY: Final = 5 * SECOND
STOPS_EVERY: Final = 30 * SECOND
READ_RETRY: Final = 250 * MS  # pause before a needed query is repeated
SETTLES: Final = SECOND // 2  # how far a venue's listing may lag behind the account's stream
REST: Final = 2 * SECOND  # after this time without a change, the stops must match the position exactly
LOOK_BACK_EVERY: Final = 5 * SECOND  # until the venue has returned its bars
AGREES_WITHIN: Final = 5 * SECOND  # local rules wait so long for a listing that agrees, or is believed
DIFFERS: Final = 2  # successive listings with another position than the gateway's, until the venue is believed


class GuardianCore:
    """Decides for all accounts of one guardian. The caller empties `effects`.

    epoch: of this incarnation, part of the ids of its commands. watched: accounts whose venue can be queried and takes
    stops; the others have local rules only. bounds: by account, its venue's limits on orders with a trigger; paces:
    shortest interval of queries without a gateway, ns (default: one second).
    """

    def __init__(
        self,
        settings: GuardianSettings,
        *,
        epoch: str,
        watched: Collection[str],
        bounds: Mapping[str, TriggerBounds] = {},
        paces: Mapping[str, int] = {},
    ) -> None:
        self.settings = settings
        self.effects: list[Effect] = []
        self.guards: dict[tuple[str, str, PositionSide], PositionGuard] = {}
        self.unprotected_ms: dict[int, int] = {}  # histogram of unprotected times, by powers of two
        self._total_loss = {name: money_units(each) for name, each in settings.total_loss.items()}
        self.epoch = epoch
        self._count = 0
        self._watched = set(watched)
        self._slots, self._paces = SharedSlots(settings, bounds), paces
        self._instruments: dict[str, dict[str, Instrument]] = {}
        self._prices: dict[tuple[str, str], ConfirmedPrice] = {}  # by account and symbol
        self._alone: set[str] = set()  # accounts whose gateway is dead
        self._ready: set[str] = set()  # accounts whose journal has been read to its end
        self._agrees_by: dict[str, int] = {}  # of accounts whose venue has not agreed with their journal since
        self._sent: dict[str, tuple[PositionGuard, LadderState, Placement]] = {}
        self._closes: dict[str, PositionGuard] = {}  # by command, market closes without an answer
        self._queried: dict[tuple[str, str], int] = {}  # times of queries
        self._unprotected = UnprotectedSymbols()

    # --- events -----------------------------------------------------------------------------------

    def instrument(self, account: str, instrument: Instrument) -> None:
        self._instruments.setdefault(account, {})[instrument.symbol] = instrument
        for (of, symbol, _), guard in self.guards.items():
            if (of, symbol) == (account, instrument.symbol):
                guard.instrument = instrument

    def position(
        self,
        account: str,
        symbol: str,
        side: PositionSide,
        qty: int,
        entry: Fraction | None,
        now: int,
        *,
        opened: str = "",
    ) -> None:
        """Sets the account's position, as its gateway reports it. qty: units, signed; entry: units of price, None:
        unknown entry price; opened: name of the frame that opened it, "": unknown."""
        guard = self._guard(account, symbol, side)
        if opened != guard.opened:  # a journal is read in bursts: decisions about the last position are still unsent
            of = account, symbol, side
            over = [each for each in self.effects if isinstance(each, PlaceStops) and each[1:4] == of]
            self.effects = [each for each in self.effects if each not in over]
            for each in over:
                self._sent.pop(each.id, None)
                if self._closes.pop(each.id, None) is not None:
                    guard.closing.ended(guard.closing.left)
        guard.opened = opened
        guard.hold(qty, entry, now)
        self._slots.changed(account)
        self._look(guard, now)

    def sub_account(
        self, account: str, name: str, symbol: str, side: PositionSide, held: Holding, now: int, *, opened: str
    ) -> None:
        """Sets a sub-account's position, by its gateway's ledger. opened: as in `position`."""
        guard = self._guard(account, symbol, side)
        entry = held.entry * 10**guard.instrument.price_decimals
        part = guard.parts.setdefault(name, SubAccountStop())
        had_closed = part.shares.left < 1
        part.hold(held.qty, held.cost, entry, opened)
        if had_closed and part.shares.left == 1:  # else the next incarnation would count these levels as closed
            self._say("local stop", guard, "all levels are active again", {"subaccount": name, **part.noted})
        self._look_at_parts(guard, now)

    def forget_parts(self, account: str) -> None:
        """Clears sub-accounts' positions, which are read again, or unknown."""
        for (of, *_), guard in self.guards.items():
            for part in guard.parts.values() if of == account else ():
                part.qty = part.cost = 0  # closed levels are kept for the same part

    def stop(self, account: str, row: StopRow, now: int) -> None:
        """Sets the state of a protective order, by the gateway's journal."""
        guard = self._guard(account, row.symbol, row.position_side)
        guard.rows[row.client_id] = row
        self._look(guard, now)

    def stop_ended(self, account: str, name: str, now: int, *, is_canceled: bool = False) -> None:
        """Handles the end of a protective order: filled, canceled, rejected or expired. name: its client id;
        is_canceled: without a request of its gateway."""
        for guard in self._of(account):
            if name in guard.rows:
                guard.end(name, now if is_canceled else 0)
                self._slots.changed(account)
                self._look(guard, now)

    def close_works(self, account: str, symbol: str, side: PositionSide, left: int, now: int) -> None:
        """Adds the open quantity of an earlier incarnation's close at the market."""
        self._guard(account, symbol, side).closing.sent(left, now)

    def close_ended(self, account: str, symbol: str, side: PositionSide, left: int) -> None:
        """Handles the end of a close at the market. left: its unfilled quantity, units."""
        self._guard(account, symbol, side).closing.ended(left)

    def others(self, account: str, counts: Mapping[str, int]) -> None:
        """Sets the count by symbol of the account's orders with a trigger that are not the guardian's."""
        self._slots.others(account, counts)

    def caught_up(self, account: str, now: int) -> None:
        """Marks the account's journal as read to its end: the state is current."""
        if account in self._ready:
            return
        self._ready.add(account)
        if account in self._watched:
            self._agrees_by[account] = now + AGREES_WITHIN
        for guard in self._of(account):
            is_bound = self._slots.is_bound(account)
            guard.adopt(len(self.settings.of(guard.instrument.symbol).distances) if is_bound else 0)
        self._slots.changed(account)
        self._read(account, "", now)
        for guard in self._of(account):
            self._look(guard, now)

    def gateway_gone(self, account: str) -> None:
        """Marks the account's state as unknown: its journal has another beginning, or is unreadable."""
        self._ready.discard(account)

    def gateway_dead(self, account: str) -> None:
        """Switches an account whose gateway is dead to positions and prices from the venue only."""
        self._alone.add(account)
        for (of, _), prices in self._prices.items():
            if of == account:
                prices.forget()
        for guard in self._of(account):
            guard.repeat_cancels()

    def gateway_back(self, account: str) -> None:
        self._alone.discard(account)
        self._slots.gateway_back(account)
        for guard in self._of(account):
            guard.repeat_cancels()

    def quote(self, account: str, symbol: str, bid: int, ask: int, now: int, *, is_new: bool = True) -> bool:
        """Takes a quote; returns whether its middle is close to the confirmed price. is_new: as in `priced`."""
        if bid <= 0 or ask <= 0:
            return False
        middle = (bid + ask) // 2
        self.priced(account, symbol, PriceKind.QUOTE, middle, now, is_new=is_new)
        return abs(self._price_of(account, symbol).of(PriceKind.QUOTE, now) - middle) * NEAR <= middle

    def _price_of(self, account: str, symbol: str) -> ConfirmedPrice:
        found = self._prices.get((account, symbol))
        if found is None:
            found = self._prices[account, symbol] = ConfirmedPrice(self.settings.confirm)
        return found

    def priced(self, account: str, symbol: str, kind: PriceKind, price: int, now: int, *, is_new: bool = True) -> None:
        """Takes a market price. is_new: False for a message that was taken before."""
        if price <= 0:
            return
        self._price_of(account, symbol).take(kind, price, now, is_new=is_new)
        for side in PositionSide:
            guard = self.guards.get((account, symbol, side))
            if guard is not None:
                if guard.qty:
                    self._look_at_price(guard, now)
                self._look_at_parts(guard, now)

    def stops_read(self, account: str, symbol: str, names: Collection[str], queried_at: int, now: int) -> None:
        """Handles the venue's listing of a symbol's stops. names: their client ids."""
        guards = [each for each in self._of(account) if each.instrument.symbol == symbol]
        if is_alone := account in self._alone:
            self._slots.listed(account, symbol, names, guards)
        for guard in guards:
            guard.listed(names, queried_at, now, is_alone=is_alone)
            self._look(guard, now)

    def positions_read(self, account: str, rows: Iterable[PositionReport], queried_at: int, now: int) -> None:
        """Handles the venue's listing of all positions; a position that is not in it is flat."""
        by_key = {(row.symbol, row.side): row for row in rows}
        marks: dict[str, Decimal] = {}  # one per symbol: in hedge mode both sides have the same
        for (symbol, side), listed in by_key.items():
            if symbol in self._instruments.get(account, {}):
                self._guard(account, symbol, side)
                marks |= {symbol: listed.mark} if listed.mark else {}
        for symbol, mark in marks.items():
            units = int(mark.scaleb(self._instruments[account][symbol].price_decimals))
            self._price_of(account, symbol).take(PriceKind.MARK, units, now)
        agrees, guards = True, self._of(account)
        for guard in guards:
            row = by_key.get((guard.instrument.symbol, guard.side))
            if queried_at < guard.changed_at + SETTLES and (row.qty if row else 0) != guard.qty:
                agrees = False
                continue  # the listing may lack the last fill
            said = guard.venue_says(row, queried_at, now, differs=DIFFERS)
            if said:
                self._say("position differs", guard, said, {}, severity="warning")
            agrees = agrees and not guard.differs
        if agrees:
            self._agrees_by.pop(account, None)
        for guard in guards:
            self._look(guard, now)

    def _acts(self, account: str, now: int) -> bool:
        """Tells whether local rules may close: the journal has been read, and the venue agrees with its positions or
        does not answer. The journal of a gateway that died has positions and entry prices of that time."""
        return account in self._ready and now >= self._agrees_by.get(account, 0)

    def answered(self, id_: str, placed: dict[str, Rung] | None, refused: dict[Rung, int], now: int) -> None:
        """Handles the answer to a command. placed: client ids of the placed stops, None: there was no answer in time;
        refused: the refused ones, with the error's number."""
        if (closed := self._closes.pop(id_, None)) is not None:
            closed.closing.ended(sum(rung.size for rung in refused))
        if id_ not in self._sent:
            return
        guard, ladder, placement = self._sent.pop(id_)
        if ladder.placement is placement:
            if placed is None:
                self._failed(guard, ladder, "the gateway does not answer", now)
            else:
                placement.answered(placed, refused, now)
        self._look(guard, now)

    def reset(self, account: str, symbol: str, now: int) -> int:
        """Replaces the ladders of a symbol with their default levels; returns for how many positions."""
        found = self.held(account, symbol)
        for guard in found:
            guard.reset()
            self._say("ladder", guard, "reset", {})
            self._look(guard, now)
        return len(found)

    def tick(self, now: int) -> None:
        """Does what is due by time; to be called some twenty times a second."""
        for account in sorted(self._ready):
            self._look_at_unprotected(account, now)
            guards = [each for each in self._of(account) if each.qty or each.rows]
            pace = self._paces.get(account, SECOND) if account in self._alone else 0
            if not self._acts(account, now):
                self._read(account, "", now, every=READ_RETRY)
            self.effects += self._slots.share(account, self._of(account))
            if not guards and not pace:
                continue
            self._read(account, "", now, every=pace or POSITIONS_EVERY)
            for guard in guards:
                self._look(guard, now)
                if guard.qty and account in self._watched:
                    self._read(account, guard.instrument.symbol, now, every=2 * pace or STOPS_EVERY)
        self._look_at_loss(now)

    # --- decisions --------------------------------------------------------------------------------

    def _look(self, guard: PositionGuard, now: int) -> None:
        if guard.account not in self._ready:
            return
        self._cancel_orphans(guard, now)
        for row in guard.stuck(now, after=STUCK_AFTER):
            about = {"order": row.client_id, "size": row.left}
            state = f"a {'take-profit' if row.is_target else 'stop'} has fired without a fill: it no longer counts"
            ladder, severity = (guard.targets, "warning") if row.is_target else (guard.stops, "critical")
            self._say(ladder.kind, guard, state, about, severity=severity)
        if said := guard.look_at_canceled(now, after=SETTLES):
            self._say("stop canceled", guard, said.state, said.about, severity=said.severity)
        if guard.is_over:
            self._went_flat(guard, now)
        if guard.qty:
            if guard.account in self._watched:
                self._look_at_ladders(guard, now)
            self._measure(guard, now)
            self._look_at_price(guard, now)

    def _went_flat(self, guard: PositionGuard, now: int) -> None:
        if guard.flattening:
            self._say("hard stop", guard, "flat", {"reason": guard.flattening})
        if guard.is_lost:
            self._say("protection", guard, "flat", {})
        guard.flattening, guard.is_lost, guard.unprotected_since = "", False, 0

    def _cancel_orphans(self, guard: PositionGuard, now: int) -> None:
        """Cancels stops that protect nothing, of the other direction or of no position, and take-profits that are no
        longer configured. The venue must confirm the position first, because a gateway's reports may be late."""
        rows = list(guard.rows.values())
        orphans = [row for row in rows if not guard.qty or row.closes is not guard.closes]
        if orphans and not guard.is_confirmed:
            self._read(guard.account, "", now, every=READ_RETRY)
            orphans = []
        if not self._slots.has_targets(guard):
            orphans += [row for row in rows if row.is_target and row not in orphans]
        if not self.settings.of(guard.instrument.symbol).distances:
            orphans += [row for row in rows if not row.is_target and row not in orphans]
        orphans += [row for row in rows if row.client_id in guard.cancels and row not in orphans]
        self._cancel(guard, orphans, now)

    def _look_at_ladders(self, guard: PositionGuard, now: int) -> None:
        rules = self.settings.of(guard.instrument.symbol)
        window = rules.look_back
        if window and (rules.distances or rules.targets) and not guard.has_looked_back and now >= guard.look_back_at:
            guard.look_back_at = now + LOOK_BACK_EVERY
            self.effects.append(ReadBars(guard.account, guard.instrument.symbol, window))
        if rules.distances:
            self._look_at_ladder(guard, guard.stops, now)
        # Stops come first in the venue's order limit and in the request budget. For a dead gateway only stops are
        # placed.
        has_stops = guard.is_protected and guard.stops.placement is None
        is_free = (has_stops or not rules.distances) and guard.account not in self._alone
        if guard.targets.placement is not None or (self._slots.has_targets(guard) and is_free):
            self._look_at_ladder(guard, guard.targets, now)

    def _look_at_ladder(self, guard: PositionGuard, ladder: LadderState, now: int) -> None:
        if ladder.placement is not None:
            self._look_at_placement(guard, ladder, ladder.placement, now)
            return
        if guard.flattening or now < ladder.retry_at or guard.entry is None:
            if guard.entry is None:
                self._read(guard.account, "", now, every=READ_RETRY)
            return
        unread = guard.unread(ladder)
        if unread and now < ladder.unread_until:
            self._read(guard.account, guard.instrument.symbol, now, every=VERIFY_EVERY)
            return
        # A fired stop reduces the position before it disappears itself.
        is_new = now < guard.changed_at + SETTLES
        stand = guard.stand(ladder)
        is_settling = stand > guard.target and is_new
        is_at_rest = now >= guard.changed_at + REST
        # Until then the ladder must fit the position both with and without the fired stop.
        nearest = min(max(guard.target, stand - guard.firing(ladder)), stand)
        is_off = nearest != guard.target if is_at_rest else needs_ladder(nearest, guard.target)
        if ladder.wants_anew or (is_off and not is_settling):
            self._place(guard, ladder, now)
        elif self._slots.is_bound(guard.account) and is_at_rest and not ladder.is_target:
            self._fit(guard, now)

    def _fit(self, guard: PositionGuard, now: int) -> None:
        """Shortens one ladder after the other to make room, or restores levels when there is room again."""
        shared, ladder = self._slots.shared(guard), guard.stops  # as of this tick
        if not ladder.cut_to and all(slots.free >= slots.reserve for slots in shared):
            return
        rows = len(guard.working(ladder))
        has_more = ladder.cut_to > 0 and all(slots.fits_more(ladder.cut_to) for slots in shared)
        is_due = has_more or any(rows > slots.each and slots.free < slots.reserve for slots in shared)
        if is_due and not any(
            each.is_placing for each in self._of(guard.account) if self._slots.share_one(each, guard)
        ):
            self._place(guard, ladder, now, makes_room=not has_more)

    def bars_read(self, account: str, symbol: str, low: int, high: int, now: int) -> None:
        """Handles the market's range in the requested window, in units; 0: not available now. The resting ladder is
        replaced by one whose levels are nowhere farther, once per position."""
        for guard in self.held(account, symbol):
            if guard.has_looked_back:
                continue
            if not 0 < low <= high:
                if not guard.is_blind:
                    self._say("ladder", guard, "the bars for its look-back cannot be read", {}, severity="warning")
                guard.is_blind = True
                continue
            guard.has_looked_back, rules = True, self.settings.of(symbol)
            for ladder, distances in ((guard.stops, rules.distances), (guard.targets, rules.targets)):
                level = look_back_level(guard.instrument, guard.closes_of(ladder), low, high, rules.beyond)
                if distances and guard.is_beyond(ladder, level, now):
                    state = "the market is beyond its look-back"
                    self._say(ladder.kind, guard, state, {"level": level}, severity="warning")
                elif distances and guard.entry is not None:
                    guard.draw_in(ladder, distances, level, now)
                    self._say(ladder.kind, guard, "looks back", {"level": level, "low": low, "high": high})
            self._look(guard, now)

    def _place(self, guard: PositionGuard, ladder: LadderState, now: int, *, makes_room: bool = False) -> None:
        rules, instrument = self.settings.of(guard.instrument.symbol), guard.instrument
        shared = self._slots.now(guard, self._of(guard.account))
        most = min(each.most(is_target=ladder.is_target, makes_room=makes_room) for each in shared)
        if most < (len(rules.targets) if ladder.is_target else 1):
            if not ladder.is_target:
                self._make_room(guard, now, is_stuck=any(each.is_stuck for each in shared))
            return  # a shortened ladder comes first
        grows_until = min(guard.changed_at + SETTLES, (guard.unprotected_since or now) + LOST_AFTER // 2)
        if guard.working() and (free := min(each.free for each in shared)) < NO_BOUND:
            # A stop that takes the last slot for a part of a filling position could not be replaced.
            if free <= 1 and now < grows_until:
                return
            if guard.stand(ladder) < guard.target:
                most = min(most, max(free - 1, 1))
        rungs = (made := guard.ladder(ladder, rules, most, now)).rungs
        if not rungs:
            if not guard.target and not guard.is_dust:
                guard.is_dust = True
                self._say("ladder", guard, "too small for a stop", {"left": made.left}, severity="warning")
            elif guard.target and ladder.is_target and not ladder.is_passed:
                ladder.is_passed = True
                self._say(ladder.kind, guard, "the market is past all levels: none is placed", {}, severity="warning")
            return
        if makes_room and len(rungs) >= len(guard.working(ladder)):
            return  # it is as short as the venue's order size allows
        guard.is_dust = ladder.wants_anew = ladder.is_passed = False
        if made.moved:
            about = {"distances": [str(rules.distances[rank]) for rank in made.moved]}
            self._say("ladder", guard, "moved inside the liquidation price", about, severity="warning")
        ladder.placement = Placement(rungs, now)
        self._slots.took(guard, len(rungs))
        ladder.cut_to = most if most < len(rules.distances) else 0
        if not ladder.is_target:
            ladder.floors = {**ladder.floors, **{rung.rank: rung.trigger for rung in rungs}}
        id_, size = self._next_id(), sum(each.size for each in rungs)
        of = guard.account, instrument.symbol, guard.side, guard.closes
        self._sent[id_] = guard, ladder, ladder.placement  # its answer is awaited
        self.effects.append(PlaceStops(id_, *of, rungs, ladder.is_target))
        stops, caps = ({str(k): v for k, v in each.floors.items()} for each in (guard.stops, guard.targets))
        placing = {"levels": stops, "caps": caps, "opened": guard.opened, "looked_back": guard.has_looked_back}
        placing |= {"base": guard.gains.base, "left": str(guard.gains.left), "stops": len(rungs), "size": size}
        self._say(ladder.kind, guard, "placing", {**placing, "command": id_})

    def _make_room(self, guard: PositionGuard, now: int, *, is_stuck: bool) -> None:
        # Fills that were not reported yet may have reduced the coverage.
        self._read(guard.account, guard.instrument.symbol, now, every=SECOND)
        self._cancel(guard, guard.room(is_stuck=is_stuck), now)

    def _look_at_placement(self, guard: PositionGuard, ladder: LadderState, placement: Placement, now: int) -> None:
        if not placement.is_answered:
            if now - placement.began > ANSWER_WITHIN:
                self._failed(guard, ladder, "the gateway does not answer", now)
            return
        waiting = [
            name
            for name in placement.placed
            if name not in guard.verified and (name in guard.rows or name not in placement.ended)
        ]
        if waiting:
            if now - placement.began > ANSWER_WITHIN:
                self._failed(guard, ladder, f"{len(waiting)} orders are not in the venue's listing", now)
            elif guard.is_acknowledged(placement, now) or now >= placement.answered_at + VERIFY_EVERY:
                after = placement.acknowledged_at or placement.answered_at
                self._read(guard.account, guard.instrument.symbol, now, every=VERIFY_EVERY, after=after)
            return
        ladder.placement = None
        self._settle(guard, ladder, placement, now)

    def _settle(self, guard: PositionGuard, ladder: LadderState, placement: Placement, now: int) -> None:
        """Decides after a placement which ladder stays, the new or the old one. A fired stop reduces the position, and
        does not protect the rest."""
        working = [
            row
            for row in guard.working(ladder)
            if row.client_id not in guard.cancels and (not row.has_fired or row.client_id in guard.is_missing)
        ]
        new = [row for row in working if row.client_id in placement.placed]
        old = [row for row in working if row.client_id not in placement.placed]
        # A stop that the last listing lacks may still be there, and is no reason to cancel a listed one.
        stands = {row: row.left for row in working if guard.counts(row) and row.client_id not in guard.missing}
        left, was = (sum(stands.get(row, 0) for row in rows) for rows in (new, old))
        codes = sorted(set(placement.refused.values()))
        if codes or len(new) < len(placement.placed):
            about = {"codes": codes, "stand": len(new), "placed": len(placement.placed)}
            self._say(ladder.kind, guard, "some orders were refused or have ended", about, severity="warning")
        is_better = left >= guard.target * COVERED or left >= was
        if is_better and new:
            took = round((now - placement.began) / MS, 3)
            self._say(ladder.kind, guard, "verified", {"stops": len(new), "took_ms": took})
        others = old if is_better else new
        needed, more = guard.target - (left if is_better else was), []
        is_falling = (guard.qty > 0) is not ladder.is_target
        for row in sorted(others, key=lambda each: each.trigger, reverse=is_falling):  # nearest first
            if needed > 0:  # kept until a complete ladder works
                needed -= stands.get(row, 0)
            else:
                more.append(row)
        self._cancel(guard, more, now)
        if (left if is_better else was) != guard.target:
            self._retry_later(ladder, now)
        else:
            ladder.backoff = BACKOFF

    def _failed(self, guard: PositionGuard, ladder: LadderState, why: str, now: int) -> None:
        ladder.placement = None
        self._say(ladder.kind, guard, f"not placed: {why}", {}, severity="warning")
        self._retry_later(ladder, now)

    def _retry_later(self, ladder: LadderState, now: int) -> None:
        ladder.retry_at = now + ladder.backoff
        ladder.unread_until = ladder.retry_at + SECOND
        ladder.backoff = min(2 * ladder.backoff, BACKOFF_MAX)

    # --- local rules ------------------------------------------------------------------------------

    def _look_at_price(self, guard: PositionGuard, now: int) -> None:
        """Applies the local rules to a position, beyond its stops at the venue."""
        if not self._acts(guard.account, now):
            return
        if guard.flattening:
            self._flatten(guard, now)
            return
        rules = self.settings.of(guard.instrument.symbol)
        gone = guard.worst_distance(now)
        pace = self._paces.get(guard.account, SECOND)
        if guard.qty and guard.is_uncertain(now):
            self._read(guard.account, "", now, every=pace // 2)  # its mark price may confirm the price
        if gone is None:
            if guard.qty:
                self._read(guard.account, "", now, every=pace)
            return
        if rules.hard_stop and gone >= Fraction(rules.hard_stop):
            self._begin_flatten(guard, f"{float(gone):.2%} beyond its entry, at most {rules.hard_stop:.2%}", now)
            return
        if guard.is_met(now):  # it should have fired without a report: query the venue
            self._read(guard.account, guard.instrument.symbol, now, every=SECOND)
        passed = guard.passed(rules, now)
        working, closing = guard.working_size, guard.closing.under_way(now)
        size = guard.shares.close(guard.qty, working, passed, len(rules.distances), closing)
        self._close(guard, size, passed, now)
        rests = self._slots.has_targets(guard)
        if rules.targets and (rests or guard.account not in self._alone):
            size, passed = guard.gained(rules.targets, guard.price(now), now)
            if rests:  # the venue executes it
                guard.gains.leave(guard.qty)
            else:
                self._close(guard, size, passed, now, is_target=True)

    def _close(self, guard: PositionGuard, size: int, passed: int, now: int, *, is_target: bool = False) -> None:
        """Closes a share at the market, in orders of allowed size."""
        rungs = tuple(Rung(rank, 0, each) for rank, each in enumerate(pieces(guard.instrument, size)))
        if not rungs or now < guard.closed_at + CLOSE_EVERY:
            return
        guard.closed_at = now
        shares = guard.gains if is_target else guard.shares
        about = {"size": size, "levels": passed, "opened": guard.opened, "base": shares.base, "left": str(shares.left)}
        if is_target:
            self._say("take-profits", guard, "closing", about)
        else:
            self._say("local stop", guard, "closing", about, severity="critical")
        guard.closing.sent(sum(each.size for each in rungs), now)
        self._closes[id_ := self._next_id()] = guard
        self.effects.append(PlaceStops(id_, guard.account, guard.instrument.symbol, guard.side, guard.closes, rungs))

    def _look_at_parts(self, guard: PositionGuard, now: int) -> None:
        """Applies local stops to sub-accounts with opposite positions: at the venue stops can rest for the net position
        only, so each part has levels from its own entry here."""
        if guard.flattening or guard.account in self._alone or not self._acts(guard.account, now):
            return
        rules = self.settings.of(guard.instrument.symbol)
        for name, part, size, passed in guard.due_of_parts(rules, now, every=CLOSE_EVERY):
            part.closed_at = now
            part.closing.sent(size, now)
            about = {"subaccount": name, "size": size, "levels": passed, **part.noted}
            # The next incarnation reads the record; a repeated close is no new alarm.
            self._say("local stop", guard, "closing", about, severity="" if part.refused else "critical")
            self.effects.append(CloseSubAccount(self._next_id(), guard.account, guard.instrument.symbol, name, size))

    def closed(self, effect: CloseSubAccount, refused: str, now: int) -> None:
        """Handles the answer to a close. refused: the reason, "": it was accepted."""
        for (account, symbol, _), guard in self.guards.items():
            part = guard.parts.get(effect.name)
            if part is None or (account, symbol) != (effect.account, effect.symbol):
                continue
            if refused:
                part.closing.ended(effect.size)
            if refused not in ("", part.refused):
                about = {"subaccount": effect.name, "size": effect.size}
                self._say("local stop", guard, f"refused: {refused}", about, severity="critical")
            part.refused, part.refusals = refused, part.refusals + 1 if refused else 0

    def _begin_flatten(self, guard: PositionGuard, reason: str, now: int) -> None:
        self._say_flattening(guard, reason)
        self._flatten(guard, now)

    def _say_flattening(self, guard: PositionGuard, reason: str) -> None:
        guard.flattening, guard.flattens = reason, guard.closes
        about = {"reason": reason, "opened": guard.opened}
        self._say("hard stop", guard, "flattening", about, severity="critical")

    def _flatten(self, guard: PositionGuard, now: int) -> None:
        """Sends a flatten, repeated until the position is flat. The gateway subtracts working closes, and splits it
        into orders of allowed size."""
        if now < guard.flattened_at + CLOSE_EVERY:
            return
        guard.flattened_at = now
        of = guard.account, guard.instrument.symbol
        self.effects.append(Flatten(self._next_id(), *of, f"guardian: {guard.flattening}"))

    def _look_at_loss(self, now: int) -> None:
        for currency, limit in self._total_loss.items():
            of = [each for each in self.guards.values() if each.instrument.settle == currency]
            held = [each for each in of if each.qty and self._acts(each.account, now)]
            total = sum(guard.unrealized(now) for guard in held)
            # The current positions only: each is flattened until flat, whatever the others earn meanwhile.
            for guard in held if total <= -limit else ():
                if not guard.flattening:
                    words = f"{total / 10**18:.2f} {currency} unrealised, at most {-limit / 10**18:.2f}"
                    self._begin_flatten(guard, words, now)

    def unrealized(self, now: int) -> Iterable[Unrealized]:
        """Yields the unrealized profit of accounts and of each sub-account."""
        return unrealized_of(self.guards.values(), now)

    def remember(
        self,
        account: str,
        symbol: str,
        side: PositionSide,
        levels: Mapping[str, int],
        opened: str,
        *,
        caps: Mapping[str, int] = {},
        looked_back: bool = False,
    ) -> None:
        """Restores the levels of an earlier incarnation, by rank, with the opening frame of their position; to be
        called before the account is caught up. caps: of take-profits."""
        guard = self._guard(account, symbol, side)
        if guard.qty and guard.opened == opened:
            # Take-profits that were configured later have no look-back yet.
            guard.has_looked_back = looked_back and (bool(caps) or not self.settings.of(symbol).targets)
            guard.stops.floors, guard.targets.floors = ({int(k): v for k, v in each.items()} for each in (levels, caps))

    def remember_shares(
        self, account: str, symbol: str, side: PositionSide, kind: str, *, opened: str, base: int, left: str
    ) -> None:
        """Restores the shares of a position that local rules of an earlier incarnation have closed, which are not
        closed twice. kind: of its record, with `: NAME` of a sub-account; the others as in `LevelShares`."""
        self._guard(account, symbol, side).remember_shares(kind, opened=opened, base=base, left=Fraction(left))

    def resume_flatten(self, account: str, symbol: str, side: PositionSide, reason: str, *, opened: str = "") -> None:
        """Continues the flatten of a position that an earlier incarnation had not seen flat. opened: as in `position`;
        a position opened since is another one."""
        guard = self._guard(account, symbol, side)
        if not (opened and guard.opened) or guard.opened == opened:
            self._say_flattening(guard, reason)

    # --- protection, measured ---------------------------------------------------------------------

    def _measure(self, guard: PositionGuard, now: int) -> None:
        """Measures the time without protection. A symbol without a configured ladder counts as protected."""
        if guard.is_protected or not self.settings.of(guard.instrument.symbol).distances:
            if guard.unprotected_since:
                gap = now - guard.unprotected_since
                slot = max(gap // MS, 1).bit_length()
                self.unprotected_ms[slot] = self.unprotected_ms.get(slot, 0) + 1
                guard.unprotected_since = 0
            if guard.is_lost:
                guard.is_lost = False
                self._say("protection", guard, "stands", {"share": str(round(guard.share, 4))})
            return
        if not guard.unprotected_since:
            guard.unprotected_since = max(guard.changed_at, guard.protected_at)
            return
        if now - guard.unprotected_since > LOST_AFTER and (not guard.is_lost or guard.says_anew):
            guard.is_lost, guard.says_anew = True, False
            about = {"share": str(round(guard.share, 4)), "local": True}
            none = "no stops" + (" or take-profits" if self.settings.of(guard.instrument.symbol).targets else "")
            why = "lost: local stops" if guard.account in self._watched else f"{none} at this venue: local stops"
            self._say("protection", guard, why, about, severity="critical")

    def remember_protection(self, account: str, symbol: str, side: PositionSide, *, is_lost: bool) -> None:
        """Restores an earlier incarnation's report about protection, which its gateway may not have received."""
        guard = self._guard(account, symbol, side)
        guard.is_lost = guard.says_anew = is_lost  # the alert of that incarnation ended with it
        self._unprotected.reported(account, symbol, None)

    def protection_reported(self, effect: Unprotected) -> None:
        """Notes that the gateway has accepted the report."""
        self._unprotected.reported(effect.account, effect.symbol, effect.since > 0)

    def protection_listed(self, account: str, symbols: Collection[str]) -> None:
        """Sets the symbols that the gateway has as unprotected."""
        self._unprotected.listed(account, symbols)

    def _look_at_unprotected(self, account: str, now: int) -> None:
        """Reports changes of protection to the gateway, except for a venue without stops, where local rules must do."""
        if account not in self._watched:
            return
        lost: dict[str, int] = {}
        for guard in self._of(account):
            if guard.is_lost:
                symbol, since = guard.instrument.symbol, guard.unprotected_since or now
                lost[symbol] = min(lost.get(symbol, since), since)
        for symbol, since in self._unprotected.due(account, lost, now):
            self.effects.append(Unprotected(self._next_id(), account, symbol, since))

    # --- effects ----------------------------------------------------------------------------------

    def _cancel(self, guard: PositionGuard, rows: Iterable[StopRow], now: int) -> None:
        """Cancels stops; a repeated cancel waits longer, because the gateway may need time to settle an unknown
        outcome."""
        if names := guard.cancels_due(rows, now):
            self.effects.append(CancelStops(self._next_id(), guard.account, names))

    def _next_id(self) -> str:
        self._count += 1
        return f"guardian {self.epoch} {self._count}"

    def _read(self, account: str, symbol: str, now: int, *, every: int = 0, after: int = 0) -> None:
        """Queries the venue unless that was done recently. after: an earlier query does not count."""
        queried = self._queried.get((account, symbol))
        if account not in self._watched or (queried is not None and queried >= after and now < queried + every):
            return
        self._queried[account, symbol] = now
        self.effects.append(ReadVenue(account, symbol))

    def _say(self, kind: str, guard: PositionGuard, state: str, about: dict[str, Any], *, severity: str = "") -> None:
        shown = {"account": guard.account, "symbol": guard.instrument.symbol, "side": str(guard.side), **about}
        self.effects.append(Record(kind, guard.subject, state, shown, severity))

    def held(self, account: str, symbol: str) -> list[PositionGuard]:
        return [each for each in self._of(account) if each.instrument.symbol == symbol and each.qty]

    def symbols_of(self, account: str, stops: Collection[str]) -> dict[str, str]:
        """Returns the symbols of known stops, by client id."""
        return {name: each.instrument.symbol for each in self._of(account) for name in each.rows if name in stops}

    def shown(self) -> list[PositionGuard]:
        """Returns open positions, and those that still have stops."""
        return [guard for _, guard in sorted(self.guards.items()) if guard.qty or guard.rows]

    # --- positions --------------------------------------------------------------------------------

    def _guard(self, account: str, symbol: str, side: PositionSide) -> PositionGuard:
        found = self.guards.get((account, symbol, side))
        if found is None:
            instrument = self._instruments[account][symbol]
            prices = self._price_of(account, symbol)
            found = self.guards[account, symbol, side] = PositionGuard(account, instrument, side, prices)
        return found

    def _of(self, account: str) -> list[PositionGuard]:
        return [guard for guard in self.guards.values() if guard.account == account]
