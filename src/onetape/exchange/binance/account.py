"""Binance USD-M: balances, positions, settings, income.

Source: "Account Endpoints" of the USD-M documentation, as of 2026-11. The third version of account
and positionRisk lists only symbols with a position or an open order; leverage and margin type have
moved to symbolConfig, modes to accountConfig.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final

from onetape.exchange.account import SimAccount, since
from onetape.exchange.binance.margin import MarginData
from onetape.exchange.binance.multi_assets import MultiAssets
from onetape.exchange.binance.public import PublicData, eight
from onetape.exchange.binance.terms import span
from onetape.exchange.binance.wallet import WalletData
from onetape.exchange.binance.wire import (
    Refused,
    amount,
    ms,
    number,
    order_row,
    owed,
    pair_fields,
    price_text,
    row_limit,
    size_text,
)
from onetape.exchange.exchange import SimExchange
from onetape.model.enums import Kind, PositionSide
from onetape.model.instrument import Instrument
from onetape.model.money import money
from onetape.model.time import WEEK

__all__ = ["AccountData"]

_INCOME: Final = {
    "realized": "REALIZED_PNL",
    "fee": "COMMISSION",
    "funding": "FUNDING_FEE",
    "deposit": "TRANSFER",
    "withdraw": "TRANSFER",
    "adjust": "TRANSFER",
    "transfer": "TRANSFER",
    "given": "TRANSFER",
    "liquidation_fee": "INSURANCE_CLEAR",
    "insurance": "INSURANCE_CLEAR",
    "auto_exchange": "AUTO_EXCHANGE",
}


class AccountData:
    """Answers the account endpoints of one exchange."""

    def __init__(self, exchange: SimExchange, public: PublicData) -> None:
        self.exchange = exchange
        self.public = public
        self.margin = MarginData(exchange, public)
        self.multi_assets = MultiAssets(exchange)
        self.wallet = WalletData(exchange, lambda account, at: self._free(account, at)[1])

    def balances(self, account: SimAccount, now: int) -> list[dict[str, Any]]:
        rows = []
        for at, name in enumerate(self.exchange.currencies):
            if not self._settles(at) and not account.money.balance(at):
                continue
            wallet, equity = account.money.balance(at), self._equity(account, at)
            available, withdrawable = self._free(account, at)
            rows.append(
                {
                    "accountAlias": f"sim{account.number:04d}",
                    "asset": name,
                    "balance": amount(wallet),
                    "crossWalletBalance": amount(account.cross_balance(at)),
                    "crossUnPnl": amount(equity - wallet - self._apart(account, at)),
                    "availableBalance": amount(available),
                    "maxWithdrawAmount": amount(withdrawable),
                    "marginAvailable": True,
                    "updateTime": ms(now),
                }
            )
        return rows

    def account(self, account: SimAccount, now: int, *, version: int) -> dict[str, Any]:
        assets = []
        totals: dict[str, int] = defaultdict(int)
        for at, name in enumerate(self.exchange.currencies):
            if not self._settles(at) and not account.money.balance(at):
                continue
            sums = self._sums(account, at)
            for key, value in sums.items():
                totals[key] += self._in_total(account, at, key, value)
            assets.append(self._asset(account, at, name, sums, now))
        if account.joint is not None:  # with joint margin each currency shows the whole amount
            free = totals["wallet"] + totals["unrealized"] - totals["initial"]
            totals["available"] = max(free, 0)
        answer: dict[str, Any] = {
            "totalInitialMargin": owed(totals["initial"]),
            "totalMaintMargin": owed(totals["maint"]),
            "totalWalletBalance": amount(totals["wallet"]),
            "totalUnrealizedProfit": amount(totals["unrealized"]),
            "totalMarginBalance": amount(totals["wallet"] + totals["unrealized"]),
            "totalPositionInitialMargin": owed(totals["initial"] - totals["orders"]),
            "totalOpenOrderInitialMargin": owed(totals["orders"]),
            "totalCrossWalletBalance": amount(totals["cross"]),
            "totalCrossUnPnl": amount(totals["unrealized"] - totals["apart"]),
            "availableBalance": amount(totals["available"]),
            "maxWithdrawAmount": amount(totals["available"]),
            "assets": assets,
            "positions": [self._account_position(row) for row in self._rows(account, now, version)],
        }
        if version == 2:
            config = self.account_config(account)
            del config["dualSidePosition"]
            answer = {"feeTier": config.pop("feeTier"), "feeBurn": False, **config, **answer}
        return answer

    def _sums(self, account: SimAccount, at: int) -> dict[str, int]:
        """Returns the amounts of a currency that go into the account's sums, in 1e-18."""
        wallet, cross = int(account.money.balance(at)), account.cross_balance(at)
        # Initial margin is computed from the present notional, so isolated margin does not count as such.
        alone = self._held_margin(account, at, account.isolated)
        initial = int(account.money.initial_margin(at)) - (wallet - cross) + alone
        held = self._held_margin(account, at, range(len(self.exchange.instruments)))
        return {
            "initial": initial,
            "maint": int(account.money.maintenance_margin(at)),
            "wallet": wallet,
            "unrealized": self._equity(account, at) - wallet,
            "available": self._free(account, at)[0],
            "cross": cross,
            "apart": self._apart(account, at),
            "orders": max(initial - held, 0),
        }

    def _asset(self, account: SimAccount, at: int, name: str, sums: dict[str, int], now: int) -> dict[str, Any]:
        return {
            "asset": name,
            "walletBalance": amount(sums["wallet"]),
            "unrealizedProfit": amount(sums["unrealized"]),
            "marginBalance": amount(sums["wallet"] + sums["unrealized"]),
            "maintMargin": owed(sums["maint"]),
            "initialMargin": owed(sums["initial"]),
            "positionInitialMargin": owed(sums["initial"] - sums["orders"]),
            "openOrderInitialMargin": owed(sums["orders"]),
            "crossWalletBalance": amount(sums["cross"]),
            "crossUnPnl": amount(sums["unrealized"] - sums["apart"]),
            "availableBalance": amount(sums["available"]),
            "maxWithdrawAmount": amount(self._free(account, at)[1]),
            "marginAvailable": True,
            "updateTime": ms(now),
        }

    @staticmethod
    def _account_position(row: dict[str, Any]) -> dict[str, Any]:
        """Returns a position in the account's form, which differs from positionRisk."""
        kept = (
            "symbol",
            "positionSide",
            "positionAmt",
            "isolatedMargin",
            "notional",
            "isolatedWallet",
            "initialMargin",
            "maintMargin",
            "updateTime",
            "entryPrice",
            "breakEvenPrice",
            "leverage",
            "isolated",
        )
        found = {name: row[name] for name in kept if name in row}
        found["unrealizedProfit"] = row["unRealizedProfit"]
        return found

    def positions(self, account: SimAccount, params: dict[str, str], now: int, *, version: int) -> list[dict[str, Any]]:
        wanted = {self.exchange.instruments[at].raw_symbol for at in self.public.instruments_of(params)}
        return [row for row in self._rows(account, now, version) if row["symbol"] in wanted]

    def _rows(self, account: SimAccount, now: int, version: int) -> list[dict[str, Any]]:
        with_orders = {o.index for o in account.open_orders.values()}
        rows = []
        for at, i in enumerate(self.exchange.instruments):
            if i.kind is Kind.SPOT:
                continue
            for side in account.sides:
                qty = account.qty(at, side)
                if version == 3 and not qty and at not in with_orders:
                    continue
                rows.append(self._position(account, at, side, now, version))
        return rows

    def _position(self, account: SimAccount, at: int, side: PositionSide, now: int, version: int) -> dict[str, Any]:
        i, listing = self.exchange.instruments[at], self.exchange.listings[at]
        position = account.money.position(at, side.value)
        qty = int(position.qty)
        mark = listing.valuation
        notional = i.notional_units(mark, qty) if qty else 0
        unrealized = int(position.unrealized(_spec(account, at), mark)) if qty else 0
        leverage = account.leverage_of(at)
        initial = abs(notional) // leverage
        alone = at in account.isolated
        row: dict[str, Any] = {
            "symbol": i.raw_symbol,
            "positionSide": side.value.upper(),
            "positionAmt": size_text(i, qty),
            "entryPrice": entry_text(account, at, side),
            "breakEvenPrice": break_even_text(account, at, side),
            "markPrice": eight(price_text(i, mark)),
            "unRealizedProfit": amount(unrealized),
            "liquidationPrice": self._liquidation(account, at, side),
            "isolatedMargin": amount(account.wallet(at, side) + unrealized) if alone else "0",
            "notional": amount(notional),
            "marginAsset": i.settle,
            "isolatedWallet": amount(account.wallet(at, side)) if alone else "0",
            "initialMargin": owed(initial),
            "maintMargin": owed(i.maintenance_units(abs(notional))),
            "positionInitialMargin": owed(initial),
            "openOrderInitialMargin": "0",
            "adl": 1,
            "bidNotional": "0",
            "askNotional": "0",
            "updateTime": ms(account.touched.get((at, side), 0)),
        }
        if version == 2:
            row["leverage"] = str(leverage)
            row["marginType"] = "isolated" if at in account.isolated else "cross"
            row["isolated"] = at in account.isolated
            row["isAutoAddMargin"] = "false"
            row["maxNotionalValue"] = f"{self.margin.most(account, at):f}"
        return row

    def _liquidation(self, account: SimAccount, at: int, side: PositionSide) -> str:
        """Returns the price at which this position alone would take the account below its maintenance margin."""
        settle = self.exchange.currencies.index(self.exchange.instruments[at].settle)
        spare = self.multi_assets.spare_of(account, settle) if account.joint is not None else None
        price = self.exchange.clearing.liquidation_price(account, at, side, spare=spare)
        return f"{price:.8f}" if price else "0"

    def account_config(self, account: SimAccount) -> dict[str, Any]:
        return {
            "feeTier": 0,
            "canTrade": account.can_trade,
            "canDeposit": True,
            "canWithdraw": account.can_withdraw,
            "dualSidePosition": account.hedge,
            "updateTime": 0,
            "multiAssetsMargin": account.joint is not None,
            "tradeGroupId": -1,
        }

    def symbol_config(self, account: SimAccount, params: dict[str, str]) -> list[dict[str, Any]]:
        return [
            {
                "symbol": self.exchange.instruments[at].raw_symbol,
                "marginType": "ISOLATED" if at in account.isolated else "CROSSED",
                "isAutoAddMargin": False,
                "leverage": account.leverage_of(at),
                "maxNotionalValue": f"{self.margin.most(account, at):f}",
            }
            for at in self.public.instruments_of(params)
        ]

    def set_hedge(self, account: SimAccount, params: dict[str, str], now: int) -> dict[str, Any]:
        wanted = params.get("dualSidePosition", "").lower()
        if wanted not in ("true", "false"):
            raise Refused(-1102, "dualsideposition")
        if (wanted == "true") == account.hedge:
            raise Refused(-4059)
        if account.open_orders or self.exchange.conditionals.open_of(account):
            raise Refused(-4067)
        if account.has_positions:
            raise Refused(-4068)
        self.exchange.accounts.set_hedge(account, wanted == "true", now)
        return {"code": 200, "msg": "success"}

    def commission_rate(self, params: dict[str, str]) -> dict[str, Any]:
        i = self.exchange.instruments[self.public.at(params)]
        return {
            "symbol": i.raw_symbol,
            "makerCommissionRate": f"{i.maker_fee:f}",
            "takerCommissionRate": f"{i.taker_fee:f}",
            "rpiCommissionRate": f"{i.maker_fee:f}",
        }

    def adl_quantile(self, account: SimAccount, params: dict[str, str]) -> list[dict[str, Any]]:
        return [
            {
                "symbol": self.exchange.instruments[at].raw_symbol,
                "adlQuantile": {s.value.upper(): 1 for s in account.sides if account.qty(at, s)},
            }
            for at in self.public.instruments_of(params)
        ]

    def income(self, account: SimAccount, params: dict[str, str]) -> list[dict[str, Any]]:
        limit = row_limit(params, 100, 1000)
        wanted = params.get("incomeType", "")
        symbol = params.get("symbol", "")
        start, end = span(params)
        if not params.get("startTime") and not params.get("endTime"):
            start = self.exchange.now - WEEK
        rows = []
        for row in since(account.income, start, lambda income: income.time):
            name = self.exchange.instruments[row.at].raw_symbol if row.at >= 0 else ""
            kind = _INCOME.get(row.kind, "TRANSFER")
            if (wanted and kind != wanted) or (symbol and name != symbol):
                continue
            if row.time > end:
                continue
            rows.append(
                {
                    "symbol": name,
                    "incomeType": kind,
                    "income": amount(row.amount),
                    "asset": self.exchange.currencies[row.currency],
                    "info": str(row.trade_id) if row.trade_id else kind,
                    "time": ms(row.time),
                    "tranId": row.id,
                    "tradeId": str(row.trade_id) if row.trade_id else "",
                }
            )
        page = max(number(params, "page", 1), 1)
        return rows[(page - 1) * limit : page * limit] if params.get("startTime") else rows[-limit:]

    def force_orders(
        self, account: SimAccount, params: dict[str, str], *, has_pair: bool = True
    ) -> list[dict[str, Any]]:
        instruments = self.exchange.instruments
        wanted = set(self.public.instruments_of(params))
        kind = params.get("autoCloseType", "")
        origin = {"LIQUIDATION": ("liquidation",), "ADL": ("adl",)}.get(kind, ("liquidation", "adl"))
        return [
            {
                **order_row(instruments[o.index], o, with_average=True),
                **(pair_fields(instruments[o.index], o) if has_pair else {}),
            }
            for o in account.by_id.values()
            if o.origin in origin and o.index in wanted
        ][-row_limit(params, 50, 100) :]

    # --- sums -------------------------------------------------------------------------------------

    def _settles(self, currency: int) -> bool:
        name = self.exchange.currencies[currency]
        return any(i.settle == name for i in self.exchange.instruments)

    def _free(self, account: SimAccount, currency: int) -> tuple[int, int]:
        """Returns (free for orders, withdrawable), 1e-18 of the currency."""
        available = max(int(account.money.available(currency)), 0)
        if account.joint is not None:
            return available, self.multi_assets.withdrawable(account, currency)
        return available, min(available, max(int(account.money.balance(currency)), 0))

    def _in_total(self, account: SimAccount, currency: int, key: str, value: int) -> int:
        """Returns what a currency's amount adds to a sum of the account."""
        if account.joint is None:
            return value if self._settles(currency) else 0
        if key in ("initial", "maint", "orders"):
            return self.multi_assets.needed(currency, value)
        if key == "unrealized":  # a loss reduces the assets, and is no separate debt
            wallet = int(account.money.balance(currency))
            total = self.multi_assets.worth(currency, wallet + value)
            return total - self.multi_assets.worth(currency, wallet)
        return self.multi_assets.worth(currency, value)

    def _equity(self, account: SimAccount, currency: int) -> int:
        return int(account.money.equity(currency))

    def _apart(self, account: SimAccount, currency: int) -> int:
        """Returns the unrealized profit of isolated positions."""
        name = self.exchange.currencies[currency]
        total = 0
        for at in account.isolated:
            if self.exchange.instruments[at].settle != name:
                continue
            mark = self.exchange.listings[at].valuation
            for side in account.sides:
                position = account.money.position(at, side.value)
                total += int(position.unrealized(_spec(account, at), mark)) if position.qty else 0
        return total

    def _held_margin(self, account: SimAccount, currency: int, instruments: Iterable[int]) -> int:
        """Returns the initial margin of positions, by their present notional."""
        total = 0
        for at in instruments:
            i = self.exchange.instruments[at]
            if self.exchange.currencies.index(i.settle) != currency:
                continue
            mark = self.exchange.listings[at].valuation
            for side in account.sides:
                qty = account.qty(at, side)
                total += abs(i.notional_units(mark, qty)) // account.leverage_of(at) if qty else 0
        return total


def _spec(account: SimAccount, at: int) -> Any:
    return account.specs[at]


def entry_text(account: SimAccount, at: int, side: PositionSide) -> str:
    """Returns the average entry price of a position, "0.0" without one."""
    i = account.instruments[at]
    position = account.money.position(at, side.value)
    qty = int(position.qty)
    if not qty:
        return "0.0"
    return _price_text(i, qty, abs(int(position.cost)))


def break_even_text(account: SimAccount, at: int, side: PositionSide) -> str:
    """Returns the entry price including the fees paid for the open part. Closing at that price recovers both, but not
    the fee of closing."""
    position = account.money.position(at, side.value)
    qty = int(position.qty)
    if not qty:
        return "0.0"
    fees = account.entry_fees.get((at, side), 0)
    return _price_text(account.instruments[at], qty, abs(int(position.cost)) + (fees if qty > 0 else -fees))


def _price_text(i: Instrument, qty: int, cost: int) -> str:
    """Returns the price of a contract. cost: 1e-18."""
    contracts, value = i.size(abs(qty)) * i.multiplier, money(cost)
    price = contracts / value if i.kind is Kind.INVERSE else value / contracts
    text = f"{price:.11f}".rstrip("0")
    return text + "0" if text.endswith(".") else text
