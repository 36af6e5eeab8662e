"""A run as tables: all that its report shows, for other programs.

One file a table, named after it, and report.json beside them. Fills, orders and equity come whole
from the run's own journal; the rest from report.json.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onetape.data.export import FORMATS, check_format
from onetape.data.staging import staged
from onetape.model.errors import BadInput, NotAvailable
from onetape.model.shown import sheet_text

if TYPE_CHECKING:
    import polars as pl

    from onetape.report.run import Run

__all__ = ["FORMATS", "SavedRun", "save_run"]

# Of report.json: lists of rows with the same keys.
_LISTS = ("days", "months", "drawdowns", "symbols", "venues", "stress", "assumptions")


@dataclass(frozen=True, slots=True)
class SavedRun:
    """`tables` counts rows by table."""

    run: Path
    out: Path
    format: str
    tables: dict[str, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """As plain values."""
        names = [f"{name}.{self.format}" for name in self.tables]
        if (self.out / "report.json").is_file():
            names.append("report.json")
        return {
            "run": str(self.run),
            "out": str(self.out),
            "format": self.format,
            "tables": self.tables,
            "files": [str(self.out / name) for name in names],
        }


def save_run(run: Run, out: Path | str, *, format: str = "parquet") -> SavedRun:
    """Write `out`/TABLE.FORMAT for fills, orders, equity, statistics, days, months, drawdowns,
    symbols, venues, stress, assumptions and settings, and report.json.

    `out` must not exist, or be an empty folder; it is there whole or not at all. Raises
    UsageError, BadInput where report.json is damaged, NotAvailable without polars. A run that was
    made without a report has the first four tables and its settings.
    """
    out = Path(out)
    check_format(format)
    try:
        import polars as pl
    except ImportError:
        raise NotAvailable("tables need polars", location="save", todo="pip install 'onetape[research]'") from None
    report = _report(run.path / "report.json")
    tables = {"fills": run.fills, "orders": run.orders, "equity": run.equity}
    tables["statistics"] = pl.DataFrame(
        [_statistic(name, value) for name, value in run.stats.items()],
        schema={"name": pl.String, "value": pl.Float64, "text": pl.String},
        orient="row",
    )
    for name in _LISTS:
        rows = _rows(run.path / "report.json", name, report.get(name, []))
        if rows:
            tables[name] = pl.DataFrame(rows, infer_schema_length=None, strict=False)
    tables["settings"] = pl.DataFrame(
        [(name, str(value)) for name, value in _settings(run).items()],
        schema={"name": pl.String, "value": pl.String},
        orient="row",
    )
    rows_by_name = {}
    with staged(out, may_be_empty=True) as folder:
        for name, frame in tables.items():
            _write(frame, folder / f"{name}.{format}", format)
            rows_by_name[name] = len(frame)
        if report:
            shutil.copyfile(run.path / "report.json", folder / "report.json")
    return SavedRun(run.path, out, format, rows_by_name)


def _report(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as problem:
        raise BadInput(f"cannot be read: {problem}", location=str(path), todo="run the backtest again") from None
    if not isinstance(value, dict):
        raise BadInput("is no report", location=str(path), todo="run the backtest again")
    return value


def _rows(path: Path, name: str, value: Any) -> list[dict[str, Any]]:
    """Returns a list of flat rows, which anybody may have edited since."""
    plain = (str, int, float, bool, type(None))
    is_table = isinstance(value, list) and all(
        isinstance(row, dict) and all(isinstance(each, plain) for each in row.values()) for row in value
    )
    if not is_table:
        raise BadInput(f"{name} is no table", location=str(path), todo="run the backtest again")
    rows: list[dict[str, Any]] = value
    return rows


def _statistic(name: str, value: Any) -> tuple[str, float | None, str]:
    """Numbers as such, and everything as the text that the run keeps, which is exact for money."""
    number: float | None
    try:
        number = None if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = None
    return name, number, str(value)


def _settings(run: Run) -> dict[str, Any]:
    """Returns the tables of run.toml that decided it, flat: `model.latency`."""
    found: dict[str, Any] = {}
    for table in ("run", "parameters", "money", "model", "versions"):
        for key, value in run.facts.get(table, {}).items():
            found[f"{table}.{key}"] = value
    return found


def _write(frame: pl.DataFrame, path: Path, form: str) -> None:
    import polars as pl

    match form:
        case "parquet":
            frame.write_parquet(path)
        case "csv":
            texts = [name for name, kind in frame.schema.items() if kind == pl.String]
            safe = [pl.col(name).map_elements(sheet_text, pl.String) for name in texts]
            frame.with_columns(safe).write_csv(path)
        case _:
            frame.write_ndjson(path)
