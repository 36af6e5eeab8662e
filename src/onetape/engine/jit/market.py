"""Read quotes and books in compiled code.

Functions here have no annotations: numba compares an overload's signature with that of
the function it returns.
"""

from __future__ import annotations

import numpy as np
from numba.core import cgutils, types
from numba.core.imputils import lower_builtin
from numba.core.typing.templates import AbstractTemplate, infer, signature
from numba.extending import intrinsic, overload_attribute, overload_method

from onetape.engine.jit.calls import (
    attribute,
    book_has,
    book_levels,
    book_price,
    book_size,
    book_synced,
    facts_of,
    maker,
    number,
    quote_payload,
    symbol_number,
)
from onetape.engine.jit.types import SYMBOL, BookType, EventType, StrategyType, WordType
from onetape.engine.marks import BUY, SELL


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
    as_book = maker(BookType(self.symbols))
    return lambda self, symbol: as_book(symbol_number(self, symbol))


@overload_attribute(BookType, "synced")
def _synced(book):
    return lambda book: book_synced(number(book)) != 0


@overload_attribute(BookType, "symbol")
def _book_symbol(book):
    as_word = maker(WordType(SYMBOL, book.symbols))
    return lambda book: as_word(number(book))


def _best(side):
    def make(book):
        def get(book):
            if book_has(number(book), side) == 0:
                return None
            return (book_price(number(book), side), book_size(number(book), side))

        return get

    return make


attribute(BookType, "best_bid", _best(BUY))
attribute(BookType, "best_ask", _best(SELL))


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
    """Types `book.best_bid[0]`: an item of a tuple that may be None."""

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
