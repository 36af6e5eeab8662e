"""The options of a collector, and the path of its journal. Light to import."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from onetape.market.condition import parse_condition
from onetape.market.wanted import symbols_wanted
from onetape.model.errors import BadConfig, BadInput, OnetapeError, UsageError
from onetape.model.home import encoded
from onetape.model.placement import host_of, hosts_of
from onetape.model.proxy import Proxy
from onetape.model.sections import CollectorConfig, Config, RobotConfig, WebhookConfig
from onetape.model.time import HOUR, MINUTE, SECOND, parse_duration, parse_period, zone
from onetape.venues.hosts import is_loopback

__all__ = [
    "CollectorOptions",
    "VenueFeedOptions",
    "collector_journal",
    "collector_options",
    "collectors_of",
    "public_feed",
    "venue_feed_options",
]

SCHEMES: Final = {
    "zeromq": ("tcp", "ipc"),
    "websocket": ("ws", "wss"),
    "nats": ("nats", "tls"),
    "http": ("http", "https"),
    "rss": ("http", "https"),
    "webhook": ("http",),
}
POLLED: Final = ("http", "rss")
OF_STREAMS: Final = ("zeromq", "websocket", "nats")


EVERY: Final = "60s"
SHARE: Final = 0.95  # share of a venue's request limit per address, if no gateway uses the address
SHARE_BESIDE: Final = 0.6  # share beside a gateway, which may use up to 0.8, or 0.9 for requests that reduce risk
SHARE_URGENT: Final = 0.8  # share beside a gateway while all streams fail; evenly paced


class VenueFeedOptions(msgspec.Struct, frozen=True, kw_only=True, tag="venue"):
    """The venue to follow, and how. symbols: "all", "top:N" or names with commas."""

    name: str  # the collector's name
    home: str
    kind: str  # kind of venue
    rest: str
    ws: str
    transport: str = "ws"
    symbols: str = "all"
    depth: str = ""  # symbols whose books are followed: "all", or names with commas
    depth_readers: int = 1
    renew_ns: int
    listings_ns: int
    percent: int  # share of the venue's request limit per address, in percent
    urgent_percent: int = 0  # share while all of `streams` fail, if larger
    hot: str = ""  # symbols that meet this condition are polled more often
    klines: str = "1m"  # periods of bars to request, with commas
    needed: list[str] = []  # with "top:N": symbols named by robots, which stay once selected
    proxy: Proxy | None = None
    host: str = ""  # of [hosts], whose address it has without a proxy
    streams: list[str] = []  # collectors of the venue's streams: if all fail, polling gives priority to prices


def public_feed(
    kind: str, *, home: Path, rest: str, ws: str, symbols: str, transport: str = "ws", name: str = "market"
) -> VenueFeedOptions:
    """Returns the options of a feed that is not configured, with the whole request budget of its address."""
    return VenueFeedOptions(
        name=name,
        home=str(home),
        kind=kind,
        rest=rest,
        ws=ws,
        transport=transport,
        symbols=symbols,
        renew_ns=23 * HOUR,
        listings_ns=MINUTE,
        percent=round(100 * SHARE),
    )


class CollectorOptions(msgspec.Struct, frozen=True, kw_only=True, tag="stream"):
    """The options of a collector as in [collectors.NAME], checked; times in ns."""

    name: str
    home: str
    kind: str
    address: str
    topics: list[str]
    symbols: list[str]
    names: dict[str, str]
    subscribe: str
    message_bytes_max: int
    stale_ns: int
    published: bool
    instruments: str  # file of instruments; "": only the catalogue
    every_ns: int = 0  # interval of requests
    ahead_ns: int = 0  # how long before its time a schedule's row is emitted
    zone: str = "UTC"
    proxy: Proxy | None = None
    secret: str = ""  # signs a webhook's messages; "": not signed
    window_ns: int = 0
    rate: int = 0  # messages a second, 0: no limit

    def __repr__(self) -> str:  # without the secret
        return f"CollectorOptions(name={self.name!r}, kind={self.kind!r})"


def collector_journal(home: Path, name: str) -> Path:
    return home / "journal" / f"collector-{encoded(name)}"


def collectors_of(config: Config) -> dict[str, CollectorConfig]:
    """Returns the enabled collectors."""
    return {name: each for name, each in config.collectors.items() if each.enabled}


def _shares_address(config: Config, account: str, collector: str) -> bool:
    """Returns True when an account's gateway and a collector send requests to one venue from one address."""
    trading, feed = config.accounts[account], config.collectors[collector]
    own = host_of(config, f"collector:{collector}")
    is_of_host = not config.hosts or own in hosts_of(config, f"gateway:{account}")
    return trading.venue == feed.venue and trading.proxy == feed.proxy and (is_of_host or bool(feed.proxy))


