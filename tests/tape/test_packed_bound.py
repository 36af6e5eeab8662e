"""A packed segment is no longer than its own header says, and what is none is not unpacked."""

from __future__ import annotations

import os
import struct

import pytest
import zstandard

from onetape.model.errors import TornTape
from onetape.tape.expand import expand_segment
from onetape.tape.journal import JournalWriter
from onetape.tape.verify import verify


@pytest.fixture
def segment(tmp_path):
    with JournalWriter(tmp_path / "tape", durable=False) as writer:
        for at in range(1000):
            writer.append("log", b"x" * 50, time=at)
    return tmp_path / "tape" / "0000000001.tape"


def packed(path, data: bytes) -> str:
    name = path.with_name(path.name + ".zst")
    name.write_bytes(zstandard.compress(data, 19))
    path.unlink(missing_ok=True)
    return str(name)


def test_a_segment_comes_back_whole(segment):
    data = segment.read_bytes()
    fd = expand_segment(packed(segment, data))
    assert os.pread(fd, len(data) + 1, 0) == data
    os.close(fd)
    assert verify(segment.parent).ok


def test_a_gigabyte_of_nothing_is_no_segment(segment, monkeypatch):
    written = []
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: written.append(len(data)) or real(fd, data))
    with pytest.raises(TornTape, match="not a tape segment"):
        expand_segment(packed(segment, bytes(256 << 20)))
    assert written == []


def test_a_segment_that_goes_on_beyond_its_capacity_is_torn(segment, monkeypatch):
    data = segment.read_bytes()
    (capacity,) = struct.unpack_from("<Q", data, 88)
    written = []
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: written.append(len(data)) or real(fd, data))
    with pytest.raises(TornTape, match=f"more than the {capacity} bytes"):
        expand_segment(packed(segment, data + bytes(256 << 20)))
    assert sum(written) <= capacity
