"""Tokens of the REST interface: who may call it, with which scopes. `<home>/state/control.tokens` (0600) contains
their SHA-256; a token itself, 32 random bytes, is shown once and is on no disk.

Without such a file loopback is open. Once it exists loopback stays closed, even if all tokens are revoked.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, get_args

import msgspec

from onetape.ipc.token_cache import TokenCache
from onetape.model.errors import BadConfig, OnetapeError, PermissionDenied, UsageError
from onetape.model.sections import CONTROL, DASHBOARD, OPERATOR
from onetape.model.time import DAY
from onetape.model.typed import from_json
from onetape.security.private import private_folder
from onetape.web.replies import Scope

__all__ = ["ANONYMOUS", "AUTO", "NOBODY", "SCOPES", "Grant", "TokenStore"]


SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
PREFIX: Final = "ot_"  # lets secret scanners recognize a token
TOKEN_BYTES: Final = 32
NAME_MAX: Final = 64
TOKENS_MAX: Final = 1000


class Grant(msgspec.Struct, frozen=True):
    """The rights of a token. digest: SHA-256 of it, in hex; created, expires: ns UTC, 0: never."""

    name: str
    digest: str
    scopes: tuple[Scope, ...]
    created: int
    expires: int = 0

    def has_expired(self, now: int) -> bool:
        return bool(self.expires) and now >= self.expires


ANONYMOUS: Final = Grant("anonymous", "", SCOPES, 0)  # on loopback, while there is no token
PAGES: Final = Grant(DASHBOARD, "run", SCOPES, 0)  # of this home, which authenticate their callers
COMMANDS: Final = Grant(OPERATOR, "run", SCOPES, 0)  # of the command line, for users who may read this home's files
NOBODY: Final = Grant("nobody", "", (), 0)  # a refused caller
AUTO: Final = "auto"  # actor of automatic mode, and prefix of its operations' ids
RESERVED: Final = (ANONYMOUS.name, NOBODY.name, AUTO, CONTROL, DASHBOARD, OPERATOR)  # actors of records without a token


class TokenStore:
    """Reads the file again when it has changed: a token is valid from its creation until its expiry. Raises
    BadConfig for an invalid file, PermissionDenied for one that others may read or write."""

    def __init__(self, home: Path) -> None:
        self._path = home / "state" / "control.tokens"
        self._processes = TokenCache(home)
        self._seen: tuple[int, int, int] | None = None  # identity of the file that was read
        self._grants: tuple[Grant, ...] | None = None

    def grants(self) -> tuple[Grant, ...] | None:
        """Returns the tokens' grants; None: no token was ever made."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            self._seen = self._grants = None
            return None
        seen = found.st_mtime_ns, found.st_ino, found.st_size
        if seen != self._seen:
            if found.st_mode & 0o077:
                todo = f"chmod 600 {self._path}"
                raise PermissionDenied("others may read the tokens' file", location=str(self._path), todo=todo)
            try:
                self._grants = from_json(self._path.read_bytes(), tuple[Grant, ...])
            except msgspec.MsgspecError:
                todo = "remove it and create the tokens again; until then all calls are refused"
                raise BadConfig("not a file of tokens", location=str(self._path), todo=todo) from None
            self._seen = seen
        return self._grants

    def has_valid(self) -> bool:
        now = time.time_ns()
        return any(not grant.has_expired(now) for grant in self.grants() or ())

    def find(self, token: str) -> Grant | None:
        """Compares the token with all, in constant time."""
        digest, found = _digest(token), None
        for grant in self.grants() or ():
            if hmac.compare_digest(grant.digest, digest):
                found = grant
        return found

    def own(self, token: str) -> Grant | None:
        """Returns the grant for the token of this home's dashboard or command line."""
        for grant in (PAGES, COMMANDS):
            try:
                own = self._processes.of(grant.name)
            except OnetapeError:
                continue
            if hmac.compare_digest(token.encode("utf-8", "replace"), own.encode()):
                return grant
        return None

    def create(self, name: str, scopes: list[str], days: int = 0) -> tuple[str, Grant]:
        """Makes a token: returns it and its grant. days: until it expires, 0: never. Raises UsageError."""
        wanted = tuple(scope for scope in SCOPES if scope in scopes)
        if not wanted or set(scopes) - set(SCOPES):
            raise UsageError(
                f"scopes are {', '.join(SCOPES)}, not {','.join(scopes)[:80]!r}", todo="--scope read,trade"
            )
        if not name or len(name) > NAME_MAX or not name.isprintable() or "/" in name or name in RESERVED:
            raise UsageError(f"no token is called {name[:80]!r}", todo=f"1 to {NAME_MAX} letters, without /")
        token, now = PREFIX + secrets.token_urlsafe(TOKEN_BYTES), time.time_ns()
        grant = Grant(name, _digest(token), wanted, now, now + days * DAY if days else 0)
        with self._changing() as grants:
            if any(each.name == name for each in grants):
                raise UsageError(f"token {name!r} exists already", todo=f"onetape token revoke {name}, or another name")
            if len(grants) >= TOKENS_MAX:
                raise UsageError(f"there are {TOKENS_MAX} tokens already", todo="onetape token revoke NAME")
            grants.append(grant)
        return token, grant

    def revoke(self, name: str) -> Grant:
        """Removes a token. Raises UsageError for an unknown name."""
        with self._changing() as grants:
            found = next((each for each in grants if each.name == name), None)
            if found is None:
                raise UsageError(f"no token {name[:80]!r}", todo="onetape token ls")
            grants.remove(found)
        return found

    @contextmanager
    def _changing(self) -> Iterator[list[Grant]]:
        """Yields the grants for a change, one at a time; the file is written atomically."""
        folder = os.open(private_folder(self._path.parent), os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            changed = list(self.grants() or ())
            yield changed
            beside = self._path.with_suffix(".new")
            beside.unlink(missing_ok=True)
            made = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(made, "wb") as file:
                file.write(msgspec.json.encode(changed))
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path)
        finally:
            os.close(folder)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
