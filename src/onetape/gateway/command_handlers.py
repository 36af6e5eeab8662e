"""The commands that a gateway accepts from outside, as a table for the command service of `ipc`."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

from onetape.accounts.entries import MAIN, Entry
from onetape.accounts.slots import COMMANDS, MONEY, Refused
from onetape.accounts.transfer_command import ARRIVAL_FIELDS
from onetape.accounts.transfer_command import FIELDS as TRANSFER_FIELDS
from onetape.gateway.core import GatewayCore
from onetape.gateway.gateway_tape import GatewayTape
from onetape.gateway.latency_spans import Spans
from onetape.ipc.door import OPERATOR, Command, Do, Door, Handler, Repeated
from onetape.model.decimals import whole_number
from onetape.model.errors import BadInput, NotAvailable, UsageError
from onetape.model.money import money
from onetape.model.request_key import RequestKey
from onetape.model.sections import GUARDIAN
from onetape.model.symbol import exchange_of
from onetape.model.time import MS
from onetape.options.gateway import GatewayOptions
from onetape.orders.halts import HALT_FIELDS, Scope
from onetape.orders.resolve import resolution_of
from onetape.projections.gateway_state import kill_reason
from onetape.projections.once import Once

__all__ = ["Commands", "Desk", "Money", "names_of", "venues_of"]

_FIELDS: Final = ("strategy", "currency", "index", "amount", "delta", "transfer_id")
_ALL_FIELDS: Final = tuple(dict.fromkeys((*_FIELDS, *TRANSFER_FIELDS)))


class Money(Protocol):
    """The account's ledger, as commands use it. A returned Entry is booked; one without legs was booked before."""

    def command(self, actor: str, name: str, fields: Mapping[str, Any], id_: str, now: int) -> Entry | Refused: ...


class Desk(Protocol):
    """The account's transfers, as commands use them. prepare: returns whether it was requested before, and its state;
    raises an OnetapeError if it is impossible."""

    def prepare(self, actor: str, fields: Mapping[str, Any], command: str = "") -> Callable[[], tuple[bool, Any]]: ...

    def shown(self, name: str = "") -> list[dict[str, Any]]: ...

    def arrival(self, fields: Mapping[str, Any]) -> dict[str, Any]: ...


def names_of(options: GatewayOptions) -> tuple[str, ...]:
    """Returns the names that a gateway answers to, its own first; `VENUE_gateway` by the venue's configured name and by
    its exchange, `gateway` for any."""
    return (f"gateway:{options.account}", *(f"{venue}_gateway" for venue in venues_of(options)), "gateway")


def venues_of(options: GatewayOptions) -> tuple[str, ...]:
    """Returns the names of its venue: as configured, by kind and by exchange."""
    names = dict.fromkeys((options.venue, options.kind, exchange_of(options.kind)))
    return tuple(name for name in names if name)


