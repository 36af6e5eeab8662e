"""Each expression of the language means in compiled code what it means in Python, or is refused.

Expressions are generated from operands and operators, and many share one compilation: a callback keeps the
value of each in a row of an array. What raises in Python raises in compiled code as well.
"""

from __future__ import annotations

import math
import random
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from long_form import LONG
from onetape import Strategy, compiled
from onetape.model.errors import StrategyError
from worlds.tapes import BTC, ETH, Market, Played, play

pytest.importorskip("numba")

SOURCE = f"""
import math
import numpy as np
from onetape import Strategy
BTC, ETH = {BTC!r}, {ETH!r}

class Language(Strategy):
    mode: str = "fast"

    def on_start(self):
        self.subscribe(BTC, quotes=True, bars="2s@mid")
        self.subscribe(ETH, quotes=True)
        self.out = np.zeros((100, 100))
        self.at = self.n = self.zero = 0
        self.f = 0.0
        self.minus, self.fraction, self.flag = -3, -2.5, False
        self.order = self.closed = self.resting = None
        self.floats, self.wholes = np.array([1.5, -2.0, 3.25, 8.0]), np.array([3, -1, 7])
        self.held, self.live = self.position(BTC), self.book(BTC)
        self.raised = {{}}

    def element(self, index):
        return self.floats[index]

    def on_quote(self, q):
        if q.symbol != BTC:
            return
        self.n += 1
        self.f += 0.25
        self.flag = not self.flag
        if self.n == 4:
            self.resting = self.buy(BTC, 1, q.bid - 3)
        if self.n == 7:
            self.closed = self.sell(BTC, 2)
        if self.n % 5 == 0:
            self.order = self.resting
        if self.n % 5 == 2:
            self.order = None
        if self.n == 17:
            self.cancel(self.resting)
"""


@pytest.fixture(scope="module")
def tape(tmp_path_factory):
    market = Market(tmp_path_factory.mktemp("language") / "tape")
    market.add(ETH)
    for i in range(24):
        middle = 100 + (i * 7 % 11) / 10
        market.quote(i, round(middle - 0.1, 1), round(middle + 0.1, 1), 2, 3)
        if i == 12:
            market.quote(i, 50, 50.2, symbol=ETH)
    return market.done()


def strategy_of(folder: Path, body: str, *, is_compiled: bool) -> type[Strategy]:
    """`body` at the end of on_quote. It needs a file: numba reads the source for its refusals."""
    text = SOURCE + "".join(f"        {line}\n" for line in body.splitlines())
    if is_compiled:
        text = text.replace("        self.raised = {}\n", "")
    path = folder / "language.py"
    path.write_text(text)
    scope: dict[str, Any] = {"__name__": "language"}
    exec(compile(text, str(path), "exec"), scope)
    return compiled(scope["Language"]) if is_compiled else scope["Language"]


def played(folder: Path, tape: Path, body: str, *, is_compiled: bool) -> Played:
    return play(strategy_of(folder, body, is_compiled=is_compiled), tape, leverage=10)


def rows_of(run: Played) -> np.ndarray:
    assert not run.host.failures, run.host.failures
    return run.robot.out[: run.robot.at]


def keeping(expressions: list[str]) -> str:
    kept = [f"self.out[self.at, {number}] = {text}" for number, text in enumerate(expressions)]
    return "\n".join([*kept, "self.at += 1"])


def noting(expressions: list[str]) -> str:
    """The same, and what raises is noted and not raised."""
    kept = [
        f"try:\n    self.out[self.at, {number}] = {text}\nexcept Exception as error:\n"
        f"    self.raised.setdefault({number}, error)"
        for number, text in enumerate(expressions)
    ]
    return "\n".join([*kept, "self.at += 1"])


