"""A simulated exchange: the matching engine, accounts with money, and everything that is said.

A pure core: time is handed in, must not go back, and nothing here reads a clock. The same object
stands behind the servers of all venues, under a virtual clock in simulation, and in tests. What a
venue calls things is the business of its dialect.

    exchange.advance(now)                  # the market moves to `now`
    order = exchange.place(account, 0, now, side=Side.BUY, ...)
    for report in exchange.take(): ...     # all that came of it, in order

Every call that changes something can be recorded and replayed (`recorder`), so that an exchange
that was killed comes back as it was: equal seed, equal calls, equal state.
"""

from __future__ import annotations

import heapq
import struct
from collections.abc import Iterable
from contextlib import suppress
from decimal import Decimal
from typing import Any, Final

from onetape._core import FLAG_SNAPSHOT
from onetape.exchange.account import AccountTransfer, MarginMove, SimAccount
from onetape.exchange.conditional import Conditional, ConditionalBook
from onetape.exchange.joint import Collateral
from onetape.exchange.keys import HMAC, MAIN, ApiKey, new_key
from onetape.exchange.listing import Listing, changed_brackets, changed_filters
from onetape.exchange.outside import Outside
from onetape.exchange.recording import recorded
from onetape.exchange.reports import CashReport, DepthReport, MarkReport, ModeReport, QuoteReport, SimOrder, TradeReport
from onetape.exchange.state import Market
from onetape.model.enums import EventType, Kind, PositionSide, Side, TimeInForce, TriggerBy
from onetape.model.errors import BadConfig, OnetapeError, OrderUnknown, ReduceOnlyViolated, check
from onetape.model.instrument import Instrument
from onetape.model.money import money_units

__all__ = ["NEVER", "Listing", "SimExchange"]

NEVER: Final = 2**63 - 1

_QUOTE, _TRADE, _BOOK = EventType.QUOTE.id, EventType.TRADE.id, EventType.BOOK.id
_MARK, _BAR, _FUNDING = EventType.MARK.id, EventType.BAR.id, EventType.FUNDING.id
_QUOTE_FIELDS = struct.Struct("<6qQ")
_TRADE_FIELDS = struct.Struct("<4qQQB")
_BOOK_FIELDS = struct.Struct("<2q3Q2I")
_MARK_FIELDS = struct.Struct("<4q")
_FUNDING_FIELDS = struct.Struct("<3q")
_LEVEL = struct.Struct("<qq")
_SIDES = (Side.NONE, Side.BUY, Side.SELL)


