"""Plant faults that operators generate, not people, and name those that the tests of their room do not notice.

    make prove WHAT=planted                                        200 faults over all rooms
    make prove WHAT=planted COUNT=50 SEED=7 MODULES="orders/ core/" 50 others, of these files
    make prove WHAT=planted REPEAT=1                               the survivors, with six times as many tests

A seed chooses the faults, the larger rooms more of them, by the root of what could be planted there; a greater COUNT
adds to those of a smaller one. Tests run nearest first: those named in tests/mutants/*.toml or like the file, then by
what they import, then those of the room, a test file at a time, until one fails or the next would exceed the time for
a fault. A test that fails must pass without the fault; a file that takes four times what it takes without, and ten
seconds, has noticed it.

Results are lines of JSON: a run that was ended goes on where it was. What does not compile, or cannot be imported, is
unviable and does not count. Survivors are for reading: some change nothing, for the others a test is missing.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import math
import re
import sys
import textwrap
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, Final

import run_mutants
from run_mutants import BUILT, IMPORTED, NEVER_ENDS, Copy, Fault, Module

CAUGHT_MIN: Final = 80  # percent that a run asks for: one in ten changes nothing
SHORT: Final = 1.5  # seconds, about what a test file takes
CORE_SECONDS: Final = 120.0  # its own tests take five
SLOWER_MAX, SECONDS_MORE = 4, 10.0
REPEAT_TIMES: Final = 6
NO_ROOMS: Final = ("templates", "strategies", "tests", "bench", "fuzz")  # not of the package, or no code that runs
# What stands in a file of the core, by its own name or by that of its binding.
IN_PYTHON: Final = re.compile(r'\b(?:class|struct) (?:Py)?(\w+) |(?:class_<[^;"]*?>\s*\(\s*\w+,|\bm\.def\()\s*"(\w+)"')
CORE_ROOMS: Final = {"journal": "tape", "text": "data", "state": "accounts", "base": "model"}  # of Python's tests

SWAPPED: Final = (
    *(("<", "<="), (">", ">="), ("==", "!="), ("is", "is not"), ("in", "not in"), ("and", "or"), ("&&", "||")),
    *(("+", "-"), ("*", "/"), ("<<", ">>"), ("+=", "-="), ("min", "max"), ("true", "false"), ("True", "False")),
)
SWAPS: Final = {a: b for pair in SWAPPED for a, b in (pair, pair[::-1])} | {"//": "*", "%": "*"}


@dataclass(frozen=True, slots=True)
class Site:
    """A fault that can be planted: text[start:end] becomes new."""

    file: str
    line: int
    operator: str
    start: int
    end: int
    new: str

    @property
    def room(self) -> str:
        parts = Path(self.file).parts
        return f"core/{parts[1]}" if parts[0] == "core" else parts[2]

    def fault(self, text: str) -> Fault:
        """Whole lines, with as many before them as make them stand once in the file."""
        first, last = text.rfind("\n", 0, self.start) + 1, text.find("\n", self.end) % (len(text) + 1)
        while text.count(text[first:last]) != 1:
            first = text.rfind("\n", 0, max(first - 1, 0)) + 1
        new = text[first : self.start] + self.new + text[self.end : last]
        return Fault(self.operator, text[first:last], new)


# --- Python: where an operator fits, by the tree --------------------------------------------------

OPERATOR: Final = re.compile(r"<<|>>|<=|>=|[=!]=|\*\*|//|is\s+not|not\s+in|is|in|and|or|[<>+*/%-]")
TEXTS: Final = ("debug", "info", "warning", "warn", "error", "exception", "log", "say", "echo", "secho", "print")
TYPES: Final = ("isinstance", "issubclass", "getattr", "setattr", "hasattr", "cast", "TypeVar", "NewType", "field")
SHOWN: Final = ("__repr__", "__str__")
SAME: Final = ("strict", "daemon")  # keywords whose value is not seen while all is well
ORDERED: Final = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)  # of which swapping is not negating
NO_NUMBERS: Final = (ast.JoinedStr, ast.List, ast.Tuple)
EMPTY: Final = {"int": "0", "float": "0.0", "str": '""', "bytes": 'b""', "list": "[]", "dict": "{}", "tuple": "()"}


class _Python:
    """Walks over a file's tree and adds the sites of what it finds."""

    def __init__(self, file: str, text: str) -> None:
        self.file, self.text, self.sites = file, text, list[Site]()
        self._lines = text.splitlines(keepends=True)
        self._starts = list(accumulate(map(len, self._lines), initial=0))
        self._visit(ast.parse(text), "", None)

    def _at(self, line: int, column: int) -> int:
        return self._starts[line - 1] + len(self._lines[line - 1].encode()[:column].decode())

    def _span(self, node: Any) -> tuple[int, int]:
        return self._at(node.lineno, node.col_offset), self._at(node.end_lineno, node.end_col_offset)

    def _source(self, node: ast.AST) -> str:
        return self.text[slice(*self._span(node))]

    def _add(self, operator: str, node: ast.AST | tuple[int, int], new: str) -> None:
        start, end = node if isinstance(node, tuple) else self._span(node)
        self.sites.append(Site(self.file, self.text.count("\n", 0, start) + 1, operator, start, end, new))

    def _swap(self, operator: str, left: ast.AST, right: ast.AST) -> None:
        """What stands between two operands: an operator, brackets and comments."""
        start, end = self._span(left)[1], self._span(right)[0]
        between = re.sub(r"#[^\n]*", lambda found: " " * len(found[0]), self.text[start:end])
        if (found := OPERATOR.search(between)) and found[0] in SWAPS:
            self._add(operator, (start + found.start(), start + found.end()), SWAPS[found[0]])

    def _negate(self, test: ast.expr) -> None:
        is_swapped = isinstance(test, ast.Compare) and len(test.ops) == 1 and not isinstance(test.ops[0], ORDERED)
        if not is_swapped and not (isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)):
            self._add("negate", test, f"not ({self._source(test)})")

    def _visit(self, node: ast.AST, function: str, returns: ast.expr | None) -> None:
        """function, returns: the name of the function around, and what it says it returns."""
        children: Iterable[ast.AST] = ast.iter_child_nodes(node)
        match node:
            case ast.JoinedStr() | ast.Assert() | ast.Expr(ast.Constant()):
                return
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                if node.name in SHOWN:
                    return
                children = [*node.args.defaults, *filter(None, node.args.kw_defaults), *node.body]
                function, returns = node.name, node.returns
            case ast.Lambda():
                children, returns = [node.body], None
            case ast.ClassDef():
                children = node.body
            case ast.keyword(arg=name) if name in SAME:
                return
            case ast.Assign() | ast.AnnAssign() | ast.AugAssign():
                target = node.targets[0] if isinstance(node, ast.Assign) else node.target
                if self._source(target).startswith("__") or node.value is None:
                    return
                if isinstance(target, (ast.Attribute, ast.Subscript)) and function != "__init__":
                    self._add("drop an assignment", node, "pass")
                if found := re.compile(r" ([+-]=)").match(self.text, self._span(target)[1]):
                    self._add("arithmetic", found.span(1), SWAPS[found[1]])
                children = [target, node.value]
            case ast.Expr(value):
                call = value.value if isinstance(value, ast.Await) else value
                if isinstance(call, ast.Call) and _called(call) not in TEXTS:
                    self._add("drop a call", node, "pass")
            case ast.Raise():
                self._add("drop a raise", node, "pass")
                return
            case ast.Continue() | ast.Break():
                self._add("drop a jump", node, "pass")
            case ast.If(test) if (source := self._source(test)) == "TYPE_CHECKING" or "__name__" in source:
                children = node.orelse
            case ast.If(test) | ast.IfExp(test):
                self._negate(test)
            case ast.comprehension(ifs=tests):
                for test in tests:
                    self._negate(test)
            case ast.Compare(left, _, others):
                for pair in pairwise([left, *others]):
                    self._swap("comparison", *pair)
            case ast.BoolOp(_, values):
                for pair in pairwise(values):
                    self._swap("logic", *pair)
            case ast.BinOp(left, _, right):
                texts = [isinstance(getattr(side, "value", None), (str, bytes)) for side in (left, right)]
                if not any(texts) and not isinstance(left, NO_NUMBERS) and not isinstance(right, NO_NUMBERS):
                    self._swap("arithmetic", left, right)
            case ast.UnaryOp(ast.Not(), operand):
                self._add("negate", node, f"({self._source(operand)})")
            case ast.UnaryOp(ast.USub(), operand) if not isinstance(operand, ast.Constant):
                self._add("sign", node, f"({self._source(operand)})")
            case ast.Constant(bool(value)):
                self._add("boolean", node, SWAPS[str(value)])
            case ast.Constant(int(value) | float(value)):
                self._add("constant", node, _number(value, is_named=not function))
            case ast.Slice(lower, upper):
                for bound, step in ((lower, "+ 1"), (upper, "- 1")):
                    if bound is not None and not isinstance(bound, ast.Constant):
                        self._add("slice", bound, f"({self._source(bound)}) {step}")
            case ast.Call(called, arguments):
                if _called(node) in (*TEXTS, *TYPES):
                    return
                if isinstance(called, ast.Name) and called.id in ("min", "max"):
                    self._add("min and max", called, SWAPS[called.id])
                for left, right in pairwise(arguments if _called(node) not in SWAPS else ()):
                    words = self._source(left), self._source(right)
                    if type(left) is type(right) and isinstance(left, (ast.Name, ast.Attribute)) and len({*words}) > 1:
                        self._add("arguments", (self._span(left)[0], self._span(right)[1]), f"{words[1]}, {words[0]}")
                        break
            case ast.Return(ast.expr() as value) if returns is not None and not isinstance(value, ast.Constant):
                kind, source = self._source(returns), self._source(value)
                new = "None" if kind.endswith("| None") else EMPTY.get(kind.partition("[")[0], source)
                new = f"not ({source})" if kind == "bool" and not isinstance(value, ast.Compare) else new
                if new != source:
                    self._add("return", value, new)
        for child in children:
            self._visit(child, function, returns)


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _number(value: int | float, *, is_named: bool) -> str:
    """One more of a small number; none of a large one, or of one that has a name: by how much it is large is taste."""
    if value and (is_named or value > 9 or isinstance(value, float)):
        return repr(type(value)(0))
    return repr(value + 1)


