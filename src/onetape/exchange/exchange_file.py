"""The file in which a simulated exchange leaves its address and keys, for runs in the same home.

`<home>/run/exchange-<address>.json`, readable by its owner alone: the ready line of `onetape sim`, and the exchange's
identity. Its process holds a lock on the file while it serves, so a killed one's file is ignored.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from onetape.model.home import encoded
from onetape.security.private import private_folder
from onetape.security.secrets import read_secret

__all__ = ["exchange_at", "left_for_runs", "simulated", "simulated_kind"]

LOCALHOST: Final = "127.0.0.1"
# A server that listens everywhere also listens here.
NAMES: Final = ("localhost", "0.0.0.0", "::", "")  # noqa: S104 - nothing is bound


def _file(home: Path, host: str, port: int) -> Path:
    at = LOCALHOST if host in NAMES else host
    return home / "run" / f"exchange-{encoded(f'{at}:{port}')}.json"


@contextmanager
def left_for_runs(home: Path, host: str, port: int, ready_line: str, *, exchange: str) -> Iterator[None]:
    """Lets runs of this home find the exchange that listens on host and port, until the block ends. exchange: its
    identity, which stays the same as long as its accounts and orders exist. Raises OSError."""
    path = _file(home, host, port)
    private_folder(path.parent)
    ready = {**msgspec.json.decode(ready_line), "exchange": exchange}
    # The file gets its name once it is complete and locked. mkstemp makes it readable by its owner only.
    file, beside = tempfile.mkstemp(dir=path.parent, prefix=".exchange-")
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            with open(file, "wb", closefd=False) as written:
                written.write(msgspec.json.encode(ready))
            Path(beside).replace(path)
        except BaseException:
            Path(beside).unlink()
            raise
        try:
            yield
        finally:
            with suppress(FileNotFoundError):
                if os.path.samestat(path.stat(), os.fstat(file)):  # not the file of a later exchange
                    path.unlink()
    finally:
        os.close(file)


def exchange_at(home: Path, host: str, port: int) -> dict[str, Any] | None:
    """Returns the content of the file of the exchange that listens on host and port; None: no exchange of this home
    does. Raises PermissionDenied for a file that others may read, BadConfig."""
    path = _file(home, host, port)
    if not _is_held(path):
        return None
    found: dict[str, Any] = msgspec.json.decode(read_secret(f"file:{path}", {}).reveal())
    return found


def simulated(kind: str) -> dict[str, str]:
    """Returns a simulated exchange's answer to `/`, a path that no venue uses."""
    return {"simulated": kind}


def simulated_kind(body: bytes) -> str:
    """Returns the kind of a simulated exchange from its answer to `/`, "" if it is none."""
    try:
        return msgspec.json.decode(body, type=dict[str, str]).get("simulated", "")
    except msgspec.DecodeError:
        return ""


def _is_held(path: Path) -> bool:
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False
