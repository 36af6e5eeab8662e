"""Requests and answers of the REST interface. Fields are camelCase on the wire, times milliseconds since 1970 UTC,
amounts of a symbol in units of its base currency.

One description for the server, the OpenAPI document, the client and the command line: types and bounds are checked
when a request is parsed (msgspec), and an unknown field is refused with its name, never ignored.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta

from onetape.model.sections import AlertType
from onetape.model.typed import Millis
from onetape.web.replies import ErrorReply as ErrorReply

Share = Annotated[float, Meta(ge=0, le=1)]
Amount = Annotated[float, Meta(gt=0)]
Base = Annotated[float, Meta(gt=0, le=1e12)]
Delta = Annotated[float, Meta(ge=-1e12, le=1e12)]
Name = Annotated[str, Meta(min_length=1, max_length=100)]
Account = Annotated[str, Meta(max_length=100)]  # bounds what is stored of an unknown name
Level = Base | Annotated[str, Meta(pattern=r"^[0-9]{1,6}(\.[0-9]{1,9})?%$")]  # a price, or "2%" of the entry's price
Accounts = Annotated[list[Account], Meta(min_length=1, max_length=100)]
SomeAccounts = Annotated[list[Account], Meta(max_length=100)]
UTILIZATION_BAND = 0.1
FILLS_MAX = 1000  # of each account
Direction = Literal["increase", "decrease", "maintain"]
AlertKind = Annotated[str, Meta(pattern=f"^({'|'.join(get_args(AlertType))})-alert$")]  # a typo is an error
Severity = Literal["INFO", "WARN", "CRITICAL"]
FeedState = Literal["healthy", "degraded", "failing"]
HedgeAlgorithm = Literal["touch", "join", "peg", "iceberg", "twap", "vwap", "shortfall", "pov"]
HedgeStrategy = Literal["delta-neutral", "cross-platform", "same-platform"]


class Request(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A body of a POST."""


class Reply(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=False):
    """A body of an answer."""


# --- delta ------------------------------------------------------------------------------------------------------------


class Worked(Request, frozen=True):
    """A body whose legs may be worked first. algo: does it for `work_for` ms, with orders of `clip` base, before the
    rest is taken; touch: takes at once. profile: for vwap, volumes of equal parts of the time. participation: the
    share of the market's volume that pov takes, and that twap, vwap and shortfall do not exceed."""

    algo: HedgeAlgorithm = "touch"
    work_for: Annotated[int, Meta(ge=0, le=600_000)] = 0
    clip: Base | None = None
    profile: Annotated[list[Annotated[float, Meta(ge=0)]], Meta(max_length=1440)] = []
    participation: Annotated[float, Meta(gt=0, le=1)] | None = None


class DeltaControl(Worked, frozen=True, kw_only=True):
    """The body of POST /delta/control. on_busy: if another operation runs on the same symbol: this one waits, or is
    refused."""

    target_delta: Delta
    accounts: Accounts
    max_deviation: Share
    symbol: Name
    tolerance_percent: Share = 0.05
    dry_run: bool = False
    on_busy: Literal["wait", "refuse"] = "wait"


class LegCost(Reply, frozen=True):
    """The expected cost of a leg, in its account's settle currency; funding: until the next payment."""

    fee: float
    spread: float
    impact: float
    funding: float | None = None


class PlannedLeg(Reply, frozen=True):
    account_id: str
    symbol: str  # the account's own instrument
    side: Literal["buy", "sell"]
    amount: float
    limit: float  # its worst price
    reduces: bool
    cost: LegCost
    checks: list[dict[str, Any]] = []  # {rule, passed, figure, limit} of the account's gateway


class Plan(Reply, frozen=True):
    """The planned trades. legs: in the order of sending. blocked: refusals if it were sent now: {code, error,
    account}. algo: works the legs for `work_for` ms; costs are those of taking all of it."""

    legs: list[PlannedLeg]
    parallel: bool
    expected_delta: float
    expected_cost: float
    blocked: list[dict[str, Any]] = []
    considered: list[dict[str, Any]] = []  # accounts that were not chosen, with the reason
    algo: str = "touch"
    work_for: int = 0


