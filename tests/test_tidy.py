"""House rules as tests. Each says why it is one; a breach names file and line."""

from __future__ import annotations

import ast
import gc
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from onetape.engine.purity import impurities

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "onetape"
PURE_ROOMS = ("model", "market", "orders", "accounts", "risk", "projections", "portfolio", "execution", "hedge")
# What decides in a gateway. Who reads its journal is not among them: the tape is its port.
GATEWAY_CORE = {
    SOURCE / "gateway" / f"{module}.py"
    for module in ("account_money", "account_table", "admission", "core", "order_requests", "silence_watch")
}
# What reads journals and tables for projections.
READERS = {
    SOURCE / "projections" / f"{module}.py"
    for module in ("account_balances", "account_views", "checkpoint", "followed_account")
}
SKIPS_MAX = 100  # `# fmt: skip` in the whole tree
PARAMETERS_MAX = 8
# With more of them, and why a record would not be better.
WIDE = {
    # A user's call, every word by its keyword.
    "src/onetape/research/backtest.py: backtest",
    "src/onetape/research/sweep.py: sweep",
    "src/onetape/data/importing.py: import_files",
    "src/onetape/engine/strategy.py: buy",
    "src/onetape/engine/strategy.py: sell",
    "src/onetape/engine/strategy.py: subscribe",
    "src/onetape/tape/journal.py: __init__",
    # The same signature as `buy` and `sell`: the compiler matches calls by it.
    "src/onetape/engine/jit/orders.py: make",
    "src/onetape/engine/jit/orders.py: call",
    "src/onetape/engine/jit/orders.py: _set_target",
    # What is wired once, where a process is made: a record of these would be unpacked on the next line.
    "src/onetape/feeds/depth_feed.py: __init__",
    "src/onetape/feeds/market_feed.py: __init__",
    "src/onetape/feeds/query_line.py: __init__",
    "src/onetape/gateway/account_money.py: __init__",
    "src/onetape/gateway/command_handlers.py: __init__",
    "src/onetape/gateway/transfer_desk.py: __init__",
}
LONG_FUNCTIONS_MAX = 8  # of more than 60 lines
LINES_MAX = 800  # beyond it a file is cut at a seam, not at a count
# Reads a table that is part of the package: as constant as the code.
SHIPPED = {
    ("src/onetape/model/catalogue.py", "files"),
    ("src/onetape/model/venue_facts.py", "files"),
    # Says where files are and opens none; asked at a process's edge.
    ("src/onetape/model/home.py", "files"),
    ("src/onetape/model/home.py", "environment"),
    # A lock, and no thread: shells call it from any.
    ("src/onetape/model/typed.py", "threads and processes"),
}
TEXT = {".py", ".hpp", ".cpp", ".h", ".md", ".toml", ".sh", ".yml", ".js", ".css", ".html", ".txt", ""}


def tracked() -> list[Path]:
    """Files of the project as git knows them, new ones included; vendored ones are not ours."""
    call = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("not a git work tree")
    paths = [ROOT / name for name in sorted(set(done.stdout.splitlines()))]
    return [p for p in paths if p.is_file() and "third_party" not in p.parts and "uplot" not in p.parts]


FILES = tracked()
PYTHON = [path for path in FILES if path.suffix == ".py"]
OURS = [path for path in PYTHON if SOURCE in path.parents and "templates" not in path.parts]
TESTS = [path for path in PYTHON if path.name.startswith("test_")]
CORE = [p for p in FILES if p.suffix in (".hpp", ".cpp") and p.is_relative_to(ROOT / "core")]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.fixture(scope="module", autouse=True)
def _trees() -> Iterator[None]:
    """Millions of nodes, a gigabyte: no garbage is looked for among them, and they do not stay."""
    gc.disable()
    yield
    nodes.cache_clear()
    gc.enable()


@cache
def nodes(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_text())))


def matches(paths: list[Path], pattern: str) -> list[str]:
    found = re.compile(pattern)
    return [
        f"{name(path)}:{number}: {line.strip()[:100]}"
        for path in paths
        if path.suffix in TEXT
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if found.search(line)
    ]


def test_pure_rooms_see_no_clock_chance_file_or_memory_order():
    """A core that looks at the world outside its events cannot be replayed."""
    assert not (GATEWAY_CORE | READERS) - set(OURS)
    breaches = [
        f"{name(path)}:{found.line}: {found.what} ({found.kind})"
        for path in OURS
        if (path.relative_to(SOURCE).parts[0] in PURE_ROOMS and path not in READERS) or path in GATEWAY_CORE
        for found in impurities(path.read_text())
        if (name(path), found.kind) not in SHIPPED
    ]
    assert breaches == []


