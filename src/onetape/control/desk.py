"""Carries operations out over the accounts' gateways: plans, asks the gateways for refusals, runs the saga, reports the
result.

A symbol has one operation at a time. Records of a saga are on the process's tape before its orders are sent; after a
kill it continues from them.
"""

from __future__ import annotations

import asyncio
import sys
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from onetape.control.call import Call, Handler
from onetape.control.desk_replies import (
    Asking,
    Came,
    bound_of,
    delta_reply,
    hedge_reply,
    moves_reply,
    number,
    rebalance_reply,
)
from onetape.control.margin_moves import MarginMoves
from onetape.control.order_tape import next_sequence
from onetape.control.saga_run import SagaRun, order_fields
from onetape.hedge.margin import Transfer
from onetape.hedge.model import LegView, Resting
from onetape.hedge.moves import Booked
from onetape.hedge.plan import Leg, Plan, Terms, hedge_plan, least_of, legs_plan, middle, nearest, plan_change
from onetape.hedge.saga import BANDS_MAX, PACE, Effect, Goal, Outcome, Saga
from onetape.hedge.utilization import Rebalance, Target, rebalance
from onetape.hedge.working import SCHEDULED, Work
from onetape.ipc.system import CommandResult, IPCCommandSystem
from onetape.model.errors import (
    BadInput,
    DeltaDeviationExceeded,
    DuplicateCommand,
    HedgeFailed,
    MarketDataUnavailable,
    OnetapeError,
    PriceBand,
    ProxyFailed,
    ServiceTimeout,
)
from onetape.model.instrument import Instrument
from onetape.model.time import MINUTE, MS, SECOND
from onetape.web.control_models import (
    DeltaControl,
    DeltaControlReply,
    HedgeExecute,
    HedgeReply,
    MarginMove,
    RebalanceReply,
    UtilizationRebalance,
    Worked,
)
from onetape.web.refusals import NotServed

__all__ = ["Desk", "Gate", "LegSource", "Tape"]

CONTROL_WITHIN: Final = 30 * SECOND  # time limit of a delta control, whose request has none
TRADES_WITHIN: Final = 5 * MINUTE  # history of a market whose volume an algorithm follows
CONTROL_SLIPPAGE: Final = Decimal("0.005")  # slippage of a delta control, whose request has none: a hedge's default
DRY_RUN_WITHIN_S: Final = 2.0
READY_WITHIN_S: Final = 10.0  # longest wait for accounts whose margin has moved: a gateway may have restarted
END_WITHIN_S: Final = 10.0  # after which the call that ends an operation returns though orders are still open
ENDED_MAX: Final = 1000  # sagas whose outcome a repeated call still returns
REPLANS_MAX: Final = 4 + BANDS_MAX  # while gateways refuse legs
RETRY_S: Final = (1.0, 60.0)  # shortest and longest wait before a saga stopped by a fault resumes; doubled each time
_ZERO: Final = Decimal(0)


class LegSource(Protocol):
    """The part of `Views` that a desk uses."""

    @property
    def kinds(self) -> Mapping[str, str]: ...

    def refresh(self) -> None: ...

    def symbols(self) -> Any: ...

    def legs(self, symbol: str, accounts: Sequence[str]) -> list[LegView]: ...

    def booked(self, account: str) -> Sequence[Booked]: ...

    def price_of(self, coin: str, currency: str) -> Decimal: ...

    def traded(self, account: str, symbol: str, since: int) -> Decimal | None: ...


class Gate(Protocol):
    def gate(self, accounts: Sequence[str], reduces: bool) -> None:
        """Raises BlockedByRiskAlert."""


class Tape(Protocol):
    """Stores records. read: objects with the `record`, oldest first."""

    def append(self, record: dict[str, Any], event: str = "memory") -> int: ...

    def read(self) -> Iterable[Any]: ...


