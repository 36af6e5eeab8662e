"""The carry of a pair: which side earns funding, what reversing the pair costs, and when that pays.

A long leg pays its venue's rate and a short one receives it. The best pair is long where the rate is lowest and short
where it is highest; it is opened or reversed if its additional earnings over the horizon are several times its cost.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import permutations
from typing import Final

import msgspec

from onetape.hedge.model import LegView
from onetape.hedge.plan import Leg, Terms, leg_of, price_of
from onetape.model.time import DAY, HOUR

__all__ = ["Carry", "Choice", "choose", "cost_of_trades"]

_ZERO: Final = Decimal(0)
INTERVAL: Final = 8 * HOUR  # of funding, for instruments without one of their own


class Carry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The size of the pair, and when a reversal pays. size: base of each side, None: of the present pair; horizon_days:
    time over which the present earnings are extrapolated; times: required ratio of additional earnings to cost."""

    size: Decimal | None = None
    horizon_days: Decimal = Decimal(3)
    times: Decimal = Decimal("1.5")

    def __post_init__(self) -> None:
        if min(self.size or 1, self.horizon_days, self.times) <= 0 or self.size == 0:
            raise ValueError("size, horizon_days and times are above 0")


@dataclass(frozen=True, slots=True)
class Choice:
    """The decision whether to change the pair. earns, would_earn: quote per day, now and after; cost: quote, of the
    trades. trades: account -> signed base, empty if no pair is better by enough. reason: why, or why not."""

    earns: Decimal
    would_earn: Decimal
    cost: Decimal
    trades: Mapping[str, Decimal]
    reason: str


def choose(views: Sequence[LegView], carry: Carry, target: Decimal, terms: Terms) -> Choice:
    """Returns whether another pair earns enough more to trade for it. target: the net delta, by which the long side
    exceeds the size."""
    silent = [view.account for view in views if view.funding_rate is None]
    earns = sum((_earned(view, view.position) for view in views), _ZERO)
    if silent or len(views) < 2:
        why = f"the funding rate of {', '.join(silent)} is not known" if silent else "a pair needs two accounts"
        return Choice(earns, earns, _ZERO, {}, why)
    size = carry.size or min(abs(_sum(views, 1)), abs(_sum(views, -1)))
    if not size:
        return Choice(earns, earns, _ZERO, {}, "no pair is held, and no size is set")
    best = Choice(earns, earns, _ZERO, {}, f"no pair earns more than the present {earns:.2f} a day")
    gain: Decimal | None = None
    for name, wanted in _candidates(views, size, target):
        trades = {view.account: wanted[view.account] - view.position for view in views}
        made = (leg_of(view, trades[view.account], terms) for view in views if trades[view.account])
        legs = [leg for leg in made if leg is not None]
        kept = {leg.account: leg.change for leg in legs}
        would = sum((_earned(view, wanted[view.account]) for view in views), _ZERO)
        cost = cost_of_trades(legs)
        more = (would - earns) * carry.horizon_days
        if kept and more > 0 and (gain is None or more - cost > gain):
            gain = more - cost
            pays = f"{name} earns {would:.2f} a day instead of {earns:.2f} and costs {cost:.2f}"
            if more > carry.times * cost:
                best = Choice(earns, would, cost, kept, f"{pays}, earned in {float(cost / (would - earns)):.1f} days")
            else:
                days = f"{carry.horizon_days:f} days do not earn {carry.times:f} times that cost"
                best = Choice(earns, would, cost, {}, f"{pays}: {days}")
    return best


def cost_of_trades(legs: Iterable[Leg]) -> Decimal:
    """Returns the cost of legs in quote: fees, spread and depth, without funding."""
    return sum((leg.in_quote(leg.cost.fee + leg.cost.spread + leg.cost.impact) for leg in legs), _ZERO)


def _earned(view: LegView, position: Decimal) -> Decimal:
    """Returns the quote per day that a position earns at the present funding rate."""
    rate = view.funding_rate or _ZERO
    return -position * price_of(view) * rate * DAY / (view.instrument.funding_interval or INTERVAL)


def _sum(views: Iterable[LegView], side: int) -> Decimal:
    return sum((view.position for view in views if view.position * side > 0), _ZERO)


def _candidates(
    views: Sequence[LegView], size: Decimal, target: Decimal
) -> Iterator[tuple[str, Mapping[str, Decimal]]]:
    """Yields candidate positions. The flat position is not among them: if it were better, the reversed pair would be
    twice as good."""
    nothing = {view.account: _ZERO for view in views}
    for long, short in permutations(nothing, 2):
        yield f"long {long} and short {short}", nothing | {long: size + target, short: -size}
