"""Parameters: annotated class attributes, and how text becomes their values."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

import pytest

from onetape.engine.parameters import Param, described, parameters_of, resolve
from onetape.engine.strategy import Strategy
from onetape.model.errors import BadConfig, StrategyError


class Mood(StrEnum):
    CALM = "calm"
    WILD = "wild"


class Mine(Strategy):
    whole: int = 3
    real: float = 0.5
    exact: Decimal = Decimal("0.1")
    flag: bool = False
    text: str = "abc"
    many: list[int] = []  # noqa: RUF012
    maybe: float | None = None
    needed: int
    table: dict[str, float] = {}  # noqa: RUF012
    mode: Literal["fast", "slow"] = "fast"
    level: Literal[1, 2] = 1
    mood: Mood = Mood.CALM
    shared: ClassVar[dict] = {}
    _own: int = 1
    plain = 7


def value(name, raw):
    return resolve(Mine, {"needed": 1, name: raw})[name]


def test_parameters_are_the_annotated_public_attributes():
    assert list(parameters_of(Mine)) == [
        "whole",
        "real",
        "exact",
        "flag",
        "text",
        "many",
        "maybe",
        "needed",
        "table",
        "mode",
        "level",
        "mood",
    ]


@pytest.mark.parametrize(
    ("name", "raw", "expected"),
    [
        ("whole", "20", 20),
        ("whole", "1_000", 1000),
        ("whole", "-3", -3),
        ("whole", 4.0, 4),
        ("real", "1e-3", 0.001),
        ("real", 2, 2.0),
        ("exact", "0.30", Decimal("0.30")),
        ("exact", 0.1, Decimal("0.1")),
        ("flag", "true", True),
        ("flag", "off", False),
        ("flag", 1, True),
        ("text", "12", "12"),
        ("many", "1,2, 3", [1, 2, 3]),
        ("maybe", "0.25", 0.25),
        ("maybe", None, None),
        ("maybe", "none", None),
        ("table", '{"a": 1.5}', {"a": 1.5}),
        ("mode", "slow", "slow"),
        ("level", "2", 2),
        ("mood", "wild", Mood.WILD),
        ("mood", "CALM", Mood.CALM),
    ],
)
def test_text_and_numbers_become_the_annotated_type(name, raw, expected):
    got = value(name, raw)
    assert got == expected and type(got) is type(expected)


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("whole", "1.5"),
        ("whole", 1.5),
        ("whole", "many"),
        ("whole", True),
        ("real", "x"),
        ("real", True),
        ("flag", "perhaps"),
        ("flag", 2),
        ("text", 5),
        ("many", "1,x"),
        ("exact", "1,5"),
        ("mode", "medium"),
        ("mood", "sad"),
        ("table", "[1]"),
        ("table", "x"),
    ],
)
def test_a_value_that_does_not_fit_is_named_with_its_parameter(name, raw):
    with pytest.raises(BadConfig) as caught:
        value(name, raw)
    assert repr(name) in str(caught.value) and repr(raw) in str(caught.value)


def test_an_unknown_parameter_names_the_known_ones():
    with pytest.raises(BadConfig, match="whole, real, exact"):
        resolve(Mine, {"needed": 1, "wole": 2})


def test_a_parameter_without_default_must_be_given():
    with pytest.raises(BadConfig, match="'needed' has no value"):
        resolve(Mine, {})


def test_a_subclass_inherits_and_may_change_a_default():
    class Sub(Mine):
        needed = 5
        extra: int = 1

    assert resolve(Sub, {})["needed"] == 5
    assert list(parameters_of(Sub))[-1] == "extra"


@pytest.mark.parametrize("name", ["buy", "position", "equity", "now", "random", "memory", "orders"])
def test_a_parameter_named_like_a_service_is_an_error_at_class_definition(name):
    with pytest.raises(StrategyError, match=name):
        type("Clash", (Strategy,), {"__annotations__": {name: int}, name: 1})


def test_annotations_that_are_text_are_read():
    scope: dict = {}
    exec(
        "from __future__ import annotations\n"
        "from onetape import Strategy\n"
        "class Late(Strategy):\n"
        "    n: int = 1\n"
        "    m: float | None = None\n",
        scope,
    )
    assert resolve(scope["Late"], {"n": "2", "m": "0.5"}) == {"n": 2, "m": 0.5}


# --- bounds, and what a form needs ---------------------------------------------------------------


class Bounded(Strategy):
    spread: Annotated[int, Param(min=1, max=50, help="ticks from the mid")] = 5
    edge: Annotated[float | None, Param(min=0)] = None  # share of the price
    exact: Annotated[Decimal, Param(max=Decimal("0.5"), step=Decimal("0.1"))] = Decimal("0.1")
    many: Annotated[list[int], Param(min=0, max=9)] = []  # noqa: RUF012
    mode: Literal["fast", "slow"] = "fast"
    needed: Annotated[str, Param(help="which")]


@pytest.mark.parametrize(
    ("name", "raw", "words"),
    [
        ("spread", "0", r"'spread' is 0, and must be at least 1 and at most 50"),
        ("spread", 51, "is 51"),
        ("spread", "8.5", "must be int"),
        ("edge", "-0.1", "must be at least 0"),
        ("edge", "nan", "is nan, and must be at least 0"),
        ("exact", "0.51", r"must be at most 0\.5"),
        ("many", "1,2,10", "is 10"),
    ],
)
def test_what_is_out_of_bounds_is_one_clear_line(name, raw, words):
    with pytest.raises(BadConfig, match=words) as reported:
        resolve(Bounded, {"needed": "a", name: raw})
    assert "\n" not in str(reported.value)


@pytest.mark.parametrize(
    ("name", "raw", "expected"),
    [("spread", "1", 1), ("spread", 50, 50), ("edge", "none", None), ("many", [0, 9], [0, 9])],
)
def test_the_bounds_themselves_are_in(name, raw, expected):
    assert resolve(Bounded, {"needed": "a", name: raw})[name] == expected


def test_a_default_out_of_bounds_is_said_when_it_is_taken():
    class Wrong(Strategy):
        spread: Annotated[int, Param(min=1)] = 0

    with pytest.raises(BadConfig, match="at least 1"):
        resolve(Wrong, {})
    assert resolve(Wrong, {"spread": 3}) == {"spread": 3}


@pytest.mark.parametrize(
    ("kind", "default", "words"),
    [
        ("int", "x", "default of parameter 'value' must be int, not 'x'"),
        ("int", 0.5, "default of parameter 'value' must be int, not 0.5"),
        ("bool", 1.5, "default of parameter 'value' must be bool, not 1.5"),
        ("str", 5, "default of parameter 'value' must be str, not 5"),
        ("float", True, "default of parameter 'value' must be float, not True"),
        ("list[int]", "a,b", "must be list, not 'a,b'"),
    ],
)
def test_a_default_that_is_not_of_its_annotation_is_named(kind, default, words):
    mine = type("Mine", (Strategy,), {"__annotations__": {"value": kind}, "value": default})
    with pytest.raises(BadConfig, match=re.escape(words)) as caught:
        resolve(mine, {})
    assert caught.value.todo == "change the default or the annotation"


@pytest.mark.parametrize(
    ("kind", "default", "value"),
    [
        ("float", 1, 1),
        ("float", None, None),
        ("int | None", None, None),
        ("Decimal", "0.1", Decimal("0.1")),
        ("list[str]", "a, b", ["a", "b"]),
        ("list", [(0, 1)], [(0, 1)]),
        ("Unheard", 5, 5),
    ],
)
def test_a_default_stays_as_it_is_and_text_is_read_as_its_annotation_says(kind, default, value):
    mine = type("Mine", (Strategy,), {"__annotations__": {"value": kind}, "value": default, "__module__": __name__})
    found = resolve(mine, {})["value"]
    assert found == value and type(found) is type(value)


def test_parameters_describe_themselves():
    reported = described(Bounded, {"spread": 8})
    assert reported["spread"] == {
        "value": 8,
        "default": 5,
        "type": "int",
        "optional": False,
        "min": 1,
        "max": 50,
        "step": 1,
        "choices": None,
        "help": "ticks from the mid",
    }
    assert reported["edge"]["optional"] is True
    assert (reported["edge"]["type"], reported["edge"]["help"]) == ("float", "share of the price")
    assert (reported["exact"]["max"], reported["exact"]["step"], reported["exact"]["value"]) == ("0.5", "0.1", "0.1")
    assert reported["mode"]["choices"] == ["fast", "slow"]
    assert (reported["needed"]["default"], reported["needed"]["help"]) == (None, "which")
    json.dumps(reported)
    assert described(Mine, {})["mood"]["choices"] == ["calm", "wild"]


class Remembers(Strategy):
    seen: list[int] = []  # noqa: RUF012 - as people write it
    at: dict[str, list[int]] = {"a": []}  # noqa: RUF012


def test_what_one_run_does_to_a_list_is_not_there_in_the_next():
    options = {"seen": [1]}
    for _ in range(2):
        for chosen, first in (({}, []), (options, [1])):
            values = resolve(Remembers, chosen)
            assert values == {"seen": first, "at": {"a": []}}
            values["seen"].append(2)
            values["at"]["a"].append(3)
