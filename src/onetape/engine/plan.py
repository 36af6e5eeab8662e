"""Describe a run in run.toml: everything that decides its result."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from onetape.engine.accounts import SHARED, Accounts, as_texts, at_par, from_texts
from onetape.engine.by_venue import ByVenue, split_by_venue
from onetape.engine.impact import Impact, parse_impact
from onetape.engine.latency import Latency
from onetape.engine.queue_model import CONSERVATIVE
from onetape.engine.trading_hours import Sessions, TradingHours, parse_hours
from onetape.engine.venue_options import VenueOptions
from onetape.model.errors import BadConfig
from onetape.model.symbol import at_exchange
from onetape.tape.durable import write_durably

__all__ = [
    "DEFAULT_CASH",
    "DETAIL",
    "MARKET",
    "LiveRobot",
    "RunPlan",
    "Seat",
    "TapeInput",
    "live_robot_of",
    "read_plan",
    "seat_record",
    "toml_value",
    "write_plan",
]

DEFAULT_CASH = Decimal(100_000)
Fee = tuple[Decimal, Decimal]
T = TypeVar("T")
MARKET, DETAIL = "market", "detail"  # for robot and exchange; for the exchange alone (--detail-data)
SEQUENCE_NEVER = 2**63 - 1
BAR_VOLUME_SHARE = 500_000  # in 1e-6 of a bar's volume: half of it
AT_OPEN, AT_LIMIT = "open", "at-limit"  # fill price of a resting limit when a bar opens beyond it


@dataclass(frozen=True, slots=True)
class TapeInput:
    """One journal that a run reads, and which part of it."""

    path: str
    uuid: str = ""
    epoch: int = 0
    first_sequence: int = 0
    last_sequence: int = 0
    crc: int = 0  # chain value of the last frame taken, to verify the range
    hash: str = ""  # seal (SHA-256) of the last sealed segment within the range, if there is one
    role: str = MARKET

    @property
    def is_detail(self) -> bool:
        return self.role == DETAIL


class History(NamedTuple):
    """Bars from before a live robot's start, reported by its venue in frames `first` to `last` of the gateway's tape.
    period: ns; bars: number of completed bars; reason: why there are fewer than requested, "": there are enough."""

    symbol: str
    period: int
    first: int
    last: int
    bars: int
    reason: str = ""

    @property
    def is_reported(self) -> bool:
        """True when the venue has reported at least the bar running at the start."""
        return self.last >= self.first


@dataclass(frozen=True, slots=True)
class Seat:
    """A robot's registration at one gateway; number 0: a paper robot that follows the gateway. number: the robot's
    number there. venue: of the symbols it trades there, "": all, it has no other seat. since: frame of the tape from
    which orders and fills with its number are its own; run_from: orders and fills after this frame belong to this
    run; heard: how many of them are on the run's journal."""

    number: int = 0
    account: str = ""
    venue: str = ""
    currencies: dict[str, int] = field(default_factory=dict)  # numbers of fee currencies so far
    slot: int = 0  # the robot's sub-account; 0: an older run, not recorded
    leverage: float = 1.0  # used for sub-accounts' margin
    entries_after: int = 0  # frame of the tape: ledger entries up to it are in the cash
    others: dict[str, str] = field(default_factory=dict)  # money that no instrument uses, at the start
    since: int = 0
    run_from: int = SEQUENCE_NEVER
    heard: int = 0


@dataclass(frozen=True, slots=True)
class LiveRobot(Seat):
    """A live robot: its seat at the first tape's gateway, and the base of its order ids. more: seats at further
    gateways, whose tapes come next. life: number of the incarnation, from 1. memory: MessagePack, at the start.
    positions: last frame of each tape before the start, [] before this is known. order: in which order frames of the
    other tapes were taken: (last frame taken of the first tape, number of the tape, its frame). halted_at:
    halted_after for each tape. market: symbols of the gateways with market data from the hub, whose tape is the last;
    market_more: further symbols followed there; market_from: first frame read of the hub's tape; market_named: the
    gateways' instruments are known before the hub's tape is read (runs before December 2026: only those that began a
    gateway's tape). run.toml describes the first incarnation, the run's journal the later ones
    (engine/incarnations.py)."""

    order_base: int = 0
    more: list[Seat] = field(default_factory=list)
    halted_after: int = 0  # frame of the first tape after which its end was requested; 0: never
    stopped: bool = False  # the operator had stopped it before its start
    life: int = 1
    restart: str = ""  # "memory", "replay" or "fresh": kind of restart; "": no restart
    memory: bytes = b""
    positions: list[int] = field(default_factory=list)
    order: list[tuple[int, int, int]] = field(default_factory=list)
    halted_at: list[int] = field(default_factory=list)
    market: list[str] = field(default_factory=list)
    market_more: list[str] = field(default_factory=list)
    market_from: int = 0
    market_named: bool = False

    def is_of_hub(self, source: int) -> bool:
        """Returns True when the tape with that number is the hub's."""
        return source == len(self.seats) and bool(self.market)

    @property
    def seats(self) -> list[Seat]:
        """Its seats, by the number of the tape."""
        return [self, *self.more]

    def gateway_of(self, venue: str) -> int:
        """Returns the number of the tape of the gateway that trades a venue's symbols."""
        return next((at for at, seat in enumerate(self.seats) if seat.venue == venue), 0)


