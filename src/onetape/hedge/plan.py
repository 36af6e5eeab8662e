"""Splits a change of the net delta over accounts: size, limit and expected cost of each order.

The cheapest account takes the whole change if it can; the rest goes to the next one. Accounts that reduce a position
come before those that open one. Deterministic: equal views give an equal plan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal, localcontext
from fractions import Fraction
from functools import reduce
from math import lcm
from typing import Final

import msgspec

from onetape.hedge.model import LegView, Level, Resting
from onetape.model.enums import Kind, Side
from onetape.model.errors import HedgeFailed
from onetape.model.instrument import Instrument
from onetape.model.time import SECOND

__all__ = [
    "Cost",
    "Leg",
    "Plan",
    "Terms",
    "base_of",
    "capacity",
    "common_lot",
    "hedge_plan",
    "least_of",
    "leg_of",
    "legs_plan",
    "lot_of",
    "middle",
    "nearest",
    "plan_change",
    "price_of",
    "qty_of",
    "reducing",
    "refusal_of",
    "tradable",
    "worth",
]

_ZERO: Final = Decimal(0)
_DIGITS: Final = 50  # of divisions: an inverse contract's base
_SHOWN: Final = 8  # decimals of base in texts


class Cost(msgspec.Struct, frozen=True):
    """The expected cost of a leg, in its settle currency; funding: of the next payment, None: unknown. A gain is
    negative."""

    fee: Decimal = _ZERO
    spread: Decimal = _ZERO
    impact: Decimal = _ZERO
    funding: Decimal | None = None

    @property
    def total(self) -> Decimal:
        return self.fee + self.spread + self.impact + (self.funding or _ZERO)


class Leg(msgspec.Struct, frozen=True):
    """One order of a plan. side: 1 buys, -1 sells. qty: in the instrument's unit, whole lots; base: its worth in the
    base currency at `mid`, > 0; limit, passive: on the tick. reduces: it only reduces a position."""

    account: str
    venue: str
    symbol: str
    side: int
    qty: Decimal
    base: Decimal
    lot: Decimal
    limit: Decimal
    passive: Decimal  # the price at which it would rest
    mid: Decimal
    reduces: bool = False
    kind: Kind = Kind.LINEAR
    cost: Cost = Cost()
    is_shared: bool = False

    @property
    def change(self) -> Decimal:
        """Returns the change of the net delta, signed base."""
        return self.base * self.side

    def in_quote(self, amount: Decimal) -> Decimal:
        """Converts an amount of the leg's settle currency to quote at the mid."""
        return amount * self.mid if self.kind is Kind.INVERSE else amount


class Plan(msgspec.Struct, frozen=True):
    """The orders for a change of the net delta. legs: in the order of sending, together if `parallel`. before: the net
    delta; missing: signed base of the change that no account can take; considered: accounts that were not chosen, and
    why; bearers: accounts that may trade the missing part later."""

    legs: tuple[Leg, ...] = ()
    parallel: bool = True
    before: Decimal = _ZERO
    missing: Decimal = _ZERO
    considered: tuple[tuple[str, str], ...] = ()
    bearers: tuple[str, ...] = ()

    @property
    def change(self) -> Decimal:
        return sum((each.change for each in self.legs), _ZERO)

    @property
    def reduces(self) -> bool:
        """Tells whether all its trades reduce positions."""
        return bool(self.legs) and all(each.reduces for each in self.legs)

    @property
    def opposes(self) -> bool:
        """Tells whether it has legs of both signs: half of such a plan is a directional position."""
        return len({each.side for each in self.legs}) > 1

    @property
    def leading(self) -> tuple[int, ...]:
        """Returns the legs that an algorithm may work, all of one sign. If a plan has both, the side with more legs:
        the others follow each fill at once."""
        if not self.opposes:
            return tuple(range(len(self.legs)))
        side = 1 if self.change > 0 or (not self.change and self.legs[0].side > 0) else -1
        return tuple(n for n, each in enumerate(self.legs) if each.side == side)

    @property
    def expected(self) -> Decimal:
        """Returns the net delta after all fills."""
        return self.before + self.change


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """The bounds of a plan. now: ns UTC; slippage: how much worse than the mid a limit may be, as a share, with the
    number of halvings by account; ages: ns, 0: the caller has checked the ages of the views; reduce_only: nothing may
    be opened."""

    now: int
    slippage: Decimal
    market_age: int = 0
    account_age: int = 0
    reduce_only: bool = False
    halvings: dict[str, int] = {}

    def slippage_of(self, view: LegView) -> Decimal:
        return self.slippage / Decimal(1 << self.halvings.get(view.account, 0))


