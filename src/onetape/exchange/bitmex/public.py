"""BitMEX: instruments, book, trades, bins, quotes, funding.

Source: BitMEX API documentation, "Instrument", "OrderBook", "Trade", "Quote" and "Funding", and the
recorded answers of 2021 and 2024.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from onetape.exchange.bars import aligned, merged
from onetape.exchange.bitmex.rows import Params, flag, page, text, whole
from onetape.exchange.bitmex.wire import (
    ASSETS,
    Refused,
    contract_value,
    gross_value,
    iso,
    key_id,
    money_int,
    notionals,
    price_number,
    side_word,
    underlying,
    wallet_name,
)
from onetape.exchange.exchange import SimExchange
from onetape.exchange.listing import Listing
from onetape.exchange.reports import BarReport, QuoteReport, TradeReport
from onetape.model.enums import Kind, Side
from onetape.model.instrument import Instrument
from onetape.model.money import RATE_DECIMALS
from onetape.model.time import MINUTE

__all__ = ["LEVERAGE_MAX", "PublicData", "level_row", "level_rows"]

BINS: Final = {"1m": 1, "5m": 5, "1h": 60, "1d": 1440}
DEPTH: Final = 25  # levels per side by default; 0: all
TRADES_SHOWN: Final = 1000  # the newest trades that can be requested: one page of maximum length
LEVEL_TICK: Final = Decimal("0.01")  # for level ids: the original tick, which ids kept using when ticks changed
LEVERAGE_MAX: Final = 100
LISTED: Final = 1_463_140_800_000_000_000  # 2016-05-13T12:00:00Z, XBTUSD


def level_id(i: Instrument, number: int, price: int) -> int:
    """Returns a level's id: a hundred million times the instrument's number, minus its price in original ticks."""
    return (88 + number) * 100_000_000 - int(i.price(price) / LEVEL_TICK)


def level_row(i: Instrument, number: int, side: Side, price: int, size: int, time: int) -> dict[str, Any]:
    """Returns a level's row. size: 0 for a removed level, whose row has no size."""
    row = {"symbol": i.raw_symbol, "id": level_id(i, number, price), "side": side_word(side)}
    return {**row, **({"size": size} if size else {}), "price": price_number(i, price), "timestamp": iso(time)}


def level_rows(
    i: Instrument, number: int, asks: list[tuple[int, int]], bids: list[tuple[int, int]], time: int
) -> list[dict[str, Any]]:
    """Returns the rows in the table's order: asks from the highest, then bids from the highest. asks, bids: best first.
    time: of the book's last change, or now, because the time of each level is not kept."""
    ordered = ((Side.SELL, asks[::-1]), (Side.BUY, bids))
    return [level_row(i, number, side, price, size, time) for side, levels in ordered for price, size in levels]


def rate_number(rate: int) -> float:
    return float(Decimal(rate).scaleb(-RATE_DECIMALS))


def _contract(listing: Listing) -> dict[str, Any]:
    i = listing.instrument
    return {
        "symbol": i.raw_symbol,
        "rootSymbol": underlying(i.base),
        "state": "Open" if listing.is_open else "Closed",
        "typ": "FFWCSX" if i.perpetual else "FFCCSX",
        "listing": iso(LISTED),
        "front": iso(LISTED),
        "expiry": None if i.expiry is None else iso(i.expiry),
        "settle": None if i.expiry is None else iso(i.expiry),
        "positionCurrency": i.quote if i.kind is Kind.INVERSE else i.base,
        "underlying": underlying(i.base),
        "quoteCurrency": i.quote,
        "underlyingSymbol": f"{underlying(i.base)}=",
        "reference": "BMEX",
        "referenceSymbol": index_symbol(i),
    }


def _terms(i: Instrument) -> dict[str, Any]:
    inverse, scale = i.kind is Kind.INVERSE, 10 ** ASSETS[i.settle][2]
    return {
        "maxOrderQty": int(i.size_max),
        "maxPrice": 1_000_000,
        "lotSize": int(i.lot),
        "tickSize": float(i.tick),
        "multiplier": -scale if inverse else int(i.multiplier * scale),
        "settlCurrency": wallet_name(i.settle),
        "underlyingToPositionMultiplier": None if inverse else int(1 / i.multiplier),
        "underlyingToSettleMultiplier": -scale if inverse else None,
        "quoteToSettleMultiplier": None if inverse else scale,
        "isQuanto": False,
        "isInverse": inverse,
        "initMargin": round(1 / (i.leverage or LEVERAGE_MAX), 4),
        "maintMargin": float(i.maintenance_rate),
        "riskLimit": 20_000_000_000,
        "riskStep": 15_000_000_000,
        "capped": False,
        "taxed": True,
        "deleverage": True,
        "makerFee": float(i.maker_fee),
        "takerFee": float(i.taker_fee),
        "settlementFee": 0,
    }


