"""Trade live: the same loop, with orders to a gateway, and order events from the gateway's tape.

The robot reads one journal, the gateway's, with the market and all order events in sequence;
it writes one, its run's, from which the gateway takes its requests. So a live run is replayed like
any other: from its tape and the saved source.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from onetape.clients.gateway import GatewayClient
from onetape.clients.shared_gateway import check_followed, starting, wait_for_others
from onetape.engine.incarnations import REPLAY, actions_of
from onetape.engine.parameters import coerced, parameters_of
from onetape.engine.plan import History
from onetape.engine.run_spec import RunSpec
from onetape.engine.session import Session
from onetape.exchange.options import VenueOptions, simulated_account
from onetape.ipc.local_socket import connect
from onetape.ipc.names import process_socket
from onetape.ipc.process_ids import noted_child
from onetape.model.config import parse_executions, with_entry
from onetape.model.errors import (
    BadConfig,
    BadInput,
    MarketDataUnavailable,
    NotAvailable,
    OnetapeError,
    ProcessDown,
    VenueUnavailable,
)
from onetape.model.ids import epoch_of
from onetape.model.money import money, money_units
from onetape.model.proxy import Proxy
from onetape.model.sections import AccountConfig, Config, VenueConfig
from onetape.model.symbol import at_exchange, exchange_of, parse_symbol
from onetape.model.time import parse_duration
from onetape.options.bridge import bridge_of, simulated_kind
from onetape.options.gateway import FeeAssetOptions, GatewayOptions, WithdrawalTarget
from onetape.options.guardian import GUARDIAN, guarded_account, guardian_options, has_guardian
from onetape.orders.calls import MASTER, Destination
from onetape.preflight.configured import clean_environ, is_simulated, proxy_of
from onetape.preflight.preflight import CHECKED, check_open, keys_of, look, preflight, target_of, third_secret
from onetape.preflight.rails import check_rails
from onetape.robot.child_process import child_process
from onetape.robot.earlier_run import Earlier, live_robot, rebuilt, wait_until_settled
from onetape.robot.live_history import Asks, queried_history
from onetape.robot.live_inputs import hub_of, live_inputs, with_market
from onetape.robot.live_options import LiveOptions
from onetape.robot.options import check_not_shared, symbols_at, traded_venues
from onetape.robot.robot_run import SAMPLE_NS, RobotRun, follow, stop_request, watch_of
from onetape.robot.watched_gateways import WatchedGateways
from onetape.runs.earlier_incarnations import result_before
from onetape.runs.preparing import prepare_plan, strategy_class
from onetape.runs.recording import begin_run, run_folder, run_uuid
from onetape.runs.run_summary import RunResult
from onetape.tape.journal import JournalReader
from onetape.tape.segments import is_tape
from onetape.venues.adapter import adapter_of
from onetape.venues.key_check import Wanted

__all__ = [
    "Asks",
    "LiveOptions",
    "OwnExchanges",
    "account_of",
    "addressed",
    "drain",
    "gateway_options",
    "gateway_process",
    "on_accounts",
    "open_live",
    "options_at",
    "run_live",
    "simulated_exchange",
    "still_working",
    "symbols_of",
    "traded_on",
    "working_text",
]

MARKET_WITHIN_S: Final = 10.0
HEARS_WITHIN_S: Final = 5.0  # longest wait for the market; after it the robot's bars may lack earlier data
DRAIN_S: Final = 5.0  # longest wait for the answers to the last cancels
WORKING_SHOWN: Final = 5


@contextmanager
def gateway(
    options: LiveOptions, symbols: list[str], exchanges: OwnExchanges | None = None
) -> Iterator[tuple[str, GatewayClient]]:
    """Yield the account's gateway: a running one, or one of our own until the block ends, and at least until other
    robots attached to it are gone. Raises BadConfig for symbols that a running one does not follow."""
    config = options.config
    assert config is not None
    name, _ = account_of(config, options.account)
    with ExitStack() as stack:
        with starting(options.home, name):
            client = _running(options.home, name)
            is_ours = client is None
            if client is None:
                started = stack.enter_context(gateway_options(options, symbols, exchanges))
                client = stack.enter_context(gateway_process(started, clean_environ(config)))
            else:
                check_followed(client, symbols)
        yield name, client
        if is_ours:
            wait_for_others(client)


@contextmanager
def _guardian(options: LiveOptions, config: Config, guarded: GatewayOptions) -> Iterator[None]:
    """Run the guardian of a gateway of our own, until the block ends; a running guardian of this home leases it
    itself."""
    home = Path(guarded.home)
    try:
        connect(process_socket(home, GUARDIAN), timeout_s=1.0).close()
    except OSError:
        pass  # none runs
    else:
        yield
        return
    reads = guarded_account(guarded, config, options.environ, options.folder)
    started = guardian_options(config, {guarded.account: reads}, home=home)
    with (
        child_process([sys.executable, "-m", "onetape.guardian.main"], clean_environ(config)) as child,
        noted_child(home, GUARDIAN, child.pid),
    ):
        assert child.stdin is not None and child.stdout is not None
        child.stdin.write(msgspec.json.encode(started))
        child.stdin.close()
        if child.stdout.readline().strip() != b"ready":
            raise ProcessDown("the guardian did not start", location=str(home), todo="see the line above")
        yield


def _running(home: Path, account: str) -> GatewayClient | None:
    """Returns the running gateway; None: none answers, whatever files a dead one has left."""
    try:
        return GatewayClient(home, account)
    except ProcessDown:
        return None


class OwnExchanges:
    """Runs the simulated exchanges of the accounts, one a venue, until its stack is left. home: where they are
    registered."""

    def __init__(self, config: Config, stack: ExitStack, home: Path) -> None:
        self._config, self._stack, self._home = config, stack, home
        self._started: dict[str, dict[str, Any]] = {}

    def of(self, venue: str) -> dict[str, Any] | None:
        """Returns the ready message of a venue's simulated exchange; None: the venue is not ours."""
        section = self._config.venues[venue]
        if not is_simulated(section):
            return None
        if venue not in self._started:
            kind, environ = simulated_kind(section.kind), clean_environ(self._config)
            own = simulated_exchange(kind, section.seed, environ, home=self._home)
            self._started[venue] = self._stack.enter_context(own)
        return self._started[venue]


