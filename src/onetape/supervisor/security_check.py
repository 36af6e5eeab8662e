"""The findings of `doctor --security`: who else could read or change what trades, and where secrets are that should not
be. Nothing is changed, and no finding shows a secret.
"""

from __future__ import annotations

import ipaddress
import os
import stat
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from io import BufferedReader
from pathlib import Path
from typing import Any, Final, NamedTuple

import zstandard

import onetape
from onetape.model.errors import OnetapeError, PermissionDenied
from onetape.model.sections import Config
from onetape.preflight.findings import ERROR, OK, WARNING, Finding
from onetape.security.private import check_folders
from onetape.security.redaction import Redactor
from onetape.security.secret_keys import secret_places
from onetape.security.secrets import read_secret
from onetape.supervisor.client import status_of
from onetape.venues.hosts import is_loopback

__all__ = ["check_security"]

CHUNK: Final = 1 << 22  # bytes of a file that are looked through at once
HISTORIES: Final = (".bash_history", ".zsh_history", ".python_history", ".psql_history")
_LISTENS: Final = "0A"  # state of a socket in /proc/net/tcp
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def check_security(
    home: Path, path: Path | None, config: Config | None, environ: Mapping[str, str], doing: Callable[[str], None]
) -> Iterator[Finding]:
    """Yields the findings. path: of the configuration; doing: told what is looked at."""
    doing("looks at files and their rights")
    yield from _user()
    yield from _private(home)
    yield from _code(path, config)
    processes = [row for row in status_of(home)["processes"] if row["pid"]]
    yield from _cores(processes)
    yield from _ports(processes, config)
    secrets: dict[str, Redactor] = {}
    holders = set(_tokens(home, secrets))
    if path is not None and config is not None:
        yield from _configured(path.parent, config, environ, secrets, holders)
    yield from _leaks(home, path, secrets, holders, doing)


def _user() -> Iterator[Finding]:
    if os.geteuid() == 0:
        todo = "give it a user of its own: the units of `init --deploy` do"
        yield Finding(WARNING, "user", "root: a fault in any process may change the whole machine", todo)
    else:
        yield Finding(OK, "user", "not root")


# --- files ----------------------------------------------------------------------------------------


def _private(home: Path) -> Iterator[Finding]:
    """Checks that nothing of a home is another user's, readable by others, or a link to elsewhere."""
    if not home.exists():
        yield Finding(OK, "files", f"{home} does not exist yet")
        return
    owner, count, foreign, loose, links = home.stat().st_uid, 0, list[Path](), list[Path](), list[Path]()
    for each in (home, *home.rglob("*")):
        try:
            facts = each.lstat()
        except FileNotFoundError:
            continue  # retention, or a process that ends
        count += 1
        if stat.S_ISLNK(facts.st_mode):
            links += [each] if not each.resolve().is_relative_to(home.resolve()) else []
        elif facts.st_uid != owner:
            foreign.append(each)
        elif facts.st_mode & _OTHERS:
            loose.append(each)
    for found, what, todo in (
        (foreign, "another user's", f"look who wrote it, then chown {owner}"),
        (links, "a link to a place outside of the home", "remove it, or move the whole home"),
        (loose, "open to other users", f"chmod -R go= {home}"),
    ):
        if found:
            yield Finding(ERROR, "files", f"{found[0]} is {what}{_more(found)}", todo)
    if not (foreign or loose or links):
        yield Finding(OK, "files", f"{count} in {home}: their owner's alone")
    try:
        check_folders(home)
    except PermissionDenied as error:
        yield Finding.of("files", error)


