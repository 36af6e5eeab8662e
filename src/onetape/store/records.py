"""Tables of records in SQL, and one connection to them: SQLite, PostgreSQL, MariaDB.

    sqlite:///store.db (relative to the home), postgresql+psycopg://USER@HOST/NAME, mysql+pymysql://USER@HOST/NAME

Columns of orders and fills have the same names and types as in `analyze`. Opening a database upgrades it to the
newest version of the tables (`migrations`); one of a newer release is refused.
"""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.mysql import LONGBLOB
from sqlalchemy.engine import Connection

from onetape.model.errors import BadConfig, NotAvailable, ProcessDown
from onetape.store.address import check_address, hidden
from onetape.store.analysis_rows import TABLES
from onetape.tape.durable import write_durably

__all__ = ["HEAD", "HOME_ID", "LEASE_S", "LeaseLost", "Records", "metadata", "migrate"]

HEAD: Final = "0004"  # the newest of migrations/versions
LEASE_S: Final = 15
_CONNECT_S: Final = 10
_AT_ONCE: Final = 5000  # rows per batch
_LEASE: Final = "recorder"
_HOME: Final = "home"  # key of the home's id
HOME_ID: Final = "recorder.id"  # file of the home
_DRIVERS: Final = {
    "sqlite": "sqlite",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
}
_KINDS: Final[dict[str, Any]] = {
    "key": sa.String(64),
    "text": sa.Text(),
    "integer": sa.BigInteger(),
    "real": sa.Double(),
    "state": sa.LargeBinary().with_variant(LONGBLOB(), "mysql"),
}
# For an account (slot 0) or one of its sub-accounts.
_FIGURES: Final = {
    "subaccount": "key",
    "strategy": "text",
    "equity": "text",
    "balance": "text",
    "coins": "text",
    "capital": "text",
    "unrealized": "text",
    "delta": "text",
    "utilization": "real",
    "leverage": "real",
    "drawdown": "real",
}
# Table -> column -> kind of column; those that begin with "=" are its key.
_OWN: Final[dict[str, dict[str, str]]] = {
    "record_cursors": {"=journal": "key", "account": "key", "seq": "integer", "ts": "integer", "state": "state"},
    "record_lease": {"=name": "key", "holder": "text", "until": "integer"},
    "record_orders": {
        "=journal": "key",
        "=robot": "integer",
        "=order_id": "integer",
        "account": "key",
        "strategy": "key",
        "venue_order_id": "text",
        "bid": "real",
        "ask": "real",
        **TABLES["orders"],
    },
    "record_fills": {
        "=journal": "key",
        "=seq": "integer",
        "account": "key",
        "strategy": "key",
        "robot": "integer",
        **TABLES["fills"],
    },
    "record_income": {
        "=journal": "key",
        "=seq": "integer",
        "=part": "integer",
        "account": "key",
        "strategy": "key",
        "slot": "integer",
        "symbol": "key",
        "ts": "integer",
        "ts_booked": "integer",
        "kind": "key",
        "currency": "key",
        "asset": "key",
        "amount": "real",
        "amount_exact": "text",
        "fill": "integer",
        "reference": "text",
    },
    "record_days": {
        "=account": "key",
        "=strategy": "key",
        "=symbol": "key",
        "=day": "integer",
        "=currency": "key",
        "=kind": "key",
        "=asset": "key",
        "amount_exact": "text",
    },
    "record_activity": {
        "=account": "key",
        "=strategy": "key",
        "=symbol": "key",
        "=hour": "integer",
        "=kind": "key",
        "=asset": "key",
        "amount_exact": "text",
    },
    "record_positions": {
        "=account": "key",
        "=slot": "integer",
        "=symbol": "key",
        "=position_side": "key",
        "ts": "integer",
        "qty": "real",
        "qty_exact": "text",
        "entry_price": "real",
        "realized_exact": "text",
    },
    "record_trips": {
        "=journal": "key",
        "=seq": "integer",
        "=slot": "integer",
        "account": "key",
        "strategy": "key",
        "symbol": "key",
        "position_side": "text",
        "side": "text",
        "ts_open": "integer",
        "ts_close": "integer",
        "duration_ns": "integer",
        "fills": "integer",
        "qty": "text",
        "entry_price": "text",
        "exit_price": "text",
        "cost": "text",
        "peak": "text",
        "trough": "text",
        "realized": "text",
        "funding": "text",
        "fees": "text",
        "net": "text",
        "currency": "key",
        "context": "text",
    },
    "record_openings": {
        "=journal": "key",
        "=seq": "integer",
        "account": "key",
        "symbol": "key",
        "position_side": "key",
        "ts": "integer",
        "qty_exact": "text",
        "price_exact": "text",
    },
    "record_equity": {"=account": "key", "=slot": "integer", "=currency": "key", "=ts": "integer", **_FIGURES},
    "record_risk": {"=account": "key", "=slot": "integer", "=currency": "key", "ts": "integer", **_FIGURES},
}
_INDEXES: Final = {
    "record_income": ("ts",),
    "record_trips": ("ts_close",),
    "record_equity": ("ts",),
    "record_fills": ("ts",),
}

