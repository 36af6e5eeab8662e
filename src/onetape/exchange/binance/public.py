"""Binance USD-M: public endpoints. Source: "Market Data Endpoints", as of 2026-11."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from onetape.exchange.bars import PriceBars, merged
from onetape.exchange.binance.limits import Limits
from onetape.exchange.binance.wire import Refused, amount, ms, number, price_decimals, price_text, row_limit, size_text
from onetape.exchange.exchange import SimExchange
from onetape.exchange.listing import PREMIUM_DECIMALS, Listing
from onetape.exchange.reports import BarReport, TradeReport
from onetape.model.decimals import decimal_text
from onetape.model.enums import Side
from onetape.model.instrument import Instrument
from onetape.model.time import DAY, MINUTE, SECOND

__all__ = ["INTERVALS", "PROTECT", "PublicData", "eight", "kline_span", "price_klines"]

ORDER_TYPES: Final = (
    "LIMIT",
    "MARKET",
    "STOP",
    "STOP_MARKET",
    "TAKE_PROFIT",
    "TAKE_PROFIT_MARKET",
    "TRAILING_STOP_MARKET",
)
INTERVALS: Final = {
    "1m": 1, "3m": 3, "5m": 5, "15m": 15, "30m": 30, "1h": 60, "2h": 120, "4h": 240, "6h": 360,
    "8h": 480, "12h": 720, "1d": 1440, "3d": 4320, "1w": 10080, "1M": 43200,
}  # fmt: skip
SIZE_MAX: Final = Decimal(1_000_000)  # if no limit is known
MONDAY: Final = 4 * DAY  # the first Monday of the epoch, which began on a Thursday
FUNDING_SCALE: Final = 10**12
PROTECT: Final = 500  # triggerProtect: 1e-4 of the mark
INTEREST_RATE: Final = "0.00010000"


class PublicData:
    """Serves the market endpoints. All data comes from the exchange's listings."""

    def __init__(self, exchange: SimExchange, limits: Limits) -> None:
        self.exchange, self.limits = exchange, limits
        self.index = {i.raw_symbol: at for at, i in enumerate(exchange.instruments)}

    def at(self, params: dict[str, str]) -> int:
        """Returns the instrument in `symbol`. Raises Refused."""
        symbol = params.get("symbol", "")
        if not symbol:
            raise Refused(-1102, "symbol")
        found = self.index.get(symbol)
        if found is None or not self.exchange.listings[found].is_listed:
            raise Refused(-1121)
        return found

    def listing(self, params: dict[str, str]) -> Listing:
        return self.exchange.listings[self.at(params)]

    def instruments_of(self, params: dict[str, str]) -> list[int]:
        """Returns one instrument if `symbol` is set, else all."""
        if params.get("symbol"):
            return [self.at(params)]
        return [at for at, each in enumerate(self.exchange.listings) if each.is_listed]

    # --- the endpoints ----------------------------------------------------------------------------

    def exchange_info(self, now: int) -> dict[str, Any]:
        limits = self.limits
        return {
            "timezone": "UTC",
            "serverTime": ms(now),
            "futuresType": "U_MARGINED",
            "rateLimits": [limits.announced_weight(), *reversed(limits.announced_orders())],
            "exchangeFilters": [],
            "assets": [
                {"asset": name, "marginAvailable": True, "autoAssetExchange": f"-{terms.debt_max}"}
                for name, terms in self.exchange.accounts.collateral.items()
            ],
            "symbols": [self._symbol(self.exchange.listings[at]) for at in self.instruments_of({})],
        }

    def empty_info(self, params: dict[str, str], now: int) -> dict[str, Any]:
        """Returns the information of a market without symbols."""
        if params.get("symbol") or params.get("symbols"):
            raise Refused(-1121)
        info = self.exchange_info(now)
        kept = ("timezone", "serverTime", "rateLimits", "exchangeFilters")
        return {**{name: info[name] for name in kept}, "symbols": []}

    def _symbol(self, listing: Listing) -> dict[str, Any]:
        i = listing.instrument
        decimals = price_decimals(i)
        return {
            "symbol": i.raw_symbol,
            "pair": i.raw_symbol,
            "contractType": "PERPETUAL" if i.perpetual else "CURRENT_QUARTER",
            "deliveryDate": 4133404800000 if i.expiry is None else ms(i.expiry),
            "onboardDate": 1569398400000,
            "status": "TRADING" if listing.is_open else "SETTLING",
            "maintMarginPercent": "2.5000",
            "requiredMarginPercent": "5.0000",
            "baseAsset": i.base,
            "quoteAsset": i.quote,
            "marginAsset": i.settle,
            "pricePrecision": decimals,
            "quantityPrecision": i.size_decimals,
            "baseAssetPrecision": 8,
            "quotePrecision": 8,
            "underlyingType": "COIN",
            "underlyingSubType": ["PoW"],
            "triggerProtect": f"{PROTECT / 10_000:.4f}",
            "liquidationFee": f"{i.liquidation_fee:f}",
            "marketTakeBound": f"{i.band_up or 0:f}",
            "maxMoveOrderLimit": 10000,
            "filters": filters_of(i),
            "orderTypes": list(ORDER_TYPES),
            "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],  # without RPI, as live rows
            "permissionSets": ["GRID", "COPY", "DCA", "RPI"],
        }

    def depth(self, params: dict[str, str], now: int) -> dict[str, Any]:
        at = self.at(params)
        limit = number(params, "limit", 500)
        if limit not in (5, 10, 20, 50, 100, 500, 1000):
            raise Refused(-1130, "limit")
        i, exchange = self.exchange.instruments[at], self.exchange
        rows = {
            name: [[price_text(i, price), size_text(i, size)] for price, size in exchange.board.levels(at, side, limit)]
            for name, side in (("bids", Side.BUY), ("asks", Side.SELL))
        }
        update = exchange.listings[at].depth_id
        return {"lastUpdateId": update, "E": ms(now), "T": ms(now), **rows}

    def trades(self, params: dict[str, str]) -> list[dict[str, Any]]:
        at = self.at(params)
        limit = row_limit(params, 500, 1000)
        found = self.exchange.listings[at].trades_from(number(params, "fromId", 0))
        found = found[:limit] if params.get("fromId") else found[-limit:]
        i = self.exchange.instruments[at]
        return [
            {
                "id": t.trade_id,
                "price": price_text(i, t.price),
                "qty": size_text(i, t.size),
                "quoteQty": amount(i.notional_units(t.price, t.size), 2),
                "time": ms(t.time),
                "isBuyerMaker": t.side is Side.SELL,
                "isRPITrade": False,
            }
            for t in found
        ]

    def agg_trades(self, params: dict[str, str]) -> list[dict[str, Any]]:
        at = self.at(params)
        limit = row_limit(params, 500, 1000)
        found = _between(self.exchange.listings[at].trades_from(number(params, "fromId", 0)), params)
        is_from = "fromId" in params or "startTime" in params
        found = found[:limit] if is_from else found[-limit:]
        return [agg_row(self.exchange.instruments[at], t) for t in found]

    def klines(self, params: dict[str, str]) -> list[list[Any]]:
        at = self.at(params)
        minutes = INTERVALS.get(params.get("interval", ""))
        if minutes is None:
            raise Refused(-1120)
        limit = row_limit(params, 500, 1500)
        listing = self.exchange.listings[at]
        running = listing.running(self.exchange.now)
        bars = [*listing.bars, *([running] if running else [])]
        start, end = _range(params)
        wanted = [b for b in klines_of(bars, minutes) if start <= ms(b.open_time) <= end]
        wanted = wanted[:limit] if "startTime" in params else wanted[-limit:]
        return [kline_row(listing.instrument, bar) for bar in wanted]

    def premium_index(self, at: int, now: int) -> dict[str, Any]:
        listing = self.exchange.listings[at]
        i = listing.instrument
        return {
            "symbol": i.raw_symbol,
            "markPrice": eight(price_text(i, listing.mark)),
            "indexPrice": eight(price_text(i, listing.index)),
            "estimatedSettlePrice": eight(price_text(i, listing.index)),
            "lastFundingRate": eight(decimal_rate(listing.funding_rate)),
            "interestRate": INTEREST_RATE,
            "nextFundingTime": ms(listing.funding_time),
            "time": ms(now),
        }

    def funding_rates(self, params: dict[str, str]) -> list[dict[str, Any]]:
        limit = row_limit(params, 100, 1000)
        start, end = _range(params)
        rows: list[dict[str, Any]] = [
            {
                "symbol": self.exchange.instruments[at].raw_symbol,
                "fundingTime": ms(time),
                "fundingRate": eight(decimal_rate(rate)),
                "markPrice": eight(price_text(self.exchange.instruments[at], mark)),
                "rateType": "Regular",
            }
            for at in self.instruments_of(params)
            for time, rate, mark in self.exchange.listings[at].fundings
            if start <= ms(time) <= end
        ]
        return sorted(rows, key=lambda row: row["fundingTime"])[-limit:]

    def funding_info(self) -> list[dict[str, Any]]:
        return [
            {
                "symbol": i.raw_symbol,
                "adjustedFundingRateCap": "0.02000000",
                "adjustedFundingRateFloor": "-0.02000000",
                "fundingIntervalHours": (i.funding_interval or 8 * 3600 * 10**9) // (3600 * 10**9),
                "disclaimer": False,
                "updateTime": None,
            }
            for i in self.exchange.instruments
        ]

    def day_ticker(self, at: int, now: int) -> dict[str, Any]:
        listing = self.exchange.listings[at]
        i, day = listing.instrument, listing.day(now)
        change = listing.last - day.open
        last = listing.trades[-1] if listing.trades else None
        return {
            "symbol": i.raw_symbol,
            "priceChange": price_text(i, change),
            "priceChangePercent": f"{100 * change / day.open if day.open else 0:.3f}",
            "weightedAvgPrice": price_text(i, day.turnover // day.volume if day.volume else listing.last),
            "lastPrice": price_text(i, listing.last),
            "lastQty": size_text(i, last.size if last else 0),
            "openPrice": price_text(i, day.open),
            "highPrice": price_text(i, day.high),
            "lowPrice": price_text(i, day.low),
            "volume": size_text(i, day.volume),
            "quoteVolume": turnover_text(i, day.turnover),
            "openTime": ms(now - DAY),
            "closeTime": ms(now),
            "firstId": listing.trades[0].trade_id if listing.trades else -1,
            "lastId": last.trade_id if last else -1,
            "count": day.trades,
        }

    def price_ticker(self, at: int, now: int) -> dict[str, Any]:
        listing = self.exchange.listings[at]
        i = listing.instrument
        return {
            "symbol": i.raw_symbol,
            "price": price_text(i, listing.last),
            "time": ms(listing.trades[-1].time if listing.trades else now),
        }

    def book_ticker(self, at: int, now: int) -> dict[str, Any]:
        listing = self.exchange.listings[at]
        i = listing.instrument
        return {
            "symbol": i.raw_symbol,
            "bidPrice": price_text(i, listing.bid),
            "bidQty": size_text(i, listing.bid_size),
            "askPrice": price_text(i, listing.ask),
            "askQty": size_text(i, listing.ask_size),
            "time": ms(now),
            "lastUpdateId": listing.depth_id,
        }

    def open_interest(self, params: dict[str, str], now: int) -> dict[str, Any]:
        at = self.at(params)
        i = self.exchange.instruments[at]
        held = self.exchange.open_interest(at, now)
        return {"openInterest": size_text(i, held), "symbol": i.raw_symbol, "time": ms(now)}


def filters_of(i: Instrument) -> list[dict[str, Any]]:
    """Returns the symbol's filters, as exchangeInfo has them since 2025-12-29."""
    decimals = price_decimals(i)
    tick = f"{i.tick:.{decimals}f}"
    lot = decimal_text(i.lot)
    market_lot = decimal_text(i.market_lot or i.lot)
    return [
        {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "4529764", "tickSize": tick},
        {
            "filterType": "LOT_SIZE",
            "minQty": decimal_text(i.size_min or i.lot),
            "maxQty": decimal_text(i.size_max or SIZE_MAX),
            "stepSize": lot,
        },
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": decimal_text(i.market_size_min or i.size_min or i.lot),
            "maxQty": decimal_text(i.market_size_max or i.size_max or SIZE_MAX),
            "stepSize": market_lot,
        },
        {"filterType": "MAX_NUM_ORDERS", "limit": 200},
        {"filterType": "MIN_NOTIONAL", "notional": decimal_text(i.notional_min)},
        {
            "filterType": "PERCENT_PRICE",
            "multiplierUp": f"{1 + i.band_up:.4f}" if i.band_up else "10.0000",
            "multiplierDown": f"{1 - i.band_down:.4f}" if i.band_down else "0.1000",
            "multiplierDecimal": "4",
        },
        {"filterType": "POSITION_RISK_CONTROL", "positionControlSide": "NONE"},
    ]


