"""Find the instruments of a table whose rows name them: the names, and the symbol of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from onetape import _core
from onetape.data.cells import LINE_BYTES_MAX, has_fields
from onetape.data.columns import split_row
from onetape.data.layout import Layout, TableSource
from onetape.data.naming import DEFAULT_VENUE, Naming
from onetape.model import catalogue
from onetape.model.errors import BadInput, NotAvailable, UsageError
from onetape.model.symbol import NAME_CHARS_MAX, is_option, is_venue, option_refused, parse_symbol

SYMBOLS_MAX: Final = 4096
STEPS_MAX: Final = 4096  # distinct steps of a symbol; more are not counted


def symbol_rows(
    source: TableSource,
    layout: Layout,
    zone: list[tuple[int, int]],
    *,
    with_steps: bool,
    only: frozenset[str] | None = None,
) -> dict[str, Counter[int]]:
    """Returns name -> counts of the steps (ns) between its times, from the rows of a source of lines; no counts unless
    `with_steps`. Raises BadInput for more than SYMBOLS_MAX names."""
    place, time = layout.columns["symbol"], layout.columns["ts_event"]
    last: dict[str, int] = {}
    steps: dict[str, Counter[int]] = {}
    for cells in _rows(source, layout):
        name = cells[place] if place < len(cells) else ""
        if not name or (only is not None and name not in only):
            continue
        if name not in steps:
            if len(steps) == SYMBOLS_MAX:
                raise BadInput(
                    f"the file has more than {SYMBOLS_MAX:,} symbols, such as {name[:40]!r}",
                    location=source.name,
                    todo="say which column is the symbol: --columns symbol=HEADER",
                )
            steps[name] = Counter()
        if with_steps:
            at = _core.parse_time_text(cells[time], zone)
            if isinstance(at, int):
                step = abs(at - last.get(name, at))
                if step and (step in steps[name] or len(steps[name]) < STEPS_MAX):
                    steps[name][step] += 1
                last[name] = at
    return steps


def _rows(source: TableSource, layout: Layout) -> Iterator[list[str]]:
    for number, line in enumerate(_lines(source), 1):
        if number > layout.skip_lines:
            text = line.decode("utf-8", "replace").rstrip("\r")
            cells = split_row(text.lstrip("\ufeff") if number == 1 else text, layout.separator)
            if has_fields(cells, layout.fields):
                yield cells


def _lines(source: TableSource) -> Iterator[bytes]:
    carry = b""
    for chunk in source.chunks():
        *whole, rest = chunk.split(b"\n")
        if whole:
            whole[0] = carry + whole[0]
            yield from whole
            carry = rest
        else:
            carry = (carry + rest)[:LINE_BYTES_MAX]  # longer lines are not read
    if carry:
        yield carry


def named(names: Iterable[str], naming: Naming, *, location: str) -> Naming:
    """Returns a naming with a symbol for each name. A name with a venue is a symbol; other names get the venue of the
    naming's symbol, and the name that means this symbol gets it. Raises BadInput if the symbol was requested and no
    name means it, UsageError if two names would get one symbol.
    """
    names = sorted(names)
    wanted = naming.symbols[0]
    if naming.is_chosen and len(names) > 1 and not any(_is_same(name, wanted) for name in names):
        raise BadInput(
            f"there are several symbols: {', '.join(names[:20])}",
            location=location,
            todo=f"say which is which: --symbol {names[0]}={wanted},...; or name one of them: "
            f"--symbol {symbol_of(names[0], DEFAULT_VENUE)}",
        )
    venue = parse_symbol(wanted).venue
    pairs: dict[str, str] = {}
    for name in names:
        symbol = wanted if naming.is_chosen and _is_same(name, wanted) else symbol_of(name, venue)
        if symbol in pairs.values():
            raise UsageError(
                f"two names in the file become {symbol}, one of them {name!r}",
                location=location,
                todo=f"say which is which: --symbol {name}=venue:NAME,...",
            )
        pairs[name] = symbol
    if len(pairs) == 1:
        return Naming((("", next(iter(pairs.values()))),))
    return Naming(tuple(pairs.items()))


def _is_same(name: str, symbol: str) -> bool:
    parsed = parse_symbol(symbol)
    listed = catalogue.find(symbol)
    name = name.strip()
    return name in {symbol, parsed.name} or (listed is not None and name == listed.raw_symbol)


def symbol_of(name: str, venue: str) -> str:
    """Returns the symbol of a name: `BTC/USDT` at venue `data` is data:BTC/USDT; `NASDAQ:AAPL` already has a venue."""
    name = name.strip()
    if is_option(name):
        raise option_refused(name)  # a free name would make it a perpetual
    before, colon, rest = name.partition(":")
    choices = [f"{before.lower()}:{rest}"] if colon and is_venue(before.lower()) else []
    safe = "".join(c if c.isalnum() or c in "._-" else "-" for c in name)[:NAME_CHARS_MAX]
    for choice in (*choices, f"{venue}:{name}", f"{venue}:{safe}"):
        try:
            return parse_symbol(choice).text
        except (BadInput, NotAvailable):
            continue
    raise BadInput(f"not an instrument's name: {name!r}", todo="give --symbol RAW=venue:NAME,...")
