"""Define all errors in one small tree. Each has a stable name and number for scripts.

    OnetapeError
    +-- ControlError
    |   +-- InvalidAccount           1001
    |   +-- DeltaDeviationExceeded   1002
    |   +-- HedgeFailed              1003
    |   +-- BlockedByRiskAlert       1004
    |   +-- MarketDataUnavailable    1005
    |   +-- ServiceTimeout           2001
    |   +-- ProxyFailed              2002
    |   +-- PermissionDenied         3001
    |   +-- RateLimited              3002
    +-- OrderError
    |   +-- OrderInvalid             4101
    |   +-- OrderBelowMinNotional    4102
    |   +-- OrderWouldCross          4103
    |   +-- OrderUnknown             4104
    |   +-- OrderOutcomeUnknown      4105
    |   +-- ReduceOnlyViolated       4106
    |   +-- DuplicateClientId        4107
    |   +-- SelfTrade                4108
    |   +-- OrderWouldTrigger        4109
    +-- FundsError
    |   +-- InsufficientFunds        4201
    |   +-- FundsLocked              4202
    |   +-- InvalidAmount            4203
    |   +-- UnknownCurrency          4204
    |   +-- UnknownSubaccount        4205
    |   +-- NotOwner                 4206
    +-- RiskError
    |   +-- PositionLimit            4301
    |   +-- BannedSymbol             4302
    |   +-- LossHalt                 4303
    |   +-- StaleData                4304
    |   +-- Killed                   4305
    |   +-- PriceBand                4306
    |   +-- OrderRate                4307
    |   +-- AccountMode              4308
    |   +-- HaltedAccount            4309
    |   +-- NoGuardian               4310
    |   +-- NotProtected             4311
    |   +-- TradingStopped           4312
    +-- VenueError
    |   +-- VenueRejected            4401
    |   +-- VenueUnavailable         4402
    |   +-- VenueRateLimit           4403
    |   +-- ClockSkew                4404
    |   +-- BadSignature             4405
    |   +-- SequenceGap              4406
    |   +-- VenueClosed              4407
    |   +-- VenueProtocolError       4408  the other side broke its own contract
    +-- DataError
    |   +-- BadInput                 4501
    |   +-- UnknownFormat            4502
    |   +-- UnknownSymbol            4503
    |   +-- TornTape                 4504
    |   +-- JournalLocked            4505
    |   +-- SchemaMismatch           4506
    |   +-- DiskFull                 4507
    |   +-- IoFailed                 4508
    +-- RuntimeFailure
    |   +-- NotAvailable             4601
    |   +-- BadConfig                4602
    |   |   +-- UsageError           4602  plain misuse of a command
    |   +-- StrategyError            4603
    |   +-- Divergence               4604
    |   +-- DuplicateCommand         4605
    |   +-- ProcessDown              4606
    +-- InvariantViolation           4607  we are wrong

There are three kinds. An expected outcome (a refused order, a lost connection)
is passed as a value and becomes an error only at an edge where a caller waits for an answer.
VenueProtocolError is caught where the venue's session ends, journaled, and followed by a
reconnect. InvariantViolation is never caught below the process: state that contradicts itself
is worse than none, so the process stops and its journal is replayed. Code that means the first
kind therefore names a class or a group, never the root.
"""

# ruff: noqa: N818 - a class is named as its error, and none of those ends in Error.

from __future__ import annotations

import re
from typing import ClassVar

from onetape.model.near import did_you_mean


