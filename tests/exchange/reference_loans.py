"""Spot loans in slow Python: money and coins as fractions, every rule as the page has it."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction


@dataclass
class SlowLoans:
    """One currency of money and coins that are priced in it, in whole units."""

    call: Fraction
    liquidation: Fraction
    fee: Fraction
    money: Fraction
    coins: list[Fraction]
    lots: list[int]
    prices: list[int]
    called: bool = False
    insurance: Fraction = Fraction(0)
    fees: Fraction = Fraction(0)
    said: list[str] = field(default_factory=list)

    def values(self) -> list[Fraction]:
        return [self.money, *(coin * price for coin, price in zip(self.coins, self.prices, strict=True))]

    @property
    def assets(self) -> Fraction:
        return sum((value for value in self.values() if value > 0), Fraction(0))

    @property
    def debts(self) -> Fraction:
        return -sum((value for value in self.values() if value < 0), Fraction(0))

    @property
    def owes(self) -> bool:
        return self.money < 0 or any(coin < 0 for coin in self.coins)

    def is_at(self, level: Fraction) -> bool:
        return self.debts > 0 and self.assets <= level * self.debts

    def tell(self) -> None:
        if self.is_at(self.call) != self.called:
            self.called = not self.called
            self.said.append("loan called" if self.called else "loan covered")

    def check(self) -> None:
        """After each price, and after each fill."""
        if not self.owes and not self.called:
            return
        if self.is_at(self.liquidation):
            self.tell()
            self.repay()
        self.tell()

    def trade(self, at: int, side: str, size: int, fees_left: Fraction) -> Fraction:
        value = size * self.prices[at]
        fee = min(self.fee * value, max(fees_left, Fraction(0)))
        sign = 1 if side == "buy" else -1
        self.coins[at] += sign * size
        self.money -= sign * value + fee
        self.fees += fee
        self.said.append(f"{at} {side} {size}@{self.prices[at]}")
        return fees_left - fee

    def repay(self) -> None:
        left = max(self.assets - self.debts, Fraction(0))
        for at, coin in enumerate(self.coins):
            if coin < 0:
                size = -(coin.numerator // coin.denominator)  # up to whole units
                size = -(-size // self.lots[at]) * self.lots[at]
                left = self.trade(at, "buy", size, left)
        while self.money < 0:
            worth = [int(coin) * price if coin >= 1 else 0 for coin, price in zip(self.coins, self.prices, strict=True)]
            at = worth.index(max(worth))
            if not worth[at]:
                break
            most = int(self.coins[at])
            size = 1
            while size < most and size * self.prices[at] * (1 - self.fee) < -self.money:
                size += 1
            size = min(-(-size // self.lots[at]) * self.lots[at], most)
            left = self.trade(at, "sell", size, left)
        if self.money < 0:
            self.insurance -= self.money
            self.said.append("insurance")
            self.money = Fraction(0)
