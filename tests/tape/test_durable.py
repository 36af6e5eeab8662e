"""Small files: whole or not at all, in an order that a power loss cannot turn around."""

from __future__ import annotations

import os
import resource
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from onetape.tape import durable
from onetape.tape.durable import SHARED, durable_file, is_unfinished, write_durably


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def test_it_replaces_what_stood_there_and_leaves_nothing_beside(tmp_path) -> None:
    path = tmp_path / "a.json"
    assert write_durably(path, b"one") == path
    write_durably(path, "zwei: ä")
    assert path.read_text(encoding="utf-8") == "zwei: ä"
    assert names(tmp_path) == ["a.json"]


@pytest.mark.parametrize(("mode", "expected"), [(durable.PRIVATE, 0o600), (SHARED, 0o640)])
def test_whose_it_is(tmp_path, mode, expected) -> None:
    old = os.umask(0o027)
    try:
        write_durably(tmp_path / "a", b"x", mode=mode)
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == expected


def test_content_is_synced_before_it_has_the_name_and_the_name_after(tmp_path, monkeypatch) -> None:
    path, seen = tmp_path / "a", []
    write_durably(path, b"old")
    real = os.fsync

    def spy(descriptor: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        size = 0 if is_folder else os.fstat(descriptor).st_size
        seen.append(("folder" if is_folder else "file", size, path.read_bytes()))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", spy)
    write_durably(path, b"newer")
    assert seen == [("file", 5, b"old"), ("folder", 0, b"newer")]


def test_what_it_replaces_can_be_kept(tmp_path) -> None:
    path, before = tmp_path / "a", tmp_path / "a.old"
    write_durably(path, b"1", previous=before)
    assert names(tmp_path) == ["a"]
    write_durably(path, b"2", previous=before)
    write_durably(path, b"3", previous=before)
    assert (path.read_bytes(), before.read_bytes()) == (b"3", b"2")


def test_a_block_that_fails_changes_nothing(tmp_path) -> None:
    path = tmp_path / "a"
    write_durably(path, b"old")
    with pytest.raises(KeyboardInterrupt), durable_file(path) as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old" and names(tmp_path) == ["a"]


def test_a_file_that_the_disk_does_not_take_changes_nothing(tmp_path) -> None:
    """A limit on the size of files fails the write as a full disk does, after a part of it."""
    path = tmp_path / "a"
    write_durably(path, b"old")
    kept_limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    kept_signal = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, kept_limit[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_durably(path, bytes(100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, kept_limit)
        signal.signal(signal.SIGXFSZ, kept_signal)
    assert path.read_bytes() == b"old" and names(tmp_path) == ["a"]


def test_what_a_kill_leaves_is_known_by_its_name(tmp_path) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path\n"
        "from onetape.tape.durable import durable_file\n"
        "with durable_file(Path(sys.argv[1])) as file:\n"
        "    file.write(b'half'); file.flush(); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    path = tmp_path / "sweep.json"
    write_durably(path, b"old")
    assert subprocess.run([sys.executable, "-c", script, path], check=False).returncode == -9
    left = [each for each in tmp_path.iterdir() if each != path]
    assert path.read_bytes() == b"old" and len(left) == 1
    assert is_unfinished(left[0], "sweep.json")
    for other in ("sweep.json", ".sweep.json", ".sweep.json.x", ".other.json.12", "sweep.json.12"):
        assert not is_unfinished(tmp_path / other, "sweep.json")


def test_a_link_planted_in_its_place_is_not_followed(tmp_path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    (tmp_path / f".a.{os.getpid()}").symlink_to(victim)
    with pytest.raises(OSError):
        write_durably(tmp_path / "a", b"x")
    assert victim.read_bytes() == b"mine" and not (tmp_path / "a").exists()
