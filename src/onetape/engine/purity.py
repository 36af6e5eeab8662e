"""Find code in a strategy's source that a replay cannot repeat: values that differ in a second run.

Reads the syntax tree only; nothing is imported or run. It warns about known patterns, and proves
nothing: only a differing replay is proof.
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
SHARED = "state outside the robot"

ADVICE = {
    CLOCK: "use self.now, self.time or self.set_timer",
    RANDOM: "use self.random, which is seeded",
    NETWORK: "bring the data in as a tape",
    FILES: "use self.memory, self.log or a parameter",
    THREADS: "callbacks come one at a time; use self.set_timer",
    ENVIRONMENT: "use a parameter",
    ORDER: "sort, or use a list or dict",
    SHARED: "keep it in an attribute or in self.memory",
}

# Dotted names, with everything below them.
_TABLE = {
    CLOCK: """
        time.time time.time_ns time.monotonic time.monotonic_ns time.perf_counter
        time.perf_counter_ns time.process_time time.process_time_ns time.thread_time
        time.thread_time_ns time.clock_gettime time.clock_gettime_ns time.sleep time.localtime
        time.gmtime time.ctime time.asctime time.strftime timeit
        datetime.datetime.now datetime.datetime.utcnow datetime.datetime.today
        datetime.date.today pandas.Timestamp.now pandas.Timestamp.utcnow pandas.Timestamp.today
    """,
    RANDOM: """
        random secrets numpy.random uuid.uuid1 uuid.uuid4 uuid.uuid6 uuid.uuid7 os.urandom
        os.getrandom torch.rand torch.randn torch.randint torch.normal
    """,
    NETWORK: """
        socket ssl requests httpx aiohttp urllib.request http.client websockets websocket
        picows ccxt ftplib smtplib telnetlib zmq redis nats grpc urllib3 imaplib poplib
        xmlrpc.client pymongo psycopg psycopg2 pymysql sqlalchemy kafka paramiko
    """,
    FILES: """
        open io.open io.FileIO os.open os.listdir os.scandir os.walk os.stat os.remove os.rename
        os.replace os.unlink os.rmdir os.mkdir os.makedirs os.path.exists os.path.isfile
        os.path.isdir os.path.getsize os.path.getmtime os.access mmap pathlib.Path shutil
        tempfile sqlite3 pickle.load pickle.dump shelve dbm joblib.load joblib.dump glob
        numpy.load numpy.save numpy.savez numpy.loadtxt numpy.savetxt
        pandas.read_csv pandas.read_parquet polars.read_csv polars.read_parquet
        polars.scan_csv polars.scan_parquet input
    """,
    THREADS: """
        threading multiprocessing asyncio concurrent.futures subprocess _thread signal
        os.fork os.forkpty os.system os.popen os.spawnv os.spawnl os.posix_spawn os.execv os.execl
        sched
    """,
    ENVIRONMENT: """
        os.environ os.environb os.getenv os.getpid os.getppid os.getcwd os.cpu_count
        os.getloadavg os.uname os.getlogin platform getpass locale.getlocale resource sys.argv
    """,
    ORDER: "id hash weakref gc sys.getrefcount object.__hash__",
}
NAMES = {name: kind for kind, names in _TABLE.items() for name in names.split()}
# Modules whose import alone is a finding: their only use is impure.
IMPORTS = frozenset(name for name, kind in NAMES.items() if kind in (NETWORK, THREADS))


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One line of the source that a replay may not repeat."""

    line: int
    kind: str
    what: str

    @property
    def advice(self) -> str:
        return ADVICE[self.kind]

    def __str__(self) -> str:
        return f"line {self.line}: {self.what} ({self.kind}): {self.advice}"


def impurities(source: str) -> list[Finding]:
    """Returns findings by line. Raises SyntaxError where the source is not Python."""
    tree = ast.parse(source)
    names = _bound_names(tree)
    shadowed = {
        node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
    }
    found: set[Finding] = set(_shared(tree)) | set(_unordered(tree))
    inner: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            inner.add(node.value)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            continue  # a bound or declared name is no use: a field may be called `id`
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found.update(_imports(node))
        elif isinstance(node, (ast.Attribute, ast.Name)) and node not in inner:
            dotted = _dotted(node, names)
            kind = _kind(dotted) if dotted and dotted not in shadowed else None
            if kind:
                found.add(Finding(node.lineno, kind, dotted))
        elif isinstance(node, ast.Call) and _is_now(node, names):
            found.add(Finding(node.lineno, CLOCK, f"{_dotted(node.func, names)}({ast.unparse(node.args[0])})"))
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


# These parse a time from text, also from the text "now".
_MOMENTS = {"numpy.datetime64", "pandas.Timestamp", "pandas.to_datetime"}


def _is_now(node: ast.Call, names: dict[str, str]) -> bool:
    first = node.args[0] if node.args else None
    return isinstance(first, ast.Constant) and first.value in ("now", "today") and _dotted(node.func, names) in _MOMENTS


# --- order of sets --------------------------------------------------------------------------------

# Functions that iterate over a set in hash order, which differs between processes for texts.
_WALKS = {"list", "tuple", "iter", "enumerate", "map", "filter", "zip", "sum", "reversed"}
_SET_METHODS = {"union", "intersection", "difference", "symmetric_difference", "copy"}


