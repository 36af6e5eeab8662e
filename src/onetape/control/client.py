"""A typed client of the REST interface, sync and async, generated from the table of routes.

    with ControlClient() as client:
        reply = client.hedge_execute(symbol="BTC-USD", hedge_amount=0.25, dry_run=True)

A method takes the values in the path, then the fields of its request by their Python names, and returns the typed
reply. A refusal is raised as the OnetapeError of its number, caused by a Refusal that has the whole answer.

A call whose connection breaks, or that was rate limited, is sent again: a GET changes nothing, and any other carries an
idempotency key, so that a completed operation is answered and not repeated. If no answer comes at all, a ServiceTimeout
names that key, with which the call returns the outcome.
"""

from __future__ import annotations

import http.client
import json
import secrets
import socket
import ssl
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Generator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, Final, Generic, NamedTuple, ParamSpec, Self, TypeVar, overload
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from onetape.model.errors import (
    BY_CODE,
    InvariantViolation,
    OnetapeError,
    ProcessDown,
    RateLimited,
    ServiceTimeout,
    UsageError,
)
from onetape.model.typed import from_json
from onetape.web import control_models as m
from onetape.web.control_routes import BASE, BY_NAME, Route

if TYPE_CHECKING:
    import aiohttp

__all__ = ["AsyncControlClient", "ControlClient", "Refusal"]

P = ParamSpec("P")
R = TypeVar("R")
TIMEOUT_S: Final = 90.0  # beyond the request's own time: a delta control may take 30 s, and as long to be undone
RETRY_S: Final = 30.0  # a killed process is back by then
PAUSE_S: Final = 0.2


class Refusal(Exception):  # noqa: N818 - named by its content
    """The whole answer of a refused call. status: HTTP status; answer: its JSON, including anything done before the
    refusal."""

    def __init__(self, status: int, answer: dict[str, Any]) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status
        self.answer = answer


class _Send(NamedTuple):
    method: str
    target: str
    headers: dict[str, str]
    body: bytes | None
    timeout_s: float


class _Answer(NamedTuple):
    status: int
    body: bytes


class _Unsent(NamedTuple):
    error: OSError  # no connection was made


_Came = _Answer | _Unsent | OSError
_Steps = Generator[_Send | float, _Came | None, Any]


class _Method(Generic[P, R]):
    """Makes a route a method of both clients."""

    def __init__(self, request: Callable[..., m.Request] | None, reply: type[R]) -> None:
        self.request, self.reply = request, reply

    def __set_name__(self, owner: type, name: str) -> None:
        self.route = BY_NAME[name]
        self.__doc__ = self.route.summary

    @overload
    def __get__(self, client: None, owner: type) -> Self: ...
    @overload
    def __get__(self, client: ControlClient, owner: type) -> Callable[P, R]: ...
    @overload
    def __get__(self, client: AsyncControlClient, owner: type) -> Callable[P, Awaitable[R]]: ...
    def __get__(self, client: _Client | None, owner: type) -> Any:
        if client is None:
            return self

        def call(*places: str, **fields: Any) -> Any:
            request = self.request(**fields) if self.request is not None else None
            return client._run(client._steps(self.route, places, request, self.reply))

        return call


def _none(reply: type[R]) -> _Method[[], R]:
    return _Method(None, reply)


def _of(request: Callable[P, m.Request], reply: type[R]) -> _Method[P, R]:
    return _Method(request, reply)


def _at(request: Callable[P, m.Request], reply: type[R]) -> _Method[Concatenate[str, P], R]:
    return _Method(request, reply)


