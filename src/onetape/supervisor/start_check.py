"""Checks before anything starts: `up` refuses with them in its first second, `doctor` lists them. Nothing here
trades, and no strategy is imported into this process.
"""

from __future__ import annotations

import os
import resource
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Generator, Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import msgspec

from onetape.dashboard.options import DASHBOARD, dashboard_options, has_dashboard
from onetape.ipc.names import process_socket
from onetape.model.enums import Kind
from onetape.model.errors import (
    BY_CODE,
    BadConfig,
    NotAvailable,
    OnetapeError,
    PermissionDenied,
    ProcessDown,
    StrategyError,
    UnknownSymbol,
)
from onetape.model.money import parse_amount
from onetape.model.placement import is_local, local_proxies
from onetape.model.sections import OPERATOR, TELEGRAM, AccountConfig, Config, ControlConfig, DashboardConfig
from onetape.model.symbol import UNKNOWN_CURRENCY, not_listed, parse_symbol
from onetape.model.typed import from_json
from onetape.options.cluster import CLUSTER, cluster_options, has_cluster
from onetape.options.collector import collector_options, collectors_of, venue_feed_options
from onetape.options.control import CONTROL, control_options, has_control
from onetape.options.guardian import GUARDIAN, guardian_options, has_guardian
from onetape.options.hub import HUB, brought_by_hub, has_hub, hub_options
from onetape.options.recorder import RECORDER, has_recorder, recorder_options
from onetape.preflight.configured import clean_environ, is_simulated, proxy_of
from onetape.preflight.findings import ERROR, OK, WARNING, Finding
from onetape.preflight.preflight import CHECKED, check_open, look, market_of, secret_of, secrets_of, target_of
from onetape.preflight.rails import check_rails
from onetape.projections.once import Once
from onetape.robot.options import (
    LOAD_WITHIN_S,
    Checked,
    RobotCheck,
    check_not_shared,
    robot_options,
    symbols_at,
    traded_venues,
)
from onetape.security.secrets import read_secret
from onetape.security.tokens import read_token, token_file
from onetape.supervisor.added_parts import added_at
from onetape.supervisor.fork_server import is_readable
from onetape.supervisor.options import has_metrics
from onetape.telegram.options import check_telegram
from onetape.web.tokens import TokenStore

__all__ = ["check_clock", "check_home", "check_ports", "check_process", "check_start", "refuse"]

