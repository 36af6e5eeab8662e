"""Commands to the processes of a home, and their answers.

    commands = IPCCommandSystem("a")
    commands.start()
    result = await commands.send_command("kraken_gateway", "ping", {})

A command that got no answer is sent again under its id, over a new connection if need be, until
its time is over: what was done is not done twice. Whoever starts later, or again, is found.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from onetape.ipc.connection import Connection, Gone
from onetape.ipc.door import ALL, ID_BYTES_MAX
from onetape.ipc.names import process_of, process_socket, sockets
from onetape.ipc.token_cache import TokenCache
from onetape.model.errors import (
    BY_CODE,
    BadConfig,
    NotOwner,
    OnetapeError,
    PermissionDenied,
    ServiceTimeout,
    UsageError,
)
from onetape.model.home import StrPath, home_of
from onetape.model.time import SECOND

__all__ = ["CommandResult", "IPCCommandSystem"]

RETRY_S: Final = 0.02  # between tries to reach somebody, doubled up to
RETRY_S_MAX: Final = 0.2
WHO_WITHIN_NS: Final = SECOND  # one that hangs is not waited for longer
GATEWAY: Final = "_gateway"  # a venue's
WAITING_MAX: Final = 32  # commands of one sender under way; the next ones wait here


@dataclass(frozen=True, slots=True)
class CommandResult:
    """status: applied, refused, duplicate (it had been done, `result` and `error` are the first
    ones) or timeout (whether it was done is not known: the same id may be sent again). error:
    `{code, name, message}` or None. Also by `["status"]` and `get`, as a mapping."""

    id: str
    status: str
    result: Any = None
    error: dict[str, Any] | None = None
    process: str = ""  # that answered

    def __getitem__(self, key: str) -> Any:
        if key not in self.__slots__:
            raise KeyError(key)
        return getattr(self, key)

    def __iter__(self) -> Iterator[str]:
        return iter(self.__slots__)

    def keys(self) -> tuple[str, ...]:
        return tuple(self.__slots__)

    def get(self, key: str, default: Any = None) -> Any:
        return getattr(self, key) if key in self.__slots__ else default


class IPCCommandSystem:
    """The sender `name`: a sub-account's, a robot's, or `operator`. home: as the command line finds
    it. For one event loop; commands may be sent at the same time."""

    def __init__(self, name: str, *, home: StrPath | None = None) -> None:
        self.name = name
        self.home: Path = home_of(home)
        self._is_started = False
        self._count = 0
        self._connections: dict[str, Connection] = {}  # by path
        self._paths: dict[str, Path] = {}  # by process
        self._tokens = TokenCache(self.home)
        self._room = asyncio.Semaphore(WAITING_MAX)

    def start(self) -> None:
        """Sends from here on. The process that is meant may start later."""
        self._is_started = True

    def stop(self) -> None:
        """What has no answer yet gets none: timeout."""
        self._is_started = False
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()

    async def send_command(
        self,
        target: str,
        command_type: str,
        payload: dict[str, Any] | None = None,
        *,
        timeout: float = 5.0,
        command_id: str | None = None,
    ) -> CommandResult:
        """Returns the answer, at the latest after `timeout` seconds.

        target: a process (`gateway:main`), a venue's gateway (`kraken_gateway`), a bare kind where
        one of it runs, or `*`: everybody, and the result is theirs by name. command_id: at most 128
        bytes, made if not given. Raises UsageError before `start`, and for what is no command.
        """
        if not self._is_started:
            raise UsageError("commands are sent after start()", location=f"IPCCommandSystem({self.name!r})")
        id_ = self.new_id() if command_id is None else command_id
        if not 0 < len(id_.encode("utf-8", "surrogatepass")) <= ID_BYTES_MAX:
            raise UsageError(f"a command's id has 1 to {ID_BYTES_MAX} bytes")
        request = {
            "do": "command",
            "id": id_,
            "actor": self.name,
            "target": target,
            "command": command_type,
            "fields": payload or {},
        }
        return await self._send(target, request, time.time_ns() + int(timeout * SECOND))

    async def get_balances(self, target: str, *, timeout: float = 5.0) -> list[dict[str, Any]]:
        """Returns rows of `wallet`, `currency`, `total` and `available` (decimal text) of all wallets of the account
        of the gateway `target`: `trading` is the one that is traded from, `transit` what is on its way between two.
        A wallet that the venue does not tell of has one row, whose `error` says why, and no amounts.

        Raises what refuses it, ServiceTimeout.
        """
        deadline = time.monotonic() + timeout
        while True:
            answer = await self.send_command(target, "wallets", timeout=max(deadline - time.monotonic(), RETRY_S))
            if answer.error is not None:
                raise BY_CODE.get(answer.error["code"], PermissionDenied)(answer.error["message"], location=target)
            seen = answer.result or {}
            if seen.get("is_fresh"):
                break
            if time.monotonic() > deadline:
                raise ServiceTimeout("the venue has not said what its wallets have", location=target)
            await asyncio.sleep(RETRY_S_MAX)
        return list(seen["wallets"])

    def new_id(self) -> str:
        """Makes an id of the sender, the time in us, and a number: never made twice on one machine."""
        self._count += 1
        name = self.name.encode()[:64].decode(errors="ignore")
        return f"{name}_{time.time_ns() // 1000}_{os.getpid()}.{self._count}"

    async def send_to_each(
        self, target: str, command_type: str, payload: dict[str, Any], *, timeout: float, id_: str
    ) -> list[CommandResult]:
        """Sends to all that are there now and answer to `target`; none: an empty list."""
        deadline = time.time_ns() + int(timeout * SECOND)
        request = {
            "do": "command",
            "id": id_,
            "actor": self.name,
            "target": target,
            "command": command_type,
            "fields": payload,
        }
        found, _ = await self._found(target, deadline)
        return list(await asyncio.gather(*(self._ask(path, name, request, deadline) for path, name in found.items())))

    # --- one command ------------------------------------------------------------------------------

    async def _send(self, target: str, request: dict[str, Any], deadline: int) -> CommandResult:
        id_ = request["id"]
        request["deadline_ns"] = deadline
        async with self._room:
            if target == ALL:
                answers = await self.send_to_each(
                    ALL, request["command"], request["fields"], id_=id_, timeout=(deadline - time.time_ns()) / SECOND
                )
                return _of_all(id_, answers)
            pause = RETRY_S
            while True:
                why = f"no process answers to {target}"
                found, silent = await self._found(target, deadline)
                if silent:
                    why = f"{', '.join(silent)} does not say whose it is: name the process"
                elif len(found) == 1:
                    ((path, name),) = found.items()
                    return await self._ask(path, name, request, deadline)
                elif found:
                    error = UsageError(
                        f"{target} is more than one: {', '.join(sorted(found.values()))}", todo="name one"
                    )
                    return _refused(id_, error)
                if not await _pause(pause, deadline):
                    return _timeout(id_, why)
                pause = min(2 * pause, RETRY_S_MAX)

    async def _found(self, target: str, deadline: int) -> tuple[dict[Path, str], list[str]]:
        """Sockets of those who answer to the target, with their names; and who runs, may be one of
        them, and does not say. One that hangs belongs to its kind by its file's name; which
        venue's gateway it is, only itself can tell."""
        if ":" in target:
            cached = self._paths.get(target)
            path = cached or self._paths.setdefault(target, process_socket(self.home, target))
            connection = self._connections.get(str(path))
            is_there = (connection is not None and connection.is_open) or path.exists()
            return ({path: target} if is_there else {}), []
        is_venue = target.endswith(GATEWAY)
        kind = "" if target == ALL else "gateway" if is_venue else target
        paths = list(sockets(self.home, kind))
        before = min(deadline, time.time_ns() + WHO_WITHIN_NS)
        replies = await asyncio.gather(*(self._who(path, before) for path in paths))
        found, silent = {}, []
        for path, reply in zip(paths, replies, strict=True):
            if reply is None:
                continue
            name, names = reply
            if not names and is_venue:
                silent.append(name)
            elif not names or target in (ALL, *names):
                found[path] = name
        return found, silent

    async def _who(self, path: Path, before: int) -> tuple[str, list[str]] | None:
        """(its name, all of its names; none if it hangs). None: left behind by one that died, or
        takes no commands."""
        try:
            reply = await self._connection(path).ask({"do": "who"}, before)
        except Gone:
            return None
        except TimeoutError:
            return process_of(path), []
        return (str(reply["process"]), list(reply["names"])) if "names" in reply else None

    async def _ask(self, path: Path, process: str, request: dict[str, Any], deadline: int) -> CommandResult:
        """Again and again until there is an answer, or the time is over."""
        id_, pause, sent = request["id"], RETRY_S, 0
        why = f"{process} does not answer"
        while self._is_started:
            try:
                signed = {**request, "token": self._tokens.of(self.name)}
                signed["deadline_ns"] = deadline
                sent += 1
                reply = await self._connection(path).ask(signed, deadline, by_id=id_)
            except TimeoutError:
                break
            except Gone as error:
                why = str(error)
            # Of the token's file, or of the words; and who has none has none to wait for: a process
            # makes those of its senders before it listens.
            except (PermissionDenied, BadConfig, NotOwner) as error:
                return _refused(id_, error)
            except OnetapeError as error:
                why = error.message
            except OSError as error:
                why = f"{process}: {error.strerror}"
            else:
                return _result(id_, process, reply, is_repeat=sent > 1)
            if not await _pause(pause, deadline):
                break
            pause = min(2 * pause, RETRY_S_MAX)
        return _timeout(id_, why, process)

    def _connection(self, path: Path) -> Connection:
        connection = self._connections.get(str(path))
        if connection is None:
            connection = self._connections[str(path)] = Connection(path)
        return connection


