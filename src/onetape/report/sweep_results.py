"""Open a sweep's folder: its variants as a table, the best of them, its pages.

sweep.json      the request: strategy, grid, data, options
results.jsonl one line per finished variant, in the order of finishing, each synced to disk
results.parquet the same as a table in the grid's order, written when all are done
source/         the strategy's code as it ran
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from onetape.engine.grid import Grid
from onetape.model.errors import BadConfig, BadInput, NotAvailable
from onetape.model.time import MS, format_duration
from onetape.report import metrics as metric_table
from onetape.report.overfitting import Overfit, judge, questions
from onetape.report.report import LINE_POINTS_MAX, render_page, thin
from onetape.tape.durable import durable_file, write_durably

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "MANIFEST",
    "RESULTS",
    "Sweep",
    "best_of",
    "check_metric",
    "column_of",
    "is_sweep",
    "metric_names",
    "metric_of",
    "no_value",
    "open_sweep",
    "read_rows",
    "render_sweep_page",
    "require_polars",
    "split_key",
    "write_sweep_page",
]

MANIFEST, RESULTS, TABLE = "sweep.json", "results.jsonl", "results.parquet"
# Metrics of which a smaller value is better; for all others a larger one is.
LESS_IS_BETTER = frozenset({"max_drawdown", "max_drawdown_amount", "volatility", "fees"})
_DEFINED = {"forms": "form", "definitions": "hover"}  # field of the page -> attribute of a Metric
_RESULT = ("pnl", "fees", "funding", "final_equity", "orders", "fills", "events", "denied", "rejected")
_LAST = ("returns", "period_sharpe", "skewness", "kurtosis", "action_hash")


def metric_names() -> list[str]:
    """Returns the metrics that can rank variants: the numbers among the statistics of a run."""
    from onetape.report.report_data import ReportData
    from onetape.report.summary import summarize

    words = {"period", "periods_per_year", "year", "riskless"}
    names = [*summarize(ReportData(""), orders=0), *_RESULT, "period_sharpe"]
    return [name for name in dict.fromkeys(names) if name not in words]


def metric_of(row: Mapping[str, Any], metric: str) -> float | None:
    """Returns a row's value of a metric; None when it failed or has none."""
    if row.get("error") is not None:
        return None
    # Money in the result is exact; in the statistics it is a difference of floats.
    found = row[metric] if row.get(metric) is not None else row["stats"].get(metric)
    return None if found is None or isinstance(found, str) else float(found)


def best_of(rows: Iterable[Mapping[str, Any]], metric: str) -> Mapping[str, Any] | None:
    """Returns the best row, the first of equals; None when no row has a value."""
    sign = -1.0 if metric in LESS_IS_BETTER else 1.0
    chosen, at = None, 0.0
    for row in rows:
        value = metric_of(row, metric)
        if value is not None and (chosen is None or sign * value > at):
            chosen, at = row, sign * value
    return chosen


def read_rows(path: Path, begin: int = 0) -> tuple[dict[str, dict[str, Any]], int]:
    """Returns the last row of each key, and the size of the file's whole lines in bytes. begin: byte at which to start.

    A line cut off by a crash is no row.
    """
    if not path.exists():
        return {}, 0
    with path.open("rb") as file:
        file.seek(begin)
        content = file.read()
    whole = content.rfind(b"\n") + 1
    rows: dict[str, dict[str, Any]] = {}
    for number, line in enumerate(content[:whole].splitlines(), 1):
        try:
            row = json.loads(line)
            rows[row["key"]] = row
        except (ValueError, KeyError, TypeError):
            raise BadInput(
                f"line {number}{f' after byte {begin}' * (begin > 0)} is no result",
                location=str(path),
                todo="start a new sweep in another folder",
            ) from None
    return rows, begin + whole


