"""Tokens: made once, one file for each name, their owner's alone."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from onetape.model.errors import BadConfig, NotOwner, PermissionDenied
from onetape.security.tokens import make_token, read_token, token_file

NAMES = ["a", "A", "a/b", "a%2Fb", "..", ".a", "robot:mm", "robot%3Amm", "ö", " ", "a\n", "x" * 255]


def test_a_token_is_made_once_and_read_by_its_name(tmp_path: Path) -> None:
    made = make_token(tmp_path, "a")
    assert len(bytes.fromhex(made)) == 32
    assert make_token(tmp_path, "a") == made == read_token(tmp_path, "a")
    assert make_token(tmp_path, "b") != made


def test_every_name_has_a_file_of_its_own_in_the_folder(tmp_path: Path) -> None:
    files = [token_file(tmp_path, name) for name in NAMES]
    assert len(set(files)) == len(NAMES)
    assert {file.parent for file in files} == {tmp_path / "run" / "tokens"}
    for name in NAMES:
        made = make_token(tmp_path, name)
        assert read_token(tmp_path, name) == made
    assert sorted(p.name for p in files[0].parent.iterdir()) == sorted(f.name for f in files)


@pytest.mark.parametrize("name", ["", "x" * 256, "ö" * 100])
def test_a_name_without_a_file_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadConfig, match="has no token"):
        make_token(tmp_path, name)


def test_only_the_owner_may_look(tmp_path: Path) -> None:
    make_token(tmp_path, "a")
    path = token_file(tmp_path, "a")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    path.chmod(0o640)
    with pytest.raises(PermissionDenied, match="others may read"):
        read_token(tmp_path, "a")


def test_a_name_without_a_token_owns_nothing(tmp_path: Path) -> None:
    with pytest.raises(NotOwner, match="no token for 'b'"):
        read_token(tmp_path, "b")


@pytest.mark.parametrize("text", ["", "ab", "g" * 64, "a" * 65])
def test_a_file_that_is_no_token_is_refused(tmp_path: Path, text: str) -> None:
    make_token(tmp_path, "a")
    token_file(tmp_path, "a").write_text(text)
    with pytest.raises(BadConfig, match="not a token"):
        read_token(tmp_path, "a")


def test_who_comes_at_the_same_time_gets_the_same_token(tmp_path: Path) -> None:
    found: list[str] = []
    together = threading.Barrier(8)

    def make() -> None:
        together.wait()
        found.append(make_token(tmp_path, "a"))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
