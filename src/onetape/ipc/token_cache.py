"""A cache of tokens by name, reloaded when their file changes: checking the file costs a tenth of reading it, and every
command checks."""

from __future__ import annotations

import hmac
import os
from pathlib import Path

from onetape.model.errors import PermissionDenied
from onetape.security.tokens import read_token, token_file

__all__ = ["TokenCache"]


class TokenCache:
    def __init__(self, home: Path) -> None:
        self._home = home
        self._cache: dict[str, tuple[str, int, int, str]] = {}  # file, its inode and time, token

    def of(self, name: str) -> str:
        """Returns a token. Raises as `read_token`."""
        cached = self._cache.get(name)
        if cached is not None:
            path, inode, time, token = cached
            try:
                there = os.stat(path)  # noqa: PTH116 - of a text
            except FileNotFoundError:
                del self._cache[name]
            else:
                if (there.st_ino, there.st_mtime_ns) == (inode, time):
                    return token
        file = token_file(self._home, name)
        try:
            there = file.stat()  # before it is read: a change in between is detected next time
        except FileNotFoundError:
            return read_token(self._home, name)  # raises the error
        token = read_token(self._home, name)
        self._cache[name] = str(file), there.st_ino, there.st_mtime_ns, token
        return token

    def prove(self, name: str, shown: object) -> None:
        """Raises PermissionDenied unless a sender shows the token in the file of its own name, and as `read_token`."""
        if not isinstance(shown, str) or not hmac.compare_digest(
            shown.encode("utf-8", "replace"), self.of(name).encode()
        ):
            raise PermissionDenied(f"this is not the token of {name[:80]!r}")
