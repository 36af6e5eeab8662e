"""The core of a gateway: events in, effects out, and all decisions between them.

Events are its methods: robots' requests, reports of the account's stream, answers to calls, a stream's start or end,
the time, operator commands, a full disk. Each carries its moment; nothing here reads a clock, a socket or a file, and
nothing waits. Effects leave in one order: records go to the journal, then calls to the wire, then changes to the
account's table, then readers are woken. The request of a usual order, whose intent the core has written, leaves before
the rest of its round is recorded. Two shells drive it: a gateway's process, and the simulation in the tests.

Recovery runs the same core, built from its journal.
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
from onetape.gateway.brackets import BracketDesk
from onetape.gateway.checkpoint import Recovered
from onetape.gateway.gateway_tape import GatewayTape
from onetape.gateway.leverage import LeverageDesk
from onetape.gateway.order_requests import OrderRequests
from onetape.gateway.parts import Parts
from onetape.gateway.silence_watch import Listening
from onetape.gateway.stops import Stops
from onetape.market.reference_prices import ReferencePrices
from onetape.model.enums import Side
from onetape.model.errors import BadConfig, NotAvailable, NotReplicated
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
SYNCS: Final = 2  # requested reconciliations may use at most 1/SYNCS of the request budget
RECHECK_NS: Final = SECOND // 2  # after a balance that differed
RECOMPARE: Final = 5 * SECOND  # shortest wait, once the unknown orders of a reconciliation are settled
SPEAKS: Final = SECOND // 2  # after this silence of the venue a fresh reconciliation is required


class Moment(NamedTuple):
    """The time of an event, ns. venue: estimate of the venue's time, UTC; steady: of this machine's monotonic clock;
    wall: this machine's UTC, the time stamp of frames."""

    venue: int
    steady: int
    wall: int


class Shell(Protocol):
    """Carries out a core's effects. Except for `wake`, none of these may call the core before it returns."""

    def send(self, calls: list[Call]) -> None:
        """Sends calls to the venue, in this order. Earlier records are on the journal."""
        ...

    def cut_stream(self) -> None:
        """Ends a useless account stream, so that another connection is made."""
        ...

    def wake(self) -> None:
        """Wakes readers of the journal, which has new frames."""
        ...

    def clock_set(self, step: int) -> None:
        """Called when the clock of the venue's time was set by `step`, ns."""
        ...


class MarketView(Protocol):
    """Gives a core the market."""

    def best(self, symbol: str) -> tuple[int, int]:
        """Returns best bid and best ask, in units, 0 if unknown."""
        ...

    def silent_ns(self, symbol: str) -> int:
        """Returns for how many ns a symbol's market has been silent, 0: not silent."""
        ...

    def silent_max_ns(self, symbol: str) -> int:
        """Returns for how many ns it may be silent."""
        ...

    def in_front(self, symbol: str, side: Side, price: int) -> int:
        """Returns the book's quantity at better prices, 0: unknown."""
        ...

    def messages(self) -> int:
        """Returns the count of market messages."""
        ...


