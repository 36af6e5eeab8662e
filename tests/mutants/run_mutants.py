"""Plant small faults in a copy of the project, run the tests that cover them, name what survives.

    make prove WHAT=mutants                                every fault of tests/mutants/*.toml
    make prove WHAT=mutants MODULES="orders/ kraken"       those whose file has one of these in its path
    make prove WHAT=mutants MODULES=orders/ ONLY=cancel    of these, those that say so
    VERBOSE=1 make prove WHAT=mutants ...                  also by which test each was noticed

A fault is data: a snippet that stands exactly once in its file, what replaces it, and the rule that
breaks. The tests of its module run one after the other until one fails; a fault that none notices
is a survivor. What changes nothing is `equivalent`, with the reason, and is not run.

Python faults run in a fork of a process that has imported the libraries and nothing of onetape, in
a copy of the tree of its own; those of the core are built there, for its own tests or, for tests in
Python, as the module that they import (a few minutes for the first one of a copy). A fault that
lasts longer than the tests without it many times over is noticed by that.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib import import_module
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
PLANTED: Final = Path(__file__).parent
COPIES: Final = ROOT / "build" / "mutants"
ALL_NOTICED, MODULE_NOTICED = 95, 90  # percent that the run asks for
SLOWER_MAX: Final = 6  # times as long as without a fault, and then
SECONDS_MORE: Final = 30.0
NEVER_ENDS: Final = "it never ends"
BUILT: Final = (".cpp", ".hpp", ".inc")  # what was built of it goes by the time of the file
CORE_TESTS: Final = "-DONETAPE_PYTHON=OFF -DONETAPE_TESTS=ON -DCMAKE_BUILD_TYPE=RelWithDebInfo"
CORE_MODULE: Final = "-DONETAPE_TEST_BINDINGS=ON -DCMAKE_BUILD_TYPE=Release"
IMPORTED: Final = ("pytest", "hypothesis", "numpy", "msgspec", "aiohttp", "picows", "cryptography")
# An editable install sends imports to the working tree, whatever the path says.
REDIRECTED: Final = """\
import sys

sys.meta_path[:] = [each for each in sys.meta_path if "Redirecting" not in type(each).__name__]
"""


class Unviable(RuntimeError):
    """What was planted is no program."""


@dataclass(frozen=True, slots=True)
class Fault:
    """old: a snippet of the file. equivalent: why no test can notice it."""

    breaks: str
    old: str
    new: str
    equivalent: str = ""


@dataclass(slots=True)
class Module:
    """One file, and what covers it: test files of Python, the fastest first, or names of the
    core's test cases."""

    file: str
    tests: list[str]
    core: str = ""
    faults: list[Fault] = field(default_factory=list)
    seconds: float = 0.0  # that its tests take without a fault

    @property
    def planted(self) -> list[Fault]:
        return [each for each in self.faults if not each.equivalent]


@dataclass(frozen=True, slots=True)
class Result:
    """by: the test that noticed it, "" where none did."""

    module: str
    fault: Fault
    by: str
    seconds: float


def modules() -> list[Module]:
    """All that is planted, in the order of the lists."""
    found = []
    for path in sorted(PLANTED.glob("*.toml")):
        for row in tomllib.loads(path.read_text())["module"]:
            faults = [Fault(**each) for each in row.get("fault", ())]
            found.append(Module(row["file"], row.get("tests", []), row.get("core", ""), faults))
    return found


def mutated(source: str, fault: Fault) -> str:
    """The source with the fault. Raises ValueError where its snippet is not there exactly once."""
    found = source.count(fault.old)
    if found != 1:
        count_text = f"stands {found} times in it" if found else "is not in it"
        raise ValueError(f"the snippet {fault.old!r} {count_text}: mend the list ({fault.breaks})")
    if fault.old == fault.new:
        raise ValueError(f"the snippet {fault.old!r} is replaced by itself ({fault.breaks})")
    return source.replace(fault.old, fault.new)


# --- a copy of the tree, and the tests in it ------------------------------------------------------


