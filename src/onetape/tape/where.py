"""Parse the filter of `journal cat --where`: comparisons of a record's fields, joined by and, or, not.

    price > 100 and side = buy
    not (symbol = "sim:BTC/USDT" or size < 0.5)
    tag ~ grid          (contains)

Nothing is evaluated as Python. Numbers are compared exactly, as decimals; a record that lacks a
field does not match a comparison with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

from onetape.model.errors import UsageError
from onetape.model.near import did_you_mean

__all__ = ["Where", "parse_where"]

Predicate = Callable[[Mapping[str, Any]], bool]

_TEXT_MAX = 10_000
_DEPTH_MAX = 50
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,4})?(?![\w:/]))
    | (?P<quoted>"[^"]*"|'[^']*')
    | (?P<operator><=|>=|==|!=|<|>|=|~)
    | (?P<bracket>[()])
    | (?P<word>[\w.:/\-]+)
    )""",
    re.VERBOSE,
)
_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda a, b: bool(a < b),
    "<=": lambda a, b: bool(a <= b),
    ">": lambda a, b: bool(a > b),
    ">=": lambda a, b: bool(a >= b),
}


class Where:
    """A parsed filter, called with each record. It notes which of its fields no record had."""

    def __init__(self, predicate: Predicate, fields: set[str]) -> None:
        self._predicate = predicate
        self._missing = fields
        self._present: set[str] = set()  # fields of records, while one of the filter is missing

    def __call__(self, record: Mapping[str, Any]) -> bool:
        if self._missing:
            self._present.update(record)
            self._missing -= self._present
        return self._predicate(record)

    def check_fields(self) -> None:
        """Raises UsageError where no record of all that were read had one of the fields."""
        if self._present and self._missing:
            name = min(self._missing)
            near = did_you_mean(name, self._present)
            raise UsageError(
                f"no record here has a field {name!r}",
                location="--where",
                todo=f"{near} fields are {', '.join(sorted(self._present))}".strip(),
            )


def parse_where(text: str) -> Where:
    """Returns the filter of `text`. Raises UsageError naming the position of the error."""
    if len(text) > _TEXT_MAX:
        raise UsageError(f"--where is longer than {_TEXT_MAX} characters", location="--where")
    parser = _Parser(text)
    predicate = parser.any_of(0)
    parser.expect_end()
    return Where(predicate, parser.fields)


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[tuple[str, str, int]] = []
        self.fields: set[str] = set()
        at, end = 0, len(text.rstrip())
        while at < end:
            match = _TOKEN.match(text, at)
            if match is None or match.lastgroup is None:
                self.fail("this is not understood", at)
            self.tokens.append((match.lastgroup, match[match.lastgroup], at))
            at = match.end()
        self.next = 0

    def fail(self, why: str, at: int) -> NoReturn:
        raise UsageError(
            f"{why}: {self.text[at:].strip()[:40]!r}",
            location="--where",
            todo="write it like: price > 100 and side = buy",
        )

    def peek(self) -> tuple[str, str, int]:
        if self.next < len(self.tokens):
            return self.tokens[self.next]
        return ("end", "", len(self.text))

    def take(self) -> tuple[str, str, int]:
        token = self.peek()
        self.next += 1
        return token

    def take_word(self, word: str) -> bool:
        kind, text, _ = self.peek()
        if kind == "word" and text.lower() == word:
            self.next += 1
            return True
        return False

    def expect_end(self) -> None:
        kind, _, at = self.peek()
        if kind != "end":
            self.fail("unexpected", at)

    def any_of(self, depth: int) -> Predicate:
        parts = [self.all_of(depth)]
        while self.take_word("or"):
            parts.append(self.all_of(depth))
        return parts[0] if len(parts) == 1 else lambda record: any(p(record) for p in parts)

    def all_of(self, depth: int) -> Predicate:
        parts = [self.one(depth)]
        while self.take_word("and"):
            parts.append(self.one(depth))
        return parts[0] if len(parts) == 1 else lambda record: all(p(record) for p in parts)

    def one(self, depth: int) -> Predicate:
        if depth > _DEPTH_MAX:
            self.fail(f"nested deeper than {_DEPTH_MAX}", self.peek()[2])
        if self.take_word("not"):
            inner = self.one(depth + 1)
            return lambda record: not inner(record)
        kind, text, at = self.take()
        if kind == "bracket" and text == "(":
            inner = self.any_of(depth + 1)
            if self.take()[1] != ")":
                self.fail("a bracket is not closed", at)
            return inner
        if kind != "word":
            self.fail("a field name is expected", at)
        return self.comparison(text)

    def comparison(self, field: str) -> Predicate:
        self.fields.add(field)
        kind, operator, at = self.take()
        if kind != "operator":
            self.fail(f"a comparison is expected after {field!r}", at)
        kind, text, at = self.take()
        if kind not in ("number", "quoted", "word"):
            self.fail(f"a value is expected after {operator!r}", at)
        wanted = text[1:-1] if kind == "quoted" else text
        number = None if kind == "quoted" else _number(wanted)
        return _comparison(field, operator, wanted, number)


def _comparison(field: str, operator: str, wanted: str, number: Decimal | None) -> Predicate:
    def equal(value: Any) -> bool:
        if number is not None:
            found = _number(value)
            if found is not None:
                return found == number
        return _plain(value) == wanted

    if operator in ("=", "=="):
        return lambda record: field in record and equal(record[field])
    if operator == "!=":
        return lambda record: field in record and not equal(record[field])
    if operator == "~":
        return lambda record: field in record and wanted in _plain(record[field])
    compare = _ORDERS[operator]

    def ordered(record: Mapping[str, Any]) -> bool:
        value = record.get(field)
        if value is None:
            return False
        if number is not None:
            found = _number(value)
            return found is not None and compare(found, number)
        return compare(_plain(value), wanted)

    return ordered


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | Decimal):
        return Decimal(value)
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return None
    return found if found.is_finite() else None
