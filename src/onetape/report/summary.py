"""Compute all statistics of a run under the names used by the report, the table and `run.stats`."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray

from onetape.model.time import DAY, HOUR, MINUTE, MS, SECOND
from onetape.report import activity, drawdowns, order_flow, statistics, trips
from onetape.report.activity import Floats, Ints, PeriodRow, SymbolRow
from onetape.report.annual import Scale
from onetape.report.benchmark import Benchmark, buy_and_hold
from onetape.report.capacity import capacity, volume_share
from onetape.report.drawdowns import Drawdown
from onetape.report.excursions import Excursions, excursions
from onetape.report.report_data import ORDER_STATES, Fills, ReportData
from onetape.report.trips import RoundTrips

__all__ = ["PERIOD_NAMES", "Analysis", "analyze", "summarize"]

PERIOD_NAMES = {DAY: "1 d", HOUR: "1 h", MINUTE: "1 min", SECOND: "1 s"}
ROLLING_WINDOW_MIN = 30


@dataclass(slots=True)
class Analysis:
    """Results of a run's analysis that several outputs share."""

    period_ns: int
    scale: Scale
    returns: Floats
    return_ends: Ints  # ns, the end of each return's period
    rolling_window: int
    rolling: dict[str, Floats]  # name -> curve of sharpe, volatility, beta; empty for less than a day of data
    benchmark: Benchmark | None
    benchmark_returns: Floats  # of the same periods; empty without a benchmark
    drawdowns: list[Drawdown]
    growth: Floats  # equity, time-weighted: without transfers
    trips: RoundTrips
    notional: Floats  # of each fill
    leverage: Floats  # on the equity's samples
    days: list[PeriodRow]
    months: list[PeriodRow]
    years: list[tuple[int, float | None, float | None]]  # start (ns), return, and return of buy and hold
    excursions: Excursions
    symbols: list[SymbolRow]


