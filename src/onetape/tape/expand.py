"""Expand a segment that retention has compressed, for the core."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from onetape.model.errors import TornTape

__all__ = ["EXPANDED_BYTES_MAX", "expand_segment"]

# The core maps no segment above 1 GiB; a packed file that announces more is not ours.
EXPANDED_BYTES_MAX = 1 << 30
_STEP = 1 << 20
# docs/format.md, "Segment header".
_HEADER_BYTES, _MAGIC, _CAPACITY = 256, b"O1TAPE\r\n", 88


def expand_segment(path: str) -> int:
    """Returns a descriptor of the expanded content of `path`. The caller owns it.

    The content is in anonymous memory, or on systems without it in an unnamed file.
    """
    import zstandard

    fd = _anonymous(Path(path).name)
    try:
        total, most = 0, EXPANDED_BYTES_MAX
        reader = zstandard.ZstdDecompressor(max_window_size=1 << 27)
        with Path(path).open("rb") as packed, reader.stream_reader(packed) as plain:
            while block := plain.read(_STEP):
                if total == 0:
                    most = min(most, _announced(path, block))
                total += len(block)
                if total > most:
                    raise TornTape(f"{path}: expands to more than the {most} bytes of its segment")
                view = memoryview(block)
                while view:
                    view = view[os.write(fd, view) :]
    except zstandard.ZstdError as error:
        os.close(fd)
        raise TornTape(f"{path}: {error}") from None
    except BaseException:
        os.close(fd)
        raise
    return fd


def _announced(path: str, block: bytes) -> int:
    """Returns the plain segment's size from its own header, an upper limit once it is sealed. A file that is no
    segment is not expanded to its end to find out."""
    if len(block) < _HEADER_BYTES or not block.startswith(_MAGIC):
        raise TornTape(f"{path}: not a tape segment")
    return int.from_bytes(block[_CAPACITY : _CAPACITY + 8], "little")


def _anonymous(name: str) -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create(name, os.MFD_CLOEXEC)
    fd, path = tempfile.mkstemp()
    Path(path).unlink()
    return fd
