"""OKX: its market by requests.

Source: OKX API v5 documentation, "Get tickers", "Get trades" with their limits, as of 2026-07. Trades of an instrument
are numbered one after another; the list has the newest ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec

from onetape import _core
from onetape.model.instrument import Instrument
from onetape.model.json_text import read_json
from onetape.model.time import SECOND
from onetape.orders.budget import BudgetRule
from onetape.orders.calls import Call, Purpose
from onetape.venues.market_polls import QUOTES, TRADES, PollKind, PollsDefaults
from onetape.venues.okx.market import MARKET
from onetape.venues.okx.trading import ROOT, UNITS
from onetape.venues.okx.words import SWAP, TYPES

__all__ = ["OkxPolls"]

TRADES_MAX: Final = 500
_KINDS: Final = {f"{QUOTES} of {word.lower()}": word for word in TYPES}
_TICKERS: Final = {
    name: Call(Purpose.MARKET, "GET", f"{ROOT}market/tickers?instType={word}", b"", {}, UNITS // 20)
    for name, word in _KINDS.items()
}
_CHANNELS: Final = {**dict.fromkeys(_KINDS, "tickers"), TRADES: "trades"}
# The rows are those of the channels; but each names its instrument.
_ANSWERS: Final = replace(
    MARKET,
    messages=tuple(
        replace(each, roles={**each.roles, "symbol": "data.instId"})
        for each in MARKET.messages
        if each.event in _CHANNELS.values()
    ),
)


class OkxPolls(PollsDefaults):
    """Implements `MarketPolls`."""

    rule: Final = BudgetRule(2 * SECOND, UNITS, "", rolls=True)
    kinds: Final = [
        *(PollKind(name, call.weight, 0.6 / len(_TICKERS)) for name, call in _TICKERS.items()),
        PollKind(TRADES, UNITS // 100, 0.4, by_symbol=True),
    ]
    turnover: Final = next(call for name, call in _TICKERS.items() if _KINDS[name] == SWAP)

    def reader(self, instruments: Sequence[Instrument], numbers: Sequence[int]) -> _core.LiveMessages:
        return _ANSWERS.live(((i.raw_symbol, i) for i in instruments), numbers, polled=True)

    def call(self, kind: str, instrument: Instrument | None = None, after: tuple[int, int] = (0, 0)) -> Call:
        if instrument is None:
            return _TICKERS[kind]
        limit = TRADES_MAX if any(after) else 1
        target = f"{ROOT}market/trades?instId={instrument.raw_symbol}&limit={limit}"
        return Call(Purpose.MARKET, "GET", target, b"", {}, UNITS // 100, symbol=instrument.symbol)

    def message(self, kind: str, body: bytes) -> bytes:
        return msgspec.json.encode({"arg": {"channel": _CHANNELS[kind]}, "data": _rows(body)[::-1]})

    def turnovers(self, body: bytes) -> dict[str, float]:
        """Reads the turnovers of swaps: what is chosen by turnover is chosen among these."""
        return {row["instId"]: float(row["volCcy24h"]) * float(row["last"]) for row in _rows(body)}


def _rows(body: bytes) -> Sequence[Mapping[str, Any]]:
    answer = read_json(body)
    if answer["code"] != "0":
        raise ValueError(f"OKX says {answer['msg']}"[:200])
    rows: Sequence[Mapping[str, Any]] = answer["data"]
    return rows
