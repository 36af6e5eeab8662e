"""Open a recorded run: read its fills, orders, equity and events as data frames, and save them as tables."""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onetape._core import forced_tag
from onetape.data.export import FORMATS, check_format
from onetape.data.staging import staged
from onetape.engine.plan import read_plan
from onetape.model.enums import TriggerKind
from onetape.model.errors import BadConfig, BadInput, NotAvailable
from onetape.model.home import home_of
from onetape.model.order import TRIGGER_KIND_SHIFT
from onetape.model.shown import sheet_text
from onetape.model.time import DAY
from onetape.report.annual import annual_of
from onetape.report.plots import plotted
from onetape.report.statistics import time_weighted
from onetape.tape.journal import JournalReader

if TYPE_CHECKING:
    import polars as pl

    from onetape.report.notebook import Plot

__all__ = ["FORMATS", "Run", "SavedRun", "has_same_data", "open_run", "save_run", "silent_state"]


class Run:
    """Reads one run's folder. Data frames are polars frames; `to_pandas()` converts them. A notebook shows the run's
    figures and equity."""

    path: Path
    """The run's folder."""
    facts: dict[str, Any]
    """Content of `run.toml`: versions, parameters, seeds, money, inferred facts, input tapes, result."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.facts = tomllib.loads((path / "run.toml").read_text(encoding="utf-8"))

    def __repr__(self) -> str:
        result = self.facts.get("result", {})
        return f"<Run {self.path.name}: {result.get('strategy', '?')}, pnl {result.get('pnl', '?')}>"

    def _repr_html_(self) -> str:
        from onetape.report.notebook import run_html

        return run_html(self.path.name, self.stats, self.report(), self.plot())

    def plot(self) -> Plot:
        """Returns the equity over time, drawn in a notebook; `.svg` is the picture's text."""
        from onetape.report.notebook import Plot

        times, values = self._equity_line()
        return Plot(times, values, title=f"equity of {self.path.name}")

    def _equity_line(self) -> tuple[list[int], list[float]]:
        """Returns the equity from the run's journal itself, without any library."""
        times, values = [], []
        with self.reader as reader:
            schema = reader.schemas.named("balance")
            for frame in reader.frames(types=["balance"]):
                fields = schema.decode(frame.payload)
                if not fields.get("account"):
                    times.append(frame.time)
                    values.append(float(fields["equity"]))
        return times, values

    def to_pandas(self) -> dict[str, Any]:
        """Returns `fills`, `orders` and `equity` as pandas frames, by name. Raises NotAvailable without pandas."""
        try:
            for name in ("pandas", "pyarrow"):
                import_module(name)
        except ImportError as error:
            raise NotAvailable(
                f"pandas frames need {error.name}", location="Run.to_pandas", todo="pip install 'onetape[research]'"
            ) from None
        return {"fills": self.fills.to_pandas(), "orders": self.orders.to_pandas(), "equity": self.equity.to_pandas()}

    @property
    def stats(self) -> dict[str, Any]:
        """Returns the result's keys and statistics."""
        return {**self.facts.get("stats", {}), **self.facts.get("result", {})}

    def report(self) -> Path:
        """Returns the HTML page's path."""
        return self.path / "report.html"

    def save(self, out: str | Path, format: str = "parquet") -> Path:
        """Writes all data of the report as tables (parquet, csv or jsonl) into the new folder `out`, with
        report.json beside them, and returns it."""
        return save_run(self, Path(out), format=format).out

    @cached_property
    def fills(self) -> pl.DataFrame:
        """One row per fill: time, symbol, side, price, qty, fee and its currency, liquidity, order; `forced`: reason
        of an order by the venue itself (liquidation, loan, adl, settlement), else empty."""
        _require_polars()
        import polars as pl

        frame = self.events("fill")
        if frame.is_empty():
            return pl.DataFrame(
                schema={
                    "time": pl.Datetime("ns", "UTC"),
                    "symbol": pl.String,
                    "side": pl.String,
                    "position_side": pl.String,
                    "price": pl.Float64,
                    "qty": pl.Float64,
                    "fee": pl.Float64,
                    "fee_currency": pl.String,
                    "liquidity": pl.String,
                    "order": pl.UInt64,
                    "trade_id": pl.UInt64,
                    "ts_event": pl.Int64,
                    "forced": pl.String,
                }
            )
        return frame.select(
            "time",
            "symbol",
            "side",
            "position_side",
            "price",
            pl.col("size").alias("qty"),
            "fee",
            "fee_currency",
            "liquidity",
            pl.col("order_id").alias("order"),
            "trade_id",
            "ts_event",
            pl.Series("forced", [forced_tag(order) for order in frame["order_id"]], pl.String),
        )

    @cached_property
    def orders(self) -> pl.DataFrame:
        """One row per order: the request, its current or final state, and `code` and `reason` of a refusal.
        SUBMITTED: the run ended before any order event."""
        _require_polars()
        import polars as pl

        requests = self.events("order_request")
        columns = _order_columns()
        if requests.is_empty():
            return pl.DataFrame(schema=columns)
        words = {each.id: each.word for each in TriggerKind}
        number = pl.col("flags").cast(pl.UInt8) // (1 << TRIGGER_KIND_SHIFT)
        kind = number.replace_strict(words, return_dtype=pl.String)
        placed = requests.filter(pl.col("kind") == "place").select(
            pl.col("order_id").alias("order"),
            "time",
            "symbol",
            "side",
            "type",
            pl.when(pl.col("type") == "limit").then(pl.col("price")).alias("price"),
            pl.col("size").alias("qty"),
            pl.when(pl.col("trigger") != 0).then(pl.col("trigger")).alias("trigger"),
            kind.alias("kind"),
            "tif",
            "tag",
        )
        fills, qty = self.fills, pl.col("qty")
        average = (pl.col("price") * qty).sum() / qty.sum()
        filled = fills.group_by("order").agg(
            qty.sum().round_sig_figs(_DIGITS).alias("filled"), average.round_sig_figs(_DIGITS).alias("average_price")
        )
        table = placed.join(filled, on="order", how="left").with_columns(pl.col("filled").fill_null(0.0))
        table = table.join(self._last_reports(columns), on="order", how="left")
        size = pl.coalesce("size", "qty")  # the last size: amended, or reduced to the position
        return table.with_columns(
            pl.when((pl.col("filled") > 0) & (pl.col("filled") >= size * (1 - 1e-12)))
            .then(pl.lit("FILLED"))
            .when(pl.col("state").is_null() & (pl.col("filled") == 0))
            .then(pl.lit(silent_state(self.facts)))
            .when((pl.col("filled") > 0) & ~pl.col("state").is_in(_CLOSED).fill_null(value=False))
            .then(pl.lit("PARTIALLY_FILLED"))
            .otherwise(pl.col("state"))
            .alias("state")
        ).drop("size")

    def _last_reports(self, columns: dict[str, Any]) -> pl.DataFrame:
        """Returns the last size and state, and code and reason of a refusal, for each order with an event."""
        import polars as pl

        reports = self.events("order_event")
        if reports.is_empty():
            types = columns | {"size": columns["qty"]}
            return pl.DataFrame(schema={name: types[name] for name in ("order", "size", "state", "code", "reason")})
        # A cancel that came too late does not change the order's state.
        state = pl.col("state").filter(pl.col("state") != "")
        is_refusal = pl.col("code") != 0
        last = reports.group_by("order_id", maintain_order=True).agg(
            pl.col("size").filter(pl.col("size") > 0).last(),
            state.last(),
            pl.col("code").filter(is_refusal).last().fill_null(0),
            pl.col("reason").filter(is_refusal).last(),
        )
        return last.rename({"order_id": "order"})

    @cached_property
    def equity(self) -> pl.DataFrame:
        """Columns time, equity, balance, moved; one row per even step of the run's time and per transfer. moved:
        total transferred since the run began; returns exclude it."""
        return self._balances(("time", "equity", "balance", "moved"), of_accounts=False)

    @cached_property
    def returns(self) -> pl.DataFrame:
        """Columns date, return: of each whole day (UTC) that counts in the run's year, without transfers, as
        QuantStats and pyfolio read them."""
        import polars as pl

        frame, annual = self.equity, annual_of(read_plan(self.path)[0])
        ts = frame["time"].to_physical().to_numpy()
        equity = time_weighted(frame["equity"].to_numpy(), frame["moved"].to_numpy())
        dates = pl.Series("date", annual.ends(ts, DAY) - DAY, pl.Int64).cast(pl.Datetime("ns")).cast(pl.Datetime("us"))
        return pl.DataFrame([dates, pl.Series("return", annual.returns(ts, equity, DAY), pl.Float64)])

    @cached_property
    def plots(self) -> pl.DataFrame:
        """Columns time, name, value: points that the strategy plotted with `self.plot`, in order; value is null in
        gaps."""
        _require_polars()
        import polars as pl

        schema: dict[str, Any] = {"time": pl.Datetime("ns", "UTC"), "name": pl.String, "value": pl.Float64}
        with self.reader as reader:
            return pl.DataFrame(list(plotted(reader)), schema=schema, orient="row")

    @cached_property
    def accounts(self) -> pl.DataFrame:
        """Columns time, account, currency, equity, balance, at the times of `equity`, in that currency. Only rows if
        each venue had its own account (--cash 'binance=..,kraken=..')."""
        return self._balances(("time", "account", "currency", "equity", "balance"), of_accounts=True)

    def _balances(self, names: tuple[str, ...], *, of_accounts: bool) -> pl.DataFrame:
        _require_polars()
        import polars as pl

        types: dict[str, Any] = {
            "time": pl.Datetime("ns", "UTC"),
            "account": pl.String,
            "currency": pl.String,
            "equity": pl.Float64,
            "balance": pl.Float64,
            "moved": pl.Float64,
        }
        frame = self.events("balance")
        if frame.is_empty() or (of_accounts and "account" not in frame.columns):
            return pl.DataFrame(schema={name: types[name] for name in names})
        if "account" in frame.columns:
            has_account = pl.col("account").is_not_null()
            frame = frame.filter(has_account if of_accounts else ~has_account)
        if "moved" not in frame.columns:
            frame = frame.with_columns(moved=None)
        frame = frame.with_columns(pl.col("moved").cast(pl.Float64).fill_null(0.0))
        return frame.select(pl.col(name).cast(types[name]) for name in names)

    def events(self, kind: str) -> pl.DataFrame:
        """Returns all events of one type: of the run's own journal, or of the tapes that it read."""
        from onetape.store.frames import event_frame

        own = event_frame(self.path / "journal", kind)
        if not own.is_empty() or kind in _OWN:
            return own
        parts = [
            event_frame(Path(each["path"]), kind, sequence_max=each["last_sequence"])
            for each in self.facts.get("input", [])
        ]
        parts = [part for part in parts if not part.is_empty()]
        import polars as pl

        return pl.concat(parts, how="diagonal") if parts else own

    @property
    def reader(self) -> JournalReader:
        """Returns a reader of the run's own journal."""
        return JournalReader(self.path / "journal")


