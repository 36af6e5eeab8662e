"""The guardian's process: a shell around its core, which decides. The shell has the gateways' journals, the venues'
listings, the commands to gateways, the clock and the guardian's own journal."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from pathlib import Path
from typing import Any, Final

from onetape.guardian.account_follower import AccountFollower
from onetape.guardian.core import GuardianCore
from onetape.guardian.events import (
    CancelOrder,
    CancelStops,
    CloseSubAccount,
    Effect,
    Flatten,
    PlaceStops,
    ReadBars,
    ReadVenue,
    Record,
    TakeShare,
    Unprotected,
)
from onetape.guardian.halt_watch import HaltWatch
from onetape.guardian.kept import EVERY, checkpoint_file, recover, write_checkpoint
from onetape.guardian.past_gateway import NUMBERS, OrderNumbers, PastGateway
from onetape.guardian.stale_orders import StaleOrders
from onetape.guardian.takeover import Takeover
from onetape.guardian.venue_reader import VenueReader, can_watch, traits_of
from onetape.ipc.command_tape import CommandTape
from onetape.ipc.door import Command, Do, Door, Handler
from onetape.ipc.names import process_socket
from onetape.ipc.server import listen
from onetape.ipc.system import CommandResult, IPCCommandSystem
from onetape.model.enums import OrderState, TriggerBy, TriggerKind
from onetape.model.errors import OnetapeError, UnknownSymbol, UsageError
from onetape.model.home import guardian_journal
from onetape.model.instrument import Instrument
from onetape.model.money import money_text
from onetape.model.time import SECOND
from onetape.net.tasks import ended
from onetape.options.guardian import GUARDIAN, GuardianOptions
from onetape.orders.managed import HealthOut
from onetape.projections.once import Once
from onetape.risk.halt_decisions import Effect as HaltEffect
from onetape.risk.halt_decisions import NotCounted, Send, Unrealized
from onetape.risk.stop_ladder import Rung
from onetape.tape.health import append_health
from onetape.tape.journal import JournalWriter
from onetape.tape.wait import JournalWatch, Waiter

__all__ = ["Guardian", "close_fields", "placed_of", "refusal_in", "stops_fields"]

TICK_S: Final = 0.05
FOLLOW_EVERY: Final = SECOND // 5
LEASE_EVERY_S: Final = 1.0
LEASE_RETRY_S: Final = 0.1  # after a missing gateway, whose robots wait for the lease
LOOK_S: Final = 5.0  # between checks for a due checkpoint
LEASE_NS: Final = 5 * SECOND
ANSWER_WITHIN_S: Final = 4.0  # of a gateway; the core gives up a ladder a second later
_HELD: Final = frozenset({OrderState.REJECTED, OrderState.DENIED})


class Guardian:
    """Guards the accounts. `run` returns when `stopping` is set. Raises JournalLocked if a guardian runs already."""

    def __init__(self, options: GuardianOptions, stopping: asyncio.Event) -> None:
        self.stopping = stopping
        self._home = Path(options.home)
        path = guardian_journal(self._home)
        # First: from here on no other guardian of this home acts or writes.
        self._writer = JournalWriter(path, process=GUARDIAN, created=time.time_ns(), heartbeat=True)
        self._once = Once()
        self._path, self._file = path, checkpoint_file(self._home)
        self._kept, self._checkpoint_at, refused = recover(path, self._file, self._once)
        # The epoch of its leases: the time, which increases even if its journal was lost; after a clock set back, one
        # more than the last in its journal.
        self._epoch = max(time.time_ns(), self._kept.epoch + 1, self._writer.epoch)
        self._say(Record("epoch", GUARDIAN, "began", {"epoch": self._epoch}))
        if refused:
            self._say(Record("checkpoint", GUARDIAN, f"not used: {refused}", {}, "warning"))
        self._tape = CommandTape(self._writer)
        watched = [name for name, each in options.accounts.items() if can_watch(each)]
        bounds = {name: traits_of(options.accounts[name]).triggers_max for name in watched}
        self._readers = {
            name: VenueReader(options.accounts[name], self._home, self._health) for name in sorted(watched)
        }
        paces = {name: each.pace for name, each in self._readers.items()}
        self.core = GuardianCore(options.settings, epoch=str(self._epoch), watched=watched, bounds=bounds, paces=paces)
        self._halts = HaltWatch(
            self._home, {name: options.subaccounts.get(name, {}) for name in options.accounts}, options.halts
        )
        self._sending: set[tuple[str, str]] = set()  # halt commands without an answer: account and id
        self._followers = {
            name: AccountFollower(name, self._home, self.core, options.subaccounts.get(name, {}), each.hub)
            for name, each in options.accounts.items()
        }
        stale = {name: StaleOrders(name, options.stale, epoch=self.core.epoch) for name in options.accounts}
        self._stale = {name: each for name, each in stale.items() if not each.is_idle}
        self._takeovers = {
            name: self._takeover(name, options.takeover_ns) for name in self._readers if options.takeover_ns
        }
        self._waiter = Waiter()
        self._watch: JournalWatch | None = None
        self._followed_at = 0
        self._commands = IPCCommandSystem(GUARDIAN, home=self._home)
        self._tasks: set[asyncio.Task[None]] = set()
        self._failed: BaseException | None = None
        handlers = {
            "reset": Handler(self._reset, fields=("account", "symbol")),
            "status": Handler(lambda _: self._status, asks=True, anyone=True),
        }
        self.door = Door(
            (GUARDIAN,), self._home, handlers, self._tape, level="process", now=time.time_ns, once=self._once
        )

    async def run(self, ready: Callable[[], None]) -> None:
        """Runs until stopped. Raises the error of a failed task."""
        path = process_socket(self._home, GUARDIAN)
        self._commands.start()
        try:
            async with contextlib.AsyncExitStack() as lines:
                for reader in self._readers.values():
                    await lines.enter_async_context(reader.open())
                loop = asyncio.get_running_loop()
                self._follow_missing()
                self._watch = JournalWatch(self._waiter, self._take, loop)
                serving = await listen(path, self._answer, self.door.settle, is_operator=self.door.is_operator)
                working = [
                    asyncio.ensure_future(each) for each in (serving, self._tick(), self._watch_halts(), self._keep())
                ]
                working += [asyncio.ensure_future(self._renew(name)) for name in self._followers]
                ready()
                stopped = asyncio.ensure_future(self.stopping.wait())
                await asyncio.wait([stopped, *working], return_when=asyncio.FIRST_COMPLETED)
                found = await ended([stopped, *working, *self._tasks])
                self._watch.close()
                path.unlink(missing_ok=True)
                for error in (self._failed, *found):
                    if isinstance(error, Exception):
                        raise error
        finally:
            self._commands.stop()
            self._halts.close()
            for takeover in self._takeovers.values():
                takeover.close()
            for follower in self._followers.values():
                follower.leave(self._waiter)
            self._writer.close()

    # --- events -----------------------------------------------------------------------------------

    def _take(self) -> None:
        """Reads new frames of the gateways' journals. Called by the loop, which drops exceptions."""
        try:
            for follower in self._followers.values():
                follower.take(time.monotonic_ns())
                self._carry_out()
        except (OnetapeError, LookupError, ValueError, TypeError, ArithmeticError) as error:
            self._fail(error)

    def _follow_missing(self) -> None:
        for name, follower in self._followers.items():
            if follower.reader is not None and follower.reader.is_gone:
                follower.leave(self._waiter)
            resume = partial(self._resume, name)
            if follower.reader is None and follower.follow(self._waiter, time.monotonic_ns(), resume):
                self._learn(name)
                self._say(Record("account", name, "followed", {"watched": name in self._readers}))
                self._carry_out()
                if self._watch is not None:
                    self._watch.look()

    def _learn(self, account: str) -> None:
        reader = self._readers.get(account)
        if reader is not None:
            reader.learn(list(self._followers[account].view.instruments.values()))

    def _resume(self, account: str) -> None:
        self._kept.resume(self.core, account, self._followers[account].view.instruments)

    async def _tick(self) -> None:
        while True:
            now = time.monotonic_ns()
            if now - self._followed_at >= FOLLOW_EVERY:
                self._followed_at = now
                self._follow_missing()
                self._look_at_stale()
                for each in self._readers.values():
                    each.look()
            self._look_at_gateways()
            for follower in self._followers.values():
                follower.look_at_hub(now)
            self.core.tick(now)
            self._carry_out()
            self._writer.progress(self._writer.published)
            await asyncio.sleep(TICK_S)

    def _takeover(self, account: str, after: int) -> Takeover:
        past = PastGateway(
            account,
            self._home,
            self._readers[account],
            self.core,
            self._followers[account],
            say=self._say,
            spawn=self._spawn,
            ids=OrderNumbers(self._kept.numbers.get(account, 0), partial(self._reserve, account)),
        )
        placed = self._kept.placed.get(account, {})
        return Takeover(account, past, self.core, after=after, placed=placed, say=self._say, steady=time.monotonic_ns)

    def _look_at_gateways(self) -> None:
        for name, takeover in self._takeovers.items():
            reader = self._followers[name].reader
            takeover.look(reader.control.get("heartbeat", 0) if reader is not None else 0, time.time_ns())

    def _is_dead(self, account: str) -> bool:
        return account in self._takeovers and self._takeovers[account].is_dead

    def _look_at_stale(self) -> None:
        """Ends stale orders, except for a dead gateway, whose working orders are unknown."""
        for name, stale in self._stale.items():
            follower = self._followers[name]
            if follower.reader is None or self._is_dead(name):
                continue
            for effect in stale.look(follower.view, follower.tops, time.time_ns()):
                if isinstance(effect, Record):
                    self._say(effect)
                else:
                    self._spawn(self._do_stale(stale, effect))

    async def _do_stale(self, stale: StaleOrders, effect: CancelOrder | TakeShare) -> None:
        if isinstance(effect, CancelOrder):
            await self._send(effect.account, effect.id, "cancel", {"order": effect.order})
            return
        fields = share_fields(effect, self._followers[effect.account].view.instruments[effect.symbol])
        answer = await self._send(effect.account, effect.id, "take_share", fields)
        for record in stale.answered(effect, *share_state(answer)):
            self._say(record)

    async def _renew(self, account: str) -> None:
        """Renews the lease, without which the account's gateway opens nothing new."""
        refused = ""
        while True:
            fields = {"until_ns": time.time_ns() + LEASE_NS, "epoch": self._epoch}
            answer = await self._commands.send_command(
                f"gateway:{account}", "guardian_lease", fields, timeout=LEASE_EVERY_S
            )
            is_there = answer.status != "timeout"
            error = str((answer.error or {}).get("message", "")) if is_there else ""
            if is_there and error != refused:
                refused = error
                state = f"refused: {error}" if error else "held"
                self._say(Record("lease", account, state, {}, "critical" if error else ""))
            if (result := answer.result) is not None:
                self.core.protection_listed(account, result.get("unprotected", ()))
            await asyncio.sleep(LEASE_EVERY_S if is_there else LEASE_RETRY_S)

    async def _keep(self) -> None:
        """Makes a checkpoint of the guardian's own journal, which bounds what a start reads."""
        said = ""
        while True:
            sequence, error = self._writer.published, ""
            if sequence - self._checkpoint_at >= EVERY:
                try:
                    await asyncio.to_thread(write_checkpoint, self._path, self._file, sequence=sequence)
                except (OnetapeError, OSError) as failed:
                    error = f"not made: {failed}"[:200]
                if bool(error) is not bool(said):
                    self._say(Record("checkpoint", GUARDIAN, error or "made", {}, "warning" if error else ""))
                said = error
                self._checkpoint_at = sequence  # a failed one is retried after the same count
            await asyncio.sleep(LOOK_S)

    async def _watch_halts(self) -> None:
        """Watches income limits. The first look reads as far back as the longest window, in the background."""
        if self._halts.is_idle:
            await asyncio.Event().wait()  # until it is cancelled
        effects = await asyncio.to_thread(self._halts.look, time.time_ns())
        while True:
            for effect in effects:
                self._carry_out_halt(effect)
            await asyncio.sleep(TICK_S)
            followers, of = self._followers.values(), (self._halts.assets, self._halts.currency)
            prices = [price for follower in followers for price in follower.prices(*of)]
            effects = self._halts.look(time.time_ns(), self._open_positions(), prices)

    def _open_positions(self) -> Iterable[Unrealized] | None:
        """Returns the unrealized profit of open positions; None: some account's positions are unknown."""
        if not self._halts.wants_unrealized:
            return ()
        has_all = all(self._followers[account].reader is not None for account in self._halts.accounts)
        return self.core.unrealized(time.monotonic_ns()) if has_all else None

    def _carry_out_halt(self, effect: HaltEffect) -> None:
        match effect:
            case Send(account=account, id=id_) if (account, id_) not in self._sending:
                self._sending.add((account, id_))
                self._spawn(self._send_halt(effect))
            case NotCounted(amounts):
                each = (f"{money_text(amount)} {asset}" for asset, amount in sorted(amounts.items()))
                listed = ", ".join(each)
                state = f"not counted, no price is known: {listed}" if listed else "all counted"
                self._say(Record("income", "of limits", state, {}, "warning" if listed else ""))

    async def _send_halt(self, send: Send) -> None:
        try:
            answer = await self._send(send.account, send.id, send.command, send.fields)
        finally:
            self._sending.discard((send.account, send.id))
        if answer.status == "timeout":
            return  # the next look sends it again
        self._halts.answered(send)
        if send.command == "halt" and answer.error is not None:
            about = f"{send.account} {send.fields['id']}"
            self._say(Record("halt refused", about, str(answer.error.get("message", "")), {}, "critical"))

    # --- effects ----------------------------------------------------------------------------------

    def _carry_out(self) -> None:
        effects, self.core.effects = self.core.effects, []
        for effect in effects:
            if isinstance(effect, Record):  # the journal has an action before it is done
                self._say(effect)
        for effect in effects:
            if not isinstance(effect, Record):
                self._spawn(self._do(effect))

    async def _do(self, effect: Effect) -> None:
        takeover = None if isinstance(effect, Record) else self._takeovers.get(effect.account)
        if takeover is not None and takeover.does(effect):
            self._carry_out()
            return
        match effect:
            case PlaceStops():
                instrument = self._followers[effect.account].view.instruments[effect.symbol]
                stops = stops_fields(effect, instrument, self.core.settings.trigger_by)
                answer = await self._send(effect.account, effect.id, "place_stops", stops)
                self.core.answered(effect.id, *placed_of(effect, answer), time.monotonic_ns())
            case CancelStops():
                await self._send(effect.account, effect.id, "cancel_stops", {"orders": list(effect.orders)})
            case Flatten():
                fields = {"symbol": effect.symbol, "reason": effect.reason}
                await self._send(effect.account, effect.id, "flatten", fields)
            case CloseSubAccount():
                instrument = self._followers[effect.account].view.instruments[effect.symbol]
                answer = await self._send(effect.account, effect.id, "close", close_fields(effect, instrument))
                self.core.closed(effect, refusal_in(answer), time.monotonic_ns())
            case Unprotected():
                passed = time.monotonic_ns() - effect.since
                lost: dict[str, Any] = {
                    "symbol": effect.symbol,
                    "since": time.time_ns() - passed if effect.since else 0,
                }
                answer = await self._send(effect.account, effect.id, "unprotected", lost)
                if answer.status != "timeout":
                    self.core.protection_reported(effect)
            case ReadVenue():
                await self._read(effect)
            case ReadBars(account, symbol, window):
                instrument = self._followers[account].view.instruments[symbol]
                low, high = await self._readers[account].extremes(instrument, window)
                self.core.bars_read(account, symbol, low, high, time.monotonic_ns())
        self._carry_out()

    async def _send(self, account: str, id_: str, command: str, fields: dict[str, Any]) -> CommandResult:
        return await self._commands.send_command(
            f"gateway:{account}", command, fields, timeout=ANSWER_WITHIN_S, command_id=id_
        )

    async def _read(self, effect: ReadVenue) -> None:
        reader = self._readers[effect.account]
        self._learn(effect.account)
        if effect.symbol:
            stops = await reader.stops(effect.symbol)
            if stops is not None:
                if effect.account in self._takeovers:
                    self._takeovers[effect.account].stops_listed(stops[1])
                names = {row.client_id for row in stops[1]}
                self.core.stops_read(effect.account, effect.symbol, names, stops[0], time.monotonic_ns())
        else:
            positions = await reader.positions()
            if positions is not None:
                self.core.positions_read(effect.account, positions[1], positions[0], time.monotonic_ns())

    def _say(self, record: Record) -> None:
        words = {"kind": record.kind, "subject": record.subject, "state": record.state, "about": dict(record.about)}
        append_health(self._writer, words, record.severity, time.time_ns())

    def _reserve(self, account: str, until: int) -> None:
        """Records the reserved order numbers; durable on return."""
        self._say(Record(NUMBERS, account, f"until {until}", {"account": account, "until": until}))
        self._writer.sync()

    def _health(self, out: HealthOut) -> None:
        self._say(Record(out.kind, out.subject, out.state, {}, out.severity))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        self._failed = self._failed or error
        self.stopping.set()

    # --- requests to the guardian -----------------------------------------------------------------

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        match request["do"]:
            case "command":
                return self.door.answer(request)
            case "who":
                return {"process": GUARDIAN, "names": self.door.names}
            case "status":
                return self._status()
            case "stop":
                refused = self.door.refusal(request)
                if refused is None:
                    self.stopping.set()
                return refused or {}
            case other:
                return {"error": f"unknown request {other!r}"}

    def _reset(self, command: Command) -> Do:
        account, symbol = str(command.fields.get("account", "")), str(command.fields.get("symbol", ""))
        follower = self._followers.get(account)
        if follower is None:
            raise UsageError(f"no account {account!r}", todo=", ".join(self._followers))
        if symbol not in follower.view.instruments:
            raise UnknownSymbol(f"account {account} does not trade {symbol[:60]!r}")

        def do() -> dict[str, int]:
            count = self.core.reset(account, symbol, time.monotonic_ns())
            self._carry_out()
            return {"positions": count}

        return do

    def _status(self) -> dict[str, Any]:
        now = time.monotonic_ns()
        return {
            "stops": [each.shown(self.core.settings.of(each.instrument.symbol), now) for each in self.core.shown()],
            "unprotected_ms": {f"<{2**slot}": count for slot, count in sorted(self.core.unprotected_ms.items())},
            "weight": {name: reader.weight for name, reader in self._readers.items()},
        }


