"""What a compiled strategy may ask for: the services of Strategy as calls into the loop.

Signatures are those of onetape.engine.strategy; literals (symbols, tif, timer names, periods) are
resolved while the strategy is compiled. What is missing here cannot be compiled, and the build says
so. Functions here have no annotations: numba compares an overload's signature with that of
what it returns.
"""

from __future__ import annotations

import operator

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import carray, njit
from numba.core import cgutils, types
from numba.core.errors import TypingError
from numba.core.imputils import impl_ret_borrowed, lower_builtin
from numba.core.typing.templates import AbstractTemplate, infer, signature
from numba.extending import (
    intrinsic,
    models,
    overload,
    overload_attribute,
    overload_method,
    register_model,
)

from onetape import _core
from onetape.engine.jit.types import (
    PERIOD,
    POSITION_SIDES,
    SIDES,
    STATES,
    SYMBOL,
    BookType,
    ColumnType,
    EventType,
    OrderType,
    PositionType,
    RandomType,
    StrategyType,
    WordType,
)
from onetape.model.time import parse_period

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
BUY, SELL = 1, 2
_POST_ONLY, _REDUCE_ONLY, _PRICE, _TRIGGER, _QTY = 1, 2, 4, 8, 16  # bits of core compiled.cpp
_TIFS = {"GTC": 0, "IOC": 1, "FOK": 2, "GTD": 3}
_TRIGGERS = {"last": 0, "mark": 1, "index": 2}


# --- numbers that stand for things ----------------------------------------------------------------


@intrinsic
def number(typingctx, value):
    """The number behind a word, an order, a position or a book."""

    def build(context, builder, sig, args):
        return args[0]

    return types.int64(value), build


def _maker(result):
    """An intrinsic that takes a number for a `result`."""

    @intrinsic
    def make(typingctx, value):
        def build(context, builder, sig, args):
            return args[0]

        return result(types.int64), build

    return make


@intrinsic(prefer_literal=True)
def symbol_number(typingctx, strategy, symbol):
    """An instrument by its symbol, written out or from an event."""
    if isinstance(symbol, WordType) and symbol.kind == SYMBOL:

        def build(context, builder, sig, args):
            return args[1]

        return types.int64(strategy, symbol), build
    text = _literal(symbol)
    if not isinstance(text, str):
        raise TypingError("onetape: a symbol must be written out, a parameter, or an event's own")
    if text not in strategy.symbols:
        raise TypingError(
            f"onetape: {text} is not in the data; it has {', '.join(strategy.symbols)}"
        )
    index = strategy.symbols.index(text)

    def build_literal(context, builder, sig, args):
        return ir.Constant(_I64, index)

    return types.int64(strategy, symbol), build_literal


@intrinsic(prefer_literal=True)
def c_text(typingctx, text):
    """The address of a text that is written out."""
    value = _literal(text)
    if not isinstance(value, str):
        raise TypingError("onetape: a tag or the name of a timer must be written out")

    def build(context, builder, sig, args):
        return context.insert_const_string(builder.module, value)

    return types.voidptr(text), build


def _literal(typ):
    """The value of a literal or of a default, None for anything else."""
    if not isinstance(typ, types.Type):
        return typ  # a default that was not given comes as itself
    if isinstance(typ, types.Omitted):
        return typ.value
    return typ.literal_value if isinstance(typ, types.Literal) else None


def _is_none(typ):
    return (
        typ is None
        or isinstance(typ, types.NoneType)
        or (isinstance(typ, types.Omitted) and typ.value is None)
    )


def _choice(typ, choices, what):
    value = _literal(typ)
    if value not in choices:
        raise TypingError(f"onetape: {what} must be written out: {', '.join(choices)}")
    return choices[value]


def _side_choice(typ):
    return 0 if _is_none(typ) else _choice(typ, dict(zip(POSITION_SIDES, range(3), strict=True)),
                                           "position_side")  # fmt: skip


def _as_float(value):  # pragma: no cover - replaced while compiling
    raise NotImplementedError


@overload(_as_float)
def _as_float_of(value):
    if _is_none(value):
        return lambda value: 0.0
    return lambda value: float(value)


