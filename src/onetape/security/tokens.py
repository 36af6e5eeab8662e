"""Tokens that identify strategies: `<home>/run/tokens/<name>`, 32 random bytes in hex, readable by the owner only. `up`
makes one for each sub-account and each robot, once; the sender of a command reads the token of its own name, and the
gateway that of the name in the command.

A robot also presents a grant, which proves its sub-account and account. `up` passes it with the robot's options; it
is never on disk.
"""

from __future__ import annotations

import hmac
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final

from onetape.model.errors import BadConfig, NotOwner, PermissionDenied
from onetape.model.home import file_name
from onetape.model.sections import OPERATOR
from onetape.security.private import private_folder

__all__ = ["TOKEN_BYTES", "grant_of", "make_token", "read_token", "token_file"]

TOKEN_BYTES: Final = 32
NAME_BYTES_MAX: Final = 255  # of a file's name, on every usual file system


def token_file(home: Path, name: str) -> Path:
    """Returns the path of the token of `name`. Raises BadConfig for an empty name, and for one whose file name would be
    too long."""
    data = name.encode("utf-8", "surrogateescape")
    plain = file_name(data)
    if not 0 < len(plain) <= NAME_BYTES_MAX:
        raise BadConfig(f"a name of {len(data)} bytes has no token", location="run/tokens", todo="choose another")
    return home / "run" / "tokens" / plain


def make_token(home: Path, name: str) -> str:
    """Returns the token of `name`, created if it does not exist. Concurrent callers get the same token. Raises
    BadConfig, OSError, and as `read_token` for an invalid file."""
    path = token_file(home, name)
    private_folder(path.parent)
    if not path.exists():
        # Written to another file, then linked: a token file is always complete, and never replaced.
        beside = path.with_name(f"%.{os.getpid()}.{secrets.token_hex(8)}")
        made = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(made, "w") as file:
                file.write(secrets.token_hex(TOKEN_BYTES))
            with suppress(FileExistsError):
                os.link(beside, path)
        finally:
            beside.unlink()
    return read_token(home, name)


def read_token(home: Path, name: str) -> str:
    """Returns 64 hex digits. Raises NotOwner if this name has none, PermissionDenied for one that others may read,
    BadConfig for an invalid file."""
    path = token_file(home, name)
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        raise NotOwner(
            f"no token for {name!r}: no sub-account or robot of this home has the name",
            location=str(path),
            todo="`onetape up` makes one for each in the configuration",
        ) from None
    try:
        if os.fstat(file).st_mode & 0o077:
            raise PermissionDenied("others may read this token", location=str(path), todo=f"chmod 600 {path}")
        text = os.read(file, 2 * TOKEN_BYTES + 2).decode("ascii", "replace").strip()
    finally:
        os.close(file)
    if len(text) != 2 * TOKEN_BYTES or not set(text) <= set("0123456789abcdef"):
        raise BadConfig("not a token", location=str(path), todo="remove it and run `onetape up` again")
    return text


def grant_of(home: Path, account: str, robot: str, subaccount: str) -> str:
    """Returns the grant with which a robot may trade for a sub-account, computed with the operator's token.
    Raises as `make_token`."""
    words = "\0".join((account, robot, subaccount)).encode("utf-8", "surrogateescape")
    return hmac.digest(make_token(home, OPERATOR).encode(), words, "sha256").hex()
