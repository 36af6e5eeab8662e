"""Machine code is kept between processes, and used only where it is what would be compiled."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from long_form import LONG, first_of, long_form
from onetape.engine.loader import load_strategy
from worlds.tapes import BTC, Market, play

numba = pytest.importorskip("numba")

from numba.core import event  # noqa: E402

from onetape.engine.jit import code_folder, machine_code  # noqa: E402
from onetape.engine.jit.code_folder import CodeFolder, folder_for  # noqa: E402

NEIGHBOUR = """
from numba import njit

SHARE = 0.5

@njit
def half(x):
    return x * SHARE
"""
STRATEGY = f"""
import numpy as np
import kept_neighbour
from kept_neighbour import half
from onetape import Strategy, compiled

LIMIT = 0.2
WEIGHTS = np.array([1.0, 2.0, 3.0])

@compiled
class Kept(Strategy):
    size: float = 0.5

    def on_start(self):
        self.subscribe("{BTC}", quotes=True)
        self.set_timer("slow", every="2s")
        self.mids = np.zeros(8)
        self.seen = 0
        self.wish = 0.0

    def gap(self):
        return self.mids.mean() - self.mids[:4].mean()

    def on_quote(self, q):
        self.mids[self.seen % 8] = q.mid
        self.seen += 1
        if self.gap() > LIMIT:
            self.wish = half(self.size) * WEIGHTS[1]
        elif self.gap() < -LIMIT:
            self.wish = -kept_neighbour.half(self.size) * WEIGHTS[0]

    def on_timer(self, name):
        if name == "slow":
            self.set_target("{BTC}", self.wish)
"""
RUNNER = """
import json, sys
sys.path[:0] = [sys.argv[1], sys.argv[2]]
from pathlib import Path
from worlds.tapes import play
from onetape.engine.loader import load_strategy
from numba.core import event
done = []
with event.install_recorder("numba:compile") as seen:
    for reference in sys.argv[4:]:
        done.append(play(load_strategy(reference), Path(sys.argv[3])).action_hash)
