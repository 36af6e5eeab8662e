"""A gateway: the one process that trades on one account of one venue.

A shell around pure cores: the order manager decides, the protocol encodes and decodes, the gate
refuses. Here they are put together, with one rule: what the manager says goes to the journal before
its calls go to the wire. The sockets, the market, the account's stream, the robots and the
operator's commands are in the modules beside it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from onetape.accounts.reductions import Reductions
from onetape.accounts.table import AccountTable
from onetape.gateway.account_feed import AccountFeed
from onetape.gateway.account_money import AccountMoney
from onetape.gateway.attached_robots import RobotLives
from onetape.gateway.background import GatewayTasks
from onetape.gateway.bar_history import HistoryDesk, Wanted
from onetape.gateway.by_hand import OrdersByHand
from onetape.gateway.checkpoint import Recovered, checkpoint_file, hold_all, recover
from onetape.gateway.checkpoint_process import CheckpointProcess
from onetape.gateway.command_handlers import Commands, venues_of
from onetape.gateway.depth_feed import DepthFeed
from onetape.gateway.drift_counts import DriftWatch
from onetape.gateway.gateway_tape import GatewayTape, is_risk
from onetape.gateway.instrument_list import learn_venue, limits_of
from onetape.gateway.kept_money import KeptMoney
from onetape.gateway.latency_spans import Spans
from onetape.gateway.malformed_counts import Rejects
from onetape.gateway.market_feed import MarketFeed
from onetape.gateway.options import GatewayOptions, gateway_journal, gateway_socket
from onetape.gateway.order_line import EntryLine
from onetape.gateway.query_line import Sent, VenueLine
from onetape.gateway.request_budget import AddressBudget, OrderBudget, budget_file
from onetape.gateway.robot_lag import RobotLag
from onetape.gateway.robot_requests import Robots, open_crossing, open_proceeds
from onetape.gateway.silence_watch import Listening
from onetape.gateway.transfer_desk import TransferDesk, tell_gateway
from onetape.gateway.venue_clock import VenueClock, keep_clock
from onetape.ipc.door import OPERATOR
from onetape.ipc.server import listen
from onetape.market.in_front import in_front
from onetape.model.enums import Side
from onetape.model.errors import IoFailed
from onetape.model.instrument import Instrument
from onetape.orders.calls import Call, Purpose
from onetape.orders.dead_man import DeadMan
from onetape.orders.gate import Gate
from onetape.orders.managed import AccountOut, HealthOut, Out
from onetape.orders.manager import OrderManager
from onetape.orders.outcome import Answer
from onetape.orders.reconcile import Reconciler
from onetape.orders.told import BalanceTold, MoveTold, Told
from onetape.security.private import private_folder
from onetape.security.redaction import Redactor
from onetape.security.tokens import make_token
from onetape.tape.journal import JournalWriter
from onetape.venues.gateways import Addresses, open_trading_venue

__all__ = ["Gateway"]

TICK_S: Final = 0.02
RECONCILE_EVERY_S: Final = 300.0
LOOK_AGAIN_S: Final = 0.5  # after a balance that differed


class Gateway:
    """One account. `run` returns when it was asked to stop, and raises what else ends it."""

    def __init__(self, options: GatewayOptions, *, is_single: bool = False) -> None:
        self.options = options
        self.lives = RobotLives(self)
        self.is_single = is_single  # its one robot lives in this process
        self.home = Path(options.home)
        addresses = Addresses(
            options.rest, options.ws, options.ws_private or options.ws, options.ws_entry, options.rest_wallet
        )
        self.venue = open_trading_venue(options.kind, options.key, options.secret, addresses)
        self.protocol = self.venue.protocol
        self.manager = OrderManager(self.protocol)
        self.dead_man = DeadMan(self.manager, options.dead_man_ns)
        self.clock = VenueClock()
        self.listening = Listening(self)
        self.budget = AddressBudget(
            budget_file(self.home, options.rest), self.venue.budget, now=self.clock.now, say=self._say
        )
        self.orders = OrderBudget(options.account, now=self.clock.now, say=self._say)
        hide = Redactor(options.key, options.secret)
        self.spans = Spans()
        self.rejects = Rejects(options.kind, self._say)
        self.line = VenueLine(
            self.venue, options.rest, self.clock, hide, self.budget, self.orders, out=self._out, rejects=self.rejects
        )
        self.wallet_budget: AddressBudget | None = None  # where its address is another one
        self.wallets = self._wallet_line(hide)
        self.entry: EntryLine | None = None
        if options.order_entry == "socket" and self.venue.entry_url:
            self.protocol.signs_late = True
            self.entry = EntryLine(self.line, answered=self._answered, came=self._entry_came, went=self._entry_went)
        self.watch = DriftWatch(options.kind, self._say)
        self.instruments: list[Instrument] = []
        self.stopping = asyncio.Event()
        self.reconciled = asyncio.Event()
        self.tasks = GatewayTasks(self.stopping, hide.text)
        self.listener: Callable[[], None] | None = None  # in this process: the tape has grown

    # --- life -------------------------------------------------------------------------------------

    async def run(self, ready: Callable[[], None]) -> None:
        async with self.line.open(), contextlib.AsyncExitStack() as lines:
            if self.wallets is not None and self.wallets is not self.line:
                await lines.enter_async_context(self.wallets.open())
            self.instruments = await learn_venue(self.line, self.options.symbols)
            self.orders.learn(self.venue.order_rules)
            self._open_tape()
            try:
                self.tasks.keep("tick", self._tick())
                self.tasks.keep("clock", keep_clock(self.line, self._say))
                for number, stream in enumerate(self.market.streams()):
                    self.tasks.keep("market", self.market.follow(number, stream))
                self.tasks.keep("account", self.account.follow())
                if self.entry is not None:
                    self.tasks.keep("order entry", self.entry.follow())
                for name in (OPERATOR, *self.options.subaccounts):
                    make_token(self.home, name)
                socket = gateway_socket(self.home, self.options.account)
                door = self.commands.door
                serving = await listen(socket, self.answer, door.settle, is_operator=door.is_operator)
                self.tasks.keep("socket", serving)
                begun = {self.tasks.spawn(each.wait()) for each in (self.reconciled, self.stopping)}
                await asyncio.wait(begun, return_when=asyncio.FIRST_COMPLETED)
                if self.reconciled.is_set():
                    ready()
                await self.stopping.wait()
                if self.tasks.failure is not None:
                    raise self.tasks.failure
            finally:
                # Their sockets are closed before the journal is: nothing is heard after it.
                await self.tasks.end()
                self.robots.close()
                with contextlib.suppress(FileNotFoundError):
                    gateway_socket(self.home, self.options.account).unlink()
                self.money.close()
                self.tape.writer.close()
                self.budget.close()
                if self.wallet_budget is not None:
                    self.wallet_budget.close()

    def _wallet_line(self, hide: Redactor) -> VenueLine | None:
        """To where money is moved between wallets; None: nowhere."""
        rest, options = self.options.rest_wallet, self.options
        if not rest or rest == options.rest:
            return self.line if rest else None
        self.wallet_budget = AddressBudget(
            budget_file(self.home, rest), self.venue.wallet_budget, now=self.clock.now, say=self._say
        )
        return VenueLine(self.venue, rest, self.clock, hide, self.wallet_budget, keeps=False)

    def _open_tape(self) -> None:
        path = gateway_journal(self.home, self.options.account)
        private_folder(path.parent)
        is_new = not path.exists()
        # An exchange that began anew knows nothing of what this journal says of orders and money.
        is_other = self.options.is_new
        manager = OrderManager(self.protocol) if is_other else self.manager
        kept = KeptMoney(
            self.options,
            {i.symbol: i for i in self.instruments},
            self.manager.references,
            self.protocol.slack,
            known=self.protocol.known_move,
        )
        recovered = Recovered.nothing(manager)
        if not is_new:
            file = checkpoint_file(self.home, self.options.account)
            recovered = recover(path, file, manager, kept)
        old, recovery, self.started_from = recovered.tape, recovered.recovery, recovered.sequence
        writer = JournalWriter(
            path,
            process=f"gateway:{self.options.account}",
            account=self.options.account,
            created=time.time_ns(),
            heartbeat=True,
            reserve=True,
        )
        if is_new:
            hold_all(path)
        self.tape = GatewayTape(
            writer,
            self.instruments,
            robots=old.robots,
            currencies=old.currencies,
            since=writer.published if is_other else old.since,
        )
        if is_other:
            self.tape.begin_anew()
        else:
            self.tape.first = old.first
        self.tape.first.standing = self.tape.standing_in(self.manager)
        self.manager.owner_of = self.tape.owner_of
        self.money = self._open_money(writer, kept)
        is_new = is_new or is_other
        now = time.time_ns()
        self.tape.open(now)
        symbols = [i.symbol for i in self.instruments]
        unknown = 0 if is_other else recovery.finish(now)
        for order in self.manager.open.values():
            self.money.order(order)
        self.reconciler = Reconciler(
            self.manager,
            symbols,
            is_new=is_new or not recovery.has_begun,
            since=0 if is_other else recovery.newest_fill,
            moves_wanted=lambda: self.money.moves_wanted,
        )
        self.gate = Gate(
            self.manager, {i.symbol: i for i in self.instruments}, limits_of(self.options, self.instruments)
        )
        self.gate.killed = old.killed
        self.listening.begin()
        if is_other:
            self._say(HealthOut("exchange", self.options.account, "new"))
        self._say(HealthOut("intents", self.options.account, f"on {self.options.intents}"))
        self.checkpoints = CheckpointProcess(
            self.options,
            self.instruments,
            writer,
            at=recovered.sequence,
            slack=self.protocol.slack,
            say=self._say,
            refused=recovered.refused,
        )
        if unknown:
            self._say(HealthOut("recovered", self.options.account, f"{unknown} orders unknown", "warning"))
        self.market = MarketFeed(
            self.venue,
            self.instruments,
            writer,
            self.manager.references,
            self._say,
            self.watch,
            self.rejects,
            account=self.options.account,
            written=self._written,
        )
        self.gate.silent_ns = self.market.silent_ns
        self.depth = DepthFeed(
            self.line,
            self.instruments,
            writer,
            spawn=self.tasks.spawn,
            say=self._say,
            written=self._written,
            watch=self.watch,
            rejects=self.rejects,
        )
        self.history = HistoryDesk(self.line, self.instruments, writer, spawn=self.tasks.spawn, written=self._written)
        self.account = AccountFeed(
            self.line,
            hear=self._hear,
            came=self._stream_came,
            went=self._stream_went,
            watch=self.watch,
            rejects=self.rejects,
        )
        self.gate.in_front = self._in_front
        self.crossing = open_crossing(
            self.options,
            self.manager,
            self.instruments,
            slot_of=self.tape.slot_of,
            quote=self.market.best,
            gate=self.gate,
            newest=recovery.trades_inside,
        )
        self.proceeds = open_proceeds(
            self.manager,
            self.instruments,
            self.money,
            slot_of=self.tape.slot_of,
            quote=self.market.best,
            gate=self.gate,
            crossing=self.crossing,
        )
        self.robots = Robots(
            self.manager,
            self.gate,
            self.tape,
            self.money,
            self.crossing,
            proceeds=self.proceeds,
            loop=asyncio.get_running_loop(),
            now=self.clock.now,
            carry_out=self.carry_out,
            spans=self.spans,
            lag=RobotLag(self.tape.writer.path, self.options.stale_ns),
            in_doubt=old.may_lack_end and not is_other,
        )
        self.transfers = TransferDesk(
            self.options,
            venues_of(self.options),
            self.money,
            self.tape,
            self.protocol,
            self.wallets,
            now=self.clock.now,
            spawn=self.tasks.spawn,
            say=self._say,
            heard=self.watch.answer,
            tell=partial(tell_gateway, self.home),
            killed=lambda: self.gate.killed,
        )
        if not is_other:
            self.transfers.recover(list(kept.transfers.values()), kept.arrivals)
        self.commands = Commands(
            self.options,
            self.manager,
            self.gate,
            self.reconciler,
            self.tape,
            now=self.clock.now,
            carry_out=self.carry_out,
            spans=self.spans,
            once=old.once,
            money=self.money,
            transfers=self.transfers,
            by_hand=OrdersByHand.at(self).handlers,
        )

    def _open_money(self, writer: JournalWriter, kept: KeptMoney) -> AccountMoney:
        options = self.options
        table = AccountTable(
            self.home,
            venue=options.venue or options.kind,
            account=options.account,
            kind=options.kind,
            names=options.subaccounts,
        )
        reductions = Reductions(
            self.manager,
            kept.instruments,
            own=lambda *of: self.money.own(*of),
            slot_of=self.tape.slot_of,
            bounds=limits_of(options, self.instruments).position_max,
            is_shared=bool(options.subaccounts),
        )
        money = AccountMoney(
            kept,
            writer,
            table,
            reductions,
            slot_of=self.tape.slot_of,
            say=self._say,
            stop=self._stop_slots,
            forced=self.protocol.traits.forced,
            margins=self.manager.books.margins,
        )
        money.recover()
        return money

    def _stop_slots(self, slots: tuple[int, ...]) -> None:
        """Their money is gone: what their robots have working is cancelled."""
        for order in list(self.manager.open.values()):
            if order.robot and self.tape.slot_of(order.robot) in slots:
                self.manager.cancel_once(order, self.clock.now())

    def _in_front(self, symbol: str, side: Side, price: int) -> int:
        bid, ask, bid_size, ask_size = self.market.top(symbol)
        best = (bid, bid_size) if side is Side.BUY else (ask, ask_size)
        return in_front(side, price, best=best, levels=self.depth.levels(symbol, side))

    # --- what the manager wants -------------------------------------------------------------------

    def _say(self, out: AccountOut | HealthOut) -> None:
        """With what the manager says next."""
        self.manager.outs.append(out)

    def carry_out(self) -> None:
        """First the journal, then the wire."""
        manager = self.manager
        if not manager.outs and not manager.calls:
            return
        on_disk, has_said, has_risk = self.options.intents == "disk", False, False
        while manager.outs:
            outs, manager.outs = manager.outs, []
            self._write(outs)
            has_said, has_risk = True, on_disk and (has_risk or any(map(is_risk, outs)))
            now = self.clock.now()
            self.money.reductions.hold(now)  # fills leave less to be taken off
            self.proceeds.look(now)  # and they bring money
        if has_risk:
            self.tape.writer.ensure("disk")
        calls, manager.calls = manager.calls, []
        if calls:
            self._make_calls(calls)
        self.money.publish()  # the wire first, but before robots hear of it
        if has_said:
            self._written()

    def _write(self, outs: list[Out]) -> None:
        now = time.time_ns()
        for out in outs:
            self.money.wrote(out, self.tape.write(out, now))

    def _round_ended(self, now: int) -> None:
        """Orders and positions are as the venue's; then money is looked at, and where it differs
        once more, with what has moved it."""
        self.carry_out()
        if not self.money.is_ready:
            manager = self.manager
            self.money.begin(manager.balances, manager.positions, is_other=self.options.is_new)
        self.money.check(self.manager.balances, now)
        self.carry_out()
        if self.money.moves_wanted is None:
            self.money.ready()
            was_ready, self.gate.ready = self.gate.ready, self.account.is_up
            self.listening.reconciled(is_new=self.gate.ready and not was_ready)
            self.reconciled.set()

    def _make_calls(self, calls: list[Call]) -> None:
        entry = None if self.budget.is_shut_out else self.entry
        for call in calls:
            refusal = self.orders.refusal(call, reduces=self._reduces) if call.orders else None
            if refusal is not None:
                asyncio.get_running_loop().call_soon(self._answered, call, refusal)
                continue
            if entry is not None and entry.send(call):
                self._out(call)
                continue
            call = self.protocol.signed(call, self.clock.now())
            # An order leaves before this returns; its answer is waited for in a task.
            sent = self.line.begin(call)
            if sent is None:
                self.spans.waits(call)
            self.tasks.spawn(self._make(call, sent))

    def _out(self, call: Call) -> None:
        self.spans.out(call, time.time_ns())

    def _reduces(self, call: Call) -> bool:
        """The order that a call is about can only take off a position."""
        order = self.manager.orders.get(call.subject.client_id) if call.subject else None
        return order is not None and self.gate.reduces(order.spec, order)

    def _written(self) -> None:
        if self.listener is not None:
            self.listener()

    async def _make(self, call: Call, sent: Sent | None) -> None:
        self._answered(call, await self.line.answer(call, sent))

    def _answered(self, call: Call, answer: Answer) -> None:
        self.spans.answered(call, answer, time.time_ns())
        self.watch.answer(answer)
        if answer.venue_code and answer.venue_code == self.venue.order_limit_code:
            self.orders.hold(answer.retry_after)
        now = self.clock.now()
        if not self.listening.answered(call, answer) and not self.reconciler.answered(call, answer, now):
            self.manager.answered(call, answer, now)
        self.carry_out()
        if call.purpose is Purpose.MOVES:
            self._told_of_money(answer.told)

    async def _tick(self) -> None:
        last_round = last_look = last_check = time.monotonic()
        every = self.options.check_every_ns / 1e9
        while True:
            now = self.clock.now()
            self._look_at_disk()
            self.listening.look(now)
            self.manager.tick(now)
            rounds = self.reconciler.rounds
            self.reconciler.tick(now)
            if self.reconciler.rounds != rounds:
                self._round_ended(now)
                last_check = time.monotonic()
            elif self.account.is_up and not self.reconciler.is_running:
                wanted = self.money.moves_wanted
                if time.monotonic() - last_check > (every if wanted is None else LOOK_AGAIN_S):
                    self.reconciler.check(now)
            self.money.tick(now)
            self.transfers.tick()
            if self.entry is not None:
                self.entry.tick()
            if self.crossing is not None:
                self.crossing.tick(now)
            self.proceeds.look(now)
            if time.monotonic() - last_round > RECONCILE_EVERY_S and not self.reconciler.is_running:
                last_round = time.monotonic()
                self.reconciler.start(now, "periodic")
            if time.monotonic() - last_look >= 1.0:
                last_look = time.monotonic()
                self._look_at_journal()
                self.robots.look_after(now, orphans=self.options.orphans)
                self.gate.hold_to_kill(now)
                self.money.reductions.look()
                self.money.reductions.hold(now)
                self.budget.look()
                self.orders.look()
                self.dead_man.arm(now)
                self._look_at_checkpoint(last_look)
            self.carry_out()
            self.money.publish()
            self.money.alive()
            await asyncio.sleep(TICK_S)

    def _look_at_checkpoint(self, now_s: float) -> None:
        records, has_room = self.tape.records, not self.gate.disk_full
        if self.checkpoints.is_due(records, now_s, has_room=has_room) and self.reconciled.is_set():
            self.tasks.spawn(self.checkpoints.make(records, now_s))

    def _look_at_disk(self) -> None:
        """Without room for the next segment nothing that adds risk leaves, and the market is passed
        over: what is left of this one is for what works, its fills, cancels and kills."""
        lacks = self.tape.writer.lacks_room
        if lacks == self.gate.disk_full:
            return
        self.gate.disk_full = self.history.is_paused = lacks
        self.market.is_paused = self.depth.is_paused = lacks
        name = self.options.account
        if lacks:
            words = "no room for the journal: new orders are refused, the market is not recorded"
            self._say(HealthOut("disk", name, words, "critical"))
        else:
            self._say(HealthOut("disk", name, "there is room again"))

    def _look_at_journal(self) -> None:
        """What nobody can read again is no journal: this process ends, and the next one asks the
        venue for all."""
        if self.tape.writer.is_gone and not self.stopping.is_set():
            words = "the journal was deleted, or another is in its place"
            self.tasks.fail(IoFailed(words, where=str(self.tape.writer.path)))

    # --- the account's stream ---------------------------------------------------------------------

    def _entry_went(self, why: str) -> None:
        self._say(HealthOut("order entry", self.options.account, f"lost: {why}", "warning"))

    def _entry_came(self) -> None:
        self._say(HealthOut("order entry", self.options.account, "connected"))

    def _hear(self, told: list[Told]) -> None:
        self.listening.heard(told)
        self.manager.hear(told, self.clock.now())
        self.carry_out()
        self._told_of_money(told)

    def _told_of_money(self, told: Sequence[Told]) -> None:
        """Once the fills that came with it are booked."""
        for each in told:
            if isinstance(each, BalanceTold | MoveTold):
                self.money.heard(told, self.clock.now())
                self.carry_out()
                return

    def _stream_came(self) -> None:
        self.listening.came()
        self.reconciler.start(self.clock.now(), "connected")
        self.carry_out()

    def _stream_went(self) -> None:
        self.gate.ready = False
        self.listening.went()

    # --- who asks ---------------------------------------------------------------------------------

    def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        """One request over the gateway's socket. Whoever is of our user may read; a robot shows the
        token of its name, and what changes anything else is the operator's."""
        door = self.commands.door
        match asked["do"]:
            case "command":
                return door.answer(asked)
            case "who":
                return {"process": door.names[0], "names": door.names}
            case "status":
                refused = None
            case "attach" | "life":
                refused = door.refusal(asked, str(asked["name"]))
            case "follow" | "standing" | "history":
                refused = door.refusal(asked, self.tape.robots[int(asked["robot"])].name)
            case _:
                refused = door.refusal(asked)
        if refused is None and asked["do"] == "attach" and asked["actor"] != OPERATOR:
            refused = self.lives.not_granted(asked)
        return self.do(asked) if refused is None else refused

    def do(self, asked: dict[str, Any]) -> dict[str, Any]:
        """A request that has been let in, or comes from this process."""
        match asked["do"]:
            case "attach":
                return self.lives.attach(
                    str(asked["name"]),
                    str(asked["journal"]),
                    subaccount=str(asked.get("subaccount") or "main"),
                    rate=int(asked.get("orders_per_second") or 0),
                )
            case "follow":
                books = [str(s) for s in asked.get("books", ())]
                return self.lives.follow(int(asked["robot"]), books)
            case "history":
                wanted = [Wanted(str(s), int(p), int(n)) for s, p, n in asked["wanted"]]
                return self.history.ask(int(asked["robot"]), wanted, int(asked["now"]))
            case "life":
                return self.lives.last(str(asked["name"]))
            case "standing":
                return self.lives.standing(int(asked["robot"]))
            case "status":
                return self._status()
            case "reconcile":
                self.reconciled.clear()
                self.reconciler.start(self.clock.now(), "asked for")
                self.carry_out()
                return {}
            case "stop":
                self.stopping.set()
                return {}
            case other:
                return {"error": f"unknown request {other!r}"}

    def _status(self) -> dict[str, Any]:
        return {
            "ready": self.gate.ready,
            "symbols": [i.symbol for i in self.instruments],
            "robots": self.robots.count,
            "killed": self.gate.killed,
            "reconciling": self.reconciler.is_running or self.money.moves_wanted is not None,
            "money": self.money.status(),
            "transfers": self.transfers.status(),
            "rounds": self.reconciler.rounds,
            "differences": [str(d) for d in self.reconciler.differences],
            "open": len(self.manager.open),
            "unknown": len(self.manager.unknown),
            "booked": self.manager.booked,
            "started_from": self.started_from,
            "counts": {**self.manager.counts, **self.watch.counts},
            "malformed": dict(self.rejects.counts),
            "order_entry": self.entry.status() if self.entry is not None else None,
            "budget": self.budget.status(),
            "order_budget": self.orders.status(),
            "clock_offset_ns": self.clock.offset,
            "spans": self.spans.summary(),
            "market": self.market.status(),
            **self.listening.status(),
            "positions": {f"{symbol} {side}": qty for (symbol, side), qty in self.manager.positions.items()},
        }