# --- C++: by what the formatter makes of it -------------------------------------------------------

HIDDEN: Final = re.compile(
    r"""//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<![\w'])'(?:\\.|[^'\\\n])+'"""
    r"""|^[ ]*\#(?:[^\n\\]|\\.)*|\b(?:static_assert|NB_MODULE|alignas|enum\b[^;{]*)\([^;]*;""",
    re.MULTILINE | re.DOTALL,
)
NUMBER: Final = re.compile(r"(?<![\w.'\"])(\d[\d']*)(?:[uUlL]*)(?![\w.'])")
# The operands of what has two stand apart from it, those of types, pointers and templates do not.
CPP: Final = (
    ("comparison", re.compile(r"(?<= )(<=|>=|==|!=|<|>)(?= )"), None),
    ("arithmetic", re.compile(r"(?<=[\w)\]] )(\+=|-=|\+|-|\*|/|%|<<|>>)(?= )"), None),
    ("logic", re.compile(r"(?<= )(&&|\|\|)(?=\s)"), None),
    ("boolean", re.compile(r"\b(true|false)\b"), None),
    ("min and max", re.compile(r"(?<=std::)(min|max)\b"), None),
    ("negate", re.compile(r"(?<![\w)])!(?=[\w(])"), ""),
    ("drop a jump", re.compile(r"\b(?:break|continue);"), ";"),
    ("drop a call", re.compile(r"(?<=[;{})]\n)( +)(?!m\.|return\b)[a-z_][\w.:>\[\]-]*\([^;{}]*\);"), r"\1;"),
    ("drop an assignment", re.compile(r"(?<=[;{})]\n)( +)\w+(?:(?:\.|->|\[)\w+\]?)* [-+|]?= [^;{}]*;"), r"\1;"),
    ("return", re.compile(r"\breturn (?!\*this|true;|false;|\{|\d+;)[^;{}]+;"), "return {};"),
    ("arguments", re.compile(r"(?<=\w)(?<!::min)(?<!::max)\(([a-z]\w*), ([a-z]\w*)(?=[,)])"), r"(\2, \1"),
)
CONDITION: Final = re.compile(r"\b(?:else )?if \((?![^()]*;)((?:[^()]|\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))*)\)")