print(json.dumps({"compiled": len(seen.buffer), "actions": done}))
"""


@pytest.fixture(scope="module")
def tape(tmp_path_factory) -> Path:
    market = Market(tmp_path_factory.mktemp("kept") / "t")
    for i in range(400):
        bid = round(100 + 3 * ((i * 37) % 101) / 101 - (i % 17) * 0.2, 1)
        market.quote(i / 10, bid, round(bid + 0.2, 1), 2, 3)
    return market.done()


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """A strategy with all that it needs, and a folder of its own for machine code."""
    monkeypatch.setenv(code_folder.VARIABLE, str(tmp_path / "code"))
    monkeypatch.setattr(machine_code, "_loaded", {})
    monkeypatch.setattr(code_folder, "_said", set())
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "kept_neighbour.py").write_text(NEIGHBOUR)
    (tmp_path / "kept.py").write_text(STRATEGY)
    return tmp_path


def run(place: Path, tape: Path) -> tuple[int, str]:
    """Compilations and the hash of the actions, as a process that has loaded nothing yet."""
    machine_code._loaded.clear()
    sys.modules.pop("kept_neighbour", None)
    shutil.rmtree(place / "__pycache__", ignore_errors=True)  # edits within one second
    with event.install_recorder("numba:compile") as seen:
        played = play(load_strategy(str(place / "kept.py")), tape)
    assert not played.host.failures
    return len(seen.buffer), played.action_hash


def process(place: Path, tape: Path, *names: str, **env: str) -> subprocess.Popen[str]:
    local = str(Path(__file__).parents[1])
    return subprocess.Popen(
        [sys.executable, "-c", RUNNER, local, str(place), str(tape), *(str(place / name) for name in names)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **env},
    )


def answer(started: subprocess.Popen[str]) -> tuple[int, list[str]]:
    out, err = started.communicate(timeout=120)
    assert started.returncode == 0, err
    value = json.loads(out)
    return value["compiled"], value["actions"]


def entries(place: Path) -> list[Path]:
    return sorted((place / "code").glob("*.code"))


def test_a_second_process_compiles_nothing_and_orders_the_same(place, tape):
    interpreted = play(load_strategy(str(place / "kept.py")), tape, interpret=True).action_hash
    first, actions = answer(process(place, tape, "kept.py"))
    second, repeated = answer(process(place, tape, "kept.py"))
    never, anew = answer(process(place, tape, "kept.py", **{code_folder.VARIABLE: "off"}))
    assert first > 0 and second == 0 and never == first
    assert actions == repeated == anew == [interpreted]
    assert len(entries(place)) == 1
    assert (place / "code").stat().st_mode & 0o777 == 0o700
    assert entries(place)[0].stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(not LONG, reason="in the long form: make prove WHAT=long")
def test_two_processes_at_once_both_succeed(place, tape):
    both = [process(place, tape, "kept.py") for _ in range(2)]
    answers = [answer(each) for each in both]
    third = answer(process(place, tape, "kept.py"))
    assert third[0] == 0 and {tuple(actions) for _, actions in [*answers, third]} == {tuple(third[1])}
    assert [path.suffix for path in (place / "code").iterdir()] == [".code"]


def test_kept_and_new_code_in_one_process_do_not_mix(place, tape):
    """numba counts functions from 1 in each process: the symbols of two would be the same."""
    other = STRATEGY.replace("> LIMIT", "< -LIMIT").replace("WEIGHTS[1]", "WEIGHTS[2]")
    (place / "other.py").write_text(other)
    answer(process(place, tape, "kept.py"))
    compiled, mixed = answer(process(place, tape, "kept.py", "other.py"))
    assert compiled > 0 and mixed[0] != mixed[1]
    alone = [
        play(load_strategy(str(place / name)), tape, interpret=True).action_hash for name in ("kept.py", "other.py")
    ]
    assert mixed == alone
    assert next(numba.core.bytecode.FunctionIdentity._unique_ids) > 2**48


EDITS = {
    "a callback": ("kept.py", "self.gap() > LIMIT", "self.gap() > 2 * LIMIT"),
    "a helper": ("kept.py", "self.mids[:4].mean()", "self.mids[:2].mean()"),
    "a global": ("kept.py", "LIMIT = 0.2", "LIMIT = 0.9"),
    "a global array": ("kept.py", "[1.0, 2.0, 3.0]", "[4.0, 2.0, 3.0]"),
    "a function of a neighbour": ("kept_neighbour.py", "x * SHARE", "x * SHARE * 3"),
    "what that reaches": ("kept_neighbour.py", "SHARE = 0.5", "SHARE = 1.5"),
    "an array's length": ("kept.py", "np.zeros(8)", "np.zeros(9)"),
    "an attribute's type": ("kept.py", "size: float = 0.5", "size: int = 2"),
    "a timer": ("kept.py", 'self.set_target("', 'x = "extra"; self.set_target("'),
}


@pytest.mark.parametrize("what", first_of(EDITS, "a callback", "a function of a neighbour", "an attribute's type"))
def test_an_edit_is_compiled(place, tape, what):
    before = run(place, tape)
    assert run(place, tape) == (0, before[1])
    name, old, new = EDITS[what]
    text = (place / name).read_text()
    assert text.count(old) == 1
    (place / name).write_text(text.replace(old, new))
    compiled, actions = run(place, tape)
    assert compiled > 0
    machine = load_strategy(str(place / "kept.py"))
    assert actions == play(machine, tape, interpret=True).action_hash


def test_a_neighbour_with_a_name_of_pythons_is_followed(place, tape, monkeypatch):
    monkeypatch.delitem(sys.modules, "tabnanny", raising=False)
    text = STRATEGY.replace("import half", "import half\nfrom tabnanny import more")
    (place / "kept.py").write_text(text.replace("WEIGHTS[1]", "WEIGHTS[1] * more(1.0)"))
    actions = []
    for factor in (2, 2, 3):
        (place / "tabnanny.py").write_text(f"from numba import njit\n\n@njit\ndef more(x):\n    return x * {factor}\n")
        monkeypatch.delitem(sys.modules, "tabnanny", raising=False)
        actions.append(run(place, tape))
    assert actions[0][0] > 0 and actions[1] == (0, actions[0][1]) and actions[2][0] > 0
    assert actions[2][1] != actions[0][1]


def test_numbers_of_a_run_need_no_compilation(place, tape):
    """A sweep over a parameter compiles once: its value lies in the record."""
    run(place, tape)
    machine_code._loaded.clear()
    with event.install_recorder("numba:compile") as seen:
        played = play(load_strategy(str(place / "kept.py")), tape, params={"size": 0.25})
    assert not seen.buffer and played.robot.size == 0.25


def swapped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def of_another_key(path: Path) -> None:
    CodeFolder(path.parent).put(b"x" * 32, b"cbuiltins\nexit\n(i7\ntR.")
    (path.parent / f"{(b'x' * 32).hex()}.code").replace(path)


def linked(path: Path) -> None:
    path.replace(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


DAMAGE = {
    "a bit": swapped,
    "half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "empty": lambda path: path.write_bytes(b""),
    "another format": lambda path: path.write_bytes(b"\x80\x04K\x01." * 50),
    "another key's": of_another_key,
    "no pickle inside": lambda path: CodeFolder(path.parent).put(bytes.fromhex(path.stem), b"\x80\x04nonsense"),
    "another shape inside": lambda path: CodeFolder(path.parent).put(bytes.fromhex(path.stem), b"\x80\x04]\x94K\x01a."),
    "readable by others": lambda path: path.chmod(0o644),
    "a link": linked,
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a pipe": lambda path: (path.unlink(), os.mkfifo(path, 0o600)),
}


@pytest.mark.parametrize("what", first_of(DAMAGE, "a bit", "another key's", "readable by others", "a pipe"))
def test_a_damaged_entry_means_to_compile_again(place, tape, what):
    before = run(place, tape)
    (entry,) = entries(place)
    DAMAGE[what](entry)
    compiled, actions = run(place, tape)
    assert compiled > 0 and actions == before[1]
    if what != "a folder":  # which nobody but its owner should remove
        assert run(place, tape) == (0, before[1])


def open_to_others(folder: Path) -> None:
    folder.chmod(0o750)


def behind_a_link(folder: Path) -> None:
    folder.replace(folder.with_name("real"))
    folder.symlink_to("real")


def of_another_user(folder: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    os.chown(folder, 12345, -1)


def a_file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("")


@pytest.mark.parametrize("spoil", [open_to_others, of_another_user, *long_form(behind_a_link, a_file)])
def test_a_folder_that_is_not_the_users_own_is_not_used_and_said_once(place, tape, capfd, spoil):
    before = run(place, tape)
    spoil(place / "code")
    for _ in range(2):
        compiled, actions = run(place, tape)
        assert compiled > 0 and actions == before[1]
    said = capfd.readouterr().err
    assert said.count("are compiled anew in each run") == 1 and str(place / "code") in said


def test_a_full_or_closed_disk_loses_nothing(place, tape, capfd, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(code_folder.os, "replace", full)
    before = run(place, tape)
    assert before[0] > 0 and list((place / "code").iterdir()) == []
    assert "No space left on device" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("import numpy as np", "import numpy as np\nfrom numba.extending import overload"),
        ("import numpy as np", "import numpy as np\nimport numba\nnumba.extending.overload"),
        ("WEIGHTS[1]", "WEIGHTS[1] * powers(2)"),  # recursion
        ("LIMIT = 0.2", "LIMIT = __import__('collections').namedtuple('N', 'a')(0.2)"),
    ],
)
def test_what_cannot_be_followed_is_compiled_in_each_run(place, tape, old, new):
    text = STRATEGY.replace(old, new)
    if "powers" in new:
        text = text.replace("import half\n", "import half, powers\n")
        more = "\n@njit\ndef powers(n):\n    return 1.0 if n < 1 else 0.5 * powers(n - 1)\n"
        (place / "kept_neighbour.py").write_text(NEIGHBOUR + more)
    if "namedtuple" in new:
        text = text.replace("> LIMIT", "> LIMIT.a").replace("< -LIMIT", "< -LIMIT.a")
    (place / "kept.py").write_text(text)
    first, second = run(place, tape), run(place, tape)
    assert first[0] > 0 and second[0] > 0 and first[1] == second[1]
    assert not (place / "code").exists()


def test_the_oldest_entries_make_room(tmp_path):
    folder = CodeFolder(tmp_path / "code", bytes_max=1_000)
    keys = [bytes([i]) * 32 for i in range(5)]
    for at, key in enumerate(keys[:3]):
        folder.put(key, b"a" * 200)
        os.utime(folder.path / f"{key.hex()}.code", ns=(at, at))
    (folder.path / "notes").write_text("not ours" * 500)
    assert folder.get(keys[0]) == b"a" * 200  # used: the newest now
    folder.put(keys[3], b"b" * 200)
    assert [folder.get(key) is not None for key in keys[:4]] == [True, False, True, True]
    folder.put(keys[4], b"c" * 2_000)  # more than all
    assert folder.get(keys[4]) is None
    assert (folder.path / "notes").exists()


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({"XDG_CACHE_HOME": "/c", "HOME": "/h"}, "/c/onetape/compiled"),
        ({"XDG_CACHE_HOME": "relative", "HOME": "/h"}, "/h/.cache/onetape/compiled"),
        ({"HOME": "/h"}, "/h/.cache/onetape/compiled"),
        ({"HOME": "/h", code_folder.VARIABLE: "/mine"}, "/mine"),
        ({"HOME": "/h", code_folder.VARIABLE: "off"}, None),
        ({"HOME": "/h", code_folder.VARIABLE: "OFF "}, None),
    ],
)
def test_where_the_folder_lies(environ, wanted, monkeypatch):
    monkeypatch.setenv("HOME", environ["HOME"])
    found = folder_for(environ)
    assert (str(found.path) if found else None) == wanted
