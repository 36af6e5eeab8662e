"""The start options of each process of the configuration.

Blocking: an external venue is checked first. Called in a thread of its own.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from onetape.dashboard.options import DASHBOARD, DashboardOptions, dashboard_options, has_dashboard
from onetape.exchange.options import VenueOptions, simulated_account
from onetape.model.byte_size import parse_bytes
from onetape.model.config import SECRET_KEYS
from onetape.model.errors import BadInput, OnetapeError
from onetape.model.home import gateway_journal, hub_journal
from onetape.model.placement import is_local
from onetape.model.proxy import Proxy
from onetape.model.sections import TELEGRAM, Config
from onetape.model.symbol import exchange_of
from onetape.model.time import HOUR, SECOND, parse_duration
from onetape.model.typed import from_json
from onetape.options.cluster import CLUSTER, cluster_options, has_cluster
from onetape.options.collector import collector_options, collectors_of, venue_feed_options
from onetape.options.control import CONTROL, ControlOptions, control_options, has_control
from onetape.options.gateway import GatewayOptions, HubOfGateway
from onetape.options.guardian import GUARDIAN, STANDBY, GuardianOptions, guarded_account, guardian_options, has_guardian
from onetape.options.hub import HUB, brought_by_hub, has_hub, hub_options
from onetape.options.recorder import RECORDER, has_recorder, recorder_options
from onetape.preflight.configured import clean_environ, is_simulated, proxy_of
from onetape.preflight.preflight import market_of
from onetape.robot.options import RobotOptions, VariantsOptions, robot_options, symbols_at, traded_venues
from onetape.security.private import replace_private
from onetape.security.secrets import read_secret
from onetape.security.tokens import grant_of
from onetape.supervisor.child import ChildFiles
from onetape.supervisor.options import MODULES, SingleOptions
from onetape.supervisor.restart_rules import START_WITHIN_S, Bounds, Child
from onetape.tape.journal import JournalReader
from onetape.tape.segments import is_tape
from onetape.telegram.options import TelegramOptions, telegram_options

__all__ = [
    "ASK_WITHIN_S",
    "Starter",
    "children_of",
    "not_wanted",
    "process_journal",
    "robot_child",
    "wanted_since",
    "with_secrets_kept",
]

ASK_WITHIN_S: Final = 20.0  # longest wait for a robot's list of its symbols
# Recomputing an hour of the market takes about six seconds of a core (measured 2026-11).
AGE_MAX_NS: Final = 4 * 3600 * 10**9
HOUR_WITHIN_S: Final = 60.0  # time allowed for that, on a machine with more work than cores
KEPT_FDS: Final = "fd:"


def children_of(config: Config) -> list[Child]:
    """Lists the processes of this host, each after those that it needs."""
    venues = [Child(f"venue:{name}", "venue") for name, venue in config.venues.items() if is_simulated(venue)]
    there = {child.name for child in venues}
    gateways = [
        Child(f"gateway:{name}", "gateway", tuple(need for need in (f"venue:{account.venue}",) if need in there))
        for name, account in config.accounts.items()
    ]
    collectors = [_collector_child(config, name) for name in collectors_of(config)]
    robots = [robot_child(config, name) for name in config.robots]
    variants = [
        Child(f"variants:{name}", "variants", (f"robot:{name}",))
        for name, robot in config.robots.items()
        if robot.variants
    ]
    hub = [Child(HUB, HUB)] if has_hub(config) else []  # it waits for collectors itself
    used = dict.fromkeys(f"venue:{account.venue}" for account in config.accounts.values())
    needs = tuple(need for need in used if need in there)  # it waits for gateways itself
    guardian = [Child(GUARDIAN, GUARDIAN, needs)] if has_guardian(config) else []
    if guardian and config.guardian.standby:
        guardian.append(Child(STANDBY, GUARDIAN, (GUARDIAN,)))
    # It reads the journals until gateways have written their last frames.
    recorder = [Child(RECORDER, RECORDER, ends_after="gateway")] if has_recorder(config) else []
    control = [Child(CONTROL, CONTROL)] if has_control(config) else []  # it waits for gateways itself
    dashboard = [Child(DASHBOARD, DASHBOARD)] if has_dashboard(config) else []  # it reads whatever exists
    # It sends the journals' last frames, too.
    cluster = [Child(CLUSTER, CLUSTER, ends_after="gateway")] if has_cluster(config) else []
    bot = [Child(TELEGRAM, TELEGRAM)] if config.notify.telegram is not None else []
    ends = [*control, *dashboard, *bot, *robots, *variants]
    found = [*venues, *collectors, *cluster, *hub, *recorder, *gateways, *guardian, *ends]
    return [child for child in found if child.kind == CLUSTER or is_local(config, child.name)]


def _collector_child(config: Config, name: str) -> Child:
    """Returns a collector's process."""
    venue = config.collectors[name].venue
    simulated = venue in config.venues and is_simulated(config.venues[venue])
    return Child(f"collector:{name}", "collector", (f"venue:{venue}",) * simulated)


