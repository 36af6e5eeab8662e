"""Download one file over HTTP: resumed after an interruption, limited in size, and kept only if its hash is right.

A download is first `NAME.part`, with `NAME.part.json` identifying the file; only a complete and checked file gets the
name. So a file of that name can be trusted, and a killed process loses only the last chunk.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import http.client
import json
import os
import re
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import IO, Any, Final, Literal, TypeVar
from urllib.parse import urlsplit

from onetape.model.back_off import back_off
from onetape.model.errors import BadInput, DiskFull, UsageError, VenueRateLimit, VenueUnavailable
from onetape.tape.durable import write_durably

_T = TypeVar("_T")

CHUNK_BYTES: Final = 256 << 10
REDIRECTS_MAX: Final = 5
TEXT_BYTES_MAX: Final = 1 << 20
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)\Z")
_SHA256 = re.compile(r"([0-9a-fA-F]{64})(?:\s+\*?(\S+))?\s*\Z")
# Status codes after which a retry may succeed.
_RETRIED_STATUS: Final = (408, 425, 429, 500, 502, 503, 504)


class NotThereError(Exception):
    """The file is not, or not yet, published (404)."""


class _RetryError(Exception):
    """The attempt failed, and a retry may succeed. after_s: the server's requested delay, if any."""

    def __init__(self, why: str, *, after_s: float | None = None, limited: bool = False) -> None:
        super().__init__(why)
        self.after_s = after_s
        self.limited = limited


@dataclass(frozen=True, slots=True)
class Watch:
    """Reports a fetch to its caller. progress: called with (done, total or None); say: with why it waits for a server;
    doing: with the current request."""

    progress: Callable[[float, float | None], None] | None = None
    say: Callable[[str], None] = lambda line: None
    doing: Callable[[str], None] = lambda words: None


@dataclass(frozen=True, slots=True)
class Patience:
    """Limits for a server: how long to retry, and how much it may send."""

    attempts_max: int = 6  # attempts in a row that receive no byte
    backoff_s: float = 1.0  # doubled each time
    backoff_s_max: float = 60.0
    retry_after_s_max: float = 300.0  # a longer requested delay ends the command
    timeout_s: float = 30.0  # of connecting, and of each read
    bytes_max: int = 8 << 30  # of one file
    damaged_max: int = 2  # complete files with a wrong hash before giving up

    def wait_s(self, failed: int) -> float:
        """Returns how long to wait after this many attempts."""
        return back_off(self.backoff_s, failed, self.backoff_s_max)


