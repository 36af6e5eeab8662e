"""Define the sections of the configuration: keys, types and defaults."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec

from onetape.model.loss_limit import LossLimit, parse_loss_limit
from onetape.model.portfolio_config import PortfolioConfig

__all__ = [
    "ACTORS",
    "CLUSTER",
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
OPERATOR: Final = "operator"  # actor: a person or script outside the system
CLUSTER: Final = "cluster"  # the connection to other hosts: its section, process and kind
HUB: Final = "hub"  # name of the process, its kind, its journal and its state table
RECORDER: Final = "recorder"  # name of the process, its kind and its journal
GUARDIAN: Final = "guardian"  # the guardian: its name as an actor, and the tag of its orders
CONTROL: Final = "control"  # the REST control plane: the process, its kind, and its name as an actor
DASHBOARD: Final = "dashboard"  # the web pages: process, kind and actor
TELEGRAM: Final = "telegram"  # the process of the bot, and its kind; its actors are `telegram:CHAT`
# Robot names must not begin with it: they would get the same token.
ACTORS: Final = (OPERATOR, GUARDIAN, CONTROL, DASHBOARD, TELEGRAM)
TAKEN_NAMES = ("main", "total", *ACTORS)
Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
PORTFOLIO: Final = "portfolio"  # its section, and the robot that trades it
TWIN: Final = "twin"  # the variant that equals the robot itself, on paper


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The base class of sections; unknown keys are refused."""


class VenueConfig(Section, frozen=True):
    """[venues.NAME]: an exchange and its mode."""

    kind: (
        str  # binance-usdm | binance-spot | aster | bitmex | bybit | hyperliquid | kraken | okx | pacifica | ccxt:<id>
    )
    mode: Literal["sim", "demo", "live"] = "sim"
    seed: int = 1  # seed of the simulated market
    live_account: str = ""  # the account's id at the venue, required for live trading
    rest: str = ""  # REST address instead of the venue's own, such as a local simulated exchange
    ws: str = ""
    rest_wallet: str = ""  # address of the wallet API, if it is not `rest`


class ProxyConfig(Section, frozen=True):
    """[proxies.NAME]: an HTTP proxy through which accounts and collectors reach their venues."""

    url: str  # http://HOST:PORT
    user: str = ""
    password: str = ""  # env:NAME or file:/path


class WithdrawConfig(Section, frozen=True):
    """[accounts.NAME.withdraw.OTHER.CURRENCY]: the address at which another account receives a currency. Money is
    sent to these addresses and to no others."""

    address: str
    network: str = ""  # the name used by the sending venue
    memo: str = ""  # tag or memo, where the currency has one
    key: str = ""  # kraken: the name under which the address is stored there


class AccountAlertsConfig(Section, frozen=True):
    """[accounts.NAME.alerts]: limits of the recorder's figures; beyond one there is an alert."""

    delta: dict[str, str | int | float] = {}  # currency -> largest absolute net notional
    utilization: str = ""  # "80%": largest margin as a share of the equity
    drawdown: str = ""  # "10%": below the highest equity


class FeeAssetConfig(Section, frozen=True):
    """[accounts.NAME.fee_asset]: buys the asset that pays fees when it runs low; without the section nothing is
    bought."""

    below: str | int | float  # buy when the balance is worth less, in quote
    buy: str | int | float  # amount of quote spent each time
    asset: str = "BNB"
    quote: str = "USDT"  # currency that pays for it, taken from the pool


