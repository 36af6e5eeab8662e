"""OKX v5: the endpoints that read an account: orders, fills, positions, balances, bills, settings.

Source: OKX API v5 documentation, "Trade", "Algo Trading" and "Trading Account", as of 2026-07. The account is in
futures mode, where each currency is the margin of what settles in it, in multi-currency margin, where it is so as well
here, since nothing is borrowed, or in spot mode, which has no contracts. The numbers of bills of fills are ours; trades
on spot have no bills here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from itertools import groupby, takewhile
from typing import Any, Final

from onetape.exchange.account import Income, SimAccount, SimOrder, Trade
from onetape.exchange.conditional import Conditional
from onetape.exchange.exchange import SimExchange
from onetape.exchange.okx.public import PublicData, Query, rows_after
from onetape.exchange.okx.wire import (
    Refused,
    algo_row,
    algo_state,
    fee_currency,
    fixed,
    money_text,
    ms,
    numbered,
    order_row,
    price_text,
    profit_text,
    rounded_text,
    size_text,
)
from onetape.exchange.order_entry import SETTLEMENTS
from onetape.model.decimals import decimal_text
from onetape.model.enums import Kind, PositionSide
from onetape.model.time import DAY, HOUR
from onetape.venues.okx.words import CASH, ISOLATED, MARGIN, POSITION_WORDS, SWAP, type_of

__all__ = ["ACCOUNTS", "FUNDING", "LEVELS", "SPOT_MODE", "AccountData", "level_of", "mode_of"]

FUNDING, TRADING = ACCOUNTS = ("6", "18")
SPOT_MODE, FUTURES_MODE, JOINT_MODE = LEVELS = ("1", "2", "3")
UNFILLED_KEPT: Final = 2 * HOUR  # for which canceled orders without a fill can be queried
BILLS_KEPT: Final = {"account/bills": 7 * DAY, "account/bills-archive": 90 * DAY}
_DELIVERY: Final = "3"
_BILLS: Final = {
    "realized": "2",
    "fee": "2",
    "funding": "8",
    "deposit": "1",
    "withdrawal": "1",
    "withdraw": "1",
    "transfer": "1",
    "given": "1",
    "liquidation_fee": "5",
    "insurance": "10",
}
_POSITION: Final = fixed(
    "baseBal= baseBorrowed= baseInterest= bePx= bizRefId= bizRefType= clSpotInUseAmt= deltaBS= deltaPA= "
    "fundingFee=0 gammaBS= gammaPA= idxPx= interest= liab= liabCcy= liqPenalty=0 optVal= pendingCloseOrdLiabVal= "
    "posCcy= quoteBal= quoteBorrowed= quoteInterest= spotInUseAmt= spotInUseCcy= thetaBS= thetaPA= tradeId= usdPx= "
    "vegaBS= vegaPA= adl=1 pnl=0 realizedPnl=0 settledPnl=0 fee=0"
)
_DETAIL: Final = fixed(
    "accAvgPx= borrowFroz= clSpotInUseAmt= crossLiab= disEq=0 fixedBal=0 interest= isoLiab= liab= "
    "maxLoan= maxSpotInUseAmt= notionalLever=0 openAvgPx= ordFrozen=0 rewardBal=0 smtSyncEq=0 spotBal= "
    "spotCopyTradingEq=0 spotInUseAmt= spotIsoBal=0 spotUpl= spotUplRatio= stgyEq=0 totalPnl= totalPnlRatio= twap=0 "
    "uplLiab="
)
_TOTALS: Final = fixed(
    "adjEq= availEq= borrowFroz= imr= isoEq=0 mgnRatio= mmr= notionalUsd= notionalUsdForBorrow= "
    "notionalUsdForFutures= notionalUsdForOption= notionalUsdForSwap= ordFroz= upl="
)
_CONFIG: Final = fixed(
    "acctStpMode=cancel_maker ctIsoMode=automatic feeType=0 greeksType=PA kycLv=2 level=Lv1 levelTmp= "
    "liquidationGear=-1 mgnIsoMode=automatic opAuth=0 roleType=0 settleCcy=USDT spotOffsetType= spotRoleType=0 "
    "stgyType=0 type=0"
)


def mode_of(account: SimAccount, at: int) -> str:
    """Returns an instrument's tdMode."""
    if account.instruments[at].kind is Kind.SPOT:
        return MARGIN if level_of(account) == JOINT_MODE else CASH
    return ISOLATED if at in account.isolated else MARGIN


