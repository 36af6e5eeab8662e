"""A tape that was written anew as a whole has right checksums; only a seal that was noted elsewhere tells."""

from __future__ import annotations

from pathlib import Path

from onetape.tape.journal import JournalWriter
from onetape.tape.verify import VerifyReport, verify


def taped(path: Path, *texts: bytes) -> VerifyReport:
    with JournalWriter(path, uuid=bytes(range(16)), process="gateway:main", durable=False) as writer:
        for number, text in enumerate(texts):
            writer.append("log", text, time=number)
    return verify(path)


def test_a_tape_forged_as_a_whole_is_told_by_its_seal_alone(tmp_path: Path):
    true = taped(tmp_path / "true", b"\xa3one", b"\xa3two")
    forged = taped(tmp_path / "forged", b"\xa3one", b"\xa3six")
    assert true.ok and forged.ok and (forged.journal, forged.frames) == (true.journal, true.frames)
    assert len(true.seal) == 64 and forged.seal != true.seal
    assert verify(tmp_path / "true").seal == true.seal
