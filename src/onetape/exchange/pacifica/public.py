"""Pacifica: the public endpoints: markets, prices, book, trades, candles, funding.

Source: docs.pacifica.fi "Markets" (2026) and the answers that ccxt 4.5.90 quotes. The number of orders at a level and
the impact prices of funding are unknown here: they are shown as one, and as the best bid and ask.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from onetape.exchange.bars import aligned, merged
from onetape.exchange.exchange import SimExchange
from onetape.exchange.pacifica.wire import Refused, envelope, mean_text, ms, price_text, rate_text, shown, size_text
from onetape.exchange.reports import BarReport, TradeReport
from onetape.model.decimals import decimal_text
from onetape.model.enums import Side
from onetape.model.instrument import Instrument
from onetape.model.time import MINUTE
from onetape.venues.columns import columns
from onetape.venues.pacifica.words import INTERVALS

__all__ = ["LEVELS", "PublicData", "page"]

LEVELS: Final = (1, 10, 100, 1000, 10000)  # ticks per level
DEPTH: Final = 10  # levels per side; unverified
TRADES: Final = 100  # the latest ones; unverified
ORDER_MAX: Final = 5_000_000  # USD
PAGE: Final = (100, 4000)
LISTED_MS: Final = 1_748_881_333_944  # 2025-06-02, BTC
TRADE: Final = columns("event_type price amount side cause created_at")
Query = dict[str, str]


class PublicData:
    """Serves the public endpoints of one exchange."""

    def __init__(self, exchange: SimExchange) -> None:
        self.exchange = exchange
        self.index_of = {i.raw_symbol: at for at, i in enumerate(exchange.instruments)}

    def at(self, symbol: object) -> int:
        """Returns the instrument of a name. Raises Refused."""
        found = self.index_of.get(symbol) if isinstance(symbol, str) else None
        if found is None or not self.exchange.listings[found].is_listed:
            raise Refused(f"Book not found: {symbol}", 3)
        return found

    @property
    def last_id(self) -> int:
        """Returns the id of the exchange's last order."""
        return self.exchange.orders.next_id - 1

    def trade_number(self, at: int, trade_id: int) -> int:
        """Returns the `history_id` of a trade: one count for all instruments."""
        return trade_id * len(self.exchange.instruments) + at

    # --- markets ----------------------------------------------------------------------------------

    def info(self) -> list[dict[str, Any]]:
        rows = []
        for listing in self.exchange.listings:
            i = listing.instrument
            if listing.is_listed:
                rows.append(
                    {
                        "symbol": i.raw_symbol,
                        "tick_size": decimal_text(i.tick),
                        "min_tick": "0",
                        "max_tick": "1000000",
                        "lot_size": decimal_text(i.lot),
                        "max_leverage": i.leverage,
                        "isolated_only": False,
                        "min_order_size": decimal_text(i.notional_min),
                        "max_order_size": str(ORDER_MAX),
                        "funding_rate": rate_text(listing.funding_rate),
                        "next_funding_rate": rate_text(listing.funding_rate),
                        "created_at": LISTED_MS,
                        "instrument_type": "perpetual",
                        "base_asset": i.base,
                    }
                )
        return rows

    def spot_assets(self) -> list[dict[str, Any]]:
        """Returns the collateral terms of spot assets. There is no bonus, because nothing is hedged here; the other
        columns are unverified."""
        return [
            {
                "symbol": name,
                "collateral_enabled": True,
                "ltv_ratio": decimal_text(1 - terms.haircut),
                "spread_divisor": None,
                "collateral_value_limit_usd": decimal_text(terms.value_max),
            }
            for name, terms in self.exchange.accounts.collateral.items()
            if terms.value_max
        ]

    def prices(self, now: int) -> list[dict[str, Any]]:
        rows = []
        for at, listing in enumerate(self.exchange.listings):
            i, day = listing.instrument, listing.day(now)
            rows.append(
                {
                    "funding": rate_text(listing.funding_rate),
                    "mark": price_text(i, listing.valuation),
                    "mid": mean_text(i, listing.bid + listing.ask, 2),
                    "next_funding": rate_text(listing.funding_rate),
                    "open_interest": size_text(i, self.exchange.open_interest(at, now)),
                    "oracle": price_text(i, listing.index or listing.valuation),
                    "symbol": i.raw_symbol,
                    "timestamp": ms(now),
                    "volume_24h": mean_text(i, day.turnover, 10**i.size_decimals),
                    "yesterday_price": price_text(i, day.open),
                }
            )
        return rows

    # --- book and trades --------------------------------------------------------------------------

    def level(self, said: object) -> int:
        """Returns the number of ticks per level. Raises Refused."""
        if said in (None, ""):
            return 1
        if str(said) not in map(str, LEVELS):
            raise Refused(f"Invalid tick level: {said}", 4)
        return int(str(said))

    def book(self, at: int, ticks: int, now: int) -> dict[str, Any]:
        return {
            "s": self.exchange.instruments[at].raw_symbol,
            "l": [self._side(at, Side.BUY, ticks), self._side(at, Side.SELL, ticks)],
            "t": ms(now),
        }

    def _side(self, at: int, side: Side, ticks: int) -> list[dict[str, Any]]:
        """Returns aggregated levels; bids are rounded down to a level's price, asks up."""
        i = self.exchange.instruments[at]
        step = i.core.tick * ticks
        sizes: dict[int, int] = {}
        for price, size in self.exchange.board.levels(at, side, 1 << 30 if ticks > 1 else DEPTH):
            price = price // step * step if side is Side.BUY else -(-price // step) * step
            if price not in sizes and len(sizes) == DEPTH:
                break
            sizes[price] = sizes.get(price, 0) + size
        return [{"p": price_text(i, price), "a": size_text(i, size), "n": 1} for price, size in sizes.items()]

    def trades(self, at: int) -> dict[str, Any]:
        """Returns trades, newest first."""
        last = list(self.exchange.listings[at].trades)[: -TRADES - 1 : -1]
        return envelope([shown(self.trade_row(each), TRADE) for each in last], last_order_id=self.last_id)

    def trade_row(self, trade: TradeReport) -> dict[str, Any]:
        """Returns a trade's row. The crowd's positions are unknown, so each of its trades is shown as opening."""
        i = self.exchange.instruments[trade.at]
        return {
            "history_id": self.trade_number(trade.at, trade.trade_id),
            "symbol": i.raw_symbol,
            "event_type": "fulfill_taker",
            "price": price_text(i, trade.price),
            "amount": size_text(i, trade.size),
            "side": "open_long" if trade.side is Side.BUY else "open_short",
            "cause": "normal",
            "created_at": ms(trade.time),
        }

    # --- candles ----------------------------------------------------------------------------------

    def candle(self, i: Instrument, bar: BarReport, interval: str, *, is_mark: bool = False) -> dict[str, Any]:
        return {
            "t": ms(bar.open_time),
            "T": ms(bar.close_time),
            "s": i.raw_symbol,
            "i": interval,
            "o": price_text(i, bar.open),
            "c": price_text(i, bar.close),
            "h": price_text(i, bar.high),
            "l": price_text(i, bar.low),
            "v": "0" if is_mark else size_text(i, bar.volume),
            "n": 0 if is_mark else bar.trades,
        }

    def candles(self, query: Query, *, is_mark: bool = False) -> list[dict[str, Any]]:
        at, interval = self.at(query.get("symbol")), query.get("interval", "")
        if interval not in INTERVALS:
            raise Refused(f"Invalid interval: {interval}")
        begin, end = number(query, "start_time", None), number(query, "end_time", 2**62)
        listing = self.exchange.listings[at]
        bars = [
            bar
            for bar in merged(listing.mark_bars.bars if is_mark else listing.minutes, aligned(INTERVALS[interval]))
            if begin <= ms(bar.open_time) <= end
        ]
        return [self.candle(listing.instrument, bar, interval, is_mark=is_mark) for bar in bars[: PAGE[1]]]

    def last_candle(self, at: int, interval: str, now: int, *, is_mark: bool) -> dict[str, Any] | None:
        """Returns the candle that was running at `now`, from the last two."""
        listing, minutes = self.exchange.listings[at], INTERVALS[interval]
        bars = list(listing.mark_bars.bars if is_mark else listing.minutes)[-2 * minutes :]
        found = [bar for bar in bars if bar.open_time // (minutes * MINUTE) == now // (minutes * MINUTE)]
        (made,) = merged(found, aligned(minutes)) if found else (None,)
        return made and self.candle(listing.instrument, made, interval, is_mark=is_mark)

    def fundings(self, query: Query) -> dict[str, Any]:
        at = self.at(query.get("symbol"))
        listing = self.exchange.listings[at]
        i, best = listing.instrument, (listing.bid, listing.ask)
        rows = [
            {
                "oracle_price": price_text(i, mark),
                "bid_impact_price": price_text(i, best[0]),
                "ask_impact_price": price_text(i, best[1]),
                "funding_rate": rate_text(rate),
                "next_funding_rate": rate_text(rate),
                "created_at": ms(time),
            }
            for time, rate, mark in reversed(listing.fundings)
        ]
        return page(rows, query)


def number(query: Query, name: str, usual: int | None) -> int:
    """Returns an integer parameter of a query. usual: its default, None: it is required. Raises Refused."""
    said = query.get(name, "")
    if not said and usual is not None:
        return usual
    if not said.isascii() or not said.isdigit() or len(said) > 18:
        raise Refused(f"Invalid {name}: {said}")
    return int(said)


def page(rows: Sequence[Any], query: Query, make: Callable[[Any], Any] | None = None) -> dict[str, Any]:
    """Returns a page of rows, newest first. make: converts a row that is shown. The cursor is `SHOWN-TOTAL`: the number
    of rows already shown, and the total at the first page, so that rows that come meanwhile shift nothing."""
    limit = number(query, "limit", PAGE[0])
    shown, _, total = (query.get("cursor") or "0-0").partition("-")
    if not 1 <= limit <= PAGE[1]:
        raise Refused(f"Invalid limit: {limit}")
    first, before = (number({"cursor": each}, "cursor", None) for each in (shown, total))
    start = first + (max(len(rows) - before, 0) if before else 0)
    after = f"{start + limit}-{len(rows)}" if start + limit < len(rows) else None
    found = rows[start : start + limit]
    return envelope([make(row) for row in found] if make else found, next_cursor=after, has_more=after is not None)
