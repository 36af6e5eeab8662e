"""Bring the package, the configuration and the strategies to the hosts, over the user's own ssh.

Below its `folder` a host has:

    releases/NAME/      onetape.toml, strategies; `environment` leads to the one of its wheel
    environments/NAME/  where a wheel is installed
    current, previous   links to releases
    home/               journals and runs, of all releases
    onetape             runs the current release's command, as this host

All hosts are prepared and checked while the old release runs. Then one after the other is stopped, and started with the
new one; if its processes do not run as before, it goes back to the previous release, and the rest stays as it is.
"""

from __future__ import annotations

import shlex
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from onetape.cluster.release import Release, packed, release_of, secret_files
from onetape.model.errors import BadConfig, UsageError
from onetape.model.placement import WELL, hosts_of
from onetape.model.sections import Config

__all__ = ["deploy", "order_of"]

CONNECT_S: Final = 10
STEP_S: Final = 600.0  # installing packages takes longest
READY_S: Final = 90.0
LOOK_S: Final = 0.5
COMMAND: Final = """#!/bin/sh
cd {folder}/current && ONETAPE_HOME={folder}/home ONETAPE_CLUSTER__HOST={host} exec environment/bin/onetape "$@"
"""


class _StepError(Exception):
    """A step on a host failed; the text is for the user."""


