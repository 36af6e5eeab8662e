"""What a simulated venue does by itself: funding, liquidation, closing by force."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from onetape.model.enums import (
    Kind,
    OrderType,
    PositionSide,
    Side,
    TimeInForce,
)
from onetape.model.errors import (
    InsufficientFunds,
)
from onetape.model.money import divide_half_even
from onetape.sim.account import SimAccount
from onetape.sim.order_entry import OrderEntry
from onetape.sim.reports import (
    CashReport,
)

__all__ = ["Clearing"]

MINUTE: Final = 60_000_000_000


class Clearing(OrderEntry):
    """Part of SimExchange."""

    def _schedule_funding(self, index: int, now: int) -> None:
        listing = self.listings[index]
        interval = listing.instrument.funding_interval or 8 * 60 * MINUTE
        listing.funding_time = now - now % interval + interval
        self.at(listing.funding_time, lambda due: self._fund(index, due))

    def _fund(self, index: int, now: int) -> None:
        self._schedule_funding(index, now)
        self._settle_funding(index, now)

    def _settle_funding(self, index: int, now: int) -> None:
        listing = self.listings[index]
        mark, rate = listing.mark or listing.last, listing.funding_rate
        if not mark:
            return
        listing.fundings.append((now, rate, mark))
        settle = self.currencies.index(listing.instrument.settle)
        for account in self.accounts:
            if not account.has_position(index):
                continue
            paid = int(account.money.apply_funding(index, rate, mark))
            self._note_income(account, now, "funding", settle, paid, index)
            sides = tuple((index, s) for s in account.sides if account.qty(index, s))
            self.say(CashReport(now, account, "funding", (settle,), sides, paid, index))

    def _check_margin(self, account: SimAccount, index: int, now: int) -> None:
        settle = self.currencies.index(self.instruments[index].settle)
        if not account.money.below_maintenance(settle):
            return
        for order in list(account.open_orders.values()):
            if self.instruments[order.index].settle == self.instruments[index].settle:
                self._cancel(order, now, code=InsufficientFunds.code)
        for at, side in self._held(account, settle):
            if not account.money.below_maintenance(settle):
                break
            self._close_by_force(account, at, side, now, "liquidation")
        if not any(True for _ in self._held(account, settle)):
            balance = int(account.money.balance(settle))
            if balance < 0:
                account.money.deposit(settle, -balance)
                self._insurance[settle] = self._insurance.get(settle, 0) - balance
                self._note_income(account, now, "insurance", settle, -balance, index)
                self.say(CashReport(now, account, "insurance", (settle,), (), -balance, index))

    def _held(self, account: SimAccount, settle: int) -> Iterator[tuple[int, PositionSide]]:
        """What settles in a currency, the largest notional first."""
        found = [
            (abs(i.notional_units(self.listings[at].mark or 1, account.qty(at, side))), at, side)
            for at, i in enumerate(self.instruments)
            if self.currencies.index(i.settle) == settle and i.kind is not Kind.SPOT
            for side in account.sides
            if account.qty(at, side)
        ]
        for _, at, side in sorted(found, key=lambda each: (-each[0], each[1])):
            yield at, side

    def _close_by_force(
        self, account: SimAccount, index: int, side: PositionSide, now: int, origin: str
    ) -> None:
        held = account.qty(index, side)
        if not held:
            return
        order = self.place_now(
            account,
            index,
            now,
            side=Side.SELL if held > 0 else Side.BUY,
            type=OrderType.MARKET,
            tif=TimeInForce.IOC,
            size=abs(held),
            position_side=side,
            reduce_only=not account.hedge,
            client_id=f"{_FORCED[origin]}{self._next_id}",
            origin=origin,
        )
        rate = self.instruments[index].liquidation_fee
        if origin == "liquidation" and rate and order.filled:
            instrument = self.instruments[index]
            settle = self.currencies.index(instrument.settle)
            fee = divide_half_even(order.value * int(rate * 10**12), 10**12)
            fee = max(min(fee, int(account.money.balance(settle))), 0)
            account.money.deposit(settle, -fee)
            self._note_income(account, now, "liquidation_fee", settle, -fee, index)
            self.say(CashReport(now, account, "liquidation_fee", (settle,), (), -fee, index))


_FORCED: Final = {
    "liquidation": "autoclose-",
    "adl": "adl_autoclose-",
    "settlement": "settlement_autoclose-",
}
