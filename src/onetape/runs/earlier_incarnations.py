"""What the earlier lives of a run add to its result: a process counts only its own."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from onetape.accounts.entries import Cause
from onetape.accounts.entry_frames import unpack
from onetape.engine.incarnations import incarnations_of
from onetape.model.enums import EventType, OrderNews, RequestKind
from onetape.model.errors import refusals_by_name
from onetape.model.money import money
from onetape.tape.journal import JournalReader

if TYPE_CHECKING:
    from onetape.engine.plan import RunPlan
    from onetape.engine.session import Session
    from onetape.runs.outcome import RunResult

__all__ = ["add_earlier_incarnations", "samples_of"]

_EARNED = (Cause.FUNDING, Cause.INTEREST)  # of what the run holds itself


def add_earlier_incarnations(result: RunResult, session: Session, journal: Path) -> None:
    """Orders, fills and the profit since the run began, from its journal and its gateways' tapes.
    `result.funding` stays that of the last life: it is on no tape of the run's."""
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
        result.pnl += session.start_equity - earlier[0][1] - _moved_in(session.plan, journal)


def _moved_in(plan: RunPlan, journal: Path) -> Decimal:
    """Returns what came into the run's money from its first life's beginning to its last one's and is no profit of its
    own: what was allocated, released and transferred, and the fills of others who trade with the same money."""
    incarnations = incarnations_of(journal)
    moved = 0
    for gateway, first, last in zip(plan.inputs, incarnations[0].live.seats, incarnations[-1].live.seats, strict=False):
        with JournalReader(Path(gateway.path)) as reader:
            fills = reader.columns("fill", names=("sequence",), where={"robot": first.number})
            own = set(fills["sequence"].tolist())
        with JournalReader(Path(gateway.path)) as reader:
            reader.seek_sequence(first.entries_after + 1)
            for frame in reader.frames(("entry",)):
                if frame.sequence > last.entries_after:
                    break
                entry = unpack(frame.payload)
                is_own = entry.of in own if entry.cause in (Cause.FILL, Cause.FEE) else entry.cause in _EARNED
                legs = [leg for leg in entry.legs if leg.holder == first.slot and not leg.wallet]
                # A coin that is paid for is worth its price: the run's currency alone would count it as lost.
                if not is_own and all(plan.counts(leg.currency) for leg in legs):
                    moved += sum(leg.amount for leg in legs)
    return money(moved)


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
