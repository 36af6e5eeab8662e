"""Compile `is`, `==` and truth of orders, positions, books and events as the interpreter does.

numba answers `x is y` with False where it knows no rule, and `==` of None with False where a type
cannot be None. Every pair that a strategy can write has a rule here, or is refused.

Functions here have no annotations: numba compares an overload's signature with that of
the function it returns.
"""

from __future__ import annotations

import operator

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.errors import TypingError
from numba.core.imputils import lower_builtin
from numba.extending import overload
from numba.typed.typedobjectutils import _nonoptional

from onetape.engine.jit.types import BookType, EventType, OrderType, PositionType, WordType

_SAME_NUMBER = (OrderType, PositionType, BookType)  # one object for each number
_NONE = ir.Constant(ir.IntType(64), -1)  # no order, position or book has this number


def _number_or_none(context, builder, typ, value):
    if not isinstance(typ, types.Optional):
        return value
    held = context.make_helper(builder, typ, value=value)
    return builder.select(cgutils.as_bool_bit(builder, held.valid), held.data, _NONE)


def _object_of(typ):
    return typ.type if isinstance(typ, types.Optional) else typ


def _is_same(context, builder, sig, args):
    kinds = [_object_of(typ) for typ in sig.args]
    if not all(isinstance(kind, _SAME_NUMBER) for kind in kinds):
        raise TypingError(f"onetape: `is` cannot compare a {kinds[0]} with a {kinds[1]}: use ==")
    if kinds[0] != kinds[1]:
        return cgutils.false_bit
    a, b = (_number_or_none(context, builder, *each) for each in zip(sig.args, args, strict=True))
    return builder.icmp_unsigned("==", a, b)


def _is_refused(context, builder, sig, args):
    raise TypingError("onetape: `is` cannot compare texts: use ==")


for _a in (*_SAME_NUMBER, types.Optional):
    for _b in (*_SAME_NUMBER, types.Optional):
        lower_builtin(operator.is_, _a, _b)(_is_same)
for _other in (WordType, types.UnicodeType, types.StringLiteral):
    lower_builtin(operator.is_, WordType, _other)(_is_refused)
    lower_builtin(operator.is_, _other, WordType)(_is_refused)


def _are_comparable(a, b):
    return isinstance(_object_of(a), _SAME_NUMBER) and isinstance(_object_of(b), _SAME_NUMBER)


@overload(operator.eq)
def _eq(a, b):
    return (lambda a, b: a is b) if _are_comparable(a, b) else None


@overload(operator.ne)
def _ne(a, b):
    return (lambda a, b: a is not b) if _are_comparable(a, b) else None


@overload(bool, target="cpu")
def _truth(value):
    if isinstance(value, PositionType):
        return lambda value: value.qty_int != 0
    if isinstance(value, (*_SAME_NUMBER, EventType)):
        return lambda value: True
    if isinstance(value, types.Optional):
        return lambda value: value is not None and bool(_nonoptional(value))
    return None
