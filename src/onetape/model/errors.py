"""All errors, one small tree. Each has a name and a number that scripts may hold on to.

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

Three kinds, three ways to meet them. An expected outcome (a refused order, a lost connection)
travels as a value and becomes one of these only at an edge where somebody asked for an answer.
VenueProtocolError is caught where the venue's session ends, journaled, and followed by a
reconnect. InvariantViolation is caught by nobody below the process: state that contradicts itself
is worse than none, so the process stops and its journal is replayed. Code that means the first
kind therefore names a class or a group, never the root.
"""

# ruff: noqa: N818 - a class is called as its error is, and none of those ends in Error.

from __future__ import annotations

from typing import ClassVar


class OnetapeError(Exception):
    """The root of our errors. `what` happened, `location` (file, line, order, field), what to do (`todo`). excerpt:
    what a person is shown above it, lines with a mark under the place."""

    name: ClassVar[str] = ""
    code: ClassVar[int] = 0
    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, location: str = "", todo: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.location = location
        self.todo = todo
        self.excerpt = ""

    @property
    def message(self) -> str:
        """What, where and what to do, those that are known, on one line."""
        parts = (part.strip() for part in (self.what, self.location, self.todo))
        return " ".join(", ".join(part for part in parts if part).split())

    def __str__(self) -> str:
        return f"error {self.name}({self.code}): {self.message}"

    def __reduce__(self) -> tuple[object, ...]:
        return rebuilt, (type(self), self.what, self.location, self.todo)

    def as_json(self) -> dict[str, dict[str, int | str]]:
        """Returns the error object of a command that was asked for --json."""
        return {"error": {"code": self.code, "name": self.name, "message": self.message}}


def rebuilt(kind: type[OnetapeError], what: str, location: str, todo: str) -> OnetapeError:
    """Returns an error that another process met."""
    error = kind.__new__(kind)
    OnetapeError.__init__(error, what, location=location, todo=todo)
    return error


class ControlError(OnetapeError):
    """The control plane's own answers (1xxx account and hedge, 2xxx services, 3xxx callers)."""

    exit_code = 5


class InvalidAccount(ControlError):
    """No such account, or not one this caller may name."""

    name = "INVALID_ACCOUNT"
    code = 1001
    exit_code = 2


class DeltaDeviationExceeded(ControlError):
    """The legs differ by more than the permitted delta."""

    name = "DELTA_DEVIATION_EXCEEDED"
    code = 1002


class HedgeFailed(ControlError):
    """A hedge leg could not be done."""

    name = "HEDGE_FAILED"
    code = 1003
    exit_code = 1


class BlockedByRiskAlert(ControlError):
    """An open risk alert forbids it."""

    name = "BLOCKED_BY_RISK_ALERT"
    code = 1004


class MarketDataUnavailable(ControlError):
    """No fresh market data for the instrument."""

    name = "MARKET_DATA_UNAVAILABLE"
    code = 1005
    exit_code = 6


class ServiceTimeout(ControlError):
    """The process did not answer in time; the outcome may be unknown."""

    name = "SERVICE_TIMEOUT"
    code = 2001
    exit_code = 6


class ProxyFailed(ControlError):
    """The process behind this one could not be reached."""

    name = "PROXY_FAILED"
    code = 2002
    exit_code = 6


class PermissionDenied(ControlError):
    """The caller may not do this."""

    name = "PERMISSION_DENIED"
    code = 3001


class RateLimited(ControlError):
    """The caller asks too often."""

    name = "RATE_LIMITED"
    code = 3002


class OrderError(OnetapeError):
    """An order was refused, or what became of it is not known."""

    exit_code = 5


class OrderInvalid(OrderError):
    """The order breaks a rule of its instrument or of its own fields."""

    name = "ORDER_INVALID"
    code = 4101


class OrderBelowMinNotional(OrderError):
    """Price times quantity is under the instrument's minimum."""

    name = "ORDER_BELOW_MIN_NOTIONAL"
    code = 4102


class OrderWouldCross(OrderError):
    """A post-only order would have taken liquidity."""

    name = "ORDER_WOULD_CROSS"
    code = 4103


class OrderUnknown(OrderError):
    """No such order there."""

    name = "ORDER_UNKNOWN"
    code = 4104


class OrderOutcomeUnknown(OrderError):
    """The order was sent, and no answer says what became of it."""

    name = "ORDER_OUTCOME_UNKNOWN"
    code = 4105
    exit_code = 1


class ReduceOnlyViolated(OrderError):
    """A reduce-only order would open or enlarge a position."""

    name = "REDUCE_ONLY_VIOLATED"
    code = 4106


class DuplicateClientId(OrderError):
    """The client order id is already in use."""

    name = "DUPLICATE_CLIENT_ID"
    code = 4107


