"""What the earlier lives of a run add to its result: a process counts only its own."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from onetape.model.enums import EventType, OrderNews, RequestKind
from onetape.model.errors import refusals_by_name
from onetape.tape.journal import JournalReader

if TYPE_CHECKING:
    from onetape.engine.session import Session
    from onetape.runs.outcome import RunResult

__all__ = ["add_earlier_incarnations", "samples_of"]


def add_earlier_incarnations(result: RunResult, journal: Path) -> None:
    """Orders, fills and the profit since the run began, from its journal. Funding stays that of the
    last life: it is on no tape of the run's."""
    with JournalReader(journal) as reader:
        requests = reader.columns("order_request", names=("kind",))
    with JournalReader(journal) as reader:
        news = reader.columns("order_event", names=("news", "code"))
    with JournalReader(journal) as reader:
        result.fills = len(reader.columns("fill", names=("time",))["time"])
    result.actions = len(requests["kind"])
    result.orders = int(np.count_nonzero(requests["kind"] == RequestKind.PLACE.id))
    found = {}
    for kind in (OrderNews.DENIED, OrderNews.REJECTED, OrderNews.CANCELED):
        codes, counts = np.unique(news["code"][news["news"] == kind.id], return_counts=True)
        found[str(kind)] = dict(zip(codes.tolist(), counts.tolist(), strict=True))
    result.denied = sum(found[str(OrderNews.DENIED)].values())
    result.rejected = sum(found[str(OrderNews.REJECTED)].values())
    found[str(OrderNews.CANCELED)].pop(0, None)  # as it was asked
    result.refusals = refusals_by_name(found)
    earlier = _equity(journal, 1)
    if earlier:
        result.pnl = result.final_equity - earlier[0][1]


def samples_of(session: Session, journal: Path) -> tuple[Any, ...]:
    """Time, equity, balance, prices and positions as `sim.samples` gives them, of the whole run.
    Of earlier lives equity alone was kept: their prices and positions are 0."""
    own = session.loop.samples()
    if session.plan.live is None or session.plan.live.life == 1 or not len(own[0]):
        return own
    earlier = [each for each in _equity(journal) if each[0] < own[0][0]]
    empty = np.zeros(len(earlier) * len(session.host.instruments))
    times, equity, balance = (list(column) for column in zip(*earlier, strict=True))
    return (
        np.concatenate((np.array(times, dtype=np.int64), own[0])),
        np.concatenate((np.array(equity, dtype=np.float64), own[1])),
        np.concatenate((np.array(balance, dtype=np.float64), own[2])),
        np.concatenate((empty, own[3])),
        np.concatenate((empty, own[4])),
    )


def _equity(journal: Path, count_max: int | None = None) -> list[tuple[int, Decimal, Decimal]]:
    """(time, equity, balance), oldest first."""
    found = []
    with JournalReader(journal) as reader:
        for frame in reader.frames((EventType.BALANCE.value,)):
            record = msgspec.msgpack.decode(frame.payload)
            if "equity" in record and "account" not in record:
                found.append((frame.time, Decimal(record["equity"]), Decimal(record["balance"])))
                if len(found) == count_max:
                    break
    return found
