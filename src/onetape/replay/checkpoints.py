"""Keep checkpoints of a run on disk, to open a late moment without running the robot's
callbacks from the beginning.

A checkpoint is the Python half of the robot after a number of frames (engine/kept_state.py), and the
length of the log of its calls (core/engine/calls.hpp) by then. To open one, the core repeats the
run up to there from the log, without the strategy; then the strategy gets its state back and is
called again. In the run's folder, for each incarnation:

    checkpoints/1.calls    the log
    checkpoints/1.states   the pickles, one behind the other
    checkpoints/1.index    | HMAC 32 bytes | MessagePack: where each pickle lies, all checksums |

The index is written last: files left unfinished by a kill do not count. Its HMAC is
made with a key of this user on this machine, so a pickle is read only where this user wrote it;
checkpoints of a run from another machine are ignored.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import shutil
import stat
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from onetape import _core
from onetape.engine.kept_state import CannotKeepError, StateKeeper
from onetape.engine.loader import source_files
from onetape.engine.session import Session
from onetape.model.home import user_cache
from onetape.model.typed import from_msgpack
from onetape.replay.repetition import Repetition
from onetape.security.private import private_folder
from onetape.tape.journal import JournalReader

__all__ = ["CheckpointWriter", "Checkpoints", "Place", "UnusableError"]

FOLDER: Final = "checkpoints"
VERSION: Final = 2
EVERY_S: Final = 0.4  # least processor time between two checkpoints
COST_SHARE: Final = 0.005  # largest share of the run's processor time for checkpoints
COUNT_MAX: Final = 2048  # beyond it every other one is removed
BYTES_MAX: Final = 256 * 2**20  # size of the states of one incarnation; beyond it every other one is removed
CALLS_BYTES_MAX: Final = 2**30
FRAMES_FIRST, FRAMES_MAX = 2048, 1 << 20  # frames per step, between two looks at the clock
LOOK_S: Final = 0.05
_MAC_BYTES: Final = 32


# Reading a checkpoint runs code. The key is in the user's private cache: without it checkpoints are ignored and
# written again.
KEY_BYTES: Final = 32


def checkpoint_key(*, make: bool) -> bytes | None:
    """Returns the user's key; None if there is none, or others could have written it."""
    folder = user_cache(os.environ)
    if folder is None:
        return None
    name = "checkpoints.key"
    if make:
        with suppress(OSError):
            private_folder(folder)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            # Written atomically: two processes may be the first at the same time.
            unfinished = folder / f".{name}.{os.getpid()}"
            with os.fdopen(os.open(unfinished, flags, 0o600), "wb") as file:
                file.write(secrets.token_bytes(KEY_BYTES))
            with suppress(FileExistsError):
                os.link(unfinished, folder / name)
            unfinished.unlink()
    try:
        key = own_bytes(folder, name)
    except OSError:
        return None
    return key if len(key) == KEY_BYTES else None


