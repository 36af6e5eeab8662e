"""Automatic mode in the control plane's process: checks accounts every interval, begins operations, and records
everything on the tape, so that it continues after a restart.

The core (hedge/auto.py) decides. A new decision is written at once, its count with the next new one; an operation that
a killed process left is begun again under its own id.
"""

from __future__ import annotations

import asyncio
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any, Final

import msgspec

from onetape.control.call import Call, Handler
from onetape.control.desk import Desk, Gate, LegSource
from onetape.control.desk_replies import number
from onetape.control.operations import Operations, Wanted
from onetape.hedge.auto import Auto, AutoSettings, Decision, Ended, Look, MarginLimits, UtilizationBand
from onetape.hedge.carry import Carry
from onetape.hedge.margin import Route
from onetape.model.errors import BadInput, BlockedByRiskAlert, HedgeFailed, OnetapeError, ServiceTimeout
from onetape.model.time import MS, SECOND
from onetape.model.typed import from_builtins
from onetape.web.control_models import UTILIZATION_BAND, AutoDecision, AutoReply, AutoState, DeltaAuto
from onetape.web.refusals import answer_of, error_reply, status_of
from onetape.web.tokens import AUTO

__all__ = ["Automatic"]

SHOWN_MAX: Final = 100  # decisions in an answer
LATE: Final = 10 * SECOND  # an operation decided longer ago is not begun any more