class OnetapeError(Exception):
    """The root of our errors. `what` happened, `location` (file, line, order, field), what to do (`todo`). excerpt:
    lines shown to a person above it, with a mark under the location."""

    name: ClassVar[str] = ""
    code: ClassVar[int] = 0
    exit_code: ClassVar[int] = 1

    def __init_subclass__(cls, *, code: int | None = None, exit_code: int | None = None, name: str = "") -> None:
        """Derive a numbered class's error name from the class name in capitals, unless set."""
        if code is not None:
            cls.code = code
            cls.name = name or re.sub(r"\B(?=[A-Z])", "_", cls.__name__).upper()
        if exit_code is not None:
            cls.exit_code = exit_code

    def __init__(self, what: str, *, location: str = "", todo: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.location = location
        self.todo = todo
        self.excerpt = ""

    @property
    def message(self) -> str:
        """what, location and todo on one line, without empty ones."""
        parts = (part.strip() for part in (self.what, self.location, self.todo))
        return " ".join(", ".join(part for part in parts if part).split())

    def __str__(self) -> str:
        return f"error {self.name}({self.code}): {self.message}"

    def __reduce__(self) -> tuple[object, ...]:
        return rebuilt, (type(self), self.what, self.location, self.todo)

    def as_json(self) -> dict[str, dict[str, int | str]]:
        """Returns the error object of a command that was asked for --json."""
        return {"error": {"code": self.code, "name": self.name, "message": self.message}}


def problem_text(problem: BaseException) -> str:
    """Returns an exception as text: our own errors without a second `error NAME(number)`, Python's with the class and
    the name that may have been meant."""
    said = problem.message if isinstance(problem, OnetapeError) else str(problem)
    if isinstance(problem, SyntaxError):
        said = problem.msg  # the location is reported separately
    elif isinstance(problem, AttributeError) and problem.name and problem.obj is not None:
        near = did_you_mean(problem.name, [each for each in dir(type(problem.obj)) if not each.startswith("_")])
        said = f"{said}, {near}" if near else said
    return f"{type(problem).__name__}: {said}"


def rebuilt(kind: type[OnetapeError], what: str, location: str, todo: str) -> OnetapeError:
    """Returns the error of this class that another process has reported."""
    error = kind.__new__(kind)
    OnetapeError.__init__(error, what, location=location, todo=todo)
    return error


class ControlError(OnetapeError, exit_code=5):
    """The control plane's own answers (1xxx account and hedge, 2xxx services, 3xxx callers)."""


class InvalidAccount(ControlError, code=1001, exit_code=2):
    """The account does not exist, or the caller may not use it."""


class DeltaDeviationExceeded(ControlError, code=1002):
    """The legs differ by more than the permitted delta."""


class HedgeFailed(ControlError, code=1003, exit_code=1):
    """A hedge leg could not be executed."""


class BlockedByRiskAlert(ControlError, code=1004):
    """An open risk alert forbids the request."""


class MarketDataUnavailable(ControlError, code=1005, exit_code=6):
    """No fresh market data for the instrument."""


class ServiceTimeout(ControlError, code=2001, exit_code=6):
    """The process did not answer in time; the outcome may be unknown."""


class ProxyFailed(ControlError, code=2002, exit_code=6):
    """The process behind this one could not be reached."""


class PermissionDenied(ControlError, code=3001):
    """The caller may not do this."""


class RateLimited(ControlError, code=3002):
    """The caller exceeded its rate limit."""


class OrderError(OnetapeError, exit_code=5):
    """An order was refused, or its outcome is unknown."""


class OrderInvalid(OrderError, code=4101):
    """The order breaks a rule of its instrument or of its own fields."""


class OrderBelowMinNotional(OrderError, code=4102):
    """Price times quantity is under the instrument's minimum."""


class OrderWouldCross(OrderError, code=4103):
    """A post-only order would have taken liquidity."""


class OrderUnknown(OrderError, code=4104):
    """The venue has no such order."""


class OrderOutcomeUnknown(OrderError, code=4105, exit_code=1):
    """The order was sent, and no answer reports its outcome."""


class ReduceOnlyViolated(OrderError, code=4106):
    """A reduce-only order would open or enlarge a position."""


class DuplicateClientId(OrderError, code=4107):
    """The client order id is already in use."""


class SelfTrade(OrderError, code=4108):
    """The order would trade with one of the same owner."""


class OrderWouldTrigger(OrderError, code=4109):
    """The trigger was met on arrival: the venue refused the order or fired it at once."""


class FundsError(OnetapeError, exit_code=5):
    """There is not enough money, or no right to use it."""


class InsufficientFunds(FundsError, code=4201):
    """The available balance is less than the request needs."""


class FundsLocked(FundsError, code=4202):
    """The funds exist but are locked for something else."""


class InvalidAmount(FundsError, code=4203, exit_code=2):
    """Not an amount: zero, negative, too fine or not a number."""


class UnknownCurrency(FundsError, code=4204, exit_code=2):
    """No such currency on the account."""


class UnknownSubaccount(FundsError, code=4205, exit_code=2):
    """No such sub-account."""


class NotOwner(FundsError, code=4206):
    """The money belongs to another strategy."""


class RiskError(OnetapeError, exit_code=5):
    """A risk rule refused the request."""


class PositionLimit(RiskError, code=4301):
    """The position or order limit would be exceeded."""


class BannedSymbol(RiskError, code=4302):
    """The instrument is on the ban list."""


class LossHalt(RiskError, code=4303):
    """A loss limit has halted trading."""


class StaleData(RiskError, code=4304):
    """The data for the decision are too old."""


class Killed(RiskError, code=4305):
    """The kill switch is on."""


class PriceBand(RiskError, code=4306):
    """The price is too far from the reference price."""


class OrderRate(RiskError, code=4307):
    """Too many orders in the time allowed."""


class AccountMode(RiskError, code=4308):
    """The account's position or margin mode is not the expected one."""


class HaltedAccount(RiskError, code=4309):
    """The account may open nothing: it is halted, by us or by its venue."""


class NoGuardian(RiskError, code=4310):
    """No guardian watches the account, and nothing is opened without one."""


class NotProtected(RiskError, code=4311):
    """The position has no stop confirmed by the venue."""


class TradingStopped(RiskError, code=4312):
    """Nothing is sent until trading starts again: trading hours, the operator's stop, or a market halted by its
    venue."""


class NoLease(RiskError, code=4313):
    """Another host may trade on the account."""


class NotReplicated(RiskError, code=4314):
    """No other host has the order's record."""


class VenueError(OnetapeError, exit_code=6):
    """The venue refused, failed, or is not reachable."""


class VenueRejected(VenueError, code=4401, exit_code=5):
    """The venue refused and gave its own reason."""


class VenueUnavailable(VenueError, code=4402):
    """The venue cannot be reached or says it is down."""


class VenueRateLimit(VenueError, code=4403, exit_code=5):
    """The venue's request limit is used up."""


class ClockSkew(VenueError, code=4404, exit_code=1):
    """Our clock and the venue's differ by more than it permits."""


class BadSignature(VenueError, code=4405, exit_code=5):
    """The venue does not accept the key or its signature."""


class SequenceGap(VenueError, code=4406, exit_code=1):
    """Messages of the venue are missing."""


class VenueClosed(VenueError, code=4407):
    """The venue has ceased operation."""


class VenueProtocolError(VenueError, code=4408, exit_code=1, name="VENUE_PROTOCOL"):
    """The venue violated its own documentation. `evidence` is the text, shortened."""

    EVIDENCE_CHARS_MAX: ClassVar[int] = 200

    def __init__(self, venue: str, rule: str, evidence: str) -> None:
        shown = evidence[: self.EVIDENCE_CHARS_MAX]
        if len(shown) < len(evidence):
            shown += "..."
        super().__init__(rule, location=f"{venue} sent {shown}")
        self.venue = venue
        self.rule = rule
        self.evidence = evidence

    def __reduce__(self) -> tuple[object, ...]:
        return VenueProtocolError, (self.venue, self.rule, self.evidence)


class DataError(OnetapeError, exit_code=3):
    """Data cannot be read, or must not be written."""


class BadInput(DataError, code=4501):
    """The data violate their format."""


class UnknownFormat(DataError, code=4502):
    """No reader supports this format of data."""


class UnknownSymbol(DataError, code=4503):
    """The data or the venue has no such instrument."""


class TornTape(DataError, code=4504):
    """The tape is damaged."""


class JournalLocked(DataError, code=4505, exit_code=1):
    """Another process is the journal's writer."""


class SchemaMismatch(DataError, code=4506):
    """The record's fields differ from those this build expects."""


class DiskFull(DataError, code=4507, exit_code=1):
    """No room is left to write."""


class IoFailed(DataError, code=4508, exit_code=1):
    """The operating system refused: a permission, a read-only disk, a broken device."""


class RuntimeFailure(OnetapeError, exit_code=1):
    """The system itself, its configuration or a strategy has failed."""


class NotAvailable(RuntimeFailure, code=4601):
    """This build, platform or venue does not support it."""


class BadConfig(RuntimeFailure, code=4602, exit_code=2):
    """The configuration or the command line is wrong."""


class UsageError(BadConfig):
    """A command was called with arguments it cannot take."""


class StrategyError(RuntimeFailure, code=4603):
    """The strategy's code raised."""


class Divergence(RuntimeFailure, code=4604, exit_code=4):
    """A replay differs from the recorded run."""


class DuplicateCommand(RuntimeFailure, code=4605, exit_code=5):
    """A command with this id has been carried out already."""


class ProcessDown(RuntimeFailure, code=4606, exit_code=6):
    """The process concerned is not running."""


class InvariantViolation(OnetapeError, code=4607):
    """Our own state contradicts itself. Never caught below the process."""


def check(condition: bool, rule: str, *, location: str = "") -> None:
    """Raise InvariantViolation unless the rule holds; unlike assert it survives -O."""
    if not condition:
        raise InvariantViolation(rule, location=location)


def _leaves(kind: type[OnetapeError]) -> list[type[OnetapeError]]:
    found = [kind] if "code" in vars(kind) and kind.code else []
    for child in kind.__subclasses__():
        found += _leaves(child)
    return found


BY_CODE: dict[int, type[OnetapeError]] = {kind.code: kind for kind in _leaves(OnetapeError)}
BY_NAME: dict[str, type[OnetapeError]] = {kind.name: kind for kind in BY_CODE.values()}


def code_name(code: int) -> str:
    """Returns the name of an error number, or the number as text when no error has it."""
    kind = BY_CODE.get(code)
    return kind.name if kind is not None else str(code)


def refusals_by_name(counted: dict[str, dict[int, int]]) -> dict[str, dict[str, int]]:
    """Returns counts of refused orders by state and error name, largest first."""
    return {
        state: {code_name(code): count for code, count in sorted(codes.items(), key=lambda each: (-each[1], each[0]))}
        for state, codes in counted.items()
        if codes
    }
