"""Read a tape, check every byte of it, and recompute the account of a gateway's tape.

Written from docs/format.md and the pages that it names; it shares no line with onetape and needs only Python. Exit
codes: 0; 1 a figure differs; 2 wrong usage, or a tape that it cannot read; 3 a damaged tape, with the place.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from account_of_tape import Account, described, differences

HEADER, PREAMBLE = struct.Struct("<8sII16sQQQqIIQQQQ24s64s64s"), struct.Struct("<IIHHI")
FRAME, INDEX = struct.Struct("<IHHQqII"), struct.Struct("<QqQII")
TRAILER = struct.Struct("<8sQQQQqqII32s32s")
END, LENGTH_MAX, TIME_MAX, NO_TIME = 0xFFFF, 32 + (16 << 20), 7_258_118_400 * 10**9, -(1 << 63)


class DamageError(Exception):
    """The tape is not as its writer left it."""


class RefusedError(Exception):
    """This program cannot read the tape."""


def _pairs() -> list[int]:
    """Return the register after two zero bytes, by its lower half: steps of two bytes take half the time."""
    one = list(range(256))
    for _ in range(8):
        one = [value >> 1 ^ 0x82F63B78 * (value & 1) for value in one]
    steps = (one[value & 255] ^ value >> 8 for value in range(1 << 16))
    return [one[value & 255] ^ value >> 8 for value in steps]


PAIRS = _pairs()


def update(register: int, data: bytes) -> int:
    for word in struct.unpack(f"<{len(data) // 2}H", data):
        register = PAIRS[(register ^ word) & 0xFFFF] ^ register >> 16
    return register


def crc32c(data: bytes) -> int:
    return update(0xFFFFFFFF, data) ^ 0xFFFFFFFF


def padded(length: int) -> int:
    return length + 7 & ~7


def unpack(data: bytes, at: int = 0) -> tuple[Any, int]:
    """Return the MessagePack value that begins there, and its end."""
    code, at = data[at], at + 1
    if code < 0x80 or code >= 0xE0:
        return struct.unpack_from("b", data, at - 1)[0], at
    if code in (0xC0, 0xC2, 0xC3):
        return {0xC0: None, 0xC2: False, 0xC3: True}[code], at
    if 0xCA <= code <= 0xD3:
        layout = ">" + "fdBHIQbhiq"[code - 0xCA]
        return struct.unpack_from(layout, data, at)[0], at + struct.calcsize(layout)
    kinds = {0xC4: "1b", 0xC5: "2b", 0xC6: "4b", 0xD9: "1s", 0xDA: "2s", 0xDB: "4s"}
    kinds |= {0xDC: "2a", 0xDD: "4a", 0xDE: "2m", 0xDF: "4m"}
    if code < 0xC0:
        kind, count = ("m", code & 15) if code < 0x90 else ("a", code & 15) if code < 0xA0 else ("s", code & 31)
    elif code in kinds:
        width, kind = int(kinds[code][0]), kinds[code][1]
        count, at = int.from_bytes(data[at : at + width], "big"), at + width
    else:
        raise RefusedError(f"MessagePack code {code:#x}")
    if kind in "bs":
        return (data[at : at + count] if kind == "b" else data[at : at + count].decode()), at + count
    values = []
    for _ in range(count * (2 if kind == "m" else 1)):
        value, at = unpack(data, at)
        values.append(value)
    return (dict(zip(values[::2], values[1::2], strict=True)) if kind == "m" else values), at


class Frame(NamedTuple):
    type: str
    number: int
    flags: int
    sequence: int
    time: int
    stream: int
    payload: bytes
    schema: dict[str, Any]

    def fields(self) -> dict[str, Any]:
        """Return the payload's values by name; prices, sizes and money as the stored integers."""
        if not self.schema["fixed"]:
            return dict(unpack(self.payload)[0])
        values: dict[str, Any] = {}
        for name, kind, size, offset, names in self.schema["fields"]:
            raw = self.payload[offset : offset + size]
            values[name] = int.from_bytes(raw, "little", signed=kind in "iprstm")
            if kind == "c":
                values[name] = raw.rstrip(b"\0").decode()
            elif kind == "e" and values[name] < len(words := names.split(",")):
                values[name] = words[values[name]]
            elif kind == "k":
                values[name] = unpack(self.payload, offset)[0] if offset < len(self.payload) else {}
        return values


