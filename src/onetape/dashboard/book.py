"""Positions and results: positions and sub-accounts from the gateways' tables; results, equity and round trips from
the recorder."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final

from onetape.dashboard.equity_lines import EquityLines
from onetape.dashboard.reader import Reader
from onetape.dashboard.topic import Topic, Topics
from onetape.model.errors import BadInput, NotAvailable
from onetape.model.time import DAY, HOUR, MINUTE, MS, TIME_MAX
from onetape.projections.account_balances import balances
from onetape.projections.account_views import positions
from onetape.replay.variants_view import variants_of
from onetape.store.record_queries import ledger, result_of, slippage, trips
from onetape.store.records import Records

__all__ = ["Book"]

SPANS: Final = {"6h": 6 * HOUR, "1d": DAY, "7d": 7 * DAY, "30d": 30 * DAY, "all": TIME_MAX}
BY: Final = ("strategy", "symbol", "account", "day")
TRIPS_MAX: Final = 200
FILLS_MAX: Final = 20_000  # fills whose slippage is read at once


class Book:
    def __init__(self, reader: Reader) -> None:
        self._reader, self._equity = reader, EquityLines(reader.config.accounts)

    def topics(self) -> Topics:
        return {
            "positions": Topic(self._positions, 0.5),
            "money": Topic(self._money, 1.0),
            "results": Topic(self._results, 5.0),
            "slippage": Topic(self._slippage, 30.0),
            "equity_lines": Topic(self._lines, 10.0),
            "trips": Topic(self._trips, 5.0),
            "variants": Topic(self._variants, 10.0),
        }

    async def _positions(self, _words: Sequence[str]) -> Any:
        """Returns positions like `onetape positions`, with the part that stops protect."""
        home, config = self._reader.home, self._reader.config
        found, stops = await asyncio.gather(
            _beside(lambda: positions(home, config, only_tables=True)), self._reader.stops()
        )
        guarded = {(each["account"], each["symbol"], each["side"]): each["protected"] for each in stops or ()}
        views = self._reader.refresh()
        rows = []
        for each in found:
            if not Decimal(each["qty"]) and not any(Decimal(part["qty"]) for part in each["subaccounts"].values()):
                continue
            tape = views.tapes.get(each["account"])
            facts = tape.instruments.get(each["symbol"]) if tape is not None else None
            rows.append(
                {
                    **each,
                    "settle": facts.settle if facts is not None else "",
                    "protected": guarded.get((each["account"], each["symbol"], each["side"])),
                }
            )
        return rows

    async def _money(self, _words: Sequence[str]) -> Any:
        """Returns balances like `onetape accounts`."""
        return await _beside(lambda: balances(self._reader.home, self._reader.config))

    async def _variants(self, _words: Sequence[str]) -> Any:
        return await _beside(lambda: variants_of(self._reader.home, self._reader.config, ""))

    # --- records --------------------------------------------------------------------------------------

    async def _results(self, words: Sequence[str]) -> Any:
        """Returns rows of `onetape ledger` and the result of each. words: by, span."""
        by, since = _by(words), _since(words[1:])
        own = self._reader.config.accounts
        rows = await self._read(lambda records: ledger(records, by=by, since=since, accounts=own))
        return [{**row, "result": result_of(row)} for row in rows]

    async def _slippage(self, words: Sequence[str]) -> Any:
        """Returns the slippage of fills against the market at the time of their orders. words: by, span."""
        by, since = _by(words), _since(words[1:])
        tapes = self._reader.refresh().tapes
        facts = {(name, symbol): each for name, tape in tapes.items() for symbol, each in tape.instruments.items()}
        own = self._reader.config.accounts
        return await self._read(
            lambda records: slippage(records, facts, by=by, since=since, fills_max=FILLS_MAX, accounts=own)
        )

    async def _lines(self, words: Sequence[str]) -> Any:
        """Returns equity without deposits over time, a line for each account or strategy and currency, with its
        deepest drawdown. words: by, span."""
        by, since = (words[0] if words else "account"), _since(words[1:])
        if by not in ("account", "strategy", "all"):
            raise BadInput("lines are by account, strategy, all", location="by")
        if by == "all" or self._equity.has_begun or time.time_ns() - since > DAY + MINUTE:
            while await self._read(self._equity.take):
                pass
        return await self._read(lambda records: self._equity.lines(records, by, since))

    async def _trips(self, words: Sequence[str]) -> Any:
        """Returns the last round trips, the newest first. words: span."""
        since = _since(words)
        own, rows = self._reader.config.accounts, await self._read(lambda records: trips(records, since=since))
        found = [each for each in rows if each["account"] in own]
        for each in found[-TRIPS_MAX:]:
            each["at"], each["lasted"] = each["ts_close"] // MS, each["duration_ns"] // MS
        return {"trips": found[-TRIPS_MAX:][::-1], "more": max(0, len(found) - TRIPS_MAX)}

    async def _read(self, read: Callable[[Records], Any]) -> Any:
        if not self._reader.has_records:
            raise NotAvailable("nothing is recorded", location="[recorder]", todo="write [recorder] in onetape.toml")
        found = await self._reader.read_records(read)
        if found is None:
            raise NotAvailable("the records' database does not answer", location="[recorder]")
        return found


async def _beside(work: Callable[[], Any]) -> Any:
    return await asyncio.get_running_loop().run_in_executor(None, work)


def _by(words: Sequence[str]) -> str:
    by = words[0] if words else "strategy"
    if by not in BY:
        raise BadInput(f"results are by {', '.join(BY)}", location="by")
    return by


def _since(words: Sequence[str]) -> int:
    span = words[0] if words else "1d"
    if span not in SPANS:
        raise BadInput(f"spans are {', '.join(SPANS)}", location="span")
    return max(0, time.time_ns() - SPANS[span])
