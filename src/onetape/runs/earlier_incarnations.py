"""Add earlier incarnations of a run to its result: a process counts only what happened in its own incarnation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

from onetape.accounts.entries import Cause
from onetape.accounts.entry_frames import unpack
from onetape.engine.plan import read_plan
from onetape.model.enums import EventType, OrderNews, RequestKind
from onetape.model.errors import refusals_by_name
from onetape.model.instrument import Instrument
from onetape.model.money import money
from onetape.replay.filled_orders import read_orders
from onetape.report.drawdowns import max_drawdown
from onetape.report.statistics import time_weighted
from onetape.tape.journal import JournalReader

if TYPE_CHECKING:
    from onetape.engine.plan import LiveRobot, RunPlan, Seat
    from onetape.engine.session import Session
    from onetape.runs.run_summary import RunResult

__all__ = ["add_earlier_incarnations", "profit_so_far", "result_before", "samples_of"]

_INCOME: Final = (Cause.FUNDING, Cause.INTEREST)


def add_earlier_incarnations(result: RunResult, session: Session, journal: Path) -> None:
    """Replace the result's orders, fills, fees, funding, interest and deepest drawdown by those since the run began,
    read from its journal and its gateways' tapes."""
    with JournalReader(journal) as reader:
        requests = reader.columns("order_request", names=("kind",))
    with JournalReader(journal) as reader:
        news = reader.columns("order_event", names=("news", "code"))
    with JournalReader(journal) as reader:
        result.fills = len(reader.columns("fill", names=("time",))["time"])
    result.actions = len(requests["kind"])
    result.orders = int(np.count_nonzero(requests["kind"] == RequestKind.PLACE.id))
    _add_income(result, session.plan, journal)
    found = {}
    for kind in (OrderNews.DENIED, OrderNews.REJECTED, OrderNews.CANCELED):
        codes, counts = np.unique(news["code"][news["news"] == kind.id], return_counts=True)
        found[str(kind)] = dict(zip(codes.tolist(), counts.tolist(), strict=True))
    result.denied = sum(found[str(OrderNews.DENIED)].values())
    result.rejected = sum(found[str(OrderNews.REJECTED)].values())
    found[str(OrderNews.CANCELED)].pop(0, None)  # code 0: canceled as requested
    result.refusals = refusals_by_name(found)
    samples = samples_of(session, journal)
    growth, earned = time_weighted(samples[1], samples[5]), samples[1] - samples[5]
    fall = max_drawdown(samples[0], growth, earned=earned)
    if fall is not None and fall.fraction > result.max_drawdown_ratio:
        result.max_drawdown_ratio, result.max_drawdown = fall.fraction, Decimal(repr(fall.amount))


def _add_income(result: RunResult, plan: RunPlan, journal: Path) -> None:
    run = read_orders(journal)
    fees = (fill.fee for order, fill in run.fills() if plan.counts(run.actions.instruments[order.symbol].settle))
    result.fees = money(sum(fees))
    first, _ = read_plan(journal.parent)
    if first.live is None or not plan.is_at_gateway:
        return
    ends = [each.last_sequence for each in plan.inputs]
    earned = _earned(plan, first.live, ends)
    for name, cause in (("funding", Cause.FUNDING), ("interest", Cause.INTEREST)):
        own = (units for (of, _, currency), units in earned.items() if of is cause and plan.counts(currency))
        setattr(result, name, money(sum(own)))


def result_before(plan: RunPlan, journal: Path, first: LiveRobot, last: LiveRobot) -> dict[str, Any]:
    """Returns the totals at the start of a run's last incarnation, by the names of RunSpec's fields."""
    with JournalReader(journal) as reader:
        fills = len(reader.columns("fill", names=("time",))["time"])
    earliest = next(_records(journal), None)
    if earliest is None:
        return {"earlier_fills": fills}
    equity = Decimal(earliest[1]["equity"])
    earned: dict[tuple[int, str], int] = {}
    ends = [each.entries_after for each in last.seats]
    for (_, number, currency), units in _earned(plan, first, ends).items():
        earned[number, currency] = earned.get((number, currency), 0) + units
    return {
        "earlier_fills": fills,
        "began_with": equity,
        "brought": Decimal(earliest[1].get("brought", equity)),
        "earned_before": {key: money(units) for key, units in earned.items()},
    }


def _earned(plan: RunPlan, first: LiveRobot, ends: Sequence[int]) -> dict[tuple[Cause, int, str], int]:
    """Returns (cause, gateway number, currency) -> funding of own positions and interest since the run began, 1e-18.
    ends: last frame that counts, by gateway."""
    earned: dict[tuple[Cause, int, str], int] = {}
    for number, (gateway, begun, ended) in enumerate(zip(plan.inputs, first.seats, ends, strict=False)):
        began = traded_from(Path(gateway.path), begun)
        with JournalReader(Path(gateway.path)) as reader:
            reader.seek_sequence(begun.entries_after + 1)
            for frame in reader.frames(("entry",)):
                if frame.sequence > ended:
                    break
                entry = unpack(frame.payload)
                is_own = entry.cause in _INCOME and (
                    entry.cause is not Cause.FUNDING or frame.sequence > began.get(entry.note, frame.sequence)
                )
                for holder, currency, amount, wallet in entry.legs if is_own else ():
                    if holder == begun.slot and not wallet:
                        key = (entry.cause, number, currency)
                        earned[key] = earned.get(key, 0) + amount
    return earned


def traded_from(journal: Path, begun: Seat) -> dict[str, int]:
    """Returns symbol -> frame of the run's first fill on a gateway's tape. Earlier funding belongs to other robots."""
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
    """Returns time, equity, balance, prices, positions and money moved in, as `sim.samples`, over the whole run.
    Of earlier incarnations only equity was recorded: prices and positions are 0 there."""
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


def profit_so_far(journal: Path) -> tuple[int, Decimal] | None:
    """Returns (time of the last equity sample in ns UTC, profit until then), or None without samples."""
    began = last = None
    for time, equity, _, moved in _equity(journal):
        began = equity if began is None else began
        last = time, equity - moved - began
    return last


def _equity(journal: Path) -> Iterator[tuple[int, Decimal, Decimal, Decimal]]:
    """Yields (time, equity, balance, moved in since the run began), oldest first."""
    for time, record in _records(journal):
        equity, balance, moved = (Decimal(record.get(name, 0)) for name in ("equity", "balance", "moved"))
        yield time, equity, balance, moved


def _records(journal: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with JournalReader(journal) as reader:
        for frame in reader.frames((EventType.BALANCE.value,)):
            record = msgspec.msgpack.decode(frame.payload)
            if "equity" in record and "account" not in record:
                yield frame.time, record
