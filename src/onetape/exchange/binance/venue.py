"""Binance USD-M futures in front of a simulated exchange: routes, keys, signatures, limits.

What is spoken is the dialect of November 2026: order entry without conditional types, the Algo
Service, the third version of account and positions, WebSocket paths by category. Sources in the
modules of each part.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from onetape.exchange.account import SimAccount
from onetape.exchange.binance.access import Access
from onetape.exchange.binance.account import AccountData
from onetape.exchange.binance.algo import AlgoService
from onetape.exchange.binance.capital import WITHDRAW_PATH, CapitalData
from onetape.exchange.binance.limits import Limits, weight_of
from onetape.exchange.binance.price_klines import price_klines
from onetape.exchange.binance.public import PublicData
from onetape.exchange.binance.socket_api import PATH as SOCKET_API
from onetape.exchange.binance.socket_api import SocketApi
from onetape.exchange.binance.streams import Streams
from onetape.exchange.binance.terms import OrderTerms
from onetape.exchange.binance.trading import BATCH_MAX, CANCEL_BATCH_MAX, Trading
from onetape.exchange.binance.wire import Refused, ms
from onetape.exchange.dialect import Connection, Reply, Request, fields
from onetape.exchange.exchange import SimExchange
from onetape.exchange.reports import Report
from onetape.model.json_text import read_json

__all__ = ["BinanceUsdm"]

GIVE_PATH: Final = "/sapi/v1/sub-account/universalTransfer"
RETURN_PATH: Final = "/sapi/v1/sub-account/transfer/subToMaster"
RETURNED_PATH: Final = "/sapi/v1/sub-account/transfer/subUserHistory"
# Spot and COIN-M list nothing here: for clients that ask them before they go on to USD-M.
EMPTY: Final = ("/api/v3/", "/dapi/v1/")
EMPTY_SAYS: Final = {"X-Simulation": "an empty market: only USD-M futures trade here"}
RESTRICTIONS: Final = "/sapi/v1/account/apiRestrictions"  # of the wallet side: what a key may do
ORDER_PATHS: Final = ("/fapi/v1/order", "/fapi/v1/batchOrders", "/fapi/v1/algoOrder")

Params = dict[str, str]
Public = Callable[[Params, int], Any]
Signed = Callable[[SimAccount, Params, int], Any]


class BinanceUsdm:
    """A `Dialect`. limits: refuse who asks too much, as the venue does."""

    def __init__(self, exchange: SimExchange, *, limits: bool = True) -> None:
        self.exchange = exchange
        self.skew = 0
        self.limits = Limits(limits)
        self.public = PublicData(exchange, self.limits)
        terms = OrderTerms(exchange, self.public)
        self.trading = Trading(exchange, self.public, terms)
        self.algo = AlgoService(exchange, self.public, terms)
        self.account = AccountData(exchange, self.public)
        self.capital = CapitalData(exchange)
        self.streams = Streams(exchange, self.public)
        self.access = Access(exchange)
        self.socket_api = SocketApi(self)
        self.open = self._public_routes()
        self.signed = self._signed_routes()
        self.keyed = self._key_routes()

    def addresses(self, host: str, port: int) -> tuple[str, str]:
        return f"http://{host}:{port}", f"ws://{host}:{port}"

    # --- REST -------------------------------------------------------------------------------------

    def http(self, request: Request, now: int) -> Reply:
        headers: dict[str, str] = {}
        try:
            params = self._params(request)
            weight = weight_of(request.method, request.path, params)
            headers = self.limits.spend(request.peer, weight, now)
            if request.path.startswith(EMPTY):
                headers.update(EMPTY_SAYS)
                if "X-MBX-USED-WEIGHT-1M" in headers:  # spot has it by both names
                    headers["X-MBX-USED-WEIGHT"] = headers["X-MBX-USED-WEIGHT-1M"]
            value = self._route(request, params, now, headers)
        except Refused as refused:
            if refused.status in (418, 429):
                wait = refused.wait or self.limits.retry_after(request.peer, now)
                headers["Retry-After"] = str(wait)
            return Reply.json({"code": refused.code, "msg": refused.text}, refused.status, headers)
        except (ValueError, TypeError) as error:
            return Reply.json({"code": -1130, "msg": f"Data sent is not valid: {error}"}, 400)
        return Reply.json(value, 200, headers)

    @staticmethod
    def _params(request: Request) -> Params:
        """Of query and form; where both have one, the query's."""
        if not request.body:
            return fields(request.query)
        body = request.body.decode("utf-8", "replace")
        if body.startswith("{"):
            return fields(request.query)
        return {**fields(body), **fields(request.query)}

    def _route(self, request: Request, params: Params, now: int, headers: dict[str, str]) -> Any:
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
        if request.path == RESTRICTIONS:  # of the key, not of its account
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

        def one_or_all(each: Callable[[int, int], Any]) -> Public:
            def answer(params: Params, now: int) -> Any:
                if params.get("symbol"):
                    return each(public.at(params), now)
                return [each(at, now) for at in public.instruments_of(params)]

            return answer

        routes: dict[str, Public] = {
            "/fapi/v1/exchangeInfo": lambda _p, now: public.exchange_info(now),
            "/fapi/v1/depth": public.depth,
            "/fapi/v1/rpiDepth": public.depth,
            "/fapi/v1/trades": lambda p, _n: public.trades(p),
            "/fapi/v1/historicalTrades": lambda p, _n: public.trades(p),
            "/fapi/v1/aggTrades": lambda p, _n: public.agg_trades(p),
            "/fapi/v1/klines": lambda p, _n: public.klines(p),
            "/fapi/v1/continuousKlines": lambda p, _n: public.klines({**p, "symbol": p.get("pair", "")}),
            "/fapi/v1/markPriceKlines": lambda p, _n: price_klines(public, "mark", p),
            "/fapi/v1/indexPriceKlines": lambda p, _n: price_klines(public, "index", p),
            "/fapi/v1/premiumIndexKlines": lambda p, _n: price_klines(public, "premium", p),
            "/fapi/v1/premiumIndex": one_or_all(public.premium_index),
            "/fapi/v1/fundingRate": lambda p, _n: public.funding_rates(p),
            "/fapi/v1/fundingInfo": lambda _p, _n: public.funding_info(),
            "/fapi/v1/ticker/24hr": one_or_all(public.day_ticker),
            "/fapi/v1/ticker/price": one_or_all(public.price_ticker),
            "/fapi/v2/ticker/price": one_or_all(public.price_ticker),
            "/fapi/v1/ticker/bookTicker": one_or_all(public.book_ticker),
            "/fapi/v1/openInterest": public.open_interest,
            "/fapi/v1/assetIndex": self.account.multi_assets.asset_index,
            # Of the wallet side: what clients ask before they believe that the venue is up.
            "/sapi/v1/system/status": lambda _p, _n: {"status": 0, "msg": "normal"},
        }
        for market in ("/fapi/v1/", *EMPTY):
            routes[f"{market}ping"] = lambda _p, _n: {}
            routes[f"{market}time"] = lambda _p, now: {"serverTime": ms(now + self.skew)}
        for market in EMPTY:
            routes[f"{market}exchangeInfo"] = public.empty_info
        return {("GET", path): handler for path, handler in routes.items()}

    def _signed_routes(self) -> dict[tuple[str, str], Signed]:
        trading, algo, data = self.trading, self.algo, self.account
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
            ("POST", "/fapi/v1/batchOrders"): lambda a, p, n: self._batch(a, p, n, trading.place),
            ("PUT", "/fapi/v1/batchOrders"): lambda a, p, n: self._batch(a, p, n, trading.modify),
            ("DELETE", "/fapi/v1/batchOrders"): self._cancel_batch,
            ("POST", "/fapi/v1/countdownCancelAll"): self._countdown,
            ("GET", "/fapi/v1/userTrades"): lambda a, p, _n: trading.trades(a, p),
            ("POST", "/fapi/v1/algoOrder"): algo.place,
            ("DELETE", "/fapi/v1/algoOrder"): algo.cancel,
            ("GET", "/fapi/v1/algoOrder"): lambda a, p, _n: algo.query(a, p),
            ("GET", "/fapi/v1/openAlgoOrders"): lambda a, p, _n: algo.open_orders(a, p),
            ("GET", "/fapi/v1/allAlgoOrders"): lambda a, p, _n: algo.all_orders(a, p),
            ("DELETE", "/fapi/v1/algoOpenOrders"): algo.cancel_all,
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
            ("POST", "/sapi/v1/asset/transfer"): data.wallet.transfer,
            ("GET", "/sapi/v1/asset/transfer"): lambda a, p, _n: data.wallet.history(a, p),
            ("POST", GIVE_PATH): data.wallet.give,
            ("GET", GIVE_PATH): lambda a, p, _n: data.wallet.transfer_rows(a, p),
            ("POST", RETURN_PATH): data.wallet.give_back,
            ("GET", RETURNED_PATH): lambda a, p, _n: data.wallet.of_sub_account(a, p),
            ("POST", WITHDRAW_PATH): self.capital.withdraw,
            ("GET", "/sapi/v1/capital/withdraw/history"): lambda a, p, _n: self.capital.withdrawals(a, p),
            ("GET", "/sapi/v1/capital/deposit/hisrec"): lambda a, p, _n: self.capital.deposits(a, p),
            ("GET", "/sapi/v1/capital/deposit/address"): lambda a, p, _n: self.capital.address(a, p),
            ("GET", "/api/v3/account"): lambda a, _p, _n: {"uid": 1_000_000 + a.number},
            ("GET", RESTRICTIONS): lambda _a, _p, _n: {},  # see _route
            # What clients ask of the wallet side before they begin.
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

    @staticmethod
    def _batch(account: SimAccount, params: Params, now: int, each: Signed) -> list[Any]:
        orders = _list(params, "batchOrders")
        if not 1 <= len(orders) <= BATCH_MAX:
            raise Refused(-4082, text="Invalid number of batch place orders.")
        answers = []
        for order in orders:
            wanted = {str(k): v if isinstance(v, str) else msgspec.json.encode(v).decode() for k, v in order.items()}
            try:
                answers.append(each(account, wanted, now))
            except Refused as refused:
                answers.append({"code": refused.code, "msg": refused.text})
        return answers

    def _cancel_batch(self, account: SimAccount, params: Params, now: int) -> list[Any]:
        # Clients in use write these two names in small letters, too.
        for key in ("orderIdList", "origClientOrderIdList"):
            if key.lower() in params:
                params = {key: params[key.lower()], **params}
        name = "orderIdList" if params.get("orderIdList") else "origClientOrderIdList"
        ids = _list(params, name)
        if not 1 <= len(ids) <= CANCEL_BATCH_MAX:
            raise Refused(-4083, text="Invalid number of batch cancel orders.")
        answers = []
        for each in ids:
            wanted = {
                "symbol": params.get("symbol", ""),
                "orderId" if name == "orderIdList" else "origClientOrderId": str(each),
            }
            try:
                answers.append(self.trading.cancel(account, wanted, now))
            except Refused as refused:
                answers.append({"code": refused.code, "msg": refused.text})
        return answers

    def _countdown(self, account: SimAccount, params: Params, now: int) -> dict[str, Any]:
        """Cancels what works in a symbol when its time is over, once; conditional orders stay
        (undocumented; the docs of the dead man's switch say what is known)."""
        index = self.public.at(params)
        text = params.get("countdownTime", "")
        if not text.isdigit():
            raise Refused(-1102, "countdowntime")
        self.exchange.dead_man(account, int(text) * 1_000_000, now, index)
        return {"symbol": params["symbol"], "countdownTime": text}

    # --- WebSocket --------------------------------------------------------------------------------

    def connect(self, connection: Connection, now: int) -> bool:
        if connection.path.rstrip("/") == SOCKET_API:
            return self.socket_api.connect(connection, now)
        return self.streams.connect(connection, now)

    def message(self, connection: Connection, data: bytes, now: int) -> None:
        if connection.path.rstrip("/") == SOCKET_API:
            self.socket_api.message(connection, data, now)
        else:
            self.streams.message(connection, data, now)

    def disconnect(self, connection: Connection) -> None:
        self.socket_api.disconnect(connection)
        self.streams.disconnect(connection)

    def publish(self, reports: list[Report], now: int) -> None:
        self.streams.publish(reports, now)

    def tick(self, now: int) -> None:
        self.streams.tick(now)
        self.socket_api.tick(now)


def _list(params: Params, name: str) -> list[Any]:
    try:
        found = read_json(params.get(name, ""))
    except ValueError:
        raise Refused(-1102, name) from None
    if not isinstance(found, list):
        raise Refused(-1130, name)
    return found