metadata: Final = sa.MetaData()


def _table(name: str, columns: Mapping[str, str]) -> None:
    made = [
        sa.Column(column.lstrip("="), _KINDS[kind], primary_key=column[0] == "=", autoincrement=False)
        for column, kind in columns.items()
        if column != "run" and f"={column}" not in columns  # of a run; here it is the journal
    ]
    indexes = [sa.Index(f"{name}_{column}", column) for column in _INDEXES.get(name, ())]
    # Names that differ in case are different, whatever the server's default collation.
    sa.Table(name, metadata, *made, *indexes, mysql_charset="utf8mb4", mysql_collate="utf8mb4_bin")


for _name, _columns in _OWN.items():
    _table(_name, _columns)


class LeaseLost(ProcessDown):
    """Another recorder writes to this database."""


def migrate(connection: Connection, version: str = "head") -> None:
    """Migrates the tables to a version, up or down; "base": there are none."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.attributes["connection"] = connection
    current = _version(connection)
    is_down = version == "base" or (version != "head" and current is not None and version < current)
    (command.downgrade if is_down else command.upgrade)(config, version)


def _version(connection: Connection) -> str | None:
    if not sa.inspect(connection).has_table("record_version"):
        return None
    found = connection.execute(sa.text("SELECT version_num FROM record_version")).scalar()
    return None if found is None else str(found)


class Records:
    """One connection, for one thread. Raises BadConfig for an invalid URL, NotAvailable without the driver,
    ProcessDown if no database answers, NotAvailable for tables of a newer release. The URL, which may contain a
    password, is in no message. only_reads: changes nothing: ProcessDown if the tables are not of this release,
    BadConfig if they are another home's."""

    def __init__(self, url: str, *, home: Path, only_reads: bool = False) -> None:
        scheme, _, rest = url.partition("://")
        driver = _DRIVERS.get(scheme.partition("+")[0])
        if driver is None or not rest.strip("/"):
            raise BadConfig(
                "the URL names no known kind of database",
                location="[recorder] url",
                todo="write sqlite:///FILE, postgresql+psycopg://USER@HOST/NAME or mysql+pymysql://USER@HOST/NAME",
            )
        if driver != "sqlite":
            check_address(url, "[recorder] url")
        self._url = url
        self._file: Path | None = None  # of SQLite
        self._identity = (0, 0)  # identity of the file when it was opened
        more: dict[str, Any] = {"connect_timeout": _CONNECT_S}
        if driver == "sqlite":
            path = home / rest.removeprefix("/") if not rest.startswith("//") else Path(rest[1:])
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise ProcessDown(
                    f"{path.parent}: {(error.strerror or '').lower()}", location="[recorder] url"
                ) from None
            rest, more = f"/{path}", {"timeout": 30}
            self._file = path
        try:
            self._engine = sa.create_engine(f"{driver}://{rest}", connect_args=more, poolclass=sa.NullPool)
        except ModuleNotFoundError as error:
            raise NotAvailable(
                f"{error.name} is not installed", location="[recorder] url", todo="pip install 'onetape[sql]'"
            ) from None
        except sa.exc.ArgumentError:
            raise BadConfig("not the address of a database", location="[recorder] url") from None
        if driver == "sqlite":
            sa.event.listen(self._engine, "connect", _as_sqlite)
            sa.event.listen(self._engine, "begin", _begin)
        self._home = home
        self.holder = f"{socket.gethostname()}:{os.getpid()}:{_started(os.getpid())}"
        with self._failing_plainly():
            self.connection = self._engine.connect()
            try:
                self._check_readable() if only_reads else self._upgrade()
                self._identity = self._file_now()
            except BaseException:
                self.connection.close()
                raise

    def _check_readable(self) -> None:
        if _version(self.connection) != HEAD:
            raise ProcessDown(
                f"the records are not of version {HEAD}",
                location="[recorder] url",
                todo="start the recorder: it upgrades them",
            )
        self._owners(self.connection)
        self.connection.rollback()

    def _upgrade(self) -> None:
        current = _version(self.connection)
        self.connection.rollback()
        if current is not None and current > HEAD:
            raise NotAvailable(
                f"the records are of version {current}, this release knows {HEAD}",
                location="[recorder] url",
                todo="use the release that wrote them, or a newer one",
            )
        if current != HEAD:
            with self.transaction() as connection:
                migrate(connection)

    @contextmanager
    def _failing_plainly(self) -> Iterator[None]:
        try:
            yield
        except (sa.exc.DBAPIError, self._engine.dialect.loaded_dbapi.Error) as error:
            # Without the statement and its values: the first line is the driver's own text.
            cause = getattr(error, "orig", error)
            said = str(cause).strip().splitlines()
            words = hidden(self._url, said[0]) if said else type(cause).__name__
            raise ProcessDown(f"the database does not answer: {words}", location="[recorder] url") from None

    def _file_now(self) -> tuple[int, int]:
        """Returns the identity of the file at a SQLite database's path."""
        try:
            found = self._file.stat() if self._file is not None else None
        except OSError:
            found = None
        return (found.st_dev, found.st_ino) if found is not None else (0, 0)

    def check_there(self) -> None:
        """Raises ProcessDown if a SQLite database was deleted, or replaced by another file, since it was opened:
        later writes would be lost."""
        if self._identity != self._file_now():
            self.close()
            for end in ("-wal", "-shm"):  # SQLite would use them for the new file
                Path(f"{self._file}{end}").unlink(missing_ok=True)
            raise ProcessDown(
                f"{self._file} was deleted or replaced; its records are rebuilt from the journals",
                location="[recorder] url",
            )

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Commits the block, or nothing. Raises ProcessDown if the database does not answer."""
        self.connection.execution_options(writes=True)
        with self._failing_plainly(), self.connection.begin():
            yield self.connection

    def rows(self, statement: sa.Select[Any]) -> list[dict[str, Any]]:
        self.connection.execution_options(writes=False)
        with self._failing_plainly():
            found = self.connection.execute(statement)
            names = tuple(found.keys())  # a mapping of each row takes twice as long
            rows = [dict(zip(names, row, strict=True)) for row in found.all()]
            self.connection.rollback()  # a snapshot is held no longer than it is read
            return rows

    def each(self, statement: sa.Select[Any]) -> Iterator[dict[str, Any]]:
        """Yields the rows of a query in batches: for results too large for memory. No other query is possible until it
        ends."""
        self.connection.execution_options(writes=False)
        with self._failing_plainly():
            found = self.connection.execute(statement.execution_options(yield_per=_AT_ONCE))
            try:
                yield from (dict(row) for row in found.mappings())
            finally:
                found.close()
                self.connection.rollback()

    def close(self) -> None:
        self.connection.close()
        self._engine.dispose()

    # --- one writer -------------------------------------------------------------------------------

    def take_lease(self) -> str:
        """Takes the writer's lease. Returns "", or the present holder: then nothing may be written. Raises BadConfig
        if the records are another home's."""
        lease, now = metadata.tables["record_lease"], time.time_ns()
        with self.transaction() as connection:
            self._claim(connection)
            row = connection.execute(sa.select(lease).where(lease.c.name == _LEASE).with_for_update()).first()
            if row is None:
                connection.execute(lease.insert(), {"name": _LEASE, "holder": self.holder, "until": _until(now)})
                return ""
            if row.holder not in ("", self.holder) and row.until > now and not _has_ended(row.holder):
                return str(row.holder)
            self._renew(connection, lease, now, lease.c.holder == row.holder)
            return ""

    def _owners(self, connection: Connection, *, is_locked: bool = False) -> tuple[str, str]:
        """Returns the ids of the records' home and of ours, "": none yet. A database holds one home's records:
        accounts of two homes may have the same name, and would be mixed."""
        lease, place = metadata.tables["record_lease"], self._place
        file = self._home / HOME_ID
        wanted = sa.select(lease.c.holder).where(lease.c.name == _HOME)
        row = connection.execute(wanted.with_for_update() if is_locked else wanted).first()
        owner, _, there = row.holder.partition(" ") if row is not None else ("", "", "")
        own = file.read_text().strip() if file.exists() else owner if there == place else ""
        if owner and own != owner:
            raise BadConfig(
                f"this database has the records of another home, {there}",
                location="[recorder] url",
                todo=f"give this home a database of its own; if it is the same home, write {owner} into {file}",
            )
        return owner, own

    @property
    def _place(self) -> str:
        return f"{socket.gethostname()}:{self._home.absolute()}"

    def _claim(self, connection: Connection) -> None:
        owner, own = self._owners(connection, is_locked=True)
        file, lease = self._home / HOME_ID, metadata.tables["record_lease"]
        if not own or not file.exists():
            own = own or uuid.uuid4().hex
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_durably(file, f"{own}\n".encode())
        if not owner:
            connection.execute(lease.insert(), {"name": _HOME, "holder": f"{own} {self._place}", "until": 0})

    def keep_lease(self, connection: Connection) -> None:
        """Extends the lease; in each transaction that writes. Raises LeaseLost if another one writes now."""
        lease = metadata.tables["record_lease"]
        self._renew(connection, lease, time.time_ns(), lease.c.holder == self.holder)

    def _renew(self, connection: Connection, lease: sa.Table, now: int, is_ours: sa.ColumnElement[bool]) -> None:
        values = {"holder": self.holder, "until": _until(now)}
        done = connection.execute(lease.update().where(lease.c.name == _LEASE, is_ours).values(values))
        if done.rowcount == 1:
            return
        row = connection.execute(sa.select(lease).where(lease.c.name == _LEASE)).first()
        if row is not None and row.until > now and not _has_ended(row.holder):
            raise LeaseLost(f"{row.holder} writes to this database", location="[recorder] url")
        raise LeaseLost("this database was emptied, or restored from a copy", location="[recorder] url")

    def drop_lease(self) -> None:
        lease = metadata.tables["record_lease"]
        with self.transaction() as connection:
            connection.execute(
                lease.update()
                .where(lease.c.name == _LEASE, lease.c.holder == self.holder)
                .values({"holder": "", "until": 0})
            )


