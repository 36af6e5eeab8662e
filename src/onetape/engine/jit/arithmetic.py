"""Powers, rounding, conversions and functions of `math` in compiled code, as the interpreter computes them.

numba answers with nan, infinity or a wrapped number where Python raises, and rounds to digits by
scaling. Here each raises Python's exceptions, and results are equal to the last bit.
`target="cpu"` puts these before numba's own.

Functions here have no annotations: numba compares an overload's signature with that of
the function it returns.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import math
import operator

import llvmlite.binding as llvm
import numpy as np
from numba.core import types
from numba.core.errors import TypingError
from numba.extending import intrinsic, overload, register_jitable

# Called by address: LLVM would write x * x for its own pow(x, 2), which differs in the last bit.
_libm_pow = ctypes.CDLL(ctypes.util.find_library("m")).pow
_python_round = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double, ctypes.c_int64)(round)
llvm.add_symbol("onetape_pow", ctypes.cast(_libm_pow, ctypes.c_void_p).value)
llvm.add_symbol("onetape_round", ctypes.cast(_python_round, ctypes.c_void_p).value)
_f = types.float64
_pow = types.ExternalFunction("onetape_pow", _f(_f, _f))
_slow_round = types.ExternalFunction("onetape_round", _f(_f, types.int64))

_WHOLE_END = 2.0**63
_FRACTIONS_END = 2.0**52  # from here on a float has no fraction
_EXACT_TENS = tuple(10.0**n for n in range(23))  # integers that a float represents exactly


def _is_whole(typ):
    return isinstance(typ, (types.Integer, types.Boolean))


def _is_number(typ):
    return _is_whole(typ) or isinstance(typ, types.Float)


# --- powers ---------------------------------------------------------------------------------------


@register_jitable
def _whole_power(base, exponent):
    if exponent < 0:
        raise ValueError("a whole number to a negative power: make it a float")
    if base == 0 or base == 1:
        return base if exponent > 0 else 1
    if base == -1:
        return 1 if exponent % 2 == 0 else -1
    power = 1
    for _ in range(exponent):
        if abs(power * float(base)) >= _WHOLE_END:
            raise OverflowError("a power beyond 64 bits")
        power *= base
    return power


@register_jitable
def _float_power(base, exponent):
    if base == 0.0 and exponent < 0.0:
        raise ZeroDivisionError("0.0 cannot be raised to a negative power")
    if base < 0.0 and math.isfinite(base) and math.isfinite(exponent) and exponent != np.floor(exponent):
        raise ValueError("a negative number to a fractional power")
    power = _pow(base, exponent)
    if math.isinf(power) and math.isfinite(base) and math.isfinite(exponent):
        raise OverflowError("(34, 'Numerical result out of range')")
    return power


def _power(base, exponent):
    if not (_is_number(base) and _is_number(exponent)):
        return None
    if _is_whole(base) and _is_whole(exponent):
        return lambda base, exponent: _whole_power(np.int64(base), np.int64(exponent))
    return lambda base, exponent: _float_power(np.float64(base), np.float64(exponent))


for _operation in (operator.pow, operator.ipow, pow):
    overload(_operation, target="cpu")(_power)


# --- rounding and conversion ------------------------------------------------------------------------


@intrinsic
def _fused(typingctx, a, b, c):
    """Returns a * b + c, rounded once."""

    def build(context, builder, sig, args):
        return builder.fma(*args)

    return _f(_f, _f, _f), build


@register_jitable
def _round_to(x, digits):
    if not math.isfinite(x) or digits < 0 or digits > 22:
        return _slow_round(x, digits)
    tens = _EXACT_TENS[digits]
    size = abs(x)
    scaled = size * tens
    if scaled >= _FRACTIONS_END:
        return _slow_round(x, digits)
    lost = _fused(size, tens, -scaled)
    whole = np.floor(scaled)
    past_half = (scaled - whole - 0.5) + lost
    if past_half > 0.0 or (past_half == 0.0 and whole % 2.0 == 1.0):
        whole += 1.0
    return math.copysign(whole / tens, x)


@register_jitable
def _whole_of(x):
    if math.isnan(x):
        raise ValueError("cannot convert float NaN to integer")
    if math.isinf(x):
        raise OverflowError("cannot convert float infinity to integer")
    if abs(x) >= _WHOLE_END:
        raise OverflowError("a whole number beyond 64 bits")
    return np.int64(x)


def _is_absent(typ):
    return typ is None or isinstance(typ, (types.NoneType, types.Omitted))


@overload(round, target="cpu")
def _round(number, ndigits=None):
    if not isinstance(number, types.Float):
        return None
    if _is_absent(ndigits):
        return lambda number, ndigits=None: _whole_of(np.rint(number))
    if not _is_whole(ndigits):
        raise TypingError("onetape: round takes a whole number of digits")
    return lambda number, ndigits=None: _round_to(np.float64(number), np.int64(ndigits))


@overload(int, target="cpu")
def _int(x):
    return (lambda x: _whole_of(x)) if isinstance(x, types.Float) else None


@overload(math.trunc, target="cpu")
def _trunc(x):
    return (lambda x: _whole_of(x)) if isinstance(x, types.Float) else None


@overload(math.floor, target="cpu")
def _floor(x):
    return (lambda x: _whole_of(np.floor(x))) if isinstance(x, types.Float) else None


@overload(math.ceil, target="cpu")
def _ceil(x):
    return (lambda x: _whole_of(np.ceil(x))) if isinstance(x, types.Float) else None


@overload(float, target="cpu")
def _float(x):
    return (lambda x: 1.0 if x else 0.0) if isinstance(x, types.Boolean) else None


@overload(operator.invert, target="cpu")
def _invert(x):
    return (lambda x: -2 if x else -1) if isinstance(x, types.Boolean) else None


# --- math -------------------------------------------------------------------------------------------


def _checked(compute, *, can_overflow):
    """Apply CPython's rule for a function of one number (mathmodule.c, math_1)."""

    def make(x):
        if not _is_number(x):
            return None

        def call(x):
            value = np.float64(x)
            result = compute(value)
            if math.isnan(result) and not math.isnan(value):
                raise ValueError("math domain error")
            if math.isinf(result) and math.isfinite(value):
                if can_overflow:
                    raise OverflowError("math range error")
                raise ValueError("math domain error")
            return result

        return call

    return make


