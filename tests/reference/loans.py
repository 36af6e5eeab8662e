"""Spot loans: the level of what is owned to what is owed, and what the venue does when it falls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from reference.bars import Bars
from reference.facts import RATE, half_even
from reference.market import Bar
from reference.orders import FUNDS

MILLION = 10**6
LOANS = 2**62 + 2**59  # ids from here on are of orders that repay one


@dataclass(frozen=True)
class Levels:
    """Assets over debts in 1e-6, call 0: loans are never called in. fee: 1e-12 of a trade."""

    call: int = 0
    liquidation: int = 0
    fee: int = 0


class Loans(Bars):
    """Part of Exchange."""

    levels: Levels
    called: set[int]  # currencies in which the venue has warned

    def coins_in(self, currency: int) -> Iterator[int]:
        """Spot instruments, one for each coin that is valued in a currency."""
        for index, facts in enumerate(self.facts):
            if facts.is_spot and facts.settle == currency and self.account.values_base(index):
                yield index

    def owes(self, currency: int) -> bool:
        balances = self.account.balances
        return balances[currency] < 0 or any(balances[self.facts[i].base] < 0 for i in self.coins_in(currency))

    def worth(self, currency: int) -> tuple[int, int] | None:
        """Assets and debts; None where a coin has no price."""
        account = self.account
        money = account.balances[currency]
        money = account.free_of_isolated(currency) if account.isolated else account.covered(currency)
        values = [money]
        for index in self.coins_in(currency):
            if not account.balances[self.facts[index].base]:
                continue
            if not account.marks.get(index):
                return None
            values.append(account.spot_value(index))
        return sum(v for v in values if v > 0), -sum(v for v in values if v < 0)

    def is_at(self, currency: int, level: int) -> bool:
        worth = self.worth(currency)
        if worth is None or not worth[1]:
            return False
        return worth[0] <= half_even(Fraction(worth[1] * level, MILLION))

    def tell(self, currency: int, now: int) -> None:
        """Once when the level falls to the call, and once when it is above it again."""
        worth = self.worth(currency)
        if worth is None:
            return
        called = self.is_at(currency, self.levels.call)
        if called == (currency in self.called):
            return
        (self.called.add if called else self.called.discard)(currency)
        owner = next(i for i, facts in enumerate(self.facts) if facts.settle == currency)
        self.events.append(
            {
                "event": "loan",
                "owner": owner,
                "ts_event": now,
                "currency": currency,
                "called": called,
                "assets": worth[0],
                "debts": worth[1],
            }
        )

    def moves_loans(self, index: int) -> bool:
        """A contract does while it is held, also by what the venue then does with it."""
        held = any(h.qty for (i, _), h in self.account.held.items() if i == index)
        return bool(self.levels.call) and (self.facts[index].is_spot or held)

    def call_loans(self, currency: int, now: int) -> None:
        """After an event of an instrument in that currency, while something is owed."""
        if not self.owes(currency) and currency not in self.called:
            return
        if self.is_at(currency, self.levels.liquidation):
            self.tell(currency, now)
            self.repay(currency, now)
        self.tell(currency, now)

    def walk_loans(self, index: int, bar: Bar, now: int) -> None:
        """A bar's way from the open to the low, and to the high, price by price."""
        currency = self.facts[index].settle
        if not self.levels.call or not self.facts[index].is_spot:
            return
        for end in (bar.open, bar.low, bar.high):
            if not self.owes(currency) and currency not in self.called:
                return
            step = 1 if end >= bar.open else -1
            for price in range(bar.open, end + step, step):
                self.mark_all(index, price)
                if self.is_at(currency, self.levels.liquidation):
                    break
            ends = self.is_at(currency, self.levels.liquidation)
            self.tell(currency, now)
            if ends:
                self.repay(currency, now)

    # --- what the venue then does ---

    def priced(self, currency: int) -> list[int]:
        return [i for i in self.coins_in(currency) if self.account.marks.get(i)]

    def repay(self, currency: int, now: int) -> None:
        """Orders go; coins that are owed are bought, then coins are sold until no money is owed."""
        account = self.account
        for o in list(self.orders):
            facts = self.facts[o.index]
            if facts.is_spot and facts.settle == currency and account.marks.get(o.index):
                self.close(o, now, FUNDS)
        worth = self.worth(currency)
        assert worth is not None
        left = max(worth[0] - worth[1], 0)  # what fees may take
        spots = [i for i, f in enumerate(self.facts) if f.is_spot and f.settle == currency]
        last = max((i for i in spots if account.marks.get(i)), default=0)
        for index in self.priced(currency):
            facts = self.facts[index]
            owed = -account.balances[facts.base]
            if owed > 0:
                units = -(-owed // facts.coins(1))
                size = -(-units // facts.lot) * facts.lot
                left -= self.repay_by(index, "buy", size, left, now)
        while account.balances[currency] < 0:
            sellable = {
                i: account.balances[self.facts[i].base] // self.facts[i].coins(1)
                for i in self.priced(currency)
                if account.balances[self.facts[i].base] > 0
            }
            values = {i: self.facts[i].value(account.marks[i], n) for i, n in sellable.items()}
            if not values or max(values.values()) <= 0:
                break
            last = max(values, key=lambda i: (values[i], -i))
            size = self.size_to_repay(last, sellable[last], -account.balances[currency])
            left -= self.repay_by(last, "sell", size, left, now)
        missing = -account.balances[currency]
        if missing > 0 and not account.holds(currency):
            account.balances[currency] += missing
            account.insurance[last] += missing
            self.say_cash(last, "insurance", "both", missing, now)

    def fee_of(self, index: int, size: int) -> int:
        value = abs(self.facts[index].value(self.account.marks[index], size))
        return half_even(Fraction(value * self.levels.fee, RATE))

    def size_to_repay(self, index: int, most: int, debt: int) -> int:
        """The least that pays a debt after its fee, in whole lots; all, if that does not."""
        facts, price = self.facts[index], self.account.marks[index]
        size = 1
        while size < most and facts.value(price, size) - self.fee_of(index, size) < debt:
            size += 1
        return min(-(-size // facts.lot) * facts.lot, most)

    def repay_by(self, index: int, way: str, size: int, left: int, now: int) -> int:
        """One trade at the mark. Returns its fee, no more than what would be left."""
        fee = min(self.fee_of(index, size), max(left, 0))
        price = self.account.marks[index]
        self.account.fill(index, way, price, size, fee=fee, forced=True)
        self.say_venue_fill(index, "both", way, price, size, fee, now, LOANS)
        return fee
