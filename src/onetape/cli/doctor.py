"""Provide `onetape doctor`: find problems, each with what to do about it."""

from __future__ import annotations

import os
import platform
import select
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import click

from onetape.cli.frame import Answer, Shell, verb
from onetape.model.errors import OnetapeError, UsageError
from onetape.preflight.findings import ERROR, OK, WARNING, Finding

YEAR_MIN = 2024  # a clock with an earlier year is not set
CLOCK_SAMPLE_S = 0.05
CLOCK_STEP_NS_MAX = 5_000_000  # difference of wall and monotonic clock in one sample: the clock was stepped


@verb(
    "doctor",
    example="""
    onetape doctor --json
    onetape doctor --config live.toml --venue binance
    onetape doctor --security
    """,
)
@click.option("--venue", default="", metavar="NAME", help="Check only this venue of the configuration.")
@click.option(
    "--listen",
    type=click.FloatRange(0, 600),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="Longest time to listen to a venue's market; 0: not at all.",
)
@click.option(
    "--security",
    is_flag=True,
    help="Instead of that: who else may read or change what trades, open ports, and secrets in files and arguments.",
)
def command(shell: Shell, venue: str, listen: float, security: bool) -> Answer:
    """Check Python, the compiled core, disk, clock, configuration, venues, keys and strategies.

    Venues that are not simulated are queried and compared with the catalogue, and keys are tried;
    no order is sent. Exit 0 if all will work (warnings are allowed), 2 if not; 5 or 6 when the only problem is a
    refused key, or a venue that does not answer.
    """
    checks: tuple[Callable[[], Iterator[Finding]], ...] = (lambda: _security(shell),)
    if not security:
        checks = (_python, _core, _processor, _clock, lambda: _configuration(shell, venue, listen))
    found: list[Finding] = []
    for check in checks:
        found += check()
    bad = sum(finding.state == ERROR for finding in found)
    warned = sum(finding.state == WARNING for finding in found)
    lines = [f"{f.state:<8} {f.subject:<14} {f.text}" + (f": {f.todo}" if f.todo else "") for f in found]
    lines.append(f"{_counted(bad, 'error')}, {_counted(warned, 'warning')}")
    value = {"ok": bad == 0, "errors": bad, "warnings": warned, "findings": [*map(asdict, found)]}
    exits = [f.exit_code or 2 for f in found if f.state == ERROR]
    return Answer(value, "\n".join(lines), 2 if 2 in exits else next(iter(exits), 0))