class GatewayCore:
    """Decides for one account what is sent, written and shown.

    `open` has to be called before any event.
    """

    def __init__(self, options: GatewayOptions, venue: TradingVenue, shell: Shell) -> None:
        self.options = options
        self.now = self.steady = self.wall = 0  # of the current event
        self._venue = venue
        self._shell = shell
        self.orders = OrderBudget(options.account, now=lambda: self.steady, say=self.say)
        self.reset()

    def reset(self) -> None:
        """Forgets all state except the order budget's counts; `open` reads it again from the journal."""
        self._outs: list[Out] = []  # shared with the manager
        self._references: dict[str, int] = {}
        self.reference_prices = ReferencePrices(self._references)
        self._apart = 0  # the venue's time less the steady clock, as last set; 0: never
        self._is_open = False
        self._is_lost = False  # an answer was lost, and the venue has answered nothing since
        self.is_up = False  # the account's stream is connected
        self.is_reconciled = False  # money and orders were reconciled since the last request for it
        self._heard = 0  # count of reports and answers
        self._reused: tuple[int, int] | None = None  # an earlier round is reused: since when, count of messages then
        self._refused: list[tuple[Call, Answer]] = []  # orders that the budget refused
        self._not_replicated = 0  # frame that the standby lacks; 0: it has all

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
        """Starts the core where its journal ends. recovered: its state; tape: continues it. Of another exchange's
        journal only names are kept (`options.is_new`). first: symbols that the journal does not have."""
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
            tape.ensure("disk")  # the start of new ids is durable before one is used
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
        self.say(HealthOut("intents", name, f"on {self.options.durability}"))
        if unknown:
            self.say(HealthOut("recovered", name, f"{unknown} orders unknown", "warning"))

    def _open_admission(self, limits: Limits) -> None:
        """Makes the admission of orders and all that it checks against."""
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
        if options.cross_internally and options.subaccounts:  # else there is no counterpart
            self.crossing = Crossing(manager, listed, slot_of=slot_of, quote=market.best, judge=gate.left)
        self.proceeds = open_proceeds(
            manager, listed, self.money, slot_of=slot_of, quote=market.best, gate=gate, crossing=self.crossing
        )
        self.admission = Admission(manager, gate, self.tape, self.money, self.crossing, self.proceeds)
        self.brackets = BracketDesk(manager, gate, self.tape, self.admission, lambda: self.wall)
        if not options.is_slow and self.crossing is None:
            self._take_plainly()
        self.requests = OrderRequests(
            manager, gate, self.tape, self.money, self.admission, self.proceeds, self._send_first
        )

    def _take_plainly(self) -> None:
        """Enables the core's path for usual orders, reports and fills, in one call each. It is not used if the
        configuration demands the slow path, or if orders of two sub-accounts may trade inside."""
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
        if not options.executions_max:  # else each fill must be counted
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
        """Sets the moment of the following event; returns the venue's time."""
        self.now, self.steady, self.wall = moment
        apart = self.now - self.steady
        if abs(step := apart - self._apart) >= CLOCK_STEP:
            is_step, self._apart = bool(self._apart), apart  # not on the first event
            self.orders.restate(apart)
            if is_step:
                self._restate(step)
        return self.now

    def _restate(self, step: int) -> None:
        """Shifts due times, because the clock of the venue's time was corrected by `step` ns. Times reported by the
        venue are not changed."""
        if not self._is_open:
            return
        self.manager.restate(step)
        self.dead_man.restate(step)
        self.reconciler.restate(step)
        self.gate.rates.restate(step)
        self.stops.restate(step)
        self.proceeds.restate(step)
        self.brackets.restate(step)
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
        self.brackets.look(now)
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
        """Tells whether all orders that were unknown at the last reconciliation are settled."""
        reconciler = self.reconciler
        if not reconciler.had_unknown or self.manager.unknown or reconciler.is_running:
            return False
        return now - reconciler.compared_at >= self._spared(RECOMPARE)

    def _look_at_reused(self) -> None:
        """Completes a requested reconciliation from an earlier one once the venue has sent any message; starts a new
        one if it is silent."""
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
        """Ends a reconciliation: orders and positions agree with the venue; then money is compared, and if it differs,
        again with the venue's balance changes."""
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
            self.carry_out()  # else an entry could be on the tape before the positions of its books
            money.begin(manager.balances, is_other=is_other)
        money.check(manager.balances, self.now)
        self.carry_out()
        if money.moves_wanted is None:
            money.ready()
            was_ready, self.gate.ready = self.gate.ready, self.is_up
            self.gate.reconciled_once = True
            self.listening.reconciled(is_new=self.gate.ready and not was_ready)
            self._reused, self.is_reconciled = None, True

    # --- events: the venue ------------------------------------------------------------------------

    def stream_came(self, moment: Moment) -> None:
        """Handles a new connection of the account's stream."""
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
        """Handles reports of the account's stream."""
        now = self.stamp(moment)
        self._heard += 1
        self.listening.reports(reports)
        self.manager.hear(reports, now, wall=self.wall)
        self.carry_out()
        self._report_money(reports)

    def answered(self, call: Call, answer: Answer, moment: Moment) -> None:
        """Handles the answer to a call that was sent, once for each."""
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
        """Passes reports about money to the ledger, after the fills that came with them are booked."""
        if any(isinstance(each, BalanceReport | MoveReport) for each in reports):
            self.money.heard(reports, self.now)
            self.carry_out()

    # --- events: robots ---------------------------------------------------------------------------

    def end_requests(self) -> None:
        """Carries out a round of all robots' requests, which came since the last `stamp` and were passed to
        `requests`."""
        admission = self.admission
        if self.proceeds.waiting:
            admission.hold_placed()  # orders that wait for money see less free money
        self.carry_out()  # the wire before the table
        if admission.unheld:
            admission.hold_placed()
            self.money.publish()

    def robot_began(self, life: RobotLife) -> None:
        """Handles a started robot; with orphans="cancel", cancels the orders of its earlier incarnations."""
        if self.options.orphans == "cancel":
            self.requests.cancel_all(life.number, self.now)
        self.carry_out()

    def robots_ended(self, numbers: Collection[int], moment: Moment) -> None:
        """Handles robots whose processes are gone; to be called once a second while they are."""
        self.requests.ended(numbers, self.stamp(moment), orphans=self.options.orphans)

    def waits_for(self, robot: int) -> str:
        """Returns why the orders of a robot's earlier incarnations are not settled yet, "": they are."""
        orders = [o for o in self.manager.open.values() if o.robot == robot and not o.is_protective]
        unknown = sum(o.is_unknown for o in orders)
        if not self.gate.ready or self.reconciler.is_running:
            return "the account's reconciliation"
        if unknown:
            return f"the venue's answer about {unknown} unknown orders"
        if orders and self.options.orphans == "cancel":
            return f"the end of {len(orders)} orders of its previous incarnation, which are being canceled"
        return ""

    def stop_slots(self, slots: tuple[int, ...]) -> None:
        """Cancels the working orders of the robots of sub-accounts that lost their money."""
        self.requests.stop_slots(slots, self.now)

    # --- events: the operator, the disk -----------------------------------------------------------

    def cancel_all(self, found: Found | None = None) -> int:
        """Cancels all robots' working orders. found: only those that the command had found before a restart."""
        return self.manager.cancel_all(self.now, among=None if found is None else found.orders)

    def reconcile(self, within: int = 0) -> None:
        """Reconciles all with the venue. within: a running round, or one that ended within this many ns, is enough,
        once the venue has sent any message; also one within the time in which rounds use 1/SYNCS of the address's
        budget."""
        reconciler, is_recent = self.reconciler, self.now - self.reconciler.compared_at < self._spared(within)
        self.is_reconciled = False
        if within and is_recent and self.gate.ready and not reconciler.is_comparing:
            self._reused = self._reused or (self.steady, self._heard + self.market.messages())
            return
        if not within or not reconciler.is_comparing:
            reconciler.start(self.now, "asked for")

    def _spared(self, within: int) -> int:
        """Returns `within`, or the time in which rounds use 1/SYNCS of the address's budget, if longer."""
        rules = self._venue.budget
        return max(within, *(self.reconciler.weight * rule.window * SYNCS // rule.most for rule in rules), 0)

    def resolve(self, order: Order, report: OrderStatusReport) -> None:
        """Applies the operator's resolution of an unknown order."""
        self.manager.resolve(order, report, self.now)

    def disk(self, *, lacks_room: bool) -> None:
        """Sets whether the disk lacks room for the next segment.

        Without room no order that adds risk leaves: the rest of this segment is for working orders, their fills,
        cancels and kills.
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
        """Adds a record to those that are carried out next."""
        self._outs.append(out)

    @property
    def has_effects(self) -> bool:
        """Tells whether there are effects to carry out."""
        return bool(self._outs or self.manager.calls or self._refused or not self.tape.is_followed)

    def carry_out(self) -> None:
        """Carries out effects: first the journal, then the wire, then the table, then waking readers."""
        manager = self.manager
        while self.has_effects:
            has_said = self._record()
            calls, manager.calls = manager.calls, []
            if calls:
                self._send(calls)
            self.money.publish()  # after the wire, but before robots read the fill
            if has_said:
                self._shell.wake()
            refused, self._refused = self._refused, []
            for call, answer in refused:
                self._answered(call, answer)

    def _record(self) -> bool:
        """Journals the manager's records; tells whether readers have new frames."""
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
            self.brackets.look(self.now)  # before legs that are too large are canceled
            money.reductions.hold(self.now)  # after fills less can be reduced
            if tape.has_fills:
                tape.has_fills = False
                self.gate.hold_to_stops(self.now)
            self.proceeds.look(self.now)  # and fills bring money
        if tape.has_risk and self.options.durability != "process":
            self._make_durable(self.options.durability)
        has_said, tape.is_new, tape.has_risk = tape.is_new, False, False
        return has_said

    def _send_first(self) -> None:
        """Sends the calls of usual requests before other effects: their intents are on the journal already. If intents
        must be durable, those of a round wait for one sync together."""
        if self.options.durability == "process":
            calls, self.manager.calls = self.manager.calls, []
            self._send(calls)

    def _make_durable(self, level: str) -> None:
        """Waits until the records of what is sent next are as durable as configured. Without a standby that takes them
        nothing is waited for, and nothing new is opened, until it has them."""
        missing = self._not_replicated
        if missing and self.tape.writer.core.replicated < missing:
            return
        try:
            self.tape.ensure(level)
        except NotAvailable as error:
            self._not_replicated = self.tape.writer.published
            if not missing:
                self.say(HealthOut("standby", self.options.account, f"{error.what}: nothing new is opened", "critical"))
        else:
            self._not_replicated = 0
            if missing:
                self.say(HealthOut("standby", self.options.account, "has all records again"))

    def _unrecorded(self, call: Call) -> Answer | None:
        """Returns why an order is not sent whose record no other host has; None: it has, or the order only reduces."""
        if call.purpose not in (Purpose.PLACE, Purpose.AMEND) or self._reduces(call):
            return None
        text = "no other host has the record of this order"
        return Answer(Outcome.DEFINITIVE, code=NotReplicated.code, text=text)

    def _send(self, calls: list[Call]) -> None:
        """Sends calls, except orders beyond the account's order budget, which are refused."""
        sent = []
        for call in calls:
            refusal = self._unrecorded(call) if self._not_replicated else None
            if refusal is None and call.orders:
                refusal = self.orders.refusal(call, reduces=self._reduces)
            if refusal is None:
                sent.append(call._replace(protects=True) if self._protects(call) else call)
                if call.purpose is Purpose.CANCEL:  # other messages were counted when they were let through
                    self.gate.rates.message(self.now)
            else:
                self._refused.append((call, refusal))
        if sent:
            self._shell.send(sent)

    def _protects(self, call: Call) -> bool:
        """Returns whether a request is about an order that reduces a position whichever other orders fill: a stop, a
        close."""
        if call.subject is None or call.purpose not in ORDER_PURPOSES:
            return False
        order = self.manager.orders.get(call.subject.client_id)
        return order is not None and (order.is_protective or order.reduce_only)

    def _reduces(self, call: Call) -> bool:
        """Tells whether the order of a call can only reduce a position."""
        order = self.manager.orders.get(call.subject.client_id) if call.subject else None
        return order is not None and self.gate.reduces(order.spec, order)

    # --- status -----------------------------------------------------------------------------------

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
    """The dead-man switch: the venue cancels working orders unless it is called in time. after: silence after which it
    cancels, ns; 0: no switch.

    If triggers rest among the other orders, the switch would cancel stops, so it is off while a stop rests there. If
    they wait in a separate service, it is assumed to leave them; if it does not, the guardian places them again.
    """

    def __init__(self, manager: OrderManager, after: int) -> None:
        self._manager, self._after = manager, after
        self._due = 0  # when it is next armed
        self._off: set[str] = set()  # symbols, "" for the account, where a stop rests

    def arm(self, now: int) -> None:
        """Makes the due calls for symbols with open orders. To be called each second."""
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
        """Shifts due times because the clock was set by `step`, ns."""
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
    """Makes the table of orders that wait for money, which are checked as new ones once it is there."""

    def judge(order: Order, now: int, is_inside: bool) -> Refusal | None:
        refusal = money.refusal(order.robot, order.spec, order.remaining)
        return refusal or gate.left(order, now, is_inside=is_inside)

    return Proceeds(manager, instruments, money, slot_of=slot_of, quote=quote, judge=judge, crossing=crossing)


def _limits_of(options: GatewayOptions, instruments: Sequence[Instrument]) -> Limits:
    """Returns the limits of the configuration, whose quantities are decimal, in units."""
    by_symbol = {i.symbol: i for i in instruments}

    def sized(key: str, quantities: dict[str, float]) -> dict[str, int]:
        """Converts quantities to units. Raises BadConfig for a limit below one lot, because 0 would mean no limit."""
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