def check_equal(folder: Path, tape: Path, expressions: list[str]) -> None:
    """Refused by Python itself: must fail in compiled code. Else the values are equal to the last bit."""
    plain = played(folder, tape, noting(expressions), is_compiled=False)
    rows, raised = rows_of(plain), plain.robot.raised
    assert len(rows) > 20
    wrong = []
    good = [number for number in range(len(expressions)) if number not in raised]
    fast = rows_of(played(folder, tape, keeping([expressions[number] for number in good]), is_compiled=True))
    for column, number in enumerate(good):
        if not np.array_equal(rows[:, number], fast[:, column], equal_nan=True):
            wrong.append((expressions[number], rows[:, number].tolist(), fast[:, column].tolist()))
    for number, error in list(raised.items())[: None if LONG else 2]:
        if not fails(folder, tape, keeping([expressions[number]])):
            wrong.append((expressions[number], repr(error), "went on"))
    assert not wrong


def fails(folder: Path, tape: Path, body: str) -> bool:
    """Refused before the run, or stopped in it."""
    try:
        return bool(played(folder, tape, body, is_compiled=True).host.failures)
    except StrategyError:
        return True


# --- what stands for None, and is the same --------------------------------------------------------

ORDERS = ("self.order", "self.closed", "self.resting")
NEVER_NONE = ("self.held", "self.live", "self.n", "self.f", "self.flag", "self.mode", "self.floats", "q", "q.symbol")
MAYBE_NONE = (*ORDERS, "self.quote(ETH)", "self.live.best_bid", "(self.order if self.flag else None)")
PRESENT = "self.closed is not None and self.closed."


def identities() -> list[str]:
    found = [
        f"{a} {sign} {b}"
        for each in (*MAYBE_NONE, *NEVER_NONE)
        for sign in ("is", "is not", "==", "!=")
        for a, b in ((each, "None"), ("None", each))
        if each != "self.floats" or sign.startswith("is")
    ]
    found += [f"{a} {sign} {b}" for a in ORDERS for sign in ("is", "is not", "==", "!=") for b in ORDERS]
    found += [f"self.held {sign} self.position(BTC)" for sign in ("is", "is not", "==", "!=")]
    found += [f"{word}{held}" for word in ("not ", "not not ") for held in ("self.held", "self.position(ETH)")]
    found += [f"self.live {sign} self.book(ETH)" for sign in ("is", "is not", "==", "!=")]
    found += [f"{prefix}{each}" for each in (*MAYBE_NONE, "self.held", "self.live", "q") for prefix in ("", "not ")]
    found += ["(self.order or self.closed) is None", "(self.order and self.closed) is self.closed"]
    found += ["self.order in (self.resting, self.closed)", "self.flag is True", "self.flag is not False"]
    found += [f"{PRESENT}{name} is None" for name in ("price", "trigger", "average_price", "state", "code")]
    return [f"1.0 if {each} else 0.0" for each in found]


def test_none_and_identity_are_pythons(tmp_path, tape):
    texts = identities()
    assert len(texts) > 150
    chosen = texts if LONG else texts[::3]
    for start in range(0, len(chosen), 90):
        check_equal(tmp_path, tape, chosen[start : start + 90])


READS_OF_NONE = ["self.order.qty", "self.order.code", "1.0 if self.order.is_closed else 0.0", "self.cancel(self.order)"]


@pytest.mark.parametrize("text", READS_OF_NONE if LONG else READS_OF_NONE[-2:])
def test_reading_an_order_that_is_none_fails(tmp_path, tape, text):
    assert fails(tmp_path, tape, keeping([text]))


# --- operators and functions over every kind of number --------------------------------------------

