"""Compare variants side by side, and estimate how much of the best one is luck.

The best of many variants is selected for luck as well as for skill. Therefore each Sharpe ratio is compared with the
expected best of as many tries without skill (report/deflate.py), for the number of tries really made.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from onetape.engine.plan import read_plan
from onetape.model.errors import BadConfig
from onetape.model.time import DAY
from onetape.report import deflate
from onetape.report import statistics as st
from onetape.report.annual import annual_of
from onetape.report.overfitting import Overfit
from onetape.report.run import Run, has_same_data, open_run
from onetape.report.summary import PERIOD_NAMES
from onetape.report.sweep_results import Sweep, is_sweep, open_sweep

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Comparison", "Variant", "compare", "compare_runs"]

CONFIDENCE = 0.95
_JUDGED = (
    "period_sharpe",
    "annual_sharpe",
    "annual_luck",
    "above_zero",
    "deflated_sharpe",
    "track_record",
    "track_record_wanted",
)
_PERIODS = {name: period for period, name in PERIOD_NAMES.items()}


@dataclass(frozen=True, slots=True)
class Variant:
    """One column of the comparison. `returns` are per `period` ns."""

    name: str
    params: dict[str, Any]
    stats: dict[str, Any]
    period: int
    returns: deflate.Moments
    span: tuple[int, int] | None = None  # of its data, ns UTC
    per_year: float | None = None  # number of returns in a year; None: of 365 days


@dataclass(slots=True)
class Comparison:
    """A comparison of variants, best Sharpe ratio first; variants without a ratio come last, in the order of the
    request."""

    variants: list[Variant]
    tries: int
    tries_from: str  # where the number of tries comes from, in words
    spread: float  # standard deviation of the ratio over the tries, per period
    spread_from: str
    overfit: Overfit | None = None  # of a sweep, from the variants' profits over time
    same_data: bool = True  # False: figures of different markets

    @property
    def luck(self) -> float | None:
        """Sharpe ratio per period that the best of the tries reaches by luck alone. None: ratios of different data."""
        return deflate.expected_maximum(self.spread**2, self.tries) if self.same_data else None

    def judged(self, variant: Variant) -> dict[str, float | None]:
        """Returns a variant's figures; ratios per year where the data cover a day, else None."""
        found = variant.returns
        year = math.sqrt(variant.per_year or st.YEAR_NS / variant.period)
        if found.sharpe is None:
            return dict.fromkeys(_JUDGED)
        shape = {"skewness": found.skewness, "kurtosis": found.kurtosis}
        alone = deflate.probabilistic_sharpe(found.sharpe, count=found.count, **shape)
        deflated = wanted = None
        if (luck := self.luck) is not None:
            deflated = deflate.probabilistic_sharpe(found.sharpe, count=found.count, benchmark=luck, **shape)
            wanted = deflate.minimum_track_record(found.sharpe, benchmark=luck, confidence=CONFIDENCE, **shape)
        is_long = found.count * variant.period >= DAY
        return {
            "period_sharpe": found.sharpe,
            "annual_sharpe": found.sharpe * year if is_long else None,
            "annual_luck": luck * year if is_long and luck is not None else None,
            "above_zero": alone,
            "deflated_sharpe": deflated,
            "track_record": float(found.count),
            "track_record_wanted": wanted,
        }

    @property
    def verdict(self) -> str:
        """One sentence about the best variant."""
        best = self.variants[0]
        found = self.judged(best)
        if found["period_sharpe"] is None:
            return "no variant has a Sharpe ratio: nothing was earned or lost"
        if not self.same_data:
            return "how much of the best one is luck cannot be computed: it needs tries on the same data"
        per, key, luck = "a year", "annual_sharpe", found["annual_luck"]
        if found["annual_sharpe"] is None:
            per, key, luck = f"per {PERIOD_NAMES[best.period]}", "period_sharpe", self.luck
        ratio = found[key]
        assert ratio is not None
        assert luck is not None
        chance = _percent(found["deflated_sharpe"])
        if self.tries == 1:
            return (
                f"one try, with a Sharpe of {ratio:.2g} ({per}); probability that the true Sharpe is above 0: {chance}"
            )
        text = (
            f"out of {self.tries:,} tries a best Sharpe of {luck:.2g} is what luck alone gives, "
            f"and {best.name} has {ratio:.2g} ({per}); probability that its true Sharpe is above "
            f"0: {chance}"
        )
        wanted, have = found["track_record_wanted"], best.returns.count
        name = PERIOD_NAMES[best.period]
        if wanted is not None and wanted > have:
            text += f"; to be {CONFIDENCE:.0%} sure takes {math.ceil(wanted):,} returns of {name}, there are {have:,}"
        return text

    def as_json(self) -> dict[str, Any]:
        """Returns the keys of `compare --json`."""
        return {
            "tries": self.tries,
            "tries_from": self.tries_from,
            "luck": self.luck,
            "spread_from": self.spread_from,
            "verdict": self.verdict,
            "same_data": self.same_data,
            "overfitting": self.overfit.as_json() if self.overfit is not None else None,
            "runs": [
                {
                    "name": each.name,
                    "params": each.params,
                    **self.judged(each),
                    "skewness": each.returns.skewness,
                    "kurtosis": each.returns.kurtosis,
                    "period": PERIOD_NAMES[each.period],
                    "stats": each.stats,
                }
                for each in self.variants
            ],
        }

    def frame(self) -> pl.DataFrame:
        """Returns a frame with one row per variant."""
        from onetape.report.sweep_results import column_of, require_polars

        polars = require_polars()
        rows = []
        for each in self.as_json()["runs"]:
            params = {f"param.{name}": value for name, value in each.pop("params").items()}
            stats = each.pop("stats")
            rows.append({"name": each.pop("name"), **params, **each, **stats})
        names = list(dict.fromkeys(name for row in rows for name in row))
        columns = [polars.Series(n, column_of([row.get(n) for row in rows])) for n in names]
        table: pl.DataFrame = polars.DataFrame(columns)
        return table.with_columns(polars.lit(self.tries).alias("tries"), polars.lit(self.verdict).alias("verdict"))


