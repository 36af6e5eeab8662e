"""Our programs in processes of their own, as `python -m MODULE …` starts them, without its imports.

A server that has imported what they are made of is copied for each. What a copy shares with it is
code alone: it has arguments, environment, folder, files, signals and an end of its own. Tests of
what a new process itself costs or says (memory, entry points) start a real one.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import pkgutil
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import traceback
import warnings
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final, NoReturn

import msgspec

from waiting import PATIENCE_S

__all__ = ["ONETAPE", "WITHIN_S", "Copied", "begun", "run"]

ONETAPE: Final = "onetape.cli.main"
IMPORTED: Final = tuple(
    f"onetape.{room}"
    for room in (
        "cli",
        "collector",
        "exchange",
        "gateway",
        "hub",
        "preflight",
        "replay",
        "research",
        "robot",
        "runs",
        "supervisor",
    )
)
MESSAGE_BYTES: Final = 1 << 17
NUMBER: Final = struct.Struct("i")
STANDARD: Final = 3  # files: input, output, errors
WITHIN_S: Final = 180


class MainCall(msgspec.Struct, array_like=True):
    """`main()` of a module, with its words."""

    module: str
    words: list[str]
    folder: str
    environ: dict[str, str]


class Copied(subprocess.Popen):
    """As `subprocess.Popen` with the same options; but a copy is no child of this process, so how
    it is made and how its end is heard of are replaced."""

    def __init__(self, module: str, *words: object, **options: Any) -> None:
        super().__init__([module, *map(str, words)], **options)

    def _execute_child(
        self,
        args: Sequence[str],
        executable: object,
        preexec_fn: object,
        close_fds: bool,
        pass_fds: object,
        cwd: object,
        env: dict[str, str] | None,
        startupinfo: object,
        creationflags: object,
        shell: bool,
        *pipes_and_more: Any,
    ) -> None:
        pipes = pipes_and_more[:6]  # of each standard file the reading end, then the writing one
        ends = (pipes[0], pipes[3], pipes[5])
        fds = [own if own >= 0 else number for number, own in enumerate(ends)]
        environ = dict(os.environ if env is None else env)
        wanted = MainCall(args[0], list(args[1:]), str(cwd or Path.cwd()), environ)
        self._end, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with theirs:
                message = msgspec.msgpack.encode(wanted)
                socket.send_fds(_server(), [message], [*fds, theirs.fileno()])
            if not (pid := self._end.recv(NUMBER.size)):
                raise ChildProcessError("the server of copies ended before it made this one")
            (self.pid,) = NUMBER.unpack(pid)
            self._child_created = True
        finally:
            self._close_pipe_fds(*pipes)

    def _try_wait(self, wait_flags: int) -> tuple[int, int]:
        try:
            answer = self._end.recv(NUMBER.size, socket.MSG_DONTWAIT if wait_flags & os.WNOHANG else 0)
        except BlockingIOError:
            return 0, 0
        self._end.close()
        if not answer:
            raise ChildProcessError("the server of copies has ended: how this one ends nobody sees")
        (status,) = NUMBER.unpack(answer)
        return self.pid, status

    def _internal_poll(self, _deadstate: int | None = None, **_: object) -> int | None:
        """_deadstate: how one ended that nobody holds any more and of which nothing can be heard."""
        try:
            if self.returncode is None and (ended := self._try_wait(os.WNOHANG))[0]:
                self._handle_exitstatus(ended[1])
        except OSError:
            if _deadstate is None:
                raise
            self.returncode = _deadstate
        return self.returncode

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Ends one that `begun` made, unless it has ended; a fault of its own fails the test."""
        if self.poll() is None:
            self.send_signal(number)
        assert self.wait(PATIENCE_S) in (0, -signal.SIGKILL)
        assert self.stdout is not None
        self.stdout.close()


