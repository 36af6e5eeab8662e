"""Real database servers for tests, from the system's packages, each in a folder of its own."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from waiting import PATIENCE_S, wait_for
from worlds.ports import free_port


def program(name: str) -> str | None:
    """Where it is, also where a distribution hides it."""
    found = shutil.which(name)
    hidden = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(hidden[-1]) if hidden else found


def wait_for_server(port: int, process: subprocess.Popen[bytes]) -> None:
    def listens() -> bool:
        assert process.poll() is None, "the server ended"
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port), PATIENCE_S).close()
            return True
        return False

    wait_for(listens)


def wait_until_open(port: int) -> None:
    """It listens before it lets anyone in."""
    import psycopg

    def is_open() -> bool:
        with suppress(psycopg.OperationalError):
            psycopg.connect(host="127.0.0.1", port=port, user="onetape", dbname="postgres").close()
            return True
        return False

    wait_for(is_open)


@contextmanager
def own_folder(user: str | None) -> Iterator[Path]:
    """Not below pytest's: that is for its user alone, and each session that begins sees to it."""
    with TemporaryDirectory(prefix="onetape-", ignore_cleanup_errors=True) as name:
        if user is not None:
            shutil.chown(name, user)
        yield Path(name)


class PostgreSQL:
    """A server in a folder of its own, empty at first. user: who runs it, None: who runs the tests."""

    def __init__(self, folder: Path, user: str | None, initdb: str, server: str) -> None:
        self._folder, self._user, self._server, self._port = folder, user, server, free_port()
        self.url = f"postgresql://onetape@127.0.0.1:{self._port}/postgres"
        self._data = str(folder / "data")
        subprocess.run(
            [initdb, "-D", self._data, "-U", "onetape", "-A", "trust", "-E", "UTF8", "--no-sync"],
            check=True,
            capture_output=True,
            user=user,
            cwd=folder,
        )
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            [self._server, "-D", self._data, "-p", str(self._port), "-c", "listen_addresses=127.0.0.1",
             "-c", f"unix_socket_directories={self._folder}", "-c", "fsync=off"],
            user=self._user, cwd=self._folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        wait_for_server(self._port, self._process)
        wait_until_open(self._port)

    def stop(self) -> None:
        """At once, whoever is connected; what was committed is there when it starts again."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(PATIENCE_S)


@contextmanager
def postgresql_server() -> Iterator[PostgreSQL]:
    pytest.importorskip("psycopg", reason="NOT_AVAILABLE: psycopg is not installed")
    initdb, server = program("initdb"), program("postgres")
    if initdb is None or server is None:
        pytest.skip("NOT_AVAILABLE: no PostgreSQL server on this machine")
    user = "postgres" if os.getuid() == 0 else None  # it refuses to run as root
    with own_folder(user) as folder:
        made = PostgreSQL(folder, user, initdb, server)
        try:
            yield made
        finally:
            made.stop()


@contextmanager
def postgresql() -> Iterator[str]:
    """The URL of a new, empty database."""
    with postgresql_server() as server:
        yield server.url


@contextmanager
def mariadb() -> Iterator[str]:
    """The URL of a new, empty database."""
    pytest.importorskip("pymysql", reason="NOT_AVAILABLE: pymysql is not installed")
    install, server = program("mariadb-install-db"), program("mariadbd")
    if install is None or server is None:
        pytest.skip("NOT_AVAILABLE: no MariaDB server on this machine")
    with own_folder(None) as folder:
        yield from _mariadb(folder, install, server)


def _mariadb(folder: Path, install: str, server: str) -> Iterator[str]:
    import pymysql

    data, port = folder / "data", free_port()
    user = f"--user={getpass.getuser()}"
    subprocess.run(
        [install, "--no-defaults", f"--datadir={data}", user, "--auth-root-authentication-method=normal"],
        check=True,
        capture_output=True,
    )
    process = subprocess.Popen(
        [
            server,
            "--no-defaults",
            f"--datadir={data}",
            user,
            f"--port={port}",
            "--bind-address=127.0.0.1",
            f"--socket={folder}/s",
            f"--pid-file={folder}/pid",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for_server(port, process)
        with pymysql.connect(host="127.0.0.1", port=port, user="root") as made:
            made.cursor().execute("CREATE DATABASE t CHARACTER SET utf8mb4")
        yield f"mariadb://root@127.0.0.1:{port}/t"
    finally:
        process.terminate()
        process.wait(PATIENCE_S)