@contextmanager
def gateway_options(
    options: LiveOptions, symbols: list[str], exchanges: OwnExchanges | None = None
) -> Iterator[GatewayOptions]:
    """Yield the start options of a gateway of our own; an exchange and a guardian of our own run until the block
    ends. exchanges: shared by several accounts."""
    config = options.config
    assert config is not None
    _, account = account_of(config, options.account)
    check_open(account.venue, config.venues[account.venue])
    with ExitStack() as stack:
        exchange = (exchanges or OwnExchanges(config, stack, options.home)).of(account.venue)
        started = options_at(options, exchange, symbols, is_new=True)
        if started.is_guarded:
            stack.enter_context(_guardian(options, config, started))
        yield started


def options_at(
    options: LiveOptions, exchange: Mapping[str, Any] | None, symbols: list[str], *, is_new: bool
) -> GatewayOptions:
    """Returns the options of an account's gateway. exchange: ready message of our simulated exchange, None: the
    venue is real, and is checked first. is_new: the exchange began with this gateway. Raises for an account that
    cannot be traded."""
    config = options.config
    assert config is not None
    name, account = account_of(config, options.account)
    venue = config.venues[account.venue]
    check_open(account.venue, venue)
    check_rails(config, name)
    bridge = bridge_of(config, account, venue, home=options.home, folder=options.folder, environ=options.environ)
    proxy = proxy_of(config, account.proxy, options.environ, options.folder)
    if exchange is None:
        started = _started(options, name, account, venue, symbols, proxy)
    else:
        first = _account_there(exchange["accounts"], name)
        if bridge is not None:  # ccxt defines the paths
            exchange = {"venue": venue.kind, "rest": exchange["rest"], "ws": _socket(exchange["rest"])}
        elif exchange["venue"] in CHECKED:
            own = msgspec.structs.replace(venue, rest=exchange["rest"])
            look(replace(target_of(account.venue, own), proxy=proxy), symbols)
        started = addressed(options.home, name, exchange, first, symbols, account, is_new=is_new)
    siblings = {
        other: each.email or (other if venue.mode == "sim" else "")  # its name there
        for other, each in config.accounts.items()
        if each.venue == account.venue and other != name
    }
    if account.master:
        siblings[account.master] = MASTER
    return msgspec.structs.replace(
        started,
        bridge=bridge,
        proxy=proxy,
        siblings=siblings,
        withdraw=_withdrawal_targets(config, account),
        fee_asset=_fee_asset(account),
        is_guarded=has_guardian(config),
        is_leased=bool(account.standby),
    )


