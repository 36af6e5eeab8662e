"""Files and archives that mislead: refused by name, in constant memory, with nothing left."""

from __future__ import annotations

import gzip
import io
import os
import resource
import signal
import stat
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard

from onetape.data.importing import import_files
from onetape.data.size_limits import Limits
from onetape.data.source import open_sources
from onetape.model.errors import BadInput, OnetapeError, UsageError
from onetape.tape.journal import JournalReader
from waiting import PATIENCE_S

CSV = "ts,price,size\n" + "".join(f"{1_700_000_000 + i},1.5,2\n" for i in range(500))


def load(path: Path, out: Path, **options: Any) -> Any:
    return import_files("csv", [path], symbol="x:A/USD", out=out, **options)


def zipped(path: Path, *members: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def frames(tape: Path) -> list[bytes]:
    with JournalReader(tape) as reader:
        return [frame.payload for frame in reader.frames(["trade"])]


def test_every_wrapping_gives_the_same_events(tmp_path: Path) -> None:
    raw = CSV.encode()
    half = raw.index(b"\n", len(raw) // 2) + 1
    zst = zstandard.ZstdCompressor()
    wrapped = {
        "plain.csv": raw,
        "one.gz": gzip.compress(raw),
        "two-members.gz": gzip.compress(raw[:half]) + gzip.compress(raw[half:]),
        "padded.gz": gzip.compress(raw) + b"\0" * 512,
        "one.zst": zst.compress(raw),
        "two-frames.zst": zst.compress(raw[:half]) + zst.compress(raw[half:]),
        "gzip-called.csv": gzip.compress(raw),
    }
    want = None
    for name, content in wrapped.items():
        (tmp_path / name).write_bytes(content)
        load(tmp_path / name, tmp_path / f"{name}.tape")
        got = frames(tmp_path / f"{name}.tape")
        want = want or got
        assert got == want and len(got) == 500, name
    archive = zipped(tmp_path / "a.zip", ("b.csv", raw[:half]), ("c/d.csv", raw[:14] + raw[half:]))
    load(archive, tmp_path / "zip.tape")
    assert frames(tmp_path / "zip.tape") == want


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: gzip.compress(raw)[:-20],
        lambda raw: gzip.compress(raw)[:40] + b"\xff" * 20 + gzip.compress(raw)[60:],
        lambda raw: gzip.compress(raw)[:-8] + b"\0" * 8,
        lambda raw: zstandard.ZstdCompressor().compress(raw)[:-20],
        lambda raw: b"\x28\xb5\x2f\xfd" + b"\xff" * 100,
        lambda raw: b"PK\x03\x04" + b"\0" * 100,
        lambda raw: b"BZh91AY&SY",
        lambda raw: b"\xfd7zXZ\x00\x00",
    ],
)
def test_damaged_and_foreign_files_are_named(damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    path = tmp_path / "file.csv.gz"
    path.write_bytes(damage(CSV.encode() * 50))
    with pytest.raises(BadInput, match=r"file\.csv\.gz"):
        load(path, tmp_path / "tape")
    assert [entry.name for entry in tmp_path.iterdir()] == ["file.csv.gz"]


def _link(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


HOSTILE = [
    *[
        (name, rule)
        for rule, names in {
            "absolute": [
                "/etc/passwd", "//server/share", "/", "\\windows\\x", "C:\\x", "C:/x", "c:x",
                "/tmp/../etc/x", "\\\\server\\share",
            ],
            "leaves": [
                "..", "../x", "../../../../x", "a/../../x", "a/..", "a/b/../../../x", "..\\x",
                "a\\..\\..\\x", "a/..\\../x", "./../x", "a//../..//x", "../", "a/../b",
                *[("../" * n) + "etc/cron.d/x" for n in range(2, 30)],
            ],
            "control": ["a\nb", "a\x1b[2Jb", "\x07", "a\tb", "x\r", "\x01/../x"],
        }.items()
        for name in names
    ],
    (_link("link", stat.S_IFLNK | 0o777), "link or a device"),
    (_link("dev", stat.S_IFCHR | 0o666), "link or a device"),
    (_link("blk", stat.S_IFBLK | 0o666), "link or a device"),
    (_link("fifo", stat.S_IFIFO | 0o666), "link or a device"),
    (_link("sock", stat.S_IFSOCK | 0o666), "link or a device"),
]  # fmt: skip


def test_hostile_archive_members_are_refused(tmp_path: Path) -> None:
    assert len(HOSTILE) >= 60
    for number, (name, rule) in enumerate(HOSTILE):
        path = zipped(tmp_path / f"{number}.zip", ("good.csv", CSV.encode()), (name, CSV.encode()))
        with pytest.raises(BadInput) as caught:
            load(path, tmp_path / "tape")
        shown = str(caught.value)
        assert rule in shown or "leaves" in shown, (name, shown)
        assert "\x1b" not in shown and "\n" not in shown
    left = {entry.name for entry in tmp_path.iterdir()}
    assert left == {f"{number}.zip" for number in range(len(HOSTILE))}


def test_archives_that_are_empty_nested_doubled_or_locked_are_refused(tmp_path: Path) -> None:
    raw = CSV.encode()
    for name, members, rule in [
        ("empty", [], "the zip file is empty"),
        ("folder", [("a/", b"")], "the zip file is empty"),
        ("nested", [("a.csv.gz", gzip.compress(raw))], "archive inside an archive"),
        ("zip-in-zip", [("a.zip", zipped(tmp_path / "i.zip", ("a", raw)).read_bytes())], "archive"),
    ]:
        path = zipped(tmp_path / f"{name}.zip", *members)
        with pytest.raises(BadInput, match=rule):
            load(path, tmp_path / "tape")
    with pytest.warns(UserWarning, match="Duplicate"):
        path = zipped(tmp_path / "twice.zip", ("a.csv", raw), ("a.csv", raw))
    with pytest.raises(BadInput, match="stands twice"):
        load(path, tmp_path / "tape")


def test_bombs_are_refused_quickly_in_little_memory(tmp_path: Path) -> None:
    """Ten gibibytes of zeros in ten megabytes, in every wrapping, and rows without end."""
    block = b"\0" * (1 << 20)
    packer = io.BytesIO()
    with gzip.GzipFile(fileobj=packer, mode="wb", compresslevel=1) as file:
        for _ in range(64):
            file.write(block)
    zeros = packer.getvalue()
    (tmp_path / "zeros.gz").write_bytes(zeros * 160)
    row = b"1700000000,1.5,2\n" * 4096
    rows = zstandard.ZstdCompressor(level=1).compress(b"ts,price,size\n" + row * 1000)
    (tmp_path / "rows.zst").write_bytes(rows)
    zipped(tmp_path / "z.zip", ("a.csv", b"ts,price,size\n" + row * 256))
    for name in ("zeros.gz", "rows.zst", "z.zip"):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began = time.process_time()
        with pytest.raises(BadInput, match=r"200-fold|is not text"):
            load(tmp_path / name, tmp_path / "tape")
        assert time.process_time() - began < 5
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 256 << 10
    assert not (tmp_path / "tape").exists()


def test_the_caps_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(os.urandom(1 << 16).hex().encode()))
    small = Limits(bytes_max=1 << 12)
    with pytest.raises(BadInput, match="more than 4,096 bytes"):
        list(open_sources([path], small)[0].chunks())
    archive = zipped(tmp_path / "m.zip", *[(f"{i}.csv", b"") for i in range(12)])
    with pytest.raises(BadInput, match="12 members, more than 10"):
        open_sources([archive], Limits(members_max=10))
    big = zipped(tmp_path / "big.zip", ("a.csv", b"x" * 9000))
    with pytest.raises(BadInput, match="more than 4,096 bytes"):
        open_sources([big], small)


def test_what_is_no_file_is_bad_input(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.csv", tmp_path, Path(os.devnull)):
        with pytest.raises(BadInput):
            load(path, tmp_path / "tape")
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(BadInput):
        load(tmp_path / "fifo", tmp_path / "tape")
    with pytest.raises(UsageError):
        import_files("csv", [], symbol="x:A", out=tmp_path / "tape")


@pytest.mark.parametrize(("kind", "error", "exit_code"), [("wat", OnetapeError, 2)])
def test_kinds_that_are_not_there_say_so(kind: str, error: type[OnetapeError], exit_code: int, tmp_path: Path) -> None:
    with pytest.raises(error) as caught:
        import_files(kind, [tmp_path / "x"], symbol="x:A", out=tmp_path / "tape")
    assert caught.value.exit_code == exit_code
    assert caught.value.name == ("NOT_AVAILABLE" if exit_code == 1 else "UNKNOWN_FORMAT")


# The tape's place


def test_an_existing_tape_is_replaced_only_when_told(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(CSV)
    load(path, tmp_path / "tape")
    before = (tmp_path / "tape" / "0000000001.tape").read_bytes()
    with pytest.raises(UsageError, match="exists already") as caught:
        load(path, tmp_path / "tape")
    assert caught.value.exit_code == 2
    path.write_text(CSV + "1800000000,1,1\n")
    load(path, tmp_path / "tape", force=True)
    assert (tmp_path / "tape" / "0000000001.tape").read_bytes() != before
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.csv", "tape"]


def test_force_deletes_nothing_but_tapes(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(CSV)
    load(path, tmp_path / "tape")
    mixed = tmp_path / "tape"
    (mixed / "notes.txt").write_text("mine")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "x").write_text("y")
    link = tmp_path / "link"
    link.symlink_to(folder)
    for out in (mixed, folder, link, path):
        with pytest.raises(UsageError, match="is not a tape"):
            load(path, out, force=True)
    assert (mixed / "notes.txt").read_text() == "mine"
    assert (folder / "x").read_text() == "y"
    assert path.read_text() == CSV


@pytest.mark.parametrize(
    "beside",
    [
        "pruned.json",
        "lock",
        "rejects.jsonl",
        "torn-1-4096.bin",
        "damaged-2.zst.bin",
        "0000000002.tape.new",
        "0000000002.tape.zst",
        "pins/run-1.json",
    ],
)
def test_force_replaces_a_tape_with_what_journals_leave_beside_it(tmp_path: Path, beside: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(CSV)
    load(path, tmp_path / "tape")
    (tmp_path / "tape" / beside).parent.mkdir(exist_ok=True)
    (tmp_path / "tape" / beside).write_text("{}")
    load(path, tmp_path / "tape", force=True)
    assert not (tmp_path / "tape" / beside).exists()


def test_a_failed_replacement_keeps_the_old_tape(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(CSV)
    load(path, tmp_path / "tape")
    before = frames(tmp_path / "tape")
    path.write_text("ts,price,size\nbad,1,1\n")
    with pytest.raises(BadInput):
        load(path, tmp_path / "tape", force=True)
    assert frames(tmp_path / "tape") == before
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.csv", "tape"]


IMPORTING = """
import sys
from onetape.data.importing import import_files
def progress(done, total):
    print("reading", flush=True)
    sys.stdin.readline()
import_files("csv", [sys.argv[1]], symbol="x:A/USD", out=sys.argv[2], progress=progress)
"""


@pytest.mark.parametrize("signal_", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_import_leaves_no_tape(signal_: signal.Signals, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(CSV)
    out = tmp_path / "tape"
    process = subprocess.Popen(
        [sys.executable, "-c", IMPORTING, path, out],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "reading\n"
    process.send_signal(signal_)
    process.communicate(timeout=PATIENCE_S)
    assert process.returncode != 0
    assert not out.exists()
    left = [entry.name for entry in tmp_path.iterdir() if entry.name != "a.csv"]
    if signal_ == signal.SIGINT:
        assert left == []
    # What a killed one left is hidden, and the next one clears it away.
    assert all(name.startswith(".tape.partial-") for name in left)
    load(path, out)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.csv", "tape"]


def test_progress_is_told_and_ends_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(CSV)
    seen: list[tuple[float, float | None]] = []
    load(path, tmp_path / "tape", progress=lambda done, total: seen.append((done, total)))
    assert seen and seen[-1] == (len(CSV), len(CSV))
