"""A parameter grid: which values each parameter takes, and the variants that follow."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from onetape.engine.parameters import coerce, parameters_of, resolve
from onetape.engine.plan import toml_value
from onetape.model.errors import BadConfig

__all__ = ["VARIANTS_MAX", "Grid", "make_grid", "parse_values"]

VARIANTS_MAX = 1_000_000  # more is a typing error: at a hundred a second it would take three hours


@dataclass(frozen=True, slots=True)
class Grid:
    """The grid of all combinations of its axes, in the given order; the last axis varies fastest."""

    axes: dict[str, tuple[Any, ...]]

    def __len__(self) -> int:
        return math.prod(len(values) for values in self.axes.values())

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Returns the parameters of variant `index`, counted from 0."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        chosen: dict[str, Any] = {}
        for name, values in reversed(self.axes.items()):
            index, at = divmod(index, len(values))
            chosen[name] = values[at]
        return {name: chosen[name] for name in self.axes}


def make_grid(strategy: type, params: Mapping[str, Any], *, most: int = VARIANTS_MAX) -> Grid:
    """Make a grid with values of the parameters' own types. Text is `1,2,3` or `from:to:step`, its end included;
    otherwise a value or several. Raises BadConfig for an invalid value, and for more than `most` variants."""
    declared = parameters_of(strategy)
    axes: dict[str, tuple[Any, ...]] = {}
    for name, values in params.items():
        if name not in declared:
            raise BadConfig(
                f"unknown parameter {name!r}",
                location=strategy.__name__,
                todo=f"it has: {', '.join(declared) or 'none'}",
            )
        typed = [_plain(coerce(value, declared[name], strategy.__name__)) for value in _several(values)]
        if not typed:
            raise BadConfig(f"parameter {name!r} has no values", location="--param", todo="give some")
        twice = [value for at, value in enumerate(typed) if value in typed[:at]]
        if twice:
            raise BadConfig(f"parameter {name!r} has {twice[0]!r} twice", location="--param", todo="give it once")
        axes[name] = tuple(typed)
    grid = Grid(axes)
    if len(grid) > most:
        raise BadConfig(f"{len(grid):,} variants, at most {most:,}", location="--param", todo="give fewer values")
    resolve(strategy, grid[0])  # parameters without a value are reported before any work
    return grid


def parse_values(text: str) -> list[str]:
    """Parse `1,2,3`, `0.1:0.5:0.1` or `2..50` into texts. Steps are exact decimals: 0.3 is 0.3. Two dots step
    by the last digit that is written: `0.10..0.50` has 41 values.

    Parts of the first form may be ranges too: `1,10:30:10`. A text with two colons that is no range
    of numbers (a symbol) is a value.
    """
    values: list[str] = []
    for part in text.split(","):
        pieces = part.split(":")
        if len(ends := part.split("..")) == 2 and None not in [_decimal(end) for end in ends]:
            digits = max(len(end.strip().partition(".")[2]) for end in ends)
            pieces = [*ends, f"{Decimal(1).scaleb(-digits):f}"]
        numbers = [_decimal(piece) for piece in pieces]
        if len(pieces) == 3 and all(number is not None for number in numbers):
            values += _range(part, *(number for number in numbers if number is not None))
        elif part.strip():
            values.append(part.strip())
        else:
            raise BadConfig(f"an empty value in {text!r}", location="--param", todo="write 1,2,3")
    return values


def _range(text: str, first: Decimal, last: Decimal, step: Decimal) -> list[str]:
    if not all(number.is_finite() for number in (first, last, step)):
        raise BadConfig(f"{text!r} is not finite", location="--param", todo="write 0.1:0.5:0.1")
    if step == 0 or (last - first) * step < 0:
        raise BadConfig(
            f"the step of {text!r} never reaches its end", location="--param", todo="write from:to:step, as 0.1:0.5:0.1"
        )
    count = int((last - first) / step) + 1
    if count > VARIANTS_MAX:
        raise BadConfig(
            f"{text!r} has {count:,} values, at most {VARIANTS_MAX:,}", location="--param", todo="give a wider step"
        )
    return [f"{first + step * number:f}" for number in range(count)]


def _decimal(text: str) -> Decimal | None:
    try:
        return Decimal(text.strip())
    except InvalidOperation:
        return None


def _several(values: Any) -> list[Any]:
    if hasattr(values, "tolist"):  # numpy
        values = values.tolist()
    if isinstance(values, str) or not isinstance(values, Iterable):
        return [values]
    return list(values)


def _plain(value: Any) -> Any:
    """Returns the value in a form for other processes and files; the annotation restores its type."""
    return None if value is None else toml_value(value)
