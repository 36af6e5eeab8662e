"""What a simulated venue does by itself: funding, liquidation, closing by force."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from onetape._core import at_rate
from onetape.exchange.account import SimAccount
from onetape.exchange.joint import ONE, Collateral, Rates
from onetape.exchange.order_entry import OrderEntry
from onetape.exchange.reports import CallReport, CashReport
from onetape.model.enums import Kind, OrderType, PositionSide, Side, TimeInForce
from onetape.model.errors import InsufficientFunds
from onetape.model.money import MONEY_DECIMALS, money_units, rate_units

__all__ = ["Clearing"]

MINUTE: Final = 60_000_000_000
CALL_RATIO: Final = (8, 10)  # an owner is told when the maintenance margin is this part of what is

JOINT: Final = -1  # in what an account was told of: the margin of all its currencies
_DOLLARS: Final = ("USD", "USDT", "USDC")  # one each: no market of theirs is here
_NOTHING: Final = Rates(0, 0, 0, 0, 0)


class Clearing(OrderEntry):
    """Part of SimExchange."""

    isolates: bool
    collateral: dict[str, Collateral]

    def rates(self, currency: int) -> Rates:
        """What a unit of a currency is as joint margin, at the index of now."""
        name = self.currencies[currency]
        terms = self.collateral.get(name)
        if terms is None:
            return _NOTHING
        if name in _DOLLARS:
            return Rates.of(ONE, terms)
        for listing in self.listings:
            i = listing.instrument
            if i.base == name and i.quote in _DOLLARS:
                index = listing.index or listing.mark or listing.last
                return Rates.of(index * 10 ** (MONEY_DECIMALS - i.price_decimals), terms)
        return _NOTHING

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

    def _check_isolated(self, account: SimAccount, index: int, now: int) -> None:
        """Closes what its own margin no longer carries; what it cost more than that margin is the
        venue's loss."""
        listing = self.listings[index]
        i, mark = listing.instrument, listing.mark or listing.last
        settle = self.currencies.index(i.settle)
        for side in account.sides:
            position = account.money.position(index, side.value)
            qty = int(position.qty)
            if not qty:
                continue
            margin = account.wallet(index, side) + int(position.unrealized(account.specs[index], mark))
            owed = i.maintenance_units(abs(i.notional_units(mark, qty)))
            self._call(account, index, side, margin, owed, now)
            if margin > owed:
                continue
            for order in [o for o in account.open_orders.values() if o.index == index]:
                if order.position_side is side:
                    self._cancel(order, now, code=InsufficientFunds.code)
            before = int(account.money.balance(settle)) - account.wallet(index, side)
            self._close_by_force(account, index, side, now, "liquidation")
            if not account.qty(index, side):
                self._insure(account, settle, before - int(account.money.balance(settle)), index, now)

    def _call(self, account: SimAccount, index: int, side: PositionSide, margin: int, owed: int, now: int) -> None:
        """Tells an owner once that little is left."""
        key = (index, side)
        if margin > 0 and owed * CALL_RATIO[1] < margin * CALL_RATIO[0]:
            account.called.discard(key)
        elif key not in account.called:
            account.called.add(key)
            self.say(CallReport(now, account, ((index, side),)))

    def _insure(self, account: SimAccount, settle: int, loss: int, index: int, now: int) -> None:
        if loss <= 0:
            return
        account.money.deposit(settle, loss)
        self._insurance[settle] = self._insurance.get(settle, 0) + loss
        self._note_income(account, now, "insurance", settle, loss, index)
        self.say(CashReport(now, account, "insurance", (settle,), (), loss, index))

    def _check_margin(self, account: SimAccount, index: int, now: int) -> None:
        settle = self.currencies.index(self.instruments[index].settle)
        if not account.money.below_maintenance(settle):
            self._call_cross(account, index, settle, now)
            return
        for order in list(account.open_orders.values()):
            if self.instruments[order.index].settle == self.instruments[index].settle:
                self._cancel(order, now, code=InsufficientFunds.code)
        for at, side in self._held(account, settle):
            if not account.money.below_maintenance(settle):
                break
            self._close_by_force(account, at, side, now, "liquidation")
        if not any(True for _ in self._held(account, settle)):
            self._insure(account, settle, -account.cross_balance(settle), index, now)

    def _check_joint(self, account: SimAccount, index: int, now: int) -> None:
        """An account whose currencies stand for each other: debts that grew too large are paid,
        and where the sum no longer carries the positions, all of them are closed."""
        for at, name in enumerate(self.currencies):
            terms = self.collateral.get(name)
            if terms is not None and int(account.money.balance(at)) < -money_units(terms.debt_max):
                self._pay_debt(account, at, now)
        margin, owed = account.money.equity_usd(), account.money.maintenance_usd()
        if not owed:
            return
        if margin >= owed:
            if margin * CALL_RATIO[0] > owed * CALL_RATIO[1]:
                account.called.discard(JOINT)
            elif JOINT not in account.called:
                account.called.add(JOINT)
                self.say(CallReport(now, account, tuple(self._held(account, None))))
            return
        for order in list(account.open_orders.values()):
            self._cancel(order, now, code=InsufficientFunds.code)
        for at, side in self._held(account, None):
            if not account.money.below_maintenance(0):
                break
            self._close_by_force(account, at, side, now, "liquidation")
        if any(True for _ in self._held(account, None)):
            return
        for at in range(len(self.currencies)):
            if int(account.money.balance(at)) < 0:
                self._pay_debt(account, at, now)
                self._insure(account, at, -int(account.money.balance(at)), index, now)

    def _pay_debt(self, account: SimAccount, debt: int, now: int) -> None:
        """Exchanges what there is of other currencies against what is owed of one."""
        ask = self.rates(debt).exchange_ask
        for at in range(len(self.currencies)):
            owed, has = -int(account.money.balance(debt)), int(account.money.balance(at))
            bid = self.rates(at).exchange_bid
            if owed <= 0 or not ask:
                return
            if at == debt or has <= 0 or not bid:
                continue
            sold = min(has, -(-owed * ask // bid))
            got = min(sold * bid // ask, owed)
            for currency, amount in ((at, -sold), (debt, got)):
                account.money.deposit(currency, amount)
                self._note_income(account, now, "auto_exchange", currency, amount, -1)
                self.say(CashReport(now, account, "auto_exchange", (currency,), (), amount))

    def _call_cross(self, account: SimAccount, index: int, settle: int, now: int) -> None:
        owed = int(account.money.maintenance_margin(settle))
        margin = account.cross_equity(settle)
        if margin * CALL_RATIO[0] > owed * CALL_RATIO[1]:
            account.called.discard(settle)
        elif settle not in account.called:
            account.called.add(settle)
            self.say(CallReport(now, account, tuple(self._held(account, settle))))

    def _held(self, account: SimAccount, settle: int | None) -> Iterator[tuple[int, PositionSide]]:
        """What settles in a currency (None: in any) and shares its wallet, the largest notional
        first."""
        found = [
            (abs(i.notional_units(self.listings[at].mark or 1, account.qty(at, side))), at, side)
            for at, i in enumerate(self.instruments)
            if settle in (None, self.currencies.index(i.settle))
            and i.kind is not Kind.SPOT
            and not (self.isolates and at in account.isolated)
            for side in account.sides
            if account.qty(at, side)
        ]
        for _, at, side in sorted(found, key=lambda each: (-each[0], each[1])):
            yield at, side

    def _close_by_force(self, account: SimAccount, index: int, side: PositionSide, now: int, origin: str) -> None:
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
            fee = at_rate(order.value, rate_units(rate))
            fee = max(min(fee, int(account.money.balance(settle))), 0)
            account.money.deposit(settle, -fee)
            self._note_income(account, now, "liquidation_fee", settle, -fee, index)
            self.say(CashReport(now, account, "liquidation_fee", (settle,), (), -fee, index))


_FORCED: Final = {"liquidation": "autoclose-", "adl": "adl_autoclose-", "settlement": "settlement_autoclose-"}
