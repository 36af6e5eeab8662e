"""The hub's market in shared memory: for processes that start late, and for readers of the latest values only.

Each group's `sequence` is the last frame of the hub's journal that it includes: a reader that continues on the journal
after that frame misses nothing. Prices and sizes are integers at the listing's decimals.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from onetape.model.home import state_of
from onetape.model.instrument import Instrument
from onetape.model.money import join_units
from onetape.model.sections import HUB
from onetape.tape.state import Group, StateReader
from onetape.tape.state_layout import GroupSpec, Layout
from onetape.venues.past_market import PastBar

__all__ = [
    "BAR",
    "BOOK",
    "FUNDING",
    "LAYOUT",
    "LEVELS",
    "MARK",
    "OPEN_INTEREST",
    "QUOTE",
    "TRADE",
    "UNITS",
    "MarketReader",
]

UNITS: Final = (("stream", "u"), ("price_decimals", "u"), ("size_decimals", "u"))
QUOTE: Final = GroupSpec(
    1, "quote", (*UNITS, ("ts_recv", "i"), ("bid", "i"), ("ask", "i"), ("bid_size", "i"), ("ask_size", "i"))
)
TRADE: Final = GroupSpec(2, "trade", (*UNITS, ("ts_recv", "i"), ("price", "i"), ("size", "i"), ("side", "u")))
MARK: Final = GroupSpec(3, "mark", (*UNITS, ("ts_recv", "i"), ("mark", "i"), ("index", "i")))
FUNDING: Final = GroupSpec(4, "funding", (*UNITS, ("ts_recv", "i"), ("rate", "i")))
# The key is symbol, period and slot: bars of one symbol and period form a ring.
BAR: Final = GroupSpec(
    5,
    "bar",
    (
        *UNITS,
        ("ts_open", "i"),
        ("period", "i"),
        ("open", "i"),
        ("high", "i"),
        ("low", "i"),
        ("close", "i"),
        ("volume", "i"),
        ("trades", "i"),
        ("turnover_low", "i"),
        ("turnover_high", "i"),
    ),
)
LEVELS: Final = 5
BOOK: Final = GroupSpec(
    6,
    "book",
    (
        *UNITS,
        ("ts_recv", "i"),
        *((f"{name}_{n}", "i") for n in range(1, LEVELS + 1) for name in ("bid", "bid_size", "ask", "ask_size")),
    ),
)
OPEN_INTEREST: Final = GroupSpec(7, "open_interest", (*UNITS, ("ts_recv", "i"), ("size", "i")))
LAYOUT: Final = Layout([QUOTE, TRADE, MARK, FUNDING, BAR, BOOK, OPEN_INTEREST])


class MarketReader:
    """Reads the table. Raises ProcessDown if no hub has run."""

    def __init__(self, home: Path) -> None:
        self.state = StateReader(state_of(home), HUB, LAYOUT)

    def bars(self, symbol: str, period: int) -> list[Group]:
        """Returns the bars in the table, oldest first. period: ns."""
        prefix = f"{symbol} {period // 10**9} "
        keys = [key for _, key in self.state.keys(BAR.name) if key.startswith(prefix)]
        found = [group for key in keys if (group := self.state.get(BAR.name, key)) is not None]
        return sorted(found, key=lambda group: group.ts_data)

    def past_bars(self, instrument: Instrument, period: int) -> list[PastBar]:
        """Returns the same bars as `PastBar`s; none if the hub's instrument has other units."""
        own = instrument.price_decimals, instrument.size_decimals
        rows = ({name: int(each[name] or 0) for name, _ in BAR.fields} for each in self.bars(instrument.symbol, period))
        return [
            PastBar(
                row["ts_open"],
                row["open"],
                row["high"],
                row["low"],
                row["close"],
                row["volume"],
                join_units(row["turnover_low"], row["turnover_high"]),
                row["trades"],
            )
            for row in rows
            if (row["price_decimals"], row["size_decimals"]) == own
        ]