FREE_BYTES_MIN: Final = 1 << 30  # size of a day of one busy symbol's tape
FILES_MIN: Final = 1024  # for many sockets, and journals
NETWORK_FILE_SYSTEMS: Final = ("nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "ceph", "glusterfs")
SHOWN_MAX: Final = 8  # errors in one line
WAIT_S: Final = 0.01
WAIT_MAX_S: Final = 5.0


def check_start(
    config: Config,
    folder: Path,
    home: Path,
    *,
    single: bool = False,
    running: Collection[str] = (),
    is_examined: bool = False,
) -> Iterator[Finding]:
    """Yields the findings. folder: base of relative paths in the configuration. running: processes that run already
    and are left alone, whatever their files have become. is_examined: venues and keys are checked more closely by
    others."""
    yield from check_home(home)
    yield from check_clock()
    if has_metrics(config) and find_spec("prometheus_client") is None:
        words = "metrics need prometheus-client"
        todo = "pip install 'onetape[metrics]'"
        yield Finding.of("configuration", NotAvailable(words, location=config.location("metrics"), todo=todo))
    yield from _tokens(config, home)
    yield from _places(config, folder, home, single=single)
    if not is_examined:
        yield from _venues_and_keys(config, folder)
    yield from _accounts(config)
    robots = [name for name in config.robots if f"robot:{name}" not in running]
    checked = yield from _robots(config, robots, folder, home)
    yield from _loss_currencies(config, checked, home)


def _tokens(config: Config, home: Path) -> Iterator[Finding]:
    if not (has_control(config) and config.trades_at_venues):
        return
    try:
        if not TokenStore(home).has_valid():
            words = "no valid token: with accounts at real venues, the control plane answers only programs with one"
            yield Finding(WARNING, CONTROL, words, "onetape token create NAME --scope read,trade,kill")
    except OnetapeError as error:
        yield Finding.of(CONTROL, error)


def refuse(findings: Iterator[Finding], verb: str = "up") -> None:
    """Raises the errors as one, of the first one's type."""
    bad = [each for each in findings if each.state == ERROR]
    if not bad:
        return
    if len(bad) == 1:
        raise BY_CODE.get(bad[0].code, BadConfig)(f"{bad[0].subject}: {bad[0].text}", location=verb, todo=bad[0].todo)
    texts = [f"{each.subject}: {each.text}" + f" ({each.todo})" * bool(each.todo) for each in bad[:SHOWN_MAX]]
    if len(bad) > SHOWN_MAX:
        texts.append(f"{len(bad) - SHOWN_MAX} more")
    raise BY_CODE.get(bad[0].code, BadConfig)("; ".join(texts), location=verb, todo="onetape doctor has a line of each")


def _at(subject: str, error: OnetapeError, place: str) -> Finding:
    """Returns the finding, with the location in the configuration."""
    places = [each for each in (error.location, place) if each and each != "STRATEGY"]
    return Finding.of(subject, type(error)(error.what, location=", ".join(places), todo=error.todo))


# --- this machine ---------------------------------------------------------------------------------


def check_home(home: Path) -> Iterator[Finding]:
    """Checks that the home can be written, has room, and is its owner's alone."""
    place = home
    while not place.exists():
        place = place.parent
    if not place.is_dir():
        yield Finding.of("home", BadConfig(f"{place} is not a folder", todo="choose another --home"))
        return
    if not os.access(place, os.W_OK | os.X_OK):
        denied = PermissionDenied(f"{place} cannot be written", todo="choose another --home")
        yield Finding.of("home", denied)
        return
    free = shutil.disk_usage(place).free
    kind = _file_system(place)
    text = f"{home}, {free / 2**30:,.1f} GiB free" + (f" on {kind}" if kind else "")
    if free < FREE_BYTES_MIN:
        yield Finding(WARNING, "home", text, "a day of one busy market takes about 1 GiB")
    elif kind in NETWORK_FILE_SYSTEMS:
        yield Finding(WARNING, "home", text, "a journal needs a local disk")
    else:
        yield Finding(OK, "home", text)
    if home.exists() and home.stat().st_mode & 0o077:
        yield Finding(WARNING, "home", "other users may read it", f"chmod 700 {home}")
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]  # `up` raises its own limit to this one
    if 0 <= files < FILES_MIN:
        yield Finding(WARNING, "limits", f"a process may open {files} files only", f"ulimit -Hn {FILES_MIN}")


def _file_system(place: Path) -> str:
    try:
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    path, best, kind = f"{place.resolve()}/", "", ""
    for line in mounts:
        fields = line.split()
        point = fields[1].encode().decode("unicode_escape").rstrip("/") + "/"
        if path.startswith(point) and len(point) >= len(best):
            best, kind = point, fields[2]
    return kind


def check_clock() -> Iterator[Finding]:
    """Checks that a short wait is short. Under libfaketime some never end: it shifts the monotonic clock, but not
    glibc's waits on it; or it fails a sleep (errno 22)."""
    whose = os.environ.get("LD_PRELOAD", "")
    todo = f"run without LD_PRELOAD={whose}" if whose else "look at the machine's clock"
    try:
        time.sleep(WAIT_S)
    except OSError as error:
        failed = NotAvailable(
            f"a sleep of {WAIT_S * 1000:.0f} ms fails ({(error.strerror or '').lower()}): the "
            "clock of this process is not the system's",
            todo=todo,
        )
        yield Finding.of("clock", failed)
        return
    done, ending = os.pipe()

    def wait() -> None:
        threading.Event().wait(WAIT_S)
        os.write(ending, b".")

    threading.Thread(target=wait, daemon=True).start()
    if not is_readable(done, WAIT_MAX_S):
        hung = NotAvailable(
            f"a wait of {WAIT_S * 1000:.0f} ms has not ended after {WAIT_MAX_S:.0f} s: the clock "
            "of this process is not the system's",
            todo=todo,
        )
        yield Finding.of("clock", hung)
        return  # the pipe stays: the thread may still write to it
    os.close(done)
    os.close(ending)


