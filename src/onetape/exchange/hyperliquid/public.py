"""Hyperliquid: the public queries: perpetuals, spot pairs, prices, book, trades, candles, funding.

Source: hyperliquid.gitbook.io "Info endpoint", "Perpetuals", schemas of nktkas/hyperliquid, as of 2026-10. The number
of orders at a level and the impact prices of funding are unknown here: they are shown as one, and as the best bid and
ask. The numbers of tokens are ours; pairs that are not simulated have a context without prices.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from onetape.exchange.bars import aligned, merged
from onetape.exchange.exchange import SimExchange
from onetape.exchange.hyperliquid.wire import Refused, mean_text, ms, price_text, size_text
from onetape.exchange.listing import Listing
from onetape.exchange.reports import BarReport, TradeReport
from onetape.model.decimals import decimal_text, scaled
from onetape.model.enums import Kind, Side
from onetape.model.instrument import Instrument
from onetape.model.money import RATE_DECIMALS
from onetape.model.time import MINUTE
from onetape.venues.hyperliquid.instruments import DECIMALS, FIGURES, SPOT_ASSETS
from onetape.venues.hyperliquid.words import CURRENCY, INTERVALS, SIDE_WORDS

__all__ = ["Params", "PublicData", "assets_of", "number"]

DEPTH: Final = 20  # levels per side
CANDLES_MAX: Final = 5000
ROWS_MAX: Final = 500
TRADES: Final = 10
EIGHTH: Final = 8  # funding is paid each hour, an eighth of the rate of eight hours
MANTISSAS: Final = (None, 1, 2, 5)
Params = dict[str, Any]
_TOKEN: Final = {
    "weiDecimals": 8,
    "isCanonical": True,
    "evmContract": None,
    "fullName": None,
    "deployerTradingFeeShare": "0.0",
}
_SUPPLY: Final = {"circulatingSupply": "1000000000.0", "totalSupply": "1000000000.0"}
_NO_CONTEXT: Final = {
    **dict.fromkeys(("prevDayPx", "dayNtlVlm", "markPx", "dayBaseVlm"), "0.0"),
    "midPx": None,
    **_SUPPLY,
}


def assets_of(instruments: Sequence[Instrument]) -> dict[int, int]:
    """Returns the venue's number of each asset -> its place here. Perpetuals are counted; a pair has a number in its
    name, and 0 with a name of tokens."""
    perpetuals = [at for at, i in enumerate(instruments) if i.kind is not Kind.SPOT]
    pairs = {_pair_number(i): at for at, i in enumerate(instruments) if i.kind is Kind.SPOT}
    return {**dict(enumerate(perpetuals)), **{SPOT_ASSETS + n: at for n, at in sorted(pairs.items())}}


def _pair_number(i: Instrument) -> int:
    return int(i.raw_symbol[1:]) if i.raw_symbol.startswith("@") else 0


class PublicData:
    """Serves the public queries of one exchange."""

    def __init__(self, exchange: SimExchange) -> None:
        self.exchange = exchange
        self.assets = assets_of(exchange.instruments)
        self.perpetuals = [at for asset, at in self.assets.items() if asset < SPOT_ASSETS]
        self.pairs = [at for asset, at in self.assets.items() if asset >= SPOT_ASSETS]
        self.tokens = [CURRENCY, *(exchange.instruments[at].base for at in self.pairs)]
        self.index_of = {i.raw_symbol: at for at, i in enumerate(exchange.instruments)}

    def at(self, coin: object) -> int:
        """Returns the instrument of a coin. Raises Refused."""
        found = self.index_of.get(coin) if isinstance(coin, str) else None
        if found is None:
            raise Refused("null", 500)
        return found

    def decimals(self, at: int) -> int:
        """Returns the most decimals of an instrument's prices."""
        i = self.exchange.instruments[at]
        return DECIMALS[i.kind] - i.size_decimals

    def trade_number(self, at: int, trade_id: int) -> int:
        """Returns the `tid` of a trade: one count for all instruments."""
        return trade_id * len(self.exchange.instruments) + at

    # --- markets ----------------------------------------------------------------------------------

    def meta(self) -> dict[str, Any]:
        rows, listings = [], [self.exchange.listings[at] for at in self.perpetuals]
        for at, listing in enumerate(listings):
            i = listing.instrument
            row = {
                "szDecimals": i.size_decimals,
                "name": i.raw_symbol,
                "maxLeverage": i.leverage,
                "marginTableId": at + 1,
            }
            rows.append(row if listing.is_listed else row | {"isDelisted": True})
        tables = [[at + 1, _tier(each.instrument.leverage)] for at, each in enumerate(listings)]
        return {"universe": rows, "marginTables": tables, "collateralToken": 0}

    def contexts(self, now: int) -> list[dict[str, Any]]:
        return [self.context(at, now) for at in self.perpetuals]

    def context(self, at: int, now: int) -> dict[str, Any]:
        listing = self.exchange.listings[at]
        i, day = listing.instrument, listing.day(now)
        index = listing.index or listing.valuation
        has_book = bool(listing.bid and listing.ask)
        usual = {
            "prevDayPx": price_text(i, day.open),
            "dayNtlVlm": mean_text(i, day.turnover, 10**i.size_decimals),
            "markPx": price_text(i, listing.valuation),
            "midPx": self.mid(listing) if has_book else None,
            "dayBaseVlm": size_text(i, day.volume),
        }
        if i.kind is Kind.SPOT:
            return {**usual, "coin": i.raw_symbol, **_SUPPLY}
        return {
            **usual,
            "funding": self.rate(listing),
            "openInterest": size_text(i, self.exchange.open_interest(at, now)),
            "premium": decimal_text(round(Decimal(listing.valuation - index) / max(index, 1), 8)),
            "oraclePx": price_text(i, index),
            "impactPxs": [price_text(i, listing.bid), price_text(i, listing.ask)] if has_book else None,
        }

    @staticmethod
    def rate(listing: Listing) -> str:
        return decimal_text(scaled(listing.funding_rate, RATE_DECIMALS))

    @staticmethod
    def mid(listing: Listing) -> str:
        return mean_text(listing.instrument, listing.bid + listing.ask, 2)

    def mids(self) -> dict[str, str]:
        return {e.instrument.raw_symbol: self.mid(e) for e in self.exchange.listings if e.bid and e.ask}

    def spot_meta(self) -> dict[str, Any]:
        instruments = [self.exchange.instruments[at] for at in self.pairs]
        decimals = [8, *(i.size_decimals for i in instruments)]
        tokens = [
            {**_TOKEN, "name": name, "szDecimals": size, "index": at, "tokenId": f"0x{at + 1:032x}"}
            for at, (name, size) in enumerate(zip(self.tokens, decimals, strict=True))
        ]
        universe = [
            {
                "tokens": [self.tokens.index(i.base), 0],
                "name": i.raw_symbol,
                "index": _pair_number(i),
                "isCanonical": not i.raw_symbol.startswith("@"),
            }
            for i in instruments
        ]
        return {"universe": universe, "tokens": tokens}

    def spot_contexts(self, now: int) -> list[dict[str, Any]]:
        """Returns the contexts of all numbers of pairs up to the last one that is simulated."""
        last = max(self.assets, default=0) - SPOT_ASSETS
        found = [self.assets.get(SPOT_ASSETS + n) for n in range(last + 1)]
        return [_NO_CONTEXT | {"coin": f"@{n}"} if at is None else self.context(at, now) for n, at in enumerate(found)]

    # --- book and trades --------------------------------------------------------------------------

    def book(self, terms: Params, now: int) -> dict[str, Any]:
        """Returns the book. nSigFigs, mantissa: levels are merged to so many significant figures, times 1, 2 or 5."""
        at, figures, mantissa = self.at(terms.get("coin")), terms.get("nSigFigs"), terms.get("mantissa")
        if figures not in (None, 2, 3, 4, 5) or mantissa not in MANTISSAS or (mantissa and figures != FIGURES):
            raise Refused
        i = self.exchange.instruments[at]
        sides = [self._side(at, side, figures, mantissa or 1) for side in (Side.BUY, Side.SELL)]
        return {"coin": i.raw_symbol, "time": ms(now), "levels": sides}

    def _side(self, at: int, side: Side, figures: int | None, mantissa: int) -> list[dict[str, Any]]:
        """Returns merged levels; bids are rounded down to a level's price, asks up."""
        i, sizes = self.exchange.instruments[at], dict[int, int]()
        for price, size in self.exchange.board.levels(at, side, 1 << 30 if figures else DEPTH):
            step = 10 ** max(len(str(price)) - figures, 0) * mantissa if figures else 1
            price = price // step * step if side is Side.BUY else -(-price // step) * step
            if price not in sizes and len(sizes) == DEPTH:
                break
            sizes[price] = sizes.get(price, 0) + size
        return [{"px": price_text(i, price), "sz": size_text(i, size), "n": 1} for price, size in sizes.items()]

    def trades(self, terms: Params) -> list[dict[str, Any]]:
        last = list(self.exchange.listings[self.at(terms.get("coin"))].trades)[: -TRADES - 1 : -1]
        return [self.trade_row(each) for each in last]

    def trade_row(self, trade: TradeReport) -> dict[str, Any]:
        i, number_ = self.exchange.instruments[trade.at], self.trade_number(trade.at, trade.trade_id)
        return {
            "coin": i.raw_symbol,
            "side": SIDE_WORDS[trade.side],
            "px": price_text(i, trade.price),
            "sz": size_text(i, trade.size),
            "time": ms(trade.time),
            "hash": f"0x{number_:064x}",
            "tid": number_,
            "users": [f"0x{1:040x}", f"0x{2:040x}"],
        }

    # --- candles and funding ----------------------------------------------------------------------

    @staticmethod
    def candle(i: Instrument, bar: BarReport, interval: str) -> dict[str, Any]:
        """Returns a candle; its end is its last millisecond."""
        end = ms(bar.open_time) + INTERVALS[interval] * 60_000 - 1
        prices = {
            name: price_text(i, at) for name, at in zip("ochl", (bar.open, bar.close, bar.high, bar.low), strict=True)
        }
        head = {"t": ms(bar.open_time), "T": end, "s": i.raw_symbol, "i": interval}
        return {**head, **prices, "v": size_text(i, bar.volume), "n": bar.trades}

    def candles(self, terms: Params) -> list[dict[str, Any]]:
        wanted = terms.get("req")
        if not isinstance(wanted, dict) or wanted.get("interval") not in INTERVALS:
            raise Refused
        at, interval = self.at(wanted.get("coin")), wanted["interval"]
        begin, end = number(wanted, "startTime"), number(wanted, "endTime", 2**62)
        listing = self.exchange.listings[at]
        bars = merged(listing.minutes, aligned(INTERVALS[interval]))
        found = [bar for bar in bars if begin <= ms(bar.open_time) <= end]
        return [self.candle(listing.instrument, bar, interval) for bar in found[-CANDLES_MAX:]]

    def last_candle(self, at: int, interval: str, now: int) -> dict[str, Any] | None:
        """Returns the candle that was running at `now`, from the last two."""
        listing, minutes = self.exchange.listings[at], INTERVALS[interval]
        bars = [
            bar
            for bar in list(listing.minutes)[-2 * minutes :]
            if bar.open_time // (minutes * MINUTE) == now // (minutes * MINUTE)
        ]
        (made,) = merged(bars, aligned(minutes)) if bars else (None,)
        return made and self.candle(listing.instrument, made, interval)

    def fundings(self, terms: Params) -> list[dict[str, Any]]:
        at = self.at(terms.get("coin"))
        begin, end = number(terms, "startTime"), number(terms, "endTime", 2**62)
        rows = [
            {
                "coin": self.exchange.instruments[at].raw_symbol,
                "fundingRate": decimal_text(scaled(rate, RATE_DECIMALS)),
                "premium": "0.0",
                "time": ms(time),
            }
            for time, rate, _mark in self.exchange.listings[at].fundings
        ]
        return first_rows(rows, begin, end, ROWS_MAX)


def _tier(leverage: int) -> dict[str, Any]:
    return {"description": "", "marginTiers": [{"lowerBound": "0.0", "maxLeverage": leverage}]}


def first_rows(rows: Sequence[Params], begin: int, end: int, most: int) -> list[Params]:
    """Returns the first rows of a span, oldest first. rows: sorted by time."""
    return [row for row in rows if begin <= row["time"] <= end][:most]


def number(terms: Params, name: str, usual: int | None = None) -> int:
    """Returns an integer parameter. usual: its default, None: it is required. Raises Refused."""
    said = terms.get(name)
    if said is None and usual is not None:
        return usual
    if type(said) is not int or not 0 <= said < 2**62:
        raise Refused
    return said