@dataclass(frozen=True, slots=True)
class RunPlan:
    """Everything that decides a run, beside the tapes and the strategy's source. A session adds facts that it finds
    to its own copy."""

    strategy: str  # file.py:Class, relative to the run's source folder once it is kept
    params: dict[str, Any] = field(default_factory=dict)
    symbol: str | None = None  # filter
    start: int | None = None  # ns, inclusive
    end: int | None = None  # ns, exclusive
    cash: dict[str, Decimal] = field(default_factory=dict)  # of one account for all venues
    accounts: Accounts = field(default_factory=dict)  # by venue, where accounts are separate
    account_names: dict[str, str] = field(default_factory=dict)  # by venue, where it differs
    fee: Fee | None = None  # maker, taker: replace the instruments' own
    fees: dict[str, Fee] = field(default_factory=dict)  # by named venue
    fee_volume: Decimal = Decimal(0)  # traded in the thirty days before the start, quote currency
    fee_volumes: dict[str, Decimal] = field(default_factory=dict)  # by named venue
    leverage: int = 1
    margin: str = "cross"
    hedge: bool = False
    latency: Latency = field(default_factory=Latency)
    latencies: dict[str, Latency] = field(default_factory=dict)  # by named venue
    venue: VenueOptions = field(default_factory=VenueOptions)
    hours: TradingHours | Sessions | None = None  # when the robot trades; None: always
    queue: str = CONSERVATIVE
    queue_fit: str = ""  # of a model from a file: the fit's data and its error
    fuse: bool = False  # quotes change the exchange's book between depth messages
    filter: bool = False  # bad ticks are hidden from exchange and robot
    bar_volume_share: int = BAR_VOLUME_SHARE
    limit_fills: str = AT_OPEN
    # Against bars protective orders leave together with their entry; older runs are replayed without.
    legs_with_entry: bool = True
    impact: Impact | None = None  # how own takers move the market; None: not at all
    impact_fit: str = ""  # of a law from a file: the fit's data and its error
    interpret: bool = False  # run a @compiled strategy as Python
    seed: int = 1
    on_error: str = "halt"
    # How statistics are annualised (report/annual.py); no decision depends on it.
    year: str = "365"
    riskless: float = 0.0
    kind: str = "backtest"  # backtest | paper | live
    live: LiveRobot | None = None  # orders go to a gateway, and their events come with its tape
    inputs: list[TapeInput] = field(default_factory=list)
    sample_every: int = 0  # ns between equity samples
    bar_sources: dict[str, str] = field(default_factory=dict)  # "symbol period" -> source of the bars
    history: list[History] = field(default_factory=list)  # of a live robot: bars reported by the venue

    @property
    def is_at_gateway(self) -> bool:
        """True when orders go to a venue; else the run has a simulated exchange."""
        return self.live is not None and self.live.number > 0

    @property
    def money(self) -> Accounts:
        """Returns the cash of each account; the one shared by all venues is called SHARED."""
        return self.accounts or {SHARED: self.cash}

    @property
    def currency(self) -> str:
        """The equity's currency: the first one of the cash."""
        return next(iter(next(iter(self.money.values()))))

    def counts(self, currency: str) -> bool:
        """Returns True when money of this currency is part of the run's equity and profit."""
        return currency == self.currency or (bool(self.accounts) and at_par(currency, self.currency))

    @property
    def named_accounts(self) -> dict[str, str]:
        """Returns account name -> venue of its symbols; an account without a name is named after its venue."""
        return {self.account_names.get(venue, venue): venue for venue in self.money}

    def own_of(self, options: Mapping[str, T], venue: str) -> T | None:
        """Returns an option's value for exactly this account's venue, or None."""
        return options.get(f"{at_exchange(venue)}@{self.account_names.get(venue, '')}", options.get(venue))

    def option_of(self, options: Mapping[str, T], venue: str) -> T | None:
        """Returns an option's value for the account's venue, else for its exchange, else None."""
        own = self.own_of(options, venue)
        return options.get(at_exchange(venue)) if own is None else own

    def fee_of(self, venue: str) -> Fee | None:
        """Returns the fees and tiers that replace those of a venue's instruments; None: the instruments' own apply."""
        return self.option_of(self.fees, venue) or self.fee

    def latency_of(self, venue: str) -> Latency:
        """Returns the latency of orders and answers to and from a venue."""
        return self.option_of(self.latencies, venue) or self.latency


