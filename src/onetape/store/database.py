"""Opens a database by its URL, for programs that write rows: SQLite, PostgreSQL, MariaDB.

    sqlite:///runs.db (relative), sqlite:////var/lib/runs.db
    postgresql://user@host:5432/name, mariadb://user@host/name (or mysql://)

Uses only the drivers' DB-API: the databases differ in a handful of words.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, unquote, urlsplit

from onetape.model.errors import BadConfig, NotAvailable, ProcessDown
from onetape.store.address import check_address, hidden

__all__ = ["Database"]

# Kinds of column -> their SQL types. A key has a bounded length where indexes need it.
_TYPES: Final = {
    "sqlite": {"key": "TEXT", "text": "TEXT", "integer": "INTEGER", "real": "REAL"},
    "postgresql": {"key": "TEXT", "text": "TEXT", "integer": "BIGINT", "real": "DOUBLE PRECISION"},
    "mariadb": {"key": "VARCHAR(120) COLLATE utf8mb4_bin", "text": "LONGTEXT", "integer": "BIGINT", "real": "DOUBLE"},
}
_PORTS: Final = {"postgresql": 5432, "mariadb": 3306}
_NAMES: Final = {
    "sqlite": "sqlite",
    "postgresql": "postgresql",
    "postgres": "postgresql",
    "mysql": "mariadb",
    "mariadb": "mariadb",
}
_CONNECT_S: Final = 10
_BUSY_S: Final = 30  # longest wait for SQLite's file while another connection has it


class Database:
    """One connection. Rows are written within `transaction`: all of them or none."""

    def __init__(self, url: str) -> None:
        """Raises BadConfig for an invalid URL, NotAvailable without the driver, ProcessDown if no database answers.
        The URL itself, which may contain a password, is in no message."""
        kind = _NAMES.get(url.partition("://")[0].partition("+")[0])
        if kind not in (None, "sqlite"):
            check_address(url, "--db")
        self._url = url
        parts = urlsplit(url if kind != "sqlite" else "")
        if kind is None or (kind != "sqlite" and not parts.path.strip("/")):
            raise BadConfig(
                "the URL names no known kind of database",
                location="--db",
                todo="write sqlite:///FILE, postgresql://USER@HOST/NAME or mariadb://USER@HOST/NAME",
            )
        self.kind = kind
        self._mark = "?" if kind == "sqlite" else "%s"
        self.errors: tuple[type[Exception], ...] = ()
        if kind == "sqlite":
            self._connection = self._sqlite(url)
        else:
            self._connection = self._server(parts)

    # --- connecting -----------------------------------------------------------------------------------

    def _sqlite(self, url: str) -> Any:
        self.errors = (sqlite3.Error,)
        name = unquote(url.removeprefix("sqlite://").removeprefix("/"))
        if not name:
            raise BadConfig("no file is named", location="--db", todo="write sqlite:///runs.db")
        path = Path(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            made = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)
            _write_ahead(made)
            made.execute("PRAGMA synchronous=NORMAL")
        except (sqlite3.Error, OSError) as error:
            raise BadConfig(f"{path}: {error}", location="--db") from None
        return made

    def _server(self, parts: SplitResult) -> Any:
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        host, name = parts.hostname or "localhost", parts.path.strip("/")
        port = parts.port or _PORTS[self.kind]
        login = {"host": host, "port": port, "user": user or None, "password": password or None}
        login = {key: value for key, value in login.items() if value is not None}
        connect = self._postgresql if self.kind == "postgresql" else self._mariadb
        try:
            return connect(login, name)
        except self.errors as error:
            first = str(error).strip().splitlines()[0] if str(error).strip() else "no answer"
            raise ProcessDown(
                f"the database does not answer: {hidden(self._url, first)}", location=f"{host}:{port}"
            ) from None

    def _postgresql(self, login: dict[str, Any], name: str) -> Any:
        try:
            import psycopg
        except ImportError:
            raise _no_driver("psycopg") from None
        self.errors = (psycopg.Error,)
        return psycopg.connect(**login, dbname=name, autocommit=True, connect_timeout=_CONNECT_S)

    def _mariadb(self, login: dict[str, Any], name: str) -> Any:
        try:
            import pymysql
        except ImportError:
            raise _no_driver("pymysql") from None
        self.errors = (pymysql.Error,)
        return pymysql.connect(**login, database=name, autocommit=True, charset="utf8mb4", connect_timeout=_CONNECT_S)

    def close(self) -> None:
        self._connection.close()

    # --- statements -----------------------------------------------------------------------------------

    def run(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Runs a statement, `?` for values, and returns its rows."""
        cursor = self._connection.cursor()
        try:
            cursor.execute(self._own(statement), tuple(values))
            return list(cursor.fetchall()) if cursor.description else []
        finally:
            cursor.close()

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        if not rows:
            return
        marks = ", ".join([self._mark] * len(columns))
        cursor = self._connection.cursor()
        try:
            cursor.executemany(
                f"INSERT INTO {table} ({', '.join(map(self._name, columns))}) VALUES ({marks})",  # noqa: S608
                rows,
            )
        finally:
            cursor.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commits at the end of the block; on an error rolls back."""
        self.run("BEGIN")
        try:
            yield
        except BaseException:
            self.run("ROLLBACK")
            raise
        self.run("COMMIT")

    def _name(self, column: str) -> str:
        """Quotes MariaDB's reserved words, such as `signal`."""
        return f"`{column}`" if self.kind == "mariadb" else column

    def create_table(self, table: str, columns: dict[str, str], key: Sequence[str]) -> None:
        """Creates a table. columns: name -> key, text, integer or real."""
        words = _TYPES[self.kind]
        shown = [
            f"{self._name(name)} {words[kind]}{' NOT NULL' if name in key else ''}" for name, kind in columns.items()
        ]
        self.run(f"CREATE TABLE {table} ({', '.join(shown)}, PRIMARY KEY ({', '.join(map(self._name, key))}))")

    def add_column(self, table: str, name: str, kind: str) -> None:
        self.run(f"ALTER TABLE {table} ADD COLUMN {name} {_TYPES[self.kind][kind]}")

    def tables(self) -> set[str]:
        """Returns all tables and views that names without a schema refer to, in lower case."""
        location = {
            "sqlite": "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')",
            "postgresql": "SELECT table_name FROM information_schema.tables "
            "WHERE table_schema = ANY (current_schemas(false))",
            "mariadb": "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()",
        }[self.kind]
        return {str(name).lower() for (name,) in self.run(location)}

    def _own(self, statement: str) -> str:
        return statement if self._mark == "?" else statement.replace("?", self._mark)


def _no_driver(name: str) -> NotAvailable:
    return NotAvailable(f"{name} is not installed", location="--db", todo="pip install 'onetape[sql]'")


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Sets the write-ahead mode; retries, because SQLite does not wait when two connections open a new file at once."""
    until = time.monotonic() + _BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() >= until:
                raise
        time.sleep(0.01)
