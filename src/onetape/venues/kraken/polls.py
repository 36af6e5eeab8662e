"""Kraken spot: its market by requests.

REST rows are keyed by the pair's id and have numbered fields; they are converted to WebSocket v2 messages, which the
message table reads. Source: docs.kraken.com, "Get Ticker Information", "Get Recent Trades", and "API rate limits"
(public requests: one a second per address), read 2026-11.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import msgspec

from onetape import _core
from onetape.model.instrument import Instrument
from onetape.model.time import SECOND
from onetape.orders.budget import BudgetRule
from onetape.orders.calls import Call, Purpose
from onetape.venues.kraken.assets import Pairs
from onetape.venues.kraken.market import MARKET, name_of
from onetape.venues.kraken.wire import parse
from onetape.venues.market_polls import QUOTES, TRADES, PollKind, PollsDefaults

__all__ = ["KrakenPolls"]

TRADES_MAX: Final = 1000
ROUNDED: Final = 1_000  # ns: a displayed time may be earlier than the trade by this much
_SIDES: Final = {"b": "buy", "s": "sell"}


class KrakenPolls(PollsDefaults):
    """Implements `MarketPolls`. pairs: the venue's names of pairs, as last read."""

    # One a second, as a longer window, so that shares of it can be reserved.
    rule: Final = BudgetRule(20 * SECOND, 20, "")
    kinds: Final = (PollKind(QUOTES, 1, 0.7), PollKind(TRADES, 1, 0.3, by_symbol=True))
    turnover: Final = Call(Purpose.MARKET, "GET", "/0/public/Ticker", b"", {}, 1)

    def __init__(self) -> None:
        self.pairs = Pairs({})

    def reader(self, instruments: Sequence[Instrument], numbers: Sequence[int]) -> _core.LiveMessages:
        return MARKET.live(((name_of(i), i) for i in instruments), numbers, polled=True)

    def call(self, kind: str, instrument: Instrument | None = None, after: tuple[int, int] = (0, 0)) -> Call:
        if instrument is None:
            return self.turnover
        since = f"since={after[1] - ROUNDED}&count={TRADES_MAX}" if any(after) else "count=1"
        target = f"/0/public/Trades?pair={instrument.raw_symbol}&{since}"
        return Call(Purpose.MARKET, "GET", target, b"", {}, 1, symbol=instrument.symbol)

    def message(self, kind: str, body: bytes) -> bytes:
        rows: list[dict[str, Any]] = []
        for id_, value in _result(body).items():
            if id_ == "last" or (pair := self.pairs.by_name.get(id_)) is None:
                continue
            symbol = f"{pair.base}/{pair.quote}"
            if kind == TRADES:
                rows += [_trade(symbol, row) for row in value]
            else:
                bid, ask = value["b"], value["a"]
                sizes = {"bid_qty": bid[2], "ask_qty": ask[2]}
                rows.append({"symbol": symbol, "bid": bid[0], "ask": ask[0], **sizes})
        channel = "trade" if kind == TRADES else "ticker"
        return msgspec.json.encode({"channel": channel, "type": "update", "data": rows})

    def turnovers(self, body: bytes) -> dict[str, float]:
        found = {}
        for id_, value in _result(body).items():
            pair = self.pairs.by_name.get(id_)
            if pair is not None:
                raw = self.pairs.rows[pair.symbol]["altname"]
                found[raw] = float(value["v"][1]) * float(value["p"][1])
        return found


def _trade(symbol: str, row: Sequence[Any]) -> dict[str, Any]:
    price, size, seconds, side, *_, number = row
    whole, _, rest = format(Decimal(seconds), ".9f").partition(".")
    at = datetime.fromtimestamp(int(whole), UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return {
        "symbol": symbol,
        "price": price,
        "qty": size,
        "side": _SIDES[side],
        "trade_id": int(number),
        "timestamp": f"{at}.{rest}Z",
    }


def _result(body: bytes) -> dict[str, Any]:
    reports_of = parse(body)
    if reports_of.get("error"):
        raise ValueError(f"Kraken says {reports_of['error'][0]}"[:200])
    found: dict[str, Any] = reports_of["result"]
    return found
