"""Hyperliquid: what anybody may read of an account: money, positions, orders, fills, payments.

Source: hyperliquid.gitbook.io "Info endpoint", schemas of nktkas/hyperliquid, as of 2026-10. Lists that begin at a time
are oldest first, others newest first. The hash of a transaction is its number here.

An account begins with two wallets of USDC (`default`), which it may make one (`unifiedAccount`). Then all money is that
of spot, and the account's state has only what positions use; its exact value is unverified.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from onetape.exchange.account import Income, SimAccount, SimFill, SimOrder, Trade
from onetape.exchange.exchange import SimExchange
from onetape.exchange.hyperliquid.access import VAULT, Access
from onetape.exchange.hyperliquid.limits import Limits
from onetape.exchange.hyperliquid.public import Params, PublicData, first_rows, number
from onetape.exchange.hyperliquid.wire import (
    SPOT_USDC,
    coins,
    front_row,
    ms,
    order_row,
    price_text,
    size_text,
    status_of,
    usdc,
)
from onetape.model.decimals import decimal_text, scaled
from onetape.model.enums import Kind, PositionSide, Side
from onetape.model.money import RATE_DECIMALS
from onetape.venues.hyperliquid.words import CURRENCY, SIDE_WORDS

__all__ = ["AccountData"]

FILLS_MAX: Final = 2000
ROWS_MAX: Final = 500
ORDERS_MAX: Final = 2000
NOBODY: Final = f"0x{0:040x}"
STEP: Final = 10**12  # 1e-6 USDC
_DIRECTIONS: Final = {"adl": "Auto-Deleveraging", "settlement": "Settlement"}
_MOVES: Final = frozenset(
    {"deposit", "withdrawal", "withdraw", "given", "adjust", "insurance", "liquidation_fee", "payout"}
)
_NO_FEE: Final = {"usdcValue": "0.0", "fee": "0.0", "nativeTokenFee": "0.0", "nonce": None, "feeToken": ""}

Query = Callable[[SimAccount, Params, int], Any]


class AccountData:
    """Serves queries that read the accounts of one exchange."""

    def __init__(self, exchange: SimExchange, public: PublicData, access: Access, limits: Limits) -> None:
        self.exchange = exchange
        self.public = public
        self.access = access
        self.limits = limits
        self.queries: dict[str, Query] = {
            "clearinghouseState": lambda a, _t, n: self.state(a, n),
            "spotClearinghouseState": lambda a, _t, _n: self.spot_state(a),
            "openOrders": lambda a, _t, _n: [self.order_row(each) for each in reversed(a.open_orders.values())],
            "frontendOpenOrders": lambda a, _t, _n: self.open_orders(a),
            "orderStatus": lambda a, t, _n: self.order_status(a, t.get("oid")),
            "historicalOrders": lambda a, _t, _n: self.history(a),
            "userFills": lambda a, _t, _n: [self.fill_row(each) for each in list(a.trades)[: -FILLS_MAX - 1 : -1]],
            "userFillsByTime": self._fills,
            "userFunding": self._fundings,
            "userNonFundingLedgerUpdates": self._ledger,
            "userFees": lambda _a, _t, _n: self._fees(),
            "userRateLimit": lambda a, _t, _n: self._rate_limit(a),
            "userRole": lambda _a, t, _n: self.access.role(t.get("user")),
            "userAbstraction": lambda a, _t, _n: "default" if a.level in ("", VAULT) else a.level,
            "userDexAbstraction": lambda _a, _t, _n: None,
            "extraAgents": lambda a, _t, _n: self.access.agents(a),
            "subAccounts": lambda a, _t, n: self._subaccounts(a, n),
            "activeAssetData": lambda a, t, _n: self.asset_data(a, self.public.at(t.get("coin"))),
            "maxBuilderFee": lambda _a, _t, _n: 1000,
            "userVaultEquities": lambda _a, _t, _n: [],
            "userTwapSliceFills": lambda _a, _t, _n: [],
            "userToMultiSigSigners": lambda _a, _t, _n: None,
        }

    def wallet(self) -> int:
        return self.exchange.currencies.index(CURRENCY)

    # --- money and positions ----------------------------------------------------------------------

    def state(self, account: SimAccount, now: int) -> dict[str, Any]:
        """Returns the account's state. Its value is the balance and what its positions have made, each in whole 1e-6,
        so that one follows from the other exactly."""
        at, money = self.wallet(), account.money
        held = [index for index in self.public.perpetuals if account.qty(index)]
        made = sum(int(money.unrealized(index)) // STEP for index in held)
        owned = int(money.balance(at)) if account.spot_money else int(money.initial_margin(at))
        value = owned // STEP * STEP + made * STEP
        values = [self._value(account, index) for index in held]
        summary = {
            "accountValue": usdc(value),
            "totalNtlPos": usdc(sum(map(abs, values))),
            "totalRawUsd": usdc(value - sum(values)),
            "totalMarginUsed": usdc(int(money.initial_margin(at))),
        }
        return {
            "marginSummary": summary,
            "crossMarginSummary": summary,  # isolated positions are in it; the real one leaves them out
            "crossMaintenanceMarginUsed": usdc(int(money.cross_maintenance(at))),
            "withdrawable": usdc(max(min(int(money.available(at)), owned), 0) if account.spot_money else 0),
            "assetPositions": [{"type": "oneWay", "position": self._position(account, index)} for index in held],
            "time": ms(now),
        }

    def spot_state(self, account: SimAccount) -> dict[str, Any]:
        """Returns the balances of the spot wallet. What orders lock is on hold, and a unified account's margin, too."""
        money, rows = account.money, []
        for token, name in enumerate(self.public.tokens):
            at = self.exchange.currencies.index((account.spot_money or name) if name == CURRENCY else name)
            total, free = int(money.balance(at)), int(money.available(at))
            if at == self.wallet():
                cross = (index for index in self.public.perpetuals if index not in account.isolated)
                free -= sum(int(money.unrealized(index)) for index in cross)
            if total or not token:
                hold = coins(max(total - free, 0))
                rows.append({"coin": name, "token": token, "total": coins(total), "hold": hold, "entryNtl": "0.0"})
        return {"balances": rows}

    def _value(self, account: SimAccount, at: int) -> int:
        return self.exchange.instruments[at].notional_units(self.exchange.listings[at].valuation, account.qty(at))

    def _position(self, account: SimAccount, at: int) -> dict[str, Any]:
        i, money, qty = self.exchange.instruments[at], account.money, account.qty(at)
        isolated, leverage = at in account.isolated, account.leverage_of(at)
        profit, value = int(money.unrealized(at)), abs(self._value(account, at))
        entry = Decimal(str(money.position(at).entry_price(account.specs[at])))
        margin = account.wallet(at, PositionSide.BOTH) if isolated else value // leverage
        kind: dict[str, Any] = {"type": "cross", "value": leverage}
        if isolated:
            kind = {
                "type": "isolated",
                "value": leverage,
                "rawUsd": usdc(account.wallet(at, PositionSide.BOTH) - value),
            }
        funding = usdc(-int(money.funding(at)))
        return {
            "coin": i.raw_symbol,
            "szi": size_text(i, qty),
            "leverage": kind,
            "entryPx": decimal_text(round(entry, 6)),
            "positionValue": usdc(value),
            "unrealizedPnl": usdc(profit),
            "returnOnEquity": decimal_text(round(Decimal(profit) / max(margin, 1), 10)),
            "liquidationPx": self.liquidation_price(account, at),
            "marginUsed": usdc(margin),
            "maxLeverage": i.leverage,
            "cumFunding": {"allTime": funding, "sinceOpen": funding, "sinceChange": funding},
        }

    def liquidation_price(self, account: SimAccount, at: int) -> str | None:
        """Returns the mark at which the margin, other positions unchanged, falls to the maintenance margin; None if no
        price does it."""
        price = self.exchange.clearing.liquidation_price(account, at, PositionSide.BOTH)
        return decimal_text(round(Decimal(str(price)), 6)) if price else None

    def asset_data(self, account: SimAccount, at: int) -> dict[str, Any]:
        i, mark = self.exchange.instruments[at], self.exchange.listings[at].valuation
        free, leverage = max(int(account.money.available(self.wallet())), 0), account.leverage_of(at)
        most = size_text(i, free * leverage // max(i.notional_units(mark, 1), 1))
        kind = "isolated" if at in account.isolated else "cross"
        return {
            "user": account.key.lower(),
            "coin": i.raw_symbol,
            "leverage": {"type": kind, "value": leverage},
            "maxTradeSzs": [most, most],
            "availableToTrade": [usdc(free), usdc(free)],
            "markPx": price_text(i, mark),
        }

    # --- orders -----------------------------------------------------------------------------------

    def order_row(self, order: SimOrder) -> dict[str, Any]:
        return order_row(self.exchange.instruments[order.index], order)

    def front_row(self, order: SimOrder) -> dict[str, Any]:
        return front_row(self.exchange.instruments[order.index], order)

    def open_orders(self, account: SimAccount) -> list[dict[str, Any]]:
        return [self.front_row(each) for each in reversed(account.open_orders.values())]

    def status(self, order: SimOrder) -> dict[str, Any]:
        word = status_of(order.state, order, order.code)
        return {"order": self.front_row(order), "status": word, "statusTimestamp": ms(order.updated)}

    def order_status(self, account: SimAccount, oid: object) -> dict[str, Any]:
        """Returns an order by its number, or by the client's id."""
        found = account.by_id.get(oid) if type(oid) is int else account.by_client_id.get(str(oid).lower())
        return {"status": "unknownOid"} if found is None else {"status": "order", "order": self.status(found)}

    def history(self, account: SimAccount) -> list[dict[str, Any]]:
        return [self.status(each) for each in sorted(account.by_id.values(), key=lambda o: -o.id)[:ORDERS_MAX]]

    # --- fills and payments -----------------------------------------------------------------------

    def fill_row(self, trade: Trade) -> dict[str, Any]:
        order, fill = trade
        i, number_ = self.exchange.instruments[order.index], self.public.trade_number(order.index, fill.trade_id)
        row = {
            "coin": i.raw_symbol,
            "px": price_text(i, fill.price),
            "sz": size_text(i, fill.size),
            "side": SIDE_WORDS[order.side],
            "time": ms(fill.time),
            "startPosition": size_text(i, fill.held),
            "dir": _direction(order, fill, i.kind),
            "closedPnl": usdc(fill.realized),
            "hash": f"0x{number_:064x}",
            "oid": order.id,
            "crossed": not fill.is_maker,
            "fee": coins(fill.fee),
            "tid": number_,
            "feeToken": i.base if i.kind is Kind.SPOT and order.side is Side.BUY else CURRENCY,
            "twapId": None,
        }
        if order.client_id:
            row["cloid"] = order.client_id
        if order.origin == "liquidation":
            mark = price_text(i, self.exchange.listings[order.index].valuation)
            row["liquidation"] = {"liquidatedUser": order.account.key.lower(), "markPx": mark, "method": "market"}
        return row

    def _fills(self, account: SimAccount, terms: Params, _now: int) -> list[Params]:
        begin, end = number(terms, "startTime", 0), number(terms, "endTime", 2**62)
        found = [each for each in account.trades if begin <= ms(each.fill.time) <= end]
        return [self.fill_row(each) for each in found[:FILLS_MAX]]

    def _fundings(self, account: SimAccount, terms: Params, _now: int) -> list[Params]:
        rows = [self.funding(account, each) for each in account.income if each.kind == "funding"]
        rows = [{"time": row.pop("time"), "hash": f"0x{0:064x}", "delta": {"type": "funding", **row}} for row in rows]
        return first_rows(rows, number(terms, "startTime", 0), number(terms, "endTime", 2**62), ROWS_MAX)

    def funding(self, account: SimAccount, item: Income) -> Params:
        i, listing = self.exchange.instruments[item.at], self.exchange.listings[item.at]
        rate, mark = next(((rate, mark) for when, rate, mark in listing.fundings if when == item.time), (0, 0))
        one = i.notional_units(mark, 10**i.size_decimals) * rate // 10**12 if mark else 0
        held = -round(item.amount * 10**i.size_decimals / one) if one else 0
        return {
            "time": ms(item.time),
            "coin": i.raw_symbol,
            "usdc": usdc(item.amount),
            "szi": size_text(i, held),
            "fundingRate": decimal_text(scaled(rate, RATE_DECIMALS)),
            "nSamples": None,
        }

    def _ledger(self, account: SimAccount, terms: Params, _now: int) -> list[Params]:
        rows = [self.move(account, each) for each in account.income if self.is_move(each)]
        return first_rows(rows, number(terms, "startTime", 0), number(terms, "endTime", 2**62), ROWS_MAX)

    def is_move(self, item: Income) -> bool:
        return item.kind in _MOVES or (item.kind == "transfer" and item.currency == self.wallet())

    def move(self, account: SimAccount, item: Income) -> Params:
        """Returns a change of the balance that is no fill and no funding. What the venue itself pays or takes is shown
        as of a vault."""
        amount, currency = usdc(abs(item.amount)), self.exchange.currencies[item.currency]
        is_paid = item.amount > 0
        ends = {"user": NOBODY, "destination": NOBODY, ("destination" if is_paid else "user"): account.key.lower()}
        if item.kind == "given":
            last = next(each for each in reversed(self.exchange.accounts.account_transfers) if each.time == item.time)
            names = {each.name: each.key.lower() for each in self.exchange.accounts}
            ends = {"user": names[last.source], "destination": names[last.target]}
        delta: dict[str, Any] = {"type": "deposit", "usdc": amount}
        if currency != CURRENCY:
            token = CURRENCY if currency == SPOT_USDC else currency
            delta = {"type": "spotTransfer", "token": token, "amount": coins(abs(item.amount)), **ends, **_NO_FEE}
        elif item.kind == "given":
            delta = {"type": "subAccountTransfer", "usdc": amount, **ends}
        elif item.kind == "transfer":
            delta = {"type": "accountClassTransfer", "usdc": amount, "toPerp": is_paid}
        elif item.kind not in ("deposit", "withdrawal", "withdraw"):
            kind = "vaultDistribution" if is_paid else "vaultDeposit"
            delta = {"type": kind, "vault": NOBODY, "usdc": amount}
        elif not is_paid:
            taken = usdc(-item.amount - item.fee)
            delta = {"type": "withdraw", "usdc": taken, "nonce": item.id, "fee": usdc(item.fee)}
        return {"time": ms(item.time), "hash": f"0x{item.id:064x}", "delta": delta}

    # --- the rest ---------------------------------------------------------------------------------

    def _fees(self) -> dict[str, Any]:
        usual = {"cross": "0.00045", "add": "0.00015", "spotCross": "0.0007", "spotAdd": "0.0004"}
        return {
            "dailyUserVlm": [],
            "feeSchedule": {**usual, "tiers": {"vip": [], "mm": []}, "referralDiscount": "0.04"},
            **{f"user{name[0].upper()}{name[1:]}Rate": rate for name, rate in usual.items()},
            "activeReferralDiscount": "0.0",
            "trial": None,
            "feeTrialReward": "0.0",
            "nextTrialAvailableTimestamp": None,
        }

    def _rate_limit(self, account: SimAccount) -> dict[str, Any]:
        cap = self.limits.cap(account)
        used = self.limits.used.get(account.key, 0)
        volume = f"{cap - 10_000}.0"
        return {"cumVlm": volume, "nRequestsUsed": used, "nRequestsCap": cap, "nRequestsSurplus": 0}

    def _subaccounts(self, account: SimAccount, now: int) -> list[Params] | None:
        found = [
            {
                "subAccountUser": each.key.lower(),
                "name": each.name,
                "master": account.key.lower(),
                "clearinghouseState": self.state(each, now),
                "spotState": self.spot_state(each),
            }
            for each in self.access.subaccounts(account)
        ]
        return found or None


def _direction(order: SimOrder, fill: SimFill, kind: Kind) -> str:
    if kind is Kind.SPOT:
        return "Buy" if order.side is Side.BUY else "Sell"
    if order.origin in _DIRECTIONS:
        return _DIRECTIONS[order.origin]
    after = fill.held + order.side.sign * fill.size
    if fill.held * after < 0:
        return "Long > Short" if fill.held > 0 else "Short > Long"
    closes = fill.held * order.side.sign < 0
    is_long = (fill.held > 0) if closes else order.side.sign > 0
    return f"{'Close' if closes else 'Open'} {'Long' if is_long else 'Short'}"