_DIGITS = 14  # decimals of a sum of floats; further ones are rounding errors
_CLOSED = ("CANCELED", "EXPIRED", "REJECTED", "DENIED")
_OWN = frozenset({"order_request", "order_event", "fill", "balance", "log", "memory", "params", "input"})


def has_same_data(runs: Sequence[Run]) -> bool:
    """Returns True when all runs have read the same tapes over the same time; for runs without tapes when they
    overlap in time."""
    read = set()
    for run in runs:
        tapes = tuple(each.get("uuid") or str(each.get("path")) for each in run.facts.get("input", ()))
        read.add((tapes, *(str(run.facts.get("run", {}).get(key) or "") for key in ("from", "to"))))
    if len(read) > 1 or all(tapes for tapes, *_ in read):
        return len(read) < 2
    spans = [run.equity["time"] for run in runs]
    ends = [(each[0], each[-1]) for each in spans if len(each)]
    return not ends or max(first for first, _ in ends) <= min(last for _, last in ends)


def silent_state(facts: dict[str, Any]) -> str:
    """Returns the state of an order without events in the journal: SUBMITTED, or DENIED in runs of earlier releases,
    which wrote no events of denied orders. facts: the run's run.toml."""
    result = facts.get("result", {})
    return "DENIED" if result.get("denied") and "refusals" not in result else "SUBMITTED"