def robot_child(config: Config, name: str) -> Child:
    """Returns a robot's process."""
    robot = config.robots[name]
    bounds = Bounds(
        stuck_after=parse_duration(robot.stuck_after) / SECOND if robot.stuck_after else 0.0,
        stuck_is_final=robot.on_stuck == "fail",
        memory_max=parse_bytes(robot.memory_max) if robot.memory_max else 0,
    )
    streams = (f"collector:{stream}" for stream in robot.streams)
    hub = (HUB,) if has_hub(config) else ()
    # Without a guardian nothing would be opened.
    guardian = (GUARDIAN,) if has_guardian(config) and is_local(config, GUARDIAN) else ()
    gateways = [f"gateway:{account}" for account in robot.traded_on]
    return Child(f"robot:{name}", "robot", (*gateways, *hub, *guardian, *streams), bounds, gateway=gateways[0])


def process_journal(home: Path, name: str) -> Path:
    """Returns the journal of a simulated exchange."""
    return home / "journal" / name.replace(":", "-")


def with_secrets_kept(config: Config, environ: Mapping[str, str], folder: Path) -> tuple[Config, dict[str, str]]:
    """Returns the configuration with secrets of `fd:N`, which can be read only once, moved to a new name of the
    environment, and that environment. Raises BadConfig."""
    kept, change = dict(environ), msgspec.structs.replace

    def moved(place: str) -> str:
        if not place.startswith(KEPT_FDS):
            return place
        if place not in kept:
            kept[place] = read_secret(place, environ, folder=folder).reveal()
        return f"env:{place}"

    accounts = {
        name: change(account, **{key: moved(getattr(account, key)) for key in SECRET_KEYS})
        for name, account in config.accounts.items()
    }
    cluster = change(config.cluster, credentials=moved(config.cluster.credentials))
    notify = config.notify
    if notify.telegram is not None:
        notify = change(notify, telegram=change(notify.telegram, token=moved(notify.telegram.token)))
    return change(config, accounts=accounts, cluster=cluster, notify=notify), kept


