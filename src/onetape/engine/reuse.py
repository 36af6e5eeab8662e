"""Whether this interpreter bears the reuse of event objects: tried out once, at import.

The fast way shows the same object and the same floats again while nobody else holds them, which
rests on CPython's reference counts (docs/adr/0008). Where that does not hold, every event gets a
fresh object: slower, and equal in what a strategy sees.
"""

from __future__ import annotations

from typing import Any

from onetape import _core

__all__ = ["check_event_reuse"]

_checked = False


def check_event_reuse() -> bool:
    """True when reuse is on. Switches it off for good when a kept value would change."""
    global _checked
    if not _checked:
        _checked = True
        if _core.event_reuse() and not _kept_values_stay():
            _core.set_event_reuse(False)
    return _core.event_reuse()


def _kept_values_stay() -> bool:
    prices: list[float] = []
    objects: list[Any] = []
    held: dict[str, float] = {}

    def see(quote: _core.Quote) -> None:
        bid = quote.bid
        prices.append(bid)
        held[str(len(prices))] = quote.ask + 0.0
        if len(prices) % 2:
            objects.append(quote)

    shown = [(10 * n + 5, 10 * n + 6) for n in range(1, 9)]
    _core.show_quotes(see, shown)
    expected = [bid / 10 for bid, _ in shown]
    return (
        prices == expected
        and [o.bid for o in objects] == expected[::2]
        and [o.ts_recv for o in objects] == [bid for bid, _ in shown[::2]]
        and list(held.values()) == [ask / 10 for _, ask in shown]
    )