class Tape:
    """A directory of segments. Its summary is complete once `frames` has ended."""

    def __init__(self, path: Path) -> None:
        self.path, self.account, self.process, self.hash = path, "", "", ""
        self.torn, self.torn_bytes, self.schemas = "", 0, dict[int, dict[str, Any]]()
        self.uuid, self.seal, self.chain, self.epoch, self.sequence = b"", bytes(32), 0, 0, 0
        self.end_flags, self.segments, self.sealed, self.first_sequence = -1, 0, 0, 1

    def frames(self) -> Iterator[Frame]:
        files = {int(each.name[:10]): each for each in self.path.glob("*.tape.zst")}
        files |= {int(each.name[:10]): each for each in self.path.glob("*.tape")}
        # Without its magic a segment is not in use: it is prepared, or its writer died while it wrote the header.
        while files and not any((data := _content(files[last := max(files)]))[:8]):
            self._tear(files.pop(last).name, 0, len(data.rstrip(b"\0")))
        if not files:
            raise RefusedError(f"{self.path}: no segment in use")
        number = 0
        if (pruned := self.path / "pruned.json").exists():
            before = json.loads(pruned.read_text())
            number, self.sequence, self.seal = before["segment"], before["sequence"], bytes.fromhex(before["seal"])
            self.first_sequence = self.sequence + 1
        for wanted, at in zip(range(number + 1, number + 1 + len(files)), sorted(files), strict=True):
            if wanted != at:
                raise DamageError(f"{wanted:010}.tape: the segment is missing")
            yield from self._segment(files[at], is_last=at == max(files))
        if self.end_flags in (0, 2):
            raise DamageError(f"{max(files) + 1:010}.tape: the segment is missing")
        control = self.path / "control"
        page = control.read_bytes() if control.exists() else b""
        durable = int.from_bytes(page[128:136], "little") if page[16:32] == self.uuid else 0
        if durable > self.sequence:
            raise DamageError(f"{files[max(files)].name}: frames {self.sequence + 1} to {durable} are missing")
        self.hash = self.seal.hex() if self.sealed == self.segments else f"crc {self.chain:08x}"

    def _segment(self, path: Path, is_last: bool) -> Iterator[Frame]:
        data, name = _content(path), path.name

        def check(is_good: bool, at: int, what: str) -> None:
            if not is_good:
                raise DamageError(f"{name} at byte {at}: {what}")

        check(len(data) >= 256, len(data), "the header is cut off")
        head = HEADER.unpack_from(data)
        magic, version, crc, uuid, epoch, number, first, _, seed, entries, preamble, begin, capacity, sealed = head[:14]
        check(magic == b"O1TAPE\r\n", 0, "not the magic of a segment")
        if version > 1:
            raise RefusedError(f"{name}: format version {version}; this program reads version 1")
        covered = data[:12] + bytes(4) + data[16:96] + bytes(8) + data[104:256]
        check(crc == crc32c(covered), 12, "checksum of the header")
        check(sealed == 0 or sealed == 0x5EA1 << 48 | len(data), 96, "not sealed at this size")
        is_ours = number == int(name[:10]) and uuid == (self.uuid or uuid) and epoch >= self.epoch
        check(is_ours, 16, "of another journal, or out of place")
        check(first == self.sequence + 1, 48, f"begins with frame {first} and not with {self.sequence + 1}")
        wanted = crc32c(uuid) if number == 1 else self.chain if self.segments else seed
        check(seed == wanted, 64, "does not continue the chain")
        self.uuid, self.epoch, self.chain, self.segments = uuid, epoch, seed, self.segments + 1
        self.process, self.account = (each.rstrip(b"\0").decode() for each in head[15:])
        schemas, at = self._preamble(data, entries, preamble, check), begin
        self.schemas |= schemas
        check(not any(data[256 + preamble : begin]), 256 + preamble, "not zero up to the first frame")
        index, latest, first_time, count, before = [], NO_TIME, 0, 0, -1
        self.end_flags = -1
        while self.end_flags < 0 and (frame := self._good(data, at, self.chain)):
            length, kind, flags, sequence, time, stream, crc = frame
            check(sequence == self.sequence + 1 and abs(time) <= TIME_MAX, at, f"frame {sequence} at {time} ns")
            if kind == END:
                self.end_flags = flags
            elif (block := (at - begin) // 65536) > before:
                index.append((sequence, latest, at, self.chain, 0))
                before = block
            self.chain, place, at = crc, at, at + padded(length)
            if kind != END:
                first_time, latest = time if not count else first_time, max(latest, time)
                self.sequence, count = sequence, count + 1
                payload = data[place + 32 : place + length]
                schema = schemas.get(kind, {"name": f"type_{kind}", "fixed": True, "fields": []})
                yield Frame(schema["name"], kind, flags, sequence, time, stream, payload, schema)
        if sealed:
            self._sealed(data, at, (index, count, first_time, latest if count else 0), check)
        else:
            end = len(bytes(data[at:]).rstrip(b"\0"))
            check(is_last or self.end_flags >= 0, at, "no end frame before the next segment")
            check(self.end_flags >= 0 or not self._later(data, at, at + end), at, "a bad frame with good ones after it")
            self._tear(name, at, end, is_short=len(data) < capacity and self.end_flags < 0)

    def _tear(self, name: str, at: int, size: int, *, is_short: bool = False) -> None:
        if size or is_short:
            self.torn, self.torn_bytes = f"{name} at byte {at}: {size} bytes" + ", cut off" * is_short, size

    def _preamble(self, data: bytes, entries: int, size: int, check: Any) -> dict[int, dict[str, Any]]:
        schemas, at = {}, 256
        for _ in range(entries):
            length, crc, kind, _, stream = PREAMBLE.unpack_from(data, at)
            end = at + 16 + padded(length)
            check(crc == crc32c(data[at : at + 4] + bytes(4) + data[at + 8 : end]), at, "checksum of a preamble entry")
            if kind == 21:
                schemas[stream] = unpack(data, at + 16)[0]
            at = end
        check(at == 256 + size, at, "the preamble ends elsewhere")
        return schemas

    def _good(self, data: bytes, at: int, chain: int) -> tuple[int, ...] | None:
        if at + 32 > len(data):
            return None
        frame = FRAME.unpack_from(data, at)
        if not 32 <= frame[0] <= LENGTH_MAX or at + padded(frame[0]) > len(data):
            return None
        covered = data[at + 32 : at + padded(frame[0])] + data[at : at + 28] + struct.pack("<I", chain)
        return frame if update(0, covered) == frame[6] else None

    def _later(self, data: bytes, at: int, end: int) -> bool:
        """Return whether two frames that follow each other are there: the second continues the first one's chain."""
        for place in range(at, end - 32, 8):
            length, _, _, sequence, _, _, crc = FRAME.unpack_from(data, place)
            is_frame = 32 <= length <= LENGTH_MAX and self.sequence < sequence <= self.sequence + (end - at) // 32
            if is_frame and self._good(data, place + padded(length), crc):
                return True
        return False

    def _sealed(self, data: bytes, at: int, found: tuple[Any, ...], check: Any) -> None:
        index, count, first_time, latest = found
        rows = b"".join(INDEX.pack(*row) for row in index)
        trailer = TRAILER.pack(
            b"1OSEAL\r\n", at, len(index), count, self.sequence, first_time, latest, self.chain, 0, self.seal, bytes(32)
        )
        check(self.end_flags >= 0, at, "a bad frame in a sealed segment")
        check(data[at:-128] == rows and data[-128:-32] == trailer[:96], at, "index or trailer do not fit the frames")
        check(data[-32:] == hashlib.sha256(data[:-32]).digest(), len(data) - 32, "the seal does not fit the bytes")
        self.seal, self.sealed = data[-32:], self.sealed + 1


def _content(path: Path) -> bytes:
    if path.suffix != ".zst":
        return path.read_bytes()
    if not (program := shutil.which("zstd")):
        raise RefusedError(f"{path.name}: compressed; install zstd, or unpack it beside this file with zstd -d")
    return subprocess.run([program, "-dcq", path], check=True, stdout=subprocess.PIPE).stdout  # noqa: S603


def read(chosen: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    """Return what is in the tape, and where it differs from what onetape printed."""
    theirs = {each.stem: json.loads(each.read_text()) for each in chosen.compare}
    if unknown := theirs.keys() - {"accounts", "positions", "orders"}:
        raise RefusedError(f"{', '.join(unknown)}: not accounts.json, positions.json or orders.json")
    tape, account, counts, times = Tape(chosen.tape), Account(), Counter[str](), [0, 0]
    try:
        for frame in tape.frames():
            times = [times[0], max(times[1], frame.time)] if counts else [frame.time] * 2
            counts[frame.type] += 1
            if tape.process.startswith("gateway:"):
                account.take(frame)
    except (ArithmeticError, LookupError, TypeError, ValueError, struct.error) as error:
        raise DamageError(f"at or after frame {tape.sequence}, with good checksums: {error!r}") from error
    found: dict[str, Any] = {"tape": str(tape.path), "process": tape.process, "account": tape.account}
    found |= {"frames": dict(counts.most_common()), "sequence": [tape.first_sequence, tape.sequence], "time": times}
    found |= {"segments": tape.segments, "sealed": tape.sealed, "is_closed": tape.end_flags == 1}
    found |= {"torn": tape.torn, "hash": tape.hash}
    # Without its beginning a tape has changes, and no figures.
    if tape.process.startswith("gateway:") and tape.first_sequence == 1:
        found |= account.rows(tape.account)
    elif theirs:
        raise RefusedError(f"{tape.path}: nothing to compare; it is not a gateway's tape from its first frame on")
    return found, differences(found, theirs, tape.account)


def summary(found: dict[str, Any]) -> str:
    kinds = ", ".join(f"{count} {kind}" for kind, count in found["frames"].items())
    first, last = (f"{datetime.fromtimestamp(time // 10**9, UTC):%Y-%m-%d %H:%M:%S}" for time in found["time"])
    end = f"torn at {found['torn']}" if found["torn"] else "closed" if found["is_closed"] else "open"
    segments = f"{found['segments']} segments, {found['sealed']} sealed, {end}"
    return f"{found['process']}: {kinds or 'no frames'}; {first} to {last} UTC; {segments}; hash {found['hash']}"


def main() -> int:
    parser = argparse.ArgumentParser(description="Check a tape, say what is in it, and recompute a gateway's account.")
    parser.add_argument("tape", type=Path, metavar="TAPE", help="a directory of segments")
    parser.add_argument("--json", action="store_true", help="print one JSON value")
    what = "accounts.json, positions.json, orders.json: output of onetape accounts, positions, orders with --json"
    parser.add_argument("--compare", type=Path, nargs="+", default=[], metavar="FILE", help=what)
    chosen = parser.parse_args()
    try:
        found, differing = read(chosen)
    except DamageError as error:
        print(f"damaged: {error}", file=sys.stderr)
        return 3
    except (RefusedError, OSError, ValueError, subprocess.SubprocessError) as error:
        print(f"not read: {error}", file=sys.stderr)
        return 2
    lines = [summary(found), *described(found), *(f"differs: {line}" for line in differing)]
    print(json.dumps(found | {"differences": differing}) if chosen.json else "\n".join(lines))
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
