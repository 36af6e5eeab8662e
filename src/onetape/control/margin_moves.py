"""Moves of margin over real gateways: possible ways, moves under way, and their results."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol

from onetape.hedge.margin import InFlight, Route, Transfer
from onetape.hedge.model import LegView
from onetape.hedge.moves import NOTHING, STEP_WITHIN, Booked, Books, Margin, Move, Step, ways
from onetape.ipc.system import CommandResult
from onetape.model.errors import NotAvailable, OnetapeError, ServiceTimeout, VenueUnavailable
from onetape.model.time import SECOND
from onetape.model.typed import from_builtins
from onetape.venues.adapter import adapter_of

__all__ = ["MarginMoves", "Way"]

SEND_WITHIN_S: Final = 1.0
EVERY_S: Final = (0.05, 5.0)  # shortest and longest wait between checks of a transfer; doubled each time
WAYS_FOR: Final = 60 * SECOND  # how long the gateways' reports on ways are valid
STRANDED_EVERY_S: Final = 10.0
KEPT_MAX: Final = 1000  # operations whose moves a repeated call still returns
_LEAST: Final = "0.00000001"  # in any currency: a check needs an amount


@dataclass(frozen=True, slots=True)
class Way:
    """A way between two accounts. route: None if there is none, `why` then has the reason."""

    source: str
    target: str
    route: Route | None = None
    steps: tuple[Step, ...] = ()
    why: str = ""


class Sender(Protocol):
    async def send(
        self, account: str, command: str, fields: dict[str, Any], id_: str, within_s: float
    ) -> CommandResult: ...


class MarginMoves:
    """Carries out moves of margin. kinds: of venues, by their names; append: writes a record to the tape, as another
    event if one is named; now: ns UTC; booked: recent bookings of an account's gateway, at least up to any figures of
    it that were read."""

    def __init__(
        self,
        sender: Sender,
        kinds: Mapping[str, str],
        append: Callable[..., object],
        now: Callable[[], int],
        booked: Callable[[str], Sequence[Booked]],
    ) -> None:
        self._sender, self._kinds, self._append, self._now, self._booked = sender, kinds, append, now, booked
        self._moves: dict[str, list[Move]] = {}  # by operation
        self._ways: dict[tuple[str, str], tuple[int, Way]] = {}
        self._tasks: dict[Move, asyncio.Task[None]] = {}
        self._watches: set[asyncio.Task[None]] = set()  # for stranded money
        self._accepted: set[str] = set()  # transfers that their gateways follow

    # --- ways -------------------------------------------------------------------------------------

    async def ways(self, views: Sequence[LegView]) -> list[Way]:
        """Returns the way from each account to each other one, as far as the gateways refuse none of its steps. A way
        with a move under way is not available."""
        return [await self._way(a, b) for a in views for b in views if a.account != b.account]

    async def _way(self, source: LegView, target: LegView) -> Way:
        key, currency = (source.account, target.account), source.instrument.settle
        if currency != target.instrument.settle:
            return Way(*key, why=f"{NotAvailable.name}: they settle in different currencies")
        if source.venue != target.venue:
            return Way(*key, why=f"{NotAvailable.name}: only the operator may move money to another venue")
        if any((each.margin.source, each.margin.target) == key for each in self.under_way):
            return Way(*key, why="a transfer is under way on it")
        at, found = self._ways.get(key, (0, Way(*key)))
        if not at or self._now() - at > WAYS_FOR:
            found, is_sure = await self._found(source, key, currency)
            if is_sure:
                self._ways[key] = self._now(), found
        return found

    async def _found(self, source: LegView, key: tuple[str, str], currency: str) -> tuple[Way, bool]:
        """Returns the first way whose steps no gateway would refuse, and whether the result may be cached."""
        why, is_sure = "", True
        for steps in ways(source.venue, *key, adapter_of(self._kinds[source.venue]).outside_wallet or ""):
            for step in steps:
                refused = await self._refusal(step, currency)
                if refused is not None:
                    why, is_sure = f"{refused['name']}: {refused['message']}", refused["code"] == NotAvailable.code
                    break
            else:
                route = Route(*key, currency, STEP_WITHIN * len(steps))
                return Way(*key, route, steps), True
            if not is_sure:
                break
        return Way(*key, why=why), is_sure

    async def _refusal(self, step: Step, currency: str) -> dict[str, Any] | None:
        fields = {"currency": currency, "amount": _LEAST, "from": step.source, "to": step.target}
        answer = await self._sender.send(step.gateway, "check_transfer", fields, uuid.uuid4().hex, SEND_WITHIN_S)
        if answer.status == "timeout":
            return {"code": ServiceTimeout.code, "name": ServiceTimeout.name, "message": f"{step.gateway} is silent"}
        return answer.error

    # --- moves ------------------------------------------------------------------------------------

    @property
    def under_way(self) -> list[Move]:
        return [each for moves in self._moves.values() for each in moves if not each.is_over]

    def in_flight(self, views: Sequence[LegView]) -> list[InFlight]:
        """Returns the transfers from or to accounts, each once, as far as these figures do not include them."""
        as_of = {each.account: each.as_of for each in views}
        own = [each for each in self.under_way if as_of.keys() & {each.margin.source, each.margin.target}]
        found = [
            each.on_way(*(self._books(name, as_of) for name in (each.margin.source, each.margin.target)))
            for each in own
        ]
        return [each for each in found if each is not None]

    def _books(self, account: str, as_of: Mapping[str, int]) -> Books:
        return Books(as_of[account], self._booked(account)) if account in as_of else NOTHING

    def of(self, operation: str) -> list[Move]:
        return self._moves.get(operation, [])

    def begin(self, operation: str, transfers: Sequence[Transfer], found: Sequence[Way]) -> None:
        """Begins the moves of an operation: all are on the tape before a gateway is asked for one."""
        steps = {each.route: each.steps for each in found if each.route is not None}
        now, moves = self._now(), list[Move]()
        for number, each in enumerate(transfers, 1):
            margin = Margin(
                operation=operation,
                number=number,
                source=each.route.source,
                target=each.route.target,
                currency=each.route.currency,
                amount=each.amount,
                steps=steps[each.route],
                begun=now,
                due=now + each.route.delay,
            )
            moves.append(Move(margin))
        written = list[Move]()
        try:
            for move in moves:
                self._append(move.record)
                written.append(move)
        except (OnetapeError, OSError) as error:  # nothing has been sent: those on the tape end
            self._keep(operation, written)
            for move in written:
                self._follow(move, f"its operation could not begin: {error}")
            raise
        self._keep(operation, moves)
        for move in moves:
            self._follow(move)

    async def ended(self, operation: str) -> list[Move]:
        """Waits until the moves of an operation have ended, or are late; late ones continue."""
        moves = self.of(operation)
        tasks = [self._tasks[each] for each in moves if each in self._tasks]
        late = max((each.margin.due for each in moves), default=0) - self._now()
        if tasks and late > 0:
            await asyncio.wait(tasks, timeout=late / SECOND)
        return moves

    def resume(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Applies the records of earlier runs of the process, oldest first, and continues unfinished moves."""
        for record in records:
            operation = str(record.get("operation", ""))
            match record.get("kind"):
                case "move_begun":
                    self._keep(operation, [*self.of(operation), Move(from_builtins(record["move"], Margin))])
                case "move_stepped" | "move_settled":  # its beginning may be on a tape that was pruned since
                    for move in self.of(operation):
                        if move.margin.number == record["number"]:
                            move.take(record)
        for move in self.under_way:
            self._follow(move)
        for each in self._moves.values():
            for move in each:
                self._watch(move)

    def close(self) -> None:
        for task in (*self._tasks.values(), *self._watches):
            task.cancel()

    def _keep(self, operation: str, moves: list[Move]) -> None:
        self._moves[operation] = moves
        over = (name for name, each in self._moves.items() if all(move.is_over for move in each))
        if len(self._moves) > KEPT_MAX and (oldest := next(over, "")):
            del self._moves[oldest]

    def _follow(self, move: Move, refused: str = "") -> None:
        """Carries a move out. refused: why it ends before its first step; "": it does not."""
        self._tasks[move] = asyncio.ensure_future(self._carry_out(move, refused))
        self._tasks[move].add_done_callback(lambda _: self._tasks.pop(move, None))

    async def _carry_out(self, move: Move, refused: str) -> None:
        """Performs a step once its record is on the tape. A failure to write is retried, with an alert."""
        (pause, most), why, is_alerted = EVERY_S, refused or None, False
        while not move.is_over or is_alerted:
            index = move.index
            try:
                why = await self._step(move) if why is None and not move.is_over else why
                if why is not None:
                    self._append(record := move.stepped(self._now(), why))
                    move.take(record)
                    why = None
                if is_alerted:
                    self._say(move, "goes on", is_alert=False)
                    is_alerted = False
            except (OnetapeError, OSError) as error:
                if not is_alerted:
                    with suppress(OnetapeError, OSError):  # the tape itself may have failed
                        what = f"{move.words}, and that stands still: {type(error).__name__}: {error}"
                        self._say(move, what, is_alert=True)
                        is_alerted = True
            pause = EVERY_S[0] if move.index != index else pause
            if not move.is_over or is_alerted:
                await asyncio.sleep(pause)
                pause = min(2 * pause, most)
        self._watch(move)

    def _say(self, move: Move, state: str, *, is_alert: bool) -> None:
        subject = f"{move.margin.operation}.t{move.margin.number}"
        record = {"kind": "margin", "subject": subject, "state": state, "severity": "critical" if is_alert else None}
        self._append(record, "alert" if is_alert else "health")

    def _watch(self, move: Move) -> None:
        if move.state == "stranded" and not move.is_settled:
            self._watches.add(task := asyncio.ensure_future(self._settled(move)))
            task.add_done_callback(self._watches.discard)

    async def _settled(self, move: Move) -> None:
        """Keeps an alert until a transfer has taken the stranded money out of its wallet."""
        is_said = False
        while True:
            with suppress(OnetapeError, OSError):  # the tape itself may have failed
                if not is_said:
                    self._say(move, move.words, is_alert=True)
                    is_said = True
                answer = await self._send(move.step.gateway, "transfers", {})
                rows = answer.result["transfers"] if answer.status == "applied" else []
                if any(move.is_taken_by(row) for row in rows):
                    self._say(move, "has been moved on", is_alert=False)
                    self._append(move.settled(self._now()))
                    return
            await asyncio.sleep(STRANDED_EVERY_S)

    async def _step(self, move: Move) -> str | None:
        """Sends the step's transfer, then queries its state. Returns why it was not made, "": it was; None: it is not
        over. Money that has left waits while a gateway is unwilling, and every step waits for a gateway that has just
        started and does not know its balances yet; a late first step is queried and not sent."""
        step, facts, is_first = move.step, move.margin, not move.index and not move.is_sent
        if move.id not in self._accepted and (not is_first or self._now() < facts.due):
            terms = {"currency": facts.currency, "amount": f"{facts.amount:f}", "from": step.source, "to": step.target}
            for command in ("check_transfer", "transfer"):  # a query is not recorded, however often it is repeated
                answer = await self._send(step.gateway, command, {"id": move.id, **terms})
                if (no := answer.error) is not None:
                    is_final = is_first and no["code"] != VenueUnavailable.code
                    return f"{no['name']}: {no['message']}" if is_final else None
                if answer.status == "timeout":
                    break
            else:
                self._accepted.add(move.id)
                move.is_sent = True
        answer = await self._send(step.gateway, "transfers", {"id": move.id})
        if answer.error is not None or answer.status == "timeout":
            return None
        row = next(iter(answer.result["transfers"]), None)
        if row is None:
            return f"{step.gateway} did not take it in time" if is_first and self._now() >= facts.due else None
        self._accepted.add(move.id)
        move.is_sent = True
        if not row["is_over"]:
            return None
        self._accepted.discard(move.id)
        return "" if row["state"] == "done" else str(row["reason"] or row["state"])

    async def _send(self, gateway: str, command: str, fields: dict[str, Any]) -> CommandResult:
        return await self._sender.send(gateway, command, fields, uuid.uuid4().hex, SEND_WITHIN_S)
