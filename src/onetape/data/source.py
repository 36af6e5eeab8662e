"""Read input files as streams of bytes: plain, gzip, zstd, and the members of a zip, chunk by chunk.

The first bytes decide a file's format, not its name. Nothing is ever unpacked to disk.
"""

from __future__ import annotations

import codecs
import hashlib
import stat
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import IO, Final

from onetape.data.size_limits import CHUNK_BYTES, DEFAULT_LIMITS, Limits
from onetape.model.errors import BadInput

READ_BYTES: Final = 128 << 10
GZIP_MAGIC: Final = b"\x1f\x8b"
ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
ZIP_MAGICS: Final = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
ZSTD_WINDOW_MAX: Final = 128 << 20
ZSTD_PIECE_BYTES: Final = 1 << 10
# Archive, compression and table formats that are not read as text.
FOREIGN_MAGICS: Final = {
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"7z\xbc\xaf\x27\x1c": "7-zip",
    b"Rar!": "rar",
    b"PAR1": "Parquet",
    b"ARROW1": "Arrow",
}

_UTF16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

OnRead = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Source:
    """Reads one stream of bytes: a file, or a member of a zip. It can be read repeatedly."""

    path: Path
    member: str = ""
    limits: Limits = DEFAULT_LIMITS

    @property
    def name(self) -> str:
        """Returns the name for messages: FILE, or FILE!MEMBER."""
        return f"{self.path}!{self.member}" if self.member else str(self.path)

    @property
    def stem(self) -> str:
        """Returns the file's name without folder and extensions."""
        return PurePosixPath(self.member or self.path.name).name.partition(".")[0]

    def is_file_of(self, magic: bytes) -> bool:
        """Returns True when the source is a file of its own that begins with `magic`, and no member of an archive: then
        a library can map it."""
        if self.member:
            return False
        with self.path.open("rb") as file:
            return file.read(len(magic)) == magic

    def chunks(self, on_read: OnRead | None = None) -> Iterator[bytes]:
        """Yields the content, piece by piece. on_read is called with bytes read from disk."""
        return _checked(self, self._chunks(on_read or _nobody))

    def head(self, size: int = 1 << 16) -> bytes:
        """Returns the first bytes of the content."""
        found = b""
        for chunk in self.chunks():
            found += chunk
            if len(found) >= size:
                break
        return found[:size]

    def _chunks(self, on_read: OnRead) -> Iterator[bytes]:
        """Yields the content; UTF-16 text is converted to UTF-8."""
        pieces = self._pieces(on_read)
        first = next(pieces, b"")
        while 0 < len(first) < len(_UTF16[0]) and (more := next(pieces, b"")):
            first += more
        if not first.startswith(_UTF16):
            if first:
                yield first
            yield from pieces
            return
        decoder = codecs.getincrementaldecoder("utf-16")()
        try:
            for piece in chain((first,), pieces):
                yield decoder.decode(piece).encode()
            decoder.decode(b"", final=True)
        except UnicodeError as error:
            raise BadInput(
                f"the file is damaged text in UTF-16: {error}", location=self.name, todo="download or export it again"
            ) from None

    def _pieces(self, on_read: OnRead) -> Iterator[bytes]:
        if self.member:
            yield from self._zip_chunks(on_read)
            return
        with self.path.open("rb") as file:
            magic = file.read(8)
            file.seek(0)
            if magic.startswith(GZIP_MAGIC):
                yield from self._gzip_chunks(file, on_read)
            elif magic.startswith(ZSTD_MAGIC):
                yield from self._zstd_chunks(file, on_read)
            else:
                while chunk := file.read(CHUNK_BYTES):
                    on_read(len(chunk))
                    yield chunk

    def _gzip_chunks(self, file: IO[bytes], on_read: OnRead) -> Iterator[bytes]:
        compressed = expanded = 0
        decoder = zlib.decompressobj(wbits=31)
        pending = b""
        while True:
            if not pending:
                pending = file.read(READ_BYTES)
                if not pending:
                    break
                compressed += len(pending)
                on_read(len(pending))
            if decoder.eof:
                # Another member may follow; zeros are padding of tapes and block devices.
                pending = pending.lstrip(b"\0")
                if not pending:
                    continue
                decoder = zlib.decompressobj(wbits=31)
            try:
                chunk = decoder.decompress(pending, CHUNK_BYTES)
            except zlib.error as error:
                raise BadInput(f"the gzip file is damaged: {error}", location=self.name) from None
            pending = decoder.unused_data if decoder.eof else decoder.unconsumed_tail
            expanded += len(chunk)
            self.limits.check(expanded=expanded, compressed=compressed, location=self.name)
            if chunk:
                yield chunk
        if not decoder.eof:
            raise BadInput(
                "the gzip file ends in the middle",
                location=self.name,
                todo="fetch it again, or import what `gzip -dc` still gives as a plain file",
            )

    def _zstd_chunks(self, file: IO[bytes], on_read: OnRead) -> Iterator[bytes]:
        import zstandard

        compressed = expanded = kept_bytes = 0
        kept: list[bytes] = []
        decoder = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_MAX)
        frame = decoder.decompressobj()
        while pending := file.read(READ_BYTES):
            compressed += len(pending)
            on_read(len(pending))
            # The output of a call is unbounded, so each call gets little input: a block of four bytes expands to at
            # most 128 KiB.
            view = memoryview(pending)
            while view:
                piece, view = view[:ZSTD_PIECE_BYTES], view[ZSTD_PIECE_BYTES:]
                while piece:
                    if frame.eof:
                        frame = decoder.decompressobj()
                    try:
                        chunk = frame.decompress(piece)
                    except zstandard.ZstdError as error:
                        raise BadInput(f"the zstd file is damaged: {error}", location=self.name) from None
                    piece = memoryview(frame.unused_data) if frame.eof else memoryview(b"")
                    expanded += len(chunk)
                    self.limits.check(expanded=expanded, compressed=compressed, location=self.name)
                    kept.append(chunk)
                    kept_bytes += len(chunk)
                if kept_bytes >= CHUNK_BYTES // 4:
                    yield b"".join(kept)
                    kept, kept_bytes = [], 0
        if kept_bytes:
            yield b"".join(kept)
        if not frame.eof:
            raise BadInput(
                "the zstd file ends in the middle",
                location=self.name,
                todo="fetch it again, or import what `zstd -dc` still gives as a plain file",
            )

    def _zip_chunks(self, on_read: OnRead) -> Iterator[bytes]:
        expanded = 0
        with zipfile.ZipFile(self.path) as archive:
            info = archive.getinfo(self.member)
            compressed = max(info.compress_size, 1)
            reported = 0
            with archive.open(info) as file:
                while chunk := file.read(CHUNK_BYTES):
                    if not expanded and _is_packed(chunk):
                        raise BadInput(
                            "an archive inside an archive is not read", location=self.name, todo="unpack the outer one"
                        )
                    expanded += len(chunk)
                    self.limits.check(expanded=expanded, compressed=compressed, location=self.name)
                    # The archive reader hides its position in the file, so progress counts the bytes that it returned.
                    done = min(compressed, compressed * expanded // max(info.file_size, 1))
                    on_read(done - reported)
                    reported = done
                    yield chunk


def open_sources(paths: list[Path], limits: Limits | None = None, *, accept: Collection[str] = ()) -> list[Source]:
    """Returns the streams in these files, in the order of the paths; a zip gives its members, sorted by name.

    accept: formats that the caller reads itself.

    Raises BadInput for a missing path or one that must not be read.
    """
    limits = limits or DEFAULT_LIMITS
    found: list[Source] = []
    for path in paths:
        try:
            mode = path.stat().st_mode
        except OSError as error:
            raise BadInput(
                f"the file cannot be read: {_why(error)}", location=str(path), todo="check the path"
            ) from None
        if not stat.S_ISREG(mode):
            what = "a folder cannot be read as a file" if stat.S_ISDIR(mode) else "the path is not of a regular file"
            raise BadInput(what, location=str(path), todo="name the files to read")
        try:
            with path.open("rb") as file:
                magic = file.read(8)
        except OSError as error:
            raise BadInput(f"the file cannot be read: {_why(error)}", location=str(path)) from None
        for foreign, form in FOREIGN_MAGICS.items():
            if magic.startswith(foreign) and form not in accept:
                raise BadInput(
                    f"the file is {form}, which this KIND does not read",
                    location=str(path),
                    todo="its KIND is parquet" if form == "Parquet" else "give it plain, or as .gz, .zip or .zst",
                )
        if magic.startswith(ZIP_MAGICS):
            found += _members(path, limits)
        else:
            found.append(Source(path, limits=limits))
    return found


def digest(paths: list[Path]) -> bytes:
    """Returns the SHA-256 over the contents of the files as stored, in order."""
    whole = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.digest()


def _members(path: Path, limits: Limits) -> list[Source]:
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, OSError) as error:
        raise BadInput(f"the zip file is damaged: {error}", location=str(path)) from None
    limits.check_members(len(infos), location=str(path))
    if sum(info.file_size for info in infos) > limits.bytes_max:
        limits.check(expanded=limits.bytes_max + 1, compressed=1, location=str(path))
    names: set[str] = set()
    for info in infos:
        rule = _broken_rule(info, names)
        if rule:
            raise BadInput(f"a member of the zip file {rule}", location=f"{path}!{info.filename!a}", todo="repack it")
        names.add(info.filename)
    files = sorted(info.filename for info in infos if not info.is_dir())
    if not files:
        raise BadInput("the zip file is empty", location=str(path))
    return [Source(path, member=name, limits=limits) for name in files]


def _broken_rule(info: zipfile.ZipInfo, names: set[str]) -> str:
    name = info.filename
    if name in names:
        return "stands twice"
    if info.flag_bits & 0x1:
        return "is encrypted"
    if name.startswith(("/", "\\")) or (len(name) > 1 and name[1] == ":"):
        return "has an absolute path"
    if ".." in name.replace("\\", "/").split("/"):
        return "leaves the archive by .."
    if "\0" in name or any(ord(c) < 0x20 for c in name):
        return "has control characters in its name"
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind and not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
        return "is a link or a device"
    return ""


def _is_packed(head: bytes) -> bool:
    return head.startswith((GZIP_MAGIC, ZSTD_MAGIC, *ZIP_MAGICS))


def _checked(source: Source, chunks: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from chunks
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise BadInput(f"the zip file is damaged: {error}", location=source.name) from None
    except OSError as error:
        raise BadInput(f"the file cannot be read: {_why(error)}", location=source.name) from None


def _why(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _nobody(count: int) -> None:
    """Ignores progress."""
