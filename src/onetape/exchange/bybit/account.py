"""Bybit v5: the endpoints that read an account: orders, executions, positions, wallet, history of money.

Source: Bybit API documentation v5, "Trade", "Position" and "Account", as of 2026-07. Contracts in USDT have USDT alone
as margin here, which counts one dollar; coins of spot are no collateral.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from onetape.exchange.account import Income, SimAccount, SimOrder, Trade
from onetape.exchange.bybit.public import PublicData, Query, number
from onetape.exchange.bybit.wire import (
    Refused,
    fee_currency,
    fixed,
    id_of,
    money_text,
    ms,
    order_names,
    order_row,
    page_of,
    price_text,
    size_text,
    uuid_of,
    value_text,
)
from onetape.exchange.exchange import SimExchange
from onetape.model.decimals import decimal_text
from onetape.model.enums import Kind, PositionSide, Side
from onetape.model.money import MONEY_DECIMALS
from onetape.model.time import DAY
from onetape.venues.bybit.words import CATEGORIES, POSITION_INDEX

__all__ = ["ACCOUNTS", "AccountData"]

ACCOUNTS: Final = ("UNIFIED", "FUND")
EXECUTIONS: Final = 0xE0E0 << 112  # the first half of an execution's id
SPAN_MS: Final = 7 * DAY // 10**6
KEPT_MS: Final = DAY // 10**6  # for which canceled orders without a fill can be queried
_EXEC_TYPES: Final = {"liquidation": "BustTrade", "adl": "AdlTrade", "settlement": "Settle"}
_TYPES: Final = {
    "funding": "SETTLEMENT",
    "deposit": "TRANSFER_IN",
    "withdrawal": "TRANSFER_OUT",
    "withdraw": "TRANSFER_OUT",
    "transfer": "TRANSFER_IN",
    "given": "TRANSFER_OUT",
    "liquidation_fee": "LIQUIDATION",
    "insurance": "LIQUIDATION",
}
_OF_TRADES: Final = frozenset({"realized", "fee"})

_EXECUTION: Final = fixed("indexPrice= underlyingPrice= tradeIv= markIv= blockTradeId= isLeverage=0")
_POSITION: Final = fixed(
    "riskLimitValue=2000000 positionStatus=Normal bustPrice= trailingStop=0 sessionAvgPrice= tpslMode=Full "
    "curRealisedPnl=0 cumRealisedPnl=0 mmrSysUpdatedTime= leverageSysUpdatedTime="
)
_COIN: Final = fixed(
    "free= borrowAmount=0 availableToBorrow= availableToWithdraw= accruedInterest=0 totalOrderIM=0 "
    "cumRealisedPnl=0 bonus=0 spotHedgingQty=0 spotBorrow=0"
)
_TRANSACTION: Final = fixed(
    "side=None transSubType= qty=0 size=0 tradePrice=0 cashBalance= feeRate=0 bonusChange= orderId= orderLinkId="
)
_CHAIN: Final = fixed(
    "chain=ETH chainType=ETH confirmation=12 withdrawFee=1 depositMin=0 withdrawMin=10 minAccuracy=8 chainDeposit=1 "
    "chainWithdraw=1 withdrawPercentageFee=0"
)


class AccountData:
    """Serves requests that read the accounts of one exchange."""

    def __init__(self, exchange: SimExchange, public: PublicData) -> None:
        self.exchange = exchange
        self.public = public
        self.handlers: dict[str, Callable[[SimAccount, Query, int], dict[str, Any]]] = {
            "order/realtime": self.realtime,
            "order/history": self.history,
            "execution/list": self.executions,
            "position/list": self.positions,
            "position/closed-pnl": lambda _a, q, _n: {
                "category": q.get("category", ""),
                "list": [],
                "nextPageCursor": "",
            },
            "account/wallet-balance": lambda a, _q, _n: {"list": [self.wallet(a)]},
            "account/info": self.info,
            "account/fee-rate": self.fee_rates,
            "account/transaction-log": self.transactions,
            "user/query-api": self.key,
            "asset/coin/query-info": self.coins,
            "asset/transfer/query-inter-transfer-list": self.transfers,
            "asset/transfer/query-account-coins-balance": self.funding,
        }

    # --- orders -----------------------------------------------------------------------------------

    def row(self, order: SimOrder) -> dict[str, Any]:
        return order_row(self.exchange.instruments[order.index], order)

    def realtime(self, account: SimAccount, query: Query, now: int) -> dict[str, Any]:
        """Returns working orders; with an id also one that has ended."""
        if query.get("orderId") or query.get("orderLinkId"):
            found = self._named(account, query)
        else:
            is_named = any(query.get(name) for name in ("symbol", "baseCoin", "settleCoin"))
            if not is_named and query.get("category") == CATEGORIES[Kind.LINEAR]:
                raise Refused(10001, "Missing some parameters that must be filled in, symbol or settleCoin or baseCoin")
            wanted, kind = set(self.public.wanted(query)), query.get("orderFilter", "")
            orders = [o for o in account.open_orders.values() if o.index in wanted]
            found = [o for o in orders if not kind or (kind == "StopOrder") is bool(o.trigger)]
            if query.get("openOnly") == "1":
                found = [o for o in list(account.closed)[-500:] if o.index in wanted]
        return self._listed(found[::-1], query, 20, 50, self.row)

    def _named(self, account: SimAccount, query: Query) -> list[SimOrder]:
        wanted = self.public.wanted(query)
        if query.get("orderId"):
            order = account.by_id.get(id_of(query["orderId"]))
        else:
            order = account.by_client_id.get(query["orderLinkId"])
        return [] if order is None or order.index not in wanted else [order]

    def history(self, account: SimAccount, query: Query, now: int) -> dict[str, Any]:
        begin, end = self._span(query, now)
        if query.get("orderId") or query.get("orderLinkId"):
            found = [o for o in self._named(account, query) if not o.is_open]
        else:
            wanted = set(self.public.wanted(query))
            found = [o for o in account.closed if o.index in wanted and begin <= ms(o.updated) <= end][::-1]
        found = [o for o in found if o.filled or ms(o.updated) >= ms(now) - KEPT_MS]
        return self._listed(found, query, 20, 50, self.row)

    @staticmethod
    def _listed(rows: list[Any], query: Query, usual: int, most: int, show: Callable[..., Any]) -> dict[str, Any]:
        page, cursor = page_of(rows, number(query, "limit", usual, most), query.get("cursor", ""))
        return {"category": query["category"], "nextPageCursor": cursor, "list": [show(each) for each in page]}

    @staticmethod
    def _span(query: Query, now: int) -> tuple[int, int]:
        """Returns the period of a query, ms: seven days at most. Raises Refused."""
        end = number(query, "endTime", 0, 2**62)
        begin = number(query, "startTime", 0, 2**62)
        begin, end = begin or (end or ms(now)) - SPAN_MS, end or (begin + SPAN_MS if begin else ms(now))
        if end - begin > SPAN_MS or end < begin:
            raise Refused(10001, "The time range between startTime and endTime is 7 days at most")
        return begin, end

    # --- executions -------------------------------------------------------------------------------

    def execution(self, trade: Trade) -> dict[str, Any]:
        order, fill = trade
        i = self.exchange.instruments[order.index]
        closed = min(abs(fill.held), fill.size) if fill.held * order.side.sign < 0 else 0
        kind = _EXEC_TYPES.get(order.origin, "Trade")
        is_limit = bool(order.price)
        rate = i.maker_fee if fill.is_maker else i.taker_fee
        return {
            **order_names(i, order),
            "orderPrice": price_text(i, order.price) if is_limit else "0",
            "orderQty": size_text(i, order.extra.get("amount", order.size)),
            "leavesQty": size_text(i, order.left),
            "createType": order.extra.get("createType", "CreateByUser") if kind == "Trade" else "",
            "orderType": "Limit" if is_limit else "Market",
            "stopOrderType": order.extra.get("stop", "UNKNOWN"),
            "execFee": money_text(fill.fee),
            "execId": self.exec_id(trade),
            "execPrice": price_text(i, fill.price),
            "execQty": size_text(i, fill.size),
            "execType": kind,
            "execValue": value_text(i, fill.price, fill.size),
            "execTime": str(ms(fill.time)),
            "feeCurrency": fee_currency(i, order),
            "feeRate": decimal_text(rate) if kind == "Trade" else "0",
            "isMaker": fill.is_maker,
            "markPrice": price_text(i, self.exchange.listings[order.index].valuation),
            "closedSize": size_text(i, closed),
            "execPnl": money_text(fill.realized),
            "seq": fill.trade_id,
            **_EXECUTION,
        }

    def exec_id(self, trade: Trade) -> str:
        """Returns the id of one side of a trade."""
        of = trade.fill.trade_id * len(self.exchange.instruments) + trade.order.index
        number, i = 2 * of + trade.fill.is_maker, self.exchange.instruments[trade.order.index]
        return str(number) if i.kind is Kind.SPOT else uuid_of(number, EXECUTIONS)

    def executions(self, account: SimAccount, query: Query, now: int) -> dict[str, Any]:
        begin, end = self._span(query, now)
        wanted = set(self.public.wanted(query))
        found = [
            each
            for each in reversed(account.trades)
            if each.order.index in wanted and begin <= ms(each.fill.time) <= end
        ]
        if query.get("orderId"):
            found = [each for each in found if each.order.id == id_of(query["orderId"])]
        if query.get("orderLinkId"):
            found = [each for each in found if each.order.client_id == query["orderLinkId"]]
        return self._listed(found, query, 50, 100, self.execution)

    # --- positions --------------------------------------------------------------------------------

    def position(self, account: SimAccount, at: int, side: PositionSide, *, entry: str = "avgPrice") -> dict[str, Any]:
        """Returns a position, flat or not. entry: the name of its average price."""
        i, listing, qty = self.exchange.instruments[at], self.exchange.listings[at], account.qty(at, side)
        held, leverage = account.money.position(at, side.value), account.leverage_of(at)
        value = abs(i.notional_units(listing.valuation, qty)) if qty else 0
        margin = value // leverage if qty else 0
        stops = {o.extra.get("stop"): price_text(i, o.trigger) for o in account.open_orders.values() if o.index == at}
        updated = account.touched.get((at, side), 0)
        average = rounded_text(held.entry_price(account.specs[at])) if qty else "0"
        profit = money_text(int(held.unrealized(account.specs[at], listing.valuation))) if qty else ""
        word = ("Buy" if qty > 0 else "Sell") if qty else ""
        return {
            "positionIdx": POSITION_INDEX[side],
            "riskId": 1,
            "symbol": i.raw_symbol,
            "side": word,
            "size": size_text(i, abs(qty)),
            entry: average,
            "positionValue": money_text(value) if qty else "",
            "tradeMode": 0,
            "autoAddMargin": 0,
            "leverage": str(leverage),
            "markPrice": price_text(i, listing.valuation),
            "liqPrice": self._liquidation(account, at, side) if qty else "",
            "positionIM": money_text(margin),
            "positionMM": money_text(i.maintenance_units(value)) if qty else "0",
            "positionBalance": money_text(account.wallet(at, side) if at in account.isolated else margin),
            "takeProfit": stops.get("TakeProfit", ""),
            "stopLoss": stops.get("StopLoss", ""),
            "unrealisedPnl": profit,
            "adlRankIndicator": 2 if qty else 0,
            "createdTime": str(ms(updated)),
            "updatedTime": str(ms(updated)),
            "seq": updated // 1000 if updated else -1,
            "isReduceOnly": False,
            "category": CATEGORIES[i.kind],
            **_POSITION,
        }

    def _liquidation(self, account: SimAccount, at: int, side: PositionSide) -> str:
        price = self.exchange.clearing.liquidation_price(account, at, side)
        return rounded_text(price) if price else ""

    def positions(self, account: SimAccount, query: Query, _now: int) -> dict[str, Any]:
        is_named = query.get("symbol") or query.get("settleCoin")
        if not is_named and query.get("category") == CATEGORIES[Kind.LINEAR]:
            raise Refused(10001, "Missing some parameters that must be filled in, symbol or settleCoin")
        keys = [(at, side) for at in self.public.contracts(query) for side in account.sides]
        if not query.get("symbol"):
            keys = [key for key in keys if account.qty(*key)]
        return self._listed(keys, query, 20, 200, lambda key: self.position(account, *key))

    # --- money ------------------------------------------------------------------------------------

    def _locked(self, account: SimAccount) -> dict[str, int]:
        """Returns by coin what working orders of spot lock."""
        locked: dict[str, int] = {}
        for order in account.open_orders.values():
            i = self.exchange.instruments[order.index]
            if i.kind is Kind.SPOT:
                coin = i.base if order.side is Side.SELL else i.quote
                units = order.left * 10 ** (MONEY_DECIMALS - i.size_decimals)
                value = units if order.side is Side.SELL else i.notional_units(order.reserved, order.left)
                locked[coin] = locked.get(coin, 0) + value
        return locked

    def wallet(self, account: SimAccount, changed: tuple[int, ...] = ()) -> dict[str, Any]:
        """Returns the account's coins. changed: also shown if nothing of them is left."""
        locked = self._locked(account)
        coins, total = [], dict.fromkeys(("equity", "balance", "available", "initial", "maintenance", "profit"), 0)
        money = account.money
        for at, name in enumerate(self.exchange.currencies):
            balance = int(money.balance(at))
            equity = balance + int(money.unrealized(at))  # that of the core also values the coins of spot
            initial, maintenance = int(money.initial_margin(at)), int(money.cross_maintenance(at))
            if not balance and name != "USDT" and at not in changed:
                continue
            row = {
                "coin": name,
                "equity": money_text(equity),
                "usdValue": money_text(equity) if name == "USDT" else "0",
                "walletBalance": money_text(balance),
                "totalPositionIM": money_text(initial),
                "totalPositionMM": money_text(maintenance),
                "unrealisedPnl": money_text(equity - balance),
                "locked": money_text(locked.get(name, 0)),
                "collateralSwitch": name == "USDT",
                "marginCollateral": name == "USDT",
                **_COIN,
            }
            coins.append(row)
            if name == "USDT":
                available = max(int(money.available(at)), 0)
                own = (equity, balance, available, initial, maintenance, equity - balance)
                total = dict(zip(total, own, strict=True))
        texts = {name: money_text(units) for name, units in total.items()}
        if account.isolated:  # each position has margin of its own: the account has none
            texts.update(dict.fromkeys(("margin", "available", "initial", "maintenance"), ""))
        return {
            "totalEquity": texts["equity"],
            "totalWalletBalance": texts["balance"],
            "totalMarginBalance": texts.get("margin", texts["equity"]),
            "totalAvailableBalance": texts["available"],
            "totalPerpUPL": texts["profit"],
            "totalInitialMargin": texts["initial"],
            "totalMaintenanceMargin": texts["maintenance"],
            "coin": coins,
            **fixed("accountType=UNIFIED accountIMRate=0 accountMMRate=0 accountLTV=0"),
        }

    def transactions(self, account: SimAccount, query: Query, now: int) -> dict[str, Any]:
        if not query.get("startTime") and not query.get("endTime"):
            query = {**query, "startTime": str(ms(now - DAY))}
        begin, end = self._span(query, now)
        coin = query.get("currency", "")
        rows = [
            self._transaction(item)
            for item in reversed(account.income)
            if begin <= ms(item.time) <= end and coin in ("", self.exchange.currencies[item.currency])
        ]
        page, cursor = page_of(rows, number(query, "limit", 20, 50), query.get("cursor", ""))
        return {"nextPageCursor": cursor, "list": page}

    def _transaction(self, item: Income) -> dict[str, Any]:
        is_funding, is_fee = item.kind == "funding", item.kind == "fee"
        kind = "TRADE" if item.kind in _OF_TRADES else _TYPES.get(item.kind, "BONUS")
        if kind == "TRANSFER_IN" and item.amount < 0:
            kind = "TRANSFER_OUT"
        return {
            "id": f"{item.id}_{self.exchange.currencies[item.currency]}",
            "symbol": self.exchange.instruments[item.at].raw_symbol if item.at >= 0 else "",
            "category": CATEGORIES[self.exchange.instruments[item.at].kind] if item.at >= 0 else "",
            "transactionTime": str(ms(item.time)),
            "type": kind,
            "currency": self.exchange.currencies[item.currency],
            "funding": money_text(item.amount) if is_funding else "",
            "fee": money_text(-item.amount) if is_fee else "0",
            "cashFlow": "0" if is_funding or is_fee else money_text(item.amount),
            "change": money_text(item.amount),
            "tradeId": str(item.trade_id) if item.trade_id else "",
            **_TRANSACTION,
        }

    def transfers(self, account: SimAccount, query: Query, now: int) -> dict[str, Any]:
        begin, end = self._span(query, now)
        rows = [self._transfer(each) for each in reversed(account.income) if each.kind == "transfer"]
        wanted = [(name, query[name]) for name in ("transferId", "coin", "status") if query.get(name)]
        rows = [row for row in rows if begin <= int(row["timestamp"]) <= end]
        rows = [row for row in rows if all(row[name] == text for name, text in wanted)]
        page, cursor = page_of(rows, number(query, "limit", 20, 50), query.get("cursor", ""))
        return {"nextPageCursor": cursor, "list": page}

    def _transfer(self, item: Income) -> dict[str, str]:
        ends = ACCOUNTS if item.amount < 0 else ACCOUNTS[::-1]
        return {
            "transferId": item.name,
            "coin": self.exchange.currencies[item.currency],
            "amount": money_text(abs(item.amount)),
            "fromAccountType": ends[0],
            "toAccountType": ends[1],
            "timestamp": str(ms(item.time)),
            "status": "SUCCESS",
        }

    def funding(self, account: SimAccount, query: Query, _now: int) -> dict[str, Any]:
        """Returns the coins of the funding account."""
        if query.get("accountType") != ACCOUNTS[1]:
            raise Refused(10001, "accountType error: FUND alone is available in this simulation")
        rows = [
            {"coin": self.exchange.currencies[at], "walletBalance": text, "transferBalance": text, "bonus": ""}
            for at, text in ((at, money_text(units)) for at, units in account.beside.items() if units)
            if query.get("coin", "") in ("", self.exchange.currencies[at])
        ]
        return {"memberId": str(10_000_000 + account.number), "accountType": ACCOUNTS[1], "balance": rows}

    # --- settings ---------------------------------------------------------------------------------

    def info(self, account: SimAccount, _query: Query, now: int) -> dict[str, Any]:
        return {
            "marginMode": "ISOLATED_MARGIN" if account.isolated else "REGULAR_MARGIN",
            "updatedTime": str(ms(now)),
            "unifiedMarginStatus": 5,
            "dcpStatus": "OFF",
            "timeWindow": 10,
            "smpGroup": "0",
            "isMasterTrader": False,
            "spotHedgingStatus": "OFF",
        }

    def fee_rates(self, _account: SimAccount, query: Query, _now: int) -> dict[str, Any]:
        rows = []
        for at in self.public.wanted(query):
            i = self.exchange.instruments[at]
            fees = {"takerFeeRate": decimal_text(i.taker_fee), "makerFeeRate": decimal_text(i.maker_fee)}
            rows.append({"symbol": i.raw_symbol, "baseCoin": "", **fees})
        return {"list": rows}

    def key(self, account: SimAccount, _query: Query, now: int) -> dict[str, Any]:
        trades = ["Order", "Position"] if account.can_trade else []
        return {
            "note": account.name,
            "apiKey": account.key,
            "readOnly": 0 if account.can_trade else 1,
            "permissions": {
                "ContractTrade": trades,
                "Spot": ["SpotTrade"] if account.can_trade else [],
                "Wallet": ["AccountTransfer", *(["Withdraw"] if account.can_withdraw else [])],
                "Options": [],
                "Derivatives": ["DerivativesTrade"] if account.can_trade else [],
            },
            "ips": ["*"],
            "type": 1,
            "deadlineDay": 90,
            "unified": 0,
            "uta": 1,
            "userID": 10_000_000 + account.number,
            "inviterID": 0,
            "isMaster": True,
            **fixed("id=1 secret= expiredAt= createdAt= vipLevel=VIP-0 parentUid=0"),
        }

    def coins(self, _account: SimAccount, _query: Query, _now: int) -> dict[str, Any]:
        names = dict.fromkeys(self.exchange.currencies)
        return {"rows": [{"name": name, "coin": name, "remainAmount": "1000000", "chains": [_CHAIN]} for name in names]}


def rounded_text(price: object) -> str:
    return decimal_text(round(Decimal(str(price)), 8))
