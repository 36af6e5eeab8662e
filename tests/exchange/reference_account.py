"""The account's money in slow Python: one dictionary a holding, whole numbers of 1e-18, every
division rounded half to even by fractions. The core's account is compared with it, number by
number; it shares no code with it but the margin tables of onetape.model.margin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from onetape.model.margin import MarginBracket, maintenance, notional_limit

ONE = 10**18
RATE = 10**12


def half_even(value: Fraction) -> int:
    return round(value)  # Fraction rounds half to even


@dataclass(frozen=True)
class Facts:
    """What one instrument is. decimals: of price and size; multiplier as a fraction."""

    kind: str = "linear"
    price_decimals: int = 0
    size_decimals: int = 0
    multiplier: Fraction = Fraction(1)
    maker_fee: int = 0  # 1e-12
    taker_fee: int = 0
    maintenance_rate: int = 0
    brackets: tuple[MarginBracket, ...] = ()
    leverage: int = 0  # 0: the account's
    liquidation_fee: int = 0
    lot: int = 1

    def value(self, price: int, size: int) -> int:
        """Signed as size, 1e-18 of the settle currency."""
        amount = Fraction(size, 10**self.size_decimals) * self.multiplier
        level = Fraction(price, 10**self.price_decimals)
        if self.kind == "inverse":
            return half_even(amount / level * ONE) if price else 0
        return half_even(amount * level * ONE)

    def fee(self, liquidity: str, price: int, size: int) -> int:
        rate = self.maker_fee if liquidity == "maker" else self.taker_fee
        return half_even(Fraction(abs(self.value(price, size)) * rate, RATE))

    def gain(self, now: int, then: int) -> int:
        return then - now if self.kind == "inverse" else now - then

    def needs(self, value: int) -> int:
        """Maintenance of a value in 1e-18: the product is rounded, the amount is exact."""
        if not self.brackets:
            return half_even(Fraction(value * self.maintenance_rate, RATE))
        exact = maintenance(self.brackets, Fraction(value, ONE))
        return half_even(exact * ONE)


@dataclass
class Held:
    qty: int = 0
    cost: int = 0
    realized: int = 0
    margin: int = 0  # allotted, isolated mode


@dataclass
class SlowAccount:
    """All instruments settle in one currency; what a run has of others is not asked here."""

    facts: Sequence[Facts]
    leverage: int = 1
    hedge: bool = False
    isolated: bool = False
    balance: int = 0
    held: dict[tuple[int, str], Held] = field(default_factory=dict)
    marks: dict[int, int] = field(default_factory=dict)
    fees: dict[int, int] = field(default_factory=dict)
    funding: dict[int, int] = field(default_factory=dict)
    liquidation_fees: dict[int, int] = field(default_factory=dict)
    insurance: dict[int, int] = field(default_factory=dict)

    def at(self, index: int, side: str = "both") -> Held:
        return self.held.setdefault((index, side if self.hedge else "both"), Held())

    def leverage_of(self, index: int) -> int:
        return self.facts[index].leverage or self.leverage

    def fill(
        self,
        index: int,
        side: str,
        price: int,
        size: int,
        *,
        fee: int = 0,
        position_side: str = "both",
        liquidation: bool = False,
    ) -> int:
        facts, held = self.facts[index], self.at(index, position_side)
        change = size if side == "buy" else -size
        profit = 0
        if held.qty * change >= 0:
            opened = change
        else:
            closed = min(size, abs(held.qty))
            signed = closed if held.qty > 0 else -closed
            share = Fraction(closed, abs(held.qty))
            released = half_even(held.cost * share)
            held.margin -= half_even(held.margin * share)
            profit = facts.gain(facts.value(price, signed), released)
            held.cost -= released
            held.qty -= signed
            opened = change + signed
        if opened:
            value = facts.value(price, opened)
            held.cost += value
            held.qty += opened
            if self.isolated:
                held.margin += half_even(Fraction(abs(value), self.leverage_of(index)))
        held.realized += profit
        self.balance += profit - fee
        book = self.liquidation_fees if liquidation else self.fees
        book[index] = book.get(index, 0) + fee
        return profit

    def pay_funding(self, index: int, rate: int, mark: int) -> int:
        """A long pays when the rate is positive. mark 0: the price last known, else the cost."""
        facts, total = self.facts[index], 0
        price = mark or self.marks.get(index, 0)
        for (where, _), held in self.held.items():
            if where != index or not held.qty:
                continue
            value = facts.value(price, held.qty) if price else held.cost
            paid = -half_even(Fraction(value * rate, RATE))
            total += paid
            if self.isolated:
                held.margin += paid
        self.balance += total
        self.funding[index] = self.funding.get(index, 0) + total
        return total

    # --- what it must hold ---

    def value(self, index: int, held: Held) -> int:
        if not held.qty:
            return 0
        mark = self.marks.get(index, 0)
        value = self.facts[index].value(mark, held.qty) if mark else held.cost
        return abs(value)

    def unrealized_of(self, index: int, held: Held) -> int:
        mark = self.marks.get(index, 0)
        if not held.qty or not mark:
            return 0
        facts = self.facts[index]
        return facts.gain(facts.value(mark, held.qty), held.cost)

    def unrealized(self) -> int:
        return sum(self.unrealized_of(i, held) for (i, _), held in self.held.items())

    def needs(self, index: int, held: Held) -> int:
        return self.facts[index].needs(self.value(index, held))

    def maintenance(self) -> int:
        return sum(self.needs(i, held) for (i, _), held in self.held.items())

    def initial(self) -> int:
        """Of positions alone."""
        if self.isolated:
            return sum(held.margin for held in self.held.values())
        worth: dict[int, int] = {}
        for (i, _), held in self.held.items():
            worth[i] = worth.get(i, 0) + self.value(i, held)
        return sum(half_even(Fraction(v, self.leverage_of(i))) for i, v in worth.items())

    def available(self) -> int:
        profit = 0 if self.isolated else self.unrealized()
        return self.balance + profit - self.initial()

    def limit(self, index: int) -> int | None:
        limit = notional_limit(self.facts[index].brackets, self.leverage_of(index))
        return None if limit is None else int(limit * ONE)

    # --- who is liquidated, and how: docs/concepts/fills.md ---

    def is_short_of_margin(self, index: int | None = None, side: str = "both") -> bool:
        """The whole account in cross mode, one position in isolated mode."""
        if self.isolated:
            assert index is not None
            held = self.at(index, side)
            own = held.margin + self.unrealized_of(index, held)
            return bool(held.qty) and own < self.needs(index, held)
        holds = any(held.qty for held in self.held.values())
        return holds and self.balance + self.unrealized() < self.maintenance()

    def step_size(self, index: int, held: Held) -> int:
        """Down to the edge of the next lower bracket, in whole lots; all in the lowest."""
        facts, size = self.facts[index], abs(held.qty)
        value = self.value(index, held)
        edges = [int(row.notional_max * ONE) for row in facts.brackets]
        if len(edges) > 1 and value > edges[-1]:
            edge = edges[-2]
        else:
            edge = max((e for e in edges[:-1] if e < value), default=0)
        if not edge:
            return size
        fits = 0  # the greatest size worth no more than the edge, doubling steps down
        step = 1 << size.bit_length()
        while step:
            if fits + step < size and abs(facts.value(self.marks[index], fits + step)) <= edge:
                fits += step
            step //= 2
        return min(-(-(size - fits) // facts.lot) * facts.lot, size)

    def liquidate(self, index: int, side: str) -> list[tuple[int, str, int, int, int]]:
        """All forced closings now: (index, side, price, size, fee); insurance is in the books.
        Cross: whatever ties up most first; isolated: this position."""
        done = []
        while self.is_short_of_margin(index, side):
            where = (index, side if self.hedge else "both")
            if not self.isolated:
                open_ = {key: held for key, held in self.held.items() if held.qty}
                order = ["both", "long", "short"]
                where = max(
                    open_,
                    key=lambda k: (self.needs(k[0], open_[k]), -k[0], -order.index(k[1])),
                )
            word, price, size, fee, _ = self.liquidate_step(*where)
            done.append((where[0], word, price, size, fee))
        return done

    def liquidate_step(self, index: int, side: str) -> tuple[str, int, int, int, int]:
        """(side, price, size, fee, insurance) of one forced closing at the mark."""
        facts, held = self.facts[index], self.at(index, side)
        price, size = self.marks[index], self.step_size(index, held)
        word = "sell" if held.qty > 0 else "buy"
        free_before = self.balance - self.initial() if self.isolated else 0
        self.fill(index, word, price, size, position_side=side, liquidation=True)
        if self.isolated:
            left = self.balance - self.initial() - free_before
        else:
            left = self.balance + self.unrealized()
        fee = half_even(Fraction(abs(facts.value(price, size)) * facts.liquidation_fee, RATE))
        fee = max(min(fee, left), 0)
        self.balance -= fee
        self.liquidation_fees[index] += fee
        covered = 0
        is_flat = not any(h.qty for h in self.held.values())
        if self.isolated:
            covered = max(-left, 0) if not held.qty else 0
        elif is_flat:
            covered = max(-self.balance, 0)
        self.balance += covered
        self.insurance[index] = self.insurance.get(index, 0) + covered
        return word, price, size, fee, covered
