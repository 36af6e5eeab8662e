"""What a run says of the queues in which its orders waited, and of the data that show them."""

from __future__ import annotations

from onetape.engine.queue_model import AUTO, CONSERVATIVE
from onetape.engine.session import Session
from onetape.report.report_data import Assumption

__all__ = ["queue_lines"]

# MboCounts of the core -> in words
_FAULTS = {
    "unknown": "about orders that are not known",
    "duplicates": "adding an order that was there",
    "overfills": "filling more than was left",
    "refused": "not to be read",
    "disagreeing": "with another side or price than the order's",
    "gaps": "breaks of the feed",
}


def queue_lines(session: Session, symbol: str, kinds: str) -> list[Assumption]:
    """Of a symbol that fills from more than bars. kinds: of its data, in words."""
    index = list(session.host.instruments).index(symbol)
    queue = session.plan.queue
    if not session.loop.by_order(index):
        behind = f"{symbol}: filled from {kinds}; a resting order waits behind all that is "
        if queue in (CONSERVATIVE, AUTO):
            said = f"{behind}displayed at its price and moves up by trades only"
            return [Assumption(said, -1, key="queue")]
        how = session.plan.queue_fit or f"guessed ({queue})"
        said = f"{behind}displayed at its price; who cancels there is {how}"
        return [Assumption(said, key="queue")]
    lines = [
        Assumption(
            f"{symbol}: filled from {kinds}; a resting order has its exact place among the venue's "
            "orders, first in, first out (fifo); what it takes from those behind it they do not "
            "feel",
            key="queue",
        )
    ]
    counts = session.loop.mbo_counts(index) or {}
    faults = [f"{counts[name]:,} {word}" for name, word in _FAULTS.items() if counts.get(name)]
    if faults:
        said = f"{symbol}: of {counts['applied']:,} messages about orders {', '.join(faults)}"
        lines.append(Assumption(said, key=f"orders {symbol}"))
    if unknown := session.loop.counters()["queue_unknown"]:
        said = f"{unknown:,} own orders came to rest while the venue's were not known: behind all"
        lines.append(Assumption(said, -1))
    return lines