def venue_feed_options(name: str, config: Config, *, home: Path, rest: str, ws: str) -> VenueFeedOptions:
    """Makes the options of a collector of kind `venue` at these addresses. Raises BadConfig."""
    collector = config.collectors[name]
    symbols = collector.symbols if isinstance(collector.symbols, str) else ",".join(collector.symbols)
    try:
        symbols_wanted(symbols or "all")
    except UsageError as error:
        raise BadConfig(error.what, location=f"collectors.{name}.symbols", todo=error.todo) from None
    if collector.hot:
        _check_hot(collector, f"collectors.{name}.hot")
    is_alone = not any(_shares_address(config, account, name) for account in config.accounts)
    return VenueFeedOptions(
        name=name,
        home=str(home),
        kind=config.venues[collector.venue].kind,
        rest=rest,
        ws=ws,
        transport=collector.transport,
        symbols=symbols or "all",
        depth=collector.depth if isinstance(collector.depth, str) else ",".join(collector.depth),
        depth_readers=collector.depth_readers,
        renew_ns=parse_duration(collector.renew),
        listings_ns=parse_duration(collector.listings),
        percent=round(100 * (collector.share or (SHARE if is_alone else SHARE_BESIDE))),
        urgent_percent=round(100 * (collector.share or SHARE_URGENT)),
        hot=collector.hot,
        klines=_periods(collector.klines, f"collectors.{name}.klines"),
        # A robot may follow this venue's market with its account at another venue. Texts that are no symbols of the
        # venue have no effect.
        needed=sorted({symbol for robot in config.robots.values() for symbol in _named(robot)}),
        streams=[
            each
            for each, other in collectors_of(config).items()
            if collector.transport == "rest"
            and (other.kind, other.venue, other.transport) == ("venue", collector.venue, "ws")
        ],
    )


def _named(robot: RobotConfig) -> Iterator[str]:
    """Yields all texts in a robot's parameters that may name a symbol."""
    yield from robot.symbols
    yield from (each for each in robot.params.values() if isinstance(each, str) and ":" in each)


def _periods(klines: list[str] | str, location: str) -> str:
    text = klines if isinstance(klines, str) else ",".join(klines)
    try:
        for each in filter(None, text.split(",")):
            parse_period(each)
    except OnetapeError as error:
        raise BadConfig(error.what, location=location, todo=error.todo) from None
    return text


def _check_hot(collector: CollectorConfig, location: str) -> None:
    if collector.transport != "rest":
        raise BadConfig(
            "streams report every change at once", location=location, todo='remove it, or write transport = "rest"'
        )
    try:
        parse_condition(collector.hot)
    except BadInput as error:
        raise BadConfig(error.what, location=location, todo=error.todo) from None