class AccountConfig(Section, frozen=True):
    """[accounts.NAME]: one account at a venue; its gateway is the process `gateway:NAME`."""

    venue: str
    key: str = ""
    secret: str = ""
    password: str = ""  # third secret of some venues: okx, and behind ccxt
    api_config_key: str = ""  # pacifica: a secret that raises its request limits
    proxy: str = ""  # name in [proxies], for all connections; "": none
    subaccounts: dict[str, int] = {}  # name -> slot from 2 on; 0 is the total, 1 is main
    position_max: dict[str, float] = {}  # symbol -> quantity, working orders counted as filled
    order_max: dict[str, float] = {}  # symbol -> quantity of one order
    price_band: float = 0  # 0.05: a limit price at most 5 % dearer than the market; 0: no limit
    orders_per_second: int = 0  # all robots of the account together; 0: no limit of our own
    symbols: list[str] = []  # symbols that may be traded; []: those named by robots
    order_value_max: dict[str, str | int | float] = {}  # currency -> value of one order
    open_value_max: dict[str, str | int | float] = {}  # currency -> value of all working orders
    open_orders_max: int = 0  # orders working at the same time; 0: no limit of our own
    messages_per_second: int = 0  # orders, amendments and cancels; above it new orders are refused. 0: no limit
    executions_max: str = ""  # "500 in 60s" for each sub-account; more fills halt it until lifted. "": off
    dead_man: str = ""  # "60s": the venue cancels working orders after this silence of the gateway
    orphans: Literal["cancel", "keep"] = "cancel"  # working orders of a dead robot
    order_entry: Literal["socket", "rest"] = "socket"  # how orders are sent, where a venue has both
    # Where an order is recorded before it is sent; replicated: also at the standby.
    durability: Literal["process", "disk", "replicated"] = "process"
    position_mode: Literal["one-way", "hedge"] = "one-way"  # required mode of the account
    margin: Literal["cross", "isolated"] = "cross"  # okx: of contracts; elsewhere as the account is set at the venue
    allow_withdraw: bool = False  # a key that may withdraw is refused otherwise
    credit: dict[str, str | int | float] = {}  # currency -> how far below zero its pool may go
    check_every: str = "60s"  # how often balances are compared with the venue's
    stale_after: str = "10s"  # with older market data no position is opened; "": no limit
    leverage: float = 1.0  # for margin of sub-accounts; the venue's setting is separate
    cross_internally: bool = False  # crossing orders of two sub-accounts trade with each other, not at the venue
    commands: Literal["disk", "process"] = "disk"  # where a transfer is recorded before it is made
    email: str = ""  # the account's email at the venue, needed to receive from another account
    standby: str = ""  # a host of [hosts] on which the gateway runs when its own is gone
    master: str = ""  # if this is a venue's sub-account: name of its master account in this file
    transfer_deadline: str = "120s"  # how long an unexecuted transfer is retried
    alerts: AccountAlertsConfig = AccountAlertsConfig()
    fee_asset: FeeAssetConfig | None = None
    # Receiving accounts at other venues: account -> currency -> address.
    withdraw: dict[str, dict[str, WithdrawConfig]] = {}


class VariantConfig(Section, frozen=True):
    """[robots.NAME.variants.VARIANT]: a paper robot with other parameters, beside the live one."""

    params: dict[str, Any] = {}


class RobotConfig(Section, frozen=True):
    """[robots.NAME]: one strategy instance, the process `robot:NAME`."""

    strategy: str
    account: str = ""
    accounts: list[str] = []  # instead of `account`: several accounts, each for the symbols that its venue lists
    subaccount: str = "main"  # on each of its accounts
    on_error: Literal["halt", "flatten", "continue"] = "halt"
    restart: Literal["memory", "replay", "fresh"] = "memory"
    orders_per_second: int = 20  # average over ten seconds, so 200 at once; 0: only the account's limits
    stuck_after: str = "20s"  # a longer callback while events wait ends the robot. "": no limit
    on_stuck: Literal["restart", "fail"] = "restart"  # after three times in ten minutes the robot stays stopped
    memory_max: str = "2GB"  # memory above which the robot's process is ended. "": no limit
    streams: list[str] = []  # collectors followed beside its gateway
    filter: bool = True  # bad ticks are hidden from the robot
    year: Literal[365, 252] = 365  # days of a year in its report; 252: Monday to Friday
    riskless: Annotated[float, msgspec.Meta(gt=-1, lt=1)] = 0  # rate per year in its report
    params: dict[str, Any] = {}
    variants: dict[str, VariantConfig] = {}

    @property
    def traded_on(self) -> list[str]:
        """Returns the robot's accounts. The first account's tape measures its progress."""
        return self.accounts or [self.account]

    @property
    def symbols(self) -> list[str]:
        """Returns the symbols in the robot's parameters `symbol` and `symbols` (a list, or text with commas)."""
        more = self.params.get("symbols") or []
        listed = more.split(",") if isinstance(more, str) else more
        named = [self.params.get("symbol"), *(listed if isinstance(listed, list) else [])]
        return [each.strip() for each in named if isinstance(each, str) and each.strip()]


