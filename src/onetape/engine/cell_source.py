"""Extract the source of a strategy class that was typed into a notebook or a script.

A notebook cell, or a script that runs as `__main__`, cannot be imported by another process, and
running all of it again would repeat its side effects. So the class is taken out as a module of its
own: its text, after the surrounding names that it uses, as imports, plain values or source text.
A value that cannot be written so (an open file, a data frame) is refused by name.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import linecache
import sys
import textwrap
from types import FunctionType, ModuleType
from typing import Any

from onetape.model.errors import BadConfig

__all__ = ["class_text", "module_text"]

_PLAIN = (bool, int, float, str, bytes, type(None))


def module_text(wanted: type) -> str:
    """Returns a module that defines `wanted` by itself. Raises BadConfig for a surrounding name that it cannot
    carry."""
    scope = vars(sys.modules[wanted.__module__]) if wanted.__module__ in sys.modules else {}
    imports: list[str] = []
    parts: list[str] = []
    done: set[str] = set()

    def take(name: str, user: str) -> None:
        if name in done or hasattr(builtins, name) or name not in scope:
            return  # an undefined name also fails in the user's process, at its use
        done.add(name)
        value = scope[name]
        if line := _import_line(name, value, wanted.__module__):
            imports.append(line)
        elif isinstance(value, (type, FunctionType)):
            add(value)
            if value.__name__ != name:
                parts.append(f"{name} = {value.__name__}")
        elif (text := _literal(value)) is not None:
            parts.append(f"{name} = {text}")
        else:
            raise BadConfig(
                f"{user} uses {name}, a {type(value).__name__} that cannot be passed to another process",
                location=wanted.__name__,
                todo=f"make {name} inside the class, or put the strategy into a file",
            )

    def add(value: Any) -> None:
        done.add(value.__name__)
        text = class_text(value)
        for name in _names_used(text):
            take(name, value.__name__)
        parts.append(text)

    add(wanted)
    head = "\n".join(["from __future__ import annotations", "", *imports])
    return head + "\n\n" + "\n\n".join(parts) + "\n"


def class_text(value: Any) -> str:
    """Returns the text of a class or function, from its file or from the cell that it was typed into."""
    try:
        return textwrap.dedent(inspect.getsource(value))
    except (OSError, TypeError):
        pass
    # A notebook's classes have no file, but their functions know the cell they came from.
    functions = [value] if isinstance(value, FunctionType) else _functions(value)
    for function in functions:
        lines = linecache.getlines(function.__code__.co_filename)
        if not lines:
            continue
        cell = "".join(line for line in lines if not line.lstrip().startswith(("%", "!")))
        try:
            tree = ast.parse(cell)
        except SyntaxError:
            continue
        for node in ast.walk(tree):
            kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
            if isinstance(node, kinds) and node.name == value.__name__:
                return textwrap.dedent(ast.get_source_segment(cell, node, padded=True) or "")
    raise BadConfig(
        f"the source of {value.__name__} cannot be found",
        location=value.__name__,
        todo="put the strategy into a file: sweep('file.py:Class', ...)",
    )


def _functions(value: type) -> list[FunctionType]:
    return [each for each in vars(value).values() if isinstance(each, FunctionType)]


def _names_used(text: str) -> list[str]:
    """Returns the names that the text reads, in order. It may include names that the text defines itself: these are
    undefined outside of it, and skipped."""
    found: dict[str, None] = {}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            found.setdefault(node.id)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.setdefault(node.value)  # an annotation in quotes; any other text is no name outside
    return list(found)


def _import_line(name: str, value: Any, home: str) -> str:
    if isinstance(value, ModuleType):
        return f"import {value.__name__} as {name}"
    module = getattr(value, "__module__", None)
    if not isinstance(module, str) or module in (home, "__main__"):
        return ""
    if module.startswith("onetape_strategy_"):
        return ""  # loaded from a file by us: not importable by that name
    found = getattr(value, "__qualname__", getattr(value, "__name__", None))
    if not isinstance(found, str) or getattr(sys.modules.get(module), found, None) is not value:
        return ""
    return f"from {module} import {found} as {name}"


def _literal(value: Any) -> str | None:
    if isinstance(value, _PLAIN) and type(value) in _PLAIN:
        return _number(value)
    if type(value) in (list, tuple, set, dict):
        inner = [*value.keys(), *value.values()] if isinstance(value, dict) else list(value)
        texts = [_literal(each) for each in inner]
        if all(text is not None and not text.startswith("float(") for text in texts):
            return repr(value)
    return None


def _number(value: Any) -> str | None:
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return f"float({str(value)!r})"
    return repr(value)