def _require_polars() -> None:
    try:
        import polars  # noqa: F401
    except ImportError:
        raise NotAvailable(
            "frames need polars", location="onetape.open", todo="pip install 'onetape[research]'"
        ) from None


def open_run(path: str | Path) -> Run:
    """Returns a recorded run by its folder, or by its name under .onetape/runs (or $ONETAPE_HOME/runs)."""
    folder = Path(path)
    if not (folder / "run.toml").is_file():
        folder = home_of() / "runs" / folder
        if not (folder / "run.toml").is_file():
            raise BadConfig(f"{path} is not a run", location="open", todo="name a run or its folder")
    return Run(folder)


def _order_columns() -> dict[str, pl.DataType | type[pl.DataType]]:
    """Returns the columns of `Run.orders`."""
    import polars as pl

    return {
        "order": pl.UInt64,
        "time": pl.Datetime("ns", "UTC"),
        "symbol": pl.String,
        "side": pl.String,
        "type": pl.String,
        "price": pl.Float64,
        "qty": pl.Float64,
        "trigger": pl.Float64,
        "kind": pl.String,
        "tif": pl.String,
        "tag": pl.String,
        "filled": pl.Float64,
        "average_price": pl.Float64,
        "state": pl.String,
        "code": pl.UInt16,
        "reason": pl.String,
    }


