"""Finds in a strategy's source what breaks its replay: whatever a second run would see differently.

Reads the syntax tree only; nothing is imported or run. It warns about what it can name, and is no
proof: a replay that differs is the proof.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

CLOCK = "wall clock"
RANDOM = "randomness"
NETWORK = "network"
FILES = "files"
THREADS = "threads and processes"
ENVIRONMENT = "environment"
ORDER = "memory order"

ADVICE = {
    CLOCK: "use self.now, self.time or self.set_timer",
    RANDOM: "use self.random, which is seeded",
    NETWORK: "bring the data in as a tape",
    FILES: "use self.memory, self.log or a parameter",
    THREADS: "callbacks come one at a time; use self.set_timer",
    ENVIRONMENT: "use a parameter",
    ORDER: "sort, or use a list or dict",
}

# Dotted names, and everything below them.
_TABLE = {
    CLOCK: """
        time.time time.time_ns time.monotonic time.monotonic_ns time.perf_counter
        time.perf_counter_ns time.process_time time.sleep time.localtime time.gmtime
        datetime.datetime.now datetime.datetime.utcnow datetime.datetime.today
        datetime.date.today pandas.Timestamp.now pandas.Timestamp.utcnow
    """,
    RANDOM: "random secrets numpy.random uuid.uuid1 uuid.uuid4 os.urandom os.getrandom",
    NETWORK: """
        socket ssl requests httpx aiohttp urllib.request http.client websockets websocket
        picows ccxt ftplib smtplib telnetlib zmq redis nats grpc
    """,
    FILES: """
        open io.open os.open os.listdir os.scandir os.walk os.stat os.remove os.rename
        os.mkdir os.makedirs pathlib.Path shutil tempfile sqlite3 pickle.load pickle.dump
        shelve glob numpy.load numpy.save numpy.savez numpy.loadtxt numpy.savetxt
        pandas.read_csv pandas.read_parquet polars.read_csv polars.read_parquet
        polars.scan_csv polars.scan_parquet input
    """,
    THREADS: """
        threading multiprocessing asyncio concurrent.futures subprocess _thread signal
        os.fork os.system os.popen os.spawnv
    """,
    ENVIRONMENT: "os.environ os.getenv os.getpid os.uname platform sys.argv",
    ORDER: "id hash",
}
NAMES = {name: kind for kind, names in _TABLE.items() for name in names.split()}
# Modules whose import alone says enough: they are of no use without what they do.
IMPORTS = frozenset(name for name, kind in NAMES.items() if kind in (NETWORK, THREADS))


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One place that a replay may not repeat."""

    line: int
    kind: str
    what: str

    @property
    def advice(self) -> str:
        return ADVICE[self.kind]

    def __str__(self) -> str:
        return f"line {self.line}: {self.what} ({self.kind}): {self.advice}"


def impurities(source: str) -> list[Finding]:
    """Findings by line. Raises SyntaxError where the source is not Python."""
    tree = ast.parse(source)
    names = _bound_names(tree)
    shadowed = {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
    }
    found: set[Finding] = set()
    inner: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            inner.add(node.value)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            continue  # a name that is bound or declared is not used: a field may be called `id`
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found.update(_imports(node))
        elif isinstance(node, (ast.Attribute, ast.Name)) and node not in inner:
            dotted = _dotted(node, names)
            kind = _kind(dotted) if dotted and dotted not in shadowed else None
            if kind:
                found.add(Finding(node.lineno, kind, dotted))
        elif isinstance(node, (ast.For, ast.comprehension)) and _is_set(node.iter):
            found.add(Finding(node.iter.lineno, ORDER, "iteration over a set"))
    return sorted(found)


def _bound_names(tree: ast.AST) -> dict[str, str]:
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.split(".")[0]
                names[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


def _imports(node: ast.Import | ast.ImportFrom) -> Iterator[Finding]:
    if isinstance(node, ast.Import):
        modules = [alias.name for alias in node.names]
    elif node.level:
        return
    else:
        module = node.module or ""
        modules = [f"{module}.{alias.name}" for alias in node.names]
        if any(alias.name == "*" for alias in node.names):
            modules = [module]
            if kind := _kind(module):
                yield Finding(node.lineno, kind, f"import {module}")
                return
    for module in modules:
        if any(module == name or module.startswith(f"{name}.") for name in IMPORTS):
            yield Finding(node.lineno, _kind(module) or THREADS, f"import {module}")


def _dotted(node: ast.expr, names: dict[str, str]) -> str:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or (parts and node.id not in names):
        return ""  # an attribute of an object: self.open, order.id
    return ".".join([names.get(node.id, node.id), *reversed(parts)])


def _kind(dotted: str) -> str | None:
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        if kind := NAMES.get(".".join(parts[:length])):
            return kind
    return None


def _is_set(node: ast.expr) -> bool:
    if isinstance(node, (ast.Set, ast.SetComp)):
        return True
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("set", "frozenset")
    )