class Desk:
    """Carries out operations. views: current accounts; risk: the gate of alerts; tape: of the process; commands: a
    started sender; check: raises while trading is forbidden; now: ns UTC."""

    def __init__(
        self,
        views: LegSource,
        risk: Gate,
        home: Path,
        tape: Tape,
        commands: IPCCommandSystem,
        *,
        check: Callable[[], None] = lambda: None,
        now: Callable[[], int] = time.time_ns,
    ) -> None:
        self.home, self.now, self._check = home, now, check
        self._views, self._risk, self._tape, self._commands = views, risk, tape, commands
        self.moves = MarginMoves(self, views.kinds, tape.append, now, views.booked)
        self._locks: dict[str, asyncio.Lock] = {}  # by base currency
        self._runs: dict[str, SagaRun] = {}  # by operation, those running
        self._ended: dict[str, Saga] = {}  # ended operations, also of earlier runs of the process
        self._alerted: set[str] = set()  # operations with an alert, until they end
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """Returns the handlers by route."""
        return {
            "delta_control": lambda call: self.control(call.request, call.operation, call.actor),
            "hedge_execute": lambda call: self.hedge(call.request, call.operation, call.actor),
            "utilization_rebalance": lambda call: self.rebalance(call.request, call.operation, call.actor),
            "operation_end": self.end,
        }

    # --- operations -------------------------------------------------------------------------------

    async def control(self, request: DeltaControl, operation: str, actor: str) -> DeltaControlReply:
        """Brings the net delta of accounts to a target. Raises any refusal before an order is sent."""
        target, tolerance = number(request.target_delta), number(request.tolerance_percent)
        call = Asking(operation, actor, self.now(), request.symbol, tuple(dict.fromkeys(request.accounts)))
        work, within = work_of(request, call.begun), time_of(request)
        if (saga := self._of(operation)) is None:
            async with self._turn(call, request.on_busy, within) as lock:
                views = self._reliable(request.symbol, request.accounts)
                initial = sum((each.position for each in views), _ZERO)
                if abs(initial - target) <= tolerance:
                    reason = f"the net delta {initial:f} is within {tolerance:f} of the target {target:f}"
                    return delta_reply(call, request, self.now(), initial, Came(reason=reason))
                plan, checks = await self._planned(partial(plan_change, change=target - initial), views)
                errors = self._gated(request.accounts, reduces=abs(plan.expected) < abs(initial))
                deviation = abs(plan.expected - target)
                if not plan.legs or deviation > number(request.max_deviation):
                    errors.append(_unborne(plan, views, DeltaDeviationExceeded))
                errors += self._unworkable(plan, work, call.begun)
                if request.dry_run:
                    return delta_reply(call, request, self.now(), initial, Came(plan, checks, errors, work=work))
                _raise_first(errors)
                work = work_of(request, call.begun, self.now())
                saga = self._begin(call, plan, views, CONTROL_SLIPPAGE, within, work, lock=lock)
        outcome = await self._outcome(operation, saga)
        initial = sum(saga.goal.positions.values(), _ZERO)
        return delta_reply(call, request, self.now(), initial, Came(saga=saga, outcome=outcome))

    async def hedge(self, request: HedgeExecute, operation: str, actor: str) -> HedgeReply:
        """Hedges an amount. Raises any refusal before an order is sent."""
        accounts = request.target_accounts or self._having(request.symbol)
        call = Asking(operation, actor, self.now(), request.symbol, tuple(dict.fromkeys(accounts)))
        amount, slippage = number(request.hedge_amount), number(request.max_slippage)
        side = {"buy": 1, "sell": -1, None: 0}[request.side]
        work, within = work_of(request, call.begun), time_of(request)
        if (saga := self._of(operation)) is None:
            async with self._turn(call, request.on_busy, within) as lock:
                views = self._reliable(request.symbol, accounts)

                strategy, parallel = request.hedge_strategy, request.parallel
                plan_of = partial(hedge_plan, amount=amount, strategy=strategy, side=side, parallel=parallel)
                plan, checks = await self._planned(plan_of, views, slippage)
                errors = self._gated(accounts, reduces=abs(plan.expected) < abs(plan.before))
                if not plan.legs or abs(plan.missing) >= least_of(views):
                    errors.append(_unborne(plan, views, HedgeFailed))
                errors += self._unworkable(plan, work, call.begun)
                if request.dry_run:
                    bound = bound_of(request, plan.before, plan.change)
                    return hedge_reply(call, self.now(), Came(plan, checks, errors, work=work, reason=bound))
                _raise_first(errors)
                work = work_of(request, call.begun, self.now())  # its time begins with its turn
                saga = self._begin(call, plan, views, slippage, within, work, lock=lock)
        outcome = await self._outcome(operation, saga)
        bound = bound_of(request, sum(saga.goal.positions.values(), _ZERO), saga.wanted)
        return hedge_reply(call, self.now(), Came(saga=saga, outcome=outcome, reason=bound), slippage)

    async def rebalance(self, request: UtilizationRebalance, operation: str, actor: str) -> RebalanceReply:
        """Brings utilisations to a target and keeps the net delta. Raises any refusal before an order is sent."""
        call = Asking(operation, actor, self.now(), request.symbol, tuple(dict.fromkeys(request.accounts)))
        cap = request.max_rebalance_amount
        target = Target(
            Fraction(repr(request.target_utilization)),
            Fraction(repr(request.tolerance_percent)),
            None if cap is None else Fraction(repr(cap)),
        )
        work, within = work_of(request, call.begun), time_of(request)
        if (saga := self._of(operation)) is None:
            async with self._turn(call, request.on_busy, within) as lock:
                found, margin, refusals = await self._balanced(call, request, target)
                moves = self.moves.of(operation)
                if moves and any(each.state != "arrived" for each in moves):
                    return rebalance_reply(call, request, self.now(), found, Came(moves=moves))
                if not found.trades:
                    net = sum((each.position for each in self._legs(request.symbol, request.accounts)), _ZERO)
                    came = Came(Plan(before=net) if refusals else None, {}, refusals, moves=moves, margin=margin)
                    return rebalance_reply(call, request, self.now(), found, came)
                moved = self.now() - call.begun if moves else 0
                views = self._reliable(request.symbol, request.accounts)
                trades = {name: Decimal(each.numerator) / each.denominator for name, each in found.trades.items()}
                plan, checks = await self._planned(partial(legs_plan, trades=trades), views)
                errors = refusals or self._gated(request.accounts, reduces=plan.reduces)
                if not plan.legs:
                    errors.append(_unborne(plan, views, HedgeFailed))
                errors += self._unworkable(plan, work, call.begun)
                if request.dry_run:
                    came = Came(plan, checks, errors, margin=margin, work=work)
                    return rebalance_reply(call, request, self.now(), found, came)
                _raise_first(errors)
                work = work_of(request, call.begun + moved, self.now())
                saga = self._begin(call, plan, views, CONTROL_SLIPPAGE, within + moved, work, lock=lock)
        outcome = await self._outcome(operation, saga)
        views = self._legs(request.symbol, request.accounts)
        found = rebalance(views, target, now=self.now())
        unknown = {each.account: why for each in views if (why := _unjudged(each))}
        came = Came(saga=saga, outcome=outcome, moves=self.moves.of(operation), unknown=unknown)
        return rebalance_reply(call, request, self.now(), found, came)

    async def _balanced(
        self, call: Asking, request: UtilizationRebalance, target: Target
    ) -> tuple[Rebalance, list[MarginMove], list[OnetapeError]]:
        """Returns the trades, after margin that is to move has arrived, or is late; for a dry run the transfers,
        missing routes, and the refusals of transfers."""
        ways = await self.moves.ways(self._reliable(call.symbol, call.accounts)) if request.transfers else []
        target = replace(target, routes=tuple(each.route for each in ways if each.route is not None))

        def found_now(target: Target) -> Rebalance:
            views = self._reliable(call.symbol, call.accounts)
            for each in views:
                if why := _unjudged(each):
                    raise ProxyFailed(why, location=each.account, todo="wait for it, or leave the account out")
            return rebalance(views, target, self.moves.in_flight(views), self.now())

        found = found_now(target)
        wants = {each.account: each.action for each in found.actions}
        margin = [
            MarginMove(source=each.source, target=each.target, state="unavailable", reason=each.why)
            for each in ways
            if each.route is None and (wants[each.source], wants[each.target]) == ("increase", "decrease")
        ]
        refusals = self._gated(call.accounts, reduces=False) if found.transfers and request.dry_run else []
        if request.dry_run:
            margin += [
                MarginMove(
                    source=each.route.source,
                    target=each.route.target,
                    currency=each.route.currency,
                    amount=float(each.amount),
                    state="planned",
                )
                for each in found.transfers
            ]
        elif found.transfers and not self.moves.of(call.operation):
            _raise_first(self._gated(call.accounts, reduces=False))
            self._check()
            self.moves.begin(call.operation, found.transfers, ways)
        if await self.moves.ended(call.operation):
            await self._ready(call)
            found = found_now(replace(target, routes=()))
        return found, margin, refusals

    async def trade(
        self,
        symbol: str,
        accounts: Sequence[str],
        trades: Mapping[str, Decimal],
        operation: str,
        actor: str,
        *,
        slippage: Decimal = CONTROL_SLIPPAGE,
        transfers: Sequence[Mapping[str, str]] = (),
    ) -> HedgeReply:
        """Trades signed amounts of base on some of the accounts as one operation, and moves margin between them, each
        `from` one `to` another. Raises any refusal before an order is sent; DuplicateCommand if another operation runs
        on the symbol, since the amounts depend on present positions."""
        call = Asking(operation, actor, self.now(), symbol, tuple(accounts))
        if (saga := self._of(operation)) is None:
            async with self._turn(call, "refuse", CONTROL_WITHIN) as lock:
                await self._move(operation, self._legs(symbol, accounts), transfers)
                if not trades:
                    return moves_reply(call, self.now(), await self.moves.ended(operation))
                views = self._legs(symbol, accounts)
                plan, _ = await self._planned(partial(legs_plan, trades=trades), views, slippage)
                errors = self._gated(accounts, reduces=plan.reduces or abs(plan.expected) < abs(plan.before))
                if not plan.legs:
                    errors.append(_unborne(plan, views, HedgeFailed))
                _raise_first(errors)
                saga = self._begin(call, plan, views, slippage, CONTROL_WITHIN, lock=lock)
        outcome = await self._outcome(operation, saga)
        return hedge_reply(call, self.now(), Came(saga=saga, outcome=outcome), slippage)

    async def _move(self, operation: str, views: Sequence[LegView], transfers: Sequence[Mapping[str, str]]) -> None:
        if not transfers or self.moves.of(operation):
            return
        ways = await self.moves.ways(views)
        of = {(each.source, each.target): each for each in ways}
        wanted = list[Transfer]()
        for each in transfers:
            way = of[each["from"], each["to"]]
            if way.route is None:
                raise HedgeFailed(f"no margin goes from {way.source} to {way.target} now: {way.why}")
            wanted.append(Transfer(way.route, Decimal(each["amount"])))
        self._check()
        self.moves.begin(operation, wanted, ways)

    async def end(self, call: Call) -> HedgeReply:
        """Ends an operation: nothing more is traded, open orders are canceled or waited for. Reports a remaining naked
        position."""
        operation, asking_at = call.path["id"], self.now()
        if (run := self._runs.get(operation)) is None:
            raise NotServed(404, f"no operation {operation!r} works", "GET /operations/{id} has its answer")
        run.stop()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._left(operation), END_WITHIN_S)
        saga = self._of(operation) or run.saga
        call_of = Asking(call.operation, call.actor, asking_at, saga.goal.symbol, tuple(saga.goal.positions))
        outcome = saga.ended or saga.outcome(self.now())
        return hedge_reply(call_of, self.now(), Came(saga=saga, outcome=outcome), saga.goal.slippage)

    async def cost(self, operation: str) -> Decimal:
        """Returns an operation's cost, quote, once it has ended; 0 if it never traded."""
        await self._left(operation)
        saga = self._ended.get(operation)
        return saga.cost if saga is not None else _ZERO

    async def _left(self, operation: str) -> None:
        """Waits until an operation has ended."""
        while (run := self._runs.get(operation)) is not None:
            await run.over.wait()
            await asyncio.sleep(0.05)  # until it is stored, or resumes after a fault

    def has_begun(self, operation: str) -> bool:
        """Tells whether an operation has sent anything, or is about to, also in an earlier run of the process."""
        return self._of(operation) is not None or bool(self.moves.of(operation))

    def is_busy(self, base: str) -> bool:
        """Tells whether an operation runs on a base currency."""
        return base in self._locks and self._locks[base].locked()

    async def resume(self) -> None:
        """Resumes the sagas and moves of margin that an earlier run of the process left open."""
        self.moves.resume(each.record for each in self._tape.read())
        for of in self._records().values():
            if (saga := Saga.of(of)) is None or saga.is_over:
                if saga is not None:
                    self._keep(saga)
                continue
            self._spawn(self._resumed(self._run(saga)))  # of two on one symbol only the second waits

    async def close(self) -> None:
        """Stops; running operations are resumed by the next run of the process."""
        for run in self._runs.values():
            run.close()
        for task in self._tasks:
            task.cancel()
        self.moves.close()

    # --- one operation ----------------------------------------------------------------------------

    def _of(self, operation: str) -> Saga | None:
        """Returns the saga of an operation begun by an earlier run of the process, or an earlier call."""
        run = self._runs.get(operation)
        return run.saga if run is not None else self._ended.get(operation)

    @asynccontextmanager
    async def _turn(self, call: Asking, on_busy: str, within: int) -> AsyncIterator[asyncio.Lock]:
        """Waits until no other operation runs on the symbol, within ns of the call. Raises DuplicateCommand if waiting
        is not wanted, or takes longer."""
        self._views.refresh()
        base = next(iter(self._views.symbols().on(call.symbol, call.accounts).values())).base
        lock = self._locks.setdefault(base, asyncio.Lock())
        if lock.locked() and on_busy == "refuse":
            raise DuplicateCommand(f"another operation is on {base}", todo="wait for its end, or set onBusy=wait")
        try:
            async with asyncio.timeout(max(call.begun + within - self.now(), 0) / SECOND):
                await lock.acquire()
        except TimeoutError:
            what = f"another operation ran on {base} for the whole {within / SECOND:g} s"
            raise DuplicateCommand(what, todo="nothing was sent: wait for its end, then call again") from None
        try:
            yield lock
        finally:
            if call.operation not in self._runs:  # else it is free once that has ended
                lock.release()

    def _begin(
        self,
        call: Asking,
        plan: Plan,
        views: Sequence[LegView],
        slippage: Decimal,
        within: int,
        work: Work | None = None,
        *,
        lock: asyncio.Lock,
    ) -> Saga:
        """Begins a saga; its symbol is released when it has ended, even if the caller was answered before."""
        self._check()  # a stop may have come while it waited for its turn
        now = self.now()
        goal = Goal(
            operation=call.operation,
            symbol=call.symbol,
            base=views[0].instrument.base,
            plan=plan,
            bearers=plan.bearers,
            positions={each.account: each.position for each in views},
            least=least_of(views),
            slippage=slippage,
            begun=now,
            deadline=call.begun + within,
            cursors={each.account: next_sequence(self.home, each.account) for each in views},
            work=work,
            utilizations={each.account: float(each.utilization) for each in views},
        )
        run = self._run(Saga(goal))
        self._spawn(self._released(run, lock, run.saga.begin(now)))
        return run.saga

    def _run(self, saga: Saga) -> SagaRun:
        """Makes a run; if its answer leaves a naked position, an alert lasts until the operation has ended."""
        run = self._runs[saga.goal.operation] = SagaRun(self, saga)

        def answered(reported: asyncio.Future[Outcome]) -> None:
            if reported.cancelled() or reported.exception() or not (found := reported.result()).naked or found.is_over:
                return
            why = f": {found.why}" if found.why else ""
            self._say(saga.goal.operation, f"goes on, {found.naked:+f} is still naked{why}", is_alert=True)

        run.reported.add_done_callback(answered)
        return run

    async def _resumed(self, run: SagaRun) -> None:
        lock = self._locks.setdefault(run.saga.goal.base, asyncio.Lock())
        await lock.acquire()
        await self._released(run, lock, run.saga.resume(self.now()))

    async def _released(self, run: SagaRun, lock: asyncio.Lock, effects: list[Effect]) -> None:
        """Releases the symbol for the next operation when a saga has ended, or is not resumed."""
        operation = run.saga.goal.operation
        try:
            run.begin(effects)
            await self._over(run)
            if operation in self._alerted:
                self._alerted.remove(operation)
                self._say(operation, "has ended", is_alert=False)
        finally:
            left = self._runs.pop(operation)
            left.close()
            if left.saga.is_over:
                self._keep(left.saga)
            lock.release()

    async def _over(self, run: SagaRun) -> None:
        """Waits until a saga has ended. If a fault of ours or of the disk stops it, it resumes from its records, as
        after a restart, with an alert meanwhile."""
        operation, (pause, most) = run.saga.goal.operation, RETRY_S
        await run.over.wait()
        fault = run.fault
        while not run.saga.is_over:
            what = f"stands still, {run.saga.naked:+f} is naked: {type(fault).__name__}: {fault}"
            self._say(operation, what, is_alert=True)
            await _paused(run, pause)
            pause = min(2 * pause, most)
            try:
                saga = Saga.of(self._records().get(operation, []))  # read now: others may have been written meanwhile
            except (OnetapeError, OSError) as error:
                fault = error
                continue
            if saga is None:  # its beginning is not on the tape, and nothing was sent
                return
            stopped, run = run, self._run(saga)
            if saga.is_over:
                return
            if stopped.stopping.is_set():
                run.stop()
            run.begin(saga.resume(self.now()))
            await run.over.wait()
            fault = run.fault

    def _say(self, operation: str, state: str, *, is_alert: bool) -> None:
        sys.stderr.write(f"hedge {operation} {state}\n")
        self._alerted |= {operation} if is_alert else set()
        severity = "critical" if is_alert else None
        record = {"kind": "hedge", "subject": operation, "state": state, "severity": severity}
        with suppress(OnetapeError, OSError):  # the tape itself may have failed
            self._tape.append(record, "alert" if is_alert else "health")

    def _records(self) -> dict[str, list[dict[str, Any]]]:
        """Reads the records of all sagas on the tape, by operation."""
        found: dict[str, list[dict[str, Any]]] = {}
        for each in self._tape.read():
            if str(each.record.get("kind", "")).startswith("saga_"):
                found.setdefault(str(each.record["operation"]), []).append(each.record)
        return found

    def _keep(self, saga: Saga) -> None:
        self._ended[saga.goal.operation] = saga
        if len(self._ended) > ENDED_MAX:
            del self._ended[next(iter(self._ended))]

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _outcome(self, operation: str, saga: Saga) -> Outcome:
        run = self._runs.get(operation)
        if run is not None:
            return await asyncio.shield(run.reported)
        assert saga.ended is not None
        return saga.ended

    async def _planned(
        self, plan_of: Callable[..., Plan], views: Sequence[LegView], slippage: Decimal = CONTROL_SLIPPAGE
    ) -> tuple[Plan, Mapping[Leg, list[dict[str, Any]]]]:
        """Returns a plan whose legs no gateway would refuse, and the gateways' checks. An account whose price band the
        slippage exceeds gets half of it, repeatedly; an account whose gateway would refuse for another reason is left
        out."""
        usable, halvings = list(views), Counter[str]()
        for _ in range(REPLANS_MAX):
            plan = plan_of(usable, terms=Terms(now=self.now(), slippage=slippage, halvings=dict(halvings)))
            found = await asyncio.gather(*(self._checked(leg) for leg in plan.legs))
            refusals = {leg.account: (code, why) for leg, (_, code, why) in zip(plan.legs, found, strict=True) if why}
            if not refusals:
                break
            beyond = {each for each, (code, _) in refusals.items() if code == PriceBand.code}
            beyond = {each for each in beyond if halvings[each] < BANDS_MAX}
            halvings.update(dict.fromkeys(beyond, 1))
            usable = [
                replace(each, refusal=refusals[each.account][1])
                if each.account in refusals and each.account not in beyond
                else each
                for each in usable
            ]
        else:
            plan, found = plan_of(usable, terms=Terms(now=self.now(), slippage=slippage, halvings=dict(halvings))), []
        return plan, {leg: checks for leg, (checks, _, _) in zip(plan.legs, found, strict=False)}

    async def _checked(self, leg: Leg) -> tuple[list[dict[str, Any]], int, str]:
        """Returns the checks of a leg's gateway, with number and text of its refusal; 0, "": none."""
        answer = await self.send(leg.account, "check_order", order_fields(leg), uuid.uuid4().hex, DRY_RUN_WITHIN_S)
        if answer.error is not None:
            return [], int(answer.error["code"]), f"its gateway refuses: {answer.error['message']}"
        checks: list[dict[str, Any]] = (answer.result or {}).get("checks", [])
        broken = next((each for each in checks if not each["passed"]), None)
        if broken is None:
            return checks, 0, ""
        return checks, int(broken["code"]), f"its gateway refuses: {broken['reason']}"

    def _gated(self, accounts: Sequence[str], *, reduces: bool) -> list[OnetapeError]:
        """Returns the reasons against trading on the accounts: a stop of the system, an alert."""
        errors = []
        for check in (self._check, partial(self._risk.gate, accounts, reduces)):
            try:
                check()
            except OnetapeError as error:
                errors.append(error)
        return errors

    def _unworkable(self, plan: Plan, work: Work | None, begun: int) -> list[OnetapeError]:
        """Returns why no algorithm can work a plan's legs."""
        if work is None:
            return []
        largest, errors = max((float(each.base) for each in plan.legs), default=0.0), list[OnetapeError]()
        if work.clip:
            errors += _clips(largest, float(work.clip), work.until - begun)
        since = begun // MINUTE * MINUTE - TRADES_WITHIN
        for leg in [plan.legs[n] for n in plan.leading] if work.participation else []:
            if self._views.traded(leg.account, leg.symbol, since) is None:
                what = f"the traded volume of {leg.symbol} is unknown: no trade for {TRADES_WITHIN // MINUTE} min"
                errors.append(MarketDataUnavailable(what, location=leg.account, todo="set another algo"))
        return errors

    def _legs(self, symbol: str, accounts: Sequence[str]) -> list[LegView]:
        self._views.refresh()
        return self._views.legs(symbol, list(dict.fromkeys(accounts)))

    def _reliable(self, symbol: str, accounts: Sequence[str]) -> list[LegView]:
        """Returns the legs of accounts whose net delta is to be changed. Raises ProxyFailed if one is not reliable: its
        position is part of the net delta, too."""
        views = self._legs(symbol, accounts)
        for each in views:
            if each.unfit:
                raise ProxyFailed(each.unfit, location=each.account, todo="wait for it, or leave the account out")
        return views

    async def _ready(self, call: Asking) -> None:
        """Waits until the legs are reliable, at most for the time of a gateway's restart."""
        until = self.now() + int(READY_WITHIN_S * SECOND)
        while any(each.unfit for each in self._legs(call.symbol, call.accounts)) and self.now() < until:
            await asyncio.sleep(0.05)

    def _having(self, symbol: str) -> list[str]:
        self._views.refresh()
        return [account for account, each in self._views.symbols().of(symbol).items() if each is not None]

    # --- helpers of sagas -------------------------------------------------------------------------

    def record(self, record: dict[str, Any]) -> None:
        self._tape.append(record)

    def look(self, goal: Goal) -> list[LegView]:
        views = self._legs(goal.symbol, list(goal.positions))
        if goal.work is None or not goal.work.participation:
            return views
        leads = {goal.plan.legs[n].account for n in goal.plan.leading}
        return [
            replace(each, traded=self._views.traded(each.account, each.instrument.symbol, goal.begun))
            if each.account in leads
            else each
            for each in views
        ]

    def instrument(self, goal: Goal, leg: Leg) -> Instrument:
        return next(each.instrument for each in self._views.legs(goal.symbol, [leg.account]))

    def price_of(self, coin: str, currency: str) -> Decimal:
        return self._views.price_of(coin, currency)

    def met(self, goal: Goal, leg: Leg) -> Resting | None:
        try:
            (view,) = self._legs(goal.symbol, [leg.account])
        except OnetapeError:  # its gateway restarts, and refuses or places it by its own books
            return None
        met = nearest(view, leg.side)
        return met if met is not None and (leg.limit - met.price) * leg.side >= 0 else None

    async def send(
        self, account: str, command: str, fields: dict[str, Any], id_: str, within_s: float
    ) -> CommandResult:
        return await self._commands.send_command(
            f"gateway:{account}", command, fields, timeout=within_s, command_id=id_
        )