class CollectorConfig(Section, frozen=True):
    """[collectors.NAME]: one source of market data or of events; the process `collector:NAME`."""

    kind: Literal["venue", "zeromq", "websocket", "nats", "http", "rss", "webhook", "schedule"] = "venue"
    venue: str = ""  # this key and the next eight are for kind "venue"
    transport: Literal["ws", "rest"] = "ws"  # streams, or requests
    renew: str = "23h"  # age at which a connection is replaced without a gap; venues cut it after 24 h
    listings: str = "60s"  # how often the list of instruments is checked
    # With transport "ws": symbols whose books are followed, or "all". Each book has its own connection.
    depth: list[str] | str = []
    depth_readers: int = 1  # parallel snapshot requests for a book; the first answer counts
    share: float = 0  # share of the request limit per address used by polling; 0: 0.95, or 0.6 with an account there
    klines: list[str] | str = "1m"  # periods of venue bars to record, with gaps filled by requests; "": none
    hot: str = ""  # with transport "rest": symbols that meet this condition are polled more often, 'volume("1m") > 100'
    address: str = ""  # tcp://127.0.0.1:5561, ws://..., nats://..., http://...; for a schedule its file
    every: str = ""  # for http and rss: poll interval; "": 60 s
    ahead: str = ""  # for a schedule: "30m" emits each row 30 minutes before its time
    tz: str = ""  # for a schedule: time zone of times without one; "": UTC
    topics: list[str] = []  # received beside `symbols`; without both: everything (NATS: nothing)
    # Symbols followed from the start; `send collector:NAME subscribe` adds others. Kind "venue": also "top:50" by
    # turnover, or "all" (default).
    symbols: list[str] | str = []
    names: dict[str, str] = {}  # the feed's name of a symbol -> the symbol
    subscribe: str = ""  # websocket: message sent for each topic, with {topic} in it
    remote: bool = False  # the address may be on another machine
    message_bytes_max: int = 1 << 20
    stale_after: str = ""  # "5s": a longer silence is reported; "": never
    clock: Literal["receipt", "published"] = "receipt"  # an event's time on the tape: receipt, or the sender's
    instruments: str = ""  # a file of facts, as --instruments
    proxy: str = ""  # of [proxies], for kinds venue, websocket, http and rss
    # Hosts that run it, a pattern of names in [hosts]; [collectors."tick_*"] with hosts = "tick-*" is one on each.
    hosts: str = ""
    enabled: bool = True


class WebhookConfig(Section, frozen=True):
    """[webhooks.NAME]: senders and rates for the collector NAME, which is of kind webhook."""

    secret: str  # env:NAME or file:/path: senders sign with it
    topics: list[str] = []  # symbols that senders may post, beside the collector's own
    window: str = "60s"  # largest difference between a message's time and the machine's
    rate: int = 20  # messages a second; also the largest burst


class HubConfig(Section, frozen=True):
    """[hub]: merges the collectors by freshness into one market; the process `hub`."""

    enabled: bool = True
    # a source behind the fastest by more than this is degraded; among equals one without venue times loses
    stale: str = "2s"
    klines: int = 45  # closed bars kept in the state table for each symbol and period
    filter: bool = True  # bad ticks are quarantined
    spin: str = ""  # "50us": busy-polls this long before it sleeps, which occupies a CPU. "": never


class GuardedSymbolConfig(Section, frozen=True):
    """[guardian.symbols."NAME"]: settings of one symbol; others come from [guardian]."""

    ladder: list[str] | None = None
    hard_stop: str | None = None  # "": no limit
    look_back: str | None = None
    look_back_beyond: str | None = None
    take_profit: list[str] | None = None


class GuardedAccountConfig(Section, frozen=True):
    """[guardian.accounts.NAME]: a key for the guardian; without it the gateway's is used."""

    key: str = ""
    secret: str = ""
    password: str = ""  # third secret of some venues: okx


class HaltsConfig(Section, frozen=True):
    """[guardian.halts]: limits of realized profit + fees + funding; beyond one, positions may only be reduced until
    the window has slid on ("4h 150 USDT"), or for a UTC day until it is lifted ("day 150 USDT")."""

    symbol: list[str] = []  # for each symbol, over all accounts
    strategy: list[str] = []  # for each sub-account, including `main`
    account: list[str] = []
    system: list[str] = []
    day: str = ""  # "500 USDT": for the whole system in a UTC day
    unrealized: bool = False  # true: open losses count, too; open profits never count

    @property
    def limits(self) -> list[tuple[str, LossLimit]]:
        """Returns (scope, limit) of each limit. Raises UsageError."""
        texts = [
            (scope, text) for scope in ("symbol", "strategy", "account", "system") for text in getattr(self, scope)
        ]
        texts += [("system", f"day {self.day}")] if self.day else []
        return [(scope, parse_loss_limit(text)) for scope, text in texts]


