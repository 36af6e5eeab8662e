"""Transfers at a gateway: records, books and sends the decisions of `accounts.transfers`.

Effects are carried out one after another; a decision is as durable as a command before its request is on the wire.
Answers and readings of the venue's history come back as events.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from onetape.accounts.amounts import amount_units
from onetape.accounts.entries import Entry
from onetape.accounts.slots import Refused
from onetape.accounts.transfer_command import TRADING, CommandedAccount, TransferRequest, transfer_request
from onetape.accounts.transfers import (
    UNNAMED,
    AskHistory,
    Effect,
    Outcome,
    Place,
    Record,
    Send,
    Tell,
    Transfer,
    Transfers,
)
from onetape.gateway.account_money import AccountMoney
from onetape.gateway.arrivals import Arrivals
from onetape.ipc.system import IPCCommandSystem
from onetape.model.errors import InvalidAmount, Killed, NotAvailable, PermissionDenied, VenueUnavailable
from onetape.model.money import money, money_text
from onetape.model.sections import CONTROL, OPERATOR
from onetape.options.gateway import GatewayOptions
from onetape.orders.calls import Call, Destination, OrderProtocol, TransferRoute
from onetape.orders.managed import HealthOut
from onetape.orders.outcome import Answer
from onetape.orders.outcome import Outcome as Answered
from onetape.orders.reports import TransferReport
from onetape.venues.adapter import adapter_of

__all__ = ["Heard", "TransferDesk", "Wire", "tell_gateway"]

PAGES_MAX: Final = 100  # pages of the history per look; the next look reads more
SHOWN: Final = 100
TELL_WITHIN_S: Final = 4.0  # longest wait for another gateway's answer

# The outcomes of a transfer by its answer. `settled` is used for orders only.
_OUTCOMES: Final = {
    Answered.DONE: Outcome.DONE,
    Answered.DEFINITIVE: Outcome.REFUSED,
    Answered.SAFE: Outcome.BUSY,
    Answered.AMBIGUOUS: Outcome.LOST,
    Answered.SETTLED: Outcome.LOST,
}


# For a target that is no longer configured: its history is queried all the same.
_FORGOTTEN: Final = Destination()


class Heard(NamedTuple):
    """The reply of another gateway about money sent to it. why: why it could not be queried, or its refusal. amount: of
    the arrival, 1e-18; None: all that was sent."""

    is_booked: bool = False
    amount: int | None = None
    why: str = ""


class Tape(Protocol):
    def transfer(self, record: Mapping[str, Any], now: int) -> None: ...

    def ensure(self, level: str) -> None: ...


class Wire(Protocol):
    """Sends one request and returns its answer; no answer is an ambiguous one."""

    async def answer(self, call: Call) -> Answer: ...


class TransferDesk:
    """Makes the transfers of one account and follows them to their end.

    now: returns the venue's time.
    spawn: runs a task of the gateway.
    heard: called with each answer.
    tell: notifies the gateway of another account of an arrival.
    venues: names of the venue, its configured name first.
    killed: returns why nothing may begin now, "" if it may.
    """

    def __init__(
        self,
        options: GatewayOptions,
        venues: Sequence[str],
        money: AccountMoney,
        tape: Tape,
        protocol: OrderProtocol,
        wire: Wire | None,
        *,
        now: Callable[[], int],
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        say: Callable[[HealthOut], None],
        heard: Callable[[Answer], None] = lambda answer: None,
        tell: Callable[[Tell], Coroutine[Any, Any, Heard]] | None = None,
        killed: Callable[[], str] = str,
    ) -> None:
        self.killed = killed
        self.options = options
        external = [(each.venue, account) for account, each in options.withdraw.items()]
        self._commanded = CommandedAccount(tuple(venues), options.account, options.transfer_deadline_ns, external)
        self.money = money
        self._tape = tape
        self._protocol = protocol
        self.wire = wire
        self.now = now
        self.spawn = spawn
        self.say = say
        self._heard = heard
        self._tell = tell
        self._core = Transfers(
            money.ledger,
            *self._commanded.place[:2],
            self._refusal,
            settled_after=options.transfer_settled_ns,
            is_stopped=lambda: bool(killed()),
        )
        self._arrivals = Arrivals(
            money, protocol, adapter_of(options.kind).outside_wallet, self.query if wire else None, now=now, spawn=spawn
        )
        self._looking: set[str] = set()
        self._telling: set[str] = set()
        self._untold: set[str] = set()  # transfers whose failed notification was reported
        self._is_resumed = False
        self._step = 0  # pending change of the clock
        self._steps = 0  # count of changes of the clock
        self.moved_at = 0  # time of the last change of a transfer, ns UTC

    def recover(self, records: Sequence[Mapping[str, Any]], entries: Iterable[Entry] = ()) -> None:
        """Restores the transfers of the journal, before any query."""
        for record in records:
            self._core.replay(dict(record))
        self._arrivals.recover(entries)

    # --- requests ---------------------------------------------------------------------------------

    def prepare(self, actor: str, fields: Mapping[str, Any], command: str = "") -> Callable[[], tuple[bool, Any]]:
        """Returns the function that executes the command, and returns whether it was requested before, and its state.
        command: its id, which names a transfer without an id of its own. Raises an OnetapeError that refuses it."""
        # Inside of the venue the control plane moves the pool's money, like the operator.
        mover = OPERATOR if actor == CONTROL else actor
        request = transfer_request(self.money.accounts, self._commanded, mover, fields)
        if isinstance(request, Refused):
            raise request.error()
        if not request.name:
            request = request._replace(name=self._keyed(request, command))
        if request.target.venue != self._commanded.place.venue and actor != OPERATOR:
            raise PermissionDenied("only the operator may move money out of a venue")
        if self._core.get(request.name) is None and request.source[:2] == self._commanded.place[:2]:
            self._check_way(request)
        existing = self._core.existing(
            request.source, request.target, request.currency, request.amount, name=request.name, slot=request.slot
        )
        if isinstance(existing, Refused):
            raise existing.error()
        if existing is None and (why := self.killed()):
            raise Killed(f"the kill switch is on: {why}", todo="unkill, then ask again")
        return lambda: self._do(request)

    def _keyed(self, request: TransferRequest, command: str) -> str:
        """Returns the id of a transfer without one: that of the unfinished transfer between the same places in that
        currency, else one made from its command, so that a repeated command makes it once."""
        name = f"{UNNAMED}{hashlib.sha256(command.encode()).hexdigest()[:24]}"
        same = self._core.alike(request.source, request.target, request.currency, request.slot)
        return name if same is None or self._core.get(name) is not None else same.name

    def _check_way(self, request: TransferRequest) -> None:
        """Raises if this venue cannot move money on that route, or not now."""
        source, target = request.source, request.target
        way = f"from {_text(source)} to {_text(target)}"
        if source.venue != target.venue:
            self._check_outside(request)
        elif source.account != target.account and not self._to(target, request.currency):
            raise NotAvailable(
                f"this gateway knows no account {target.account} of its venue",
                todo=f"write email of [accounts.{target.account}], or master of "
                f"[accounts.{source.account}], and start this gateway again",
            )
        call = self._call(Send(request.name, source, target, request.currency, request.amount))
        if call is None or self.wire is None:
            raise NotAvailable(f"{self._protocol.name} does not support transfers {way}")
        if not self.money.is_ready:
            raise VenueUnavailable("the account's balances are not known yet", todo="try again")

    def _check_outside(self, request: TransferRequest) -> None:
        """Raises if the configuration does not allow money to go there."""
        source, target = request.source, request.target
        leaves = adapter_of(self.options.kind).outside_wallet
        there = self.options.withdraw.get(target.account)
        if leaves is None:
            raise NotAvailable(f"withdrawals from {self._protocol.name} are not supported")
        if there is None or there.venue != target.venue or request.currency not in there.to:
            raise NotAvailable(
                f"no address for {request.currency} of {target.venue}.{target.account}",
                todo=f"write [accounts.{source.account}.withdraw.{target.account}."
                f"{request.currency}], and start this gateway again",
            )
        for place, wallet, what in (
            (source, leaves, "withdrawals leave from"),
            (target, there.wallet, "deposits come to"),
        ):
            if place.wallet != wallet:
                raise NotAvailable(f"at {place.venue} {what} {_text(place._replace(wallet=wallet))}")

    def _do(self, request: TransferRequest) -> tuple[bool, Any]:
        is_repeated = self._core.get(request.name) is not None
        effects = self._core.ask(
            request.source,
            request.target,
            request.currency,
            request.amount,
            self.now(),
            name=request.name,
            slot=request.slot,
            deadline=request.deadline,
        )
        if isinstance(effects, Refused):
            raise effects.error()
        self._carry_out(effects)
        one = self._core.get(request.name)
        assert one is not None
        return is_repeated, {"transfer": shown(one)}

    def _refusal(self, currency: str, wallet: str, slot: int, amount: int) -> Refused | None:
        """Refuses an amount that the trading wallet does not have; balances of other wallets are known to the venue
        only."""
        return None if wallet else self.money.accounts.cannot_leave(currency, slot, amount)

    @property
    def all(self) -> list[Transfer]:
        """Returns all transfers in the order of their requests."""
        return self._core.all

    def get(self, name: str) -> Transfer | None:
        return self._core.get(name)

    def shown(self, name: str = "") -> list[dict[str, Any]]:
        """Returns the transfers in memory, the newest last; or the one of that id."""
        all_ = [one for one in self._core.all if name in ("", one.name)]
        return [shown(one) for one in all_[-SHOWN:]]

    def arrival(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Returns whether a deposit that another gateway announced is booked."""
        return self._arrivals.announced(fields)

    def status(self) -> dict[str, Any]:
        ledger = self.money.ledger
        transit = {name: ledger.transit(name) for name in ledger.currencies()}
        return {
            "unfinished": len(self._core.unfinished),
            "in_transit": {n: money_text(a) for n, a in transit.items() if a},
        }

    # --- execution --------------------------------------------------------------------------------

    def restate(self, step: int) -> None:
        """Notes that the clock was set by `step`, ns."""
        self._step += step
        self._steps += 1

    def tick(self) -> None:
        """Does what is due, once there are balances: first the unfinished transfers of an earlier incarnation."""
        if not self.money.is_ready:
            return
        now = self.now()
        step, self._step = self._step, 0
        if step:
            self._carry_out(self._core.restate(step))
        if self._is_resumed:
            self._carry_out(self._core.tick(now))
        else:
            self._is_resumed = True
            self._carry_out(self._core.resume(now))

    def _carry_out(self, effects: Sequence[Effect]) -> None:
        if not effects:
            return
        for effect in effects:
            match effect:
                case Record():
                    self.moved_at = self.now()
                    self._tape.transfer(effect.fields, self.now())
                case Entry():
                    self.money.book(effect)
                case HealthOut():
                    self.say(effect)
                case Send():
                    self._tape.ensure(self.options.commands)
                    self.spawn(self._send(effect))
                case AskHistory():
                    if effect.name not in self._looking:
                        self._looking.add(effect.name)
                        self.spawn(self._look(effect))
                case Tell():
                    if effect.name not in self._telling:
                        self._telling.add(effect.name)
                        self.spawn(self._notify(effect))
        self.money.publish(has_moved=True)

    def _to(self, target: Place, currency: str) -> str | Destination | None:
        """Returns the venue's name of another of its accounts, "" for this one; for another venue the deposit address
        of this currency. None: it is not, or no longer, configured."""
        own = self._commanded.place
        if target.venue == own.venue:
            return "" if target.account == own.account else self.options.siblings.get(target.account)
        there = self.options.withdraw.get(target.account)
        return None if there is None else there.to.get(currency)

    async def query(self, call: Call) -> Answer:
        assert self.wire is not None
        answer = await self.wire.answer(call)
        self._heard(answer)
        return answer

    def _call(self, send: Send) -> Call | None:
        to = self._to(send.target, send.currency)
        if to is None:
            return None
        route = TransferRoute(send.source.wallet, send.target.wallet, to)
        return self._protocol.transfer(route, send.currency, send.amount, self.now(), name=send.name)

    async def _send(self, send: Send) -> None:
        call, why = None, "it cannot be sent any more"  # of an earlier incarnation with that configuration
        try:
            call = self._call(send)
        except InvalidAmount as error:
            why = error.what
        if call is None or self.wire is None:
            effects = self._core.answered(send.name, Outcome.REFUSED, self.now(), why)
        else:
            answer = await self.query(call)
            outcome = _OUTCOMES[answer.outcome]
            if outcome is Outcome.DONE and send.target.venue != send.source.venue:
                outcome = Outcome.ACCEPTED  # the history shows its end
            effects = self._core.answered(
                send.name, outcome, self.now(), _reason(answer), venue_id=answer.value, wait=answer.retry_after
            )
        self._carry_out(effects)

    async def _notify(self, tell: Tell) -> None:
        """Announces an arrival in the trading wallet of another account; for other wallets its gateway keeps no
        balance, except for arrivals from another venue."""
        heard = Heard(is_booked=True)
        try:
            if not tell.target.wallet or tell.txid:
                if self._tell is None:
                    heard = Heard(why="no gateway to notify")
                else:
                    heard = await self._tell(tell)
        finally:
            self._telling.discard(tell.name)
        if heard.is_booked:
            effects = self._core.acknowledged(tell.name, self.now(), arrived=heard.amount)
            self._carry_out(effects)
        elif heard.why and tell.name not in self._untold:
            self._untold.add(tell.name)
            words = f"{tell.target} has not been notified: {heard.why}"
            self.say(HealthOut("transfer", tell.name, words, "warning"))

    async def _look(self, query: AskHistory) -> None:
        try:
            as_of, steps = self.now(), self._steps
            rows = await self._history(query)
        finally:
            self._looking.discard(query.name)
        if rows is not None and steps == self._steps:
            self._carry_out(self._core.looked(query.name, rows, self.now(), as_of=as_of))

    async def _history(self, query: AskHistory) -> list[TransferReport] | None:
        """Reads the venue's history of transfers. None: it could not be read completely."""
        rows: list[TransferReport] = []
        cursor = ""
        to = self._to(query.target, query.currency)
        if to is None and query.target.venue == self._commanded.place.venue:
            return None  # its absence in this account's own history would not prove that it was not made
        route = TransferRoute(query.source.wallet, query.target.wallet, _FORGOTTEN if to is None else to)
        for _ in range(PAGES_MAX):
            call = self._protocol.transfers(
                route, self.now(), since=query.since, cursor=cursor, name=query.name, currency=query.currency
            )
            if call is None or self.wire is None:
                return None
            answer = await self.query(call)
            if answer.outcome is not Answered.DONE:
                return None
            rows += [row for row in answer.reports if isinstance(row, TransferReport)]
            cursor = answer.cursor
            if not cursor:
                return rows
        return None


