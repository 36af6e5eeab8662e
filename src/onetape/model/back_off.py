"""Compute the wait between a failure and the next try."""

from __future__ import annotations

from typing import Final, TypeVar

__all__ = ["back_off"]

DOUBLINGS_MAX: Final = 62  # 2**62 ns is longer than any wait

Time = TypeVar("Time", int, float)


def back_off(first: Time, failures: int, most: Time) -> Time:
    """Returns the wait after this many failures in a row (1 or more): `first`, doubled for each further one, at most
    `most`. In the unit of `first` and `most`."""
    wait: Time = first * 2 ** min(failures - 1, DOUBLINGS_MAX)
    return min(wait, most)
