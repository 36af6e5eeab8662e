"""BitMEX: positions, margin, wallet, executions.

Source: BitMEX API documentation, "Position", "User" and "Execution". Margin is cross unless a
position is isolated; money is whole XBt and USDt.
"""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from typing import Any, Final

from onetape.exchange.account import Income, SimAccount
from onetape.exchange.bitmex.public import LEVERAGE_MAX, PublicData, rate_number
from onetape.exchange.bitmex.rows import Params, flag, page, text
from onetape.exchange.bitmex.wire import (
    ASSETS,
    Refused,
    contract_value,
    iso,
    key_id,
    money_int,
    notionals,
    order_row,
    price_number,
    wallet_name,
)
from onetape.exchange.exchange import SimExchange
from onetape.exchange.reports import CashReport, OrderReport
from onetape.model.enums import Kind, OrderNews, OrderState, Side
from onetape.model.money import RATE_DECIMALS, rate_units

__all__ = ["AccountData"]

EXECUTIONS_KEPT: Final = 50_000  # per account
_TYPES: Final = {"deposit": "Deposit", "withdraw": "Withdrawal", "adjust": "Transfer", "funding": "Funding"}
_EXEC_TYPES: Final = {
    OrderNews.ACCEPTED: "New",
    OrderNews.CANCELED: "Canceled",
    OrderNews.EXPIRED: "Canceled",
    OrderNews.UPDATED: "Replaced",
    OrderNews.TRIGGERED: "TriggeredOrActivatedBySystem",
    OrderNews.REJECTED: "Canceled",
}


