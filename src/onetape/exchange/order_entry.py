"""Orders of a simulated exchange: checks on arrival, the matching engines' reports, fills and their money."""

from __future__ import annotations

from typing import Any, Final, Protocol

import msgspec
from msgspec import structs

from onetape.exchange.account import SimAccount, SimFill, SimOrder, Trade
from onetape.exchange.accounts import Accounts
from onetape.exchange.board import Board
from onetape.exchange.reports import CashReport, OrderReport
from onetape.exchange.timeline import CallTerms, Timeline, recorded
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
from onetape.model.money import MONEY_DECIMALS, divide_half_even

__all__ = ["SETTLEMENTS", "NewOrder", "OrderEntry", "Watcher"]

STOP_ROOM: Final = 20  # market stops on spot trade at most a twentieth beyond their trigger
FEE_PERCENT: Final = 75  # of the usual fee, if an account pays its fees in a currency of its choice
SETTLEMENTS: Final = 1 << 51  # first id of trades outside the market; exact as a float

_NEWS = {
    "canceled": (OrderNews.CANCELED, OrderState.CANCELED),
    "expired": (OrderNews.EXPIRED, OrderState.EXPIRED),
    "rejected": (OrderNews.REJECTED, OrderState.REJECTED),
}


class NewOrder(CallTerms, frozen=True, kw_only=True):
    """The terms of an order. price, trigger: at the instrument's decimals, 0: none. expire: ns UTC, 0: never. extra:
    facts that only the dialect uses."""

    side: Side
    type: OrderType
    size: int
    tif: TimeInForce = TimeInForce.GTC
    price: int = 0
    post_only: bool = False
    reduce_only: bool = False
    position_side: PositionSide = PositionSide.BOTH
    trigger: int = 0
    trigger_by: TriggerBy = TriggerBy.NONE
    trigger_kind: TriggerKind = TriggerKind.NONE
    expire: int = 0
    client_id: str = ""
    origin: str = "client"
    extra: dict[str, Any] = msgspec.field(default_factory=dict)

    def made(self, number: int, account: SimAccount, index: int, now: int) -> SimOrder:
        """Returns the exchange's order. number: its id."""
        return SimOrder(id=number, account=account, index=index, created=now, updated=now, **structs.asdict(self))


class Watcher(Protocol):
    """Is notified of changes of orders and positions."""

    def on_ended(self, order: SimOrder, now: int) -> None: ...

    def on_flat(self, account: SimAccount, index: int, side: PositionSide, now: int) -> None:
        """Called when a position is closed."""
        ...