class StaleConfig(Section, frozen=True):
    """[guardian.stale.TAG]: maximum age of orders of the robot with that tag; "*": of all other robots."""

    cancel_after: str = ""  # "60s": age at which they are canceled; "": never
    take_after: str = ""  # "5s": age at which a share of the open quantity is sent as IOC, once
    take_share: str = "30%"
    take_within: str = "0.2%"  # the IOC's limit: this far above the best bid, for a seller below the best ask


class GuardianConfig(Section, frozen=True):
    """[guardian]: risk control independent of the robots; the process `guardian`."""

    enabled: bool = True
    # Distances of stops from the entry price; each closes a share of the position.
    ladder: list[str] = msgspec.field(default_factory=lambda: ["5%", "5.5%", "6%", "6.5%", "7%"])
    hard_stop: str = "7%"  # beyond this distance from its entry a position is flattened; "": never
    look_back: str = ""  # "500m": no stop is beyond the low (short: high) of the last 500 minutes. "": off
    look_back_beyond: str = ""  # "0.5%": stops may be this far beyond that low or high
    take_profit: list[str] = []  # distances on the profit side of the entry price
    total_loss: str = ""  # "100 USDT": unrealized loss at which all USDT positions are flattened. "": off
    trigger_by: Literal["last", "mark"] = "last"  # the price that stops at the venue watch
    confirm: str = "300ms"  # a price from one kind of message counts after this time and two messages
    standby: bool = False  # `up` starts a second guardian, which takes over when the first has ended
    takeover_after: str = "5s"  # a gateway dead for this long is bypassed by the guardian. "": never
    symbols: dict[str, GuardedSymbolConfig] = {}
    accounts: dict[str, GuardedAccountConfig] = {}
    halts: HaltsConfig = HaltsConfig()
    stale: dict[str, StaleConfig] = {}
    orphaned_stops: str = ""  # "10s": cancel robots' trigger orders with no position to close. "": never


class RecorderConfig(Section, frozen=True):
    """[recorder]: projects tapes into SQL."""

    enabled: bool = True
    url: str = ""  # default: SQLite at <home>/store.db


class ControlConfig(Section, frozen=True):
    """[control]: the REST control plane."""

    enabled: bool = True
    host: str = "127.0.0.1"  # any address but loopback needs tokens and TLS
    port: Port = 3000  # 0: a free port, shown by status
    hosts: list[str] = []  # host names beside its own and those of loopback
    tls_cert: str = ""  # files, PEM; "": plain HTTP
    tls_key: str = ""
    calls_per_second: int = 100  # per token, or per address without a token; 0: no limit
    market_age: str = "2s"  # no trades on an account whose newest price is older,
    account_age: str = "90s"  # or whose balances the venue has not confirmed for this long
    needs_alerts: bool = False  # true: while a sink of [notify] fails, requests that add risk are refused (1004)


class DashboardConfig(Section, frozen=True):
    """[dashboard]: the web pages."""

    enabled: bool = True
    host: str = "127.0.0.1"  # any address but loopback needs TLS
    port: Port = 8080  # if not set and taken, the next free port; 0: any free port, shown by status
    hosts: list[str] = []  # host names beside its own and those of loopback
    tls_cert: str = ""  # files, PEM; "": plain HTTP
    tls_key: str = ""
    read_only: bool = False  # pages are read-only


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
TRADE_TYPES: Final = ("fill", "position", "day")  # alerts about trades, from the recorder; sent if named


class RouteConfig(Section, frozen=True):
    """[notify.routes.NAME]: which alerts go to which destinations."""

    urls: list[str] = []  # apprise URLs; env:NAME or file:/path where they hold a secret
    severity: Literal["info", "warn", "critical"] = "info"  # and above
    types: list[AlertType] = []  # []: all faults; "fill", "position" and "day" (result of a day) only if named
    after: str = ""  # "10m": send only alerts unacknowledged for 10 minutes, repeated every 10. "": at once
    quiet: str = ""  # "22:00-07:00 Europe/Berlin": only critical alerts are sent then; without a zone it is UTC
    per_minute: int = 0  # limit of alerts, critical ones excepted; 0: none
    title: str = ""  # "{severity} {subject}": format with NOTIFY_FIELDS; "": default
    body: str = ""


class TelegramConfig(Section, frozen=True):
    """[notify.telegram]: a bot for questions and commands by telephone; the process `telegram`."""

    token: str  # the bot's token: env:NAME, file:/path or fd:N
    chats: list[int] = []  # ids of users or groups that may use it
    api: str = "https://api.telegram.org"  # another Bot API server


