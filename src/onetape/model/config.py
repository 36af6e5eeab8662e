"""Parse the configuration `onetape.toml` into values, with working defaults.

Parsing is pure: text and environment are arguments, so a configuration can be checked
anywhere. An unknown key or a wrong type is an error that names the line.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import PurePath
from string import Formatter
from typing import Any, Final, TypeVar

import msgspec

from onetape.model.byte_size import parse_bytes
from onetape.model.config_reasons import reason_of, syntax_reason
from onetape.model.enums import Kind
from onetape.model.errors import BadConfig, BadInput, NotAvailable, OnetapeError, UsageError
from onetape.model.loss_limit import parse_loss_limit
from onetape.model.margin import LEVERAGE_MAX
from onetape.model.money import money_units
from onetape.model.near import did_you_mean
from onetape.model.placement import check_placement, placed
from onetape.model.portfolio_config import PortfolioConfig, check_portfolio
from onetape.model.proxy import parse_proxy_url
from onetape.model.sections import (
    ACTORS,
    CONTROL,
    NOTIFY_FIELDS,
    PORTFOLIO,
    TAKEN_NAMES,
    TELEGRAM,
    TRADE_TYPES,
    TWIN,
    AccountAlertsConfig,
    AccountConfig,
    BridgeConfig,
    ClusterConfig,
    CollectorConfig,
    Config,
    ControlConfig,
    DashboardConfig,
    GuardedSymbolConfig,
    GuardianConfig,
    HaltsConfig,
    HostConfig,
    HubConfig,
    LogsConfig,
    MetricsConfig,
    NotifyConfig,
    ProxyConfig,
    RecorderConfig,
    RetentionConfig,
    RobotConfig,
    S3Config,
    TelegramConfig,
    VenueConfig,
    WebhookConfig,
)
from onetape.model.symbol import exchange_of, parse_symbol
from onetape.model.time import DAY, HOUR, MINUTE, MS, SECOND, parse_duration, zone
from onetape.model.toml_lines import key_lines, line_of
from onetape.model.typed import from_builtins
from onetape.model.venue_kinds import VENUE_KINDS, VenueKind

ENVIRONMENT_PREFIX = "ONETAPE_"
KLINES_MAX = 1000
LEVELS_MAX: Final = 10  # levels of one ladder
LOOK_BACK_MAX: Final = 500 * DAY
CONFIRM_MIN, CONFIRM_MAX = 50 * MS, 5 * SECOND
LOGS_BYTES_MIN: Final = 1 << 20
SLOTS_MAX = 64  # of an account: the total, the pool and its sub-accounts


def parse_executions(text: str) -> tuple[int, int]:
    """Parse "500 in 60s" into a count and ns; "": 0 and 0. Raises UsageError."""
    if not text:
        return 0, 0
    count, _, span = text.partition(" in ")
    if not count.strip().isdecimal() or not int(count) or not (within := parse_duration(span)):
        raise UsageError(f"not a number of executions: {text!r}", todo='as "500 in 60s"')
    return int(count), within


NAMED: dict[str, type[msgspec.Struct]] = {
    "venues": VenueConfig,
    "accounts": AccountConfig,
    "robots": RobotConfig,
    "collectors": CollectorConfig,
    "proxies": ProxyConfig,
    "webhooks": WebhookConfig,
    "hosts": HostConfig,
}
SINGLE: dict[str, type[msgspec.Struct]] = {
    "hub": HubConfig,
    "guardian": GuardianConfig,
    "recorder": RecorderConfig,
    CONTROL: ControlConfig,
    "dashboard": DashboardConfig,
    "notify": NotifyConfig,
    "metrics": MetricsConfig,
    "s3": S3Config,
    "bridge": BridgeConfig,
    "retention": RetentionConfig,
    "logs": LogsConfig,
    "cluster": ClusterConfig,
    PORTFOLIO: PortfolioConfig,
}
SYMBOLS = "symbols"
SECRET_KEYS = ("key", "secret", "password", "api_config_key")  # of accounts
OPEN_SINKS = ("json://", "jsons://", "xml://", "form://", "syslog://", "dbus://")
SECRET_FORMS = ("env:", "file:", "fd:")
PROXIED: Final = ("venue", "websocket", "http", "rss")  # collectors by kind
_OTHER: Final = VenueKind("")  # unknown kinds

S = TypeVar("S", bound=msgspec.Struct)


class _Source:
    """Finds the file and line, or the variable, of each value, for messages."""

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

    def also(self, path: tuple[str, ...], name: tuple[str, ...]) -> None:
        """Finds a section under another name, too."""
        found = {each: line for each, line in self.lines.items() if each[: len(path)] == path}
        self.lines |= {(*name, *each[len(path) :]): line for each, line in found.items()}

    def places(self) -> dict[str, str]:
        paths = (*self.lines, *self.variables)
        return {".".join(path): self.location(path) for path in paths}

    def bad(self, path: tuple[str, ...], what: str, todo: str = "") -> BadConfig:
        return BadConfig(f"{what} at {'.'.join(path)}", location=self.location(path), todo=todo)


def parse_config(text: str, *, environ: Mapping[str, str] | None = None, name: str = "onetape.toml") -> Config:
    """Parse, check and build the configuration. Raises BadConfig naming the line or the variable."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line, what, todo = syntax_reason(error, text)
        raise BadConfig(what, location=f"{name}:{line}" if line else name, todo=todo) from error
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
            near = did_you_mean(section, (*NAMED, *SINGLE, SYMBOLS))
            raise source.bad((section,), f"unknown section `{section}`", f"{near} {_section_names()}".strip())
    config = Config(**built, places=source.places())
    if PORTFOLIO in built:
        config = _with_portfolio(config, source)
    if config.hosts or any(each.hosts for each in config.collectors.values()):
        config = placed(config, source.bad, source.also)
        config = msgspec.structs.replace(config, places=source.places())
    _check_references(config, source)
    return config