def begun(module: str, options: object) -> Copied:
    """A process of ours with its options, once it is ready."""
    process = Copied(module, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(msgspec.json.encode(options))
    process.stdin.close()
    assert process.stdout.readline() == b"ready\n"
    return process


def run(*words: object, check: bool = False, **options: Any) -> subprocess.CompletedProcess[str]:
    """`onetape …` that has ended, whichever way, and what it said."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with Copied(ONETAPE, *words, **{**pipes, **options}) as process:
        try:
            out, err = process.communicate(timeout=WITHIN_S)
        except BaseException:
            process.kill()
            raise
    done = subprocess.CompletedProcess(process.args, process.returncode, out, err)
    if check:
        done.check_returncode()
    return done


class _Server:
    """It ends with this process."""

    def __init__(self) -> None:
        self.line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115, it is closed with the line
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self.errors,
                pass_fds=[theirs.fileno()],
            )

    def close(self) -> str:
        """What it had to say."""
        self.errors.seek(0)
        with self.errors, self.line:
            return self.errors.read().decode(errors="replace")


_servers: list[_Server] = []  # one at most


def _server() -> socket.socket:
    """Another one where the last has ended, so that one test fails by it and not a thousand; why is said."""
    if _servers and (code := _servers[0].process.poll()) is not None:
        warnings.warn(f"the server of copies ended with {code}: {_servers.pop().close()}", stacklevel=2)
    if not _servers:
        _servers.append(_Server())
    return _servers[0].line


def _serve(line: socket.socket) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's
    poll = select.poll()
    poll.register(line, select.POLLIN)
    running: dict[int, tuple[int, socket.socket]] = {}  # by what is readable once it has ended
    while True:
        for ready, _ in poll.poll():
            if ready in running:
                poll.unregister(ready)
                pid, teller = running.pop(ready)
                os.close(ready)
                _tell(teller, os.waitpid(pid, 0)[1])
                teller.close()
                continue
            message, fds, _, _ = socket.recv_fds(line, MESSAGE_BYTES, STANDARD + 1)
            if not message:
                return
            if not (pid := os.fork()):
                _work(msgspec.msgpack.decode(message, type=MainCall), fds)
            teller = socket.socket(fileno=fds.pop())
            for each in fds:
                os.close(each)
            ended = os.pidfd_open(pid)
            running[ended] = pid, teller
            poll.register(ended, select.POLLIN)
            _tell(teller, pid)


def _tell(teller: socket.socket, number: int) -> None:
    with contextlib.suppress(OSError):  # nobody waits any more
        teller.send(NUMBER.pack(number))


def _work(wanted: MainCall, fds: list[int]) -> NoReturn:
    code: object = 1
    try:
        _become(wanted, fds)
        code = import_module(wanted.module).main()
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
    finally:
        # As the interpreter ends, but for what it would take apart: that is all a copy.
        threading._shutdown()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 0 if code is None else 1)


def _become(wanted: MainCall, fds: list[int]) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for target, each in enumerate(fds[:STANDARD]):
        os.dup2(each, target)
    os.closerange(STANDARD, os.sysconf("SC_OPEN_MAX"))
    os.chdir(wanted.folder)
    os.environ.clear()
    os.environ.update(wanted.environ)
    sys.argv = [wanted.module, *wanted.words]
    sys.path[0] = wanted.folder
    if (numpy_random := sys.modules.get("numpy.random")) is not None:
        numpy_random.seed()  # Python's own generator sees to that itself


def _import_all() -> None:
    for room in map(import_module, IMPORTED):
        for each in pkgutil.iter_modules(room.__path__, f"{room.__name__}."):
            with contextlib.suppress(ModuleNotFoundError):  # of an extra that is not here
                import_module(each.name)


if __name__ == "__main__":
    _import_all()
    gc.collect()
    gc.freeze()  # a collection would write to each object, and copy its page for that
    _serve(socket.socket(fileno=int(sys.argv[1])))