class Sweep:
    """A sweep, finished or in progress. Frames are polars frames."""

    def __init__(self, path: Path) -> None:
        self.path = path
        file = path / MANIFEST
        try:
            self.facts: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            self.grid = Grid({name: tuple(v) for name, v in self.facts["grid"].items()})
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
            raise BadConfig(
                f"{path} is not a sweep: {problem}", location=MANIFEST, todo="name a sweep's folder"
            ) from None
        self._by_key, self._whole = read_rows(path / RESULTS)

    def take(self) -> None:
        """Read variants that have finished since."""
        rows, self._whole = read_rows(self.path / RESULTS, self._whole)
        if rows:
            self._by_key.update(rows)
            for name in ("rows", "overfit", "frame"):
                self.__dict__.pop(name, None)

    def __repr__(self) -> str:
        done = len(self.rows)
        return f"<Sweep {self.path.name}: {done} of {len(self.grid)} variants of {self.name}>"

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def name(self) -> str:
        """Name of the strategy's class."""
        return str(self.facts["class"])

    @property
    def metric(self) -> str:
        """Default metric for ranking."""
        return str(self.facts["metric"])

    @property
    def tries(self) -> int:
        """Number of variants to try: the whole grid, or those of a search."""
        return len(self.rows) if self.facts.get("search") else len(self.grid)

    @cached_property
    def overfit(self) -> Overfit | None:
        """The overfitting tests; None for a walk-forward sweep, and when variants have no saved profits over time
        (older sweeps, or very many variants)."""
        kept = [row for row in self.rows if row["error"] is None and row.get("pieces")]
        best = best_of(kept, self.metric)
        if self.facts["walk_forward"] or best is None or len({len(row["pieces"]) for row in kept}) != 1:
            return None
        pieces = np.array([row["pieces"] for row in kept]).T
        return judge(pieces, kept.index(best), self.tries)  # type: ignore[arg-type]

    @property
    def walk_forward(self) -> dict[str, Any] | None:
        """Windows and the variants chosen in them; None for a plain sweep. See research/walk.py."""
        path = self.path / "walk.json"
        if not self.facts["walk_forward"] or not path.exists():
            return None
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """Finished variants in the order of the grid (of the windows, then of the grid)."""
        found = []
        for key, row in self._by_key.items():
            window, phase, variant = split_key(key)
            if phase != "lookahead":
                labels = {"window": window, "phase": phase, "variant": variant}
                found.append({**row, **labels, "params": self.grid[variant]})
        return sorted(found, key=_place)

    @cached_property
    def frame(self) -> pl.DataFrame:
        """Returns one row per variant: its parameters, all statistics, seed and error."""
        require_polars()
        import polars as pl

        rows = [self._flat(row) for row in self.rows]
        names = list(dict.fromkeys(name for row in rows for name in row))
        first = [n for n in names if n not in _LAST]
        names = [*first, *(n for n in _LAST if n in names)]
        table = pl.DataFrame([pl.Series(name, column_of([row.get(name) for row in rows])) for name in names])
        # A column with only nulls gets the type of its statistic.
        empty = [name for name in names if table[name].dtype == pl.Null]
        kinds = {n: pl.String if n in ("error", "action_hash") else pl.Float64 for n in empty}
        return table.cast(kinds)  # type: ignore[arg-type]

    def _flat(self, row: Mapping[str, Any]) -> dict[str, Any]:
        flat: dict[str, Any] = {"variant": row["variant"]}
        if self.facts["walk_forward"]:
            flat = {"window": row["window"], "phase": row["phase"], **flat}
        params = {self._param(name): value for name, value in row["params"].items()}
        numbers = {name: row.get(name) for name in (*_RESULT, *_LAST)}
        error = {"error": row["error"], "seed": self.facts["options"]["seed"]}
        return {**flat, **params, **error, **row.get("stats", {}), **numbers}

    def _param(self, name: str) -> str:
        """Returns the column name of a parameter, with a prefix if a statistic has the same name."""
        taken = {"variant", "error", "seed", *metric_names(), *_LAST, "period"}
        if self.facts["walk_forward"]:
            taken |= {"window", "phase"}
        return f"param.{name}" if name in taken else name

    def best(self, metric: str | None = None) -> dict[str, Any]:
        """Returns the best variant: variant, params, value, stats, command. Raises BadConfig when no variant has a
        value of the metric, and for a walk-forward sweep."""
        metric = metric or self.metric
        check_metric(metric)
        if self.facts["walk_forward"]:
            raise BadConfig(
                "a walk-forward sweep has no best variant",
                location="best",
                todo="see .windows, and .equity out of sample",
            )
        row = best_of(self.rows, metric)
        if row is None:
            raise BadConfig(no_value(metric, self.rows), location=metric, todo="rank by pnl or return")
        return {
            "variant": row["variant"],
            "params": row["params"],
            "metric": metric,
            "value": metric_of(row, metric),
            "stats": row["stats"],
            "command": self.command(row["variant"]),
        }

    def command(self, variant: int, *, start: int | None = None, end: int | None = None) -> str:
        """Returns the `onetape backtest` command line that repeats a variant."""
        facts, options = self.facts, self.facts["options"]
        words = ["onetape", "backtest", self._reference()]
        for flag, role in (("--data", "market"), ("--detail-data", "detail")):
            paths = [t["path"] for t in facts["tapes"] if t.get("role", "market") == role]
            words += [flag, *paths] if paths else []
        for name, value in self.grid[variant].items():
            words += ["--param", f"{name}={_text(value)}"]
        start = facts["start"] if start is None else start
        end = facts["end"] if end is None else end
        words += [*_flag("from", start), *_flag("to", end)]
        words += _flag("instruments", facts["instruments"])
        for name, value in options.items():
            words += _flag(name, value)
        return shlex.join(words)

    def _reference(self) -> str:
        return str(self.facts["reference"])

    @cached_property
    def windows(self) -> pl.DataFrame:
        """Returns a row for each window of a walk-forward sweep, with the chosen variant and its result."""
        require_polars()
        import polars as pl

        found = self._walk()["windows"]
        rows = [
            {
                **{k: v for k, v in w.items() if k != "params"},
                **{f"param.{name}": v for name, v in (w["params"] or {}).items()},
            }
            for w in found
        ]
        names = list(dict.fromkeys(name for row in rows for name in row))
        frame = pl.DataFrame([pl.Series(n, column_of([r.get(n) for r in rows])) for n in names])
        times = ("train_start", "train_end", "test_start", "test_end")
        return frame.with_columns(pl.col(name).cast(pl.Datetime("ns", "UTC")) for name in times)

    @cached_property
    def equity(self) -> pl.DataFrame:
        """Returns time and equity out of sample of a walk-forward sweep, its windows joined."""
        require_polars()
        import polars as pl

        ts, equity = self._walk()["equity"]
        return pl.DataFrame([pl.Series("time", ts, pl.Int64), pl.Series("equity", equity, pl.Float64)]).with_columns(
            pl.col("time").cast(pl.Datetime("ns", "UTC"))
        )

    @property
    def stats(self) -> dict[str, Any]:
        """Returns the statistics out of sample of a walk-forward sweep, or the best variant's statistics."""
        if self.facts["walk_forward"]:
            return dict(self._walk()["stats"])
        return dict(self.best()["stats"])

    def _walk(self) -> dict[str, Any]:
        found = self.walk_forward
        if found is None:
            raise BadConfig(
                "this is no finished walk-forward sweep",
                location=str(self.path),
                todo="sweep with walk_forward=('30d', '10d')",
            )
        return found

    def heatmap(self, x: str | None = None, y: str | None = None, metric: str | None = None) -> Path:
        """Write heatmap.html: a metric over two parameters, with selectors for the others."""
        for name in (x, y):
            if name is not None and name not in self.grid.axes:
                raise BadConfig(
                    f"{name!r} was not swept", location="heatmap", todo=f"there are: {', '.join(self.grid.axes)}"
                )
        check_metric(metric or self.metric)
        return write_sweep_page(self, self.path / "heatmap.html", x=x, y=y, metric=metric)

    def report(self, target: str | Path | None = None) -> Path:
        """Write the page of the whole sweep: report.html in its folder, or at `target`."""
        return write_sweep_page(self, Path(target) if target else self.path / "report.html")

    def write_table(self) -> Path:
        """Write results.parquet in the order of the grid."""
        target = self.path / TABLE
        with durable_file(target) as file:
            self.frame.write_parquet(file, compression="zstd", statistics=False)
        return target


