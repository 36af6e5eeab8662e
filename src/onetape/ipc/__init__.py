"""Commands between processes: one transport, the process's own socket."""

from onetape.ipc.system import CommandResult, IPCCommandSystem

__all__ = ["CommandResult", "IPCCommandSystem"]
