"""The command line's calls to a supervisor: up, down, status, restart."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from onetape.ipc.local_socket import connect
from onetape.ipc.process_ids import LeftProcess, left_by_commands, start_time
from onetape.model.errors import (
    BY_CODE,
    BY_NAME,
    BadConfig,
    JournalLocked,
    OnetapeError,
    ProcessDown,
    UsageError,
    rebuilt,
)
from onetape.model.placement import WELL
from onetape.model.sections import OPERATOR, Config
from onetape.options.cluster import has_cluster
from onetape.options.collector import collectors_of
from onetape.security.private import private_folder
from onetape.security.secret_keys import secret_places
from onetape.security.tokens import make_token
from onetape.supervisor.child import Process
from onetape.supervisor.options import SupervisorOptions, minimal, supervisor_socket
from onetape.supervisor.parts import SINGLE
from onetape.supervisor.process_figures import Figures
from onetape.supervisor.process_journal import left_in
from onetape.supervisor.restart_rules import STOP_WITHIN_S, refusal_in, without_error_name
from onetape.supervisor.start import not_wanted

__all__ = ["bring_down", "bring_up", "restart", "run_in_front", "status_of"]

LOOK_S: Final = 0.02
ASK_EVERY_S: Final = 0.5  # for the remaining processes of a supervisor that stops all
ASK_WITHIN_S: Final = 10.0
BEGIN_WITHIN_S: Final = 20.0  # until a supervisor answers at all
UP_WITHIN_S: Final = 75.0
DOWN_WITHIN_S: Final = 60.0  # robots cancel first; processes that exceed it are killed
# In this order.
STARTS: Final = (
    SINGLE,
    "venue",
    "collector",
    "cluster",
    "hub",
    "recorder",
    "gateway",
    "guardian",
    "control",
    "telegram",
    "dashboard",
    "robot",
    "variants",
)
REAP_S: Final = 2.0  # until the system has reaped ended processes; some never are


def ask(home: Path, do: str, **fields: Any) -> dict[str, Any] | None:
    """Requests one answer of the supervisor, None: none runs. Raises ProcessDown for a stuck one, and its refusals."""
    request = {"do": do, **fields}
    if do != "status":  # reading the home permits the status
        request |= {"actor": OPERATOR, "token": make_token(home, OPERATOR)}
    path = supervisor_socket(home)
    try:
        made = connect(path, timeout_s=ASK_WITHIN_S)
    except OSError:
        return None
    with made, made.makefile("rb") as file:
        try:
            made.sendall(json.dumps(request).encode() + b"\n")
            line = file.readline()
        except TimeoutError as error:
            raise ProcessDown("the supervisor does not answer", location=str(path)) from error
        except OSError:
            return None
    if not line.endswith(b"\n"):
        return None
    answer: dict[str, Any] = json.loads(line)
    if answer.get("status") == "refused":
        raise BY_CODE[answer["error"]["code"]](answer["error"]["message"], location=str(path))
    if do == "status" and "error" in answer:
        raise ProcessDown(f"the supervisor cannot report its status: {answer['error']}")
    return answer


def status_of(home: Path) -> dict[str, Any]:
    """Returns the status of the processes; without a supervisor `running` is False, and the processes are those that a
    killed supervisor, or a killed command in the foreground, has left."""
    status = ask(home, "status")
    if status is not None:
        return status
    shown = []
    replaced = {each.pid for each in left_by_commands(home)}
    for name, process in _orphans(home):
        will = "replaces" if process.pid in replaced else "takes over"
        shown.append(
            {
                "name": name,
                "kind": name.partition(":")[0],
                "pid": process.pid,
                "state": "running",
                "heartbeat_age_ms": None,
                "progress_age_ms": None,
                "lag": None,
                **Figures().of(process.pid),
                "restarts": 0,
                "reason": f"its supervisor or command has ended: `up` {will} it, `down` ends it",
            }
        )
        process.close()
    return {"running": False, "processes": shown, "notes": []}


def _orphans(home: Path) -> list[tuple[str, Process]]:
    """Returns the running processes of a dead supervisor, and of commands in the foreground, in the order of
    starting."""
    records = left_in(home).processes.items()
    left = [LeftProcess(name, each["pid"], each["started"]) for name, each in records if each["pid"]]
    return _running([*left, *left_by_commands(home)])


def _running(records: Iterable[LeftProcess]) -> list[tuple[str, Process]]:
    """Returns the running ones, in the order of starting."""
    found = []
    for name, pid, started in records:
        process = Process.find(pid, started)
        if process is not None:
            found.append((name, process))
    return sorted(found, key=lambda each: STARTS.index(each[0].partition(":")[0]))


def _tell(line: str) -> None:
    """Prints a line, unless the terminal was closed."""
    with suppress(OSError):
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


def bring_up(
    config: Config,
    path: Path | None,
    home: Path,
    *,
    single: bool = False,
    is_minimal: bool = False,
    doing: Callable[[str], None] = lambda words: None,
    say: Callable[[str], None] = _tell,
) -> dict[str, Any]:
    """Starts a supervisor, waits until all processes run, and returns its status. `already`: one ran before, and
    nothing was changed; `changed`: differences of its file, by key the process whose restart applies it, "": `down`
    and `up`. single: all in one process; is_minimal: the smallest set of them. doing: gets the progress; say: gets
    lasting lines. Raises ProcessDown with the processes that did not start, or their permanent refusals; the others
    run."""
    already = ask(home, "status")
    if already is not None:
        return _applied(already, path, home, doing)
    doing("looks at the configuration")
    begin = partial(_begin, config, path, home, single=single, is_minimal=is_minimal)
    early = None
    with suppress(OSError, OnetapeError):  # the check reports what is wrong with the folder
        early = begin()  # it imports meanwhile
    try:
        _check(minimal(config) if is_minimal else config, path, home, single=single)
        _stop_all(_running(left_by_commands(home)), doing)
    except BaseException:
        if early is not None:
            early.kill()  # it has begun nothing
            early.communicate()
        raise
    with _interruptions():
        began = early or begin()
        try:
            _go(began)
            status = _settled(began, home, doing)
        except KeyboardInterrupt as interrupt:
            _interrupted(began, home, interrupt, doing, say)
            raise
    if any(p["state"] not in WELL for p in status["processes"]):
        raise _not_ready(status)
    return {**status, "already": False, "changed": {}}


def _applied(already: dict[str, Any], path: Path | None, home: Path, doing: Callable[[str], None]) -> dict[str, Any]:
    """Lets a running supervisor apply what it can of its changed file, and returns its status once that runs. Raises
    ProcessDown."""
    changes = ask(home, "changes") or {}
    file, notes, done = changes.get("file"), list(already["notes"]), {}
    if file and path is not None and file != str(path.absolute()):
        notes.append(f"the running processes use {file}, not {path}")
    elif changes.get("changed"):
        done = ask(home, "apply") or {}
        changes = ask(home, "changes") or {}
    if file and "error" in changes:
        notes.append(f"{file} could not be read: {changes['error']}")
    if done.get("applied"):
        already = _settled(None, home, doing)
        started = [each for each in already["processes"] if each["name"] in done["applied"]]
        if any(each["state"] not in (*WELL, "stopped", "stopping") for each in started):
            raise _not_ready(already)
    whys = {"applied": done.get("applied", {}), "refused": done.get("refused", {})}
    return {**already, "already": True, "notes": notes, "changed": changes.get("changed", {}), **whys}


def _settled(began: subprocess.Popen[bytes] | None, home: Path, doing: Callable[[str], None]) -> dict[str, Any]:
    """Returns the supervisor's status once all run or have failed. Raises ProcessDown."""
    doing("the supervisor starts")
    deadline = time.monotonic() + UP_WITHIN_S
    answering = time.monotonic() + BEGIN_WITHIN_S
    while True:
        status = ask(home, "status")
        if status is None:
            is_other = JournalLocked.name in _said(home)  # another one just began
            if began is None:
                raise ProcessDown("the supervisor has ended", location=str(home), todo="onetape up")
            if time.monotonic() > answering or (began.poll() is not None and not is_other):
                raise _not_begun(began, home)
        elif status["settled"]:
            return status
        elif time.monotonic() > deadline:
            raise _not_ready(status)
        else:
            doing(_waited_for(status))
        time.sleep(LOOK_S)


