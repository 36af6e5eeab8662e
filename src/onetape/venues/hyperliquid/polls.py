"""Hyperliquid: its market by requests: books one by one, marks of all perpetuals at once. Answers are converted to
messages of the streams, which the message table reads.

Source: hyperliquid.gitbook.io "Info endpoint", "Rate limits", as of 2026-10. Trades are not polled: the list has ten,
without a start.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from onetape import _core
from onetape.model.instrument import Instrument
from onetape.model.json_text import read_json
from onetape.model.time import SECOND
from onetape.orders.budget import BudgetRule
from onetape.orders.calls import Call, Purpose
from onetape.venues.hyperliquid.market import MARKET
from onetape.venues.hyperliquid.trading import LIGHT, LISTS, STATES, info
from onetape.venues.market_polls import MARKS, QUOTES, PollKind, PollsDefaults

__all__ = ["HyperliquidPolls"]

_CONTEXTS: Final = info(Purpose.MARKET, STATES, LISTS)


class HyperliquidPolls(PollsDefaults):
    """Implements `MarketPolls`."""

    rule: Final = BudgetRule(60 * SECOND, 1200, "", rolls=True)
    kinds: Final = (PollKind(QUOTES, LIGHT, 0.7, by_symbol=True), PollKind(MARKS, LISTS, 0.3))
    turnover: Final = _CONTEXTS

    def reader(self, instruments: Sequence[Instrument], numbers: Sequence[int]) -> _core.LiveMessages:
        return MARKET.live(((i.raw_symbol, i) for i in instruments), numbers, polled=True)

    def call(self, kind: str, instrument: Instrument | None = None, after: tuple[int, int] = (0, 0)) -> Call:
        if instrument is None:
            return _CONTEXTS
        book = info(Purpose.MARKET, {"type": "l2Book", "coin": instrument.raw_symbol}, LIGHT)
        return book._replace(symbol=instrument.symbol)

    def message(self, kind: str, body: bytes) -> bytes:
        if kind == QUOTES:
            book = read_json(body)
            best = [side[0] if side else None for side in book["levels"]]
            return msgspec.json.encode(
                {"channel": "bbo", "data": {"coin": book["coin"], "time": book["time"], "bbo": best}}
            )
        rows = [{"coin": name, "ctx": state} for name, state in _states(body)]
        return msgspec.json.encode({"channel": "activeAssetCtx", "data": rows})

    def turnovers(self, body: bytes) -> dict[str, float]:
        return {name: float(state["dayNtlVlm"]) for name, state in _states(body)}


def _states(body: bytes) -> list[tuple[str, dict[str, Any]]]:
    meta, states = read_json(body)
    return [(row["name"], state) for row, state in zip(meta["universe"], states, strict=True)]
