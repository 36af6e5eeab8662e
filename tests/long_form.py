"""What the long form of the tests has beside the short one: `make prove WHAT=long`."""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import Any

import pytest

__all__ = ["LONG", "examples", "first_of", "long_form"]

LONG = bool(os.environ.get("ONETAPE_LONG"))


def long_form(*cases: Any) -> list[Any]:
    """Parameters of a test: another kind or another moment of what a case that always runs shows,
    too slow for every change."""
    skipped = pytest.mark.skipif(not LONG, reason="in the long form: make prove WHAT=long")
    return [pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=skipped) for case in cases]


def first_of(cases: Collection[str], *named: str) -> list[Any]:
    """All of them, but for every change only those that are named."""
    others = [case for case in cases if case not in named]
    assert len(others) + len(named) == len(cases), "a case that there is not"
    return [*named, *long_form(*others)]


def examples(many: int) -> int:
    """How many examples of a property are tried: a third of them for every change."""
    return many if LONG else max(10, many // 3)
