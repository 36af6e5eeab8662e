"""Argument forms that several verbs share."""

from __future__ import annotations

from collections.abc import Iterable

from onetape.model.errors import UsageError


def parameters(pairs: Iterable[str], *, where: str = "--param") -> dict[str, str]:
    """`--param k=v`, repeated, as text; the strategy's annotations give the types."""
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip().isidentifier():
            raise UsageError(f"a parameter is name=value, not {pair!r}", where=where)
        if name.strip() in found:
            raise UsageError(f"parameter {name.strip()!r} is given twice", where=where)
        found[name.strip()] = value
    return found
