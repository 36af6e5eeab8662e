"""A class typed into a notebook leaves as a module of its own, with what it uses."""

from __future__ import annotations

import linecache
import sys
import types

import pytest

from onetape.engine.cell_source import module_text
from onetape.engine.loader import load_strategy
from onetape.model.errors import BadConfig


@pytest.fixture
def notebook(monkeypatch):
    """Runs cells as a notebook does: one module without a file, each cell in linecache."""
    module = types.ModuleType("__notebook__")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    count = 0

    def cell(text: str) -> types.ModuleType:
        nonlocal count
        count += 1
        name = f"<cell {count}>"
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
        exec(compile(text, name, "exec"), module.__dict__)
        return module

    return cell


def taken(tmp_path, wanted: type) -> type:
    path = tmp_path / "taken.py"
    path.write_text(module_text(wanted))
    return load_strategy(f"{path}:{wanted.__name__}")


def test_a_class_takes_its_imports_helpers_and_values_from_other_cells(notebook, tmp_path):
    notebook("import numpy as np\nfrom decimal import Decimal\nfrom onetape import Strategy")
    notebook("WINDOWS = [5, 10]\nUNUSED = open\nDEEP = {'a': (1, 2.5)}")
    notebook("def mean(values):\n    return float(np.mean(values)) + OFFSET\nOFFSET = 1")
    notebook(
        "class Base(Strategy):\n    fast: int = 3\n    def look(self): return mean([1, 3])\n\n\n"
        "class Mine(Base):\n    slow: int = 30\n    def all(self):\n"
        "        return self.look(), WINDOWS, DEEP, Decimal(1)\n"
    )
    wanted = notebook("pass").Mine
    found = taken(tmp_path, wanted)
    assert found is not wanted and found.fast == 3 and found.slow == 30
    answer = found.all(found())
    assert answer[:3] == (3.0, [5, 10], {"a": (1, 2.5)}) and str(answer[3]) == "1"


def test_what_no_other_process_can_have_is_named(notebook):
    notebook("from onetape import Strategy\nimport io\nfile = io.StringIO()")
    module = notebook("class Mine(Strategy):\n    def on_start(self): file.read()\n")
    with pytest.raises(BadConfig, match="Mine uses file, a StringIO"):
        module_text(module.Mine)


def test_a_class_without_any_text_is_refused_with_a_way_out(notebook):
    module = notebook("from onetape import Strategy\nMine = type('Mine', (Strategy,), {})")
    with pytest.raises(BadConfig, match="put the strategy into a file"):
        module_text(module.Mine)


def test_cells_with_magics_are_read(notebook, tmp_path):
    notebook("from onetape import Strategy")
    text = "%matplotlib inline\nclass Mine(Strategy):\n    def on_start(self):\n        pass\n"
    name = "<magic>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    module = notebook("pass")
    exec(compile(text.replace("%matplotlib inline", "pass"), name, "exec"), module.__dict__)
    assert taken(tmp_path, module.Mine).__name__ == "Mine"