# --- units ------------------------------------------------------------------------------------------------------------


def base_of(instrument: Instrument, qty: Decimal, price: Decimal) -> Decimal:
    """Converts a quantity to base currency, same sign."""
    if instrument.kind is Kind.INVERSE:
        with localcontext(prec=_DIGITS):
            return qty * instrument.multiplier / price if price else _ZERO
    return qty * instrument.multiplier


def qty_of(instrument: Instrument, base: Decimal, price: Decimal, rounding: str = ROUND_DOWN) -> Decimal:
    """Converts base >= 0 to a quantity in whole lots, rounded down unless `rounding` differs."""
    with localcontext(prec=_DIGITS):
        exact = base * price if instrument.kind is Kind.INVERSE else base
        lots = (exact / (instrument.multiplier * instrument.lot)).to_integral_value(rounding)
        return lots * instrument.lot


def worth(instrument: Instrument, base: Decimal, price: Decimal) -> Decimal:
    """Returns the notional of an amount of base, in the settle currency."""
    return base if instrument.kind is Kind.INVERSE else base * price


def tradable(view: LegView, *, reduces: bool = False) -> Decimal:
    """Returns the minimum order of the account, in base."""
    instrument, price = view.instrument, middle(view)
    qty = max(instrument.lot, instrument.size_min)
    least = base_of(instrument, qty, price)
    if reduces or not price or not instrument.notional_min:
        return least
    # The quantity of an inverse contract is in quote currency.
    return max(least, instrument.notional_min / price)


def least_of(views: Iterable[LegView]) -> Decimal:
    """Returns the smallest of the accounts' minimum orders in base; unknown for an inverse contract without a market.
    0: none."""
    return min((each for each in map(tradable, views) if each), default=_ZERO)


def middle(view: LegView) -> Decimal:
    """Returns the mid price, 0 if a side is empty."""
    return (view.bids[0].price + view.asks[0].price) / 2 if view.bids and view.asks else _ZERO


def price_of(view: LegView) -> Decimal:
    """Returns the mark, else the mid of the book, else 0."""
    return view.mark if view.mark > 0 else middle(view)


def lot_of(view: LegView) -> Fraction:
    """Returns the lot size in base."""
    return Fraction(base_of(view.instrument, view.instrument.lot, price_of(view)))


def common_lot(views: Iterable[LegView]) -> Fraction:
    """Returns the least amount that all accounts trade exactly; inverse contracts, whose lot moves with the price, are
    left out."""
    lots = [lot_of(view) for view in views if view.instrument.kind is not Kind.INVERSE]
    return reduce(_lcm, lots) if lots else Fraction(0)


def _lcm(a: Fraction, b: Fraction) -> Fraction:
    return Fraction(lcm(a.numerator * b.denominator, b.numerator * a.denominator), a.denominator * b.denominator)


# --- one account ------------------------------------------------------------------------------------------------------


def refusal_of(view: LegView, terms: Terms) -> str:
    """Returns why an account may not trade now, "" if it may."""
    if view.refusal:
        return view.refusal
    for what, at, most in (
        ("price", view.market_at, terms.market_age),
        ("account", view.account_at, terms.account_age),
    ):
        if not at:
            return f"its {what} is not known"
        if most and terms.now - at > most:
            return f"its {what} is {(terms.now - at) / SECOND:.1f} s old, at most {most / SECOND:g} s are allowed"
    if not middle(view):
        return "a side of its market is empty"
    return ""


def nearest(view: LegView, side: int) -> Resting | None:
    """Returns the order of ours on another account that an order of that side would match first; None: there is none.
    One at or beyond the venue's touch is ignored: it has been filled, and its gateway is away."""
    touch = view.bids if side > 0 else view.asks
    there = [
        each
        for each in view.resting
        if each.side == -side and not (touch and (each.price - touch[0].price) * side <= 0)
    ]
    return min(there, key=lambda each: each.price * side, default=None)


