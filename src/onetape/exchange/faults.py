"""Fault rules of a simulated exchange: reads them from TOML, and decides when they apply.

    [[fault]]
    purpose = "place" # of the requests that place orders,
    nth = [3, 5]               # the third and the fifth
    action = "drop_answer"     # are carried out, but not answered

Pure: time is passed in, and each rule has its own random seed, so that adding or removing a rule does not change the
others. `onetape.exchange.faulty` carries the rules out.
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any, Final, Literal, NamedTuple

import msgspec

from onetape.model.errors import BadConfig, UsageError
from onetape.model.time import parse_duration
from onetape.model.toml_lines import key_lines, line_of
from onetape.model.typed import from_builtins

__all__ = ["ACTIONS", "ActiveRule", "Rule", "parse_faults", "rules_of"]

RULES_MAX: Final = 1000
FOR_EVER: Final = 2**62


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """One `[[fault]]`. Durations are text, such as "2s"; globs are those of file names."""

    action: str
    name: str = ""  # the rule's name in GET /requests; default: the action
    # Which requests:
    path: str = ""  # glob
    method: str = ""
    purpose: str = ""  # place, cancel, amend, query, open_orders, ...; see fault_facts
    # Which messages of a stream:
    event: str = ""  # glob: the venue's own name, such as ORDER_TRADE_UPDATE or depthUpdate
    # Which of the matching ones:
    symbol: str = ""  # the venue's or ours
    account: str = ""
    nth: int | list[int] = []  # only these matches, counted from 1
    probability: float = 1.0
    count: int = 0  # maximum number; 0: unlimited
    from_: str = ""  # begins this long after the rule was added
    to: str = ""
    # How:
    wait: str = ""
    spread: str = ""  # random addition to `wait`: from zero to this
    lasting: str = ""  # default: until the faults are cleared
    error: str = ""  # a venue's error, by its code or text
    status: int = 0
    body: str = ""
    done: bool | None = None  # error: carried out all the same; default: random if the error is ambiguous
    side: Literal["", "rest", "stream"] = ""
    until: Literal["any", "fill", "cancel"] = "any"
    fills: bool = False
    silent: bool = False
    allow: Literal["", "cancel"] = ""
    cancel_orders: bool = False
    offset: str = ""
    currency: str = ""
    amount: str = ""
    changes: dict[str, str] = {}

    @property
    def title(self) -> str:
        return self.name or self.action


class Action(NamedTuple):
    """Describes an action: what its rules may match, and the keys that they may and must have."""

    on: frozenset[str]
    keys: frozenset[str] = frozenset()
    needed: tuple[str, ...] = ()


def _action(on: str, keys: str = "", needed: str = "") -> Action:
    return Action(frozenset(on.split()), frozenset((keys + " " + needed).split()), tuple(needed.split()))


ACTIONS: Final[dict[str, Action]] = {
    "delay": _action("request stream", "spread", "wait"),
    "slow_reads": _action("request", "spread", "wait"),
    "drop_answer": _action("request", "wait spread"),
    "drop_request": _action("request", "wait spread"),
    "duplicate": _action("request stream", "wait spread"),
    "error": _action("request", "error status body done"),
    "reorder": _action("request", "until wait"),
    "invisible": _action("request", "fills", "lasting"),
    "shuffle": _action("request"),
    "stale": _action("request stream time", "lasting", "side"),
    "gap": _action("stream"),
    "bad_checksum": _action("stream"),
    "crossed_book": _action("stream"),
    "disconnect": _action("request stream time"),
    "half_open": _action("request stream time", "lasting"),
    "expire_listen_key": _action("request stream time", "silent"),
    "clock_skew": _action("time", "lasting", "offset"),
    "maintenance": _action("time", "lasting allow cancel_orders"),
    "halt": _action("request stream time", "lasting", "symbol"),
    "delist": _action("request stream time", "", "symbol"),
    "filter": _action("request stream time", "", "symbol changes"),
    "balance": _action("request stream time", "", "account currency amount"),
    "position": _action("request stream time", "", "account symbol amount"),
}
_HOW: Final = (
    "wait", "spread", "lasting", "error", "status", "body", "done", "side", "until", "fills",
    "silent", "allow", "cancel_orders", "offset", "currency", "amount", "changes",
)  # fmt: skip
_DURATIONS: Final = ("from_", "to", "wait", "spread", "lasting")


class _Invalid(Exception):  # noqa: N818 - becomes BadConfig with the line
    def __init__(self, key: str, what: str, todo: str = "") -> None:
        super().__init__(what)
        self.key, self.what, self.todo = key, what, todo


def _check(rule: Rule) -> None:
    action = ACTIONS.get(rule.action)
    if action is None:
        raise _Invalid("action", f"unknown action {rule.action!r}", f"one of {', '.join(ACTIONS)}")
    for key in _HOW:
        is_set = getattr(rule, key) != getattr(_PLAIN, key)
        if is_set and key not in action.keys:
            keys = ", ".join(sorted(action.keys)) or "none"
            raise _Invalid(key, f"`{key}` does not apply to {rule.action}", f"it has: {keys}")
    for key in action.needed:
        if not getattr(rule, key):
            raise _Invalid("action", f"{rule.action} needs `{key}`")
    about_request = bool(rule.path or rule.method or rule.purpose)
    if about_request and rule.event:
        raise _Invalid("event", "a rule is about requests or about events of a stream, not both")
    subject = "stream" if rule.event else "request" if about_request else "time"
    if subject not in action.on:
        wanted = {"request": "path, method or purpose", "stream": "event", "time": "neither"}
        raise _Invalid(
            "action",
            f"{rule.action} is not about {subject}",
            f"give {' or '.join(wanted[each] for each in sorted(action.on))}",
        )
    for key in _DURATIONS:
        if text := getattr(rule, key):
            try:
                parse_duration(text)
            except UsageError as error:
                raise _Invalid(key.rstrip("_"), error.what, error.todo) from None
    if rule.offset:
        try:
            parse_duration(rule.offset.removeprefix("-"))
        except UsageError as error:
            raise _Invalid("offset", error.what, "write a duration, with - for behind") from None
    if not 0 <= rule.probability <= 1:
        raise _Invalid("probability", f"{rule.probability} is not between 0 and 1")
    wrong = [n for n in _numbers(rule.nth) if n < 1]
    if wrong:
        raise _Invalid("nth", f"{wrong[0]} is not 1 or more")
    if rule.count < 0:
        raise _Invalid("count", f"{rule.count} is below 0")
    if rule.action == "error" and not rule.error and not 100 <= rule.status <= 599:
        raise _Invalid("action", "error needs `error`, or a `status` of 100 to 599")


_PLAIN: Final = Rule(action="")


def _numbers(nth: int | list[int]) -> list[int]:
    return [nth] if isinstance(nth, int) else nth


def rules_of(values: object, *, location: str = "faults", lines: dict[Any, int] | None = None) -> list[Rule]:
    """Returns the rules in plain values, a list of tables. Raises BadConfig naming rule, key and line."""
    if not isinstance(values, list):
        raise BadConfig("faults are tables [[fault]]", location=location)
    if len(values) > RULES_MAX:
        raise BadConfig(f"{len(values)} faults, at most {RULES_MAX}", location=location)
    found = []
    for number, value in enumerate(values):

        def bad(key: str, what: str, todo: str = "", number: int = number) -> BadConfig:
            line = line_of(lines or {}, ("fault", str(number), key))
            at = f"{location}:{line}" if line else f"{location}, fault {number + 1}"
            return BadConfig(what, location=at, todo=todo)

        try:
            rule = from_builtins(value, Rule)
            _check(rule)
        except msgspec.ValidationError as error:
            what, _, at = str(error).partition(" - at `$")
            key = at.strip("`.").partition("[")[0]
            if "unknown field" in what:
                key = what.split("`")[1]
                what = f"unknown key `{key}`"
            todo = f"keys are {', '.join(f.encode_name for f in msgspec.structs.fields(Rule))}"
            raise bad(key, what[:1].lower() + what[1:], todo) from None
        except _Invalid as error:
            raise bad(error.key, error.what, error.todo) from None
        found.append(rule)
    return found


def parse_faults(text: str, *, name: str = "faults.toml") -> list[Rule]:
    """Parses rules. Raises BadConfig naming the line."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadConfig(f"not TOML: {error}", location=name) from None
    lines = key_lines(text)
    for key in values:
        if key != "fault":
            line = line_of(lines, (key,))
            raise BadConfig(f"unknown key `{key}`", location=f"{name}:{line}", todo="write [[fault]]")
    return rules_of(values.get("fault", []), location=name, lines=lines)


