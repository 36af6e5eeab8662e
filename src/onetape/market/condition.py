"""Parse conditions on a market: `change("1m") > 1% and spread < 2*tick`.

    condition   := negation (("and" | "or") negation)*          `and` binds closer than `or`
    negation    := "not" negation | comparison
    comparison  := sum (("<" | "<=" | ">" | ">=" | "==" | "!=") sum)*     chained, as in Python
    sum         := term (("+" | "-") term)*
    term        := factor (("*" | "/") factor)*
    factor      := "-" factor | number ["%"] | "(" condition ")" | "abs" "(" sum ")"
                 | ("min" | "max") "(" sum ("," sum)+ ")" | value
    value       := FIELD ["(" SYMBOL ")"] | FIGURE "(" DURATION ["," SYMBOL] ")" | "spread_to" "(" SYMBOL ")"

A comparison with an unknown value is not true, nor is its negation. Nothing is evaluated as
Python: the text becomes a list of steps that the core checks and runs.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, NoReturn

from onetape import _core
from onetape.model.errors import BadInput, UsageError
from onetape.model.time import parse_duration

__all__ = ["FIELDS", "FIGURES", "Condition", "ConditionError", "Program", "parse_condition"]

TEXT_MAX: Final = 2_000
DEPTH_MAX: Final = 24
FIELDS: Final = tuple(_core.SCAN_FIELDS)
FIGURES: Final = tuple(_core.SCAN_FIGURES)
_MID: Final = FIELDS.index("mid")
_OPS: Final = {name: number for number, name in enumerate(_core.SCAN_OPS)}
_COMPARE: Final = {"<": "less", "<=": "less_equal", ">": "more", ">=": "more_equal", "==": "equal", "!=": "not_equal"}
_SUM: Final = {"+": "add", "-": "subtract"}
_TERM: Final = {"*": "multiply", "/": "divide"}
_TOKEN: Final = re.compile(
    r"""\s*(?:
      (?P<number>(?:\d[\d_]*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?)
    | (?P<name>[A-Za-z_]\w*)
    | "(?P<double>[^"\n]*)" | '(?P<single>[^'\n]*)'
    | (?P<sign><=|>=|==|!=|[<>()+\-*/%,])
    )""",
    re.VERBOSE | re.ASCII,
)

Step = tuple[int, int, int, int, float]


class ConditionError(BadInput):
    """The text is not a condition. column: where in `text` the error is, from 1."""

    def __init__(self, what: str, text: str, column: int) -> None:
        figures = ", ".join(f"{name}('1m')" for name in FIGURES)
        values = f"values are {', '.join(FIELDS)}, spread_to(symbol), {figures}"
        super().__init__(f"{what}, column {column}", location="condition", todo=values)
        self.column = column
        self.excerpt = f"{text}\n{' ' * (column - 1)}^"


class Program(NamedTuple):
    """The program of one value: its steps, in which a symbol is its index among the scanned ones."""

    name: str
    steps: list[Step]


@dataclass(frozen=True, slots=True)
class _Step:
    op: str
    what: int = 0
    window: int = 0
    symbol: str = ""
    number: float = 0.0

    def for_core(self, symbols: Sequence[str]) -> Step:
        place = symbols.index(self.symbol) if self.symbol else -1
        return (_OPS[self.op], self.what, self.window, place, self.number)


@dataclass(frozen=True, slots=True)
class _Value:
    """A market value that the text names, once or several times."""

    name: str
    steps: tuple[_Step, ...]


@dataclass(frozen=True, slots=True)
class Condition:
    """A parsed condition. text: as written. windows: lengths in ns. symbols: the symbols that it names, which must all
    be scanned."""

    text: str
    windows: tuple[int, ...]
    symbols: tuple[str, ...]
    _program: tuple[_Value | _Step, ...] = field(repr=False)

    def steps(self, symbols: Sequence[str]) -> list[Step]:
        """Returns the steps for a scan of these symbols. Raises ValueError if the condition names another one."""
        return [step.for_core(symbols) for step in _flat(self._program)]

    def values(self, symbols: Sequence[str]) -> list[Program]:
        """Returns the values that the condition uses, each once, in the order of the text."""
        return [Program(each.name, [step.for_core(symbols) for step in each.steps]) for each in self._values()]

    def shown(self, values: Sequence[float]) -> dict[str, float | None]:
        """Returns name -> value from the results of `values`, rounded to twelve digits, because further digits of
        doubles are noise. None: unknown."""
        pairs = zip(self._values(), values, strict=True)
        return {each.name: None if math.isnan(value) else float(f"{value:.12g}") for each, value in pairs}

    def _values(self) -> list[_Value]:
        return list(dict.fromkeys(each for each in self._program if isinstance(each, _Value)))


def _flat(program: Iterable[_Value | _Step]) -> Iterator[_Step]:
    for each in program:
        if isinstance(each, _Value):
            yield from each.steps
        else:
            yield each


class _Token(NamedTuple):
    kind: str  # number, name, text, sign; "": the end
    word: str
    column: int  # from 1


class _Parser:
    """Parses a condition. Each `_` method parses its rule of the grammar, and returns whether it is a truth value
    (else a number)."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = self._tokenized()
        self._next = 0
        self._depth = 0
        self._windows: dict[int, int] = {}  # length -> number
        self._symbols: dict[str, None] = {}
        self._program: list[_Value | _Step] = []

    def parse(self) -> Condition:
        start = self._token
        if not self._condition():
            self._fail("a condition compares something: this is a number", start)
        if self._token.kind:
            self._fail(f"nothing can follow here, but there is {self._token.word!r}", self._token)
        return Condition(self._text, tuple(self._windows), tuple(self._symbols), tuple(self._program))

    # --- tokens -----------------------------------------------------------------------------------

    def _tokenized(self) -> list[_Token]:
        text, place, found = self._text, 0, []
        while text[place:].strip():
            match = _TOKEN.match(text, place)
            if match is None:
                at = place + len(text[place:]) - len(text[place:].lstrip())
                self._fail(f"{text[at]!r} has no meaning", _Token("", text[at], at + 1))
            kind = match.lastgroup or ""
            start = match.start(kind) - (kind in ("double", "single"))
            found.append(_Token("text" if kind in ("double", "single") else kind, match[kind], start + 1))
            place = match.end()
        return [*found, _Token("", "its end", len(text.rstrip()) + 1)]

    @property
    def _token(self) -> _Token:
        return self._tokens[self._next]

    def _takes(self, *words: str) -> str:
        """Consumes and returns the next token if it is one of `words`, unquoted; else ""."""
        token = self._token
        if token.kind not in ("sign", "name") or token.word not in words:
            return ""
        self._next += 1
        return token.word

    def _wants(self, word: str) -> None:
        if not self._takes(word):
            self._fail(f"{word!r} is missing before {self._token.word!r}", self._token)

    def _fail(self, what: str, token: _Token) -> NoReturn:
        raise ConditionError(what, self._text, token.column)

    # --- the grammar ------------------------------------------------------------------------------

    def _condition(self) -> bool:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            self._fail("nested too deep", self._token)
        is_truth = self._joined("or", "either", lambda: self._joined("and", "both", self._negation))
        self._depth -= 1
        return is_truth

    def _joined(self, word: str, op: str, part: Callable[[], bool]) -> bool:
        start = self._token
        is_truth = part()
        while self._takes(word):
            if not is_truth:
                self._fail(f"{word!r} joins conditions: this is a number", start)
            start = self._token
            if not part():
                self._fail(f"{word!r} joins conditions: this is a number", start)
            self._add(op)
        return is_truth

    def _negation(self) -> bool:
        if not self._takes("not"):
            return self._comparison()
        start = self._token
        self._depth += 1
        if self._depth > DEPTH_MAX:
            self._fail("nested too deep", start)
        if not self._negation():
            self._fail("'not' needs a condition: this is a number", start)
        self._depth -= 1
        self._add("negation")
        return True

    def _comparison(self) -> bool:
        start = self._token
        is_truth = self._sum()
        middle: list[_Value | _Step] = []
        count = 0
        while word := self._takes(*_COMPARE):
            if is_truth:
                self._fail("conditions are not compared", start)
            if count:  # a < b < c: the middle value is used twice
                self._program += middle
            began = len(self._program)
            start = self._token
            if self._sum():
                self._fail("a number is compared with a number: this is a condition", start)
            middle = self._program[began:]
            self._add(_COMPARE[word])
            if count:
                self._add("both")
            count += 1
        return is_truth or count > 0

    def _sum(self) -> bool:
        return self._calculated(_SUM, lambda: self._calculated(_TERM, self._factor))

    def _calculated(self, ops: dict[str, str], part: Callable[[], bool]) -> bool:
        start = self._token
        is_truth = part()
        while word := self._takes(*ops):
            if is_truth:
                self._fail(f"{word!r} needs numbers: this is a condition", start)
            start = self._token
            if part():
                self._fail(f"{word!r} needs numbers: this is a condition", start)
            self._add(ops[word])
        return is_truth

    def _factor(self) -> bool:
        token = self._token
        if self._takes("-"):
            self._depth += 1
            if self._depth > DEPTH_MAX:
                self._fail("nested too deep", token)
            if self._factor():
                self._fail("'-' needs a number: this is a condition", token)
            self._depth -= 1
            self._add("negative")
            return False
        if self._takes("("):
            is_truth = self._condition()
            self._wants(")")
            return is_truth
        self._next += 1
        if token.kind == "number":
            number = float(token.word.replace("_", ""))
            self._program.append(_Step("number", number=number / 100 if self._takes("%") else number))
        elif token.kind == "name":
            self._named(token)
        else:
            self._fail(f"a number or a value is missing before {token.word!r}", token)
        return False

    def _named(self, token: _Token) -> None:
        match token.word:
            case "abs":
                self._wants("(")
                self._number()
                self._wants(")")
                self._add("absolute")
            case "min" | "max":
                self._wants("(")
                self._number()
                self._wants(",")
                while True:
                    self._number()
                    self._add("least" if token.word == "min" else "most")
                    if not self._takes(","):
                        break
                self._wants(")")
            case name if name in FIELDS:
                symbol = ""
                if self._takes("("):
                    symbol = self._symbol()
                    self._wants(")")
                shown = f'{name}("{symbol}")' if symbol else name
                self._add_value(shown, _Step("field", FIELDS.index(name), symbol=symbol))
            case "spread_to":
                self._wants("(")
                symbol = self._symbol()
                self._wants(")")
                self._add_value(
                    f'spread_to("{symbol}")',
                    _Step("field", _MID),
                    _Step("field", _MID, symbol=symbol),
                    _Step("divide"),
                    _Step("number", number=1.0),
                    _Step("subtract"),
                )
            case name if name in FIGURES:
                self._wants("(")
                length, window = self._duration()
                symbol = self._symbol() if self._takes(",") else ""
                self._wants(")")
                shown = f'{name}("{length}", "{symbol}")' if symbol else f'{name}("{length}")'
                self._add_value(shown, _Step("window", FIGURES.index(name), window, symbol))
            case name:
                self._fail(f"there is no value {name!r}", token)

    def _number(self) -> None:
        start = self._token
        if self._sum():
            self._fail("a number is expected: this is a condition", start)

    def _symbol(self) -> str:
        token = self._token
        if token.kind != "text" or not token.word or len(token.word) > 200:
            self._fail("a symbol in quotation marks is expected", token)
        self._next += 1
        self._symbols[token.word] = None
        return token.word

    def _duration(self) -> tuple[str, int]:
        token = self._token
        if token.kind != "text":
            self._fail('a length in quotation marks, such as "1m", is expected', token)
        try:
            length = parse_duration(token.word)
        except UsageError as error:
            self._fail(error.what, token)
        if not WINDOW_MIN <= length <= WINDOW_MAX:
            self._fail("a window lasts between 1 ms and 7 d", token)
        self._next += 1
        number = self._windows.setdefault(length, len(self._windows))
        if number >= _core.SCAN_WINDOWS_MAX:
            self._fail(f"more than {_core.SCAN_WINDOWS_MAX} windows", token)
        return token.word, number

    def _add(self, op: str) -> None:
        self._program.append(_Step(op))
        self._check_length()

    def _add_value(self, name: str, *steps: _Step) -> None:
        self._program.append(_Value(name, steps))
        self._check_length()

    def _check_length(self) -> None:
        if sum(1 for _ in _flat(self._program)) > _core.SCAN_STEPS_MAX:
            self._fail("too long", self._token)


WINDOW_MIN: Final = 1_000_000  # ns
WINDOW_MAX: Final = 7 * 86_400 * 1_000_000_000


def parse_condition(text: str) -> Condition:
    """Parse a condition. Raises ConditionError, which is BAD_INPUT, with the column."""
    if len(text) > TEXT_MAX:
        raise ConditionError(f"longer than {TEXT_MAX} characters", text[:40], 1)
    if not text.isprintable():
        at = next(i for i, each in enumerate(text) if not each.isprintable())
        raise ConditionError("a character that cannot be printed", text[:at], at + 1)
    return _Parser(text).parse()
