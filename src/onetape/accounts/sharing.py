"""Splits one amount among several, in proportion and to the last unit."""

from __future__ import annotations

from collections.abc import Mapping

from onetape.model.money import divide_half_even

__all__ = ["shares", "split"]


def shares(amount: int, weights: Mapping[int, int], *, rest_to: int) -> dict[int, int]:
    """Returns amount * weight / sum of weights, half to even; the rounding rest goes to `rest_to`. Weights may have
    either sign; their sum is not zero."""
    of = sum(weights.values())
    sign = 1 if of > 0 else -1
    found = {slot: divide_half_even(amount * weight * sign, of * sign) for slot, weight in weights.items()}
    rest = amount - sum(found.values())
    if rest:
        found[rest_to] = found.get(rest_to, 0) + rest
    return found


def split(size: int, held: Mapping[int, int], lot: int = 1) -> dict[int, int]:
    """Splits a size among holders (all > 0, together at least the size), in whole lots: first the whole lots of each
    share, then one lot at a time to the holders furthest below their shares, the lower slot first. Nobody gives more
    than they hold; a rest smaller than a lot is given in the same way."""
    of = sum(held.values())
    found = {slot: size * qty // of // lot * lot for slot, qty in held.items()}
    left = size - sum(found.values())
    while left:  # a holder that got one in this round is less short than the others
        able = [slot for slot in held if found[slot] < held[slot]]
        for slot in sorted(able, key=lambda slot: (found[slot] * of - size * held[slot], slot)):
            step = min(lot, left, held[slot] - found[slot])
            found[slot] += step
            left -= step
    return found
