"""What an account must hold and may do: nothing is remembered that can be added up when asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from reference.facts import Facts, half_even

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


class Margin:
    """Part of SlowAccount."""

    facts: Sequence[Facts]
    leverage: int
    hedge: bool
    isolated: bool
    balances: Counter[int]
    held: dict[tuple[int, str], Held]
    marks: dict[int, int]
    working: Callable[[], Iterable[Working]]
    may_borrow: frozenset[int]

    def at(self, index: int, side: str = "both") -> Held:
        return self.held.setdefault((index, side if self.hedge else "both"), Held())

    def leverage_of(self, index: int) -> int:
        return self.facts[index].leverage or self.leverage

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
        return sum(max(facts.fee("taker", w.price, w.size), 0) for w in self.working() if w.index == index)

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
                free -= abs(facts.value(w.price, w.size)) + max(facts.fee("taker", w.price, w.size), 0)
            if w.side == "sell" and facts.base == currency:
                free -= facts.coins(w.size)
        return free

    # --- what it may do ---

    def refuses(self, index: int, position_side: str, side: str, price: int, size: int, reduce_only: bool) -> int:
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
        recorded = self.marks.get(index, 0) and self.values_base(index)
        if lent not in self.may_borrow or not recorded:
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
