"""Write the report page of a finished session."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from onetape import __version__
from onetape.engine.accounts import accounts_text
from onetape.engine.plan import RunPlan, TapeInput
from onetape.engine.session import Session
from onetape.model.instrument import Instrument
from onetape.model.money import money_units
from onetape.model.time import DAY, MS, SECOND, format_time
from onetape.replay.filled_orders import read_orders
from onetape.replay.market_prices import Market as RecordedMarket
from onetape.report.annual import annual_of
from onetape.report.grouped import enumerated
from onetape.report.metrics import number_text
from onetape.report.plots import read_plots
from onetape.report.report import write_report
from onetape.report.report_data import Assumption, Fills, Market, Plots, ReportData, StressLine
from onetape.report.report_json import write_report_json
from onetape.report.summary import Analysis, analyze, summarize
from onetape.report.worse_fills import exact_lines
from onetape.runs.attribution import ACCOUNT, MONEY, Attribution, run_attribution
from onetape.runs.earlier_incarnations import samples_of
from onetape.runs.market_columns import note_market
from onetape.runs.order_columns import fill_columns, order_columns, read_run, resting_columns
from onetape.runs.pushed_fills import read_pushed_fills
from onetape.runs.sizes import sized
from onetape.runs.tca import run_costs
from onetape.runs.venue_results import latency_text
from onetape.tape.journal import JournalReader

if TYPE_CHECKING:
    from onetape.runs.run_summary import RunResult

__all__ = ["report_data", "write_run_report"]

ORDERS_JUDGED_MAX = 20_000
FRAMES_JUDGED_MAX = 1_000_000
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def write_run_report(
    session: Session,
    folder: Path,
    assumptions: Sequence[Assumption],
    result: RunResult,
    *,
    target: Path | None,
    reruns: Sequence[StressLine] = (),
    hint: str = "",
) -> Path:
    """Write report.html and report.json into the run, and a copy of the page to `target`, if set. Fills
    result.stats, result.stress, and the sizes of result.assumptions.

    reruns, hint: how to get stress lines from re-runs, if there are none.
    """
    data = report_data(session, folder, assumptions, result)
    data.stress = [*exact_lines(float(result.pnl), data.fills, data.markets), *reruns]
    data.stress_hint = hint
    analysis = analyze(data)
    data.stats = run_statistics(data, result, analysis)
    data.assumptions = sized(data)
    result.stats = dict(data.stats)
    result.stress = list(data.stress)
    result.assumptions = list(data.assumptions)
    write_report_json(data, folder / "report.json", analysis)
    path = write_report(data, folder / "report.html", analysis)
    if target is not None:
        return write_report(data, target.resolve(), analysis)
    return path


def run_statistics(data: ReportData, result: RunResult, analysis: Analysis | None = None) -> dict[str, object]:
    """Returns all statistics of a run, with the ledger's exact numbers where samples are approximate."""
    stats = summarize(data, orders=result.orders, funding=float(result.funding), analysis=analysis)
    return {
        **stats,
        "pnl": float(result.pnl),
        "fees": float(result.fees),
        "final_equity": float(result.final_equity),
        "max_drawdown": result.max_drawdown_ratio,
    }