async def _pause(seconds: float, deadline: int) -> bool:
    """False: the time is over."""
    left = (deadline - time.time_ns()) / SECOND
    await asyncio.sleep(max(0.0, min(seconds, left)))
    return left > seconds


def _result(id_: str, process: str, reply: dict[str, Any], *, is_repeat: bool) -> CommandResult:
    status, error = str(reply.get("status", "refused")), reply.get("error")
    if isinstance(error, str):  # of one that does not know commands
        error = PermissionDenied(error).as_json()["error"]
    if status == "duplicate" and is_repeat:
        # The first time was ours: its answer was lost on the way.
        status = "applied" if error is None else "refused"
    return CommandResult(id_, status, reply.get("result"), error, process)


def _refused(id_: str, error: OnetapeError) -> CommandResult:
    return CommandResult(id_, "refused", None, dict(error.as_json()["error"]))


def _timeout(id_: str, why: str, process: str = "") -> CommandResult:
    error = ServiceTimeout(why, todo="send it again with the same id")
    return CommandResult(id_, "timeout", None, dict(error.as_json()["error"]), process)


def _of_all(id_: str, answers: list[CommandResult]) -> CommandResult:
    """Returns the worst status, and what each said."""
    if not answers:
        return _timeout(id_, "nobody is there")
    order = ("timeout", "refused", "applied", "duplicate")
    worst = min(answers, key=lambda each: order.index(each.status))
    result = {each.process: {"status": each.status, "result": each.result, "error": each.error} for each in answers}
    return CommandResult(id_, worst.status, result, worst.error)
