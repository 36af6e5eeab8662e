"""Runs one saga over real gateways: sends its effects as commands and records, and turns journal frames into its
events."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Protocol

from onetape.control.order_tape import OrderTape
from onetape.hedge.model import LegView, Resting
from onetape.hedge.plan import Leg
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
from onetape.ipc.system import CommandResult
from onetape.model.enums import Kind, OrderState
from onetape.model.errors import BY_CODE, OnetapeError, SelfTrade, ServiceTimeout
from onetape.model.instrument import Instrument
from onetape.model.time import SECOND

__all__ = ["SagaRun", "Surroundings", "order_fields"]

GRACE: Final = SECOND  # after an order's deadline; an order missing on its gateway's tape by then never comes
SEND_WITHIN_S: Final = 1.0  # one try; the next one has the same id
CANCEL_EVERY_S: Final = 1.0
REPLY_WITHIN_S: Final = 0.1  # for an order that has ended already: the reply has its name and the reason
_LOOKS: Final = ((0.2, 0.001), (1.0, 0.005), (0.0, 0.05))  # (duration, interval) of journal checks, in seconds
_ZERO: Final = Decimal(0)


def order_fields(leg: Leg, *, rests: bool = False) -> dict[str, Any]:
    """Returns the fields of a leg's order by hand for its gateway. rests: as a passive order. On an account with
    sub-accounts a reduction is sent as a plain order: a reduce-only one by hand may only reduce the operator's part."""
    return {
        "symbol": leg.symbol,
        "side": "buy" if leg.side > 0 else "sell",
        "qty": f"{leg.qty:f}",
        "price": f"{leg.passive if rests else leg.limit:f}",
        "tif": "gtc" if rests else "ioc",
        "post_only": rests,
        "reduce_only": leg.reduces and leg.kind is not Kind.SPOT and not leg.is_shared,
    }


class Surroundings(Protocol):
    """The functions of its desk that a run uses. now: ns UTC."""

    home: Path

    def now(self) -> int: ...

    def record(self, record: dict[str, Any]) -> None: ...

    def look(self, goal: Goal) -> list[LegView]: ...

    def instrument(self, goal: Goal, leg: Leg) -> Instrument: ...

    def price_of(self, coin: str, currency: str) -> Decimal: ...

    def met(self, goal: Goal, leg: Leg) -> Resting | None:
        """Returns the order of ours on another account that a leg would match now; None: there is none."""

    async def send(
        self, account: str, command: str, fields: dict[str, Any], id_: str, within_s: float
    ) -> CommandResult: ...