NUMBERS = (
    "self.n",
    "self.minus",
    "self.zero",
    "self.f",
    "self.fraction",
    "self.flag",
    "float(self.floats[1])",
    "float(self.wholes[2])",
    "q.bid",
    "q.bid_int",
    "3",
    "0.5",
    "True",
    "(-2)",
    "float('inf')",
    "float('nan')",
    "(self.n * 0.1 + 0.005)",
    "2.675",
)
WHOLE_NUMBERS = ("self.n", "self.minus", "self.zero", "self.flag", "q.bid_int", "3", "True", "int(self.wholes[1])")
BINARY = ("+", "-", "*", "/", "//", "%", "**")
BITS = ("&", "|", "^", "<<", ">>")
COMPARED = ("<", "<=", "==", "!=", ">", ">=")
OF_ONE = (
    "abs",
    "int",
    "float",
    "bool",
    "round",
    "math.floor",
    "math.ceil",
    "math.trunc",
    "math.sqrt",
    "math.log",
    "math.exp",
    "math.sin",
    "math.fabs",
    "-",
    "+",
    "not ",
)
OF_TWO = ("min", "max", "pow", "round", "math.fmod", "math.copysign")
WHOLE = ("0", "1", "2", "3", "8", "-1", "self.n % 4")


def generated(source: random.Random) -> str:
    """One expression of up to three operations."""

    def number() -> str:
        return source.choice(NUMBERS)

    def small() -> str:
        """Beyond 64 bits Python goes on and compiled code does not: exponents are small."""
        return source.choice(("0", "1", "2", "3", "0.5", "self.n % 4", "self.fraction", "self.flag"))

    def operation(depth: int) -> str:
        if depth == 0:
            return number()
        match source.randrange(7):
            case 0 | 1:
                sign = source.choice(BINARY)
                right = small() if sign == "**" else operation(depth - 1)
                left = number() if sign == "**" else operation(depth - 1)
                return f"({left} {sign} {right})"
            case 5:
                sign, left = source.choice(BITS), source.choice(WHOLE_NUMBERS)
                right = source.choice(("0", "2", "self.n % 4") if ">" in sign or "<" in sign else WHOLE_NUMBERS)
                return f"({source.choice(('', '~', '-'))}{left} {sign} {right})"
            case 2:
                return f"{source.choice(OF_ONE)}({operation(depth - 1)})"
            case 3:
                name = source.choice(OF_TWO)
                second = source.choice(WHOLE) if name in ("round", "pow") else operation(depth - 1)
                return f"{name}({number() if name == 'pow' else operation(depth - 1)}, {second})"
            case 4:
                return f"({operation(depth - 1)} {source.choice(COMPARED)} {number()})"
            case _:
                sign = source.choice(("and", "or"))
                test = f"{number()} {source.choice(COMPARED)} {number()} {sign} {number()} > {number()}"
                return f"({operation(depth - 1)} if {test} else {operation(depth - 1)})"

    return operation(source.randint(1, 3))


@cache
def is_number_in_python(text: str) -> bool:
    """What makes no number for any reading of it is left out, and what leaves 64 bits."""

    class Events:
        bid, bid_int = 99.9, 999

    class Robot:
        n, minus, zero, f, fraction, flag = 4, -3, 0, 1.25, -2.5, True
        floats, wholes = np.array([1.5, -2.0, 3.25, 8.0]), np.array([3, -1, 7])

    try:
        with np.errstate(all="ignore"):
            value = eval(text, {"self": Robot, "q": Events, "math": math})
    except (TypeError, ZeroDivisionError, ValueError, OverflowError):
        return False
    return not isinstance(value, complex)


@pytest.mark.parametrize("seed", range(40 if LONG else 1))
def test_generated_expressions_are_equal(tmp_path, tape, seed):
    source = random.Random(seed)
    texts: list[str] = []
    while len(texts) < 50:
        text = generated(source)
        if is_number_in_python(text):
            texts.append(text)
    check_equal(tmp_path, tape, texts)


SAID_OTHERWISE = [
    ("round(2.675 + self.zero, 2)", 2.67),
    ("round(self.n * 0.0 + 1.005, 2)", 1.0),
    ("round(self.n * 0.0 + 0.5)", 0.0),
    ("(self.f * 0.0 - 0.125) ** 3", -0.001953125),
    ("~self.flag + self.flag", -1.0),
    ("round(self.n * 0.0 + 123456789012.345678, 7)", round(123456789012.345678, 7)),
]


