"""The sections of the configuration: what keys there are, of which types, with which defaults."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from onetape.model.loss_limit import LossLimit, parse_loss_limit
from onetape.model.portfolio_config import PortfolioConfig

__all__ = [
    "ACTORS",
    "CONTROL",
    "DASHBOARD",
    "GUARDIAN",
    "HUB",
    "NOTIFY_FIELDS",
    "OPERATOR",
    "PORTFOLIO",
    "TAKEN_NAMES",
    "TELEGRAM",
    "TRADE_TYPES",
    "TWIN",
    "AccountAlertsConfig",
    "AccountConfig",
    "BridgeConfig",
    "ClusterConfig",
    "CollectorConfig",
    "Config",
    "ControlConfig",
    "DashboardConfig",
    "FeeAssetConfig",
    "GuardedAccountConfig",
    "GuardedSymbolConfig",
    "GuardianConfig",
    "HaltsConfig",
    "HubConfig",
    "LogsConfig",
    "MetricsConfig",
    "NotifyConfig",
    "ProxyConfig",
    "RecorderConfig",
    "RetentionConfig",
    "RobotConfig",
    "RouteConfig",
    "Section",
    "StaleConfig",
    "TelegramConfig",
    "VariantConfig",
    "VenueConfig",
    "WebhookConfig",
    "WithdrawConfig",
]

NOTIFY_FIELDS: Final = ("type", "severity", "subject", "message", "time", "more", "state", "title", "body")
OPERATOR: Final = "operator"  # who commands a process from outside
HUB: Final = "hub"  # the process, its kind, its journal and its table
GUARDIAN: Final = "guardian"  # who protects positions: its name as an actor, and the tag of its orders
CONTROL: Final = "control"  # the REST control plane: the process, its kind, and its name as an actor
DASHBOARD: Final = "dashboard"  # the web pages, likewise
TELEGRAM: Final = "telegram"  # the process of the bot, and its kind; its actors are `telegram:CHAT`
# No robot's name begins so: its token would be theirs.
ACTORS: Final = (OPERATOR, GUARDIAN, CONTROL, DASHBOARD, TELEGRAM)
TAKEN_NAMES = ("main", "total", *ACTORS)
PORTFOLIO: Final = "portfolio"  # its section, and the robot that trades it
TWIN: Final = "twin"  # the variant that is the robot itself, on paper


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The base class of sections: each refuses keys that it does not know."""


class VenueConfig(Section, frozen=True):
    """[venues.NAME]: an exchange and in which of its worlds."""

    kind: str  # binance-usdm | aster | bitmex | kraken | pacifica | ccxt:<id>
    mode: Literal["sim", "demo", "live"] = "sim"
    seed: int = 1  # of the simulated flow
    live_account: str = ""  # the account's id as the venue has it: live trading needs it
    rest: str = ""  # addresses, where they are not the venue's own: a simulated exchange here
    ws: str = ""
    rest_wallet: str = ""  # of its wallets, where they are not at `rest`


class ProxyConfig(Section, frozen=True):
    """[proxies.NAME]: an HTTP proxy through which accounts and collectors reach their venues."""

    url: str  # http://HOST:PORT
    user: str = ""
    password: str = ""  # env:NAME or file:/path


class WithdrawConfig(Section, frozen=True):
    """[accounts.NAME.withdraw.OTHER.CURRENCY]: where another account takes a currency. Money is
    sent to these addresses and to no others."""

    address: str
    network: str = ""  # as the venue that sends calls it
    memo: str = ""  # tag or memo, where the currency has one
    key: str = ""  # kraken: the name under which the address is stored there


class AccountAlertsConfig(Section, frozen=True):
    """[accounts.NAME.alerts]: figures of the recorder from which on there is an alert."""

    delta: dict[str, str | int | float] = {}  # currency -> net notional, whichever its sign
    utilization: str = ""  # "80%": of the margin that its equity covers
    drawdown: str = ""  # "10%": below the highest equity


class FeeAssetConfig(Section, frozen=True):
    """[accounts.NAME.fee_asset]: what fees are paid in is bought when it runs out; without the section it is not."""

    below: str | int | float  # worth of what is held, in quote
    buy: str | int | float  # so much of quote each time
    asset: str = "BNB"
    quote: str = "USDT"  # what it is paid with, out of the pool


