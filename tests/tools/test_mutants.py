"""The list of planted faults fits the code: each snippet stands once in its file."""

from __future__ import annotations

import ast
import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _runner():
    path = ROOT / "tests" / "mutants" / "run_mutants.py"
    found = importlib.util.spec_from_file_location("mutants_run", path)
    module = importlib.util.module_from_spec(found)
    sys.modules["mutants_run"] = module
    found.loader.exec_module(module)
    return module


RUN = _runner()
MODULES = RUN.modules()


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.file)
def test_each_snippet_stands_once_and_its_replacement_is_a_program(module):
    source = (ROOT / module.file).read_text()
    for fault in module.faults:
        planted = RUN.mutated(source, fault)
        if module.file.endswith(".py"):
            ast.parse(planted)


def test_tests_of_a_module_are_there_and_a_file_is_listed_once():
    files = [module.file for module in MODULES]
    assert len(set(files)) == len(files)
    assert all(module.tests or module.core for module in MODULES)
    named = {test.partition("::")[0] for module in MODULES for test in module.tests}
    assert [test for test in sorted(named) if not (ROOT / test).is_file()] == []


def test_a_fault_is_planted_once():
    for module in MODULES:
        planted = [(fault.old, fault.new) for fault in module.faults]
        assert len(set(planted)) == len(planted), module.file


def test_there_are_some_hundred_faults_and_few_that_nobody_can_notice():
    faults = [fault for module in MODULES for fault in module.faults]
    assert len(faults) >= 300
    assert sum(bool(fault.equivalent) for fault in faults) < len(faults) / 20


def test_a_snippet_that_does_not_fit_is_an_error_that_says_so():
    fault = RUN.Fault("a rule", "x = 1", "x = 2")
    assert RUN.mutated("x = 1\n", fault) == "x = 2\n"
    for source, words in (("y", "is not in it"), ("x = 1\nx = 1", "stands 2 times")):
        with pytest.raises(ValueError, match=words):
            RUN.mutated(source, fault)
    with pytest.raises(ValueError, match="replaced by itself"):
        RUN.mutated("x = 1", RUN.Fault("a rule", "x = 1", "x = 1"))