def _with_portfolio(config: Config, source: _Source) -> Config:
    """Returns the configuration with the portfolio's robot, whose strategy is the file itself."""
    portfolio = config.portfolio
    check_portfolio(portfolio, source.bad)
    for path, variable in source.variables.items():
        if path[0] == PORTFOLIO:  # a run keeps the file and repeats from it
            raise source.bad(path, "a portfolio is configured by its file alone", f"unset {variable}, change the file")
    if not portfolio.account and not portfolio.accounts:
        return config
    if PORTFOLIO in config.robots:
        raise source.bad(("robots", PORTFOLIO), "the name of the robot of [portfolio]", "choose another name")
    robot = RobotConfig(**portfolio.robot(PurePath(source.name).name))
    return msgspec.structs.replace(config, robots={**config.robots, PORTFOLIO: robot})


def with_entry(config: Config, section: str, name: str, entry: Mapping[str, Any], *, location: str) -> Config:
    """Returns the configuration with one more [robots.NAME] or [collectors.NAME]. Raises BadConfig as `parse_config`;
    location: named in the error."""
    source = _Source("", location)
    made, there = _convert(dict(entry), NAMED[section], (section, name), source), getattr(config, section)
    if not name or name in there:
        raise source.bad((section, name), "no name" if not name else f"there is a {section[:-1]} `{name}`")
    config = msgspec.structs.replace(config, **{section: {**there, name: made}})
    _check_references(config, source)
    return config


def without_entry(config: Config, section: str, name: str, *, location: str) -> Config:
    """Returns the configuration without an entry of a section. Raises BadConfig where another needs it."""
    left = {key: each for key, each in getattr(config, section).items() if key != name}
    config = msgspec.structs.replace(config, **{section: left})
    _check_references(config, _Source("", location))
    return config


def with_section(config: Config, path: tuple[str, ...], other: Config) -> Config:
    """Returns the configuration with one section, or one entry of it, replaced by another configuration's. Raises
    BadConfig as `parse_config`."""
    section, name = path[0], ".".join(path)
    value = getattr(other, section)
    if len(path) == 2:
        value = {**getattr(config, section), path[1]: value[path[1]]}

    def is_of_it(place: str) -> bool:
        return place == name or place.startswith(f"{name}.")

    places = {place: at for place, at in config.places.items() if not is_of_it(place)}
    places |= {place: at for place, at in other.places.items() if is_of_it(place)}
    made = msgspec.structs.replace(config, **{section: value}, places=places)
    _check_references(made, _Source("", other.location(*path)))
    return made