class AccountConfig(Section, frozen=True):
    """[accounts.NAME]: one account at a venue; its gateway is the process `gateway:NAME`."""

    venue: str
    key: str = ""
    secret: str = ""
    password: str = ""  # a third secret, where a venue behind ccxt has one
    api_config_key: str = ""  # pacifica: a secret that raises its limits on requests
    proxy: str = ""  # of [proxies]: the way of all its connections; "": directly
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
    fee_asset: FeeAssetConfig | None = None
    # Accounts at other venues, and where they take what: account -> currency -> address.
    withdraw: dict[str, dict[str, WithdrawConfig]] = {}


class VariantConfig(Section, frozen=True):
    """[robots.NAME.variants.VARIANT]: the robot on paper, with other parameters, beside it."""

    params: dict[str, Any] = {}


class RobotConfig(Section, frozen=True):
    """[robots.NAME]: one strategy instance, the process `robot:NAME`."""

    strategy: str
    account: str = ""
    accounts: list[str] = []  # in place of `account`: it trades on several, on each what its venue lists
    subaccount: str = "main"  # of each
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
    def traded_on(self) -> list[str]:
        """Returns its accounts, the one first by whose tape it says how far it is."""
        return self.accounts or [self.account]

    @property
    def symbols(self) -> list[str]:
        """Returns what its parameters `symbol` and `symbols` name, a list or text with commas."""
        more = self.params.get("symbols") or []
        listed = more.split(",") if isinstance(more, str) else more
        named = [self.params.get("symbol"), *(listed if isinstance(listed, list) else [])]
        return [each.strip() for each in named if isinstance(each, str) and each.strip()]


class CollectorConfig(Section, frozen=True):
    """[collectors.NAME]: one source of market data or of events; the process `collector:NAME`."""

    kind: Literal["venue", "zeromq", "websocket", "nats", "http", "rss", "webhook", "schedule"] = "venue"
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
    address: str = ""  # tcp://127.0.0.1:5561, ws://..., nats://..., http://...; of a schedule its file
    every: str = ""  # of http and rss: how often is asked; "": each 60 s
    ahead: str = ""  # of a schedule: how long before its time a row comes, "30m"
    tz: str = ""  # of a schedule: the zone of times that name none; "": UTC
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
    proxy: str = ""  # of [proxies], for kinds venue, websocket, http and rss
    enabled: bool = True


class WebhookConfig(Section, frozen=True):
    """[webhooks.NAME]: who may post to the collector NAME, which is of kind webhook, and how often."""

    secret: str  # env:NAME or file:/path: senders sign with it
    topics: list[str] = []  # that may be posted beside the collector's own
    window: str = "60s"  # how far a message's time may be from the machine's
    rate: int = 20  # messages a second, and so many at once


class HubConfig(Section, frozen=True):
    """[hub]: merges the collectors by freshness into one market; the process `hub`."""

    enabled: bool = True
    stale: str = "2s"  # a source so much later than the fastest is degraded; one without the venue's times yields then
    klines: int = 45  # closed bars of each symbol and period that who comes late finds in its table
    filter: bool = True  # bad ticks are kept back
    spin: str = ""  # "50us": how long it looks for news before it sleeps, which costs a core. "": not at all


class GuardedSymbolConfig(Section, frozen=True):
    """[guardian.symbols."NAME"]: what is other for one symbol; what it does not say is [guardian]'s."""

    ladder: list[str] | None = None
    hard_stop: str | None = None  # "": it has none
    look_back: str | None = None
    look_back_beyond: str | None = None
    take_profit: list[str] | None = None


class GuardedAccountConfig(Section, frozen=True):
    """[guardian.accounts.NAME]: a key of the guardian's own; without it that of the account's gateway."""

    key: str = ""
    secret: str = ""


class HaltsConfig(Section, frozen=True):
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


class StaleConfig(Section, frozen=True):
    """[guardian.stale.TAG]: orders of robots with that tag, "*" those of any other, since they were placed."""

    cancel_after: str = ""  # "60s": then it is canceled; "": never
    take_after: str = ""  # "5s": then a share of what is left takes, once
    take_share: str = "30%"
    take_within: str = "0.2%"  # at most so far above the best bid, of a seller below the best ask


