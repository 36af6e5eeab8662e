"""Binance spot: public endpoints. Source: "General endpoints", "Market Data endpoints" and "Filters" of the spot
documentation, as of 2026-07.

The rows of trades, bars and tickers are those of USD-M with other fields. The average price is the last one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from onetape.exchange.binance.public import SIZE_MAX, PublicData
from onetape.exchange.binance.wire import Refused, ms, number
from onetape.exchange.binance_spot.limits import RAW_REQUESTS
from onetape.exchange.binance_spot.wire import STP, STP_USUAL, price8, refused, size8
from onetape.exchange.listing import Listing
from onetape.model.enums import Side
from onetape.model.instrument import Instrument
from onetape.model.json_text import read_json

__all__ = ["AMENDS_MAX", "LISTS_MAX", "ORDERS_MAX", "STOPS_MAX", "SpotPublic"]

Params = dict[str, str]

ORDER_TYPES: Final = (
    "LIMIT",
    "LIMIT_MAKER",
    "MARKET",
    "STOP_LOSS",
    "STOP_LOSS_LIMIT",
    "TAKE_PROFIT",
    "TAKE_PROFIT_LIMIT",
)
ORDERS_MAX: Final = 200  # working orders of a symbol
STOPS_MAX: Final = 5  # of these, orders with a trigger
LISTS_MAX: Final = 20  # order lists of a symbol
AMENDS_MAX: Final = 10  # of an order
DEPTH_MAX: Final = 5000
BARS_MAX: Final = 1000


class SpotPublic(PublicData):
    """Serves the market endpoints."""

    def instruments_of(self, params: Params) -> list[int]:
        """Returns the instruments of `symbol` or `symbols` (a JSON list), without either all."""
        if not params.get("symbols"):
            return super().instruments_of(params)
        try:
            names = read_json(params["symbols"])
        except ValueError:
            names = None
        if not isinstance(names, list) or not names:
            raise Refused(-1100, "symbols", '^\\["[A-Z0-9]{1,20}"(,"[A-Z0-9]{1,20}")*\\]$')
        return [self.at({"symbol": str(name)}) for name in names]

    def exchange_info(self, now: int, params: Params | None = None) -> dict[str, Any]:
        limits = self.limits
        return {
            "timezone": "UTC",
            "serverTime": ms(now),
            "rateLimits": [limits.announced_weight(), *limits.announced_orders(), RAW_REQUESTS],
            "exchangeFilters": [],
            "symbols": [self._symbol(self.exchange.listings[at]) for at in self.instruments_of(params or {})],
        }

    def _symbol(self, listing: Listing) -> dict[str, Any]:
        i = listing.instrument
        return {
            "symbol": i.raw_symbol,
            "status": "TRADING" if listing.is_open else "HALT",
            "baseAsset": i.base,
            "baseAssetPrecision": 8,
            "quoteAsset": i.quote,
            "quotePrecision": 8,
            "quoteAssetPrecision": 8,
            "baseCommissionPrecision": 8,
            "quoteCommissionPrecision": 8,
            "orderTypes": list(ORDER_TYPES),
            "icebergAllowed": False,
            "ocoAllowed": True,
            "otoAllowed": True,
            "opoAllowed": False,
            "quoteOrderQtyMarketAllowed": True,
            "allowTrailingStop": False,
            "cancelReplaceAllowed": True,
            "amendAllowed": True,
            "pegInstructionsAllowed": True,
            "isSpotTradingAllowed": True,
            "isMarginTradingAllowed": False,
            "filters": filters_of(i),
            "permissions": [],
            "permissionSets": [["SPOT"]],
            "defaultSelfTradePreventionMode": STP_USUAL,
            "allowedSelfTradePreventionModes": list(STP),
        }

    def depth(self, params: Params, now: int) -> dict[str, Any]:
        at = self.at(params)
        limit = min(max(number(params, "limit", 100), 1), DEPTH_MAX)
        i, board = self.exchange.instruments[at], self.exchange.board
        rows = {
            name: [[price8(i, price), size8(i, size)] for price, size in board.levels(at, side, limit)]
            for name, side in (("bids", Side.BUY), ("asks", Side.SELL))
        }
        return {"lastUpdateId": self.exchange.listings[at].depth_id, **rows}

    def trades(self, params: Params) -> list[dict[str, Any]]:
        return [{**_without(row, "isRPITrade"), "isBestMatch": True} for row in super().trades(params)]

    def agg_trades(self, params: Params) -> list[dict[str, Any]]:
        return [{**_without(row, "nq"), "M": True} for row in super().agg_trades(params)]

    def klines(self, params: Params) -> list[list[Any]]:
        return super().klines({**params, "limit": str(min(number(params, "limit", 500), BARS_MAX))})

    def average(self, params: Params, now: int) -> dict[str, Any]:
        listing = self.listing(params)
        price = price8(listing.instrument, listing.last)
        return {"mins": 5, "price": price, "closeTime": ms(listing.trades[-1].time if listing.trades else now)}

    def reference(self, params: Params, now: int) -> dict[str, Any]:
        listing = self.listing(params)
        i = listing.instrument
        return {"symbol": i.raw_symbol, "referencePrice": price8(i, listing.last), "timestamp": ms(now)}

    def execution_rules(self, params: Params, _now: int) -> dict[str, Any]:
        """Returns the rules of execution: there are none beside the filters."""
        names = [self.exchange.instruments[at].raw_symbol for at in self.instruments_of(params)]
        return {"symbolRules": [{"symbol": name, "rules": []} for name in names]}

    def day_ticker(self, at: int, now: int) -> dict[str, Any]:
        listing = self.exchange.listings[at]
        i, row = listing.instrument, super().day_ticker(at, now)
        best = {
            "prevClosePrice": row["openPrice"],
            "bidPrice": price8(i, listing.bid),
            "bidQty": size8(i, listing.bid_size),
            "askPrice": price8(i, listing.ask),
            "askQty": size8(i, listing.ask_size),
        }
        return {**row, **best}

    def price_ticker(self, at: int, now: int) -> dict[str, Any]:
        return _without(super().price_ticker(at, now), "time")

    def book_ticker(self, at: int, now: int) -> dict[str, Any]:
        return _without(super().book_ticker(at, now), "time", "lastUpdateId")

    def of_symbols(self, each: Callable[[int, int], Any]) -> Callable[[Params, int], Any]:
        """Returns the handler of a request about one symbol, a list of symbols, or all."""

        def answer(params: Params, now: int) -> Any:
            if params.get("symbol") and params.get("symbols"):
                raise refused("Combination of optional parameters invalid.", -1128)
            rows = [each(at, now) for at in self.instruments_of(params)]
            return rows[0] if params.get("symbol") else rows

        return answer


def filters_of(i: Instrument) -> list[dict[str, Any]]:
    def size(value: Any) -> str:
        return f"{value:.8f}"

    tick, up, down = size(i.tick), 1 + i.band_up if i.band_up else 5, 1 - i.band_down if i.band_down else 0.2
    most = size(i.size_max or SIZE_MAX)
    lots = {"minQty": size(i.size_min or i.lot), "maxQty": most, "stepSize": size(i.lot)}
    market = {"minQty": size(0), "maxQty": most, "stepSize": size(0)}
    multipliers = {"MultiplierUp": f"{up:f}", "MultiplierDown": f"{down:f}"}
    band = {f"{side}{name}": text for side in ("bid", "ask") for name, text in multipliers.items()}
    trails = {f"{end}Trailing{way}Delta": n for end, n in (("min", 10), ("max", 2000)) for way in ("Above", "Below")}
    notional = {"minNotional": size(i.notional_min), "applyMinToMarket": True, "applyMaxToMarket": False}
    rows: dict[str, dict[str, Any]] = {
        "PRICE_FILTER": {"minPrice": tick, "maxPrice": "1000000.00000000", "tickSize": tick},
        "LOT_SIZE": lots,
        "ICEBERG_PARTS": {"limit": 100},
        "MARKET_LOT_SIZE": market,
        "TRAILING_DELTA": trails,
        "PERCENT_PRICE_BY_SIDE": {**band, "avgPriceMins": 5},
        "NOTIONAL": {**notional, "maxNotional": "9000000.00000000", "avgPriceMins": 5},
        "MAX_NUM_ORDERS": {"maxNumOrders": ORDERS_MAX},
        "MAX_NUM_ORDER_LISTS": {"maxNumOrderLists": LISTS_MAX},
        "MAX_NUM_ALGO_ORDERS": {"maxNumAlgoOrders": STOPS_MAX},
        "MAX_NUM_ORDER_AMENDS": {"maxNumOrderAmends": AMENDS_MAX},
    }
    return [{"filterType": name, **row} for name, row in rows.items()]


def _without(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}