def agg_row(i: Instrument, trade: TradeReport) -> dict[str, Any]:
    return {
        "a": trade.trade_id,
        "p": price_text(i, trade.price),
        "q": size_text(i, trade.size),
        "nq": size_text(i, trade.size),
        "f": trade.trade_id,
        "l": trade.trade_id,
        "T": ms(trade.time),
        "m": trade.side is Side.SELL,
    }


def kline_row(i: Instrument, bar: BarReport) -> list[Any]:
    return [
        ms(bar.open_time),
        price_text(i, bar.open),
        price_text(i, bar.high),
        price_text(i, bar.low),
        price_text(i, bar.close),
        size_text(i, bar.volume),
        ms(bar.close_time) - 1,
        turnover_text(i, bar.turnover),
        bar.trades,
        size_text(i, bar.buy_volume),
        turnover_text(i, bar.buy_turnover),
        "0",
    ]


def klines_of(bars: Iterable[BarReport], minutes: int) -> list[BarReport]:
    return merged(bars, lambda time: kline_span(time, minutes))


def kline_span(time: int, minutes: int) -> tuple[int, int]:
    """Returns (open, close) of the bar that contains a time, ns UTC: weeks begin on Monday, months on their first
    day, all others at a multiple of their length since the epoch."""
    if minutes == INTERVALS["1M"]:
        day = datetime.fromtimestamp(time // SECOND, UTC).replace(hour=0, minute=0, second=0, day=1)
        after = day.replace(year=day.year + day.month // 12, month=day.month % 12 + 1)
        return int(day.timestamp()) * SECOND, int(after.timestamp()) * SECOND
    span = minutes * MINUTE
    start = time - (time - (MONDAY if minutes == INTERVALS["1w"] else 0)) % span
    return start, start + span


def decimal_rate(rate: int) -> str:
    """Returns a rate in 1e-12 with eight decimals."""
    return f"{rate / FUNDING_SCALE:.8f}"


def turnover_text(i: Instrument, units: int) -> str:
    return f"{units / 10 ** (i.price_decimals + i.size_decimals):.5f}"


def eight(text: str) -> str:
    whole, _, rest = text.partition(".")
    return f"{whole}.{rest.ljust(8, '0')}"


def _range(params: dict[str, str]) -> tuple[int, int]:
    start, end = number(params, "startTime", 0), number(params, "endTime", 2**62)
    if start > end:
        raise Refused(-1130, "startTime")
    return start, end


def _between(trades: list[TradeReport], params: dict[str, str]) -> list[TradeReport]:
    start, end = _range(params)
    first = bisect_left(trades, start, key=lambda t: ms(t.time))
    return trades[first : bisect_right(trades, end, lo=first, key=lambda t: ms(t.time))]


def price_klines(public: PublicData, kind: str, params: dict[str, str]) -> list[list[Any]]:
    """Returns klines with zeros for traded amounts, and the number of prices in place of trades. kind: mark, index
    or premium. Raises Refused. Source: "Mark Price Kline", "Index Price Kline" and "Premium index Kline" of the
    USD-M documentation, read 2026-11."""
    if kind == "index":
        params = {**params, "symbol": params.get("pair", "")}
        if not params["symbol"]:
            raise Refused(-1102, "pair")
    listing = public.listing(params)
    minutes = INTERVALS.get(params.get("interval", ""))
    if minutes is None:
        raise Refused(-1120)
    limit = row_limit(params, 500, 1500)
    (start, end), (bars, text) = _range(params), _of(listing, kind)
    found = [b for b in klines_of(bars.bars, minutes) if start <= ms(b.open_time) <= end]
    found = found[:limit] if params.get("startTime") else found[-limit:]
    return [
        [
            ms(bar.open_time),
            text(bar.open),
            text(bar.high),
            text(bar.low),
            text(bar.close),
            "0",
            ms(bar.close_time) - 1,
            "0",
            bar.trades,
            "0",
            "0",
            "0",
        ]
        for bar in found
    ]


def _of(listing: Listing, kind: str) -> tuple[PriceBars, Callable[[int], str]]:
    if kind == "premium":
        return listing.premium_bars, lambda value: f"{value / 10**PREMIUM_DECIMALS:.8f}"
    bars = listing.mark_bars if kind == "mark" else listing.index_bars
    return bars, lambda value: price_text(listing.instrument, value)
