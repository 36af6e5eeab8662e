"""Orders of a simulated exchange: the door, the matching engines' news, fills and their money."""

from __future__ import annotations

from typing import Any, Final

from onetape.exchange.account import SimAccount, Trade
from onetape.exchange.reports import CashReport, OrderReport, SimFill, SimOrder
from onetape.exchange.state import ExchangeState
from onetape.model.enums import (
    Kind,
    OrderNews,
    OrderState,
    OrderType,
    PositionSide,
    Side,
    TimeInForce,
    TriggerBy,
    TriggerKind,
)
from onetape.model.errors import AccountMode, MarketDataUnavailable, OrderUnknown, ReduceOnlyViolated, SelfTrade
from onetape.model.money import divide_half_even

__all__ = ["OrderEntry"]

STOP_ROOM: Final = 20  # market stops on spot trade up to a twentieth behind their trigger

# By their words: a call of an enumeration is slow.
_SIDES: Final = {each.value: each for each in Side}
_TYPES: Final = {each.value: each for each in OrderType}
_TIFS: Final = {each.value: each for each in TimeInForce}
_POSITIONS: Final = {each.value: each for each in PositionSide}
_TRIGGERS: Final = {each.value: each for each in TriggerBy}
_TRIGGER_KINDS: Final = {each.value: each for each in TriggerKind}
_NEWS = {
    "canceled": (OrderNews.CANCELED, OrderState.CANCELED),
    "expired": (OrderNews.EXPIRED, OrderState.EXPIRED),
    "rejected": (OrderNews.REJECTED, OrderState.REJECTED),
}


