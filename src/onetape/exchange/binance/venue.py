"""Binance USD-M futures in front of a simulated exchange: routes, keys, signatures, limits.

Implements the API of November 2026: order entry without conditional types, the Algo Service, the third version of
account and positions, WebSocket paths by category. Sources in the modules of each part.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from onetape.exchange.account import SimAccount
from onetape.exchange.binance.access import Access
from onetape.exchange.binance.account import AccountData
from onetape.exchange.binance.algo import AlgoService
from onetape.exchange.binance.capital import WITHDRAW_PATH, CapitalData
from onetape.exchange.binance.limits import Limits
from onetape.exchange.binance.public import PublicData, price_klines
from onetape.exchange.binance.rest import Params, Rest
from onetape.exchange.binance.socket_api import Routes, SocketApi, SocketRouted
from onetape.exchange.binance.spot import SPOT, SpotData
from onetape.exchange.binance.streams import Streams
from onetape.exchange.binance.terms import OrderTerms
from onetape.exchange.binance.trading import Trading
from onetape.exchange.binance.wallet import WalletData
from onetape.exchange.binance.wire import Refused, ms
from onetape.exchange.binance.words import BinanceWords
from onetape.exchange.dialect import Reply, Request
from onetape.exchange.exchange import SimExchange

__all__ = ["BinanceUsdm", "Public", "Signed", "one_or_all", "public_routes", "wallet_routes"]

GIVE_PATH: Final = "/sapi/v1/sub-account/universalTransfer"
RETURN_PATH: Final = "/sapi/v1/sub-account/transfer/subToMaster"
RETURNED_PATH: Final = "/sapi/v1/sub-account/transfer/subUserHistory"
# Spot only sells the coins in which fees are paid. Spot and COIN-M list no symbols: they are here for clients that call
# them before USD-M.
EMPTY: Final = (SPOT, "/dapi/v1/")
EMPTY_SAYS: Final = {"X-Simulation": "an empty market: only USD-M futures trade here"}
RESTRICTIONS: Final = "/sapi/v1/account/apiRestrictions"  # of the wallet API: permissions of a key
ORDER_PATHS: Final = ("/fapi/v1/order", "/fapi/v1/batchOrders", "/fapi/v1/algoOrder")

Public = Callable[[Params, int], Any]
Signed = Callable[[SimAccount, Params, int], Any]


class BinanceUsdm(SocketRouted):
    """Implements `Dialect`. limits: refuse excess requests, as the venue does."""

    vocabulary = BinanceWords

    def __init__(self, exchange: SimExchange, *, limits: bool = True) -> None:
        self.exchange = exchange
        self.skew = 0
        self.limits = Limits(limits)
        self.public = PublicData(exchange, self.limits)
        terms = OrderTerms(exchange, self.public)
        self.trading = Trading(exchange, self.public, terms)
        self.algo = AlgoService(exchange, self.public, terms)
        self.account = AccountData(exchange, self.public)
        self.rest = Rest(self.limits, self._route)
        self.capital = CapitalData(exchange)
        self.spot = SpotData(exchange, self.public)
        self.streams = Streams(exchange, self.public)
        self.access = Access(exchange)
        self.socket_api = SocketApi(self)
        self.open: Routes = self._public_routes()
        self.signed: Routes = self._signed_routes()
        self.keyed: Routes = self._key_routes()

    def addresses(self, host: str, port: int) -> tuple[str, str]:
        return f"http://{host}:{port}", f"ws://{host}:{port}"

    # --- REST -------------------------------------------------------------------------------------

    def http(self, request: Request, now: int) -> Reply:
        return self.rest.http(request, now)

    def _route(self, request: Request, params: Params, now: int, headers: dict[str, str]) -> Any:
        if request.path.startswith(EMPTY):
            headers.update(EMPTY_SAYS)
            if "X-MBX-USED-WEIGHT-1M" in headers:  # spot sends the header under both names
                headers["X-MBX-USED-WEIGHT"] = headers["X-MBX-USED-WEIGHT-1M"]
        key = (request.method, request.path)
        if open_to_all := self.open.get(key):
            return open_to_all(params, now)
        access, name = self.access, request.headers.get("x-mbx-apikey", "")
        if keyed := self.keyed.get(key):
            return keyed(access.account(access.key(name, request.peer)), params, now)
        signed = self.signed.get(key)
        if signed is None:
            raise Refused(-5000, request.path, request.method, status=404)
        api_key = access.key(name, request.peer)
        account = access.account(api_key)
        access.check_request(request, api_key)
        access.check_time(params, now + self.skew)
        if request.path == RESTRICTIONS:  # concerns the key, not its account
            return access.restrictions(api_key)
        if request.path == WITHDRAW_PATH:
            access.check_withdraw(api_key)
        elif request.method != "GET":
            access.check_trade(api_key)
        if request.path in ORDER_PATHS and request.method in ("POST", "PUT"):
            count = 5 if request.path.endswith("batchOrders") else 1
            headers.update(self.limits.spend_orders(account.number, count, now))
        return signed(account, params, now)

    # --- routes -----------------------------------------------------------------------------------

    def _public_routes(self) -> dict[tuple[str, str], Public]:
        public = self.public

        routes = {
            **public_routes(public, "/fapi/v1"),
            "/fapi/v1/rpiDepth": public.depth,
            "/fapi/v1/continuousKlines": lambda p, _n: public.klines({**p, "symbol": p.get("pair", "")}),
            "/fapi/v2/ticker/price": one_or_all(public, public.price_ticker),
            "/fapi/v1/openInterest": public.open_interest,
            "/fapi/v1/assetIndex": self.account.multi_assets.asset_index,
            # Of the wallet API: clients check it first to see whether the venue is up.
            "/sapi/v1/system/status": lambda _p, _n: {"status": 0, "msg": "normal"},
        }
        for market in ("/fapi/v1/", *EMPTY):
            routes[f"{market}ping"] = lambda _p, _n: {}
            routes[f"{market}time"] = lambda _p, now: {"serverTime": ms(now + self.skew)}
        for market in EMPTY:
            routes[f"{market}exchangeInfo"] = public.empty_info
        routes |= {f"{SPOT}exchangeInfo": self.spot.info, f"{SPOT}ticker/bookTicker": self.spot.book}
        return {("GET", path): handler for path, handler in routes.items()}

    def _signed_routes(self) -> dict[tuple[str, str], Signed]:
        return {**self._order_routes(), **self._account_routes(), **self._wallet_routes()}

    def _order_routes(self) -> dict[tuple[str, str], Signed]:
        trading, algo = self.trading, self.algo
        return {
            ("POST", "/fapi/v1/order"): trading.place,
            ("POST", "/fapi/v1/order/test"): lambda a, p, n: trading.place(a, p, n, test=True),
            ("PUT", "/fapi/v1/order"): trading.modify,
            ("DELETE", "/fapi/v1/order"): trading.cancel,
            ("GET", "/fapi/v1/order"): lambda a, p, _n: trading.query(a, p),
            ("GET", "/fapi/v1/openOrder"): lambda a, p, _n: trading.open_order(a, p),
            ("GET", "/fapi/v1/openOrders"): lambda a, p, _n: trading.open_orders(a, p),
            ("GET", "/fapi/v1/allOrders"): lambda a, p, _n: trading.all_orders(a, p),
            ("GET", "/fapi/v1/orderAmendment"): lambda a, p, _n: trading.amendments(a, p),
            ("DELETE", "/fapi/v1/allOpenOrders"): trading.cancel_all,
            ("POST", "/fapi/v1/batchOrders"): trading.place_batch,
            ("PUT", "/fapi/v1/batchOrders"): trading.modify_batch,
            ("DELETE", "/fapi/v1/batchOrders"): trading.cancel_batch,
            ("POST", "/fapi/v1/countdownCancelAll"): trading.countdown,
            ("GET", "/fapi/v1/userTrades"): lambda a, p, _n: trading.trades(a, p),
            ("POST", "/fapi/v1/algoOrder"): algo.place,
            ("DELETE", "/fapi/v1/algoOrder"): algo.cancel,
            ("GET", "/fapi/v1/algoOrder"): lambda a, p, _n: algo.query(a, p),
            ("GET", "/fapi/v1/openAlgoOrders"): lambda a, p, _n: algo.open_orders(a, p),
            ("GET", "/fapi/v1/allAlgoOrders"): lambda a, p, _n: algo.all_orders(a, p),
            ("DELETE", "/fapi/v1/algoOpenOrders"): algo.cancel_all,
        }

    def _account_routes(self) -> dict[tuple[str, str], Signed]:
        data = self.account
        return {
            ("GET", "/fapi/v2/balance"): lambda a, _p, n: data.balances(a, n),
            ("GET", "/fapi/v3/balance"): lambda a, _p, n: data.balances(a, n),
            ("GET", "/fapi/v2/account"): lambda a, _p, n: data.account(a, n, version=2),
            ("GET", "/fapi/v3/account"): lambda a, _p, n: data.account(a, n, version=3),
            ("GET", "/fapi/v2/positionRisk"): lambda a, p, n: data.positions(a, p, n, version=2),
            ("GET", "/fapi/v3/positionRisk"): lambda a, p, n: data.positions(a, p, n, version=3),
            ("GET", "/fapi/v1/accountConfig"): lambda a, _p, _n: data.account_config(a),
            ("GET", "/fapi/v1/symbolConfig"): lambda a, p, _n: data.symbol_config(a, p),
            ("GET", "/fapi/v1/leverageBracket"): lambda _a, p, _n: data.margin.brackets(p),
            ("POST", "/fapi/v1/leverage"): data.margin.set_leverage,
            ("POST", "/fapi/v1/marginType"): data.margin.set_margin_type,
            ("POST", "/fapi/v1/positionMargin"): data.margin.move,
            ("GET", "/fapi/v1/positionMargin/history"): lambda a, p, _n: data.margin.history(a, p),
            ("GET", "/fapi/v1/positionSide/dual"): lambda a, _p, _n: {"dualSidePosition": a.hedge},
            ("POST", "/fapi/v1/positionSide/dual"): data.set_hedge,
            ("GET", "/fapi/v1/multiAssetsMargin"): lambda a, _p, _n: {"multiAssetsMargin": a.joint is not None},
            ("POST", "/fapi/v1/multiAssetsMargin"): data.multi_assets.set_mode,
            ("GET", "/fapi/v1/commissionRate"): lambda _a, p, _n: data.commission_rate(p),
            ("GET", "/fapi/v1/adlQuantile"): lambda a, p, _n: data.adl_quantile(a, p),
            ("GET", "/fapi/v1/income"): lambda a, p, _n: data.income(a, p),
            ("GET", "/fapi/v1/forceOrders"): lambda a, p, _n: data.force_orders(a, p),
            ("GET", "/fapi/v1/rateLimit/order"): lambda _a, _p, _n: self.limits.announced_orders(),
        }

    def _wallet_routes(self) -> dict[tuple[str, str], Signed]:
        wallet, capital = self.account.wallet, self.capital
        return {
            **wallet_routes(wallet, capital),
            ("POST", f"{SPOT}order"): self.spot.place,
            ("GET", f"{SPOT}order"): lambda a, p, _n: self.spot.query(a, p),
            ("GET", f"{SPOT}myTrades"): lambda a, p, _n: self.spot.trades(a, p),
            ("GET", "/api/v3/account"): lambda a, _p, _n: wallet.account(a),
            ("POST", "/sapi/v1/asset/get-funding-asset"): lambda _a, _p, _n: [],
            ("GET", RESTRICTIONS): lambda _a, _p, _n: {},  # see _route
            # Requests that clients send to the wallet API before they begin.
            ("GET", "/sapi/v1/capital/config/getall"): lambda _a, _p, _n: [],
            ("GET", "/sapi/v1/margin/allPairs"): lambda _a, _p, _n: [],
            ("GET", "/sapi/v1/margin/isolated/allPairs"): lambda _a, _p, _n: [],
        }

    def _key_routes(self) -> dict[tuple[str, str], Signed]:
        streams, path = self.streams, "/fapi/v1/listenKey"

        def keep(account: SimAccount, _params: Params, now: int) -> Any:
            if not streams.keep_key(account, now):
                raise Refused(-1125)
            return {"listenKey": streams.by_account[account.number]}

        def close(account: SimAccount, _params: Params, _now: int) -> Any:
            streams.close_key(account)
            return {}

        return {
            ("POST", path): lambda a, _p, n: {"listenKey": streams.open_key(a, n)},
            ("PUT", path): keep,
            ("DELETE", path): close,
        }


def wallet_routes(wallet: WalletData, capital: CapitalData) -> dict[tuple[str, str], Signed]:
    """Returns the routes of transfers, withdrawals and deposits."""
    return {
        ("POST", "/sapi/v1/asset/transfer"): wallet.transfer,
        ("GET", "/sapi/v1/asset/transfer"): lambda a, p, _n: wallet.history(a, p),
        ("POST", GIVE_PATH): wallet.give,
        ("GET", GIVE_PATH): lambda a, p, _n: wallet.transfer_rows(a, p),
        ("POST", RETURN_PATH): wallet.give_back,
        ("GET", RETURNED_PATH): lambda a, p, _n: wallet.of_sub_account(a, p),
        ("POST", WITHDRAW_PATH): capital.withdraw,
        ("GET", "/sapi/v1/capital/withdraw/history"): lambda a, p, _n: capital.withdrawals(a, p),
        ("GET", "/sapi/v1/capital/deposit/hisrec"): lambda a, p, _n: capital.deposits(a, p),
        ("GET", "/sapi/v1/capital/deposit/address"): lambda a, p, _n: capital.address(a, p),
    }


def one_or_all(public: PublicData, each: Callable[[int, int], Any]) -> Public:
    def answer(params: Params, now: int) -> Any:
        if params.get("symbol"):
            return each(public.at(params), now)
        return [each(at, now) for at in public.instruments_of(params)]

    return answer


def public_routes(public: PublicData, root: str) -> dict[str, Public]:
    """Returns the public routes of all venues of this family, by path."""
    return {
        f"{root}/exchangeInfo": lambda _p, now: public.exchange_info(now),
        f"{root}/depth": public.depth,
        f"{root}/trades": lambda p, _n: public.trades(p),
        f"{root}/historicalTrades": lambda p, _n: public.trades(p),
        f"{root}/aggTrades": lambda p, _n: public.agg_trades(p),
        f"{root}/klines": lambda p, _n: public.klines(p),
        f"{root}/markPriceKlines": lambda p, _n: price_klines(public, "mark", p),
        f"{root}/indexPriceKlines": lambda p, _n: price_klines(public, "index", p),
        f"{root}/premiumIndexKlines": lambda p, _n: price_klines(public, "premium", p),
        f"{root}/premiumIndex": one_or_all(public, public.premium_index),
        f"{root}/fundingRate": lambda p, _n: public.funding_rates(p),
        f"{root}/fundingInfo": lambda _p, _n: public.funding_info(),
        f"{root}/ticker/24hr": one_or_all(public, public.day_ticker),
        f"{root}/ticker/price": one_or_all(public, public.price_ticker),
        f"{root}/ticker/bookTicker": one_or_all(public, public.book_ticker),
    }