async def tell_gateway(home: Path, tell: Tell) -> Heard:
    """Sends a command to the gateway of another account, as its operator would. Its ledger counts an arrival once by
    the transfer's id, so each attempt is a new command."""
    system = IPCCommandSystem(OPERATOR, home=home)
    system.start()
    amount = str(money(tell.amount))
    try:
        fields: dict[str, Any] = {"currency": tell.currency, "transfer_id": tell.name}
        if tell.txid:
            command = "arrival"
            fields |= {"amount": amount, "wallet": tell.target.wallet, "txid": tell.txid, "since": tell.since}
        else:
            command = "adjust"
            fields["delta"] = amount
        answer = await system.send_command(f"gateway:{tell.target.account}", command, fields, timeout=TELL_WITHIN_S)
    finally:
        system.stop()
    if answer.error is not None:
        return Heard(why=str(answer.error["message"]))
    if not tell.txid:
        return Heard(is_booked=True)
    reply = answer.result
    return Heard(True, amount_units(reply["amount"])) if reply["arrived"] else Heard()


def shown(one: Transfer) -> dict[str, Any]:
    """Renders a transfer for people and programs."""
    return {
        "id": one.name,
        "state": str(one.state),
        "is_over": one.is_finished,
        "currency": one.currency,
        "amount": money_text(one.amount),
        "from": _text(one.source),
        "to": _text(one.target),
        "index": one.slot,
        "tries": one.tries,
        "reason": one.reason,
        "venue_id": one.venue_id,
        "txid": one.txid,
        "fee": money_text(one.fee),
        "ts_asked": one.requested_at,
        "ts_deadline": one.deadline,
    }


def _text(place: Place) -> str:
    return str(place._replace(wallet=place.wallet or TRADING))


def _reason(answer: Answer) -> str:
    return " ".join(part for part in (answer.venue_code, answer.text) if part)[:200]
