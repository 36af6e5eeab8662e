"""Compile callbacks with numba, store them with numba's serialization, and load them.

One entry holds all callbacks of a strategy. In a process each entry is loaded once and stays, as
numba's functions do: two copies of the same symbols in one process could call into each other.
"""

from __future__ import annotations

import itertools
import os
import pickle
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import llvmlite.binding as llvm
from numba.core import serialize, types
from numba.core.bytecode import FunctionIdentity
from numba.core.ccallback import CFunc
from numba.core.codegen import RuntimeLinker
from numba.core.compiler import CompileResult
from numba.core.registry import cpu_target
from numba.core.runtime import rtsys

from onetape.engine.jit.code_folder import CodeFolder, folder_for

__all__ = ["MachineCode", "compile_callback", "find", "keep"]

_BROKEN: Final = (
    pickle.UnpicklingError,
    AttributeError,
    ImportError,
    EOFError,
    LookupError,
    TypeError,
    ValueError,
    RuntimeError,
    OSError,
    AssertionError,
)
_ID_LEAST: Final = 2**48
_loaded: dict[bytes, dict[str, MachineCode]] = {}


@dataclass(frozen=True, slots=True)
class MachineCode:
    """One compiled callback."""

    address: int
    result: Any  # numba's, kept alive


class _KeptCFunc(CFunc):
    """A cfunc that keeps its compilation result."""

    result: Any = None

    def _compile_uncached(self) -> Any:
        self.result = super()._compile_uncached()  # type: ignore[misc]
        return self.result


def compile_callback(callback: Any) -> MachineCode:
    """Returns a function of three pointers (record, payload, facts). Raises numba's errors."""
    pointer = types.voidptr
    made = _KeptCFunc(callback, ((pointer, pointer, pointer), types.void), {}, {})
    made.compile()
    return MachineCode(int(made.address or 0), made.result)


def find(key: bytes) -> dict[str, MachineCode] | None:
    """Returns the callbacks stored under `key` by this process or an earlier one; None: there are none."""
    folder = folder_for(os.environ)
    if folder is None:
        return None
    if key not in _loaded:
        found = _read(folder, key)
        if found is None:
            return None
        _loaded[key] = found
    return _loaded[key]


def keep(key: bytes, callbacks: dict[str, MachineCode]) -> None:
    """Store the callbacks for later runs of this and other processes."""
    folder = folder_for(os.environ)
    if folder is None:
        return
    _loaded[key] = callbacks
    results = [each.result for each in callbacks.values()]
    if all(_is_portable(result) for result in results):
        try:
            parts = {name: (_needed(each.result), each.result._reduce()) for name, each in callbacks.items()}
            folder.put(key, serialize.dumps(parts))
        except (pickle.PicklingError, TypeError, AttributeError):
            pass  # a constant of the strategy that only this process can hold


def _read(folder: CodeFolder, key: bytes) -> dict[str, MachineCode] | None:
    content = folder.get(key)
    if content is None:
        return None
    context = cpu_target.target_context
    found = {}
    try:
        for name, (needed, reduced) in serialize.loads(content).items():
            if not _are_there_now(needed):
                return None
            result = CompileResult._rebuild(context, *reduced)
            wrapper = result.fndesc.llvm_cfunc_wrapper_name
            address = result.library.get_pointer_to_function(wrapper)
            if not address:
                return None
            found[name] = MachineCode(address, result)
    except _BROKEN:
        return None
    return found


def _needed(result: Any) -> list[str]:
    """Returns symbols that the code needs from the process."""
    module = result.library._final_module
    names = itertools.chain(module.functions, module.global_variables)
    return sorted(each.name for each in names if each.is_declaration and not each.name.startswith("llvm."))


def _are_there_now(names: list[str]) -> bool:
    """Returns whether the needed symbols are present, as LLVM ends the process when it links a missing one.

    numba's memory management is loaded on demand, and some symbols with its registries, which take
    longer to fill than the code to load.
    """
    if not _are_there(names):
        rtsys.initialize(cpu_target.target_context)
    if not _are_there(names):
        cpu_target.typing_context.refresh()
        cpu_target.target_context.refresh()
    return _are_there(names)


def _are_there(names: Iterable[str]) -> bool:
    return all(llvm.address_of_symbol(name) is not None for name in names)


def _is_portable(result: Any) -> bool:
    """Returns True when the code contains no address of this process, and no symbol that another process may define
    differently."""
    if result.lifted or result.library.has_dynamic_globals:
        return False
    module = result.library._final_module
    if not _ID.search(result.fndesc.llvm_cfunc_wrapper_name):
        return False  # a numba with another naming
    names = [each.name for each in itertools.chain(module.functions, module.global_variables)]
    if any(name.startswith(RuntimeLinker.PREFIX) for name in names):
        return False  # recursion: numba links that while it compiles, and only then
    return all(int(number) >= _ID_LEAST for name in names for number in _ID.findall(name))


# numba tells functions of one name apart by a number that counts from 1 in each process, and makes
# it part of their symbols (`B3v17`: an ABI tag of Itanium mangling). Code of two processes in one
# would then share symbols that mean different functions, and the linker takes the first. So the
# count begins elsewhere in each process. Nothing but symbols is named by it.
_ID: Final = re.compile(r"B\d+v(\d+)")


def _begin_ids() -> None:
    start = _ID_LEAST + int.from_bytes(os.urandom(7), "little")
    FunctionIdentity._unique_ids = itertools.count(start)


_begin_ids()
os.register_at_fork(after_in_child=_begin_ids)
