"""The report page of a finished session."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from onetape.engine.session import Session
from onetape.model.time import SECOND, format_time
from onetape.store.frames import money_floats
from onetape.store.report import write_report
from onetape.store.report_data import Assumption, Fills, Market, ReportData
from onetape.store.summary import summarize
from onetape.tape.journal import JournalReader

if TYPE_CHECKING:
    from onetape.services.outcome import RunResult

__all__ = ["report_data", "write_run_report"]

ORDER_EVENTS_SHOWN_MAX = 200_000


def write_run_report(
    session: Session,
    folder: Path,
    assumptions: Sequence[Assumption],
    result: RunResult,
    *,
    target: Path | None,
) -> Path:
    """Writes report.html into the run, and a copy to `target` when asked. Fills result.stats."""
    data = report_data(session, folder, assumptions, result)
    result.stats = dict(data.stats)
    path = write_report(data, folder / "report.html")
    if target is not None:
        return write_report(data, target.resolve())
    return path


def report_data(
    session: Session, folder: Path, assumptions: Sequence[Assumption], result: RunResult
) -> ReportData:
    """Everything the page shows, from the session's samples and the run's own journal."""
    host, plan = session.host, session.plan
    symbols = list(host.instruments)
    times, equity, _, prices, positions = session.sim.samples()
    ts = np.asarray(times, dtype=np.int64)
    count = len(symbols)
    price_grid = np.asarray(prices).reshape(-1, count) if count else np.empty((0, 0))
    position_grid = np.asarray(positions).reshape(-1, count) if count else np.empty((0, 0))
    markets = []
    for i, symbol in enumerate(symbols):
        facts = host.instruments[symbol]
        known = price_grid[:, i] != 0
        markets.append(
            Market(
                symbol=symbol,
                price_decimals=facts.price_decimals,
                size_decimals=facts.size_decimals,
                price_ts=ts[known],
                price=np.ascontiguousarray(price_grid[known, i]),
                position_ts=ts,
                position=np.ascontiguousarray(position_grid[:, i]),
            )
        )
    data = ReportData(
        title=f"{result.strategy} on {', '.join(symbols[:3])}",
        currency=result.currency,
        subtitle=f"{_when(session)}, {result.events:,} events",
        facts={
            "run": folder.name,
            "kind": plan.kind,
            "strategy": plan.strategy,
            "parameters": ", ".join(f"{k}={v}" for k, v in session.params.items()) or "none",
            "data": ", ".join(Path(each.path).name for each in plan.inputs),
            "events": f"{result.events:,}",
            "loop": f"{result.seconds:.3f} s",
            "latency": str(plan.latency),
            "queue": plan.queue,
            "seed": plan.seed,
            "actions": result.action_hash[:16],
        },
        assumptions=list(assumptions),
        equity_ts=ts,
        equity=np.asarray(equity, dtype=np.float64),
        markets=markets,
        fills=_fills(session, folder, symbols),
        why_no_orders=result.why_no_orders or "",
    )
    data.stats = summarize(data, orders=result.orders, funding=float(result.funding))
    return data


def _when(session: Session) -> str:
    assert session.started_at is not None
    first, last = session.started_at, session.sim.now
    return f"{format_time(first - first % SECOND)} to {format_time(last - last % SECOND)}"


def _fills(session: Session, folder: Path, symbols: Sequence[str]) -> Fills:
    with JournalReader(folder / "journal") as reader:
        rows = reader.columns("fill")
    if not len(rows["time"]):
        return Fills()
    market = rows["stream"].astype(np.int64) - 1
    facts = [session.host.instruments[symbol] for symbol in symbols]
    price_scale = np.array([10.0**f.price_decimals for f in facts])[market]
    size_scale = np.array([10.0**f.size_decimals for f in facts])[market]
    fee = money_floats(rows["fee_low"], rows["fee_high"])
    profits = np.asarray(session.sim.fill_profits())
    return Fills(
        ts=rows["time"].astype(np.int64),
        market=market,
        side=np.where(rows["side"] == 1, 1, -1).astype(np.int64),
        price=rows["price"] / price_scale,
        qty=rows["size"] / size_scale,
        fee=fee,
        realized=profits[: len(fee)],
        is_maker=rows["liquidity"] == 1,
        order=rows["order_id"].astype(np.int64),
    )