class SelfTrade(OrderError):
    """The order would trade with one of the same owner."""

    name = "SELF_TRADE"
    code = 4108


class OrderWouldTrigger(OrderError):
    """Its trigger was met when it arrived, and the venue refuses that; or it fired at once."""

    name = "ORDER_WOULD_TRIGGER"
    code = 4109


class FundsError(OnetapeError):
    """An amount, or the right to it, is missing."""

    exit_code = 5


class InsufficientFunds(FundsError):
    """Not enough available for it."""

    name = "INSUFFICIENT_FUNDS"
    code = 4201


class FundsLocked(FundsError):
    """The funds are there and bound to something else."""

    name = "FUNDS_LOCKED"
    code = 4202


class InvalidAmount(FundsError):
    """Not an amount: zero, negative, too fine or not a number."""

    name = "INVALID_AMOUNT"
    code = 4203
    exit_code = 2


class UnknownCurrency(FundsError):
    """No such currency on the account."""

    name = "UNKNOWN_CURRENCY"
    code = 4204
    exit_code = 2


class UnknownSubaccount(FundsError):
    """No such sub-account."""

    name = "UNKNOWN_SUBACCOUNT"
    code = 4205
    exit_code = 2


class NotOwner(FundsError):
    """It belongs to another strategy."""

    name = "NOT_OWNER"
    code = 4206


class RiskError(OnetapeError):
    """A risk rule refused it."""

    exit_code = 5


class PositionLimit(RiskError):
    """The position or order limit would be exceeded."""

    name = "POSITION_LIMIT"
    code = 4301


class BannedSymbol(RiskError):
    """The instrument is on the ban list."""

    name = "BANNED_SYMBOL"
    code = 4302


class LossHalt(RiskError):
    """A loss limit has halted trading."""

    name = "LOSS_HALT"
    code = 4303


class StaleData(RiskError):
    """The data it would be decided on is too old."""

    name = "STALE_DATA"
    code = 4304


class Killed(RiskError):
    """The kill switch is on."""

    name = "KILLED"
    code = 4305


class PriceBand(RiskError):
    """The price is too far from the reference price."""

    name = "PRICE_BAND"
    code = 4306


class OrderRate(RiskError):
    """Too many orders in the time allowed."""

    name = "ORDER_RATE"
    code = 4307


class AccountMode(RiskError):
    """The account's position or margin mode is not the expected one."""

    name = "ACCOUNT_MODE"
    code = 4308


class HaltedAccount(RiskError):
    """The account may open nothing: it is halted, here or at its venue."""

    name = "HALTED_ACCOUNT"
    code = 4309


class NoGuardian(RiskError):
    """Nobody watches the account, and nothing is opened unwatched."""

    name = "NO_GUARDIAN"
    code = 4310


class NotProtected(RiskError):
    """The position has no stop that the venue is known to hold."""

    name = "NOT_PROTECTED"
    code = 4311


class TradingStopped(RiskError):
    """Nothing is sent until trading starts again: the robot's own hours, its operator's stop, or a
    market that its venue holds up."""

    name = "TRADING_STOPPED"
    code = 4312


class VenueError(OnetapeError):
    """The venue refused, failed, or is not there."""

    exit_code = 6


class VenueRejected(VenueError):
    """The venue refused and gave its own reason."""

    name = "VENUE_REJECTED"
    code = 4401
    exit_code = 5


class VenueUnavailable(VenueError):
    """The venue cannot be reached or says it is down."""

    name = "VENUE_UNAVAILABLE"
    code = 4402


class VenueRateLimit(VenueError):
    """The venue's request limit is used up."""

    name = "VENUE_RATE_LIMIT"
    code = 4403
    exit_code = 5


class ClockSkew(VenueError):
    """Our clock and the venue's differ by more than it permits."""

    name = "CLOCK_SKEW"
    code = 4404
    exit_code = 1


class BadSignature(VenueError):
    """The venue does not accept the key or its signature."""

    name = "BAD_SIGNATURE"
    code = 4405
    exit_code = 5


class SequenceGap(VenueError):
    """Messages of the venue are missing."""

    name = "SEQUENCE_GAP"
    code = 4406
    exit_code = 1


class VenueClosed(VenueError):
    """The venue has ended its business."""

    name = "VENUE_CLOSED"
    code = 4407


class VenueProtocolError(VenueError):
    """The venue sent what its own documentation rules out. `evidence` is the text, shortened."""

    name = "VENUE_PROTOCOL"
    code = 4408
    exit_code = 1

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


class DataError(OnetapeError):
    """Data cannot be read, or must not be written."""

    exit_code = 3


class BadInput(DataError):
    """The data is not what its format says."""

    name = "BAD_INPUT"
    code = 4501