def _cpp_sites(file: str, text: str) -> Iterator[Site]:
    code = HIDDEN.sub(lambda found: re.sub(r"[^\n]", '"', found[0]), text)

    def site(operator: str, span: tuple[int, int], new: str) -> Site:
        return Site(file, text.count("\n", 0, span[0]) + 1, operator, *span, new)

    for operator, pattern, new in CPP:
        for found in pattern.finditer(code):
            yield site(operator, found.span(), SWAPS[found[0]] if new is None else found.expand(new))
    for found in CONDITION.finditer(code):
        inner = text[slice(*found.span(1))]
        if not re.search(r" = |\b[!=]= ", inner) and not inner.startswith("!"):
            yield site("negate", found.span(1), f"!({inner})")
    for found in NUMBER.finditer(code):
        line = code[code.rfind("\n", 0, found.start()) + 1 : found.start()]
        if not re.search(r"\) = $|const = $|noexcept = $|\[$|enum ", line):
            number = int(found[1].replace("'", ""))
            yield site("constant", found.span(1), _number(number, is_named="constexpr" in line))


# --- what is planted ------------------------------------------------------------------------------


def sites_of(file: str, text: str) -> list[Site]:
    """All that could be planted in a file, by its lines."""
    found = _Python(file, text).sites if file.endswith(".py") else list(_cpp_sites(file, text))
    return sorted(set(found), key=lambda each: (each.start, each.end, each.new))


