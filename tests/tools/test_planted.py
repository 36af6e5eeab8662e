"""Generated faults: what the operators make of a source, which are chosen, and what a run says of them."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MUTANTS = ROOT / "tests" / "mutants"
sys.path.insert(0, str(MUTANTS))

import planted  # noqa: E402

PYTHON = [
    ("if a < b:\n    pass", {"if a <= b:\n    pass", "if not (a < b):\n    pass"}),
    ("x = a >= b", {"x = a > b"}),
    ("x = a is not None", {"x = a is None"}),
    ("x = a not in b", {"x = a in b"}),
    ("x = a == b != c", {"x = a != b != c", "x = a == b == c"}),
    ("x = a + b * c", {"x = a - b * c", "x = a + b / c"}),
    ("x = a // b", {"x = a * b"}),
    ("x = (  # a < b\n    a\n    - b\n)", {"x = (  # a < b\n    a\n    + b\n)"}),
    ("x = a and b and c", {"x = a or b and c", "x = a and b or c"}),
    ("x = not a", {"x = (a)"}),
    ("x = -a", {"x = (a)"}),
    ("x = b if a else c", {"x = b if not (a) else c"}),
    ("x = [y for y in a if b(y)]", {"x = [y for y in a if not (b(y))]"}),
    ("x = True", {"x = False"}),
    ("SIZE = 20", {"SIZE = 0"}),
    ("SIZE = 0", {"SIZE = 1"}),
    (
        "def f():\n    return 1, 20, 0.5",
        {f"def f():\n    return {r}" for r in ("2, 20, 0.5", "1, 0, 0.5", "1, 20, 0.0")},
    ),
    ("x = a[b:c]", {"x = a[(b) + 1:c]", "x = a[b:(c) - 1]"}),
    ("x = a[1:]", {"x = a[0:]"}),
    ("x = max(a, key=b)", {"x = min(a, key=b)"}),
    ("x = f(a, b.c, b.d, 'text')", {"x = f(a, b.d, b.c, 'text')"}),
    ("self.close(a)", {"pass"}),
    ("self.count += b", {"self.count -= b", "pass"}),
    ("self.count = b", {"pass"}),
    ("for a in b:\n    continue", {"for a in b:\n    pass"}),
    ("raise BadInput(f'{a + 1}', 2)", {"pass"}),
    ("def f() -> int | None:\n    return a", {"def f() -> int | None:\n    return None"}),
    ("def f() -> list[int]:\n    return a", {"def f() -> list[int]:\n    return []"}),
    ("def f() -> bool:\n    return a.b", {"def f() -> bool:\n    return not (a.b)"}),
    ("x = 'ä' if a else a < b", {"x = 'ä' if not (a) else a < b", "x = 'ä' if a else a <= b"}),
]
LEFT_ALONE = [
    '"""Says 1 + 1."""',
    "# 1 < 2",
    "log.warning('%d', a + 1)",
    "print(a < 1)",
    "x = f'{a + 1}'",
    "assert a < 1",
    "__all__ = [1]",
    "__version__ = 1",
    "x: Annotated[int, 1]",
    "def f(x: int = b) -> Annotated[int, 1]:\n    pass",
    "@wraps(1, True)\nclass A(B, frozen=True):\n    pass",
    "if TYPE_CHECKING:\n    x = 1",
    "if __name__ == '__main__':\n    main()",
    "def __repr__(self):\n    return a + 1",
    "x = isinstance(a, b)",
    "x = zip(a, strict=True)",
    "x = 'a' + b",
]
CPP = [
    ("if (a < b) f();", {"if (a <= b) f();", "if (!(a < b)) f();"}),
    ("x = a - b * c;", {"x = a + b * c;", "x = a - b / c;"}),
    ("x = a && !b;", {"x = a || !b;", "x = a && b;"}),
    ("    begin();\n    f(a.b(), c);\n", {"    begin();\n    ;\n"}),
    ("    f();\n    a->b[c] = d;\n", {"    f();\n    ;\n"}),
    ("return a.b;", {"return {};"}),
    ("return true;", {"return false;"}),
    ("break;", {";"}),
    ("const auto x = std::min(a, b);", {"const auto x = std::max(a, b);"}),
    ("constexpr int size = 1'000;", {"constexpr int size = 0;"}),
    ("x = y + 1u;", {"x = y - 1u;", "x = y + 2u;"}),
    ('x = f("a < 1 \\" // && 2", \'"\', b > c);  // 1 < 2', {'x = f("a < 1 \\" // && 2", \'"\', b >= c);  // 1 < 2'}),
]
CPP_LEFT_ALONE = [
    "#include <map>  // 1",
    "std::map<int, std::vector<int>> x;",
    "template <typename T>\nstruct A;",
    "const int* a(const B& b, C&& c);",
    "static_assert(sizeof(A) == 32 && a < b);",
    "virtual void f() = 0;",
    "std::array<std::byte, size> x;",
    "/* a < 1 */",
    'constexpr auto x = R"(a < 1 && b)";',
]


def planted_in(file: str, text: str) -> set[str]:
    return {text[: each.start] + each.new + text[each.end :] for each in planted.sites_of(file, text)}


@pytest.mark.parametrize(("text", "wanted"), PYTHON, ids=lambda each: each if isinstance(each, str) else "")
def test_each_operator_of_python_makes_its_fault(text, wanted):
    found = planted_in("src/onetape/room/a.py", text)
    assert wanted <= found
    for each in found:
        ast.parse(each)


@pytest.mark.parametrize("text", LEFT_ALONE)
def test_what_cannot_matter_in_python_is_left_alone(text):
    assert planted_in("src/onetape/room/a.py", text) == set()


@pytest.mark.parametrize(("text", "wanted"), CPP, ids=lambda each: each if isinstance(each, str) else "")
def test_each_operator_of_the_core_makes_its_fault(text, wanted):
    assert wanted == planted_in("core/room/a.cpp", text) - {text}


@pytest.mark.parametrize("text", CPP_LEFT_ALONE)
def test_what_cannot_matter_in_the_core_is_left_alone(text):
    assert planted_in("core/room/a.cpp", text) == set()


def test_a_fault_is_whole_lines_that_stand_once_in_the_file():
    text = "a = 1\nx = 1\nb = 1\nx = 1\n"
    second = [each for each in planted.sites_of("src/onetape/room/a.py", text) if each.line == 4]
    (fault,) = [each.fault(text) for each in second]
    assert (fault.old, fault.new) == ("b = 1\nx = 1", "b = 1\nx = 0")


def sample_sources() -> dict[str, str]:
    lines = [f"a{n} = b{n} + {n}" for n in range(200)]
    large, small = "\n".join(lines), "\n".join(lines[:20])
    return {"src/onetape/large/a.py": large, "src/onetape/small/b.py": small, "core/small/a.cpp": "x = a + 1;"}


def test_a_seed_chooses_the_same_and_a_greater_count_adds_to_it():
    texts = sample_sources()
    found = planted.chosen(texts, 20, 3)
    assert len(found) == 20
    assert planted.chosen(texts, 20, 3) == found == planted.chosen(texts, 40, 3)[:20]
    assert planted.chosen(texts, 20, 4) != found
    # All rooms have some, the larger ones more.
    rooms = [each.room for each in found]
    assert rooms.count("large") > rooms.count("small") > rooms.count("core/small") > 0
    assert len(planted.chosen({"core/small/a.cpp": "x = a + 1;"}, 20, 3)) == 2


def test_faults_of_this_tree_are_programs_and_stand_where_they_say():
    texts = planted.sources(ROOT)
    assert not any("third_party" in file or "/templates/" in file or "/tests/" in file for file in texts)
    part = {file: text for file, text in texts.items() if "/orders/" in file}
    for site in planted.chosen(part, 150, 5):
        text = texts[site.file]
        fault = site.fault(text)
        assert text[: site.start].count("\n") + 1 == site.line
        whole = planted.run_mutants.mutated(text, fault)
        assert whole == text[: site.start] + site.new + text[site.end :]
        if site.file.endswith(".py"):
            ast.parse(whole)


def test_tests_that_name_a_file_come_before_those_of_its_room():
    cover = planted.Cover(ROOT)

    def nearest(file: str) -> list[str]:
        tiers = cover.tests_of(file)
        return sorted(tiers, key=lambda test: (tiers[test], test))

    assert "tests/orders/test_manager.py" in nearest("src/onetape/orders/manager.py")[:10]
    assert nearest("core/market/tick_filter.cpp")[0] == "tests/hub/test_tick_filter.py"
    assert nearest("src/onetape/hub/hub.py")[-1].startswith("tests/hub/")


PROJECT = {
    "src/onetape/__init__.py": "",
    "src/onetape/room/__init__.py": "",
    "src/onetape/room/a.py": "STEP = len(__name__) // 5\n\n\ndef least(a, b):\n    return min(a, b)\n\n\n"
    "def both(a, b):\n    return least(a, b)\n",
    "tests/room/test_a.py": "from onetape.room.a import least\n\n\ndef test_least():\n    assert least(1, 2) == 1\n",
    "tests/room/test_broken.py": "def test_broken():\n    raise RuntimeError\n",
    "strategies/a.py": "",
}
RUN = """
import sys, pathlib
sys.path.insert(0, sys.argv[1])
import planted, run_mutants
run_mutants.ROOT = run_mutants.PLANTED = pathlib.Path.cwd()
run_mutants.COPIES = run_mutants.ROOT / "build"
sys.argv[1:] = sys.argv[2:]
sys.exit(planted.main())
"""


def test_a_run_names_survivors_and_goes_on_where_it_was(tmp_path):
    for name, text in PROJECT.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        call = [sys.executable, "-c", RUN, str(MUTANTS), *words]
        return subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, check=False)

    done = run("room/a", "--count", "9")
    assert done.returncode == 4, done.stdout + done.stderr  # half of them is not enough
    rows = [json.loads(line) for line in (tmp_path / "build" / "planted.jsonl").read_text().splitlines()]
    found = {(row["line"], row["operator"]): (row["outcome"], row["by"]) for row in rows}
    assert found == {
        (5, "min and max"): ("caught", "tests/room/test_a.py::test_least"),
        (9, "arguments"): ("survived", ""),
        (1, "arithmetic"): ("survived", ""),
        (1, "constant"): ("unviable", "tests/room/test_a.py: nothing of it could be imported"),
    }
    assert "    -     return least(a, b)\n    +     return least(b, a)\n" in done.stdout
    assert "fails without a fault: tests/room/test_broken.py" in done.stdout
    assert done.stdout.splitlines()[-1].split() == ["all", "3", "1", "2", "1", "33.3", "%"]
    # Nothing is run a second time.
    repeated = run("room/a", "--count", "9")
    assert repeated.stdout.splitlines()[-3:] == done.stdout.splitlines()[-3:]
    assert len((tmp_path / "build" / "planted.jsonl").read_text().splitlines()) == 4
