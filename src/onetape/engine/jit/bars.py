"""Windows of bars in compiled code, and sums that are numpy's to the last bit.

Functions here have no annotations: numba compares an overload's signature with that of
the function it returns.
"""

from __future__ import annotations

import numpy as np
from numba import carray, njit
from numba.core import cgutils, types
from numba.core.errors import TypingError
from numba.core.imputils import impl_ret_borrowed
from numba.extending import intrinsic, models, overload, overload_method, register_model

from onetape.engine.bar_feeds import BARS_MAX
from onetape.engine.jit.calls import attribute, bars_column, bars_count, literal, symbol_number
from onetape.engine.jit.types import ColumnType, StrategyType


class BarsType(types.Type):
    """The type of the last n bars of a feed."""

    def __init__(self, period, source):
        self.period, self.source = period, source
        super().__init__(name=f"Bars({period}, {source})")


@register_model(BarsType)
class _BarsModel(models.StructModel):
    def __init__(self, manager, fe_type):
        members = [("instrument", types.int64), ("count", types.int64)]
        super().__init__(manager, fe_type, members)


def _bars_part(index):
    @intrinsic
    def part(typingctx, bars):
        def build(context, builder, sig, args):
            return builder.extract_value(args[0], index)

        return types.int64(bars), build

    return part


bars_instrument, bars_length = _bars_part(0), _bars_part(1)


def _bars_maker(typ):
    @intrinsic
    def make(typingctx, instrument, count):
        def build(context, builder, sig, args):
            made = cgutils.create_struct_proxy(typ)(context, builder)
            made.instrument, made.count = args
            return made._getvalue()

        return typ(types.int64, types.int64), build

    return make


@overload_method(StrategyType, "bars", prefer_literal=True)
def _bars(self, symbol, period, n):
    name, text = literal(symbol), literal(period)
    if not isinstance(text, str):
        raise TypingError("onetape: the period of bars must be written out")
    keys = {key for (each, word), key in self.bar_keys.items() if word == text and name in (None, each)}
    if len(keys) != 1:
        raise TypingError(f"onetape: bars {text!r} are not subscribed, or not alike for all symbols")
    ((length, source),) = keys
    make = _bars_maker(BarsType(length, source))

    def call(self, symbol, period, n):
        if n < 0 or n > BARS_MAX:
            raise ValueError("not a number of bars that can be asked for")
        instrument = symbol_number(self, symbol)
        return make(instrument, bars_count(instrument, length, source, n))

    return call


def _bar_column(column):
    def make(bars):
        length, source = bars.period, bars.source

        def get(bars):
            count = bars_length(bars)
            values = bars_column(bars_instrument(bars), length, source, count, column)
            return as_column(carray(values, (count,)))

        return get

    return make


for _column, _name in enumerate(("open", "high", "low", "close", "volume", "vwap")):
    attribute(BarsType, _name, _bar_column(_column))


@overload(len)
def _bars_len(bars):
    return (lambda bars: bars_length(bars)) if isinstance(bars, BarsType) else None


@intrinsic
def as_column(typingctx, array):
    """Returns a one-dimensional array of floats as one that sums as numpy does."""

    def build(context, builder, sig, args):
        return impl_ret_borrowed(context, builder, sig.return_type, args[0])

    return ColumnType(array.dtype, array.ndim, array.layout)(array), build


_BLOCK = 128
_DEPTH = 128  # twice the halvings of 2^63 values
_BOTH_HALVES = -1


# A signed index is checked at each access for counting from the end, and an index plus a signed step is a float:
# indices and steps are unsigned. _STEP[i] is i.
_STEP = tuple(np.uint64(i) for i in range(9))


# numpy adds in blocks of eight running sums, halving what is longer than 128 (its pairwise sum,
# numpy/_core/src/umath/loops_utils.h.src, read 2026-11). numba adds from left to right.
@njit
def pairwise_sum(values, count):
    if count <= _BLOCK:
        return block_sum(values, 0, count)
    # An explicit stack: recursive code cannot be kept between processes.
    firsts, counts = np.empty(_DEPTH, np.int64), np.empty(_DEPTH, np.int64)
    sums = np.empty(_DEPTH)
    firsts[0], counts[0] = 0, count
    depth, done = 1, 0
    while depth > 0:
        depth -= 1
        first, left = firsts[depth], counts[depth]
        if left == _BOTH_HALVES:
            done -= 1
            sums[done - 1] += sums[done]
        elif left <= _BLOCK:
            sums[done] = block_sum(values, first, left)
            done += 1
        else:
            half = left // 2
            half -= half % 8
            firsts[depth], counts[depth] = 0, _BOTH_HALVES
            firsts[depth + 1], counts[depth + 1] = first + half, left - half
            firsts[depth + 2], counts[depth + 2] = first, half
            depth += 3
    return sums[0]


@njit
def block_sum(values, first, count):
    at, end = np.uint64(first), np.uint64(first + count)
    if count < 8:
        total = 0.0
        while at < end:
            total += values[at]
            at += _STEP[1]
        return total
    r0, r1, r2, r3 = values[at], values[at + _STEP[1]], values[at + _STEP[2]], values[at + _STEP[3]]
    r4, r5 = values[at + _STEP[4]], values[at + _STEP[5]]
    r6, r7 = values[at + _STEP[6]], values[at + _STEP[7]]
    at += _STEP[8]
    whole = np.uint64(first + count - count % 8)
    while at < whole:
        r0 += values[at]
        r1 += values[at + _STEP[1]]
        r2 += values[at + _STEP[2]]
        r3 += values[at + _STEP[3]]
        r4 += values[at + _STEP[4]]
        r5 += values[at + _STEP[5]]
        r6 += values[at + _STEP[6]]
        r7 += values[at + _STEP[7]]
        at += _STEP[8]
    total = ((r0 + r1) + (r2 + r3)) + ((r4 + r5) + (r6 + r7))
    while at < end:
        total += values[at]
        at += _STEP[1]
    return total


def _is_column(array):
    return isinstance(array, ColumnType) and array.ndim == 1 and array.dtype == types.float64


@overload_method(ColumnType, "sum")
def _column_sum(array):
    return (lambda array: pairwise_sum(array, len(array))) if _is_column(array) else None


@overload_method(ColumnType, "mean")
def _column_mean(array):
    if not _is_column(array):
        return None
    return lambda array: pairwise_sum(array, len(array)) / len(array)