class NotifyConfig(RouteConfig, frozen=True):
    """[notify]: destinations of alerts; itself a route."""

    batch: str = "10s"  # fills and positions within this time are one alert
    routes: dict[str, RouteConfig] = {}
    telegram: TelegramConfig | None = None

    @property
    def trade_types(self) -> list[str]:
        """Returns the types of trade alerts that any route names."""
        return [each for each in TRADE_TYPES if any(each in route.types for route in (self, *self.routes.values()))]


class MetricsConfig(Section, frozen=True):
    """[metrics]: figures for Prometheus, on this machine's loopback; without the section there are none."""

    enabled: bool = True
    port: Port = 9464  # 0: a free one, shown by status


class S3Config(Section, frozen=True):
    """[s3]: an S3-compatible store for `export public`. key, secret: env:NAME or file:/path."""

    endpoint: str = ""  # default: Amazon's of the region
    region: str = "us-east-1"
    key: str = ""
    secret: str = ""


class BridgeConfig(Section, frozen=True):
    """[bridge]: the process that reaches venues through ccxt."""

    python: str = ""  # Python with ccxt installed; default: <home>/bridge/bin/python


class RetentionConfig(Section, frozen=True):
    """[retention]: how long journals are kept while the system runs."""

    every: str = "1h"
    older: str = ""  # "90d": maximum age of ended segments; "": no limit
    size: str = ""  # "50GiB": size of each journal, oldest segments go first; "": no limit
    runs: Literal["keep", "drop"] = "keep"  # segments needed to replay a run: keep, or remove as well
    compress: bool = True  # compress closed segments; they stay readable


class LogsConfig(Section, frozen=True):
    """[logs]: how long the supervisor's log is kept."""

    keep: str = "90d"  # "": no age limit
    size: str = "1GiB"  # all log files together; the oldest are removed


class ClusterConfig(Section, frozen=True):
    """[cluster]: several machines, which copy each other's journals over NATS."""

    enabled: bool = True
    servers: list[str] = []  # NATS servers: nats://host:port on this machine, tls://host:port elsewhere
    credentials: str = ""  # content of a NATS credentials file: env:NAME, file:/path or fd:N; none on loopback
    ca: str = ""  # file with the certificates that vouch for the servers [default: those of the machine]
    host: str = ""  # this machine's name among the others [default: its host name]
    follow: list[str] = []  # journals of other hosts to copy, patterns of host/journal: "tokyo-*/journal/gateway-*"
    name: str = "onetape"  # first word of all subjects; clusters that share servers need different ones
    files: list[str] = []  # what `deploy` brings beside the Python files of the folder: "models/*.json"


class HostConfig(Section, frozen=True):
    """[hosts.NAME]: one of several machines that share this file."""

    processes: list[str] = []  # what it runs, names or patterns: "hub", "robot:*". The first host runs the rest
    proxy: str = ""  # of [proxies], for its collectors and accounts that name none
    ssh: str = ""  # how `deploy` reaches it, as after `ssh`: "trader@10.0.0.1"
    folder: str = "onetape"  # where `deploy` installs it, from the folder of its login


class Config(Section, frozen=True):
    """The whole of onetape.toml."""

    venues: dict[str, VenueConfig] = {}
    accounts: dict[str, AccountConfig] = {}
    robots: dict[str, RobotConfig] = {}
    collectors: dict[str, CollectorConfig] = {}
    proxies: dict[str, ProxyConfig] = {}
    webhooks: dict[str, WebhookConfig] = {}
    hosts: dict[str, HostConfig] = {}
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
    symbols: dict[str, list[str]] = {}  # own name -> symbols at venues
    places: dict[str, str] = {}  # dotted key -> file and line, or variable

    @property
    def trades_at_venues(self) -> bool:
        """Returns True when an account is at a real venue, with money or in its demo."""
        return any(self.venues[each.venue].mode != "sim" for each in self.accounts.values())

    def has(self, *path: str) -> bool:
        """Returns True when the key, or something below it, was written."""
        name = ".".join(path)
        return any(each == name or each.startswith(f"{name}.") for each in self.places)

    def location(self, *path: str) -> str:
        """Returns file and line (or variable) of a key, else of the nearest section around it or of a key within it;
        "": none."""
        names = [".".join(path[:length]) for length in range(len(path), 0, -1)]
        names += [each for each in self.places if each.startswith(f"{names[-1]}.")]
        return next((self.places[name] for name in names if name in self.places), "")
