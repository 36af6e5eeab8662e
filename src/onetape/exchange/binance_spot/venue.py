"""Binance spot in front of a simulated exchange: routes, keys, signatures, limits.

Implements the API of November 2026: the account's events over the WebSocket API (a listen key is answered with HTTP
status 410), signatures over percent-encoded parameters, changes of orders without weight. Sources in the modules of
each part.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from onetape.exchange.account import SimAccount
from onetape.exchange.binance.access import Access
from onetape.exchange.binance.capital import WITHDRAW_PATH, CapitalData
from onetape.exchange.binance.limits import Limits
from onetape.exchange.binance.rest import Params, Rest
from onetape.exchange.binance.socket_api import Api, Routes, SocketApi, SocketRouted
from onetape.exchange.binance.streams import MarketStreams
from onetape.exchange.binance.venue import wallet_routes
from onetape.exchange.binance.wallet import WalletData
from onetape.exchange.binance.wire import Refused, ms
from onetape.exchange.binance_spot.account import AccountData
from onetape.exchange.binance_spot.limits import TERMS
from onetape.exchange.binance_spot.lists import OrderLists
from onetape.exchange.binance_spot.public import SpotPublic
from onetape.exchange.binance_spot.streams import MARKET, UserStreams
from onetape.exchange.binance_spot.trading import Trading
from onetape.exchange.binance_spot.words import SpotWords
from onetape.exchange.dialect import Connection, Reply, Request
from onetape.exchange.exchange import SimExchange
from onetape.exchange.reports import OrderReport, Report

__all__ = ["BinanceSpot"]

ROOT: Final = "/api/v3/"
RESTRICTIONS: Final = "/sapi/v1/account/apiRestrictions"
_GONE: Final = (
    b"<html>\r\n<head><title>410 Gone</title></head>\r\n<body><center><h1>410 Gone</h1></center></body>\r\n</html>"
)
_NOWHERE: Final = b"<html><body><h2>404 Not found</h2></body></html>"
_HTML: Final = {"Content-Type": "text/html"}

Public = Callable[[Params, int], Any]
Signed = Callable[[SimAccount, Params, int], Any]

_PUBLIC: Final = {
    "ping": "ping",
    "time": "time",
    "exchangeInfo": "exchangeInfo",
    "depth": "depth",
    "trades.recent": "trades",
    "trades.historical": "historicalTrades",
    "trades.aggregate": "aggTrades",
    "klines": "klines",
    "uiKlines": "uiKlines",
    "avgPrice": "avgPrice",
    "ticker.24hr": "ticker/24hr",
    "ticker.price": "ticker/price",
    "ticker.book": "ticker/bookTicker",
    "referencePrice": "referencePrice",
    "executionRules": "executionRules",
}
_SIGNED: Final = {
    "order.place": "POST order",
    "order.test": "POST order/test",
    "order.status": "GET order",
    "order.cancel": "DELETE order",
    "order.cancelReplace": "POST order/cancelReplace",
    "order.amend.keepPriority": "PUT order/amend/keepPriority",
    "order.amendments": "GET order/amendments",
    "openOrders.status": "GET openOrders",
    "openOrders.cancelAll": "DELETE openOrders",
    "allOrders": "GET allOrders",
    "myTrades": "GET myTrades",
    "orderList.place.oco": "POST orderList/oco",
    "orderList.place.oto": "POST orderList/oto",
    "orderList.place.otoco": "POST orderList/otoco",
    "orderList.status": "GET orderList",
    "orderList.cancel": "DELETE orderList",
    "openOrderLists.status": "GET openOrderList",
    "allOrderLists": "GET allOrderList",
    "account.status": "GET account",
    "account.commission": "GET account/commission",
    "account.rateLimits.orders": "GET rateLimit/order",
}
# Methods that count as orders, by how many.
COUNTED: Final = {
    "order.place": 1,
    "order.cancelReplace": 1,
    "orderList.place.oco": 2,
    "orderList.place.oto": 2,
    "orderList.place.otoco": 3,
}


def _way(text: str) -> tuple[str, str]:
    """Returns method and path of a request."""
    method, _, name = text.partition(" ")
    return method, ROOT + name


ORDERS: Final = {_way(_SIGNED[name]): count for name, count in COUNTED.items()}
API: Final = Api(
    {name: ROOT + path for name, path in _PUBLIC.items()},
    {name: _way(text) for name, text in _SIGNED.items()},
    {},
    COUNTED,
    dict.fromkeys(("session.logon", "session.status", "session.logout", "session.subscriptions"), 2)
    | {"userDataStream.subscribe": 2, "userDataStream.subscribe.signature": 2, "userDataStream.unsubscribe": 2},
    2,
)


class BinanceSpot(SocketRouted):
    """Implements `Dialect`. limits: refuse excess requests, as the venue does."""

    vocabulary = SpotWords
    socket_path = "/ws-api/v3"

    def __init__(self, exchange: SimExchange, *, limits: bool = True) -> None:
        self.exchange = exchange
        self.skew = 0
        self.limits = Limits(limits, TERMS)
        self.public = SpotPublic(exchange, self.limits)
        self.trading = Trading(exchange, self.public)
        self.lists = OrderLists(self.trading)
        self.account = AccountData(exchange, self.public)
        self.wallet = WalletData(exchange, lambda a, at: int(a.money.available(at)), is_spot=True)
        self.capital = CapitalData(exchange)
        self.rest = Rest(self.limits, self._route)
        self.streams = MarketStreams(exchange, self.public, market=MARKET)
        self.streams.is_unrouted = True
        self.user = UserStreams(exchange)
        self.access = Access(exchange)
        self.socket_api = SocketApi(self, API)
        self.socket_api.about |= {
            "userDataStream.subscribe": self._subscribe,
            "userDataStream.subscribe.signature": self._subscribe,
            "userDataStream.unsubscribe": self.user.unsubscribe,
            "session.subscriptions": self.user.listed,
        }
        self.open: Routes = self._public_routes()
        self.signed: Routes = self._signed_routes()
        self.keyed: Routes = {}

    def addresses(self, host: str, port: int) -> tuple[str, str]:
        return f"http://{host}:{port}", f"ws://{host}:{port}"

    # --- REST -------------------------------------------------------------------------------------

    def http(self, request: Request, now: int) -> Reply:
        if request.path.startswith(f"{ROOT}userDataStream"):
            return Reply(410, _GONE, _HTML)
        key = (request.method, request.path)
        if key not in self.open and key not in self.signed:
            return Reply(404, _NOWHERE, _HTML)
        return self.rest.http(request, now)

    def _route(self, request: Request, params: Params, now: int, headers: dict[str, str]) -> Any:
        if "X-MBX-USED-WEIGHT-1M" in headers:  # sent under both names
            headers["X-MBX-USED-WEIGHT"] = headers["X-MBX-USED-WEIGHT-1M"]
        key = (request.method, request.path)
        if open_to_all := self.open.get(key):
            return open_to_all(params, now)
        access = self.access
        api_key = access.key(request.headers.get("x-mbx-apikey", ""), request.peer)
        account = access.account(api_key)
        access.check_request(request, api_key)
        access.check_time(params, now + self.skew)
        if request.path == RESTRICTIONS:  # concerns the key, not its account
            rights = access.restrictions(api_key)
            return {**rights, "enableSpotAndMarginTrading": rights["enableFutures"], "enableFutures": False}
        if request.path == WITHDRAW_PATH:
            access.check_withdraw(api_key)
        elif request.method != "GET":
            access.check_trade(api_key)
        if key in ORDERS:
            headers.update(self.limits.spend_orders(account.number, ORDERS[key], now))
        return self.signed[key](account, params, now)

    def _counted(self, place: Signed, count: int) -> Signed:
        """Returns the handler of a request whose orders do not count if it is refused."""

        def placed(account: SimAccount, params: Params, now: int) -> Any:
            try:
                return place(account, params, now)
            except Refused:
                self.limits.give_back(account.number, now, count)
                raise

        return placed

    # --- routes -----------------------------------------------------------------------------------

    def _public_routes(self) -> dict[tuple[str, str], Public]:
        public = self.public
        routes: dict[str, Public] = {
            "ping": lambda _p, _n: {},
            "time": lambda _p, now: {"serverTime": ms(now + self.skew)},
            "exchangeInfo": lambda p, now: public.exchange_info(now, p),
            "depth": public.depth,
            "trades": lambda p, _n: public.trades(p),
            "historicalTrades": lambda p, _n: public.trades(p),
            "aggTrades": lambda p, _n: public.agg_trades(p),
            "klines": lambda p, _n: public.klines(p),
            "uiKlines": lambda p, _n: public.klines(p),
            "avgPrice": public.average,
            "referencePrice": public.reference,
            "executionRules": public.execution_rules,
            "ticker/24hr": public.of_symbols(public.day_ticker),
            "ticker/price": public.of_symbols(public.price_ticker),
            "ticker/bookTicker": public.of_symbols(public.book_ticker),
        }
        made = {("GET", ROOT + name): handler for name, handler in routes.items()}
        # Of the wallet API: clients check it first to see whether the venue is up.
        made["GET", "/sapi/v1/system/status"] = lambda _p, _n: {"status": 0, "msg": "normal"}
        return made

    def _signed_routes(self) -> dict[tuple[str, str], Signed]:
        trading, data, lists = self.trading, self.account, self.lists
        routes: dict[str, Signed] = {
            "POST order": trading.place,
            "POST order/test": trading.test,
            "DELETE order": trading.cancel,
            "GET order": lambda a, p, _n: trading.query(a, p),
            "POST order/cancelReplace": trading.replace,
            "PUT order/amend/keepPriority": trading.amend,
            "GET order/amendments": lambda a, p, _n: trading.amendments(a, p),
            "GET openOrders": lambda a, p, _n: trading.open_orders(a, p),
            "DELETE openOrders": trading.cancel_all,
            "GET allOrders": lambda a, p, _n: trading.all_orders(a, p),
            "GET myTrades": lambda a, p, _n: trading.trades(a, p),
            "POST orderList/oco": lists.oco,
            "POST orderList/oto": lists.oto,
            "POST orderList/otoco": lists.otoco,
            "DELETE orderList": lists.cancel,
            "GET orderList": lists.query,
            "GET allOrderList": lambda a, _p, _n: lists.all(a),
            "GET openOrderList": lambda a, _p, _n: lists.all(a, only_open=True),
            "GET account": data.account,
            "GET account/commission": lambda a, p, _n: data.commission(a, p),
            "GET rateLimit/order": self._order_counts,
            "GET myPreventedMatches": lambda _a, _p, _n: [],
            "GET myAllocations": lambda _a, _p, _n: [],
        }
        made = {_way(text): each for text, each in routes.items()}
        for way, count in ORDERS.items():
            made[way] = self._counted(made[way], count)
        wallet: dict[tuple[str, str], Signed] = {
            **wallet_routes(self.wallet, self.capital),
            ("POST", "/sapi/v1/asset/get-funding-asset"): lambda _a, _p, _n: [],
            ("GET", RESTRICTIONS): lambda _a, _p, _n: {},  # see _route
            ("GET", "/sapi/v1/capital/config/getall"): lambda a, _p, _n: data.coins(a),
            ("GET", "/sapi/v1/asset/tradeFee"): lambda a, p, _n: data.trade_fees(a, p),
            ("GET", "/sapi/v1/bnbBurn"): lambda a, _p, _n: data.burn(a),
            ("POST", "/sapi/v1/bnbBurn"): lambda a, p, _n: data.set_burn(a, p),
            ("GET", "/sapi/v1/margin/allPairs"): lambda _a, _p, _n: [],
            ("GET", "/sapi/v1/margin/isolated/allPairs"): lambda _a, _p, _n: [],
        }
        return made | wallet

    def _order_counts(self, account: SimAccount, _params: Params, now: int) -> list[dict[str, Any]]:
        used = list(self.limits.used_orders(account.number, now).values())
        return [{**row, "count": count} for row, count in zip(self.limits.announced_orders(), used, strict=True)]

    # --- WebSocket --------------------------------------------------------------------------------

    def disconnect(self, connection: Connection) -> None:
        super().disconnect(connection)
        self.user.disconnect(connection)

    def _subscribe(self, connection: Connection, params: Params, now: int) -> dict[str, int]:
        """Subscribes the account of the logon, or that of a signed request."""
        if "signature" not in params and connection.state.key is None:
            raise Refused(-1102, "signature")
        return self.user.subscribe(connection, self.socket_api.signed_by(connection, params, now))

    def publish(self, reports: list[Report], now: int) -> None:
        for report in reports:  # an order that begins to fill no longer counts as unfilled
            if isinstance(report, OrderReport) and report.fill is not None and report.filled == report.fill.size:
                self.limits.give_back(report.order.account.number, now)
        super().publish(reports, now)
        self.user.publish(reports, now)
