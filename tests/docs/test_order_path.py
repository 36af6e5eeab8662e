"""The paths of a market message and of a live order in the documentation are those in the code."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "onetape"
TITLE = "## The path of a live order, hop by hop"
FILES_MAX = 25


class Hop(NamedTuple):
    file: str
    function: str
    words: str
    calls: list[str]

    @property
    def name(self) -> str:
        return self.function.rpartition(".")[2]


def tables(title: str) -> list[list[Hop]]:
    """The tables of a section."""
    text = (ROOT / "docs" / "ARCHITECTURE.md").read_text().split(title)[1].split("\n## ")[0]
    found: list[list[Hop]] = []
    for line in text.splitlines():
        cells = [each.strip() for each in line.strip("|").split("|")]
        if line.startswith("|---"):
            found.append([])
        elif line.startswith("| `"):
            file, function, words, calls = cells
            found[-1].append(Hop(file.strip("`"), function.strip("`"), words, re.findall(r"`(\w+)`", calls)))
    return found


OUT, BACK = tables(TITLE)
MARKET = tables("## The path of a market message, hop by hop")
(DOORS,) = tables("## Five sources of orders, and where they meet")


def body(hop: Hop) -> ast.AST:
    scope: ast.AST = ast.parse((SOURCE / hop.file).read_text())
    for name in hop.function.split("."):
        inner = ast.iter_child_nodes(scope)
        defined = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        scope = next(node for node in inner if isinstance(node, defined) and node.name == name)
    return scope


def called(scope: ast.AST) -> set[str]:
    """Names that are called in it."""
    calls = (node.func for node in ast.walk(scope) if isinstance(node, ast.Call))
    return {each.attr if isinstance(each, ast.Attribute) else getattr(each, "id", "") for each in calls}


@pytest.mark.parametrize("hop", [*OUT, *BACK, *MARKET[0], *MARKET[1], *DOORS], ids=lambda hop: hop.function)
def test_each_function_is_there_and_calls_what_it_says(hop):
    assert set(hop.calls) <= called(body(hop))


@pytest.mark.parametrize("path", [OUT, BACK], ids=["out", "back"])
def test_each_hop_is_called_by_one_before_it(path):
    """Where it is called by another name (`hear=self._reports`) its row says so, and so does its file."""
    assert len(path) > 10
    calls: set[str] = set()
    for number, hop in enumerate(path):
        other = re.search(r"`((\w+)=self\.(\w+))`", hop.words)
        if other:
            assert other[1] in (SOURCE / hop.file).read_text()
            assert other[3] == hop.name
            assert f"_{other[2]}" in calls
        else:
            assert number == 0 or hop.name in calls, hop
        calls |= set(hop.calls)


@pytest.mark.parametrize("path", MARKET, ids=["to the tape", "to the strategy"])
def test_a_message_is_handed_on_by_a_row_before(path):
    calls: set[str] = set()
    for hop in path:
        assert not calls or hop.name.lstrip("_") in calls, hop
        calls |= set(hop.calls)


def test_the_path_is_read_in_few_files():
    files = {hop.file for hop in (*OUT, *BACK)}
    assert 10 < len(files) <= FILES_MAX
