"""Find a strategy class by `file.py[:Class]` or `module:Class`, and keep its source."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import linecache
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Final

import numpy as np

from onetape.engine.source_location import source_location
from onetape.engine.strategy import Strategy
from onetape.model.errors import BadConfig, OnetapeError, PermissionDenied, StrategyError, problem_text

__all__ = ["keep_source", "load_strategy", "own_modules", "source_files"]

# Our libraries that are imported on use.
IMPORTED_LATE: Final = (
    "aiohttp",
    "apprise",
    "cryptography",
    "numba",
    "pandas",
    "polars",
    "pyarrow",
    "rich",
    "uvloop",
    "zstandard",
)


def load_strategy(reference: str) -> type[Strategy]:
    """Returns the class that `reference` names, or the class made from a portfolio's or pair's file. Raises BadConfig
    when it does not exist, StrategyError when its module cannot be loaded."""
    np.set_printoptions(legacy="1.25")  # a list that a strategy prints reads [0.6], not [np.float64(0.6)]
    path_text, _, class_name = reference.rpartition(":")
    if not path_text:
        path_text, class_name = reference, ""
    if path_text.endswith(".toml"):
        from onetape.engine.delta import delta_class, is_delta
        from onetape.engine.portfolio_file import portfolio_class

        if is_delta(Path(path_text)):
            return delta_class(Path(path_text))
        return portfolio_class(Path(path_text), load_strategy)
    module = _load_file(Path(path_text)) if path_text.endswith(".py") or "/" in path_text else _load_module(path_text)
    return _pick(module, class_name, reference)


def _load_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise BadConfig(f"no strategy file {path}", location="STRATEGY", todo="name an existing file.py[:Class]")
    _check_writers(path)
    name = path.stem if path.stem.isidentifier() else "strategy"
    # A private name, so that a strategy called `random.py` hides no module of others.
    spec = importlib.util.spec_from_file_location(f"onetape_strategy_{name}", path)
    loader = spec.loader if spec is not None else None
    if spec is None or loader is None:
        raise BadConfig(f"{path} is not a Python file", location="STRATEGY", todo="give a .py file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    linecache.checkcache(str(path))
    _see_neighbours(path.resolve().parent)

    def run() -> ModuleType:
        loader.exec_module(module)
        return module

    return _run_module(run, str(path))


def _check_writers(path: Path) -> None:
    """Raises PermissionDenied for a file that anybody may write, or in a folder where anybody may replace it: the
    file runs with the rights, and the keys, of its user. A group's right to write is accepted: umask 002 sets it,
    and a group's members are trusted."""
    folder = path.resolve().parent
    for place in (path, folder):
        mode = place.stat().st_mode
        is_sticky = place is folder and mode & stat.S_ISVTX  # as /tmp: its sticky bit protects others' files
        if mode & stat.S_IWOTH and not is_sticky:
            raise PermissionDenied(
                f"anybody may write it (mode {stat.S_IMODE(mode):04o})", location=str(place), todo=f"chmod o-w {place}"
            )


def _see_neighbours(folder: Path) -> None:
    """Make the files beside the strategy importable. Our own library of the same name is imported first, so that
    such a file does not replace it."""
    if str(folder) in sys.path:
        return
    for library in IMPORTED_LATE:
        if (folder / f"{library}.py").exists() or (folder / library).is_dir():
            with suppress(ImportError):
                importlib.import_module(library)
    sys.path.insert(0, str(folder))


def _load_module(name: str) -> ModuleType:
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        found = None
    if found is None:
        raise BadConfig(
            f"no module {name}", location="STRATEGY", todo="give file.py[:Class] or an importable module:Class"
        )
    return _run_module(lambda: importlib.import_module(name), name)


def _run_module(load: Callable[[], ModuleType], location: str) -> ModuleType:
    try:
        return load()
    except OnetapeError:
        raise
    except KeyboardInterrupt:
        raise
    except BaseException as problem:
        raise StrategyError(
            problem_text(problem), location=source_location(problem) or location, todo="fix the strategy file"
        ) from problem


def _pick(module: ModuleType, class_name: str, reference: str) -> type[Strategy]:
    found = {
        name: value
        for name, value in vars(module).items()
        if inspect.isclass(value) and issubclass(value, Strategy) and value is not Strategy
    }
    own = {name: value for name, value in found.items() if value.__module__ == module.__name__}
    if class_name:
        if class_name in found:
            return found[class_name]
        raise BadConfig(
            f"no strategy class {class_name!r} in {reference.rpartition(':')[0]}",
            location="STRATEGY",
            todo=f"it has: {', '.join(own) or 'no class that inherits from onetape.Strategy'}",
        )
    if len(own) == 1:
        return next(iter(own.values()))
    raise BadConfig(
        f"{reference} has {'no strategy class' if not own else 'several strategy classes'}",
        location="STRATEGY",
        todo=f"name one: {', '.join(own)}" if own else "inherit a class from onetape.Strategy",
    )


def keep_source(strategy: type[Strategy], folder: Path) -> str:
    """Copies the source that `strategy` ran from into `folder`; returns its reference there.

    Local modules that the file imported (same folder or below) are kept beside it, so that a
    replay does not depend on later changes to the working copy.
    """
    folder.mkdir(parents=True, exist_ok=True)
    module = sys.modules.get(strategy.__module__)
    file = getattr(module, "__file__", None)
    if file is None or not Path(file).is_file():
        from onetape.engine.cell_source import module_text

        try:
            text = module_text(strategy)
        except BadConfig:
            return ""
        (folder / "strategy.py").write_text(text, encoding="utf-8")
        return f"strategy.py:{strategy.__name__}"
    main = Path(file).resolve()
    for other in own_modules(strategy):
        path = _resolved(str(other.__file__))
        target = folder / path.relative_to(main.parent)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    return f"{main.name}:{strategy.__name__}"


def source_files(folder: Path) -> list[Path]:
    """Returns the files that `keep_source` has written there, in order."""
    return sorted(path for path in folder.rglob("*") if path.suffix in (".py", ".toml"))


@cache
def _resolved(file: str) -> Path:
    return Path(file).resolve()


@cache
def _resolved_text(file: str) -> str:
    return str(_resolved(file))


def _is_beside(path: Path, own: Path) -> bool:
    """Returns True for the strategy's module or another of `own`, when it is no library."""
    if (path.suffix != ".py" and path != own) or not path.is_relative_to(own.parent):
        return False
    return path == own or not ("site-packages" in path.parts or path.is_relative_to(Path(__file__).parent.parent))


def own_modules(strategy: type[Strategy]) -> list[ModuleType]:
    """Returns the strategy's module and the imported modules beside or below it; only its module when the strategy
    has no file."""
    module = sys.modules.get(strategy.__module__)
    if module is None:
        return []
    main = getattr(module, "__file__", None)
    if main is None:
        return [module]
    own = _resolved(main)
    folder = str(own.parent)  # compared as text first: of a thousand modules few lie there
    files = [(each, getattr(each, "__file__", None)) for each in list(sys.modules.values())]
    near = [(each, file) for each, file in files if file is not None and _resolved_text(file).startswith(folder)]
    return [each for each, file in near if _is_beside(_resolved(file), own)]