def test_only_the_command_line_catches_everything():
    """Below it, catching what one does not know hides our own mistakes."""
    breaches = []
    for path in OURS:
        if path.is_relative_to(SOURCE / "cli"):
            continue
        for node in nodes(path):
            if not isinstance(node, ast.ExceptHandler) or not _catches_all(node):
                continue
            if not any(isinstance(inner, ast.Raise) for inner in ast.walk(node)):
                breaches.append(f"{name(path)}:{node.lineno}")
    # A strategy is a stranger's code: what it raises is journaled and handled by policy. And what
    # nobody starts again, the supervisor and its watch for alerts, says what it caught and goes on.
    # So does the bot: who has pressed a button hears that it broke, and the log has all of it.
    # A campaign goes on with its next seed, and says what broke in this one.
    let = (
        "/engine/",
        "/supervisor/supervisor.py",
        "/supervisor/alert_watch.py",
        "/telegram/bot.py",
        "/simulation/campaign.py",
    )
    assert [b for b in breaches if not any(each in b for each in let)] == []


def _catches_all(node: ast.ExceptHandler) -> bool:
    kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
    return any(
        kind is None or (isinstance(kind, ast.Name) and kind.id in ("Exception", "BaseException")) for kind in kinds
    )


def test_only_the_command_line_writes_to_standard_output():
    """Under --json it carries one value."""
    # The table of a backtest; and a child process that tells its parent through a pipe.
    let = ("report/result_table.py", "robot/generated_market.py")
    allowed = {SOURCE / each for each in let}
    breaches = [
        f"{name(path)}:{node.lineno}"
        for path in OURS
        if not path.is_relative_to(SOURCE / "cli") and path not in allowed
        for node in nodes(path)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
        and not any(keyword.arg == "file" for keyword in node.keywords)
    ]
    assert breaches == []


def test_the_formatter_lays_out_all_but_tables():
    skipped = matches([path for path in FILES if path.suffix == ".py"], r"# fmt: (skip|off)$")
    assert len(skipped) <= SKIPS_MAX, "a table may say so; what else needs it is too wide, or too much at once"


def test_a_function_of_many_parameters_has_a_reason():
    """What travels together is a record; what is left is named with why."""
    wide = {
        f"{name(path)}: {node.name}"
        for path in OURS
        for node in nodes(path)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        for each in [node.args]
        if len(each.posonlyargs + each.args + each.kwonlyargs) - (each.args[:1] != [] and each.args[0].arg == "self")
        > PARAMETERS_MAX
    }
    assert wide == WIDE


def test_functions_are_short():
    functions = (
        (each, name(path))
        for path in OURS
        for each in nodes(path)
        if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef))
    )
    long = [f"{file}: {each.name}" for each, file in functions if (each.end_lineno or 0) - each.lineno >= 60]
    assert len(long) <= LONG_FUNCTIONS_MAX, long


def test_nothing_is_left_for_later_in_a_comment():
    """What is not done belongs on the roadmap, where users see it."""
    words = "|".join(("TO" + "DO", "FIX" + "ME", "HA" + "CK"))
    assert matches(FILES, rf"\b({words})\b(?!\()") == []


def test_no_path_of_one_machine():
    """It works on another one. A template for mkdtemp is none."""
    places = "|".join(("work", "tmp", "home", "root", "Users"))
    allowed = ("LICENSE", "docs/format.md")
    paths = [path for path in FILES if name(path) not in allowed]
    assert matches(paths, rf"(?<![\w.$\-}}>~)/]])/({places})/(?!.*XXXXXX)\w") == []


def test_files_answer_one_question():
    """Past some hundred lines a file answers two; a generated or vendored one is not read."""
    long = {name(p): len(p.read_text().splitlines()) for p in (*OURS, *CORE, *TESTS)}
    # One table each, or one state machine: cutting it would hide its order.
    tables = {"src/onetape/model/errors.py"}
    assert {k: v for k, v in long.items() if v > LINES_MAX and k not in tables} == {}


def test_modules_that_know_each_other_are_one():
    """An import for types alone, or inside a function, is one, too: what it hides is a circle that readers go round."""
    modules = {".".join(path.relative_to(SOURCE.parent).with_suffix("").parts): path for path in OURS}
    graph: dict[str, set[str]] = {}
    for module, path in modules.items():
        imports = [line for line in ast.walk(ast.parse(path.read_text())) if isinstance(line, ast.ImportFrom)]
        named = {f"{line.module}.{each.name}" for line in imports for each in line.names}
        graph[module] = (named | {f"{line.module}" for line in imports}) & modules.keys()
    assert len(graph) > 500
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def test_event_types_have_one_home():
    """The numbers of event types are those of `EventType`, which a test holds to the core's: a
    second list of them falls behind with the first new type."""
    words = "INSTRUMENT|QUOTE|TRADE|BOOK|BAR|MARK|FUNDING|LIQUIDATION|MBO|INPUT|ALERT|HEALTH"
    listed = re.compile(rf"^(_({words})|({words})_TYPE)(, _?\w+)* = (\d|range)|frame\.type (==|!=|in) [\d({{]")
    found = [
        f"{name(path)}:{number}: {line}"
        for path in OURS
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if listed.search(line)
    ]
    assert found == []