def report_data(
    session: Session, folder: Path, assumptions: Sequence[Assumption], result: RunResult, *, with_market: bool = True
) -> ReportData:
    """Returns the page's data except statistics, from the session's samples and its journal. with_market: read the
    tapes again for trades and volume.
    """
    plan = session.plan
    symbols = list(session.host.instruments)
    instruments = list(session.host.instruments.values())
    times, equity, _, prices, positions, moved = samples_of(session, folder / "journal")
    ts = np.asarray(times, dtype=np.int64)
    run = read_run(folder / "journal")
    fills = fill_columns(run, instruments, session.loop.fill_profits())
    markets = _markets(session, ts, prices, positions, fills)
    orders, since = order_columns(run, instruments, fills)
    resting = resting_columns(run, orders, since)
    costs: list[dict[str, Any]] = []
    own_impact = ""
    latency: list[dict[str, Any]] = []
    parts: list[dict[str, Any]] = []
    strategies: list[dict[str, Any]] = []
    if with_market and len(ts) and len(fills.ts):
        note_market(session, markets, resting, (int(ts[0]), int(ts[-1])))
        if _is_short(plan, len(orders.id)):
            costs, own_impact, latency, parts, strategies = _judged(session, folder / "journal", result)
    return ReportData(
        annual=annual_of(plan),
        costs=costs,
        own_impact=own_impact,
        latency=latency,
        attribution=parts,
        strategies=strategies,
        title=f"{result.strategy} on {enumerated(symbols)}",
        currency=result.currency,
        subtitle=f"{_when(session)}, {result.events:,} events",
        facts={
            "run": folder.name,
            "kind": plan.kind,
            "strategy": plan.strategy,
            "parameters": ", ".join(f"{k}={v}" for k, v in session.params.items()) or "none",
            "cash": accounts_text(plan.money),
            "leverage": f"{plan.leverage}x, {plan.margin} margin",
            "data": ", ".join(Path(each.path).name for each in plan.inputs if not each.is_detail),
            **_detail_facts(plan),
            "data hashes": ", ".join(_identity(each) for each in plan.inputs),
            "events": f"{result.events:,}",
            "loop": f"{result.seconds:.3f} s",
            "latency": latency_text(plan),
            "queue": plan.queue,
            **({"impact": str(plan.impact)} if plan.impact else {}),
            "year": str(annual_of(plan)),
            "seed": plan.seed,
            **_moved_facts(moved, result.currency),
            "actions": result.action_hash[:16],
            "state": result.state_hash[:16],
            "version": f"onetape {__version__}, Python {platform.python_version()}",
        },
        assumptions=list(assumptions),
        equity_ts=ts,
        equity=np.asarray(equity, dtype=np.float64),
        moved=np.asarray(moved, dtype=np.float64),
        markets=markets,
        fills=fills,
        plots=_plots(session, folder / "journal"),
        why_no_orders=result.why_no_orders or "",
        refusals=result.refusals,
        failures=list(result.failures),
        venues=[each.line() for each in result.venues],
        orders=orders,
        resting=resting,
    )


def _plots(session: Session, journal: Path) -> Plots:
    if not session.host.may_have_plots:
        return {}
    with JournalReader(journal) as reader:
        return read_plots(reader)


def _is_short(plan: RunPlan, orders: int) -> bool:
    """Returns True when the run is short enough to analyse here; for longer runs use `onetape tca` and `onetape
    attribution`."""
    frames = sum(each.last_sequence - each.first_sequence for each in plan.inputs)
    return orders <= ORDERS_JUDGED_MAX and frames <= FRAMES_JUDGED_MAX


def _judged(session: Session, journal: Path, result: RunResult) -> tuple[Any, ...]:
    """Returns (costs by algorithm, text on own impact, latency by strategy, profit by strategy, instrument and
    direction, one row per strategy if there are several)."""
    plan, found = session.plan, read_orders(journal)
    market = RecordedMarket(plan, sorted(found.actions.instruments))
    account = money_units(result.pnl)
    attribution = run_attribution(plan, journal, found, market, account)
    rows = attribution.summed("strategy", "symbol", "direction")
    for row in rows:
        row |= {name: float(row[name]) for name in MONEY}
    costs = run_costs(plan, found, market, read_pushed_fills(journal.parent))
    by_algo = [{**row, "amount": float(row["amount"])} for row in costs.grouped("algo")]
    own_impact = str(costs.own_impact) if plan.impact or plan.is_at_gateway else ""  # other runs have no own impact
    return by_algo, own_impact, costs.latency, rows, _strategies(session, attribution)