def add(connection: Connection, table: str, rows: Sequence[Mapping[str, Any]], *, is_replacing: bool = False) -> None:
    """Adds rows with all columns of their table. is_replacing: replace those with their keys.

    Uses the driver directly: SQLAlchemy takes longer for a row than SQLite does, and PostgreSQL takes a stream of
    rows at an eighth of the cost of single statements.
    """
    if not rows:
        return
    made, dialect = metadata.tables[table], connection.dialect
    names = [column.name for column in made.columns]
    columns = ", ".join(map(dialect.identifier_preparer.quote, names))
    values = map(itemgetter(*names), rows)
    if dialect.name != "postgresql":
        mark = "?" if dialect.name == "sqlite" else "%s"
        verb = "REPLACE" if is_replacing else "INSERT"
        marks = ", ".join([mark] * len(names))
        connection.exec_driver_sql(f"{verb} INTO {table} ({columns}) VALUES ({marks})", list(values))
        return
    target = f"new_{table}" if is_replacing else table
    cursor: Any = connection.connection.cursor()
    if is_replacing:
        cursor.execute(f"CREATE TEMPORARY TABLE IF NOT EXISTS {target} (LIKE {table}) ON COMMIT DELETE ROWS")
    with cursor.copy(f"COPY {target} ({columns}) FROM STDIN") as copy:
        for row in values:
            copy.write_row(row)
    if is_replacing:
        keys = ", ".join(column.name for column in made.primary_key)
        new = ", ".join(f"{name} = EXCLUDED.{name}" for name in names)
        cursor.execute(
            f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {target} ON CONFLICT ({keys}) DO UPDATE SET {new}"  # noqa: S608
        )


