"""Binance: its market by requests.

Source: "Symbol Order Book Ticker", "Mark Price", "Compressed/Aggregate Trades List", "Open Interest" and "24hr Ticker
Price Change Statistics" of the USD-M documentation with their weights, read 2026-11. Trades are the aggregated ones,
numbered as on the stream. An answer is a list of rows, in any order; an answer that does not name its symbol is read by
the reader of the requested symbol.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from onetape import _core
from onetape.model.instrument import Instrument
from onetape.model.json_text import read_json
from onetape.orders.calls import Call, Purpose
from onetape.venues.binance.family import USDM_MARKET, PublicMarket
from onetape.venues.market_polls import MARKS, OPEN_INTEREST, QUOTES, TRADES, PollKind, PollsDefaults
from onetape.venues.protocol_table import Message, Protocol

__all__ = ["BinancePolls"]

TRADES_MAX: Final = 1000

_ANSWERS: Final = Protocol(
    event_path="e",
    rows=("rows",),
    messages=(
        Message(
            kind="quote",
            name="ticker/bookTicker",
            event="",
            roles={
                "time": "rows.time",
                "symbol": "rows.symbol",
                "bid": "rows.bidPrice",
                "bid_size": "rows.bidQty",
                "ask": "rows.askPrice",
                "ask_size": "rows.askQty",
                "last_id": "rows.lastUpdateId",
            },
            required=("symbol", "bid", "bid_size", "ask", "ask_size"),
        ),
        Message(
            kind="mark",
            name="premiumIndex",
            event="",
            roles={
                "time": "rows.time",
                "symbol": "rows.symbol",
                "mark": "rows.markPrice",
                "index": "rows.indexPrice",
                "rate": "rows.lastFundingRate",
                "funding_time": "rows.nextFundingTime",
            },
            required=("symbol", "mark"),
        ),
        Message(
            kind="trade",
            name="aggTrades",
            event="",
            roles={"time": "rows.T", "id": "rows.a", "price": "rows.p", "size": "rows.q", "sell": "rows.m"},
            required=("id", "price", "size", "sell"),
        ),
        Message(
            kind="open_interest",
            name="openInterest",
            event="",
            roles={"time": "rows.time", "symbol": "rows.symbol", "size": "rows.openInterest"},
            required=("symbol", "size"),
        ),
    ),
)
_TARGETS: Final = {QUOTES: "ticker/bookTicker", MARKS: "premiumIndex"}


class BinancePolls(PollsDefaults):
    """Implements `MarketPolls`."""

    def __init__(self, public: PublicMarket = USDM_MARKET) -> None:
        self.rule, self._root = public.weights, public.root
        self.turnover = Call(Purpose.MARKET, "GET", f"{public.root}/ticker/24hr", b"", {}, public.turnover)
        share = 0.04 * public.has_open_interest
        self.kinds: list[PollKind] = [
            PollKind(QUOTES, public.quotes, 0.5),
            PollKind(TRADES, public.trades, 0.4 - share, by_symbol=True),
        ]
        if public.has_marks:
            self.kinds.append(PollKind(MARKS, 10, 0.1))
        if public.has_open_interest:
            self.kinds.append(PollKind(OPEN_INTEREST, 1, share, by_symbol=True))

    def reader(self, instruments: Sequence[Instrument], numbers: Sequence[int]) -> _core.LiveMessages:
        return _ANSWERS.live(((i.raw_symbol, i) for i in instruments), numbers, polled=True)

    def call(self, kind: str, instrument: Instrument | None = None, after: tuple[int, int] = (0, 0)) -> Call:
        weight = next(each.weight for each in self.kinds if each.name == kind)
        if instrument is None:
            return Call(Purpose.MARKET, "GET", f"{self._root}/{_TARGETS[kind]}", b"", {}, weight)
        if kind == OPEN_INTEREST:
            target = f"{self._root}/openInterest?symbol={instrument.raw_symbol}"
            return Call(Purpose.MARKET, "GET", target, b"", {}, weight, symbol=instrument.symbol)
        since = "limit=1"
        if after[0]:
            since = f"fromId={after[0] + 1}&limit={TRADES_MAX}"
        elif after[1]:
            since = f"startTime={after[1] // 1_000_000}&limit={TRADES_MAX}"
        target = f"{self._root}/aggTrades?symbol={instrument.raw_symbol}&{since}"
        return Call(Purpose.MARKET, "GET", target, b"", {}, weight, symbol=instrument.symbol)

    def message(self, kind: str, body: bytes) -> bytes:
        if kind == OPEN_INTEREST:
            body = b"[" + body + b"]"
        elif not body.lstrip().startswith(b"["):
            raise ValueError("not a list")
        return b'{"rows":' + body + b"}"

    def turnovers(self, body: bytes) -> dict[str, float]:
        return {row["symbol"]: float(row["quoteVolume"]) for row in read_json(body)}
