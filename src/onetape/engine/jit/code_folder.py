"""Keep machine code between processes in a folder: bytes by key, opaque to this module.

Whoever can write here runs code as the user. So the folder is used only where it is the user's own
and closed to all others, every file is reached through the folder as it was checked (a path that
is swapped meanwhile leads nowhere), and what a file says is compared with its checksum: a torn,
foreign or damaged one counts as absent.

    magic 16 bytes | key 32 bytes | SHA-256 of the content 32 bytes | content
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from onetape.model.home import user_cache

__all__ = ["CodeFolder", "folder_for"]

VARIABLE: Final = "ONETAPE_COMPILE_CACHE"
BYTES_MAX: Final = 128 * 2**20  # of all entries; one is 0.05 to 1 MB
_MAGIC: Final = b"onetape code 1\n\0"
_SUFFIX: Final = ".code"
_OFF: Final = ("off", "no", "0", "false")
_said: set[str] = set()  # messages shown in this process


def folder_for(environ: Mapping[str, str]) -> CodeFolder | None:
    """Returns the user's folder; None where it is switched off or the user has no home.

    $ONETAPE_COMPILE_CACHE (`off`, or a folder), else $XDG_CACHE_HOME/onetape/compiled, else
    ~/.cache/onetape/compiled. The folder belongs to machine and user, not to a project: machine code of
    one processor is useless on another.
    """
    wanted = environ.get(VARIABLE, "").strip()
    if wanted.lower() in _OFF:
        return None
    if wanted:
        return CodeFolder(Path(wanted).absolute())
    cache = user_cache(environ)
    return None if cache is None else CodeFolder(cache / "compiled")


class CodeFolder:
    """Keeps compiled code as entries by a key of 32 bytes. Nothing here raises: a failure only loses an entry."""

    def __init__(self, path: Path, bytes_max: int = BYTES_MAX) -> None:
        self.path, self.bytes_max = path, bytes_max

    def get(self, key: bytes) -> bytes | None:
        """Returns the complete content stored under `key`; None: absent or damaged."""
        with self._opened(make=False) as folder:
            if folder is None:
                return None
            try:
                flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
                file = os.open(_name(key), flags, dir_fd=folder)
            except OSError:
                return None
            try:
                facts = os.fstat(file)
                if not _is_own(facts, stat.S_ISREG) or facts.st_size > self.bytes_max:
                    return None
                with os.fdopen(os.dup(file), "rb") as entry:
                    found = entry.read(self.bytes_max + 1)
            except OSError:
                return None
            finally:
                os.close(file)
            content = found[len(_MAGIC) + 64 :]
            if found[: len(_MAGIC) + 64] != _head(key, content):
                return None
            with contextlib.suppress(OSError):
                os.utime(_name(key), dir_fd=folder)  # recently used entries stay longest
            return content

    def put(self, key: bytes, content: bytes) -> None:
        """Store content atomically; the least recently used entries are removed for room."""
        whole = _head(key, content) + content
        if len(whole) > self.bytes_max:
            return
        with self._opened(make=True) as folder:
            if folder is None:
                return
            unfinished = f".{_name(key)}.{os.getpid()}"
            try:
                # A file left unfinished by a process of the same number would block this one.
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(unfinished, dir_fd=folder)
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
                file = os.open(unfinished, flags, 0o600, dir_fd=folder)
                with os.fdopen(file, "wb") as entry:
                    entry.write(whole)
                os.replace(unfinished, _name(key), src_dir_fd=folder, dst_dir_fd=folder)
                self._make_room(folder)
            except OSError as problem:
                with contextlib.suppress(OSError):
                    os.unlink(unfinished, dir_fd=folder)
                self._say(problem.strerror or str(problem))

    def _make_room(self, folder: int) -> None:
        entries = []
        for name in os.listdir(folder):
            if _SUFFIX not in name:
                continue  # not a file of ours
            with contextlib.suppress(FileNotFoundError):  # another process was faster
                facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
                entries.append((facts.st_mtime_ns, name, facts.st_size))
        room = self.bytes_max - sum(size for _, _, size in entries)
        for _, name, size in sorted(entries):
            if room >= 0:
                break
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)
            room += size

    @contextlib.contextmanager
    def _opened(self, *, make: bool) -> Iterator[int | None]:
        """Returns the folder's descriptor when it is the user's own; None otherwise."""
        try:
            if make:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                with contextlib.suppress(FileExistsError):
                    self.path.mkdir(mode=0o700)
            folder = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except FileNotFoundError:
            yield None
            return
        except OSError as problem:
            self._say(problem.strerror or str(problem))
            yield None
            return
        try:
            if _is_own(os.fstat(folder), stat.S_ISDIR):
                yield folder
            else:
                self._say(f"it must be yours and of mode 0700: chmod 700 {self.path}")
                yield None
        finally:
            os.close(folder)

    def _say(self, why: str) -> None:
        if str(self.path) not in _said:
            _said.add(str(self.path))
            print(
                f"warning: compiled strategies are compiled anew in each run, {self.path} is not used: {why}",
                file=sys.stderr,
            )


def _is_own(facts: os.stat_result, is_kind: Callable[[int], bool]) -> bool:
    return is_kind(facts.st_mode) and facts.st_uid == os.geteuid() and stat.S_IMODE(facts.st_mode) & 0o077 == 0


def _name(key: bytes) -> str:
    return key.hex() + _SUFFIX


def _head(key: bytes, content: bytes) -> bytes:
    return _MAGIC + key + hashlib.sha256(content).digest()