def replace(connection: Connection, table: str, rows: Mapping[tuple[Any, ...], Mapping[str, Any] | None]) -> None:
    """Replaces rows by their keys; None: deletes."""
    made = metadata.tables[table]
    keys = list(made.primary_key.columns)
    if gone := [key for key, row in rows.items() if row is None]:
        is_it = made.delete().where(*(column == sa.bindparam(f"its_{column.name}") for column in keys))
        connection.execute(is_it, [{f"its_{c.name}": v for c, v in zip(keys, key, strict=True)} for key in gone])
    add(connection, table, [row for row in rows.values() if row is not None], is_replacing=True)


def _as_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver begins no transaction by itself
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


def _begin(connection: Connection) -> None:
    # A reader that becomes a writer later is refused if another one has written meanwhile.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _until(now: int) -> int:
    # MariaDB counts changed rows, not matching ones: the time differs each time.
    return now + LEASE_S * 10**9


def _started(pid: int) -> str:
    """Returns the start time of a process, in ticks of this boot; "": there is none, or it is not visible."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _has_ended(holder: str) -> bool:
    """Returns whether a lease's holder was a process of this machine and has ended: then its lease can be taken."""
    host, pid, started = holder.rsplit(":", 2)
    return host == socket.gethostname() and pid.isdigit() and bool(started) and _started(int(pid)) != started