def compare_runs(runs: Sequence[str | Path | Run | Sweep], tries: int | None = None) -> Comparison:
    """Compare runs, or the variants of one sweep. tries: number of tries made; by default the number of runs.

    Raises BadConfig for other folders, for runs of different currencies, and for fewer tries than runs.
    """
    if not runs:
        raise BadConfig("nothing to compare", location="RUN", todo="name runs, or a sweep")
    opened = [_open(each) for each in runs]
    sweeps = [each for each in opened if isinstance(each, Sweep)]
    if sweeps:
        if len(opened) > 1:
            raise BadConfig("a sweep is compared alone", location="RUN", todo="name one sweep")
        variants, words = _of_sweep(sweeps[0]), "the variants of the sweep"
    else:
        variants, words = _of_runs([each for each in opened if isinstance(each, Run)]), "the runs"
    # Failed variants, and variants that have not run yet, count as tries.
    made = sweeps[0].tries if sweeps else len(variants)
    if tries is not None:
        if tries < made:
            raise BadConfig(
                f"{tries} tries and {made} variants", location="--tries", todo="count at least the variants shown"
            )
        made, words = tries, "--tries"
    ratios = np.array([v.returns.sharpe for v in variants if v.returns.sharpe is not None])
    if len(ratios) > 1:
        spread, spread_from = float(np.std(ratios, ddof=1)), f"{len(ratios)} ratios"
    else:
        # One ratio has no variance: use the error of its estimate, by which ratios without skill scatter.
        count = max((v.returns.count for v in variants), default=0)
        spread = 1 / math.sqrt(count - 1) if count > 1 else 0.0
        spread_from = "the error of one estimate"
    ordered = sorted(
        enumerate(variants), key=lambda each: (each[1].returns.sharpe is None, -(each[1].returns.sharpe or 0), each[0])
    )
    judged = sweeps[0].overfit if sweeps else None
    variants = [each for _, each in ordered]
    same_data = has_same_data([each for each in opened if isinstance(each, Run)]) if not sweeps else True
    return Comparison(variants, made, words, spread, spread_from, judged, same_data=same_data)


def compare(
    runs: Iterable[str | Path | Run | Sweep] | Run | Sweep | str | Path, tries: int | None = None
) -> pl.DataFrame:
    """Returns runs or a sweep side by side as a frame, best Sharpe ratio first.

    `deflated_sharpe` is the probability that the true ratio is above the best of `tries`
    by luck; `above_zero` the same for a single try; `verdict` is a sentence.
    """
    many = [runs] if isinstance(runs, (str, Path, Run, Sweep)) else list(runs)
    return compare_runs(many, tries).frame()


def _open(run: str | Path | Run | Sweep) -> Run | Sweep:
    if isinstance(run, (Run, Sweep)):
        return run
    return open_sweep(run) if is_sweep(Path(run)) else open_run(run)


def _of_sweep(sweep: Sweep) -> list[Variant]:
    if sweep.facts["walk_forward"]:
        raise BadConfig(
            "variants of a walk-forward sweep cannot be compared: each window chose its own",
            location=str(sweep.path),
            todo="its out-of-sample statistics are in its report",
        )
    found = []
    for row in sweep.rows:
        if row["error"] is not None:
            continue
        returns = deflate.Moments(row["returns"], row["period_sharpe"], row["skewness"], row["kurtosis"])
        name, stats = f"variant {row['variant']}", row["stats"]
        per_year = stats.get("periods_per_year")
        found.append(Variant(name, row["params"], stats, _PERIODS[stats["period"]], returns, per_year=per_year))
    if not found:
        raise BadConfig("no variant has finished", location=str(sweep.path), todo="sweep it again")
    return found


def _of_runs(runs: Sequence[Run]) -> list[Variant]:
    currencies = {run.stats.get("currency") for run in runs}
    if len(currencies) > 1:
        raise BadConfig(
            f"runs in {', '.join(sorted(map(str, currencies)))}", location="RUN", todo="compare runs of one currency"
        )
    lines = []
    for run in runs:
        frame = run.equity
        equity, moved = frame["equity"].to_numpy(), frame["moved"].to_numpy()
        ts, annual = frame["time"].to_physical().to_numpy(), annual_of(read_plan(run.path)[0])
        lines.append((ts, st.time_weighted(equity, moved), annual))
    # One period for all ratios, to make them comparable: the one of the shortest run.
    period = min(annual.period(ts) for ts, _, annual in lines)
    found = []
    names: dict[str, int] = {}
    for run, (ts, equity, annual) in zip(runs, lines, strict=True):
        scale = annual.scale(ts, period)
        returns = deflate.moments(annual.returns(ts, equity, period) - scale.riskless)
        params = dict(run.facts.get("parameters", run.facts.get("params", {})))
        name = run.path.name
        names[name] = names.get(name, 0) + 1
        name += f" ({names[name]})" if names[name] > 1 else ""
        span = (int(ts[0]), int(ts[-1])) if len(ts) else None
        found.append(Variant(name, params, run.stats, period, returns, span, scale.year_ns / period))
    return found


def _percent(value: float | None) -> str:
    if value is None:
        return "unknown"
    return (
        f"{value:.0%}".replace("%", " %") if 0.01 <= value <= 0.99 else ("below 1 %" if value < 0.01 else "above 99 %")
    )
