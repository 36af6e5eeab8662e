"""Bybit v5: the public endpoints: instruments, tickers, book, trades, bars, funding.

Source: Bybit API documentation v5, "Market", as of 2026-07. Lists are newest first. A raw symbol names an instrument
in a category. Options are not there: their lists are empty.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from onetape.exchange.bars import aligned, merged
from onetape.exchange.bybit.wire import Refused, fixed, ms, price_text, size_text, uuid_of, value_text
from onetape.exchange.exchange import SimExchange
from onetape.exchange.reports import BarReport, TradeReport
from onetape.model.decimals import decimal_text, scaled
from onetape.model.enums import Kind, Side
from onetape.model.instrument import Instrument
from onetape.model.money import MONEY_DECIMALS, RATE_DECIMALS
from onetape.model.time import MINUTE
from onetape.venues.bybit.words import CATEGORIES, INTERVALS, SIDE_WORDS

__all__ = ["PublicData", "Query", "number"]

Query = Mapping[str, str]
LISTED: Final = (*CATEGORIES.values(), "option")
SPOT: Final = CATEGORIES[Kind.SPOT]
TRADES: Final = 0xA1A1 << 112  # the first half of a public trade's id
DEPTH_MAX: Final = 1000
SIZE_MOST: Final = 100_000
LAUNCHED: Final = "1584230400000"


class PublicData:
    """Serves the public endpoints of one exchange."""

    def __init__(self, exchange: SimExchange) -> None:
        self.exchange = exchange
        self.index_of = {(CATEGORIES[i.kind], i.raw_symbol): at for at, i in enumerate(exchange.instruments)}
        self.handlers: dict[str, Callable[[Query, int], dict[str, Any]]] = {
            "market/time": lambda _q, now: {"timeSecond": str(now // 10**9), "timeNano": str(now)},
            "market/instruments-info": self.instruments,
            "market/tickers": self.tickers,
            "market/orderbook": self.orderbook,
            "market/recent-trade": self.recent,
            "market/kline": self.klines,
            "market/mark-price-kline": lambda q, now: self.klines(q, now, is_mark=True),
            "market/funding/history": self.fundings,
            "market/open-interest": self.open_interests,
            "market/risk-limit": self.risk_limits,
            "market/price-limit": self.price_limit,
        }

    def at(self, category: object, symbol: object) -> int:
        """Returns the instrument of a name in a category. Raises Refused."""
        if category not in LISTED:
            raise Refused(10001, "Illegal category")
        found = self.index_of.get((str(category), symbol)) if isinstance(symbol, str) else None
        if found is None or not self.exchange.listings[found].is_listed:
            raise Refused(10001, "params error: symbol invalid")
        return found

    def wanted(self, query: Query) -> list[int]:
        """Returns the instruments that a query names, all without a symbol; none of another category."""
        category = query.get("category", "")
        if category not in LISTED:
            raise Refused(10001, "Illegal category")
        if query.get("symbol"):
            return [self.at(category, query["symbol"])]
        coin, base = query.get("settleCoin", ""), query.get("baseCoin", "")
        found = ((at, self.exchange.instruments[at]) for (of, _), at in self.index_of.items() if of == category)
        return [at for at, i in found if coin in ("", i.settle) and base in ("", i.base)]

    def contracts(self, query: Query) -> list[int]:
        """Returns the contracts that a query names. Raises Refused for spot, which has no positions and no funding."""
        if query.get("category") == SPOT:
            raise Refused(10001, "Illegal category")
        return self.wanted(query)

    # --- instruments ------------------------------------------------------------------------------

    def instruments(self, query: Query, _now: int) -> dict[str, Any]:
        show = self._spot if query.get("category") == SPOT else self._instrument
        rows = [] if query.get("status", "Trading") != "Trading" else [show(at) for at in self.wanted(query)]
        return {"category": query["category"], "list": rows, "nextPageCursor": ""}

    def _spot(self, at: int) -> dict[str, Any]:
        i, listing = self.exchange.instruments[at], self.exchange.listings[at]
        most = size_text(i, size_most(i))
        sizes = {"maxOrderQty": most, "maxLimitOrderQty": most, "maxMarketOrderQty": most}
        return {
            "symbol": i.raw_symbol,
            "symbolId": at + 1,
            "baseCoin": i.base,
            "quoteCoin": i.quote,
            "status": "Trading" if listing.is_listed else "Closed",
            "lotSizeFilter": {
                "basePrecision": decimal_text(i.lot),
                "quotePrecision": "0.00000001",
                "minOrderQty": decimal_text(i.size_min or i.lot),
                **sizes,
                "minOrderAmt": decimal_text(i.notional_min),
                "maxOrderAmt": "8000000",
                "postOnlyMaxLimitOrderSize": most,
            },
            "priceFilter": {"tickSize": decimal_text(i.tick)},
            "riskParameters": {"priceLimitRatioX": "0.05", "priceLimitRatioY": "0.1"},
            **fixed("innovation=0 marginTrading=none stTag=0 symbolType= xstockMultiplier="),
        }

    def _instrument(self, at: int) -> dict[str, Any]:
        i, listing = self.exchange.instruments[at], self.exchange.listings[at]
        most = size_text(i, size_most(i))
        return {
            "symbol": i.raw_symbol,
            "symbolId": at + 1,
            "contractType": "InversePerpetual" if i.kind is Kind.INVERSE else "LinearPerpetual",
            "status": "Trading" if listing.is_listed else "Closed",
            "baseCoin": i.base,
            "quoteCoin": i.quote,
            "settleCoin": i.settle,
            "launchTime": LAUNCHED,
            "priceScale": str(i.price_decimals),
            "leverageFilter": {"minLeverage": "1", "maxLeverage": f"{i.leverage}.00", "leverageStep": "0.01"},
            "priceFilter": {
                "minPrice": decimal_text(i.tick),
                "maxPrice": "1999999.80",
                "tickSize": decimal_text(i.tick),
            },
            "lotSizeFilter": {
                "maxOrderQty": most,
                "minOrderQty": decimal_text(i.size_min or i.lot),
                "qtyStep": decimal_text(i.lot),
                "postOnlyMaxOrderQty": most,
                "maxMktOrderQty": most,
                **({} if i.kind is Kind.INVERSE else {"minNotionalValue": decimal_text(i.notional_min)}),
            },
            "unifiedMarginTrade": True,
            "fundingInterval": i.funding_interval // MINUTE,
            "isPreListing": False,
            **fixed(
                "deliveryTime=0 deliveryFeeRate= copyTrading=none upperFundingRate=0.00375 lowerFundingRate=-0.00375 "
                "symbolType="
            ),
            "preListingInfo": None,
            "riskParameters": {"priceLimitRatioX": "0.05", "priceLimitRatioY": "0.1"},
        }

    def risk_limits(self, query: Query, _now: int) -> dict[str, Any]:
        rows = []
        for at in self.contracts(query):
            i = self.exchange.instruments[at]
            rate = decimal_text(i.maintenance_rate)
            row = {"id": at + 1, "symbol": i.raw_symbol, "riskLimitValue": "2000000", "maintenanceMargin": rate}
            margin = {"initialMargin": decimal_text(2 * i.maintenance_rate), "maxLeverage": f"{i.leverage}.00"}
            rows.append({**row, **margin, "isLowestRisk": 1, "mmDeduction": ""})
        return {"category": query["category"], "list": rows, "nextPageCursor": ""}

    def price_limit(self, query: Query, now: int) -> dict[str, Any]:
        at = self._one({"category": CATEGORIES[Kind.LINEAR], **query})
        i, price = self.exchange.instruments[at], self.exchange.listings[at].valuation
        limits = {"buyLmt": price_text(i, price * 21 // 20), "sellLmt": price_text(i, price * 19 // 20)}
        return {"symbol": i.raw_symbol, **limits, "ts": str(ms(now))}

    # --- prices -----------------------------------------------------------------------------------

    def ticker(self, at: int, now: int, *, is_topic: bool = False) -> dict[str, str]:
        listing, i = self.exchange.listings[at], self.exchange.instruments[at]
        day = listing.day(now)
        change = (listing.last - day.open) * 10**6 // day.open if day.open else 0
        best = {
            "bid1Price": price_text(i, listing.bid),
            "bid1Size": size_text(i, listing.bid_size),
            "ask1Price": price_text(i, listing.ask),
            "ask1Size": size_text(i, listing.ask_size),
        }
        row = {
            "symbol": i.raw_symbol,
            "lastPrice": price_text(i, listing.last),
            "prevPrice24h": price_text(i, day.open),
            "price24hPcnt": decimal_text(scaled(change, 6)),
            "highPrice24h": price_text(i, day.high),
            "lowPrice24h": price_text(i, day.low),
            "turnover24h": turnover_text(i, day.turnover),
            "volume24h": size_text(i, day.volume),
        }
        if i.kind is Kind.SPOT:
            return {**row, **({} if is_topic else best), "usdIndexPrice": price_text(i, listing.last)}
        interest = self.exchange.open_interest(at, now)
        return {
            **row,
            **best,
            "indexPrice": price_text(i, listing.index or listing.valuation),
            "markPrice": price_text(i, listing.valuation),
            "prevPrice1h": price_text(i, day.open),
            "openInterest": size_text(i, interest),
            "openInterestValue": value_text(i, listing.valuation, interest),
            "fundingRate": rate_text(listing.funding_rate),
            "nextFundingTime": str(ms(listing.funding_time)),
            "fundingIntervalHour": str(i.funding_interval // (60 * MINUTE)),
            "fundingCap": "0.00375",
            "deliveryTime": "0",
        }

    def tickers(self, query: Query, now: int) -> dict[str, Any]:
        return {"category": query["category"], "list": [self.ticker(at, now) for at in self.wanted(query)]}

    def levels(self, at: int, side: Side, depth: int) -> list[tuple[str, str]]:
        i = self.exchange.instruments[at]
        found = self.exchange.board.levels(at, side, depth)
        return [(price_text(i, price), size_text(i, size)) for price, size in found]

    def orderbook(self, query: Query, now: int) -> dict[str, Any]:
        at = self._one(query)
        listing = self.exchange.listings[at]
        depth = number(query, "limit", 1 if listing.instrument.kind is Kind.SPOT else 25, DEPTH_MAX)
        ids = {"ts": ms(now), "u": listing.depth_id, "seq": listing.depth_id, "cts": ms(now)}
        bids, asks = self.levels(at, Side.BUY, depth), self.levels(at, Side.SELL, depth)
        return {"s": listing.instrument.raw_symbol, "b": bids, "a": asks, **ids}

    def _one(self, query: Query) -> int:
        found = self.wanted(query)
        if not query.get("symbol") or not found:
            raise Refused(10001, "params error: symbol invalid")
        return found[0]

    # --- trades -----------------------------------------------------------------------------------

    def trade_id(self, trade: TradeReport) -> str:
        number = trade.trade_id * len(self.exchange.instruments) + trade.at
        return str(number) if self.exchange.instruments[trade.at].kind is Kind.SPOT else uuid_of(number, TRADES)

    def recent(self, query: Query, _now: int) -> dict[str, Any]:
        at = self._one(query)
        i = self.exchange.instruments[at]
        limit = number(query, "limit", 60, 60) if i.kind is Kind.SPOT else number(query, "limit", 500, 1000)
        rows = [
            {
                "execId": self.trade_id(trade),
                "symbol": i.raw_symbol,
                "price": price_text(i, trade.price),
                "size": size_text(i, trade.size),
                "side": SIDE_WORDS[trade.side],
                "time": str(ms(trade.time)),
                "isBlockTrade": False,
                "isRPITrade": False,
                "seq": str(trade.trade_id),
            }
            for trade in list(self.exchange.listings[at].trades)[: -limit - 1 : -1]
        ]
        return {"category": query["category"], "list": rows}

    # --- bars and funding -------------------------------------------------------------------------

    def bars(self, at: int, interval: str, *, is_mark: bool = False) -> list[BarReport]:
        listing = self.exchange.listings[at]
        minutes = listing.mark_bars.bars if is_mark else listing.minutes
        return merged(minutes, aligned(INTERVALS[interval]))

    def klines(self, query: Query, _now: int, *, is_mark: bool = False) -> dict[str, Any]:
        at, interval = self._one(query), query.get("interval", "")
        if is_mark:
            self.contracts(query)
        if interval not in INTERVALS:
            raise Refused(10001, "Invalid period!")
        i, limit = self.exchange.instruments[at], number(query, "limit", 200, 1000)
        begin, end = number(query, "start", 0, 2**62), number(query, "end", 2**62, 2**62)
        found = [bar for bar in self.bars(at, interval, is_mark=is_mark) if begin <= ms(bar.open_time) <= end]
        rows = []
        for bar in found[: -limit - 1 : -1]:
            row = [str(ms(bar.open_time)), *(price_text(i, each) for each in (bar.open, bar.high, bar.low, bar.close))]
            rows.append(row if is_mark else [*row, size_text(i, bar.volume), turnover_text(i, bar.turnover)])
        return {"category": query["category"], "symbol": i.raw_symbol, "list": rows}

    def kline(self, i: Instrument, bar: BarReport, interval: str, now: int, *, is_over: bool) -> dict[str, Any]:
        """Returns a bar as the topic shows it."""
        prices = zip(("open", "close", "high", "low"), (bar.open, bar.close, bar.high, bar.low), strict=True)
        return {
            "start": ms(bar.open_time),
            "end": ms(bar.close_time) - 1,
            "interval": interval,
            **{name: price_text(i, price) for name, price in prices},
            "volume": size_text(i, bar.volume),
            "turnover": turnover_text(i, bar.turnover),
            "confirm": is_over,
            "timestamp": ms(now),
        }

    def fundings(self, query: Query, _now: int) -> dict[str, Any]:
        at, limit = self._one(query), number(query, "limit", 200, 200)
        self.contracts(query)
        if query.get("startTime") and not query.get("endTime"):
            raise Refused(10001, "params error: endTime is required")
        begin, end = number(query, "startTime", 0, 2**62), number(query, "endTime", 2**62, 2**62)
        i = self.exchange.instruments[at]
        rows = [
            {"symbol": i.raw_symbol, "fundingRate": rate_text(rate), "fundingRateTimestamp": str(ms(time))}
            for time, rate, _ in reversed(self.exchange.listings[at].fundings)
            if begin <= ms(time) <= end
        ]
        return {"category": query["category"], "list": rows[:limit]}

    def open_interests(self, query: Query, now: int) -> dict[str, Any]:
        at = self._one(query)
        self.contracts(query)
        i = self.exchange.instruments[at]
        row = {"openInterest": size_text(i, self.exchange.open_interest(at, now)), "timestamp": str(ms(now))}
        return {"symbol": i.raw_symbol, "category": query["category"], "list": [row], "nextPageCursor": ""}


def size_most(i: Instrument) -> int:
    """Returns the largest size of an order, also of an instrument of which none is known."""
    return i.size_int(i.size_max) if i.size_max else SIZE_MOST * 10**i.size_decimals


def turnover_text(i: Instrument, turnover: int) -> str:
    """Formats a turnover: of an inverse contract an amount of its coin."""
    decimals = MONEY_DECIMALS if i.kind is Kind.INVERSE else i.price_decimals + i.size_decimals
    return decimal_text(scaled(turnover, decimals))


def rate_text(rate: int) -> str:
    return decimal_text(scaled(rate, RATE_DECIMALS))


def number(query: Mapping[str, Any], name: str, usual: int, most: int) -> int:
    """Returns a whole number of a query, at most `most`. Raises Refused."""
    text = str(query.get(name) or "")
    if not text:
        return min(usual, most)
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Refused(10001, f"params error: {name} invalid")
    return min(int(text), most)