def _section_names() -> str:
    return f"sections are {', '.join((*NAMED, *SINGLE, SYMBOLS))}"


def _common_names(section: Mapping[str, object], source: _Source) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    owners: dict[str, str] = {}
    for name, value in section.items():
        path = (SYMBOLS, name)
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise source.bad(path, "not a list of symbols", 'as ["binance:BTC/USDT:USDT", "kraken:BTC/USD"]')
        for symbol in value:
            try:
                parse_symbol(symbol)
            except (BadInput, NotAvailable) as error:
                raise source.bad(path, error.what, error.todo) from None
            if owners.setdefault(symbol, name) != name:
                raise source.bad(path, f"{symbol} belongs to {owners[symbol]} already")
            if value.count(symbol) > 1:
                raise source.bad(path, f"{symbol} stands twice in {name}")
        found[name] = value
    return found


def _convert(value: object, kind: type[S], path: tuple[str, ...], source: _Source) -> S:
    try:
        return from_builtins(value, kind)
    except msgspec.ValidationError as error:
        inner, what, todo = reason_of(error, value, kind)
        raise source.bad((*path, *inner), what, todo) from error


def _apply_environment(values: dict[str, Any], environ: Mapping[str, str], source: _Source) -> None:
    """Apply environment variables: ONETAPE_ROBOTS__MM__ON_ERROR=flatten sets robots.mm.on_error; names match in any
    case."""
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
    """Returns a TOML value where it reads as one, else the text itself."""
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
        raise source.bad(path, f"the highest slot is {SLOTS_MAX - 1}", "use lower slots")
    for name in account.subaccounts:
        if name.partition(":")[0] in TAKEN_NAMES or not name:
            raise source.bad(path, f"a sub-account cannot be called `{name}`", "choose another name")


def parse_quiet(text: str) -> tuple[int, int, str]:
    """Parse `22:00-07:00 ZONE` into minutes of the day (from, until) and the zone. Raises UsageError."""
    hours, _, name = text.strip().partition(" ")
    found = [re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)", each, re.ASCII) for each in hours.split("-")]
    minutes = [int(each[1]) * 60 + int(each[2]) for each in found if each is not None]
    if len(found) != 2 or len(minutes) != 2 or minutes[0] == minutes[1]:
        raise UsageError(f"not two times of a day: {text!r}", todo='as "22:00-07:00 Europe/Berlin"')
    zone(name.strip() or "UTC")
    return minutes[0], minutes[1], name.strip() or "UTC"


def _check_telegram(telegram: TelegramConfig | None, source: _Source) -> None:
    if telegram is not None and not telegram.token.startswith(SECRET_FORMS):
        raise source.bad(("notify", TELEGRAM, "token"), "a secret in the open", "use env:NAME, file:/path or fd:N")


def _check_notify(config: Config, source: _Source) -> None:
    notify = config.notify
    _check_text(("notify", "batch"), notify.batch or "none", parse_duration, source)
    _check_telegram(notify.telegram, source)
    for name, route in {"": notify, **notify.routes}.items():
        path = ("notify", "routes", name) if name else ("notify",)
        for url in route.urls:
            if not url.startswith(("env:", "file:")) and (not url.startswith(OPEN_SINKS) or "@" in url):
                # The address is not in the message: it may hold a token.
                raise source.bad((*path, "urls"), "a secret in the open", "use env:NAME or file:/path")
        if name and not route.urls:
            raise source.bad((*path, "urls"), "no sink", 'urls = ["env:ALERTS"]')
        if {*TRADE_TYPES} & {*route.types} and not _has_recorder(config):
            raise source.bad((*path, "types"), "fill, position and day need the recorder", "add [recorder]")
        if {*TRADE_TYPES} & {*route.types} and route.after:
            raise source.bad(
                (*path, "after"), "fill, position and day are no lasting faults", "send them by another route"
            )
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


def _check_text(path: tuple[str, ...], text: str, parse: Callable[[str], object], source: _Source) -> None:
    try:
        if text:
            parse(text)
    except UsageError as error:
        raise source.bad(path, error.what, error.todo) from error