def parse_fees(options: ByVenue) -> tuple[Fee | None, dict[str, Fee]]:
    """Parse `0.0002,0.0005` and `kraken=0.0016,0.0026`: fees of all venues that are not named, and of those that
    are."""
    todo = "write MAKER,TAKER as 0.0002,0.0005, or kraken=0.0016,0.0026 for one venue"
    common, named = split_by_venue(options, location="--fee", todo=todo)
    fees = {venue: parse_fee(text) for venue, text in named.items()}
    return None if common is None else parse_fee(common), fees


def parse_fee(text: str) -> Fee:
    """Parse `0.0002,0.0005`: maker and taker share of notional; one number serves both."""
    try:
        values = [Decimal(part.strip()) for part in text.split(",")]
    except ArithmeticError:
        values = []
    if not 1 <= len(values) <= 2 or any(not v.is_finite() or abs(v) >= 1 for v in values):
        raise BadConfig(f"fee {text!r}", location="--fee", todo="write MAKER,TAKER as 0.0002,0.0005")
    return values[0], values[-1]


def parse_volumes(text: str) -> tuple[Decimal, dict[str, Decimal]]:
    """Parse `5000000` or `binance=5000000,kraken=20000,1000`: the volume traded before, in quote currency, at every
    venue that is not named and at those that are."""
    common: Decimal | None = None
    named: dict[str, Decimal] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        venue, equals, number = part.rpartition("=")
        try:
            value = Decimal(number.replace("_", ""))
        except ArithmeticError:
            value = Decimal(-1)
        is_repeated = venue in named if equals else common is not None
        if not value.is_finite() or not 0 <= value < 10**18 or is_repeated:
            raise BadConfig(
                f"volume {part!r}{' again' if is_repeated else ''}",
                location="--fee-volume",
                todo="write 5000000, or binance=5000000,kraken=20000",
            )
        if equals:
            named[venue] = value
        else:
            common = value
    return common or Decimal(0), named


def parse_bar_volume(text: str) -> int:
    """Parse `5%` or `0.05`: the share of a bar's volume that own fills may take, in millionths."""
    try:
        share = Decimal(text.strip().removesuffix("%").strip())
        if text.strip().endswith("%"):
            share /= 100
    except ArithmeticError:
        share = Decimal(-1)
    millionths = share * 1_000_000 if share.is_finite() else Decimal(-1)
    if not 1 <= millionths <= 1_000_000 or millionths != millionths.to_integral_value():
        raise BadConfig(
            f"share of a bar's volume {text!r}",
            location="--bar-volume",
            todo="write 5% or 0.05: above 0, at most 100%, in steps of 0.0001%",
        )
    return int(millionths)


def parse_limit_fills(text: str) -> str:
    """Returns AT_OPEN or AT_LIMIT. Raises BadConfig for anything else."""
    if text not in (AT_OPEN, AT_LIMIT):
        raise BadConfig(f"limit fills {text!r}", location="--limit-fills", todo=f"write {AT_OPEN} or {AT_LIMIT}")
    return text


def write_plan(plan: RunPlan, path: Path, facts: Mapping[str, Any]) -> None:
    """Write run.toml: the plan, then the facts found during the run (`facts`, nested tables)."""
    document: dict[str, Any] = {
        "run": {
            "kind": plan.kind,
            "strategy": plan.strategy,
            "symbol": plan.symbol or "",
            "from": plan.start if plan.start is not None else "",
            "to": plan.end if plan.end is not None else "",
            "seed": plan.seed,
            "on_error": plan.on_error,
            "sample_every": plan.sample_every,
            "interpret": plan.interpret,
        },
        "params": {name: toml_value(value) for name, value in plan.params.items()},
        "money": {
            "cash": as_texts(plan.money),
            "fee": [str(value) for value in plan.fee] if plan.fee else [],
            "fees": [f"{venue}={maker},{taker}" for venue, (maker, taker) in plan.fees.items()],
            "fee_volume": str(plan.fee_volume),
            "fee_volumes": [f"{venue}={value}" for venue, value in plan.fee_volumes.items()],
            "leverage": plan.leverage,
            "margin": plan.margin,
            "hedge": plan.hedge,
            **({"account_names": plan.account_names} if plan.account_names else {}),
        },
        "model": _model_table(plan),
        "venue": plan.venue.as_table(),
        "live": _live_table(plan.live) if plan.live else {},
        "trading": plan.hours.as_table() if plan.hours else {},
        "bars": plan.bar_sources,
        **({"history": [each._asdict() for each in plan.history]} if plan.history else {}),
        "input": [asdict(each) for each in plan.inputs],
        **_statistics_table(plan),
        **facts,
    }
    write_durably(path, to_toml(document))


