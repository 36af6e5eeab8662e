"""Where the rows of analyzed runs go: tables of a database, or Parquet files.

A database keeps other things than ours: no table is ever dropped, rows are taken away of one run
alone, and a table of one of our names that we did not make is refused. What we made stands in
`analysis_tables`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from onetape.model.errors import BadConfig, BadInput, NotAvailable
from onetape.store.analysis_rows import KEYS, TABLES
from onetape.store.database import Database
from onetape.store.private import private_folder

__all__ = ["ParquetTables", "Sink", "SqlTables"]

VERSION: Final = 1
META: Final = "analysis_tables"
VIEW: Final = "analyzer"
_INDEXES: Final = {
    "events": (("run", "ts"), ("run", "type")), "decisions": (("run", "ts"), ("run", "order_id")),
    "fills": (("run", "ts"), ("run", "order_id")), "states": (("run", "ts"),),
}  # fmt: skip
_ROW_GROUP: Final = 1 << 16


class Sink(Protocol):
    """add: new rows of a table. put_orders: the newest rows of orders, in the place of older
    ones."""

    def add(self, table: str, rows: Sequence[Sequence[Any]]) -> None: ...

    def put_orders(self, run: str, rows: dict[int, list[Any]]) -> None: ...


class SqlTables:
    """prefix: of all names, where those of ours are taken. Raises BadInput for tables that are
    somebody else's."""

    def __init__(self, database: Database, prefix: str = "") -> None:
        if prefix and not prefix.isidentifier():
            raise BadConfig(f"prefix {prefix!r}", where="--prefix", todo="letters, digits and _")
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
        wanted = [self.name(table) for table in (*TABLES, VIEW)]
        if foreign := [n for n in wanted if n.lower() in there and n not in ours]:
            raise BadInput(
                f"table {foreign[0]} is there and was not made by analyze", where="--db",
                todo="take another database, or names of your own: --prefix onetape_",
            )  # fmt: skip
        if other := [name for name in wanted if ours.get(name, VERSION) != VERSION]:
            raise BadInput(
                f"table {other[0]} is of another release", where="--db",
                todo="take another database, or --prefix",
            )  # fmt: skip
        for table, columns in TABLES.items():
            name = self.name(table)
            if name.lower() in there:
                continue
            database.create_table(name, columns, KEYS[table])
            for index in _INDEXES.get(table, ()):
                database.run(
                    f"CREATE INDEX {name}_{'_'.join(index)} ON {name} ({', '.join(index)})"
                )
            database.insert(meta, ("name", "version"), [(name, VERSION)])
        if self.name(VIEW).lower() not in there:
            shown = "run, uniq_id, ts"
            database.run(
                f"CREATE VIEW {self.name(VIEW)} AS "  # noqa: S608
                f"SELECT {shown}, type, body FROM {self.name('events')} UNION ALL "
                f"SELECT {shown}, 'state', body FROM {self.name('states')}"
            )
            database.insert(meta, ("name", "version"), [(self.name(VIEW), VERSION)])

    def forget(self, run: str) -> None:
        """The rows of one run."""
        for table in TABLES:
            self.database.run(f"DELETE FROM {self.name(table)} WHERE run = ?", (run,))  # noqa: S608

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
    """One file for each table in a new folder. Raises BadInput where there is something, and
    NotAvailable without pyarrow."""

    def __init__(self, folder: Path) -> None:
        try:
            import pyarrow as pa  # type: ignore[import-untyped]
            import pyarrow.parquet as pq  # type: ignore[import-untyped]
        except ImportError:
            raise NotAvailable(
                "Parquet needs pyarrow", where="--parquet", todo="pip install 'onetape[research]'"
            ) from None
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise BadInput(f"{folder} is not empty", where="--parquet", todo="name a new folder")
        private_folder(folder)
        types = {
            "key": pa.string(), "text": pa.string(), "integer": pa.int64(), "real": pa.float64(),
        }  # fmt: skip
        self._pa: Any = pa
        self._schemas = {
            table: pa.schema([(name, types[kind]) for name, kind in columns.items()])
            for table, columns in TABLES.items()
        }
        self._rows: dict[str, list[Sequence[Any]]] = {table: [] for table in TABLES}
        self._orders: dict[int, list[Any]] = {}
        self._writers = {
            table: pq.ParquetWriter(folder / f"{table}.parquet", schema)
            for table, schema in self._schemas.items()
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