# Tables of report.json: lists of rows with the same keys.
_LISTS = ("days", "months", "drawdowns", "symbols", "venues", "stress", "assumptions")


@dataclass(frozen=True, slots=True)
class SavedRun:
    """The result of saving a run. `tables` counts rows by table."""

    run: Path
    out: Path
    format: str
    tables: dict[str, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Returns plain values."""
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
    """Write `out`/TABLE.FORMAT for fills, orders, equity, returns, plots, statistics, days, months, drawdowns,
    symbols, venues, stress, assumptions and settings, and report.json.

    `out` must not exist, or be an empty folder; it is written atomically. Raises
    UsageError, BadInput where report.json is damaged, NotAvailable without polars. A run
    without a report has the first five tables and its settings.
    """
    out = Path(out)
    check_format(format)
    try:
        import polars as pl
    except ImportError:
        raise NotAvailable("tables need polars", location="save", todo="pip install 'onetape[research]'") from None
    report = read_report(run.path / "report.json")
    tables = {"fills": run.fills, "orders": run.orders, "equity": run.equity, "returns": run.returns}
    if format != "parquet":  # as text a date without a time
        tables["returns"] = run.returns.with_columns(pl.col("date").cast(pl.Date))
    if not run.plots.is_empty():
        tables["plots"] = run.plots
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


def read_report(path: Path) -> dict[str, Any]:
    """Returns the value of report.json; {} without one. Raises BadInput if it is damaged."""
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
    """Returns the value as a list of flat rows. Raises BadInput if the file was edited to something else."""
    plain = (str, int, float, bool, type(None))
    is_table = isinstance(value, list) and all(
        isinstance(row, dict) and all(isinstance(each, plain) for each in row.values()) for row in value
    )
    if not is_table:
        raise BadInput(f"{name} is no table", location=str(path), todo="run the backtest again")
    rows: list[dict[str, Any]] = value
    return rows


def _statistic(name: str, value: Any) -> tuple[str, float | None, str]:
    """Returns (name, value as a number or None, value as text); the text is exact for money."""
    number: float | None
    try:
        number = None if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = None
    return name, number, str(value)


def _settings(run: Run) -> dict[str, Any]:
    """Returns the tables of run.toml that decide a run, flat: `model.latency`."""
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