class Copy:
    """A tree of its own, with one fault at a time. Runs beside each other have other copies."""

    def __init__(self) -> None:
        COPIES.mkdir(parents=True, exist_ok=True)
        for number in count():
            self._lock = (COPIES / f"{number}.lock").open("w")
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self.root = COPIES / str(number)
                return

    def make(self) -> None:
        """As git sees the working tree, and what was built of the core."""
        call = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        wanted = {name for name in listed.split("\0") if name and (ROOT / name).is_file()}
        for old in [p for room in ("src", "tests") for p in (self.root / room).rglob("*.py")]:
            if old.relative_to(self.root).as_posix() not in wanted:
                old.unlink()  # it was renamed, or is of another branch
        for name in wanted:
            self._copy(name)
        package = self.root / "src" / "onetape"
        # Asked of another process: this one's forks are to import it themselves.
        code = "import onetape._core as core; print(core.__file__)"
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        self._installed = Path(found.stdout.decode().strip())
        _link(package / "strategies", self.root / "strategies")
        (self.root / "sitecustomize.py").write_text(REDIRECTED)

    def _copy(self, name: str) -> None:
        source, target = ROOT / name, self.root / name
        if name.endswith(BUILT) and target.is_file():
            # A time of before would leave what was built of a fault in its place.
            if target.read_bytes() != source.read_bytes():
                shutil.copyfile(source, target)
            return
        with contextlib.suppress(FileNotFoundError):
            there, local = target.stat(), source.stat()
            if (there.st_mtime_ns, there.st_size) == (local.st_mtime_ns, local.st_size):
                return
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)

    @contextlib.contextmanager
    def planted(self, file: str, fault: Fault | None) -> Iterator[None]:
        if fault is None:
            yield
            return
        target = self.root / file
        text, stamp = target.read_text(), target.stat()
        target.write_text(mutated(text, fault))
        try:
            yield
        finally:
            target.write_text(text)
            if not file.endswith(BUILT):  # compiled files go by it
                os.utime(target, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))

    def noticed_by(self, module: Module, fault: Fault | None, within: float) -> str:
        """The test that fails, or what else shows that something is wrong; "" where all pass."""
        log = self.root / "mutants.log"
        with self.planted(module.file, fault), log.open("wb") as out:
            core = self._installed
            if module.core:
                _build(self.root, "build", CORE_TESTS, "core_tests", out=out.fileno())
            elif module.file.endswith(BUILT):
                _build(self.root, "build/python", CORE_MODULE, "_core", "core_tested", out=out.fileno())
                core = self.root / "build" / "python" / core.name
            _link(self.root / "src" / "onetape" / core.name, core)
            pid = os.fork()
            if not pid:
                _become(self.root, out.fileno(), keeps_compiled=fault is None)
                if core != self._installed:
                    sys.path.insert(0, str(core.parent))  # of `core_tested`
                _core_tests(module) if module.core else _python_tests(module)
            code = _waited(pid, within)
        if code is None:
            return NEVER_ENDS
        text = log.read_text(errors="replace")
        if code == 0:
            return ""
        failed = [line.split()[1] for line in text.splitlines() if line.startswith("FAILED tests/")]
        errors = [line.split()[1] for line in text.splitlines() if line.startswith("ERROR tests/")]
        cases = [line for line in text.splitlines() if line.startswith("TEST CASE:")]
        named = next(iter([*failed, *errors, *cases]), "")
        if not named and fault is not None and code > 0:
            raise RuntimeError(f"{module.file}: its tests did not run: {text[-2000:]}")
        return named or f"ended with {code}: {text[-2000:]}"


def _become(root: Path, out: int, *, keeps_compiled: bool) -> None:
    """The process that runs the tests of a copy, and nothing of this one's. keeps_compiled: what is
    compiled of its files is written beside them; of a fault it would outlive it."""
    os.setsid()
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.chdir(root)
    own = [str(root / each) for each in ("", "src", "tests")]
    os.environ["PYTHONPATH"] = os.pathsep.join(own)
    sys.dont_write_bytecode = not keeps_compiled
    if not keeps_compiled:
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    exec(REDIRECTED)
    sys.path[:] = [*own, *sys.path[1:]]
    sys.argv = ["pytest"]


def _link(target: Path, source: Path) -> None:
    target.unlink(missing_ok=True)
    target.symlink_to(source)


def _build(root: Path, folder: str, options: str, *targets: str, out: int) -> None:
    """Build what a copy's tests need of its core: what was built before, no more than the fault asks. A fault may leave
    a function that nobody calls, which is no error. Raises Unviable where it does not compile."""
    make = ["cmake", "-GNinja", "-S", ".", "-B", folder, "-DONETAPE_WERROR=OFF", *options.split()]
    make.append(f"-DPython_EXECUTABLE={sys.executable}")
    for call in (make, ["ninja", "-C", folder, *targets]):
        if subprocess.run(call, cwd=root, env=_tools(), stdout=out, stderr=out, check=False).returncode:
            raise Unviable("it does not compile")


def _tools() -> dict[str, str]:
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def _python_tests(module: Module) -> None:
    import pytest

    code: int = 3
    try:
        words = "-x -q -rfE --tb=line --disable-warnings -p no:cacheprovider -p no:xdist"
        code = pytest.main([*words.split(), *module.tests])
        sys.stdout.flush()
    finally:
        os._exit(int(code))


def _core_tests(module: Module) -> None:
    run = ["build/core_tests", f"--test-case={module.core}", "--abort-after=1"]
    code = 3
    try:
        code = subprocess.run(run, check=False).returncode
    finally:
        os._exit(code & 0xFF)


def _waited(pid: int, within: float) -> int | None:
    """Its exit code; negative: the signal; None: it was ended because its time was over."""
    until, done = time.monotonic() + within, 0
    while not done and time.monotonic() < until:
        done, status = os.waitpid(pid, os.WNOHANG)
        time.sleep(0 if done else 0.02)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)  # and what its tests have left
    if not done:
        os.waitpid(pid, 0)
        return None
    return os.waitstatus_to_exitcode(status)