class GuardianConfig(Section, frozen=True):
    """[guardian]: risk control apart from the robots; the process `guardian`."""

    enabled: bool = True
    # How far from the entry price stops rest, a share of the position at each.
    ladder: list[str] = msgspec.field(default_factory=lambda: ["5%", "5.5%", "6%", "6.5%", "7%"])
    hard_stop: str = "7%"  # beyond it a position is flattened; "": there is none
    look_back: str = ""  # "500m": no level is farther than the low of so long before, of a short the high. "": any
    look_back_beyond: str = ""  # "0.5%": below that low, of a short above that high
    take_profit: list[str] = []  # how far on the other side of it a share of the position each is taken off
    total_loss: str = ""  # "100 USDT": of all that is unrealised; then all is flattened. "": no limit
    trigger_by: Literal["last", "mark"] = "last"  # the price that stops at the venue watch
    confirm: str = "300ms"  # a price counts that two kinds of messages tell, or one for so long, at least twice
    standby: bool = False  # `up` starts a second one, which acts when the first has ended
    takeover_after: str = "5s"  # a gateway is dead for so long: the guardian acts past it. "": it never does
    symbols: dict[str, GuardedSymbolConfig] = {}
    accounts: dict[str, GuardedAccountConfig] = {}
    halts: HaltsConfig = HaltsConfig()
    stale: dict[str, StaleConfig] = {}
    orphaned_stops: str = ""  # "10s": robots' orders with a trigger that have nothing to close are canceled. "": stay


class RecorderConfig(Section, frozen=True):
    """[recorder]: projects tapes into SQL."""

    enabled: bool = True
    url: str = ""  # default: SQLite at <home>/store.db


class ControlConfig(Section, frozen=True):
    """[control]: the REST control plane."""

    enabled: bool = True
    host: str = "127.0.0.1"  # off loopback it needs tokens and TLS
    port: int = 3000  # 0: a free one, shown by status
    hosts: list[str] = []  # names by which it is called, beside its host and those of loopback
    tls_cert: str = ""  # files, PEM; "": plain HTTP
    tls_key: str = ""
    calls_per_second: int = 100  # of each token, without one of each address; 0: no limit
    market_age: str = "2s"  # nothing is traded on an account whose newest price is older,
    account_age: str = "90s"  # or whose balances its venue has confirmed longer ago
    needs_alerts: bool = False  # true: while a sink of [notify] takes no alerts, what adds risk is refused (1004)


class DashboardConfig(Section, frozen=True):
    """[dashboard]: the web pages."""

    enabled: bool = True
    host: str = "127.0.0.1"  # off loopback it needs TLS
    port: int = 8080  # the next free one where it is not written; 0: any, shown by status
    hosts: list[str] = []  # names by which it is called, beside its host and those of loopback
    tls_cert: str = ""  # files, PEM; "": plain HTTP
    tls_key: str = ""
    read_only: bool = False  # no page changes anything


AlertType = Literal[
    "delta",
    "utilization",
    "failover",
    "proxy",
    "risk",
    "stop",
    "ledger",
    "process",
    "clock",
    "disk",
    "fill",
    "position",
    "day",
    "test",
]
TRADE_TYPES: Final = ("fill", "position", "day")  # what was traded: of the recorder, told where they are named


class RouteConfig(Section, frozen=True):
    """[notify.routes.NAME]: some alerts, and where they go."""

    urls: list[str] = []  # of apprise's; env:NAME or file:/path where it holds a secret
    severity: Literal["info", "warn", "critical"] = "info"  # and what is worse
    types: list[AlertType] = []  # []: all faults; fill, position and day (its result) are told where they are named
    after: str = ""  # "10m": what has gone on so long and nobody has acknowledged, and each 10 minutes. "": at once
    quiet: str = ""  # "22:00-07:00 Europe/Berlin": what is not critical waits; without a zone it is UTC
    per_minute: int = 0  # that are not critical; 0: no limit of its own
    title: str = ""  # "{severity} {subject}": the words of NOTIFY_FIELDS; "": ours
    body: str = ""


