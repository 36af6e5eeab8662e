"""Frames that no writer of ours would write, with checksums that are right all the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from read_tape import FRAME, HEADER, padded, update

Change = Callable[[int, int, int, bytes], tuple[int, int, bytes]]


def rechain(segment: Path, change: Change) -> None:
    """Rewrites an open segment. change(sequence, type, time, padded payload) -> (type, time,
    payload of the same length)."""
    data = bytearray(segment.read_bytes())
    header = HEADER.unpack_from(data)
    chain, at = header[8], header[11]
    assert header[13] == 0, "a sealed segment has a hash as well"
    while (length := int.from_bytes(data[at : at + 4], "little")) != 0:
        _, type_, flags, sequence, time, stream, _ = FRAME.unpack_from(data, at)
        body = bytes(data[at + 32 : at + padded(length)])
        type_, time, changed = change(sequence, type_, time, body)
        assert len(changed) == len(body)
        head = FRAME.pack(length, type_, flags, sequence, time, stream, 0)
        chain = update(update(0, changed), head[:28] + chain.to_bytes(4, "little"))
        data[at : at + 32] = head[:28] + chain.to_bytes(4, "little")
        data[at + 32 : at + padded(length)] = changed
        at += padded(length)
    segment.write_bytes(data)