def _as_int(value):  # pragma: no cover - replaced while compiling
    raise NotImplementedError


@overload(_as_int)
def _as_int_of(value):
    if _is_none(value):
        return lambda value: 0
    return lambda value: int(value)


# --- words ----------------------------------------------------------------------------------------


def _word_number(word, text):
    if word.kind == PERIOD:
        return parse_period(text)
    if word.names:
        return word.names.index(text) if text in word.names else -1
    raise TypingError(f"onetape: a {word.kind} can only be compared with one that is written out")


def _word_is(a, b):
    word, other = (a, b) if isinstance(a, WordType) else (b, a)
    if not isinstance(word, WordType):
        return None
    if isinstance(other, WordType):
        if other.kind != word.kind:
            raise TypingError(f"onetape: a {word.kind} is never a {other.kind}")
        return lambda a, b: number(a) == number(b)
    text = _literal(other)
    if isinstance(text, str):
        wanted = _word_number(word, text)
        if isinstance(a, WordType):
            return lambda a, b: number(a) == wanted
        return lambda a, b: number(b) == wanted
    if isinstance(other, types.UnicodeType) and word.names:
        names = word.names
        if isinstance(a, WordType):
            return lambda a, b: names[number(a)] == b
        return lambda a, b: names[number(b)] == a
    return None


@overload(operator.eq, prefer_literal=True)
def _word_eq(a, b):
    return _word_is(a, b)


@overload(operator.ne, prefer_literal=True)
def _word_ne(a, b):
    if _word_is(a, b) is None:
        return None
    return lambda a, b: not (a == b)  # noqa: SIM201 - `!=` is what is being defined


# --- orders ---------------------------------------------------------------------------------------


@overload(operator.is_)
def _order_is(a, b):
    if isinstance(a, OrderType) and isinstance(b, types.NoneType):
        return lambda a, b: number(a) == 0
    if isinstance(a, OrderType) and isinstance(b, OrderType):
        return lambda a, b: number(a) == number(b)
    return None


@overload(operator.is_not)
def _order_is_not(a, b):
    if isinstance(a, OrderType) and isinstance(b, types.NoneType):
        return lambda a, b: number(a) != 0
    if isinstance(a, OrderType) and isinstance(b, OrderType):
        return lambda a, b: number(a) != number(b)
    return None


@overload(operator.eq)
def _order_eq(a, b):
    if isinstance(a, OrderType) and isinstance(b, OrderType):
        return lambda a, b: number(a) == number(b)
    return None


def _attribute(kind, name, make):
    overload_attribute(kind, name)(make)


_attribute(OrderType, "id", lambda order: lambda order: number(order))


def _order_float(what):
    return lambda order: lambda order: order_number(number(order), what)


for _name, _what in (("qty", 2), ("filled", 3), ("remaining", 4)):
    _attribute(OrderType, _name, _order_float(_what))


def _optional_number(what, has):
    def make(order):
        def get(order):
            if order_word(number(order), has) == 0:
                return None
            return order_number(number(order), what)

        return get

    return make


_attribute(OrderType, "price", _optional_number(0, 6))
_attribute(OrderType, "trigger", _optional_number(1, 9))
_attribute(OrderType, "average_price", _optional_number(5, 5))


def _order_words(what, make_word):
    def make(order):
        as_word = _maker(make_word(order))
        return lambda order: as_word(order_word(number(order), what))

    return make


_attribute(OrderType, "state", _order_words(0, lambda order: WordType("state", STATES)))
_attribute(OrderType, "side", _order_words(1, lambda order: WordType("side", SIDES)))
_attribute(OrderType, "symbol", _order_words(3, lambda order: WordType(SYMBOL, order.symbols)))
for _name, _what in (("code", 2), ("ts_created", 4), ("price_int", 6), ("qty_int", 7),
                     ("filled_int", 8), ("trigger_int", 9)):  # fmt: skip
    _attribute(OrderType, _name, _order_words(_what, lambda order: types.int64))


@overload_attribute(OrderType, "is_closed")
def _is_closed(order):
    return lambda order: order_word(number(order), 10) != 0