class OrderEntry(ExchangeState):
    """Part of SimExchange."""

    def place_now(
        self,
        account: SimAccount,
        index: int,
        now: int,
        *,
        side: Side | str,
        type: OrderType | str,
        size: int,
        tif: TimeInForce | str = TimeInForce.GTC,
        price: int = 0,
        post_only: bool = False,
        reduce_only: bool = False,
        position_side: PositionSide | str = PositionSide.BOTH,
        trigger: int = 0,
        trigger_by: TriggerBy | str = TriggerBy.NONE,
        trigger_kind: TriggerKind | str = TriggerKind.NONE,
        expire: int = 0,
        client_id: str = "",
        origin: str = "client",
        extra: dict[str, Any] | None = None,
    ) -> SimOrder:
        order = SimOrder(
            id=self._next_id,
            client_id=client_id,
            account=account,
            index=index,
            side=_SIDES.get(side) or Side(side),
            type=_TYPES.get(type) or OrderType(type),
            tif=_TIFS.get(tif) or TimeInForce(tif),
            price=price,
            size=size,
            post_only=post_only,
            reduce_only=reduce_only,
            position_side=_POSITIONS.get(position_side) or PositionSide(position_side),
            created=now,
            updated=now,
            trigger=trigger,
            trigger_by=_TRIGGERS.get(trigger_by) or TriggerBy(trigger_by),
            trigger_kind=_TRIGGER_KINDS.get(trigger_kind) or TriggerKind(trigger_kind),
            expire=expire,
            origin=origin,
            extra=extra or {},
        )
        self._next_id += 1
        account.remember(order)
        code = self._admit(order)
        if code:
            self._refuse(order, now, code)
            return order
        if not trigger and self._meets_own(order, now):
            self._refuse(order, now, SelfTrade.code)
            return order
        self._reserve(order)
        is_capped = self._is_capped(order)
        more: dict[str, Any] = {}  # what most orders have none of
        if trigger:
            more |= {"trigger": trigger, "trigger_kind": order.trigger_kind}
        if order.trigger_by is not TriggerBy.NONE:
            more["trigger_by"] = order.trigger_by
        if expire:
            more["expire"] = expire
        if post_only:
            more["post_only"] = True
        if reduce_only and not (account.hedge and order.is_closing):
            more["reduce_only"] = True
        self._hear(
            self.flow.request(
                index,
                account.number,
                now,
                order_id=order.id,
                side=order.side,
                type=OrderType.LIMIT if is_capped else order.type,
                tif=TimeInForce.IOC if is_capped else order.tif,
                price=self._cap(order) if is_capped else price,
                size=order.size,
                position_side=order.position_side,
                **more,
            )
        )
        return order

    def _admit(self, order: SimOrder) -> int:
        account, listing = order.account, self.listings[order.index]
        if not listing.is_open:
            return MarketDataUnavailable.code
        if account.hedge != (order.position_side is not PositionSide.BOTH):
            return AccountMode.code
        if account.hedge and order.is_closing:
            return ReduceOnlyViolated.code if order.size > self._closable(order) else 0
        is_spot = listing.instrument.kind is Kind.SPOT
        if order.reduce_only or (order.trigger and not is_spot):
            return 0
        worst = self._cap(order)
        if order.type is OrderType.MARKET and not order.trigger:
            worst = self._market_price(order) if is_spot else self._touch(order)
        if not worst:
            return MarketDataUnavailable.code if order.type is OrderType.MARKET else 0
        return int(account.money.check_funds(order.index, order.side, worst, order.size, False, order.position_side))

    def _closable(self, order: SimOrder) -> int:
        """What is held of its side in hedge mode, less what other orders already close. The venue's
        own order goes before these."""
        account = order.account
        held = abs(account.qty(order.index, order.position_side))
        if order.origin != "client":
            return held
        working = sum(
            o.left
            for o in account.open_orders.values()
            if o is not order
            and o.index == order.index
            and o.is_closing
            and o.position_side is order.position_side
            and not o.trigger
        )
        return held - working

    def _is_capped(self, order: SimOrder) -> bool:
        """A market order of spot that waits for its price: what it will cost nobody knows."""
        spot = self.instruments[order.index].kind is Kind.SPOT
        return spot and bool(order.trigger) and order.type is OrderType.MARKET

    def _cap(self, order: SimOrder, trigger: int = 0) -> int:
        """The worst price at which an order may trade, 0: any. Where `_is_capped`, it is some way
        behind the trigger; money is held back at it, so that nothing can be overdrawn."""
        if not self._is_capped(order):
            return order.price
        trigger = trigger or order.trigger
        i = self.instruments[order.index]
        tick = int(i.tick.scaleb(i.price_decimals))
        room = trigger // STOP_ROOM
        if order.side is Side.BUY:
            return -(-(trigger + room) // tick) * tick
        return max((trigger - room) // tick, 1) * tick

    def _touch(self, order: SimOrder) -> int:
        listing = self.listings[order.index]
        return listing.ask if order.side is Side.BUY else listing.bid

    def _market_price(self, order: SimOrder) -> int:
        """What a market order costs on average if it trades now, rounded up: on spot nothing may
        be bought that cannot be paid, and the touch alone would let a large order overdraw."""
        left, cost = order.size, 0
        side = Side.SELL if order.side is Side.BUY else Side.BUY
        for price, size in self.levels(order.index, side, 1 << 30):
            take = min(left, size)
            cost, left = cost + take * price, left - take
            if not left:
                break
        if left == order.size:
            return 0
        return -(-cost // (order.size - left))

    def _meets_own(self, order: SimOrder, now: int) -> bool:
        """Own resting orders that it would trade with; by the venue's rule they go, or it does."""
        if order.post_only or not self._may_trade(order):
            return False
        account = order.account
        meets = [
            other
            for other in account.open_orders.values()
            if other is not order
            and other.index == order.index
            and other.side is not order.side
            and other.type is OrderType.LIMIT
            and not other.trigger
            and (
                order.type is OrderType.MARKET
                or (order.price >= other.price if order.side is Side.BUY else order.price <= other.price)
            )
        ]
        meets = [other for other in meets if self._reaches(order, other.price)]
        if not meets:
            return False
        rule = order.extra.get("self_trade", self.self_trade)  # some venues let each order say
        if rule != "cancel_incoming":
            for other in meets:
                self._cancel(other, now, code=SelfTrade.code)
        return bool(rule != "cancel_resting")

    def _reaches(self, order: SimOrder, price: int) -> bool:
        """Whether what stands at better prices leaves something of it."""
        side = order.side.opposite
        levels = self.levels(order.index, side, 1 << 30)
        better = sum(size for at, size in levels if (at - price) * side.sign > 0)
        return better < order.size

    def _may_trade(self, order: SimOrder) -> bool:
        """Whether it reaches the best price of the other side at all. Own orders rest in the same
        book, so that one which does not need not be held against each of them."""
        if order.type is OrderType.MARKET:
            return True
        is_buy = order.side is Side.BUY
        best = self.levels(order.index, Side.SELL if is_buy else Side.BUY, 1)
        if not best:
            return False
        return order.price >= best[0][0] if is_buy else order.price <= best[0][0]

    def _cancel(self, order: SimOrder, now: int, *, code: int = 0) -> int:
        if not order.is_open:
            return OrderUnknown.code
        order.code = code
        return self._hear(
            self.flow.request(order.index, order.account.number, now, order_id=order.id, kind="cancel", side=order.side)
        )

    def _reserve(self, order: SimOrder) -> None:
        if order.trigger and self.instruments[order.index].kind is Kind.SPOT:
            # What waits for its price holds its money back, too: there is no margin to fall on.
            order.reserved = self._cap(order)
            order.account.money.add_working(order.index, order.side, order.reserved, order.left, order.position_side)
            return
        closes = order.account.hedge and order.is_closing
        if order.type is OrderType.LIMIT and not order.trigger and not order.reduce_only:
            if closes and order.left <= 0:
                return
            order.reserved = order.price
            order.account.money.add_working(order.index, order.side, order.price, order.left, order.position_side)

    def _release(self, order: SimOrder) -> None:
        if order.reserved:
            order.account.money.remove_working(order.index, order.side, order.reserved, order.left, order.position_side)
            order.reserved = 0

    def _refuse(self, order: SimOrder, now: int, code: int) -> None:
        order.state, order.code, order.updated = OrderState.REJECTED, code, now
        self.say(OrderReport(now, order, OrderNews.REJECTED, order.state, 0, 0, None, code))
        self._ended(order, now)

    def _ended(self, order: SimOrder, now: int) -> None:
        order.account.forget_open(order)
        if "parent" in order.extra:
            self.conditionals.on_child(order, now)

    def _hear(self, news: list[Any]) -> int:
        """Takes in what was said to participants; gives the code of a refused request, 0: none."""
        refused = 0
        changed: list[SimOrder] = []
        for said in news:
            account = self.accounts[said["owner"] - 1]
            order = account.by_id[said["order_id"]]
            if said["event"] == "fill":
                self._fill(order, said)
                changed.append(order)
                continue
            refused = self._order_news(order, said) or refused
        for order in changed:
            self._after_fill(order)
        return refused

    def _order_news(self, order: SimOrder, said: dict[str, Any]) -> int:
        now, word = said["ts_event"], said["news"]
        if word == "accepted":
            if said["size"] != order.size:  # reduce-only: cut to the position
                order.size = said["size"]
            order.state, order.updated = OrderState.ACCEPTED, now
            self._report(order, now, OrderNews.ACCEPTED)
        elif word in _NEWS:
            news, state = _NEWS[word]
            self._release(order)
            order.state, order.updated = state, now
            order.code = said["code"] or order.code
            self._report(order, now, news, code=order.code)
            self._ended(order, now)
            return int(said["code"]) if word == "rejected" else 0
        elif word == "triggered":
            self._release(order)
            order.trigger, order.updated = 0, now
            order.extra["triggered"] = now
            order.state = OrderState.TRIGGERED
            self._cut_to_position(order)
            self._reserve(order)
            self._report(order, now, OrderNews.TRIGGERED)
        elif word == "updated":
            self._release(order)
            if order.type is OrderType.LIMIT:
                order.price = said["price"]
            order.size, order.updated = said["size"], now
            self._reserve(order)
            self._report(order, now, OrderNews.UPDATED)
        else:  # cancel_rejected, update_rejected
            return int(said["code"])
        return 0

    @staticmethod
    def _cut_to_position(order: SimOrder) -> None:
        """A reduce-only order that was triggered is cut to what is held, as the engine does then
        without a word. One with nothing to reduce is cancelled, and keeps its size."""
        if not order.reduce_only:
            return
        held = order.account.qty(order.index)
        reducible = held if order.side is Side.SELL else -held
        if 0 < reducible < order.left:
            order.size = order.filled + reducible

    def _fill(self, order: SimOrder, said: dict[str, Any]) -> None:
        account, index, now = order.account, order.index, said["ts_event"]
        price, size, fee = said["price"], said["size"], said["fee"]
        reserved, held = order.reserved, account.qty(index, order.position_side)
        self._release(order)
        order.filled += size
        order.cost += price * size
        order.value += abs(self.instruments[index].notional_units(price, size))
        order.updated = now
        done = order.filled >= order.size
        order.state = OrderState.FILLED if done else OrderState.PARTIALLY_FILLED
        if reserved and not done:
            self._reserve(order)
        in_base = bool(order.extra.get("fee_in_base"))  # spot venues let an order choose
        realized = int(
            account.money.apply_fill(index, order.side, price, size, 0 if in_base else fee, order.position_side)
        )
        if in_base:
            i = self.instruments[index]
            fee = divide_half_even(fee * 10**i.price_decimals, price)
            account.money.deposit(self.currencies.index(i.base), -fee)
            order.fee_base += fee
        else:
            order.fee += fee
        fill = SimFill(said["trade_id"], now, price, size, fee, said["liquidity"] == "maker", realized)
        account.trades.append(Trade(order, fill))
        instrument = self.instruments[index]
        settle = self.currencies.index(instrument.settle)
        account.touched[index, order.position_side] = now
        currencies: tuple[int, ...] = (settle,)
        if instrument.kind is Kind.SPOT:
            currencies = (settle, self.currencies.index(instrument.base))
        else:
            if realized:
                self._note_income(account, now, "realized", settle, realized, index, fill.trade_id)
            if fee:
                self._note_income(account, now, "fee", settle, -fee, index, fill.trade_id)
            account.note_fee(index, order.position_side, held, fee)
        self._report(order, now, None, fill=fill)
        self.say(
            CashReport(
                now,
                account,
                "order" if order.origin == "client" else order.origin,
                currencies,
                () if instrument.kind is Kind.SPOT else ((index, order.position_side),),
                at=index,
            )
        )
        if done:
            self._ended(order, now)

    def _after_fill(self, order: SimOrder) -> None:
        """Orders that may only reduce go with the position that they reduce."""
        account, index, now = order.account, order.index, order.updated
        if self.instruments[index].kind is Kind.SPOT:
            return
        side = order.position_side if account.hedge else PositionSide.BOTH
        held = account.qty(index, side)
        if account.hedge:
            working = 0
            for other in list(account.open_orders.values()):
                if other.index != index or other.position_side is not side or not other.is_closing:
                    continue
                if other.trigger:
                    continue
                working += other.left
                if working > abs(held):
                    working -= other.left
                    self._cancel(other, now, code=ReduceOnlyViolated.code)
        elif held == 0:
            for other in list(account.open_orders.values()):
                if other.index == index and other.reduce_only and not other.trigger:
                    self._cancel(other, now, code=ReduceOnlyViolated.code)
        if held == 0:
            self.conditionals.on_flat(account, index, side, now)