def _fee_asset(account: AccountConfig) -> FeeAssetOptions | None:
    if (wanted := account.fee_asset) is None:
        return None
    below, buy = (str(money(money_units(each))) for each in (wanted.below, wanted.buy))
    return FeeAssetOptions(wanted.asset, wanted.quote, below, buy)


def _withdrawal_targets(config: Config, account: AccountConfig) -> dict[str, WithdrawalTarget]:
    """Returns the addresses outside its venue to which an account may withdraw."""
    found = {}
    for other, addresses in account.withdraw.items():
        venue = config.accounts[other].venue
        wallet = adapter_of(config.venues[venue].kind).outside_wallet
        if wallet is None:
            raise NotAvailable(
                f"deposits to {config.venues[venue].kind} are not supported",
                location=f"[accounts.NAME.withdraw.{other}]",
            )
        found[other] = WithdrawalTarget(
            venue=venue,
            wallet=wallet,
            to={currency: Destination(to.network, to.address, to.memo, to.key) for currency, to in addresses.items()},
        )
    return found


def _account_there(accounts: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """Returns the simulated exchange's account with that name, else its first."""
    by_name = {each["name"]: each for each in accounts}
    return by_name[simulated_account(name, list(by_name))]


def _socket(rest: str) -> str:
    """Returns the WebSocket address on the same host."""
    return rest.replace("http", "ws", 1)


@contextmanager
def gateway_process(started: GatewayOptions, environ: Mapping[str, str] | None = None) -> Iterator[GatewayClient]:
    """Yield a gateway until the block ends. environ: its own, without others' secrets. Raises VenueUnavailable when
    it does not become ready."""
    with (
        child_process([sys.executable, "-m", "onetape.gateway.main"], environ) as child,
        noted_child(Path(started.home), f"gateway:{started.account}", child.pid),
    ):
        assert child.stdin is not None and child.stdout is not None
        child.stdin.write(msgspec.json.encode(started))
        child.stdin.close()
        if child.stdout.readline().strip() != b"ready":
            raise VenueUnavailable("the gateway did not start", location=started.rest, todo="see the line above")
        yield GatewayClient(Path(started.home), started.account)


@contextmanager
def simulated_exchange(
    kind: str, seed: int, environ: Mapping[str, str] | None = None, *, home: Path | None = None
) -> Iterator[dict[str, Any]]:
    """Run a simulated exchange of our own until the block ends; yields its ready message. home: where it is
    registered, so that it is found if this process is killed."""
    with ExitStack() as stack:
        process = stack.enter_context(child_process([sys.executable, "-m", "onetape.exchange.main"], environ))
        if home is not None:
            stack.enter_context(noted_child(home, f"venue:{process.pid}", process.pid))
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(msgspec.json.encode(VenueOptions(kind=kind, seed=seed)))
        process.stdin.close()
        line = process.stdout.readline()
        if not line:
            raise ProcessDown("the simulated exchange did not start", location=kind)
        yield json.loads(line)


def addressed(
    home: Path,
    name: str,
    exchange: Mapping[str, Any],
    keys: Mapping[str, Any],
    symbols: list[str],
    account: AccountConfig | None = None,
    *,
    is_new: bool = False,
) -> GatewayOptions:
    """Returns a gateway's options with the addresses of a simulated exchange and an account there."""
    limits = account or AccountConfig(venue="")
    executions_max, executions_ns = parse_executions(limits.executions_max)
    return GatewayOptions(
        kind=exchange["venue"],
        account=name,
        rest=exchange["rest"],
        ws=exchange["ws"],
        ws_private=exchange.get("ws_private", ""),
        ws_entry=exchange.get("ws_entry", ""),
        rest_wallet=exchange.get("wallet", exchange["rest"]),
        order_entry=limits.order_entry,
        durability=limits.durability,
        key=keys["key"],
        secret=keys["secret"],
        third_secret=third_secret(keys),
        home=str(home),
        symbols=symbols,
        position_max=limits.position_max,
        order_max=limits.order_max,
        price_band=limits.price_band,
        orders_per_second=limits.orders_per_second,
        order_value_max={name: str(amount) for name, amount in limits.order_value_max.items()},
        open_value_max={name: str(amount) for name, amount in limits.open_value_max.items()},
        open_orders_max=limits.open_orders_max,
        allowed=limits.symbols,
        messages_per_second=limits.messages_per_second,
        executions_max=executions_max,
        is_slow=os.environ.get("ONETAPE_SLOW_GATEWAY") == "1",
        executions_ns=executions_ns,
        dead_man_ns=parse_duration(limits.dead_man) if limits.dead_man else 0,
        orphans=limits.orphans,
        venue=limits.venue,
        subaccounts=limits.subaccounts,
        credit={name: str(amount) for name, amount in limits.credit.items()},
        check_every_ns=parse_duration(limits.check_every),
        stale_ns=parse_duration(limits.stale_after) if limits.stale_after else 0,
        leverage=limits.leverage,
        isolated=limits.margin == "isolated",
        hedge=None if account is None else account.position_mode == "hedge",
        cross_internally=limits.cross_internally,
        commands=limits.commands,
        transfer_deadline_ns=parse_duration(limits.transfer_deadline),
        is_new=is_new,
    )


def account_of(config: Config, wanted: str) -> tuple[str, AccountConfig]:
    if wanted:
        if wanted not in config.accounts:
            there = ", ".join(config.accounts) or "none"
            raise BadConfig(f"no account {wanted!r}", location="--account", todo=f"choose from {there}")
        return wanted, config.accounts[wanted]
    if len(config.accounts) != 1:
        raise BadConfig(
            f"the configuration has {len(config.accounts)} accounts, and --account names none",
            location="onetape.toml",
            todo="write [accounts.NAME], or name one of several with --account",
        )
    return next(iter(config.accounts.items()))


def _started(
    options: LiveOptions, name: str, account: AccountConfig, venue: VenueConfig, symbols: list[str], proxy: Proxy | None
) -> GatewayOptions:
    """Returns the gateway's options. Raises for an account that cannot be traded."""
    target = replace(target_of(account.venue, venue), proxy=proxy)
    keys = keys_of(name, account, venue.kind, options.environ, options.folder)
    if venue.kind in CHECKED:
        wanted = Wanted(account.position_mode == "hedge", account.allow_withdraw)
        preflight(target, name, keys, symbols, wanted)
    exchange = {"venue": venue.kind, **target.addresses._asdict()}
    return addressed(options.home, name, exchange, keys, symbols, account)


def run_live(options: LiveOptions) -> RunResult:
    """Run `onetape run --live`, with the gateway in a process of its own: until Ctrl-C or --seconds; then working
    orders are canceled."""
    config = options.config
    assert not options.single and config is not None
    options = on_accounts(options)
    symbols = symbols_of(options)
    deadline = options.deadline
    with ExitStack() as stack:
        exchanges = OwnExchanges(config, stack, options.home)
        gateways = dict(
            stack.enter_context(gateway(replace(options, account=name), traded_on(options, name, symbols), exchanges))
            for name in options.venues or (options.account,)
        )
        robot = open_live(options, gateways)
        watched = WatchedGateways(robot.session) if options.venues else None
        watch = watch_of(options, deadline, watched.look if watched is not None else None)
        with stop_request([robot]) as stopping:
            try:
                options.doing("")
                follow([robot], watch, stopping)
                working = drain([robot])
            except BaseException:
                robot.close(keep=True)
                raise
            result = robot.close(keep=True)
    assert result is not None
    result.working = working
    return result


def on_accounts(options: LiveOptions) -> LiveOptions:
    """Returns the options of a robot on several accounts: those it names, or its portfolio's file does; unchanged
    for a single account. Raises BadConfig, NotAvailable."""
    config = options.config
    assert config is not None
    of_file = tuple(getattr(strategy_class(options), "_exchanges", ())) if not options.account else ()
    names = options.accounts or of_file
    if len(names) < 2:
        return replace(options, account=names[0]) if names else options
    section = {"strategy": "run", "accounts": list(names), "subaccount": options.subaccount}
    robot = with_entry(config, "robots", "run", section, location="--account").robots["run"]
    for name in names:
        check_not_shared(config, name)
    if has_guardian(config):
        raise NotAvailable("a guardian for several accounts cannot run in the foreground", todo="use `onetape up`")
    return replace(options, account=names[0], venues=traded_venues(config, robot))


def open_live(options: LiveOptions, gateways: Mapping[str, Asks], before: Earlier | None = None) -> RobotRun:
    """Returns a started robot whose orders the gateways take, by account. before: the earlier robot's run: it
    continues, or the new one takes over its positions and memory."""
    strategy = strategy_class(options)
    if before is not None and before.continues:
        folder = before.folder
    else:
        folder = run_folder(options.out, options.home, strategy.__name__)
    try:
        name = options.robot or folder.name
        lived = {account: int(client.ask("life", name=name)["epoch"]) for account, client in gateways.items()}
        replies = _attached(options, gateways, folder, max(lived.values()))
        for account, reply in replies.items():
            # a gateway that has just begun knows its money once it is reconciled
            if lived[account] or not reply["balances"]:
                reply |= wait_until_settled(gateways[account], reply["robot"], options.doing)
        robot = _open(options, strategy, folder, replies, before, gateways)
    except BaseException:
        if not (folder / "run.toml").exists():
            shutil.rmtree(folder, ignore_errors=True)
        raise
    wanted = sorted(s for s, kind in robot.session.host.subscriptions if kind == "book")
    for account, client in gateways.items():
        books = [at_exchange(symbol) for symbol in wanted if _is_of(symbol, options.venues.get(account, ""))]
        answer = client.ask("follow", robot=replies[account]["robot"], books=books)
        for symbol in answer["lacking"]:
            sys.stderr.write(f"onetape: this venue gives no depth of {symbol}\n")
    return robot


def _attached(
    options: LiveOptions, gateways: Mapping[str, Asks], folder: Path, lived: int
) -> dict[str, dict[str, Any]]:
    """Attach to each gateway and return their answers: order ids must be new at all of them. lived: epoch of the
    robot's last incarnation."""
    epoch = max(lived + 1, epoch_of(options.wall()))
    return {
        account: client.ask(
            "attach",
            name=options.robot or folder.name,
            journal=str(folder / "journal"),
            subaccount=options.subaccount,
            orders_per_second=options.orders_per_second,
            grant=options.grants.get(account, ""),
            epoch=epoch,
        )
        for account, client in gateways.items()
    }


def _is_of(symbol: str, venue: str) -> bool:
    """Returns True when a symbol is of a venue; venue "": any."""
    return venue in ("", symbol.partition(":")[0])


def traded_on(options: LiveOptions, account: str, symbols: Iterable[str]) -> list[str]:
    """Returns the robot's symbols that are traded on an account."""
    return symbols_at(options.venues.get(account, ""), symbols)


def symbols_of(options: LiveOptions) -> list[str]:
    """Returns the symbols in the strategy's parameters: those in `symbol` and `symbols`, then others that name an
    instrument of its account's venue. Raises BadConfig where there is none, and for an invalid parameter."""
    strategy = strategy_class(options)
    chosen = coerced(strategy, options.params)
    symbols = _texts(chosen.get("symbol", options.symbol or getattr(strategy, "symbol", None)))
    more = chosen.get("symbols", getattr(strategy, "symbols", ()))
    symbols += _texts(more) if isinstance(more, (list, tuple)) else []
    for name, each in parameters_of(strategy).items():
        if name not in ("symbol", "symbols"):
            symbols += [one for one in _texts(chosen.get(name, each.default)) if _is_traded(one, options)]
    if not symbols:
        raise BadConfig(
            "no parameter of the strategy names a symbol to trade",
            location="--live",
            todo="give --symbol, or --param NAME=SYMBOL",
        )
    return list(dict.fromkeys(symbols))


def _texts(value: Any) -> list[str]:
    values = value if isinstance(value, (list, tuple)) else [value]
    return [each for each in values if isinstance(each, str)]


def _is_traded(text: str, options: LiveOptions) -> bool:
    """Returns True for a complete instrument name of the account's venue: others come from collectors."""
    if options.config is None and not options.venues:
        return False
    try:
        symbol = parse_symbol(text)
    except OnetapeError:
        return False
    if options.config is None or options.venues:
        return symbol.is_unified and symbol.venue in options.venues.values()
    _, account = account_of(options.config, options.account)
    kind = options.config.venues[account.venue].kind
    return symbol.is_unified and exchange_of(kind) == symbol.venue


def _open(
    options: LiveOptions,
    strategy: type[Any],
    folder: Path,
    replies: Mapping[str, Mapping[str, Any]],
    before: Earlier | None,
    gateways: Mapping[str, Asks],
) -> RobotRun:
    """Open the robot's session once there is a market on the tapes."""
    deadline = time.monotonic() + HEARS_WITHIN_S
    options.doing("waits for the market")
    periods = []
    for client in gateways.values():
        while not (market := client.ask("status")["market"])["hears"] and time.monotonic() < deadline:
            options.sleep(0.02)  # trades meanwhile would be missing from its bars
        periods.append(int(market.get("bars", 0)))
    venues = {account: options.venues.get(account, "") for account in gateways}
    hub = hub_of(replies.values())
    tapes = live_inputs(options.home, gateways, hub, options.streams)
    for tape in tapes:
        if not is_tape(tape):  # the journal was deleted: its process ends and creates another
            raise ProcessDown("the journal does not exist yet", location=str(tape), todo="run it again")
    cash, hedge = options.cash or _cash(replies, venues), _hedge(replies, venues)
    completed = replace(options, data=tapes, cash=cash, hedge=hedge, start=options.wall())
    plan = prepare_plan(completed, strategy)
    live = replace(live_robot(replies, venues, options.restart, before), stopped=options.stopped)
    live = with_market(live, hub, strategy, options.params)
    plan = replace(plan, kind="live", sample_every=SAMPLE_NS, live=live)
    session = _opened(
        _spec(RunSpec(plan, strategy, folder / "journal", is_growing=True), folder, before, options.home), options.sleep
    )
    try:
        begin_run(
            session,
            folder,
            completed,
            named=options.strategy_named,
            robot=options.robot,
            after=before.folder.name if before is not None else "",
        )
        session.host.bars.venue_periods = dict(zip(venues.values(), periods, strict=True))
        tellers = [
            (venues[name], client, replies[name], tape)
            for (name, client), tape in zip(gateways.items(), tapes, strict=False)
        ]
        session.asks_history = partial(_history, tellers)
        session.start()
    except BaseException:
        session.close()
        raise
    return RobotRun(session, folder, options.report, instruments=options.instruments)


def _hedge(replies: Mapping[str, Mapping[str, Any]], venues: Mapping[str, str]) -> bool:
    """Returns whether the accounts are in hedge mode. Raises BadConfig when only some are, or two of one exchange."""
    modes = {account: "hedge" if reply["hedge"] else "one-way" for account, reply in replies.items()}
    if len(set(modes.values())) > 1:
        said = ", ".join(f"{account} is in {mode} mode" for account, mode in modes.items())
        raise BadConfig(
            f"the accounts have different position modes: {said}",
            location="accounts",
            todo="set one position_mode for all",
        )
    is_hedged = "hedge" in modes.values()
    if is_hedged and (further := next((each for each in venues.values() if "@" in each), "")):
        words = f"two accounts of {at_exchange(further)} cannot both be in hedge mode"
        raise BadConfig(words, location="accounts", todo='write position_mode = "one-way", or use one account there')
    return is_hedged


def _cash(replies: Mapping[str, Mapping[str, Any]], venues: Mapping[str, str]) -> str:
    """Returns the accounts' money, under the venue's name where there are several. Raises BadConfig."""
    found = []
    for account, reply in replies.items():
        if len(replies) > 1 and not reply["balances"]:
            raise BadConfig(f"account {account} has no balance in a currency that it trades", location="accounts")
        prefix = f"{venues[account]}=" if venues[account] else ""
        found += [f"{prefix}{amount} {currency}" for currency, amount in reply["balances"].items()]
    return ",".join(found)


def _history(
    tellers: Sequence[tuple[str, Asks, Mapping[str, Any], Path]], wanted: Mapping[tuple[str, int], int], now: int
) -> list[History]:
    """Returns a function for bars from before the start, from the gateway that trades their symbol. tellers: venue
    of each, the gateway, its answer about the robot, its tape."""
    found = []
    for venue, client, reply, tape in tellers:
        if names := {(at_exchange(symbol), period): symbol for symbol, period in wanted if _is_of(symbol, venue)}:
            mine = {key: wanted[symbol, key[1]] for key, symbol in names.items()}
            reported = queried_history(client, reply["robot"], tape, mine, now)
            found += [each._replace(symbol=names[each.symbol, each.period]) for each in reported]
    return found


def _spec(begun: RunSpec, folder: Path, before: Earlier | None, home: Path) -> RunSpec:
    """Returns the run's specification with the state passed on by the robot's earlier run."""
    live = begun.plan.live
    assert live is not None
    attributes = rebuilt(before, begun.strategy) if before is not None and live.restart == REPLAY else {}
    if before is None or not before.continues:
        return replace(begun, uuid=run_uuid(folder.name, begun.plan, home), attributes=attributes)
    last = before.incarnations[-1]
    with JournalReader(before.journal) as reader:
        uuid = reader.uuid.bytes
    return replace(
        begun,
        plan=replace(begun.plan, strategy=before.plan.strategy),
        uuid=uuid,
        earlier_actions=list(actions_of(before.journal, last.last)),
        attributes=attributes,
        reached=last.reached,
        **result_before(begun.plan, before.journal, before.incarnations[0].live, live),
    )


def _opened(spec: RunSpec, sleep: Callable[[float], None]) -> Session:
    """Open a session once there is a market on the tape. Raises MarketDataUnavailable where none comes."""
    deadline = time.monotonic() + MARKET_WITHIN_S
    while True:
        session = Session(spec)
        try:
            session.open()
            return session
        except (BadInput, MarketDataUnavailable):
            session.close()
            if time.monotonic() > deadline:
                raise
            sleep(0.1)


def drain(robots: Sequence[RobotRun]) -> list[str]:
    """Cancel working orders and wait for the answers, so that none is left behind. Returns the orders without a
    received end."""
    for robot in robots:
        robot.session.halt()
    deadline = time.monotonic() + DRAIN_S
    while time.monotonic() < deadline:
        for robot in robots:
            robot.step()
        if not any(robot.session.loop.working(None) for robot in robots):
            break
        time.sleep(0.02)
    return still_working(robots)


def still_working(robots: Sequence[RobotRun]) -> list[str]:
    """Returns descriptions of robots' orders that have not ended."""
    orders = (order for robot in robots for order in robot.session.loop.working(None))
    return [f"{each.side} {each.remaining:g} {each.symbol} ({each.state})" for each in orders]


def working_text(working: Sequence[str]) -> str:
    """Returns a text on the result of `still_working`, with the first of it."""
    what = "an order" if len(working) == 1 else f"{len(working)} orders"
    return f"{what} may still work at the venue: {', '.join(working[:WORKING_SHOWN])}"
