"""Manual actions on accounts and instruments: the venue's own, or those of its customer on the venue's website."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from onetape.exchange.account import SimAccount, SimOrder
from onetape.exchange.exchange import SimExchange
from onetape.exchange.fault_facts import VenueWords
from onetape.exchange.faults import ActiveRule
from onetape.exchange.listing import changed_filters
from onetape.exchange.order_entry import NewOrder
from onetape.model.enums import Kind, OrderType, PositionSide, Side
from onetape.model.errors import BadConfig, BadInput
from onetape.model.money import money_units

__all__ = ["account_of", "amount_of", "by_hand", "deposit", "trade_by_hand"]


def account_of(exchange: SimExchange, name: object) -> SimAccount:
    """Returns an account by its name. Raises BadConfig."""
    for account in exchange.accounts:
        if account.name == name:
            return account
    names = ", ".join(a.name for a in exchange.accounts)
    raise BadConfig(f"no account {name!r}", todo=f"one of {names}")


def amount_of(text: object, name: str = "amount") -> Decimal:
    """Returns a finite decimal, not 0. Raises BadConfig."""
    try:
        value = Decimal(text) if isinstance(text, str) else Decimal("nan")
    except InvalidOperation:
        value = Decimal("nan")
    if not value.is_finite() or not value or abs(value) >= Decimal(10) ** 15:
        raise BadConfig(f"{name} is no amount: {text!r}", todo='a decimal as text, such as "-0.5"')
    return value


def deposit(
    exchange: SimExchange,
    account: SimAccount,
    currency: str,
    amount: Decimal,
    now: int,
    *,
    reason: str,
    silent: bool = False,
) -> None:
    """Deposits money, or withdraws it if negative. silent: neither stream nor history report it. Raises BadConfig."""
    if currency not in exchange.currencies:
        names = ", ".join(exchange.currencies)
        raise BadConfig(f"no currency {currency!r}", todo=f"one of {names}")
    if amount.as_tuple().exponent < -18:  # type: ignore[operator]
        raise BadConfig(f"more than 18 decimals: {amount}")
    money_units(amount)
    exchange.accounts.deposit(account, currency, str(amount), now, reason=reason, silent=silent)


def trade_by_hand(exchange: SimExchange, account: SimAccount, index: int, amount: Decimal, now: int) -> SimOrder:
    """Places a market order as from the venue's website: its client id belongs to no program. amount: signed, in the
    instrument's base or contracts. In hedge mode the order opens the long or the short side. Raises BadConfig."""
    instrument = exchange.instruments[index]
    if abs(amount) % instrument.lot:
        raise BadConfig(f"{amount} is no multiple of the lot {instrument.lot} of {instrument.symbol}")
    size = instrument.size_int(abs(amount))
    side = Side.BUY if amount > 0 else Side.SELL
    position = PositionSide.BOTH
    if account.hedge and instrument.kind is not Kind.SPOT:
        position = PositionSide.LONG if amount > 0 else PositionSide.SHORT
    wanted = NewOrder(
        side=side, type=OrderType.MARKET, size=size, position_side=position, client_id=f"web_{exchange.orders.next_id}"
    )
    return exchange.orders.place(account, index, now, wanted)


def by_hand(
    exchange: SimExchange, words: VenueWords, active: ActiveRule, now: int, *, only_check: bool = False
) -> None:
    """Carries out a fault rule with action delist, filter, balance or position. only_check: only check it. Raises
    BadConfig."""
    rule = active.rule
    match active.action:
        case "delist":
            index = words.index(rule.symbol)
            if not only_check:
                exchange.clearing.delist(index, now)
        case "filter":
            index = words.index(rule.symbol)
            try:
                changed_filters(exchange.instruments[index], rule.changes)
            except BadInput as error:
                raise BadConfig(error.what, location=error.location, todo=error.todo) from None
            if not only_check:
                exchange.board.change_instrument(index, rule.changes)
        case "balance":
            account, amount = account_of(exchange, rule.account), amount_of(rule.amount)
            if rule.currency not in exchange.currencies:
                names = ", ".join(exchange.currencies)
                raise BadConfig(f"no currency {rule.currency!r}", todo=f"one of {names}")
            if not only_check:
                deposit(exchange, account, rule.currency, amount, now, reason="adjust")
        case "position":
            account, amount = account_of(exchange, rule.account), amount_of(rule.amount)
            index = words.index(rule.symbol)
            if not only_check:
                trade_by_hand(exchange, account, index, amount, now)
