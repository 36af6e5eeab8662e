"""One amount for several: in proportion, and to the last unit."""

from __future__ import annotations

from collections.abc import Mapping

from onetape.model.money import divide_half_even

__all__ = ["shares", "split"]


def shares(amount: int, weights: Mapping[int, int], *, rest_to: int) -> dict[int, int]:
    """amount * weight / sum of weights, half to even; what that leaves is `rest_to`'s. Weights may
    have either sign; their sum is not zero."""
    of = sum(weights.values())
    sign = 1 if of > 0 else -1
    found = {slot: divide_half_even(amount * weight * sign, of * sign) for slot, weight in weights.items()}
    rest = amount - sum(found.values())
    if rest:
        found[rest_to] = found.get(rest_to, 0) + rest
    return found


def split(size: int, held: Mapping[int, int], lot: int = 1) -> dict[int, int]:
    """Splits a size by what each holds (all > 0, together at least the size), in whole lots: first what is whole of
    each share, then a lot at a time to those that are left the most short of theirs, the lower slot first. Nobody gives
    more than they hold; what is no whole lot goes the same way."""
    of = sum(held.values())
    found = {slot: size * qty // of // lot * lot for slot, qty in held.items()}
    left = size - sum(found.values())
    while left:  # who has had one in a round is less short than all that have not
        able = [slot for slot in held if found[slot] < held[slot]]
        for slot in sorted(able, key=lambda slot: (found[slot] * of - size * held[slot], slot)):
            step = min(lot, left, held[slot] - found[slot])
            found[slot] += step
            left -= step
    return found