class UnknownFormat(DataError):
    """No reader knows this form of data."""

    name = "UNKNOWN_FORMAT"
    code = 4502


class UnknownSymbol(DataError):
    """The data or the venue has no such instrument."""

    name = "UNKNOWN_SYMBOL"
    code = 4503


class TornTape(DataError):
    """The tape is damaged."""

    name = "TORN_TAPE"
    code = 4504


class JournalLocked(DataError):
    """Another process is the journal's writer."""

    name = "JOURNAL_LOCKED"
    code = 4505
    exit_code = 1


class SchemaMismatch(DataError):
    """The record's fields are not those this build expects."""

    name = "SCHEMA_MISMATCH"
    code = 4506


class DiskFull(DataError):
    """No room is left to write."""

    name = "DISK_FULL"
    code = 4507
    exit_code = 1


class IoFailed(DataError):
    """The operating system refused: a permission, a read-only disk, a broken device."""

    name = "IO_FAILED"
    code = 4508
    exit_code = 1


class RuntimeFailure(OnetapeError):
    """The system itself, its configuration or a strategy has failed."""

    exit_code = 1


class NotAvailable(RuntimeFailure):
    """This build, platform or venue does not have it."""

    name = "NOT_AVAILABLE"
    code = 4601


class BadConfig(RuntimeFailure):
    """The configuration or the command line is wrong."""

    name = "BAD_CONFIG"
    code = 4602
    exit_code = 2


class UsageError(BadConfig):
    """A command was called with arguments it cannot take."""


class StrategyError(RuntimeFailure):
    """The strategy's code raised."""

    name = "STRATEGY_ERROR"
    code = 4603


class Divergence(RuntimeFailure):
    """A replay did not do what the recorded run did."""

    name = "DIVERGENCE"
    code = 4604
    exit_code = 4


class DuplicateCommand(RuntimeFailure):
    """A command of that id has been carried out already."""

    name = "DUPLICATE_COMMAND"
    code = 4605
    exit_code = 5


class ProcessDown(RuntimeFailure):
    """The process it is for is not running."""

    name = "PROCESS_DOWN"
    code = 4606
    exit_code = 6


class InvariantViolation(OnetapeError):
    """Our own state contradicts itself. Never caught below the process."""

    name = "INVARIANT_VIOLATION"
    code = 4607


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
    """Returns an error number's name; of one that has none, its digits."""
    kind = BY_CODE.get(code)
    return kind.name if kind is not None else str(code)


def refusals_by_name(counted: dict[str, dict[int, int]]) -> dict[str, dict[str, int]]:
    """Counts of refused orders by state and error number, by name instead, the most first."""
    return {
        state: {code_name(code): count for code, count in sorted(codes.items(), key=lambda each: (-each[1], each[0]))}
        for state, codes in counted.items()
        if codes
    }


__all__ = [
    "BY_CODE",
    "BY_NAME",
    "AccountMode",
    "BadConfig",
    "BadInput",
    "BadSignature",
    "BannedSymbol",
    "BlockedByRiskAlert",
    "ClockSkew",
    "ControlError",
    "DataError",
    "DeltaDeviationExceeded",
    "DiskFull",
    "Divergence",
    "DuplicateClientId",
    "DuplicateCommand",
    "FundsError",
    "FundsLocked",
    "HaltedAccount",
    "HedgeFailed",
    "InsufficientFunds",
    "InvalidAccount",
    "InvalidAmount",
    "InvariantViolation",
    "IoFailed",
    "JournalLocked",
    "Killed",
    "LossHalt",
    "MarketDataUnavailable",
    "NoGuardian",
    "NotAvailable",
    "NotOwner",
    "NotProtected",
    "OnetapeError",
    "OrderBelowMinNotional",
    "OrderError",
    "OrderInvalid",
    "OrderOutcomeUnknown",
    "OrderRate",
    "OrderUnknown",
    "OrderWouldCross",
    "OrderWouldTrigger",
    "PermissionDenied",
    "PositionLimit",
    "PriceBand",
    "ProcessDown",
    "ProxyFailed",
    "RateLimited",
    "ReduceOnlyViolated",
    "RiskError",
    "RuntimeFailure",
    "SchemaMismatch",
    "SelfTrade",
    "SequenceGap",
    "ServiceTimeout",
    "StaleData",
    "StrategyError",
    "TornTape",
    "TradingStopped",
    "UnknownCurrency",
    "UnknownFormat",
    "UnknownSubaccount",
    "UnknownSymbol",
    "UsageError",
    "VenueClosed",
    "VenueError",
    "VenueProtocolError",
    "VenueRateLimit",
    "VenueRejected",
    "VenueUnavailable",
    "check",
    "code_name",
    "refusals_by_name",
]
