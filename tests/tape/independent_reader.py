"""A second reader of tapes, written from docs/format.md alone, in plain Python.

It imports nothing of ours: where the two disagree, one of them or the page is wrong.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass, field
from pathlib import Path

HEADER = struct.Struct("<8sII16sQQQqIIQQQQ24x64s64s")
ENTRY = struct.Struct("<IIHHI")
FRAME = struct.Struct("<IHHQqII")
INDEX = struct.Struct("<QqQII")
TRAILER = struct.Struct("<8sQQQQqqII32s32s")
LEAST = -(2**63)
STRIDE = 64 << 10

_TABLE = []
for _byte in range(256):
    _value = _byte
    for _ in range(8):
        _value = (_value >> 1) ^ (0x82F63B78 if _value & 1 else 0)
    _TABLE.append(_value)


def update(register: int, data: bytes) -> int:
    for byte in data:
        register = (register >> 8) ^ _TABLE[(register ^ byte) & 0xFF]
    return register


def crc32c(data: bytes) -> int:
    return update(0xFFFFFFFF, data) ^ 0xFFFFFFFF


def pad(count: int) -> int:
    return (count + 7) & ~7


class Damaged(Exception):
    pass


def require(condition: bool, what: str) -> None:
    if not condition:
        raise Damaged(what)


@dataclass
class Tape:
    frames: list[tuple[int, int, int, int, int, bytes]] = field(default_factory=list)
    uuid: bytes = b""
    segments: int = 0
    sealed: int = 0
    torn_bytes: int = 0
    seal: bytes = bytes(32)
    schemas: dict[int, bytes] = field(default_factory=dict)


def read_tape(directory: Path) -> Tape:
    tape = Tape()
    chain: int | None = None
    sequence = 1
    files = sorted(directory.glob("??????????.tape"))
    for place, path in enumerate(files):
        data = path.read_bytes()
        if not data[:8].strip(b"\0"):
            tape.torn_bytes += len(data.rstrip(b"\0"))
            continue
        last = place == len(files) - 1 or not files[place + 1].read_bytes()[:8].strip(b"\0")
        (
            magic,
            version,
            crc,
            uuid,
            _epoch,
            number,
            first,
            _created,
            seed,
            entries,
            preamble_bytes,
            data_offset,
            capacity,
            sealed,
            _process,
            _account,
        ) = HEADER.unpack_from(data)
        require(magic == b"O1TAPE\r\n", "magic")
        require(version == 1, "version")
        plain = data[:12] + bytes(4) + data[16:96] + bytes(8) + data[104:256]
        require(crc == crc32c(plain), "header crc")
        require(number == int(path.stem), "number")
        require(tape.uuid in (b"", uuid), "uuid")
        tape.uuid = uuid
        require(seed == (crc32c(uuid) if chain is None else chain), "seed")
        require(first == sequence, "first sequence")
        read_preamble(data, entries, preamble_bytes, tape)
        require(not data[256 + preamble_bytes : data_offset].strip(b"\0"), "gap")

        size = sealed & ((1 << 48) - 1)
        if sealed:
            require(sealed >> 48 == 0x5EA1 and len(data) == size, "sealed size")
            data_end = TRAILER.unpack_from(data, size - 128)[1]
        else:
            data_end = min(len(data), capacity)
        at, chain, ended = data_offset, seed, False
        index, mark, latest, count, first_time = [], data_offset, LEAST, 0, 0
        while at + 4 <= data_end and not ended:
            length = int.from_bytes(data[at : at + 4], "little")
            if length < 32 or at + pad(length) > data_end:
                break
            head = data[at : at + 32]
            length, type_, flags, seq, time, stream, stored = FRAME.unpack(head)
            body = data[at + 32 : at + pad(length)]
            found = update(update(0, body), head[:28] + chain.to_bytes(4, "little"))
            if stored != found or seq != sequence:
                break
            if type_ == 0xFFFF:
                ended = True
            else:
                if at >= mark:
                    index.append((seq, latest, at, chain, 0))
                    mark = data_offset + ((at - data_offset) // STRIDE + 1) * STRIDE
                first_time = time if count == 0 else first_time
                latest = max(latest, time)
                count += 1
                sequence += 1
                tape.frames.append((type_, flags, seq, time, stream, body[: length - 32]))
            chain = stored
            at += pad(length)
        tape.segments += 1
        if sealed:
            require(ended, "no end frame")
            trailer = TRAILER.unpack_from(data, size - 128)
            times = (first_time, latest if count else 0)
            require(trailer[0] == b"1OSEAL\r\n", "trailer magic")
            require(trailer[1] == at and trailer[2] == len(index), "index place")
            require(trailer[3:5] == (count, sequence - 1), "counts")
            require(trailer[5:7] == times and trailer[7] == chain, "times")
            received = [INDEX.unpack_from(data, at + 32 * i) for i in range(len(index))]
            require(received == index, "index")
            require(trailer[9] == tape.seal, "predecessor")
            require(trailer[10] == hashlib.sha256(data[:-32]).digest(), "seal")
            tape.seal = trailer[10]
            tape.sealed += 1
        else:
            require(last or ended, "breaks off")
            if not ended:
                tape.torn_bytes += len(data[at:].rstrip(b"\0"))
    return tape


def read_preamble(data: bytes, entries: int, preamble_bytes: int, tape: Tape) -> None:
    at = 256
    for _ in range(entries):
        count, crc, type_, _zero, stream = ENTRY.unpack_from(data, at)
        payload = data[at + 16 : at + 16 + pad(count)]
        plain = data[at : at + 4] + bytes(4) + data[at + 8 : at + 16] + payload
        require(crc == crc32c(plain), "preamble crc")
        if type_ == 21:
            tape.schemas[stream] = payload[:count]
        at += 16 + pad(count)
    require(at == 256 + preamble_bytes, "preamble length")