class Starter:
    """Makes processes' options, and prepares their start. environ: with the secrets."""

    def __init__(self, config: Config, *, home: Path, folder: Path, environ: Mapping[str, str]) -> None:
        self.ask_robot: Callable[[bytes], str] = self._ask_robot
        self.config, self.home, self.folder = config, home, folder
        self.environ = environ
        self.clean = clean_environ(config)  # for processes
        self._symbols: dict[str, list[str]] = {}  # by account
        self.notes: list[str] = []  # messages about the start for the caller
        self.exchanges: dict[str, str] = {}  # by account, as on the supervisor's journal

    def options(self, child: Child, *, is_first: bool, exchange: str) -> bytes:
        """Returns a process's options as JSON. is_first: of this supervisor. exchange: the simulated exchange of the
        gateway's journal, "": none yet. Raises OnetapeError if it cannot be started."""
        name = child.name.partition(":")[2]
        match child.kind:
            case "venue":
                return msgspec.json.encode(self._venue(name, is_first=is_first))
            case "gateway":
                return self._gateway(name, exchange)
            case "collector":
                return self._collector(name)
            case "hub":
                return msgspec.json.encode(hub_options(self.config, home=self.home))
            case "guardian":
                return msgspec.json.encode(self._guardian())
            case "recorder":
                options = recorder_options(self.config, home=self.home, folder=self.folder, environ=self.environ)
                return msgspec.json.encode(options)
            case "cluster":
                joined = cluster_options(self.config, home=self.home, folder=self.folder, environ=self.environ)
                return msgspec.json.encode(joined)
            case "control":
                return self._with_records(control_options(self.config, home=self.home, folder=self.folder))
            case "dashboard":
                return self._with_records(dashboard_options(self.config, home=self.home, folder=self.folder))
            case "telegram":
                bot = telegram_options(self.config, home=self.home, folder=self.folder, environ=self.environ)
                return self._with_records(bot)
            case "robot":
                robot = self._robot(name)
                accounts = robot.venues or (robot.account,)
                grants = {account: grant_of(self.home, account, name, robot.subaccount) for account in accounts}
                return msgspec.json.encode(msgspec.structs.replace(robot, grants=grants))
            case "variants":
                return msgspec.json.encode(self._variants(name))
            case "single":
                return msgspec.json.encode(self._single(is_first=is_first))
            case other:
                raise BadInput(f"no process of kind {other}", location=child.name)

    def prepare(self) -> None:
        """Prepares gateways' needs while exchanges begin."""
        for account in self.config.accounts:
            if is_local(self.config, f"gateway:{account}"):
                self.symbols(account)
        import onetape.robot.live  # noqa: F401

    def _single(self, *, is_first: bool) -> SingleOptions:
        places = [getattr(account, key) for account in self.config.accounts.values() for key in SECRET_KEYS]
        places += [proxy.password for proxy in self.config.proxies.values()]
        names = [place.removeprefix("env:") for place in places if place.startswith("env:")]
        return SingleOptions(
            config=self.config,
            home=str(self.home),
            folder=str(self.folder),
            secrets={name: self.environ[name] for name in names if name in self.environ},
            exchanges=dict(self.exchanges),
            is_first=is_first,
        )

    # --- venues -----------------------------------------------------------------------------------

    def _venue(self, name: str, *, is_first: bool) -> VenueOptions:
        from onetape.options.bridge import simulated_kind

        venue = self.config.venues[name]
        accounts = {of: each for of, each in self.config.accounts.items() if each.venue == name}
        state = process_journal(self.home, f"venue:{name}")
        kind = simulated_kind(venue.kind)
        if is_first and (why := _put_aside(state, kind, venue.seed)):
            self.notes.append(f"venue:{name} begins anew, with new money and no orders: its last state {why}")
        ready_line = self.ready_line(f"venue:{name}")
        port = 0 if ready_line is None else int(ready_line["rest"].rpartition(":")[2])
        return VenueOptions(
            kind=kind,
            seed=venue.seed,
            port=port,
            state=str(state),
            chain=str(self.home / "chain"),
            withdraw=any(each.allow_withdraw for each in accounts.values()),
            hedged=[simulated_account(of) for of, each in accounts.items() if each.position_mode == "hedge"],
        )

    def starts_within(self, child: Child) -> float:
        """Returns the seconds that it may take to become ready. A simulated exchange recomputes its market from the
        beginning: one that is killed after a day comes back late, but it comes back."""
        opened = _opened(process_journal(self.home, child.name)) if child.kind == "venue" else {}
        if not opened.get("start"):
            return START_WITHIN_S
        hours = max(0, time.time_ns() - int(opened["start"])) / HOUR
        return START_WITHIN_S + hours * HOUR_WITHIN_S

    def ready_line(self, name: str) -> dict[str, Any] | None:
        """Returns a simulated exchange's last ready line."""
        kept = ChildFiles(self.home, name).out.with_suffix(".ready")
        try:
            found: dict[str, Any] = msgspec.json.decode(kept.read_bytes())
        except (FileNotFoundError, msgspec.DecodeError):
            return None
        return found

    def tells(self, venue: str, line: bytes) -> None:
        """Stores a simulated exchange's ready line."""
        replace_private(ChildFiles(self.home, venue).out.with_suffix(".ready"), line)

    def exchange_of(self, account: str) -> str:
        """Returns the identity of the simulated exchange of the account's venue, "": it is external."""
        name = self.config.accounts[account].venue
        if not is_simulated(self.config.venues[name]):
            return ""
        with JournalReader(process_journal(self.home, f"venue:{name}")) as reader:
            return str(reader.uuid)

    # --- collectors -----------------------------------------------------------------------------------

    def _collector(self, name: str) -> bytes:
        config = self.config.collectors[name]
        if config.kind != "venue":
            hook = self.config.webhooks.get(name)
            secret = read_secret(hook.secret, self.environ, folder=self.folder).reveal() if hook is not None else ""
            made = collector_options(name, config, home=self.home, folder=self.folder, webhook=hook, secret=secret)
            return msgspec.json.encode(msgspec.structs.replace(made, proxy=self._proxy(config.proxy)))
        venue = self.config.venues[config.venue]
        if is_simulated(venue):
            ready_line = self.ready_line(f"venue:{config.venue}")
            assert ready_line is not None  # it is started before
            rest, ws = ready_line["rest"], ready_line["ws"]
        else:
            addresses = market_of(config.venue, venue).addresses
            rest, ws = addresses.rest, addresses.ws
        feed = venue_feed_options(name, self.config, home=self.home, rest=rest, ws=ws)
        host = self.config.cluster.host
        return msgspec.json.encode(msgspec.structs.replace(feed, proxy=self._proxy(config.proxy), host=host))

    def _proxy(self, name: str) -> Proxy | None:
        return proxy_of(self.config, name, self.environ, self.folder)

    # --- gateways ---------------------------------------------------------------------------------

    def _gateway(self, name: str, exchange: str) -> bytes:
        from onetape.robot.live import LiveOptions, options_at

        venue = self.config.accounts[name].venue
        ready_line = None
        if is_simulated(self.config.venues[venue]):
            ready_line = self.ready_line(f"venue:{venue}")
        options = options_at(
            LiveOptions(
                strategy="",
                data=(),
                home=self.home,
                config=self.config,
                folder=self.folder,
                account=name,
                environ=self.environ,
            ),
            ready_line,
            self.symbols(name),
            is_new=ready_line is not None
            and gateway_journal(self.home, name).exists()
            and self.exchange_of(name) != exchange,
        )
        hub = self._hub_of(name)
        books = [symbol for symbol in self._common(venue) if hub is None or symbol not in hub.symbols]
        return msgspec.json.encode(msgspec.structs.replace(options, hub=hub, books=books))

    def _hub_of(self, account: str) -> HubOfGateway | None:
        """Returns the symbols that a gateway and its robots receive from the hub; None: none."""
        symbols = self.symbols(account)
        found = brought_by_hub(self.config, self.config.accounts[account].venue, symbols)
        if has_hub(self.config) and (own := [symbol for symbol in symbols if symbol not in found]):
            note = f"gateway:{account} follows {', '.join(own)} itself, not by the hub: no collector names them"[:300]
            if note not in self.notes:
                self.notes.append(note)
        if not found:
            return None
        stale = parse_duration(self.config.hub.stale)
        return HubOfGateway(journal=str(hub_journal(self.home)), symbols=found, stale_ns=stale)

    def _with_records(self, options: ControlOptions | DashboardOptions | TelegramOptions) -> bytes:
        url = ""
        if has_recorder(self.config):
            url = recorder_options(self.config, home=self.home, folder=self.folder, environ=self.environ).url
        return msgspec.json.encode(msgspec.structs.replace(options, records=url))

    def _guardian(self) -> GuardianOptions:
        accounts = {}
        for name in self.config.accounts:
            if not is_local(self.config, f"gateway:{name}"):
                continue
            made = from_json(self._gateway(name, self.exchanges.get(name, "")), GatewayOptions)
            accounts[name] = guarded_account(made, self.config, self.environ, self.folder)
        return guardian_options(self.config, accounts, home=self.home)

    def follows_more(self, account: str) -> bool:
        """Updates its symbols from the present robots; tells whether there are new ones. None is removed."""
        before = self.symbols(account)
        self._symbols.pop(account, None)
        self._symbols[account] = list(dict.fromkeys([*before, *self.symbols(account)]))
        return len(self._symbols[account]) > len(before)

    def symbols(self, account: str) -> list[str]:
        """Returns the symbols of its robots; without robots, the instruments of a simulated exchange; and the
        symbols of [control]."""
        if account not in self._symbols:
            wanted: dict[str, None] = {}
            for name, robot in self.config.robots.items():
                if account in robot.traded_on:
                    venue_of = traded_venues(self.config, robot).get(account, "")
                    wanted |= dict.fromkeys(symbols_at(venue_of, self._wanted(name)))
            venue = self.config.venues[self.config.accounts[account].venue]
            if not wanted and is_simulated(venue):
                from onetape.exchange.venues import facts_of
                from onetape.options.bridge import simulated_kind

                wanted = dict.fromkeys(facts_of(simulated_kind(venue.kind)).of_an_account)
            wanted |= dict.fromkeys(self._common(self.config.accounts[account].venue))
            self._symbols[account] = list(wanted)
        return self._symbols[account]

    def _common(self, venue: str) -> list[str]:
        """Returns a venue's symbols in [symbols], if a control plane trades it."""
        if not has_control(self.config):
            return []
        exchange = exchange_of(self.config.venues[venue].kind)
        return [each for listed in self.config.symbols.values() for each in listed if each.startswith(f"{exchange}:")]

    def _wanted(self, robot: str) -> list[str]:
        """Returns a robot's symbols from its parameters, else from its strategy, which is loaded in a separate
        process so that it cannot affect this one. A strategy that cannot tell fails when it starts."""
        named = self.config.robots[robot].symbols
        if named:
            return named
        options = msgspec.structs.replace(self._robot(robot), symbols_only=True)
        return self.ask_robot(msgspec.json.encode(options)).split()

    # --- robots -----------------------------------------------------------------------------------

    def _ask_robot(self, options: bytes) -> str:
        """Returns the output of a robot's process with these options."""
        with suppress(subprocess.TimeoutExpired):
            done = subprocess.run(  # noqa: S603
                [sys.executable, "-m", MODULES["robot"]],
                input=options,
                env=self.clean,
                capture_output=True,
                timeout=ASK_WITHIN_S,
                check=False,
            )
            return done.stdout.decode()
        return ""

    def is_renewed(self, name: str) -> bool:
        """Tells whether the strategy's source differs from that of the robot's run, or it has no run."""
        path = self.config.robots[name.partition(":")[2]].strategy.partition(":")[0]
        line = ChildFiles(self.home, name).line().decode().strip()
        if not line:
            return True
        kept = Path(line.removeprefix("ready ")).parent / "source"
        base = (self.folder / path).resolve().parent
        return path.endswith((".py", ".toml")) and any(
            not (base / each.relative_to(kept)).is_file()
            or (base / each.relative_to(kept)).read_bytes() != each.read_bytes()
            for each in kept.rglob("*")
            if each.suffix in (".py", ".toml")
        )

    def _robot(self, name: str) -> RobotOptions:
        made = robot_options(self.config, name, home=self.home, folder=self.folder)
        return msgspec.structs.replace(made, since=wanted_since(self.home, name))

    def _variants(self, robot: str) -> VariantsOptions:
        params = {name: each.params for name, each in self.config.robots[robot].variants.items()}
        return VariantsOptions(home=str(self.home), robot=robot, variants=params)


