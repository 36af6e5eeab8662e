"""Names of any length and shape: none is another's file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onetape.ipc.names import process_of, process_socket, sockets
from onetape.model.home import decoded, encoded

ODD = (
    "main", "mm1", "mm1.x", "mm1.", ".mm1", "", "a/b", "../a", "a%2Fb", "%", "%~", "a\0b", "é",
    "交易", "\ud800", " a ", "a" * 200, "a" * 201, "a" * 300, "a" * 299 + "b", "-", "a-b", "A",
)  # fmt: skip


def test_odd_names_have_files_of_their_own_in_one_folder(tmp_path: Path):
    paths = [process_socket(tmp_path, f"gateway:{name}") for name in ODD]
    assert len(set(paths)) == len(ODD)
    for path in paths:
        assert path.parent == tmp_path / "run"
        assert process_of(path).startswith("gateway:")
        assert len(path.name.encode()) <= 255
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert list(sockets(tmp_path, "gateway")) == sorted(paths)
    assert list(sockets(tmp_path, "gate")) == []


names = st.one_of(st.sampled_from(ODD), st.text(max_size=300))


@given(names, names)
def test_two_names_never_share_a_file_and_are_read_back(one: str, other: str):
    assert (encoded(one) == encoded(other)) == (one == other)
    text = encoded(one)
    assert "/" not in text and "\0" not in text and not text.startswith(".")
    if text.startswith("%~"):
        assert decoded(text) is None
    else:
        assert decoded(text) == one


@given(st.text(alphabet="ab%2F~.G", max_size=12))
def test_what_nobody_has_encoded_is_no_name(text: str):
    name = decoded(text)
    assert name is None or encoded(name) == text


@pytest.mark.parametrize("name", ["main", "kraken-2", "a.b_c"])
def test_plain_names_stand_for_themselves(tmp_path: Path, name: str):
    path = process_socket(tmp_path, f"gateway:{name}")
    assert path.name == f"gateway-{name}.sock" and process_of(path) == f"gateway:{name}"
    assert process_socket(tmp_path, "supervisor").name == "supervisor.sock"