def sources(root: Path) -> dict[str, str]:
    """The files of the package and of the core, with their texts."""
    paths = [*root.glob("src/onetape/*/**/*.py"), *root.glob("core/*/**/*.[ch]pp")]
    names = sorted(path.relative_to(root) for path in paths)
    return {str(name): (root / name).read_text() for name in names if not set(NO_ROOMS) & set(name.parts)}


def chosen(texts: dict[str, str], count: int, seed: int) -> list[Site]:
    """As many faults, the next one always of the room that has the fewest for its size."""
    rooms: dict[str, list[Site]] = defaultdict(list)
    lines = {file: text.splitlines() for file, text in texts.items()}
    for file, text in texts.items():
        for site in sites_of(file, text):
            rooms[site.room].append(site)
    for sites in rooms.values():  # by their lines: a change of the code leaves the others in their order
        words = {site: f"{seed} {site.file} {lines[site.file][site.line - 1]} {site.new}" for site in sites}
        sites.sort(key=lambda site: hashlib.sha256(words[site].encode()).digest())
    weights = {room: math.sqrt(len(sites)) for room, sites in rooms.items()}
    result: list[Site] = []
    taken: Counter[str] = Counter()
    while len(result) < count and (left := [room for room in rooms if taken[room] < len(rooms[room])]):
        room = min(left, key=lambda each: ((taken[each] + 1) / weights[each], each))
        result.append(rooms[room][taken[room]])
        taken[room] += 1
    return result


# --- which tests cover a file ---------------------------------------------------------------------


