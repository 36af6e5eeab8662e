"""Value the coins that an account begins with at the first price in the data.

Profit is counted from the equity before the first event. Without an opening price the coins would enter the equity at
their first price, as if they had been earned. Only records use this price: the strategy's own equity has it from its
event on.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from onetape.engine.host import Host
from onetape.engine.plan import RunPlan
from onetape.engine.tape_facts import streams_of
from onetape.model.instrument import Kind
from onetape.tape.journal import JournalReader
from onetape.tape.payloads import fields

__all__ = ["set_opening_prices"]

# 64-bit words of a frame whose mean is the price: bid and ask, trade price, a bar's open, mark
# (core/journal/events.hpp).
_PRICES = {"quote": ("bid", "ask"), "trade": ("price",), "bar": ("open",), "mark": ("mark",)}


def set_opening_prices(plan: RunPlan, host: Host, tapes: Iterable[Path]) -> None:
    """Set opening prices before a run that begins with its first event; otherwise prices are available already."""
    funded = {(account, name) for account, cash in plan.money.items() for name in cash if cash[name]}
    wanted = {
        symbol: index
        for index, (symbol, each) in enumerate(host.instruments.items())
        if each.kind is Kind.SPOT and (host.account_of(each.venue), each.base) in funded
    }
    if not wanted or host.loop.counters()["warmed"]:
        return
    found: dict[str, tuple[int, int]] = {}  # symbol -> (time, twice the price)
    for path in tapes:
        for symbol, first in _first_prices(path, set(wanted)).items():
            found[symbol] = min(first, found.get(symbol, first))
    for symbol, (_, doubled) in found.items():
        host.loop.set_opening_price(wanted[symbol], doubled)


def _first_prices(path: Path, wanted: set[str]) -> dict[str, tuple[int, int]]:
    names = {number: each.symbol for number, each in streams_of(path).items()}
    missing = wanted & set(names.values())
    found: dict[str, tuple[int, int]] = {}
    with JournalReader(path) as reader:
        for frame in reader.frames(types=list(_PRICES)):
            if not missing:
                break
            symbol = names.get(frame.stream, "")
            if symbol not in missing:
                continue
            event = reader.schemas.of(frame.type).name
            layout = fields(event, *_PRICES[event])
            if len(frame.payload) < layout.size:
                continue  # not that event's layout: the run itself reports it
            prices = layout.unpack_from(frame.payload)
            if all(prices):
                missing.remove(symbol)
                found[symbol] = frame.time, 2 * sum(prices) // len(prices)
    return found