def limit_of(view: LegView, side: int, slippage: Decimal) -> Decimal:
    """Returns the limit price, on the tick: within the slippage, and short of orders of ours on other accounts."""
    instrument = view.instrument
    price = middle(view) * (1 + side * slippage)
    if (met := nearest(view, side)) is not None:
        price = min(price * side, met.price * side - instrument.tick) * side
    return instrument.price(instrument.price_int(price, Side.BUY if side > 0 else Side.SELL))


def _walk(levels: Iterable[Level], side: int, limit: Decimal, most: Decimal) -> tuple[Decimal, Decimal]:
    """Returns how much of `most` rests within the limit, and its average price."""
    got = spent = _ZERO
    for level in levels:
        if (level.price - limit) * side > 0 or got >= most:
            break
        taken = min(level.base, most - got)
        got, spent = got + taken, spent + taken * level.price
    return got, (spent / got if got else _ZERO)


def reducing(view: LegView, side: int) -> Decimal:
    """Returns by how much an order of that side reduces the account's position."""
    return max(-view.position * side, _ZERO)


def depth_of(view: LegView, side: int, terms: Terms) -> Decimal:
    """Returns how much base rests within the slippage."""
    limit = limit_of(view, side, terms.slippage_of(view))
    return _walk(view.asks if side > 0 else view.bids, side, limit, Decimal("Infinity"))[0]


def order_max(view: LegView) -> Decimal | None:
    """Returns the account's maximum order in base; None: no maximum."""
    most = view.instrument.size_max
    return base_of(view.instrument, most, middle(view)) if most else None


def capacity(view: LegView, side: int, terms: Terms, *, reduces: bool) -> tuple[Decimal, str]:
    """Returns how much base of a change an account can take, and what limits it. reduces: by reducing its position,
    else by opening beyond it, for which it needs margin."""
    instrument, limit = view.instrument, limit_of(view, side, terms.slippage_of(view))
    met = nearest(view, side)
    own = f", and before our own order {met.order} of {met.account} at {met.price}" if met is not None else ""
    bounds = [(depth_of(view, side, terms), f"its depth within {limit}{own}")]
    bounds += [(most, "the size of one order")] if (most := order_max(view)) is not None else []
    if reduces:
        bounds.append((reducing(view, side), "its position"))
    elif terms.reduce_only or (instrument.kind is Kind.SPOT and side < 0):
        bounds.append((_ZERO, "nothing may be opened on it"))
    else:
        leverage = Decimal(1) if instrument.kind is Kind.SPOT else max(view.leverage, Decimal(1))
        price = max(limit, middle(view))
        unit = worth(instrument, Decimal(1), price) * (Decimal(1) / leverage + max(view.taker_fee, _ZERO))
        bounds.append((max(view.available, _ZERO) / unit, f"its margin of {view.available}"))
    return min(bounds, key=lambda each: each[0])


def leg_of(view: LegView, change: Decimal, terms: Terms, *, reduces: bool | None = None) -> Leg | None:
    """Returns the order for a signed change of base, rounded down to the lot; None if that is too small. Does not check
    `capacity`. reduces: None: True if the whole order reduces the position."""
    instrument, side = view.instrument, 1 if change > 0 else -1
    mid = middle(view)
    if reduces is None:
        reduces = reducing(view, side) >= abs(change) > 0
    qty = qty_of(instrument, abs(change), mid)
    if reduces and instrument.kind is Kind.INVERSE:  # the base of its position is that at the mark, not at the mid
        qty = min(qty, qty_of(instrument, reducing(view, side), view.mark, ROUND_HALF_EVEN))
    base = base_of(instrument, qty, mid)
    if not qty or base < tradable(view, reduces=reduces):
        return None
    limit, passive = limit_of(view, side, terms.slippage_of(view)), limit_of(view, side, _ZERO)
    cost = cost_of(view, side, base, limit)
    return Leg(
        view.account,
        view.venue,
        instrument.symbol,
        side,
        qty,
        base,
        instrument.lot,
        limit,
        passive,
        mid,
        reduces,
        instrument.kind,
        cost,
        view.is_shared,
    )


