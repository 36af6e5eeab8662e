"""The comments behind a strategy's parameters, where its source is at hand: what they are for."""

from __future__ import annotations

import ast
import inspect
import io
import textwrap
import tokenize
from collections.abc import Mapping
from functools import lru_cache

__all__ = ["comments_of"]


@lru_cache(maxsize=64)
def comments_of(strategy: type) -> Mapping[str, str]:
    """Name -> the comment on the line of its annotation, of the class and those that it inherits
    from. Empty where there is no source. Looked up once."""
    found: dict[str, str] = {}
    for klass in reversed(strategy.__mro__):
        if klass is object:
            continue
        try:
            text = textwrap.dedent(inspect.getsource(klass))
            found |= _comments_in(text)
        except (OSError, TypeError, SyntaxError, tokenize.TokenError):
            continue
    return found


def _comments_in(text: str) -> dict[str, str]:
    lines = {
        token.start[0]: token.string.lstrip("#: ").strip()
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.COMMENT
    }
    klass = ast.parse(text).body[0]
    assert isinstance(klass, ast.ClassDef)
    return {
        each.target.id: lines[each.end_lineno]
        for each in klass.body
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name) and each.end_lineno in lines
    }