class TelegramConfig(Section, frozen=True):
    """[notify.telegram]: a bot that a telephone asks and commands; the process `telegram`."""

    token: str  # of the bot: env:NAME, file:/path or fd:N
    chats: list[int] = []  # ids of those that may use it; whoever is in such a group may, too
    api: str = "https://api.telegram.org"  # another Bot API server


class NotifyConfig(RouteConfig, frozen=True):
    """[notify]: where alerts go; a route itself."""

    batch: str = "10s"  # fills and positions of so long are one alert
    routes: dict[str, RouteConfig] = {}
    telegram: TelegramConfig | None = None

    @property
    def trade_types(self) -> list[str]:
        """Returns what a route wants to hear of what was traded."""
        return [each for each in TRADE_TYPES if any(each in route.types for route in (self, *self.routes.values()))]


class MetricsConfig(Section, frozen=True):
    """[metrics]: figures for Prometheus, on this machine's loopback; without the section there are none."""

    enabled: bool = True
    port: int = 9464  # 0: a free one, shown by status


class S3Config(Section, frozen=True):
    """[s3]: an S3-compatible store for `export public`. key, secret: env:NAME or file:/path."""

    endpoint: str = ""  # default: Amazon's of the region
    region: str = "us-east-1"
    key: str = ""
    secret: str = ""


class BridgeConfig(Section, frozen=True):
    """[bridge]: to venues through ccxt."""

    python: str = ""  # of an environment that has ccxt; default: <home>/bridge/bin/python


class RetentionConfig(Section, frozen=True):
    """[retention]: how long journals are kept while the system runs."""

    every: str = "1h"
    older: str = ""  # "90d": segments that ended longer ago go; "": none for its age
    size: str = ""  # "50GiB": of each journal the oldest go beyond it; "": none for its size
    runs: Literal["keep", "drop"] = "keep"  # what a run is replayed from: stays, or goes as well
    compress: bool = True  # closed segments are packed, and stay readable


class LogsConfig(Section, frozen=True):
    """[logs]: how long the supervisor's log is kept."""

    keep: str = "90d"  # "": whatever its age
    size: str = "1GiB"  # of all its files together; the oldest go beyond it


class ClusterConfig(Section, frozen=True):
    """[cluster]: more machines than one."""

    servers: list[str] = []


class Config(Section, frozen=True):
    """The whole of onetape.toml."""

    venues: dict[str, VenueConfig] = {}
    accounts: dict[str, AccountConfig] = {}
    robots: dict[str, RobotConfig] = {}
    collectors: dict[str, CollectorConfig] = {}
    proxies: dict[str, ProxyConfig] = {}
    webhooks: dict[str, WebhookConfig] = {}
    hub: HubConfig = HubConfig()
    guardian: GuardianConfig = GuardianConfig()
    recorder: RecorderConfig = RecorderConfig()
    control: ControlConfig = ControlConfig()
    dashboard: DashboardConfig = DashboardConfig()
    notify: NotifyConfig = NotifyConfig()
    metrics: MetricsConfig = MetricsConfig()
    s3: S3Config = S3Config()
    bridge: BridgeConfig = BridgeConfig()
    retention: RetentionConfig = RetentionConfig()
    logs: LogsConfig = LogsConfig()
    cluster: ClusterConfig = ClusterConfig()
    portfolio: PortfolioConfig = PortfolioConfig()
    symbols: dict[str, list[str]] = {}  # a name of one's own -> what venues call the same thing
    places: dict[str, str] = {}  # of what was written, in dots: file and line, or the variable

    @property
    def trades_at_venues(self) -> bool:
        """Tells whether an account is at a venue of others, with money or in its demo."""
        return any(self.venues[each.venue].mode != "sim" for each in self.accounts.values())

    def has(self, *path: str) -> bool:
        """It was written, or something in it."""
        name = ".".join(path)
        return any(each == name or each.startswith(f"{name}.") for each in self.places)

    def location(self, *path: str) -> str:
        """Returns the place of a key, of the nearest section around it, or of what is written in that; "" where nothing
        is."""
        names = [".".join(path[:length]) for length in range(len(path), 0, -1)]
        names += [each for each in self.places if each.startswith(f"{names[-1]}.")]
        return next((self.places[name] for name in names if name in self.places), "")