def _code(path: Path | None, config: Config | None) -> Iterator[Finding]:
    """Checks that others cannot change what runs: the configuration, strategies, the package."""
    files = [Path(onetape.__file__), Path(sys.executable)]
    if path is not None:
        files.append(path)
        strategies = [robot.strategy for robot in config.robots.values()] if config is not None else []
        files += [path.parent / each.partition(":")[0] for each in strategies if ".py" in each]
    bad = 0
    for file in dict.fromkeys(each.absolute() for each in files):
        for at in (file, file.parent):
            with suppress(OSError):
                facts = at.stat()
                shared = stat.S_IWGRP if facts.st_gid != os.getegid() else 0
                if facts.st_mode & (stat.S_IWOTH | shared) and not facts.st_mode & stat.S_ISVTX:
                    bad += 1
                    yield Finding(ERROR, "code", f"{at} may be written by other users", f"chmod go-w {at}")
        try:
            check_folders(file)
        except PermissionDenied as error:
            bad += 1
            yield Finding.of("code", error)
        except OSError:
            continue  # a configured file that is not there is a finding of the plain form
    if not bad:
        yield Finding(OK, "code", "nobody else may change the configuration, strategies or the package")


def _more(found: Collection[object]) -> str:
    return f", and {len(found) - 1} more" if len(found) > 1 else ""


# --- processes ------------------------------------------------------------------------------------


def _cores(processes: Collection[Mapping[str, Any]]) -> Iterator[Finding]:
    """Checks that no running process leaves its memory in a file when it crashes."""
    bad = []
    for row in processes:
        with suppress(OSError, StopIteration):
            lines = Path(f"/proc/{row['pid']}/limits").read_text(encoding="utf-8").splitlines()
            soft = next(line for line in lines if line.startswith("Max core file size")).split()[4]
            bad += [row["name"]] if soft != "0" else []
    if bad:
        yield Finding(WARNING, "memory", f"{bad[0]} may leave a core file{_more(bad)}", "ulimit -c 0")
    elif processes:
        yield Finding(OK, "memory", f"none of {len(processes)} processes leaves a core file")


class _Socket(NamedTuple):
    """A listening socket. inode: its number, as in the processes' open files."""

    address: str
    port: int
    user: int
    inode: str


