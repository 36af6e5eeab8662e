"""OKX v5: the public endpoints: instruments, tickers, book, trades, bars, funding.

Source: OKX API v5 documentation, "Public Data" and "Market Data", as of 2026-07. Lists are newest first. Margin and
options are types without instruments.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from onetape.exchange.bars import aligned, merged
from onetape.exchange.exchange import SimExchange
from onetape.exchange.okx.wire import Refused, fixed, money_text, ms, numbered, price_text, size_text
from onetape.exchange.reports import BarReport, TradeReport
from onetape.model.decimals import decimal_text, scaled
from onetape.model.enums import Kind, Side
from onetape.model.instrument import Instrument
from onetape.model.money import MONEY_DECIMALS, RATE_DECIMALS
from onetape.venues.okx.words import FUTURES, INTERVALS, SWAP, TYPES, type_of

__all__ = ["FIRST_CODE", "KINDS", "PublicData", "Query", "bar_of", "family_of", "rows_after"]

Query = Mapping[str, str]
KINDS: Final = (*TYPES, "MARGIN", "OPTION")
FIRST_CODE: Final = 10_459  # number of the first instrument
DEPTH_MAX: Final = 400
SIZE_MOST: Final = 1_000_000
_INSTRUMENT: Final = fixed(
    "alias= category=1 auctionEndTime= contTdSwTime= preMktSwTime= openType= "
    "listTime=1611916828000 maxLmtAmt=20000000 maxMktAmt= optType= stk= ruleType=normal instCategory=1 groupId=1 "
    "posLmtAmt= posLmtPct="
)


class PublicData:
    """Serves the public endpoints of one exchange."""

    def __init__(self, exchange: SimExchange) -> None:
        self.exchange = exchange
        self.index_of = {i.raw_symbol: at for at, i in enumerate(exchange.instruments)}
        self.handlers: dict[str, Callable[[Query, int], list[Any]]] = {
            "public/time": lambda _q, now: [{"ts": ms(now)}],
            "public/instruments": self.instruments,
            "public/mark-price": lambda q, now: [self.mark(at, now) for at in self.wanted(q)],
            "public/funding-rate": lambda q, now: [self.funding(at, now) for at in self.contracts(q, SWAP)],
            "public/funding-rate-history": self.fundings,
            "public/open-interest": lambda q, now: [
                self.open_interest(at, now) for at in self.contracts(q, SWAP, FUTURES)
            ],
            "public/price-limit": self.price_limit,
            "public/position-tiers": self.tiers,
            "market/tickers": lambda q, now: [self.ticker(at, now) for at in self.wanted(q)],
            "market/ticker": lambda q, now: [self.ticker(self.at(q.get("instId")), now)],
            "market/index-tickers": self.index_tickers,
            "market/books": self.book,
            "market/books-full": self.book,
            "market/trades": self.trades,
            "market/history-trades": self.trades,
            "market/candles": self.candles,
            "market/history-candles": self.candles,
            "market/mark-price-candles": lambda q, now: self.candles(q, now, is_mark=True),
            "system/status": lambda _q, _now: [],
        }

    def at(self, name: object) -> int:
        """Returns the instrument of a name. Raises Refused."""
        found = self.index_of.get(name) if isinstance(name, str) else None
        if found is None or not self.exchange.listings[found].is_listed:
            raise Refused(51001, "Instrument ID, Instrument ID code, or Spread ID doesn't exist.")
        return found

    def wanted(self, query: Query) -> list[int]:
        """Returns the instruments that a query names, all without a name; none of another type."""
        if query.get("instId"):
            return [self.at(query["instId"])]
        kind = query.get("instType", "")
        if kind and kind not in KINDS:
            raise Refused(51000, "Parameter instType error")
        family = query.get("instFamily") or query.get("uly") or ""
        every = enumerate(self.exchange.instruments)
        return [at for at, i in every if kind in ("", type_of(i)) and family in ("", family_of(i))]

    def contracts(self, query: Query, *types: str) -> list[int]:
        """Returns the wanted instruments of these types. Raises Refused for a named one of another type."""
        wanted = self.wanted(query)
        found = [at for at in wanted if type_of(self.exchange.instruments[at]) in types]
        if query.get("instId") and not found:
            raise Refused(51000, "Parameter instId error")
        return found

    # --- instruments ------------------------------------------------------------------------------

    def instruments(self, query: Query, _now: int) -> list[Any]:
        if query.get("instType") not in KINDS:
            raise Refused(51000 if query.get("instType") else 50014, "Parameter instType error")
        return [self._instrument(at) for at in self.wanted(query) if not self.has_expired(at)]

    def has_expired(self, at: int) -> bool:
        i, listing = self.exchange.instruments[at], self.exchange.listings[at]
        return i.expiry is not None and not listing.is_open

    def _instrument(self, at: int) -> dict[str, Any]:
        i, listing = self.exchange.instruments[at], self.exchange.listings[at]
        most = decimal_text(i.size_max) if i.size_max else str(SIZE_MOST)
        names = ("maxLmtSz", "maxMktSz", "maxTriggerSz", "maxStopSz", "maxTwapSz", "maxIcebergSz")
        return {
            "instType": type_of(i),
            "instId": i.raw_symbol,
            "instIdCode": FIRST_CODE + at,
            **_kind_terms(i),
            "tickSz": decimal_text(i.tick),
            "lotSz": decimal_text(i.lot),
            "minSz": decimal_text(i.size_min or i.lot),
            "state": "live" if listing.is_listed else "suspend",
            **dict.fromkeys(names, most),
            "futureSettlement": False,
            "tradeQuoteCcyList": [i.quote] if i.kind is Kind.SPOT else [],
            "upcChg": [],
            **_INSTRUMENT,
        }

    def tiers(self, query: Query, _now: int) -> list[Any]:
        rows = []
        for at in self.contracts(query, SWAP, FUTURES):
            i = self.exchange.instruments[at]
            rate = i.maintenance_rate
            own = {"instId": i.raw_symbol, "instFamily": family_of(i), "uly": family_of(i), "tier": "1", "minSz": "0"}
            margin = {"mmr": decimal_text(rate), "imr": decimal_text(2 * rate), "maxLever": str(i.leverage)}
            rows.append(
                {**own, **margin, "maxSz": str(SIZE_MOST), **fixed("optMgnFactor=0 quoteMaxLoan= baseMaxLoan=")}
            )
        return rows

    def price_limit(self, query: Query, now: int) -> list[Any]:
        at = self.at(query.get("instId"))
        i, price = self.exchange.instruments[at], self.exchange.listings[at].valuation
        bounds = {"buyLmt": price_text(i, price * 21 // 20), "sellLmt": price_text(i, price * 19 // 20)}
        return [{"instType": type_of(i), "instId": i.raw_symbol, **bounds, "enabled": True, "ts": ms(now)}]

    # --- prices -----------------------------------------------------------------------------------

    def ticker(self, at: int, now: int) -> dict[str, str]:
        listing, i = self.exchange.listings[at], self.exchange.instruments[at]
        day = listing.day(now)
        volume = i.size(day.volume) * i.multiplier
        money = scaled(day.turnover, i.price_decimals + i.size_decimals)
        return {
            "instType": type_of(i),
            "instId": i.raw_symbol,
            "last": price_text(i, listing.last),
            "lastSz": size_text(i, i.core.lot),
            "askPx": price_text(i, listing.ask) if listing.ask else "",
            "askSz": size_text(i, listing.ask_size),
            "bidPx": price_text(i, listing.bid) if listing.bid else "",
            "bidSz": size_text(i, listing.bid_size),
            "open24h": price_text(i, day.open),
            "high24h": price_text(i, day.high),
            "low24h": price_text(i, day.low),
            "volCcy24h": decimal_text(money if i.kind is Kind.SPOT else volume),
            "vol24h": size_text(i, day.volume),
            "sodUtc0": price_text(i, day.open),
            "sodUtc8": price_text(i, day.open),
            "ts": ms(now),
        }

    def mark(self, at: int, now: int) -> dict[str, str]:
        i = self.exchange.instruments[at]
        price = price_text(i, self.exchange.listings[at].valuation)
        return {"instType": type_of(i), "instId": i.raw_symbol, "markPx": price, "ts": ms(now)}

    def index_tickers(self, query: Query, now: int) -> list[Any]:
        rows, families = [], set()
        for listing in self.exchange.listings:
            i = listing.instrument
            if family_of(i) in families:
                continue
            families.add(family_of(i))
            if query.get("instId", family_of(i)) != family_of(i) or query.get("quoteCcy", i.quote) != i.quote:
                continue
            price = price_text(i, listing.index or listing.valuation)
            prices = dict.fromkeys(("idxPx", "high24h", "low24h", "open24h", "sodUtc0", "sodUtc8"), price)
            rows.append({"instId": family_of(i), **prices, "ts": ms(now)})
        return rows

    def levels(self, at: int, side: Side, depth: int) -> list[list[str]]:
        i = self.exchange.instruments[at]
        found = self.exchange.board.levels(at, side, depth)
        return [[price_text(i, price), size_text(i, size), "0", "1"] for price, size in found]

    def book(self, query: Query, now: int) -> list[Any]:
        at, depth = self.at(query.get("instId")), numbered(query, "sz", 1, DEPTH_MAX)
        sides = {"asks": self.levels(at, Side.SELL, depth), "bids": self.levels(at, Side.BUY, depth)}
        return [{**sides, "ts": ms(now), "seqId": self.exchange.listings[at].depth_id}]

    # --- trades, bars, funding --------------------------------------------------------------------

    def trade(self, trade: TradeReport) -> dict[str, str]:
        i = self.exchange.instruments[trade.at]
        return {
            "instId": i.raw_symbol,
            "tradeId": str(trade.trade_id),
            "px": price_text(i, trade.price),
            "sz": size_text(i, trade.size),
            "side": trade.side.value,
            "source": "0",
            "ts": ms(trade.time),
        }

    def trades(self, query: Query, _now: int) -> list[Any]:
        limit = numbered(query, "limit", 100, 500)
        every = list(self.exchange.listings[self.at(query.get("instId"))].trades)
        before = numbered(query, "after", 2**62, 2**62) if query.get("type", "1") == "1" else 2**62
        return [self.trade(each) for each in [each for each in every if each.trade_id < before][: -limit - 1 : -1]]

    def bars(self, at: int, word: str, *, is_mark: bool = False) -> list[BarReport]:
        listing = self.exchange.listings[at]
        return merged(listing.mark_bars.bars if is_mark else listing.minutes, aligned(INTERVALS[word]))

    def candles(self, query: Query, now: int, *, is_mark: bool = False) -> list[Any]:
        at, word = self.at(query.get("instId")), bar_of(query.get("bar") or "1m")
        limit = numbered(query, "limit", 100, 300)
        after, before = numbered(query, "after", 2**62, 2**62), numbered(query, "before", 0, 2**62)
        every = self.bars(at, word, is_mark=is_mark)
        found = [bar for bar in every if before < int(ms(bar.open_time)) < after][: -limit - 1 : -1]
        return [self.candle(at, bar, now, is_mark=is_mark) for bar in found]

    def candle(self, at: int, bar: BarReport, now: int, *, is_mark: bool = False) -> list[str]:
        i = self.exchange.instruments[at]
        prices = [price_text(i, each) for each in (bar.open, bar.high, bar.low, bar.close)]
        is_over = str(int(bar.close_time <= now))
        if is_mark:
            return [ms(bar.open_time), *prices, is_over]
        return [ms(bar.open_time), *prices, size_text(i, bar.volume), *self._turnovers(i, bar), is_over]

    @staticmethod
    def _turnovers(i: Instrument, bar: BarReport) -> tuple[str, str]:
        """Returns a bar's volume in base and in quote currency."""
        if i.kind is Kind.INVERSE:
            return decimal_text(scaled(bar.turnover, MONEY_DECIMALS)), decimal_text(i.size(bar.volume) * i.multiplier)
        quote = decimal_text(scaled(bar.turnover, i.price_decimals + i.size_decimals) * i.multiplier)
        return quote if i.kind is Kind.SPOT else decimal_text(i.size(bar.volume) * i.multiplier), quote

    def funding(self, at: int, now: int) -> dict[str, str]:
        i, listing = self.exchange.instruments[at], self.exchange.listings[at]
        last = listing.fundings[-1] if listing.fundings else (0, 0, 0)
        return {
            "instType": SWAP,
            "instId": i.raw_symbol,
            "fundingRate": rate_text(listing.funding_rate),
            "fundingTime": ms(listing.funding_time),
            "nextFundingTime": ms(listing.funding_time + i.funding_interval),
            "prevFundingTime": ms(listing.funding_time - i.funding_interval),
            "settFundingRate": rate_text(last[1]),
            "ts": ms(now),
            **fixed(
                "method=current_period formulaType=withRate nextFundingRate= minFundingRate=-0.00375 "
                "maxFundingRate=0.00375 settState=settled premium=0 interestRate=0.0001 impactValue="
            ),
        }

    def fundings(self, query: Query, _now: int) -> list[Any]:
        self.contracts({"instId": str(query.get("instId") or "")}, SWAP)
        at, limit = self.at(query.get("instId")), numbered(query, "limit", 100, 400)
        after, before = numbered(query, "after", 2**62, 2**62), numbered(query, "before", 0, 2**62)
        names = {"instType": SWAP, "instId": self.exchange.instruments[at].raw_symbol, "method": "current_period"}
        rows = [
            {**names, "fundingRate": rate_text(rate), "realizedRate": rate_text(rate), "fundingTime": ms(time)}
            for time, rate, _ in reversed(self.exchange.listings[at].fundings)
            if before < int(ms(time)) < after
        ]
        return rows[:limit]

    def open_interest(self, at: int, now: int) -> dict[str, str]:
        i, listing = self.exchange.instruments[at], self.exchange.listings[at]
        held = self.exchange.open_interest(at, now)
        value = money_text(i.notional_units(listing.valuation, held))
        amounts = {"oi": size_text(i, held), "oiCcy": decimal_text(i.size(held) * i.multiplier), "oiUsd": value}
        return {"instType": type_of(i), "instId": i.raw_symbol, **amounts, "ts": ms(now)}