def test_rounding_and_powers_are_pythons(tmp_path, tape):
    texts = [text for text, _ in SAID_OTHERWISE]
    check_equal(tmp_path, tape, texts)
    rows = rows_of(played(tmp_path, tape, keeping(texts), is_compiled=True))
    assert rows[3, : len(texts)].tolist() == [value for _, value in SAID_OTHERWISE]


def test_digits_are_rounded_as_python_rounds_them():
    numba = pytest.importorskip("numba")
    import onetape.engine.jit.build  # noqa: F401 - the rules of compiled code

    @numba.njit
    def rounded(x, digits):
        return round(x, digits)

    source = random.Random(5)
    for _ in range(200_000 if LONG else 20_000):
        digits = source.randint(-3, 25)
        x = source.uniform(-1, 1) * 10 ** source.randint(-8, 18)
        if source.random() < 0.5:
            x = float(f"{x:.{max(digits, 0) % 12 + 1}f}"[:-1] + "5")  # ties, and their neighbours
        assert rounded(x, digits) == round(x, digits), (x, digits)


FAILING = [
    "math.sqrt(self.minus)",
    "math.log(self.zero)",
    "math.exp(self.n * 1000.0)",
    "self.minus ** self.minus",
    "self.fraction ** 0.5",
    "self.f ** (self.n * 1e6)",
    "int(float('nan') * self.f)",
    "self.floats[self.n]",
    "self.element(self.n)",
    "self.bars(BTC, '2s@mid', 3).close[9]",
    "len(self.bars(BTC, '2s@mid', self.minus))",
    "1.0 / self.zero",
]


@pytest.mark.parametrize("text", FAILING if LONG else FAILING[::4])
def test_what_python_refuses_does_not_go_on(tmp_path, tape, text):
    if text != "self.minus ** self.minus" and not text.startswith("self.fraction"):  # Python: a float, a complex number
        assert played(tmp_path, tape, keeping([text]), is_compiled=False).host.failures
    assert fails(tmp_path, tape, keeping([text]))


REFUSED = [
    ("x = 1.0 if q.symbol is BTC else 0.0", "`is` cannot compare texts"),
    ("if self.n > 4:\n    x = 1.0\nself.f = x", "x may be read before it is set"),
    ("for i in range(self.n):\n    x = i\nself.f = x", "x may be read before it is set"),
]


@pytest.mark.parametrize(("body", "said"), REFUSED)
def test_what_would_mean_something_else_is_refused(tmp_path, tape, body, said):
    with pytest.raises(StrategyError) as caught:
        played(tmp_path, tape, body, is_compiled=True)
    assert said in str(caught.value) and "language.py:" in str(caught.value)


STATEMENTS = """
order = None
if self.flag:
    order = self.order
x = 1.0 if order is None else 0.0
total = 0
for i, value in enumerate(self.floats):
    if i == 2:
        continue
    total += i * value
while total > 3:
    total -= self.n
else:
    total += 0.5
low, high = self.floats.min(), self.floats.max()
low, high = high, low
match self.n:
    case 3:
        x += 10
    case 4 | 5:
        x += 20
    case _:
        x += 30
try:
    x /= self.zero
except Exception:
    x -= 1
self.floats[self.n % 4] += 0.5
self.wholes[1:] = self.n
sent = self.set_target(BTC, self.n % 3)
x += 0.25 if sent is None else sent.qty
gone = self.close(BTC) if self.n % 4 == 3 else None
self.order = gone if gone is not None else self.order
x += 0.0 if self.order is None else self.order.filled
for column, value in enumerate((x, float(total), low, high, self.floats[1:].sum(), float(self.wholes[1]))):
    self.out[self.at, column] = value
self.at += 1
"""


def test_statements_are_pythons(tmp_path, tape):
    plain, fast = (played(tmp_path, tape, STATEMENTS, is_compiled=each) for each in (False, True))
    assert np.array_equal(rows_of(plain), rows_of(fast)) and len(rows_of(plain)) > 20
    assert plain.action_hash == fast.action_hash