def cost_of(view: LegView, side: int, base: Decimal, limit: Decimal) -> Cost:
    """Returns the cost of taking `base`: fee by tier, half the spread, depth and the next funding."""
    instrument, mid = view.instrument, middle(view)
    levels = view.asks if side > 0 else view.bids
    got, average = _walk(levels, side, limit, base)
    best = levels[0].price
    average = average if got else best
    with localcontext(prec=_DIGITS):
        per_price = base if instrument.kind is not Kind.INVERSE else base / mid
        funding = None if view.funding_rate is None else worth(instrument, base, mid) * view.funding_rate * side
        return Cost(
            worth(instrument, base, average) * view.taker_fee,
            per_price * (best - mid) * side,
            per_price * (average - best) * side,
            funding,
        )


# --- many accounts ----------------------------------------------------------------------------------------------------


def plan_change(
    views: Sequence[LegView],
    change: Decimal,
    terms: Terms,
    *,
    parallel: bool = True,
    allowed: Callable[[LegView], str] = lambda _: "",
    reductions_first: bool = True,
    spared: Sequence[str] = (),
) -> Plan:
    """Plans one signed change of the net delta over accounts. allowed: why an account may not trade, "" if it may;
    spared: accounts that come later, those listed most often last. reductions_first: reducing trades come before
    opening ones, whatever they cost."""
    before = sum((each.position for each in views), _ZERO)
    bearers = tuple(each.account for each in views if not allowed(each))
    if not change:
        return Plan(parallel=parallel, before=before, bearers=bearers)
    side, missing, reasons = (1 if change > 0 else -1), abs(change), dict[str, str]()
    bounds: dict[str, str] = {}
    offers: list[tuple[int, Decimal, str, bool, LegView]] = []
    for view in sorted(views, key=lambda each: each.account):
        if why := refusal_of(view, terms) or allowed(view):
            reasons[view.account] = why
            continue
        for reduces in (True, False):
            bears, bound = capacity(view, side, terms, reduces=reduces)
            made = leg_of(view, side * min(bears, missing), terms, reduces=reduces) if bears else None
            if not reduces and bears < missing:
                bounds[view.account] = f"{bound} bounds it to {_shown(bears)}"
            if made is None:
                continue
            price = made.cost.total / worth(view.instrument, made.base, made.mid)
            rank = spared.count(view.account) * 2 + (reductions_first and not reduces)
            offers.append((rank, price, view.account, reduces, view))
    legs: dict[tuple[str, bool], Leg] = {}
    for _, _, account, reduces, view in sorted(offers, key=lambda each: (*each[:3], not each[3])):
        used = sum((each.base for (of, _), each in legs.items() if of == account), _ZERO)
        bears = _bears_beside(view, side, terms, used, reduces=reduces)
        leg = leg_of(view, side * min(bears, missing), terms, reduces=reduces)
        if leg is None:
            continue
        legs[account, reduces] = leg
        missing -= leg.base
    chosen = {account for account, _ in legs}
    if missing:
        reasons = {**bounds, **reasons}
    for view in views:
        if view.account not in chosen:
            small = f"its smallest order is {_shown(tradable(view, reduces=reducing(view, side) > 0))}"
            why = "others cost less" if legs and not missing else small
            reasons.setdefault(view.account, bounds.get(view.account, why))
    why_not = tuple(sorted(reasons.items()))
    return Plan(tuple(legs.values()), parallel, before, side * missing, why_not, bearers)


def hedge_plan(
    views: Sequence[LegView], amount: Decimal, terms: Terms, *, strategy: str, side: int = 0, parallel: bool = True
) -> Plan:
    """Plans a hedge of `amount` base > 0. side: 0: against the net delta, a buy if that is zero.

    delta-neutral: wherever it costs least, without crossing a zero net delta. cross-platform: at other venues than
    those with the exposure, if there are any. same-platform: one account, the cheapest that can take it.
    """
    net = sum((each.position for each in views), _ZERO)
    side = side or (-1 if net > 0 else 1)
    if strategy == "delta-neutral" and net * side < 0:
        amount = min(amount, abs(net))
    if strategy == "same-platform":
        plans = [plan_change([each], side * amount, terms, parallel=parallel) for each in views]
        best = min(plans, key=lambda each: (abs(each.missing), _price(each)))
        others = tuple(
            (each.account, "one account takes all of it") for each in views if each.account not in best.bearers
        )
        return msgspec.structs.replace(best, before=net, considered=best.considered + others)
    exposed = {each.venue for each in views if each.position * side < 0}
    spares = strategy == "cross-platform" and any(each.venue not in exposed for each in views)

    def allowed(view: LegView) -> str:
        return "its venue holds the exposure" if spares and view.venue in exposed else ""

    return plan_change(views, side * amount, terms, parallel=parallel, allowed=allowed)


