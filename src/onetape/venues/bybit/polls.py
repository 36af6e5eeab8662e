"""Bybit: best prices and marks by requests, of each category.

Source: Bybit API documentation v5, "Get Tickers", "Rate Limit", as of 2026-07. Trades are not polled: the list has no
start, and their ids have no order. The time of an answer is not that of its prices, so they have none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from onetape import _core
from onetape.model.enums import Kind
from onetape.model.instrument import Instrument
from onetape.model.json_text import read_json
from onetape.model.time import SECOND
from onetape.orders.budget import BudgetRule
from onetape.orders.calls import Call, Purpose
from onetape.venues.bybit.words import CATEGORIES
from onetape.venues.columns import columns
from onetape.venues.market_polls import QUOTES, PollKind, PollsDefaults
from onetape.venues.protocol_table import Message, Protocol, top

__all__ = ["BybitPolls"]

_TARGET: Final = "/v5/market/tickers?category="
_KINDS: Final = {f"{QUOTES} of {word}": word for word in CATEGORIES.values()}
# A row of the list is read twice, because an event has either best prices or marks.
_ANSWERS: Final = Protocol(
    event_path="e",
    rows=("rows",),
    messages=(
        Message(
            kind="quote",
            name="tickers",
            event="",
            roles=columns("symbol:rows.top.symbol")
            | top("rows.top.bid1Price", "rows.top.bid1Size", "rows.top.ask1Price", "rows.top.ask1Size"),
            required=("symbol", "bid", "bid_size", "ask", "ask_size"),
        ),
        Message(
            kind="mark",
            name="tickers",
            event="",
            roles=columns(
                "symbol:rows.mark.symbol mark:rows.mark.markPrice index:rows.mark.indexPrice "
                "rate:rows.mark.fundingRate funding_time:rows.mark.nextFundingTime"
            ),
            required=("symbol", "mark"),
        ),
    ),
)


class BybitPolls(PollsDefaults):
    """Implements `MarketPolls`."""

    rule: Final = BudgetRule(5 * SECOND, 600, "", rolls=True)
    kinds: Final = [PollKind(name, 1, 1 / len(_KINDS)) for name in _KINDS]
    turnover: Final = Call(Purpose.MARKET, "GET", f"{_TARGET}{CATEGORIES[Kind.LINEAR]}", b"", {}, 1)

    def reader(self, instruments: Sequence[Instrument], numbers: Sequence[int]) -> _core.LiveMessages:
        return _ANSWERS.live(((self.name_of(i), i) for i in instruments), numbers, polled=True)

    def call(self, kind: str, instrument: Instrument | None = None, after: tuple[int, int] = (0, 0)) -> Call:
        return Call(Purpose.MARKET, "GET", f"{_TARGET}{_KINDS[kind]}", b"", {}, 1)

    def message(self, kind: str, body: bytes) -> bytes:
        rows = [
            {part: {**row, "symbol": f"{_KINDS[kind]} {row['symbol']}"}}
            for row in _rows(body)
            for part in ("top", "mark")
            if part == "top" or "markPrice" in row  # spot has no marks
        ]
        return msgspec.json.encode({"rows": rows})

    def turnovers(self, body: bytes) -> dict[str, float]:
        """Reads the turnovers of linear contracts: what is chosen by turnover is chosen among these."""
        category = CATEGORIES[Kind.LINEAR]
        return {f"{category} {row['symbol']}": float(row["turnover24h"]) for row in _rows(body)}

    def name_of(self, instrument: Instrument) -> str:
        """Returns the symbol after its category: a symbol is a name in each of them."""
        return f"{CATEGORIES[instrument.kind]} {instrument.raw_symbol}"


def _rows(body: bytes) -> Sequence[Mapping[str, Any]]:
    answer = read_json(body)
    if answer["retCode"]:
        raise ValueError(f"Bybit says {answer['retMsg']}"[:200])
    rows: Sequence[Mapping[str, Any]] = answer["result"]["list"]
    return rows