# --- the configuration ----------------------------------------------------------------------------


def _places(config: Config, folder: Path, home: Path, *, single: bool) -> Iterator[Finding]:
    """Yields the findings of all sections."""
    for name, collector in collectors_of(config).items():
        if not is_local(config, f"collector:{name}"):
            continue
        place = config.location("collectors", name)
        try:
            if collector.kind == "venue":
                _check_followed(name, config)
                venue_feed_options(name, config, home=home, rest="", ws="")
            else:
                collector_options(name, collector, home=home, folder=folder)
                if (hook := config.webhooks.get(name)) is not None:
                    read_secret(hook.secret, os.environ, folder=folder)
            if single:
                raise NotAvailable("a collector needs a process of its own", todo="leave --single out")
        except OnetapeError as error:
            yield _at(f"collector {name}", error, place)
    alone: dict[str, tuple[bool, Callable[[], object]]] = {
        HUB: (has_hub(config), lambda: hub_options(config, home=home)),
        GUARDIAN: (has_guardian(config), lambda: guardian_options(config, {}, home=home)),
        RECORDER: (
            has_recorder(config),
            lambda: recorder_options(config, home=home, folder=folder, environ=os.environ),
        ),
        CLUSTER: (has_cluster(config), lambda: cluster_options(config, home=home, folder=folder, environ=os.environ)),
        CONTROL: (has_control(config), lambda: control_options(config, home=home, folder=folder)),
        f"notify.{TELEGRAM}": (config.notify.telegram is not None, lambda: check_telegram(config, os.environ, folder)),
        DASHBOARD: (has_dashboard(config), lambda: dashboard_options(config, home=home, folder=folder)),
    }
    for name, (is_there, options) in alone.items():
        if not is_there or (name != CLUSTER and not is_local(config, name.rpartition(".")[2])):
            continue
        try:
            options()
            if single:
                raise NotAvailable(f"{name} needs a process of its own", todo="leave --single out")
        except OnetapeError as error:
            yield _at(name, error, config.location(*name.split(".")))
    for name, robot in config.robots.items():
        if single and robot.variants:
            own = NotAvailable("variants need processes of their own", todo="leave --single out")
            yield _at(f"robot {name}", own, config.location("robots", name, "variants"))
    names = [OPERATOR, *config.robots]
    names += [name for account in config.accounts.values() for name in account.subaccounts]
    for name in dict.fromkeys(names):
        try:
            if token_file(home, name).exists():
                read_token(home, name)
        except OnetapeError as error:
            yield Finding.of(f"token {name}", error)


def check_ports(config: Config, home: Path) -> Iterator[Finding]:
    """Checks that the configured ports are free, or used by this home's own processes."""
    sections: dict[str, tuple[bool, ControlConfig | DashboardConfig]] = {
        CONTROL: (has_control(config), config.control),
        DASHBOARD: (has_dashboard(config) and f"{DASHBOARD}.port" in config.places, config.dashboard),
    }
    for name, (is_there, section) in sections.items():
        if not is_there or not is_local(config, name) or not section.port or process_socket(home, name).exists():
            continue
        try:
            with socket.create_server((section.host, section.port)):
                pass
        except OSError as error:
            words = f"port {section.port} of {section.host}: {os.strerror(error.errno or 0).lower()}"
            todo = f"end the process that has it, or write another port in [{name}]"
            yield _at(name, ProcessDown(words, todo=todo), config.location(name))