def _waited_for(status: dict[str, Any]) -> str:
    """Returns how many run, and the reports of the others."""
    processes = status["processes"]
    others = [p for p in processes if p["state"] not in WELL]
    runs = f"{len(processes) - len(others)} of {len(processes)} run"
    # A process that waits for another says less than that one.
    causes = [p for p in others if p["state"] != "waiting"] or others
    return "; ".join([runs, *map(_state, causes)])


def _state(process: dict[str, Any]) -> str:
    why = f": {process['reason']}" if process["reason"] else ""
    return f"{process['name']} {process['state']}{why}"


@contextmanager
def _interruptions() -> Iterator[None]:
    """Makes each signal that ends a command interrupt the block, also the closing of its terminal."""

    def interrupt(number: int, _frame: Any) -> None:
        raise KeyboardInterrupt(signal.Signals(number).name)

    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread gets signals
        return
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, interrupt) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _interrupted(
    began: subprocess.Popen[bytes],
    home: Path,
    interrupt: KeyboardInterrupt,
    doing: Callable[[str], None],
    say: Callable[[str], None],
) -> None:
    """Brings down a started supervisor; a second interrupt leaves it at once. Prints either way."""
    try:
        say(f"interrupted ({interrupt}): stops the started processes; interrupt again to leave them running")
        stopped = bring_down(home, doing)["stopped"]
        if began.poll() is None:  # it does not listen yet
            began.terminate()
            began.wait()
            stopped += _stop_orphans(home, doing)
        say(f"stopped {', '.join(stopped)}" if stopped else "nothing runs")
    except KeyboardInterrupt:
        say(
            f"left at once: supervisor {began.pid} and its processes may run on; "
            f"onetape --home {home} status, onetape --home {home} down"
        )


