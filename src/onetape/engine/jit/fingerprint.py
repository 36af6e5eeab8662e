"""Compute one key over everything that a strategy's machine code depends on.

Walks what numba compiles: the callbacks, the helpers of the class that they name, and every
function, constant and array that these reach through globals and closures, by value. A dependency
that cannot be followed completely makes no key: such a strategy is compiled in each run, which is
slow, but an incomplete key would run yesterday's code.
"""

from __future__ import annotations

import builtins
import dis
import enum
import hashlib
import inspect
import re
import sys
import sysconfig
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any, Final

import llvmlite
import numba
import numpy as np
from numba import extending
from numba.core import config, types
from numba.core.dispatcher import Dispatcher
from numba.core.registry import cpu_target

import onetape
from onetape import _core
from onetape.engine import strategy as strategy_module
from onetape.engine.jit.types import StrategyType
from onetape.engine.strategy import Strategy
from onetape.model import time as time_module

__all__ = ["UnknownDependencyError", "fingerprint"]

# Their version identifies their content if they are where they claim: a file beside the strategy may have the name of a
# module of Python's.
_VERSIONED: Final = frozenset({"numba", "numpy", "llvmlite"}) | sys.stdlib_module_names
_PLACES: Final = tuple(
    str(Path(str(place)).resolve())
    for place in (
        sysconfig.get_path("stdlib"),
        sysconfig.get_path("platstdlib"),
        *(Path(str(each.__file__)).parent for each in (numba, np, llvmlite)),
    )
)
_DEPTH_MAX: Final = 200
_EXTENDS: Final = re.compile(rb"\bextending\b|\bnumba\.core\b")
_EXTENSIONS: Final = tuple(
    getattr(extending, name)
    for name in (
        "overload",
        "overload_method",
        "overload_attribute",
        "intrinsic",
        "register_jitable",
        "register_model",
        "typeof_impl",
        "lower_builtin",
        "type_callable",
    )
)


class UnknownDependencyError(Exception):
    """Compiled code depends on a value that cannot be followed completely."""


def fingerprint(cls: type, typ: StrategyType, callbacks: list[Any], more: tuple[Any, ...]) -> bytes:
    """Returns 32 bytes, equal for equal machine code. Raises UnknownDependencyError."""
    walk = _Walk(cls)
    described = (
        _machine(),
        _our_code(),
        cls.__qualname__,
        _attributes(typ),
        more,
        [walk.value(method) for method in callbacks],
    )
    return hashlib.sha256(repr(described).encode()).digest()


def _machine() -> tuple[Any, ...]:
    """Returns versions, the processor, and the settings that change numba's output."""
    settings = [
        (name, value)
        for name in sorted(dir(config))
        if name.isupper()
        and isinstance(value := getattr(config, name), (bool, int, float, str))
        and "CACHE" not in name
        and "THREADS" not in name
    ]
    return (
        numba.__version__,
        llvmlite.__version__,
        np.__version__,
        sys.version,
        cpu_target.target_context.codegen().magic_tuple(),
        settings,
    )