def _check_followed(name: str, config: Config) -> None:
    """Checks that the market of a venue can be collected. Raises VenueClosed, BadConfig, NotAvailable."""
    collector = config.collectors[name]
    venue = config.venues[collector.venue]
    check_open(collector.venue, venue)
    if not is_simulated(venue):
        market_of(collector.venue, venue)
    if venue.kind not in CHECKED:
        raise NotAvailable(f"collecting the market of {venue.kind}", todo=f"its venue is one of {', '.join(CHECKED)}")


def _accounts(config: Config) -> Iterator[Finding]:
    for name in config.accounts:
        try:
            check_rails(config, name)
            check_not_shared(config, name)
        except OnetapeError as error:
            yield Finding.of(f"account {name}", error)


def _venues_and_keys(config: Config, folder: Path) -> Iterator[Finding]:
    used = {account.venue for account in config.accounts.values()}
    for name, venue in config.venues.items():
        place = config.location("venues", name)
        try:
            if name in used:
                check_open(name, venue)
            if not is_simulated(venue):
                target_of(name, venue)
        except OnetapeError as error:
            yield _at(f"venue {name}", error, place)
    for name in local_proxies(config):
        try:
            proxy_of(config, name, os.environ, folder)
        except OnetapeError as error:
            yield _at(f"proxy {name}", error, config.location("proxies", name, "password"))
    for name, account in config.accounts.items():
        for what in secrets_of(account, config.venues[account.venue].kind):
            place = getattr(account, what)
            if place.startswith("fd:") or is_simulated(config.venues[account.venue]):
                continue
            if not is_local(config, f"gateway:{name}"):  # its secrets are on another machine
                continue
            try:
                secret_of(name, account, what, os.environ, folder)
            except OnetapeError as error:
                yield _at(f"account {name}", error, config.location("accounts", name, what))


# --- robots ---------------------------------------------------------------------------------------


def check_process(config: Config, name: str, folder: Path, home: Path) -> Iterator[Finding]:
    """Checks one process: a robot by its strategy, its parameters and its symbols."""
    kind, _, of = name.partition(":")
    if kind == "robot":
        if of in config.robots:
            yield from _robots(config, [of], folder, home)
        return
    subjects = {"gateway": f"account {of}", TELEGRAM: f"notify.{TELEGRAM}", GUARDIAN: GUARDIAN}
    subject = subjects.get(kind, f"{kind} {of}".strip())
    findings = [*_places(config, folder, home, single=False), *_venues_and_keys(config, folder), *_accounts(config)]
    yield from (each for each in findings if each.subject == subject)


def _robots(config: Config, names: list[str], folder: Path, home: Path) -> Generator[Finding, None, dict[str, Checked]]:
    """Returns each robot's own report."""
    checked = _load(config, folder, home, names) if names else {}
    for name, each in checked.items():
        if each.code:
            failed = BY_CODE[each.code](each.what, location=each.location, todo=each.todo)
            yield _at(f"robot {name}", failed, config.location("robots", name, "strategy"))
    yield from _symbols(config, checked, folder)
    return checked


def _load(config: Config, folder: Path, home: Path, robots: list[str]) -> dict[str, Checked]:
    """Returns the reports of a process that imports each strategy."""
    requests = [
        RobotCheck(
            options=robot_options(config, name, home=home, folder=folder),
            variants=[each.params for each in config.robots[name].variants.values()],
        )
        for name in robots
    ]
    try:
        said = subprocess.run(
            [sys.executable, "-m", "onetape.robot.check_main"],
            input=msgspec.json.encode(requests),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=2 * LOAD_WITHIN_S,
            check=False,
            env=clean_environ(config),
        ).stdout
    except subprocess.TimeoutExpired as error:
        said = error.stdout or b""
    found = {}
    for line in said.splitlines():
        each = from_json(line, Checked)
        found[each.name] = each
    silent = f"loading the strategy ended its process, or took more than {LOAD_WITHIN_S} s"
    todo = "see onetape params STRATEGY, which loads it here"
    lost = {name: Checked(name=name, code=StrategyError.code, what=silent, todo=todo) for name in robots}
    return lost | found


