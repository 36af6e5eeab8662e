"""Pacifica: the public data of an account: money, positions, settings, orders, histories.

Source: docs.pacifica.fi "Account" and "Orders" (2026) and the answers that ccxt 4.5.90 quotes. Lists are in pages,
newest first. Spot assets are collateral of positions; they have no market here.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final, NamedTuple

from onetape.exchange.account import SimAccount, SimOrder, Trade
from onetape.exchange.exchange import SimExchange
from onetape.exchange.joint import ONE
from onetape.exchange.pacifica import wire
from onetape.exchange.pacifica.public import PublicData, Query, number, page
from onetape.exchange.reports import CashReport, OrderReport
from onetape.model.decimals import decimal_text
from onetape.model.enums import OrderNews, OrderState, PositionSide, Side
from onetape.model.money import money
from onetape.venues.columns import columns
from onetape.venues.pacifica.words import SIDE_WORDS

__all__ = ["AccountData"]

EVENTS: Final = 1000  # events per order for which its history has numbers
_LEDGER: Final = {
    "realized": "trade",
    "fee": "trade",
    "liquidation_fee": "market_liquidation",
    "insurance": "backstop_liquidation",
    "given": "subaccount_transfer",
    "withdrawal": "withdraw",
    "adjust": "airdrop",
}
_MOVED: Final = frozenset({"deposit", "withdraw", "subaccount_transfer", "payout", "airdrop"})  # always reported
_CAUSES: Final = {"client": "normal", "settlement": "settlement", "adl": "adl_liquidation"}


# As in an answer that ccxt quotes.
_SPOT_LIMITS: Final = {
    "pending_balance": "0",
    "daily_withdraw_amount_usd": "0",
    "effective_daily_deposit_limit_usd": "50000",
    "effective_daily_withdraw_limit_usd": "250000",
}


class Spot(NamedTuple):
    """Spot assets of an account. value: at their index; collateral: as margin; both in 1e-18 USD."""

    value: int
    collateral: int
    rows: list[dict[str, str]]


INFO: Final = columns(  # of the channels, and below
    "ae:account_equity as:available_to_spend aw:available_to_withdraw b:balance f:fee_level mu:total_margin_used "
    "cm:cross_mmr oc:orders_count pb:pending_balance pc:positions_count sc:stop_orders_count sb:spot_balances "
    "t:updated_at"
)
HISTORY_TRADE: Final = columns(
    "history_id order_id client_order_id symbol amount price entry_price fee pnl event_type side created_at cause"
)


class AccountData:
    """Serves requests that read the accounts of one exchange."""

    def __init__(self, exchange: SimExchange, public: PublicData) -> None:
        self.exchange = exchange
        self.public = public
        self.opened: dict[tuple[int, int], int] = {}  # (account, instrument) -> begin of the position

    def wallet(self) -> int:
        return self.exchange.currencies.index("USDC")

    # --- money ------------------------------------------------------------------------------------

    def info(self, account: SimAccount, now: int) -> dict[str, Any]:
        at, money, spot = self.wallet(), account.money, self.spot(account)
        first = self.exchange.instruments[0]
        working = list(account.open_orders.values())
        stops = sum(1 for order in working if order.trigger)
        available = max(int(money.available(at)), 0)
        return {
            "balance": wire.usdc(money.balance(at)),
            "fee_level": 0,
            "maker_fee": decimal_text(first.maker_fee),
            "taker_fee": decimal_text(first.taker_fee),
            "account_equity": wire.usdc(money.equity(at) + spot.value),
            "cross_account_equity": wire.usdc(account.cross_equity(at) + spot.collateral),
            "spot_market_value": wire.usdc(spot.value),
            "spot_collateral": wire.usdc(spot.collateral),
            "available_to_spend": wire.usdc(available),
            "available_to_withdraw": wire.usdc(max(min(available, int(money.balance(at))), 0)),
            "pending_balance": "0",
            "pending_interest": "0",
            "total_margin_used": wire.usdc(money.initial_margin(at), is_cost=True),
            "cross_mmr": wire.usdc(money.cross_maintenance(at), is_cost=True),
            "positions_count": sum(account.has_position(index) for index in range(len(self.exchange.instruments))),
            "orders_count": len(working) - stops,
            "stop_orders_count": stops,
            "spot_balances": spot.rows,
            "updated_at": wire.ms(now),
        }

    def spot(self, account: SimAccount) -> Spot:
        value = collateral = 0
        rows = []
        for at, name in enumerate(self.exchange.currencies):
            held = int(account.money.balance(at))
            if at == self.wallet() or not held:
                continue
            rates, amount = self.exchange.accounts.rates(at), decimal_text(money(held))
            value += held * rates.price // ONE
            collateral += rates.worth(held) if account.joint is not None else 0
            rows.append({"symbol": name, "amount": amount, "available_to_withdraw": amount, **_SPOT_LIMITS})
        return Spot(value, collateral, rows)

    def count_spot(self, account: SimAccount, now: int) -> None:
        """Makes spot assets count as margin once an account has some, unless one of its markets is isolated: here an
        account has either isolated or joint margin."""
        if account.joint is None and not account.isolated and self.spot(account).rows:
            self.exchange.accounts.set_joint(account, True, now)

    def settings(self, account: SimAccount) -> list[dict[str, Any]]:
        """Returns the settings of markets that are not at cross margin with the maximum leverage."""
        rows = []
        for at, i in enumerate(self.exchange.instruments):
            isolated, leverage = at in account.isolated, account.leverage_of(at)
            if isolated or leverage != i.leverage:
                row = {"symbol": i.raw_symbol, "isolated": isolated, "leverage": leverage}
                since = wire.ms(self.exchange.market.start)  # the time of a setting is not kept
                rows.append({**row, "created_at": since, "updated_at": since})
        return rows

    # --- positions --------------------------------------------------------------------------------

    def positions(self, account: SimAccount) -> list[dict[str, Any]]:
        rows = []
        for at, i in enumerate(self.exchange.instruments):
            if not (qty := account.qty(at)):
                continue
            held, isolated = account.money.position(at), at in account.isolated
            entry, liquidation = held.entry_price(account.specs[at]), self.liquidation_price(account, at)
            updated = account.touched.get((at, PositionSide.BOTH), 0)
            rows.append(
                {
                    "symbol": i.raw_symbol,
                    "side": SIDE_WORDS[Side.BUY if qty > 0 else Side.SELL],
                    "amount": wire.size_text(i, abs(qty)),
                    "entry_price": decimal_text(round(Decimal(str(entry)), 6)),
                    "margin": wire.usdc(account.wallet(at, PositionSide.BOTH)) if isolated else "0",
                    "funding": wire.usdc(account.money.funding(at)),
                    "isolated": isolated,
                    "liquidation_price": liquidation,
                    "created_at": wire.ms(self.opened.get((account.number, at), updated)),
                    "updated_at": wire.ms(updated),
                }
            )
        return rows

    def liquidation_price(self, account: SimAccount, at: int) -> str | None:
        """Returns the mark at which the margin, other positions unchanged, falls to the maintenance margin (half of the
        initial margin at the maximum leverage); None if no price does it."""
        price = self.exchange.clearing.liquidation_price(account, at, PositionSide.BOTH)
        return decimal_text(round(Decimal(str(price)), 6)) if price else None

    # --- orders -----------------------------------------------------------------------------------

    def open_orders(self, account: SimAccount) -> dict[str, Any]:
        rows = [wire.shown(self.order_row(order), wire.OPEN) for order in account.open_orders.values()]
        return wire.envelope(rows, last_order_id=self.public.last_id)

    def order_row(self, order: SimOrder, report: OrderReport | None = None) -> dict[str, Any]:
        return wire.order_row(self.exchange.instruments[order.index], order, report)

    def order_history(self, account: SimAccount, query: Query) -> dict[str, Any]:
        orders = sorted(account.by_id.values(), key=lambda order: -order.id)
        return page(orders, query, lambda order: wire.shown(self.order_row(order), wire.HISTORY))

    def events_of(self, query: Query) -> dict[str, Any]:
        """Returns the events of an order, newest first: its creation, fills, and end."""
        number_ = number(query, "order_id", None)
        order = next((a.by_id[number_] for a in self.exchange.accounts if number_ in a.by_id), None)
        if order is None:
            return wire.envelope([])
        filled = cost = 0
        reports = [OrderReport(order.created, order, OrderNews.ACCEPTED, OrderState.ACCEPTED, 0, 0)]
        for each in order.account.trades:
            if each.order is order:
                filled, cost = filled + each.fill.size, cost + each.fill.size * each.fill.price
                state = OrderState.FILLED if filled == order.size else OrderState.PARTIALLY_FILLED
                reports.append(OrderReport(each.fill.time, order, None, state, filled, cost, each.fill))
        rows = [self.order_row(order, report) for report in reports]
        if order.state.is_final and order.state is not OrderState.FILLED:
            rows.append(self.order_row(order))
        numbered = [
            wire.shown({**row, "history_id": order.id * EVENTS + at}, wire.EVENT) for at, row in enumerate(rows)
        ]
        return wire.envelope(numbered[::-1])

    # --- trades and money movements ---------------------------------------------------------------

    def trade_row(self, trade: Trade) -> dict[str, Any]:
        order, fill = trade
        i = self.exchange.instruments[order.index]
        sign = order.side.sign
        closes = fill.held * sign < 0
        entry = wire.price_text(i, fill.price)
        if closes:  # a closing fill reports the entry price
            closed = min(abs(fill.held), fill.size)
            made = Decimal(fill.realized).scaleb(-18) / i.size(closed)
            entry = decimal_text(round(i.price(fill.price) + made * sign, 6))
        word = ("close_short" if sign > 0 else "close_long") if closes else ("open_long" if sign > 0 else "open_short")
        return {
            "history_id": self.public.trade_number(order.index, fill.trade_id),
            "order_id": order.id,
            "client_order_id": order.client_id or None,
            "account": order.account.key,
            "symbol": i.raw_symbol,
            "amount": wire.size_text(i, fill.size),
            "price": wire.price_text(i, fill.price),
            "entry_price": entry,
            "fee": wire.usdc(fill.fee, is_cost=True),
            "pnl": wire.usdc(fill.realized - fill.fee),
            "event_type": "fulfill_maker" if fill.is_maker else "fulfill_taker",
            "side": word,
            "created_at": wire.ms(fill.time),
            "cause": _CAUSES.get(order.origin, "market_liquidation"),
        }

    def trades(self, account: SimAccount, query: Query) -> dict[str, Any]:
        begin, end = number(query, "start_time", 0), number(query, "end_time", 2**62)
        symbol = query.get("symbol")
        at = None if symbol is None else self.public.at(symbol)
        found = [
            each
            for each in reversed(account.trades)
            if begin <= wire.ms(each.fill.time) <= end and at in (None, each.order.index)
        ]
        return page(found, query, lambda each: wire.shown(self.trade_row(each), HISTORY_TRADE))

    def fundings(self, account: SimAccount, query: Query) -> dict[str, Any]:
        rows = []
        for item in reversed(account.income):
            if item.kind == "funding":
                rate, size = self._funding_at(item.at, item.time, item.amount)
                rows.append(
                    {
                        "history_id": item.id,
                        "symbol": self.exchange.instruments[item.at].raw_symbol,
                        "side": SIDE_WORDS[Side.SELL if item.amount * rate > 0 else Side.BUY],
                        "amount": size,
                        "payout": wire.usdc(item.amount),
                        "rate": wire.rate_text(rate),
                        "created_at": wire.ms(item.time),
                    }
                )
        return page(rows, query)

    def _funding_at(self, at: int, time: int, paid: int) -> tuple[int, str]:
        """Returns (rate, position) of a funding payment, from its settlement."""
        i, listing = self.exchange.instruments[at], self.exchange.listings[at]
        rate, mark = next(((rate, mark) for when, rate, mark in listing.fundings if when == time), (0, 0))
        one = i.notional_units(mark, 10**i.size_decimals) * rate // 10**12 if mark else 0
        held = round(abs(paid) * 10**i.size_decimals / abs(one)) if one else 0
        return rate, wire.size_text(i, held)

    def ledger(self, account: SimAccount, query: Query) -> dict[str, Any]:
        """Returns the changes of the USDC balance, each with the resulting balance."""
        balance, rows = 0, []
        for item in (each for each in account.income if each.currency == self.wallet()):
            balance += item.amount
            rows.append(
                {
                    "amount": wire.usdc(item.amount),
                    "balance": wire.usdc(balance),
                    "pending_balance": "0",
                    "event_type": _LEDGER.get(item.kind, item.kind),
                    "created_at": wire.ms(item.time),
                }
            )
        if query.get("include_trades") != "true":
            rows = [row for row in rows if row["event_type"] in _MOVED]
        return page(rows[::-1], query)

    def transfer(self, report: CashReport) -> dict[str, Any]:
        """Returns deposits and withdrawals in the form of `account_transfers`; other changes are left out."""
        event, between = "deposit" if report.amount > 0 else "withdraw", {}
        if report.account.income[-1].kind == "given":
            last, event = self.exchange.accounts.account_transfers[-1], "subaccount_transfer"
            by_name = {each.name: each.key for each in self.exchange.accounts}
            between = {"s": by_name[last.source], "r": by_name[last.target]}
        return {
            "u": report.account.key,
            "e": event,
            "a": self.exchange.currencies[report.currencies[0]],
            "am": f"{abs(money(report.amount)):.6f}",
            "t": wire.ms(report.time),
            **between,
        }

    def on_report(self, report: OrderReport) -> None:
        """Notes when a position began."""
        if fill := report.fill:
            order, key = report.order, (report.order.account.number, report.order.index)
            after = fill.held + fill.size * order.side.sign
            if fill.held * after <= 0:
                self.opened[key] = fill.time
