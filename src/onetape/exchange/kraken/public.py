"""Kraken spot: public endpoints. Source: docs.kraken.com "Spot REST, Market Data", read 2026-11."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from itertools import groupby
from typing import Any, Final

from onetape.exchange.bars import aligned, merged
from onetape.exchange.exchange import SimExchange
from onetape.exchange.kraken.names import Names, altname
from onetape.exchange.kraken.wire import Refused, average, fixed, number, price_text, seconds, size_text, stamp
from onetape.exchange.listing import Listing
from onetape.exchange.reports import BarReport, TradeReport
from onetape.model.decimals import decimal_text
from onetape.model.enums import Side
from onetape.model.instrument import Instrument
from onetape.model.time import DAY

__all__ = ["INTERVALS", "PublicData", "candles"]

INTERVALS: Final = (1, 5, 15, 30, 60, 240, 1440, 10080, 21600)  # minutes
CANDLES_MAX: Final = 720
DEPTH_MAX: Final = 500
TRADES_MAX: Final = 1000
SPREADS_MAX: Final = 200
_MONEY: Final = frozenset({"USD", "EUR", "GBP", "JPY", "CAD", "AUD"})


def candles(listing: Listing, minutes: int) -> list[BarReport]:
    """Returns candles, oldest first, the current one last; a period without trades has no candle."""
    return merged((bar for bar in listing.minutes if bar.trades), aligned(minutes))[-CANDLES_MAX:]


class PublicData:
    """Serves the market endpoints. All data comes from the exchange's listings."""

    def __init__(self, exchange: SimExchange) -> None:
        self.exchange = exchange
        self.names = Names(exchange.instruments, exchange.currencies)

    def at(self, params: dict[str, Any], name: str = "pair") -> int:
        """Returns the instrument in `pair`. Raises Refused."""
        text = params.get(name, "")
        if not isinstance(text, str) or not text:
            raise Refused("EGeneral:Invalid arguments")
        found = self.names.by_pair.get(text)
        if found is None:
            raise Refused("EQuery:Unknown asset pair")
        return found

    def instruments_of(self, params: dict[str, Any]) -> dict[str, int]:
        """Returns name in the answer -> instrument of the requested pairs, by default of all. A name with a slash is
        answered as requested, any other with the pair's id."""
        text = str(params.get("pair") or "")
        if not text:
            return {name: at for at, name in enumerate(self.names.pair_ids)}
        found = {}
        for name in text.split(","):
            at = self.at({"pair": name.strip()})
            found[name.strip() if "/" in name else self.names.pair_ids[at]] = at
        return found

    # --- the venue --------------------------------------------------------------------------------

    @staticmethod
    def time(now: int) -> dict[str, Any]:
        moment = datetime.fromtimestamp(now // 1_000_000_000, UTC)
        return {"unixtime": now // 1_000_000_000, "rfc1123": moment.strftime("%a, %d %b %y %H:%M:%S +0000")}

    @staticmethod
    def system_status(now: int) -> dict[str, Any]:
        return {"status": "online", "timestamp": stamp(now)}

    def assets(self, params: dict[str, Any]) -> dict[str, Any]:
        wanted: Iterable[int] = range(len(self.exchange.currencies))
        if names := params.get("asset"):
            wanted = [self.names.by_asset.get(each, -1) for each in str(names).split(",")]
            if -1 in wanted:
                raise Refused("EQuery:Unknown asset")
        return {self.names.asset_ids[at]: self._asset(at) for at in wanted}

    def _asset(self, at: int) -> dict[str, Any]:
        name = self.exchange.currencies[at]
        is_money = name in _MONEY
        return {
            "aclass": "currency",
            "altname": altname(name),
            "decimals": 4 if is_money else 10,
            "display_decimals": 2 if is_money else 5,
            "status": "enabled",
        }

    def asset_pairs(self, params: dict[str, Any]) -> dict[str, Any]:
        return {name: self._pair(at) for name, at in self.instruments_of(params).items()}

    def _pair(self, at: int) -> dict[str, Any]:
        i, names = self.exchange.instruments[at], self.names
        return {
            "altname": names.altnames[at],
            "wsname": names.wsnames[at],
            "aclass_base": "currency",
            "base": self._asset_id(i.base),
            "aclass_quote": "currency",
            "quote": self._asset_id(i.quote),
            "lot": "unit",
            "cost_decimals": 5,
            "pair_decimals": i.price_decimals,
            "lot_decimals": i.size_decimals,
            "lot_multiplier": 1,
            "leverage_buy": [],
            "leverage_sell": [],
            "fees": fee_steps(i, is_maker=False),
            "fees_maker": fee_steps(i, is_maker=True),
            "fee_volume_currency": "ZUSD",
            "margin_call": 80,
            "margin_stop": 40,
            "ordermin": decimal_text(i.size_min),
            "costmin": decimal_text(i.notional_min),
            "tick_size": decimal_text(i.tick),
            "status": "online" if self.exchange.listings[at].is_open else "cancel_only",
            "execution_venue": "international",
        }

    def _asset_id(self, currency: str) -> str:
        return self.names.asset_ids[self.exchange.currencies.index(currency)]

    # --- the market -------------------------------------------------------------------------------

    def ticker(self, params: dict[str, Any], now: int) -> dict[str, Any]:
        return {name: self._ticker(at, now) for name, at in self.instruments_of(params).items()}

    def _ticker(self, at: int, now: int) -> dict[str, Any]:
        listing = self.exchange.listings[at]
        i, day, today = listing.instrument, listing.day(now), listing.day(now, now - now % DAY)
        last = listing.trades[-1] if listing.trades else None

        def side(price: int, size: int) -> list[str]:
            lots = size // 10**i.size_decimals
            return [price_text(i, price), str(max(lots, 1)), fixed(size, i.size_decimals, 3)]

        return {
            "a": side(listing.ask, listing.ask_size),
            "b": side(listing.bid, listing.bid_size),
            "c": [price_text(i, listing.last), size_text(i, last.size if last else 0)],
            "v": [size_text(i, today.volume), size_text(i, day.volume)],
            "p": [average(i, f.turnover, f.volume) for f in (today, day)],
            "t": [today.trades, day.trades],
            "l": [price_text(i, today.low), price_text(i, day.low)],
            "h": [price_text(i, today.high), price_text(i, day.high)],
            "o": price_text(i, today.open),
        }

    def depth(self, params: dict[str, Any], now: int) -> dict[str, Any]:
        at = self.at(params)
        count = whole(params, "count", 100, most=DEPTH_MAX)
        i = self.exchange.instruments[at]
        return {
            self.names.pair_ids[at]: {
                name: [
                    [price_text(i, price), size_text(i, size), now // 1_000_000_000]
                    for price, size in self.exchange.board.levels(at, side, count)
                ]
                for name, side in (("asks", Side.SELL), ("bids", Side.BUY))
            }
        }

    def trades(self, params: dict[str, Any]) -> dict[str, Any]:
        at = self.at(params)
        count = whole(params, "count", TRADES_MAX, most=TRADES_MAX)
        listing, since = self.exchange.listings[at], since_of(params)
        found: list[TradeReport] = [t for t in listing.trades if t.time > since]
        found = found[:count] if params.get("since") else found[-count:]
        i = listing.instrument
        return {
            self.names.pair_ids[at]: [
                [
                    price_text(i, t.price),
                    size_text(i, t.size),
                    seconds(t.time),
                    "b" if t.side is Side.BUY else "s",
                    "m",
                    "",
                    t.trade_id,
                ]
                for t in found
            ],
            "last": str(found[-1].time if found else since),
        }

    def ohlc(self, params: dict[str, Any]) -> dict[str, Any]:
        at = self.at(params)
        minutes = whole(params, "interval", 1)
        if minutes not in INTERVALS:
            raise Refused("EGeneral:Invalid arguments")
        listing, since = self.exchange.listings[at], since_of(params)
        i, rows = listing.instrument, candles(listing, minutes)
        # The last candle is still running; `last` is the time of the one before, from which a client continues.
        last = rows[-2].open_time if len(rows) > 1 else (rows[-1].open_time if rows else since)
        return {
            self.names.pair_ids[at]: [
                [
                    row.open_time // 1_000_000_000,
                    price_text(i, row.open),
                    price_text(i, row.high),
                    price_text(i, row.low),
                    price_text(i, row.close),
                    average(i, row.turnover, row.volume),
                    size_text(i, row.volume),
                    row.trades,
                ]
                for row in rows
                if row.open_time >= since
            ],
            "last": last // 1_000_000_000,
        }

    def spread(self, params: dict[str, Any], now: int) -> dict[str, Any]:
        """Returns the latest best bids and asks, oldest first, since the exchange was opened."""
        at = self.at(params)
        listing, since = self.exchange.listings[at], since_of(params)
        quotes = [(quote.time, quote.bid, quote.ask) for quote in listing.quotes]
        changes = [next(group) for _, group in groupby(quotes, key=lambda quote: quote[1:])]
        rows = changes or [(now, listing.bid, listing.ask)]
        i, last = listing.instrument, rows[-1][0]
        return {
            self.names.pair_ids[at]: [
                [time // 1_000_000_000, price_text(i, bid), price_text(i, ask)]
                for time, bid, ask in rows[-SPREADS_MAX:]
                if time >= since
            ],
            "last": last // 1_000_000_000,
        }


def fee_steps(instrument: Instrument, *, is_maker: bool) -> list[list[Any]]:
    """Returns the [volume, percent] rows of a fee schedule; accounts always pay the first tier."""

    def percent(rate: Decimal) -> Any:
        return number(decimal_text(rate * 100))

    own = instrument.maker_fee if is_maker else instrument.taker_fee
    later = [
        [int(tier.volume_min), percent(tier.maker_fee if is_maker else tier.taker_fee)]
        for tier in instrument.fee_tiers  # tiers above the first, whose fees are the instrument's
    ]
    return [[0, percent(own)], *later]


def whole(params: dict[str, Any], name: str, usual: int, *, most: int = 2**31) -> int:
    """Returns a positive integer, capped at the maximum. Raises Refused."""
    value = params.get(name)
    if value in (None, ""):
        return usual
    text = str(value)
    if not text.isascii() or not text.isdigit() or not 0 < len(text) < 20 or int(text) == 0:
        raise Refused("EGeneral:Invalid arguments")
    return min(int(text), most)


def since_of(params: dict[str, Any]) -> int:
    """Returns `since` in ns: clients send seconds, or the nanoseconds of a former `last`."""
    text = str(params.get("since") or "0")
    whole_part, _, rest = text.partition(".")
    if not (whole_part + rest).isdigit() or not text.isascii() or len(text) > 30:
        raise Refused("EGeneral:Invalid arguments")
    number = int(whole_part)
    if number > 10**14:
        return number
    return number * 1_000_000_000 + int(rest[:9].ljust(9, "0"))