class _Client(ABC):
    symbols = _none(m.SymbolsReply)
    delta_control = _of(m.DeltaControl, m.DeltaControlReply)
    delta_status = _of(m.DeltaStatus, m.DeltaStatusReply)
    delta_auto = _none(m.AutoReply)
    set_delta_auto = _of(m.DeltaAuto, m.AutoReply)
    hedge_execute = _of(m.HedgeExecute, m.HedgeReply)
    utilization_rebalance = _of(m.UtilizationRebalance, m.RebalanceReply)
    orders = _of(m.Listed, list[m.Order])
    place_order = _of(m.PlaceOrder, m.OrderReply)
    cancel_order = _at(m.CancelOrder, m.OrderReply)
    positions = _of(m.Listed, list[m.Position])
    fills = _of(m.ListedFills, list[m.Fill])
    balances = _of(m.ListedBalances, list[m.Balance])
    risk_metrics: _Method[[str], m.RiskMetrics] = _Method(None, m.RiskMetrics)
    risk_history = _at(m.History, list[m.RiskMetrics])
    risk_alerts = _of(m.AlertFilter, list[m.Alert])
    acknowledge_alert = _at(m.Acknowledge, m.Alert)
    account_sync = _of(m.AccountSync, m.SyncReply)
    market_feeds = _none(m.FeedsReply)
    market_failover = _of(m.Failover, m.FailoverReply)
    system_status = _none(m.SystemStatus)
    system_stop = _of(m.SystemCommand, m.SystemReply)
    system_restart = _of(m.SystemCommand, m.SystemReply)
    caller = _none(m.Caller)
    operation_end = _at(m.SystemCommand, m.HedgeReply)
    operation: _Method[[str], m.OperationReply] = _Method(None, m.OperationReply)

    def __init__(
        self,
        base_url: str = "http://localhost:3000",
        token: str | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
        retry_s: float = RETRY_S,
        actor: str = "",
        tls: ssl.SSLContext | None = None,
        tls_name: str = "",
    ) -> None:
        """Prepares calls to one control plane. token: of `onetape token create`. timeout_s: of one try, beyond the
        request's own; retry_s: how long a call whose connection broke is retried. actor: a program acting for the
        token's owner, recorded beside its name. tls: trusted certificates; None: the system's; tls_name: the server
        name to verify, "": that of the address."""
        url = urlsplit(base_url)
        if url.scheme not in ("http", "https") or not url.hostname or url.username or url.query or url.fragment:
            raise UsageError("an address is http://HOST:PORT or https://HOST:PORT", location="base_url")
        for name, value in (("token", token or ""), ("actor", actor)):
            _check_word(name, value)
        self._url, self._path = url, url.path.rstrip("/") + BASE
        self._token, self._actor, self._tls, self._tls_name = token, actor, tls, tls_name
        self._timeout_s, self._retry_s = timeout_s, retry_s
        self._key = ""

    def keyed(self, key: str) -> Self:
        """Returns a client that sends this idempotency key, except with GET: repeated, a call has the same outcome."""
        _check_word("an idempotency key", key)
        made = object.__new__(type(self))
        made.__dict__.update(self.__dict__, _key=key)
        return made

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._url.geturl()!r})"

    @abstractmethod
    def _run(self, steps: _Steps) -> Any:
        """Performs the steps of a call and returns its reply, or an awaitable of it."""

    def call(self, route: Route, places: tuple[str, ...], request: m.Request | None) -> Any:
        """Calls a route of the table and returns its reply, or an awaitable of it."""
        return self._run(self._steps(route, places, request, route.reply))

    def _steps(self, route: Route, places: tuple[str, ...], request: m.Request | None, reply: Any) -> _Steps:
        send = self._request(route, places, request)
        deadline: float | None = None  # from the first broken try on
        was_sent = False
        while True:
            answer = yield send
            assert answer is not None
            if isinstance(answer, _Unsent | OSError):
                now = time.monotonic()
                was_sent = was_sent or isinstance(answer, OSError)
                error = answer.error if isinstance(answer, _Unsent) else answer
                if deadline is None and isinstance(error, ConnectionRefusedError):
                    raise self._down(error, send, was_sent=was_sent)  # no server listens
                deadline = deadline or now + self._retry_s
                if now >= deadline or isinstance(error, ssl.SSLError):
                    raise self._down(error, send, was_sent=was_sent)
                yield PAUSE_S
                continue
            if answer.status == 200:
                return _decoded(answer.body, reply)
            refusal, pause = self._refused(answer)
            deadline = deadline or time.monotonic() + self._retry_s
            if pause is None or time.monotonic() + pause > deadline:
                raise refusal
            yield pause

    def _request(self, route: Route, places: tuple[str, ...], request: m.Request | None) -> _Send:
        path = self._path + route.path
        names = [part for part in route.path.split("/") if part.startswith("{")]
        if len(names) != len(places):
            raise UsageError(f"{route.name} takes {', '.join(names) or 'no name'}", location="the client")
        for name, place in zip(names, places, strict=True):
            path = path.replace(name, quote(place, safe=""))
        headers = {"Accept": "application/json", **({"Host": self._tls_name} if self._tls_name else {})}
        body = None
        if route.method != "GET":
            headers["Idempotency-Key"] = self._key or secrets.token_hex(16)
        if route.method == "POST":
            body = msgspec.json.encode(request)
            headers["Content-Type"] = "application/json"
        elif request is not None:
            fields = {name: value for name, value in msgspec.to_builtins(request).items() if value is not None}
            words = {name: json.dumps(value) if isinstance(value, bool) else value for name, value in fields.items()}
            path += f"?{urlencode(words)}" if words else ""
        waits_ms = getattr(request, "timeout", 0) or getattr(request, "work_for", 0)
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        if self._actor:
            headers["X-Actor"] = self._actor
        return _Send(route.method, path, headers, body, self._timeout_s + waits_ms / 1000)

    def _down(self, error: OSError, send: _Send, *, was_sent: bool) -> OnetapeError:
        what = (error.strerror or str(error) or type(error).__name__).lower()
        if was_sent and (key := send.headers.get("Idempotency-Key")):
            todo = f"repeat it with --id {key}: it is carried out once, and the answer comes"
            return ServiceTimeout(
                f"sent and not answered, so its outcome is not known: {what}", location=self._url.geturl(), todo=todo
            )
        return ProcessDown(f"the control plane does not answer: {what}", location=self._url.geturl(), todo="onetape up")

    def _refused(self, answer: _Answer) -> tuple[OnetapeError, float | None]:
        """Returns the error of its number, and the seconds to wait before a retry. Any other answer comes from no
        control plane."""
        try:
            said = msgspec.json.decode(answer.body, type=dict[str, Any])
            code, what, todo = said["code"], str(said["error"]), str(said.get("solution") or "")
        except (msgspec.MsgspecError, UnicodeDecodeError, KeyError):
            what = f"what answers at this address is no control plane: HTTP {answer.status}"
            return ProcessDown(what, location=self._url.geturl()), None
        place = ", ".join(str(said[name]) for name in ("location", "operationId") if said.get(name))
        error = BY_CODE.get(code, OnetapeError)(what, location=place, todo=todo)
        error.__cause__ = Refusal(answer.status, said)
        pause = said.get("retryAfter") if isinstance(error, RateLimited) else None
        return error, None if pause is None else pause / 1000