class Automatic:
    """Keeps net deltas at their targets, with one core for each symbol that was ever switched on. check: raises
    BlockedByRiskAlert while trading is forbidden; now: ns UTC."""

    def __init__(
        self,
        views: LegSource,
        risk: Gate,
        desk: Desk,
        operations: Operations,
        *,
        check: Callable[[], None] = lambda: None,
        now: Callable[[], int] = time.time_ns,
    ) -> None:
        self._check = check
        self._views, self._risk, self._desk, self._operations, self._now = views, risk, desk, operations, now
        self._pairs: dict[str, Auto] = {}
        self._requests: dict[str, DeltaAuto] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self._written: dict[str, dict[int, Decision]] = {}  # as written to the tape, by `at`

    @property
    def handlers(self) -> Mapping[str, Handler]:
        return {"delta_auto": self._show, "set_delta_auto": self._set}

    def is_held(self, symbol: str) -> bool:
        """Tells whether automatic mode is on for a symbol."""
        return symbol in self._pairs and self._pairs[symbol].enabled

    def look(self) -> None:
        """Checks all active symbols now, after prices have switched to another source."""
        self._wake.set()
        self._wake = asyncio.Event()

    def start(self) -> None:
        """Restores the state of earlier runs of the process and resumes."""
        for saved in self._operations.tape.read():
            self._restore(saved.record)
        for symbol, pair in self._pairs.items():
            if pair.enabled or pair.working is not None:
                self._run(symbol)

    async def close(self) -> None:
        for symbol in self._pairs:
            self._write(symbol)
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    # --- routes -------------------------------------------------------------------------------------------------------

    async def _show(self, call: Call) -> AutoReply:
        return AutoReply(pairs=[self._state(symbol) for symbol in self._pairs])

    async def _set(self, call: Call) -> AutoReply:
        """Switches a symbol on, to other settings, or off. Today's cost is kept."""
        request: DeltaAuto = call.request
        symbol, pair = request.symbol, self._pairs.get(request.symbol)
        if request.enabled:
            self._views.refresh()
            having = [name for name, each in self._views.symbols().of(symbol).items() if each is not None]
            request = msgspec.structs.replace(request, accounts=request.accounts or having)
            self._views.legs(symbol, request.accounts)  # raises for invalid accounts
            settings_of(request)
        elif pair is None:
            raise BadInput(f"automatic mode is off for {symbol}", location="symbol", todo="GET /delta/auto")
        else:
            request = msgspec.structs.replace(self._requests[symbol], enabled=False)
        now = self._now()
        record = {"kind": "auto_set", "request": msgspec.to_builtins(request), "actor": call.actor, "at": now}
        self._operations.tape.append(record)
        self._apply(request, now, call.actor)
        self._write(symbol)
        if request.enabled:
            self._run(symbol)
        return AutoReply(pairs=[self._state(symbol)])

    def _state(self, symbol: str) -> AutoState:
        pair = self._pairs[symbol]
        last = pair.records[-1]
        stop = next((each for each in reversed(pair.records) if each.action == "stop"), None)
        is_own = not pair.enabled and stop is not None and stop.code != "switched_off"
        shown = list(pair.records)[-SHOWN_MAX:]
        return AutoState(
            settings=msgspec.structs.replace(self._requests[symbol], enabled=pair.enabled),
            stopped=stop.reason if is_own and stop is not None else None,
            cost_today=float(pair.spent_on(max(self._now(), last.until))),
            decisions=[_shown(each) for each in reversed(shown)],
        )

    # --- looks --------------------------------------------------------------------------------------------------------

    def _run(self, symbol: str) -> None:
        """Checks the symbol from now on, at the current interval."""
        task = self._tasks.get(symbol)
        if task is not None and not task.done():
            if self._pairs[symbol].working is not None:
                return
            task.cancel()
        self._tasks[symbol] = asyncio.ensure_future(self._hold(symbol))
        self._tasks[symbol].add_done_callback(lambda done: self._over(symbol, done))

    def _over(self, symbol: str, task: asyncio.Task[None]) -> None:
        """Reports a failed task as a stop: no caller waits for it."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._pairs[symbol].halt(self._now(), f"a fault of ours: {type(error).__name__}: {error}", "failing")
            self._write(symbol)
            sys.stderr.write("".join(traceback.format_exception(error)))

    async def _hold(self, symbol: str) -> None:
        pair = self._pairs[symbol]
        if pair.working is not None:  # left by a killed process
            await self._carry_out(symbol, pair.working)
        while pair.enabled:
            routes = await self._routes(symbol) if self._requests[symbol].transfers else []
            found = pair.look(self._look(symbol, pair.settings, routes))
            if found.acts or found.at not in self._written.get(symbol, {}):
                with suppress(OnetapeError, OSError):  # the next look writes it, or its operation has failed
                    self._write(symbol)
            if found.acts:
                await self._carry_out(symbol, found)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), pair.settings.interval / 10**9)

    async def _routes(self, symbol: str) -> list[Route]:
        """Returns the routes on which margin may move now."""
        with suppress(OnetapeError):
            ways = await self._desk.moves.ways(self._views.legs(symbol, self._pairs[symbol].settings.accounts))
            return [each.route for each in ways if each.route is not None]
        return []

    def _look(self, symbol: str, settings: AutoSettings, routes: Sequence[Route] = ()) -> Look:
        self._views.refresh()
        blocked = _refusal(self._check)
        alert = _refusal(lambda: self._risk.gate(settings.accounts, False))
        try:
            views = self._views.legs(symbol, settings.accounts)
        except OnetapeError:  # gateways have not reported their instruments yet: each account counts as unknown
            views = []
        busy = "by another call" if views and self._desk.is_busy(views[0].instrument.base) else ""
        moving = self._desk.moves.in_flight(views)
        return Look(self._now(), views, [alert] if alert else [], moving, routes, busy, blocked)

    async def _carry_out(self, symbol: str, decision: Decision) -> None:
        """Begins an operation, or finds the one begun by an earlier run, and waits for its end."""
        pair, settings = self._pairs[symbol], self._pairs[symbol].settings
        trades = {account: float(base) for account, base in decision.trades.items()}
        wanted = Wanted(
            kind=f"delta-{AUTO}",
            name=f"delta_{AUTO}",
            actor=AUTO,
            request="",
            # Fields of the decision alone: settings may have changed when the next run finds it by its key.
            fields={"symbol": symbol, "trades": trades, "reason": decision.reason},
            key=f"{symbol}-{decision.at}",
        )

        async def work(operation: str) -> tuple[int, bytes]:
            pair.began(decision, operation)
            try:
                self._write(symbol)
                if self._now() - decision.at > LATE and not self._desk.has_begun(operation):
                    raise ServiceTimeout("decided too long ago to be begun now")
                made = await self._desk.trade(
                    symbol,
                    settings.accounts,
                    decision.trades,
                    operation,
                    AUTO,
                    slippage=settings.slippage,
                    transfers=decision.transfers,
                )
                status, reply = answer_of(made)
                return status, msgspec.json.encode(reply)
            except OnetapeError as error:
                return status_of(error), msgspec.json.encode(error_reply(error, operation))
            except OSError as fault:  # a begun operation continues from its records
                failed = HedgeFailed(f"{type(fault).__name__}: {fault}")
                return status_of(failed), msgspec.json.encode(error_reply(failed, operation))

        try:
            ended = await self._operations.run(wanted, work)
            operation, answer = ended.operation, msgspec.json.decode(ended.answer)
            error = "" if answer["success"] else str(answer.get("error") or answer.get("reason") or "it failed")
        except (OnetapeError, OSError) as fault:  # its command or its answer is not on the tape
            operation = decision.operation if pair.working is None else pair.working.operation
            error = f"{type(fault).__name__}: {fault}"
        record = {"kind": "auto_ended", "symbol": symbol, "operation": operation, "at": self._now()}
        record |= {"cost": str(await self._desk.cost(operation)), "error": error}
        self._ended(record)
        with suppress(OnetapeError, OSError):  # otherwise the next incarnation queries the operation's result
            self._operations.tape.append(record)
            self._write(symbol)

    # --- the tape -----------------------------------------------------------------------------------------------------

    def _write(self, symbol: str) -> None:
        """Writes new decisions to the tape, and earlier ones whose count has grown."""
        written, kept = self._written.get(symbol, {}), self._pairs[symbol].records
        self._written[symbol] = {each.at: written[each.at] for each in kept if each.at in written}
        for each in kept:
            if each != written.get(each.at):
                record = {"kind": "auto_decided", "symbol": symbol, "decision": msgspec.to_builtins(each)}
                self._operations.tape.append(record)
                self._written[symbol][each.at] = each

    def _restore(self, record: Mapping[str, Any]) -> None:
        match record.get("kind"):
            case "auto_set":
                request = from_builtins(record["request"], DeltaAuto)
                try:
                    self._apply(request, record["at"], record["actor"])
                except BadInput as error:  # an earlier version accepted it
                    self._pairs.pop(request.symbol, None)
                    sys.stderr.write(f"{request.symbol} is not held any more: {error}\n")
            case "auto_decided" if record["symbol"] in self._pairs:
                decision = from_builtins(record["decision"], Decision)
                self._pairs[record["symbol"]].replay(decision)
                self._written.setdefault(record["symbol"], {})[decision.at] = decision
            case "auto_ended" if record["symbol"] in self._pairs:
                self._ended(record)

    def _apply(self, request: DeltaAuto, now: int, actor: str) -> None:
        pair = self._pairs.get(request.symbol)
        self._requests[request.symbol] = request
        if not request.enabled and pair is not None:
            pair.halt(now, f"switched off by {actor}")
        elif pair is None:
            self._pairs[request.symbol] = Auto(settings_of(request), now)
        else:
            pair.change(settings_of(request), now)

    def _ended(self, record: Mapping[str, Any]) -> None:
        pair = self._pairs[record["symbol"]]
        pair.ended(Ended(record["at"], Decimal(record["cost"]), record["error"]))


def _refusal(check: Callable[[], None]) -> str:
    try:
        check()
    except BlockedByRiskAlert as error:
        return error.what
    return ""


def settings_of(request: DeltaAuto) -> AutoSettings:
    """Raises BadInput for invalid settings."""
    size, share = request.carry_size, request.target_utilization
    for name, is_said, needed, is_there in (
        ("maxRebalanceAmount", request.max_rebalance_amount is not None, "targetUtilization", share is not None),
        ("utilizationBand", request.utilization_band != UTILIZATION_BAND, "targetUtilization", share is not None),
        ("carrySize", size is not None, "carry", request.carry),
        ("transfers", request.transfers, "keepMargin", request.keep_margin),
    ):
        if is_said and not is_there:
            raise BadInput(f"it has no effect without {needed}", location=name, todo=f"set {needed}, too")
    for name, most in (("maxCost", request.max_cost), ("maxRebalanceAmount", request.max_rebalance_amount)):
        if most and not number(most):  # 0 would mean no limit
            raise BadInput(
                f"{most} has more decimals than money", location=name, todo="at least 1e-18, or leave it out"
            )
    try:
        keep = number(request.utilization_band), number(request.max_rebalance_amount or 0)
        return AutoSettings(
            symbol=request.symbol,
            accounts=tuple(request.accounts),
            target=number(request.target),
            band=number(request.band),
            interval=request.interval * MS,
            cooldown=request.cooldown * MS,
            patience=request.patience * MS,
            max_cost=number(request.max_cost or 0),
            margin=MarginLimits() if request.keep_margin else None,
            carry=Carry(size=None if size is None else number(size)) if request.carry else None,
            utilization=None if share is None else UtilizationBand(number(share), *keep),
        )
    except (ValueError, ArithmeticError) as error:
        raise BadInput(str(error), location="delta/auto") from None


def _shown(decision: Decision) -> AutoDecision:
    return AutoDecision(
        timestamp=decision.until // MS,
        action=decision.action,
        reason=decision.reason,
        count=decision.count,
        operation_id=decision.operation or None,
    )
