"""Writes the rows of analyzed runs to tables of a database, or to Parquet files.

The database may hold foreign data: no table is ever dropped, only rows of one run are deleted, and a foreign table
with one of our names is refused. `analysis_tables` lists our tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from onetape.model.errors import BadConfig, BadInput, NotAvailable
from onetape.security.private import private_folder
from onetape.store.analysis_rows import KEYS, TABLES
from onetape.store.database import Database

__all__ = ["ParquetTables", "Sink", "SqlTables"]

VERSION: Final = 2
# Columns that a version added to tables of the one before it.
ADDED: Final = {2: (("orders", "reason"), ("fills", "fee_currency"))}
META: Final = "analysis_tables"
# Each view selects from tables, or from earlier views; {names} are as in the database.
VIEWS: Final = {
    "analyzer": """
        SELECT run, uniq_id, ts, type, body FROM {events}
        UNION ALL SELECT run, uniq_id, ts, 'state', body FROM {states}
    """,
    # Decisions and fills with their number in the run, by symbol: the key for comparing two runs.
    "numbered": """
        SELECT run, 'decision' AS what, symbol,
               ROW_NUMBER() OVER (PARTITION BY run, symbol ORDER BY seq) AS n,
               seq, ts, kind, side, type, price_exact, qty_exact, price, qty FROM {decisions}
        UNION ALL
        SELECT run, 'fill' AS what, symbol,
               ROW_NUMBER() OVER (PARTITION BY run, symbol ORDER BY seq) AS n,
               seq, ts, 'fill', side, liquidity, price_exact, qty_exact, price, qty FROM {fills}
    """,
    # Two runs side by side: a row for each number that one of them has. `is_equal` ignores time.
    "compared": """
        SELECT a.run AS run_a, r.run AS run_b, a.what, a.symbol, a.n, a.seq AS seq_a,
               b.seq AS seq_b, a.ts AS ts_a, b.ts AS ts_b, b.ts - a.ts AS later,
               a.kind AS kind_a, b.kind AS kind_b, a.side AS side_a, b.side AS side_b,
               a.price AS price_a, b.price AS price_b, a.qty AS qty_a, b.qty AS qty_b,
               CASE WHEN b.n IS NOT NULL AND a.kind = b.kind AND a.side = b.side
                     AND a.type = b.type AND a.price_exact = b.price_exact
                     AND a.qty_exact = b.qty_exact THEN 1 ELSE 0 END AS is_equal
        FROM {numbered} a
        JOIN {runs} r ON r.run <> a.run
        LEFT JOIN {numbered} b
          ON b.run = r.run AND b.what = a.what AND b.symbol = a.symbol AND b.n = a.n
        UNION ALL
        SELECT r.run, b.run, b.what, b.symbol, b.n, NULL, b.seq, NULL, b.ts, NULL, NULL, b.kind,
               NULL, b.side, NULL, b.price, NULL, b.qty, 0
        FROM {numbered} b
        JOIN {runs} r ON r.run <> b.run
        LEFT JOIN {numbered} a
          ON a.run = r.run AND a.what = b.what AND a.symbol = b.symbol AND a.n = b.n
        WHERE a.n IS NULL
    """,
}
_INDEXES: Final = {
    "events": (("run", "ts"), ("run", "type")),
    "decisions": (("run", "ts"), ("run", "order_id")),
    "fills": (("run", "ts"), ("run", "order_id")),
    "states": (("run", "ts"),),
}
_FIRST: Final = (
    "symbol",
    "n",
    "ts_a",
    "ts_b",
    "kind_a",
    "kind_b",
    "side_a",
    "side_b",
    "price_a",
    "price_b",
    "qty_a",
    "qty_b",
)
_ROW_GROUP: Final = 1 << 16


class Sink(Protocol):
    """Receives rows. add: new rows of a table. put_orders: rows of orders, replacing older ones."""

    def add(self, table: str, rows: Sequence[Sequence[Any]]) -> None: ...

    def put_orders(self, run: str, rows: dict[int, list[Any]]) -> None: ...


class SqlTables:
    """Writes rows to a database. prefix: of all table names, in case ours are taken. Raises BadInput for foreign
    tables of our names."""

    def __init__(self, database: Database, prefix: str = "") -> None:
        if prefix and not prefix.isidentifier():
            raise BadConfig(f"prefix {prefix!r}", location="--prefix", todo="letters, digits and _")
        self.database, self._prefix = database, prefix
        self._columns = {table: tuple(columns) for table, columns in TABLES.items()}
        self._make()

    def name(self, table: str) -> str:
        return f"{self._prefix}{table}"

    def _make(self) -> None:
        there, database = self.database.tables(), self.database
        meta = self.name(META)
        if meta.lower() not in there:
            database.create_table(meta, {"name": "key", "version": "integer"}, ("name",))
        ours = dict(database.run(f"SELECT name, version FROM {meta}"))  # noqa: S608
        self._add_columns(ours)
        wanted = [self.name(table) for table in (*TABLES, *VIEWS)]
        if foreign := [n for n in wanted if n.lower() in there and n not in ours]:
            raise BadInput(
                f"table {foreign[0]} exists and was not made by analyze",
                location="--db",
                todo="take another database, or names of your own: --prefix onetape_",
            )
        if other := [name for name in wanted if ours.get(name, VERSION) != VERSION]:
            raise BadInput(
                f"table {other[0]} is of another release", location="--db", todo="take another database, or --prefix"
            )
        for table, columns in TABLES.items():
            name = self.name(table)
            if name.lower() in there:
                continue
            database.create_table(name, columns, KEYS[table])
            for index in _INDEXES.get(table, ()):
                database.run(f"CREATE INDEX {name}_{'_'.join(index)} ON {name} ({', '.join(index)})")
            database.insert(meta, ("name", "version"), [(name, VERSION)])
        names = {name: self.name(name) for name in (*TABLES, *VIEWS)}
        for view, query in VIEWS.items():
            if names[view].lower() not in there:
                database.run(f"CREATE VIEW {names[view]} AS {query.format(**names)}")
                database.insert(meta, ("name", "version"), [(names[view], VERSION)])

    def _add_columns(self, ours: dict[str, int]) -> None:
        """Upgrades our tables of earlier versions; their rows have NULL in new columns."""
        meta = self.name(META)
        for version, columns in ADDED.items():
            old = [name for name, found in ours.items() if found == version - 1]
            for table, column in columns:
                if self.name(table) in old:
                    self.database.add_column(self.name(table), column, TABLES[table][column])
            for name in set(old) & {self.name(each) for each in (*TABLES, *VIEWS)}:
                update = f"UPDATE {meta} SET version = ? WHERE name = ?"  # noqa: S608
                self.database.run(update, (version, name))
                ours[name] = version

    def forget(self, run: str) -> None:
        """Deletes the rows of one run."""
        for table in TABLES:
            self.database.run(f"DELETE FROM {self.name(table)} WHERE run = ?", (run,))  # noqa: S608

    def compared(self, run_a: str, run_b: str) -> dict[str, dict[str, Any]]:
        """Compares two runs by `decision` and `fill`: compared, equal, differing, and the first difference as
        `first` (None without): symbol, n, ts_a, ts_b and the values of each run."""
        view, found = self.name("compared"), {}
        for what in ("decision", "fill"):
            of_both = (run_a, run_b, what)
            where = "WHERE run_a = ? AND run_b = ? AND what = ?"
            count, equal = self.database.run(
                f"SELECT count(*), coalesce(sum(is_equal), 0) FROM {view} {where}",  # noqa: S608
                of_both,
            )[0]
            rows = self.database.run(
                f"SELECT {', '.join(_FIRST)} FROM {view} {where} AND is_equal = 0 "  # noqa: S608
                "ORDER BY coalesce(ts_a, ts_b), coalesce(seq_a, seq_b) LIMIT 1",
                of_both,
            )
            found[what] = {
                "compared": int(count),
                "equal": int(equal),
                "differing": int(count - equal),
                "first": dict(zip(_FIRST, rows[0], strict=True)) if rows else None,
            }
        return found

    def add(self, table: str, rows: Sequence[Sequence[Any]]) -> None:
        self.database.insert(self.name(table), self._columns[table], rows)

    def put_orders(self, run: str, rows: dict[int, list[Any]]) -> None:
        name = self.name("orders")
        for order_id in rows:
            self.database.run(
                f"DELETE FROM {name} WHERE run = ? AND order_id = ?",  # noqa: S608
                (run, order_id),
            )
        self.add("orders", list(rows.values()))


class ParquetTables:
    """Writes one file for each table in a new folder. Raises BadInput if it exists, and NotAvailable without
    pyarrow."""

    def __init__(self, folder: Path) -> None:
        try:
            import pyarrow as pa  # type: ignore[import-untyped]
            import pyarrow.parquet as pq  # type: ignore[import-untyped]
        except ImportError:
            raise NotAvailable(
                "Parquet needs pyarrow", location="--parquet", todo="pip install 'onetape[research]'"
            ) from None
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise BadInput(f"{folder} is not empty", location="--parquet", todo="name a new folder")
        private_folder(folder)
        types = {"key": pa.string(), "text": pa.string(), "integer": pa.int64(), "real": pa.float64()}
        self._pa: Any = pa
        self._schemas = {
            table: pa.schema([(name, types[kind]) for name, kind in columns.items()])
            for table, columns in TABLES.items()
        }
        self._rows: dict[str, list[Sequence[Any]]] = {table: [] for table in TABLES}
        self._orders: dict[int, list[Any]] = {}
        self._writers = {
            table: pq.ParquetWriter(folder / f"{table}.parquet", schema) for table, schema in self._schemas.items()
        }

    def add(self, table: str, rows: Iterable[Sequence[Any]]) -> None:
        held = self._rows[table]
        held.extend(rows)
        if len(held) >= _ROW_GROUP:
            self._write(table)

    def put_orders(self, run: str, rows: dict[int, list[Any]]) -> None:
        self._orders |= rows

    def _write(self, table: str) -> None:
        rows = self._rows[table]
        if not rows:
            return
        schema = self._schemas[table]
        columns = [
            self._pa.array(list(column), type=field.type)
            for column, field in zip(zip(*rows, strict=True), schema, strict=True)
        ]
        self._writers[table].write_table(self._pa.Table.from_arrays(columns, schema=schema))
        rows.clear()

    def close(self) -> None:
        self._rows["orders"] = list(self._orders.values())
        for table, writer in self._writers.items():
            self._write(table)
            writer.close()