@dataclass(slots=True)
class Host:
    """One host and what was done on it. state: prepared, running, unchanged, rolled_back, failed, "": nothing yet."""

    name: str
    destination: list[str]  # as after `ssh`
    folder: str
    state: str = ""
    version: str = ""
    steps: list[dict[str, Any]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def run(self, script: str, content: bytes = b"") -> str:
        """Returns what a script for sh writes, from the host's folder. Raises _StepError."""
        script = f"set -eu; umask 077; mkdir -p {shlex.quote(self.folder)}; cd {shlex.quote(self.folder)}; {script}"
        options = ["-o", "BatchMode=yes", "-o", f"ConnectTimeout={CONNECT_S}"]
        words = ["ssh", *options, *self.destination, f"sh -c {shlex.quote(script)}"]
        try:
            done = subprocess.run(words, input=content, capture_output=True, timeout=STEP_S, check=False)  # noqa: S603
        except FileNotFoundError:
            raise _StepError("there is no ssh on this machine") from None
        except subprocess.TimeoutExpired:
            raise _StepError(f"no answer for {STEP_S:.0f} s") from None
        if done.returncode:
            lines = [
                *done.stderr.decode(errors="replace").splitlines(),
                *done.stdout.decode(errors="replace").splitlines(),
            ]
            said = [line for line in lines if line.strip()]
            raise _StepError("; ".join(said[-3:]) or f"it ended with {done.returncode}")
        return done.stdout.decode(errors="replace")

    def command(self, *words: str) -> dict[str, Any]:
        """Returns the JSON of a command of the current release. Raises _StepError."""
        written = self.run(f"./onetape {shlex.join(words)} --json || true")
        try:
            answer: dict[str, Any] = msgspec.json.decode(written)
        except msgspec.DecodeError:
            raise _StepError(f"onetape {words[0]} wrote {written[-200:].strip() or 'nothing'}") from None
        if "error" in answer:
            raise _StepError(str(answer["error"]["message"]))
        return answer

    def step(self, name: str, work: Callable[[], str], doing: Callable[[str], None]) -> None:
        """Does a step, and notes what it returns. Raises _StepError."""
        doing(f"{self.name}: {name}")
        began = time.monotonic()
        try:
            text, state = work(), "ok"
        except _StepError as error:
            text, state = str(error), "failed"
        self.steps.append({"step": name, "state": state, "text": text, "seconds": round(time.monotonic() - began, 1)})
        if state == "failed":
            self.state = "failed"
            raise _StepError(text)

    def as_json(self) -> dict[str, Any]:
        return {"host": self.name, "state": self.state or "untouched", "version": self.version, "steps": self.steps}


def deploy(
    config: Config,
    path: Path,
    names: Sequence[str],
    environ: Mapping[str, str],
    *,
    wheel: Path | None = None,
    check: bool = False,
    rollback: bool = False,
    doing: Callable[[str], None],
) -> tuple[list[dict[str, Any]], str]:
    """Returns (rows {host state version steps}, what failed, "": nothing). path: the configuration's file; names: the
    hosts in their order, none: all that have `ssh`; check: nothing is stopped or started; rollback: to the previous
    release. Raises BadConfig, NotAvailable, PermissionDenied, UsageError."""
    hosts = _hosts(config, names)
    release = None if rollback else release_of(config, path, environ, wheel)
    try:
        for host in hosts:
            _prepare(host, config, release, doing)
        for host in [] if check else hosts:
            _switch(host, host.facts["previous"] if release is None else release.name, doing)
        if not check:
            _await_all(hosts, doing)
    except _StepError as error:
        failed = next(each for each in hosts if each.state in ("failed", "rolled_back"))
        return [each.as_json() for each in hosts], f"{failed.name}: {failed.steps[-1]['step']}: {error}"
    return [each.as_json() for each in hosts], ""


def _hosts(config: Config, names: Sequence[str]) -> list[Host]:
    if not config.hosts:
        raise BadConfig("there are no hosts", location="hosts", todo='write [hosts.NAME] ssh = "user@machine"')
    for name in names:
        if name not in config.hosts:
            raise UsageError(f"no host {name}", location=name, todo=f"hosts are {', '.join(config.hosts)}")
        if not config.hosts[name].ssh:
            raise BadConfig("this host is not reached", location=f"hosts.{name}.ssh", todo='write ssh = "user@machine"')
    chosen = names or [name for name in order_of(config) if config.hosts[name].ssh]
    if not chosen:
        raise BadConfig("no host is reached", location="hosts", todo='write ssh = "user@machine" into [hosts.NAME]')
    return [Host(name, _words_of(name, config.hosts[name].ssh), config.hosts[name].folder) for name in chosen]


def _words_of(name: str, ssh: str) -> list[str]:
    try:
        return shlex.split(ssh)
    except ValueError as error:
        raise BadConfig(f"{ssh!r}: {error}", location=f"hosts.{name}.ssh", todo='as "user@machine"') from None


def order_of(config: Config) -> list[str]:
    """Returns the hosts in the order of a deployment: those without gateways first, then standbys, then those that
    trade."""
    gateways = [hosts_of(config, f"gateway:{each}") for each in config.accounts]
    trade, wait = {each[0] for each in gateways}, {each[-1] for each in gateways}
    return sorted(config.hosts, key=lambda name: (name in trade, name in wait))


# --- before anything is stopped ---------------------------------------------------------------------------------------


def _prepare(host: Host, config: Config, release: Release | None, doing: Callable[[str], None]) -> None:
    host.step("connect", lambda: _connect(host, release), doing)
    if release is None:
        host.version = host.facts["version"]
        if not host.facts["previous"]:
            host.step("check", lambda: _fail("there is no previous release"), doing)
    else:
        host.version = release.version
        host.step("copy", lambda: _copy(host, release), doing)
        host.step("install", lambda: _install(host, release), doing)
        host.step("check", lambda: _check(host, config, release), doing)
    host.state = "prepared"


def _fail(text: str) -> str:
    raise _StepError(text)


FACTS: Final = """
import json, os, platform, sys
def name(link):
    try: return os.path.basename(os.readlink(link))
    except OSError: return ""
v = sys.version_info
print(json.dumps({"python": [v[0], v[1]], "machine": platform.machine(), "current": name("current"),
    "previous": name("previous"), "folder": os.getcwd(),
    "version": open("releases/%s/version" % name("previous")).read().strip() if name("previous") else ""}))
"""


def _connect(host: Host, release: Release | None) -> str:
    host.facts = facts = msgspec.json.decode(host.run(f"python3 -c {shlex.quote(FACTS)}"))
    python, machine = f"{facts['python'][0]}.{facts['python'][1]}", facts["machine"]
    if release is not None:
        tags = release.wheel[0].removesuffix(".whl").split("-")[2:]
        own, on = f"cp{python.replace('.', '')}", tags[-1]
        if tags[0] not in (own, "py3") or (on != "any" and not on.endswith(machine)):
            _fail(f"Python {python} on {machine} cannot install {release.wheel[0]}")
    runs = facts["current"] or "nothing yet"
    return f"Python {python}, {machine}; release {runs}"


def _copy(host: Host, release: Release) -> str:
    folder = f"releases/{release.name}"
    command = COMMAND.format(folder=shlex.quote(host.facts["folder"]), host=shlex.quote(host.name))
    files = {**release.files, "version": f"{release.version}\n".encode()}
    # A release that is there is whole: it gets its name last.
    host.run(
        f"test -d {folder} || {{ rm -rf {folder}.part; mkdir -p {folder}.part; tar -xzf - -C {folder}.part;"
        f" ln -s ../../environments/{release.environment} {folder}.part/environment; mv {folder}.part {folder}; }};"
        f" printf %s {shlex.quote(command)} >onetape.new; chmod 700 onetape.new; mv onetape.new onetape",
        packed(files),
    )
    return f"release {release.name}, {len(release.files)} files"


def _install(host: Host, release: Release) -> str:
    folder, wheel = f"environments/{release.environment}", release.wheel[0]
    if host.run(f"test -e {folder}/ready && echo yes || true").strip():
        return f"{wheel} is installed"
    host.run(f"mkdir -p wheels; cat >wheels/{shlex.quote(wheel)}", release.wheel[1])
    extra = shlex.quote(f"wheels/{wheel}[cluster]")
    host.run(
        f"rm -rf {folder}; python3 -m venv {folder}; {folder}/bin/python -m pip install -q --disable-pip-version-check"
        f" {extra}; touch {folder}/ready"
    )
    return wheel


def _check(host: Host, config: Config, release: Release) -> str:
    """Returns what `doctor` finds in the new release, while the old one runs."""
    folder = f"releases/{release.name}"
    script = f"export ONETAPE_HOME=$PWD/home ONETAPE_CLUSTER__HOST={shlex.quote(host.name)}; cd {folder}; "
    for file in secret_files(config):
        if not file.startswith("/"):  # it stays in the host's folder; releases lead to it
            target = shlex.quote(f"{host.facts['folder']}/{file}")
            place = shlex.quote(file)
            script += f'mkdir -p "$(dirname {place})"; ln -sfn {target} {place}; '
    written = host.run(f"{script} environment/bin/onetape doctor --listen 0 --json || true")
    try:
        found = msgspec.json.decode(written)
        wrong = [each for each in found["findings"] if each["state"] == "error"]
    except (msgspec.DecodeError, KeyError, TypeError):
        return _fail(f"onetape doctor wrote {written[-200:].strip() or 'nothing'}")
    if wrong:
        _fail("; ".join(f"{each['subject']}: {each['text']}" for each in wrong[:3]))
    return f"{len(found['findings'])} findings, {found['warnings']} warnings"


# --- from one release to the other ------------------------------------------------------------------------------------


def _switch(host: Host, name: str, doing: Callable[[str], None]) -> None:
    """Stops a host, and starts it with a release; back to the one before where that does not run."""
    old: str = host.facts["current"]
    before: dict[str, dict[str, Any]] = {}

    def look() -> str:
        before.update(_running(host) if old else {})
        return f"{len(before)} processes"

    host.step("status", look, doing)
    if old == name and before and all(each["state"] in WELL for each in before.values()):
        host.state = "unchanged"
        return
    previous = host.facts["previous"]
    try:
        _replace(host, name, old if old != name else previous, before, doing)
        host.state = "running"
    except _StepError:
        if old and old != name:
            at = len(host.steps)
            try:
                _replace(host, old, previous, before, doing)
                host.state = "rolled_back"
            finally:
                for each in host.steps[at:]:
                    each["step"] = f"back: {each['step']}"
                host.steps.append(host.steps.pop(at - 1))  # what failed is last
        raise


def _replace(
    host: Host, name: str, previous: str, before: Mapping[str, Mapping[str, Any]], doing: Callable[[str], None]
) -> None:
    if host.facts["current"]:
        host.step("stop", lambda: _stop(host), doing)
    host.step("start", lambda: _start(host, name, previous), doing)
    host.step("ready", lambda: _ready(host, before), doing)


def _stop(host: Host) -> str:
    stopped = host.command("down")["stopped"]
    return f"stopped {len(stopped)} processes"


def _start(host: Host, name: str, previous: str) -> str:
    link = f"ln -sfn releases/{previous} previous" if previous else "rm -f previous"
    # It starts on: a process may wait for one of another host longer than a command of ours lasts.
    host.run(
        f"{link}; ln -sfn releases/{name} current; mkdir -p home;"
        " nohup ./onetape up --json >home/up.json 2>home/up.err </dev/null &"
    )
    return f"release {name}"


def _running(host: Host) -> dict[str, dict[str, Any]]:
    """Returns the host's processes by name; {}: nothing runs."""
    return {each["name"]: each for each in host.command("status")["processes"]}


def _ready(host: Host, before: Mapping[str, Mapping[str, Any]]) -> str:
    """Waits until what ran before runs again, and nothing else has failed. Raises _StepError."""
    deadline = time.monotonic() + READY_S
    while True:
        there = _running(host)
        wrong = {name: each for name, each in there.items() if each["state"] == "failed"}
        ran = {name for name, each in before.items() if each["state"] in WELL}
        late = {name: each for name, each in there.items() if name in ran and each["state"] not in WELL}
        if wrong:
            _fail(_words(wrong))
        if there and not late:
            return f"{sum(each['state'] in WELL for each in there.values())} of {len(there)} processes run"
        if time.monotonic() > deadline:
            _fail(_words(late) or _why_not_begun(host))
        time.sleep(LOOK_S)


def _why_not_begun(host: Host) -> str:
    said = host.run("tail -c 400 home/up.json home/up.err 2>/dev/null || true").split()
    return f"nothing runs: {' '.join(said)}"


def _words(processes: Mapping[str, Mapping[str, Any]]) -> str:
    return "; ".join(f"{name} {each['state']}: {each['reason']}" for name, each in processes.items())


def _await_all(hosts: Sequence[Host], doing: Callable[[str], None]) -> None:
    """Waits until all processes of all hosts run: those that waited for another host, too. Raises _StepError."""
    deadline = time.monotonic() + READY_S
    for host in hosts:
        host.step("run", partial(_await, host, deadline), doing)


def _await(host: Host, deadline: float) -> str:
    while True:
        there = _running(host)
        late = {name: each for name, each in there.items() if each["state"] not in WELL}
        if there and not late:
            return f"{len(there)} processes run"
        if time.monotonic() > deadline:
            _fail(_words(late) or "nothing runs")
        time.sleep(LOOK_S)
