"""The command service of a process: it authenticates the sender, journals a command before it is executed, executes it
once however often it is sent, and answers it.

It knows no commands. A process declares its commands as a table of Handlers, passes its journal, and calls `answer` for
each request and `settle` before the answers leave.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import msgspec
from msgspec import structs

from onetape.ipc.token_cache import TokenCache
from onetape.model.errors import (
    DuplicateCommand,
    NotOwner,
    OnetapeError,
    PermissionDenied,
    RateLimited,
    ServiceTimeout,
    UsageError,
)
from onetape.model.sections import CONTROL, DASHBOARD, GUARDIAN, OPERATOR, TELEGRAM
from onetape.projections.once import Done, Once, digest_of

__all__ = ["ALL", "ID_BYTES_MAX", "OPERATOR", "Command", "Door", "Handler", "Journal", "Repeated"]

ALL: Final = "*"  # as target: all running processes
# Actors trusted with all commands: control plane, pages and bot check their callers' rights before they send anything.
TRUSTED: Final = (OPERATOR, CONTROL, DASHBOARD, TELEGRAM)
ID_BYTES_MAX: Final = 128
_WIDE: Final = 2**63  # a tape's integers have 64 bits


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """An accepted request. fields: as in JSON, exact numbers as Decimal."""

    id: str
    actor: str
    target: str
    name: str
    fields: dict[str, Any]
    time: int = 0  # of its frame, ns UTC; 0 for a query
    is_repeated: bool = False  # an earlier incarnation has written its frame and no reply


Do = Callable[[], Any]


class Repeated(NamedTuple):
    """The result of a command that another command has executed already: it is answered as a duplicate."""

    result: Any


@dataclass(frozen=True, slots=True)
class Handler:
    """A command's implementation. prepare: checks a command without any change and returns the function that executes
    it, whose return value is the answer's `result`. Both may raise an OnetapeError: refused.

    fields: the allowed fields, None: any. anyone: open to senders besides the operator.
    actors: allowed senders besides the operator, if not anyone.
    asks: True for a query: it changes nothing, leaves nothing on the tape and is not remembered.
    reaches_out: it acts outside of this process and its journal, so its record is synced to the service's level before
    it is executed; other commands' records before they are answered, with all that they have written.
    is_intent: its record is as durable as the intents of its orders, and waits for no sync of its own.
    is_recovered: a restart executes it again from its frame alone.
    moves_money: never sent to several processes at once.
    """

    prepare: Callable[[Command], Do]
    fields: Collection[str] | None = ()
    anyone: bool = False
    actors: Collection[str] = ()
    asks: bool = False
    reaches_out: bool = False
    is_intent: bool = False
    is_recovered: bool = False
    moves_money: bool = False


class Journal(Protocol):
    """The journal of commands and replies. Raises OSError and DataErrors as a journal does."""

    def command(self, record: dict[str, Any], now: int) -> None: ...

    def command_reply(self, record: dict[str, Any], now: int) -> None: ...

    def ensure(self, level: str) -> object: ...


class Door:
    """The command service of one process. names: of the process, its own first. level: `disk` or `process`. now: wall
    clock, ns UTC. done: called after a command was executed. once: the executed commands of its journal."""

    def __init__(
        self,
        names: tuple[str, ...],
        home: Path,
        handlers: Mapping[str, Handler],
        journal: Journal,
        *,
        level: str,
        now: Callable[[], int],
        done: Callable[[], None] = lambda: None,
        once: Once | None = None,
    ) -> None:
        self.names = names
        self.handlers = dict(handlers)
        self.handlers.setdefault(
            "ping", Handler(lambda _: lambda: {"pong": names[0]}, fields=None, anyone=True, asks=True)
        )
        self.once = once if once is not None else Once()
        self.counts = {"applied": 0, "refused": 0, "duplicate": 0, "timeout": 0}
        self._journal = journal
        self._level = level
        self._now = now
        self._done = done
        self._unsafe = False  # records of answered commands are not synced yet
        self._tokens = TokenCache(home)

    # --- one request ------------------------------------------------------------------------------

    def handle(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Answers a command, or the query for this process's names. Processes with other requests check for those
        first."""
        match request["do"]:
            case "command":
                return self.answer(request)
            case "who":
                return {"process": self.names[0], "names": self.names}
            case other:
                return {"error": f"unknown request {other!r}"}

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Returns `{id, status, result, error}`, which may leave once `settle` has been called."""
        id_ = request.get("id")
        try:
            command, handler = self._let_in(request)
            reply = self._do(command, handler, request.get("deadline_ns"))
        except ServiceTimeout as error:
            reply = _answer_of(id_, "timeout", error=error)
        except OnetapeError as error:
            reply = _answer_of(id_, "refused", error=error)
        self.counts[reply["status"]] += 1
        return reply

    def refusal(self, request: Mapping[str, Any], owner: str = OPERATOR) -> dict[str, Any] | None:
        """Returns the refusal of a request that is no command and does not carry the token of `owner` or of the
        operator. None: it does."""
        try:
            actor = request.get("actor")
            if not _is_trusted(actor) and actor != owner:
                raise PermissionDenied(
                    f"{str(request.get('do'))[:80]} is {_whose(owner)}",
                    todo="send actor, and its token of <home>/run/tokens",
                )
            self._tokens.prove(str(actor), request.get("token"))
        except OnetapeError as error:
            return _answer_of(request.get("id"), "refused", error=error)
        return None

    def is_operator(self, request: Mapping[str, Any]) -> bool:
        """Tells whether a request carries the operator's token."""
        return request.get("actor") == OPERATOR and self.refusal(request) is None

    def settle(self) -> None:
        """Makes all answered commands durable at the configured level, with one sync for all since the last time."""
        if self._unsafe:
            self._journal.ensure(self._level)
            self._unsafe = False

    # --- authentication ---------------------------------------------------------------------------

    def _let_in(self, request: Mapping[str, Any]) -> tuple[Command, Handler]:
        id_, target, name = request.get("id"), request.get("target"), request.get("command")
        actor, fields = request.get("actor"), request.get("fields")
        fields = {} if fields is None else fields
        if not (_is_text(id_) and _is_text(target) and _is_text(name) and _is_text(actor)):
            raise UsageError("a command needs id, target, command and actor, each a text")
        assert isinstance(id_, str) and isinstance(name, str)
        assert isinstance(actor, str) and isinstance(target, str)
        if len(id_.encode("utf-8", "surrogatepass")) > ID_BYTES_MAX:
            raise UsageError(f"a command's id has at most {ID_BYTES_MAX} bytes")
        if not isinstance(fields, dict) or not all(isinstance(key, str) for key in fields):
            raise UsageError("a command's fields are names and values")
        self._tokens.prove(actor, request.get("token"))
        if target != ALL and target not in self.names:
            raise UsageError(f"this is {self.names[0]}, not {target[:80]!r}", todo="look at the target's name")
        handler = self.handlers.get(name)
        if handler is None:
            raise UsageError(f"{self.names[0]} knows no command {name[:80]!r}", todo=", ".join(self.handlers))
        if handler.moves_money and target == ALL:
            raise UsageError(f"{name} moves money: send it to one process only")
        is_trusted = _is_trusted(actor) or actor in handler.actors
        if not is_trusted and not handler.anyone:
            raise PermissionDenied(f"{name} is the operator's", location=f"sent by {actor}")
        strategy = fields.get("strategy", actor)
        if not is_trusted and strategy != actor:
            raise NotOwner(f"{actor} is not {str(strategy)[:80]!r}")
        if handler.fields is not None and not set(fields) <= set(handler.fields):
            unknown = ", ".join(sorted(set(fields) - set(handler.fields)))[:80]
            raise UsageError(f"{name} takes {', '.join(handler.fields) or 'nothing'}, not {unknown}")
        command = Command(id=id_, actor=actor, target=target, name=name, fields=_plain(fields))
        return command, handler

    # --- once only --------------------------------------------------------------------------------

    def _do(self, command: Command, handler: Handler, deadline: object) -> dict[str, Any]:
        if handler.asks:
            self._in_time(deadline)
            return _answer_of(command.id, "applied", handler.prepare(command)())
        digest = digest_of(command.actor, command.name, command.fields)
        done = self.once.find(command.id)
        if done is not None and done.digest and done.digest != digest:
            raise DuplicateCommand(f"another command had the id {command.id}")
        if done is not None and done.answer:
            return {**msgspec.json.decode(done.answer), "status": "duplicate"}
        self._in_time(deadline)
        if done is not None:
            return self._repeated(command, handler, done)
        now = self._now()
        if not _is_trusted(command.actor) and command.actor != GUARDIAN and self.once.is_full(now):
            raise RateLimited("too many commands in one day", todo="send fewer")
        return self._first(command, handler, digest, now)

    def _first(self, command: Command, handler: Handler, digest: bytes, now: int) -> dict[str, Any]:
        command = structs.replace(command, time=now)
        record = {
            "id": command.id,
            "actor": command.actor,
            "target": command.target,
            "command": command.name,
            "fields": command.fields,
        }
        try:
            do = handler.prepare(command)
        except OnetapeError as error:
            reply = _answer_of(command.id, "refused", error=error)
            self._journal.command({**record, "refused": reply["error"]}, now)
            self._unsafe = True
            self.once.began(command.id, digest, now).answer = msgspec.json.encode(reply)
            return reply
        self._journal.command(record, now)
        done = self.once.began(command.id, digest, now)
        self._unsafe = self._unsafe or not handler.is_intent
        if handler.reaches_out:
            self.settle()
        return self._carry_out(do, command, handler, done)

    def _repeated(self, command: Command, handler: Handler, done: Done) -> dict[str, Any]:
        """Handles a command that is on the tape of a process that ended before its reply. A handler knows by the id
        whether it was executed; a recovered command was."""
        if handler.is_recovered:
            reply = _answer_of(command.id, "applied")
            self._reply(reply, handler, done)
            return {**reply, "status": "duplicate"}
        repeated = structs.replace(command, time=done.time, is_repeated=True)
        return self._carry_out(handler.prepare(repeated), command, handler, done)

    def _carry_out(self, do: Do, command: Command, handler: Handler, done: Done) -> dict[str, Any]:
        try:
            result = do()
            if isinstance(result, Repeated):
                reply = _answer_of(command.id, "applied", result.result)
                self._reply(reply, handler, done)
                return {**reply, "status": "duplicate"}
            reply = _answer_of(command.id, "applied", result)
        except DuplicateCommand:  # it was executed before this process began
            reply = _answer_of(command.id, "applied")
            self._reply(reply, handler, done)
            return {**reply, "status": "duplicate"}
        except OnetapeError as error:
            reply = _answer_of(command.id, "refused", error=error)
        self._reply(reply, handler, done)
        self._done()
        return reply

    def _reply(self, reply: dict[str, Any], handler: Handler, done: Done) -> None:
        self._journal.command_reply(reply, self._now())
        self._unsafe = self._unsafe or not handler.is_intent
        done.answer = msgspec.json.encode(reply)

    def _in_time(self, deadline: object) -> None:
        if deadline is None:
            return
        if isinstance(deadline, bool) or not isinstance(deadline, int):
            raise UsageError("deadline_ns is a time in ns UTC")
        if self._now() > deadline:
            raise ServiceTimeout("not executed: its deadline had passed")


def _answer_of(id_: object, status: str, result: object = None, *, error: OnetapeError | None = None) -> dict[str, Any]:
    why = None if error is None else error.as_json()["error"]
    return {"id": id_ if isinstance(id_, str) else "", "status": status, "result": result, "error": why}


def _is_trusted(actor: object) -> bool:
    """Tells whether an actor is trusted, or is a caller of a trusted one, as `telegram:CHAT`."""
    return str(actor).partition(":")[0] in TRUSTED


def _whose(owner: str) -> str:
    return "the operator's" if owner == OPERATOR else f"the operator's or {owner[:80]}'s"


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _plain(value: Any) -> Any:
    """Converts a value to what a tape can store: an integer of more than 64 bits becomes text of its digits."""
    if isinstance(value, dict):
        return {k: each if type(each) is str else _plain(each) for k, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, int) and not -_WIDE <= value < _WIDE:
        return str(value)
    return value