def collector_options(
    name: str,
    config: CollectorConfig,
    *,
    home: Path,
    folder: Path,
    webhook: WebhookConfig | None = None,
    secret: str = "",
) -> CollectorOptions:
    """Returns the options of a collector of another kind than `venue`. webhook: topics, time window and rate; secret:
    signs its messages. Raises BadConfig for a feed that cannot be followed."""
    location = f"collectors.{name}"
    address = _schedule_file(config, location, folder)
    if not address:
        _check_address(config, location)
    _check_polled(config, location)
    if not config.topics and not config.symbols and config.kind == "nats":
        raise BadConfig("no subjects", location=location, todo='write topics = ["prices.>"]')
    if config.message_bytes_max < 1:
        raise BadConfig("message_bytes_max is below 1", location=location, todo="give bytes")
    if config.subscribe and config.kind != "websocket":
        raise BadConfig(
            f"{config.kind} needs no subscription message", location=f"{location}.subscribe", todo="leave it out"
        )
    return CollectorOptions(
        name=name,
        home=str(home),
        kind=config.kind,
        address=address or config.address,
        topics=config.topics if webhook is None else [*(config.topics or [name]), *webhook.topics],
        symbols=list(config.symbols),
        names=config.names,
        subscribe=config.subscribe,
        message_bytes_max=config.message_bytes_max,
        stale_ns=parse_duration(config.stale_after) if config.stale_after else 0,
        published=config.clock == "published",
        instruments=str(folder / config.instruments) if config.instruments else "",
        every_ns=parse_duration(config.every or EVERY),
        ahead_ns=parse_duration(config.ahead) if config.ahead else 0,
        zone=config.tz or "UTC",
        secret=secret,
        window_ns=parse_duration(webhook.window) if webhook is not None else 0,
        rate=webhook.rate if webhook is not None else 0,
    )


def _schedule_file(config: CollectorConfig, location: str, folder: Path) -> str:
    """Returns the path of a schedule's table, "" for other kinds."""
    if config.kind != "schedule":
        return ""
    path = folder / config.address
    if not config.address or not path.is_file():
        raise BadConfig(
            f"no such file: {config.address or 'none is named'}",
            location=f"{location}.address",
            todo='write address = "calendar.csv"',
        )
    return str(path)


def _check_polled(config: CollectorConfig, location: str) -> None:
    """Raises BadConfig for options that the collector's kind would ignore."""
    kind = config.kind
    for name, value, kinds in (
        ("every", config.every, POLLED),
        ("ahead", config.ahead, ("schedule",)),
        ("tz", config.tz, ("schedule",)),
    ):
        if value and kind not in kinds:
            raise BadConfig(f"only for kind {' and '.join(kinds)}", location=f"{location}.{name}", todo="leave it out")
    if config.clock == "published" and kind in ("rss", "schedule"):
        raise BadConfig(
            f"published times of {kind} are not in order", location=f"{location}.clock", todo="leave it out"
        )
    if config.every and not parse_duration(config.every) >= SECOND:
        raise BadConfig("below a second", location=f"{location}.every", todo='write every = "60s"')
    if config.tz:
        zone(config.tz)
    if kind not in OF_STREAMS and (config.symbols or len(config.topics) > 1):
        raise BadConfig(
            f"a feed of kind {kind} has one topic", location=location, todo='write topics = ["NAME"], without symbols'
        )


def _check_address(config: CollectorConfig, location: str) -> None:
    location = f"{location}.address"
    parts = urlsplit(config.address)
    schemes = SCHEMES[config.kind]
    if parts.scheme not in schemes:
        raise BadConfig(
            f"{config.kind} does not speak {parts.scheme or 'nothing'}",
            location=location,
            todo=f"write {' or '.join(f'{each}://' for each in schemes)}...",
        )
    if parts.username is not None or parts.password is not None:
        # The message omits the address, which contains a secret.
        raise BadConfig("a secret in the open", location=location, todo="remove user and password")
    if parts.scheme == "ipc":
        return
    try:
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    if not host or (port is None and config.kind == "zeromq"):
        raise BadConfig("no host and port", location=location, todo=f"write {schemes[0]}://HOST:PORT")
    if config.kind == "webhook" and (port is None or not is_loopback(host)):
        raise BadConfig(
            "webhooks are accepted only from this machine",
            location=location,
            todo="write http://127.0.0.1:PORT/NAME, behind a server that authenticates callers",
        )
    if not config.remote and not is_loopback(host):
        raise BadConfig(
            f"{host} is not this machine", location=location, todo="set remote = true if you trust its network"
        )
