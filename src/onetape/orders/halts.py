"""What a gateway must not open: halts and bans, unprotected positions, and the guardian's lease.

Pure. Each change is a command that is on the tape first, so a restart restores it from there; an end by time follows
the gateway's own clock, also without a guardian or operator.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import IntEnum, StrEnum
from typing import Any, Final

import msgspec

from onetape.model.errors import UsageError
from onetape.model.money import parse_amount
from onetape.model.time import TIME_MAX, parse_duration

__all__ = ["HALT_FIELDS", "Halt", "Halts", "HaltsRecord", "Level", "Scope", "danger_id", "halt_of"]

HALT_FIELDS: Final = (
    "id",
    "scope",
    "subject",
    "level",
    "symbol",
    "strategy",
    "rule",
    "loss",
    "limit",
    "since",
    "until",
    "reason",
)
HALTS_MAX: Final = 10_000  # simultaneous halts
TEXT_MAX: Final = 200


class Scope(StrEnum):
    """The scope of a halt."""

    SYMBOL = "symbol"
    STRATEGY = "strategy"  # a sub-account; `main` is the pool
    ACCOUNT = "account"
    SYSTEM = "system"


class Level(IntEnum):
    """The danger levels: each refuses all that the level below it refuses, and more."""

    ADD = 1  # positions may be increased, no other is opened
    REDUCE = 2  # nothing is opened
    HANDS = 3  # robots send nothing, not even reductions; the operator and the guardian reduce


class Halt(msgspec.Struct, frozen=True, kw_only=True):
    """A stop of new risk of its subject from `since` until `until`, ns UTC; 0: until it is lifted.

    rule: the limit that was reached, "ban" for one that an operator set.
    loss, limit: amounts with their currency, "" for a ban.
    """

    id: str
    scope: Scope
    subject: str  # symbol, sub-account or account; "" for the system
    rule: str
    loss: str = ""
    limit: str = ""
    since: int = 0
    until: int = 0
    actor: str = ""
    reason: str = ""
    level: Level = Level.REDUCE

    def holds(self, now: int) -> bool:
        return not self.until or now < self.until

    @property
    def name(self) -> str:
        return f"{self.scope} {self.subject}".rstrip()

    def as_json(self) -> dict[str, Any]:
        return msgspec.to_builtins(self)  # type: ignore[no-any-return]


def halt_of(fields: Mapping[str, Any], *, actor: str, account: str, time: int) -> Halt:
    """Makes the halt that a command requests, live and in recovery from the command's frame.

    fields: symbol or strategy names the subject; without both it is the account, or `scope` and `subject`. level: the
    subject's danger level, which replaces its last one. until: ns UTC, or a duration ("4h") from `since`; without it,
    until lifted. time: of the command's frame, ns. Raises UsageError.
    """
    if unknown := set(fields) - set(HALT_FIELDS):
        raise UsageError(f"halt takes {', '.join(HALT_FIELDS)}, not {', '.join(sorted(unknown))[:80]}")
    named = [each for each in ("symbol", "strategy", "scope") if fields.get(each)]
    if len(named) > 1:
        raise UsageError(f"a halt has one subject: either {' or '.join(named)}")
    try:
        scope = Scope(fields["scope"] if named == ["scope"] else named[0] if named else "account")
    except ValueError:
        raise UsageError(f"no scope {str(fields['scope'])[:40]!r}, but {', '.join(Scope)}") from None
    subject = _text(fields, "subject") if named == ["scope"] else _text(fields, named[0]) if named else account
    if scope is Scope.SYSTEM:
        subject = ""
    elif scope is Scope.ACCOUNT and (subject := subject or account) != account:
        raise UsageError(f"this is account {account}, not {subject[:80]!r}")
    elif not subject:
        raise UsageError(f"a halt of a {scope} names its subject")
    level = _level(fields.get("level"))
    rule = _text(fields, "rule") or (f"danger {level:d}" if level else "ban")
    since = _time(fields.get("since") or time, of=0)
    until = _time(fields.get("until") or 0, of=since)
    if until and until <= since:
        raise UsageError("a halt ends after it begins")
    for name in ("loss", "limit"):
        if text := _text(fields, name):
            parse_amount(text.removeprefix("-"))
    name = _text(fields, "id") or (danger_id(scope, subject) if level else f"{scope}:{subject}:{rule}")
    return Halt(
        id=name,
        scope=scope,
        subject=subject,
        rule=rule,
        loss=_text(fields, "loss"),
        limit=_text(fields, "limit"),
        since=since,
        until=until,
        actor=actor,
        reason=_text(fields, "reason"),
        level=level or Level.REDUCE,
    )


def danger_id(scope: Scope, subject: str) -> str:
    """Returns the halt id of a subject's danger level, of which it has one at a time."""
    return f"danger:{scope}:{subject}"