class Cover:
    """Test files by how near they are to a file."""

    def __init__(self, root: Path) -> None:
        paths = [path for room in ("src/onetape", "tests") for path in (root / room).rglob("*.py")]
        self._root, self._texts = root, {path.relative_to(root).as_posix(): path.read_text() for path in paths}
        self._imports = {name: _imported(text) for name, text in self._texts.items()}
        self._listed = {each.file: [test.partition("::")[0] for test in each.tests] for each in run_mutants.modules()}

    def _importers(self, files: set[str]) -> set[str]:
        places = {re.sub(r"^src/|(/__init__)?\.py$", "", name).replace("/", ".") for name in files}
        places |= {word for place in places if place.startswith("tests.") for word in (place[6:], place.split(".")[-1])}
        return {name for name, words in self._imports.items() if words & places}

    def _users(self, file: str) -> set[str]:
        """Files that import a module, or name what is of a file of the core."""
        if file.endswith(".py"):
            return self._importers({file})
        text = "".join(path.read_text() for path in (self._root / file).parent.glob(f"{Path(file).stem}.*"))
        words = "|".join(sorted({word for found in IN_PYTHON.findall(text) for word in found if word})) or "-"
        names = re.compile(rf"core(?:_tested)?(?:\.| import [^\n]*\b)(?:{words})\b")
        return {name for name, text in self._texts.items() if names.search(text)}

    @cache  # noqa: B019
    def tests_of(self, file: str) -> dict[str, tuple[float, int]]:
        """Test files that may notice a fault of a file; the nearest have the least numbers."""
        path, users, found = Path(file), self._users(file), dict[str, tuple[float, int]]()
        room = path.parts[2] if file.startswith("src/") else CORE_ROOMS.get(path.parts[1], path.parts[1])
        stem, folders, further = set(path.stem.split("_")), path.parts[3:-1], self._importers(users)
        for test in self._texts:
            words = set(Path(test).stem.split("_"))
            tiers = (
                test in self._listed.get(file, ()),
                any(folder in test for folder in folders) or (not folders and stem <= words),  # of a venue, of a file
                test in users,
                test in further,  # by a helper of the tests, or by a module that uses it
                test.startswith(f"tests/{room}/"),
            )
            if any(tiers) and re.fullmatch(r"tests/\w+/(.*/)?test_\w+\.py", test):
                tier = tiers.index(True) + 0.5 * (not test.startswith(f"tests/{room}/"))
                found[test] = tier, -len(stem & words)
        return found


def _imported(text: str) -> set[str]:
    found = set(re.findall(r"^ *import ([\w.]+)", text, re.MULTILINE))
    for package, names in re.findall(r"^ *from ([\w.]+) import (\([^)]*\)|[^\n]+)", text, re.MULTILINE):
        found |= {package, *(f"{package}.{word}" for word in re.findall(r"\w+", names))}
    return found


# --- the run --------------------------------------------------------------------------------------


class Planter:
    """Plants one fault after the other in a copy of the tree."""

    def __init__(self, root: Path, copy: Copy, seconds: float) -> None:
        self._copy, self._budget = copy, seconds
        self._cover = Cover(root)
        self._path = run_mutants.COPIES / "seconds.json"
        self._seconds: dict[str, float] = json.loads(self._path.read_text()) if self._path.exists() else {}

    def outcome(self, file: str, fault: Fault) -> tuple[str, str]:
        """(caught, survived or unviable; by which test)."""
        try:
            by = next(filter(None, self._noticed(file, fault)), "")
        except RuntimeError as error:
            return "unviable", str(error)
        if by.startswith("tests/") and "::" not in by:
            return "unviable", f"{by}: nothing of it could be imported"
        return ("caught" if by else "survived"), by

    def _noticed(self, file: str, fault: Fault) -> Iterator[str]:
        """By which tests, the nearest first. Of what is built, the core's own, and then all others at once."""
        tiers, is_built, left, near = self._cover.tests_of(file), file.endswith(BUILT), self._budget, list[str]()
        if is_built and not file.startswith("core/bindings/"):
            yield self._copy.noticed_by(Module(file, [], core="*"), fault, CORE_SECONDS)
        for test in sorted(tiers, key=lambda test: (tiers[test], abs(self._seconds.get(test, SHORT)))):
            usual = self._seconds.get(test, 0.0)
            if left < max(abs(usual), SHORT):
                continue
            began = time.monotonic()
            if is_built:
                near, left = [*near, test], left - max(abs(usual), SHORT)
            elif by := self._copy.noticed_by(Module(file, [test]), fault, self._within(usual, left / 2)):
                if by == NEVER_ENDS and usual <= 0.0:  # it is slow, or the fault makes it so
                    usual = self._measured(test, left / 2)
                    by = self._copy.noticed_by(Module(file, [test]), fault, self._within(usual, 0.0)) if usual else ""
                yield by if self._passes(by) else ""
            else:
                self._keep(test, time.monotonic() - began)
            left -= time.monotonic() - began
        if near:
            by = self._copy.noticed_by(Module(file, near), fault, self._within(self._budget, 0.0))
            yield by if self._passes(by) else ""

    def _within(self, usual: float, left: float) -> float:
        return SLOWER_MAX * usual + SECONDS_MORE if usual > 0.0 else left

    def _measured(self, test: str, within: float) -> float:
        """What a test file takes without a fault, 0 where it does not end: kept as less than 0."""
        began = time.monotonic()
        by = self._copy.noticed_by(Module("", [test]), None, within)
        self._keep(test, -within if by == NEVER_ENDS else time.monotonic() - began)
        return max(self._seconds[test], 0.0)

    def _keep(self, test: str, seconds: float) -> None:
        self._seconds[test] = seconds
        self._path.write_text(json.dumps(self._seconds, indent=0) + "\n")

    @cache  # noqa: B019
    def _passes(self, by: str) -> bool:
        """Whether a test that has failed does not without the fault."""
        test = by.partition("[")[0]
        failed = self._copy.noticed_by(Module("", [test]), None, CORE_SECONDS) if "::" in test else ""
        if failed:
            print(f"  fails without a fault: {failed[:200]}", flush=True)
        return not failed


