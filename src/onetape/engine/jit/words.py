"""Compare sides, states, symbols and periods, which are numbers in compiled code, with texts.

Functions here have no annotations: numba compares an overload's signature with that of
the function it returns.
"""

from __future__ import annotations

import operator

from numba.core import types
from numba.core.errors import TypingError
from numba.extending import overload

from onetape.engine.jit.calls import literal, number
from onetape.engine.jit.types import PERIOD, WordType
from onetape.model.time import parse_period


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
    text = literal(other)
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