class ExecutedOrder(Reply, frozen=True):
    """An order with fills. symbol: as the call named it; instrument: the account's own."""

    order_id: str
    account_id: str
    symbol: str
    amount: float
    side: Literal["buy", "sell"]
    executed_price: float
    fees: float  # in the settle currency, including the worth of fees in other coins
    timestamp: Millis
    frames: dict[str, Any] = {}  # journal and sequences of its frames
    other_fees: dict[str, float] = {}  # fees charged in other coins, by coin
    instrument: str = ""


class HedgeResult(Reply, frozen=True):
    """The result of a hedge, or of the adjustments of a delta control."""

    success: bool
    executed_orders: list[ExecutedOrder]
    total_cost: float  # traded notional
    execution_time: float  # ms
    net_delta_change: float
    slippage: float  # of notional, against the mid at the time of planning
    error: str | None = None
    code: int | None = None  # of the error: 1002, 1003, or the refusal's


class DeltaControlReply(Reply, frozen=True):
    success: bool
    operation_id: str
    timestamp: Millis
    initial_delta: float
    final_delta: float
    delta_deviation: float
    accounts_processed: list[str]
    total_adjustments: int
    execution_time: float  # ms
    adjustment_needed: bool
    hedge_results: HedgeResult | None = None
    plan: Plan | None = None
    reason: str | None = None
    error: str | None = None
    code: int | None = None


class HedgeExecute(Worked, frozen=True, kw_only=True):
    """The body of POST /hedge/execute. timeout: ms of the whole operation. maker_first: ms of algo peg before the rest
    is taken."""

    symbol: Name
    hedge_amount: Base
    target_accounts: SomeAccounts = []  # []: every account that has the symbol
    hedge_strategy: HedgeStrategy = "delta-neutral"
    side: Literal["buy", "sell"] | None = None  # None: against the net delta; if that is zero: buy
    max_slippage: Share = 0.005
    timeout: Annotated[int, Meta(ge=1, le=600_000)] = 30_000
    parallel: bool = True
    maker_first: Annotated[int, Meta(ge=0, le=600_000)] = 0
    dry_run: bool = False
    on_busy: Literal["wait", "refuse"] = "wait"


class HedgeReply(HedgeResult, frozen=True, kw_only=True):
    operation_id: str
    timestamp: Millis
    status: Literal["completed", "partial", "failed", "planned", "none"] = "completed"
    delta_after: float | None = None
    plan: Plan | None = None
    reason: str | None = None


# --- utilisation ------------------------------------------------------------------------------------------------------


class UtilizationRebalance(Worked, frozen=True, kw_only=True):
    """The body of POST /utilization/rebalance. max_rebalance_amount: base units of one account's adjustment."""

    target_utilization: Share
    accounts: Accounts
    symbol: Name
    tolerance_percent: Share = 0.1
    max_rebalance_amount: Base | None = None
    transfers: bool = False  # margin may move between accounts where venues allow it
    dry_run: bool = False
    on_busy: Literal["wait", "refuse"] = "wait"


class RebalanceAction(Reply, frozen=True):
    account_id: str
    action: Direction
    current_utilization: float
    target_utilization: float
    adjustment_amount: float


class UtilizationMetrics(Reply, frozen=True):
    account_id: str
    current_utilization: float
    target_utilization: float
    deviation_percent: float  # (current - target) / target
    within_tolerance: bool


MoveState = Literal["planned", "unavailable", "moving", "returning", "arrived", "returned", "failed", "stranded"]


class MarginMove(Reply, frozen=True):
    """A move of margin between accounts. transfers: ids at the gateways, in order; due: expected arrival, ms."""

    source: str
    target: str
    state: MoveState
    currency: str = ""
    amount: float = 0.0
    operation_id: str | None = None
    transfers: list[str] = []
    due: Millis | None = None
    reason: str | None = None


class RebalanceReply(Reply, frozen=True):
    """The result of a rebalance. rebalance_actions: from the values at its beginning; utilization_metrics and
    average_utilization: present ones."""

    success: bool
    operation_id: str
    timestamp: Millis
    target_utilization: float
    accounts_processed: list[str]
    average_utilization: float
    rebalance_needed: bool
    rebalance_actions: list[RebalanceAction]
    utilization_metrics: list[UtilizationMetrics]
    execution_time: float
    executed_orders: list[ExecutedOrder] = []
    transfers: list[MarginMove] = []
    net_delta_change: float = 0.0
    plan: Plan | None = None
    reason: str | None = None
    error: str | None = None
    code: int | None = None