def test_layouts_of_payloads_have_one_home():
    """Typed again as a format string, a layout goes on being read as it was when the core's has changed."""
    others = {
        SOURCE / "data" / "arrow.py",
        SOURCE / "store" / "shared_counters.py",
        SOURCE / "cluster" / "blocks.py",
    }  # what they read is no frame
    paths = [path for path in OURS if SOURCE / "tape" not in path.parents and path not in others]
    assert matches(paths, r"""struct\.\w+\(f?["']<[^"']*[qQ]""") == []


def test_the_state_machine_of_an_order_is_fed_in_one_place():
    """Who feeds it beside `Order` has a rule of his own of what a request, a report or a fill does."""
    paths = [path for path in OURS if path.parent != SOURCE / "orders" or path.stem not in ("order", "managed")]
    assert (
        matches(
            paths,
            r"\blife\.(on_(event|fill|incarnation)\(|(state|size|filled|accepted|cancel_open|update_open)\b.* = )",
        )
        == []
    )


def test_an_order_changes_by_what_stands_on_the_journal_alone():
    """A fact of an order that is set elsewhere is not there after a restart, nor for those who read the journal."""
    homes = {SOURCE / "orders" / f"{module}.py" for module in ("order", "managed", "account_orders")}
    read = {"projections/orders.py", "recorder/projection.py", "recorder/kept.py"}  # replies, orders seen, rows
    readers = {SOURCE / each for each in read}
    rooms = ("orders", "accounts", "projections", "gateway", "guardian", "control", "recorder")
    paths = [path for path in OURS if path.relative_to(SOURCE).parts[0] in rooms and path not in homes | readers]
    facts = "code|price|reason|venue_id|spent|is_held|is_canceling|is_taken_off|reissue_open|amend_to|conditional"
    changes = rf"\b(order|other|former|managed)\.({facts})\b[^=!<>]* = |\.take_(request|news|fill|back)\("
    found = matches(paths, changes)
    assert found == []


# Tables of many exchanges, by the names that others give them, and a choice: what the demo trades at.
NAMING_VENUES = {
    SOURCE / f"{module}.py"
    for module in (
        "model/venue_kinds",
        "model/symbol",
        "bridge/opening",
        "compat/hft",
        "data/vision",
        "supervisor/demo",
        "venues/recorded",
        "venues/ccxt/errors",
        "venues/ccxt/facts",
    )
}


def test_a_venue_is_its_folders_and_its_row_of_the_registry():
    """Who asks which venue it is has a rule of his own for it, and the next venue is forgotten there."""
    from onetape.model.venue_kinds import VENUE_KINDS

    names = {*VENUE_KINDS, *(each.folder for each in VENUE_KINDS.values())}
    found = [
        f"{name(path)}:{node.lineno}: {node.value}"
        for path in OURS
        if path not in NAMING_VENUES
        and path.parent.name not in names
        and path.parent not in (SOURCE / "cli", SOURCE / "simulation")
        for node in nodes(path)
        if isinstance(node, ast.Constant) and node.value in names
    ]
    assert found == []


def test_names_of_tests_are_rules():
    """The tests are the specification: a name states a rule. A table's rows or a docstring may."""
    short = [
        f"{name(path)}: {function.name}"
        for path in TESTS
        for function in _tests(path)
        if len(function.name.split("_")) < 3 and not function.decorator_list and not ast.get_docstring(function)
    ]
    assert short == []


def test_no_test_hides_another():
    """Python lets the second function of a name replace the first; pytest then runs one of two."""
    hidden = [f"{name(path)}: {test}" for path in TESTS for test, count in Counter(_scoped(path)).items() if count > 1]
    assert hidden == []


def test_test_files_have_names_of_their_own():
    """Without packages, two files of one name under tests/ shadow each other, helpers too."""
    below = [path for path in PYTHON if path.is_relative_to(ROOT / "tests")]
    counts = Counter(path.name for path in below if path.name != "conftest.py")
    assert [test for test, count in counts.items() if count > 1] == []


