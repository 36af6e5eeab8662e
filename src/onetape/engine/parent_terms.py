"""Parse the terms of parent orders: the options common to all execution algorithms, read by instrument and price."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any

from onetape.execution.algorithm import Parent
from onetape.execution.algorithms import make_algorithm
from onetape.execution.amount import amount_of, finite_of, ticks_of
from onetape.model.errors import StrategyError
from onetape.model.time import SECOND, parse_period

if TYPE_CHECKING:
    from onetape.engine.host import Host

__all__ = ["ParentTerms", "terms_of"]

MINUTES_MAX = 1_000_000  # two years


@dataclass(frozen=True, slots=True)
class Terms:
    """Terms of any parent order, independent of price and instrument. deadline: ns UTC; slippage: a number or a
    share."""

    deadline: int | None
    limit: Decimal | None
    slippage: Any
    clip: Decimal | None
    participation: float | None


def terms_of(options: dict[str, Any], now: int) -> Terms:
    """Remove the common terms from `options` and return them. Raises ValueError for invalid ones."""
    deadline, slippage = _deadline(options, now), options.pop("slippage", None)
    limit, clip, share = (
        None if (value := options.pop(name, None)) is None else finite_of(name, value)
        for name in ("limit", "clip", "participation")
    )
    for name, value in (("limit", limit), ("clip", clip)):
        if value is not None and value <= 0:
            raise ValueError(f"{name} is above 0, not {value}")
    if deadline is not None and deadline <= now:
        raise ValueError("the deadline is not in the future")
    if deadline is not None and deadline - now >= MINUTES_MAX * 60 * SECOND:
        raise ValueError(f"the deadline is less than {MINUTES_MAX:,} minutes ahead, not {deadline}")
    if share is not None and not 0 < share <= 1:
        raise ValueError(f"participation is above 0 and at most 1, not {share}")
    if slippage is not None:
        amount_of(slippage, Decimal(1))
    return Terms(deadline, limit, slippage, clip, None if share is None else float(share))


def _deadline(options: dict[str, Any], now: int) -> int | None:
    minutes, deadline = options.pop("minutes", None), options.pop("deadline", None)
    if minutes is not None and deadline is not None:
        raise ValueError("give minutes= or deadline=, not both")
    if minutes is None:
        if isinstance(deadline, str):
            return now + parse_period(deadline)
        return None if deadline is None else int(finite_of("deadline", deadline))
    if not 0 < (span := float(finite_of("minutes", minutes))) < MINUTES_MAX:
        raise ValueError(f"minutes is above 0 and below {MINUTES_MAX:,}, not {minutes!r}")
    return now + round(span * 60 * SECOND)


@contextmanager
def _blames_program(symbol: str, name: str) -> Iterator[None]:
    """Raises StrategyError for terms that no parent order can have."""
    try:
        yield
    except (ValueError, TypeError) as problem:
        raise StrategyError(str(problem), location=f"set_target({symbol}, algo={name!r})") from None


class ParentTerms:
    """Reads the terms of parent orders at the loop's time and prices."""

    def __init__(self, host: Host) -> None:
        self._host, self._loop = host, host.loop

    def parent(self, symbol: str, side: int, lots: int, options: dict[str, Any]) -> Parent:
        """Remove the common options from `options` and return the parent's fields."""
        instrument, now = self._host.instrument_of(symbol), self._loop.now
        terms = terms_of(options, now)
        worst = self._limit(symbol, side, terms)
        lot = instrument.lot
        least = max(1, int(-(-instrument.size_min // lot)), self._least_by_value(symbol))
        clip_lots = None if terms.clip is None else instrument.lots(terms.clip)
        if clip_lots is not None and clip_lots < 1:
            raise ValueError(f"clip {terms.clip} is less than one lot ({lot})")
        return Parent(side, lots, now, terms.deadline, worst, clip_lots, terms.participation, least)

    def tried(self, symbol: str, side: int, lots: int, name: str, options: dict[str, Any]) -> Parent:
        """Returns the parent's fields as `parent` does, after a check of the remaining options by creating the
        algorithm. Raises StrategyError."""
        with _blames_program(symbol, name):
            parent = self.parent(symbol, side, lots, options)
            make_algorithm(name, parent, Random(0).random, options)
        return parent

    def check_words(self, symbol: str, name: str, options: dict[str, Any]) -> None:
        """Raises StrategyError for an unknown algorithm or option when nothing is left to trade: no price is needed,
        and a deadline may have passed."""
        left, now = dict(options), self._loop.now
        if left.pop("deadline", None) is not None:
            left["minutes"] = 1
        with _blames_program(symbol, name):
            terms = terms_of(left, now)
            parent = Parent(1, 1, now, terms.deadline, None, None if terms.clip is None else 1, terms.participation, 1)
            make_algorithm(name, parent, Random(0).random, left)

    def deadline(self, options: dict[str, Any]) -> int | None:
        """Remove the deadline from `options` and return it in ns."""
        return _deadline(options, self._loop.now)

    def _limit(self, symbol: str, side: int, terms: Terms) -> int | None:
        """Returns the worst price in ticks: as set, or by slippage from the price at the start."""
        tick = self._host.instrument_of(symbol).tick
        worst: list[int] = []
        if terms.limit is not None:
            worst.append(ticks_of(terms.limit, tick, side))
        if terms.slippage is not None:
            start = self.price(symbol)
            if start is None:
                raise ValueError("slippage= needs a price of the symbol, and there is none yet")
            distance = amount_of(terms.slippage, start)
            worst.append(ticks_of(start + side * distance, tick, side))
        if not worst:
            return None
        return min(worst) if side > 0 else max(worst)

    def _least_by_value(self, symbol: str) -> int:
        """Returns the lots of the smallest order with the venue's minimum notional."""
        instrument, price = self._host.instrument_of(symbol), self.price(symbol)
        if not instrument.notional_min or price is None or price <= 0:
            return 1
        per_lot = instrument.lot * instrument.multiplier * (1 if instrument.kind == "inverse" else price)
        return int(-(-instrument.notional_min // per_lot)) + 1

    def price(self, symbol: str) -> Decimal | None:
        """Returns the price that currently values positions."""
        doubled = self._loop.value_doubled(symbol)
        decimals = self._host.instrument_of(symbol).price_decimals
        return Decimal(doubled).scaleb(-decimals) / 2 if doubled else None