def _statistics_table(plan: RunPlan) -> dict[str, Any]:
    """Returns the table of a year or a rate other than the default."""
    chosen = {"year": plan.year, "riskless": plan.riskless}
    return {} if chosen == {"year": "365", "riskless": 0.0} else {"statistics": chosen}


def _model_table(plan: RunPlan) -> dict[str, Any]:
    apart = {name: _latency_table(each) for name, each in plan.latencies.items()}
    return {
        "queue": plan.queue,
        **({"queue_fit": plan.queue_fit} if plan.queue_fit else {}),
        "fuse": plan.fuse,
        **({"filter": True} if plan.filter else {}),
        "bar_volume_share": plan.bar_volume_share,
        **({"limit_fills": plan.limit_fills} if plan.limit_fills != AT_OPEN else {}),
        **({"legs_with_entry": True} if plan.legs_with_entry else {}),
        **({"impact": str(plan.impact)} if plan.impact else {}),
        **({"impact_fit": plan.impact_fit} if plan.impact_fit else {}),
        "latency_text": str(plan.latency),
        "latency": _latency_table(plan.latency),
        **({"latencies": apart} if apart else {}),
    }


def _live_table(live: LiveRobot) -> dict[str, Any]:
    """Returns the table of the first incarnation; later ones are recorded on the run's journal."""
    names = ("number", "order_base", "account", "halted_after", "stopped", "slot", "leverage", "entries_after")
    lists = ("currencies", "others", "market", "market_more", "market_from", "market_named")
    named = {name: getattr(live, name) for name in lists if getattr(live, name)}
    if live.more:
        named |= {"venue": live.venue, "more": [seat_record(seat) for seat in live.more]}
    return {name: getattr(live, name) for name in names} | named


def seat_record(seat: Seat) -> dict[str, Any]:
    """Returns a seat beside the first in the form of run.toml and the run's journal."""
    return {each.name: getattr(seat, each.name) for each in fields(Seat)}


def live_robot_of(table: Mapping[str, Any]) -> LiveRobot:
    """Returns the robot from its table."""
    return LiveRobot(**{**table, "more": [Seat(**each) for each in table.get("more", ())]})


def read_plan(path: Path) -> tuple[RunPlan, dict[str, Any]]:
    """Returns a run's plan and the whole document. Raises BadConfig for a file that is no run."""
    file = path / "run.toml"
    if not file.is_file():
        raise BadConfig(f"{path} is not a run", location="run.toml", todo="name a run or its folder")
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
        run, money, model = document["run"], document["money"], document["model"]
        accounts = from_texts(money["cash"])
        plan = RunPlan(
            strategy=run["strategy"],
            params=dict(document.get("params", {})),
            symbol=run["symbol"] or None,
            start=run["from"] if run["from"] != "" else None,
            end=run["to"] if run["to"] != "" else None,
            cash=accounts.pop(SHARED, {}),
            accounts=accounts,
            account_names=dict(money.get("account_names", {})),
            fee=(Decimal(money["fee"][0]), Decimal(money["fee"][1])) if money["fee"] else None,
            fees=parse_fees(money.get("fees", ()))[1],
            fee_volume=Decimal(money.get("fee_volume", "0")),
            fee_volumes=parse_volumes(",".join(money.get("fee_volumes", ())))[1],
            leverage=money["leverage"],
            margin=money["margin"],
            hedge=money["hedge"],
            latency=_latency_of(model["latency"]),
            latencies={name: _latency_of(each) for name, each in model.get("latencies", {}).items()},
            venue=VenueOptions.from_table(document.get("venue", {})),
            hours=_hours_of(document.get("trading", {})),
            queue=model["queue"],
            queue_fit=model.get("queue_fit", ""),
            fuse=model["fuse"],
            filter=model.get("filter", False),
            bar_volume_share=model["bar_volume_share"],
            limit_fills=parse_limit_fills(model.get("limit_fills", AT_OPEN)),
            legs_with_entry=model.get("legs_with_entry", False),
            impact=parse_impact(model.get("impact", "off")),
            impact_fit=model.get("impact_fit", ""),
            seed=run["seed"],
            on_error=run["on_error"],
            **document.get("statistics", {}),
            kind=run["kind"],
            live=live_robot_of(document["live"]) if document.get("live") else None,
            inputs=[_input_of(each, path) for each in document.get("input", [])],
            sample_every=run["sample_every"],
            interpret=run["interpret"],
            bar_sources=dict(document.get("bars", {})),
            history=[History(**each) for each in document.get("history", ())],
        )
        if any(each.role not in (MARKET, DETAIL) for each in plan.inputs):
            raise ValueError("an input's role is neither market nor detail")
    except (KeyError, TypeError, ValueError, ArithmeticError) as problem:
        raise BadConfig(f"run.toml cannot be read: {problem}", location=str(file), todo="run it again") from None
    return plan, document