def _unordered(tree: ast.AST) -> Iterator[Finding]:
    sets = _set_names(tree)
    # Of a comprehension that is sorted the order is irrelevant.
    sorted_ones = {
        argument
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and _name(node.func) in ("sorted", "set", "frozenset")
        for argument in node.args
    }
    skipped = {
        generator
        for node in sorted_ones
        if isinstance(node, (ast.GeneratorExp, ast.ListComp, ast.SetComp))
        for generator in node.generators
    } | {generator for node in ast.walk(tree) if isinstance(node, ast.SetComp) for generator in node.generators}
    for node in ast.walk(tree):
        if isinstance(node, (ast.For, ast.comprehension)):
            if node not in skipped and _is_set(node.iter, sets):
                yield Finding(node.iter.lineno, ORDER, "iteration over a set")
        elif isinstance(node, ast.Call):
            walks = _name(node.func) in _WALKS or (
                isinstance(node.func, ast.Attribute) and node.func.attr in ("join", "fromkeys")
            )
            if walks and node not in sorted_ones and any(_is_set(a, sets) for a in node.args):
                yield Finding(node.lineno, ORDER, "iteration over a set")
            elif (
                isinstance(node.func, ast.Attribute)
                and node.func.attr == "pop"
                and not node.args
                and _is_set(node.func.value, sets)
            ):
                yield Finding(node.lineno, ORDER, "pop of a set")


def _set_names(tree: ast.AST) -> set[str]:
    """Returns names and attributes of self that are bound to sets, and to nothing else."""
    bound: dict[str, list[bool]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)) and node.value is not None:
            targets, value = [node.target], node.value
        else:
            continue
        for target in targets:
            if name := _name(target):
                bound.setdefault(name, []).append(_is_set(value, set()))
    return {name for name, values in bound.items() if all(values)}


def _name(node: ast.expr) -> str:
    """Returns `x` or `self.x`; "" for other expressions."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and _name(node.value) == "self":
        return f"self.{node.attr}"
    return ""


def _is_set(node: ast.expr, sets: set[str]) -> bool:
    if isinstance(node, (ast.Set, ast.SetComp)) or _name(node) in sets:
        return True
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.BitOr, ast.BitAnd, ast.Sub, ast.BitXor)):
        return _is_set(node.left, sets) or (not isinstance(node.op, ast.Sub) and _is_set(node.right, sets))
    if not isinstance(node, ast.Call):
        return False
    if isinstance(node.func, ast.Attribute) and node.func.attr in _SET_METHODS:
        return _is_set(node.func.value, sets)
    return _name(node.func) in ("set", "frozenset")


# --- shared state ----------------------------------------------------------------------------------

_CHANGES = {
    "append", "appendleft", "add", "extend", "insert", "update", "setdefault", "pop", "popleft",
    "popitem", "remove", "discard", "clear", "sort", "reverse",
}  # fmt: skip
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def _shared(tree: ast.Module) -> Iterator[Finding]:
    """Returns variables of the module and of classes that callbacks change: the next incarnation, a variant beside
    it or a repetition in the same process would begin with their changed values."""
    of_module = {
        target.id
        for node in tree.body
        if isinstance(node, (ast.Assign, ast.AnnAssign))
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    names = {node.name for node in classes}
    for function in ast.walk(tree):
        if not isinstance(function, _FUNCTIONS):
            continue
        own = _bound_in(function)
        for node in ast.walk(function):
            if isinstance(node, ast.Global):
                for each in node.names:
                    yield Finding(node.lineno, SHARED, f"global {each}")
            elif (name := _changed(node)) and name in of_module - own:
                yield Finding(getattr(node, "lineno", 0), SHARED, f"the module's {name} is changed")
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                owner = node.value
                if isinstance(owner, ast.Name) and owner.id in names | {"cls"} - own:
                    yield Finding(node.lineno, SHARED, f"{owner.id}.{node.attr} is set")
    for klass in classes:
        yield from _shared_by_class(klass)


def _shared_by_class(node: ast.ClassDef) -> Iterator[Finding]:
    """Returns lists and dicts of the class that are changed through self, shared by all robots."""
    mutable = {
        target.id
        for item in node.body
        if isinstance(item, ast.Assign) and _is_mutable(item.value)
        for target in item.targets
        if isinstance(target, ast.Name)
    }
    inner = list(ast.walk(node))
    mutable -= {each.attr for each in inner if isinstance(each, ast.Attribute) and isinstance(each.ctx, ast.Store)}
    for each in inner:
        name = _changed(each).removeprefix("self.")
        if name in mutable and _changed(each) != name:
            yield Finding(getattr(each, "lineno", 0), SHARED, f"{node.name}.{name} is changed")


def _is_mutable(node: ast.expr) -> bool:
    if isinstance(node, (ast.List, ast.Dict, ast.Set)):
        return True
    made = ("list", "dict", "set", "deque", "defaultdict", "Counter", "bytearray")
    return isinstance(node, ast.Call) and _name(node.func) in made


def _changed(node: ast.AST) -> str:
    """Returns the name whose content the statement changes: `x.append(...)`, `x[...] = ...`, `del x[...]`."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return _name(node.func.value) if node.func.attr in _CHANGES else ""
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, (ast.Store, ast.Del)):
        return _name(node.value)
    return ""


def _bound_in(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """Returns a function's own names: arguments and assigned names."""
    declared = {name for node in ast.walk(function) if isinstance(node, ast.Global) for name in node.names}
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    found = {each.arg for each in named}
    found |= {node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return found - declared