def legs_plan(views: Sequence[LegView], trades: Mapping[str, Decimal], terms: Terms, *, parallel: bool = True) -> Plan:
    """Plans signed trades of base by account; if an account cannot take its own, all are reduced by the same share.
    Raises HedgeFailed if legs of opposite sign would match at a venue."""
    by_account = {each.account: each for each in views if trades.get(each.account)}
    reasons = {account: why for account, view in by_account.items() if (why := refusal_of(view, terms))}
    share = Fraction(0 if reasons else 1)
    for account, view in by_account.items() if not reasons else ():
        side = 1 if trades[account] > 0 else -1
        opens, bound = capacity(view, side, terms, reduces=False)
        bounds = [(opens + reducing(view, side), bound), (depth_of(view, side, terms), "its depth")]
        bounds += [(largest, "the size of one order")] if (largest := order_max(view)) is not None else []
        most, bound = min(bounds, key=lambda each: each[0])
        if most < abs(trades[account]):
            reasons[account] = f"{bound} bounds it to {_shown(most)}"
            share = min(share, Fraction(most) / abs(Fraction(trades[account])))
    sizes = trades if share == 1 else _smaller(by_account, trades, share)
    legs = [leg_of(view, sizes[account], terms) for account, view in by_account.items() if share]
    made = sorted((each for each in legs if each is not None), key=lambda each: not each.reduces)
    sides: dict[str, int] = {}
    for leg in made:
        if sides.setdefault(leg.venue, leg.side) != leg.side:
            raise HedgeFailed(f"legs of opposite sign would trade with each other at {leg.venue}", location=leg.account)
    before = sum((each.position for each in views), _ZERO)
    missing = _decimal((1 - share) * max((abs(Fraction(each)) for each in trades.values()), default=Fraction(0)))
    names = tuple(each.account for each in views)
    whole = made if len(made) == len(legs) else ()  # without a leg that is too small to trade the others would be naked
    return Plan(tuple(whole), parallel, before, missing, tuple(sorted(reasons.items())), names)


def _smaller(views: Mapping[str, LegView], trades: Mapping[str, Decimal], share: Fraction) -> dict[str, Decimal]:
    """Returns a share of each trade. Trades of both signs are in common lots and add up to the same share of their sum:
    rounding each to its own lot would change the net delta."""
    sizes = {account: Fraction(trades[account]) * share for account in views}
    lot = common_lot(views.values())
    if not lot or len({size > 0 for size in sizes.values()}) == 1:
        return {account: _decimal(size) for account, size in sizes.items()}
    over = -sum(sizes.values(), Fraction(0))
    for account, view in views.items():
        if view.instrument.kind is not Kind.INVERSE:
            size = sizes[account]
            sizes[account] = abs(size) // lot * lot * (1 if size > 0 else -1)
    over += sum(sizes.values(), Fraction(0))
    for account in sorted(views, key=lambda each: (-abs(sizes[each]), each)):  # the largest is reduced
        side = 1 if sizes[account] > 0 else -1
        if over * side >= lot and views[account].instrument.kind is not Kind.INVERSE:
            back = min(over * side // lot * lot, abs(sizes[account])) * side
            sizes[account], over = sizes[account] - back, over - back
    return {account: _decimal(size) for account, size in sizes.items()}


def _decimal(value: Fraction) -> Decimal:
    with localcontext(prec=_DIGITS):
        return Decimal(value.numerator) / value.denominator


def _shown(base: Decimal) -> str:
    return f"{round(base, _SHOWN).normalize():f}"


def _price(plan: Plan) -> Decimal:
    """Returns a plan's cost per unit of base and price."""
    return sum((each.cost.total / each.base / each.mid for each in plan.legs), _ZERO)


def _bears_beside(view: LegView, side: int, terms: Terms, used: Decimal, *, reduces: bool) -> Decimal:
    """Returns the base that an account can take in addition to an order of `used` base on the same depth."""
    bears, _ = capacity(view, side, terms, reduces=reduces)
    return max(min(bears, depth_of(view, side, terms) - used), _ZERO) if used else bears