class ActiveRule:
    """A rule in force. since: ns UTC, from which its `from` and `to` are counted."""

    def __init__(self, rule: Rule, *, number: int, seed: int, since: int) -> None:
        self.rule = rule
        self.action = rule.action
        self.about = "stream" if rule.event else "time"
        if rule.path or rule.method or rule.purpose:
            self.about = "request"
        self.random = random.Random(f"{seed}/{number}")
        self.begins = since + (parse_duration(rule.from_) if rule.from_ else 0)
        self.ends = since + parse_duration(rule.to) if rule.to else FOR_EVER
        self.wait = parse_duration(rule.wait) if rule.wait else 0
        self.spread = parse_duration(rule.spread) if rule.spread else 0
        self.lasting = parse_duration(rule.lasting) if rule.lasting else FOR_EVER
        self.numbers = frozenset(_numbers(rule.nth))
        self.symbols: frozenset[str] = frozenset()  # all spellings of the rule's symbol; set by the caller
        self.met = 0
        self.hits = 0

    def pause(self) -> int:
        """Returns `wait` plus its random part, ns."""
        return self.wait + (self.random.randrange(self.spread + 1) if self.spread else 0)

    def is_open(self, now: int) -> bool:
        return self.begins <= now < self.ends and not (self.rule.count and self.hits >= self.rule.count)

    def takes(self, now: int) -> bool:
        """Counts a match, and returns whether to act on it."""
        if not self.is_open(now):
            return False
        self.met += 1
        if self.numbers and self.met not in self.numbers:
            return False
        if self.rule.probability < 1 and self.random.random() >= self.rule.probability:
            return False
        self.hits += 1
        return True

    def fits(self, account: str, symbols: Sequence[str]) -> bool:
        rule = self.rule
        if rule.account and rule.account != account:
            return False
        return not rule.symbol or any(s in self.symbols or s == rule.symbol for s in symbols)

    def fits_request(self, method: str, path: str, purpose: str) -> bool:
        rule = self.rule
        return (
            (not rule.method or rule.method == method)
            and (not rule.purpose or rule.purpose == purpose)
            and (not rule.path or fnmatchcase(path, rule.path))
        )

    def fits_event(self, event: str) -> bool:
        return fnmatchcase(event, self.rule.event)