class Commands:
    """Executes the commands of a gateway.

    core: the trading core, None: the gateway does not trade.
    now: returns the venue's time.
    carry_out: carries out the effects of a command.
    money: the account's ledger, None: there is none.
    wallets: the balances of all the account's wallets.
    by_hand: commands about orders.
    wall: ns UTC, for deadlines and frames.
    """

    def __init__(
        self,
        options: GatewayOptions,
        core: GatewayCore | None,
        tape: GatewayTape,
        *,
        now: Callable[[], int],
        carry_out: Callable[[], None],
        spans: Spans,
        once: Once,
        money: Money | None = None,
        transfers: Desk | None = None,
        wallets: Callable[[], dict[str, Any]] | None = None,
        by_hand: Mapping[str, Handler] | None = None,
        wall: Callable[[], int] = time.time_ns,
    ) -> None:
        self._core = core
        self._now = now
        self._slots = options.subaccounts
        self.money = money
        self.transfers = transfers
        names = names_of(options)
        exchanges = {n.removesuffix("_gateway") for n in names if n.endswith("_gateway")}
        table = {
            "kill": Handler(self._kill, fields=("reason",), reaches_out=True, is_recovered=True),
            "unkill": Handler(self._unkill, reaches_out=True, is_recovered=True),
            "cancel_all": Handler(self._cancel_all, reaches_out=True),
            "reconcile": Handler(self._reconcile, fields=("within_ms",), reaches_out=True),
            "reconciled": Handler(lambda _: self._reconciled, asks=True),
            "settle": Handler(
                self._settle, fields=("order", "as", "venue_id", "filled"), reaches_out=True, is_recovered=True
            ),
            "end_cycle": Handler(self._end_cycle, fields=("key", "subaccount"), is_recovered=True),
            "latency": Handler(
                lambda _: lambda: {**spans.summary(), "robots": spans.by_robot()}, asks=True, anyone=True
            ),
            "transfer": _moves(self._transfer, TRANSFER_FIELDS),
            "check_transfer": Handler(self._check_transfer, fields=TRANSFER_FIELDS, asks=True),
            "transfers": Handler(self._transfers, fields=("id",), asks=True, anyone=True),
            "wallets": Handler(lambda _: wallets or _no_wallets, asks=True, anyone=True),
            "arrival": Handler(self._arrival, fields=ARRIVAL_FIELDS, asks=True),
            **self._stops(),
            **(by_hand or {}),
        }
        for name in COMMANDS:
            table[name] = _moves(self._move, _FIELDS)
        for name in ("strategy_balance", *(f"{each}_strategy_balance" for each in exchanges)):
            table[name] = _moves(self._strategy_balance, ("cmd", *_ALL_FIELDS))
        self.door = Door(
            names, Path(options.home), table, tape, level=options.commands, now=wall, done=carry_out, once=once
        )

    def _trading(self) -> GatewayCore:
        if self._core is None:
            raise NotAvailable("this gateway keeps books, and does not trade")
        return self._core

    # --- orders -----------------------------------------------------------------------------------

    def _kill(self, command: Command) -> Do:
        core = self._trading()
        already = {"already": True} if core.gate.halts.killed not in ("", kill_reason(command.fields)) else {}
        return lambda: {"canceled": core.cancel_all(), **already}

    def _unkill(self, command: Command) -> Do:
        self._trading()
        return lambda: None

    def _cancel_all(self, command: Command) -> Do:
        def do() -> dict[str, Any]:
            core = self._trading()
            core.brackets.give_up(core.manager.open.values())
            return {"canceled": core.cancel_all(core.tape.found_by(command))}

        return do

    def _reconcile(self, command: Command) -> Do:
        within = whole_number(command.fields.get("within_ms", 0))
        if within is None:
            raise BadInput(f"within_ms is a whole number, not {command.fields['within_ms']!r}"[:200])
        return lambda: self._trading().reconcile(within * MS)

    def _reconciled(self) -> dict[str, Any]:
        core = self._trading()
        age = core.now - core.reconciler.compared_at
        return {"reconciled": core.is_reconciled, "age_ms": max(age, 0) // MS}

    def _settle(self, command: Command) -> Do:
        core = self._trading()
        order, report = resolution_of(core.manager, core.gate.instruments, command.fields)

        def do() -> dict[str, Any]:
            core.resolve(order, report)
            return {"order": order.client_id, "state": str(order.state)}

        return do

    def _end_cycle(self, command: Command) -> Do:
        fields = command.fields
        slot, named = MAIN, fields.get("subaccount")
        if named is not None:
            slots = {"main": MAIN, **self._slots}
            if named not in slots:
                raise UsageError(f"no sub-account {str(named)[:40]!r}, but {', '.join(slots)}")
            slot = slots[named]
        name = str(fields.get("key", ""))
        key = RequestKey(name) if named is None else RequestKey(name, "subaccount")
        if key.broken_rule:
            raise UsageError(key.broken_rule)
        requests = self._trading().requests

        def do() -> dict[str, Any]:
            requests.end_cycle(key, slot)
            return {"key": key.key, "within": key.within}

        return do

    def _stops(self) -> dict[str, Handler]:
        """Returns the handlers of halts and of the guardian's reports; a restart restores both from their frames."""
        by = (GUARDIAN,)
        return {
            "halt": Handler(self._halt, fields=HALT_FIELDS, actors=by, is_recovered=True),
            "lift_halt": Handler(self._lift_halt, fields=("id", "reason"), actors=by, is_recovered=True),
            "halts": Handler(lambda _: lambda: self._trading().stops.status(), asks=True, anyone=True),
            "unprotected": Handler(self._unprotected, fields=("symbol", "since"), actors=by, is_recovered=True),
            # A lease is renewed each second, so only its end and a change of holder are written to the tape.
            "guardian_lease": Handler(self._lease, fields=("until_ns", "epoch"), actors=by, asks=True),
        }

    def _halt(self, command: Command) -> Do:
        core = self._trading()
        stops = core.stops
        halt = stops.wanted(command.fields, actor=command.actor, time=command.time)
        before = core.gate.halts.find(halt.id)
        # A misspelled name must be an error, or its sender would believe that the halt holds. Of a command to several
        # gateways, one trades the symbol.
        if "level" in command.fields or (command.actor != GUARDIAN and command.target in self.door.names[:1]):
            names = {
                Scope.SYMBOL: [each.symbol for each in core.instruments],
                Scope.STRATEGY: ["main", *core.options.subaccounts],
            }
            traded = names.get(halt.scope, [halt.subject])
            if halt.subject not in traded:
                others = ", ".join(traded)[:400]
                raise UsageError(f"this gateway has no {halt.scope} {halt.subject[:80]!r} (it has {others})")

        def do() -> dict[str, Any]:
            return stops.begin(halt, before, self._now())

        return do

    def _lift_halt(self, command: Command) -> Do:
        stops = self._trading().stops
        halt = stops.found(str(command.fields.get("id", "")))
        reason = str(command.fields.get("reason") or "")
        if not reason and command.actor == OPERATOR:
            raise UsageError("a halt is lifted for a reason", todo="reason=...")
        return lambda: stops.lift(halt, actor=command.actor, reason=reason)

    def _unprotected(self, command: Command) -> Do:
        fields = command.fields
        symbol, since = str(fields.get("symbol") or ""), whole_number(fields.get("since", 0))
        if not symbol or since is None:
            raise UsageError("unprotected needs symbol=NAME and since=TIME in ns; 0: the position is protected")
        return lambda: self._trading().stops.protect(symbol, since)

    def _lease(self, command: Command) -> Do:
        until, epoch = whole_number(command.fields.get("until_ns")), whole_number(command.fields.get("epoch", 0))
        if until is None or epoch is None:
            raise UsageError("a lease needs until_ns (ns UTC), and epoch, the number of its guardian's incarnation")

        def do() -> dict[str, Any]:
            core = self._trading()
            self._now()
            return core.stops.lease(until, epoch, now=core.now, wall=core.wall)

        return do

    # --- money ------------------------------------------------------------------------------------

    def _strategy_balance(self, command: Command) -> Do:
        fields = dict(command.fields)
        name = fields.pop("cmd", None)
        if name not in MONEY:
            raise UsageError(f"no cmd {str(name)[:40]!r}; there are: {', '.join(MONEY)}")
        if name == "transfer":
            return self._transferred(command, fields)
        if unknown := sorted(set(fields) - set(_FIELDS)):
            raise UsageError(f"{name} takes {', '.join(_FIELDS)}, not {', '.join(unknown)}")
        return partial(self._moved, command, str(name), fields)

    def _move(self, command: Command) -> Do:
        return partial(self._moved, command, command.name, command.fields)

    def _moved(self, command: Command, name: str, fields: dict[str, Any]) -> dict[str, Any]:
        if self.money is None:
            raise NotAvailable("this gateway keeps no sub-accounts")
        outcome = self.money.command(command.actor, name, fields, command.id, self._now())
        if isinstance(outcome, Refused):
            raise outcome.error()
        return {
            "moved": [
                {"slot": leg.holder, "currency": leg.currency, "amount": str(money(leg.amount))}
                for leg in outcome.legs
                if leg.holder > 0
            ]
        }

    def _transfer(self, command: Command) -> Do:
        return self._transferred(command, command.fields)

    def _transferred(self, command: Command, fields: dict[str, Any]) -> Do:
        if self.transfers is None:
            raise NotAvailable("this gateway moves no money between wallets")
        prepared = self.transfers.prepare(command.actor, fields, command.id)

        def do() -> Any:
            is_repeated, outcome = prepared()
            return Repeated(outcome) if is_repeated else outcome

        return do

    def _check_transfer(self, command: Command) -> Do:
        """Raises the error that would refuse a transfer now."""
        do = self._transferred(command, command.fields)
        return lambda: {"would_begin": do is not None}

    def _arrival(self, command: Command) -> Do:
        desk = self.transfers
        if desk is None:
            raise NotAvailable("this gateway cannot read deposits")
        return lambda: desk.arrival(command.fields)

    def _transfers(self, command: Command) -> Do:
        desk, name = self.transfers, str(command.fields.get("id", ""))
        return lambda: {"transfers": desk.shown(name) if desk is not None else []}


def _no_wallets() -> dict[str, Any]:
    raise NotAvailable("this gateway cannot read wallets")


def _moves(prepare: Callable[[Command], Do], fields: Collection[str]) -> Handler:
    return Handler(prepare, fields=fields, anyone=True, moves_money=True)