def stops_fields(effect: PlaceStops, instrument: Instrument, trigger_by: TriggerBy) -> dict[str, Any]:
    """Returns the fields of a `place_stops` command."""
    kind = {"kind": str(TriggerKind.TAKE_PROFIT)} if effect.is_target else {}
    stops = [
        {"qty": instrument.size_text(each.size)}
        | ({"trigger": instrument.price_text(each.trigger), **kind} if each.trigger else {})
        for each in effect.rungs
    ]
    return {
        "symbol": effect.symbol,
        "side": str(effect.closes),
        "position_side": str(effect.position_side),
        "trigger_by": str(instrument.watched(trigger_by)),
        "stops": stops,
    }


def close_fields(effect: CloseSubAccount, instrument: Instrument) -> dict[str, Any]:
    """Returns the fields of a `close` command."""
    return {"symbol": effect.symbol, "subaccount": effect.name, "qty": instrument.size_text(effect.size)}


def refusal_in(answer: CommandResult) -> str:
    """Returns why a gateway has not placed the closing orders, "": it has, or there was no answer in time."""
    if answer.error is not None and answer.status != "timeout":
        return str(answer.error.get("message", ""))
    rows = (answer.result or {}).get("orders") or ()
    return next((str(each.get("reason", "")) for each in rows if each.get("state") == OrderState.DENIED), "")


