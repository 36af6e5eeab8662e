"""Detection of changes of a venue: compares its messages with the adapter's dated facts. No I/O.

The facts are in `facts/KIND.toml`: the fields that the adapter reads and those that it knows of, values of
enumerations, kinds of messages, answers to deliberately bad requests. Anything else is counted by name; the only error
is that a field which the adapter reads is missing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Any, Final, NamedTuple

import msgspec

from onetape.model.json_text import read_json
from onetape.venues.error_tables import ErrorRow

__all__ = ["BadRequest", "Drift", "Drifts", "Facts", "Shape", "What", "refusal_drift"]

NAMES_MAX: Final = 200  # names of drifts; further ones are counted together
VALUE_CHARS: Final = 40


class Kinds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Objects in a list whose kind is the value of a field."""

    key: str
    kinds: dict[str, Shape] = {}


class Shape(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The fields of one object. needs: read by the adapter; knows: further known ones; values: allowed values of a
    field; each: the shape of a field's value, or of each row if it is a list (fields "0", "1": the list is an object of
    its parts); all: the shape of every value, if the keys are names."""

    needs: list[str] = []
    knows: list[str] = []
    values: dict[str, list[str]] = {}
    each: dict[str, Shape] = {}
    by: dict[str, Kinds] = {}
    all: Shape | None = None


class BadRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A GET without a key that the venue refuses. text: "" if the code is the text."""

    name: str
    target: str
    status: int
    code: str
    text: str = ""