def table(rows: Sequence[dict[str, Any]]) -> tuple[str, float]:
    """A line for each room, and the percentage of all."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        counts[row["room"]][row["outcome"]] += 1
    counts = dict(sorted(counts.items())) | {"all": sum(counts.values(), Counter())}
    lines, percent = [f"  {'room':<16} planted   caught survived unviable"], 0.0
    for room, found in counts.items():
        planted = found["caught"] + found["survived"]
        percent = 100 * found["caught"] / max(planted, 1)
        numbers = f"{planted:7d} {found['caught']:8d} {found['survived']:8d} {found['unviable']:8d}"
        lines.append(f"  {room:<16} {numbers} {percent:6.1f} %")
    return "\n".join(lines), percent


def main() -> int:
    parser = argparse.ArgumentParser(description="plants generated faults and runs the tests that cover them")
    parser.add_argument("modules", nargs="*", help="parts of the paths of files")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=30.0, help="of tests in Python for a fault that survives")
    parser.add_argument("--minutes", type=float, default=math.inf, help="after which none is planted")
    parser.add_argument("--repeat", action="store_true", help="run survivors once more, with more tests")
    wanted = parser.parse_args()
    texts = sources(run_mutants.ROOT)
    part = {f: t for f, t in texts.items() if not wanted.modules or any(word in f for word in wanted.modules)}
    for name in IMPORTED:
        import_module(name)
    copy = Copy()
    copy.make()
    results, rows, until = run_mutants.COPIES / "planted.jsonl", {}, time.monotonic() + 60 * wanted.minutes
    for line in results.read_text().splitlines() if results.exists() else ():
        row = json.loads(line)
        rows[row["file"], row["old"], row["new"]] = row
    planter = Planter(run_mutants.ROOT, copy, wanted.seconds * (REPEAT_TIMES if wanted.repeat else 1))
    shown = []
    for site in chosen(part, wanted.count, wanted.seed):
        fault = site.fault(texts[site.file])
        key = (site.file, fault.old, fault.new)
        is_due = key not in rows or (wanted.repeat and rows[key]["outcome"] == "survived")
        if is_due and time.monotonic() < until:
            began = time.monotonic()
            outcome, by = planter.outcome(site.file, fault)
            rows[key] = {"room": site.room, "file": site.file, "line": site.line, "operator": site.operator}
            rows[key] |= {"old": fault.old, "new": fault.new, "outcome": outcome, "by": by[:300]}
            rows[key]["seconds"] = round(time.monotonic() - began, 1)
            with results.open("a") as out:
                out.write(json.dumps(rows[key]) + "\n")
        if key not in rows:
            continue
        shown.append(row := rows[key])
        print(f"  {row['outcome']:<8} {row['seconds']:5.1f} s {row['file']}:{row['line']}: {row['operator']}")
        if row["outcome"] == "survived":
            print(textwrap.indent(row["old"], "    - "), textwrap.indent(row["new"], "    + "), sep="\n")
        sys.stdout.flush()
    text, percent = table(shown)
    print(text)
    return 0 if percent >= CAUGHT_MIN else 4


if __name__ == "__main__":
    raise SystemExit(main())
