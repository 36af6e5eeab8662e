"""Reads a secret from its configured place. Its value is never part of a message.

A Secret prints as `***` in logs, reports and tracebacks.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from onetape.model.errors import BadConfig, PermissionDenied
from onetape.security.private import check_folders

SECRET_BYTES_MAX = 64 * 1024  # a PEM key is 2 KiB; a larger file is a wrong one


class Secret:
    """A text that only `reveal()` shows."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __bool__(self) -> bool:
        return bool(self._value)

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a secret cannot be copied into a file or another process")


def read_secret(place: str, environ: Mapping[str, str], *, folder: Path = Path()) -> Secret:
    """Reads a secret from `env:NAME`, `file:/path` (0600 or refused; relative to `folder`) or `fd:N` (read once)."""
    form, _, rest = place.partition(":")
    match form:
        case "env":
            if rest not in environ:
                raise BadConfig(f"environment variable {rest} is not set", location="env:" + rest)
            return Secret(environ[rest].strip())
        case "file":
            return _from_file(folder / rest, environ.get("CREDENTIALS_DIRECTORY", ""))
        case "fd" if rest.isdecimal():
            return _from_descriptor(int(rest))
    # The text is not shown: it may be a secret itself.
    raise BadConfig("a secret is given as env:NAME, file:/path or fd:N")


def without_secrets(environ: Mapping[str, str], places: Iterable[str]) -> dict[str, str]:
    """Returns the environment without these secrets, for a process that does not need them: a process's environment
    is visible to other processes of the user."""
    names = {place.removeprefix("env:") for place in places if place.startswith("env:")}
    return {name: value for name, value in environ.items() if name not in names}


def _from_file(path: Path, credentials: str) -> Secret:
    """Reads a secret from a file. credentials: folder with the credentials of a systemd service."""
    location = f"file:{path}"
    # A link is refused: its owner would decide which file is read. Container engines and systemd provide plain files.
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise PermissionDenied(
                "a secret's file may not be a link", location=location, todo="name the file itself"
            ) from None
        raise BadConfig(f"cannot read the secret: {(error.strerror or '').lower()}", location=location) from error
    try:
        state = os.fstat(descriptor)  # mode of the opened file, which cannot be replaced meanwhile
        if not stat.S_ISREG(state.st_mode):
            raise BadConfig("not a regular file", location=location)
        # systemd gives the service's user access by an ACL, which shows as a group right; the group is root.
        is_credential = credentials and path.parent == Path(credentials) and state.st_uid == 0
        if state.st_mode & (0o037 if is_credential else 0o077):
            mode = f"{stat.S_IMODE(state.st_mode):04o}"
            raise PermissionDenied(
                f"others may read this secret (mode {mode})", location=location, todo=f"chmod 600 {path}"
            )
        check_folders(path)
        return Secret(_read(descriptor, location))
    finally:
        os.close(descriptor)


def _from_descriptor(number: int) -> Secret:
    location = f"fd:{number}"
    try:
        text = _read(number, location)
        os.close(number)
    except OSError as error:
        raise BadConfig(f"cannot read the secret: {(error.strerror or '').lower()}", location=location) from error
    return Secret(text)


def _read(descriptor: int, location: str) -> str:
    data = b""
    while piece := os.read(descriptor, SECRET_BYTES_MAX + 1 - len(data)):
        data += piece
        if len(data) > SECRET_BYTES_MAX:
            raise BadConfig(f"longer than {SECRET_BYTES_MAX} bytes", location=location)
    try:
        text = data.decode().strip()
    except UnicodeDecodeError:
        # Without the original error: it contains the secret's bytes.
        raise BadConfig("not text", location=location) from None
    if not text:
        raise BadConfig("empty", location=location)
    return text
