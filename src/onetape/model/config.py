"""The configuration as values: what `onetape.toml` may say, with working defaults.

Parsing is pure: the text and the environment are handed in, so a configuration can be checked
anywhere. An unknown key or a wrong type is an error that names the line.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import PurePath
from string import Formatter
from typing import Any, Final, Literal, TypeVar

import msgspec

from onetape.model.byte_size import parse_bytes
from onetape.model.errors import BadConfig, BadInput, OnetapeError, UsageError
from onetape.model.loss_limit import LossLimit, parse_loss_limit
from onetape.model.money import money_units
from onetape.model.portfolio_config import PortfolioConfig, check_portfolio
from onetape.model.symbol import parse_symbol
from onetape.model.time import parse_duration, zone
from onetape.model.toml_lines import key_lines, line_of

ENVIRONMENT_PREFIX = "ONETAPE_"
KLINES_MAX = 1000
LEVELS_MAX: Final = 10  # of a ladder
NOTIFY_FIELDS: Final = ("type", "severity", "subject", "message", "time", "more", "state", "title", "body")
LOGS_BYTES_MIN: Final = 1 << 20
SLOTS_MAX = 64  # of an account: the total, the pool and its sub-accounts
OPERATOR: Final = "operator"  # who commands a process from outside
HUB: Final = "hub"  # the process, its kind, its journal and its table
GUARDIAN: Final = "guardian"  # who protects positions: its name as an actor, and the tag of its orders
TAKEN_NAMES = ("main", "total", OPERATOR, GUARDIAN)
PORTFOLIO: Final = "portfolio"  # its section, and the robot that trades it
TWIN: Final = "twin"  # the variant that is the robot itself, on paper


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Every section refuses keys that it does not know."""


class VenueConfig(_Section, frozen=True):
    """[venues.NAME]: an exchange and in which of its worlds."""

    kind: str  # binance-usdm | aster | bitmex | kraken | ccxt:<id>
    mode: Literal["sim", "demo", "live"] = "sim"
    seed: int = 1  # of the simulated flow
    live_account: str = ""  # the account's id as the venue has it: live trading needs it
    rest: str = ""  # addresses, where they are not the venue's own: a simulated exchange here
    ws: str = ""
    rest_wallet: str = ""  # of its wallets, where they are not at `rest`


class WithdrawConfig(_Section, frozen=True):
    """[accounts.NAME.withdraw.OTHER.CURRENCY]: where another account takes a currency. Money is
    sent to these addresses and to no others."""

    address: str
    network: str = ""  # as the venue that sends calls it
    memo: str = ""  # tag or memo, where the currency has one
    key: str = ""  # kraken: the name under which the address is stored there


class AccountAlertsConfig(_Section, frozen=True):
    """[accounts.NAME.alerts]: figures of the recorder from which on there is an alert."""

    delta: dict[str, str | int | float] = {}  # currency -> net notional, whichever its sign
    utilization: str = ""  # "80%": of the margin that its equity covers
    drawdown: str = ""  # "10%": below the highest equity


class AccountConfig(_Section, frozen=True):
    """[accounts.NAME]: one account at a venue; its gateway is the process `gateway:NAME`."""

    venue: str
    key: str = ""
    secret: str = ""
    password: str = ""  # a third secret, where a venue behind ccxt has one
    subaccounts: dict[str, int] = {}  # name -> slot; 0 is the total, 1 main
    position_max: dict[str, float] = {}  # symbol -> quantity, what works counted as filled
    order_max: dict[str, float] = {}  # symbol -> quantity of one order
    price_band: float = 0  # 0.05: a limit price at most 5 % dearer than the market; 0: no limit
    orders_per_second: int = 0  # of all its robots together; 0: no limit of our own
    symbols: list[str] = []  # what may be traded; []: whatever robots name
    order_value_max: dict[str, str | int | float] = {}  # currency -> worth of one order
    open_value_max: dict[str, str | int | float] = {}  # currency -> worth of all that works
    open_orders_max: int = 0  # that work at the same time; 0: no limit of our own
    messages_per_second: int = 0  # orders, amendments and cancels; above it no new order. 0: no limit
    executions_max: str = ""  # "500 in 60s": of a sub-account; with more it is halted until lifted. "": any
    dead_man: str = ""  # "60s": the venue cancels what works when the gateway is silent so long
    orphans: Literal["cancel", "keep"] = "cancel"  # orders of a robot that died
    order_entry: Literal["socket", "rest"] = "socket"  # how orders are sent, where a venue has both
    intents: Literal["process", "disk"] = "process"  # where an order is on the tape before it leaves
    position_mode: Literal["one-way", "hedge"] = "one-way"  # what the account has to be in
    allow_withdraw: bool = False  # a key that may withdraw is refused otherwise
    credit: dict[str, str | int | float] = {}  # currency -> how far below zero its pool may go
    check_every: str = "60s"  # how often balances are compared with the venue's
    stale_after: str = "10s"  # what is decided on a market so old opens nothing; "": no limit
    leverage: float = 1.0  # at which orders of sub-accounts are reckoned; the venue has its own
    cross_internally: bool = False  # orders of two sub-accounts that meet trade without the venue
    commands: Literal["disk", "process"] = "disk"  # where one is on the tape before it is done
    email: str = ""  # what the venue calls the account, where another of its accounts sends to it
    master: str = ""  # the account of the same venue whose sub-account this is
    transfer_deadline: str = "120s"  # until when a transfer that was not made is tried again
    alerts: AccountAlertsConfig = AccountAlertsConfig()
    # Accounts at other venues, and where they take what: account -> currency -> address.
    withdraw: dict[str, dict[str, WithdrawConfig]] = {}


