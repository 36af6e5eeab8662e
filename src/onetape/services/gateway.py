"""A gateway: the one process that trades on one account of one venue.

A shell around pure cores: the order manager decides, the protocol encodes and decodes, the gate
refuses. Here are the sockets, the clock and the journal, and one rule: what the manager says goes
to the journal before its calls go to the wire.

As a process: `python -m onetape.services.gateway` with its options as JSON on standard input, so
that no secret is ever part of an argument list. It says `ready` when the account is reconciled.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import aiohttp
import msgspec
import picows
import uvloop

from onetape.model.enums import Kind, RequestKind, Side
from onetape.model.errors import (
    OnetapeError,
    OrderInvalid,
    UnknownSymbol,
    VenueRejected,
    VenueUnavailable,
)
from onetape.model.instrument import Instrument
from onetape.model.money import money
from onetape.orders.calls import Call
from onetape.orders.filters import Refusal
from onetape.orders.gate import Gate, Limits
from onetape.orders.managed import HealthOut, Request
from onetape.orders.manager import OrderManager
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.reconcile import Reconciler
from onetape.orders.recover import Recovery
from onetape.services.gateway_connection import clock_offset, connected, listen
from onetape.services.gateway_journal import (
    MARK,
    TRADE,
    GatewayTape,
    RobotLife,
    request_of,
)
from onetape.services.gateway_options import GatewayOptions, gateway_journal, gateway_socket
from onetape.store.private import private_folder
from onetape.tape.journal import JournalReader, JournalWriter, type_id
from onetape.tape.wait import JournalWatch, Waiter
from onetape.venues.gateways import (
    AccountStream,
    Addresses,
    MarketStream,
    open_trading_venue,
)

__all__ = ["Gateway", "GatewayOptions", "gateway_journal", "gateway_socket"]

TICK_S: Final = 0.02
RECONCILE_EVERY_S: Final = 300.0
RECONNECT_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0)  # then the last
CALL_TIMEOUT_S: Final = 4.0
LINE_S: Final = 1.0  # how long a request keeps the next one waiting, where they go in order
LIVE_WITHIN_S: Final = 10.0  # from its connection until the account's stream tells
ROBOTS_MAX: Final = 250
_ORDER_REQUEST: Final = type_id("order_request")
_INSTRUMENT: Final = type_id("instrument")


class Gateway:
    """One account. `run` returns when it was asked to stop."""

    def __init__(self, options: GatewayOptions) -> None:
        self.options = options
        self.home = Path(options.home)
        addresses = Addresses(options.rest, options.ws, options.ws_private or options.ws)
        self.venue = open_trading_venue(options.kind, options.key, options.secret, addresses)
        self.protocol = self.venue.protocol
        self.manager = OrderManager(self.protocol)
        self.offset = 0  # ns, the venue's clock less ours
        self.instruments: list[Instrument] = []
        self.robots: dict[int, tuple[RobotLife, JournalReader]] = {}
        self.stopping = asyncio.Event()
        self.reconciled = asyncio.Event()
        self.refused: VenueRejected | None = None  # before it began to trade
        self._tasks: set[asyncio.Task[Any]] = set()
        self._stream_up = False
        self._dead_man_at = 0
        self._commands: dict[str, dict[str, Any]] = {}  # answers by id, so that none acts twice
        self._line = asyncio.Lock()  # where requests have to arrive in their order
        self._received = 0  # when the message came that is being read

    # --- life -------------------------------------------------------------------------------------

    async def run(self, ready: Callable[[], None]) -> None:
        timeout = aiohttp.ClientTimeout(total=CALL_TIMEOUT_S)
        connector = aiohttp.TCPConnector(limit=16, keepalive_timeout=60.0)
        async with aiohttp.ClientSession(
            self.options.rest, timeout=timeout, connector=connector
        ) as self.http:
            await self._learn_venue()
            self._open_tape()
            try:
                self.market = self.venue.market(self.instruments, self)
                self._spawn(self._tick())
                for stream in self.market.streams():
                    self._spawn(self._follow_market(stream))
                self._spawn(self._follow_account())
                self._spawn(
                    await listen(gateway_socket(self.home, self.options.account), self._answer)
                )
                begun = {self._spawn(each.wait()) for each in (self.reconciled, self.stopping)}
                await asyncio.wait(begun, return_when=asyncio.FIRST_COMPLETED)
                if self.reconciled.is_set():
                    ready()
                await self.stopping.wait()
                if self.refused is not None:
                    raise self.refused
            finally:
                tasks = list(self._tasks)
                for task in tasks:
                    task.cancel()
                # Their sockets are closed before the journal is: nothing is heard after it.
                await asyncio.gather(*tasks, return_exceptions=True)
                self._watch.close()
                with contextlib.suppress(FileNotFoundError):
                    gateway_socket(self.home, self.options.account).unlink()
                self.tape.writer.close()

    def _spawn(self, work: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            # A bug of ours: the process ends, its journal is what the next one begins with.
            sys.stderr.write(f"gateway: {task.exception()!r}\n")
            self.stopping.set()

    async def _learn_venue(self) -> None:
        """Clock and instruments, before anything else."""
        try:
            sent = time.time_ns()
            status, headers, body = await self._request(self.venue.time())
            answer = self.protocol.answer(self.venue.time(), status, headers, body, sent)
            if not answer.value:
                raise VenueUnavailable(
                    f"no exchange of this kind answers: HTTP {status}", where=self.options.rest
                )
            self.offset = clock_offset(
                int(answer.value), self.venue.clock_step, sent, time.time_ns()
            )
            status, headers, body = await self._request(self.venue.instruments())
            self.instruments = self.venue.instruments_of(body, frozenset(self.options.symbols))
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise VenueUnavailable(
                f"the venue does not answer: {type(error).__name__}", where=self.options.rest
            ) from None
        except (KeyError, TypeError, ValueError, AttributeError, msgspec.DecodeError) as error:
            raise VenueUnavailable(
                f"its list of instruments makes no sense: {type(error).__name__} {error}",
                where=self.options.rest,
            ) from None
        missing = set(self.options.symbols) - {i.symbol for i in self.instruments}
        if missing:
            raise UnknownSymbol(
                f"{', '.join(sorted(missing))} does not trade there", where=self.options.rest
            )

    def _open_tape(self) -> None:
        path = gateway_journal(self.home, self.options.account)
        private_folder(path.parent)
        is_new = not path.exists()
        # An exchange that began anew knows nothing of what this journal says of orders and money.
        is_other = self.options.is_new
        recovery = Recovery(OrderManager(self.protocol) if is_other else self.manager)
        old = GatewayTape(None, ())  # type: ignore[arg-type]
        if not is_new:
            old.recover(path, recovery)
        writer = JournalWriter(
            path, process=f"gateway:{self.options.account}", account=self.options.account,
            created=time.time_ns(), heartbeat=True,
        )  # fmt: skip
        self.tape = GatewayTape(writer, self.instruments, robots=old.robots)
        is_new = is_new or is_other
        now = self._now()
        self.tape.open(now)
        symbols = [i.symbol for i in self.instruments]
        unknown = 0 if is_other else recovery.finish(now)
        self.reconciler = Reconciler(
            self.manager, symbols, is_new=is_new, since=0 if is_other else recovery.newest_fill
        )
        self.gate = Gate(self.manager, {i.symbol: i for i in self.instruments}, self._limits())
        self.gate.killed = old.killed
        if unknown:
            self.manager.outs.append(
                HealthOut("recovered", self.options.account, f"{unknown} orders unknown", "warning")
            )
        self._quote = writer.append_quote
        self._append = writer.append_raw
        self._waiter = Waiter()
        self._watch = JournalWatch(self._waiter, self._take_requests, asyncio.get_running_loop())
        for life in self.tape.robots.values():
            if Path(life.journal).is_dir():
                self._follow_robot(life)

    def _limits(self) -> Limits:
        known = {i.symbol: i for i in self.instruments}
        return Limits(
            position_max={
                symbol: known[symbol].size_int(qty)
                for symbol, qty in self.options.position_max.items()
                if symbol in known
            },
            orders_a_second=self.options.orders_per_second,
        )

    def _now(self) -> int:
        return time.time_ns()

    # --- what the manager wants -------------------------------------------------------------------

    def _carry_out(self) -> None:
        """First the journal, then the wire."""
        now = self._now()
        outs, self.manager.outs = self.manager.outs, []
        for out in outs:
            self.tape.write(out, now)
            if isinstance(out, HealthOut) and out.kind == "reconciled":
                self.gate.ready = self._stream_up
                self.reconciled.set()
        calls, self.manager.calls = self.manager.calls, []
        for call in calls:
            self._spawn(self._make(call))

    async def _make(self, call: Call) -> None:
        try:
            answer = await self._ask(call)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            answer = Answer(Outcome.AMBIGUOUS, text=type(error).__name__)
        now = self._venue_now()
        if not self.reconciler.answered(call, answer, now):
            self.manager.answered(call, answer, now)
        self._carry_out()

    async def _ask(self, call: Call) -> Answer:
        if self.venue.in_order:
            async with self._line:
                # One that is lost does not stop the others for long; should it arrive after them,
                # it is refused.
                request = asyncio.ensure_future(self._request(call))
                await asyncio.wait({request}, timeout=LINE_S)
            status, headers, body = await request
        else:
            status, headers, body = await self._request(call)
        return self.protocol.answer(call, status, headers, body, self._venue_now())

    async def _request(self, call: Call) -> tuple[int, dict[str, str], bytes]:
        async with self.http.request(
            call.method, call.target, data=call.body or None, headers=dict(call.headers),
            allow_redirects=False,
        ) as reply:  # fmt: skip
            body = await reply.read()
            return reply.status, {k.lower(): v for k, v in reply.headers.items()}, body

    def _venue_now(self) -> int:
        return time.time_ns() + self.offset

    async def _tick(self) -> None:
        last_round = last_look = time.monotonic()
        while True:
            now = self._venue_now()
            self.manager.tick(now)
            self.reconciler.tick(now)
            if time.monotonic() - last_round > RECONCILE_EVERY_S and not self.reconciler.is_running:
                last_round = time.monotonic()
                self.reconciler.start(now, "periodic")
            if time.monotonic() - last_look >= 1.0:
                last_look = time.monotonic()
                self._look_after(now)
            self._carry_out()
            await asyncio.sleep(TICK_S)

    def _look_after(self, now: int) -> None:
        """Each second: robots that died, and the venue's dead man's switch."""
        for life, reader in self.robots.values():
            if reader.core.writer_alive or life.is_lost:
                continue
            life.is_lost = True
            if not any(o.robot == life.number for o in self.manager.open.values()):
                continue  # it ended as it should
            self.manager.outs.append(HealthOut("robot", life.name, "lost", "critical"))
            if self.options.orphans == "cancel":
                self.manager.cancel_all(now, life.number)
        if self.options.dead_man_ns and now >= self._dead_man_at:
            self._dead_man_at = now + self.options.dead_man_ns // 3
            symbols = sorted({o.spec.symbol for o in self.manager.open.values()})
            if symbols and not self.protocol.traits.dead_man_by_symbol:
                symbols = [""]
            for symbol in symbols:
                call = self.protocol.dead_man(symbol, now, after=self.options.dead_man_ns)
                if call is not None:
                    self.manager.calls.append(call)

    # --- robots -----------------------------------------------------------------------------------

    def _follow_robot(self, life: RobotLife) -> None:
        # From its beginning: that is where it names its instruments.
        reader = JournalReader(life.journal)
        self.robots[life.number] = (life, reader)
        self._waiter.add(reader)

    def _take_requests(self) -> None:
        now = self._venue_now()
        for life, reader in self.robots.values():
            first = last = 0
            while (raw := reader.next_raw()) is not None:
                kind, _, sequence, _, stream, payload = raw
                if kind == _INSTRUMENT:
                    life.symbols[stream] = msgspec.msgpack.decode(payload)["symbol"]
                elif kind == _ORDER_REQUEST and sequence > life.taken:
                    first, last = first or sequence, sequence
                    self._request_of_robot(life, stream, payload, now)
            if last:
                self.tape.take(life, _uuid_bytes(reader.core.uuid), first, last, 0, self._now())
        self._carry_out()

    def _request_of_robot(self, life: RobotLife, stream: int, payload: bytes, now: int) -> None:
        _, kind, order_id, spec, denied = request_of(payload, life.symbols[stream])
        if denied:
            return
        known = self.manager.by_robot.get((life.number, order_id))
        if kind is RequestKind.PLACE:
            if known is not None:
                return
            request = Request(life.number, kind, order_id, spec)
            name = life.client_id(order_id)
            refusal = self.gate.refusal(spec, now)
            if len(name) > self.protocol.client_id_chars:
                # Many lives of a robot, or many orders: a new name begins anew.
                chars = self.protocol.client_id_chars
                refusal = Refusal.of(OrderInvalid, f"the id {name} has more than {chars} letters")
            if refusal is None:
                self.manager.submit(name, request, now)
            else:
                self.manager.deny(name, request, now, refusal.code, refusal.reason)
        elif known is not None:
            if kind is RequestKind.CANCEL:
                self.manager.cancel(known, now)
            else:
                self.manager.amend(known, now, price=spec.price_int, size=spec.size_int)

    def attach(self, name: str, journal: str) -> dict[str, Any]:
        """A robot begins a life: its number, and where its order ids begin."""
        known = next((r for r in self.tape.robots.values() if r.name == name), None)
        number = known.number if known else len(self.tape.robots) + 1
        if number > ROBOTS_MAX:
            return {"error": f"more than {ROBOTS_MAX} robots"}
        if number in self.robots:
            self.robots.pop(number)[1].close()
        life = RobotLife(number, name, known.epoch + 1 if known else 1, journal)
        self.tape.attach(life, self._now())
        return {
            "robot": number,
            "base": life.base,
            "journal": str(gateway_journal(self.home, self.options.account)),
            "balances": {name: str(money(total)) for name, total in self._money()},
            "hedge": bool(self.manager.mode and self.manager.mode.hedge),
        }

    def _money(self) -> list[tuple[str, int]]:
        """What a robot can trade with: all that its instruments settle in, and coins of spot."""
        names = dict.fromkeys(i.settle for i in self.instruments)
        names |= dict.fromkeys(i.base for i in self.instruments if i.kind is Kind.SPOT)
        balances = self.manager.balances
        return [(name, balances[name][0]) for name in names if name in balances]

    def follow(self, number: int) -> dict[str, Any]:
        """The robot's journal is there: from now on its requests are taken."""
        self._follow_robot(self.tape.robots[number])
        self._watch.look()
        return {}

    # --- the market: a sink -----------------------------------------------------------------------

    def quote(
        self, stream: int, ts_event: int, bid: int, ask: int, bid_size: int, ask_size: int,
        update_id: int,
    ) -> None:  # fmt: skip
        self._quote(stream, self._received, ts_event, bid, ask, bid_size, ask_size)
        self.manager.references[self.instruments[stream - 1].symbol] = (bid + ask) // 2
        del update_id

    def trade(
        self, stream: int, ts_event: int, price: int, size: int, side: Side, trade_id: int
    ) -> None:
        payload = TRADE.pack(ts_event, self._received, price, size, trade_id, 0, side.id, 1)
        self._append(_TRADE, payload, 0, stream, self._received)

    def mark(self, stream: int, ts_event: int, mark: int, index: int) -> None:
        payload = MARK.pack(ts_event, self._received, mark, index)
        self._append(_MARK, payload, 0, stream, self._received)

    # --- connections ------------------------------------------------------------------------------

    async def _follow_market(self, stream: MarketStream) -> None:
        def take(message: bytes) -> None:
            self._received = time.time_ns()
            self.market.take(message)

        failures = 0
        while True:
            began = time.monotonic()
            with contextlib.suppress(OSError, picows.WSError, TimeoutError):
                await connected(stream.url, stream.hello, take)
            failures = 0 if time.monotonic() - began > 10 else failures + 1
            name = stream.url.partition("://")[2].partition("/")[2]
            self.manager.outs.append(HealthOut("feed", name[:40], "lost", "warning"))
            await asyncio.sleep(RECONNECT_S[min(failures, len(RECONNECT_S) - 1)])

    async def _follow_account(self) -> None:
        failures = 0
        while True:
            began = time.monotonic()
            try:
                call = self.venue.stream_key(self._venue_now())
                answer = await self._ask(call)
                if answer.value:
                    await self._hear_account(self.venue.account_stream(answer.value))
                elif answer.outcome is Outcome.DEFINITIVE:
                    if not self.reconciled.is_set():
                        # Wrong keys: asked again and again, a venue locks their owner out.
                        self.refused = VenueRejected(
                            f"the venue refuses this account: {answer.text}",
                            where=self.options.rest,
                        )
                        self.stopping.set()
                        return
                    sys.stderr.write(f"gateway: the venue refuses: {answer.text}\n")
            except (OSError, aiohttp.ClientError, picows.WSError, TimeoutError):
                pass
            if self._stream_up:
                self._stream_up = self.gate.ready = False
                out = HealthOut("account stream", self.options.account, "lost", "warning")
                self.manager.outs.append(out)
            failures = 0 if time.monotonic() - began > 10 else failures + 1
            await asyncio.sleep(RECONNECT_S[min(failures, len(RECONNECT_S) - 1)])

    async def _hear_account(self, stream: AccountStream) -> None:
        """Until the connection ends, or has missed something."""

        def look() -> None:
            if stream.is_live and not self._stream_up:
                self._stream_up = True
                self.reconciler.start(self._venue_now(), "connected")
                self._carry_out()

        def take(message: bytes) -> bool:
            if not stream.is_live and time.monotonic() - began > LIVE_WITHIN_S:
                return True
            told = stream.told(message)
            self.manager.hear(told, self._venue_now())
            if stream.broken:
                sys.stderr.write(f"gateway: the account's stream: {stream.broken}\n")
            look()
            self._carry_out()
            return bool(stream.broken)

        began = time.monotonic()
        keeper = asyncio.ensure_future(self._keep_key())
        try:
            await connected(stream.url, stream.hello, take, look)
        finally:
            keeper.cancel()

    async def _keep_key(self) -> None:
        while self.venue.keep_key_s:
            await asyncio.sleep(self.venue.keep_key_s)
            await self._request(self.venue.stream_key(self._venue_now(), keep=True))

    # --- who asks ---------------------------------------------------------------------------------

    def _answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        match asked["do"]:
            case "attach":
                return self.attach(str(asked["name"]), str(asked["journal"]))
            case "follow":
                return self.follow(int(asked["robot"]))
            case "status":
                return self._status()
            case "reconcile":
                self.reconciled.clear()
                self.reconciler.start(self._venue_now(), "asked for")
                self._carry_out()
                return {}
            case "stop":
                self.stopping.set()
                return {}
            case "command":
                return self.command(
                    str(asked["id"]), str(asked["command"]), dict(asked.get("fields") or {})
                )
            case other:
                return {"error": f"unknown request {other!r}"}

    def command(self, id_: str, name: str, fields: dict[str, Any]) -> dict[str, Any]:
        """An operator's command: on the journal and on disk first, then done, once."""
        if id_ in self._commands:
            return {**self._commands[id_], "status": "duplicate"}
        answer: dict[str, Any] = {"id": id_, "status": "applied", "result": None, "error": None}
        now = self._venue_now()
        match name:
            case "kill":
                reason = str(fields.get("reason", "")) or "by the operator"
                self._note_command(id_, name, {"reason": reason})
                self.gate.killed = reason
                answer["result"] = {"canceled": self.manager.cancel_all(now)}
            case "unkill":
                self._note_command(id_, name, fields)
                self.gate.killed = ""
            case "cancel_all":
                self._note_command(id_, name, fields)
                answer["result"] = {"canceled": self.manager.cancel_all(now)}
            case "reconcile":
                self._note_command(id_, name, fields)
                self.reconciler.start(now, "asked for")
            case _:
                answer["status"] = "refused"
                answer["error"] = f"a gateway knows no command {name!r}"
        self._commands[id_] = answer
        self._carry_out()
        return answer

    def _note_command(self, id_: str, name: str, fields: dict[str, Any]) -> None:
        self.tape.command(id_, name, fields, self._now())
        self.tape.writer.ensure("disk")

    def _status(self) -> dict[str, Any]:
        return {
            "ready": self.gate.ready,
            "killed": self.gate.killed,
            "reconciling": self.reconciler.is_running,
            "rounds": self.reconciler.rounds,
            "differences": [str(d) for d in self.reconciler.differences],
            "open": len(self.manager.open),
            "unknown": len(self.manager.unknown),
            "booked": self.manager.booked,
            "counts": self.manager.counts,
            "positions": {
                f"{symbol} {side}": qty for (symbol, side), qty in self.manager.positions.items()
            },
        }


_TRADE: Final = type_id("trade")
_MARK: Final = type_id("mark")


def _uuid_bytes(value: Any) -> bytes:
    return bytes(value) if not isinstance(value, str) else bytes.fromhex(value.replace("-", ""))


def _say_ready() -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()


def main() -> int:
    """The process."""
    options = msgspec.json.decode(sys.stdin.buffer.read(), type=GatewayOptions)
    os.umask(0o077)

    async def work() -> None:
        gateway = Gateway(options)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, gateway.stopping.set)
        await gateway.run(_say_ready)

    try:
        uvloop.run(work())
    except OnetapeError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
