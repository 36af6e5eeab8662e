"""A gateway: the one process that trades on one account of one venue.

A shell around its core, which decides. The shell has the sockets, the market, the account's stream, the robots, the
operator's commands, the clocks and the files. It passes each event to the core with its moment, and carries out the
core's effects.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from onetape.accounts.table import AccountTable
from onetape.feeds.connect_pace import ConnectPace, pace_file
from onetape.feeds.depth_feed import DepthFeed
from onetape.feeds.drift_counts import DriftWatch
from onetape.feeds.hub_market import HubMarket
from onetape.feeds.instrument_list import learn_venue
from onetape.feeds.kept_nonces import keep_nonces
from onetape.feeds.malformed_counts import Rejects
from onetape.feeds.market_feed import MarketFeed
from onetape.feeds.query_line import Sent, VenueLine
from onetape.feeds.refill import Refill
from onetape.feeds.request_budget import AddressBudget, budget_file
from onetape.feeds.venue_clock import VenueClock, keep_clock
from onetape.gateway.account_feed import AccountFeed
from onetape.gateway.attached_robots import AttachedRobots
from onetape.gateway.background import GatewayTasks
from onetape.gateway.bar_history import HistoryDesk, Wanted
from onetape.gateway.by_hand import OrdersByHand
from onetape.gateway.checkpoint import Recovered, hold_all, recover
from onetape.gateway.checkpoint_process import CheckpointProcess
from onetape.gateway.command_handlers import Commands, venues_of
from onetape.gateway.core import GatewayCore, Moment
from onetape.gateway.fee_asset import FeeAsset
from onetape.gateway.gateway_market import GatewayMarket
from onetape.gateway.gateway_tape import GatewayTape
from onetape.gateway.guardian_pulse import GuardianPulse
from onetape.gateway.host_lease import HostLease
from onetape.gateway.latency_spans import Spans
from onetape.gateway.order_line import EntryLine
from onetape.gateway.other_symbols import find_others
from onetape.gateway.robot_lag import RobotLag
from onetape.gateway.robot_requests import Robots
from onetape.gateway.transfer_desk import TransferDesk, tell_gateway
from onetape.gateway.wallets import WalletDesk
from onetape.ipc.door import OPERATOR
from onetape.ipc.fence import Fence
from onetape.ipc.server import listen
from onetape.model.errors import IoFailed, JournalLocked, UnknownSymbol, VenueRateLimit, VenueUnavailable
from onetape.model.home import gateway_journal
from onetape.model.instrument import Instrument
from onetape.model.sections import GUARDIAN
from onetape.net.egress import egress_of
from onetape.options.gateway import GatewayOptions, gateway_socket
from onetape.orders.account_orders import AccountOrders
from onetape.orders.calls import Call, Converter
from onetape.orders.managed import HealthOut
from onetape.orders.outcome import Answer
from onetape.orders.reports import VenueReport
from onetape.projections.checkpoint import checkpoint_file
from onetape.security.private import private_folder
from onetape.security.redaction import Redactor
from onetape.security.tokens import make_token
from onetape.tape.journal import JournalWriter, last_written
from onetape.tape.recovered_instruments import preamble_of, recovered_instruments
from onetape.venues.contract import Addresses
from onetape.venues.open import open_trading_venue

__all__ = ["Gateway"]

TICK_S: Final = 0.02
SNAPSHOTS_S: Final = 10.0  # between two snapshots of each recorded book, for readers that start there
FENCE_WITHIN_S: Final = 20.0  # longest wait for the guardian's pending calls
FENCE_READ_S: Final = 1.0  # longest wait for a new owner to write its name


class Gateway:
    """Trades on one account. `run` returns when it was stopped, and raises any other cause of its end."""

    def __init__(self, options: GatewayOptions, *, is_single: bool = False) -> None:
        self.options = options
        self.is_single = is_single  # its one robot runs in this process
        self.home = Path(options.home)
        private = options.ws_private or options.ws
        addresses = Addresses(options.rest, options.ws, private, options.ws_entry, options.rest_wallet)
        secrets = options.key, options.secret, options.third_secret
        opened = options.kind, *secrets[:2], addresses, secrets[2]
        self._open_venue = partial(open_trading_venue, *opened, isolated=options.isolated)
        self.venue = self._open_venue()
        self.protocol = self.venue.protocol
        keep_nonces(self.protocol, self.home)
        self.core = GatewayCore(options, self.venue, self)
        self.clock = VenueClock()
        self.tell: Callable[[str], None] = lambda words: None  # sets the problem shown by `status`
        self._silence_text = ""
        self.budget = AddressBudget(
            budget_file(self.home, options.rest, self.venue.budget_key, proxy=options.proxy),
            self.venue.budget,
            now=self.clock.now,
            say=self.core.say,
        )
        self.pace = ConnectPace(
            pace_file(budget_file(self.home, options.rest, proxy=options.proxy)), self.venue.connects
        )
        hide = Redactor(*secrets)
        self.egress = egress_of(options.proxy, self.core.say)
        self.spans = Spans()
        self.rejects = Rejects(options.kind, self.core.say)
        self.line = VenueLine(
            self.venue,
            options.rest,
            self.clock,
            hide,
            self.budget,
            self.core.orders,
            out=self._out,
            rejects=self.rejects,
            pace=self.pace,
            egress=self.egress,
        )
        self.wallet_budget: AddressBudget | None = None  # if its address is another one
        self.wallets = self._wallet_line(hide)
        self.entry: EntryLine | None = None
        if options.order_entry == "socket" and self.venue.entry_url:
            self.protocol.signs_late = True
            self.entry = EntryLine(self.line, answered=self._answered, came=self._entry_came, went=self._entry_went)
        self.watch = DriftWatch(options.kind, self.core.say)
        self.instruments: list[Instrument] = []
        self.stopping = asyncio.Event()
        self.reconciled = asyncio.Event()
        self._others: list[Instrument] = []  # of symbols to be followed, too
        self._others_found = asyncio.Event()
        self._snapshots = 0.0
        self._funding: dict[str, tuple[int, int]] = {}  # as last written to the table
        self.tasks = GatewayTasks(self.stopping, hide.text)
        self.listener: Callable[[], None] | None = None  # in this process: called when the tape has grown
        self.guardian = GuardianPulse(self.home)
        self.fence = Fence(self.home, options.account, holder="gateway")
        self.lease = HostLease(self.home, f"gateway:{options.account}") if options.is_leased else None

    # --- start and end ----------------------------------------------------------------------------

    async def run(self, ready: Callable[[], None]) -> None:
        async with self.line.open(), contextlib.AsyncExitStack() as lines:
            if self.wallets is not None and self.wallets is not self.line:
                await lines.enter_async_context(self.wallets.open())
            try:
                self.instruments = await learn_venue(
                    self.line, self.options.symbols, stopping=self.stopping, tell=self.tell
                )
            except VenueRateLimit:
                if self.stopping.is_set():
                    return
                raise
            except UnknownSymbol as error:
                path = gateway_journal(self.home, self.options.account)
                traded = {i.symbol for i in recovered_instruments(path, f"gateway:{self.options.account}").values()}
                if not traded.issuperset(self.options.symbols):
                    raise
                # It traded there before: the venue has paused the symbol, or is in maintenance.
                raise VenueUnavailable(error.what, location=error.location, todo="it is tried again") from None
            lines.callback(self.fence.release)
            lines.callback(self.guardian.close)
            lines.callback(self.budget.close)
            lines.callback(self.pace.close)
            if self.wallet_budget is not None:
                lines.callback(self.wallet_budget.close)
            await self._take_fence()
            if self.lease is not None:
                lines.callback(self.lease.close)
                path = gateway_journal(self.home, self.options.account)
                self.tell("waits for this host's lease")
                epoch, _ = last_written(path)
                if not await self.lease.take(epoch, self.stopping):
                    return
            while True:
                await self._trade(ready)
                if self.stopping.is_set():
                    return
                self._follow_others()

    async def _trade(self, ready: Callable[[], None]) -> None:
        """Trades from where its journal ends, until it is stopped or must follow other symbols, too."""
        self._open_tape()
        try:
            self.tasks.keep("tick", self._tick())
            if self.lease is not None:
                self.tasks.keep("lease", self.lease.keep())
            self.tasks.keep("clock", keep_clock(self.line, self.core.say))
            for each in self.market.followed():
                self.tasks.keep("market", each)
            for symbol in self.options.books:
                self.depth.want(symbol)
            self.tasks.keep("account", self.account.follow())
            self.tasks.spawn(self._find_others())
            if self.entry is not None:
                self.tasks.keep("order entry", self.entry.follow())
            for name in (OPERATOR, GUARDIAN, *self.options.subaccounts):
                make_token(self.home, name)
            socket = gateway_socket(self.home, self.options.account)
            door = self.commands.door
            serving = await listen(socket, self.answer, door.settle, is_operator=door.is_operator)
            self.tasks.keep("socket", serving)
            ends = [self.tasks.spawn(each.wait()) for each in (self.stopping, self._others_found)]
            begun = [self.tasks.spawn(self.reconciled.wait()), *ends]
            await asyncio.wait(begun, return_when=asyncio.FIRST_COMPLETED)
            if self.reconciled.is_set():
                ready()
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if self.tasks.failure is not None:
                raise self.tasks.failure
        finally:
            # Their sockets are closed before the journal, so that nothing is received after it.
            await self.tasks.end()
            self.robots.close()
            if self.market.hub is not None:
                self.market.hub.close()
            with contextlib.suppress(FileNotFoundError):
                gateway_socket(self.home, self.options.account).unlink()
            self.core.money.close()
            self.core.tape.writer.close()

    async def _find_others(self) -> None:
        self._others = await find_others(self.protocol, self.line, self._open_venue(), self.core.say)
        self._others_found.set()

    def _follow_others(self) -> None:
        """Prepares to continue with additional symbols, like a restart with a longer list."""
        self.instruments += self._others
        self.protocol.set_instruments(self.instruments)
        is_new = self.options.is_new and not self.core.money.is_ready  # else the adoption is on the journal by now
        symbols = [i.symbol for i in self.instruments]
        self.options = self.core.options = msgspec.structs.replace(self.options, symbols=symbols, is_new=is_new)
        self.core.reset()
        for each in self._others:
            words = "is followed from now on: the account trades it, though the configuration does not name it"
            self.core.say(HealthOut("other symbol", each.symbol, words, "warning"))
        self._others_found.clear()
        self.reconciled.clear()

    async def _take_fence(self) -> None:
        """Takes the account's fence. Waits for a guardian that acts for a dead gateway to finish; another gateway would
        also hold the journal."""
        began = time.monotonic()
        while not self.fence.take():
            within = FENCE_WITHIN_S if self.fence.is_of_guardian() else FENCE_READ_S
            if time.monotonic() > began + within:
                raise JournalLocked(
                    "another process trades on this account",
                    location=str(self.fence.path),
                    todo="onetape status shows it, onetape down ends it",
                )
            await asyncio.sleep(TICK_S)

    def _wallet_line(self, hide: Redactor) -> VenueLine | None:
        """Opens the connection for transfers between wallets; None: there is none."""
        rest, options = self.options.rest_wallet, self.options
        if not rest or rest == options.rest:
            return self.line if rest else None
        self.wallet_budget = AddressBudget(
            budget_file(self.home, rest, proxy=options.proxy),
            self.venue.wallet_budget,
            now=self.clock.now,
            say=self.core.say,
        )
        return VenueLine(self.venue, rest, self.clock, hide, self.wallet_budget, keeps=False, egress=self.egress)

    def _open_fee_asset(self) -> FeeAsset | None:
        wanted = self.options.fee_asset
        if wanted is None or self.wallets is None or not isinstance(self.protocol, Converter):
            return None  # the configuration check refuses it
        return FeeAsset(wanted, self.transfers, self.protocol, self.wallets)

    def _open_tape(self) -> None:
        """Makes the core, and its surroundings, from the journal and its checkpoint."""
        options, core = self.options, self.core
        path = gateway_journal(self.home, options.account)
        private_folder(path.parent)
        is_begun = path.exists()
        orders = AccountOrders(self.protocol)
        kept = core.kept_money(self.instruments)
        recovered = Recovered.nothing(orders, kept)
        if is_begun:
            file = checkpoint_file(self.home, options.account)
            recovered = recover(path, file, orders, kept)
        self.started_from = recovered.sequence
        process = f"gateway:{options.account}"
        recovered_list = recovered_instruments(path, process)
        writer = JournalWriter(
            path,
            process=process,
            account=options.account,
            created=time.time_ns(),
            heartbeat=True,
            reserve=True,
            epoch_min=self.lease.token if self.lease is not None else 0,
            extra_preamble=preamble_of(recovered_list),
        )
        if not is_begun:
            hold_all(path)
        account, state = recovered.account, recovered.state
        tape = GatewayTape(writer, self.instruments, account.parts, state, account.currencies)
        if options.is_new:
            state.since = writer.published
        table = AccountTable(
            self.home,
            venue=options.venue or options.kind,
            account=options.account,
            kind=options.kind,
            names=options.subaccounts,
        )
        self._table = table
        self._open_market(writer)
        first = {i.symbol for i in self.instruments} - {i.symbol for i in recovered_list.values()}
        core.open(self.instruments, self.market, table, recovered, tape, self.moment(), first=first)
        self.checkpoints = CheckpointProcess(
            options,
            self.instruments,
            writer,
            at=recovered.sequence,
            slack=self.protocol.slack,
            say=core.say,
            refused=recovered.refused,
        )
        self._open_account(tape, recovered)

    def _open_market(self, writer: JournalWriter) -> None:
        """Opens the market's part of the journal: the venue's streams that no hub provides, requested depth and
        bars."""
        options, core, say, spawn = self.options, self.core, self.core.say, self.tasks.spawn

        def quoted(symbol: str, middle: int) -> None:
            core.reference_prices.quoted(symbol, middle, time.monotonic_ns())

        self.refill = Refill(self.line, writer, spawn=spawn, say=say, written=self.wake)

        def own(instruments: Sequence[Instrument], numbers: Sequence[int]) -> MarketFeed:
            return MarketFeed(
                self.venue,
                instruments,
                writer,
                quoted,
                say,
                self.watch,
                self.rejects,
                account=options.account,
                written=self.wake,
                numbers=numbers,
                pace=self.pace,
                egress=self.egress,
                lost=self.refill.lost,
            )

        self.depth = DepthFeed(
            self.line,
            self.instruments,
            writer,
            spawn=spawn,
            say=say,
            written=self.wake,
            watch=self.watch,
            rejects=self.rejects,
        )
        hub = None
        if options.hub is not None:
            hub = HubMarket(options.hub, self.instruments, quoted, say, time.time_ns)
        self.market = GatewayMarket(self.instruments, self.depth, own=own, symbols_max=self.venue.symbols_max, hub=hub)
        self.history = HistoryDesk(
            self.line,
            self.instruments,
            writer,
            spawn=spawn,
            written=self.wake,
            hub=self.home if hub is not None else None,
        )

    def _open_account(self, tape: GatewayTape, recovered: Recovered) -> None:
        """Opens the account and its users: stream, robots, transfers, the operator's commands."""
        options, core, hub = self.options, self.core, self.market.hub
        self.account = AccountFeed(
            self.line,
            hear=self._reports,
            came=self._stream_came,
            went=self._stream_went,
            watch=self.watch,
            rejects=self.rejects,
        )
        self.robots = Robots(
            core,
            loop=asyncio.get_running_loop(),
            moment=self._request_moment,
            spans=self.spans,
            lag=RobotLag(tape.writer.path, options.stale_ns, hub=(hub.path, lambda: hub.streams) if hub else None),
            decided=self.market.decided,
            may_lack_end=recovered.may_lack_end and not options.is_new,
        )
        self.attached = AttachedRobots(
            options, core, self.robots, self.market, self.depth, self.instruments, is_single=self.is_single
        )
        self.transfers = TransferDesk(
            options,
            venues_of(options),
            core.money,
            tape,
            self.protocol,
            self.wallets,
            now=self.now,
            spawn=self.tasks.spawn,
            say=core.say,
            heard=self.watch.answer,
            tell=partial(tell_gateway, self.home),
            killed=lambda: core.gate.halts.killed,
        )
        if not options.is_new:
            kept = recovered.state.money
            self.transfers.recover(list(kept.transfers.values()), kept.arrivals)
        self.fee_asset = self._open_fee_asset()
        self.commands = Commands(
            options,
            core,
            tape,
            now=self.now,
            carry_out=core.carry_out,
            spans=self.spans,
            once=tape.state.once,
            money=core.money,
            transfers=self.transfers,
            wallets=WalletDesk(self.transfers, self.protocol).seen,
            by_hand=OrdersByHand(core, runs=self.robots.runs, now=self.now).handlers,
        )

    # --- events -----------------------------------------------------------------------------------

    def moment(self) -> Moment:
        return Moment(self.clock.now(), time.monotonic_ns(), time.time_ns())

    def _request_moment(self) -> Moment:
        """Returns the moment of robots' requests, which are checked against the current market."""
        self.market.take()
        return self.moment()

    def now(self) -> int:
        """Returns the venue's time, as the moment of the next event."""
        return self.core.stamp(self.moment())

    def _answered(self, call: Call, answer: Answer) -> None:
        moment = self.moment()
        self.spans.answered(call, answer, moment.wall)
        self.watch.answer(answer)
        self.core.answered(call, answer, moment)

    def _reports(self, reports: list[VenueReport]) -> None:
        self.core.reports(reports, self.moment())

    def _stream_came(self) -> None:
        self.core.stream_came(self.moment())

    def _stream_went(self) -> None:
        self.core.stream_went(self.moment())

    def _entry_went(self, why: str) -> None:
        name = self.options.account
        self.core.say(HealthOut("order entry", name, f"lost: {why}", "warning"))

    def _entry_came(self) -> None:
        self.core.say(HealthOut("order entry", self.options.account, "connected"))

    async def _tick(self) -> None:
        looked = time.monotonic()
        while True:
            core = self.core
            self.now()
            lacks_room = core.tape.writer.lacks_room
            core.disk(lacks_room=lacks_room)
            # The remaining room is for orders and money.
            self.history.is_paused = self.depth.is_paused = self.refill.is_paused = lacks_room
            self.market.pause(is_paused=lacks_room)
            self.transfers.tick()
            if self.fee_asset is not None:
                self.fee_asset.tick()
            if self.entry is not None:
                self.entry.tick()
            if time.monotonic() - looked >= 1.0:
                looked = time.monotonic()
                self._look_at_journal()
                core.robots_ended(self.robots.ended(), self.moment())
                self.budget.look()
                self._look_at_checkpoint(looked)
                self._show_funding()
                if self.options.books and looked - self._snapshots >= SNAPSHOTS_S:
                    self._snapshots = looked
                    self.depth.snapshots()
            # Before the core's tick, so that consequences of a silent market are part of it.
            self.market.look(core.listening.attended)
            self.depth.look(core.listening.attended)
            if core.stops.is_watched and (lost := self.guardian.lost()):
                core.stops.end_lease(lost, self.now())
            if self.lease is not None:
                self.lease.check()
                core.gate.halts.open_until = self.now() + self.lease.until_ns - time.monotonic_ns()
            core.tick(self.moment())
            self._look_at_silence()
            if core.is_reconciled:
                self.reconciled.set()
            await asyncio.sleep(TICK_S)

    def _show_funding(self) -> None:
        for symbol in self.market.own_symbols:
            if (found := self.market.next_funding(symbol)) is not None and self._funding.get(symbol) != found:
                self._funding[symbol] = found
                self._table.put_funding(symbol, *found, ts=time.time_ns())

    def _look_at_checkpoint(self, now_s: float) -> None:
        core = self.core
        records, has_room = core.tape.records, not core.gate.disk_full
        if self.checkpoints.is_due(records, now_s, has_room=has_room) and core.is_reconciled:
            self.tasks.spawn(self.checkpoints.make(records, now_s))

    def _look_at_journal(self) -> None:
        """Ends the process if its journal is gone; the next one queries the venue for everything."""
        writer = self.core.tape.writer
        if writer.is_gone and not self.stopping.is_set():
            words = "the journal was deleted, or another is in its place"
            self.tasks.fail(IoFailed(words, location=str(writer.path)))

    def _look_at_silence(self) -> None:
        stale = ["account stream"] * self.core.listening.is_silent + self.market.stale
        failing = [self.egress.failure] if self.egress is not None and self.egress.failure else []
        words = "; ".join([*failing, *([f"stale: {', '.join(stale)}"] if stale else [])])[:200]
        if words != self._silence_text:
            self._silence_text = words
            self.tell(words)

    # --- effects ----------------------------------------------------------------------------------

    def send(self, calls: list[Call]) -> None:
        if self.lease is not None:
            self.lease.check()
        entry = None if self.budget.is_shut_out else self.entry
        for call in calls:
            if entry is not None and entry.send(call):
                self._out(call)
                continue
            call = self.protocol.signed(call, self.clock.now())
            # An order is sent before this returns; a task waits for its answer.
            sent = self.line.begin(call)
            if sent is None:
                self.spans.waits(call)
            self.tasks.spawn(self._make(call, sent))

    def _out(self, call: Call) -> None:
        self.spans.out(call, time.time_ns())

    async def _make(self, call: Call, sent: Sent | None) -> None:
        self._answered(call, await self.line.answer(call, sent))

    def cut_stream(self) -> None:
        self.account.cut()

    def clock_set(self, step: int) -> None:
        """Called when the clock of the venue's time was set by `step`, ns."""
        self.transfers.restate(step)

    def wake(self) -> None:
        if self.listener is not None:
            self.listener()

    # --- requests to the gateway ------------------------------------------------------------------

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answers one request over the gateway's socket. Processes of our user may read; a robot shows the token of its
        name; all other changes are the operator's."""
        self.now()
        door = self.commands.door
        match request["do"]:
            case "command" | "who":
                return door.handle(request)
            case "status":
                refused = None
            case "attach" | "life":
                refused = door.refusal(request, str(request["name"]))
            case "history" if not request["robot"]:  # from a person
                refused = door.refusal(request)
            case "follow" | "standing" | "history":
                refused = door.refusal(request, self.core.tape.robots[int(request["robot"])].name)
            case _:
                refused = door.refusal(request)
        if refused is None and request["do"] == "attach" and request["actor"] != OPERATOR:
            refused = self.attached.not_granted(request)
        return self.do(request) if refused is None else refused

    def do(self, request: dict[str, Any]) -> dict[str, Any]:
        """Executes a request that is authorized, or comes from this process."""
        self.now()
        match request["do"]:
            case "attach":
                return self.attached.attach(
                    str(request["name"]),
                    str(request["journal"]),
                    subaccount=str(request.get("subaccount") or "main"),
                    rate=int(request.get("orders_per_second") or 0),
                    epoch=int(request.get("epoch") or 0),
                )
            case "follow":
                books = [str(s) for s in request.get("books", ())]
                return self.attached.follow(int(request["robot"]), books)
            case "history":
                wanted = [Wanted(str(s), int(p), int(n)) for s, p, n in request["wanted"]]
                return self.history.ask(int(request["robot"]), wanted, int(request["now"]))
            case "life":
                return self.attached.last(str(request["name"]))
            case "standing":
                return self.attached.status(int(request["robot"]))
            case "status":
                return self._status()
            case "reconcile":
                self.reconciled.clear()
                self.core.reconcile()
                self.core.carry_out()
                return {}
            case "stop":
                self.stopping.set()
                return {}
            case other:
                return {"error": f"unknown request {other!r}"}

    def _status(self) -> dict[str, Any]:
        counts = {**self.core.manager.counts, **self.watch.counts}
        return {
            **self.core.status(),
            "robots": self.robots.count,
            "transfers": self.transfers.status(),
            "started_from": self.started_from,
            "counts": counts,
            "facts_read": self.watch.facts_read,
            "malformed": dict(self.rejects.counts),
            "order_entry": self.entry.status() if self.entry is not None else None,
            "budget": self.budget.status(),
            "clock_offset_ns": self.clock.offset,
            "spans": self.spans.summary(),
            "spans_by_robot": self.spans.by_robot(),
            "market": self.market.status(),
        }