def parse_executions(text: str) -> tuple[int, int]:
    """Reads "500 in 60s": how many, and within how many ns; "": 0 and 0. Raises UsageError."""
    if not text:
        return 0, 0
    count, _, span = text.partition(" in ")
    if not count.strip().isdecimal() or not int(count) or not (within := parse_duration(span)):
        raise UsageError(f"not a number of executions: {text!r}", todo='as "500 in 60s"')
    return int(count), within


class VariantConfig(_Section, frozen=True):
    """[robots.NAME.variants.VARIANT]: the robot on paper, with other parameters, beside it."""

    params: dict[str, Any] = {}


class RobotConfig(_Section, frozen=True):
    """[robots.NAME]: one strategy instance, the process `robot:NAME`."""

    strategy: str
    account: str
    subaccount: str = "main"
    on_error: Literal["halt", "flatten", "continue"] = "halt"
    restart: Literal["memory", "replay", "fresh"] = "memory"
    orders_per_second: int = 20  # over ten seconds, so 200 at once; 0: the account's limits alone
    stuck_after: str = "20s"  # in one callback while the market goes on; then it is ended. "": never
    on_stuck: Literal["restart", "fail"] = "restart"  # three times in ten minutes: it stays away
    memory_max: str = "2GB"  # of its process; one that takes more is ended, likewise. "": any
    streams: list[str] = []  # collectors that it hears beside its gateway
    filter: bool = True  # bad ticks are kept back from it
    params: dict[str, Any] = {}
    variants: dict[str, VariantConfig] = {}

    @property
    def symbols(self) -> list[str]:
        """What its parameters `symbol` and `symbols` name, a list or text with commas."""
        more = self.params.get("symbols") or []
        listed = more.split(",") if isinstance(more, str) else more
        named = [self.params.get("symbol"), *(listed if isinstance(listed, list) else [])]
        return [each.strip() for each in named if isinstance(each, str) and each.strip()]


class CollectorConfig(_Section, frozen=True):
    """[collectors.NAME]: one source of market data or of events; the process `collector:NAME`."""

    kind: Literal["venue", "zeromq", "websocket", "nats"] = "venue"
    venue: str = ""  # of kind venue, as the next eight
    transport: Literal["ws", "rest"] = "ws"  # its streams, or requests
    renew: str = "23h"  # until a connection is replaced by another, which is made before; venues cut after 24 h
    listings: str = "60s"  # how often is looked which instruments trade
    # Of venue and ws: symbols whose books are followed, or "all" of its symbols. Each has a connection of its own.
    depth: list[str] | str = []
    depth_readers: int = 1  # so many ask for a snapshot of a book at once, and the first answer counts
    share: float = 0  # of what the venue lets an address ask, for polls; 0: 0.95, or 0.6 beside an account of it
    klines: list[str] | str = "1m"  # periods of the venue's bars that are asked for and healed, "": none
    hot: str = ""  # of transport rest: who meets this condition is asked about more often, 'volume("1m") > 100'
    address: str = ""  # tcp://127.0.0.1:5561, ws://..., nats://...
    topics: list[str] = []  # beside `symbols`; none of both: all that comes, but not of NATS
    # Followed from the start; others by `send collector:NAME subscribe`. Of a venue also "top:50", by turnover, or
    # "all", which none is.
    symbols: list[str] | str = []
    names: dict[str, str] = {}  # what the feed calls a symbol -> the symbol
    subscribe: str = ""  # websocket: what is sent for each topic, with {topic} in it
    remote: bool = False  # the address may be another machine's
    message_bytes_max: int = 1 << 20
    stale_after: str = ""  # "5s": a silence that is told; "": none is
    clock: Literal["receipt", "published"] = "receipt"  # whose time an event has on the tape
    instruments: str = ""  # a file of facts, as --instruments
    enabled: bool = True