def own_bytes(folder: Path, name: str, *, at: int = 0, size: int | None = None) -> bytes:
    """Returns the content of a file in a folder, both owned by this user and writable by no other. Raises OSError."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        _check_own(opened, folder)
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=opened)
        with os.fdopen(file, "rb") as content:
            _check_own(file, folder / name)
            content.seek(at)
            return content.read() if size is None else content.read(size)
    finally:
        os.close(opened)


def _check_own(file: int, path: Path) -> None:
    facts = os.fstat(file)
    is_plain = stat.S_ISREG(facts.st_mode) or stat.S_ISDIR(facts.st_mode)
    if not is_plain or facts.st_uid != os.geteuid() or facts.st_mode & 0o022:
        raise PermissionError(1, f"{path} is not this user's alone")


class UnusableError(Exception):
    """The reason why a checkpoint is ignored."""


class Place(msgspec.Struct, frozen=True):
    """A checkpoint's position in a run. frames: number taken so far; now: the robot's time, ns; callbacks: their
    number so far; calls: bytes of the log so far; calls_hash, state_hash (of the core), action_hash: hashes at this
    position; at, size, hash: of the pickle; orders: ids that the pickle names."""

    frames: int
    now: int
    callbacks: int
    calls: int
    calls_hash: bytes
    state_hash: bytes
    action_hash: bytes
    at: int
    size: int
    hash: bytes
    orders: list[int]


class Index(msgspec.Struct, frozen=True):
    """The index of the checkpoints of one incarnation. source: hash of the strategy's saved source. none: reason why
    there are no checkpoints."""

    version: int
    program: str
    run: str
    source: str
    calls: int
    calls_hash: bytes
    places: list[Place]
    none: str = ""


def _program() -> str:
    """Returns the versions of the programs that can read a pickle."""
    return f"{sys.implementation.cache_tag} {sys.platform}"


def _hash_of(session: Session) -> tuple[bytes, bytes]:
    """Returns (hash of the core's state, hash of all actions, b"" in later incarnations). A later incarnation's
    action hash depends on earlier actions, which not every repetition has."""
    loop, live = session.loop, session.plan.live
    is_first = live is None or live.life == 1
    return loop.state_hash(session.host.memory_bytes), loop.action_hash() if is_first else b""


def _uuid_of(run: Path) -> str:
    with JournalReader(run / "journal") as reader:
        return reader.uuid.hex


def _source_hash(run: Path) -> str:
    digest = hashlib.sha256()
    for path in source_files(run / "source"):
        digest.update(str(path.relative_to(run)).encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


class CheckpointWriter:
    """Writes checkpoints beside a started session: call `look` between its steps, `finish` or `give_up` at the end.
    scratch: folder for growing files until `finish`; else the final folder. clock: processor seconds; the cost of a
    checkpoint decides the interval.
    """

    def __init__(
        self,
        run: Path,
        session: Session,
        *,
        life: int = 1,
        scratch: Path | None = None,
        clock: Callable[[], float] = time.process_time,
    ) -> None:
        self.folder = run / FOLDER
        self._run, self._session, self._life = run, session, life
        self._every_s, self._clock = EVERY_S, clock
        self._growing = scratch or self.folder
        self._keeper = StateKeeper(session)
        self._places: list[Place] = []
        self._calls, self._calls_hash = 0, hashlib.sha256()
        self._states = 0
        self.none = ""
        self._next = clock() + self._every_s
        session.loop.record_calls()

    def step(self, step: Callable[[int], _core.RunOutcome]) -> _core.RunOutcome:
        """Step the session through all available frames, with checkpoints on the way. step: most frames at once."""
        frames = FRAMES_FIRST
        while True:
            began = self._clock()
            outcome = step(frames)
            if outcome != _core.RunOutcome.LIMIT:
                if self._places:
                    self._flush()
                return outcome
            self.look()
            took = self._clock() - began
            if took < LOOK_S / 2:
                frames = min(2 * frames, FRAMES_MAX)
            elif took > 2 * LOOK_S:
                frames = max(frames // 2, 1)

    def look(self) -> None:
        """Write a checkpoint between two frames if one is due."""
        if self.none or self._clock() < self._next:
            return
        began = self._clock()
        try:
            self._keep()
        except CannotKeepError as problem:
            self._drop(f"no checkpoints: {problem}")
        except OSError as problem:
            self._drop(f"no checkpoints: {problem.strerror or problem}")
        now = self._clock()
        self._next = now + max(self._every_s, (now - began) / COST_SHARE)

    def _keep(self) -> None:
        state, orders = self._keeper.keep()
        loop = self._session.loop
        self._flush()
        if self._calls > CALLS_BYTES_MAX:
            raise CannotKeepError(f"its requests exceed {CALLS_BYTES_MAX >> 20} MiB")
        state_hash, action_hash = _hash_of(self._session)
        self._places.append(
            Place(
                frames=int(loop.counters()["frames"]),
                now=loop.now,
                callbacks=loop.callback_count,
                calls=self._calls,
                calls_hash=self._calls_hash.digest(),
                state_hash=state_hash,
                action_hash=action_hash,
                at=self._states,
                size=len(state),
                hash=hashlib.sha256(state).digest(),
                orders=orders,
            )
        )
        self._append("states", state)
        self._states += len(state)
        if len(self._places) > COUNT_MAX or self._states > BYTES_MAX:
            self._thin()

    def _flush(self) -> None:
        calls = self._session.loop.take_calls()
        self._append("calls", calls)
        self._calls += len(calls)
        self._calls_hash.update(calls)

    def _thin(self) -> None:
        """Remove every other checkpoint and double the interval."""
        whole = self._path("states").read_bytes()
        kept, states = [], bytearray()
        for place in self._places[1::2]:
            kept.append(msgspec.structs.replace(place, at=len(states)))
            states += whole[place.at : place.at + place.size]
        self._places, self._states = kept, len(states)
        self._path("states").unlink()
        self._append("states", bytes(states))
        self._every_s *= 2

    def _append(self, kind: str, content: bytes) -> None:
        private_folder(self._growing)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
        with os.fdopen(os.open(self._path(kind), flags, 0o600), "ab") as file:
            file.write(content)

    def _path(self, kind: str) -> Path:
        """Returns the path of a growing file."""
        name = f"{self._life}.{kind}"
        return self._growing / (name if self._growing == self.folder else f"checkpoint-{name}")

    def _drop(self, why: str) -> None:
        self.none = why
        self._places = []
        self._session.loop.stop_recording()
        for kind in ("calls", "states"):
            self._path(kind).unlink(missing_ok=True)

    def finish(self) -> None:
        """Publish the checkpoints once the run and its source are saved. Never raises: a run without checkpoints is
        valid."""
        with suppress(OSError):
            if not self._places and not self.none:
                return  # the run ended before the first one
            if self._growing != self.folder:
                self._move()
            index = Index(
                VERSION,
                _program(),
                _uuid_of(self._run),
                _source_hash(self._run),
                self._calls,
                self._calls_hash.digest(),
                self._places,
                self.none,
            )
            _write_index(self.folder / f"{self._life}.index", index)

    def _move(self) -> None:
        private_folder(self.folder)
        for kind in ("calls", "states"):
            target = self.folder / f"{self._life}.{kind}"
            target.unlink(missing_ok=True)
            if self._places:
                unfinished = target.with_name(f".{target.name}.{os.getpid()}")
                shutil.copyfile(self._path(kind), unfinished)
                unfinished.chmod(0o600)
                unfinished.replace(target)


def _write_index(path: Path, index: Index) -> None:
    key = checkpoint_key(make=True)
    if key is None:
        return
    private_folder(path.parent)
    body = msgspec.msgpack.encode(index)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    with os.fdopen(os.open(unfinished, flags, 0o600), "wb") as file:
        file.write(hmac.digest(key, body, "sha256") + body)
    unfinished.replace(path)


class Checkpoints:
    """Reads the checkpoints of one incarnation of a run. problem: reason why none can be used, "": none were made."""

    def __init__(self, run: Path, life: int = 1) -> None:
        self._folder, self._life = run / FOLDER, life
        self.problem = ""
        self.is_final = False  # True: there are none, and none will be written
        self.places: list[Place] = []
        try:
            self._index = self._read(run)
        except FileNotFoundError:
            return
        except (UnusableError, OSError) as problem:
            self.problem = f"checkpoints are not used: {problem}"
            return
        self.problem, self.places = self._index.none, self._index.places
        self.is_final = bool(self.problem)

    def _read(self, run: Path) -> Index:
        found = own_bytes(self._folder, f"{self._life}.index")
        key = checkpoint_key(make=False)
        mac, body = found[:_MAC_BYTES], found[_MAC_BYTES:]
        if key is None or not hmac.compare_digest(mac, hmac.digest(key, body, "sha256")):
            raise UnusableError("another user or machine wrote them, or they are damaged")
        index = from_msgpack(body, Index)
        if index.version != VERSION or index.program != _program():
            raise UnusableError("another version wrote them")
        if index.run != _uuid_of(run):
            raise UnusableError("they belong to another run")
        if index.source != _source_hash(run):
            raise UnusableError("the strategy's source has changed")
        return index

    def before(self, *, frames: int | None = None, moment: int | None = None) -> Place | None:
        """Returns the last checkpoint up to that frame or time."""
        fits = [
            each
            for each in self.places
            if (frames is None or each.frames <= frames) and (moment is None or each.now <= moment)
        ]
        return fits[-1] if fits else None

    def open(self, repetition: Repetition, keeper: StateKeeper, place: Place) -> None:
        """Advance a repetition that has just started to `place`. After UnusableError the repetition must not be used.
        Later calls of the strategy are compared with the log (`calls_differ` of the loop)."""
        try:
            calls = own_bytes(self._folder, f"{self._life}.calls")
            state = own_bytes(self._folder, f"{self._life}.states", at=place.at, size=place.size)
        except OSError as problem:
            raise UnusableError(problem.strerror or str(problem)) from problem
        before = calls[: place.calls]
        if hashlib.sha256(before).digest() != place.calls_hash:
            raise UnusableError("the log of its calls is damaged")
        if hashlib.sha256(state).digest() != place.hash:
            raise UnusableError("the robot's state is damaged")
        loop = repetition.session.loop
        loop.play_calls(before, place.orders)
        repetition.go(place.frames - repetition.frames)
        fits = loop.stop_playing()
        if not fits or (repetition.frames, loop.now, loop.callback_count) != (place.frames, place.now, place.callbacks):
            raise UnusableError("the repeated run differs")
        try:
            keeper.restore(state)
        except Exception as problem:
            raise UnusableError(f"the robot's state does not fit ({problem})") from problem
        if _hash_of(repetition.session) != (place.state_hash, place.action_hash):
            raise UnusableError("the state hash differs")
        if len(calls) == self._index.calls:
            whole = hashlib.sha256(calls).digest() == self._index.calls_hash
            loop.compare_calls(calls[place.calls :] if whole else b"")