def _place_overload(side):
    def make(
        self, symbol, qty, price=None, post_only=False,
        reduce_only=False, tif="GTC", trigger=None,
        trigger_by="last", position_side=None, expire=None, tag="",
    ):  # fmt: skip
        bits = (
            _choice(tif, _TIFS, "tif") << 8
            | _choice(trigger_by, _TRIGGERS, "trigger_by") << 12
            | _side_choice(position_side) << 16
            | (0 if _is_none(price) else _PRICE)
            | (0 if _is_none(trigger) else _TRIGGER)
        )
        if isinstance(price, types.Optional) or isinstance(trigger, types.Optional):
            raise TypingError("onetape: a price that may be None: write an `if` around two orders")
        as_order = _maker(OrderType(self.symbols))

        def call(
            self, symbol, qty, price=None, post_only=False,
            reduce_only=False, tif="GTC", trigger=None,
            trigger_by="last", position_side=None, expire=None,
            tag="",
        ):  # fmt: skip
            asked = bits
            if post_only:
                asked |= _POST_ONLY
            if reduce_only:
                asked |= _REDUCE_ONLY
            return as_order(
                place(
                    symbol_number(self, symbol), side, float(qty), _as_float(price),
                    _as_float(trigger), asked, _as_int(expire), c_text(tag),
                )
            )  # fmt: skip

        return call

    return make


overload_method(StrategyType, "buy", prefer_literal=True)(_place_overload(BUY))
overload_method(StrategyType, "sell", prefer_literal=True)(_place_overload(SELL))


@overload_method(StrategyType, "cancel")
def _cancel(self, order):
    if not isinstance(order, OrderType):
        raise TypingError("onetape: cancel takes an order")
    return lambda self, order: cancel(number(order)) != 0


@overload_method(StrategyType, "cancel_all", prefer_literal=True)
def _cancel_all(self, symbol=None):
    if _is_none(symbol):
        return lambda self, symbol=None: cancel_all(-1)
    return lambda self, symbol=None: cancel_all(symbol_number(self, symbol))


@overload_method(StrategyType, "amend")
def _amend(self, order, price=None, qty=None):
    bits = (0 if _is_none(price) else _PRICE) | (0 if _is_none(qty) else _QTY)
    if bits == 0:
        raise TypingError("onetape: amend needs a price or a qty")

    def call(self, order, price=None, qty=None):
        return amend(number(order), _as_float(price), _as_float(qty), bits) != 0

    return call


@overload_method(StrategyType, "set_quotes", prefer_literal=True)
def _set_quotes(self, symbol, bids, asks, keep_within=0):
    def call(self, symbol, bids, asks, keep_within=0):
        instrument = symbol_number(self, symbol)
        begin_ladder()
        good = 1
        for level in bids:
            good &= add_level(instrument, BUY, float(level[0]), float(level[1]))
        for level in asks:
            good &= add_level(instrument, SELL, float(level[0]), float(level[1]))
        if good == 0:
            raise ValueError("not a level that the instrument can carry")
        set_ladder(instrument, int(keep_within))

    return call


def _target_overload(is_close):
    def send(self, symbol, qty):
        raise NotImplementedError

    @overload(send, prefer_literal=True)
    def _send(self, symbol, qty):
        as_order = _maker(OrderType(self.symbols))

        def call(self, symbol, qty):
            sent = target(symbol_number(self, symbol), float(qty), is_close)
            if sent == -1:
                raise RuntimeError("a target could not be set")
            return as_order(sent)

        return call

    return send


_send_target, _send_close = _target_overload(0), _target_overload(1)


@overload_method(StrategyType, "set_target", prefer_literal=True)
def _set_target(self, symbol, qty):
    return lambda self, symbol, qty: _send_target(self, symbol, qty)


@overload_method(StrategyType, "close", prefer_literal=True)
def _close(self, symbol):
    return lambda self, symbol: _send_close(self, symbol, 0.0)


# --- account --------------------------------------------------------------------------------------


@overload_attribute(StrategyType, "now")
def _now(self):
    return lambda self: now()


@overload_attribute(StrategyType, "equity")
def _equity(self):
    return lambda self: equity()