class SagaRun:
    """Runs one saga over real gateways. reported: the answer to the caller; over: the saga has ended, or is stopped
    until the process resumes it; stopping: the operator ends it."""

    def __init__(self, desk: Surroundings, saga: Saga) -> None:
        self.saga = saga
        self.reported: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.over = asyncio.Event()
        self.stopping = asyncio.Event()
        self.fault: BaseException | None = None
        self._desk = desk
        self._tapes: dict[str, OrderTape] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: list[asyncio.TimerHandle] = []
        self._names: dict[int, str] = {}  # client ids, by attempt
        self._traded: dict[int, int] = {}  # by closed attempt, at the last check
        self._earlier = len(saga.attempts)  # attempts of an earlier run: only their gateways know their results

    def begin(self, effects: list[Effect]) -> None:
        self._do(effects)

    def stop(self) -> None:
        """Ends the saga for the operator. If a fault has stopped the run, its successor ends it."""
        self.stopping.set()
        self._do(self.saga.stop(self._desk.now()))

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        for timer in self._timers:
            timer.cancel()
        for tape in self._tapes.values():
            tape.close()

    # --- effects ----------------------------------------------------------------------------------

    def _do(self, effects: list[Effect]) -> None:
        loop = asyncio.get_running_loop()
        if self.fault is not None:  # another run continues from the records, which have a gap
            return
        try:
            for effect in effects:
                match effect:
                    case Write(record):
                        self._desk.record(record)
                    case Place(attempt):
                        self._spawn(self._follow(attempt))
                    case Cancel(attempt):
                        self._spawn(self._cancel(attempt))
                    case Look():
                        self._spawn(self._look())
                    case Wake(at):
                        after = max(at - self._desk.now(), 0) / SECOND
                        self._timers.append(loop.call_later(after, lambda: self._spawn(self._passed())))
                    case Report(outcome):
                        if not self.reported.done():
                            self.reported.set_result(outcome)
                    case End():
                        self.over.set()
                        loop.call_soon(self.close)  # called from one of its own tasks
        except (OnetapeError, OSError) as error:  # no record, no order: it resumes from its records
            self._failed(error)

    def _failed(self, error: BaseException) -> None:
        self.fault = error
        if not self.reported.done():
            self.reported.set_exception(error)
        self.over.set()
        self.close()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failed(error)

    async def _look(self) -> None:
        for attempt in self.saga.attempts:  # a fill may come after an order has ended
            # An order without later fills is as it was closed.
            placed = self._tape(attempt.leg.account).order(self._id(attempt)) if attempt.is_closed else None
            if placed is not None and self._traded.get(attempt.number) != placed.order.filled:
                self._traded[attempt.number] = placed.order.filled
                fills, now = self._fills(attempt), self._desk.now()
                self._do(self.saga.closed(attempt.number, fills, now, why=attempt.why, code=attempt.code))
        try:
            views = self._desk.look(self.saga.goal)
        except OnetapeError:  # while an account's gateway restarts nothing is found: the next check may
            views = []
        self._do(self.saga.looked(views, self._desk.now()))

    async def _passed(self) -> None:
        self._do(self.saga.passed(self._desk.now()))

    # --- one attempt ------------------------------------------------------------------------------

    def _id(self, attempt: Attempt) -> str:
        return f"{self.saga.goal.operation}.{attempt.number}"

    def _tape(self, account: str) -> OrderTape:
        if (tape := self._tapes.get(account)) is None:
            tape = self._tapes[account] = OrderTape(self._desk.home, account, self.saga.goal.cursors.get(account, 0))
        return tape

    def _fills(self, attempt: Attempt) -> Fills:
        tape = self._tape(attempt.leg.account)
        placed = tape.order(self._id(attempt))
        name = self._names.get(attempt.number) or attempt.fills.order
        instrument = self._desk.instrument(self.saga.goal, attempt.leg)
        if placed is None:
            return Fills(name)
        return placed.fills(
            name, instrument, tape.currencies(placed), lambda coin: self._desk.price_of(coin, instrument.settle)
        )

    async def _follow(self, attempt: Attempt) -> None:
        """Sends an order and follows its gateway's journal until it has ended, or can no longer be placed."""
        tape, number, id_ = self._tape(attempt.leg.account), attempt.number, self._id(attempt)
        sending = asyncio.ensure_future(self._send(attempt))
        filled, clock = _ZERO, asyncio.get_running_loop().time
        begun = clock()
        try:
            while True:
                placed, now = tape.order(id_), self._desk.now()
                order = placed.order if placed is not None else None
                if order is not None and order.state.is_final:
                    await asyncio.wait({sending}, timeout=REPLY_WITHIN_S)
                    code, why = sending.result() if sending.done() else (0, "")
                    code = code or order.code
                    if order.state is OrderState.FILLED:
                        code, why = 0, ""
                    elif not why:
                        why = BY_CODE[code].name if code in BY_CODE else "the market did not fill the rest at its limit"
                    self._do(self.saga.closed(number, self._fills(attempt), self._desk.now(), why=why, code=code))
                    return
                if order is not None and order.filled and (fills := self._fills(attempt)).base != filled:
                    filled = fills.base
                    self.saga.progress(number, fills, now)
                if order is None:
                    code, why = sending.result() if sending.done() else (0, "")
                    if why or now > attempt.until + GRACE:
                        why = why or "it did not reach its gateway in time"
                        code = code or ServiceTimeout.code
                        self._do(self.saga.closed(number, Fills(), now, why=why, code=code))
                        return
                age = clock() - begun
                await asyncio.sleep(next(every for most, every in _LOOKS if age < most or not most))
        finally:
            sending.cancel()

    async def _send(self, attempt: Attempt) -> tuple[int, str]:
        """Sends an order until there is an answer: the gateway does not place late ones, but reports the name of an
        existing order, which a cancel needs. Returns the refusal; "": none."""
        is_new = attempt.number > self._earlier and not attempt.rests_until  # a resting order takes no liquidity
        if is_new and (met := self._desk.met(self.saga.goal, attempt.leg)) is not None:
            return SelfTrade.code, f"it would trade with our own order {met.order} of {met.account} at {met.price}"
        fields = {**order_fields(attempt.leg, rests=bool(attempt.rests_until)), "until_ns": attempt.until}
        answer = None
        while answer is None or answer.status == "timeout":
            answer = await self._desk.send(attempt.leg.account, "place", fields, self._id(attempt), SEND_WITHIN_S)
        if answer.error is not None:
            return int(answer.error["code"]), str(answer.error["message"])
        for row in (answer.result or {}).get("orders", ()):
            self._names[attempt.number] = row["client_id"]
            return int(row.get("code") or 0), str(row.get("reason") or "")
        return 0, ""

    async def _cancel(self, attempt: Attempt) -> None:
        """Cancels an order, repeatedly: a venue may refuse a cancel, or receive the order only later."""
        tries = 0
        while not self.over.is_set() and not attempt.is_closed:
            answered = False
            if name := self._names.get(attempt.number):
                id_ = f"{self._id(attempt)}.cancel{tries or ''}"
                answer = await self._desk.send(attempt.leg.account, "cancel", {"order": name}, id_, SEND_WITHIN_S)
                answered = answer.status != "timeout"
                tries += answered
            await asyncio.sleep(CANCEL_EVERY_S if answered else 0.05)
