"""Commands to processes of other hosts: their sockets stand here as if they ran on this machine.

A request is authenticated where it is sent, by the token of its actor; the receiving host trusts the sending one, whose
name is part of a subject that no other host may publish, and adds its own token. No token leaves a machine.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import aclosing, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec

from onetape.cluster.blocks import token
from onetape.ipc.connection import Connection, Gone
from onetape.ipc.door import OPERATOR
from onetape.ipc.local_socket import bound
from onetape.ipc.names import process_socket
from onetape.ipc.server import FOLLOW, LINE_BYTES_MAX
from onetape.ipc.snapshots import snapshots
from onetape.ipc.token_cache import TokenCache
from onetape.model.errors import BadInput, NotOwner, OnetapeError, ProcessDown
from onetape.model.home import hosts_of
from onetape.model.sections import GUARDIAN
from onetape.model.time import SECOND
from onetape.security.private import private_folder
from onetape.security.tokens import grant_of, make_token

__all__ = ["OF_EACH_HOST", "Bridge"]

OF_EACH_HOST: Final = ("supervisor", "cluster")  # on another host they are called `supervisor:HOST`
WITHIN_NS: Final = 10 * SECOND  # longest wait for an answer, where the request names no deadline
PATH_WITHIN_S: Final = 5.0  # longest wait for the copy of a journal that a request names
LOOK_S: Final = 0.02
SHOWN_MAX: Final = 4  # states that wait for a slow reader
UNDER_WAY_MAX: Final = 256  # requests of other hosts
FOLLOW_EVERY_S: Final = 5.0  # between requests of who follows a process's state;
FOLLOWED_FOR_S: Final = 15.0  # its host sends it for so long after one
SILENT_S: Final = 10.0  # without a state, which comes once a second: the process, or its host, is gone

_decode = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode
Send = Callable[[str, bytes, str], None]


class Bridge:
    """Forwards requests between the sockets of this home and those of other hosts. peers: hosts of the same
    configuration. send: publishes (subject, message, "")."""

    def __init__(
        self, host: str, home: Path, *, root: str, peers: Collection[str], send: Send, log: Callable[[str], object]
    ) -> None:
        self.host, self.home, self._root = host, home, root
        self._peers = frozenset(peers)
        self._send, self._log = send, log
        self._tokens = TokenCache(home)
        self._servers: dict[
            str, tuple[str, asyncio.Server, Path, int]
        ] = {}  # host, server, path and inode of its socket
        self._waiting: dict[str, asyncio.Future[dict[str, Any] | None]] = {}
        self._shown: dict[str, asyncio.Queue[dict[str, Any] | None]] = {}  # states that processes here follow
        self._followed_until: dict[str, float] = {}  # states that processes of other hosts follow
        self._connections: dict[str, Connection] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def subjects(self) -> list[str]:
        """Returns the subjects to subscribe to."""
        own = token(self.host)
        return [f"{self._root}.command.{own}.*", f"{self._root}.reply.{own}"]

    @property
    def sockets(self) -> Collection[str]:
        """Returns the names of the sockets here that are of processes of other hosts."""
        return {path.name for _, _, path, _ in self._servers.values()}

    # --- the sending side ---------------------------------------------------------------------------

    async def stand_for(self, processes: Mapping[str, str]) -> None:
        """Opens sockets for these processes of other hosts, with their hosts, and closes all others."""
        for process, (host, *_) in list(self._servers.items()):
            if processes.get(process) != host:
                self._close(process)
        for process, host in processes.items():
            if process not in self._servers:
                await self._open(process, host)

    async def _open(self, process: str, host: str) -> None:
        path = process_socket(self.home, process)
        private_folder(path.parent)
        path.unlink(missing_ok=True)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while line := await reader.readline():
                    if _is_follower(line):
                        await self._follow(process, host, reader, writer)
                        break
                    answer = await self._forward(process, host, line)
                    if answer is None:
                        break  # the sender connects and sends again, as to a process that has ended
                    writer.write(_encode(answer) + b"\n")
                    await writer.drain()
            except (OSError, ValueError):
                pass  # ValueError: a line is too long
            finally:
                writer.close()

        server = await asyncio.start_unix_server(serve, sock=bound(path), limit=LINE_BYTES_MAX)
        path.chmod(0o600)
        self._servers[process] = host, server, path, path.stat().st_ino

    def _close(self, process: str) -> None:
        _, server, path, inode = self._servers.pop(process)
        server.close()
        with suppress(FileNotFoundError):
            if path.stat().st_ino == inode:  # else the process runs here by now
                path.unlink()

    async def _forward(self, process: str, host: str, line: bytes) -> dict[str, Any] | None:
        """Returns the answer of another host's process; None: there is none, and whether it was executed is unknown."""
        request: dict[str, Any] = {}
        try:
            request = _decode(line)
            self._let_out(request, process)
        except OnetapeError as error:
            return _refusal(request, error)
        except (msgspec.MsgspecError, LookupError) as error:
            return {"error": f"not a request: {type(error).__name__}"}
        kind, _, of = process.partition(":")
        name = kind if kind in OF_EACH_HOST and of == host else process
        if name != process and request["do"] == "who":
            return {"process": process, "names": [process]}  # `supervisor` alone is this host's own
        if request.get("target") == process:
            request["target"] = name
        id_ = secrets.token_hex(12)
        answer: asyncio.Future[dict[str, Any] | None] = asyncio.get_running_loop().create_future()
        self._waiting[id_] = answer
        message = {"id": id_, "process": name, "home": str(self.home), "request": request}
        self._send(f"{self._root}.command.{token(host)}.{token(self.host)}", _encode(message), "")
        try:
            async with asyncio.timeout(max(0.0, (_deadline(request) - time.time_ns()) / SECOND)):
                return await answer
        except TimeoutError:
            return None
        finally:
            del self._waiting[id_]

    async def _follow(
        self, process: str, host: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Hands on the states of another host's process until it ends, or nobody reads them."""
        id_ = secrets.token_hex(12)
        shown = self._shown[id_] = asyncio.Queue(SHOWN_MAX)
        message = {"id": id_, "process": process, "home": str(self.home), "request": {"do": FOLLOW}}
        requested = -FOLLOW_EVERY_S
        try:
            while not reader.at_eof():
                if (now := time.monotonic()) - requested >= FOLLOW_EVERY_S:
                    requested = now
                    self._send(f"{self._root}.command.{token(host)}.{token(self.host)}", _encode(message), "")
                async with asyncio.timeout(SILENT_S):
                    answer = await shown.get()
                if answer is None:
                    break
                writer.write(_encode(answer) + b"\n")
                await writer.drain()
        except TimeoutError:
            pass
        finally:
            del self._shown[id_]

    def _let_out(self, request: dict[str, Any], process: str) -> None:
        """Checks the sender's token, and removes it with all other secrets. Raises PermissionDenied and others."""
        shown, grant = request.pop("token", None), request.pop("grant", None)
        actor = request.get("actor")
        if actor is None:
            return  # a question that anybody may ask
        if actor == GUARDIAN:
            raise NotOwner(f"{process} runs on another host, whose own guardian watches it")
        self._tokens.prove(str(actor), shown)
        if request["do"] == "attach" and actor != OPERATOR:
            account, name = process.partition(":")[2], str(request["name"])
            wanted = grant_of(self.home, account, name, str(request.get("subaccount") or "main"))
            if not hmac.compare_digest(str(grant).encode(), wanted.encode()):
                raise NotOwner(f"{name[:80]} may not trade there")

    # --- the receiving side -------------------------------------------------------------------------

    def received(self, subject: str, message: bytes) -> bool:
        """Takes a message; False: it is none of the bridge's. Raises BadInput for one that cannot be read."""
        _, kind, _, *rest = subject.split(".")
        if kind not in ("command", "reply"):
            return False
        try:
            found = _decode(message)
            if kind == "reply":
                reply = _moved(found["answer"], found["home"], str(self.home))
                answer, shown = self._waiting.get(found["id"]), self._shown.get(found["id"])
                if answer is not None and not answer.done():
                    answer.set_result(reply)
                elif shown is not None and not shown.full():  # the next state is complete again
                    shown.put_nowait(reply)
            elif (sender := next((each for each in self._peers if token(each) == rest[0]), "")) == "":
                self._log(f"a command of {rest[0]}, which is none of [hosts], was refused")
            elif found["request"]["do"] == FOLLOW and found["id"] in self._followed_until:
                self._followed_until[found["id"]] = time.monotonic() + FOLLOWED_FOR_S
            elif len(self._tasks) < UNDER_WAY_MAX:  # else it is sent again
                carry_out = self._show if found["request"]["do"] == FOLLOW else self._carry_out
                task = asyncio.ensure_future(carry_out(found, sender))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        except (msgspec.MsgspecError, LookupError, TypeError, AttributeError):
            raise BadInput("neither a command nor an answer", location="cluster") from None
        return True

    async def _carry_out(self, found: Mapping[str, Any], sender: str) -> None:
        request: dict[str, Any] = {}
        answer: dict[str, Any] | None = None
        try:
            process = str(found["process"])
            request = _moved(found["request"], found["home"], str(hosts_of(self.home) / token(sender)))
            deadline = _deadline(request)
            if request.get("actor") is not None:
                request["token"] = make_token(self.home, str(request["actor"]))
            if request["do"] == "attach":
                account = process.partition(":")[2]
                subaccount = str(request.get("subaccount") or "main")
                request["grant"] = grant_of(self.home, account, str(request["name"]), subaccount)
            if process in self._servers:
                raise Gone("it runs on another host")
            connection = self._connections.get(process)
            if connection is None:
                connection = self._connections[process] = Connection(process_socket(self.home, process))
            if request["do"] == "follow":
                await self._copied(connection, request, deadline)
            by_id = str(request.get("id", "")) if request["do"] == "command" else ""
            answer = await connection.ask(_encode(request), deadline, by_id=by_id)
        except (OSError, TimeoutError):
            pass
        except (LookupError, TypeError, AttributeError):
            self._log(f"a message of {sender} is no command")
            return
        except OnetapeError as error:
            answer = _refusal(request, error)
        # Its own runs are copied here, and are its own again in the answer.
        answer = _moved(answer, str(hosts_of(self.home) / token(sender)), found["home"])
        reply = {"id": found["id"], "home": str(self.home), "answer": answer}
        self._send(f"{self._root}.reply.{token(sender)}", _encode(reply), "")

    async def _show(self, found: Mapping[str, Any], sender: str) -> None:
        """Sends the states of a process to another host, while that requests them."""
        id_, subject = str(found["id"]), f"{self._root}.reply.{token(sender)}"
        reply: dict[str, Any] = {"id": id_, "home": str(self.home)}
        self._followed_until[id_] = time.monotonic() + FOLLOWED_FOR_S
        try:
            async with aclosing(snapshots(str(found["process"]), home=self.home)) as states:
                async for state in states:
                    if time.monotonic() > self._followed_until[id_]:
                        break
                    self._send(subject, _encode(reply | {"answer": {"snapshot": state}}), "")
        except ProcessDown:
            self._send(subject, _encode(reply | {"answer": None}), "")
        finally:
            del self._followed_until[id_]

    async def _copied(self, connection: Connection, request: Mapping[str, Any], deadline: int) -> None:
        """Waits until the journal of a robot that attached before is copied here."""
        shown = {key: request[key] for key in ("actor", "token")}
        life = await connection.ask({"do": "life", "name": request["actor"], **shown}, deadline)
        path, until = Path(str(life.get("journal", ""))), time.monotonic() + PATH_WITHIN_S
        while not (path / "control").exists() and time.monotonic() < until:
            await asyncio.sleep(LOOK_S)

    async def close(self) -> None:
        for process in list(self._servers):
            self._close(process)
        for task in self._tasks:
            task.cancel()
        for connection in self._connections.values():
            connection.close()


def _is_follower(line: bytes) -> bool:
    try:
        return bool(_decode(line).get("do") == FOLLOW)
    except msgspec.MsgspecError:
        return False


def _refusal(request: Mapping[str, Any], error: OnetapeError) -> dict[str, Any]:
    return {"id": str(request.get("id", "")), "status": "refused", "result": None, **error.as_json()}


def _deadline(request: Mapping[str, Any]) -> int:
    latest = time.time_ns() + WITHIN_NS
    wanted = request.get("deadline_ns")
    return min(latest, wanted) if type(wanted) is int else latest


def _moved(value: Any, before: str, now: str) -> Any:
    """Returns a value whose paths below one host's home are those below another folder."""
    if isinstance(value, str):
        return f"{now}{value[len(before) :]}" if value == before or value.startswith(f"{before}/") else value
    if isinstance(value, dict):
        return {key: _moved(each, before, now) for key, each in value.items()}
    return [_moved(each, before, now) for each in value] if isinstance(value, list) else value
