"""Requests to a venue: one request, one answer parsed by the protocol."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Final

import aiohttp
from yarl import URL

from onetape.feeds.connect_pace import ConnectPace
from onetape.feeds.malformed_counts import Rejects
from onetape.feeds.request_budget import AddressBudget, BudgetError
from onetape.feeds.venue_clock import VenueClock
from onetape.model.errors import ClockSkew, OrderOutcomeUnknown, VenueUnavailable
from onetape.net.egress import Egress, connector_of
from onetape.net.http_limits import ENCODING, body_of
from onetape.net.kept_http import KeptConnections
from onetape.net.tasks import ended, watched
from onetape.orders.calls import ORDER_PURPOSES, Call, signatures
from onetape.orders.malformed import MALFORMED, check_reports
from onetape.orders.order_budget import OrderBudget
from onetape.orders.outcome import Answer, Outcome
from onetape.security.redaction import Redactor
from onetape.venues.contract import TradingVenue
from onetape.venues.http_response import Response

__all__ = ["Sent", "VenueLine", "body_from"]

CALL_TIMEOUT_S: Final = 4.0
Sent = asyncio.Future[Response]  # a request's future answer

REPEAT_S: Final = 0.25  # before a public request is repeated
LINE_S: Final = 1.0  # longest delay of the next request if requests must arrive in order


class VenueLine:
    """Sends the requests of one account over HTTP. Call `open` first."""

    def __init__(
        self,
        venue: TradingVenue,
        rest: str,
        clock: VenueClock,
        hide: Redactor | None = None,
        budget: AddressBudget | None = None,
        orders: OrderBudget | None = None,
        *,
        keeps: bool = True,
        out: Callable[[Call], None] = lambda call: None,
        rejects: Rejects | None = None,
        pace: ConnectPace | None = None,
        egress: Egress | None = None,
    ) -> None:
        """keeps: keep connections for orders open. out: called when a request has been written to a socket. pace: paces
        stream connections, for those who make them; egress: the network path of all connections."""
        self.egress = egress
        self.budget = budget
        self.pace = pace
        self.orders = orders
        self.venue = venue
        self.rest = rest
        self.clock = clock
        self.hide = hide or Redactor()  # secrets in a venue's answers
        self._in_order = asyncio.Lock()  # for requests that must arrive in order
        self._http: aiohttp.ClientSession
        self._kept = KeptConnections(rest, egress=egress)  # for orders
        self._keeps = keeps
        self._out = out
        self.rejects = rejects or Rejects(rest, lambda _: None)

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        timeout = aiohttp.ClientTimeout(total=CALL_TIMEOUT_S)
        connector = connector_of(self.egress, limit=16, keepalive_timeout=60.0)
        async with aiohttp.ClientSession(
            self.rest,
            timeout=timeout,
            connector=connector,
            trace_configs=[self._traced()],
            auto_decompress=False,
            headers={"Accept-Encoding": ENCODING},
        ) as http:
            self._http = http
            if not self._keeps:
                yield
                return
            keeper = watched(self._kept.keep())
            try:
                yield
            finally:
                await ended([keeper])  # the task has handled its exceptions

    def _traced(self) -> aiohttp.TraceConfig:
        async def headers_sent(session: object, context: SimpleNamespace, sent: object) -> None:
            self._out(context.trace_request_ctx)

        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(headers_sent)
        return trace

    def begin(self, call: Call) -> Sent | None:
        """Writes an order's request now, if a connection is free; None: nothing was sent, and `answer` will send it."""
        if self.venue.in_order or call.purpose not in ORDER_PURPOSES or not self._kept.is_free:
            return None
        if self.budget is not None:
            try:
                self.budget.take(call)
            except BudgetError as spent:
                refused: Sent = asyncio.get_running_loop().create_future()
                refused.set_exception(spent)
                return refused
        return self._send_kept(call)

    def _send_kept(self, call: Call) -> Sent | None:
        sent = self._kept.send(call)
        if sent is not None:
            self._out(call)
        return sent

    async def answer(self, call: Call, sent: Sent | None = None) -> Answer:
        """Returns the outcome of a call; ambiguous if no answer came. sent: the result of `begin`."""
        try:
            return await self.ask(call, sent)
        except BudgetError as spent:
            return spent.answer
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return Answer(Outcome.AMBIGUOUS, text=type(error).__name__)

    async def ask(self, call: Call, sent: Sent | None = None) -> Answer:
        """Returns the venue's answer to a call. Raises aiohttp.ClientError, OSError and TimeoutError if none came."""
        if self.venue.in_order:
            async with self._in_order:
                # A lost request does not delay the others for long; if it arrives after them, the venue refuses it.
                request = asyncio.ensure_future(self.request(call))
                await asyncio.wait({request}, timeout=LINE_S)
            status, headers, body = await request
        else:
            status, headers, body = await self.request(call, sent)
        answer = self._read(call, status, headers, body)
        if self.budget is not None:
            self.budget.answered(call, status, answer)
        if answer.code == ClockSkew.code:
            self.clock.distrust()
        return answer

    def _read(self, call: Call, status: int, headers: dict[str, str], body: bytes) -> Answer:
        try:
            answer = self.venue.protocol.answer(call, status, headers, body, self.clock.now())
            check_reports(answer.reports)
            answer.text.encode()
        except MALFORMED as error:
            shown = self.hide.hidden(body, *signatures(call))
            found = self.rejects.noted(f"answer to {call.purpose}", error, shown)
            return Answer(Outcome.AMBIGUOUS, code=OrderOutcomeUnknown.code, text=found.rule)
        return answer

    async def request(self, call: Call, sent: Sent | None = None) -> tuple[int, dict[str, str], bytes]:
        """Returns status, headers and body of the venue's answer, without secrets. sent: the result of `begin`. Raises
        BudgetError, an OSError, if the request must not be sent now."""
        if self.budget is not None and sent is None:
            self.budget.take(call)
        status, headers, body = await self._request(call, sent)
        if self.budget is not None:
            is_limited = self._is_of_address(call, status, headers, body)
            self.budget.heard(status, headers, is_limited=is_limited)
        if self.orders is not None and call.orders:
            self.orders.heard(headers)
        return status, headers, self.hide.hidden(body, *signatures(call))

    def _is_of_address(self, call: Call, status: int, headers: dict[str, str], body: bytes) -> bool:
        """Tells whether HTTP 429 concerns the address; if it reports too many orders, it concerns the account."""
        if status != 429 or not call.orders:
            return True
        answer = self._read(call, status, headers, body)
        return answer.venue_code != self.venue.order_limit_code

    async def _request(self, call: Call, sent: Sent | None) -> tuple[int, dict[str, str], bytes]:
        if call.purpose in ORDER_PURPOSES:
            waiting = sent if sent is not None else self._send_kept(call)
            if waiting is not None:
                async with asyncio.timeout(CALL_TIMEOUT_S):
                    response = await waiting
                return response.status, response.headers, response.body
        async with self._http.request(
            call.method,
            URL(call.target, encoded=True),  # unchanged, as it was signed
            data=call.body or None,
            headers=dict(call.headers),
            allow_redirects=False,
            trace_request_ctx=call,
        ) as reply:
            body = await body_of(reply)
            return reply.status, {k.lower(): v for k, v in reply.headers.items()}, body


async def body_from(line: VenueLine, call: Call) -> bytes:
    """Returns the body of an answer to a public request, which is repeated until the venue answers and the budget
    allows it. Raises VenueUnavailable for a refusal."""
    while True:
        try:
            status, _, body = await line.request(call)
        except (BudgetError, aiohttp.ClientError, ConnectionError):
            await asyncio.sleep(REPEAT_S)
            continue
        if status == 200:
            return body
        if status < 500 and status not in (418, 429):
            raise VenueUnavailable(f"HTTP {status} {body[:120].decode(errors='replace')}")
        await asyncio.sleep(REPEAT_S)