class SimExchange(Outside):
    """start: ns UTC, where the market begins. `listings` and accounts are in the order given."""

    def __init__(
        self,
        market: Market,
        *,
        self_trade: str = "cancel_resting",
        trigger_delay: int = 5_000_000,
        first_order_id: int = 1_000_000_001,
        currencies: tuple[str, ...] = (),  # that accounts hold besides those of the instruments
        isolates: bool = False,  # isolated positions have margin of their own, and end alone
        collateral: dict[str, Collateral] | None = None,  # what counts as joint margin
        outside_wallet: str = "",
    ) -> None:
        self.isolates = isolates
        self.collateral = collateral or {}
        super().__init__(
            market,
            self_trade=self_trade,
            first_order_id=first_order_id,
            currencies=currencies,
            outside_wallet=outside_wallet,
        )
        self.conditionals = ConditionalBook(self, delay=trigger_delay)
        for index, listing in enumerate(self.listings):
            if listing.instrument.perpetual:
                self._schedule_funding(index, self.now)

    @recorded
    def open_account(
        self, name: str, key: str, secret: str, balances: dict[str, str], *, leverage: int = 20
    ) -> SimAccount:
        account = SimAccount(
            name=name,
            number=len(self.accounts) + 1,
            key=key,
            secret=secret,
            instruments=self.instruments,
            currencies=self.currencies,
            leverage_default=leverage,
        )
        self.accounts.append(account)
        self.by_key[key] = account
        self.keys[key] = ApiKey(key, account, MAIN, HMAC, secret)
        for currency, amount in balances.items():
            self.deposit(account, currency, amount, self.now, reason="deposit")
        for index, listing in enumerate(self.listings):
            if listing.mark:
                account.money.set_mark(index, listing.mark)
        self.take()
        return account

    @recorded
    def make_key(self, account: SimAccount, label: str, kind: str = HMAC, public: str = "") -> ApiKey:
        """Another key of an account; its secret follows from the seed. Raises BadConfig."""
        made = new_key(self.keyring, account, label, kind=kind, public=public)
        if made.key in self.keys:
            raise BadConfig(f"there is a key {label!r}", location=account.name)
        self.by_key[made.key] = account
        self.keys[made.key] = made
        return made

    @recorded
    def change_key(
        self,
        key: str,
        *,
        can_trade: bool | None = None,
        can_withdraw: bool | None = None,
        addresses: list[str] | None = None,
    ) -> None:
        """What a key may do, and from where (empty: anywhere); None leaves it."""
        found = self.keys[key]
        if can_trade is not None:
            found.can_trade = can_trade
        if can_withdraw is not None:
            found.can_withdraw = can_withdraw
        if addresses is not None:
            found.addresses = tuple(addresses)

    @recorded
    def withdraw_key(self, key: str) -> None:
        """It is as if it had never been."""
        del self.keys[key], self.by_key[key]

    @recorded
    def deposit(
        self,
        account: SimAccount,
        currency: str,
        amount: str,
        now: int,
        *,
        reason: str = "deposit",
        silent: bool = False,
    ) -> None:
        """Money that comes (or goes, negative) from outside. silent: the balance is another one,
        and nothing tells why."""
        at = self.currencies.index(currency)
        units = money_units(Decimal(amount))
        account.money.deposit(at, units)
        if silent:
            account.silent.append((now, at, units))
            return
        self._note_income(account, now, reason, at, units, -1)
        self.say(CashReport(now, account, reason, (at,), (), units))

    @recorded
    def transfer(self, account: SimAccount, currency: str, amount: str, now: int) -> int:
        """From the other wallet to the one that is traded from; back where it is negative. The
        caller has seen to it that it is there. Gives its id."""
        at = self.currencies.index(currency)
        units = money_units(Decimal(amount))
        account.beside[at] = account.beside.get(at, 0) - units
        account.money.deposit(at, units)
        number = self._next_income
        self._note_income(account, now, "transfer", at, units, -1)
        reason = "deposit" if units > 0 else "withdraw"
        self.say(CashReport(now, account, reason, (at,), (), units))
        return number

    @recorded
    def give(
        self,
        account: SimAccount,
        target: str,
        wallets: tuple[str, str],
        currency: str,
        amount: str,
        name: str,
        now: int,
    ) -> int:
        """From one account to another, by name; wallets: of both, "" is the one that is traded
        from. The caller has seen to it that it is there. Gives its id."""
        at = self.currencies.index(currency)
        units = money_units(Decimal(amount))
        other = next(each for each in self.accounts if each.name == target)
        number = self._next_income
        for one, wallet, change in ((account, wallets[0], -units), (other, wallets[1], units)):
            if wallet:
                one.beside[at] = one.beside.get(at, 0) + change
                continue
            one.money.deposit(at, change)
            self._note_income(one, now, "given", at, change, -1)
            reason = "deposit" if change > 0 else "withdraw"
            self.say(CashReport(now, one, reason, (at,), (), change))
        self._next_income = max(self._next_income, number + 1)
        row = AccountTransfer(number, now, name, account.name, target, (wallets[0], wallets[1]), at, units)
        self.account_transfers.append(row)
        return number

    @recorded
    def set_leverage(self, account: SimAccount, index: int, leverage: int, now: int) -> None:
        account.set_leverage(index, leverage)
        self.say(ModeReport(now, account, "leverage", index))

    @recorded
    def set_isolated(self, account: SimAccount, index: int, isolated: bool, now: int) -> None:
        if self.isolates:
            account.set_isolated(index, isolated)
            account.money.set_mark(index, self.listings[index].mark or self.listings[index].last)
        else:
            (account.isolated.add if isolated else account.isolated.discard)(index)
        self.say(ModeReport(now, account, "margin", index))

    @recorded
    def set_joint(self, account: SimAccount, joint: bool, now: int) -> None:
        """Whether all currencies are the margin of all positions. The caller has seen to it that
        there are no orders and nothing isolated."""
        account.set_joint(self.rates if joint else None)
        account.called.clear()
        self.say(ModeReport(now, account, "joint"))

    @recorded
    def move_margin(self, account: SimAccount, index: int, side: PositionSide | str, amount: int, now: int) -> None:
        """To an isolated position, or from it where negative; the caller has checked that it is
        there. amount: 1e-18."""
        side = PositionSide(side)
        account.money.move(index, side.value, amount)
        account.margin_moves.append(MarginMove(now, index, side, amount))
        settle = self.currencies.index(self.instruments[index].settle)
        self.say(CashReport(now, account, "margin", (settle,), ((index, side),), -amount, index))

    @recorded
    def set_hedge(self, account: SimAccount, hedge: bool, now: int) -> None:
        """The caller has seen to it that there are no positions and no orders."""
        account.set_hedge(hedge)
        for index, listing in enumerate(self.listings):
            if listing.mark:
                account.money.set_mark(index, listing.mark)
        self.say(ModeReport(now, account, "hedge"))

    def advance(self, now: int) -> None:
        """Everything until `now`, inclusive: the market, triggers, funding, expiries."""
        check(now >= self.now, f"time goes back: {now} after {self.now}")
        flow = self.flow
        timers = self._timers
        while True:
            due = flow.next_expiry
            if timers and timers[0][0] < due:
                due = timers[0][0]
            if (coming := flow.next_time) < due and coming <= now:
                event = flow.next(min(due, now + 1))
                if event is not None:
                    self.now = event[3]
                    self._take_market(*event)
                continue
            if due > now:
                break
            self.now = max(due, self.now)
            if self._timers and self._timers[0][0] <= due:
                _, _, what = heapq.heappop(self._timers)
                what(self.now)
            else:
                self._hear(flow.expire(self.now))
        self.now = now

    def advance_unheard(self, now: int) -> None:
        """As `advance`, and nothing is said of books and quotes: three quarters of the market's
        words, which take most of the time to make."""
        self._is_heard = False
        try:
            self.advance(now)
        finally:
            self._is_heard = True

    def _take_market(self, kind: int, flags: int, index: int, time: int, payload: bytes) -> None:
        listing = self.listings[index]
        if kind == _BOOK:
            _, _, first, last, _, bids, asks = _BOOK_FIELDS.unpack_from(payload)
            before, listing.depth_id = listing.depth_id, last
            if self._is_heard and not flags & FLAG_SNAPSHOT:
                levels = list(_LEVEL.iter_unpack(payload[_BOOK_FIELDS.size :]))
                self.say(DepthReport(time, index, first, last, before, levels[:bids], levels[bids : bids + asks]))
        elif kind == _QUOTE:
            _, _, bid, ask, bid_size, ask_size, update = _QUOTE_FIELDS.unpack_from(payload)
            listing.bid, listing.bid_size = bid, bid_size
            listing.ask, listing.ask_size = ask, ask_size
            if self._is_heard:
                quote = QuoteReport(time, index, bid, bid_size, ask, ask_size, update)
                listing.quotes.append(quote)
                self.say(quote)
        elif kind == _TRADE:
            _, _, price, size, trade_id, _, side = _TRADE_FIELDS.unpack_from(payload)
            trade = TradeReport(time, index, price, size, _SIDES[side], trade_id)
            if listing.bar is not None and listing.bar.close_time <= time:
                self._close_bar(listing, listing.bar.close_time)  # its end comes after the trade
            listing.add_trade(trade)
            self.say(trade)
        elif kind == _MARK:
            _, _, mark, index_price = _MARK_FIELDS.unpack_from(payload)
            self._set_mark(index, mark, index_price, time)
        elif kind == _FUNDING:
            listing.funding_rate = _FUNDING_FIELDS.unpack_from(payload)[2]
        elif kind == _BAR:
            self._close_bar(listing, time)
        self._hear(self.flow.news())
        if kind == _TRADE:
            self.conditionals.on_price(index, TriggerBy.LAST, listing.last, time)

    def _close_bar(self, listing: Listing, end: int) -> None:
        if (bar := listing.close_bar(end)) is not None:
            self.say(bar)

    def _set_mark(self, index: int, mark: int, index_price: int, now: int) -> None:
        listing = self.listings[index]
        listing.add_mark(now, mark, index_price)
        self.say(MarkReport(now, index, mark, index_price))
        self._hear(self.flow.set_prices(index, now, mark, index_price))
        for account in self.accounts:
            account.money.set_mark(index, mark)
            if account.joint is not None:
                self._check_joint(account, index, now)
                continue
            if listing.instrument.kind is not Kind.SPOT and account.has_position(index):
                if index in account.isolated and self.isolates:
                    self._check_isolated(account, index, now)
                else:
                    self._check_margin(account, index, now)
        self.conditionals.on_price(index, TriggerBy.MARK, mark, now)

    @recorded
    def place(self, account: SimAccount, index: int, now: int, **wanted: Any) -> SimOrder:
        """A new order; the arguments are those of `place_now`. Refused ones are REJECTED."""
        return self.place_now(account, index, now, **wanted)

    @recorded
    def cancel(self, account: SimAccount, order: SimOrder, now: int) -> int:
        """0, or the number of the error."""
        return self._cancel(order, now)

    @recorded
    def drop(self, account: SimAccount, order: SimOrder) -> None:
        """As if an order had never been: what was refused at the door of a venue that keeps no
        record of such."""
        account.drop(order)

    @recorded
    def note(self, order: SimOrder, values: dict[str, Any]) -> None:
        """What only the dialect knows of an order; None takes a value away."""
        for name, value in values.items():
            if value is None:
                order.extra.pop(name, None)
            else:
                order.extra[name] = value

    @recorded
    def set_open(self, index: int, is_open: bool, now: int) -> None:
        """Halts an instrument, or opens it again. What works stays in the book."""
        self.listings[index].is_open = is_open

    @recorded
    def set_listed(self, index: int, is_listed: bool, now: int) -> None:
        """Whether the venue knows of an instrument at all."""
        self.listings[index].is_listed = is_listed

    @recorded
    def set_maintenance(self, until: int, allowed: str) -> None:
        """Until a time (ns UTC, 0: it is over) only requests of the purpose are taken."""
        self.maintenance = (until, allowed)

    @recorded
    def delist(self, index: int, now: int) -> None:
        """No trading any more: what works is cancelled, what is held is settled."""
        for account in self.accounts:
            self._cancel_of(account, index, now)
            for side in account.sides:
                if account.qty(index, side):
                    self._close_by_force(account, index, side, now, "settlement")
        self.listings[index].is_open = False

    def _cancel_of(self, account: SimAccount, index: int, now: int) -> None:
        for order in [o for o in account.open_orders.values() if o.index == index]:
            self._cancel(order, now)
        for waiting in self.conditionals.open_of(account, index):
            self.conditionals.cancel(waiting, now)

    @recorded
    def change_instrument(self, index: int, changes: dict[str, str]) -> None:
        """Another version of an instrument's filters, from decimals as text. They may only grow
        coarser than what the matching engine has: it goes on with the first version. Raises
        BadInput."""
        self._replace(index, changed_filters(self.instruments[index], changes))

    @recorded
    def change_brackets(self, index: int, rows: list[dict[str, Any]]) -> None:
        """Another table of leverage and maintenance margin. Raises BadInput."""
        self._replace(index, changed_brackets(self.instruments[index], rows))
        for account in self.accounts:
            account.set_brackets(index, self.instruments[index].brackets)

    def _replace(self, index: int, found: Instrument) -> None:
        instruments = list(self.instruments)
        instruments[index] = self.listings[index].instrument = found
        self.instruments = tuple(instruments)

    @recorded
    def dead_man(self, account: SimAccount, after: int, now: int, index: int | None = None) -> None:
        """Cancels what works, of an instrument or all of it, when nobody has called again within
        `after` ns; 0 disarms. It acts once."""
        armed = self._dead_men.get((account.number, index), 0) + 1
        self._dead_men[account.number, index] = armed

        def fire(due: int) -> None:
            if self._dead_men.get((account.number, index)) != armed:
                return
            for order in [o for o in account.open_orders.values() if index in (None, o.index)]:
                self._cancel(order, due)

        if after:
            self.at(now + after, fire)

    @recorded
    def cancel_all(self, account: SimAccount, now: int, index: int | None = None) -> list[SimOrder]:
        """In the order they were placed; what was cancelled."""
        chosen = [o for o in account.open_orders.values() if index is None or o.index == index]
        for order in chosen:
            self._cancel(order, now)
        return chosen

    @recorded
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
        """0 leaves a value as it is. Gives 0, or the number of the error. client_id: the order's
        new one, at venues where an amendment may rename it; free, as the caller has checked."""
        if not order.is_open:
            return OrderUnknown.code
        closes = account.hedge and order.is_closing and not order.trigger
        # What is closed may not be more than there is: the side would turn.
        if closes and size and size - order.filled > self._closable(order):
            return ReduceOnlyViolated.code
        if order.reserved:
            self._release(order)
            code = account.money.check_funds(
                order.index,
                order.side.value,
                price or order.price or self._cap(order, trigger),
                max((size or order.size) - order.filled, 0),
                False,
                order.position_side.value,
            )
            self._reserve(order)
            if code:
                return int(code)
        was = order.client_id, order.trigger
        if client_id:
            account.rename(order, client_id)
        if trigger and order.trigger:
            order.trigger = trigger  # before the request: it may fire at once
        code = self._hear(
            self.flow.request(
                order.index,
                account.number,
                now,
                order_id=order.id,
                kind="amend",
                price=self._cap(order) if trigger and self._is_capped(order) else price,
                size=size,
                trigger=trigger,
                side=order.side.value,
            )
        )
        if code:
            account.rename(order, was[0])
            order.trigger = was[1]
        return code

    @recorded
    def place_conditional(self, account: SimAccount, now: int, **terms: Any) -> Conditional:
        """The caller has checked the terms (fields of Conditional)."""
        terms["side"] = Side(terms["side"])
        terms["position_side"] = PositionSide(terms["position_side"])
        terms["by"] = TriggerBy(terms["by"])
        terms["tif"] = TimeInForce(terms["tif"])
        order = Conditional(id=self._next_id, account=account, created=now, updated=now, **terms)
        self._next_id += 1
        self.conditionals.add(order)
        return order

    @recorded
    def cancel_conditional(self, order: Conditional, now: int) -> None:
        self.conditionals.cancel(order, now)

    @recorded
    def fund(self, index: int, now: int, rate: int | None = None) -> None:
        """Funding at once, at a rate in 1e-12 if one is given."""
        if rate is not None:
            self.listings[index].funding_rate = rate
        self._settle_funding(index, now)

    @recorded
    def force_close(self, account: SimAccount, index: int, side: PositionSide | str, now: int, origin: str) -> None:
        """Liquidation, adl or settlement, when somebody wants to see one."""
        self._close_by_force(account, index, PositionSide(side), now, origin)

    def replay(self, calls: Iterable[tuple[int, str, list[Any], dict[str, Any]]]) -> None:
        """Makes recorded calls again: (now, method, arguments, keywords) as the recorder had
        them."""
        for now, name, args, kwargs in calls:
            self.advance_unheard(max(now, self.now))
            # What was refused then is refused again: the caller was told, and went on.
            with suppress(ValueError, TypeError, OnetapeError):
                getattr(self, name)(*[self._object(a) for a in args], **kwargs)
            self.take()

    def _object(self, value: object) -> object:
        match value:
            case {"account": int(number)}:
                return self.accounts[number - 1]
            case {"order": int(number)}:
                return next(a.by_id[number] for a in self.accounts if number in a.by_id)
            case {"conditional": int(number)}:
                return self.conditionals.by_id[number]
            case _:
                return value
