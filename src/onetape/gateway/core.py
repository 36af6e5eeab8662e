"""The core of a gateway: events in, effects out, and everything that decides between them.

Events are its methods: what a robot asks for, reports of the account's stream, the answer to a
call, the stream that comes or goes, the time, an operator's command, a disk without room. Each has
its moment; nothing here asks a clock, a socket or a file, and nothing waits. Effects leave in one
order: what is said goes to the journal, then calls go to the wire, then the account's table shows
what has changed, then readers are rung. The request of a usual order, whose intent the core has
written, leaves before the rest of its round is said. Whoever gives it a journal to write and takes
its effects trades with it: a gateway's process, and the simulation that its tests run it in.

Recovery is the same core, made of what its journal says.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple, Protocol

from onetape._core import PlainFills, PlainOrders
from onetape.accounts.crossing import Crossing
from onetape.accounts.kept_money import KeptMoney
from onetape.accounts.proceeds import Proceeds
from onetape.accounts.reductions import Reductions
from onetape.accounts.table import AccountTable
from onetape.gateway.account_money import AccountMoney
from onetape.gateway.admission import Admission
from onetape.gateway.checkpoint import Recovered
from onetape.gateway.gateway_tape import GatewayTape
from onetape.gateway.leverage import LeverageDesk
from onetape.gateway.order_requests import OrderRequests
from onetape.gateway.parts import Parts
from onetape.gateway.silence_watch import Listening
from onetape.gateway.stops import Stops
from onetape.market.reference_prices import ReferencePrices
from onetape.model.enums import Side
from onetape.model.errors import BadConfig
from onetape.model.instrument import Instrument
from onetape.model.money import money_units
from onetape.model.time import SECOND
from onetape.options.gateway import GatewayOptions
from onetape.orders.account_orders import AccountOrders
from onetape.orders.budget import CLOCK_STEP
from onetape.orders.calls import ORDER_PURPOSES, Call, Purpose
from onetape.orders.filters import Refusal
from onetape.orders.gate import Gate, Limits
from onetape.orders.managed import AccountOut, FillOut, HealthOut, Out
from onetape.orders.manager import OrderManager
from onetape.orders.order import Order
from onetape.orders.order_budget import OrderBudget
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.reconcile import Reconciler
from onetape.orders.reports import BalanceReport, MoveReport, OrderStatusReport, VenueReport
from onetape.orders.trading_state import Surroundings
from onetape.projections.found import Found
from onetape.projections.robot_life import RobotLife
from onetape.venues.contract import TradingVenue

__all__ = ["DeadMan", "GatewayCore", "MarketView", "Moment", "Shell", "open_proceeds"]

RECONCILE_EVERY: Final = 60 * SECOND
SYNCS: Final = 2  # of what an address may spend comparisons that are asked for take the part of one in so many
RECHECK_NS: Final = SECOND // 2  # after a balance that differed
RECOMPARE: Final = 5 * SECOND  # at the soonest, once what a comparison found of unknown outcome is settled
SPEAKS: Final = SECOND // 2  # a venue that says nothing for so long has to compare anew to be believed


class Moment(NamedTuple):
    """Is the time of an event, ns. venue: the venue's time as we know it, UTC; steady: of a clock of this machine that
    never goes back; wall: UTC of this machine, which frames are stamped with."""

    venue: int
    steady: int
    wall: int


class Shell(Protocol):
    """Carries out a core's effects. None of these may call the core before it returns, but `wake`."""

    def send(self, calls: list[Call]) -> None:
        """Sends calls to the venue, in this order. What was said before is on the journal."""
        ...

    def cut_stream(self) -> None:
        """Ends a stream of the account that is of no use: another connection is made."""
        ...

    def wake(self) -> None:
        """Wakes readers of the journal, which has new frames."""
        ...

    def clock_set(self, step: int) -> None:
        """Takes in that the clock of the venue's time was set by `step`, ns."""
        ...


