"""All statistics of a run under the names that the report, the table and `run.stats` use."""

from __future__ import annotations

import numpy as np

from onetape.model.time import DAY, HOUR, MINUTE, MS, SECOND
from onetape.store import statistics as st
from onetape.store.report_data import ReportData

PERIOD_NAMES = {DAY: "1 d", HOUR: "1 h", MINUTE: "1 min", SECOND: "1 s"}


def summarize(data: ReportData, *, orders: int, funding: float = 0.0) -> dict[str, object]:
    """Times are ms UTC; fractions are fractions; a statistic that cannot be had is None."""
    ts, equity, fills = data.equity_ts, data.equity, data.fills
    period = st.choose_period(ts)
    returns = st.period_returns(ts, equity, period)
    if len(ts) < 2 or ts[-1] - ts[0] < DAY:
        returns = returns[:0]  # minutes scaled up to a year say nothing about a year
    fall = st.max_drawdown(ts, equity)
    trips = st.round_trips(
        fills.ts, fills.market, fills.side * fills.qty, fills.realized, fills.fee
    )
    notional = fills.price * fills.qty
    recovered = fall.ts_recovered if fall else None
    return {
        "pnl": float(equity[-1] - equity[0]) if len(equity) else None,
        "return": st.total_return(equity),
        "final_equity": float(equity[-1]) if len(equity) else None,
        "max_drawdown": fall.fraction if fall else None,
        "max_drawdown_amount": fall.amount if fall else None,
        "drawdown_peak": fall.ts_peak // MS if fall else None,
        "drawdown_trough": fall.ts_trough // MS if fall else None,
        "drawdown_recovered": recovered // MS if recovered is not None else None,
        "volatility": st.volatility(returns, period),
        "sharpe": st.sharpe(returns, period),
        "sortino": st.sortino(returns, period),
        "period": PERIOD_NAMES[period],
        "round_trips": len(trips.pnl),
        "win_rate": st.win_rate(trips.pnl),
        "profit_factor": st.profit_factor(trips.pnl),
        "exposure": _exposure(data),
        "turnover": st.turnover(notional, equity),
        "orders": orders,
        "fills": len(fills.ts),
        "maker_share": float(np.mean(fills.is_maker)) if len(fills.is_maker) else None,
        "fees": float(fills.fee.sum()),
        "funding": funding,
    }


def _exposure(data: ReportData) -> float | None:
    """The largest of the instruments' own: the time in which at least that one was held."""
    if not len(data.equity_ts):
        return None
    first, last = int(data.equity_ts[0]), int(data.equity_ts[-1])
    parts = [
        st.exposure(market.position_ts, market.position, ts_first=first, ts_last=last)
        for market in data.markets
        if len(market.position_ts)
    ]
    return max((part for part in parts if part is not None), default=0.0)