def _symbols(config: Config, checked: dict[str, Checked], folder: Path) -> Iterator[Finding]:
    """Checks that each venue lists the robots' symbols."""
    for account, section in config.accounts.items():
        venue = config.venues[section.venue]
        wanted = {
            symbol: name
            for name, each in checked.items()
            if account in config.robots[name].traded_on
            for symbol in symbols_at(traded_venues(config, config.robots[name]).get(account, ""), each.symbols)
        }
        if has_hub(config) and (own := set(wanted) - set(brought_by_hub(config, section.venue, list(wanted)))):
            words = f"its gateway follows {', '.join(sorted(own))} itself: no collector of {section.venue} names them"
            yield Finding(WARNING, f"account {account}", words, "[collectors.NAME] symbols = [...], or all")
        try:
            missing = _unlisted(config, section, list(wanted), folder) if wanted else ()
        except (UnknownSymbol, NotAvailable) as error:
            yield _at(f"account {account}", error, config.location("accounts", account))
            continue
        except OnetapeError:
            continue  # an unreachable venue is no error: its gateway keeps trying
        for symbol in missing:
            name = wanted[symbol]
            unlisted = not_listed([symbol], kind=venue.kind)
            yield _at(f"robot {name}", unlisted, config.location("robots", name, "params"))


def _loss_currencies(config: Config, checked: dict[str, Checked], home: Path) -> Iterator[Finding]:
    """Checks that, where the symbols of all accounts are known, one settles in the currency of the guardian's
    limits, or has its price in it."""
    total, halts = config.guardian.total_loss, config.guardian.halts.limits
    if not has_guardian(config) or not (total or halts):
        return
    is_listed = config.robots.keys() == checked.keys() and all(each.symbols for each in checked.values())
    traded_on = {account for robot in config.robots.values() for account in robot.traded_on}
    if not is_listed or not traded_on.issuperset(config.accounts):
        return
    symbols = [symbol for each in checked.values() for symbol in each.symbols]
    symbols += [each for listed in config.symbols.values() for each in listed] if has_control(config) else []
    try:
        traded = [parse_symbol(symbol) for symbol in symbols]
        settles = {each.settle for each in traded if each.kind is not Kind.SPOT}
        limits = [("total_loss", parse_amount(total).currency, settles)] if total else []
        # A loss in a coin is valued by its contract.
        limits += [("halts", limit.currency, settles | {each.quote for each in traded}) for _, limit in halts[:1]]
        wrong = [each for each in limits if not each[2] & {each[1], UNKNOWN_CURRENCY}]
        if not wrong or added_at(home, Once()):  # the journal is only read before a refusal
            return
    except OnetapeError:  # of a symbol, which has a finding of its own, or of a journal that the supervisor will report
        return
    for name, currency, counted in wrong:
        words = f"{name} is in {currency}, but the traded symbols settle in {', '.join(sorted(counted)) or 'nothing'}"
        error = BadConfig(words, todo="write the limit in a currency in which contracts settle, or leave it out")
        yield _at(GUARDIAN, error, config.location(GUARDIAN, name))


def _unlisted(config: Config, account: AccountConfig, symbols: list[str], folder: Path) -> Collection[str]:
    """Raises the errors of a venue's listing, among them UnknownSymbol."""
    venue = config.venues[account.venue]
    if is_simulated(venue):
        from onetape.exchange.venues import VENUES, facts_of
        from onetape.options.bridge import simulated_kind

        kind = simulated_kind(venue.kind)
        return set(symbols) - set(facts_of(kind).symbols) if kind in VENUES else ()
    if venue.kind in CHECKED:
        proxy = proxy_of(config, account.proxy, os.environ, folder)
        look(replace(target_of(account.venue, venue), proxy=proxy), symbols)
    return ()