def _check(config: Config, path: Path | None, home: Path, *, single: bool) -> None:
    if not (config.venues or config.accounts or collectors_of(config) or has_cluster(config)):
        raise BadConfig(
            "there is nothing to run",
            location="onetape.toml",
            todo="write [venues.NAME] and [accounts.NAME]; onetape init writes an example",
        )
    from onetape.supervisor.start_check import check_start, refuse

    folder = (path.parent if path else Path()).absolute()
    running = [name for name, _ in _orphans(home)]
    if SINGLE in running:
        running = [f"robot:{name}" for name in config.robots]
    refuse(check_start(config, folder, home.absolute(), single=single, running=running))


def _begin(config: Config, path: Path | None, home: Path, *, single: bool, is_minimal: bool) -> subprocess.Popen[bytes]:
    """Starts a process of its own, which keeps only our descriptors of secrets open. It waits for `_go`."""
    private_folder(home / "run")
    file = str(path.absolute()) if path else ""
    options = SupervisorOptions(home=str(home), config=file, single=single, minimal=is_minimal)
    descriptors = {int(place.removeprefix("fd:")) for place in secret_places(config) if place.startswith("fd:")}
    errors = os.open(_err(home), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        begun = subprocess.Popen(
            [sys.executable, "-m", "onetape.supervisor.main"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
            pass_fds=tuple(descriptors),
        )
    finally:
        os.close(errors)
    _write(begun, msgspec.json.encode(options) + b"\n")
    return begun


def _go(begun: subprocess.Popen[bytes]) -> None:
    """Lets it begin."""
    _write(begun, b"\n")
    assert begun.stdin is not None
    with suppress(BrokenPipeError):
        begun.stdin.close()


def _write(begun: subprocess.Popen[bytes], line: bytes) -> None:
    assert begun.stdin is not None
    with suppress(BrokenPipeError):
        begun.stdin.write(line)
        begun.stdin.flush()


def _err(home: Path) -> Path:
    return home / "run" / "supervisor.err"


def _said(home: Path) -> str:
    return _err(home).read_text(encoding="utf-8", errors="replace").strip()


def _not_begun(begun: subprocess.Popen[bytes], home: Path) -> ProcessDown:
    said = _said(home).splitlines()
    if begun.poll() is None:
        begun.kill()
        begun.wait()
    return ProcessDown(
        f"the supervisor did not start: {said[-1] if said else 'without a message'}",
        location=str(home),
        todo="see logs/system.log there",
    )


def _not_ready(status: dict[str, Any]) -> OnetapeError:
    """Returns the error of a failed start: its own, if it is the only one and permanent."""
    bad = [p for p in status["processes"] if p["state"] not in WELL]
    # A process that waits for another is not the cause.
    causes = [p for p in bad if p["state"] != "waiting"] or bad
    said = "; ".join(f"{p['name']} {p['state']}: {without_error_name(p['reason']) or 'no reason'}" for p in causes)
    names = {refusal_in(p["reason"]) if p["state"] == "failed" else "" for p in causes}
    kind = BY_NAME[names.pop()] if len(names) == 1 and "" not in names else ProcessDown
    return rebuilt(kind, said, "", "the others run: see onetape status, stop them by onetape down")


def run_in_front(
    config: Config, path: Path | None, home: Path, ready: Any, *, single: bool = False, is_minimal: bool = False
) -> None:
    """Runs the supervisor in this process, until Ctrl-C or `onetape down`. ready: called with the status."""
    from onetape.supervisor.main import supervise

    _check(minimal(config) if is_minimal else config, path, home, single=single)
    _stop_all(_running(left_by_commands(home)))
    try:
        supervise(
            config,
            home,
            (path.parent if path else Path()).absolute(),
            lambda supervisor: ready(supervisor.status()),
            single=single,
            is_minimal=is_minimal,
            file=path,
        )
    except JournalLocked as error:
        raise ProcessDown(
            "a supervisor of this home runs already", location=str(home), todo="onetape status"
        ) from error


def bring_down(home: Path, doing: Callable[[str], None] = lambda words: None) -> dict[str, Any]:
    """Stops all processes in reverse order and returns them. doing: gets the progress. Raises ProcessDown for those
    that do not end."""
    status = ask(home, "status")
    if status is None:
        stopped = _stop_orphans(home, doing)
        return {"stopped": stopped, "already": not stopped}
    names = [p["name"] for p in status["processes"] if p["pid"]]
    pid = next(p["pid"] for p in status["processes"] if p["kind"] == "supervisor")
    started = start_time(pid)
    ask(home, "down")
    sent_at = time.monotonic()
    deadline = sent_at + DOWN_WITHIN_S
    while start_time(pid) == started:
        if time.monotonic() > deadline:
            raise ProcessDown(
                f"some processes have not stopped within {DOWN_WITHIN_S:.0f} s",
                location=str(home),
                todo="onetape status says what runs",
            )
        if time.monotonic() > sent_at + ASK_EVERY_S:
            sent_at = time.monotonic()
            with suppress(ProcessDown):  # it is ending, and does not answer
                alive = [p for p in status_of(home)["processes"] if p["kind"] != "supervisor"]
                left = [p["name"] for p in alive if p["pid"]]
                doing(f"waits for {', '.join(left) or 'the supervisor'}")
        time.sleep(LOOK_S)
    reaped = time.monotonic() + REAP_S
    while Path(f"/proc/{pid}").exists() and time.monotonic() < reaped:
        time.sleep(LOOK_S)
    return {"stopped": names, "already": False}


def _stop_orphans(home: Path, doing: Callable[[str], None]) -> list[str]:
    stopped = _stop_all(_orphans(home), doing)
    for name in stopped:
        if name.startswith("robot:"):
            not_wanted(home, name.partition(":")[2])
    return stopped


def _stop_all(processes: list[tuple[str, Process]], doing: Callable[[str], None] = lambda words: None) -> list[str]:
    """Stops them in reverse order, each within its time."""
    names = []
    for name, process in reversed(processes):
        doing(f"waits for {name}, {STOP_WITHIN_S:.0f} s at most")
        process.signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_WITHIN_S
        while not process.has_ended:
            if time.monotonic() > deadline:
                process.signal(signal.SIGKILL)
            time.sleep(LOOK_S)
        process.close()
        names.append(name)
    return names


def restart(
    home: Path, name: str, config: Config, path: Path | None, *, doing: Callable[[str], None] = lambda words: None
) -> dict[str, Any]:
    """Restarts one process with the present file; `changed` has the differences. Returns when it runs. Raises
    UsageError for an unknown name, ProcessDown for one that does not come back, and as `up` for one that cannot
    start, which keeps running. doing: gets the progress."""
    if ask(home, "status") is not None:
        from onetape.supervisor.start_check import check_process, refuse

        doing(f"looks at {name} before it is stopped")
        folder = (path.parent if path else Path()).absolute()
        refuse(check_process(config, name, folder, home.absolute()), "restart")
    answer = ask(home, "restart", name=name)
    if answer is None:
        raise ProcessDown("nothing runs", location=str(home), todo="onetape up")
    if "error" in answer:
        raise UsageError(str(answer["error"]), location="onetape restart")
    deadline = time.monotonic() + UP_WITHIN_S
    while True:
        status = ask(home, "status")
        if status is None:
            raise ProcessDown("the supervisor ended meanwhile", location=str(home))
        process = next(p for p in status["processes"] if p["name"] == name)
        if process["starts"] > answer["starts"] and process["state"] == "running":
            return {**process, "changed": answer["changed"]}
        if process["state"] == "failed" or time.monotonic() > deadline:
            raise ProcessDown(
                f"{name} {process['state']}: {process['reason']}",
                location="restart",
                todo="see logs/error.log of the home",
            )
        doing(_state(process))
        time.sleep(LOOK_S)