def leverage_of(account: SimAccount, at: int) -> str:
    return "" if account.instruments[at].kind is Kind.SPOT else str(account.leverage_of(at))


def level_of(account: SimAccount) -> str:
    return account.level or FUTURES_MODE


class AccountData:
    """Serves requests that read the accounts of one exchange."""

    def __init__(self, exchange: SimExchange, public: PublicData) -> None:
        self.exchange = exchange
        self.public = public
        self.handlers: dict[str, Callable[[SimAccount, Query, int], list[Any]]] = {
            "trade/order": self.order,
            "trade/orders-pending": self.pending,
            "trade/orders-history": self.history,
            "trade/orders-history-archive": self.history,
            "trade/fills": self.fills,
            "trade/fills-history": self.fills,
            "trade/order-algo": self.algo,
            "trade/orders-algo-pending": lambda a, q, _n: self.algos(a, q, is_open=True),
            "trade/orders-algo-history": lambda a, q, _n: self.algos(a, q, is_open=False),
            "account/balance": lambda a, q, n: [self.balance(a, n, q.get("ccy", ""))],
            "account/positions": self.positions,
            "account/config": self.config,
            "account/leverage-info": self.leverages,
            "account/trade-fee": self.fees,
            "account/bills": lambda a, q, n: self.bills(a, q, n, "account/bills"),
            "account/bills-archive": lambda a, q, n: self.bills(a, q, n, "account/bills-archive"),
            "account/instruments": lambda _a, q, n: self.public.instruments(q, n),
            "asset/currencies": self.currencies,
            "asset/balances": self.funding_balances,
            "asset/bills": self.funding_bills,
            "asset/transfer-state": self.transfer_state,
        }

    # --- orders -----------------------------------------------------------------------------------

    def row(self, order: SimOrder, report: Any = None) -> dict[str, Any]:
        of = order.account, order.index
        return order_row(self.exchange.instruments[order.index], order, mode_of(*of), leverage_of(*of), report)

    def named(self, account: SimAccount, query: Any) -> SimOrder | None:
        """Returns the order that `ordId` or `clOrdId` names; an order that a trigger sent has the first only."""
        number, name = str(query.get("ordId") or ""), str(query.get("clOrdId") or "")
        if number:
            found = account.by_id.get(int(number)) if number.isdecimal() else None
        elif name:
            found = account.by_client_id.get(name)
            found = None if found is not None and found.extra.get("parent") else found
        else:
            raise Refused(50015, "Either parameter ordId or clOrdId is required")
        return found

    def order(self, account: SimAccount, query: Query, now: int) -> list[Any]:
        at, found = self.public.at(query.get("instId")), self.named(account, query)
        if found is None or found.index != at or self._is_forgotten(found, now):
            raise Refused(51603)
        return [self.row(found)]

    @staticmethod
    def _is_forgotten(order: SimOrder, now: int) -> bool:
        return not order.is_open and not order.filled and order.updated < now - UNFILLED_KEPT

    def pending(self, account: SimAccount, query: Query, _now: int) -> list[Any]:
        wanted, kinds = set(self.public.wanted(query)), query.get("ordType", "")
        rows = [o for o in list(account.open_orders.values())[::-1] if o.index in wanted]
        found = [self.row(each) for each in rows_after(rows, query, lambda o: o.id)]
        return [each for each in found if not kinds or each["ordType"] in kinds.split(",")]

    def history(self, account: SimAccount, query: Query, now: int) -> list[Any]:
        wanted = set(self.public.wanted(query))
        ended = [o for o in account.closed if o.index in wanted and not self._is_forgotten(o, now)]
        begin, end = numbered(query, "begin", 0, 2**62), numbered(query, "end", 2**62, 2**62)
        ended = [o for o in ended if begin <= int(ms(o.created)) <= end]
        return [self.row(o) for o in rows_after(sorted(ended, key=lambda o: -o.id), query, lambda o: o.id)]

    # --- fills ------------------------------------------------------------------------------------

    def fills(self, account: SimAccount, query: Query, _now: int) -> list[Any]:
        wanted, number = set(self.public.wanted(query)), query.get("ordId", "")
        begin, end = numbered(query, "begin", 0, 2**62), numbered(query, "end", 2**62, 2**62)
        recent = takewhile(lambda each: int(ms(each.fill.time)) >= begin, reversed(account.trades))
        found = [
            (bill, each)
            for bill, each in _billed([*recent][::-1])
            if each.order.index in wanted and int(ms(each.fill.time)) <= end and number in ("", str(each.order.id))
        ]
        page = rows_after(found[::-1], query, lambda each: each[0])
        return [self._fill(bill, each) for bill, each in page]

    def _fill(self, bill: int, trade: Trade) -> dict[str, Any]:
        order, fill = trade
        i, names = self.exchange.instruments[order.index], self.row(order)
        return {
            **{name: names[name] for name in ("instType", "instId", "ordId", "clOrdId", "side", "posSide", "tag")},
            "tradeId": str(fill.trade_id),
            "billId": str(bill),
            "subType": "",
            "fillPx": price_text(i, fill.price),
            "fillSz": size_text(i, fill.size),
            "fillPnl": profit_text(i, fill),
            "execType": "M" if fill.is_maker else "T",
            "feeCcy": fee_currency(i, order),
            "fee": money_text(-fill.fee),
            "fillTime": ms(fill.time),
            "ts": ms(fill.time),
        }

    # --- orders with a trigger --------------------------------------------------------------------

    def algo_row(self, order: Conditional, state: str = "") -> dict[str, Any]:
        of = order.account, order.index
        return algo_row(self.exchange.instruments[order.index], order, mode_of(*of), leverage_of(*of), state=state)

    def algo_named(self, account: SimAccount, query: Any) -> Conditional | None:
        book, number = self.exchange.conditionals, str(query.get("algoId") or "")
        if number:
            found = book.by_id.get(int(number)) if number.isdecimal() else None
        elif query.get("algoClOrdId"):
            found = book.by_client_id.get((account.number, str(query["algoClOrdId"])))
        else:
            raise Refused(50015, "Either parameter algoId or algoClOrdId is required")
        return found if found is not None and found.account is account else None

    def algo(self, account: SimAccount, query: Query, _now: int) -> list[Any]:
        found = self.algo_named(account, query)
        if found is None:
            raise Refused(51603)
        return [self.algo_row(found)]

    def algos(self, account: SimAccount, query: Query, *, is_open: bool) -> list[Any]:
        kinds, wanted = query.get("ordType", ""), set(self.public.wanted(query))
        if not kinds:
            raise Refused(50014, "Parameter ordType can not be empty")
        if is_open:
            orders = self.exchange.conditionals.open_of(account)
        else:
            every = self.exchange.conditionals.by_id.values()
            orders = [each for each in every if each.account is account and not each.is_open]
            word = query.get("state", "")
            orders = [each for each in orders if word in ("", algo_state(each.state))]
        fit = [o for o in orders if o.index in wanted and o.extra["ordType"] in kinds.split(",")]
        return [self.algo_row(o) for o in rows_after(sorted(fit, key=lambda o: -o.id), query, lambda o: o.id)]

    # --- positions and balances -------------------------------------------------------------------

    def position(self, account: SimAccount, at: int, side: PositionSide) -> dict[str, Any]:
        """Returns a position, flat or not; with one side only its quantity is signed."""
        i, listing, qty = self.exchange.instruments[at], self.exchange.listings[at], account.qty(at, side)
        held, leverage = account.money.position(at, side.value), account.leverage_of(at)
        shown = abs(qty) if account.hedge else qty
        value = abs(i.notional_units(listing.valuation, abs(qty)))
        profit = int(held.unrealized(account.specs[at], listing.valuation)) if qty else 0
        margin, updated = value // leverage, ms(account.touched.get((at, side), 0))
        isolated = at in account.isolated
        return {
            "instType": type_of(i),
            "instId": i.raw_symbol,
            "mgnMode": mode_of(account, at),
            "posSide": POSITION_WORDS[side],
            "posId": f"{account.number}{at:03d}{('both', 'long', 'short').index(side.value)}",
            "pos": size_text(i, shown),
            "availPos": size_text(i, shown) if account.hedge else "",
            "ccy": i.settle,
            "avgPx": rounded_text(held.entry_price(account.specs[at])) if qty else "",
            "markPx": price_text(i, listing.valuation),
            "last": price_text(i, listing.last),
            "liqPx": self._liquidation(account, at, side) if qty else "",
            "lever": str(leverage),
            "upl": money_text(profit),
            "uplRatio": rounded_text(Decimal(profit) / margin) if margin else "0",
            "uplLastPx": money_text(profit),
            "uplRatioLastPx": "0",
            "imr": "" if isolated else money_text(margin),
            "mmr": money_text(i.maintenance_units(value)),
            "margin": money_text(account.wallet(at, side)) if isolated else "",
            "mgnRatio": "",
            "notionalUsd": money_text(value),
            "closeOrderAlgo": [],
            "cTime": updated,
            "uTime": updated,
            **_POSITION,
        }

    def _liquidation(self, account: SimAccount, at: int, side: PositionSide) -> str:
        price = self.exchange.clearing.liquidation_price(account, at, side)
        return rounded_text(price) if price else ""

    def positions(self, account: SimAccount, query: Query, _now: int) -> list[Any]:
        """Returns the positions that are held; of a named instrument a flat one, too."""
        named = [self.public.at(each) for each in query.get("instId", "").split(",") if each]
        every = self.keys(
            account, named or self.public.wanted({name: query[name] for name in query if name != "instId"})
        )
        return [self.position(account, *key) for key in every if named or account.qty(*key)]

    def keys(self, account: SimAccount, wanted: Sequence[int]) -> list[tuple[int, PositionSide]]:
        """Returns the positions that an account may have in these instruments: none on spot."""
        instruments = self.exchange.instruments
        return [(at, side) for at in wanted if instruments[at].kind is not Kind.SPOT for side in account.sides]

    def balance(self, account: SimAccount, now: int, only: str = "") -> dict[str, Any]:
        money, details, total = account.money, [], 0
        profits, apart = (dict.fromkeys(self.exchange.currencies, 0) for _ in range(2))
        for at, i in enumerate(self.exchange.instruments):
            profit = 0 if i.kind is Kind.SPOT else int(money.unrealized(at))
            profits[i.settle] += profit
            apart[i.settle] += profit if at in account.isolated else 0
        for at, name in enumerate(self.exchange.currencies):
            balance, cash = int(money.balance(at)), account.cross_balance(at)
            equity = balance + profits[name]
            if (not balance and not equity and name != "USDT") or (only and name not in only.split(",")):
                continue
            available, is_dollar = max(int(money.available(at)), 0), name.startswith("USD")
            total += equity if is_dollar else 0
            details.append(
                {
                    "ccy": name,
                    "cashBal": money_text(cash),
                    "eq": money_text(equity),
                    "eqUsd": money_text(equity) if is_dollar else "0",
                    "availEq": "" if level_of(account) == SPOT_MODE else money_text(available),
                    "availBal": money_text(available),
                    "frozenBal": money_text(max(equity - available, 0)),
                    "upl": money_text(profits[name]),
                    "isoEq": money_text(balance - cash + apart[name]),
                    "isoUpl": money_text(apart[name]),
                    "imr": money_text(int(money.initial_margin(at))),
                    "mmr": money_text(int(money.cross_maintenance(at))),
                    "mgnRatio": "",
                    "collateralEnabled": False,
                    "uTime": ms(now),
                    **_DETAIL,
                }
            )
        return {"details": details, "totalEq": money_text(total), "uTime": ms(now), **_TOTALS}

    def bills(self, account: SimAccount, query: Query, now: int, path: str) -> list[Any]:
        begin = max(numbered(query, "begin", 0, 2**62), int(ms(now - BILLS_KEPT[path])))
        end, kind, currency = numbered(query, "end", 2**62, 2**62), query.get("type", ""), query.get("ccy", "")
        recent = takewhile(lambda each: int(ms(each.time)) >= begin, reversed(account.income))
        rows = [each for each in recent if int(ms(each.time)) <= end]
        rows = [each for each in rows if currency in ("", self.exchange.currencies[each.currency])]
        rows = [each for each in rows if kind in ("", _bill_type(each))]
        return [self._bill(account, each) for each in rows_after(rows, query, lambda each: each.id)]

    def _bill(self, account: SimAccount, item: Income) -> dict[str, Any]:
        at, kind = item.at, _bill_type(item)
        mode = mode_of(account, at) if at >= 0 else ""
        changes = {"balChg": money_text(item.amount), "posBalChg": "0"}
        if mode == ISOLATED and item.kind == "funding":  # its margin pays
            changes = dict(zip(changes, ("0", changes["balChg"]), strict=True))
        return {
            "instType": type_of(self.exchange.instruments[at]) if at >= 0 else "",
            "instId": self.exchange.instruments[at].raw_symbol if at >= 0 else "",
            "billId": str(item.id),
            "type": kind,
            "subType": "",
            "ts": ms(item.time),
            **changes,
            "mgnMode": mode,
            "ccy": self.exchange.currencies[item.currency],
            "fee": money_text(item.amount) if item.kind == "fee" else "0",
            "pnl": money_text(item.amount) if item.kind in ("realized", "funding") else "0",
            "tradeId": str(item.trade_id) if item.trade_id else "",
            **fixed("bal= posBal= sz= px= execType= ordId= clOrdId= from= to= notes= tag= interest="),
        }

    # --- the funding account ----------------------------------------------------------------------

    def funding_balances(self, account: SimAccount, query: Query, _now: int) -> list[Any]:
        wanted = query.get("ccy", "")
        held = {self.exchange.currencies[at]: money_text(units) for at, units in account.beside.items() if units}
        names = ("bal", "availBal")
        return [
            {"ccy": name, "frozenBal": "0", **dict.fromkeys(names, text)}
            for name, text in held.items()
            if not wanted or name in wanted.split(",")
        ]

    def _transfers(self, account: SimAccount) -> list[Income]:
        return [each for each in reversed(account.income) if each.kind == "transfer"]

    def funding_bills(self, account: SimAccount, query: Query, _now: int) -> list[Any]:
        """Returns the bills of transfers, which have the opposite signs of the trading account's."""
        rows = []
        for each in rows_after(self._transfers(account), query, lambda item: item.id):
            row = {"ccy": self.exchange.currencies[each.currency], "clientId": each.name}
            row["type"] = "130" if each.amount < 0 else "131"
            if all(query.get(name) in ("", None, text) for name, text in row.items()):
                rows.append({**row, "billId": str(each.id), "balChg": money_text(-each.amount), "ts": ms(each.time)})
        return [{"bal": "", "notes": "", **row} for row in rows]

    def transfer_state(self, account: SimAccount, query: Query, _now: int) -> list[Any]:
        number, name = query.get("transId", ""), query.get("clientId", "")
        if not number and not name:
            raise Refused(50015, "Either parameter transId or clientId is required")
        found = [each for each in self._transfers(account) if number == str(each.id) or (name and name == each.name)]
        if not found:
            raise Refused(51000, "Parameter transId error")
        return [self.transfer_row(found[0]) | {"state": "success", "type": "0", "subAcct": ""}]

    def transfer_row(self, item: Income) -> dict[str, str]:
        ends = (TRADING, FUNDING) if item.amount < 0 else (FUNDING, TRADING)
        return {
            "transId": str(item.id),
            "ccy": self.exchange.currencies[item.currency],
            "clientId": item.name,
            "amt": money_text(abs(item.amount)),
            "from": ends[0],
            "to": ends[1],
        }

    # --- settings ---------------------------------------------------------------------------------

    def config(self, account: SimAccount, _query: Query, _now: int) -> list[Any]:
        number = str(30_000_000_000_000_000 + account.number)
        granted = ["read_only", *(["trade"] if account.can_trade else []), *(["withdraw"] * account.can_withdraw)]
        return [
            {
                "acctLv": level_of(account),
                "uid": number,
                "mainUid": number,
                "label": account.name,
                "posMode": "long_short_mode" if account.hedge else "net_mode",
                "perm": ",".join(granted),
                "ip": "",
                "autoLoan": False,
                "enableSpotBorrow": False,
                "spotBorrowAutoRepay": False,
                "spotTraderInsts": [],
                "traderInsts": [],
                **_CONFIG,
            }
        ]

    def leverages(self, account: SimAccount, query: Query, _now: int) -> list[Any]:
        rows = []
        for at in [self.public.at(each) for each in query.get("instId", "").split(",")]:
            names = {
                "instId": self.exchange.instruments[at].raw_symbol,
                "mgnMode": query.get("mgnMode", MARGIN),
                "ccy": "",
            }
            lever = leverage_of(account, at)
            rows += [{**names, "posSide": POSITION_WORDS[side], "lever": lever} for side in account.sides]
        return rows

    def fees(self, _account: SimAccount, query: Query, now: int) -> list[Any]:
        kind = query.get("instType") or SWAP
        (at,) = self.public.wanted({"instType": kind, **query})[:1] or (0,)
        i = self.exchange.instruments[at]
        both = {"maker": decimal_text(-i.maker_fee), "taker": decimal_text(-i.taker_fee)}
        group = {"groupId": "1", "rpiMaker": "0", **both}
        fees = fixed("level=Lv1 category=1 delivery= exercise= makerUSDC= takerUSDC= ruleType=normal")
        usd = {"makerU": both["maker"], "takerU": both["taker"]}
        return [{"instType": kind, "feeGroup": [group], **both, **usd, **fees, "ts": ms(now)}]

    def currencies(self, _account: SimAccount, _query: Query, _now: int) -> list[Any]:
        more = fixed(
            "fee=1 minFee=1 maxFee=2 minWd=10 maxWd=1000000 minDep=0 minDepArrivalConfirm=1 minWdUnlockConfirm=1 "
            "wdTickSz=8 wdQuota=1000000 usedWdQuota=0 depQuotaFixed= usedDepQuotaFixed= logoLink= ctAddr="
        )
        can = dict.fromkeys(("canDep", "canWd", "canInternal", "mainNet"), True) | {"needTag": False}
        return [
            {"ccy": name, "name": name, "chain": f"{name}-ERC20", **can, **more} for name in self.exchange.currencies
        ]


def _bill_type(item: Income) -> str:
    return _DELIVERY if item.trade_id >= SETTLEMENTS else _BILLS.get(item.kind, "10")


def _billed(trades: list[Trade]) -> Iterator[tuple[int, Trade]]:
    """Numbers trades, oldest first, by their times and their places within one time."""
    for time, each in groupby(trades, key=lambda trade: trade.fill.time):
        yield from ((time // 1000 * 1000 + place, trade) for place, trade in enumerate(each))