@overload_method(StrategyType, "position", prefer_literal=True)
def _position(self, symbol, side=None):
    which = _side_choice(side)
    as_position = _maker(PositionType(self.symbols))
    return lambda self, symbol, side=None: as_position(symbol_number(self, symbol) * 4 + which)


def _position_float(what):
    def make(position):
        return lambda position: position_number(number(position) >> 2, number(position) & 3, what)

    return make


for _name, _what in (("qty", 0), ("entry_price", 1), ("realized", 2), ("unrealized", 3)):
    _attribute(PositionType, _name, _position_float(_what))


@overload_attribute(PositionType, "qty_int")
def _qty_int(position):
    return lambda position: int(position_number(number(position) >> 2, number(position) & 3, 4))


@overload_attribute(PositionType, "side")
def _position_side(position):
    as_word = _maker(WordType("position_side", POSITION_SIDES))
    return lambda position: as_word(number(position) & 3)


@overload_attribute(PositionType, "symbol")
def _position_symbol(position):
    as_word = _maker(WordType(SYMBOL, position.symbols))
    return lambda position: as_word(number(position) >> 2)


@overload_attribute(EventType, "fee")
def _fee(fill):
    if fill.kind != "fill":
        return None
    return lambda fill: money(fill._fee_low, fill._fee_high)


# --- market ---------------------------------------------------------------------------------------


@intrinsic
def is_null(typingctx, pointer):
    def build(context, builder, sig, args):
        return cgutils.is_null(builder, args[0])

    return types.boolean(pointer), build


def _quote_maker(typ):
    @intrinsic
    def make(typingctx, payload, facts):
        def build(context, builder, sig, args):
            event = cgutils.create_struct_proxy(typ)(context, builder)
            event.payload, event.facts = args
            return event._getvalue()

        return typ(payload, facts), build

    return make


@overload_method(StrategyType, "quote", prefer_literal=True)
def _quote(self, symbol):
    make = _quote_maker(EventType("quote", self.symbols))

    def call(self, symbol):
        instrument = symbol_number(self, symbol)
        payload = quote_payload(instrument)
        if is_null(payload):
            return None
        return make(payload, facts_of(instrument))

    return call


@overload_method(StrategyType, "book", prefer_literal=True)
def _book(self, symbol):
    as_book = _maker(BookType(self.symbols))
    return lambda self, symbol: as_book(symbol_number(self, symbol))


@overload_attribute(BookType, "synced")
def _synced(book):
    return lambda book: book_synced(number(book)) != 0


@overload_attribute(BookType, "symbol")
def _book_symbol(book):
    as_word = _maker(WordType(SYMBOL, book.symbols))
    return lambda book: as_word(number(book))


def _best(side):
    def make(book):
        def get(book):
            if book_has(number(book), side) == 0:
                return None
            return (book_price(number(book), side), book_size(number(book), side))

        return get

    return make


_attribute(BookType, "best_bid", _best(BUY))
_attribute(BookType, "best_ask", _best(SELL))


def _levels(side):
    def make(book, n=10):
        def call(book, n=10):
            rows = np.empty((max(n, 1), 2))
            count = book_levels(number(book), side, n, rows.ctypes)
            return [(rows[i, 0], rows[i, 1]) for i in range(count)]

        return call

    return make


overload_method(BookType, "bids")(_levels(BUY))
overload_method(BookType, "asks")(_levels(SELL))


@infer
class _OptionalItem(AbstractTemplate):
    """`book.best_bid[0]`: an item of a tuple that may be None."""

    key = "static_getitem"

    def generic(self, args, kws):
        pair, index = args
        if isinstance(pair, types.Optional) and isinstance(pair.type, types.BaseTuple):
            return signature(pair.type.types[index], *args)
        return None


@lower_builtin("static_getitem", types.Optional, types.Any)
def _optional_item(context, builder, sig, args):
    optional, _ = sig.args
    value, index = args
    held = context.cast(builder, value, optional, optional.type)
    return builder.extract_value(held, index)


# --- bars -----------------------------------------------------------------------------------------


