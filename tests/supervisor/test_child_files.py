"""What a process says of itself, from its start on."""

from __future__ import annotations

from pathlib import Path

import pytest

from onetape.supervisor.child import ChildFiles


@pytest.mark.parametrize(
    ("out", "line", "said"),
    [
        ("", b"", ""),
        ("rea", b"", ""),
        ("waits for the market\n", b"", "waits for the market"),
        ("waits for one\nwaits for two\nwaits for thr", b"", "waits for two"),
        ("waits for one\nready /x\n", b"ready /x\n", ""),
        ("waits for one\nready /x\nhalted: no\n", b"ready /x\n", "halted: no"),
        ('{"rest": "http"}\n', b'{"rest": "http"}\n', ""),
        ("ready\nbehind\ncaught up\nbe", b"ready\n", "caught up"),
    ],
)
def test_it_is_ready_by_a_line_and_waits_before(tmp_path: Path, out: str, line: bytes, said: str):
    files = ChildFiles(tmp_path, "robot:mm")
    files.out.parent.mkdir()
    files.out.write_text(out)
    assert (files.line(), files.said()) == (line, said)


def test_one_without_a_file_has_said_nothing(tmp_path: Path):
    files = ChildFiles(tmp_path, "robot:mm")
    assert (files.line(), files.said()) == (b"", "")