def _kind_terms(i: Instrument) -> dict[str, str]:
    """Returns the fields of an instrument that only its type has."""
    if i.kind is Kind.SPOT:
        lacks = ("uly", "instFamily", "settleCcy", "ctVal", "ctMult", "ctValCcy", "ctType", "lever", "expTime")
        return {"baseCcy": i.base, "quoteCcy": i.quote, **dict.fromkeys(lacks, "")}
    is_inverse = i.kind is Kind.INVERSE
    return {
        "baseCcy": "",
        "quoteCcy": "",
        "uly": family_of(i),
        "instFamily": family_of(i),
        "settleCcy": i.settle,
        "ctVal": decimal_text(i.multiplier),
        "ctMult": "1",
        "ctValCcy": i.quote if is_inverse else i.base,
        "ctType": "inverse" if is_inverse else "linear",
        "lever": str(i.leverage),
        "expTime": "" if i.expiry is None else ms(i.expiry),
    }


def family_of(i: Instrument) -> str:
    return f"{i.base}-{i.quote}"


def bar_of(word: str) -> str:
    """Returns the name of a bar in UTC. Raises Refused. Longer bars begin in UTC+8 by their plain names, which this
    simulation does not have."""
    found = word if word in INTERVALS else f"{word}utc"
    if found not in INTERVALS:
        raise Refused(51000, "Parameter bar error")
    return found


def rate_text(rate: int) -> str:
    return decimal_text(scaled(rate, RATE_DECIMALS))


def rows_after(
    rows: Sequence[Any], query: Mapping[str, Any], number: Callable[[Any], int], *, most: int = 100
) -> list[Any]:
    """Returns a page of rows, newest first: those below the number `after`, and above `before`."""
    after, before = numbered(query, "after", 2**63, 2**63), numbered(query, "before", -1, 2**63)
    return [each for each in rows if before < number(each) < after][: numbered(query, "limit", most, most)]