class HubConfig(_Section, frozen=True):
    """[hub]: merges the collectors by freshness into one market; the process `hub`."""

    enabled: bool = True
    stale: str = "2s"  # a source so much later than the fastest is degraded; one without the venue's times yields then
    klines: int = 45  # closed bars of each symbol and period that who comes late finds in its table
    filter: bool = True  # bad ticks are kept back
    spin: str = ""  # "50us": how long it looks for news before it sleeps, which costs a core. "": not at all


class GuardedSymbolConfig(_Section, frozen=True):
    """[guardian.symbols."NAME"]: what is other for one symbol; what it does not say is [guardian]'s."""

    ladder: list[str] = []
    hard_stop: str = ""


class GuardedAccountConfig(_Section, frozen=True):
    """[guardian.accounts.NAME]: a key of the guardian's own; without it that of the account's gateway."""

    key: str = ""
    secret: str = ""


class HaltsConfig(_Section, frozen=True):
    """[guardian.halts]: realised + fees + funding; what loses so much may only be reduced until the window has
    slid on ("4h 150 USDT"), or of a UTC day until it is lifted ("day 150 USDT")."""

    symbol: list[str] = []  # of each symbol, over all accounts
    strategy: list[str] = []  # of each sub-account, `main` among them
    account: list[str] = []
    system: list[str] = []
    day: str = ""  # "500 USDT": of the system in a UTC day
    unrealized: bool = False  # open losses count, too; open profits never do

    @property
    def limits(self) -> list[tuple[str, LossLimit]]:
        """(scope, limit) of each. Raises UsageError."""
        texts = [
            (scope, text) for scope in ("symbol", "strategy", "account", "system") for text in getattr(self, scope)
        ]
        texts += [("system", f"day {self.day}")] if self.day else []
        return [(scope, parse_loss_limit(text)) for scope, text in texts]


class GuardianConfig(_Section, frozen=True):
    """[guardian]: risk control apart from the robots; the process `guardian`."""

    enabled: bool = True
    # How far from the entry price stops rest, a share of the position at each.
    ladder: list[str] = msgspec.field(default_factory=lambda: ["5%", "5.5%", "6%", "6.5%", "7%"])
    hard_stop: str = "7%"  # beyond it a position is flattened; "": there is none
    total_loss: str = ""  # "100 USDT": of all that is unrealised; then all is flattened. "": no limit
    trigger_by: Literal["last", "mark"] = "last"  # the price that stops at the venue watch
    takeover_after: str = "5s"  # a gateway is dead for so long: the guardian acts past it. "": it never does
    symbols: dict[str, GuardedSymbolConfig] = {}
    accounts: dict[str, GuardedAccountConfig] = {}
    halts: HaltsConfig = HaltsConfig()


class RecorderConfig(_Section, frozen=True):
    """[recorder]: projects tapes into SQL."""

    enabled: bool = True
    url: str = ""  # default: SQLite at <home>/store.db


class ControlConfig(_Section, frozen=True):
    """[control]: the REST control plane."""

    enabled: bool = True
    host: str = "127.0.0.1"
    port: int = 0  # 0: a free one, shown by status


class DashboardConfig(_Section, frozen=True):
    """[dashboard]: the web pages."""

    enabled: bool = True
    host: str = "127.0.0.1"
    port: int = 0


AlertType = Literal[
    "delta", "utilization", "failover", "proxy", "risk", "stop", "ledger", "process", "clock", "disk", "test"
]


class RouteConfig(_Section, frozen=True):
    """[notify.routes.NAME]: some alerts, and where they go."""

    urls: list[str] = []  # of apprise's; env:NAME or file:/path where it holds a secret
    severity: Literal["info", "warn", "critical"] = "info"  # and what is worse
    types: list[AlertType] = []  # []: all
    after: str = ""  # "10m": what has gone on so long and nobody has acknowledged, and each 10 minutes. "": at once
    quiet: str = ""  # "22:00-07:00 Europe/Berlin": what is not critical waits; without a zone it is UTC
    per_minute: int = 0  # that are not critical; 0: no limit of its own
    title: str = ""  # "{severity} {subject}": the words of NOTIFY_FIELDS; "": ours
    body: str = ""


class NotifyConfig(RouteConfig, frozen=True):
    """[notify]: where alerts go; a route itself."""

    routes: dict[str, RouteConfig] = {}

    @property
    def all_urls(self) -> list[str]:
        return [url for each in (self, *self.routes.values()) for url in each.urls]


class MetricsConfig(_Section, frozen=True):
    """[metrics]: figures for Prometheus, on this machine's loopback; without the section there are none."""

    enabled: bool = True
    port: int = 9464  # 0: a free one, shown by status


