"""The account's money in slow Python: what fills, funding and deposits change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from fractions import Fraction

from reference.facts import RATE, Facts, half_even
from reference.margin import SIDES, Held, Margin, Working

__all__ = ["SIDES", "Held", "SlowAccount", "Working"]


class SlowAccount(Margin):
    """facts: a list by instrument, changed in place by whoever owns it. working: asked for what
    orders hold back."""

    def __init__(
        self, facts: Sequence[Facts], leverage: int = 1, hedge: bool = False, isolated: bool = False, balance: int = 0
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

    def copy(self) -> SlowAccount:
        """To try something on; orders hold back there what they do here."""
        made = SlowAccount(self.facts, self.leverage, self.hedge, self.isolated)
        made.balances, made.marks = Counter(self.balances), dict(self.marks)
        made.held = {key: replace(held) for key, held in self.held.items()}
        made.working, made.may_borrow = self.working, self.may_borrow
        return made

    # --- what changes it ---

    def fill(
        self,
        index: int,
        side: str,
        price: int,
        size: int,
        *,
        fee: int = 0,
        position_side: str = "both",
        forced: bool = False,
    ) -> int:
        """Returns the profit that it realized."""
        facts, held = self.facts[index], self.at(index, position_side)
        change = size if side == "buy" else -size
        profit = closed = closing = 0
        value = facts.value(price, change)  # of which the closing part has its share
        if held.qty * change < 0:
            closed = min(size, abs(held.qty))
            share = Fraction(closed, abs(held.qty))
            released = half_even(held.cost * share)
            closing = half_even(Fraction(value * closed, size))
            profit = facts.gain(-closing, released)
            held.margin -= half_even(held.margin * share)
            held.cost -= released
            held.qty -= closed if held.qty > 0 else -closed
        opened = change - (closed if change > 0 else -closed)
        if opened:
            held.cost += value - closing
            held.qty += opened
            if self.isolated and not facts.is_spot:
                margin = Fraction(abs(facts.value(price, opened)), self.leverage_of(index))
                held.margin += half_even(margin)
        held.realized += profit
        self.balances[facts.settle] -= fee
        (self.liquidation_fees if forced else self.fees)[index] += fee
        if facts.is_spot:
            self.balances[facts.settle] -= facts.value(price, change)
            self.balances[facts.base] += facts.coins(change)
        else:
            self.balances[facts.settle] += profit
        return profit

    def closable(self, index: int, side: str) -> int:
        """A position, on spot less the coins that are missing of all that was bought."""
        facts, qty = self.facts[index], self.at(index, side).qty
        if not facts.is_spot or qty <= 0:
            return qty
        alike = [n for n, each in enumerate(self.facts) if each.is_spot and each.base == facts.base]
        bought = sum(self.facts[n].coins(self.at(n, side).qty) for n in alike)
        missing = max(bought - self.balances[facts.base], 0)
        return max(qty + -missing // facts.coins(1), 0)

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