class Facts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The facts about one kind of venue. read: the date on which they were read, YYYY-MM-DD. Without `messages` there
    is nothing to compare. name_paths: the paths of the value that names a message, up to a dot; the first that is there
    counts. unnamed: names of the other messages, by a field that they have. wrappers: a field -> that of the message
    in it."""

    kind: str
    read: str
    sources: list[str]
    name_paths: list[str] = []
    unnamed: dict[str, str] = {}
    wrappers: dict[str, str] = {}
    error_style: str = "code"  # code: {"code", "msg"}; retCode: {"retCode", "retMsg"}; texts: {"error": [...]}
    sample_symbol: str = ""
    sample: list[str] = []  # the messages that an active market sends
    endpoints: list[str] = []
    answers: dict[str, Shape] = {}
    messages: dict[str, Shape] = {}
    passed_over: list[str] = []
    bad_requests: list[BadRequest] = []
    headers: list[str] = []  # of every answer, in lower case


class What(StrEnum):
    """The kinds of drift."""

    MISSING = "missing field"  # the adapter reads it
    FIELD = "unknown field"
    VALUE = "unknown value"
    MESSAGE = "unknown message"
    SILENT = "no message"
    HEADER = "missing header"
    REFUSAL = "another refusal"
    CODE = "unknown code"


class Drift(NamedTuple):
    what: What
    name: str
    times: int

    @property
    def text(self) -> str:
        times = f" ({self.times} times)" if self.times > 1 else ""
        return f"{self.what} {self.name}{times}"


class Drifts:
    """Counts drifts by name. `message` and the other comparisons return the new ones."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.counts: dict[tuple[What, str], int] = {}
        self.noted_times = 0  # total count
        self._new: list[Drift] = []
        self._names = frozenset(path.partition(".")[0] for path in facts.name_paths)

    def rows(self) -> list[Drift]:
        """Returns all drifts, the most severe kinds first."""
        order = list(What)
        found = [Drift(what, name, count) for (what, name), count in self.counts.items()]
        return sorted(found, key=lambda each: (order.index(each.what), each.name))

    def note(self, what: What, name: str) -> None:
        self.noted_times += 1
        key = (what, name)
        if key not in self.counts and len(self.counts) >= NAMES_MAX:
            key = (what, "(others)")
        if key not in self.counts:
            self._new.append(Drift(*key, 1))
        self.counts[key] = self.counts.get(key, 0) + 1

    def noted(self, what: What, name: str) -> list[Drift]:
        """Notes a drift that was detected elsewhere."""
        self.note(what, name[: 2 * VALUE_CHARS])
        return self._taken()

    def answer(self, name: str, value: Any) -> list[Drift]:
        """Compares an answer with the facts of that name. Raises KeyError if they do not have the name."""
        if isinstance(value, list):
            value = {str(at): row for at, row in enumerate(value)}
        self._compare(self.facts.answers[name], name, value)
        return self._taken()

    def name_of(self, value: Any) -> str:
        """Returns the name of a message's kind; it may be one that the facts do not have."""
        value = self._unwrapped(value)
        if not isinstance(value, dict):
            return type(value).__name__
        for path in self.facts.name_paths:
            name: Any = value
            for part in path.split("."):
                name = name.get(part) if isinstance(name, dict) else None
            if name:
                return str(name).partition(".")[0][:VALUE_CHARS]
        return next((name for field, name in self.facts.unnamed.items() if field in value), "without a name")

    def _unwrapped(self, value: Any) -> Any:
        for field, inside in self.facts.wrappers.items():
            if isinstance(value, dict) and field in value and inside in value:
                return value[inside]
        return value

    def message(self, value: Any) -> list[Drift]:
        """Compares a parsed message of a stream."""
        value = self._unwrapped(value)
        name = self.name_of(value)
        shape = self.facts.messages.get(name)
        if shape is not None:
            self._compare(shape, name, value, but=self._names)
        elif name not in self.facts.passed_over:
            self.note(What.MESSAGE, name)
        return self._taken()

    def refusal(
        self, request: BadRequest, status: int, body: bytes, listed: Mapping[int | str, ErrorRow]
    ) -> list[Drift]:
        """Compares the answer to a deliberately bad request."""
        for drift in refusal_drift(self.facts, request, status, body, listed):
            self.note(*drift)
        return self._taken()

    def _taken(self) -> list[Drift]:
        new, self._new = self._new, []
        return new

    def _compare(self, shape: Shape, at: str, value: Any, *, but: Collection[str] = ()) -> None:
        if not isinstance(value, dict):
            self.note(What.MISSING, f"{at}: {type(value).__name__} and no object")
            return
        if shape.all is not None:
            for inner in value.values():
                self._compare(shape.all, at, inner)
            return
        for name in shape.needs:
            if name not in value:
                self.note(What.MISSING, f"{at}.{name}")
        listed = {*shape.needs, *shape.knows, *shape.each, *shape.by, *shape.values, *but}
        for name, inner in value.items():
            if name not in listed:
                self.note(What.FIELD, f"{at}.{name}"[: 2 * VALUE_CHARS])
                continue
            path = f"{at}.{name}"
            if name in shape.values:
                self._words(shape.values[name], path, inner)
            if name in shape.each:
                if "0" in shape.each[name].each and isinstance(inner, list):
                    inner = {str(number): row for number, row in enumerate(inner)}
                for row in inner if isinstance(inner, list) else (inner,):
                    self._compare(shape.each[name], path, row)
            if name in shape.by and isinstance(inner, list):
                self._kinds(shape.by[name], path, inner)

    def _words(self, listed: list[str], at: str, value: Any) -> None:
        for word in value if isinstance(value, list) else (value,):
            if str(word) not in listed:
                self.note(What.VALUE, f"{at} = {str(word)[:VALUE_CHARS]}")

    def _kinds(self, kinds: Kinds, at: str, rows: list[Any]) -> None:
        for row in rows:
            word = str(row.get(kinds.key)) if isinstance(row, dict) else type(row).__name__
            shape = kinds.kinds.get(word)
            if shape is None:
                self.note(What.VALUE, f"{at}.{kinds.key} = {word[:VALUE_CHARS]}")
            else:
                self._compare(shape, f"{at}.{word}", row, but=(kinds.key,))


def refusal_drift(
    facts: Facts, request: BadRequest, status: int, body: bytes, listed: Mapping[int | str, ErrorRow]
) -> list[tuple[What, str]]:
    """Returns the drifts in a refusal. listed: the venue's table of errors."""
    try:
        value = read_json(body)
        if facts.error_style == "texts":
            code, text = str(value["error"][0]), ""
            group, _, rest = code.partition(":")
            row = listed.get(code) or listed.get(f"{group}:{rest.partition(':')[0]}")
        else:
            names = ("code", "msg") if facts.error_style == "code" else ("retCode", "retMsg")
            code, text = (str(value[name]) for name in names)
            row = listed.get(int(code))
    except (msgspec.DecodeError, LookupError, TypeError, ValueError, AttributeError):
        return [(What.REFUSAL, f"{request.name}: HTTP {status} without a code")]
    found = []
    if row is None:
        found.append((What.CODE, code[:VALUE_CHARS]))
    if (code, status) != (request.code, request.status):
        found.append((What.REFUSAL, f"{request.name}: HTTP {status} {code[:VALUE_CHARS]}"))
    elif request.text and text != request.text:
        found.append((What.REFUSAL, f"{request.name}: {code} says {text[:VALUE_CHARS]!r}"))
    return found