class BarsType(types.Type):
    """The last n bars of a feed."""

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
    name, text = _literal(symbol), _literal(period)
    if not isinstance(text, str):
        raise TypingError("onetape: the period of bars must be written out")
    keys = {key for (each, word), key in self.bar_keys.items()
            if word == text and name in (None, each)}  # fmt: skip
    if len(keys) != 1:
        raise TypingError(
            f"onetape: bars {text!r} are not subscribed, or not alike for all symbols"
        )
    ((length, source),) = keys
    make = _bars_maker(BarsType(length, source))

    def call(self, symbol, period, n):
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
    _attribute(BarsType, _name, _bar_column(_column))


@overload(len)
def _bars_len(bars):
    return (lambda bars: bars_length(bars)) if isinstance(bars, BarsType) else None


@intrinsic
def as_column(typingctx, array):
    """A one-dimensional array of floats as one that adds as numpy does."""

    def build(context, builder, sig, args):
        return impl_ret_borrowed(context, builder, sig.return_type, args[0])

    return ColumnType(array.dtype, array.ndim, array.layout)(array), build


# numpy adds in blocks of eight running sums, halving what is longer than 128 (its pairwise sum,
# numpy/_core/src/umath/loops_utils.h.src, read 2026-11). numba adds from left to right.
@njit
def pairwise_sum(values, first, count):
    if count < 8:
        total = 0.0
        for i in range(count):
            total += values[first + i]
        return total
    if count <= 128:
        r0, r1, r2, r3 = values[first], values[first + 1], values[first + 2], values[first + 3]
        r4, r5, r6, r7 = values[first + 4], values[first + 5], values[first + 6], values[first + 7]
        i = 8
        while i < count - count % 8:
            at = first + i
            r0 += values[at]
            r1 += values[at + 1]
            r2 += values[at + 2]
            r3 += values[at + 3]
            r4 += values[at + 4]
            r5 += values[at + 5]
            r6 += values[at + 6]
            r7 += values[at + 7]
            i += 8
        total = ((r0 + r1) + (r2 + r3)) + ((r4 + r5) + (r6 + r7))
        while i < count:
            total += values[first + i]
            i += 1
        return total
    half = count // 2
    half -= half % 8
    return pairwise_sum(values, first, half) + pairwise_sum(values, first + half, count - half)


def _is_column(array):
    return isinstance(array, ColumnType) and array.ndim == 1 and array.dtype == types.float64


@overload_method(ColumnType, "sum")
def _column_sum(array):
    return (lambda array: pairwise_sum(array, 0, len(array))) if _is_column(array) else None


@overload_method(ColumnType, "mean")
def _column_mean(array):
    if not _is_column(array):
        return None
    return lambda array: pairwise_sum(array, 0, len(array)) / len(array)


# --- timers, chance -------------------------------------------------------------------------------


@overload_method(StrategyType, "set_timer", prefer_literal=True)
def _set_timer(self, name, every=None, at=None):
    if _is_none(every) == _is_none(at):
        raise TypingError("onetape: set_timer takes either every='5s' or at=<ns>")
    if _is_none(at):
        text = _literal(every)
        if not isinstance(text, str):
            raise TypingError("onetape: every must be written out")
        step = parse_period(text)
        return lambda self, name, every=None, at=None: set_timer(c_text(name), step, 0)
    return lambda self, name, every=None, at=None: set_timer(c_text(name), 0, int(at))


@overload_method(StrategyType, "cancel_timer", prefer_literal=True)
def _cancel_timer(self, name):
    return lambda self, name: cancel_timer(c_text(name)) != 0


@overload_method(RandomType, "random")
def _random(self):
    return lambda self: random_number(0, 0.0, 0.0)


@overload_method(RandomType, "uniform")
def _uniform(self, a, b):
    return lambda self, a, b: random_number(1, float(a), float(b))


@overload_method(RandomType, "gauss")
def _gauss(self, mu, sigma):
    return lambda self, mu, sigma: random_number(2, float(mu), float(sigma))


@overload_method(RandomType, "randint")
def _randint(self, a, b):
    return lambda self, a, b: int(random_number(3, float(a), float(b)))