def _check_withdraw(path: tuple[str, ...], account: AccountConfig, config: Config, source: _Source) -> None:
    kind = config.venues[account.venue].kind
    native = VENUE_KINDS.get(kind, _OTHER)
    for other, addresses in account.withdraw.items():
        place = (*path, "withdraw", other)
        if other not in config.accounts or config.accounts[other].venue == account.venue:
            raise source.bad(
                place, f"no account `{other}` at another venue", "within one venue transfers need no address"
            )
        if not account.allow_withdraw:
            raise source.bad(place, "withdrawals need a key that may withdraw", "write allow_withdraw = true")
        for currency, to in addresses.items():
            for name in filter(None, ("address", native.withdraws_to)):
                if not getattr(to, name):
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


def _check_common_names(config: Config, source: _Source) -> None:
    """Check that every symbol to trade or to price has an account or feed that provides it."""
    there = {exchange_of(venue.kind) for venue in config.venues.values()}
    for collector in config.collectors.values():
        listed = [] if isinstance(collector.symbols, str) else collector.symbols
        there |= {symbol.partition(":")[0] for symbol in (*listed, *collector.names.values())}
    for name, symbols in config.symbols.items():
        for symbol in symbols:
            if (venue := symbol.partition(":")[0]) not in there:
                raise source.bad(
                    (SYMBOLS, name), f"{symbol} is of venue {venue}, which is not configured", "add it to [venues]"
                )


def parse_share(text: str) -> Decimal:
    """Parse a share: `5%` is 0.05. Raises UsageError for text that is no share between 0 and 1."""
    number, sign, rest = text.strip().partition("%")
    try:
        share = Decimal(number) / 100
    except ArithmeticError:
        share = Decimal(0)
    if not sign or rest or not share.is_finite() or not 0 < share < 1:
        raise UsageError(f"{text!r} is no share above 0% and below 100%", todo='write "5%"')
    return share


def parse_amount(text: str) -> tuple[Decimal, str]:
    """Parse `100 USDT` into amount and currency. Raises UsageError."""
    number, _, currency = text.strip().partition(" ")
    try:
        amount = Decimal(number)
    except ArithmeticError:
        amount = Decimal(0)
    if not amount.is_finite() or amount <= 0 or not currency.isalnum():
        raise UsageError(f"{text!r} is no amount of a currency", todo='as "100 USDT"')
    return amount, currency


def _look_back(text: str) -> int:
    window = parse_duration(text)
    if not MINUTE <= window < LOOK_BACK_MAX:
        raise UsageError(f"{text} is not 1 minute to {LOOK_BACK_MAX // DAY} days", todo='as "500m"')
    return window


def _confirm(text: str) -> int:
    time = parse_duration(text)
    if not CONFIRM_MIN <= time <= CONFIRM_MAX:
        raise UsageError(f"{text} is not 50ms to 5s", todo='as "300ms"')
    return time


def _check_guardian(guardian: GuardianConfig, source: _Source) -> None:
    sections: list[tuple[tuple[str, ...], GuardianConfig | GuardedSymbolConfig]] = [(("guardian",), guardian)]
    sections += [(("guardian", "symbols", name), each) for name, each in guardian.symbols.items()]
    for path, section in sections:
        for key, parse in (("look_back", _look_back), ("look_back_beyond", parse_share), ("hard_stop", parse_share)):
            _check_text((*path, key), getattr(section, key) or "", parse, source)
        for key in ("ladder", "take_profit"):
            if (levels := getattr(section, key)) is None:
                continue
            try:
                shares = [parse_share(each) for each in levels]
            except UsageError as error:
                raise source.bad((*path, key), error.what, error.todo) from error
            is_missing = not shares and key == "ladder" and section is guardian  # [guardian.symbols] may have []
            if shares != sorted(set(shares)) or is_missing or len(shares) > LEVELS_MAX:
                raise source.bad((*path, key), f"not 1 to {LEVELS_MAX} levels that ascend", 'as ["5%", "6%"]')
    _check_text(("guardian", "confirm"), guardian.confirm or "0s", _confirm, source)
    for key in ("takeover_after", "orphaned_stops"):
        _check_text(("guardian", key), getattr(guardian, key), parse_duration, source)
    for tag, rule in guardian.stale.items():
        of = "guardian", "stale", tag
        if not rule.cancel_after and not rule.take_after:
            raise source.bad(of, "neither cancel_after nor take_after", 'as cancel_after = "60s"')
        for key in ("cancel_after", "take_after"):
            _check_text((*of, key), getattr(rule, key), parse_duration, source)
        for key in ("take_share", "take_within"):
            _check_text((*of, key), getattr(rule, key), parse_share, source)
    for name, each in guardian.accounts.items():
        for key in ("key", "secret", *(["password"] if each.password else [])):
            if not getattr(each, key).startswith(("env:", "file:")):  # each start of the guardian reads the secret
                path = ("guardian", "accounts", name, key)
                raise source.bad(path, "no reference to a secret", "use env:NAME or file:/path")
    if guardian.total_loss:
        try:
            parse_amount(guardian.total_loss)
        except UsageError as error:
            raise source.bad(("guardian", "total_loss"), error.what, error.todo) from error