def analyze(data: ReportData, *, tables: bool = True) -> Analysis:
    """Returns all results that are more than one number. tables: include the rows of months and symbols."""
    ts, equity, fills = data.equity_ts, data.equity, data.fills
    growth = statistics.time_weighted(equity, data.moved)
    annual, period = data.annual, data.annual.period(ts)
    returns, scale = annual.returns(ts, growth, period), annual.scale(ts, period)
    in_run = settles_in_run(data)
    found = trips.round_trips(
        fills.ts[in_run], fills.book[in_run], fills.signed[in_run], fills.realized[in_run], fills.fee[in_run]
    )
    notional = activity.fill_notional(fills, data.markets)
    window = max(ROLLING_WINDOW_MIN, len(returns) // 20)
    held = buy_and_hold(ts, growth, data.markets, fills)
    market = annual.returns(ts, held.equity, period) if held else returns[:0]
    scaled, other = (returns, market) if _has_a_day(ts) else (returns[:0], market[:0])
    excess = scaled - scale.riskless
    return Analysis(
        period_ns=period,
        returns=returns,
        scale=scale,
        return_ends=annual.ends(ts, period),
        rolling_window=window,
        rolling={
            "sharpe": statistics.rolling_sharpe(excess, period, window, scale.year_ns),
            "volatility": statistics.rolling_volatility(scaled, period, window, scale.year_ns),
            "beta": statistics.rolling_beta(scaled, other, window),
        },
        benchmark=held,
        benchmark_returns=market,
        drawdowns=drawdowns.worst_drawdowns(ts, growth, earned=earned(data)),
        growth=growth,
        trips=found,
        notional=notional,
        leverage=activity.leverage(data.markets, ts, equity),
        days=activity.by_day(ts, equity, fills, notional, data.moved),
        months=activity.by_month(ts, equity, fills, notional, data.moved),
        years=_years(ts, growth, held),
        excursions=excursions(fills, data.markets),
        symbols=_symbols(data, found, notional) if tables else [],
    )


def _years(ts: Ints, equity: Floats, held: Benchmark | None) -> list[tuple[int, float | None, float | None]]:
    def results(curve: Floats) -> list[PeriodRow]:
        return activity.by_month(ts, curve, Fills(), curve[:0], months=12)

    mine, other = results(equity), results(held.equity) if held else []
    return [(row.start, row.result, beside.result if beside else None) for row, beside in zip_longest(mine, other)]


def summarize(
    data: ReportData, *, orders: int, funding: float = 0.0, analysis: Analysis | None = None
) -> dict[str, object]:
    """Returns the statistics. Times are ms UTC; fractions are fractions; an unavailable statistic is None."""
    found = analysis or analyze(data, tables=False)
    return {
        **_result(data, found),
        **_risk(data, found),
        **_round_trips(data, found.trips, found.excursions),
        **_activity(data, found),
        "fees": float(data.fills.fee[settles_in_run(data)].sum()),
        "funding": funding,
        **_costs(data, found),
        **_orders(data, orders),
    }


def settles_in_run(data: ReportData) -> NDArray[np.bool_]:
    """Returns an array: True for each fill that settles in the report's currency. Sums of money include only these."""
    in_run = np.array([each.settles_in_run for each in data.markets], dtype=np.bool_)
    return in_run[data.fills.market] if len(in_run) else np.ones(len(data.fills.ts), dtype=np.bool_)


def earned(data: ReportData) -> Floats:
    """Returns equity less the money moved in: its differences are profit."""
    return data.equity - data.moved if len(data.moved) else data.equity


def _has_a_day(ts: Ints) -> bool:
    return len(ts) > 1 and bool(ts[-1] - ts[0] >= DAY)


def _result(data: ReportData, found: Analysis) -> dict[str, object]:
    ts, equity, growth = data.equity_ts, data.equity, found.growth
    gained = statistics.total_return(growth)
    held = statistics.total_return(found.benchmark.equity) if found.benchmark else None
    days, months = ([each.result for each in rows if each.result is not None] for rows in (found.days, found.months))
    return {
        "pnl": float(earned(data)[-1] - earned(data)[0]) if len(equity) else None,
        "return": gained,
        "cagr": statistics.cagr(ts, growth, found.scale.growth_ns),
        "benchmark_return": held,
        "excess_return": gained - held if gained is not None and held is not None else None,
        "final_equity": float(equity[-1]) if len(equity) else None,
        "best_day": max(days, default=None),
        "worst_day": min(days, default=None),
        "best_month": max(months, default=None),
        "worst_month": min(months, default=None),
    }


def _risk(data: ReportData, found: Analysis) -> dict[str, object]:
    ts, equity, period = data.equity_ts, found.growth, found.period_ns
    fall = drawdowns.max_drawdown(ts, equity, earned=earned(data))
    longest = drawdowns.longest_drawdown(ts, equity)
    growth = statistics.cagr(ts, equity, found.scale.growth_ns)
    recovered = fall.ts_recovered if fall else None
    # Minutes scaled up to a year are meaningless.
    count = len(found.returns) if _has_a_day(ts) else 0
    scaled, market = found.returns[:count], found.benchmark_returns[:count]
    year, riskless = found.scale.year_ns, found.scale.riskless
    excess = scaled - riskless
    return {
        "max_drawdown": fall.fraction if fall else None,
        "max_drawdown_amount": fall.amount if fall else None,
        "drawdown_peak": fall.ts_peak // MS if fall else None,
        "drawdown_trough": fall.ts_trough // MS if fall else None,
        "drawdown_recovered": recovered // MS if recovered is not None else None,
        "drawdown_longest_s": longest / SECOND if longest is not None else None,
        "ulcer_index": drawdowns.ulcer_index(ts, equity),
        "volatility": statistics.volatility(scaled, period, year),
        "var_95": statistics.value_at_risk(found.returns),
        "beta": statistics.beta(found.returns, found.benchmark_returns),
        "alpha": statistics.alpha(excess, market - riskless, period, year),
        "cvar_95": statistics.expected_shortfall(found.returns),
        "skew": statistics.skewness(found.returns),
        "kurtosis": statistics.excess_kurtosis(found.returns),
        "sharpe": statistics.sharpe(excess, period, year),
        "sortino": statistics.sortino(excess, period, year),
        "information_ratio": statistics.information_ratio(scaled, market, period, year),
        "omega": statistics.omega(found.returns),
        "tail_ratio": statistics.tail_ratio(found.returns),
        "calmar": statistics.calmar(growth, fall.fraction if fall else None),
        "period": PERIOD_NAMES[period],
        "periods_per_year": year / period,
        "year": data.annual.year,
        "riskless": data.annual.riskless,
    }


def _mean(values: Floats) -> float | None:
    return float(np.mean(values)) if len(values) else None


def _round_trips(data: ReportData, found: RoundTrips, moved: Excursions) -> dict[str, object]:
    wins, losses = trips.longest_streaks(found.pnl)
    held = trips.holding_time(found)
    return {
        "round_trips": len(found.pnl),
        "win_rate": trips.win_rate(found.pnl),
        "profit_factor": trips.profit_factor(found.pnl),
        "expectancy": trips.expectancy(found.pnl),
        "average_win": trips.average_win(found.pnl),
        "average_loss": trips.average_loss(found.pnl),
        "payoff": trips.payoff(found.pnl),
        "kelly": trips.kelly(found.pnl),
        "win_streak": wins,
        "loss_streak": losses,
        "holding_s": held / SECOND if held is not None else None,
        "adverse": _mean(moved.adverse),
        "favourable": _mean(moved.favourable),
        "retraced": _mean(moved.retraced),
        "round_trips_per_day": _per_day(len(found.pnl), data.equity_ts),
    }


def _per_day(count: int, ts: Ints) -> float | None:
    span = int(ts[-1] - ts[0]) if len(ts) else 0
    return count * DAY / span if span > 0 else None


def _activity(data: ReportData, found: Analysis) -> dict[str, object]:
    ts, count = data.equity_ts, len(data.fills.ts)
    finite = found.leverage[np.isfinite(found.leverage)]
    held = None
    if len(ts):
        held = activity.any_exposure(data.markets, ts_first=int(ts[0]), ts_last=int(ts[-1]))
    return {
        "exposure": held,
        "leverage_mean": activity.mean_by_time(ts, found.leverage),
        "leverage_peak": float(finite.max()) if len(finite) else None,
        "turnover": activity.turnover(found.notional, data.equity),
        "volume": float(found.notional.sum()),
        "fills": count,
        "fills_per_day": _per_day(count, ts),
        "volume_share": volume_share(data.fills, data.markets),
        "capacity": capacity(float(earned(data)[-1] - earned(data)[0]), ts, data.equity, data.fills, data.markets)
        if len(ts)
        else None,
    }


def _costs(data: ReportData, found: Analysis) -> dict[str, object]:
    fills, total = data.fills, float(found.notional.sum())
    return {
        "fees_bps": float(fills.fee[settles_in_run(data)].sum()) / total * 1e4 if total > 0 else None,
        "maker_share": float(np.mean(fills.is_maker)) if len(fills.is_maker) else None,
        "maker_share_notional": (float(found.notional[fills.is_maker].sum()) / total if total > 0 else None),
    }


def _orders(data: ReportData, orders: int) -> dict[str, object]:
    flow: dict[str, object] = {"orders": orders}
    ended = order_flow.outcomes(data.orders) if len(data.orders.id) else {}
    flow |= {f"orders_{name.replace(' ', '_')}": ended.get(name) for name in ORDER_STATES}
    flow["fill_ratio"] = order_flow.fill_ratio(data.orders)
    flow["quantity_ratio"] = order_flow.quantity_ratio(data.orders)
    for name, times in (("answer", order_flow.answer_times(data.orders)), ("fill", order_flow.fill_times(data.orders))):
        spread = order_flow.spread(times)
        flow[f"{name}_ms_median"] = spread.median / MS if spread else None
        flow[f"{name}_ms_p99"] = spread.p99 / MS if spread else None
    rested = order_flow.spread(data.resting.rest_ns)
    flow["rest_ms_median"] = rested.median / MS if rested else None
    flow["trade_fill_share"] = order_flow.trade_share(data.resting)
    return flow


def _symbols(data: ReportData, found: RoundTrips, notional: Floats) -> list[SymbolRow]:
    ts, fills = data.equity_ts, data.fills
    rows = []
    for index, each in enumerate(data.markets):
        mine = fills.market == index
        count = int(mine.sum())
        pnl = found.pnl[found.book // 3 == index]
        held = None
        if len(ts):
            held = activity.exposure(each.position_ts, each.position, ts_first=int(ts[0]), ts_last=int(ts[-1]))
        in_run = each.settles_in_run
        fees = float(fills.fee[mine].sum())
        net = None
        if in_run and (len(each.price) or not count):
            last = float(each.price[-1]) if len(each.price) else 0.0
            net = each.gain(fills.price[mine], fills.signed[mine], last) - fees + each.funding
        rows.append(
            SymbolRow(
                symbol=each.symbol,
                fills=count,
                maker_share=float(np.mean(fills.is_maker[mine])) if count else None,
                notional=float(notional[mine].sum()) if in_run else None,
                pnl=net,
                realized=float(fills.realized[mine].sum()) if in_run else None,
                fees=fees if in_run else None,
                funding=each.funding if in_run else None,
                exposure=held,
                round_trips=len(pnl),
                win_rate=trips.win_rate(pnl),
            )
        )
    return rows
