"""Parameter grids: what text and lists mean, their order, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from onetape import Strategy
from onetape.engine.grid import Grid, make_grid, parse_values
from onetape.model.errors import BadConfig


class Mine(Strategy):
    fast: int = 1
    step: float = 0.5
    symbol: str = "binance:BTC/USDT:USDT"
    stop: float | None = None


class Wants(Strategy):
    needed: int


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1,2,3", ["1", "2", "3"]),
        ("7", ["7"]),
        ("0.1:0.5:0.1", ["0.1", "0.2", "0.3", "0.4", "0.5"]),
        ("1:10:4", ["1", "5", "9"]),  # an end off the steps is not reached
        ("5:1:-2", ["5", "3", "1"]),
        ("2:2:1", ["2"]),
        ("1,10:30:10", ["1", "10", "20", "30"]),
        ("1e-3:3e-3:1e-3", ["0.001", "0.002", "0.003"]),
        ("binance:BTC/USDT:USDT", ["binance:BTC/USDT:USDT"]),
        ("binance:BTC/USDT:USDT,kraken:BTC/USD", ["binance:BTC/USDT:USDT", "kraken:BTC/USD"]),
    ],
)
def test_text_is_values_or_a_range_with_its_end(text, values):
    assert parse_values(text) == values


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1:5:0", "never reaches"),
        ("1:5:-1", "never reaches"),
        ("1:inf:1", "not finite"),
        ("nan:2:1", "not finite"),
        ("0:1:1e-9", "1,000,000,001 values"),
        ("1,,2", "an empty value"),
        ("", "an empty value"),
    ],
)
def test_what_is_no_range_is_one_clear_error(text, says):
    with pytest.raises(BadConfig, match=says):
        parse_values(text)


def test_the_last_parameter_turns_fastest_and_every_variant_has_its_place():
    grid = make_grid(Mine, {"fast": ["1", "2"], "step": [0.5, 1, 2]})
    found = list(grid)
    assert found[:4] == [
        {"fast": 1, "step": 0.5},
        {"fast": 1, "step": 1.0},
        {"fast": 1, "step": 2.0},
        {"fast": 2, "step": 0.5},
    ]
    assert len(grid) == len(found) == 6 and [grid[at] for at in range(6)] == found
    with pytest.raises(IndexError):
        grid[6]


def test_without_parameters_there_is_one_variant():
    assert list(Grid({})) == [{}]


@pytest.mark.parametrize(
    ("axis", "values"), [(range(1, 4), (1, 2, 3)), (np.array([1, 2]), (1, 2)), (7, (7,)), ((3.0, 4), (3, 4))]
)
def test_python_gives_any_values_of_the_parameters_type(axis, values):
    assert make_grid(Mine, {"fast": axis}).axes["fast"] == values


def test_a_missing_stop_is_a_value_too():
    assert make_grid(Mine, {"stop": [None, 0.5]}).axes["stop"] == (None, 0.5)
    assert make_grid(Mine, {"stop": parse_values("none,0.5")}).axes["stop"] == (None, 0.5)


@pytest.mark.parametrize(
    ("axis", "says"),
    [
        ({"speed": [1]}, "unknown parameter 'speed'"),
        ({"fast": ["1.5"]}, "must be int"),
        ({"fast": []}, "no values"),
        ({"fast": [1, "1"]}, "1 twice"),
        ({"fast": range(2000), "step": range(2000)}, "4,000,000 variants"),
    ],
)
def test_a_grid_that_cannot_be_is_refused(axis, says):
    with pytest.raises(BadConfig, match=says):
        make_grid(Mine, axis)


def test_a_parameter_without_any_value_is_found_before_the_work():
    with pytest.raises(BadConfig, match="'needed' has no value"):
        make_grid(Wants, {})
