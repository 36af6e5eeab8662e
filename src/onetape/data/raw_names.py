"""Compare the instruments named in the data with `--symbol`."""

from __future__ import annotations

from collections import Counter

from onetape.data.layout import Layout
from onetape.data.naming import Naming
from onetape.model.enums import Origin
from onetape.model.errors import BadInput, UnknownSymbol, UsageError
from onetape.model.instrument import Instrument


class RawNames:
    """The raw names seen so far: those of each stream, and those that belong to none."""

    def __init__(self, naming: Naming) -> None:
        self._naming = naming
        self._seen: list[set[str]] = [set() for _ in naming.pairs]
        self._others: Counter[str] = Counter()

    def stream_of(self, layout: Layout, source_name: str) -> int | None:
        """Returns the stream of a source by the instrument in its name; 0 if its rows name the instrument, None if the
        instrument was not requested. Raises UsageError if nothing names it and several symbols were given.
        """
        raws = [raw for raw, _ in self._naming.pairs]
        if layout.raw:
            if not self._naming.is_map:
                self._seen[0].add(layout.raw)
                return 0
            found = next((i for i, raw in enumerate(raws) if _same_name(raw, layout.raw)), None)
            if found is None:
                self._others[layout.raw] += 1
            else:
                self._seen[found].add(raws[found])
            return found
        if "symbol" not in layout.columns:
            if len(raws) > 1:
                raise UsageError(
                    f"{source_name} does not name its one instrument",
                    location="--symbol",
                    todo="import it by itself, with one symbol",
                )
            self._seen[0].add(raws[0])
        return 0

    def add(self, stream: int, raw: str) -> None:
        """Add a name in the rows of a stream; "" where they have none."""
        if raw:
            self._seen[stream].add(raw)

    def add_others(self, counts: dict[str, int]) -> None:
        """Add names without a stream, with their rows."""
        self._others.update(counts)

    @property
    def seen(self) -> set[str]:
        """Returns the names that have streams."""
        return {raw for seen in self._seen for raw in seen if raw}

    @property
    def others(self) -> dict[str, int]:
        """Returns name -> number of rows or files, for names without a stream."""
        return dict(self._others)

    def check(self, location: str) -> None:
        """Raise BadInput if the data has several names and none were given, UnknownSymbol if a given name is
        missing."""
        raws = sorted(self.seen | set(self._others))
        if not self._naming.is_map and len(raws) > 1:
            raise BadInput(
                f"there are several symbols: {', '.join(raws[:20])}",
                location=location,
                todo=f"say which is which: --symbol {raws[0]}={self._naming.symbols[0]},...",
            )
        for (raw, symbol), seen in zip(self._naming.pairs, self._seen, strict=True):
            if raw and not seen:
                raise UnknownSymbol(
                    f"the data has no {raw}",
                    location=f"--symbol {raw}={symbol}",
                    todo=f"it has {', '.join(raws[:20]) or 'no symbol'}",
                )

    def check_venue(self, stream: int, listed: Instrument | None, location: str) -> None:
        """Raise BadInput if the data's name of an instrument differs from the catalogue's."""
        raw, symbol = self._naming.pairs[stream]
        found = next(iter(self._seen[stream]), "")
        if (
            found
            and not raw
            and listed is not None
            and listed.origin is Origin.CATALOGUE
            and found != listed.raw_symbol
        ):
            raise BadInput(
                f"the data is of {found}, and {symbol} is {listed.raw_symbol} there",
                location=location,
                todo=f"give --symbol {found}=... to say what it is",
            )


def _same_name(wanted: str, found: str) -> bool:
    """Returns True for names that differ only in signs that file names cannot have: XRP_USDT_USDT is XRP/USDT:USDT."""
    return wanted == found or wanted.replace("/", "_").replace(":", "_") == found
