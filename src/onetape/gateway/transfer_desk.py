"""Transfers at a gateway: what `accounts.transfers` decides is put on the tape, booked and sent.

Each effect is carried out before the next; what has been decided is as safe as a command before
anything of it is on the wire. Answers and looks at the venue's history come back as events.
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

PAGES_MAX: Final = 100  # of a history since a transfer; more are looked at the next time
SHOWN: Final = 100
TELL_WITHIN_S: Final = 4.0  # an answer of another gateway

# What an answer says of a transfer. `settled` is a word of orders.
_OUTCOMES: Final = {
    Answered.DONE: Outcome.DONE,
    Answered.DEFINITIVE: Outcome.REFUSED,
    Answered.SAFE: Outcome.BUSY,
    Answered.AMBIGUOUS: Outcome.LOST,
    Answered.SETTLED: Outcome.LOST,
}


# Where the configuration does not say any more where it went: its history is asked all the same.
_FORGOTTEN: Final = Destination()


class Heard(NamedTuple):
    """Carries what another gateway says of money that went to it. why: it could not be asked, or refuses. amount:
    1e-18, None: all of it."""

    is_booked: bool = False
    amount: int | None = None
    why: str = ""


class Tape(Protocol):
    def transfer(self, record: Mapping[str, Any], now: int) -> None: ...

    def ensure(self, level: str) -> None: ...


class Wire(Protocol):
    """Sends one request and returns its answer; none is an ambiguous one."""

    async def answer(self, call: Call) -> Answer: ...


class TransferDesk:
    """Makes the transfers of one account and looks for how they end.

    now: gives the venue's time.
    spawn: runs a task of the gateway's.
    heard: takes each answer.
    tell: tells the gateway of another account of what has come to it.
    venues: what the venue is called, its name in the configuration first.
    killed: why nothing may begin now, "" where it may.
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
        self._untold: set[str] = set()  # that it could not be told has been said
        self._is_resumed = False
        self._step = 0  # of the clock, that is not taken in yet
        self._steps = 0  # how often it was set
        self.moved_at = 0  # when a transfer last went on, ns UTC

    def recover(self, records: Sequence[Mapping[str, Any]], entries: Iterable[Entry] = ()) -> None:
        """Restores the transfers that the journal has, before anything is asked."""
        for record in records:
            self._core.replay(dict(record))
        self._arrivals.recover(entries)

    # --- who asks ---------------------------------------------------------------------------------

    def prepare(self, actor: str, fields: Mapping[str, Any], command: str = "") -> Callable[[], tuple[bool, Any]]:
        """Makes what carries the command out, and returns whether it was asked for before and how it stands. command:
        its id, which names a transfer that has none of its own. Raises what refuses it: an OnetapeError."""
        # Inside of the venue the control plane moves the pool's money, as the operator does.
        mover = OPERATOR if actor == CONTROL else actor
        request = transfer_request(self.money.accounts, self._commanded, mover, fields)
        if isinstance(request, Refused):
            raise request.error()
        if not request.name:
            request = request._replace(name=self._keyed(request, command))
        if request.target.venue != self._commanded.place.venue and actor != OPERATOR:
            raise PermissionDenied("money leaves its venue by the operator's word only")
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
        """Names a transfer without an id: as the one that is under way between the same places in that currency, else
        by its command, so that the command makes it once whatever has become of it since."""
        name = f"{UNNAMED}{hashlib.sha256(command.encode()).hexdigest()[:24]}"
        same = self._core.alike(request.source, request.target, request.currency, request.slot)
        return name if same is None or self._core.get(name) is not None else same.name

    def _check_way(self, request: TransferRequest) -> None:
        """Raises where this venue, or this moment, cannot move money on that route."""
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
            raise NotAvailable(f"{self._protocol.name} moves no money for us {way}")
        if not self.money.is_ready:
            raise VenueUnavailable("the account's balances are not known yet", todo="try again")

    def _check_outside(self, request: TransferRequest) -> None:
        """Raises where the configuration does not say that money may go there."""
        source, target = request.source, request.target
        leaves = adapter_of(self.options.kind).outside_wallet
        there = self.options.withdraw.get(target.account)
        if leaves is None:
            raise NotAvailable(f"nothing is withdrawn from {self._protocol.name} by us")
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
        """Refuses what the traded wallet does not have; what other wallets have only the venue knows."""
        return None if wallet else self.money.accounts.cannot_leave(currency, slot, amount)

    @property
    def all(self) -> list[Transfer]:
        """Returns all transfers in the order of their requests."""
        return self._core.all

    def get(self, name: str) -> Transfer | None:
        return self._core.get(name)

    def shown(self, name: str = "") -> list[dict[str, Any]]:
        """Returns the transfers that this process knows, the newest last; or the one of that id."""
        all_ = [one for one in self._core.all if name in ("", one.name)]
        return [shown(one) for one in all_[-SHOWN:]]

    def arrival(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Returns whether what another gateway has sent here from its venue is booked."""
        return self._arrivals.announced(fields)

    def status(self) -> dict[str, Any]:
        ledger = self.money.ledger
        transit = {name: ledger.transit(name) for name in ledger.currencies()}
        return {
            "unfinished": len(self._core.unfinished),
            "in_transit": {n: money_text(a) for n, a in transit.items() if a},
        }

    # --- what is done -----------------------------------------------------------------------------

    def restate(self, step: int) -> None:
        """Takes in that the clock was set by `step`, ns."""
        self._step += step
        self._steps += 1

    def tick(self) -> None:
        """Does what is due, once there are balances: first what an earlier incarnation has left."""
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
        """Returns what the venue calls another account of its, "" for this one. At another venue: where it takes this
        currency. None where the configuration does not say it, or does no longer."""
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
        call, why = None, "it cannot be sent any more"  # of an earlier life, which could
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
                outcome = Outcome.ACCEPTED  # what comes of it stands in the history
            effects = self._core.answered(
                send.name, outcome, self.now(), _reason(answer), venue_id=answer.value, wait=answer.retry_after
            )
        self._carry_out(effects)

    async def _notify(self, tell: Tell) -> None:
        """Announces what has come to the wallet that another account trades from; of other wallets its gateway keeps no
        balance, but of what comes from another venue."""
        heard = Heard(is_booked=True)
        try:
            if not tell.target.wallet or tell.txid:
                if self._tell is None:
                    heard = Heard(why="nobody to tell it")
                else:
                    heard = await self._tell(tell)
        finally:
            self._telling.discard(tell.name)
        if heard.is_booked:
            effects = self._core.acknowledged(tell.name, self.now(), arrived=heard.amount)
            self._carry_out(effects)
        elif heard.why and tell.name not in self._untold:
            self._untold.add(tell.name)
            words = f"{tell.target} has not been told: {heard.why}"
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
        """Reads the venue's history of transfers. None: it could not be read whole."""
        rows: list[TransferReport] = []
        cursor = ""
        to = self._to(query.target, query.currency)
        if to is None and query.target.venue == self._commanded.place.venue:
            return None  # that this account's own history does not have it would not say that it was not made
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
    """Sends a command to the gateway of another account, as its operator would. Its ledger counts what it is told of
    once by the transfer's id, so each try is a command of its own."""
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
    """Renders a transfer as people and programs read it."""
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
