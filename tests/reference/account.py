"""The account's money in slow Python: a dictionary of holdings, and nothing remembered that can
be added up when it is asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from reference.facts import ONE, RATE, Facts, half_even

SIDES = ("both", "long", "short")
INSUFFICIENT_FUNDS, POSITION_LIMIT = 4201, 4301


@dataclass
class Held:
    qty: int = 0
    cost: int = 0
    realized: int = 0
    margin: int = 0  # allotted, isolated mode


class Working(NamedTuple):
    """What is left of an order that works, at the price it is reckoned with."""

    index: int
    position_side: str
    side: str
    price: int
    size: int


class SlowAccount:
    """facts: a list by instrument, changed in place by whoever owns it. working: asked for what
    orders hold back."""

    def __init__(
        self,
        facts: Sequence[Facts],
        leverage: int = 1,
        hedge: bool = False,
        isolated: bool = False,
        balance: int = 0,
    ) -> None:
        self.facts = facts
        self.leverage, self.hedge, self.isolated = leverage, hedge, isolated
        self.balances: Counter[int] = Counter({1: balance})
        self.held: dict[tuple[int, str], Held] = {}
        self.marks: dict[int, int] = {}
        self.working: Callable[[], Iterable[Working]] = tuple
        self.may_borrow: frozenset[int] = frozenset()
        # By instrument; interest by currency.
        self.fees: Counter[int] = Counter()
        self.funding: Counter[int] = Counter()
        self.liquidation_fees: Counter[int] = Counter()
        self.insurance: Counter[int] = Counter()
        self.interest: Counter[int] = Counter()

    def at(self, index: int, side: str = "both") -> Held:
        return self.held.setdefault((index, side if self.hedge else "both"), Held())

    def leverage_of(self, index: int) -> int:
        return self.facts[index].leverage or self.leverage

    # --- what changes it ---

    def fill(
        self, index: int, side: str, price: int, size: int, *,
        fee: int = 0, position_side: str = "both", forced: bool = False,
    ) -> int:  # fmt: skip
        """Returns the profit that it realized."""
        facts, held = self.facts[index], self.at(index, position_side)
        change = size if side == "buy" else -size
        profit = closed = 0
        if held.qty * change < 0:
            closed = min(size, abs(held.qty))
            signed = closed if held.qty > 0 else -closed
            share = Fraction(closed, abs(held.qty))
            released = half_even(held.cost * share)
            profit = facts.gain(facts.value(price, signed), released)
            held.margin -= half_even(held.margin * share)
            held.cost -= released
            held.qty -= signed
        opened = change - (closed if change > 0 else -closed)
        if opened:
            value = facts.value(price, opened)
            held.cost += value
            held.qty += opened
            if self.isolated and not facts.is_spot:
                held.margin += half_even(Fraction(abs(value), self.leverage_of(index)))
        held.realized += profit
        self.balances[facts.settle] -= fee
        (self.liquidation_fees if forced else self.fees)[index] += fee
        if facts.is_spot:
            self.balances[facts.settle] -= facts.value(price, change)
            self.balances[facts.base] += facts.coins(change)
        else:
            self.balances[facts.settle] += profit
        return profit

    def funding_of(self, index: int, side: str, rate: int, mark: int) -> int:
        """A long pays when the rate is positive. mark 0: the price last known, else the cost."""
        facts, held = self.facts[index], self.at(index, side)
        if facts.is_spot or not held.qty:
            return 0
        price = mark or self.marks.get(index, 0)
        value = facts.value(price, held.qty) if price else held.cost
        return -half_even(Fraction(value * rate, RATE))

    def credit_funding(self, index: int, side: str, paid: int) -> None:
        self.balances[self.facts[index].settle] += paid
        self.funding[index] += paid
        if self.isolated:
            self.at(index, side).margin += paid

    def pay_funding(self, index: int, rate: int, mark: int = 0) -> int:
        total = 0
        for side in ("long", "short") if self.hedge else ("both",):
            paid = self.funding_of(index, side, rate, mark)
            self.credit_funding(index, side, paid)
            total += paid
        return total

    # --- what it must hold ---

    def price_of(self, index: int, held: Held) -> int:
        """Worth of a holding at the mark, signed as it."""
        mark = self.marks.get(index, 0)
        if not held.qty:
            return 0
        value = abs(self.facts[index].value(mark, held.qty) if mark else held.cost)
        return value if held.qty > 0 else -value

    def unrealized_of(self, index: int, held: Held) -> int:
        mark = self.marks.get(index, 0)
        if not held.qty or not mark:
            return 0
        facts = self.facts[index]
        return facts.gain(facts.value(mark, held.qty), held.cost)

    def contracts(self, currency: int) -> list[tuple[int, Held]]:
        """All that is held of contracts which settle in a currency."""
        return [
            (index, held)
            for (index, _), held in self.held.items()
            if self.facts[index].settle == currency and not self.facts[index].is_spot
        ]

    def unrealized(self, currency: int = 1) -> int:
        return sum(self.unrealized_of(i, held) for i, held in self.contracts(currency))

    def needs(self, index: int, held: Held) -> int:
        return self.facts[index].needs(abs(self.price_of(index, held)))

    def maintenance(self, currency: int = 1) -> int:
        return sum(self.needs(i, held) for i, held in self.contracts(currency))

    def ordered(self, index: int, position_side: str, side: str) -> int:
        """Value of the working orders of one side."""
        return sum(
            abs(self.facts[index].value(w.price, w.size))
            for w in self.working()
            if (w.index, w.position_side, w.side) == (index, position_side, side)
        )

    def order_fees(self, index: int) -> int:
        facts = self.facts[index]
        return sum(
            max(facts.fee("taker", w.price, w.size), 0) for w in self.working() if w.index == index
        )

    def worst_case(self, index: int, side: str, buys: int = 0, sells: int = 0) -> int:
        """The greatest value that a position could reach if all orders of one side filled, with
        so much more bought or sold."""
        value = self.price_of(index, self.at(index, side))
        buys += self.ordered(index, side, "buy")
        sells += self.ordered(index, side, "sell")
        if side == "long":
            return abs(value) + buys
        if side == "short":
            return abs(value) + sells
        return max(abs(value + buys), abs(value - sells))

    def margin_of(self, index: int) -> int:
        """Initial margin of an instrument: of what is held, and of the orders' worst case."""
        sides = ("long", "short") if self.hedge else ("both",)
        worst = sum(self.worst_case(index, side) for side in sides)
        allotted = 0
        if self.isolated:
            worst -= sum(abs(self.price_of(index, self.at(index, side))) for side in sides)
            allotted = sum(self.at(index, side).margin for side in sides)
        margin = half_even(Fraction(worst, self.leverage_of(index)))
        return allotted + margin + self.order_fees(index)

    def initial(self, currency: int = 1) -> int:
        return sum(
            self.margin_of(index)
            for index, facts in enumerate(self.facts)
            if facts.settle == currency and not facts.is_spot
        )

    def available(self, currency: int = 1) -> int:
        """Free for new orders."""
        profit = 0 if self.isolated else self.unrealized(currency)
        free = self.balances[currency] + profit - self.initial(currency)
        for w in self.working():
            facts = self.facts[w.index]
            if not facts.is_spot:
                continue
            if w.side == "buy" and facts.settle == currency:
                free -= abs(facts.value(w.price, w.size)) + max(
                    facts.fee("taker", w.price, w.size), 0
                )
            if w.side == "sell" and facts.base == currency:
                free -= facts.coins(w.size)
        return free

    # --- what it may do ---

    def refuses(
        self, index: int, position_side: str, side: str, price: int, size: int, reduce_only: bool
    ) -> int:
        """0, or the error number of an order whose own part is not among the working ones."""
        facts = self.facts[index]
        fee = max(facts.fee("taker", price, size), 0)
        value = abs(facts.value(price, size))
        if facts.is_spot:
            if side == "buy":
                covered = self.available(facts.settle) >= value + fee
            else:
                covered = self.available(facts.base) >= facts.coins(size)
            return 0 if covered or self.carries_loan(index, side, value, fee) else 4201
        if reduce_only:
            return 0
        held = position_side if self.hedge else "both"
        extra = {"buys" if side == "buy" else "sells": value}
        reached = self.worst_case(index, held, **extra)
        more = reached - self.worst_case(index, held)
        if more <= 0:
            return 0
        limit = facts.limit(self.leverage_of(index))
        if limit is not None and reached > limit:
            return POSITION_LIMIT
        needed = half_even(Fraction(more, self.leverage_of(index))) + fee
        return 0 if self.available(facts.settle) >= needed else INSUFFICIENT_FUNDS

    def values_base(self, index: int) -> bool:
        """Of several instruments of one pair the first tells what the base is worth."""
        facts = self.facts[index]
        return index == next(
            i
            for i, other in enumerate(self.facts)
            if other.is_spot and (other.base, other.settle) == (facts.base, facts.settle)
        )

    def spot_value(self, index: int) -> int:
        facts, mark = self.facts[index], self.marks.get(index, 0)
        if not self.values_base(index) or not mark:
            return 0
        return half_even(Fraction(self.balances[facts.base] * mark, 10**facts.price_decimals))

    def equity(self, currency: int) -> int:
        """Balance, open profit, and coins at their mark; where none is known, at what they cost."""
        total = self.balances[currency] + self.unrealized(currency)
        for index, facts in enumerate(self.facts):
            if facts.is_spot and facts.settle == currency and self.values_base(index):
                total += self.spot_value(index)
                if not self.marks.get(index, 0):
                    total += self.at(index).cost
        return total

    def carries_loan(self, index: int, side: str, value: int, fee: int) -> bool:
        """What is held and ordered is worth no more than leverage times what is owned."""
        facts = self.facts[index]
        lent = facts.settle if side == "buy" else facts.base
        known = self.marks.get(index, 0) and self.values_base(index)
        if lent not in self.may_borrow or not known:
            return False
        own, before, reached = self.balances[facts.settle] - fee, 0, 0
        for i, other in enumerate(self.facts):
            if other.settle != facts.settle:
                continue
            if not other.is_spot:
                held = [h for (at, _), h in self.held.items() if at == i]
                own -= self.margin_of(i)
                own += 0 if self.isolated else sum(self.unrealized_of(i, h) for h in held)
                continue
            worth = self.spot_value(i)
            buys = sum(self.ordered(i, s, "buy") for s in SIDES)
            sells = sum(self.ordered(i, s, "sell") for s in SIDES)
            own += worth
            before += max(abs(worth + buys), abs(worth - sells))
            if i == index:
                buys, sells = (buys + value, sells) if side == "buy" else (buys, sells + value)
            reached += max(abs(worth + buys), abs(worth - sells))
        return reached <= before or (own > 0 and reached <= own * self.leverage_of(index))

    # --- whether margin covers it ---

    def covered(self, currency: int) -> int:
        return self.balances[currency] + self.unrealized(currency)

    def holds(self, currency: int) -> bool:
        return any(held.qty for _, held in self.contracts(currency))

    def is_short(self, currency: int) -> bool:
        """Of margin: all contracts of a currency together."""
        return self.holds(currency) and self.covered(currency) < self.maintenance(currency)

    def is_short_alone(self, index: int, side: str) -> bool:
        """One position, of its own margin."""
        held = self.at(index, side)
        own = held.margin + self.unrealized_of(index, held)
        return bool(held.qty) and own < self.needs(index, held)

    def free_of_isolated(self, currency: int) -> int:
        return self.balances[currency] - sum(held.margin for _, held in self.contracts(currency))

    def step_size(self, index: int, held: Held) -> int:
        """Down to the edge of the next lower bracket, in whole lots; all in the lowest."""
        facts, size = self.facts[index], abs(held.qty)
        edge = facts.lower_edge(abs(self.price_of(index, held)))
        mark = self.marks.get(index, 0)
        if not edge or not mark:
            return size
        fits = 0  # the greatest size worth no more than the edge, doubling steps down
        step = 1 << size.bit_length()
        while step:
            if fits + step < size and abs(facts.value(mark, fits + step)) <= edge:
                fits += step
            step //= 2
        return min(-(-(size - fits) // facts.lot) * facts.lot, size)


__all__ = ["ONE", "SIDES", "Held", "SlowAccount", "Working"]
