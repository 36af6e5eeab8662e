"""Works legs with an execution algorithm: computes the order that a leg should have now.

The result follows from the leg, the current view and the work done, so that no state is needed over a restart.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_UP, Decimal
from typing import Any, Final

import msgspec

from onetape.execution.algorithm import Parent, View, Wish, touch_of
from onetape.execution.algorithms import make_algorithm
from onetape.hedge.model import LegView
from onetape.hedge.plan import Leg, qty_of, tradable

__all__ = ["SCHEDULED", "Work", "changed", "order_of", "wish_of"]

AGE: Final = "1s"  # minimum interval between moves of a resting order
SCHEDULED: Final = ("twap", "vwap", "shortfall")  # deterministic ones: randomness could not be repeated
_ONE_MILLIONTH: Final = Decimal("1e-6")  # an inverse contract's base is no exact share of its quantity
_ZERO: Final = Decimal(0)


class Work(msgspec.Struct, frozen=True):
    """How legs are worked. algo: a name of `execution.algorithms`; until: ns UTC, the rest is taken then; clip: base of
    one order, 0: as the algorithm sets it; profile: for vwap, volumes of equal parts of its time; participation:
    maximum share of the market's volume, 0: any."""

    algo: str
    until: int
    clip: Decimal = _ZERO
    profile: tuple[float, ...] = ()
    participation: float = 0.0

    @property
    def options(self) -> dict[str, Any]:
        if self.algo == "pov":
            return {}
        if self.algo not in SCHEDULED:
            return {"age": AGE}
        return {"spread": 0} | ({"profile": self.profile} if self.profile else {})


def wish_of(
    work: Work,
    leg: Leg,
    view: LegView,
    begun: int,
    now: int,
    done: Decimal,
    working: tuple[Leg, Decimal, int] | None,
    own: Iterable[tuple[Leg, Decimal]] = (),
) -> Wish:
    """Returns the order that a leg should have now. begun: ns UTC; done: base; working: the working order, its filled
    amount and when it was sent; own: all orders of ours resting on its side of the venue's book, with filled amounts.
    Raises ValueError if the algorithm does not support the leg."""
    instrument, tick = view.instrument, view.instrument.tick
    total = int(leg.qty / leg.lot)
    # Also for reducing legs: a fill that others cannot follow is undone on this account, which may open a position.
    least = int(qty_of(instrument, tradable(view), leg.mid, ROUND_UP) / leg.lot)
    clip = max(int(qty_of(instrument, work.clip, leg.mid) / leg.lot), 1) if work.clip else None
    limit = int(leg.limit / tick)
    # An iceberg resting at its limit would cross: its limit is the worst price to take at.
    bound = None if work.algo == "iceberg" else limit
    share = work.participation or None
    parent = Parent(leg.side, total, begun, work.until, bound, clip, share, max(min(least, total), 1))
    algorithm = make_algorithm(work.algo, parent, float, work.options)
    left = total - _lots(leg, done)
    lots, price, since = 0, None, 0
    if working is not None:
        order, filled, since = working
        lots, price = int(order.qty / order.lot) - _lots(order, filled), int(order.passive / tick)
    rests: dict[int, int] = {}
    for each, filled in own:
        at = int(each.passive / tick)
        rests[at] = rests.get(at, 0) + int(each.qty / each.lot) - _lots(each, filled)
    bid, ask = (
        touch_of(
            ((int(n.price / tick), int(qty_of(instrument, n.base, n.price) / leg.lot)) for n in levels),
            rests if side == leg.side else {},
        )
        for side, levels in ((1, view.bids), (-1, view.asks))
    )
    if working is not None and (bid if leg.side > 0 else ask) is None:
        return Wish(lots, price, post_only=True, wake=work.until)  # no other order is on that side: it stays
    traded = float((view.traded or _ZERO) / leg.lot)
    wish = algorithm.wish(View(now, left, lots, price, bid, ask, traded, since))
    if 0 < wish.lots < parent.least:
        wish = Wish(min(parent.least, left), wish.price, wish.post_only, wish.wake)
    is_beyond = wish.price is not None and (wish.price - limit) * leg.side > 0
    return Wish(wake=wish.wake) if is_beyond or left < parent.least else wish


def order_of(leg: Leg, wish: Wish, view: LegView) -> Leg:
    """Makes the part of a leg for a target order; its price is where it rests, or the worst price to take at."""
    qty, price = wish.lots * leg.lot, (wish.price or 0) * view.instrument.tick
    return msgspec.structs.replace(leg, qty=qty, base=leg.base * qty / leg.qty, limit=price, passive=price)


def changed(wish: Wish, order: Leg, filled: Decimal, view: LegView) -> bool:
    """Tells whether a resting order differs from the target."""
    lots = int(order.qty / order.lot) - _lots(order, filled)
    return not wish.lots or wish.price != int(order.passive / view.instrument.tick) or wish.lots < lots


def _lots(leg: Leg, base: Decimal) -> int:
    return int((leg.qty * base / leg.base / leg.lot).quantize(_ONE_MILLIONTH)) if leg.base else 0