def _check_guarded_symbols(config: Config, source: _Source) -> None:
    """Check that settings of single symbols name symbols that a configured account may hold."""
    there = {exchange_of(config.venues[each.venue].kind) for each in config.accounts.values()}
    for name in config.guardian.symbols if there else ():
        path = ("guardian", "symbols", name)
        try:
            symbol = parse_symbol(name)
        except OnetapeError as error:
            raise source.bad(path, error.what, error.todo) from error
        if symbol.kind is Kind.SPOT:
            raise source.bad(path, "a spot symbol has no position to guard", "remove the section")
        if symbol.venue not in there:
            raise source.bad(path, f"no account is at {symbol.venue}", "add one to [accounts], or remove the section")


def _check_halts(halts: HaltsConfig, source: _Source) -> None:
    path = ("guardian", "halts")
    for scope in ("symbol", "strategy", "account", "system"):
        for text in getattr(halts, scope):
            _check_text((*path, scope), text, lambda each: parse_loss_limit(each).most, source)
    _check_text((*path, "day"), halts.day and f"day {halts.day}", lambda each: parse_loss_limit(each).most, source)
    currencies = sorted({limit.currency for _, limit in halts.limits})
    if len(currencies) > 1:
        raise source.bad(path, f"limits in {' and '.join(currencies)}", "use one currency for all limits")


def _check_control(config: Config, source: _Source) -> None:
    control = config.control
    for key in ("market_age", "account_age"):
        _check_text((CONTROL, key), getattr(control, key), parse_duration, source)
        if not getattr(control, key) or not parse_duration(getattr(control, key)):
            raise source.bad((CONTROL, key), "no time", 'as "2s"')
    for section in (CONTROL, "dashboard"):
        for host in getattr(config, section).hosts:
            if not _HOST_NAME.fullmatch(host):
                words = f"{host[:80]!r} is no host name"
                raise source.bad((section, "hosts"), words, 'as "my.name" or "10.0.0.7"')
    if config.has(CONTROL) and control.enabled:
        _check_common_names(config, source)
    for key, most in (("port", 65535), ("calls_per_second", 1_000_000)):
        if not 0 <= getattr(control, key) <= most:
            raise source.bad((CONTROL, key), f"{getattr(control, key)} is not between 0 and {most}")


def _check_proxies(config: Config, source: _Source) -> None:
    for name, proxy in config.proxies.items():
        path = ("proxies", name)
        _check_text((*path, "url"), proxy.url or "none", parse_proxy_url, source)
        if proxy.password and not proxy.password.startswith(("env:", "file:")):  # each user of the proxy reads it
            raise source.bad((*path, "password"), "a secret in the open", "use env:NAME or file:/path")
        if bool(proxy.user) != bool(proxy.password):
            raise source.bad(path, "`user` and `password` belong together", "write both, or none")
    for name, collector in config.collectors.items():
        if collector.proxy and collector.kind not in PROXIED:
            words = f"a collector of kind {collector.kind} cannot use a proxy"
            raise source.bad(("collectors", name, "proxy"), words, f"remove the key; {', '.join(PROXIED)} can")
    users = [("accounts", name, each.proxy) for name, each in config.accounts.items()]
    users += [("collectors", name, each.proxy) for name, each in config.collectors.items()]
    users += [("hosts", name, each.proxy) for name, each in config.hosts.items()]
    for section, name, wanted in users:
        if wanted and wanted not in config.proxies:
            raise source.bad((section, name, "proxy"), f"no proxy `{wanted}`", "add it to [proxies]")


