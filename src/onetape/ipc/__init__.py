"""Commands between processes: one transport, the process's own socket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = ["CommandResult", "IPCCommandSystem"]

if TYPE_CHECKING:
    from onetape.ipc.system import CommandResult, IPCCommandSystem


def __getattr__(name: str) -> Any:
    """Imports on first use, because a process that only connects to a socket needs no event loop."""
    if name not in __all__:
        raise AttributeError(f"module 'onetape.ipc' has no attribute {name!r}")
    from onetape.ipc import system

    globals()[name] = value = getattr(system, name)
    return value