def _funding(listing: Listing) -> dict[str, Any]:
    i = listing.instrument
    interval = (i.funding_interval or 8 * 60 * MINUTE) // (60 * MINUTE)
    return {
        "fundingBaseSymbol": f".{underlying(i.base)}BON8H",
        "fundingQuoteSymbol": f".{i.quote}BON8H",
        "fundingPremiumSymbol": f".{i.raw_symbol}PI8H",
        "fundingTimestamp": iso(listing.funding_time) if i.perpetual else None,
        "fundingInterval": f"2000-01-01T{interval:02d}:00:00.000Z" if i.perpetual else None,
        "fundingRate": rate_number(listing.funding_rate) if i.perpetual else None,
        "indicativeFundingRate": rate_number(listing.funding_rate) if i.perpetual else None,
    }


def turnover(i: Instrument, bar: BarReport) -> int:
    """Returns the turnover in wallet units of the settle currency."""
    # A bar's turnover is a sum of price * size; for inverse contracts it is the value already.
    units = bar.turnover if i.kind is Kind.INVERSE else i.turnover_units(bar.turnover)
    return money_int(units, i.settle)


def bar_notionals(i: Instrument, bar: BarReport) -> tuple[float, float]:
    """Returns the traded amount in the base and in the quote currency."""
    contracts = float(i.size(bar.volume) * i.multiplier)
    value = turnover(i, bar) / 10 ** ASSETS[i.settle][2]
    return (value, contracts) if i.kind is Kind.INVERSE else (contracts, value)


