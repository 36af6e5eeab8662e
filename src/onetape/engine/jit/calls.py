"""Make the core's services callable from compiled code, with helpers for all overloads.

Functions here have no annotations: numba compares an overload's signature with that of
the function it returns.
"""

from __future__ import annotations

import llvmlite.binding as llvm
from llvmlite import ir
from numba.core import types
from numba.core.errors import TypingError
from numba.extending import intrinsic, overload, overload_attribute

from onetape import _core
from onetape.engine.jit.types import POSITION_SIDES, SYMBOL, OrderType, WordType

for _name, _address in _core.compiled_services():
    llvm.add_symbol(_name, _address)

_i, _f, _p = types.int64, types.float64, types.voidptr


def _service(name, result, *arguments):
    return types.ExternalFunction(f"onetape_{name}", result(*arguments))


now = _service("now", _i)
equity = _service("equity", _f)
place = _service("place", _i, _i, _i, _f, _f, _f, _i, _i, _p)
cancel = _service("cancel", _i, _i)
cancel_all = _service("cancel_all", _i, _i)
amend = _service("amend", _i, _i, _f, _f, _i)
order_number = _service("order_number", _f, _i, _i)
order_word = _service("order_word", _i, _i, _i)
position_number = _service("position", _f, _i, _i, _i)
quote_payload = _service("quote", _p, _i)
facts_of = _service("facts", _p, _i)
book_synced = _service("book_synced", _i, _i)
book_has = _service("book_has", _i, _i, _i)
book_price = _service("book_price", _f, _i, _i)
book_size = _service("book_size", _f, _i, _i)
book_levels = _service("book_levels", _i, _i, _i, _i, _p)
bars_count = _service("bars_count", _i, _i, _i, _i, _i)
bars_column = _service("bars_column", types.CPointer(_f), _i, _i, _i, _i, _i)
set_timer = _service("set_timer", types.void, _p, _i, _i)
cancel_timer = _service("cancel_timer", _i, _p)
begin_ladder = _service("begin_ladder", types.void)
add_level = _service("add_level", _i, _i, _i, _f, _f)
set_ladder = _service("set_ladder", types.void, _i, _i)
target = _service("target", _i, _i, _f, _i)
random_number = _service("random", _f, _i, _f, _f)
money = _service("money", _f, _i, _i)

_I64 = ir.IntType(64)
POST_ONLY, REDUCE_ONLY, PRICE, TRIGGER, QTY = 1, 2, 4, 8, 16  # bits of core compiled.cpp
TIFS = {"GTC": 0, "IOC": 1, "FOK": 2, "GTD": 3}
TRIGGERS = {"last": 0, "mark": 1, "index": 2}
TRIGGER_KINDS = {"stop": 1, "take_profit": 2}


# --- numbers that represent objects ---------------------------------------------------------------


@intrinsic
def number(typingctx, value):
    """Returns the number of a word, an order, a position or a book. Raises TypeError where an order is None."""

    def build(context, builder, sig, args):
        return args[0]

    return types.int64(value.type if isinstance(value, types.Optional) else value), build


def maker(result):
    """Returns an intrinsic that converts a number to a `result`."""

    @intrinsic
    def make(typingctx, value):
        def build(context, builder, sig, args):
            return args[0]

        return result(types.int64), build

    return make


@intrinsic(prefer_literal=True)
def symbol_number(typingctx, strategy, symbol):
    """Returns an instrument's number from its symbol, a literal or an event's."""
    if isinstance(symbol, WordType) and symbol.kind == SYMBOL:

        def build(context, builder, sig, args):
            return args[1]

        return types.int64(strategy, symbol), build
    text = literal(symbol)
    if not isinstance(text, str):
        raise TypingError("onetape: a symbol must be written out, a parameter, or an event's own")
    if text not in strategy.symbols:
        raise TypingError(f"onetape: {text} is not in the data; it has {', '.join(strategy.symbols)}")
    index = strategy.symbols.index(text)

    def build_literal(context, builder, sig, args):
        return ir.Constant(_I64, index)

    return types.int64(strategy, symbol), build_literal


@intrinsic(prefer_literal=True)
def c_text(typingctx, text):
    """Returns the address of a literal text."""
    value = literal(text)
    if not isinstance(value, str):
        raise TypingError("onetape: a tag or the name of a timer must be written out")

    def build(context, builder, sig, args):
        return context.insert_const_string(builder.module, value)

    return types.voidptr(text), build


def literal(typ):
    """Returns the value of a literal or of a default; None for anything else."""
    if not isinstance(typ, types.Type):
        return typ  # a default that was not passed arrives as itself
    if isinstance(typ, types.Omitted):
        return typ.value
    return typ.literal_value if isinstance(typ, types.Literal) else None


NOT_AVAILABLE = "not available: "  # prefix for what the interpreter does and compiled code does not


def is_none(typ):
    return typ is None or isinstance(typ, types.NoneType) or (isinstance(typ, types.Omitted) and typ.value is None)


def is_order(typ):
    return isinstance(typ.type if isinstance(typ, types.Optional) else typ, OrderType)


def choice(typ, choices, what):
    value = literal(typ)
    if value not in choices:
        raise TypingError(f"onetape: {what} must be written out: {', '.join(choices)}")
    return choices[value]


def side_choice(typ):
    return 0 if is_none(typ) else choice(typ, dict(zip(POSITION_SIDES, range(3), strict=True)), "position_side")


def as_float(value):  # pragma: no cover - replaced while compiling
    raise NotImplementedError


@overload(as_float)
def _as_float_of(value):
    if is_none(value):
        return lambda value: 0.0
    return lambda value: float(value)


def as_int(value):  # pragma: no cover - replaced while compiling
    raise NotImplementedError


@overload(as_int)
def _as_int_of(value):
    if is_none(value):
        return lambda value: 0
    return lambda value: int(value)


def attribute(kind, name, make):
    overload_attribute(kind, name)(make)