def placed_of(effect: PlaceStops, answer: CommandResult) -> tuple[dict[str, Rung] | None, dict[Rung, int]]:
    """Returns a gateway's answer: the placed stops by client id (None: no answer in time), and the refused ones with
    their error codes."""
    if answer.status == "timeout":
        return None, {}
    rows = (answer.result or {}).get("orders") if answer.error is None else None
    if rows is None or len(rows) != len(effect.rungs):
        code = int((answer.error or {}).get("code", 0))
        return {}, dict.fromkeys(effect.rungs, code)
    placed, refused = {}, {}
    for rung, row in zip(effect.rungs, rows, strict=True):
        if row["state"] in _HELD:
            refused[rung] = int(row.get("code", 0))
        else:
            placed[str(row["client_id"])] = rung
    return placed, refused


def share_fields(effect: TakeShare, instrument: Instrument) -> dict[str, Any]:
    """Returns the fields of a `take_share` command."""
    qty, price = instrument.size_text(effect.qty), instrument.price_text(effect.price)
    return {"order": effect.order, "qty": qty, "price": price}


def share_state(answer: CommandResult) -> tuple[str, str]:
    """Returns a gateway's answer: the state, and the refusal, for `StaleOrders.answered`."""
    if answer.status == "timeout":
        return "", ""
    if answer.error is not None:
        return "", str(answer.error.get("message", ""))
    state = str((answer.result or {}).get("state", ""))
    return state, "" if state in ("taken", "reducing") else f"the order has {state}"
