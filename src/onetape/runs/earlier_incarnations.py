"""What the earlier lives of a run add to its result: a process counts only its own."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from onetape.accounts.entries import Cause
from onetape.accounts.entry_frames import unpack
from onetape.model.enums import EventType, OrderNews, RequestKind
from onetape.model.errors import refusals_by_name
from onetape.model.instrument import Instrument
from onetape.model.money import money
from onetape.report.drawdowns import max_drawdown
from onetape.report.statistics import time_weighted
from onetape.tape.journal import JournalReader

if TYPE_CHECKING:
    from onetape.engine.plan import LiveRobot, RunPlan, Seat
    from onetape.engine.session import Session
    from onetape.runs.run_summary import RunResult

__all__ = ["add_earlier_incarnations", "result_before", "samples_of"]


def add_earlier_incarnations(result: RunResult, session: Session, journal: Path) -> None:
    """Orders, fills and the deepest fall since the run began, from its journal and its gateways' tapes.
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
    samples = samples_of(session, journal)
    growth, earned = time_weighted(samples[1], samples[5]), samples[1] - samples[5]
    fall = max_drawdown(samples[0], growth, earned=earned)
    if fall is not None and fall.fraction > result.max_drawdown_ratio:
        result.max_drawdown_ratio, result.max_drawdown = fall.fraction, Decimal(repr(fall.amount))


def result_before(plan: RunPlan, journal: Path, first: LiveRobot, last: LiveRobot) -> dict[str, Any]:
    """Returns what the last life of a run begins with, by RunSpec's names."""
    with JournalReader(journal) as reader:
        fills = len(reader.columns("fill", names=("time",))["time"])
    earliest = next(_records(journal), None)
    if earliest is None:
        return {"earlier_fills": fills}
    equity = Decimal(earliest[1]["equity"])
    return {
        "earlier_fills": fills,
        "began_with": equity,
        "brought": Decimal(earliest[1].get("brought", equity)),
        "earned_before": _earned_between(plan, first, last),
    }


def _earned_between(plan: RunPlan, first: LiveRobot, last: LiveRobot) -> dict[tuple[int, str], Decimal]:
    """Returns what funding of own positions and interest have brought from the run's first life's beginning to its last
    one's, by number of the gateway and currency."""
    earned: dict[tuple[int, str], int] = {}
    for number, (gateway, begun, ended) in enumerate(zip(plan.inputs, first.seats, last.seats, strict=False)):
        began = traded_from(Path(gateway.path), begun)
        with JournalReader(Path(gateway.path)) as reader:
            reader.seek_sequence(begun.entries_after + 1)
            for frame in reader.frames(("entry",)):
                if frame.sequence > ended.entries_after:
                    break
                entry = unpack(frame.payload)
                is_own = entry.cause is Cause.INTEREST or (
                    entry.cause is Cause.FUNDING and frame.sequence > began.get(entry.note, frame.sequence)
                )
                for holder, currency, amount, wallet in entry.legs if is_own else ():
                    if holder == begun.slot and not wallet:
                        earned[number, currency] = earned.get((number, currency), 0) + amount
    return {key: money(amount) for key, amount in earned.items()}


def traded_from(journal: Path, begun: Seat) -> dict[str, int]:
    """Returns by symbol the frame of a run's first fill on a gateway's tape: what is funded before it others hold."""
    with JournalReader(journal) as reader:
        fills = reader.columns("fill", names=("sequence", "stream"), where={"robot": begun.number})
    first: dict[int, int] = {}
    for sequence, stream in zip(fills["sequence"].tolist(), fills["stream"].tolist(), strict=True):
        if sequence > begun.entries_after:
            first.setdefault(stream, sequence)
    with JournalReader(journal) as reader:
        rows = [each for each in reader.frames(("instrument",)) if each.stream in first]
    return {Instrument.from_msgpack(each.payload).symbol: first[each.stream] for each in rows}


def samples_of(session: Session, journal: Path) -> tuple[Any, ...]:
    """Time, equity, balance, prices, positions and what was moved in as `sim.samples` gives them, of the whole run.
    Of earlier lives equity alone was kept: their prices and positions are 0."""
    own = session.loop.samples()
    if session.plan.live is None or session.plan.live.life == 1 or not len(own[0]):
        return own
    earlier = [each for each in _equity(journal) if each[0] < own[0][0]]
    empty = np.zeros(len(earlier) * len(session.host.instruments))
    times, equity, balance, moved = (list(column) for column in zip(*earlier, strict=True))
    return (
        np.concatenate((np.array(times, dtype=np.int64), own[0])),
        np.concatenate((np.array(equity, dtype=np.float64), own[1])),
        np.concatenate((np.array(balance, dtype=np.float64), own[2])),
        np.concatenate((empty, own[3])),
        np.concatenate((empty, own[4])),
        np.concatenate((np.array(moved, dtype=np.float64), own[5])),
    )


def _equity(journal: Path) -> Iterator[tuple[int, Decimal, Decimal, Decimal]]:
    """(time, equity, balance, moved in since the run began), oldest first."""
    for time, record in _records(journal):
        equity, balance, moved = (Decimal(record.get(name, 0)) for name in ("equity", "balance", "moved"))
        yield time, equity, balance, moved


def _records(journal: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with JournalReader(journal) as reader:
        for frame in reader.frames((EventType.BALANCE.value,)):
            record = msgspec.msgpack.decode(frame.payload)
            if "equity" in record and "account" not in record:
                yield frame.time, record