def _tests(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in nodes(path):
        is_function = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        if is_function and node.name.startswith("test_"):
            yield node


def _scoped(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text())
    for scope in (tree, *(node for node in tree.body if isinstance(node, ast.ClassDef))):
        for node in scope.body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                yield f"{getattr(scope, 'name', '')}.{node.name}"


def test_recorded_data_is_asked_of_one_place():
    """A test that finds it by a path of its own fails where the repository lies alone."""
    places = "|".join(("shared/" + "data", '"shared" / ' + '"data"'))
    tests = [path for path in PYTHON if path.is_relative_to(ROOT / "tests")]
    assert [name(p) for p in tests if re.search(places, p.read_text())] == ["tests/recorded.py"]


def test_every_python_test_is_collected():
    """A test in a file that pytest does not read proves nothing."""
    stray = [
        name(path) for path in PYTHON if path.is_relative_to(ROOT / "tests") and path not in TESTS and any(_tests(path))
    ]
    assert stray == []


def test_the_core_throws_nothing():
    """An exception across the core's edge ends the process; failures are values."""
    core = [path for path in CORE if not {"bindings", "tests", "bench", "fuzz"} & set(path.parts)]
    assert matches(core, r"^(?!\s*(//|\*)).*\b(throw|try|catch)\b\s*[({\w]") == []


def test_the_core_asks_no_clock_outside_the_journal():
    """Time arrives as events."""
    rooms = ("exchange", "engine", "market", "text")
    core = [p for p in CORE if p.relative_to(ROOT / "core").parts[0] in rooms]
    assert matches(core, r"system_clock|steady_clock|clock_gettime|std::rand\b|random_device") == []


def test_every_folder_of_tests_belongs_to_a_room():
    """tests/ mirrors the tree, so that a rule is found where its code is."""
    rooms = {path.name for path in SOURCE.iterdir() if path.is_dir()}
    rooms |= {path.name for path in (ROOT / "core").iterdir() if path.is_dir()}
    folders = {path.relative_to(ROOT / "tests").parts[0] for path in TESTS if path.parent != ROOT / "tests"}
    assert (
        folders - rooms - {"bench", "fuzz", "docs", "tools", "strategies", "certify", "coming_from", "worlds"} == set()
    )


# `where` as a predicate.
PREDICATES = {
    SOURCE / f"{module}.py"
    for module in (
        "cli/journal",
        "engine/actions",
        "store/analysis",
        "tape/columns",
        "tape/inspect",
        "tape/journal",
        "tape/where",
    )
}


def glossary() -> tuple[list[str], dict[str, str]]:
    """Its words, and those that are not used with what is written instead."""
    used, _, unused = (ROOT / "docs" / "glossary.md").read_text().partition("## Not used")
    rows = [re.findall(r"^\| ([^|]+?) \| ([^|]+?) \|$", part, re.MULTILINE) for part in (used, unused)]
    words = [word for cell, _ in rows[0] for word in cell.split(", ") if cell != "word"]
    return words, dict(rows[1][1:])


def test_the_glossary_has_each_word_once():
    words, unused = glossary()
    assert [word for word, count in Counter(words).items() if count > 1 or word in unused] == []
    assert len(words) > 100 and len(unused) > 10


def test_names_are_the_field_s_words():
    """A reader from another system guesses a name right, or decodes it at every line."""
    own = glossary()[1]
    breaches = [
        f"{name(path)}:{line}: {bound}, better: {own[word]}"
        for path in PYTHON
        for bound, line in _names_bound(path)
        for word in _words_of(bound) & own.keys()
        if not bound.startswith("test_")  # a sentence
        if word != "where" or path not in PREDICATES
    ]
    assert breaches == []


def test_the_core_s_names_are_the_field_s_words():
    """Its names are read beside those of Python, as one language."""
    own = glossary()[1]
    breaches = [
        f"{name(path)}:{number}: {bound}, better: {own[word]}"
        for path in CORE
        for number, line in enumerate(_code(path.read_text()).splitlines(), 1)
        for bound in re.findall(r"\b[A-Za-z_]\w*", line)
        for word in _words_of(bound) & own.keys()
        if word != "where" and not bound.startswith("Py")
    ]
    assert breaches == []


def _code(text: str) -> str:
    """C++ without its comments and literals, line by line."""
    literals = r"//[^\n]*|/\*.*?\*/|R\"(\w*)\(.*?\)\1\"|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])'"
    return re.sub(literals, lambda found: "\n" * found[0].count("\n"), text, flags=re.DOTALL)


def _names_bound(path: Path) -> Iterator[tuple[str, int]]:
    """The names that a file makes: of modules, classes, functions, parameters, variables, attributes."""
    yield path.stem, 1
    for node in nodes(path):
        match node:
            case ast.FunctionDef(name=bound) | ast.AsyncFunctionDef(name=bound) | ast.ClassDef(name=bound):
                yield bound, node.lineno
            case ast.arg(arg=bound) | ast.Name(id=bound, ctx=ast.Store()) | ast.Attribute(attr=bound, ctx=ast.Store()):
                yield bound, node.lineno
            case ast.alias(asname=str(bound)):
                yield bound, node.lineno


def _words_of(bound: str) -> set[str]:
    return set(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", bound).lower().split("_"))