class OrderEntry:
    """Carries out the orders of an exchange, from request to end. first_id: id of the first order. self_trade: default
    rule for orders that would match orders of the same account. fee_decimals: decimals of fees in the settle currency
    and in the base coin."""

    def __init__(
        self,
        timeline: Timeline,
        board: Board,
        accounts: Accounts,
        *,
        first_id: int,
        self_trade: str,
        fee_decimals: tuple[int, int],
    ) -> None:
        self.timeline = timeline
        self.board = board
        self.accounts = accounts
        self.flow = board.flow
        self.instruments = board.instruments
        self.listings = board.listings
        self.self_trade = self_trade
        self._fee_steps = tuple(10 ** (MONEY_DECIMALS - each) for each in fee_decimals)
        self.dead_men: dict[tuple[int, int | None], int] = {}  # (account, instrument) -> how often its switch was armed
        self._next_id = first_id
        self._watchers: list[Watcher] = []
        self._has_hidden = False  # whether a hidden order was ever sent

    def watch(self, watcher: Watcher) -> None:
        self._watchers.append(watcher)

    @property
    def next_id(self) -> int:
        """Returns the next order's id."""
        return self._next_id

    def take_id(self) -> int:
        self._next_id += 1
        return self._next_id - 1

    # --- requests ---------------------------------------------------------------------------------

    @recorded("place", NewOrder)
    def place(self, account: SimAccount, index: int, now: int, wanted: NewOrder) -> SimOrder:
        """Enters a new order and returns it; a refused order is REJECTED."""
        order = wanted.made(self.take_id(), account, index, now)
        account.remember(order)
        code = self._admit(order)
        if code:
            self._refuse(order, now, code)
            return order
        if not order.trigger and self._meets_own(order, now):
            self._refuse(order, now, SelfTrade.code)
            return order
        self._reserve(order)
        self.hear(self._send(order, now))
        return order

    @recorded("hold", NewOrder)
    def hold(self, account: SimAccount, index: int, now: int, wanted: NewOrder) -> SimOrder:
        """Enters an order that is not sent to the matching engine until `release`, where its trigger is watched
        elsewhere, or until the order is filled whose id `after` in its extra names."""
        order = wanted.made(self.take_id(), account, index, now)
        account.remember(order)
        order.extra["held"] = True
        self.hear([self._own_news(order, "accepted", now)])
        return order

    def release(self, order: SimOrder, now: int) -> None:
        """Sends a held order to the engine; if the engine refuses the order, it expires."""
        del order.extra["held"]
        self.hear([self._own_news(order, "triggered", now)])
        held = order.account.qty(order.index) * order.side.sign
        code = ReduceOnlyViolated.code if order.reduce_only and held >= 0 else self._admit(order)
        if code or self._meets_own(order, now):
            self.hear([self._own_news(order, "expired", now, code=code or SelfTrade.code)])
        else:
            self.hear(self._send(order, now))

    def _begin(self, order: SimOrder, now: int) -> None:
        """Sends a held order to the engine, because the one before it is filled; if it is refused, it expires."""
        del order.extra["held"], order.extra["after"]
        code = self._admit(order)
        if code or (not order.trigger and self._meets_own(order, now)):
            self.hear([self._own_news(order, "expired", now, code=code or SelfTrade.code)])
        else:
            self._reserve(order)
            self.hear(self._send(order, now))

    def _take_part(self, order: SimOrder, now: int) -> None:
        """Cancels the other orders of a group (`one_of` in their extra) of which only one may trade. The first one
        reserves the money of all; another one (`shares`) does so from now on."""
        group = order.extra.pop("one_of", None)
        for other in list(order.account.open_orders.values()) if group is not None else ():
            if other.extra.get("one_of") == group:
                del other.extra["one_of"]
                self.cancel_now(other, now)

    @staticmethod
    def _own_news(order: SimOrder, word: str, now: int, *, code: int = 0) -> dict[str, Any]:
        """Returns a report in the matching engine's form."""
        said = {"event": "order", "news": word, "owner": order.account.number, "order_id": order.id, "ts_event": now}
        return said | {"size": order.size, "code": code}

    def settle(self, account: SimAccount, index: int, now: int, wanted: NewOrder, price: int) -> None:
        """Carries out an order of the venue itself at `price` and without a fee, whatever the book has."""
        order = wanted.made(self.take_id(), account, index, now)
        account.remember(order)
        said = {"owner": account.number, "order_id": order.id, "ts_event": now, "size": order.size}
        fill = said | {"price": price, "fee": 0, "trade_id": SETTLEMENTS + order.id, "liquidity": "taker"}
        self.hear([said | {"event": "order", "news": "accepted"}, fill | {"event": "fill"}])
        side = order.position_side  # the engine saw no trade, but needs the position to limit later reductions
        self.flow.set_position(index, account.number, account.qty(index, side), side)

    def _send(self, order: SimOrder, now: int) -> list[Any]:
        """Sends the order, and returns the matching engine's reports."""
        is_capped = self._is_capped(order)
        more: dict[str, Any] = {}  # fields that most orders do not have
        if order.trigger:
            more |= {"trigger": order.trigger, "trigger_kind": order.trigger_kind, "trigger_by": order.trigger_by}
        if order.expire:
            more["expire"] = order.expire
        if order.post_only:
            more["post_only"] = True
        if order.extra.get("hidden"):
            more["hidden"] = self._has_hidden = True
        # In hedge mode a closing order must not reverse its side, even if a stop closes the position in the same step.
        if order.reduce_only or order.is_closing:
            more["reduce_only"] = True
        return self._request(
            order,
            now,
            type=OrderType.LIMIT if is_capped else order.type,
            tif=TimeInForce.IOC if is_capped else order.tif,
            price=self._cap(order) if is_capped else order.price,
            size=order.size,
            position_side=order.position_side,
            **more,
        )

    def _request(self, order: SimOrder, now: int, **terms: Any) -> list[Any]:
        said: list[Any] = self.flow.request(
            order.index, order.account.number, now, order_id=order.id, side=order.side, **terms
        )
        return said

    @recorded("amend")
    def amend(
        self,
        account: SimAccount,
        order: SimOrder,
        now: int,
        *,
        price: int = 0,
        size: int = 0,
        trigger: int = 0,
        client_id: str = "",
    ) -> int:
        """Amends an order; 0 leaves a value unchanged. Returns 0, or the error number. client_id: a new client id, at
        venues where an amendment may change it; the caller has checked that it is unused."""
        if not order.is_open:
            return OrderUnknown.code
        closes = account.hedge and order.is_closing and not order.trigger
        # A closing order may not exceed the position: the side would reverse.
        if closes and size and size - order.filled > self._closable(order):
            return ReduceOnlyViolated.code
        if order.reserved:
            self._release(order)
            worst = price or order.price or self._cap(order, trigger)
            left = max((size or order.size) - order.filled, 0)
            code = account.money.check_funds(order.index, order.side, worst, left, False, order.position_side)
            self._reserve(order)
            if code:
                return int(code)
        return self._replace(order, now, price=price, size=size, trigger=trigger, client_id=client_id)

    def _replace(self, order: SimOrder, now: int, *, price: int, size: int, trigger: int, client_id: str) -> int:
        was = order.client_id, order.trigger
        if client_id:
            order.account.rename(order, client_id)
        if trigger and order.trigger:
            order.trigger = trigger  # set before the request, because the order may trigger at once
        if trigger and self._is_capped(order):
            price = self._cap(order)
        code = self.hear(self._request(order, now, kind="amend", price=price, size=size, trigger=trigger))
        if code:
            order.account.rename(order, was[0])
            order.trigger = was[1]
        return code

    @recorded("cancel")
    def cancel(self, account: SimAccount, order: SimOrder, now: int) -> int:
        """Cancels an order. Returns 0, or the error number."""
        return self.cancel_now(order, now)

    @recorded("cancel_all")
    def cancel_all(self, account: SimAccount, now: int, index: int | None = None) -> list[SimOrder]:
        """Cancels an account's orders in the order in which they were placed, and returns them. index: only of this
        instrument."""
        chosen = [o for o in account.open_orders.values() if index is None or o.index == index]
        for order in chosen:
            self.cancel_now(order, now)
        return chosen

    @recorded("dead_man")
    def dead_man(self, account: SimAccount, after: int, now: int, index: int | None = None) -> None:
        """Arms the dead man's switch: working orders, of an instrument or all, are canceled once unless this is called
        again within `after` ns. after: 0 disarms."""
        armed = self.dead_men.get((account.number, index), 0) + 1
        self.dead_men[account.number, index] = armed

        def fire(due: int) -> None:
            if self.dead_men.get((account.number, index)) != armed:
                return
            for order in [o for o in account.open_orders.values() if index in (None, o.index)]:
                self.cancel_now(order, due)

        if after:
            self.timeline.at(now + after, fire)

    @recorded("drop")
    def drop(self, account: SimAccount, order: SimOrder) -> None:
        """Removes an order without a trace: for orders refused on arrival by a venue that keeps no record."""
        account.drop(order)

    @recorded("note")
    def note(self, order: SimOrder, values: dict[str, Any]) -> None:
        """Sets facts that only the dialect uses; None removes a value."""
        for name, value in values.items():
            if value is None:
                order.extra.pop(name, None)
            else:
                order.extra[name] = value

    # --- checks on arrival ------------------------------------------------------------------------

    def _admit(self, order: SimOrder) -> int:
        account, listing = order.account, self.listings[order.index]
        if not listing.is_open:
            return MarketDataUnavailable.code
        if order.extra.get("shares"):
            return 0
        is_spot = listing.instrument.kind is Kind.SPOT  # which has no sides, in hedge mode neither
        if (account.hedge and not is_spot) != (order.position_side is not PositionSide.BOTH):
            return AccountMode.code
        if account.hedge and order.is_closing:
            # A waiting reduce-only order is cut to the position when it triggers.
            return ReduceOnlyViolated.code if not order.trigger and order.size > self._closable(order) else 0
        if order.reduce_only or (order.trigger and not is_spot):
            return 0
        worst = self._cap(order)
        if order.type is OrderType.MARKET and not order.trigger:
            worst = self._market_price(order) if is_spot else self._touch(order)
        if not worst:
            return MarketDataUnavailable.code if order.type is OrderType.MARKET else 0
        return int(account.money.check_funds(order.index, order.side, worst, order.size, False, order.position_side))

    def _closable(self, order: SimOrder) -> int:
        """Returns how much an order may close in hedge mode: the position, less what other working orders close. For an
        order of the venue itself, the whole position."""
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
        """Tells whether an order is a spot market order that waits for its trigger, so that its cost is unknown."""
        spot = self.instruments[order.index].kind is Kind.SPOT
        return spot and bool(order.trigger) and order.type is OrderType.MARKET

    def _cap(self, order: SimOrder, trigger: int = 0) -> int:
        """Returns the worst price at which an order may trade, 0: any. For an order that `_is_capped` it lies beyond
        the trigger by 1/STOP_ROOM; money is reserved at that price, so that the balance cannot be overdrawn."""
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
        """Returns the average price of a market order that trades now, rounded up. On spot a purchase must be covered:
        at the best price alone a large order could overdraw the balance."""
        left, cost = order.size, 0
        side = Side.SELL if order.side is Side.BUY else Side.BUY
        for price, size in self.board.levels(order.index, side, 1 << 30):
            take = min(left, size)
            cost, left = cost + take * price, left - take
            if not left:
                break
        if left == order.size:
            return 0
        return -(-cost // (order.size - left))

    def _meets_own(self, order: SimOrder, now: int) -> bool:
        """Applies the self-trade rule to resting orders of the same account that an order would match: it cancels them,
        or refuses the order, or both. Returns whether the order is refused."""
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
        # At some venues the order or its account sets the rule.
        rule = order.extra.get("self_trade") or account.self_trade or self.self_trade
        if rule != "cancel_incoming":
            for other in meets:
                self.cancel_now(other, now, code=SelfTrade.code)
        return bool(rule != "cancel_resting")

    def _reaches(self, order: SimOrder, price: int) -> bool:
        """Tells whether an order reaches `price`: better prices leave a part of it unfilled."""
        side = order.side.opposite
        levels = self.board.levels(order.index, side, 1 << 30)
        better = sum(size for at, size in levels if (at - price) * side.sign > 0)
        return better < order.size

    def _may_trade(self, order: SimOrder) -> bool:
        """Tells whether an order reaches the best price of the other side. If not, it need not be compared with the
        account's own orders, which rest in the same book."""
        if order.type is OrderType.MARKET or self._has_hidden:
            return True
        is_buy = order.side is Side.BUY
        best = self.board.levels(order.index, Side.SELL if is_buy else Side.BUY, 1)
        if not best:
            return False
        return order.price >= best[0][0] if is_buy else order.price <= best[0][0]

    def cancel_now(self, order: SimOrder, now: int, *, code: int = 0) -> int:
        if not order.is_open:
            return OrderUnknown.code
        order.code = code
        if "held" in order.extra:
            self.hear([self._own_news(order, "canceled", now)])
            return 0
        return self.hear(self._request(order, now, kind="cancel"))

    def _reserve(self, order: SimOrder) -> None:
        if order.extra.get("shares"):
            return
        if order.trigger and self.instruments[order.index].kind is Kind.SPOT:
            # On spot a waiting order reserves its money, too, because there is no margin.
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
        self.timeline.say(OrderReport(now, order, OrderNews.REJECTED, order.state, 0, 0, None, code))
        self._ended(order, now)

    def _ended(self, order: SimOrder, now: int) -> None:
        order.account.forget_open(order)
        self._take_part(order, now)
        if order.extra.pop("leads", False):
            for other in [o for o in order.account.open_orders.values() if o.extra.get("after") == order.id]:
                if order.state is OrderState.FILLED and other.is_open:
                    self._begin(other, now)
                else:
                    self.cancel_now(other, now)
        opened = order.filled and order.account.qty(order.index)
        if order.extra.get("exits") and not opened:  # the order had exits for a position that was never opened
            for other in [o for o in order.account.open_orders.values() if o.extra.get("parent") == order.id]:
                self.cancel_now(other, now)
        for watcher in self._watchers:
            watcher.on_ended(order, now)

    # --- reports of the engine --------------------------------------------------------------------

    def _report(
        self, order: SimOrder, now: int, news: OrderNews | None, *, fill: SimFill | None = None, code: int = 0
    ) -> None:
        paid = (order.fee, order.fee_base)
        self.timeline.say(OrderReport(now, order, news, order.state, order.filled, order.cost, fill, code, *paid))

    def hear(self, news: list[Any]) -> int:
        """Applies the engine's reports to the accounts; returns the error number of a refused request, 0: none was
        refused."""
        refused = 0
        changed: list[tuple[SimOrder, int]] = []
        for said in news:
            account = self.accounts[said["owner"] - 1]
            order = account.by_id[said["order_id"]]
            if said["event"] == "fill":
                changed.append((order, account.qty(order.index, order.position_side)))
                self._fill(order, said)
                continue
            refused = self._order_news(order, said) or refused
        for order, before in changed:
            self._after_fill(order, before)
        return refused

    def _order_news(self, order: SimOrder, said: dict[str, Any]) -> int:
        now, word = said["ts_event"], said["news"]
        if word == "rejected" and order.state is OrderState.TRIGGERED:
            word = "expired"  # the order had been accepted long before
        if word == "accepted":
            if said["size"] != order.size:  # the engine has cut a reduce-only order to the position
                order.size = said["size"]
            has_said = order.state is OrderState.TRIGGERED  # the order was held until it triggered
            order.state, order.updated = OrderState.ACCEPTED, now
            if not has_said:
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
            self._take_part(order, now)
            order.extra.pop("shares", None)
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
        """Cuts a triggered reduce-only order to the position, as the engine has done without a report. If there is no
        position, the order is canceled and keeps its size."""
        if not (order.reduce_only or order.is_closing):
            return
        held = order.account.qty(order.index, order.position_side)
        reducible = held if order.side is Side.SELL else -held
        if 0 < reducible < order.left:
            order.size = order.filled + reducible

    def _fill(self, order: SimOrder, said: dict[str, Any]) -> None:
        account, index, now = order.account, order.index, said["ts_event"]
        price, size, fee = said["price"], said["size"], said["fee"]
        self._take_part(order, now)
        reserved, held = order.reserved or order.extra.pop("shares", 0), account.qty(index, order.position_side)
        self._release(order)
        order.filled += size
        order.cost += price * size
        order.value += abs(self.instruments[index].notional_units(price, size))
        order.updated = now
        done = order.filled >= order.size
        order.state = OrderState.FILLED if done else OrderState.PARTIALLY_FILLED
        if reserved and not done:
            self._reserve(order)
        fee, currency, realized = self._charge(order, price, size, fee)
        fill = SimFill(said["trade_id"], now, price, size, fee, said["liquidity"] == "maker", realized, held, currency)
        account.trades.append(Trade(order, fill))
        instrument = self.instruments[index]
        settle = self.board.currencies.index(account.settle_of(index))
        account.touched[index, order.position_side] = now
        currencies: tuple[int, ...] = (settle,)
        if instrument.kind is Kind.SPOT:
            currencies = (settle, self.board.currencies.index(instrument.base))
        else:
            if realized:
                self.accounts.note_income(
                    account, now, "realized", settle, realized, index=index, trade_id=fill.trade_id
                )
            if fee:
                self.accounts.note_income(account, now, "fee", settle, -fee, index=index, trade_id=fill.trade_id)
            account.note_fee(index, order.position_side, held, fee)
        self._report(order, now, None, fill=fill)
        self.timeline.say(
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

    def _charge(self, order: SimOrder, price: int, size: int, fee: int) -> tuple[int, str, int]:
        """Books a fill and its fee; returns the fee, its currency if the account chose one, and the realized profit."""
        account, i = order.account, self.instruments[order.index]
        in_base = bool(order.extra.get("fee_in_base"))  # at spot venues an order may choose the currency of its fee
        step, step_in_base = self._fee_steps
        chosen = self._chosen_fee(order, fee, size) if account.fee_currency else 0
        if not in_base:
            fee = divide_half_even(fee, step) * step
        usual = 0 if in_base or chosen else fee
        realized = int(account.money.apply_fill(order.index, order.side, price, size, usual, order.position_side))
        if chosen:
            account.money.deposit(self.board.currencies.index(account.fee_currency), -chosen)
            return chosen, account.fee_currency, realized
        if in_base:
            fee = divide_half_even(fee * 10**i.price_decimals, price * step_in_base) * step_in_base
            account.money.deposit(self.board.currencies.index(i.base), -fee)
            order.fee_base += fee
        else:
            order.fee += fee
        return fee, "", realized

    def _chosen_fee(self, order: SimOrder, fee: int, size: int) -> int:
        """Returns what a fill costs in the account's own currency of fees; 0: the usual currency is charged, because
        the account has not enough, or the two have no market. fee: the usual one; size: of the fill."""
        account, traded, step = order.account, self.instruments[order.index], self._fee_steps[1]
        free = int(account.money.available(self.board.currencies.index(account.fee_currency)))
        if order.side is Side.SELL and traded.base == account.fee_currency:
            sold = size + (0 if order.reserved else order.left)
            free -= sold * 10 ** (MONEY_DECIMALS - traded.size_decimals)
        for i, listing in zip(self.instruments, self.listings, strict=True):
            if (i.kind, i.base, i.quote) == (Kind.SPOT, account.fee_currency, traded.settle) and listing.last:
                value = fee * FEE_PERCENT // 100 * 10**i.price_decimals
                owed = divide_half_even(value, listing.last * step) * step
                return owed if owed <= free else 0
        return 0

    @staticmethod
    def _is_bound(order: SimOrder) -> bool:
        """Tells whether a reduce-only order ends with its position. At some venues that holds for stops of a position,
        but not for stops sent with an order that may still fill."""
        parent = order.account.by_id.get(order.extra.get("parent", 0))
        return not order.trigger or ("exit" in order.extra and not (parent is not None and parent.is_open))

    def _after_fill(self, order: SimOrder, before: int) -> None:
        """Cancels reduce-only orders whose position is closed or reversed. before: the former position."""
        account, index, now = order.account, order.index, order.updated
        if self.instruments[index].kind is Kind.SPOT:
            return
        side = order.position_side if account.hedge else PositionSide.BOTH
        held = account.qty(index, side)
        is_gone = before != 0 and before * held <= 0
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
                    self.cancel_now(other, now, code=ReduceOnlyViolated.code)
        elif is_gone:
            for other in list(account.open_orders.values()):
                reduces = other.side.sign * held < 0
                if other.index == index and other.reduce_only and not reduces and self._is_bound(other):
                    self.cancel_now(other, now, code=ReduceOnlyViolated.code)
        if is_gone:
            for watcher in self._watchers:
                watcher.on_flat(account, index, side, now)