# --- automatic mode ---------------------------------------------------------------------------------------------------


class DeltaAuto(Request, frozen=True):
    """The body of POST /delta/auto. band: permitted deviation of the net delta from the target, base units; times in
    ms; max_cost: per UTC day, in the quote currency; patience: with an unhealthy venue, until it stops; keep_margin:
    legs are kept from liquidation, with transfers of other accounts' margin where venues allow it; carry: the pair
    is reversed if the other side earns funding; carry_size: base of each side, None: of the present pair.
    target_utilization: None: any; utilization_band: permitted deviation of accounts from it; max_rebalance_amount:
    base that one of them trades at a time, None: any."""

    symbol: Name
    accounts: SomeAccounts = []  # []: every account that has the symbol
    enabled: bool = True
    target: Delta = 0.0
    band: Amount = 0.01
    interval: Annotated[int, Meta(ge=100, le=86_400_000)] = 5_000
    cooldown: Millis = 30_000
    max_cost: Amount | None = None
    patience: Millis = 60_000
    keep_margin: bool = True
    transfers: bool = False
    carry: bool = False
    carry_size: Amount | None = None
    target_utilization: Share | None = None
    utilization_band: Annotated[float, Meta(gt=0, le=1)] = UTILIZATION_BAND
    max_rebalance_amount: Amount | None = None


class AutoDecision(Reply, frozen=True):
    """A decision of automatic mode. count: number of equal ones in a row, the last at `timestamp`."""

    timestamp: Millis
    action: str
    reason: str
    count: int = 1
    operation_id: str | None = None


class AutoState(Reply, frozen=True):
    settings: DeltaAuto
    stopped: str | None  # why it has stopped by itself
    cost_today: float
    decisions: list[AutoDecision]  # newest first


class AutoReply(Reply, frozen=True):
    pairs: list[AutoState]


class DeltaLeg(Reply, frozen=True):
    """One account's side of a symbol. ages: of the figures' sources, ms."""

    account_id: str
    symbol: str  # the account's own instrument
    delta: float
    mark: float
    utilization: float
    funding_rate: float | None = None
    funding_at: Millis | None = None
    refusal: str = ""
    ages: dict[str, float] = {}


class DeltaState(Reply, frozen=True):
    symbol: str
    net_delta: float
    legs: list[DeltaLeg]
    automatic: bool = False


class DeltaStatus(Request, frozen=True):
    symbol: Name | None = None


class DeltaStatusReply(Reply, frozen=True):
    """The state of a symbol's delta. transfers: of margin under way now: off their sources, and in no account's
    figures yet."""

    timestamp: Millis
    symbols: list[DeltaState]
    transfers: list[MarginMove] = []


# --- symbols ----------------------------------------------------------------------------------------------------------


class AccountInstrument(Reply, frozen=True):
    """One account's instrument of a symbol. multiplier: base units of one contract, or units of the quote currency
    if it is inverse."""

    account_id: str
    symbol: str
    raw_symbol: str
    base: str
    quote: str
    settle: str
    multiplier: float
    inverse: bool


class NeutralSymbol(Reply, frozen=True):
    symbol: str
    configured: bool  # by [symbols]; else found by its base currency
    instruments: list[AccountInstrument]


class SymbolsReply(Reply, frozen=True):
    symbols: list[NeutralSymbol]


# --- risk -------------------------------------------------------------------------------------------------------------


class RiskMetrics(Reply, frozen=True):
    """The risk of one account. delta_deviation: of the coin `delta_unit`, from 0; in a history it is the net
    notional, of that currency. leverage: gross notional over equity, None without equity; drawdown: the greatest
    loss as a share of a peak of equity. ages: of each figure's sources, ms. unpriced: coins without a price, which
    equity leaves out."""

    account_id: str
    delta_deviation: float
    utilization_rate: float
    leverage_ratio: float | None
    unrealized_pnl: float
    max_drawdown: float
    timestamp: Millis
    delta_unit: str = ""
    ages: dict[str, float] = {}
    unpriced: list[str] = []