for _name, _compute, _can_overflow in (
    ("sqrt", np.sqrt, False),
    ("log", np.log, False),
    ("log2", np.log2, False),
    ("log10", np.log10, False),
    ("log1p", np.log1p, False),
    ("exp", np.exp, True),
    ("expm1", np.expm1, True),
    ("sinh", np.sinh, True),
    ("cosh", np.cosh, True),
    ("sin", np.sin, False),
    ("cos", np.cos, False),
    ("tan", np.tan, False),
    ("asin", np.arcsin, False),
    ("acos", np.arccos, False),
    ("acosh", np.arccosh, False),
    ("atanh", np.arctanh, False),
):
    overload(getattr(math, _name), target="cpu")(_checked(_compute, can_overflow=_can_overflow))


@overload(math.pow, target="cpu")
def _math_pow(x, y):
    if not (_is_number(x) and _is_number(y)):
        return None
    return lambda x, y: _float_power(np.float64(x), np.float64(y))


@overload(math.fmod, target="cpu")
def _fmod(x, y):
    if not (_is_number(x) and _is_number(y)):
        return None

    def call(x, y):
        a, b = np.float64(x), np.float64(y)
        result = np.fmod(a, b)
        if math.isnan(result) and not math.isnan(a) and not math.isnan(b):
            raise ValueError("math domain error")
        return result

    return call
