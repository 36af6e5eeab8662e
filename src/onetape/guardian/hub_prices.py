"""The newest marks and trades of the hub's market, from the hub's table, beside the quotes that `HubMarket` reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from onetape.feeds.hub_table import MARK, TRADE, MarketReader
from onetape.market.confirmed_price import FRESH, PriceKind
from onetape.model.errors import OnetapeError
from onetape.model.instrument import Instrument

__all__ = ["HubPrices"]

_FIELDS: Final = ((PriceKind.MARK, MARK.name, "mark"), (PriceKind.TRADE, TRADE.name, "price"))


class HubPrices:
    """Reads the table of a home's hub, as soon as there is one."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._table: MarketReader | None = None
        self._taken: dict[tuple[str, str], int] = {}  # time of the last returned message

    def news(self, instruments: Iterable[Instrument], now: int) -> list[tuple[str, PriceKind, int]]:
        """Returns the newest mark and the newest trade of each symbol, each message once; none if the hub uses other
        units. now: ns UTC."""
        try:
            if self._table is None:
                self._table = MarketReader(self._home)
            self._table.state.refresh()
            return [each for instrument in instruments for each in self._news(self._table, instrument, now - FRESH)]
        except OnetapeError:  # no hub has run, or its table is being created
            self._table = None
            return []

    def _news(self, table: MarketReader, instrument: Instrument, since: int) -> Iterator[tuple[str, PriceKind, int]]:
        for kind, group, field in _FIELDS:
            row = table.state.get(group, instrument.symbol)
            if row is None or row["price_decimals"] != instrument.price_decimals:
                continue
            received, key = int(row["ts_recv"] or 0), (instrument.symbol, group)
            if received > max(self._taken.get(key, 0), since):
                self._taken[key] = received
                yield instrument.symbol, kind, int(row[field] or 0)
