"""Settlements that a simulated venue makes by itself: funding, liquidation, forced closing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from onetape._core import at_rate
from onetape.exchange.account import SimAccount
from onetape.exchange.accounts import Accounts
from onetape.exchange.board import Board
from onetape.exchange.conditional import ConditionalBook
from onetape.exchange.order_entry import NewOrder, OrderEntry
from onetape.exchange.reports import CallReport, CashReport
from onetape.exchange.timeline import Timeline, recorded
from onetape.model.enums import Kind, OrderType, PositionSide, Side, TimeInForce
from onetape.model.errors import InsufficientFunds
from onetape.model.money import money_units, rate_units
from onetape.model.time import MINUTE

__all__ = ["Clearing"]

CALL_RATIO: Final = (8, 10)  # margin call when maintenance exceeds this part of the margin

JOINT: Final = -1  # key of a margin call for the joint margin of all currencies
_FORCED: Final = {"liquidation": "autoclose-", "adl": "adl_autoclose-", "settlement": "settlement_autoclose-"}


class Clearing:
    """Settles positions: at each mark, when funding is due, when an instrument ends. parts: see `Rules`."""

    def __init__(
        self,
        timeline: Timeline,
        board: Board,
        accounts: Accounts,
        orders: OrderEntry,
        conditionals: ConditionalBook,
        *,
        parts: tuple[int, int] = (0, 1),
    ) -> None:
        self.timeline = timeline
        self.parts = parts
        self.accounts = accounts
        self.orders = orders
        self.conditionals = conditionals
        self.board = board
        self.instruments = board.instruments
        self.listings = board.listings
        self.currencies = board.currencies
        self.insurance: dict[int, int] = {}  # currency -> the venue's payments
        for index, listing in enumerate(self.listings):
            if listing.instrument.perpetual:
                self._schedule_funding(index, timeline.now)
            elif listing.instrument.expiry is not None:
                timeline.at(listing.instrument.expiry, partial(self.delist, index))

    # --- funding ----------------------------------------------------------------------------------

    @recorded("fund")
    def fund(self, index: int, now: int, rate: int | None = None) -> None:
        """Settles funding at once. rate: in 1e-12, None: the present rate."""
        if rate is not None:
            self.listings[index].funding_rate = rate
        self._settle_funding(index, now)

    def _schedule_funding(self, index: int, now: int) -> None:
        listing = self.listings[index]
        interval = listing.instrument.funding_interval or 8 * 60 * MINUTE
        listing.funding_time = now - now % interval + interval
        self.timeline.at(listing.funding_time, lambda due: self._fund(index, due))

    def _fund(self, index: int, now: int) -> None:
        self._schedule_funding(index, now)
        self._settle_funding(index, now)

    def _settle_funding(self, index: int, now: int) -> None:
        listing = self.listings[index]
        mark, rate = listing.valuation, listing.funding_rate
        if not mark:
            return
        listing.fundings.append((now, rate, mark))
        settle = self.currencies.index(listing.instrument.settle)
        for account in self.accounts:
            if not account.has_position(index):
                continue
            paid = int(account.money.apply_funding(index, rate, mark))
            self.accounts.note_income(account, now, "funding", settle, paid, index=index)
            sides = tuple((index, s) for s in account.sides if account.qty(index, s))
            self.timeline.say(CashReport(now, account, "funding", (settle,), sides, paid, index))

    # --- marks ------------------------------------------------------------------------------------

    def on_mark(self, index: int, mark: int, now: int) -> None:
        """Values positions at a new mark, and liquidates those without sufficient margin."""
        for account in self.accounts:
            account.money.set_mark(index, mark)
            if account.joint is not None:
                self._check_joint(account, index, now)
            elif not account.has_position(index):
                continue
            elif index in account.isolated and self.accounts.isolates:
                self._check_isolated(account, index, now)
            else:
                self._check_margin(account, index, now)

    def _check_isolated(self, account: SimAccount, index: int, now: int) -> None:
        """Liquidates a position that its isolated margin no longer covers. A closed part returns its share of the
        margin; the venue bears a loss beyond that share, so that the rest of the wallet never falls."""
        settle = self.currencies.index(self.instruments[index].settle)
        for side in account.sides:
            if not account.qty(index, side):
                continue
            margin, owed = self.isolated_margin(account, index, side)
            self._call(account, index, side, margin, owed, now)
            if margin > owed:
                continue
            for order in [o for o in account.open_orders.values() if o.index == index]:
                if order.position_side is side:
                    self.orders.cancel_now(order, now, code=InsufficientFunds.code)
            before = account.cross_balance(settle)
            self._liquidate(account, index, side, now, partial(self._is_short, account, index, side))
            self._insure(account, settle, before - account.cross_balance(settle), index, now)

    def isolated_margin(self, account: SimAccount, index: int, side: PositionSide) -> tuple[int, int]:
        """Returns (present margin, required margin) of an isolated position at the mark, 1e-18."""
        i, mark, position = (
            self.instruments[index],
            self.listings[index].valuation,
            account.money.position(index, side.value),
        )
        margin = account.wallet(index, side) + int(position.unrealized(account.specs[index], mark))
        return margin, i.maintenance_units(abs(i.notional_units(mark, int(position.qty))))

    def liquidation_price(
        self, account: SimAccount, index: int, side: PositionSide, *, spare: int | None = None
    ) -> float | None:
        """Returns the mark at which the margin of a position, others unchanged, falls to what must remain; None: no
        price does it. spare: the margin beyond that now, 1e-18; None: it is computed."""
        isolated = self.accounts.isolates and index in account.isolated
        if spare is None:
            settle = self.board.currencies.index(self.instruments[index].settle)
            margin, owed = account.cross_equity(settle), int(account.money.cross_maintenance(settle))
            if isolated:
                margin, owed = self.isolated_margin(account, index, side)
            spare = margin - owed
        price: float | None = account.money.liquidation_price(index, side.value, spare, alone=isolated)
        return price

    def _is_short(self, account: SimAccount, index: int, side: PositionSide) -> bool:
        margin, owed = self.isolated_margin(account, index, side)
        return bool(account.qty(index, side)) and margin <= owed

    def _call(self, account: SimAccount, index: int, side: PositionSide, margin: int, owed: int, now: int) -> None:
        """Sends the account one margin call if its margin is small."""
        key = (index, side)
        if margin > 0 and owed * CALL_RATIO[1] < margin * CALL_RATIO[0]:
            account.called.discard(key)
        elif key not in account.called:
            account.called.add(key)
            self.timeline.say(CallReport(now, account, ((index, side),)))

    def _insure(self, account: SimAccount, settle: int, loss: int, index: int, now: int) -> None:
        if loss <= 0:
            return
        self.insurance[settle] = self.insurance.get(settle, 0) + loss
        self.accounts.credit(account, now, "insurance", settle, loss, index=index)

    def _check_margin(self, account: SimAccount, index: int, now: int) -> None:
        settle = self.currencies.index(self.instruments[index].settle)
        if not account.money.below_maintenance(settle):
            self._call_cross(account, index, settle, now)
            return
        for order in list(account.open_orders.values()):
            if self.instruments[order.index].settle == self.instruments[index].settle:
                self.orders.cancel_now(order, now, code=InsufficientFunds.code)
        for at, side in self._held(account, settle):
            self._liquidate(account, at, side, now, partial(account.money.below_maintenance, settle))
        if not any(True for _ in self._held(account, settle)):
            self._insure(account, settle, -account.cross_balance(settle), index, now)

    def _check_joint(self, account: SimAccount, index: int, now: int) -> None:
        """Checks an account with joint margin: repays debts that are too large, and liquidates all positions if the
        total no longer covers them."""
        for at, name in enumerate(self.currencies):
            terms = self.accounts.collateral.get(name)
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
                self.timeline.say(CallReport(now, account, tuple(self._held(account, None))))
            return
        for order in list(account.open_orders.values()):
            self.orders.cancel_now(order, now, code=InsufficientFunds.code)
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
        """Exchanges other currencies to repay a debt."""
        ask = self.accounts.rates(debt).exchange_ask
        for at in range(len(self.currencies)):
            owed, has = -int(account.money.balance(debt)), int(account.money.balance(at))
            bid = self.accounts.rates(at).exchange_bid
            if owed <= 0 or not ask:
                return
            if at == debt or has <= 0 or not bid:
                continue
            sold = min(has, -(-owed * ask // bid))
            got = min(sold * bid // ask, owed)
            for currency, amount in ((at, -sold), (debt, got)):
                self.accounts.credit(account, now, "auto_exchange", currency, amount)

    def _call_cross(self, account: SimAccount, index: int, settle: int, now: int) -> None:
        owed = int(account.money.cross_maintenance(settle))
        margin = account.cross_equity(settle)
        if margin * CALL_RATIO[0] > owed * CALL_RATIO[1]:
            account.called.discard(settle)
        elif settle not in account.called:
            account.called.add(settle)
            self.timeline.say(CallReport(now, account, tuple(self._held(account, settle))))

    def _held(self, account: SimAccount, settle: int | None) -> Iterator[tuple[int, PositionSide]]:
        """Yields the cross positions that settle in a currency (None: in any), the largest notional first."""
        found = [
            (abs(i.notional_units(self.listings[at].mark or 1, account.qty(at, side))), at, side)
            for at, i in enumerate(self.instruments)
            if settle in (None, self.currencies.index(i.settle))
            and i.kind is not Kind.SPOT
            and not (self.accounts.isolates and at in account.isolated)
            for side in account.sides
            if account.qty(at, side)
        ]
        for _, at, side in sorted(found, key=lambda each: (-each[0], each[1])):
            yield at, side

    # --- by force ---------------------------------------------------------------------------------

    @recorded("force_close")
    def force_close(self, account: SimAccount, index: int, side: PositionSide | str, now: int, origin: str) -> None:
        """Closes a position on request: liquidation or adl at the market, settlement at the mark."""
        self._close_by_force(account, index, PositionSide(side), now, origin)

    @recorded("delist")
    def delist(self, index: int, now: int) -> None:
        """Ends trading: cancels orders and settles positions."""
        for account in self.accounts:
            self.orders.cancel_all(account, now, index)
            for waiting in self.conditionals.open_of(account, index):
                self.conditionals.cancel(waiting, now)
            for side in account.sides:
                if account.qty(index, side):
                    self._close_by_force(account, index, side, now, "settlement")
        self.listings[index].is_open = False

    def _liquidate(
        self, account: SimAccount, index: int, side: PositionSide, now: int, is_short: Callable[[], bool]
    ) -> None:
        """Closes a position while its margin is insufficient: at once, or a large one part by part."""
        i, held = self.instruments[index], abs(account.qty(index, side))
        above, count = self.parts
        lot = i.lot_int
        value = abs(i.notional_units(self.listings[index].valuation, held))
        part = held // count // lot * lot if above and value >= money_units(above * i.leverage) else 0
        for _ in range(count - 1 if part else 0):
            if not is_short():
                return
            self._close_by_force(account, index, side, now, "liquidation", part)
        if is_short():
            self._close_by_force(account, index, side, now, "liquidation")

    def _close_by_force(
        self, account: SimAccount, index: int, side: PositionSide, now: int, origin: str, size: int = 0
    ) -> None:
        """Closes a position, or a part of it. size: 0: all of it."""
        held = account.qty(index, side)
        if not held:
            return
        wanted = NewOrder(
            side=Side.SELL if held > 0 else Side.BUY,
            type=OrderType.MARKET,
            tif=TimeInForce.IOC,
            size=min(size or abs(held), abs(held)),
            position_side=side,
            reduce_only=not account.hedge,
            client_id=f"{_FORCED[origin]}{self.orders.next_id}",
            origin=origin,
        )
        if origin == "settlement" and (mark := self.listings[index].valuation):
            self.orders.settle(account, index, now, wanted, mark)
            return
        order = self.orders.place(account, index, now, wanted)
        rate = self.instruments[index].liquidation_fee
        if origin == "liquidation" and rate and order.filled:
            instrument = self.instruments[index]
            settle = self.currencies.index(instrument.settle)
            fee = at_rate(order.value, rate_units(rate))
            fee = max(min(fee, int(account.money.balance(settle))), 0)
            self.accounts.credit(account, now, "liquidation_fee", settle, -fee, index=index)