def _strategies(session: Session, attribution: Attribution) -> list[dict[str, Any]]:
    """Returns a row for each of several strategies, with its profit at the end of each day; an empty list for a
    single strategy."""
    rows = [row for row in attribution.grouped("strategy") if row["strategy"] != ACCOUNT]
    if len({row["strategy"] for row in rows}) < 2:
        return []
    days, curves = attribution.curves()
    labels = {
        f"/{session.strategy_class.__name__.lower()}/{each.name}": " ".join(
            [each.kind.__name__, *(f"{key}={value}" for key, value in each.params.items())]
        )
        for each in getattr(session.strategy_class, "_instances", ())
    }
    for row in rows:
        row |= {name: float(row[name]) for name in MONEY}
        row["what"] = labels.get(row["strategy"], "")
        row["ts"] = [(day + 1) * (DAY // MS) for day in days]
        row["level"] = curves[row["strategy"], row["currency"]].tolist()
    return rows


def _detail_facts(plan: RunPlan) -> dict[str, str]:
    names = [Path(each.path).name for each in plan.inputs if each.is_detail]
    return {"detail data": ", ".join(names)} if names else {}


def _moved_facts(moved: Floats, currency: str) -> dict[str, str]:
    if not np.any(moved):
        return {}
    total = f"{number_text(moved[-1])} {currency} in all"
    return {"money moved in": f"{total}: these are steps of the equity; returns and drawdowns exclude them"}


def _identity(each: TapeInput) -> str:
    """Returns the identity of the frames read, as text: the last seal's hash, else the chain's last value."""
    if each.hash:
        return f"{each.hash[:16]} to frame {each.last_sequence:,}"
    return f"chain {each.crc:08x} at frame {each.last_sequence:,}"


def _markets(session: Session, ts: Ints, prices: Any, positions: Any, fills: Fills) -> list[Market]:
    instruments = session.host.instruments
    count = len(instruments)
    price_grid = np.asarray(prices).reshape(-1, count) if count else np.empty((0, 0))
    position_grid = np.asarray(positions).reshape(-1, count) if count else np.empty((0, 0))
    markets = []
    for i, (symbol, facts) in enumerate(instruments.items()):
        priced = price_grid[:, i] != 0
        steps, held = _positions(ts, position_grid[:, i], fills, i)
        markets.append(
            Market(
                symbol=symbol,
                price_decimals=facts.price_decimals,
                size_decimals=facts.size_decimals,
                price_ts=ts[priced],
                price=np.ascontiguousarray(price_grid[priced, i]),
                position_ts=steps,
                position=held,
                kind=str(facts.kind),
                multiplier=float(facts.multiplier),
                tick=float(facts.tick),
                fees=float(session.loop.fees_text(i)),
                funding=float(session.loop.funding_text(i)),
                settles_in_run=session.plan.counts(facts.settle),
                fee_table=_fee_table(facts),
            )
        )
    return markets


def _fee_table(facts: Instrument) -> list[tuple[float, float]]:
    """Returns maker and taker rates by tier, the instrument's own first; empty without a schedule."""
    tiers = getattr(facts, "fee_tiers", ())
    if not tiers:
        return []
    rows = [(facts.maker_fee, facts.taker_fee), *((t.maker_fee, t.taker_fee) for t in tiers)]
    return [(float(maker), float(taker)) for maker, taker in rows]


def _positions(ts: Ints, sampled: Floats, fills: Fills, market: int) -> tuple[Ints, Floats]:
    """Returns (times, positions): after each fill if the fills explain the last sample; else the samples, as a spot
    account may have begun with coins."""
    mine = fills.market == market
    if not len(ts):
        return ts, sampled
    held = np.cumsum(fills.signed[mine])
    end = held[-1] if len(held) else 0.0
    if abs(end - sampled[-1]) > 1e-9 * max(abs(end), abs(sampled[-1]), 1e-9) or sampled[0] != 0:
        return ts, np.ascontiguousarray(sampled)
    places = np.round(held, 12)  # rounding errors of sums must not hide a flat position
    return np.append(ts[:1], fills.ts[mine]), np.append(0.0, places)


def _when(session: Session) -> str:
    assert session.started_at is not None
    first, last = session.started_at, session.loop.now
    return f"{format_time(first - first % SECOND)} to {format_time(last - last % SECOND)}"
