"""A condition as text: what it says, and where a text stops being one."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onetape.market.condition import FIELDS, FIGURES, ConditionError, parse_condition
from onetape.scanner.scanner import Scanner
from worlds.tapes import BTC, Market

ETH = "binance:ETH/USDT:USDT"


@pytest.fixture(scope="module")
def tape(tmp_path_factory) -> Path:
    """bid 99.9, ask 100.1, last 100, mark 100.2, index 100.3, 1200.5 open; nothing of funding."""
    market = Market(tmp_path_factory.mktemp("scan") / "t", symbol=BTC)
    market.quote(0, 99.9, 100.1).trade(1, 100, 2).mark(2, 100.2, index=100.3).open_interest(2, 1200.5).quote(
        3, 99.9, 100.1
    )
    return market.done()


def meets(tape: Path, text: str) -> bool:
    """At the end of the tape."""
    scanner = Scanner([tape], parse_condition(text))
    try:
        list(scanner.over())
        return bool(scanner.matches) and scanner.matches[-1].until is None
    finally:
        scanner.close()


@pytest.mark.parametrize(
    "text",
    [
        "bid == 99.9",
        "ask == 100.1 and mid == 100",
        "spread > 0.19 and spread < 0.21",
        "spread == 0.2 and not spread < 0.2 and not spread > 0.2",
        "3 * 0.1 == 0.3 and 3 * 0.1 <= 0.3 and not 3 * 0.1 > 0.3 and 0.3 >= 3 * 0.1 and not 0.3 != 3 * 0.1",
        "1 < 1.000000000001 and 1 != 1.000000000001 and 1e308 * 10 > 1 and 1e308 * 10 == 1e308 * 100",
        "last == 100 and mark == 100.2 and index == 100.3",
        "open_interest == 1200.5 and open_interest * mid > 100_000",
        "1 + 2 * 3 == 7 and (1 + 2) * 3 == 9 and 10 - 2 - 3 == 5 and 12 / 3 / 2 == 2",
        "-2 + 3 == 1 and - -2 == 2 and abs(-3) == 3",
        "min(3, 1, 2) == 1 and max(3, mid, 2) == 100",
        "50% == 0.5 and 1_000 == 1e3 and .5 == 0.50",
        "99 < bid <= 99.9 < ask",
        "not bid > 100",
        "not (bid > 100 or ask > 101)",
        "bid > 100 or ask > 100 and last == 100",
        "not not mid == 100",
        f'mid("{BTC}") == mid',
        "age < 1 and age >= 0",
        "tick > 0 and lot > 0",
    ],
)
def test_it_says_what_it_says(tape, text):
    assert meets(tape, text)
    assert not meets(tape, f"not ({text})")


@pytest.mark.parametrize("text", ["funding > 0", 'change("1m") > -1', "1 / 0 > 0", "funding == funding"])
def test_what_is_not_known_makes_nothing_true(tape, text):
    assert not meets(tape, text)
    assert not meets(tape, f"not ({text})")
    assert not meets(tape, f"not ({text}) and 1 == 1")
    assert meets(tape, f"({text}) or mid == 100")
    assert meets(tape, f"not (({text}) and mid == 1)")


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("", 1, "missing"),
        ("   ", 1, "missing"),
        ("mid", 1, "this is a number"),
        ("mid >", 6, "missing"),
        ("mid > 1 and", 12, "missing"),
        ("mid > 1 and ask", 13, "this is a number"),
        ("mid > 1 > ", 10, "missing"),
        ("(mid > 1", 9, "')' is missing"),
        ("mid > 1)", 8, "nothing can follow"),
        ("mid > 1 ask > 1", 9, "nothing can follow"),
        ("mdi > 1", 1, "no value 'mdi'"),
        ("mid > 1 or __import__('os')", 12, "no value '__import__'"),
        ("mid.real > 1", 4, "has no meaning"),
        ("mid = 1", 5, "has no meaning"),
        ("mid > 1; ask", 8, "has no meaning"),
        ("change > 1", 8, "'(' is missing"),
        ("change(1m) > 1", 8, "a length in quotation marks"),
        ('change("1y") > 1', 8, "duration"),
        ('change("8d") > 1', 8, "between 1 ms and 7 d"),
        ('mid("") > 1', 5, "a symbol in quotation marks"),
        ("mid(3) > 1", 5, "a symbol in quotation marks"),
        ("1 + (mid > 1) > 2", 5, "'+' needs numbers"),
        ("(mid > 1) + 1 > 2", 1, "'+' needs numbers"),
        ("-(mid > 1) > 2", 1, "'-' needs a number"),
        ("(mid > 1) == (ask > 1)", 1, "conditions are not compared"),
        ("mid > (ask > 1)", 7, "this is a condition"),
        ("not mid", 5, "'not' needs a condition"),
        ("abs(mid > 1) > 0", 9, "')' is missing"),
        ("min(mid) > 1", 8, "',' is missing"),
        ("(" * 60 + "mid > 1" + ")" * 60, 25, "too deep"),
        ("not " * 60 + "mid > 1", 97, "too deep"),
        ("-" * 60 + "1 < mid", 24, "too deep"),
        ("1+" * 300 + "1 > mid", 258, "too long"),
        ("mid > 1" + " " * 2000, 1, "longer than"),
        ("mid > \x001", 7, "cannot be printed"),
        (" or ".join(f'change("{n}s") > 1' for n in range(1, 20)), 335, "windows"),
    ],
)
def test_the_place_is_named_where_it_is_none(text, column, words):
    with pytest.raises(ConditionError) as caught:
        parse_condition(text)
    error = caught.value
    assert words in error.what
    assert error.column == column
    assert f"column {column}" in str(error)
    assert "BAD_INPUT(4501)" in str(error)


def test_what_it_looks_at_is_shown_once_in_its_order():
    condition = parse_condition('change("1m") > 1% and spread < 2*tick and change("1m") < 5% or bid("x") > spread')
    assert [each.name for each in condition.values(["x"])] == ['change("1m")', "spread", "tick", 'bid("x")']
    assert condition.windows == (60 * 10**9,)
    assert condition.symbols == ("x",)


@given(st.text(st.sampled_from('()<>=!+-*/%,."1m2 xandortbid'), max_size=40))
def test_any_text_is_a_condition_or_is_told_where_it_is_not(text):
    try:
        parse_condition(text)
    except ConditionError as error:
        assert 1 <= error.column <= len(text) + 1


@given(st.data())
def test_a_sum_is_what_python_makes_of_it(tape, data):
    def number(depth: int) -> str:
        kind = data.draw(st.integers(0, 3 if depth else 0))
        if kind == 0:
            return str(data.draw(st.sampled_from([0, 1, 2.5, 7, 100])))
        if kind == 1:
            return f"-{number(depth - 1)}"
        if kind == 2:
            return f"({number(depth - 1)} {data.draw(st.sampled_from('+-*'))} {number(depth - 1)})"
        return f"{number(depth - 1)} {data.draw(st.sampled_from('+-*'))} {number(depth - 1)}"

    text = number(4).replace("--", "- -")
    value = eval(text)
    assert math.isfinite(value)
    assert meets(tape, f"{text} == {value!r}" if value >= 0 else f"{text} == -{-value!r}")


def test_names_of_the_core_are_words_of_a_condition():
    for name in FIELDS:
        parse_condition(f"{name} > 0")
    for name in FIGURES:
        parse_condition(f"{name}('5m') > 0")