def _our_code() -> tuple[Any, ...]:
    """Returns the source compiled with every strategy, and the layouts that it reads."""
    files = [*sorted(Path(__file__).parent.glob("*.py"))]
    files += [Path(str(each.__file__)) for each in (strategy_module, time_module)]
    return (
        onetape.__version__,
        [(path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in files],
        repr(_core.event_specs()),
        [name for name, _ in _core.compiled_services()],
    )


def _attributes(typ: StrategyType) -> tuple[Any, ...]:
    found = []
    for name, each in typ.attributes.items():
        constant = each.constant
        if isinstance(constant, np.ndarray):  # the address is read from the record
            constant = (constant.shape, constant.strides)
        found.append((name, str(each.type), each.offset, constant))
    return (typ.symbols, sorted(typ.bar_keys.items()), found)


class _Walk:
    """Converts values to nested tuples of texts and numbers, each object once."""

    def __init__(self, cls: type) -> None:
        self.seen: dict[int, int] = {}
        self.kept: list[Any] = []  # so that no number of `seen` is reused
        self.depth = 0
        self.helpers: dict[str, list[Any]] = {}
        for each in cls.__mro__:
            if each not in Strategy.__mro__:
                for name, method in vars(each).items():
                    if callable(method):
                        self.helpers.setdefault(name, []).append(method)

    def value(self, value: Any) -> Any:
        """Returns the form of one object that compiled code uses."""
        if value is None or isinstance(value, (bool, int, float, complex, str, bytes)):
            return (type(value).__name__, repr(value))
        number = self.seen.get(id(value))
        if number is not None:
            return ("seen", number)
        self.seen[id(value)] = len(self.kept)
        self.kept.append(value)
        if self.depth > _DEPTH_MAX:
            raise UnknownDependencyError("functions that reach too deep")
        self.depth += 1
        try:
            return self._object(value)
        finally:
            self.depth -= 1

    def _object(self, value: Any) -> Any:
        if isinstance(value, (tuple, list)) and type(value) in (tuple, list):
            return (type(value).__name__, [self.value(each) for each in value])
        if isinstance(value, (np.ndarray, np.generic)) and not value.dtype.hasobject:
            content = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
            flags = str(value.flags) if isinstance(value, np.ndarray) else ""
            return ("array", str(value.dtype), value.shape, value.strides, flags, content)
        if isinstance(value, types.Type):
            return ("type", str(value))
        if isinstance(value, Dispatcher):
            options = sorted((name, repr(each)) for name, each in value.targetoptions.items())
            return ("jit", type(value).__name__, options, self.value(value.py_func))
        if isinstance(value, FunctionType):
            return self._function(value)
        if isinstance(value, CodeType):
            return self._code(value)
        if isinstance(value, ModuleType):
            return ("module", value.__name__)  # the user of it follows the parts used
        if isinstance(value, enum.EnumMeta):
            members = [(str(name), self.value(value[name].value)) for name in value.__members__]
            return ("enum", value.__module__, value.__qualname__, members)
        if isinstance(value, np.ufunc):
            name = str(getattr(value, "__name__", ""))
            if getattr(np, name, None) is value:
                return ("named", "numpy", name)
        elif isinstance(value, (type, BuiltinFunctionType)):
            module = getattr(value, "__module__", None) or "builtins"
            if _is_versioned(module):
                return ("named", module, value.__qualname__)
        raise UnknownDependencyError(f"a {type(value).__name__}")

    def _function(self, function: FunctionType) -> Any:
        module = function.__module__ or ""
        if _is_versioned(module):
            return ("named", module, function.__qualname__)
        _check_extensions(function)
        cells = [
            _cell(name, cell)
            for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
        ]
        keywords = function.__kwdefaults__ or {}
        return (
            "function",
            module,
            function.__qualname__,
            self.value(function.__defaults__),
            [(name, self.value(each)) for name, each in sorted(keywords.items())],
            [self.value(each) for each in cells],
            self._globals(function.__code__, function.__globals__),
            self._code(function.__code__),
        )

    def _globals(self, code: CodeType, scope: dict[str, Any]) -> list[Any]:
        found = []
        for name in sorted(_names(code, "LOAD_GLOBAL")):
            if name in scope:
                value = scope[name]
                found.append((name, self.value(value)))
                if isinstance(value, ModuleType) and not _is_versioned(value.__name__):
                    found.append((name, self._of_module(value, code)))
            elif hasattr(builtins, name):
                found.append((name, "builtin"))
            else:
                found.append((name, "absent"))
        return found

    def _of_module(self, module: ModuleType, code: CodeType) -> list[Any]:
        """Returns all values of a user's module that the code might name."""
        found = []
        for name in sorted(_attributes_of(code)):
            if name in vars(module):
                inner = vars(module)[name]
                found.append((name, self.value(inner)))
                if isinstance(inner, ModuleType) and not _is_versioned(inner.__name__):
                    found.append((name, self._of_module(inner, code)))
        return found

    def _code(self, code: CodeType) -> Any:
        helpers = [
            (name, [self.value(each) for each in self.helpers[name]])
            for name in sorted(_attributes_of(code))
            if name in self.helpers
        ]
        constants = [self._code(each) if isinstance(each, CodeType) else _constant(each) for each in code.co_consts]
        # Line numbers and the file's name appear in exceptions of compiled code.
        return (
            "code", code.co_name, code.co_filename, code.co_firstlineno, code.co_code,
            code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars,
            code.co_flags, code.co_argcount,
            code.co_posonlyargcount, code.co_kwonlyargcount, code.co_linetable,
            code.co_exceptiontable, constants, helpers,
        )  # fmt: skip


def _constant(value: Any) -> Any:
    """Returns a constant of a code object; a set's order depends on memory addresses."""
    if isinstance(value, frozenset):
        return ("frozenset", sorted(map(repr, value)))
    return (type(value).__name__, repr(value))


def _cell(name: str, cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        raise UnknownDependencyError(f"{name}, which is not set yet") from None


def _attributes_of(code: CodeType) -> set[str]:
    """Returns names of an object that may be read: attributes, and texts, for getattr."""
    texts = {each for each in code.co_consts if isinstance(each, str)}
    return texts | _names(code, "LOAD_ATTR", "LOAD_METHOD")


def _names(code: CodeType, *operations: str) -> set[str]:
    found = {str(step.argval) for step in dis.get_instructions(code) if step.opname in operations}
    for each in code.co_consts:
        if isinstance(each, CodeType):
            found |= _names(each, *operations)
    return found


def _is_versioned(module: str) -> bool:
    top = module.partition(".")[0]
    if top not in _VERSIONED or top not in sys.modules:
        return False
    file = getattr(sys.modules[top], "__file__", None)  # None: a module of the interpreter itself
    return file is None or str(Path(file).resolve()).startswith(_PLACES)


def _check_extensions(function: FunctionType) -> None:
    """Refuse modules that extend numba, as no name in the code leads to such extensions."""
    try:
        source = Path(function.__code__.co_filename).read_bytes()
    except OSError:
        source = b""  # a notebook's: its names are checked below
    if _EXTENDS.search(source):
        raise UnknownDependencyError(f"{function.__module__} extends numba")
    for name, value in function.__globals__.items():
        is_module = inspect.ismodule(value) and value.__name__.startswith(("numba.extending", "numba.core"))
        if is_module or any(value is each for each in _EXTENSIONS):
            raise UnknownDependencyError(f"{function.__module__} extends numba ({name})")