class AccountData:
    """Answers the account endpoints of one exchange."""

    def __init__(self, exchange: SimExchange, public: PublicData) -> None:
        self.exchange = exchange
        self.public = public
        self._executions: dict[int, deque[dict[str, Any]]] = {}
        self._made = 0

    # --- money ------------------------------------------------------------------------------------

    def currencies(self, params: Params) -> list[int]:
        """Returns the requested currency by its wallet name; all currencies for `all`, bitcoin by default."""
        name = text(params, "currency") or "XBt"
        found = [
            at
            for at, currency in enumerate(self.exchange.currencies)
            if currency in ASSETS and name.lower() in ("all", wallet_name(currency).lower())
        ]
        if not found:
            raise Refused("Invalid symbol", name="ValidationError")
        return found

    def margin_row(self, account: SimAccount, at: int, now: int) -> dict[str, Any]:
        money, currency = account.money, self.exchange.currencies[at]
        wallet, equity = int(money.balance(at)), self._equity(account, at)
        initial, maintenance = int(money.initial_margin(at)), int(money.maintenance_margin(at))
        available = max(int(money.available(at)), 0)
        withdrawable = max(min(available, wallet), 0)
        value = sum(
            contract_value(i, self._mark(at_), abs(account.qty(at_)))
            for at_, i in enumerate(self.exchange.instruments)
            if i.settle == currency
        )
        return {
            "account": account.number,
            "currency": wallet_name(currency),
            "riskLimit": 1_000_000_000_000,
            "amount": money_int(wallet, currency),
            "grossComm": 0,
            "grossMarkValue": value,
            "riskValue": value,
            "initMargin": money_int(initial, currency),
            "maintMargin": money_int(maintenance, currency),
            "realisedPnl": money_int(self._realised(account, at), currency),
            "unrealisedPnl": money_int(equity - wallet, currency),
            "walletBalance": money_int(wallet, currency),
            "marginBalance": money_int(equity, currency),
            "marginLeverage": round(value / max(money_int(equity, currency), 1), 4),
            "marginUsedPcnt": round(maintenance / equity, 4) if equity > 0 else 0,
            "excessMargin": money_int(equity - maintenance, currency),
            "availableMargin": money_int(available, currency),
            "withdrawableMargin": money_int(withdrawable, currency),
            "timestamp": iso(now),
        }

    def _equity(self, account: SimAccount, at: int) -> int:
        """Returns balance plus unrealized profit of contracts."""
        return int(account.money.balance(at)) + sum(
            int(account.money.unrealized(index))
            for index, i in enumerate(self.exchange.instruments)
            if i.kind is not Kind.SPOT and self.exchange.currencies.index(i.settle) == at
        )

    def _realised(self, account: SimAccount, at: int) -> int:
        return sum(
            self._realised_of(account, index)
            for index, i in enumerate(self.exchange.instruments)
            if self.exchange.currencies.index(i.settle) == at
        )

    @staticmethod
    def _realised_of(account: SimAccount, index: int) -> int:
        money = account.money
        return int(money.position(index).realized) - int(money.fees(index)) + int(money.funding(index))

    def margin(self, account: SimAccount, params: Params, now: int) -> Any:
        rows = [self.margin_row(account, at, now) for at in self.currencies(params)]
        return rows if text(params, "currency").lower() == "all" else rows[0]

    def wallet_row(self, account: SimAccount, at: int, now: int) -> dict[str, Any]:
        currency = self.exchange.currencies[at]
        came = sum(item.amount for item in account.income if item.currency == at and item.kind in ("deposit", "adjust"))
        balance = int(account.money.balance(at))
        return {
            "account": account.number,
            "currency": wallet_name(currency),
            "deposited": money_int(came, currency),
            "withdrawn": 0,
            "transferIn": 0,
            "transferOut": 0,
            "deltaAmount": money_int(balance - came, currency),
            "amount": money_int(balance, currency),
            "pendingCredit": 0,
            "pendingDebit": 0,
            "confirmedDebit": 0,
            "timestamp": iso(now),
        }

    def wallet(self, account: SimAccount, params: Params, now: int) -> Any:
        rows = [self.wallet_row(account, at, now) for at in self.currencies(params)]
        return rows if text(params, "currency").lower() == "all" else rows[0]

    def wallet_history(self, account: SimAccount, params: Params) -> list[dict[str, Any]]:
        """Returns the history, newest first as at the venue. Amounts are differences of rounded balances, so that they
        add up."""
        rows: list[dict[str, Any]] = []
        wanted = self.currencies(params)
        running: dict[int, int] = {}
        items: list[Income] = [item for item in account.income if item.currency in wanted]
        for item in items:
            currency = self.exchange.currencies[item.currency]
            before = money_int(running.get(item.currency, 0), currency)
            running[item.currency] = running.get(item.currency, 0) + item.amount
            after = money_int(running[item.currency], currency)
            symbol = self.exchange.instruments[item.at].raw_symbol if item.at >= 0 else ""
            rows.append(
                {
                    "transactID": key_id(f"income/{account.number}", item.id),
                    "account": account.number,
                    "currency": wallet_name(currency),
                    "transactType": _TYPES.get(item.kind, "RealisedPNL"),
                    "amount": after - before,
                    "fee": 0,
                    "transactStatus": "Completed",
                    "address": symbol,
                    "tx": "",
                    "text": "",
                    "walletBalance": after,
                    "transactTime": iso(item.time),
                    "timestamp": iso(item.time),
                }
            )
        return page(rows[::-1], params)

    # --- positions --------------------------------------------------------------------------------

    def _mark(self, index: int) -> int:
        listing = self.exchange.listings[index]
        return listing.valuation or 1

    def position_row(self, account: SimAccount, index: int, now: int) -> dict[str, Any]:
        i, mark = self.exchange.instruments[index], self._mark(index)
        settle = i.settle
        held = account.money.position(index)
        qty, cost = int(held.qty), abs(int(held.cost))
        value = contract_value(i, mark, abs(qty))
        sign = -1 if (qty > 0) == (i.kind is Kind.INVERSE) else 1
        home, foreign = notionals(i, mark, abs(qty), value)
        unrealised = money_int(account.money.unrealized(index), settle)
        entry = cost and money_int(cost, settle)
        leverage = account.leverage_of(index)
        working = [o for o in account.open_orders.values() if o.index == index and not o.trigger]
        buys = sum(o.left for o in working if o.side is Side.BUY)
        sells = sum(o.left for o in working if o.side is Side.SELL)
        average = held.entry_price(account.specs[index]) if qty else None
        return {
            "account": account.number,
            "symbol": i.raw_symbol,
            "currency": wallet_name(settle),
            "underlying": "XBT" if i.base == "BTC" else i.base,
            "quoteCurrency": i.quote,
            "commission": float(i.taker_fee),
            "initMarginReq": 1 / leverage,
            "maintMarginReq": float(i.maintenance_rate),
            "riskLimit": 20_000_000_000,
            "leverage": leverage,
            "crossMargin": index not in account.isolated,
            "deleveragePercentile": 1 if qty else None,
            "openOrderBuyQty": buys,
            "openOrderSellQty": sells,
            "currentTimestamp": iso(now),
            "currentQty": qty,
            "currentCost": sign * entry,
            "currentComm": money_int(account.money.fees(index), settle),
            "unrealisedCost": sign * entry,
            "isOpen": bool(qty),
            "markPrice": price_number(i, mark) if qty else None,
            "markValue": sign * value,
            "riskValue": value,
            "homeNotional": home if qty >= 0 else -home,
            "foreignNotional": -foreign if qty > 0 else foreign,
            "posCost": sign * entry,
            "posInit": -(-entry // leverage),
            "posMargin": -(-entry // leverage),
            "maintMargin": self._maintenance(value, i.maintenance_rate),
            "initMargin": 0,
            "realisedPnl": money_int(self._realised_of(account, index), settle),
            "unrealisedPnl": unrealised,
            "unrealisedPnlPcnt": round(unrealised / entry, 4) if entry else 0,
            "unrealisedRoePcnt": round(unrealised * leverage / entry, 4) if entry else 0,
            "avgCostPrice": None if average is None else round(average, i.price_decimals + 3),
            "avgEntryPrice": None if average is None else round(average, i.price_decimals + 3),
            "breakEvenPrice": None if average is None else round(average, i.price_decimals + 3),
            "liquidationPrice": self.liquidation_price(account, index),
            "timestamp": iso(now),
            "lastPrice": price_number(i, self.exchange.listings[index].last),
        }

    @staticmethod
    def _maintenance(value: int, rate: Decimal) -> int:
        return -(-value * rate_units(rate) // 10**RATE_DECIMALS)

    def liquidation_price(self, account: SimAccount, index: int) -> float | None:
        """Returns the mark at which the account's money in the settle currency falls to maintenance, other positions
        unchanged; None if no price does it."""
        i, money = self.exchange.instruments[index], account.money
        at = self.exchange.currencies.index(i.settle)
        spare = self._equity(account, at) - int(money.maintenance_margin(at))
        price = money.liquidation_price(index, "both", spare, alone=False)
        return round(price, i.price_decimals + 3) if price else None

    def listed(self, account: SimAccount) -> list[int]:
        """Returns the instruments that the account has traded or has settings for."""
        seen = {index for index, _side in account.touched} | set(account.leverage)
        return sorted(seen | account.isolated)

    def positions(self, account: SimAccount, params: Params, now: int) -> list[dict[str, Any]]:
        rows = [self.position_row(account, index, now) for index in self.listed(account)]
        return page(rows, params)

    def set_leverage(self, account: SimAccount, params: Params, now: int) -> dict[str, Any]:
        """Sets the leverage: 0 is cross margin at the maximum leverage; else isolated."""
        index = self.public.at(params)
        i, said = self.exchange.instruments[index], text(params, "leverage")
        try:
            wanted = Decimal(said)
        except ArithmeticError:
            raise Refused("Invalid leverage", name="ValidationError") from None
        most = i.leverage or LEVERAGE_MAX
        if not wanted.is_finite() or not 0 <= wanted <= most:
            raise Refused("Invalid leverage", name="ValidationError")
        if wanted != wanted.to_integral_value():
            raise Refused("Fractional leverage is not simulated", name="ValidationError")
        before = account.leverage_of(index)
        self.exchange.accounts.set_leverage(account, index, int(wanted) or most, now)
        at = self.exchange.currencies.index(i.settle)
        if int(account.money.available(at)) < 0:
            short = -int(account.money.available(at))
            self.exchange.accounts.set_leverage(account, index, before, now)
            raise Refused(
                "Account has insufficient Available Balance, {} {} required",
                money_int(short, i.settle),
                wallet_name(i.settle),
                name="ValidationError",
            )
        self.exchange.accounts.set_isolated(account, index, bool(wanted), now)
        return self.position_row(account, index, now)

    def isolate(self, account: SimAccount, params: Params, now: int) -> dict[str, Any]:
        index = self.public.at(params)
        enabled = flag(params, "enabled") if text(params, "enabled") else True
        self.exchange.accounts.set_isolated(account, index, enabled, now)
        return self.position_row(account, index, now)

    # --- executions -------------------------------------------------------------------------------

    def _keep(self, account: SimAccount, row: dict[str, Any]) -> dict[str, Any]:
        kept = self._executions.setdefault(account.number, deque(maxlen=EXECUTIONS_KEPT))
        kept.append(row)
        return row

    def _next_id(self) -> str:
        self._made += 1
        return key_id("execution", self._made)

    def on_order(self, report: OrderReport) -> dict[str, Any]:
        """Returns the execution for a change of an order."""
        order, fill = report.order, report.fill
        i = self.exchange.instruments[order.index]
        row = order_row(i, order, report)
        kind = "Trade" if report.news is None else _EXEC_TYPES.get(report.news, "New")
        if report.state is OrderState.REJECTED and row["ordStatus"] == "Rejected":
            kind = "Rejected"
        row |= {
            "execID": self._next_id(),
            "execType": kind,
            "lastMkt": "XBME",
            "lastQty": None,
            "lastPx": None,
            "lastLiquidityInd": "",
            "commission": None,
            "tradePublishIndicator": "",
            "trdMatchID": key_id("none", 0) if fill is None else "",
            "execCost": None,
            "execComm": None,
            "homeNotional": None,
            "foreignNotional": None,
            "transactTime": iso(report.time),
            "timestamp": iso(report.time),
        }
        if fill is not None:
            buys = order.side is Side.BUY
            value = contract_value(i, fill.price, fill.size)
            home, foreign = notionals(i, fill.price, fill.size, value)
            row |= {
                "lastQty": fill.size,
                "lastPx": price_number(i, fill.price),
                "lastLiquidityInd": "AddedLiquidity" if fill.is_maker else "RemovedLiquidity",
                "commission": float(i.maker_fee if fill.is_maker else i.taker_fee),
                "tradePublishIndicator": "PublishTrade",
                "trdMatchID": key_id(f"trade/{order.index}", fill.trade_id),
                "execCost": -value if buys == (i.kind is Kind.INVERSE) else value,
                "execComm": money_int(fill.fee, i.settle),
                "homeNotional": home if buys else -home,
                "foreignNotional": -foreign if buys else foreign,
            }
        return self._keep(order.account, row)

    def on_funding(self, report: CashReport) -> dict[str, Any]:
        """Returns the execution for funding, which has no order."""
        account, index = report.account, report.at
        listing = self.exchange.listings[index]
        i, qty = listing.instrument, account.qty(index)
        mark = self._mark(index)
        row = {
            "execID": self._next_id(),
            "orderID": key_id("none", 0),
            "clOrdID": "",
            "account": account.number,
            "symbol": i.raw_symbol,
            "side": "",
            "lastQty": abs(qty),
            "lastPx": price_number(i, mark),
            "lastMkt": "XBME",
            "orderQty": abs(qty),
            "price": price_number(i, mark),
            "currency": i.quote,
            "settlCurrency": wallet_name(i.settle),
            "execType": "Funding",
            "ordType": "Limit",
            "timeInForce": "AllOrNone",
            "ordStatus": "Filled",
            "leavesQty": 0,
            "cumQty": abs(qty),
            "avgPx": price_number(i, mark),
            "commission": rate_number(listing.funding_rate) * (1 if qty > 0 else -1),
            "text": "Funding",
            "trdMatchID": key_id("none", 0),
            "execCost": contract_value(i, mark, abs(qty)),
            "execComm": -money_int(report.amount, i.settle),
            "transactTime": iso(report.time),
            "timestamp": iso(report.time),
        }
        return self._keep(account, row)

    def executions(self, account: SimAccount, params: Params, *, trades_only: bool) -> list[dict[str, Any]]:
        """Returns executions. trades_only: only those that moved money (trades, funding, settlement), as in
        tradeHistory."""
        rows = list(self._executions.get(account.number, ()))
        if trades_only:
            rows = [r for r in rows if r["execType"] in ("Trade", "Funding", "Settlement")]
        names = {self.exchange.instruments[at].raw_symbol for at in self.public.instruments_of(params)}
        return page([r for r in rows if r["symbol"] in names], params)

    # --- user -------------------------------------------------------------------------------------

    def user(self, account: SimAccount, now: int) -> dict[str, Any]:
        return {
            "id": account.number,
            "username": account.name,
            "email": f"{account.name}@example.invalid",
            "created": iso(self.exchange.market.start),
            "lastUpdated": iso(now),
            "TFAEnabled": "",
            "typ": "Individual",
        }

    def api_keys(self, account: SimAccount) -> list[dict[str, Any]]:
        permissions = ["order"] if account.can_trade else []
        return [
            {
                "id": account.key,
                "name": account.name,
                "nonce": 0,
                "cidr": "0.0.0.0/0",
                "permissions": permissions + (["withdraw"] if account.can_withdraw else []),
                "enabled": True,
                "userId": account.number,
                "created": iso(self.exchange.market.start),
            }
        ]
