"""Run a process that holds a run at one place, moves it forward, and leaves copies of itself behind.

No file can hold a robot's whole state, the core's and Python's. A fork does, at once, and costs only the memory pages
that change later. A copy waits at its place until it is requested to continue or to copy itself. Each copy has a
socket to its owner, and ends when the socket closes.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import struct
import sys
from pathlib import Path
from typing import Any

import msgspec

from onetape.engine.kept_state import StateKeeper
from onetape.model.errors import OnetapeError, StrategyError
from onetape.replay.checkpoints import Checkpoints, UnusableError
from onetape.replay.frames_around import FramesAround
from onetape.replay.recorded_run import RecordedRun
from onetape.replay.repetition import Repetition
from onetape.replay.robot_state import opened_at

__all__ = ["receive", "send"]

_LENGTH = struct.Struct("<I")


def send(connection: socket.socket, message: dict[str, Any]) -> None:
    body = msgspec.msgpack.encode(message, enc_hook=str)
    connection.sendall(_LENGTH.pack(len(body)) + body)


def receive(connection: socket.socket) -> dict[str, Any] | None:
    """Returns the next message; None: the other side has closed."""
    head = _exactly(connection, _LENGTH.size)
    if head is None:
        return None
    body = _exactly(connection, _LENGTH.unpack(head)[0])
    return None if body is None else msgspec.msgpack.decode(body)


def _exactly(connection: socket.socket, count: int) -> bytes | None:
    found = bytearray()
    while len(found) < count:
        part = connection.recv(min(count - len(found), 1 << 20))
        if not part:
            return None
        found += part
    return bytes(found)


class Walker:
    """Serves requests, one at a time."""

    def __init__(self, run: RecordedRun) -> None:
        self.run = run
        self.repetition: Repetition | None = None
        self.frames: FramesAround | None = None
        self.life = 0
        self.checkpoints: Checkpoints | None = None
        self.keeper: StateKeeper | None = None

    def handle(self, request: dict[str, Any]) -> dict[str, Any]:
        match request["do"]:
            case "tell":
                return {"lives": self.run.count, "frames": sum(each.last_sequence for each in self.run.plan.inputs)}
            case "life_at":
                return {"life": self.run.life_at(sequence=request["sequence"], moment=request["moment"])}
            case "open":
                return self._open(request["life"])
            case "checkpoint":
                return self._to_checkpoint(request["frames"])
            case "go":
                assert self.repetition is not None
                self.repetition.go(request["frames_max"], request["moment"])
                return self._place()
            case "go_to_sequence":
                assert self.repetition is not None
                return {"frames": self.repetition.frames_at(request["sequence"])}
            case "advance":
                return self._advance(request["moment"])
            case "state":
                return self._state(request["around"])
        raise AssertionError(request["do"])

    def _open(self, life: int) -> dict[str, Any]:
        self.life = life
        self.repetition = self.run.repetition(life)
        self.frames = FramesAround(self.repetition.plan)
        self.repetition.open()
        try:
            self.repetition.start()
        except StrategyError:
            # A killed incarnation may have failed in on_start: it ends there.
            if not self.run.incarnations or self.run.incarnations[life].has_ended:
                raise
            return {**self._place(), "checkpoints": [], "problem": ""}
        self.checkpoints = Checkpoints(self.run.path, life + 1)
        places = self.checkpoints.places
        if places:
            self.keeper = StateKeeper(self.repetition.session)
        return {
            **self._place(),
            "checkpoints": [(each.frames, each.now) for each in places],
            "problem": self.checkpoints.problem,
        }

    def _to_checkpoint(self, frames: int) -> dict[str, Any]:
        """Go to a checkpoint from the incarnation's beginning. After a reply with a reason the process must not be
        used."""
        assert self.repetition is not None
        assert self.checkpoints is not None and self.keeper is not None
        place = self.checkpoints.before(frames=frames)
        assert place is not None
        try:
            self.checkpoints.open(self.repetition, self.keeper, place)
        except UnusableError as problem:
            return {"problem": f"a checkpoint is not used: {problem}"}
        return {**self._place(), "problem": ""}

    def _advance(self, moment: int) -> dict[str, Any]:
        """Run timers and answers due by `moment` (ns), which in the run did not wait for a later frame. Never beyond
        the known end: timers would continue forever."""
        assert self.repetition is not None
        if not self.repetition.is_whole or self.repetition.killed_at is not None:
            self.repetition.advance(moment)
        return self._place()

    def _place(self) -> dict[str, Any]:
        assert self.repetition is not None
        return {
            "frames": self.repetition.frames,
            "now": self.repetition.session.loop.now,
            "is_end": self.repetition.is_whole,
            "differs": self.repetition.session.loop.calls_differ,
        }

    def _state(self, around: int) -> dict[str, Any]:
        assert self.repetition is not None
        assert self.frames is not None
        return opened_at(self.repetition, self.frames, life=self.life, around=around)


def serve(walker: Walker, connection: socket.socket) -> None:
    while (request := receive(connection)) is not None:
        if request["do"] == "fork":
            _, received, _, _ = socket.recv_fds(connection, 1, 1)
            pid = os.fork()
            if pid == 0:
                connection.close()
                connection = socket.socket(fileno=received[0])
                continue
            os.close(received[0])
            answer: dict[str, Any] = {"pid": pid}
        else:
            try:
                answer = walker.handle(request)
            except OnetapeError as error:
                answer = {
                    "error": type(error).__name__,
                    "what": error.what,
                    "where": error.location,
                    "todo": error.todo,
                }
        try:
            send(connection, answer)
        except BrokenPipeError:
            return


def main() -> None:
    """Run the process. Arguments: the socket's file descriptor, the run's folder."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C on the terminal: the owner decides
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # ended copies leave no zombies
    connection = socket.socket(fileno=int(sys.argv[1]))
    request = receive(connection)
    if request is None:
        return
    try:
        walker = Walker(RecordedRun(Path(sys.argv[2])))
    except OnetapeError as error:
        send(
            connection, {"error": type(error).__name__, "what": error.what, "where": error.location, "todo": error.todo}
        )
        return
    gc.collect()
    gc.freeze()  # the collector skips present objects, so that copies share their memory
    send(connection, walker.handle(request))
    serve(walker, connection)
    os._exit(0)  # no clean-up: the original process does it


if __name__ == "__main__":
    main()
