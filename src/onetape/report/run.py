"""A recorded run, opened again: its fills, orders, equity and events as frames."""

from __future__ import annotations

import tomllib
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onetape._core import forced_tag
from onetape.model.enums import TriggerKind
from onetape.model.errors import BadConfig, NotAvailable
from onetape.model.home import home_of
from onetape.model.order import TRIGGER_KIND_SHIFT
from onetape.tape.journal import JournalReader

if TYPE_CHECKING:
    import polars as pl

    from onetape.report.notebook import Plot

__all__ = ["Run", "open_run", "silent_state"]


class Run:
    """One run's folder. Frames are polars frames; `to_pandas()` gives them as pandas'. A notebook
    shows its figures and its equity."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.facts: dict[str, Any] = tomllib.loads((path / "run.toml").read_text(encoding="utf-8"))

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
        """Of the run's journal itself: it needs no library."""
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
        """`fills`, `orders` and `equity` as pandas frames. Raises NotAvailable without pandas."""
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
        """Writes all that the report shows as tables (parquet, csv or jsonl) into the new folder
        `out`, with report.json beside them, and returns it."""
        from onetape.report.saving import save_run

        return save_run(self, Path(out), format=format).out

    @cached_property
    def fills(self) -> pl.DataFrame:
        """One row a fill: time, symbol, side, price, qty, fee and its currency, liquidity, order;
        `forced` says why the venue made the order itself (liquidation, loan, adl, settlement),
        empty for others."""
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
        """One row an order: what was asked for, and how it ended or stands; of a refusal `code`
        and `reason`. SUBMITTED: nothing had been heard of it when the run ended."""
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
        fills = self.fills
        filled = fills.group_by("order").agg(
            pl.col("qty").sum().alias("filled"),
            ((pl.col("price") * pl.col("qty")).sum() / pl.col("qty").sum()).alias("average_price"),
        )
        table = placed.join(filled, on="order", how="left").with_columns(pl.col("filled").fill_null(0.0))
        table = table.join(self._last_reports(columns), on="order", how="left")
        return table.with_columns(
            pl.when(pl.col("filled") >= pl.col("qty") * (1 - 1e-12))
            .then(pl.lit("FILLED"))
            .when(pl.col("state").is_null() & (pl.col("filled") == 0))
            .then(pl.lit(silent_state(self.facts)))
            .when((pl.col("filled") > 0) & ~pl.col("state").is_in(_CLOSED).fill_null(value=False))
            .then(pl.lit("PARTIALLY_FILLED"))
            .otherwise(pl.col("state"))
            .alias("state")
        )

    def _last_reports(self, columns: dict[str, Any]) -> pl.DataFrame:
        """Of each order that was heard of: its state, and code and reason of a refusal."""
        import polars as pl

        reports = self.events("order_event")
        if reports.is_empty():
            return pl.DataFrame(schema={name: columns[name] for name in ("order", "state", "code", "reason")})
        # A cancel that came too late says nothing about the order's own state.
        state = pl.col("state").filter(pl.col("state") != "")
        is_refusal = pl.col("code") != 0
        last = reports.group_by("order_id", maintain_order=True).agg(
            state.last(),
            pl.col("code").filter(is_refusal).last().fill_null(0),
            pl.col("reason").filter(is_refusal).last(),
        )
        return last.rename({"order_id": "order"})

    @cached_property
    def equity(self) -> pl.DataFrame:
        """time, equity, balance: sampled in even steps of the run's time."""
        return self._balances(("time", "equity", "balance"), of_accounts=False)

    @cached_property
    def accounts(self) -> pl.DataFrame:
        """time, account, currency, equity, balance at the same times, in that currency, where
        venues had accounts of their own (--cash 'binance=..,kraken=..'); else no rows."""
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
        }
        frame = self.events("balance")
        if frame.is_empty() or (of_accounts and "account" not in frame.columns):
            return pl.DataFrame(schema={name: types[name] for name in names})
        if "account" in frame.columns:
            has_account = pl.col("account").is_not_null()
            frame = frame.filter(has_account if of_accounts else ~has_account)
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
        """Returns the run's own journal."""
        return JournalReader(self.path / "journal")


_CLOSED = ("CANCELED", "EXPIRED", "REJECTED", "DENIED")
_OWN = frozenset({"order_request", "order_event", "fill", "balance", "log", "memory", "params", "input"})


def silent_state(facts: dict[str, Any]) -> str:
    """Of an order that the journal of a run has no news of (facts: its run.toml): it was under
    way at the end. But runs of earlier releases wrote none of those that were denied."""
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
    """Of `Run.orders`."""
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