class MarketView(Protocol):
    """Shows the market to a core."""

    def best(self, symbol: str) -> tuple[int, int]:
        """Returns bid and ask, in units, 0 where unknown."""
        ...

    def silent_ns(self, symbol: str) -> int:
        """Returns for how many ns a symbol's market has been silent, 0: it is not."""
        ...

    def silent_max_ns(self, symbol: str) -> int:
        """Returns for how many ns it may be silent."""
        ...

    def in_front(self, symbol: str, side: Side, price: int) -> int:
        """Returns the quantity that the book has at better prices, 0: none is known."""
        ...

    def messages(self) -> int:
        """Counts what has come of it."""
        ...


class GatewayCore:
    """Decides for one account what is sent, written and shown.

    `open` has to come before any event.
    """

    def __init__(self, options: GatewayOptions, venue: TradingVenue, shell: Shell) -> None:
        self.options = options
        self.now = self.steady = self.wall = 0  # of the event that is being seen to
        self._venue = venue
        self._shell = shell
        self.orders = OrderBudget(options.account, now=lambda: self.steady, say=self.say)
        self.reset()

    def reset(self) -> None:
        """Forgets all but what its budget of orders has counted: `open` reads it from the journal."""
        self._outs: list[Out] = []  # the manager's, too, once there is one
        self._references: dict[str, int] = {}
        self.reference_prices = ReferencePrices(self._references)
        self._apart = 0  # the venue's time less the steady clock, when it was noted last; 0: never
        self._is_open = False
        self._is_lost = False  # no answer came, and the venue has done nothing since
        self.is_up = False  # the account's stream is there
        self.is_reconciled = False  # since it was asked for last: money and orders are the venue's
        self._heard = 0  # reports and answers
        self._reused: tuple[int, int] | None = None  # a comparison serves again: since when, and what was heard by then
        self._refused: list[tuple[Call, Answer]] = []  # for which there was no room

    def kept_money(self, instruments: Sequence[Instrument]) -> KeptMoney:
        """Makes the ledger that the journal is read into."""
        protocol = self._venue.protocol
        return KeptMoney(
            self.options,
            {i.symbol: i for i in instruments},
            self._references,
            protocol.slack,
            on_reference=protocol.note_move,
        )

    def open(
        self,
        instruments: Sequence[Instrument],
        market: MarketView,
        table: AccountTable,
        recovered: Recovered,
        tape: GatewayTape,
        moment: Moment,
        *,
        first: Collection[str] = (),
    ) -> None:
        """Starts the core where its journal ends. recovered: what was read of it; tape: goes on with it. Of another
        exchange than the journal's only names count (`options.is_new`). first: symbols that it knows nothing of."""
        self.stamp(moment)
        is_other, state, self.tape = self.options.is_new, recovered.state, tape
        self.market = market
        self.instruments = list(instruments)
        limits = _limits_of(self.options, self.instruments)
        self.orders.learn(self._venue.order_rules)
        if is_other:
            tape.parts.begin_anew()
            state.begin_anew(state.since)
        state.account = self.options.account
        self.crossing: Crossing | None = None
        self.manager = OrderManager(
            AccountOrders(self._venue.protocol) if is_other else state.orders.account,
            tape.parts,
            self._references,
            self._outs,
            goes_on=lambda *ended: self.crossing is not None and self.crossing.ended(*ended),
        )
        self.dead_man = DeadMan(self.manager, self.options.dead_man_ns)
        self.leverage = LeverageDesk(self.manager)
        state.first.status_of = tape.order_status_in(self.manager)
        self.money = self._open_money(state.money, table, limits)
        self.parts = Parts(self.manager, tape, self.options.subaccounts, lambda: self.wall)
        tape.open(self.wall)
        if recovered.may_lack_end:
            tape.ensure("disk")  # from where on ids go, before one of them is used
        unknown = 0 if is_other else state.orders.finish(self.manager, self.wall)
        for order in self.manager.open.values():
            self.money.order(order)
        self.reconciler = Reconciler(
            self.manager,
            [i.symbol for i in instruments],
            is_new=is_other or not state.orders.has_begun,
            since=0 if is_other else state.orders.newest_fill,
            first=first,
            moves_wanted=lambda: self.money.moves_wanted,
        )
        self._open_admission(limits)
        self._is_open = True
        self._began_round = self._checked = self._looked = self.steady
        name = self.options.account
        if is_other:
            self.say(HealthOut("exchange", name, "new"))
        self.say(HealthOut("intents", name, f"on {self.options.intents}"))
        if unknown:
            self.say(HealthOut("recovered", name, f"{unknown} orders unknown", "warning"))

    def _open_admission(self, limits: Limits) -> None:
        """Makes what a robot's order passes before it leaves."""
        manager, options, slot_of, market = self.manager, self.options, self.tape.parts.slot_of, self.market
        listed = {i.symbol: i for i in self.instruments}
        names = {slot: name for name, slot in options.subaccounts.items()}
        reductions = self.money.reductions
        around = Surroundings(
            strategy_of=lambda robot: names.get(slot_of(robot), "main"),
            takes_off_own=reductions.takes_off,
            adds_to_own=reductions.adds,
            silent_ns=market.silent_ns,
            silent_max_ns=market.silent_max_ns,
            decision_max_ns=options.stale_ns,
            in_front=market.in_front,
            is_guarded=options.is_guarded,
            shares=self.money,
        )
        gate = self.gate = Gate(manager, listed, limits, self.tape.state.halts, around, hedge=options.hedge)
        self.stops = Stops(gate, self.tape, options, say=self.say, wall=lambda: self.wall)
        self.stops.open(self.now)
        self.listening = Listening(
            options.account, manager, gate, probe=int(self._venue.probe_s * SECOND), cut=self._shell.cut_stream
        )
        if options.cross_internally and options.subaccounts:  # else there is nobody to cross with
            self.crossing = Crossing(manager, listed, slot_of=slot_of, quote=market.best, judge=gate.left)
        self.proceeds = open_proceeds(
            manager, listed, self.money, slot_of=slot_of, quote=market.best, gate=gate, crossing=self.crossing
        )
        self.admission = Admission(manager, gate, self.tape, self.money, self.crossing, self.proceeds)
        if not options.is_slow and self.crossing is None:
            self._take_plainly()
        self.requests = OrderRequests(
            manager, gate, self.tape, self.money, self.admission, self.proceeds, self._send_first
        )

    def _take_plainly(self) -> None:
        """Makes what takes in the usual orders, their reports and their fills in one call each. Else the list of rules
        and the manager see to all: where that is wanted, and where orders of two sub-accounts may meet inside."""
        options, money, manager = self.options, self.money, self.manager
        manager.plain = PlainOrders(
            self.gate,
            manager.account,
            money.reserves,
            money.accounts if options.subaccounts else None,
            money.statements,
            money.changed,
            self.tape.append_plain,
            self.tape.streams,
        )
        if not options.executions_max:  # else they are counted
            manager.plain_fills = PlainFills(manager.account, self.tape.state.money, money, self.tape)

    def _open_money(self, kept: KeptMoney, table: AccountTable, limits: Limits) -> AccountMoney:
        options = self.options
        reductions = Reductions(
            self.manager,
            kept.instruments,
            own=lambda *of: self.money.own(*of),
            slot_of=self.tape.parts.slot_of,
            bounds=limits.position_max,
            is_shared=bool(options.subaccounts),
        )
        money = AccountMoney(
            kept,
            self.tape.writer,
            table,
            reductions,
            slot_of=self.tape.parts.slot_of,
            say=self.say,
            stop=self.stop_slots,
            wall=lambda: self.wall,
            margins=self.manager.books.margins,
        )
        money.recover()
        return money

    # --- events: time -----------------------------------------------------------------------------

    def stamp(self, moment: Moment) -> int:
        """Sets the moment of the event that follows; returns the venue's time."""
        self.now, self.steady, self.wall = moment
        apart = self.now - self.steady
        if abs(step := apart - self._apart) >= CLOCK_STEP:
            is_step, self._apart = bool(self._apart), apart  # not the first moment of all
            self.orders.restate(apart)
            if is_step:
                self._restate(step)
        return self.now

    def _restate(self, step: int) -> None:
        """The clock of the venue's time was set right, by `step` ns: what was noted by the wrong one is due as much
        later or earlier. What the venue has said has its own times."""
        if not self._is_open:
            return
        self.manager.restate(step)
        self.dead_man.restate(step)
        self.reconciler.restate(step)
        self.gate.rates.restate(step)
        self.stops.restate(step)
        self.proceeds.restate(step)
        if self.crossing is not None:
            self.crossing.restate(step)
        self._shell.clock_set(step)

    def tick(self, moment: Moment) -> None:
        """Does what is due by time; to be called some fifty times a second."""
        now = self.stamp(moment)
        manager, reconciler, money = self.manager, self.reconciler, self.money
        self.reference_prices.look(self.steady)
        self.listening.look(now, self.steady)
        self.stops.look(now)
        manager.tick(now)
        self.leverage.tick(now, self.steady)
        rounds = reconciler.rounds
        reconciler.tick(now)
        if reconciler.rounds != rounds:
            self._end_round()
        elif self.is_up and not reconciler.is_running:
            is_settled = money.moves_wanted is None and not money.lacks_price
            every = self.options.check_every_ns if is_settled else RECHECK_NS
            if self.steady - self._checked > every:
                reconciler.check(now)
        money.tick(now)
        if self.crossing is not None:
            self.crossing.tick(now)
        self.proceeds.look(now)
        self._look_at_reused()
        if self.steady - self._began_round > RECONCILE_EVERY and not reconciler.is_running:
            self._began_round = self.steady
            reconciler.start(now, "periodic")
        elif self._is_settled(now):
            reconciler.start(now, "settled")
        if self.steady - self._looked >= SECOND:
            self._looked = self.steady
            self.gate.hold_to_stops(now)
            money.reductions.look()
            money.reductions.hold(now)
            self.orders.look()
            self.dead_man.arm(now)
        self.carry_out()
        money.publish()
        money.alive("lost" if not self.gate.ready else "stale" if self.gate.is_deaf else "")

    def _is_settled(self, now: int) -> bool:
        """Tells whether nothing is unknown any more of what the last comparison found so."""
        reconciler = self.reconciler
        if not reconciler.had_unknown or self.manager.unknown or reconciler.is_running:
            return False
        return now - reconciler.compared_at >= self._spared(RECOMPARE)

    def _look_at_reused(self) -> None:
        """An earlier comparison serves who asked for one once the venue speaks; one that is silent is asked."""
        if self._reused is None:
            return
        since, heard = self._reused
        if self._heard + self.market.messages() > heard:
            self._reused, self.is_reconciled = None, True
        elif self.steady - since > SPEAKS:
            self._reused = None
            if not self.reconciler.is_comparing:
                self.reconciler.start(self.now, "asked for")

    def _end_round(self) -> None:
        """Ends a reconciliation: orders and positions are as the venue's; then money is looked at, and where it differs
        once more, with what has moved it."""
        self._checked = self.steady
        manager, money = self.manager, self.money
        if self.reconciler.opened:
            opened, self.reconciler.opened = self.reconciler.opened, {}
            money.adopt_later(opened, manager.books.entries)
        self.carry_out()
        if not money.is_ready:
            is_other = self.options.is_new
            if not money.adopt(manager.positions, manager.books.entries, is_other=is_other):
                return
            self.carry_out()  # or an entry could be on the tape of books whose positions are not
            money.begin(manager.balances, is_other=is_other)
        money.check(manager.balances, self.now)
        self.carry_out()
        if money.moves_wanted is None:
            money.ready()
            was_ready, self.gate.ready = self.gate.ready, self.is_up
            self.listening.reconciled(is_new=self.gate.ready and not was_ready)
            self._reused, self.is_reconciled = None, True

    # --- events: the venue ------------------------------------------------------------------------

    def stream_came(self, moment: Moment) -> None:
        """Takes in that a connection of the account's stream reports from here on."""
        now = self.stamp(moment)
        self.is_up = True
        self.listening.came()
        self.manager.ask_unknown(now)
        self.reconciler.start(now, "connected")
        self.carry_out()

    def stream_went(self, moment: Moment) -> None:
        self.stamp(moment)
        self.is_up = self.gate.ready = False
        self.listening.went()

    def reports(self, reports: Sequence[VenueReport], moment: Moment) -> None:
        """Takes in reports of the account's stream."""
        now = self.stamp(moment)
        self._heard += 1
        self.listening.reports(reports)
        self.manager.hear(reports, now, wall=self.wall)
        self.carry_out()
        self._report_money(reports)

    def answered(self, call: Call, answer: Answer, moment: Moment) -> None:
        """Takes in the answer to a call that was sent; once for each."""
        self.stamp(moment)
        self._answered(call, answer)
        self.carry_out()
        if call.purpose is Purpose.MOVES:
            self._report_money(answer.reports)

    def _answered(self, call: Call, answer: Answer) -> None:
        now = self.now
        self._heard += answer.outcome is Outcome.DONE
        if answer.outcome is Outcome.AMBIGUOUS and not answer.code:
            self._is_lost = True
        elif answer.outcome is Outcome.DONE and self._is_lost:
            self._is_lost = False
            self.manager.ask_unknown(now)
        if answer.venue_code and answer.venue_code == self._venue.order_limit_code:
            self.orders.hold(answer.retry_after)
        if call.purpose is Purpose.LEVERAGE:
            self.leverage.answered(call, answer, self.steady)
        elif not self.listening.answered(call, answer) and not self.reconciler.answered(call, answer, now):
            self.manager.answered(call, answer, now, wall=self.wall)

    def _report_money(self, reports: Sequence[VenueReport]) -> None:
        """Reports money to the ledger, once the fills that came with it are booked."""
        if any(isinstance(each, BalanceReport | MoveReport) for each in reports):
            self.money.heard(reports, self.now)
            self.carry_out()

    # --- events: robots ---------------------------------------------------------------------------

    def end_requests(self) -> None:
        """Carries out a round of all robots' requests, which came since the last `stamp` and were handed to
        `requests`."""
        admission = self.admission
        if self.proceeds.waiting:
            admission.hold_placed()  # who waits for money finds less, too
        self.carry_out()  # the wire first
        if admission.unheld:
            admission.hold_placed()
            self.money.publish()

    def robot_began(self, life: RobotLife) -> None:
        """Takes in that a robot has started; what its earlier lives have left is cancelled, where orphans are."""
        if self.options.orphans == "cancel":
            self.requests.cancel_all(life.number, self.now)
        self.carry_out()

    def robots_ended(self, numbers: Collection[int], moment: Moment) -> None:
        """Takes in that robots' processes are gone; said once a second for as long as that is so."""
        self.requests.ended(numbers, self.stamp(moment), orphans=self.options.orphans)

    def waits_for(self, robot: int) -> str:
        """Returns why not all is known yet of what a robot's earlier lives have left, "": it is."""
        orders = [o for o in self.manager.open.values() if o.robot == robot and not o.is_protective]
        unknown = sum(o.is_unknown for o in orders)
        if not self.gate.ready or self.reconciler.is_running:
            return "the account's reconciliation"
        if unknown:
            return f"the venue's word on {unknown} unknown orders"
        if orders and self.options.orphans == "cancel":
            return f"the end of {len(orders)} orders of its last life, which are being canceled"
        return ""

    def stop_slots(self, slots: tuple[int, ...]) -> None:
        """Cancels what the robots of sub-accounts have working whose money is gone."""
        self.requests.stop_slots(slots, self.now)

    # --- events: the operator, the disk -----------------------------------------------------------

    def cancel_all(self, found: Found | None = None) -> int:
        """found: what works of that only."""
        return self.manager.cancel_all(self.now, among=None if found is None else found.orders)

    def reconcile(self, within: int = 0) -> None:
        """Compares all with the venue. within: a round that runs, or ended within so many ns, serves, too, once the
        venue is heard; or within the time in which rounds spend half of what the address may."""
        reconciler, is_recent = self.reconciler, self.now - self.reconciler.compared_at < self._spared(within)
        self.is_reconciled = False
        if within and is_recent and self.gate.ready and not reconciler.is_comparing:
            self._reused = self._reused or (self.steady, self._heard + self.market.messages())
            return
        if not within or not reconciler.is_comparing:
            reconciler.start(self.now, "asked for")

    def _spared(self, within: int) -> int:
        """Returns `within`, or the time in which rounds spend half of what the address may, where that is longer."""
        rules = self._venue.budget
        return max(within, *(self.reconciler.weight * rule.window * SYNCS // rule.most for rule in rules), 0)

    def resolve(self, order: Order, report: OrderStatusReport) -> None:
        """Takes the operator's word on the state of an unknown order."""
        self.manager.resolve(order, report, self.now)

    def disk(self, *, lacks_room: bool) -> None:
        """Takes in whether the disk has room for the next segment.

        Without it nothing that adds risk leaves: what is left of this one is for what works, its
        fills, cancels and kills.
        """
        if lacks_room == self.gate.disk_full:
            return
        self.gate.disk_full = lacks_room
        name = self.options.account
        if lacks_room:
            words = "no room for the journal: new orders are refused, the market is not recorded"
            self.say(HealthOut("disk", name, words, "critical"))
        else:
            self.say(HealthOut("disk", name, "there is room again"))

    # --- effects ----------------------------------------------------------------------------------

    def say(self, out: AccountOut | HealthOut) -> None:
        """Adds an out to those that are carried out next."""
        self._outs.append(out)

    @property
    def has_effects(self) -> bool:
        """Tells whether there is anything to carry out."""
        return bool(self._outs or self.manager.calls or self._refused or not self.tape.is_followed)

    def carry_out(self) -> None:
        """Carries effects out: first the journal, then the wire, then the table, then the bell."""
        manager = self.manager
        while self.has_effects:
            has_said = self._record()
            calls, manager.calls = manager.calls, []
            if calls:
                self._send(calls)
            self.money.publish()  # the wire first, but before robots hear of it
            if has_said:
                self._shell.wake()
            refused, self._refused = self._refused, []
            for call, answer in refused:
                self._answered(call, answer)

    def _record(self) -> bool:
        """Journals what the manager says; tells whether readers have anything new."""
        tape, money = self.tape, self.money
        while self._outs or not tape.is_followed:
            tape.is_followed = True
            outs = self._outs
            self._outs = self.manager.outs = []
            for out in outs:
                money.wrote(out, tape.write(out, self.wall))
                if isinstance(out, FillOut) and out.order is not None and not out.fill.is_internal:
                    self.stops.executed(out.order, out.fill.trade_id, self.now)
            self.parts.hand_over(self.now)
            money.reductions.hold(self.now)  # fills leave less to be taken off
            if tape.has_fills:
                tape.has_fills = False
                self.gate.hold_to_stops(self.now)
            self.proceeds.look(self.now)  # and they bring money
        if tape.has_risk and self.options.intents == "disk":
            tape.ensure("disk")
        has_said, tape.is_new, tape.has_risk = tape.is_new, False, False
        return has_said

    def _send_first(self) -> None:
        """Sends what usual requests have led to, before all else that follows from them: their intents are on the
        journal already. Where intents have to be on the disk, those of a round wait for one sync together."""
        if self.options.intents != "disk":
            calls, self.manager.calls = self.manager.calls, []
            self._send(calls)

    def _send(self, calls: list[Call]) -> None:
        """Sends calls. What the venue would count as too many orders is refused here."""
        sent = []
        for call in calls:
            refusal = self.orders.refusal(call, reduces=self._reduces) if call.orders else None
            if refusal is None:
                sent.append(call._replace(protects=True) if self._protects(call) else call)
                if call.purpose is Purpose.CANCEL:  # the others were counted when they were let through
                    self.gate.rates.message(self.now)
            else:
                self._refused.append((call, refusal))
        if sent:
            self._shell.send(sent)

    def _protects(self, call: Call) -> bool:
        """Tells whether a request is about an order that takes off a position whatever else works: a stop, a close."""
        if call.subject is None or call.purpose not in ORDER_PURPOSES:
            return False
        order = self.manager.orders.get(call.subject.client_id)
        return order is not None and (order.is_protective or order.reduce_only)

    def _reduces(self, call: Call) -> bool:
        """Tells whether the order that a call is about can only take off a position."""
        order = self.manager.orders.get(call.subject.client_id) if call.subject else None
        return order is not None and self.gate.reduces(order.spec, order)

    # --- what it says of itself -------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        manager = self.manager
        return {
            "ready": self.gate.ready,
            "symbols": [i.symbol for i in self.instruments],
            "killed": self.gate.halts.killed,
            "halts": self.stops.rows(),
            "reconciling": self.reconciler.is_running or self.money.moves_wanted is not None,
            "money": self.money.status(),
            "rounds": self.reconciler.rounds,
            "differences": [str(d) for d in self.reconciler.differences],
            "open": len(manager.open),
            "unknown": len(manager.unknown),
            "booked": manager.booked,
            "order_budget": self.orders.status(),
            **self.listening.status(is_up=self.is_up),
            "positions": {f"{symbol} {side}": qty for (symbol, side), qty in manager.positions.items()},
        }


class DeadMan:
    """Keeps the venue from canceling what it holds, which it does unless it is called in time.
    after: of silence, ns; 0: there is no such switch.

    Where triggers wait among the other orders it would take stops along, so it is off while one rests there. Where
    they wait in a service of their own it is believed to leave them; if it does not, the guardian places them anew."""

    def __init__(self, manager: OrderManager, after: int) -> None:
        self._manager, self._after = manager, after
        self._due = 0  # when it is armed again
        self._off: set[str] = set()  # symbols, "" the account's, where a stop rests

    def arm(self, now: int) -> None:
        """Makes the calls that are due, for all that has something open. To be called each second."""
        if not self._after:
            return
        manager, traits = self._manager, self._manager.venue.traits
        works = manager.open.values()
        symbols = {order.spec.symbol if traits.dead_man_by_symbol else "" for order in works}
        stops = [order for order in works if order.spec.trigger_int and not traits.conditionals]
        off = {order.spec.symbol if traits.dead_man_by_symbol else "" for order in stops}
        begun, ended, self._off = off - self._off, self._off - off, off
        for symbol in sorted(begun):
            self._report(symbol, "off: it would cancel a stop that rests at the venue", "warning")
        for symbol in sorted(ended):
            self._report(symbol, "armed")
        if now >= self._due or ended:
            self._due, begun = now + self._after // 3, symbols
        for symbol in sorted(begun):
            self._set(symbol, now, 0 if symbol in off else self._after)

    def restate(self, step: int) -> None:
        """Takes in that the clock was set by `step`, ns."""
        self._due += step

    def _set(self, symbol: str, now: int, after: int) -> None:
        call = self._manager.venue.dead_man(symbol, now, after=after)
        if call is not None:
            self._manager.calls.append(call)

    def _report(self, symbol: str, state: str, severity: str = "") -> None:
        self._manager.outs.append(HealthOut("dead man", symbol or "account", state, severity))


def open_proceeds(
    manager: OrderManager,
    instruments: dict[str, Instrument],
    money: AccountMoney,
    *,
    slot_of: Callable[[int], int],
    quote: Callable[[str], tuple[int, int]],
    gate: Gate,
    crossing: Crossing | None,
) -> Proceeds:
    """Makes the desk of orders that wait for money; they are judged as new ones once it is there."""

    def judge(order: Order, now: int, is_inside: bool) -> Refusal | None:
        refusal = money.refusal(order.robot, order.spec, order.remaining)
        return refusal or gate.left(order, now, is_inside=is_inside)

    return Proceeds(manager, instruments, money, slot_of=slot_of, quote=quote, judge=judge, crossing=crossing)


def _limits_of(options: GatewayOptions, instruments: Sequence[Instrument]) -> Limits:
    """Returns the limits of the configuration, whose quantities are as a person writes them."""
    by_symbol = {i.symbol: i for i in instruments}

    def sized(key: str, quantities: dict[str, float]) -> dict[str, int]:
        """Raises BadConfig where a limit is less than can be traded: none of that size is no limit."""
        units = {s: by_symbol[s].size_int(qty) for s, qty in quantities.items() if s in by_symbol}
        for symbol in (s for s, most in units.items() if quantities[s] and not most):
            what = f"{key} of {symbol} is less than a lot, {by_symbol[symbol].lot}"
            raise BadConfig(what, location=f"[accounts.{options.account}]", todo="write more, or 0 for no limit")
        return units

    return Limits(
        position_max=sized("position_max", options.position_max),
        order_max=sized("order_max", options.order_max),
        price_band=Decimal(str(options.price_band)),
        orders_a_second=options.orders_per_second,
        order_value_max={name: money_units(text) for name, text in options.order_value_max.items()},
        open_value_max={name: money_units(text) for name, text in options.open_value_max.items()},
        open_orders_max=options.open_orders_max,
        symbols=frozenset(options.allowed),
        messages_a_second=options.messages_per_second,
    )
