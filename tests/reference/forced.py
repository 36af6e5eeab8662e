"""Liquidation: when margin no longer covers what is held, and what the venue then does."""

from __future__ import annotations

from fractions import Fraction

from reference.account import SIDES
from reference.facts import RATE, half_even
from reference.loans import Loans
from reference.orders import FUNDS, Order

LIQUIDATIONS = 2**62  # ids from here on are the venue's
TAKE_OVERS = LIQUIDATIONS + 2**60
SETTLEMENTS = LIQUIDATIONS + 2**61


class Forced(Loans):
    """Part of Exchange."""

    forced_fills = 0

    def liquidate(self, index: int, now: int) -> None:
        """At the marks that the account has now; asked after an event of an instrument that is
        held."""
        held = any(self.account.at(index, side).qty for side in SIDES)
        if self.facts[index].is_spot or not held:
            return
        if not self.account.isolated:
            self.liquidate_cross(index, now)
            return
        for side in ("long", "short") if self.account.hedge else ("both",):
            if not self.account.is_short_alone(index, side):
                continue
            self.pay_due(index, now - 1)
            for o in list(self.orders):
                if o.index == index and o.position_side == side:
                    self.close(o, now, FUNDS)
            while self.account.is_short_alone(index, side):
                self.close_by_force(index, side, now)

    def liquidate_cross(self, index: int, now: int) -> None:
        account, currency = self.account, self.facts[index].settle
        if not account.is_short(currency):
            return
        for i, facts in enumerate(self.facts):
            if facts.settle == currency:
                self.pay_due(i, now - 1)
        for o in list(self.orders):
            if self.facts[o.index].settle == currency:
                self.close(o, now, FUNDS)
        while account.is_short(currency):
            # What ties up most goes first.
            candidates = [
                key
                for key, held in account.held.items()
                if held.qty
                and self.facts[key[0]].settle == currency
                and not self.facts[key[0]].is_spot
                and account.marks.get(key[0])
            ]
            if not candidates:
                return  # nothing that a price is known of
            worst = max(candidates, key=lambda k: (account.needs(k[0], account.held[k]), -k[0], -SIDES.index(k[1])))
            self.close_by_force(*worst, now)

    def close_by_force(self, index: int, side: str, now: int) -> None:
        """One step, at the mark. The fee is bounded by what is left; a loss beyond what backed
        the position is the insurance's."""
        account, facts = self.account, self.facts[index]
        held = account.at(index, side)
        price, size = account.marks[index], account.step_size(index, held)
        before = account.free_of_isolated(facts.settle)
        way = "sell" if held.qty > 0 else "buy"
        account.fill(index, way, price, size, position_side=side)
        left = account.free_of_isolated(facts.settle) - before if account.isolated else account.covered(facts.settle)
        wanted = half_even(Fraction(abs(facts.value(price, size)) * facts.liquidation_fee, RATE))
        fee = max(min(wanted, left), 0)
        account.balances[facts.settle] -= fee
        account.liquidation_fees[index] += fee
        self.say_venue_fill(index, side, way, price, size, fee, now, LIQUIDATIONS)
        self.insure(index, side, before, now)

    def insure(self, index: int, side: str, free_before: int, now: int) -> None:
        """What a closing by the venue cost beyond the money behind the position. Isolated: what is free does not fall
        by any step of it. Cross: where nothing is held any more, the balance is not below zero."""
        account, currency = self.account, self.facts[index].settle
        covered = 0
        if account.isolated:
            covered = free_before - account.free_of_isolated(currency)
        elif not account.holds(currency) and not self.is_loan(currency):
            covered = -account.balances[currency]
        if covered > 0:
            account.balances[currency] += covered
            account.insurance[index] += covered
            self.say_cash(index, "insurance", side, covered, now)

    def is_loan(self, currency: int) -> bool:
        """What is below zero was borrowed: the levels of loans see to it, and no insurance."""
        return self.levels.call > 0 and currency in self.account.may_borrow

    def say_venue_fill(
        self, index: int, side: str, way: str, price: int, size: int, fee: int, now: int, ids: int
    ) -> None:
        self.forced_fills += 1
        self._tickets += 1
        self._trades += 1
        made = Order(index, ids + self.forced_fills, way, "market", size, position_side=side)
        made.venue_id = self._tickets
        self.say_fill(made, now, price, size, fee, "taker")

    def say_cash(self, index: int, kind: str, side: str, amount: int, now: int, currency: int = 0) -> None:
        self.events.append(
            {
                "event": "cash",
                "owner": index,
                "kind": kind,
                "side": side,
                "ts_event": now,
                "currency": currency,
                "amount": amount,
            }
        )