# Compared in the form that a browser sends.
_HOST_NAME: Final = re.compile(
    r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?(:[0-9]+)?|\[?[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*\]?"
)


# Names become file names.
_FILE_NAME: Final = re.compile(r"[^./\\\x00-\x1f\x7f][^/\\\x00-\x1f\x7f]{0,63}")


def _check_references(config: Config, source: _Source) -> None:
    for section in NAMED:
        for name in getattr(config, section):
            if not _FILE_NAME.fullmatch(name):
                todo = "use up to 64 characters, no slash, no point at the beginning"
                raise source.bad((section, name), f"{name[:80]!r} is no name", todo)
    _check_proxies(config, source)
    check_placement(config, source.bad)
    _check_control(config, source)
    _check_halts(config.guardian.halts, source)
    _check_notify(config, source)
    _check_guardian(config.guardian, source)
    for name in config.guardian.accounts:
        if name not in config.accounts:
            raise source.bad(("guardian", "accounts", name), f"no account `{name}`", "add it to [accounts]")
    _check_hub(config.hub, source)
    _check_retention(config.retention, source)
    _check_logs(config.logs, source)
    _check_accounts(config, source)
    _check_guarded_symbols(config, source)
    _check_secrets(("s3",), config.s3, source)
    _check_secrets(("cluster",), config.cluster, source)
    _check_robots(config, source)
    for name, venue in config.venues.items():
        for key in ("ws", "rest_wallet"):
            if getattr(venue, key) and not venue.rest:
                raise source.bad(
                    ("venues", name, key), "an address that needs `rest`", 'write rest = "...", or leave it out'
                )
    _check_webhooks(config, source)
    for name, collector in config.collectors.items():
        if collector.kind != "venue" and collector.venue:
            raise source.bad(
                ("collectors", name, "venue"), f"a collector of kind {collector.kind} has no venue", "remove the key"
            )
        if collector.kind == "venue":
            _check_venue_collector(("collectors", name), collector, config, source)
        elif isinstance(collector.symbols, str):
            raise source.bad(("collectors", name, "symbols"), "a text", 'write a list such as ["feed:XAU/USD"]')


def _check_webhooks(config: Config, source: _Source) -> None:
    for name, webhook in config.webhooks.items():
        path = ("webhooks", name)
        if name not in config.collectors or config.collectors[name].kind != "webhook":
            raise source.bad(path, f"no collector `{name}` of kind webhook", f"add [collectors.{name}]")
        if not webhook.secret.startswith(("env:", "file:")):
            raise source.bad((*path, "secret"), "a secret in the open", "use env:NAME or file:/path")
        _check_text((*path, "window"), webhook.window or "none", parse_duration, source)
        if not 0 < parse_duration(webhook.window) <= HOUR:
            raise source.bad((*path, "window"), f"{webhook.window} is not between 0 and 1h", 'as "60s"')
        if not 1 <= webhook.rate <= 1000:
            raise source.bad((*path, "rate"), f"{webhook.rate} is not between 1 and 1000", "messages a second")
    for name, collector in config.collectors.items():
        if collector.kind == "webhook" and config.trades_at_venues and name not in config.webhooks:
            words = "every user of this machine could post to it, and accounts trade at real venues"
            raise source.bad(("collectors", name), words, f'write [webhooks.{name}] secret = "env:NAME"')


def _check_venue_collector(path: tuple[str, ...], collector: CollectorConfig, config: Config, source: _Source) -> None:
    if collector.venue not in config.venues:
        todo = did_you_mean(collector.venue, config.venues) or "add it to [venues]"
        raise source.bad((*path, "venue"), f"no venue `{collector.venue}`", todo)
    for key in ("renew", "listings"):
        _check_text((*path, key), getattr(collector, key), parse_duration, source)
        if not getattr(collector, key):
            raise source.bad((*path, key), "no time", 'as "60s"')
    for key in ("every", "ahead", "tz"):
        if getattr(collector, key):
            raise source.bad((*path, key), "has no effect in a collector of kind venue", "remove the key")
    if not 0 <= collector.share <= 0.95:
        raise source.bad((*path, "share"), f"{collector.share} is not between 0 and 0.95", "0 chooses for you")
    if not 1 <= collector.depth_readers <= 4:
        raise source.bad((*path, "depth_readers"), f"{collector.depth_readers} is not between 1 and 4")
    if collector.depth and collector.transport != "ws":
        raise source.bad((*path, "depth"), "books need streams", 'write transport = "ws", or remove the key')
    if isinstance(collector.depth, str) and collector.depth not in ("", "all"):
        raise source.bad(
            (*path, "depth"), f"not a list of symbols: {collector.depth!r}", 'write "all", or a list of symbols'
        )


def _check_secrets(path: tuple[str, ...], section: AccountConfig | S3Config | ClusterConfig, source: _Source) -> None:
    for key in (*SECRET_KEYS, "credentials"):
        value = getattr(section, key, "")
        if value and not value.startswith(SECRET_FORMS):
            # The value is not in the message: it may be the secret.
            raise source.bad((*path, key), "a secret in the open", "use env:NAME, file:/path or fd:N")


def _check_accounts(config: Config, source: _Source) -> None:
    for name, account in config.accounts.items():
        path = ("accounts", name)
        if account.venue not in config.venues:
            todo = did_you_mean(account.venue, config.venues) or "add it to [venues]"
            raise source.bad((*path, "venue"), f"no venue `{account.venue}`", todo)
        _check_secrets(path, account, source)
        _check_text((*path, "executions_max"), account.executions_max, lambda each: parse_executions(each)[0], source)
        for key in ("dead_man", "check_every", "stale_after", "transfer_deadline"):
            _check_text((*path, key), getattr(account, key), parse_duration, source)
        _check_limits(path, account, config.venues[account.venue].kind, source)
        _check_alerts((*path, "alerts"), account.alerts, config, source)
        _check_fee_asset((*path, "fee_asset"), account, config, source)
        _check_slots(path, account, source)
        _check_withdraw(path, account, config, source)
        master = config.accounts.get(account.master) if account.master != name else None
        if account.master and (master is None or master.venue != account.venue):
            words = f"no other account `{account.master}` of venue `{account.venue}`"
            raise source.bad((*path, "master"), words, "add it to [accounts]")
        kind = config.venues[account.venue].kind
        native = VENUE_KINDS.get(kind, _OTHER)
        if account.position_mode == "hedge" and not native.hedges:
            todo = f"remove the key; hedge mode: {_those(lambda each: each.hedges)}"
            raise source.bad((*path, "position_mode"), f"{kind} is not traded in hedge mode", todo)
        if account.margin == "isolated" and not native.names_margin:
            raise source.bad((*path, "margin"), f"orders of {kind} name no margin mode", "set it at the venue")
        for third in ("password", "api_config_key"):
            takes = native.third_secret == third or (third == "password" and kind.startswith("ccxt:"))
            if getattr(account, third) and not takes:
                raise source.bad((*path, third), f"{kind} has no {third}", "remove the key")


def _those(fits: Callable[[VenueKind], object]) -> str:
    return ", ".join(name for name, each in VENUE_KINDS.items() if fits(each))


def _check_limits(path: tuple[str, ...], account: AccountConfig, kind: str, source: _Source) -> None:
    """Refuse limits without effect (another exchange's symbols, an unknown currency) and invalid limits."""
    least = 1 / LEVERAGE_MAX
    if not least <= account.leverage <= LEVERAGE_MAX:
        raise source.bad(
            (*path, "leverage"), f"leverage {account.leverage} is out of range", f"give {least} to {LEVERAGE_MAX}"
        )
    for key in ("price_band", "orders_per_second", "open_orders_max", "messages_per_second"):
        if not 0 <= getattr(account, key) < math.inf:
            raise source.bad((*path, key), f"no limit: {getattr(account, key)}", "0: no limit")
    for key in ("position_max", "order_max"):
        for symbol, most in getattr(account, key).items():
            try:
                is_there = parse_symbol(symbol).venue == exchange_of(kind)
            except OnetapeError:
                is_there = False
            if not is_there:
                todo = f"a symbol of {exchange_of(kind)}, such as {exchange_of(kind)}:BTC/USDT:USDT"
                raise source.bad((*path, key, symbol), f"no symbol of this account: {symbol!r}", todo)
            if not 0 <= most < math.inf:
                raise source.bad((*path, key, symbol), f"no limit: {most}", "0: no limit")
    for key in ("order_value_max", "open_value_max"):
        amounts = getattr(account, key)
        _check_amounts((*path, key), amounts, source)
        for currency in amounts:
            if currency != currency.upper():
                raise source.bad((*path, key, currency), f"no currency {currency!r}", f"write {currency.upper()}")


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
    if alerts != AccountAlertsConfig() and not _has_recorder(config):
        raise source.bad(path, "these alerts need the recorder", "add [recorder]")


def _check_fee_asset(path: tuple[str, ...], account: AccountConfig, config: Config, source: _Source) -> None:
    if (wanted := account.fee_asset) is None:
        return
    _check_amounts(path, {"below": wanted.below, "buy": wanted.buy}, source)
    venue = config.venues[account.venue]
    if not VENUE_KINDS.get(venue.kind, _OTHER).sells_fee_asset or venue.mode == "demo":
        raise source.bad(path, f"at {account.venue} we cannot buy {wanted.asset} automatically", "remove the section")


def _has_recorder(config: Config) -> bool:
    return config.has("recorder") and config.recorder.enabled


def _check_traded_on(path: tuple[str, ...], robot: RobotConfig, config: Config, source: _Source) -> None:
    """Check that a robot names either one account or several, and that its accounts at one exchange use one venue
    section."""
    if bool(robot.account) == bool(robot.accounts):
        words = "both `account` and `accounts`" if robot.account else "missing key `account`"
        raise source.bad(path, words, 'write account = "NAME", or accounts = ["a", "b"]')
    key = "accounts" if robot.accounts else "account"
    venues: dict[str, str] = {}
    for name in robot.traded_on:
        account = config.accounts.get(name)
        if account is None:
            todo = did_you_mean(name, config.accounts) or "add it to [accounts]"
            raise source.bad((*path, key), f"no account `{name}`", todo)
        if robot.subaccount != "main" and robot.subaccount not in account.subaccounts:
            words = f"account `{name}` has no sub-account `{robot.subaccount}`"
            raise source.bad((*path, "subaccount"), words, f"it has {', '.join(('main', *account.subaccounts))}")
        if account.venue not in config.venues:
            continue  # reported for the account
        exchange = exchange_of(config.venues[account.venue].kind)
        other = venues.setdefault(exchange, name)
        if other != name or robot.traded_on.count(name) > 1:
            words = f"`{other}` and `{name}` are both of {exchange}"
            if other == name or config.accounts[other].venue != account.venue:
                raise source.bad(
                    (*path, key), words, "name each account once; accounts at one exchange need one venue section"
                )


def _check_robots(config: Config, source: _Source) -> None:
    for name, robot in config.robots.items():
        path = ("robots", name)
        if name.partition(":")[0] in ACTORS:  # their token would be the same
            raise source.bad(path, f"a robot cannot be called `{name}`", "choose another name")
        for variant in robot.variants:
            if variant in ("", TWIN) or not variant.isprintable() or "/" in variant:
                raise source.bad((*path, "variants"), f"a variant cannot be called `{variant}`", "choose another name")
        _check_traded_on(path, robot, config, source)
        for key, parse in (("stuck_after", parse_duration), ("memory_max", parse_bytes)):
            _check_text((*path, key), getattr(robot, key), parse, source)
        if robot.orders_per_second < 0:
            raise source.bad((*path, "orders_per_second"), "a number below 0", "0: no limit")
        for stream in robot.streams:
            if stream not in config.collectors or not config.collectors[stream].enabled:
                raise source.bad((*path, "streams"), f"no collector `{stream}`", "add it to [collectors]")