class BridgeConfig(_Section, frozen=True):
    """[bridge]: to venues through ccxt."""

    python: str = ""  # of an environment that has ccxt; default: <home>/bridge/bin/python


class RetentionConfig(_Section, frozen=True):
    """[retention]: how long journals are kept while the system runs."""

    every: str = "1h"
    older: str = ""  # "90d": segments that ended longer ago go; "": none for its age
    size: str = ""  # "50GiB": of each journal the oldest go beyond it; "": none for its size
    runs: Literal["keep", "drop"] = "keep"  # what a run is replayed from: stays, or goes as well
    compress: bool = True  # closed segments are packed, and stay readable


class LogsConfig(_Section, frozen=True):
    """[logs]: how long the supervisor's log is kept."""

    keep: str = "90d"  # "": whatever its age
    size: str = "1GiB"  # of all its files together; the oldest go beyond it


class ClusterConfig(_Section, frozen=True):
    """[cluster]: more machines than one."""

    servers: list[str] = []


class Config(_Section, frozen=True):
    """The whole of onetape.toml."""

    venues: dict[str, VenueConfig] = {}
    accounts: dict[str, AccountConfig] = {}
    robots: dict[str, RobotConfig] = {}
    collectors: dict[str, CollectorConfig] = {}
    hub: HubConfig = HubConfig()
    guardian: GuardianConfig = GuardianConfig()
    recorder: RecorderConfig = RecorderConfig()
    control: ControlConfig = ControlConfig()
    dashboard: DashboardConfig = DashboardConfig()
    notify: NotifyConfig = NotifyConfig()
    metrics: MetricsConfig = MetricsConfig()
    bridge: BridgeConfig = BridgeConfig()
    retention: RetentionConfig = RetentionConfig()
    logs: LogsConfig = LogsConfig()
    cluster: ClusterConfig = ClusterConfig()
    portfolio: PortfolioConfig = PortfolioConfig()
    symbols: dict[str, list[str]] = {}  # a name of one's own -> what venues call the same thing
    places: dict[str, str] = {}  # of what was written, in dots: file and line, or the variable

    def has(self, *path: str) -> bool:
        """It was written, or something in it."""
        name = ".".join(path)
        return any(each == name or each.startswith(f"{name}.") for each in self.places)

    def location(self, *path: str) -> str:
        """The place of a key, of the nearest section around it, or of what is written in that; ""
        where nothing is."""
        names = [".".join(path[:length]) for length in range(len(path), 0, -1)]
        names += [each for each in self.places if each.startswith(f"{names[-1]}.")]
        return next((self.places[name] for name in names if name in self.places), "")


NAMED: dict[str, type[msgspec.Struct]] = {
    "venues": VenueConfig,
    "accounts": AccountConfig,
    "robots": RobotConfig,
    "collectors": CollectorConfig,
}
SINGLE: dict[str, type[msgspec.Struct]] = {
    "hub": HubConfig,
    "guardian": GuardianConfig,
    "recorder": RecorderConfig,
    "control": ControlConfig,
    "dashboard": DashboardConfig,
    "notify": NotifyConfig,
    "metrics": MetricsConfig,
    "bridge": BridgeConfig,
    "retention": RetentionConfig,
    "logs": LogsConfig,
    "cluster": ClusterConfig,
    PORTFOLIO: PortfolioConfig,
}
SYMBOLS = "symbols"
SECRET_KEYS = ("key", "secret", "password")
OPEN_SINKS = ("json://", "jsons://", "xml://", "form://", "syslog://", "dbus://")
SECRET_FORMS = ("env:", "file:", "fd:")

S = TypeVar("S", bound=msgspec.Struct)


class _Source:
    """Where each value came from, for messages."""

    def __init__(self, text: str, name: str) -> None:
        self.name = name
        self.lines = key_lines(text)
        self.variables: dict[tuple[str, ...], str] = {}

    def location(self, path: tuple[str, ...]) -> str:
        for length in range(len(path), 0, -1):
            if variable := self.variables.get(path[:length]):
                return f"environment variable {variable}"
        line = line_of(self.lines, path)
        return f"{self.name}:{line}" if line else self.name

    def places(self) -> dict[str, str]:
        paths = (*self.lines, *self.variables)
        return {".".join(path): self.location(path) for path in paths}

    def bad(self, path: tuple[str, ...], what: str, todo: str = "") -> BadConfig:
        return BadConfig(f"{what} at {'.'.join(path)}", location=self.location(path), todo=todo)