def _input_of(table: Mapping[str, Any], run: Path) -> TapeInput:
    """Returns an input of the run in that folder. After its home was moved, with its tapes, it is at their new place;
    whether it is the same tape is checked where it is read."""
    found = TapeInput(**table)
    there = Path(found.path)
    if there.exists():
        return found
    home = run.absolute().parent.parent
    ends = (Path(*there.parts[at:]) for at in range(1, len(there.parts)))
    moved = next((base / end for end in ends for base in (home, home.parent) if (base / end).exists()), there)
    return replace(found, path=str(moved))


def _hours_of(table: Mapping[str, Any]) -> TradingHours | Sessions | None:
    if "calendar" in table:
        return Sessions(str(table["calendar"]), tuple((int(start), int(stop)) for start, stop in table["sessions"]))
    return parse_hours(table["hours"], table["tz"]) if table else None


def _latency_table(latency: Latency) -> dict[str, Any]:
    table: dict[str, Any] = {name: getattr(latency, name) for name in Latency.__slots__}
    table["curve"] = [list(point) for point in latency.curve]
    return {name: value for name, value in table.items() if value is not None}


def _latency_of(table: Mapping[str, Any]) -> Latency:
    fields = dict(table)
    fields["curve"] = tuple((t, request, reply) for t, request, reply in table["curve"])
    error = fields.pop("error", None)
    return Latency(**{"feed": None, **fields, "error": tuple(error) if error else None})


def toml_value(value: Any) -> Any:
    if isinstance(value, (bool, int, float, str)) and not isinstance(value, Enum):
        return value
    if isinstance(value, (list, tuple, set, frozenset)):
        ordered = sorted(value, key=str) if isinstance(value, (set, frozenset)) else value
        return [toml_value(each) for each in ordered]
    if isinstance(value, Mapping):
        return {str(key): toml_value(each) for key, each in value.items()}
    return str(value.value if isinstance(value, Enum) else value)


def to_toml(document: Mapping[str, Any]) -> str:
    """Format plain values, lists of them, tables and lists of tables as TOML; enough for run.toml."""
    lines: list[str] = []
    _table(document, (), lines)
    return "\n".join(lines).strip() + "\n"


def _table(table: Mapping[str, Any], path: tuple[str, ...], lines: list[str]) -> None:
    for key, value in table.items():
        if value is None or isinstance(value, Mapping) or _is_tables(value):
            continue
        lines.append(f"{_key(key)} = {_scalar(value)}")
    for key, value in table.items():
        if isinstance(value, Mapping):
            lines += ["", f"[{'.'.join(map(_key, (*path, key)))}]"]
            _table(value, (*path, key), lines)
        elif _is_tables(value):
            for each in value:
                lines += ["", f"[[{'.'.join(map(_key, (*path, key)))}]]"]
                _table(each, (*path, key), lines)


def _is_tables(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and bool(value) and isinstance(value[0], Mapping)


def _key(key: str) -> str:
    plain = key.replace("_", "").replace("-", "")
    return key if plain.isascii() and plain.isalnum() else _string(key)


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value) if value == value and abs(value) != float("inf") else _string(str(value))
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_scalar(each) for each in value) + "]"
    return _string(str(value))


def _string(text: str) -> str:
    escaped = "".join(
        {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(
            c, c if c >= " " and c != "\x7f" else f"\\u{ord(c):04x}"
        )
        for c in text
    )
    return f'"{escaped}"'