_DEFAULTS = {"margin": "cross", "leverage": 1, "on_error": "halt", "year": "365"}


def _flag(name: str, value: Any) -> list[str]:
    """Returns an option as command line flags: none for a default, several for a list."""
    flag = f"--{name.replace('_', '-')}"
    if value is None or value is False or value == _DEFAULTS.get(name):
        return []
    if isinstance(value, list):
        return [word for each in value for word in (flag, str(each))]
    return [flag] if value is True else [flag, str(value)]


def split_key(key: str) -> tuple[int | None, str, int]:
    """Returns (window, phase, variant) of `12`, `train/3/12`, `test/3/12` or `lookahead/12`."""
    parts = key.split("/")
    if len(parts) == 3:
        return int(parts[1]), parts[0], int(parts[2])
    return None, (parts[0] if len(parts) == 2 else "all"), int(parts[-1])


def _place(row: Mapping[str, Any]) -> tuple[int, int, int]:
    return row["window"] or 0, row["phase"] == "test", row["variant"]


def check_metric(metric: str) -> None:
    """Raises BadConfig for a metric that no run has."""
    if metric not in (names := metric_names()):
        raise BadConfig(f"unknown metric {metric!r}", location="--metric", todo=f"one of: {', '.join(names)}")


# Figures that need at least a day of data.
PER_YEAR = frozenset({"sharpe", "sortino", "volatility", "alpha", "information_ratio"})


