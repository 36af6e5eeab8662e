"""Columns of bars: numpy arrays whose sums, means, deviations and extremes are quick, and numpy's to the last bit."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import pytest

from onetape.engine.column import Column
from onetape.engine.strategy import Strategy
from worlds.tapes import BTC, Market, play

LENGTHS = [1, 2, 7, 8, 9, 30, 127, 128, 129, 255, 256, 300, 511, 512, 513, 1000, 4096, 10_007]
REDUCTIONS = ["sum", "mean", "std", "min", "max"]


def drawn(length: int) -> np.ndarray:
    random = np.random.default_rng(length)
    return random.normal(size=length) * 10.0 ** random.integers(-5, 9)


def equal(ours: Any, numpys: Any) -> bool:
    return type(ours) is type(numpys) and (ours == numpys or (math.isnan(ours) and math.isnan(numpys)))


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("name", REDUCTIONS)
def test_a_reduction_is_numpys_to_the_last_bit(name: str, length: int) -> None:
    plain = drawn(length)
    assert equal(getattr(plain.view(Column), name)(), getattr(plain, name)())
    strided = np.repeat(plain, 2)[::2]
    assert equal(getattr(strided.view(Column), name)(), getattr(strided, name)())


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf, 0.0])
def test_values_that_are_no_numbers_are_numpys_too(name: str, odd: float) -> None:
    plain = drawn(30)
    plain[[3, 17]] = odd
    with np.errstate(invalid="ignore"):
        assert equal(getattr(plain.view(Column), name)(), getattr(plain, name)())


@pytest.mark.parametrize(
    "values",
    [
        np.arange(6),
        np.arange(6, dtype=np.float32),
        np.ones((2, 3)),
        np.array([True, False]),
        np.arange(6.0, dtype=">f8"),
    ],
)
def test_arrays_of_another_kind_are_numpys(values: np.ndarray) -> None:
    for name in REDUCTIONS:
        assert equal(getattr(values.view(Column), name)(), getattr(values, name)())


def test_none_at_all_is_what_numpy_says() -> None:
    empty = np.zeros(0).view(Column)
    assert empty.sum() == 0.0
    with pytest.raises(ValueError, match="zero-size"):
        empty.max()


OPERATIONS: list[Callable[[Any], Any]] = [
    lambda c: c.var(),
    lambda c: c.prod(),
    np.median,
    lambda c: np.percentile(c, 30),
    lambda c: c.argmax(),
    np.std,
    np.mean,
    np.average,
    np.nanmean,
    lambda c: (c * 2).sum(),
    lambda c: c.cumsum()[-1],
    lambda c: c @ c,
    lambda c: c.mean(axis=0),
    lambda c: c.std(ddof=1),
    lambda c: c.max(initial=0),
    lambda c: c[-1],
    lambda c: c[0] - c[-1],
    lambda c: np.log(abs(c)).mean(),
    lambda c: (c > 0).sum(),
    lambda c: np.diff(c).mean(),
    lambda c: np.where(c > 0, c, 0).mean(),
    lambda c: np.polyfit(range(len(c)), c, 1)[0],
    lambda c: c.round(2).sum(),
    lambda c: np.convolve(c, [1, 2])[0],
    numba.njit(lambda c: c[-5:].mean()),
]


@pytest.mark.parametrize("operation", OPERATIONS, ids=range(len(OPERATIONS)))
def test_all_else_of_numpy_gives_what_it_gives_of_a_plain_array(operation: Callable[[Any], Any]) -> None:
    plain = drawn(30)
    assert equal(operation(plain.view(Column)), operation(plain))


def test_slices_are_columns_and_results_plain_arrays() -> None:
    column = drawn(30).view(Column)
    assert (
        type(column[5:]) is Column and type(column - 1) is np.ndarray and type(column[1:] / column[:-1]) is np.ndarray
    )
    kept = pickle.loads(pickle.dumps(column[5:]))
    assert type(kept) is Column and kept.mean() == column[5:].mean()


def test_bars_are_columns(tmp_path) -> None:
    class Looks(Strategy):
        def on_start(self):
            self.subscribe(BTC, bars="1m")
            self.seen = []

        def on_bar(self, bar):
            bars = self.bars(BTC, "1m", 3)
            self.seen.append((type(bars.close), type(bars.ts_open), bars.close.mean(), bars.close.flags.writeable))

    market = Market(tmp_path / "a.tape")
    for minute in range(1, 5):
        market.bar(minute * 60, "1m", (100, 101, 99, 100 + minute))
    seen = play(Looks, market.done()).robot.seen
    assert seen[-1] == (Column, np.ndarray, 103.0, False)
