"""Estimate the effect of each simplification, shown beside its bias in the assumptions box."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from onetape.report.grouped import amount_text
from onetape.report.report_data import Assumption, Market, ReportData
from onetape.report.worse_fills import fee_cost, tick_cost

__all__ = ["sized"]


def sized(data: ReportData) -> list[Assumption]:
    """Returns the assumptions of `data` with sizes, if they can be computed. data: with stats and stress lines.
    Amounts are in the run's currency."""
    if not len(data.fills.ts):
        return list(data.assumptions)
    return [each if each.size else _with_size(each, data) for each in data.assumptions]


def _with_size(each: Assumption, data: ReportData) -> Assumption:
    words, amount = _size(each.key, data)
    if amount is None:
        return each._replace(size=words)
    return each._replace(size=f"{words}: {amount_text(amount, data.currency)}", amount=amount)


def _size(key: str, data: ReportData) -> tuple[str, float | None]:
    """Returns (size in words, "" if unknown; amount of money or None). key: kind of simplification, and for some its
    instrument."""
    kind, _, symbol = key.partition(" ")
    match kind:
        case "fees":
            return _dearer(data), -fee_cost(data.fills, _only(data, symbol))
        case "spread":
            return "one tick on each taker fill", -tick_cost(data.fills, _only(data, symbol))
        case "latency":
            return _rerun(data, "latency")
        case "queue":
            words, amount = _rerun(data, "queue")
            waited = f"{_share(data, 'maker_share')} of the fills were maker fills"
            return words or waited, amount
        case "impact":
            return _volume_share(data), None
        case "liquidation":
            return _leverage(data), None
        case "bars":
            return f"{_share(data, 'maker_share')} of the fills were limits", None
        case _:
            return "", None


def _only(data: ReportData, symbol: str) -> list[Market]:
    """Returns all instruments, where only this one counts in sums of money."""
    return [replace(each, settles_in_run=each.settles_in_run and each.symbol == symbol) for each in data.markets]


def _dearer(data: ReportData) -> str:
    return "one fee tier up" if any(len(each.fee_table) for each in data.markets) else "a quarter more in fees"


def _rerun(data: ReportData, word: str) -> tuple[str, float | None]:
    """Returns (words, change of profit) of the stress re-run with this word in its name; ("", None) without one."""
    pnl = data.stats.get("pnl")
    if isinstance(pnl, float):
        for line in data.stress:
            if line.how == "re-run" and word in line.name and line.pnl is not None:
                return line.name, line.pnl - pnl
    return "", None


def _share(data: ReportData, key: str) -> str:
    value = data.stats.get(key)
    return f"{value:.1%}" if isinstance(value, float) else "an unknown part"


def _leverage(data: ReportData) -> str:
    peak = data.stats.get("leverage_peak")
    return f"peak leverage {peak:.3g}" if isinstance(peak, float) else ""


def _volume_share(data: ReportData) -> str:
    """Returns own quantity over the market's volume, in words: the highest share of all instruments."""
    own = np.bincount(data.fills.market, data.fills.qty, minlength=len(data.markets))
    moved = np.array([each.traded for each in data.markets])
    traded = moved > 0
    if not traded.any():
        return ""
    share = float((own[traded] / moved[traded]).max())
    words = f"{share:.2%}" if share >= 1e-4 else "less than 0.01%"
    return f"own fills are {words} of the volume in the data"