async def _paused(run: SagaRun, seconds: float) -> None:
    """Waits before a stopped run is resumed; ends the wait if the operator ends the operation."""
    if run.stopping.is_set():  # the tape has refused that, too
        await asyncio.sleep(seconds)
        return
    with suppress(TimeoutError):
        await asyncio.wait_for(run.stopping.wait(), seconds)


def time_of(request: Worked) -> int:
    """Returns the time limit of an operation, ns from its call on."""
    return request.timeout * MS if isinstance(request, HedgeExecute) else CONTROL_WITHIN + request.work_for * MS


def work_of(request: Worked, begun: int, now: int | None = None) -> Work | None:
    """Returns the work of an algorithm on the legs, None: they take at once. begun: of the call, now: of its turn, ns
    UTC. Reserves time to take the rest. Raises BadInput, and ServiceTimeout if no time is left."""
    if (made := _work_of(request)) is None:
        return None
    now, timeout = now or begun, time_of(request)
    until = min(now + made.until, begun + timeout - min(timeout - made.until, SECOND))
    if until <= now:
        raise ServiceTimeout("the operation began too late for its algorithm", todo="nothing was sent: call again")
    return msgspec.structs.replace(made, until=until)


def _work_of(request: Worked) -> Work | None:
    """Returns the work with its duration, ns."""
    span, timeout, profile = request.work_for, time_of(request) // MS, tuple(request.profile)
    if profile and (request.algo != "vwap" or not any(profile)):
        raise BadInput("a profile needs algo vwap, and a volume above 0", location="profile", todo="set algo to vwap")
    share = request.participation
    if request.algo == "pov" and share is None:
        raise BadInput(
            "pov needs its share of the traded volume", location="participation", todo="set it: 0.1 is a tenth"
        )
    if share is not None and request.algo not in ("pov", *SCHEDULED):
        raise BadInput(f"a participation needs algo pov, {', '.join(SCHEDULED)}", location="participation")
    if request.algo == "vwap" and not profile:
        raise BadInput("vwap needs a profile of volumes", location="profile", todo="set it, or algo to twap or pov")
    if isinstance(request, HedgeExecute) and request.maker_first:
        if request.algo != "touch" or span or request.clip is not None:
            raise BadInput(
                "makerFirst means algo peg for that time", location="makerFirst", todo="set algo and workFor alone"
            )
        return Work("peg", min(request.maker_first, timeout) * MS)
    if request.algo == "touch":
        if span or request.clip is not None:
            raise BadInput(
                "it has no effect with algo touch", location="workFor" if span else "clip", todo="set algo, too"
            )
        return None
    if not 0 < span < timeout:
        raise BadInput(f"workFor is from 1 to below the timeout of {timeout} ms, not {span}", location="workFor")
    if request.algo == "iceberg" and request.clip is None:
        raise BadInput("iceberg needs the size of its clips", location="clip", todo="set clip: base of one order")
    if request.clip is not None and isinstance(request, HedgeExecute):
        _raise_first(_clips(request.hedge_amount, request.clip, span * MS))
    return Work(request.algo, span * MS, number(request.clip or 0), profile, share or 0.0)


def _clips(amount: float, clip: float, span: int) -> list[OnetapeError]:
    """Returns why an amount cannot be worked in clips within `span` ns."""
    if amount / clip <= (most := max(span // PACE, 1)):
        return []
    return [
        BadInput(
            f"{span // MS} ms have time for at most {most} orders of one clip", location="clip", todo="set a larger one"
        )
    ]


def _unborne(plan: Plan, views: Sequence[LegView], kind: type[OnetapeError]) -> OnetapeError:
    """Makes the error of a change that the accounts cannot take."""
    whys = "; ".join(f"{account}: {why}" for account, why in plan.considered if why)
    # An account that is fit and has money is refused because of its market.
    if all(not middle(each) or (each.refusal and not each.unfit and each.equity) for each in views):
        return MarketDataUnavailable(f"no account has a market: {whys}")
    return kind(f"{plan.missing:+.12g} of {plan.change + plan.missing:+.12g} fits no account: {whys or 'too small'}")


def _unjudged(view: LegView) -> str:
    """Returns why the utilisation of an account's margin is unknown; "": it is known."""
    return view.unfit or (view.refusal if not view.equity else "")


def _raise_first(errors: Sequence[OnetapeError]) -> None:
    if errors:
        raise errors[0]