def _put_aside(state: Path, kind: str, seed: int) -> str:
    """Puts the state of another exchange aside, or one so old that recomputing its market takes long: the exchange
    begins anew. Returns why, and where the old one is now; "": it continues."""
    opened = _opened(state)
    if not opened:
        return ""
    age = time.time_ns() - int(opened.get("start", 0))
    if (opened["kind"], opened.get("seed")) != (kind, seed):
        why = "is of another kind or seed"
    elif age > AGE_MAX_NS:
        why = f"is {age / 3600e9:.1f} hours old, too long to make its market again"
    else:
        return ""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    aside = state.with_name(f"{state.name}.until-{stamp}")
    state.rename(aside)
    return f"{why}; it is kept as journal/{aside.name}"


def _opened(state: Path) -> dict[str, Any]:
    """Returns the opening parameters of a simulated exchange; empty if there is none yet."""
    if not is_tape(state):
        return {}
    try:
        with JournalReader(state) as reader:
            first = next(reader.frames(("command",)), None)
            opened: dict[str, Any] = {} if first is None else msgspec.msgpack.decode(first.payload)
    except (OnetapeError, msgspec.DecodeError):
        return {"kind": ""}
    return opened


def _since_file(home: Path, robot: str) -> Path:
    return ChildFiles(home, f"robot:{robot}").out.with_suffix(".since")


def wanted_since(home: Path, robot: str) -> int:
    """Returns since when the robot is wanted, ns: later runs continue when it comes back. On disk, because the
    supervisor may be another one by then."""
    file = _since_file(home, robot)
    try:
        return int(file.read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):
        now = time.time_ns()
        replace_private(file, b"%d" % now)
        return now


def not_wanted(home: Path, robot: str) -> None:
    """Notes that it was stopped for good: its next start begins a new run."""
    _since_file(home, robot).unlink(missing_ok=True)
