"""The state table as Python writes and reads it, in one process and between processes."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from long_form import examples
from onetape.model.errors import BadInput, JournalLocked, ProcessDown, SchemaMismatch, TornTape
from onetape.tape.state import Group, GroupSpec, Layout, StateReader, StateWriter

# For a process that imports this file.
TESTS = os.pathsep.join(map(str, Path(__file__).parents[:2]))
BALANCE = GroupSpec(1, "balance", (("total", "m"), ("free", "m"), ("frozen", "b")))
QUOTE = GroupSpec(2, "quote", (("bid", "f"), ("ask", "f"), ("bid_size", "i"), ("state", "t")))
LAYOUT = Layout([BALANCE, QUOTE])


def pair(tmp_path: Path, capacity: int = 4) -> tuple[StateWriter, StateReader]:
    writer = StateWriter(tmp_path / "state", "gateway:main", LAYOUT, capacity=capacity)
    writer.publish()
    return writer, StateReader(tmp_path / "state", "gateway:main", LAYOUT)


def test_a_missing_key_and_an_unknown_value_are_none_and_not_zero(tmp_path: Path) -> None:
    writer, reader = pair(tmp_path)
    assert reader.get("balance", "a/USDT") is None
    writer.put("balance", "a/USDT", {"total": 0, "frozen": False}, ts=5, sequence=7)
    group = reader.get("balance", "a/USDT")
    assert group == Group("balance", "a/USDT", {"total": 0, "free": None, "frozen": False}, 5, 0, 7, 1)
    assert writer.remove("balance", "a/USDT")
    assert not writer.remove("balance", "a/USDT")
    assert reader.get("balance", "a/USDT") is None


def test_life_is_told_apart_from_data(tmp_path: Path) -> None:
    writer, reader = pair(tmp_path)
    assert not writer.touch("quote", "x", ts=1)
    writer.put("quote", "x", {"bid": 1.5}, ts=10, sequence=1)
    assert writer.touch("quote", "x", ts=99)
    group = reader.get("quote", "x")
    assert group is not None
    assert (group.ts_data, group.ts_alive, group["bid"]) == (10, 99, 1.5)
    writer.heartbeat(1234)
    assert reader.heartbeat == 1234
    assert reader.writer_alive


def test_a_group_outlives_its_writer_which_is_seen_to_be_gone(tmp_path: Path) -> None:
    writer, reader = pair(tmp_path)
    writer.put("quote", "x", {"bid": 1.5}, ts=10, sequence=1)
    writer.close()
    assert not reader.writer_alive
    group = reader.get("quote", "x")
    assert group is not None
    assert group["bid"] == 1.5


def test_no_table_is_a_process_that_is_down(tmp_path: Path) -> None:
    with pytest.raises(ProcessDown, match="published no state"):
        StateReader(tmp_path, "hub", LAYOUT)


def test_another_layout_is_not_read(tmp_path: Path) -> None:
    pair(tmp_path)
    other = Layout([BALANCE, GroupSpec(2, "quote", (("bid", "i"),))])
    with pytest.raises(SchemaMismatch):
        StateReader(tmp_path / "state", "gateway:main", other)


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    writer, _ = pair(tmp_path)
    with pytest.raises(JournalLocked):
        StateWriter(tmp_path / "state", "gateway:main", LAYOUT)
    writer.close()
    StateWriter(tmp_path / "state", "gateway:main", LAYOUT)


def test_files_are_private_and_readers_map_them_read_only(tmp_path: Path) -> None:
    writer, reader = pair(tmp_path)
    writer.put("quote", "x", {"bid": 1.0}, ts=0, sequence=1)
    assert reader.get("quote", "x")
    folder = tmp_path / "state"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
    code = (
        "import sys; from test_state import *\n"
        "reader = StateReader(sys.argv[1], 'gateway:main', LAYOUT); reader.get('quote', 'x')\n"
        "print([l.split()[1] for l in open('/proc/self/maps') if '.table' in l])\n"
    )
    maps = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": TESTS},
    ).stdout
    assert maps.strip() == "['r--s', 'r--s']"


def test_a_damaged_group_is_named(tmp_path: Path) -> None:
    writer, reader = pair(tmp_path)
    writer.put("quote", "x", {"bid": 1.0, "state": "LIVE"}, ts=0, sequence=1)
    generation = tmp_path / "state" / "gateway:main.table.1"
    data = generation.read_bytes()
    at = data.index(b"LIVE")
    with generation.open("r+b") as file:
        file.seek(at)
        file.write(b"DEAD")
    with pytest.raises(TornTape, match="checksum"):
        reader.get("quote", "x")
    writer.put("quote", "x", {"bid": 2.0}, ts=0, sequence=2)  # the next write heals it
    assert reader.get("quote", "x")


def test_removed_files_are_made_anew(tmp_path: Path) -> None:
    writer, reader = pair(tmp_path)
    writer.put("quote", "x", {"bid": 1.0}, ts=0, sequence=1)
    assert not writer.keep_in_place()
    for file in (tmp_path / "state").iterdir():
        file.unlink()
    assert not reader.refresh()
    assert writer.keep_in_place()
    assert reader.refresh()
    writer.put("quote", "x", {"bid": 2.0}, ts=0, sequence=2)
    group = reader.get("quote", "x")
    assert group is not None
    assert group["bid"] == 2.0


@pytest.mark.parametrize(
    ("kind", "key", "values", "part"),
    [
        ("nope", "k", {}, "no group"),
        ("quote", "k", {"last": 1}, "no field last"),
        ("quote", "k", {"state": "far too long"}, "at most 8 bytes"),
        ("quote", "k", {"bid_size": 1 << 63}, "quote"),
        ("quote", "k", {"bid_size": 1.5}, "is an integer"),
        ("balance", "k", {"total": 1 << 127}, "balance"),
        ("quote", "", {}, "1 to 64 bytes"),
        ("quote", "k" * 65, {}, "1 to 64 bytes"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, kind: str, key: str, values: dict[str, int], part: str) -> None:
    writer, reader = pair(tmp_path)
    with pytest.raises(BadInput, match=part):
        writer.put(kind, key, values, ts=0, sequence=1)
    assert reader.keys() == []


@pytest.mark.parametrize("fields", [(("a", "q"),), (("a", "i"), ("a", "i")), tuple((f"f{i}", "m") for i in range(33))])
def test_a_group_that_cannot_be_is_refused(fields: tuple[tuple[str, str], ...]) -> None:
    with pytest.raises(BadInput):
        GroupSpec(1, "wrong", fields)


VALUES = {
    "i": st.integers(-(2**63), 2**63 - 1),
    "u": st.integers(0, 2**64 - 1),
    "b": st.booleans(),
    "f": st.floats(allow_nan=False),
    "m": st.integers(-(2**127), 2**127 - 1),
    "t": st.text(st.characters(codec="ascii", exclude_characters="\0"), max_size=8),
}
EVERY = GroupSpec(9, "every", tuple((f"{code}{i}", code) for i in (1, 2) for code in VALUES))


@given(st.fixed_dictionaries({name: st.none() | VALUES[code] for name, code in EVERY.fields}))
def test_values_survive_packing(values: dict[str, int]) -> None:
    assert EVERY.unpack(*EVERY.pack(values)) == values


keys = st.sampled_from([f"key{i}" for i in range(12)])
calls = st.one_of(
    st.tuples(st.just("put"), keys, st.integers(-9, 9)),
    st.tuples(st.just("remove"), keys, st.none()),
    st.tuples(st.just("restart"), st.none(), st.none()),
    st.tuples(st.just("reader"), st.none(), st.none()),
)


@settings(max_examples=examples(60), deadline=None)
@given(steps=st.lists(calls, max_size=40))
def test_any_calls_leave_what_a_dict_would(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str, int]]
) -> None:
    folder = tmp_path_factory.mktemp("state")
    writer, reader = pair(folder, capacity=1)
    model: dict[str, int] = {}
    for call, key, value in steps:
        if call == "put":
            writer.put("balance", key, {"total": value}, ts=1, sequence=1)
            model[key] = value
        elif call == "remove":
            assert writer.remove("balance", key) == (model.pop(key, None) is not None)
        elif call == "reader":
            reader = StateReader(folder / "state", "gateway:main", LAYOUT)
        else:
            writer.close()
            writer = StateWriter(folder / "state", "gateway:main", LAYOUT, capacity=1)
            for kept, total in model.items():
                writer.put("balance", kept, {"total": total}, ts=1, sequence=1)
            writer.publish()
        seen = {k: group["total"] for k, group in reader.groups("balance").items()}
        assert seen == model


HAMMER = """
import sys
from test_state import *
writer = StateWriter(sys.argv[1], "gateway:main", LAYOUT)
n = 0
while True:
    n += 1
    writer.put("balance", "x", {"total": 3 * n, "free": -3 * n}, ts=n, sequence=n)
    if n == 1:
        writer.publish()
        print("ready", flush=True)
"""


@pytest.mark.parametrize("seed", range(4))
def test_a_killed_writer_leaves_whole_groups(tmp_path: Path, seed: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HAMMER, str(tmp_path)], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": TESTS}
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    reader = StateReader(tmp_path, "gateway:main", LAYOUT)

    def check() -> int:
        group = reader.get("balance", "x")
        assert group is not None
        assert group["total"] == 3 * group.sequence
        assert group["free"] == -3 * group.sequence
        assert group.ts_data == group.sequence
        return group.sequence

    last = 0
    until = time.monotonic() + 0.1 + 0.07 * seed
    while time.monotonic() < until:
        now = check()
        assert now >= last
        last = now
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert check() >= last
    assert not reader.writer_alive