class History(Request, frozen=True):
    """Queries the history. since: only newer rows."""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    since: Millis | None = None


class AlertFilter(Request, frozen=True):
    """Queries the alerts. all: also ended and acknowledged ones."""

    account_id: str | None = None
    severity: Severity | None = None
    type: AlertKind | None = None
    all: bool = False


class Acknowledge(Request, frozen=True):
    reason: str = ""


class Alert(Reply, frozen=True):
    id: str
    type: str
    severity: Severity
    account_id: str
    message: str
    timestamp: Millis
    data: dict[str, Any]
    acked: bool = False


# --- accounts ---------------------------------------------------------------------------------------------------------


class AccountSync(Request, frozen=True):
    accounts: Accounts
    include_positions: bool = True
    include_balances: bool = True
    timeout: Annotated[int, Meta(ge=1, le=600_000)] = 10_000  # ms, of each account


class AccountState(Reply, frozen=True, kw_only=True):
    """The state of one account. net_position: base units of the coin with the largest position, over all of its
    symbols; `positions` has each."""

    account_id: str
    exchange: str
    total_balance: float
    available_balance: float
    net_position: float
    unrealized_pnl: float
    entry_price: float | None = None
    current_price: float | None = None
    leverage: float | None = None
    last_updated: Millis
    ages: dict[str, float] = {}  # ms since it was `reconciled`
    positions: list[dict[str, Any]] = []
    balances: dict[str, str] = {}
    unpriced: list[str] = []  # coins without a price, which `total_balance` leaves out


class SyncReply(Reply, frozen=True):
    success: bool
    synced_accounts: list[str]
    failed_accounts: list[str]
    sync_time: float  # ms
    account_states: list[AccountState]
    errors: list[str] = []  # one for each account that failed, with its name


# --- orders -----------------------------------------------------------------------------------------------------------


class PlaceOrder(Request, frozen=True, kw_only=True):
    """The body of POST /orders. quantity, price, trigger: in the units of the account's instrument, as `onetape buy`
    takes them. type: follows from the price if it is left out. expire: with GTD. stop_loss, take_profit: prices, or
    shares of the entry's average price ("2%"); several take-profits as [level, share of the entry]."""

    account: Account
    symbol: Name
    side: Literal["buy", "sell"]
    quantity: Base
    type: Literal["market", "limit"] | None = None
    price: Base | None = None
    time_in_force: Literal["GTC", "IOC", "FOK", "GTD"] = "GTC"
    expire: Millis | None = None
    post_only: bool = False
    reduce_only: bool = False
    position_side: Literal["both", "long", "short"] = "both"  # long or short: on an account in hedge mode
    trigger: Base | None = None
    trigger_by: Literal["last", "mark", "index"] = "last"
    kind: Literal["stop", "take_profit"] | None = None
    stop_loss: Level | None = None
    take_profit: Level | Annotated[list[tuple[Level, Share]], Meta(min_length=1, max_length=20)] | None = None
    dry_run: bool = False


class CancelOrder(Request, frozen=True):
    """The query of DELETE /orders/{id}. account: where to look; all of them if it is left out."""

    account: Account | None = None
    dry_run: bool = False


class Listed(Request, frozen=True):
    """The query of GET /orders and GET /positions."""

    account: Account | None = None
    symbol: Name | None = None


class ListedFills(Listed, frozen=True):
    """The query of GET /fills. since: only later ones."""

    limit: Annotated[int, Meta(ge=1, le=FILLS_MAX)] = 100
    since: Millis | None = None


class ListedBalances(Request, frozen=True):
    """The query of GET /balances."""

    account: Account | None = None