def no_value(metric: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """Returns why no variant has a value of `metric`."""
    failed = [row for row in rows if row.get("error") is not None]
    if failed and len(failed) == len(rows):
        return f"all {len(rows)} variants failed, the first with: {failed[0]['error']}"
    why = ""
    if metric in PER_YEAR:
        why = ": less than a day of data, or nothing was traded"
    return f"no variant has a value of {metric}{why}"


def _text(value: Any) -> str:
    """Returns a parameter's value as text for --param."""
    if isinstance(value, list):
        return ",".join(_text(each) for each in value)
    return json.dumps(value) if isinstance(value, dict) else str(value)


def column_of(values: list[Any]) -> list[Any]:
    """Returns values with one type: ints among floats become floats, other mixtures text."""
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) <= 1 and kinds <= {bool, int, float, str}:
        return values
    if kinds == {int, float}:
        return [None if value is None else float(value) for value in values]
    return [None if value is None else _text(value) for value in values]


def require_polars() -> Any:
    try:
        import polars
    except ImportError:
        raise NotAvailable("frames need polars", location="sweep", todo="pip install 'onetape[research]'") from None
    return polars


def is_sweep(path: Path) -> bool:
    """Returns True for a folder that a sweep made."""
    return (path / MANIFEST).is_file()


def open_sweep(path: str | Path) -> Sweep:
    """Open a sweep's folder. Raises BadConfig for any other folder."""
    return Sweep(Path(path))


# --- the page: heat map, variants, walk-forward windows. One file without requests. -----------------
# Data are embedded as JSON in a script element of a data type, shown as text nodes; the policy forbids every request
# and every script but the named one.

_MOMENTS = frozenset({"drawdown_peak", "drawdown_trough", "drawdown_recovered"})
VARIANTS_SHOWN_MAX = 20_000  # some 4 MB; for more the page shows only the best, with a note


def write_sweep_page(
    sweep: Sweep, path: Path, *, x: str | None = None, y: str | None = None, metric: str | None = None
) -> Path:
    """Write the page atomically and return its path."""
    text = render_sweep_page(sweep, x=x, y=y, metric=metric)
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_durably(path, text)


def render_sweep_page(sweep: Sweep, *, x: str | None = None, y: str | None = None, metric: str | None = None) -> str:
    """Returns the page as text; equal sweeps give equal bytes."""
    data = _page_data(sweep, x, y, metric)
    return render_page("sweep", data["title"], data, styles=("report.css", "sweep.css"), scripts=[("sweep.js",)])


def _page_data(sweep: Sweep, x: str | None, y: str | None, wanted: str | None) -> dict[str, Any]:
    names = list(sweep.grid.axes)
    # Axes: the first two parameters that vary.
    varied = [name for name in names if len(sweep.grid.axes[name]) > 1] or names
    walk = sweep.walk_forward
    rows = [] if walk else sweep.rows
    notes = []
    metric = wanted or sweep.metric
    # Below a day of data there is no Sharpe ratio, and the map would be empty.
    ranked = {each for row in rows for each in (metric, "pnl") if metric_of(row, each) is not None}
    if wanted is None and ranked == {"pnl"} != {metric}:
        notes.append(f"no variant has a {metric}: the map begins with pnl")
        metric = "pnl"
    if len(rows) > VARIANTS_SHOWN_MAX:
        notes.append(f"the best {VARIANTS_SHOWN_MAX:,} of {len(rows):,} variants by {metric}")
        rows = _best(rows, metric)
    axes: dict[str, tuple[Any, ...]] = sweep.grid.axes
    if sweep.facts.get("search"):  # a search: only tried values, as its grid may be huge
        tried = {name: {row["params"][name] for row in rows} for name in names}
        axes = {name: tuple(value for value in values if value in tried[name]) for name, values in axes.items()}
    metrics = metric_names()
    failed = sum(row["error"] is not None for row in sweep.rows)
    if failed:
        notes.append(f"{failed:,} variants failed; the table has their errors")
    judged = sweep.overfit if not walk and sweep.tries > 1 else None
    luck = _luck(judged) if judged is not None and judged.odds_of_luck is not None else None
    if not walk and sweep.tries > 1 and luck is None:
        flattered = f"the best of {sweep.tries:,} tries looks better than it is: `onetape compare` shows by how much"
        notes.append(judged.verdict if judged is not None else flattered)
    if walk:
        notes.append(
            "each test window begins flat with the same cash; the equity adds their gains, and a "
            "position open at a window's end counts at its last price"
        )
    return {
        "title": f"Sweep of {sweep.name}",
        "subtitle": f"{sweep.tries:,} variants by {metric}",
        "notes": notes,
        "luck": luck,
        "facts": [[key, str(value)] for key, value in _facts(sweep, walk).items()],
        "names": names,
        "axes": {name: list(values) for name, values in axes.items()},
        "metrics": metrics,
        **{part: {name: getattr(metric_table.metric(name), of) for name in metrics} for part, of in _DEFINED.items()},
        "metric": metric,
        "lessIsBetter": sorted(LESS_IS_BETTER),
        "x": x or varied[0] if names else None,
        "y": y or varied[-1 if len(varied) < 2 else 1] if names else None,
        "variants": [
            {
                "variant": row["variant"],
                "at": [_index(axes[n], row["params"][n]) for n in names],
                "values": [metric_of(row, name) for name in metrics],
                "error": row["error"],
            }
            for row in rows
            if names
        ],
        "walk": _walk(walk) if walk else None,
    }


