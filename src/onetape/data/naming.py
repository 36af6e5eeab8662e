"""Map the streams of a file to instruments: `--symbol`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from onetape.model.errors import BadInput, UsageError
from onetape.model.symbol import parse_symbol

EXAMPLE = "--symbol binance:BTC/USDT:USDT, or --symbol BTCUSDT=binance:BTC/USDT:USDT,..."
DEFAULT_VENUE: Final = "data"  # venue of a name without one


@dataclass(frozen=True, slots=True)
class Naming:
    """The instruments of a file's rows. pairs: (raw name, symbol); the raw name is "" if one symbol was given for a
    file with one instrument. by_rows: rows may name their instruments. is_given: the user gave the symbol; else it is
    the default for rows without a name. is_needed: such a default is refused.
    """

    pairs: tuple[tuple[str, str], ...]
    by_rows: bool = False
    is_chosen: bool = True
    is_needed: bool = False

    @property
    def is_map(self) -> bool:
        """True when raw names were given; further names in the data are then no error."""
        return bool(self.pairs[0][0])

    @property
    def symbols(self) -> list[str]:
        """Returns the symbols, in the given order."""
        return [symbol for _, symbol in self.pairs]


def naming_by_rows(text: str | None, default: str | None) -> Naming:
    """Returns the naming of a table that may have a column of symbols. default: the symbol of rows without a name.
    Raises UsageError as parse_naming does.
    """
    if text and text.strip():
        found = parse_naming(text)
        return found if found.is_map else replace(found, by_rows=True)
    pairs = (("", default or f"{DEFAULT_VENUE}:ROWS"),)
    return Naming(pairs, by_rows=True, is_chosen=False, is_needed=default is None)


def parse_naming(text: str | None) -> Naming:
    """Parse `SYMBOL` or `RAW=SYMBOL,RAW=SYMBOL`. Raises UsageError for anything else."""
    if not text or not text.strip():
        raise UsageError("the file does not say which instrument it is", location="--symbol", todo=f"give {EXAMPLE}")
    pairs: list[tuple[str, str]] = []
    for part in text.split(","):
        raw, equals, symbol = part.strip().rpartition("=")
        if (equals and not raw) or not symbol:
            raise UsageError(f"not a symbol: {part!r}", location="--symbol", todo=f"give {EXAMPLE}")
        try:
            parse_symbol(symbol)
        except BadInput:
            raise UsageError(f"not a symbol: {symbol!r}", location="--symbol", todo=f"give {EXAMPLE}") from None
        pairs.append((raw, symbol))
    raws = [raw for raw, _ in pairs]
    if len(pairs) > 1 and not all(raws):
        raise UsageError(
            "several symbols need the name that the file uses for each",
            location="--symbol",
            todo="give --symbol RAW=symbol,...",
        )
    for names in (raws, [symbol for _, symbol in pairs]):
        if len(set(names)) < len(names):
            raise UsageError(f"a name stands twice in {text!r}", location="--symbol", todo="name each once")
    return Naming(tuple(pairs))