def _counted(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def _python() -> Iterator[Finding]:
    version = platform.python_version()
    location = f"{platform.python_implementation()} {version} at {sys.executable}"
    if platform.python_implementation() != "CPython":
        yield Finding(ERROR, "python", location, "the core is built for CPython")
    else:
        yield Finding(OK, "python", location)
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        yield Finding(WARNING, "python", "a free-threaded build", "slower event objects are used")


def _core() -> Iterator[Finding]:
    try:
        from onetape import _core as core
    except ImportError as error:
        yield Finding(ERROR, "core", f"cannot be loaded ({error})", "make build, or install again")
        return
    if not core.event_specs():
        yield Finding(ERROR, "core", "knows no event types", "make build, or install again")
    else:
        yield Finding(OK, "core", str(core.__file__))


def _processor() -> Iterator[Finding]:
    machine, cores = platform.machine(), os.cpu_count() or 1
    flags = _cpu_flags()
    text = f"{machine}, {cores} cores"
    wanted = {"x86_64": "sse4_2", "aarch64": "crc32"}.get(machine)
    if wanted and flags and wanted not in flags:
        yield Finding(WARNING, "processor", f"{text} without {wanted}", "checksums are slower")
    else:
        yield Finding(OK, "processor", text + (f", {wanted}" if wanted in flags else ""))


def _cpu_flags() -> set[str | None]:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return set()  # not Linux: the core decides for itself
    words = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    return set(words.partition(":")[2].split())


def _clock() -> Iterator[Finding]:
    wall, steady = time.time_ns(), time.monotonic_ns()
    select.select([], [], [], CLOCK_SAMPLE_S)  # under a shifted clock a sleep may fail
    drift = abs((time.time_ns() - wall) - (time.monotonic_ns() - steady))
    now = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(wall // 10**9))
    if time.gmtime(wall // 10**9).tm_year < YEAR_MIN:
        yield Finding(ERROR, "clock", f"it shows {now}, which cannot be right", "set the clock")
    elif drift > CLOCK_STEP_NS_MAX:
        yield Finding(
            WARNING, "clock", f"it is being adjusted ({drift / 1e6:.1f} ms in a moment)", "run doctor again later"
        )
    else:
        yield Finding(OK, "clock", now)


def _security(shell: Shell) -> Iterator[Finding]:
    from onetape.supervisor.security_check import check_security

    path, config = shell.config_path, None
    if path is not None:
        try:
            config = shell.config
        except OnetapeError as error:
            yield Finding.of("configuration", error)
    yield from check_security(shell.home.absolute(), path, config, os.environ, shell.progress.doing)


def _configuration(shell: Shell, venue: str, listen: float) -> Iterator[Finding]:
    from onetape.preflight.growth import check_growth
    from onetape.supervisor.start_check import check_clock, check_home, check_ports, check_start

    yield from check_growth(shell.home)
    path = shell.config_path
    if path is None:
        if venue:
            raise UsageError(f"there is no configuration, so no venue {venue!r}", location="--venue")
        yield from check_home(shell.home)
        yield from check_clock()
        yield Finding(OK, "configuration", "none; defaults apply", "onetape init writes one")
        return
    try:
        config = shell.config
    except OnetapeError as error:
        yield from check_home(shell.home)
        yield Finding.of("configuration", error)
        return
    shell.progress.doing("looks at the configuration and its strategies")
    findings_ = list(check_start(config, path.parent.absolute(), shell.home.absolute(), is_examined=True))
    yield from findings_
    yield from check_ports(config, shell.home.absolute())
    yield Finding(OK, "configuration", f"{path}: {_counted(len(config.robots), 'robot')}")
    from onetape.preflight.venue_doctor import examine

    doing = shell.progress.doing
    yield from examine(config, path.parent, shell.home, venue, sample_s=listen, doing=doing)
    from onetape.model.sections import PORTFOLIO
    from onetape.telegram.doctor import examine as examine_bot

    yield from examine_bot(config, os.environ, path.parent)

    for name, robot in config.robots.items():
        files = (
            {robot.strategy} if name != PORTFOLIO else {each.strategy for each in config.portfolio.strategies.values()}
        )
        for strategy in sorted(files):
            if not any(each.state == ERROR and each.subject == f"robot {name}" for each in findings_):
                yield from _strategy(name, strategy, path.parent)


def _strategy(robot: str, strategy: str, folder: Path) -> Iterator[Finding]:
    from onetape.engine.purity import impurities

    subject = f"robot {robot}"
    file = strategy.partition(":")[0]
    if not file.endswith(".py"):
        return  # a module: located on import
    path = folder / file
    try:
        source = path.read_text(encoding="utf-8")
        found = impurities(source)
    except OSError as error:
        yield Finding(ERROR, subject, f"{path}: {(error.strerror or '').lower()}")
    except (SyntaxError, UnicodeDecodeError) as error:
        line = getattr(error, "lineno", 0)
        yield Finding(ERROR, subject, f"{path}:{line}: not Python ({error})")
    else:
        for each in found:
            yield Finding(WARNING, subject, f"{path}:{each.line}: {each.what} ({each.kind}) breaks replay", each.advice)
        if not found:
            yield Finding(OK, subject, f"{path}: nothing that breaks replay")