def _luck(judged: Overfit) -> dict[str, Any]:
    """Returns the data of the panel about luck. The worst test decides the summary."""
    rows = questions(judged)
    reads = {row["reads"] for row in rows}
    summary = (
        "At least one answer is bad: these data do not show that the best variant will earn in future."
        if "bad" in reads
        else "Undecided: more data or fewer tries would show it."
        if "doubtful" in reads
        else "No answer speaks against the best variant. Earlier tries and costs that were left out are not counted."
    )
    (low, middle, high), (least, usual, most) = judged.monte_carlo["drawdown"], judged.monte_carlo["profit"]
    return {
        "summary": f"{judged.tries:,} tries were made, of which {judged.groups:,} differ. {summary}",
        "rows": rows,
        "order": "The best variant's gains and losses, resampled a thousand times; nine of ten: profit of "
        f"{least:.1%} to {most:.1%} of the starting money (median {usual:.1%}), deepest fall of {low:.1%} to "
        f"{high:.1%} ({middle:.1%}). Have money for the larger fall.",
    }


def _best(rows: list[dict[str, Any]], metric: str) -> list[dict[str, Any]]:
    """Returns the best variants, as many as the page shows, in the grid's order."""
    sign = 1 if metric in LESS_IS_BETTER else -1
    key = [(v is None, sign * (v or 0.0)) for v in (metric_of(row, metric) for row in rows)]
    order = sorted(range(len(rows)), key=key.__getitem__)[:VARIANTS_SHOWN_MAX]
    return [rows[at] for at in sorted(order)]


def _facts(sweep: Sweep, walk: dict[str, Any] | None) -> dict[str, object]:
    facts: dict[str, object] = {
        "strategy": sweep.name,
        "variants": f"{sweep.tries:,}" + (f" of {len(sweep.grid):,}" if sweep.facts.get("search") else ""),
        **{name: _values(values) for name, values in sweep.grid.axes.items()},
        "data": ", ".join(Path(each["path"]).name for each in sweep.facts["tapes"]),
        "seed": sweep.facts["options"]["seed"],
    }
    if not walk:
        return facts
    walk_forward = sweep.facts["walk_forward"]
    anchored = ", anchored" if walk_forward["anchored"] else ""
    facts["walk-forward"] = (
        f"train {format_duration(walk_forward['train'])}, test {format_duration(walk_forward['test'])}{anchored}"
    )
    facts |= {
        f"out of sample {name.replace('_', ' ')}": metric_table.metric_text(name, value)
        for name, value in walk["stats"].items()
        if name not in _MOMENTS and value is not None
    }
    efficiency = metric_table.metric_text("efficiency", walk["efficiency"])
    return facts | {"out of sample over in sample, median window": efficiency}


def _index(values: tuple[Any, ...], value: Any) -> int:
    return next(at for at, each in enumerate(values) if each == value and type(each) is type(value))


def _walk(walk: dict[str, Any]) -> dict[str, Any]:
    ts, equity = (np.array(column) for column in walk["equity"])
    kept = thin(equity.astype(np.float64), LINE_POINTS_MAX)
    times = ("train_start", "train_end", "test_start", "test_end")
    return {
        "equity": [(ts[kept] // MS).tolist(), np.round(equity[kept], 8).tolist()],
        "windows": [{**window, **{name: window[name] // MS for name in times}} for window in walk["windows"]],
    }


def _values(values: tuple[Any, ...]) -> str:
    shown = ", ".join(str(value) for value in values[:12])
    return shown + (f", ... ({len(values):,})" if len(values) > 12 else "")