class _SameScheme(urllib.request.HTTPRedirectHandler):
    """Follows redirects with an unchanged scheme, or from http to https."""

    max_redirections = REDIRECTS_MAX

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        old, new = urlsplit(req.full_url).scheme, urlsplit(newurl).scheme
        if new != old and (old, new) != ("http", "https"):
            raise VenueUnavailable(
                f"the server redirects from {old} to {new or 'nowhere'}, which is not followed", location=req.full_url
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def make_opener() -> urllib.request.OpenerDirector:
    """Returns an opener for HTTP and HTTPS only, not for files or FTP. Certificates are checked; proxies are those of
    the environment."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(context=ssl.create_default_context()),
        urllib.request.HTTPDefaultErrorHandler(),
        _SameScheme(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    opener.addheaders = [("User-Agent", "onetape"), ("Accept-Encoding", "identity")]
    return opener


@dataclass(slots=True)
class Fetched:
    """The result for one file. how: cached (it was on disk), fetched or resumed."""

    path: Path
    how: Literal["cached", "fetched", "resumed"]
    bytes: int  # received by this call


@dataclass(slots=True)
class Client:
    """Fetches files into folders. `make_folder` makes a private folder; `on_bytes` is called with received bytes;
    `sleep` waits between attempts."""

    make_folder: Callable[[Path], Path]
    patience: Patience = field(default_factory=Patience)
    on_bytes: Callable[[int], None] = lambda count: None
    sleep: Callable[[float], None] = time.sleep
    say: Callable[[str], None] = lambda line: None  # called with the reason for waiting
    doing: Callable[[str], None] = lambda words: None  # called with the current request
    place: str = ""  # prefix of that text: number of the file
    opener: urllib.request.OpenerDirector = field(default_factory=make_opener)

    def text(self, url: str, post: bytes | None = None) -> str:
        """Returns a small text. post: JSON to send by POST. Raises NotThereError, VenueUnavailable, VenueRateLimit."""

        def once() -> str:
            with self._open(url, {"Content-Type": "application/json"} if post else {}, post) as answer:
                body: bytes = answer.read(TEXT_BYTES_MAX + 1)
                wanted = answer.headers.get("Content-Length")
                if wanted is not None and wanted.isdigit() and len(body) < int(wanted):
                    raise _RetryError("the connection was cut")
            if len(body) > TEXT_BYTES_MAX:
                raise BadInput(f"the answer is longer than {TEXT_BYTES_MAX:,} bytes", location=url)
            return body.decode("utf-8", "replace")

        return self._patiently(url, lambda: 0, once)

    def checked_file(self, url: str, path: Path) -> Fetched:
        """Fetches the file, whose SHA-256 is at `url`.CHECKSUM. A damaged file on disk is fetched again. Raises
        NotThereError, BadInput (the hash stays wrong), VenueUnavailable, VenueRateLimit, DiskFull."""
        noted = path.with_name(path.name + ".CHECKSUM")
        self.make_folder(path.parent)
        if path.is_file() and noted.is_file():
            wanted = _published(noted.read_text(encoding="utf-8", errors="replace"), path.name)
            if wanted and _sha256(path) == wanted:
                return Fetched(path, "cached", 0)
        text = self.text(url + ".CHECKSUM")
        wanted = _published(text, path.name)
        if not wanted:
            raise BadInput("the published checksum is of another file", location=f"{url}.CHECKSUM")
        if path.is_file() and _sha256(path) == wanted:
            found = Fetched(path, "cached", 0)
        else:
            found = self.file(url, path, sha256=wanted)
        write_durably(noted, text.encode())
        return found

    def file(self, url: str, path: Path, *, sha256: str) -> Fetched:
        """Fetches the file with that hash. Raises the errors of checked_file."""
        self.make_folder(path.parent)
        part = path.with_name(path.name + ".part")
        received, resumed = 0, False
        for damaged in range(self.patience.damaged_max):
            with _locked(part) as file:
                began = _size(part)
                self._fill(url, part, file)
                received += max(_size(part) - began, 0)
                resumed = resumed or (began > 0 and damaged == 0)
                found = _sha256(part)
                if found == sha256:
                    os.fsync(file.fileno())
                    part.replace(path)
                    _forget(part)
                    return Fetched(path, "resumed" if resumed else "fetched", received)
                _forget(part)
        raise BadInput(
            f"the download is damaged: its SHA-256 is {found}, the published one {sha256}",
            location=url,
            todo="try again later: the server may be about to replace it",
        )

    def _fill(self, url: str, part: Path, file: IO[bytes]) -> None:
        def once() -> None:
            self._continue(url, part, file)

        self._patiently(url, lambda: _size(part), once)

    def _continue(self, url: str, part: Path, file: IO[bytes]) -> None:
        """Send one request from where the part ends; the part is complete when this returns."""
        have, note = _size(part), _note(part)
        if not note or note.get("url") != url or have > note.get("length", 0):
            have, note = 0, {}
        headers = {}
        if have:
            if have == note["length"]:
                return
            headers["Range"] = f"bytes={have}-"
            # Halves of two versions must not be joined.
            if note.get("etag"):
                headers["If-Range"] = note["etag"]
        try:
            answer = self._open(url, headers)
        except _RangeRefusedError:
            _restart(part, file)
            raise _RetryError("the server refused to resume") from None
        with answer:
            length = answer.headers.get("Content-Length") or ""
            etag = answer.headers.get("ETag") or ""
            if answer.status == 206:
                sent_range = _RANGE.match(answer.headers.get("Content-Range") or "")
                if sent_range is None or int(sent_range[1]) != have or int(sent_range[3]) != note["length"]:
                    _restart(part, file)
                    raise _RetryError("the server resumed with another file or at another place")
                total = note["length"]
            else:
                _restart(part, file)
                have = 0
                total = int(length) if length.isdigit() else 0
            if total > self.patience.bytes_max:
                raise BadInput(f"the answer is longer than {self.patience.bytes_max:,} bytes", location=url)
            if total and not have:
                kept = etag if not etag.startswith("W/") else ""
                write_durably(_note_path(part), json.dumps({"url": url, "length": total, "etag": kept}).encode())
            self._copy(answer, file, have, total, url)

    def _copy(self, answer: Any, file: IO[bytes], have: int, total: int, url: str) -> None:
        file.seek(have)
        self.doing(f"{self.place}{urlsplit(url).path.rpartition('/')[2]}")
        while chunk := answer.read(CHUNK_BYTES):
            have += len(chunk)
            if have > (total or self.patience.bytes_max):
                file.truncate(0)
                raise (
                    _RetryError("the server sent more than it said")
                    if total
                    else BadInput(f"the answer is longer than {self.patience.bytes_max:,} bytes", location=url)
                )
            file.write(chunk)
            self.on_bytes(len(chunk))
        file.flush()
        if total and have < total:
            raise _RetryError(f"the connection was cut at {have:,} of {total:,} bytes")

    def _open(self, url: str, headers: dict[str, str], post: bytes | None = None) -> Any:
        parts, most = urlsplit(url), self.patience.timeout_s
        name = parts.path.rpartition("/")[2]
        self.doing(f"{self.place}asks {parts.hostname}, {most:.0f} s at most, for {name}")
        request = urllib.request.Request(url, data=post, headers=headers)  # noqa: S310 (schemes: see checked_url)
        try:
            return self.opener.open(request, timeout=self.patience.timeout_s)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 404:
                raise NotThereError(url) from None
            if error.code == 416:
                raise _RangeRefusedError from None
            if error.code in _RETRIED_STATUS:
                raise _RetryError(
                    f"the server answered {error.code}",
                    after_s=_retry_after(error.headers.get("Retry-After")),
                    limited=error.code == 429,
                ) from None
            raise VenueUnavailable(f"the server answered {error.code} {error.reason}"[:200], location=url) from None

    def _patiently(self, url: str, progress: Callable[[], int], once: Callable[[], _T]) -> _T:
        """Retry until an attempt succeeds. Only attempts in a row without progress count towards the limit."""
        patience, failed = self.patience, 0
        while True:
            before = progress()
            try:
                return once()
            except _RetryError as error:
                problem = error
            except (TimeoutError, ssl.SSLError, urllib.error.URLError, http.client.HTTPException) as error:
                problem = _RetryError(_why(error, url))
            except ConnectionError as error:
                problem = _RetryError(f"the connection broke: {error.strerror or error}")
            failed = 1 if progress() > before else failed + 1
            wish = problem.after_s
            if failed >= patience.attempts_max or (wish or 0) > patience.retry_after_s_max:
                if problem.limited:
                    raise VenueRateLimit(
                        f"{problem}, {failed} times" + (f", and asks to wait {wish:,.0f} s" if wish else ""),
                        location=url,
                        todo="run it again later: what was downloaded is kept",
                    )
                raise VenueUnavailable(
                    f"{problem}, {failed} times", location=url, todo="run it again: what was downloaded is kept"
                )
            waited = patience.wait_s(failed)
            waited = max(waited, wish or 0)
            host = urlsplit(url).hostname
            words = f"{host}: {problem}; again in {waited:.0f} s"
            words += f" ({failed + 1} of {patience.attempts_max})"
            if later := sum(map(patience.wait_s, range(failed + 1, patience.attempts_max))):
                words += f", the last in {waited + later:.0f} s"
            self.say(words)
            self.doing(f"{self.place}waits {waited:.0f} s to ask {host} again")
            self.sleep(waited)


class _RangeRefusedError(Exception):
    """The part is longer than the file is now (416)."""


def checked_url(url: str, *, location: str) -> str:
    """Returns an http or https address without a trailing slash. Raises UsageError for any other."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"not an http or https address: {url!r}", location=location)
    if parts.username or parts.password:
        raise UsageError("the address holds a password, which would be logged", location=location)
    return url.rstrip("/")


def _why(error: Exception, url: str) -> str:
    reason = getattr(error, "reason", None) or error
    if isinstance(reason, ssl.SSLCertVerificationError):
        # A retry would get the same certificate.
        raise VenueUnavailable(
            f"the server's certificate is not trusted: {reason.verify_message}", location=url
        ) from None
    if isinstance(reason, TimeoutError):
        return "the server did not answer in time"
    if isinstance(reason, socket.gaierror):
        return "the name of the server has no address: there is no network here, or no such server"
    return f"the connection failed: {reason}"[:200]


def _retry_after(value: str | None) -> float | None:
    """Returns seconds, from a number or a date; None for an invalid value."""
    if not value:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        return max(parsedate_to_datetime(value).timestamp() - time.time(), 0.0)
    except (TypeError, ValueError):
        return None


def _published(text: str, name: str) -> str:
    """Returns the hash in a .CHECKSUM file, "" if the text is invalid or for another file."""
    found = _SHA256.match(text.strip())
    if found is None or (found[2] and found[2].rpartition("/")[2] != name):
        return ""
    return found[1].lower()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _note_path(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _note(part: Path) -> dict[str, Any]:
    """Returns the note that identifies the file of a part; {} if there is none."""
    try:
        note = json.loads(_note_path(part).read_bytes())
    except (OSError, ValueError):
        return {}
    is_note = isinstance(note, dict) and isinstance(note.get("length"), int)
    return note if is_note else {}


def _restart(part: Path, file: IO[bytes]) -> None:
    _note_path(part).unlink(missing_ok=True)
    file.seek(0)
    file.truncate()


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _note_path(part).unlink(missing_ok=True)


@contextlib.contextmanager
def _locked(part: Path) -> Iterator[IO[bytes]]:
    """Lock the part for this process."""
    with os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UsageError("another process downloads this file", location=str(part), todo="wait for it") from None
        try:
            yield file
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DiskFull("no room for the download", location=str(part)) from None
            raise


__all__ = ["Client", "Fetched", "NotThereError", "Patience", "checked_url", "make_opener"]
