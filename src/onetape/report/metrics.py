"""The definition of each figure by name: what it is called, how it is written, what it assumes and includes.

One table for pages, reports, the comparison of runs, `status --explain`, the exports and the documentation. Keys of
`STATISTICS` are those of `run.stats`; the others are figures of accounts, robots, records and processes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

__all__ = ["GROUPS", "METRICS", "STATISTICS", "Metric", "definitions", "metric", "metric_text", "number_text"]

GROUPS = ("Result", "Risk", "Ratios", "Round trips", "Activity", "Costs", "Orders")  # of a run's statistics
_UNITS = {
    "money": "money, in the currency shown beside it",
    "gain": "money with its sign, in the currency shown beside it",
    "part": "share of 1, shown in percent",
    "gain_part": "share of 1, shown in percent with its sign",
    "number": "number",
    "count": "count",
    "time": "time (UTC)",
    "span": "seconds",
    "milli": "milliseconds",
    "text": "text",
}


class Metric(NamedTuple):
    """Describes one metric. form: money, gain (signed money), part (a fraction shown in percent), gain_part (signed),
    number, count, time (ms UTC), span (seconds), milli (milliseconds), text. better: "more", "less" or "" for
    neither. includes: what of fees, funding and open positions is in an amount of money; None: it is no such amount."""

    key: str
    name: str
    form: str
    group: str
    note: str
    better: str = ""
    includes: tuple[str, ...] | None = None

    @property
    def unit(self) -> str:
        return _UNITS[self.form]

    @property
    def hover(self) -> str:
        """Returns the whole definition in one text, "" where there is none."""
        if not self.note:
            return ""
        parts = [f"{self.note.rstrip('.')}.", f"Unit: {self.unit}."]
        if self.includes is not None:
            parts.append(f"Includes: {', '.join(self.includes) or 'no fees, funding or open positions'}.")
        return " ".join(parts)


_LIVE = "Accounts and robots"
_MID = "at the middle of the last quotes"
_ALL = ("fees", "funding", "open positions")
_CLOSED = ("fees", "funding")
_RETURNS = (
    "Simple returns of equity, without deposits and withdrawals, per period (the longest of day, hour, minute that "
    "gives 30 returns); `--year` and `--riskless` set the year and the riskless rate."
)
_TRIPS = "A round trip is from flat to flat of an instrument (and side in hedge mode), net of fees, without funding."
_EXCURSION = (
    "Mean over round trips, before fees, from own fills and the data's trades or bars between them (in long data, "
    "samples):"
)
_CLOCK = "On the robot's clock, from the decision, including the assumed latency."

METRICS: tuple[Metric, ...] = (
    Metric("pnl", "Net profit", "gain", "Result",
           "Last equity less first equity and deposits: after fees and funding, open positions at the mark.",
           "more", _ALL),
    Metric("return", "Return", "gain_part", "Result",
           "Last equity over first equity, less one; time-weighted if money was moved in or out.", "more"),
    Metric("cagr", "Growth per year (CAGR)", "gain_part", "Result",
           "(last / first equity) to the power of (year / span), less one; needs a day of data, and "
           "over a few days it is arithmetic, not a forecast.", "more"),
    Metric("benchmark_return", "Buy and hold", "gain_part", "Result",
           "Equal parts of the starting equity in each traded instrument, from its first price, "
           "without fees, funding or leverage."),
    Metric("excess_return", "Over buy and hold", "gain_part", "Result",
           "Return less the return of buy and hold.", "more"),
    Metric("final_equity", "Final equity", "money", "Result",
           "Balance and open positions at the mark.", "more", _ALL),
    Metric("best_day", "Best day", "gain_part", "Result",
           "Return of the best UTC day; the first and the last day may be incomplete.",
           "more"),
    Metric("worst_day", "Worst day", "gain_part", "Result", "Return of the worst UTC day.", "more"),
    Metric("best_month", "Best month", "gain_part", "Result",
           "Return of the best calendar month (UTC); the first and the last month may be incomplete.", "more"),
    Metric("worst_month", "Worst month", "gain_part", "Result", "Return of the worst calendar month (UTC).", "more"),
    Metric("max_drawdown", "Max drawdown", "part", "Risk",
           "The deepest fall as a fraction of the peak before it, on samples and at each fill; its "
           "dates and the table of drawdowns come from the samples alone.", "less", _ALL),
    Metric("max_drawdown_amount", "… in money", "money", "Risk",
           "The size of the fall that is deepest as a fraction.", "less", _ALL),
    Metric("drawdown_peak", "… from", "time", "Risk", "The last time at the peak before the deepest fall."),
    Metric("drawdown_trough", "… to", "time", "Risk", "The time of its lowest point."),
    Metric("drawdown_recovered", "… recovered", "time", "Risk",
           "The first time back at that peak; a dash means not by the end."),
    Metric("drawdown_longest_s", "Longest below a peak", "span", "Risk",
           "The longest time below an earlier peak, also if it lasts at the end.", "less"),
    Metric("ulcer_index", "Ulcer index", "part", "Risk",
           "Root mean square of the drawdown, weighted by time.", "less"),
    Metric("volatility", "Volatility, per year", "part", "Risk",
           "Sample standard deviation of returns times the root of the periods in a year. " + _RETURNS, "less"),
    Metric("var_95", "VaR 95 %, per period", "part", "Risk",
           "Historical: the loss that 95 % of the periods do not exceed. Not scaled to a year.",
           "less"),
    Metric("beta", "Beta to buy and hold", "number", "Risk",
           "Covariance of the returns with those of buy and hold over the variance of the latter: 0 moves on its own, "
           "1 with the market."),
    Metric("alpha", "Alpha to buy and hold, per year", "gain_part", "Risk",
           "Mean return less beta times the mean return of buy and hold, times the periods in a year.", "more"),
    Metric("cvar_95", "CVaR 95 %, per period", "part", "Risk",
           "Mean loss of the worst 5 % of the periods.", "less"),
    Metric("skew", "Skew of returns", "number", "Risk",
           "Corrected for the sample (G1); below zero the long tail is on the losing side.",
           "more"),
    Metric("kurtosis", "Excess kurtosis", "number", "Risk",
           "Corrected for the sample (G2); 0 for a normal distribution.", "less"),
    Metric("sharpe", "Sharpe, per year", "number", "Ratios",
           "Mean over sample standard deviation of returns. " + _RETURNS, "more"),
    Metric("sortino", "Sortino, per year", "number", "Ratios",
           "Mean return over the root mean square of losses, both over all periods. " + _RETURNS, "more"),
    Metric("information_ratio", "Information ratio, per year", "number", "Ratios",
           "Mean over sample standard deviation of the returns in excess of buy and hold.", "more"),
    Metric("omega", "Omega", "number", "Ratios",
           "Sum of the periods' gains over the sum of their losses, with threshold 0.", "more"),
    Metric("tail_ratio", "Tail ratio", "number", "Ratios",
           "95th percentile of the returns over the 5th, without signs.", "more"),
    Metric("calmar", "Calmar", "number", "Ratios", "CAGR over max drawdown, both of the whole run.", "more"),
    Metric("period", "Returns per", "text", "Ratios",
           "The longest of day, hour, minute that gives 30 returns, else seconds."),
    Metric("periods_per_year", "Returns in a year", "number", "Ratios",
           "Number of such returns by which figures per year are scaled."),
    Metric("year", "Year", "text", "Ratios",
           "365: each day counts. 252: Monday to Friday (UTC). sessions: periods with trading hours of `--trade`. A "
           "change between these is part of the next return."),
    Metric("riskless", "Riskless rate, per year", "gain_part", "Ratios",
           "Compounded, and subtracted from the returns in Sharpe, Sortino and alpha."),
    Metric("round_trips", "Round trips", "count", "Round trips", _TRIPS),
    Metric("win_rate", "Won", "part", "Round trips", "Share of round trips with a profit. " + _TRIPS, "more"),
    Metric("profit_factor", "Profit factor", "number", "Round trips",
           "Sum of gains over sum of losses of the round trips.", "more"),
    Metric("expectancy", "Expectancy", "gain", "Round trips", "Mean profit of a round trip.", "more", ("fees",)),
    Metric("average_win", "Average win", "gain", "Round trips", "Mean of the round trips with a profit.",
           "more", ("fees",)),
    Metric("average_loss", "Average loss", "gain", "Round trips", "Mean of the round trips with a loss.",
           "more", ("fees",)),
    Metric("payoff", "Payoff", "number", "Round trips",
           "Average win over average loss, without its sign.", "more"),
    Metric("kelly", "Kelly", "number", "Round trips",
           "Share won, less the share not won over the payoff: the share of the money that Kelly's rule bets if a "
           "loss costs the whole bet.", "more"),
    Metric("win_streak", "Most wins in a row", "count", "Round trips", "In the order of closing.",
           "more"),
    Metric("loss_streak", "Most losses in a row", "count", "Round trips",
           "In the order of closing.", "less"),
    Metric("holding_s", "Mean holding time", "span", "Round trips",
           "From opening to closing; each round trip counts once, whatever its size."),
    Metric("adverse", "Mean adverse excursion (MAE)", "money", "Round trips", _EXCURSION +
           " the largest loss while it was open.", "less"),
    Metric("favourable", "Mean favourable excursion (MFE)", "money", "Round trips", _EXCURSION +
           " the largest gain while it was open.", "more"),
    Metric("retraced", "Mean given back", "money", "Round trips", _EXCURSION +
           " the part of the largest gain that was lost by the end.", "less"),
    Metric("round_trips_per_day", "Round trips per day", "number", "Round trips",
           "Per 24 hours of the run's time."),
    Metric("exposure", "Time in the market", "part", "Activity",
           "Share of the time in which at least one instrument was held."),
    Metric("leverage_mean", "Mean leverage", "number", "Activity",
           "Notional of each instrument's net position, added up without signs, over equity; mean "
           "over time, on samples."),
    Metric("leverage_peak", "Peak leverage", "number", "Activity", "The largest sample of that leverage.",
           "less"),
    Metric("turnover", "Turnover, times equity", "number", "Activity",
           "Traded notional, both sides, over mean equity."),
    Metric("volume", "Traded notional", "money", "Activity",
           "Notional of all fills that settle in the report's currency."),
    Metric("fills", "Fills", "count", "Activity", "One for each price at which an order filled."),
    Metric("fills_per_day", "Fills per day", "number", "Activity",
           "Per 24 hours of the run's time."),
    Metric("volume_share", "Own share of the volume", "part", "Activity",
           "Own quantity over the market's volume in the data, for the instrument with the largest share.", "less"),
    Metric("capacity", "Capacity, about", "money", "Activity",
           "Equity above which more money would have earned less: impact by the square-root law (volatility of a day "
           "times the root of an order's share of a day's volume) grows faster than profit. Own volume is capped at a "
           "tenth of the market's. An order of magnitude; none without profit, volumes and a day of data.", "more"),
    Metric("fees", "Fees", "money", "Costs", "Paid less rebates, from the fills.", "less", ("fees",)),
    Metric("funding", "Funding", "gain", "Costs", "Received less paid.", "more", ("funding",)),
    Metric("fees_bps", "Fees, 1/10,000 of notional", "number", "Costs",
           "Fees over traded notional.", "less"),
    Metric("maker_share", "Fills as maker", "part", "Costs", "Share of the number of fills."),
    Metric("maker_share_notional", "… by notional", "part", "Costs",
           "Share of the traded notional."),
    Metric("orders", "Orders", "count", "Orders", "All orders that the strategy requested."),
    *(
        Metric(f"orders_{state.replace(' ', '_')}", f"… {state}", "count", "Orders", note)
        for state, note in (
            ("filled", "Filled in full."),
            ("partly filled", "Ended, or still working, with a part filled."),
            ("canceled", "Canceled without a fill, by the strategy or by the exchange."),
            ("expired", "Expired without a fill."),
            ("rejected", "Rejected by the exchange."),
            ("denied", "Denied before they were sent: money, limits, or a wrong order."),
            ("working", "Working without a fill at the end of the run."),
        )
    ),
    Metric("fill_ratio", "Orders with a fill", "part", "Orders",
           "Share of the orders that reached the exchange; counted, not weighted by size."),
    Metric("quantity_ratio", "Filled of requested quantity", "part", "Orders",
           "Mean filled share of the orders that reached the exchange."),
    Metric("answer_ms_median", "Order to answer, median", "milli", "Orders", _CLOCK, "less"),
    Metric("answer_ms_p99", "… 99 %", "milli", "Orders", _CLOCK, "less"),
    Metric("fill_ms_median", "Order to first fill, median", "milli", "Orders",
           _CLOCK + " It includes the resting time.", "less"),
    Metric("fill_ms_p99", "… 99 %", "milli", "Orders", _CLOCK + " It includes the resting time.", "less"),
    Metric("rest_ms_median", "Rested before a maker fill, median", "milli", "Orders",
           "On the exchange's clock, from the order's acceptance (or trigger) to the fill."),
    Metric("trade_fill_share", "Maker fills by a trade", "part", "Orders",
           "Share with exactly the time of a trade on the tape; the others filled because the best "
           "opposite price reached them. Only if the tape has trades."),
    Metric("equity", "Equity", "money", _LIVE,
           f"Balance, open profit of contracts and value of coins, {_MID}.", "more", _ALL),
    Metric("equity_of_currency", "Equity by currency", "money", _LIVE,
           f"Balance and open profit of contracts that settle in the currency, {_MID}; coins are in their own "
           "currency. If an account's gateway does not run, its last balance.", "more", _ALL),
    Metric("equity_change", "Profit of the span", "gain", _LIVE,
           "Equity at the span's end less equity at its beginning and deposits in between.", "more", _ALL),
    Metric("day_profit", "Profit today", "gain", _LIVE,
           "Equity now less equity at the beginning of the UTC day and deposits since.", "more", _ALL),
    Metric("robot_equity", "Equity of the robot", "money", _LIVE,
           "Balance of the robot's sub-account, or of the pool, and open profit of its own positions at the mark.",
           "more", _ALL),
    Metric("open_profit", "Open profit", "gain", _LIVE,
           f"Value of positions, and of coins bought on spot, {_MID} less their cost; before the fees of "
           "closing them.", "more", ("open positions",)),
    Metric("from_prices", "From prices", "gain", _LIVE,
           "Profit of fills and of open positions, at the mark, before fees and funding.", "more", ("open positions",)),
    Metric("realized", "Realized", "gain", _LIVE,
           "Profit of closed positions and of coin sales over their average cost, before fees and funding.",
           "more", ()),
    Metric("closed_profit", "Closed profit", "gain", _LIVE,
           "Realized, funding and interest less the fees in their currency; fees in another asset stand beside it. "
           "That of a strategy counts its own fills.", "more", _CLOSED),
    Metric("trip_profit", "Profit of the trip", "gain", _LIVE,
           "Realized and funding less fees in their currency, from flat to flat of a sub-account, at the average "
           "prices of all robots that share it.", "more", _CLOSED),
    Metric("drawdown", "Drawdown", "part", _LIVE,
           "Share by which equity is below its highest full minute; deposits and withdrawals move the peak.",
           "less", _ALL),
    Metric("deepest_drawdown", "Deepest drawdown", "part", _LIVE,
           "The largest drawdown of the span's full minutes.", "less", _ALL),
    Metric("day_drawdown", "Drawdown of the day", "part", _LIVE, "The deepest fall within the day.", "less", _ALL),
    Metric("day_end_drawdown", "Drawdown of days", "money", _LIVE,
           "The deepest fall of a strategy's profit, measured at the ends of days.", "less", _ALL),
    Metric("funding_rate", "Funding rate", "gain_part", _LIVE,
           "Rate of the next payment, or of the last one: above zero longs pay it to shorts."),
    Metric("costs_today", "Cost today", "money", _LIVE,
           "Cost of the mode's orders against the market at their decision, with fees.", "less", ("fees",)),
    Metric("heartbeat", "Heartbeat", "milli", "Processes", "Time since the process last signalled that it runs."),
    Metric("progress", "Progress", "milli", "Processes", "Time since the process's loop last completed a turn."),
    Metric("lag", "Lag", "count", "Processes", "Frames in the process's inputs that it has not read yet."),
    Metric("cpu", "CPU", "part", "Processes", "Recent share of one core."),
    Metric("working_orders", "Working orders", "count", "Processes",
           "Orders at the venue, or on their way, that have not ended."),
)  # fmt: skip
STATISTICS = tuple(each for each in METRICS if each.group in GROUPS)
_BY_KEY = {each.key: each for each in METRICS}


def definitions(keys: Mapping[str, str]) -> dict[str, dict[str, object]]:
    """Returns the definitions of figures by where they are shown. keys: of this table, by that."""
    return {
        shown: {
            "key": key,
            "name": (found := _BY_KEY[key]).name,
            "definition": found.note,
            "unit": found.unit,
            "includes": None if found.includes is None else list(found.includes),
        }
        for shown, key in keys.items()
    }


def metric(key: str) -> Metric:
    """Returns the metric of a key; an unlisted one is shown under its own name."""
    found = _BY_KEY.get(key)
    return found or Metric(key, key.replace("_", " "), "text", "Result", "")


def metric_text(key: str, value: object) -> str:
    """Returns a value as short text: fractions in percent, floats with six digits, `-` for none. Amounts in decimal
    text are unchanged."""
    if metric(key).form in ("part", "gain_part") and isinstance(value, (int, float, str)):
        try:
            percent = float(value) * 100
        except ValueError:
            return str(value)
        return f"{percent:.2f}%" if abs(percent) >= 0.1 or not percent else f"{percent:.2g}%"
    return value if isinstance(value, str) else number_text(value)


def number_text(value: object) -> str:
    """Returns a number, or number text, with six digits, or all digits before the point."""
    if value is None:
        return "-"
    if isinstance(value, int):
        return str(value) if isinstance(value, bool) else f"{value:,}"
    try:
        number = float(str(value)) + 0.0  # no minus before a zero
    except ValueError:
        return str(value)
    return f"{number:,.0f}" if 1e6 <= abs(number) < 1e15 else f"{number:,.6g}"