class PublicData:
    """Serves the public endpoints of one exchange."""

    def __init__(self, exchange: SimExchange) -> None:
        self.exchange = exchange
        self.index_of = {i.raw_symbol: at for at, i in enumerate(exchange.instruments)}

    def at(self, params: Params) -> int:
        """Returns the instrument that a request names. Raises Refused."""
        name = text(params, "symbol")
        if not name:
            raise Refused("{} is a required arg.", "symbol")
        found = self.index_of.get(name)
        if found is None:
            raise Refused("Invalid symbol", name="ValidationError")
        return found

    def instruments_of(self, params: Params) -> list[int]:
        """Returns the requested instruments: the one of `symbol`, those of a root such as XBT, or all."""
        name = text(params, "symbol")
        if not name:
            return list(range(len(self.exchange.instruments)))
        if name in self.index_of:
            return [self.index_of[name]]
        root = name.partition(":")[0]
        found = [at for at, i in enumerate(self.exchange.instruments) if underlying(i.base) == root]
        if not found:
            raise Refused("Invalid symbol", name="ValidationError")
        return found

    # --- instruments ------------------------------------------------------------------------------

    def instrument_row(self, at: int, now: int) -> dict[str, Any]:
        listing = self.exchange.listings[at]
        return {
            **_contract(listing),
            **_terms(listing.instrument),
            **_funding(listing),
            **self._day(listing, now),
            **self._prices(at, now),
        }

    def _day(self, listing: Listing, now: int) -> dict[str, Any]:
        i, day = listing.instrument, listing.day(now)
        home, foreign = bar_notionals(i, day)
        return {
            "prevPrice24h": price_number(i, day.open),
            "volume24h": day.volume,
            "turnover24h": turnover(i, day),
            "homeNotional24h": home,
            "foreignNotional24h": foreign,
            "highPrice": price_number(i, day.high),
            "lowPrice": price_number(i, day.low),
        }

    def _prices(self, at: int, now: int) -> dict[str, Any]:
        listing = self.exchange.listings[at]
        i, held = listing.instrument, self.exchange.open_interest(at, now)
        mid = Decimal(listing.bid + listing.ask) / 2
        return {
            "lastPrice": price_number(i, listing.last),
            "lastPriceProtected": price_number(i, listing.last),
            "lastTickDirection": self._tick_direction(listing),
            "bidPrice": price_number(i, listing.bid),
            "midPrice": float(mid.scaleb(-i.price_decimals)) if listing.bid else None,
            "askPrice": price_number(i, listing.ask),
            "hasLiquidity": bool(listing.bid and listing.ask),
            "openInterest": held,
            "openValue": contract_value(i, listing.mark, held) if listing.mark else 0,
            "fairMethod": "FundingRate",
            "fairPrice": price_number(i, listing.mark),
            "markMethod": "FairPrice",
            "markPrice": price_number(i, listing.mark),
            "indicativeSettlePrice": price_number(i, listing.index),
            "timestamp": iso(now),
        }

    @staticmethod
    def _tick_direction(listing: Listing) -> str:
        prices = [trade.price for trade in list(listing.trades)[-2:]]
        if len(prices) < 2 or prices[0] == prices[1]:
            return "ZeroPlusTick"
        return "PlusTick" if prices[1] > prices[0] else "MinusTick"

    def instruments(self, params: Params, now: int) -> list[dict[str, Any]]:
        name = text(params, "symbol")
        if name.startswith("."):
            return page([r for r in self.index_rows(now) if r["symbol"] == name], params)
        return page([self.instrument_row(at, now) for at in self.instruments_of(params)], params)

    def active(self, now: int) -> list[dict[str, Any]]:
        return [self.instrument_row(at, now) for at in self.instruments_of({})]

    def index_rows(self, now: int) -> list[dict[str, Any]]:
        """Returns the rows of price indices, which are not traded."""
        return [
            {
                "symbol": index_symbol(listing.instrument),
                "rootSymbol": underlying(listing.instrument.base),
                "state": "Unlisted",
                "typ": "MRCXXX",
                "underlying": underlying(listing.instrument.base),
                "quoteCurrency": listing.instrument.quote,
                "reference": "BMEX",
                "tickSize": 0.01,
                "lastPrice": price_number(listing.instrument, listing.index),
                "markPrice": price_number(listing.instrument, listing.index),
                "timestamp": iso(now),
            }
            for listing in self.exchange.listings
        ]

    def assets(self) -> list[dict[str, Any]]:
        return [
            {
                "asset": asset,
                "currency": wallet,
                "majorCurrency": asset,
                "name": {"XBT": "Bitcoin", "USDT": "Tether"}[asset],
                "currencyType": "Crypto",
                "scale": decimals,
                "enabled": True,
                "isMarginCurrency": True,
                "minDepositAmount": 10_000,
                "minWithdrawalAmount": 10_000,
                "networks": [
                    {
                        "asset": {"XBT": "btc", "USDT": "eth"}[asset],
                        "tokenAddress": "",
                        "depositEnabled": False,
                        "withdrawalEnabled": False,
                        "withdrawalFee": 0,
                        "minFee": 0,
                        "maxFee": 0,
                    }
                ],
            }
            for wallet, asset, decimals in ASSETS.values()
        ]

    # --- market -----------------------------------------------------------------------------------

    def book(self, params: Params, now: int) -> list[dict[str, Any]]:
        at = self.at(params)
        i = self.exchange.instruments[at]
        depth = whole(params, "depth", DEPTH, "Invalid count") or 1 << 20
        asks, bids = (self.exchange.board.levels(at, side, depth) for side in (Side.SELL, Side.BUY))
        return level_rows(i, at, asks, bids, now)

    def trade_row(self, trade: TradeReport, direction: str) -> dict[str, Any]:
        i = self.exchange.instruments[trade.at]
        value = gross_value(i, trade.price, trade.size)
        home, foreign = notionals(i, trade.price, trade.size, value)
        return {
            "timestamp": iso(trade.time),
            "symbol": i.raw_symbol,
            "side": side_word(trade.side),
            "size": trade.size,
            "price": price_number(i, trade.price),
            "tickDirection": direction,
            "trdMatchID": key_id(f"trade/{trade.at}", trade.trade_id),
            "grossValue": value,
            "homeNotional": home,
            "foreignNotional": foreign,
            "trdType": "Regular",
        }

    def trades(self, params: Params) -> list[dict[str, Any]]:
        rows = []
        for at in self.instruments_of(params):
            before, direction = 0, "ZeroPlusTick"
            for trade in list(self.exchange.listings[at].trades)[-TRADES_SHOWN:]:
                direction = tick_direction(before, trade.price, direction)
                before = trade.price
                rows.append((trade.time, at, self.trade_row(trade, direction)))
        return page([row for *_, row in sorted(rows, key=lambda each: each[:2])], params)

    def bins(self, params: Params, now: int) -> list[dict[str, Any]]:
        minutes = BINS.get(text(params, "binSize") or "1m")
        if minutes is None:
            raise Refused("Invalid binSize")
        rows = [
            (bar.open_time, at, self.bin_row(at, bar))
            for at in self.instruments_of(params)
            for bar in merged(self.exchange.listings[at].minutes, aligned(minutes))
            if bar.close_time <= now or flag(params, "partial")
        ]
        return page([row for *_, row in sorted(rows, key=lambda each: each[:2])], params)

    def bin_row(self, at: int, bar: BarReport) -> dict[str, Any]:
        """Returns a bin's row, stamped with its end."""
        i = self.exchange.instruments[at]
        home, foreign = bar_notionals(i, bar)
        return {
            "timestamp": iso(bar.close_time),
            "symbol": i.raw_symbol,
            "open": price_number(i, bar.open),
            "high": price_number(i, bar.high),
            "low": price_number(i, bar.low),
            "close": price_number(i, bar.close),
            "trades": bar.trades,
            "volume": bar.volume,
            "vwap": round(foreign / home, i.price_decimals + 3) if home else None,
            "turnover": turnover(i, bar),
            "homeNotional": home,
            "foreignNotional": foreign,
        }

    def quote_row(self, quote: QuoteReport) -> dict[str, Any]:
        i = self.exchange.instruments[quote.at]
        return {
            "timestamp": iso(quote.time),
            "symbol": i.raw_symbol,
            "bidSize": quote.bid_size,
            "bidPrice": price_number(i, quote.bid),
            "askPrice": price_number(i, quote.ask),
            "askSize": quote.ask_size,
        }

    def quote_bin_row(self, at: int, bar: BarReport) -> dict[str, Any]:
        """Returns the last quote of the minute, stamped with its end."""
        quotes = reversed(self.exchange.listings[at].quotes)
        last = next((self.quote_row(each) for each in quotes if each.time < bar.close_time), None)
        return {**(last or self.last_quote(at, bar.close_time)), "timestamp": iso(bar.close_time)}

    def settlement_row(self, at: int, now: int) -> dict[str, Any]:
        """Returns the row of an expired contract, all of it settled at the mark."""
        listing = self.exchange.listings[at]
        return {
            "timestamp": iso(now),
            "symbol": listing.instrument.raw_symbol,
            "settlementType": "Settlement",
            "settledPrice": price_number(listing.instrument, listing.valuation),
            "optionStrikePrice": None,
            "optionUnderlyingPrice": None,
            "bankrupt": None,
            "taxBase": None,
            "taxRate": None,
        }

    def last_quote(self, at: int, now: int) -> dict[str, Any]:
        listing = self.exchange.listings[at]
        if listing.quotes:
            return self.quote_row(listing.quotes[-1])
        return self.quote_row(QuoteReport(now, at, listing.bid, listing.bid_size, listing.ask, listing.ask_size, 0))

    def quote_table(self, params: Params, now: int) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        for at in self.instruments_of(params):
            kept = [self.quote_row(quote) for quote in self.exchange.listings[at].quotes]
            rows += kept or [self.last_quote(at, now)]
        return page(sorted(rows, key=lambda row: str(row["timestamp"])), params)

    def funding_row(self, at: int, time: int, rate: int) -> dict[str, Any]:
        i = self.exchange.instruments[at]
        hours = (i.funding_interval or 8 * 60 * MINUTE) // (60 * MINUTE)
        return {
            "timestamp": iso(time),
            "symbol": i.raw_symbol,
            "fundingInterval": f"2000-01-01T{hours:02d}:00:00.000Z",
            "fundingRate": rate_number(rate),
            "fundingRateDaily": rate_number(rate * 24 // hours),
        }

    def fundings(self, params: Params) -> list[dict[str, Any]]:
        rows = [
            self.funding_row(at, time, rate)
            for at in self.instruments_of(params)
            for time, rate, _mark in self.exchange.listings[at].fundings
        ]
        return page(sorted(rows, key=lambda row: str(row["timestamp"])), params)


def index_symbol(i: Instrument) -> str:
    return f".B{underlying(i.base)}" + ("" if i.quote in ("USD", "USDT") else i.quote)


def tick_direction(before: int, price: int, last: str) -> str:
    """Returns the tick direction of a trade. before, last: price (0: none) and direction of the previous trade."""
    if not before or price == before:
        return "ZeroPlusTick" if last.endswith("PlusTick") else "ZeroMinusTick"
    return "PlusTick" if price > before else "MinusTick"
