"""Aster in front of a simulated exchange: the third version of its API, signed by wallets.

A venue of Binance's family, like Binance before its Algo Service: conditional orders are ordinary orders. This module
has only the differences from Binance. Source: asterdex/api-docs V3(Recommended), of 2026-06, and its examples.
Undocumented parts are absent.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from onetape.exchange.account import SimAccount, since
from onetape.exchange.aster.access import DONE, WalletAccess
from onetape.exchange.aster.words import AsterWords
from onetape.exchange.binance.account import AccountData
from onetape.exchange.binance.limits import Limits
from onetape.exchange.binance.public import INTEREST_RATE, PublicData
from onetape.exchange.binance.rest import Params, Rest
from onetape.exchange.binance.streams import Streams
from onetape.exchange.binance.terms import OrderTerms, span
from onetape.exchange.binance.trading import OrderTraits, Trading
from onetape.exchange.binance.user_events import EventTraits
from onetape.exchange.binance.venue import Public, Signed, public_routes
from onetape.exchange.binance.wire import Refused, amount, ms, row_limit
from onetape.exchange.dialect import Reply, Request, Streamed
from onetape.exchange.exchange import SimExchange
from onetape.model.time import DAY

__all__ = ["Aster"]

ROOT: Final = "/fapi/v3"
# As in the venue's list of instruments; the list of 2026-01 had FOK and RPI, too, and FOK is still documented.
LISTED_TIFS: Final = ("GTC", "IOC", "GTX", "HIDDEN")
STP_MODES: Final = {"EXPIRE_TAKER": "cancel_incoming", "EXPIRE_MAKER": "cancel_resting", "EXPIRE_BOTH": "cancel_both"}
ORDERS: Final = OrderTraits(
    tifs=(*LISTED_TIFS, "FOK", "RPI"),
    triggers=True,
    triggers_max=10,  # as in the list of instruments; the documents say 100
    callback_most=Decimal(5),  # for a single order; the documents have 4 for batches
    stp=("stpMode", STP_MODES),
    modifies_side=False,
    absent=frozenset({"priceMatch", "selfTradePreventionMode", "goodTillDate"}),
    is_full=True,
    has_pair=False,
)
EVENTS: Final = EventTraits(
    has_lite=False,
    names_key=False,
    absent=frozenset({"pP", "si", "ss", "V", "pm", "gtd", "er", "bep", "ma"}),
    tells_hedge=True,
    tells_trails=True,
)
STREAMS_MAX: Final = 200  # per connection
# Fields of Binance's account answer that this one lacks.
NO_ACCOUNT_FIELDS: Final = ("multiAssetsMargin", "tradeGroupId", "feeBurn")
# Fields of Binance's positions that are missing here: everywhere, only in the account's list, only in positionRisk.
# positionRisk has `notional` and `isolatedWallet`, which typed-aster 0.7.0 (2026-10) requires.
NO_FIELDS: Final = ("breakEvenPrice", "adl", "bidNotional", "askNotional", "marginAsset")
ACCOUNT_FIELDS: Final = ("initialMargin", "maintMargin", "positionInitialMargin", "openOrderInitialMargin", "isolated")
RISK_FIELDS: Final = ("markPrice", "liquidationPrice", "marginType", "isAutoAddMargin", "isolatedMargin")
TRANSFERS: Final = {"SPOT_FUTURE": "MAIN_UMFUTURE", "FUTURE_SPOT": "UMFUTURE_MAIN"}
TRANSFER_ID_MAX: Final = 63
TRANSFER_IDS: Final = 7 * DAY  # how long a transfer id stays unique
# The parts of the spot API that clients request first.
SPOT: Final = ("/api/v1/", "/api/v3/")


class Aster(Streamed):
    """Implements `Dialect`. limits: refuse excess requests, as the venue does. balances: of a new wallet."""

    vocabulary = AsterWords
    streams: Streams

    def __init__(self, exchange: SimExchange, *, limits: bool = True, balances: dict[str, str]) -> None:
        self.exchange = exchange
        self.skew = 0
        self.limits = Limits(limits)
        self.public = PublicData(exchange, self.limits)
        self.access = WalletAccess(exchange, balances)
        terms = OrderTerms(exchange, self.public)
        self.trading = Trading(exchange, self.public, terms, ORDERS, self.access.check_order)
        self.account = AccountData(exchange, self.public)
        self.streams = Streams(exchange, self.public, most=STREAMS_MAX, traits=EVENTS)
        self.streams.is_unrouted = True
        self.rest = Rest(self.limits, self._route)
        self._open = self._public_routes()
        self._signed = self._signed_routes()
        self._own = self.access.own_routes(ROOT)

    def addresses(self, host: str, port: int) -> tuple[str, str]:
        return f"http://{host}:{port}", f"ws://{host}:{port}"

    def http(self, request: Request, now: int) -> Reply:
        return self.rest.http(request, now)

    def _route(self, request: Request, params: Params, now: int, headers: dict[str, str]) -> Any:
        key = (request.method, request.path)
        if open_to_all := self._open.get(key):
            return open_to_all(params, now)
        if own := self._own.get(key):
            return own(params, now + self.skew)
        signed = self._signed.get(key)
        if signed is None:
            raise Refused(-5000, request.path, request.method, status=404)
        account = self.access.account_of(request, params, now + self.skew)
        if request.method != "GET" and not account.can_trade:
            raise Refused(-2015, status=401)
        if request.method in ("POST", "PUT") and request.path in (f"{ROOT}/order", f"{ROOT}/batchOrders"):
            count = 5 if request.path.endswith("batchOrders") else 1
            headers.update(self.limits.spend_orders(account.number, count, now))
        return signed(account, params, now)

    # --- routes -----------------------------------------------------------------------------------

    def _public_routes(self) -> dict[tuple[str, str], Public]:
        public = self.public
        routes: dict[str, Public] = {}
        for root in ("/fapi/v1", ROOT):
            routes |= public_routes(public, root)
            routes[f"{root}/exchangeInfo"] = self._exchange_info
            routes[f"{root}/fundingInfo"] = self._funding
            routes[f"{root}/indexreferences"] = self._references
            routes[f"{root}/openInterest"] = public.open_interest
        for root in ("/fapi/v1/", f"{ROOT}/", *SPOT):
            routes[f"{root}ping"] = lambda _p, _n: {}
            routes[f"{root}time"] = lambda _p, now: {"serverTime": ms(now + self.skew)}
        for root in SPOT:
            routes[f"{root}exchangeInfo"] = public.empty_info
        return {("GET", path): handler for path, handler in routes.items()}

    def _funding(self, params: Params, now: int) -> list[dict[str, Any]]:
        """Returns funding with Aster's field names."""
        wanted = {self.exchange.instruments[at].raw_symbol for at in self.public.instruments_of(params)}
        return [
            {
                "symbol": row["symbol"],
                "interestRate": INTEREST_RATE,
                "time": ms(now),
                "fundingIntervalHours": row["fundingIntervalHours"],
                "fundingFeeCap": float(row["adjustedFundingRateCap"]),
                "fundingFeeFloor": float(row["adjustedFundingRateFloor"]),
            }
            for row in self.public.funding_info()
            if row["symbol"] in wanted
        ]

    def _references(self, params: Params, now: int) -> dict[str, Any]:
        """Returns the components of the index: here only this exchange."""
        if params.get("symbol") and params["symbol"] not in self.public.index:
            raise Refused(-1000, text="Invalid symbol.")
        i = self.exchange.instruments[self.public.at(params)]
        parts = [{"exchange": "simulated", "symbol": i.raw_symbol, "weight": "1.00000000"}]
        return {"symbol": i.raw_symbol, "time": ms(now), "references": parts}

    def _exchange_info(self, _params: Params, now: int) -> dict[str, Any]:
        info = self.public.exchange_info(now)
        for symbol in info["symbols"]:
            del symbol["permissionSets"]
            symbol["filters"] = [each for each in symbol["filters"] if each["filterType"] != "POSITION_RISK_CONTROL"]
            symbol["filters"].append({"filterType": "MAX_NUM_ALGO_ORDERS", "limit": ORDERS.triggers_max})
            symbol |= {"timeInForce": list(LISTED_TIFS), "symbolType": 0, "tradingMode": 0, "channel": ""}
            symbol |= {"settlePlan": 0, "name": "", "sequenceNo": 0, "twapMinNotional": ""}
        return info

    def _signed_routes(self) -> dict[tuple[str, str], Signed]:
        trading, data, streams = self.trading, self.account, self.streams
        routes: dict[str, dict[str, Signed]] = {
            "order": {
                "POST": trading.place,
                "PUT": trading.modify,
                "DELETE": trading.cancel,
                "GET": lambda a, p, _n: trading.query(a, p),
            },
            "order/test": {"POST": lambda a, p, n: trading.place(a, p, n, test=True)},
            "openOrder": {"GET": lambda a, p, _n: trading.open_order(a, p)},
            "openOrders": {"GET": lambda a, p, _n: trading.open_orders(a, p)},
            "allOrders": {"GET": lambda a, p, _n: trading.all_orders(a, p)},
            "allOpenOrders": {"DELETE": trading.cancel_all},
            "batchOrders": {"POST": trading.place_batch, "DELETE": trading.cancel_batch},
            "countdownCancelAll": {"POST": trading.countdown},
            "userTrades": {"GET": lambda a, p, _n: trading.trades(a, p)},
            "balance": {"GET": lambda a, _p, n: data.balances(a, n)},
            "accountWithJoinMargin": {"GET": self._account},
            "account": {"GET": self._account},
            "positionRisk": {"GET": self._positions},
            "leverageBracket": {"GET": self._brackets},
            "leverageBrackets": {"GET": lambda _a, p, _n: data.margin.brackets(p)},  # as typed-aster requests it
            "leverage": {"POST": data.margin.set_leverage},
            "marginType": {"POST": data.margin.set_margin_type},
            "positionMargin": {"POST": data.margin.move},
            "positionMargin/history": {"GET": lambda a, p, _n: data.margin.history(a, p)},
            "positionSide/dual": {"GET": lambda a, _p, _n: {"dualSidePosition": a.hedge}, "POST": data.set_hedge},
            "multiAssetsMargin": {
                "GET": lambda a, _p, _n: {"multiAssetsMargin": a.joint is not None},
                "POST": data.multi_assets.set_mode,
            },
            "stpMode": {"GET": lambda a, _p, _n: {"stpMode": _stp_mode(a)}, "POST": self._set_stp_mode},
            "noop": {
                "POST": lambda _a, _p, _n: DONE
            },  # uses up its nonce: an order that comes later with it is refused
            "commissionRate": {"GET": self._commission},
            "adlQuantile": {"GET": lambda a, p, _n: data.adl_quantile(a, p)},
            # There are no pages.
            "income": {"GET": lambda a, p, _n: data.income(a, _without(p, "page"))},
            "forceOrders": {"GET": lambda a, p, _n: data.force_orders(a, p, has_pair=False)},
            "asset/wallet/transfer": {"POST": self._transfer},
            "agent": {"GET": lambda a, _p, _n: self.access.agents(a)},
            "builder": {"GET": lambda a, _p, _n: self.access.builders(a)},
            "listenKey": {
                "POST": lambda a, _p, n: {"listenKey": streams.open_key(a, n)},
                "PUT": self._keep_key,
                "DELETE": self._close_key,
            },
        }
        named = {(method, f"{ROOT}/{name}"): each for name, kinds in routes.items() for method, each in kinds.items()}
        spot: dict[tuple[str, str], Signed] = {
            ("GET", f"{SPOT[1]}account"): self._spot,
            ("POST", f"{SPOT[1]}asset/wallet/transfer"): self._transfer,
            ("GET", f"{SPOT[1]}transactionHistory"): lambda a, p, _n: self._spot_history(a, p),
        }
        return named | spot

    def _spot(self, account: SimAccount, _params: Params, now: int) -> dict[str, Any]:
        """Returns the other (spot) wallet."""
        rows = [(self.exchange.currencies[at], amount(units)) for at, units in account.beside.items() if units]
        balances = [{"asset": asset, "free": free, "locked": "0"} for asset, free in rows]
        return {"canTrade": False, "canDeposit": True, "canWithdraw": True, "updateTime": ms(now), "balances": balances}

    def _positions(self, account: SimAccount, params: Params, now: int) -> list[dict[str, Any]]:
        rows = self.account.positions(account, params, now, version=2)
        return [_without(row, *NO_FIELDS, *ACCOUNT_FIELDS) for row in rows]

    def _account(self, account: SimAccount, _params: Params, now: int) -> dict[str, Any]:
        answer = _without(self.account.account(account, now, version=2), *NO_ACCOUNT_FIELDS)
        rows = [_without(r, *NO_FIELDS, *RISK_FIELDS) for r in self.account.positions(account, {}, now, version=2)]
        for row in rows:
            row["unrealizedProfit"], row["maxNotional"] = row.pop("unRealizedProfit"), row.pop("maxNotionalValue")
        return {**answer, "positions": rows}

    def _brackets(self, _account: SimAccount, params: Params, _now: int) -> Any:
        rows = self.account.margin.brackets(params)
        return rows[0] if params.get("symbol") else rows

    def _set_stp_mode(self, account: SimAccount, params: Params, _now: int) -> dict[str, Any]:
        mode = params.get("stpMode", "")
        if mode not in STP_MODES:
            raise Refused(-1102, "stpmode") if not mode else Refused(-5039)
        self.exchange.accounts.set_self_trade(account, STP_MODES[mode])
        return DONE

    def _commission(self, _account: SimAccount, params: Params, _now: int) -> dict[str, Any]:
        return _without(self.account.commission_rate(params), "rpiCommissionRate")

    def _transfer(self, account: SimAccount, params: Params, now: int) -> dict[str, Any]:
        kind = TRANSFERS.get(params.get("kindType", ""))
        if kind is None:
            raise Refused(-1102, "kindType")
        name = params.get("clientTranId", "")
        if not 0 < len(name) <= TRANSFER_ID_MAX:
            raise Refused(-4114)
        if any(row.name == name for row in since(account.income, now - TRANSFER_IDS, lambda row: row.time)):
            raise Refused(-4115)
        return {**self.account.wallet.transfer(account, {**params, "type": kind}, now), "status": "SUCCESS"}

    def _spot_history(self, account: SimAccount, params: Params) -> list[dict[str, Any]]:
        """Returns the movements of the spot wallet, oldest first."""
        start, end = span(params)
        rows = [
            {
                "tranId": row.id,
                "tradeId": None,
                "asset": self.exchange.currencies[row.currency],
                "symbol": "",
                "balanceDelta": amount(-row.amount),
                "balanceInfo": kind,
                "time": ms(row.time),
                "type": kind,
            }
            for row in since(account.income, start, lambda row: row.time)
            if row.kind == "transfer" and row.time <= end
            for kind in ("TRANSFER_SPOT_TO_FUTURE" if row.amount > 0 else "TRANSFER_FUTURE_TO_SPOT",)
            if params.get("type", kind) == kind
            and params.get("asset") in (None, self.exchange.currencies[row.currency])
        ]
        return rows[: row_limit(params, 100, 1000)]

    def _keep_key(self, account: SimAccount, _params: Params, now: int) -> dict[str, Any]:
        if not self.streams.keep_key(account, now):
            raise Refused(-1125)
        return {}

    def _close_key(self, account: SimAccount, _params: Params, _now: int) -> dict[str, Any]:
        self.streams.close_key(account)
        return {}


def _stp_mode(account: SimAccount) -> str:
    return next((mode for mode, rule in STP_MODES.items() if rule == account.self_trade), "EXPIRE_MAKER")


def _without(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}