def _listening(tables: Iterable[Path] = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))) -> Iterator[_Socket]:
    for table in tables:
        try:
            lines = table.read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            digits, _, port = fields[1].partition(":")
            if fields[3] != _LISTENS:
                continue
            # Words of 32 bits, each in the byte order of the machine.
            words = (int(digits[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(digits), 8))
            address = ipaddress.ip_address(b"".join(words))
            mapped = getattr(address, "ipv4_mapped", None)
            yield _Socket(str(mapped or address), int(port, 16), int(fields[7]), fields[9])


def _ports(processes: Collection[Mapping[str, Any]], config: Config | None) -> Iterator[Finding]:
    """Checks which ports of the running processes are open beyond this machine."""
    if not processes:
        yield Finding(OK, "ports", "nothing of this home runs", "repeat it while it does")
        return
    names, hidden = {row["pid"]: row["name"] for row in processes}, set[str]()
    owners = _socket_owners(names, hidden)
    wanted = {}
    if config is not None:
        wanted = {each.port: name for name, each in (("control", config.control), ("dashboard", config.dashboard))}
    count = open_ = 0
    for each in _listening():
        name = owners.get(each.inode, "a process that hides its files" if hidden else "")
        if not name or each.user != os.geteuid():
            continue
        count += 1
        if is_loopback(each.address):
            continue
        open_ += 1
        listens = f"{name} listens on {each.address} port {each.port}"
        if each.port in wanted and not is_loopback(getattr(config, wanted[each.port]).host):
            yield Finding(OK, "ports", f"{listens}, with TLS, as [{wanted[each.port]}] says")
        else:
            yield Finding(ERROR, "ports", f"{listens}, open beyond this machine", "end it, and look why")
    if not open_:
        yield Finding(OK, "ports", f"{count} listening, on this machine only")


def _socket_owners(names: Mapping[int, str], hidden: set[str]) -> dict[str, str]:
    """Returns who has sockets, by inode: the name of a process of the home, "" for another one. hidden: gets the
    processes of the home whose open files only root may list."""
    found: dict[str, str] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        name = names.get(int(folder.name), "")
        try:
            for file in (folder / "fd").iterdir():
                with suppress(OSError):
                    target = file.readlink().name
                    if target.startswith("socket:["):
                        found[target[8:-1]] = name or found.get(target[8:-1], "")
        except PermissionError:
            hidden |= {name} - {""}
        except OSError:
            continue  # it has ended
    return found


# --- secrets --------------------------------------------------------------------------------------


def _tokens(home: Path, secrets: dict[str, Redactor]) -> Iterator[Path]:
    """Adds the tokens of the home to the secrets, and yields the files that have them by right."""
    for file in sorted((home / "run" / "tokens").glob("*")):
        with suppress(OSError, UnicodeDecodeError):
            secrets[f"the token {file.name}"] = Redactor(file.read_text(encoding="ascii"))
            yield file.resolve()


def _configured(
    folder: Path, config: Config, environ: Mapping[str, str], secrets: dict[str, Redactor], holders: set[Path]
) -> Iterator[Finding]:
    for place in dict.fromkeys(filter(None, secret_places(config))):
        if place.startswith("fd:"):
            continue  # it may be read once, by `up`
        try:
            secrets[place] = Redactor(read_secret(place, environ, folder=folder).reveal())
        except OnetapeError as error:
            yield Finding.of("secrets", error)
        if place.startswith("file:"):
            holders.add((folder / place.removeprefix("file:")).resolve())
        elif place.startswith("env:"):
            todo = "file:/path keeps it from other processes of this user, and from child processes"
            yield Finding(WARNING, "secrets", f"{place} is in the environment of this shell", todo)


def _leaks(
    home: Path,
    path: Path | None,
    secrets: Mapping[str, Redactor],
    holders: Collection[Path],
    doing: Callable[[str], None],
) -> Iterator[Finding]:
    """Looks for these secrets in all files of the home, the configuration, histories of shells, and the arguments of
    running processes."""
    secrets = {name: each for name, each in secrets.items() if each.longest}  # shorter ones occur in files by chance
    if not secrets:
        yield Finding(OK, "leaks", "there is no secret to look for")
        return
    files = [*home.rglob("*"), *([path] if path is not None else []), *(Path.home() / each for each in HISTORIES)]
    looked, leaks = 0, 0
    for file in files:
        if not file.is_file() or file.is_symlink() or file.resolve() in holders:
            continue
        doing(f"looks for {len(secrets)} secrets, {looked / 2**20:,.0f} MiB so far")
        try:
            with file.open("rb") as opened:
                size, found = _search(_plain(file, opened), secrets)
        except (OSError, zstandard.ZstdError) as error:
            yield Finding(WARNING, "leaks", f"{file} cannot be read ({str(error).lower()})", "look at it by hand")
            continue
        looked += size
        for name in found:
            leaks += 1
            yield Finding(
                ERROR, "leaks", f"{file} has {name}", "remove the file, and make another secret at its source"
            )
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            for name in _has((folder / "cmdline").read_bytes(), secrets):
                leaks += 1
                text = f"the arguments of process {folder.name} have {name}, and every user sees them"
                yield Finding(ERROR, "leaks", text, "end it, and make another secret at its source")
    if not leaks:
        yield Finding(
            OK, "leaks", f"none of {len(secrets)} secrets in {looked / 2**20:,.1f} MiB of files, or in arguments"
        )


def _plain(file: Path, opened: BufferedReader) -> Any:
    """Returns a stream of a file's bytes, expanded if retention has compressed it."""
    if file.suffix != ".zst":
        return opened
    return zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(opened, read_across_frames=True)


def _search(stream: Any, secrets: Mapping[str, Redactor]) -> tuple[int, list[str]]:
    """Returns the count of bytes, and which secrets they have."""
    overlap = max(each.longest for each in secrets.values())
    found, size, rest = dict[str, None](), 0, b""
    while chunk := stream.read(CHUNK):
        size += len(chunk)
        found |= dict.fromkeys(_has(rest + chunk, secrets))
        rest = (rest + chunk)[-overlap:]
    return size, list(found)


def _has(data: bytes, secrets: Mapping[str, Redactor]) -> list[str]:
    return [name for name, each in secrets.items() if each.finds(data)]