def parse_config(text: str, *, environ: Mapping[str, str] | None = None, name: str = "onetape.toml") -> Config:
    """Check and build the configuration. Raises BadConfig naming the line or the variable."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadConfig(f"not TOML: {error}", location=name) from error
    source = _Source(text, name)
    _apply_environment(values, environ or {}, source)
    built: dict[str, Any] = {}
    for section, value in values.items():
        if not isinstance(value, dict):
            raise source.bad((section,), "a value outside any section", _section_names())
        if kind := NAMED.get(section):
            built[section] = {key: _convert(entry, kind, (section, key), source) for key, entry in value.items()}
        elif kind := SINGLE.get(section):
            built[section] = _convert(value, kind, (section,), source)
        elif section == SYMBOLS:
            built[section] = _common_names(value, source)
        else:
            raise source.bad((section,), f"unknown section `{section}`", _section_names())
    config = Config(**built, places=source.places())
    if PORTFOLIO in built:
        config = _with_portfolio(config, source)
    _check_references(config, source)
    return config


def _with_portfolio(config: Config, source: _Source) -> Config:
    """With its robot, whose strategy is the file itself."""
    portfolio = config.portfolio
    check_portfolio(portfolio, source.bad)
    for path, variable in source.variables.items():
        if path[0] == PORTFOLIO:  # a run keeps the file, and goes by it when it is repeated
            raise source.bad(path, "a portfolio is what its file says", f"unset {variable}, change the file")
    if not portfolio.account:
        return config
    if PORTFOLIO in config.robots:
        raise source.bad(("robots", PORTFOLIO), "the name of the robot of [portfolio]", "choose another name")
    robot = RobotConfig(**portfolio.robot(PurePath(source.name).name))
    return msgspec.structs.replace(config, robots={**config.robots, PORTFOLIO: robot})


def with_robot(config: Config, name: str, section: Mapping[str, Any], *, location: str) -> Config:
    """The configuration with one more [robots.NAME]. Raises BadConfig as `parse_config`; location: who
    says it."""
    source = _Source("", location)
    robot = _convert(dict(section), RobotConfig, ("robots", name), source)
    if not name or name in config.robots:
        raise source.bad(("robots", name), "no name" if not name else f"there is a robot `{name}`")
    made = msgspec.structs.replace(config, robots={**config.robots, name: robot})
    _check_references(made, source)
    return made


def _section_names() -> str:
    return f"sections are {', '.join((*NAMED, *SINGLE, SYMBOLS))}"


def _common_names(section: Mapping[str, object], source: _Source) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    owners: dict[str, str] = {}
    for name, value in section.items():
        path = (SYMBOLS, name)
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise source.bad(path, "no list of symbols", '["binance:BTC/USDT:USDT", "kraken:BTC/USD"]')
        for symbol in value:
            try:
                parse_symbol(symbol)
            except BadInput as error:
                raise source.bad(path, error.what) from None
            if owners.setdefault(symbol, name) != name:
                raise source.bad(path, f"{symbol} is {owners[symbol]} already")
        found[name] = value
    return found


def _convert(value: object, kind: type[S], path: tuple[str, ...], source: _Source) -> S:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        what, _, at = str(error).partition(" - at `$")
        inner = tuple(name for part in at.rstrip("`").split(".") if (name := part.split("[")[0]))
        for word in what.split("`")[1:2]:
            if "unknown field" in what:
                inner = (*inner, word)
        fields = ", ".join(kind.__struct_fields__)
        what = what.replace("Object contains unknown field", "unknown key")
        what = what.replace("Object missing required field", "missing key")
        raise source.bad((*path, *inner), what[:1].lower() + what[1:], f"keys are {fields}") from error


def _apply_environment(values: dict[str, Any], environ: Mapping[str, str], source: _Source) -> None:
    """ONETAPE_ROBOTS__MM__ON_ERROR=flatten sets robots.mm.on_error; names match in any case."""
    for variable in sorted(environ):
        if not variable.startswith(ENVIRONMENT_PREFIX) or "__" not in variable:
            continue
        parts = [part for part in variable.removeprefix(ENVIRONMENT_PREFIX).split("__") if part]
        target: dict[str, Any] = values
        path: tuple[str, ...] = ()
        for index, part in enumerate(parts):
            key = next((k for k in target if k.lower() == part.lower()), part.lower())
            path = (*path, key)
            if index == len(parts) - 1:
                target[key] = _environment_value(environ[variable])
                source.variables[path] = variable
                break
            inner = target.setdefault(key, {})
            if not isinstance(inner, dict):
                raise BadConfig(f"{'.'.join(path)} is not a section", location=f"environment variable {variable}")
            target = inner


def _environment_value(text: str) -> Any:
    """A TOML value where it reads as one, else the text itself."""
    try:
        return tomllib.loads(f"value = {text}")["value"] if "\n" not in text else text
    except tomllib.TOMLDecodeError:
        return text


def _check_slots(path: tuple[str, ...], account: AccountConfig, source: _Source) -> None:
    path = (*path, "subaccounts")
    slots = [*account.subaccounts.values()]
    if any(slot < 2 for slot in slots) or len(set(slots)) != len(slots):
        raise source.bad(path, "slots must differ and begin at 2", "0 is the total, 1 is main")
    if any(slot >= SLOTS_MAX for slot in slots):
        raise source.bad(path, f"slots end at {SLOTS_MAX - 1}", "take lower ones")
    for name in account.subaccounts:
        if name in TAKEN_NAMES or not name:
            raise source.bad(path, f"no sub-account is called `{name}`", "choose another name")


def parse_quiet(text: str) -> tuple[int, int, str]:
    """`22:00-07:00 ZONE`: minutes of the day from and until when, and the zone. Raises UsageError."""
    hours, _, name = text.strip().partition(" ")
    found = [re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)", each, re.ASCII) for each in hours.split("-")]
    minutes = [int(each[1]) * 60 + int(each[2]) for each in found if each is not None]
    if len(found) != 2 or len(minutes) != 2 or minutes[0] == minutes[1]:
        raise UsageError(f"not the hours of a day: {text!r}", todo='as "22:00-07:00 Europe/Berlin"')
    zone(name.strip() or "UTC")
    return minutes[0], minutes[1], name.strip() or "UTC"


def _check_notify(notify: NotifyConfig, source: _Source) -> None:
    for name, route in {"": notify, **notify.routes}.items():
        path = ("notify", "routes", name) if name else ("notify",)
        for url in route.urls:
            if not url.startswith(("env:", "file:")) and (not url.startswith(OPEN_SINKS) or "@" in url):
                # The address itself stays out of the message: it may hold a token.
                raise source.bad((*path, "urls"), "a secret in the open", "use env:NAME or file:/path")
        if name and not route.urls:
            raise source.bad((*path, "urls"), "no sink", 'urls = ["env:ALERTS"]')
        _check_text((*path, "after"), route.after, parse_duration, source)
        _check_text((*path, "quiet"), route.quiet, lambda each: parse_quiet(each)[0], source)
        if route.per_minute < 0:
            raise source.bad((*path, "per_minute"), "a number below 0", "0: no limit")
        for key in ("title", "body"):
            try:
                named = {field for _, field, _, _ in Formatter().parse(getattr(route, key)) if field is not None}
            except ValueError as error:
                raise source.bad((*path, key), str(error), "a brace itself is {{ or }}") from None
            if unknown := named - set(NOTIFY_FIELDS):
                raise source.bad((*path, key), f"no word {min(unknown)!r}", ", ".join(NOTIFY_FIELDS))


def _check_text(path: tuple[str, ...], text: str, parse: Callable[[str], int], source: _Source) -> None:
    try:
        if text:
            parse(text)
    except UsageError as error:
        raise source.bad(path, error.message, error.todo) from error


def _check_withdraw(path: tuple[str, ...], account: AccountConfig, config: Config, source: _Source) -> None:
    kind = config.venues[account.venue].kind
    for other, addresses in account.withdraw.items():
        place = (*path, "withdraw", other)
        if other not in config.accounts or config.accounts[other].venue == account.venue:
            raise source.bad(place, f"no account `{other}` at another venue", "within a venue no address is needed")
        if not account.allow_withdraw:
            raise source.bad(place, "a key that may withdraw is needed", "allow_withdraw = true")
        for currency, to in addresses.items():
            needed = {"binance-usdm": "network", "kraken": "key"}.get(kind)
            for name in ("address", needed):
                if name is not None and not getattr(to, name):
                    raise source.bad((*place, currency), f"no `{name}`", f"{kind} needs it")


def _check_retention(rules: RetentionConfig, source: _Source) -> None:
    for key, parse in (("older", parse_duration), ("size", parse_bytes), ("every", parse_duration)):
        _check_text(("retention", key), getattr(rules, key), parse, source)
    if not rules.every:
        raise source.bad(("retention", "every"), "no time", 'as "1h"')


def _check_logs(logs: LogsConfig, source: _Source) -> None:
    for key, parse in (("keep", parse_duration), ("size", parse_bytes)):
        _check_text(("logs", key), getattr(logs, key), parse, source)
    if not logs.size or parse_bytes(logs.size) < LOGS_BYTES_MIN:
        raise source.bad(("logs", "size"), f"less than {LOGS_BYTES_MIN >> 20} MiB", 'as "1GiB"')


def _check_hub(hub: HubConfig, source: _Source) -> None:
    for key in ("stale", "spin"):
        _check_text(("hub", key), getattr(hub, key), parse_duration, source)
    if not hub.stale:
        raise source.bad(("hub", "stale"), "no time", 'as "2s"')
    if not 0 < hub.klines <= KLINES_MAX:
        raise source.bad(("hub", "klines"), f"{hub.klines} is not between 1 and {KLINES_MAX}")


def parse_share(text: str) -> Decimal:
    """`5%` is 0.05. Raises UsageError for what is no share between 0 and 1."""
    number, sign, rest = text.strip().partition("%")
    try:
        share = Decimal(number) / 100
    except ArithmeticError:
        share = Decimal(0)
    if not sign or rest or not share.is_finite() or not 0 < share < 1:
        raise UsageError(f"{text!r} is no share", todo='as "5%"')
    return share


def parse_amount(text: str) -> tuple[Decimal, str]:
    """`100 USDT` is the amount and its currency. Raises UsageError."""
    number, _, currency = text.strip().partition(" ")
    try:
        amount = Decimal(number)
    except ArithmeticError:
        amount = Decimal(0)
    if not amount.is_finite() or amount <= 0 or not currency.isalnum():
        raise UsageError(f"{text!r} is no amount of a currency", todo='as "100 USDT"')
    return amount, currency


def _check_guardian(guardian: GuardianConfig, source: _Source) -> None:
    sections: list[tuple[tuple[str, ...], list[str], str]] = [(("guardian",), guardian.ladder, guardian.hard_stop)]
    sections += [
        (("guardian", "symbols", name), each.ladder, each.hard_stop) for name, each in guardian.symbols.items()
    ]
    for path, ladder, hard_stop in sections:
        try:
            shares = [parse_share(each) for each in ladder]
        except UsageError as error:
            raise source.bad((*path, "ladder"), error.message, error.todo) from error
        if shares != sorted(set(shares)) or (not shares and len(path) == 1) or len(shares) > LEVELS_MAX:
            raise source.bad((*path, "ladder"), f"not 1 to {LEVELS_MAX} levels that ascend", 'as ["5%", "6%"]')
        if hard_stop:
            try:
                parse_share(hard_stop)
            except UsageError as error:
                raise source.bad((*path, "hard_stop"), error.message, error.todo) from error
    _check_text(("guardian", "takeover_after"), guardian.takeover_after, parse_duration, source)
    for name, each in guardian.accounts.items():
        for key in ("key", "secret"):
            if not getattr(each, key).startswith(("env:", "file:")):  # read anew by each life
                path = ("guardian", "accounts", name, key)
                raise source.bad(path, "no place of a secret", "use env:NAME or file:/path")
    if guardian.total_loss:
        try:
            parse_amount(guardian.total_loss)
        except UsageError as error:
            raise source.bad(("guardian", "total_loss"), error.message, error.todo) from error


def _check_halts(halts: HaltsConfig, source: _Source) -> None:
    path = ("guardian", "halts")
    for scope in ("symbol", "strategy", "account", "system"):
        for text in getattr(halts, scope):
            _check_text((*path, scope), text, lambda each: parse_loss_limit(each).most, source)
    _check_text((*path, "day"), halts.day and f"day {halts.day}", lambda each: parse_loss_limit(each).most, source)
    currencies = sorted({limit.currency for _, limit in halts.limits})
    if len(currencies) > 1:
        raise source.bad(path, f"limits in {' and '.join(currencies)}", "all are of one currency")


def _check_references(config: Config, source: _Source) -> None:
    _check_halts(config.guardian.halts, source)
    _check_notify(config.notify, source)
    _check_guardian(config.guardian, source)
    for name in config.guardian.accounts:
        if name not in config.accounts:
            raise source.bad(("guardian", "accounts", name), f"no account `{name}`", "add it to [accounts]")
    _check_hub(config.hub, source)
    _check_retention(config.retention, source)
    _check_logs(config.logs, source)
    _check_accounts(config, source)
    _check_robots(config, source)
    for name, venue in config.venues.items():
        for key in ("ws", "rest_wallet"):
            if getattr(venue, key) and not venue.rest:
                raise source.bad(
                    ("venues", name, key),
                    "an address that is used beside `rest` alone",
                    'write rest = "...", or leave it out',
                )
    for name, collector in config.collectors.items():
        if collector.kind != "venue" and collector.venue:
            raise source.bad(("collectors", name, "venue"), f"{collector.kind} is of no venue", "leave it out")
        if collector.kind == "venue":
            _check_venue_collector(("collectors", name), collector, config, source)
        elif isinstance(collector.symbols, str):
            raise source.bad(("collectors", name, "symbols"), "a text", 'a list, such as ["feed:XAU/USD"]')


def _check_venue_collector(path: tuple[str, ...], collector: CollectorConfig, config: Config, source: _Source) -> None:
    if collector.venue not in config.venues:
        raise source.bad((*path, "venue"), f"no venue `{collector.venue}`")
    for key in ("renew", "listings"):
        _check_text((*path, key), getattr(collector, key), parse_duration, source)
        if not getattr(collector, key):
            raise source.bad((*path, key), "no time", 'as "60s"')
    if not 0 <= collector.share <= 0.95:
        raise source.bad((*path, "share"), f"{collector.share} is not between 0 and 0.95", "0: chosen for you")
    if not 1 <= collector.depth_readers <= 4:
        raise source.bad((*path, "depth_readers"), f"{collector.depth_readers} is not between 1 and 4")
    if collector.depth and collector.transport != "ws":
        raise source.bad((*path, "depth"), "books are followed over streams", 'transport = "ws", or leave it out')
    if isinstance(collector.depth, str) and collector.depth not in ("", "all"):
        raise source.bad((*path, "depth"), f"no symbols are called {collector.depth!r}", '"all", or a list of symbols')


def _check_accounts(config: Config, source: _Source) -> None:
    for name, account in config.accounts.items():
        path = ("accounts", name)
        if account.venue not in config.venues:
            raise source.bad((*path, "venue"), f"no venue `{account.venue}`", "add it to [venues]")
        for key in SECRET_KEYS:
            value = getattr(account, key)
            if value and not value.startswith(SECRET_FORMS):
                # The value itself stays out of the message: it may be the secret.
                raise source.bad((*path, key), "a secret in the open", "use env:NAME, file:/path or fd:N")
        _check_text((*path, "executions_max"), account.executions_max, lambda each: parse_executions(each)[0], source)
        for key in ("order_value_max", "open_value_max"):
            _check_amounts((*path, key), getattr(account, key), source)
        _check_alerts((*path, "alerts"), account.alerts, config, source)
        _check_slots(path, account, source)
        _check_withdraw(path, account, config, source)
        if account.master and (
            account.master == name
            or account.master not in config.accounts
            or config.accounts[account.master].venue != account.venue
        ):
            raise source.bad(
                (*path, "master"),
                f"no other account `{account.master}` of venue `{account.venue}`",
                "add it to [accounts]",
            )
        if account.password and not config.venues[account.venue].kind.startswith("ccxt:"):
            raise source.bad((*path, "password"), "no venue but those behind ccxt takes a password", "leave it out")


def _check_amounts(path: tuple[str, ...], amounts: Mapping[str, str | int | float], source: _Source) -> None:
    for currency, amount in amounts.items():
        try:
            is_positive = money_units(amount) > 0
        except (ValueError, OnetapeError):
            is_positive = False
        if not is_positive:
            raise source.bad((*path, currency), f"no amount above 0: {amount!r}")


def _check_alerts(path: tuple[str, ...], alerts: AccountAlertsConfig, config: Config, source: _Source) -> None:
    _check_amounts((*path, "delta"), alerts.delta, source)
    for key in ("utilization", "drawdown"):
        _check_text((*path, key), getattr(alerts, key), lambda text: bool(parse_share(text)), source)
    if alerts != AccountAlertsConfig() and not (config.has("recorder") and config.recorder.enabled):
        raise source.bad(path, "these figures are the recorder's, and there is none", "add [recorder]")


def _check_robots(config: Config, source: _Source) -> None:
    for name, robot in config.robots.items():
        path = ("robots", name)
        if name in (OPERATOR, GUARDIAN):  # its token would be theirs
            raise source.bad(path, f"no robot is called `{name}`", "choose another name")
        for variant in robot.variants:
            if variant in ("", TWIN) or not variant.isprintable() or "/" in variant:
                raise source.bad((*path, "variants"), f"no variant is called `{variant}`", "choose another name")
        owner = config.accounts.get(robot.account)
        if owner is None:
            raise source.bad((*path, "account"), f"no account `{robot.account}`", "add it to [accounts]")
        if robot.subaccount != "main" and robot.subaccount not in owner.subaccounts:
            raise source.bad(
                (*path, "subaccount"), f"account `{robot.account}` has no sub-account `{robot.subaccount}`"
            )
        for key, parse in (("stuck_after", parse_duration), ("memory_max", parse_bytes)):
            _check_text((*path, key), getattr(robot, key), parse, source)
        if robot.orders_per_second < 0:
            raise source.bad((*path, "orders_per_second"), "a number below 0", "0: no limit")
        for stream in robot.streams:
            if stream not in config.collectors or not config.collectors[stream].enabled:
                raise source.bad((*path, "streams"), f"no collector `{stream}`", "add it to [collectors]")
