"""Refusals of calls: HTTP status, number, text, and remedy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from onetape.model import errors as e
from onetape.web.auth import Unauthenticated
from onetape.web.replies import ErrorReply

__all__ = ["CHAPTER", "SOLUTIONS", "STATUSES", "NotServed", "answer_of", "error_reply", "status_of"]

# The first matching type counts.
STATUSES: Final[tuple[tuple[type[e.OnetapeError], int], ...]] = (
    (Unauthenticated, 401),
    (e.PermissionDenied, 403),
    (e.InvalidAccount, 404),
    (e.DeltaDeviationExceeded, 409),
    (e.HedgeFailed, 502),
    (e.BlockedByRiskAlert, 423),
    (e.MarketDataUnavailable, 503),
    (e.ServiceTimeout, 504),
    (e.ProxyFailed, 502),
    (e.RateLimited, 429),
    (e.NotAvailable, 501),
    (e.DuplicateCommand, 409),
    (e.ProcessDown, 503),
    (e.DiskFull, 503),
    (e.BadInput, 400),
    (e.UnknownSymbol, 400),
    (e.InvalidAmount, 400),
    (e.UsageError, 400),
    (e.OrderError, 409),
    (e.FundsError, 409),
    (e.RiskError, 409),
    (e.VenueError, 502),
    (e.BadConfig, 503),
    (e.OnetapeError, 500),
)
# Our number -> the control plane's own; the reply has ours among the causes.
CHAPTER: Final[Mapping[type[e.OnetapeError], type[e.OnetapeError]]] = {
    e.Killed: e.BlockedByRiskAlert,
    e.LossHalt: e.BlockedByRiskAlert,
    e.BannedSymbol: e.BlockedByRiskAlert,
    e.HaltedAccount: e.BlockedByRiskAlert,
    e.NoGuardian: e.BlockedByRiskAlert,
    e.NotProtected: e.BlockedByRiskAlert,
    e.NoLease: e.BlockedByRiskAlert,
    e.NotReplicated: e.BlockedByRiskAlert,
    e.StaleData: e.MarketDataUnavailable,
    e.NotOwner: e.PermissionDenied,
}
SOLUTIONS: Final[Mapping[str, str]] = {
    "INVALID_ACCOUNT": "name an account of [accounts]; GET /api/v1/symbols lists them",
    "DELTA_DEVIATION_EXCEEDED": "look at hedgeResults, then call again, or allow a larger maxDeviation",
    "HEDGE_FAILED": "look at the operation and at the accounts' positions, then call again",
    "BLOCKED_BY_RISK_ALERT": "look at GET /api/v1/risk/alerts?severity=CRITICAL; acknowledge or clear what is there",
    "KILLED": "onetape status says why; onetape send gateway:ACCOUNT unkill lets it trade again",
    **dict.fromkeys(("LOSS_HALT", "BANNED_SYMBOL", "HALTED_ACCOUNT"), "onetape halts lists what holds, and lifts it"),
    "NO_GUARDIAN": "onetape status says whether the guardian runs",
    "NOT_PROTECTED": "onetape stops shows what protects the position",
    **dict.fromkeys(("NO_LEASE", "NOT_REPLICATED"), "onetape status --all shows the hosts, and which of them answers"),
    "MARKET_DATA_UNAVAILABLE": "wait, or fail over by hand: POST /api/v1/market/failover",
    "SERVICE_TIMEOUT": "look at GET /api/v1/operations/{operationId}; the same Idempotency-Key answers the same again",
    "PROXY_FAILED": "look at the egress of the account, then call again",
    "PERMISSION_DENIED": "send a token of the scope that is needed: onetape token create NAME --scope SCOPE",
    "RATE_LIMITED": "wait for retryAfter, then call again",
    "DUPLICATE_COMMAND": "wait until the other operation has ended, or take a new Idempotency-Key",
    "NOT_AVAILABLE": "see docs/roadmap.md",
    "PROCESS_DOWN": "onetape status says what does not run",
    "UNKNOWN_SYMBOL": "GET /api/v1/symbols lists what there is",
}
LOOK: Final = "onetape logs, and the operation's records, say more"
CHECK: Final = "compare the request with /docs"


class NotServed(e.BadInput):
    """A refusal by the rules of HTTP itself. status: of HTTP; headers: to send with it."""

    def __init__(self, status: int, what: str, todo: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(what, todo=todo)
        self.status, self.headers = status, headers or {}


def status_of(error: e.OnetapeError) -> int:
    if isinstance(error, NotServed):
        return error.status
    kind = CHAPTER.get(type(error), type(error))
    return next(status for base, status in STATUSES if issubclass(kind, base))


def error_reply(error: e.OnetapeError, operation: str | None = None, retry_after: int | None = None) -> ErrorReply:
    """Returns the reply to an error. retry_after: ms."""
    kind = CHAPTER.get(type(error), type(error))
    solution = (
        error.todo
        or SOLUTIONS.get(error.name)
        or SOLUTIONS.get(kind.name)
        or (CHECK if status_of(error) < 500 else LOOK)
    )
    return ErrorReply(
        code=kind.code,
        name=kind.name,
        error=error.what,
        solution=solution,
        location=error.location or None,
        operation_id=operation,
        retry_after=retry_after,
        causes=list(_causes(error, kind)),
    )


def answer_of(reply: Any) -> tuple[int, Any]:
    """Returns HTTP status and body of a reply. A result that exceeded a bound, or was partly done, has the error's
    status, number and remedy beside its fields."""
    if getattr(reply, "code", None) is None:
        return 200, reply
    error = e.BY_CODE[reply.code](reply.error or "")
    refusal = error_reply(error, reply.operation_id)
    more = {"code": refusal.code, "name": refusal.name, "solution": refusal.solution, "causes": refusal.causes}
    return status_of(error), {**msgspec.to_builtins(reply), **more}


def _causes(error: BaseException, kind: type[e.OnetapeError]) -> Iterator[dict[str, Any]]:
    """Yields our own number if the control plane has another one, then the error's causes."""
    at: BaseException | None = error
    while at is not None:
        if isinstance(at, e.OnetapeError) and (at is not error or type(at).code != kind.code):
            yield {"code": at.code, "name": at.name, "error": at.message}
        at = at.__cause__