def _check_word(name: str, value: str) -> None:
    """Raises UsageError for a value that cannot go into a header. The value is not shown: it may be a secret."""
    if not (value.isascii() and value.isprintable()) or " " in value:
        raise UsageError("it is not printable ASCII without spaces", location=name)


def _decoded(body: bytes, reply: Any) -> Any:
    try:
        return from_json(body, reply)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvariantViolation(
            f"an answer that the client cannot read: {error}", location="the control plane"
        ) from error


class ControlClient(_Client):
    """Calls the control plane, one connection per call; may be shared by threads."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Does nothing: only for symmetry with the async client."""

    def _run(self, steps: _Steps) -> Any:
        answer: _Came | None = None
        try:
            while True:
                step = steps.send(answer)
                if isinstance(step, _Send):
                    answer = self._sent(step)
                else:
                    time.sleep(step)
                    answer = None
        except StopIteration as end:
            return end.value

    def _sent(self, send: _Send) -> _Came:
        host, port = self._url.hostname or "", self._url.port
        connection: http.client.HTTPConnection
        if self._url.scheme == "https":
            context = self._tls or ssl.create_default_context()
            connection = http.client.HTTPSConnection(host, port, timeout=send.timeout_s, context=context)
        else:
            connection = http.client.HTTPConnection(host, port, timeout=send.timeout_s)
        try:
            if isinstance(connection, http.client.HTTPSConnection) and self._tls_name:
                plain = socket.create_connection((host, connection.port), send.timeout_s)
                connection.sock = context.wrap_socket(plain, server_hostname=self._tls_name)
            else:
                connection.connect()
        except OSError as error:
            return _Unsent(error)
        try:
            connection.request(send.method, send.target, body=send.body, headers=send.headers)
            response = connection.getresponse()
            return _Answer(response.status, response.read())
        except http.client.HTTPException as error:
            return ConnectionError(str(error) or type(error).__name__)
        except OSError as error:
            return error
        finally:
            connection.close()


class AsyncControlClient(_Client):
    """Calls the control plane from a running loop; its connections are kept until it is closed."""

    _session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        import aiohttp

        self._session = aiohttp.ClientSession()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._session is not None
        await self._session.close()

    async def _run(self, steps: _Steps) -> Any:
        import asyncio

        answer: _Came | None = None
        try:
            while True:
                step = steps.send(answer)
                if isinstance(step, _Send):
                    answer = await self._sent(step)
                else:
                    await asyncio.sleep(step)
                    answer = None
        except StopIteration as end:
            return end.value

    async def _sent(self, send: _Send) -> _Came:
        import aiohttp
        from yarl import URL

        if self._session is None:
            raise UsageError("the client is not open", location="AsyncControlClient", todo="use it by `async with`")
        url = URL(f"{self._url.scheme}://{self._url.netloc}{send.target}", encoded=True)
        more: dict[str, Any] = {"timeout": aiohttp.ClientTimeout(total=send.timeout_s), "allow_redirects": False}
        more["server_hostname"] = self._tls_name or None
        try:
            async with self._session.request(
                send.method, url, data=send.body, headers=send.headers, ssl=self._tls or True, **more
            ) as response:
                return _Answer(response.status, await response.read())
        except aiohttp.ClientSSLError as error:
            return _Unsent(ssl.SSLError(str(error)))
        except aiohttp.ClientConnectorError as error:
            return _Unsent(error.os_error)
        except OSError as error:
            return error
        except aiohttp.ClientError as error:
            return ConnectionError(str(error) or type(error).__name__)