class Order(Reply, frozen=True):
    """An order. Amounts and prices are decimal text. order_id: ours, as the venue has it; robot: who placed it; tag: of
    a stop or take-profit, the entry that it protects. average_price, kind, tag, created: only in lists. An order that
    ended long ago has its id and state alone."""

    order_id: str
    state: str
    account: str = ""
    venue_id: str | None = None
    symbol: str = ""
    side: str = ""
    position_side: str = "both"
    type: str = ""
    kind: str | None = None  # of the trigger
    price: str | None = None
    trigger: str | None = None
    quantity: str | None = None
    filled: str | None = None
    remaining: str | None = None
    average_price: str | None = None
    code: int = 0  # error number of a refusal, 0: none
    reason: str = ""
    robot: str = ""
    tag: str = ""
    created: Millis | None = None


class OrderReply(Reply, frozen=True):
    """The orders placed or canceled; for a dry run those that would be canceled. checks: {symbol, rule, passed, figure,
    limit} of the gateway. blocked: refusals: {code, error}."""

    success: bool
    operation_id: str
    timestamp: Millis
    status: Literal["applied", "passed", "refused"]  # passed: by a dry run
    orders: list[Order]
    checks: list[dict[str, Any]] = []
    blocked: list[dict[str, Any]] = []
    error: str | None = None
    code: int | None = None


class Position(Reply, frozen=True):
    """A position. Amounts and prices are decimal text; quantity: signed, in the instrument's units. alive: the
    account's gateway runs; else the state is that of the end of its journal."""

    account: str
    symbol: str
    side: str
    quantity: str
    entry_price: str | None
    price: str | None
    unrealized: str | None
    realized: str | None
    currency: str
    alive: bool


class Fill(Reply, frozen=True):
    """A fill. Amounts and prices are decimal text. order_id: of our order, "" if it is not ours; internal: traded
    between sub-accounts, not at the venue."""

    id: str
    order_id: str
    account: str
    symbol: str
    side: str
    position_side: str
    price: str
    quantity: str
    fee: str
    fee_currency: str
    liquidity: str
    internal: bool
    robot: str
    timestamp: Millis


class Balance(Reply, frozen=True):
    """An account's balance of one currency. Amounts are decimal text. subaccounts: by name {index, total, available,
    locked}; data_age: ms; alive: the account's gateway runs, else it is the state at the end of its journal."""

    venue: str
    account: str
    currency: str
    total: str
    available: str
    locked: str
    subaccounts: dict[str, dict[str, Any]]
    data_age: float
    alive: bool


# --- market -----------------------------------------------------------------------------------------------------------


class Feed(Reply, frozen=True):
    feed_id: str
    status: FeedState
    latency: float | None  # ms
    last_update: Millis
    error_count: int


class FeedsReply(Reply, frozen=True):
    feeds: list[Feed]
    active_feed: str | None
    last_failover: Millis | None


class Failover(Request, frozen=True):
    target_feed: Name
    reason: str = ""


class FailoverReply(Reply, frozen=True):
    success: bool
    operation_id: str
    timestamp: Millis
    previous_feed: str | None
    active_feed: str | None


# --- system -----------------------------------------------------------------------------------------------------------


class Service(Reply, frozen=True):
    name: str
    status: str
    last_heartbeat: Millis
    error_count: int


class Performance(Reply, frozen=True):
    """The load of the last minute; memory in MB, of all processes; cpu in percent of one core."""

    avg_response_time: float
    operations_per_second: float
    memory_usage: float
    cpu_usage: float


class SystemStatus(Reply, frozen=True):
    status: Literal["running", "stopped", "error"]
    uptime: float  # ms since the start or the last restart
    services: list[Service]
    performance: Performance
    active_accounts: int
    total_operations: int


class SystemCommand(Request, frozen=True):
    reason: str = ""


class SystemReply(Reply, frozen=True):
    success: bool
    operation_id: str
    timestamp: Millis
    status: Literal["running", "stopped", "error"]


class Caller(Reply, frozen=True):
    """The caller of a token. Without tokens: anonymous, with all scopes."""

    actor: str
    scopes: list[Literal["read", "trade", "admin", "kill"]]
    token: bool = True  # False: the call had no token
    expires: Millis | None = None


class OperationReply(Reply, frozen=True):
    """An operation on the process's tape: actor, request, answer (missing while it runs), and its records in order."""

    operation_id: str
    kind: str
    actor: str
    timestamp: Millis
    done: bool
    request: dict[str, Any]
    answer: dict[str, Any] | None = None
    records: list[dict[str, Any]] = []