# --- the run --------------------------------------------------------------------------------------


def _work(line: Any) -> None:
    """A process that runs what it is sent: (module, fault or None, seconds)."""
    for name in IMPORTED:
        import_module(name)
    copy = Copy()
    copy.make()
    line.send("ready")
    while (job := line.recv()) is not None:
        began = time.monotonic()
        try:
            by: object = copy.noticed_by(*job)
        except (ValueError, RuntimeError, OSError) as error:
            by = error
        line.send((by, time.monotonic() - began))


class Workers:
    """Processes, each with a copy of the tree."""

    def __init__(self, number: int) -> None:
        context = get_context("fork")
        self._idle: list[Any] = []
        self._lines: list[Any] = []
        for _ in range(number):
            ours, theirs = context.Pipe()
            context.Process(target=_work, args=(theirs,), daemon=False).start()
            self._lines.append(ours)
        for line in self._lines:
            line.recv()
            self._idle.append(line)
        self.pool = ThreadPoolExecutor(number)

    def run(self, module: Module, fault: Fault | None, within: float) -> tuple[str, float]:
        line = self._idle.pop()
        try:
            line.send((module, fault, within))
            by, seconds = line.recv()
        finally:
            self._idle.append(line)
        if isinstance(by, Exception):
            raise by
        return by, seconds

    def close(self) -> None:
        for line in self._lines:
            line.send(None)
        self.pool.shutdown()


def _without_fault(workers: Workers, module: Module) -> None:
    by, module.seconds = workers.run(module, None, 1800.0)
    if by:
        raise SystemExit(f"error: the tests of {module.file} fail without a fault: {by}")


def _with_fault(workers: Workers, module: Module, fault: Fault) -> Result:
    within = SLOWER_MAX * module.seconds + SECONDS_MORE
    by, seconds = workers.run(module, fault, within)
    result = Result(module.file, fault, by, seconds)
    if not by:
        line = (ROOT / module.file).read_text().partition(fault.old)[0].count("\n") + 1
        print(f"  SURVIVED {module.file}:{line}: {fault.breaks}")
        print(textwrap.indent(fault.old, "    - "), textwrap.indent(fault.new, "    + "), sep="\n")
    elif os.environ.get("VERBOSE"):
        print(f"  noticed {seconds:5.1f} s {module.file}: {fault.breaks}  <- {by[:150]}")
    sys.stdout.flush()
    return result


def chosen(words: list[str], only: str) -> list[Module]:
    found = [m for m in modules() if not words or any(word in m.file for word in words)]
    for module in found:
        module.faults = [f for f in module.faults if only.lower() in f.breaks.lower()]
    return [module for module in found if module.faults]


def table(found: list[Module], results: list[Result]) -> tuple[str, bool]:
    """A line for each module, and whether enough was noticed."""
    lines, enough, all_noticed, all_planted = [], True, 0, 0
    for module in found:
        planted = len(module.planted)
        noticed = sum(bool(r.by) for r in results if r.module == module.file)
        equivalent = len(module.faults) - planted
        enough &= noticed * 100 >= planted * MODULE_NOTICED
        all_noticed, all_planted = all_noticed + noticed, all_planted + planted
        note = f"  ({equivalent} equivalent)" if equivalent else ""
        lines.append(f"  {noticed:4d} / {planted:<4d} {module.file}{note}")
    percent = 100 * all_noticed / max(all_planted, 1)
    lines.append(f"  {all_noticed:4d} / {all_planted:<4d} noticed, {percent:.1f} %")
    return "\n".join(lines), enough and percent >= ALL_NOTICED


def main() -> int:
    parser = argparse.ArgumentParser(description="plants faults and runs the tests that cover them")
    parser.add_argument("modules", nargs="*", help="parts of the paths of files")
    parser.add_argument("--only", default="", help="a part of what the fault breaks")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--tests", nargs="+", help="these, in place of those of the list")
    wanted = parser.parse_args()
    found = chosen(wanted.modules, wanted.only)
    for module in found:
        module.tests = wanted.tests or module.tests
    for module in found:  # before anything is run
        source = (ROOT / module.file).read_text()
        for fault in module.faults:
            try:
                mutated(source, fault)
            except ValueError as error:
                raise SystemExit(f"error: {module.file}: {error}") from None
    workers = Workers(wanted.workers)
    results: list[Result] = []
    try:
        list(workers.pool.map(lambda module: _without_fault(workers, module), found))
        # Compiled files of the copies are there now; one of a fault would outlive it.
        jobs = [(module, fault) for module in found for fault in module.planted]
        results = list(workers.pool.map(lambda job: _with_fault(workers, *job), jobs))
    finally:
        workers.close()
    text, is_enough = table(found, results)
    print(text)
    rows = [{"file": r.module, "breaks": r.fault.breaks, "by": r.by, "seconds": round(r.seconds, 1)} for r in results]
    (COPIES / "results.json").write_text(json.dumps(rows, indent=1) + "\n")
    return 0 if is_enough else 4


if __name__ == "__main__":
    raise SystemExit(main())