def _level(value: object) -> Level | None:
    """Returns the level in the command, None without."""
    if value is None:
        return None
    try:
        return Level(int(str(value)))
    except ValueError:
        levels = ", ".join(f"{each:d}" for each in Level)
        raise UsageError(f"no level {str(value)[:40]!r}, but {levels}", todo="lift_halt ends one") from None


def _text(fields: Mapping[str, Any], name: str) -> str:
    text = str(fields.get(name) or "")
    if len(text) > TEXT_MAX or not text.isprintable():
        raise UsageError(f"{name} is a line of at most {TEXT_MAX} letters")
    return text


def _time(value: object, *, of: int) -> int:
    """Returns ns UTC from a number, or from a duration after `of`."""
    text = str(value)
    time = int(text) if text.isdecimal() else of + parse_duration(text)
    if isinstance(value, bool) or not 0 <= time <= TIME_MAX or (not of and not text.isdecimal()):
        raise UsageError(f"no time: {text[:40]!r}", todo="ns UTC, or of `until` how long, as 4h")
    return time


class HaltsRecord(msgspec.Struct, frozen=True):
    """The halts, bans and lease in a checkpoint."""

    halts: list[Halt] = []
    unprotected: dict[str, int] = {}
    epoch: int = 0


class Halts:
    """The halts and bans of one gateway.

    killed: why no order that may open may leave, "": it may.
    unprotected: symbol -> since when its position has no verified stop, ns.
    open_until: end of this host's lease by the venue's clock, ns; without a lease the end of time.
    lease_until: end of the guardian's lease by the venue's clock, ns; 0: no guardian.
    epoch: of the guardian that holds the lease; leases of older ones are ignored.
    """

    def __init__(self) -> None:
        self.killed = ""
        self.unprotected: dict[str, int] = {}
        self.open_until = TIME_MAX
        self.lease_until = 0
        self.epoch = 0
        self.by_id: dict[str, Halt] = {}

    def __bool__(self) -> bool:
        return bool(self.by_id)

    def __iter__(self) -> Iterator[Halt]:
        return iter(self.by_id.values())

    def has_room(self, halt: Halt) -> bool:
        return len(self.by_id) < HALTS_MAX or halt.id in self.by_id

    def begin(self, halt: Halt) -> None:
        """Begins a halt, replacing one of the same id."""
        self.by_id[halt.id] = halt

    def find(self, id_: str) -> Halt | None:
        return self.by_id.get(id_)

    def lift(self, id_: str) -> Halt | None:
        """Ends a halt and returns it; None: there is none of that id."""
        return self.by_id.pop(id_, None)

    def expire(self, now: int) -> list[Halt]:
        """Removes expired halts."""
        over = [each for each in self.by_id.values() if not each.holds(now)]
        for each in over:
            del self.by_id[each.id]
        return over

    def of(self, symbol: str, strategy: str, now: int) -> Halt | None:
        """Returns the first halt that applies to such an order: highest level, then widest scope."""
        found = [each for each in self.by_id.values() if each.holds(now) and _is_of(each, symbol, strategy)]
        return max(found, key=lambda each: (each.level, _WIDTH[each.scope]), default=None)

    def protect(self, symbol: str, since: int) -> None:
        """Sets since when a symbol's position is unprotected, ns; 0: it is protected."""
        if since:
            self.unprotected[symbol] = since
        else:
            self.unprotected.pop(symbol, None)

    def to_record(self) -> HaltsRecord:
        return HaltsRecord(list(self.by_id.values()), dict(self.unprotected), self.epoch)

    def restore(self, record: HaltsRecord) -> None:
        self.by_id = {each.id: each for each in record.halts}
        self.unprotected, self.epoch = dict(record.unprotected), record.epoch


_WIDTH: Final = {Scope.SYMBOL: 0, Scope.STRATEGY: 1, Scope.ACCOUNT: 2, Scope.SYSTEM: 3}


def _is_of(halt: Halt, symbol: str, strategy: str) -> bool:
    match halt.scope:
        case Scope.SYMBOL:
            return halt.subject == symbol
        case Scope.STRATEGY:
            return halt.subject == strategy
    return True
